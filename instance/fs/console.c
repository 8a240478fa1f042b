/* Standard output and error: small writes travel inside the message, larger ones stay in the own
 * section, and the proxy gets told where; several such extents may be under way. A writer waits
 * only when the ring or the bulk memory is full. Writers to one stream take turns, so that the
 * bytes of one call stay together. Standard input is in console_input.c. */
#include "instance/fs/console.h"

#include "instance/fs/console_private.h"
#include "instance/host.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"

#include <errno.h>

#define CONSOLE_INLINE_MAX 1024 /* bytes: up to here copying twice costs less than an answer */
#define CONSOLE_CHUNK 65536     /* bytes of an extent */
#define CONSOLE_CHUNK_MIN 4096  /* when bulk memory is short */
#define CONSOLE_EXTENTS_MAX 8   /* under way at once, all streams together */
#define CONSOLE_ASK_EVERY                                                                          \
    (16 * 1024) /* inline bytes between two questions whether it still works */

struct console_stream {
    bool busy;        /* a writer has its turn */
    bool broken;      /* the host's end is closed: EPIPE */
    bool asked;       /* an inline message with a tag is under way */
    uint64_t unasked; /* inline bytes since the last one */
    struct wait_queue turn;
};

/* One message on its way to the proxy. */
struct console_output {
    struct host_request request;
    struct console_stream *stream;
    uint64_t extent; /* 0: inline */
    uint32_t length;
};

static struct console_stream console_streams[3]; /* [0] is not used */
static unsigned console_extents;                 /* under way; under host_lock, like all here */

int console_init(void)
{
    for (int i = 0; i < 3; i++)
        wait_queue_init(&console_streams[i].turn);
    console_input_init();
    return host_init();
}

void console_doorbell(void)
{
    host_receive();
}

void console_flush(uint64_t deadline)
{
    host_flush(deadline);
}

/* --- One message ------------------------------------------------------------------------------ */

/* The proxy's answer; locked. */
static void console_output_done(struct host_request *request, const struct host_answer *answer)
{
    struct console_output *output = LIST_ENTRY(request, struct console_output, request);
    if (answer->result < 0)
        output->stream->broken = true;
    else if (answer->result != output->length)
        log_error("console: the proxy took %ld of %u bytes", answer->result, output->length);
    if (output->extent != 0) {
        host_extent_free(output->extent);
        console_extents--;
    } else {
        output->stream->asked = false;
    }
    kfree(output);
}

/* Locked. Sends an IO_WRITE, waiting for credits. `output` may be NULL (inline, no answer wanted).
 * Returns 0, -EINTR, or -EPIPE. */
static int console_send(int stream, struct console_output *output, const void *bytes,
                        uint32_t length, uint64_t *saved)
{
    struct io_write header = {.length = length, .fd = (uint32_t)stream};
    if (output != NULL)
        header.extent = output->extent;
    struct shm_piece pieces[2] = {{&header, sizeof(header)}, {bytes, length}};
    size_t count = output != NULL && output->extent != 0 ? 1 : 2;

    for (;;) {
        if (console_streams[stream].broken)
            return -EPIPE;
        if (output != NULL) {
            host_expect(&output->request);
            header.tag = output->request.tag;
        }
        int error = host_send(IO_WRITE, pieces, count);
        if (error == 0)
            return 0;
        if (output != NULL)
            host_cancel(&output->request);
        if (error != -EAGAIN) {
            console_streams[stream].broken = true;
            return -EPIPE;
        }
        if (host_wait(saved) == -EINTR)
            return -EINTR;
    }
}

static struct console_output *console_output_make(int stream, uint32_t length)
{
    struct console_output *output = kzalloc(sizeof(*output));
    if (output == NULL)
        return NULL;
    output->request.done = console_output_done;
    output->request.output = true;
    output->stream = &console_streams[stream];
    output->length = length;
    return output;
}

/* The next bytes inside a message. Returns their count, or -EFAULT, -EINTR, -EPIPE. */
static int64_t console_write_inline(int stream, struct file_cursor *cursor, uint64_t left)
{
    uint8_t bytes[CONSOLE_INLINE_MAX];
    struct console_stream *to = &console_streams[stream];
    struct file_cursor next = *cursor;
    uint32_t length = left < sizeof(bytes) ? (uint32_t)left : (uint32_t)sizeof(bytes);
    if (file_cursor_read(&next, bytes, length) != 0)
        return -EFAULT;

    uint64_t saved = spin_lock_irq(&host_lock);
    /* Now and then with a tag, so that a program that prints little at a time hears of EPIPE. */
    struct console_output *output = NULL;
    to->unasked += length;
    if (to->unasked >= CONSOLE_ASK_EVERY && !to->asked)
        output = console_output_make(stream, length);
    int error = console_send(stream, output, bytes, length, &saved);
    if (output != NULL && error == 0) {
        to->asked = true;
        to->unasked = 0;
    }
    spin_unlock_irq(&host_lock, saved);
    if (error != 0) {
        kfree(output);
        return error;
    }
    *cursor = next;
    return length;
}

