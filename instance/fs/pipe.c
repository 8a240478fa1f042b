/* Pipes. A ring of PIPE_CAPACITY bytes, as on Linux; writes of up to PIPE_ATOMIC bytes go in whole.
 * The sleeping locks keep one call's bytes together: one reader and one writer at a time, each for
 * as long as it copies or waits; the spinlock guards the two counters and the ends. */
#include "instance/fs/pipe.h"

#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#define PIPE_CAPACITY 65536
#define PIPE_ATOMIC 4096 /* PIPE_BUF */
#define PIPE_DEVICE 13   /* st_dev, beside the console's */

struct pipe {
    struct spinlock lock;
    struct wait_queue readers, writers;
    uint64_t written, read; /* bytes in all; read <= written <= read + PIPE_CAPACITY */
    unsigned reader_files, writer_files;
    struct file_lock read_turn, write_turn; /* one call copies at a time */
    uint64_t inode;
    _Atomic unsigned ends;
    uint8_t bytes[PIPE_CAPACITY];
};

static uint32_t pipe_flags(const struct file *file)
{
    return atomic_load_explicit(&file->flags, memory_order_relaxed);
}

/* Copies between the ring at `position` and the program; `length` fits. */
static int pipe_copy(struct pipe *pipe, uint64_t position, struct file_cursor *cursor,
                     uint64_t length, bool out)
{
    while (length != 0) {
        uint64_t at = position % PIPE_CAPACITY;
        uint64_t piece = length < PIPE_CAPACITY - at ? length : PIPE_CAPACITY - at;
        int error = out ? file_cursor_write(cursor, pipe->bytes + at, piece)
                        : file_cursor_read(cursor, pipe->bytes + at, piece);
        if (error != 0)
            return error;
        position += piece;
        length -= piece;
    }
    return 0;
}

static void pipe_skip_empty(struct file_cursor *cursor)
{
    while (cursor->count != 0 && cursor->vectors->length == 0) {
        cursor->vectors++;
        cursor->count--;
    }
}

static int64_t pipe_read(struct file *file, const struct file_vector *vectors, size_t count)
{
    struct pipe *pipe = file->data;
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    uint64_t length = file_cursor_left(&cursor);
    int64_t result = 0;
    if (length == 0)
        return 0;
    pipe_skip_empty(&cursor);
    bool nonblocking = pipe_flags(file) & O_NONBLOCK;
    for (;;) {
        /* Waits without the turn, so that a nonblocking reader is not held up. */
        uint64_t saved = spin_lock_irq(&pipe->lock);
        while (pipe->written == pipe->read && pipe->writer_files != 0 && result == 0)
            result = nonblocking ? -EAGAIN
                                 : wait_queue_wait(&pipe->readers, &pipe->lock, &saved, 0, true);
        bool over = pipe->written == pipe->read;
        spin_unlock_irq(&pipe->lock, saved);
        if (result == -EINTR)
            result = -ERESTARTSYS;
        if (result != 0 || over)
            return result;
        file_lock_write(&pipe->read_turn);
        saved = spin_lock_irq(&pipe->lock);
        uint64_t there = pipe->written - pipe->read;
        spin_unlock_irq(&pipe->lock, saved);
        if (there != 0) {
            uint64_t piece = there < length ? there : length;
            result = pipe_copy(pipe, pipe->read, &cursor, piece, true);
            saved = spin_lock_irq(&pipe->lock);
            if (result == 0) {
                pipe->read += piece;
                result = (int64_t)piece;
            }
            wait_queue_wake(&pipe->writers, UINT32_MAX);
            spin_unlock_irq(&pipe->lock, saved);
        }
        file_unlock_write(&pipe->read_turn);
        if (there != 0)
            break;
    }
    file_notify();
    return result;
}

/* Puts in what fits now; all or nothing for short writes. 0: no room. */
static int64_t pipe_put(struct pipe *pipe, struct file_cursor *cursor, uint64_t length)
{
    int64_t result = 0;
    file_lock_write(&pipe->write_turn);
    uint64_t saved = spin_lock_irq(&pipe->lock);
    uint64_t room = PIPE_CAPACITY - (pipe->written - pipe->read);
    bool open = pipe->reader_files != 0;
    spin_unlock_irq(&pipe->lock, saved);
    uint64_t piece = room < length ? room : length;
    if (length <= PIPE_ATOMIC && room < length)
        piece = 0;
    if (!open) {
        result = -EPIPE;
    } else if (piece != 0) {
        result = pipe_copy(pipe, pipe->written, cursor, piece, false);
        saved = spin_lock_irq(&pipe->lock);
        if (result == 0) {
            pipe->written += piece;
            result = (int64_t)piece;
        }
        wait_queue_wake(&pipe->readers, UINT32_MAX);
        spin_unlock_irq(&pipe->lock, saved);
        file_notify();
    }
    file_unlock_write(&pipe->write_turn);
    return result;
}

