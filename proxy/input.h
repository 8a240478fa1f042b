/* The proxy's standard input: read only when an instance has asked for it, and never so that the
 * proxy waits. */
#ifndef PROXY_INPUT_H
#define PROXY_INPUT_H

#include "proxy/events.h"

#include <stddef.h>
#include <sys/types.h>

struct input {
    int fd;
    bool terminal;
    bool always_ready; /* a regular file, for instance */
    bool ended;        /* the end has been read, or an error */
    bool ready;        /* a read would not wait now */
    struct event_source source;
    struct event_loop *loop;
};

void input_open(struct input *input, struct event_loop *loop, int fd);
void input_close(struct input *input); /* does not close the descriptor */

/* Somebody waits for input (or nobody does any more). */
void input_want(struct input *input, bool wanted);

/* After input.ready: reads up to `length` bytes. Returns the count, 0 at the end, a negative errno
 * value; -EAGAIN when there is nothing after all. */
ssize_t input_read(struct input *input, void *bytes, size_t length);

#endif
