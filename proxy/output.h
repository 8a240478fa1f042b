/* The proxy's output: two sinks, standard output and standard error (one, when both are the same
 * file), each with a buffer that never makes the proxy wait; and the streams of the instances,
 * whose lines come out whole, in order, with the instance's name in front. */
#ifndef PROXY_OUTPUT_H
#define PROXY_OUTPUT_H

#include "proxy/events.h"

#include <stddef.h>
#include <stdint.h>

#define OUTPUT_HIGH_WATER                                                                          \
    (UINT64_C(1) << 20)                      /* bytes buffered above which streams have to wait    \
                                              */
#define OUTPUT_LINE_MAX (UINT64_C(64) << 10) /* bytes of a line that are held back for its end */

struct output_stream;

struct output_sink {
    int fd;            /* written to; -1: not open */
    bool own_fd;       /* opened by us (non-blocking), to be closed */
    bool always_ready; /* a file that cannot block, such as a regular one */
    bool limited;      /* could block in the middle of a write: small writes, each after a look */
    bool terminal, colour;
    int error; /* 0, or the errno value for which it takes nothing any more */
    char *buffer;
    size_t start, end, capacity;
    struct output_stream *unfinished; /* whose line stands on the sink without its newline */
    struct event_source source;
    struct event_loop *loop;
};

struct output {
    struct output_sink sinks[2];
    struct output_sink *out, *err; /* both the same when standard output and error are one file */
    bool quiet;
    int name_width;
};

/* One stream of one instance. */
struct output_stream {
    struct output_sink *sink;
    char *prefix, *continuation; /* in front of a line, of a line's next piece; NULL: verbatim */
    size_t prefix_length, continuation_length;
    char *line; /* the beginning of a line whose end has not come */
    size_t length, capacity;
    bool continued; /* `line` goes on with one whose first piece is out */
};

/* Takes over descriptors `out` and `err` (1 and 2). They are not closed and their flags not
 * changed. Returns 0 or a negative errno value. */
int output_open(struct output *output, struct event_loop *loop, int out, int err, bool quiet,
                int name_width);
void output_close(struct output *output);

/* A stream named `name` to `sink`, `number` chooses its colour. 0 or -ENOMEM. */
int output_stream_open(const struct output *output, struct output_stream *stream,
                       struct output_sink *sink, const char *name, unsigned number);
void output_stream_close(struct output_stream *stream);

/* Takes some or all of the bytes: returns how many (0: the sink is full; output_flush may change
 * that), or a negative errno value when the sink takes nothing any more. The bytes must not
 * change meanwhile: the lagoon's are copied first. */
int64_t output_stream_write(struct output_stream *stream, const void *bytes, size_t length);

/* Shows the beginning of a line now, without its end: a prompt. */
void output_stream_show(struct output_stream *stream);

/* The stream has ended: a last line without a newline is given one (not when verbatim). */
void output_stream_end(struct output_stream *stream);

/* The user has pressed Enter on the terminal: whatever line stood there has ended. */
void output_line_entered(struct output *output);

/* Adds a line of the proxy's own ("atoll: ...", tables) to a sink: never refused, no newline in
 * `text` needed. */
__attribute__((format(printf, 2, 3))) void output_print(struct output_sink *sink,
                                                        const char *format, ...);
void output_line(struct output_sink *sink, const char *prefix, const char *line, size_t length);

/* Writes what the files take at once; waits in the event loop for the rest. Returns whether a sink
 * that was full has room now: writes that it has turned away can go on. */
bool output_flush(struct output *output);

bool output_sink_full(const struct output_sink *sink); /* streams have to wait */
bool output_idle(const struct output *output);         /* nothing left to write */

#endif