static int64_t pipe_write(struct file *file, const struct file_vector *vectors, size_t count)
{
    struct pipe *pipe = file->data;
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    uint64_t length = file_cursor_left(&cursor), done = 0;
    uint64_t whole = length <= PIPE_ATOMIC ? length : 1; /* room that is worth waking up for */
    if (length == 0)
        return 0;
    pipe_skip_empty(&cursor);
    while (done < length) {
        int64_t result = pipe_put(pipe, &cursor, length - done);
        if (result > 0) {
            done += (uint64_t)result;
            continue;
        }
        if (result == 0 && (pipe_flags(file) & O_NONBLOCK))
            result = -EAGAIN;
        uint64_t saved = spin_lock_irq(&pipe->lock);
        while (result == 0 && pipe->reader_files != 0 &&
               PIPE_CAPACITY - (pipe->written - pipe->read) < whole)
            result = wait_queue_wait(&pipe->writers, &pipe->lock, &saved, 0, true);
        spin_unlock_irq(&pipe->lock, saved);
        if (result == -EINTR)
            result = -ERESTARTSYS;
        if (result != 0)
            return done != 0 ? (int64_t)done : result;
    }
    return (int64_t)done;
}

static int pipe_status(struct file *file, struct file_status *status)
{
    const struct pipe *pipe = file->data;
    memset(status, 0, sizeof(*status));
    status->device = PIPE_DEVICE;
    status->inode = pipe->inode;
    status->mode = FILE_TYPE_PIPE | 0600;
    status->links = 1;
    status->block_size = PIPE_ATOMIC;
    return 0;
}

static uint64_t pipe_filled(struct pipe *pipe)
{
    uint64_t saved = spin_lock_irq(&pipe->lock);
    uint64_t filled = pipe->written - pipe->read;
    spin_unlock_irq(&pipe->lock, saved);
    return filled;
}

static int64_t pipe_control(struct file *file, uint32_t request, uint64_t argument)
{
    int32_t filled;
    if (request != FIONREAD)
        return -ENOTTY;
    filled = (int32_t)pipe_filled(file->data);
    return user_write(argument, &filled, sizeof(filled));
}

static uint32_t pipe_poll_reader(struct file *file)
{
    struct pipe *pipe = file->data;
    uint64_t saved = spin_lock_irq(&pipe->lock);
    uint32_t bits = pipe->written != pipe->read ? POLLIN | POLLRDNORM : 0;
    bits |= pipe->writer_files == 0 ? POLLHUP : 0;
    spin_unlock_irq(&pipe->lock, saved);
    return bits;
}

static uint32_t pipe_poll_writer(struct file *file)
{
    struct pipe *pipe = file->data;
    uint64_t saved = spin_lock_irq(&pipe->lock);
    bool room = PIPE_CAPACITY - (pipe->written - pipe->read) >= PIPE_ATOMIC;
    uint32_t bits = room ? POLLOUT | POLLWRNORM : 0;
    bits |= pipe->reader_files == 0 ? POLLERR : 0;
    spin_unlock_irq(&pipe->lock, saved);
    return bits;
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->data;
    uint64_t saved = spin_lock_irq(&pipe->lock);
    if ((pipe_flags(file) & O_ACCMODE) == O_WRONLY)
        pipe->writer_files--;
    else
        pipe->reader_files--;
    wait_queue_wake(&pipe->readers, UINT32_MAX);
    wait_queue_wake(&pipe->writers, UINT32_MAX);
    spin_unlock_irq(&pipe->lock, saved);
    file_notify();
    if (atomic_fetch_sub(&pipe->ends, 1) == 1)
        kfree(pipe);
}

static const struct file_operations pipe_reader_operations = {
    .read = pipe_read,
    .status = pipe_status,
    .control = pipe_control,
    .poll = pipe_poll_reader,
    .release = pipe_release,
};
static const struct file_operations pipe_writer_operations = {
    .write = pipe_write,
    .status = pipe_status,
    .control = pipe_control,
    .poll = pipe_poll_writer,
    .release = pipe_release,
};

static struct file *pipe_end(struct pipe *pipe, const struct file_operations *operations,
                             uint32_t flags)
{
    struct file *file = kzalloc(sizeof(*file));
    if (file == NULL)
        return NULL;
    file->operations = operations;
    file->data = pipe;
    atomic_init(&file->references, 1);
    atomic_init(&file->flags, flags);
    return file;
}

int pipe_create(uint32_t flags, struct file **reader, struct file **writer)
{
    static _Atomic uint64_t count;
    struct pipe *pipe = kmalloc(sizeof(*pipe));
    if (pipe == NULL)
        return -ENOMEM;
    memset(pipe, 0, offsetof(struct pipe, bytes));
    wait_queue_init(&pipe->readers);
    wait_queue_init(&pipe->writers);
    file_lock_init(&pipe->read_turn);
    file_lock_init(&pipe->write_turn);
    pipe->reader_files = pipe->writer_files = 1;
    atomic_init(&pipe->ends, 2);
    pipe->inode = 1000 + atomic_fetch_add(&count, 1);
    *reader = pipe_end(pipe, &pipe_reader_operations, flags | O_RDONLY);
    *writer = pipe_end(pipe, &pipe_writer_operations, flags | O_WRONLY);
    if (*reader != NULL && *writer != NULL)
        return 0;
    kfree(*reader);
    kfree(*writer);
    kfree(pipe);
    return -ENOMEM;
}
