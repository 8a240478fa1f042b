/* printf's formats, as many as the kernel uses (instance/log.h lists them). */
#include "instance/log.h"

#include <stdbool.h>
#include <stdint.h>

struct output {
    char *text;
    size_t capacity, length; /* length may pass capacity: what the whole text would have */
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->capacity)
        out->text[out->length] = c;
    out->length++;
}

/* One conversion's width and flags. */
struct field {
    bool left, zero, is_long;
    size_t width;
};

static void put_padded(struct output *out, const struct field *field, const char *text,
                       size_t length)
{
    size_t padding = field->width > length ? field->width - length : 0;
    for (size_t i = 0; !field->left && i < padding; i++)
        put(out, field->zero ? '0' : ' ');
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
    for (size_t i = 0; field->left && i < padding; i++)
        put(out, ' ');
}

static void put_number(struct output *out, const struct field *field, uint64_t value, unsigned base,
                       const char *sign)
{
    char digits[32], *end = digits + sizeof digits, *at = end;
    do
        *--at = "0123456789abcdef"[value % base];
    while (value /= base);
    for (size_t i = 0; sign[i]; i++)
        *--at = sign[i];
    put_padded(out, field, at, (size_t)(end - at));
}

static uint64_t next_unsigned(const struct field *field, va_list *arguments)
{
    return field->is_long ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned);
}

static const char *parse_field(const char *at, struct field *field)
{
    *field = (struct field){0};
    for (;; at++) {
        if (*at == '-')
            field->left = true;
        else if (*at == '0')
            field->zero = true;
        else
            break;
    }
    for (; *at >= '0' && *at <= '9'; at++)
        field->width = field->width * 10 + (size_t)(*at - '0');
    for (; *at == 'l' || *at == 'z'; at++)
        field->is_long = true;
    return at;
}

static void convert(struct output *out, const struct field *field, char kind, va_list *arguments)
{
    switch (kind) {
    case 's': {
        const char *text = va_arg(*arguments, const char *);
        size_t length = 0;
        while (text && text[length])
            length++;
        put_padded(out, field, text, length);
        break;
    }
    case 'd': {
        int64_t value = field->is_long ? va_arg(*arguments, long) : va_arg(*arguments, int);
        uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        put_number(out, field, magnitude, 10, value < 0 ? "-" : "");
        break;
    }
    case 'u':
        put_number(out, field, next_unsigned(field, arguments), 10, "");
        break;
    case 'x':
        put_number(out, field, next_unsigned(field, arguments), 16, "");
        break;
    case 'p':
        put_number(out, field, (uint64_t)va_arg(*arguments, void *), 16, "x0");
        break;
    case 'c': {
        char c = (char)va_arg(*arguments, int);
        put_padded(out, field, &c, 1);
        break;
    }
    default:
        put(out, kind);
    }
}

size_t format_text(char *text, size_t capacity, const char *format, va_list arguments)
{
    struct output out = {text, capacity, 0};
    va_list rest;
    va_copy(rest, arguments);
    for (; *format; format++) {
        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        struct field field;
        format = parse_field(format + 1, &field);
        if (!*format)
            break;
        convert(&out, &field, *format, &rest);
    }
    va_end(rest);
    if (capacity)
        text[out.length < capacity ? out.length : capacity - 1] = 0;
    return out.length;
}

size_t format_to(char *out, size_t capacity, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text(out, capacity, format, arguments);
    va_end(arguments);
    return length;
}
