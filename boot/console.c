/* The serial console (COM1) for messages before the lagoon is open, and for failures. */
#include "boot/loader.h"
#include "boot/port.h"

#include <stdarg.h>

#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define TRANSMITTER_EMPTY 0x20
#define TRANSMIT_TRIES 100000 /* a port that is not there must not stop the boot */

static void put(char c)
{
    for (int i = 0; i < TRANSMIT_TRIES && !(port_in8(LINE_STATUS) & TRANSMITTER_EMPTY); i++)
        ;
    port_out8(COM1, (uint8_t)c);
}

/* The few formats that the loader needs: %s %u %x %lu %lx %%. */
static size_t format(char *out, size_t capacity, const char *text, va_list arguments)
{
    size_t length = 0;
    for (; *text; text++) {
        char digits[24];
        const char *piece = digits;
        size_t count = 0;
        if (*text != '%') {
            piece = text;
            count = 1;
        } else {
            bool is_long = *++text == 'l';
            if (is_long)
                text++;
            if (*text == 's') {
                piece = va_arg(arguments, const char *);
                while (piece[count])
                    count++;
            } else if (*text == 'u' || *text == 'x') {
                uint64_t value =
                    is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
                unsigned base = *text == 'u' ? 10 : 16;
                char *end = digits + sizeof digits, *p = end;
                do
                    *--p = "0123456789abcdef"[value % base];
                while (value /= base);
                piece = p;
                count = (size_t)(end - p);
            } else {
                piece = text;
                count = 1;
            }
        }
        for (size_t i = 0; i < count && length + 1 < capacity; i++)
            out[length++] = piece[i];
    }
    out[length] = 0;
    return length;
}

void console_print(const char *text, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, text);
    size_t length = format(line, sizeof line, text, arguments);
    va_end(arguments);
    for (size_t i = 0; i < length; i++)
        put(line[i]);
}

noreturn void loader_fail(const char *text, ...)
{
    char line[256] = {0}; /* all of it is copied for the proxy to read */
    va_list arguments;
    va_start(arguments, text);
    format(line, sizeof line, text, arguments);
    va_end(arguments);
    if (!loader.boot) { /* nobody but the console can be told */
        console_print("boot loader: %s\n", line);
    } else {
        for (size_t i = 0; i < sizeof line; i++)
            loader.boot->message[i] = line[i];
        atomic_store_explicit(&loader.boot->failed, 1, memory_order_release);
        pci_ring_proxy();
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}