/* Locked. Bulk memory for some of `left` bytes, waiting while our own extents hold it. Returns the
 * extent and *length; 0 with *error 0: there is none, send inline; or 0 with *error -EINTR. */
static uint64_t console_extent_get(uint64_t left, uint32_t *length, uint64_t *saved, int *error)
{
    *error = 0;
    for (;;) {
        if (console_extents < CONSOLE_EXTENTS_MAX) {
            for (uint64_t size = CONSOLE_CHUNK; size >= CONSOLE_CHUNK_MIN; size /= 4) {
                uint64_t wanted = left < size ? left : size;
                uint64_t extent = host_extent_alloc(wanted);
                if (extent != 0) {
                    *length = (uint32_t)wanted;
                    return extent;
                }
            }
        }
        if (console_extents == 0)
            return 0;
        if (host_wait(saved) == -EINTR) {
            *error = -EINTR;
            return 0;
        }
    }
}

/* The next bytes through an extent. Returns as console_write_inline. */
static int64_t console_write_extent(int stream, struct file_cursor *cursor, uint64_t left)
{
    struct console_output *output = console_output_make(stream, 0);
    if (output == NULL)
        return console_write_inline(stream, cursor, left);

    int error;
    uint64_t saved = spin_lock_irq(&host_lock);
    output->extent = console_extent_get(left, &output->length, &saved, &error);
    if (output->extent == 0) {
        spin_unlock_irq(&host_lock, saved);
        kfree(output);
        return error != 0 ? error : console_write_inline(stream, cursor, left);
    }
    console_extents++;
    spin_unlock_irq(&host_lock, saved);

    /* Without the lock: the program's pages may have to be brought in. */
    struct file_cursor next = *cursor;
    int64_t length = output->length;
    error = file_cursor_read(&next, host_extent_bytes(output->extent), output->length);

    saved = spin_lock_irq(&host_lock);
    if (error == 0)
        error = console_send(stream, output, NULL, output->length, &saved);
    if (error != 0) {
        host_extent_free(output->extent);
        console_extents--;
        host_wake();
    }
    spin_unlock_irq(&host_lock, saved);
    if (error != 0) {
        kfree(output);
        return error;
    }
    *cursor = next;
    return length;
}

/* --- A whole write ---------------------------------------------------------------------------- */

/* Waits for this writer's turn. 0 or -EINTR. */
static int console_turn_take(struct console_stream *stream)
{
    int error = 0;
    uint64_t saved = spin_lock_irq(&host_lock);
    while (stream->busy && error != -EINTR)
        error = wait_queue_wait(&stream->turn, &host_lock, &saved, 0, true);
    if (!stream->busy) {
        stream->busy = true;
        error = 0;
    } else {
        error = -EINTR;
    }
    spin_unlock_irq(&host_lock, saved);
    return error;
}

static void console_turn_give(struct console_stream *stream)
{
    uint64_t saved = spin_lock_irq(&host_lock);
    stream->busy = false;
    wait_queue_wake(&stream->turn, 1);
    spin_unlock_irq(&host_lock, saved);
}

int64_t console_write_vectors(int stream, const struct file_vector *vectors, size_t count)
{
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    uint64_t left = file_cursor_left(&cursor);
    int64_t written = 0, error = 0;

    if (left == 0)
        return 0;
    if (console_turn_take(&console_streams[stream]) != 0)
        return -ERESTARTSYS;
    while (left != 0 && error == 0) {
        int64_t result = left <= CONSOLE_INLINE_MAX ? console_write_inline(stream, &cursor, left)
                                                    : console_write_extent(stream, &cursor, left);
        if (result < 0) {
            error = result;
        } else {
            written += result;
            left -= (uint64_t)result;
        }
    }
    console_turn_give(&console_streams[stream]);
    if (written != 0)
        return written;
    return error == -EINTR ? -ERESTARTSYS : error;
}

int64_t console_write(int stream, uint64_t address, size_t length)
{
    struct file_vector vector = {address, length};
    return console_write_vectors(stream, &vector, 1);
}
