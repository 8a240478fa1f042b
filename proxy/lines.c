/* Lines out of a byte stream. */
#include "proxy/lines.h"

#include <string.h>

void lines_clean(char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            bytes[i] = '?';
    }
}

void lines_end(struct lines *lines, lines_take_t take, void *context)
{
    size_t length = lines->length;

    if (!length)
        return;
    lines->length = 0;
    if (lines->bytes[length - 1] == '\r')
        length--;
    lines_clean(lines->bytes, length);
    take(context, lines->bytes, length);
}

void lines_add(struct lines *lines, const char *bytes, size_t length, lines_take_t take,
               void *context)
{
    while (length) {
        const char *newline = memchr(bytes, '\n', length);
        size_t room = LINES_MAX - lines->length,
               part = newline ? (size_t)(newline - bytes) : length;
        size_t taken = part < room ? part : room;

        memcpy(lines->bytes + lines->length, bytes, taken);
        lines->length += taken;
        bytes += taken;
        length -= taken;
        if (taken == part && newline) {
            bytes++;
            length--;
            if (lines->length)
                lines_end(lines, take, context);
            else
                take(context, "", 0);
        } else if (lines->length == LINES_MAX) {
            lines_end(lines, take, context);
        }
    }
}
