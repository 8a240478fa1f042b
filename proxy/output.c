/* Output. A sink's bytes are copied once, from the lagoon into its buffer with prefixes put in, and
 * leave by large writes. Programs' bytes are taken only while a sink is below its high-water mark,
 * so a slow reader slows the instances down and not the proxy. */
#include "proxy/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define WRITE_MAX (UINT64_C(1) << 20)
#define WRITE_LIMITED 1024       /* fits wherever poll has said that there is room */
#define EARLY_FLUSH (128 * 1024) /* buffered bytes from which a write is worth its system call */

/* --- Sinks ---------------------------------------------------------------------------------------
 */

/* The same file, opened once more without blocking: O_NONBLOCK on the inherited descriptor would
 * change it for every process that shares it. Only for pipes and terminals: a second opening of a
 * regular file would have an offset of its own. */
static int open_again(int fd, const struct stat *status)
{
    char path[32];
    struct stat opened;
    int again;

    if (S_ISCHR(status->st_mode) && major(status->st_rdev) == 5 && minor(status->st_rdev) == 2)
        return -1; /* the multiplexer of pseudo-terminals: opening it makes another one */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again < 0)
        return -1;
    if (!fstat(again, &opened) && opened.st_dev == status->st_dev &&
        opened.st_ino == status->st_ino)
        return again;
    close(again);
    return -1;
}

static void sink_open(struct output_sink *sink, struct event_loop *loop, int fd)
{
    struct stat status;
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    memset(sink, 0, sizeof(*sink));
    sink->fd = fd;
    sink->loop = loop;
    if (fstat(fd, &status)) {
        sink->error = errno;
        return;
    }
    if (S_ISFIFO(status.st_mode) || (S_ISCHR(status.st_mode) && isatty(fd))) {
        int again = open_again(fd, &status);

        sink->own_fd = again >= 0;
        sink->limited = again < 0;
        if (sink->own_fd)
            sink->fd = again;
        sink->terminal = isatty(sink->fd) == 1;
        sink->colour = sink->terminal && !(no_colour && *no_colour) && terminal &&
                       strcmp(terminal, "dumb") != 0;
    } else {
        sink->always_ready = !S_ISSOCK(status.st_mode);
        sink->limited = S_ISSOCK(status.st_mode);
    }
}

static void sink_fail(struct output_sink *sink, int error)
{
    sink->error = error;
    sink->start = sink->end = 0;
    events_remove(&sink->source);
}

/* Room for `length` more bytes at `end`. */
static bool sink_reserve(struct output_sink *sink, size_t length)
{
    size_t used = sink->end - sink->start, capacity = sink->capacity ? sink->capacity : 65536;
    char *larger;

    if (sink->error)
        return false;
    if (sink->capacity - sink->end >= length)
        return true;
    if (sink->start && sink->capacity - used >= length && sink->start >= used) {
        memcpy(sink->buffer, sink->buffer + sink->start, used);
        sink->start = 0;
        sink->end = used;
        return true;
    }
    while (capacity - used < length)
        capacity *= 2;
    larger = malloc(capacity);
    if (!larger) {
        sink_fail(sink, ENOMEM);
        return false;
    }
    if (used)
        memcpy(larger, sink->buffer + sink->start, used);
    free(sink->buffer);
    sink->buffer = larger;
    sink->capacity = capacity;
    sink->start = 0;
    sink->end = used;
    return true;
}

static void sink_add(struct output_sink *sink, const void *bytes, size_t length)
{
    if (!length || !sink_reserve(sink, length))
        return;
    memcpy(sink->buffer + sink->end, bytes, length);
    sink->end += length;
}

static void sink_ready(struct event_source *source, uint32_t bits);

