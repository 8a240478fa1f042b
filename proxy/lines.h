/* Cuts a stream of untrusted bytes into lines that can be shown: without the newline, without a
 * carriage return at its end, other control characters shown as '?'. */
#ifndef PROXY_LINES_H
#define PROXY_LINES_H

#include <stddef.h>

#define LINES_MAX 1024 /* bytes; longer lines are handed on in pieces */

typedef void (*lines_take_t)(void *context, const char *line, size_t length);

struct lines {
    size_t length;
    char bytes[LINES_MAX];
};

/* Adds bytes and hands on each line that they complete. */
void lines_add(struct lines *lines, const char *bytes, size_t length, lines_take_t take,
               void *context);

/* Hands on what is there without a newline, if anything: the stream has ended. */
void lines_end(struct lines *lines, lines_take_t take, void *context);

/* Replaces control characters by '?', in place; UTF-8 and tabs stay. */
void lines_clean(char *bytes, size_t length);

#endif
