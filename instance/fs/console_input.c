/* Standard input: one request at a time is under way to the proxy. Its answer is the kernel's, not
 * the asking thread's, so that bytes are not lost when a signal breaks off the read that wanted
 * them; the next read gets them. */
#include "instance/fs/console_private.h"

#include "instance/host.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"

#include <errno.h>

#define CONSOLE_READ_MAX 65536  /* bytes asked for at most */
#define CONSOLE_READ_AHEAD 4096 /* by poll, which does not know how many will be read */

/* All under host_lock, but `bytes` while a reader is `busy` with it. */
static struct {
    struct host_request request;
    bool asked;           /* the request is under way */
    bool end;             /* the proxy said: no more bytes ever */
    bool busy;            /* a reader copies from `bytes` */
    int64_t error;        /* of the last answer; reported once */
    uint8_t *owned;       /* CONSOLE_READ_MAX bytes for inline answers; NULL until the first read */
    const uint8_t *bytes; /* the unread ones: in `owned`, or in the proxy's section */
    uint64_t length;
    uint64_t extent; /* of the proxy's section, to be released when all is read; 0: none */
} input;

static void console_input_done(struct host_request *request, const struct host_answer *answer)
{
    (void)request;
    input.asked = false;
    file_notify();
    if (answer->result < 0) {
        input.error = answer->result;
        return;
    }
    uint64_t length = (uint64_t)answer->result;
    if (length == 0) {
        input.end = true;
        return;
    }
    if (answer->extent != 0) {
        input.bytes = host_proxy_bytes(answer->extent, length);
        if (input.bytes != NULL) {
            input.extent = answer->extent;
            input.length = length;
            return;
        }
    } else if (length <= answer->length && length <= CONSOLE_READ_MAX) {
        memcpy(input.owned, answer->bytes, length);
        input.bytes = input.owned;
        input.length = length;
        return;
    }
    log_error("console: the answer with %lu bytes of input is not sound", length);
    input.error = -EIO;
}

void console_input_init(void)
{
    input.request.done = console_input_done;
    input.end = !(instance.handover->flags & MACHINE_FLAG_STDIN);
}

/* Locked. Has a request under way. 0, -EAGAIN (no credits), -ENOMEM or -EIO. */
static int console_input_ask(uint64_t length)
{
    if (input.asked)
        return 0;
    if (input.owned == NULL)
        input.owned = kmalloc(CONSOLE_READ_MAX);
    if (input.owned == NULL)
        return -ENOMEM;
    host_expect(&input.request);
    struct io_read header = {.tag = input.request.tag,
                             .length =
                                 length < CONSOLE_READ_MAX ? (uint32_t)length : CONSOLE_READ_MAX,
                             .fd = 0};
    struct shm_piece piece = {&header, sizeof(header)};
    int error = host_send(IO_READ, &piece, 1);
    if (error != 0) {
        host_cancel(&input.request);
        return error == -EAGAIN ? -EAGAIN : -EIO;
    }
    input.asked = true;
    return 0;
}

bool console_input_ready(void)
{
    uint64_t saved = spin_lock_irq(&host_lock);
    bool ready = input.length != 0 || input.end || input.error != 0;
    if (!ready)
        console_input_ask(CONSOLE_READ_AHEAD);
    spin_unlock_irq(&host_lock, saved);
    return ready;
}

/* Locked. Gives an extent that has been read back to the proxy. */
static int console_input_release(uint64_t *saved)
{
    struct io_release header = {.extent = input.extent};
    struct shm_piece piece = {&header, sizeof(header)};
    input.extent = 0;
    int error;
    while ((error = host_send(IO_RELEASE, &piece, 1)) == -EAGAIN) {
        if (host_wait(saved) == -EINTR) {
            input.extent = header.extent; /* the next read does it */
            return -EINTR;
        }
    }
    return error;
}

int64_t console_read_vectors(const struct file_vector *vectors, size_t count, bool nonblocking)
{
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    uint64_t left = file_cursor_left(&cursor);
    int64_t result = 0;
    if (left == 0)
        return 0;

    uint64_t saved = spin_lock_irq(&host_lock);
    for (;;) {
        if (!input.busy) {
            if (input.length != 0)
                break;
            if (input.extent != 0 && console_input_release(&saved) == -EINTR) {
                result = -ERESTARTSYS;
                goto out;
            }
            if (input.error != 0) {
                result = input.error;
                input.error = 0;
                goto out;
            }
            if (input.end)
                goto out;
            int error = console_input_ask(left);
            if (error != 0 && error != -EAGAIN) {
                result = error;
                goto out;
            }
        }
        if (nonblocking) {
            result = -EAGAIN;
            goto out;
        }
        if (host_wait(&saved) == -EINTR) {
            result = -ERESTARTSYS;
            goto out;
        }
    }

    uint64_t length = left < input.length ? left : input.length;
    input.busy = true;
    spin_unlock_irq(&host_lock, saved);
    int error = file_cursor_write(&cursor, input.bytes, length);
    saved = spin_lock_irq(&host_lock);
    input.busy = false;
    if (error == 0) {
        input.bytes += length;
        input.length -= length;
        result = (int64_t)length;
        if (input.length == 0 && input.extent != 0)
            console_input_release(&saved);
    } else {
        result = error;
    }
    host_wake();
out:
    spin_unlock_irq(&host_lock, saved);
    return result;
}

int64_t console_read(uint64_t address, size_t length)
{
    struct file_vector vector = {address, length};
    return console_read_vectors(&vector, 1, false);
}