/* Writes until the file takes no more. */
static void sink_flush(struct output_sink *sink)
{
    while (sink->start < sink->end && !sink->error) {
        size_t length = sink->end - sink->start;
        ssize_t count;

        if (length > (sink->limited ? WRITE_LIMITED : WRITE_MAX))
            length = sink->limited ? WRITE_LIMITED : WRITE_MAX;
        if (sink->limited) {
            struct pollfd look = {.fd = sink->fd, .events = POLLOUT};

            count = poll(&look, 1, 0) == 1 ? write(sink->fd, sink->buffer + sink->start, length)
                                           : (errno = EAGAIN, -1);
        } else {
            count = write(sink->fd, sink->buffer + sink->start, length);
        }
        if (count >= 0) {
            sink->start += (size_t)count;
        } else if (errno == EAGAIN) {
            if (!sink->source.bits &&
                events_add(sink->loop, &sink->source, sink->fd, EPOLLOUT, sink_ready, sink))
                sink_fail(sink, EIO);
            return;
        } else if (errno != EINTR) {
            sink_fail(sink, errno);
        }
    }
    if (sink->start == sink->end)
        sink->start = sink->end = 0;
    events_remove(&sink->source);
}

static void sink_ready(struct event_source *source, uint32_t bits)
{
    (void)bits;
    sink_flush(source->context);
}

bool output_sink_full(const struct output_sink *sink)
{
    return sink->end - sink->start >= OUTPUT_HIGH_WATER;
}

int output_open(struct output *output, struct event_loop *loop, int out, int err, bool quiet,
                int name_width)
{
    struct stat one, other;

    memset(output, 0, sizeof(*output));
    output->quiet = quiet;
    output->name_width = name_width;
    output->out = &output->sinks[0];
    output->err = &output->sinks[1];
    sink_open(output->out, loop, out);
    if (!fstat(out, &one) && !fstat(err, &other) && one.st_dev == other.st_dev &&
        one.st_ino == other.st_ino && one.st_rdev == other.st_rdev) {
        output->sinks[1].fd = -1;
        output->err = output->out; /* keeps the order between the two */
    } else {
        sink_open(output->err, loop, err);
    }
    return 0;
}

static void sink_close(struct output_sink *sink)
{
    events_remove(&sink->source);
    if (sink->own_fd)
        close(sink->fd);
    free(sink->buffer);
    memset(sink, 0, sizeof(*sink));
}

void output_close(struct output *output)
{
    sink_close(&output->sinks[0]);
    sink_close(&output->sinks[1]);
}

bool output_flush(struct output *output)
{
    bool room = false;

    for (size_t i = 0; i < sizeof(output->sinks) / sizeof(output->sinks[0]); i++) {
        struct output_sink *sink = &output->sinks[i];
        bool full = output_sink_full(sink);

        sink_flush(sink);
        room |= full && !output_sink_full(sink);
    }
    return room;
}

bool output_idle(const struct output *output)
{
    return output->sinks[0].start == output->sinks[0].end &&
           output->sinks[1].start == output->sinks[1].end;
}

/* --- Streams -------------------------------------------------------------------------------------
 */

int output_stream_open(const struct output *output, struct output_stream *stream,
                       struct output_sink *sink, const char *name, unsigned number)
{
    /* The terminal's own palette: readable on light and dark backgrounds alike. */
    static const int palette[] = {36, 33, 35, 32, 34, 31};
    const char *end = "";
    char start[16] = "";

    memset(stream, 0, sizeof(*stream));
    stream->sink = sink;
    if (output->quiet)
        return 0;
    if (sink->colour) {
        snprintf(start, sizeof(start), "\033[%dm",
                 palette[number % (sizeof(palette) / sizeof(palette[0]))]);
        end = "\033[0m";
    }
    if (asprintf(&stream->prefix, "%s%-*s |%s ", start, output->name_width, name, end) < 0)
        stream->prefix = NULL;
    if (asprintf(&stream->continuation, "%s%-*s +%s ", start, output->name_width, name, end) < 0)
        stream->continuation = NULL;
    if (!stream->prefix || !stream->continuation) {
        output_stream_close(stream);
        return -ENOMEM;
    }
    stream->prefix_length = strlen(stream->prefix);
    stream->continuation_length = strlen(stream->continuation);
    return 0;
}

void output_stream_close(struct output_stream *stream)
{
    if (stream->sink && stream->sink->unfinished == stream)
        stream->sink->unfinished = NULL;
    free(stream->prefix);
    free(stream->continuation);
    free(stream->line);
    memset(stream, 0, sizeof(*stream));
}

/* Another's unfinished line gets its newline before something else follows. */
static void sink_finish_line(struct output_sink *sink)
{
    struct output_stream *owner = sink->unfinished;

    if (!owner)
        return;
    sink->unfinished = NULL;
    sink_add(sink, "\n", 1);
}

