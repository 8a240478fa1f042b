/* memcpy and its kin for the boot loader and the kernel, where no C library is. Plain 8-byte moves:
 * string instructions are ten times slower under emulation, and vector registers are the program's.
 * The compiler may call these by itself. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Unaligned 8-byte accesses; x86 does them at no cost worth a branch. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

/* Without this the compiler would turn the loops below into calls of themselves. */
#define NO_IDIOM __attribute__((optimize("no-tree-loop-distribute-patterns")))

NO_IDIOM void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    for (; length >= 32; length -= 32, d += 32, s += 32) {
        word a = ((const word *)s)[0], b = ((const word *)s)[1];
        word c = ((const word *)s)[2], e = ((const word *)s)[3];
        ((word *)d)[0] = a;
        ((word *)d)[1] = b;
        ((word *)d)[2] = c;
        ((word *)d)[3] = e;
    }
    for (; length >= 8; length -= 8, d += 8, s += 8)
        *(word *)d = *(const word *)s;
    while (length--)
        *d++ = *s++;
    return to;
}

NO_IDIOM void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if (d - s >= (ptrdiff_t)length || d <= s) {
        for (; length >= 8; length -= 8, d += 8, s += 8)
            *(word *)d = *(const word *)s;
        while (length--)
            *d++ = *s++;
        return to;
    }
    for (; length >= 8; length -= 8)
        *(word *)(d + length - 8) = *(const word *)(s + length - 8);
    while (length--)
        d[length] = s[length];
    return to;
}

NO_IDIOM void *memset(void *to, int value, size_t length)
{
    uint8_t *d = to;
    uint64_t fill = (uint8_t)value * UINT64_C(0x0101010101010101);
    for (; length >= 32; length -= 32, d += 32) {
        ((word *)d)[0] = fill;
        ((word *)d)[1] = fill;
        ((word *)d)[2] = fill;
        ((word *)d)[3] = fill;
    }
    for (; length >= 8; length -= 8, d += 8)
        *(word *)d = fill;
    while (length--)
        *d++ = (uint8_t)value;
    return to;
}

int memcmp(const void *left, const void *right, size_t length)
{
    const uint8_t *a = left, *b = right;
    for (; length; length--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

void *memchr(const void *from, int value, size_t length)
{
    const uint8_t *s = from;
    for (; length; length--, s++)
        if (*s == (uint8_t)value)
            return (void *)(uintptr_t)s;
    return NULL;
}

NO_IDIOM size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length])
        length++;
    return length;
}

int strcmp(const char *left, const char *right)
{
    while (*left && *left == *right)
        left++, right++;
    return (unsigned char)*left - (unsigned char)*right;
}

int strncmp(const char *left, const char *right, size_t limit)
{
    for (; limit; limit--, left++, right++)
        if (!*left || *left != *right)
            return (unsigned char)*left - (unsigned char)*right;
    return 0;
}

char *strchr(const char *text, int character)
{
    while (*text != (char)character)
        if (*text++ == '\0')
            return NULL;
    return (char *)(uintptr_t)text;
}

char *strrchr(const char *text, int character)
{
    const char *found = NULL;
    do {
        if (*text == (char)character)
            found = text;
    } while (*text++ != '\0');
    return (char *)(uintptr_t)found;
}