/* Begins a line of the stream, unless the sink stands inside it already. */
static void stream_begin(struct output_stream *stream)
{
    struct output_sink *sink = stream->sink;

    if (sink->unfinished == stream)
        return;
    sink_finish_line(sink);
    if (stream->continued)
        sink_add(sink, stream->continuation, stream->continuation_length);
    else
        sink_add(sink, stream->prefix, stream->prefix_length);
}

/* Puts out the held-back beginning, `length` bytes and a newline: the end of a line, or of a piece
 * of one that is too long. */
static void stream_put_line(struct output_stream *stream, const char *bytes, size_t length,
                            bool continued)
{
    struct output_sink *sink = stream->sink;

    stream_begin(stream);
    sink_add(sink, stream->line, stream->length);
    sink_add(sink, bytes, length);
    sink_add(sink, "\n", 1);
    stream->length = 0;
    stream->continued = continued;
    sink->unfinished = NULL;
}

/* Holds back the beginning of a line. */
static bool stream_hold(struct output_stream *stream, const char *bytes, size_t length)
{
    if (stream->capacity - stream->length < length) {
        size_t capacity = stream->capacity ? stream->capacity : 256;
        char *larger;

        while (capacity - stream->length < length)
            capacity *= 2;
        larger = realloc(stream->line, capacity);
        if (!larger)
            return false;
        stream->line = larger;
        stream->capacity = capacity;
    }
    memcpy(stream->line + stream->length, bytes, length);
    stream->length += length;
    return true;
}

int64_t output_stream_write(struct output_stream *stream, const void *bytes, size_t length)
{
    struct output_sink *sink = stream->sink;
    const char *next = bytes, *end = next + length;

    while (next < end && !sink->error) {
        size_t left = (size_t)(end - next), part = left;
        const char *newline;

        if (sink->end - sink->start >= EARLY_FLUSH && !sink->source.bits)
            sink_flush(sink);
        if (sink->error || output_sink_full(sink))
            break;
        if (!stream->prefix) {
            part = left < EARLY_FLUSH ? left : EARLY_FLUSH;
            sink_add(sink, next, part);
            next += part;
            continue;
        }
        if (part > OUTPUT_LINE_MAX - stream->length)
            part = OUTPUT_LINE_MAX - stream->length;
        newline = memchr(next, '\n', part);
        if (newline) {
            stream_put_line(stream, next, (size_t)(newline - next), false);
            next = newline + 1;
            continue;
        }
        if (part + stream->length == OUTPUT_LINE_MAX)
            stream_put_line(stream, next, part, true);
        else if (!stream_hold(stream, next, part))
            return next > (const char *)bytes ? next - (const char *)bytes : -ENOMEM;
        next += part;
    }
    if (sink->error && next == (const char *)bytes)
        return -sink->error;
    return next - (const char *)bytes;
}

void output_stream_show(struct output_stream *stream)
{
    if (!stream->prefix || !stream->length)
        return;
    stream_begin(stream);
    sink_add(stream->sink, stream->line, stream->length);
    stream->sink->unfinished = stream;
    stream->length = 0;
    stream->continued = true;
}

void output_stream_end(struct output_stream *stream)
{
    if (!stream->prefix)
        return;
    if (stream->length)
        stream_put_line(stream, "", 0, false);
    else if (stream->sink->unfinished == stream)
        sink_finish_line(stream->sink);
    stream->continued = false;
}

void output_line_entered(struct output *output)
{
    for (int i = 0; i < 2; i++) {
        struct output_sink *sink = &output->sinks[i];

        if (!sink->terminal || !sink->unfinished)
            continue;
        sink->unfinished->continued = false;
        sink->unfinished = NULL;
    }
}

void output_print(struct output_sink *sink, const char *format, ...)
{
    char *text = NULL;
    va_list values;
    int length;

    va_start(values, format);
    length = vasprintf(&text, format, values);
    va_end(values);
    if (length < 0)
        return;
    output_line(sink, "", text, (size_t)length);
    free(text);
}

void output_line(struct output_sink *sink, const char *prefix, const char *line, size_t length)
{
    sink_finish_line(sink);
    sink_add(sink, prefix, strlen(prefix));
    sink_add(sink, line, length);
    sink_add(sink, "\n", 1);
}
