/* Pipes, also those with a name (FIFOs). A ring of PIPE_CAPACITY bytes, as on Linux; writes of up
 * to PIPE_ATOMIC bytes go in whole. The sleeping locks keep one call's bytes together: one reader
 * and one writer at a time, each for as long as it copies or waits; the spinlock guards the two
 * counters and the ends. */
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
    uint64_t reader_opens, writer_opens;    /* so far */
    struct file_lock read_turn, write_turn; /* one call copies at a time */
    struct file_status status;
    _Atomic unsigned references; /* open files, and the name */
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
static int64_t pipe_fill(struct pipe *pipe, struct file_cursor *cursor, uint64_t length)
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
        int64_t result = pipe_fill(pipe, &cursor, length - done);
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
    *status = ((const struct pipe *)file->data)->status;
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
    /* Before the first writer of a FIFO comes, nobody has hung up. */
    bits |= pipe->writer_files == 0 && pipe->writer_opens != file->handle ? POLLHUP : 0;
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

static uint32_t pipe_poll_both(struct file *file)
{
    return (pipe_poll_reader(file) | pipe_poll_writer(file)) & ~(uint32_t)(POLLHUP | POLLERR);
}

struct pipe *pipe_make(void)
{
    struct pipe *pipe = kmalloc(sizeof(*pipe));
    if (pipe == NULL)
        return NULL;
    memset(pipe, 0, offsetof(struct pipe, bytes));
    wait_queue_init(&pipe->readers);
    wait_queue_init(&pipe->writers);
    file_lock_init(&pipe->read_turn);
    file_lock_init(&pipe->write_turn);
    atomic_init(&pipe->references, 1);
    return pipe;
}

void pipe_put(struct pipe *pipe)
{
    if (pipe != NULL && atomic_fetch_sub(&pipe->references, 1) == 1)
        kfree(pipe);
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->data;
    uint32_t access = pipe_flags(file) & O_ACCMODE;
    uint64_t saved = spin_lock_irq(&pipe->lock);
    pipe->writer_files -= access != O_RDONLY;
    pipe->reader_files -= access != O_WRONLY;
    if (pipe->writer_files == 0 && pipe->reader_files == 0)
        pipe->read = pipe->written; /* a FIFO that nobody has open is empty */
    wait_queue_wake(&pipe->readers, UINT32_MAX);
    wait_queue_wake(&pipe->writers, UINT32_MAX);
    spin_unlock_irq(&pipe->lock, saved);
    file_notify();
    pipe_put(pipe);
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
static const struct file_operations pipe_both_operations = {
    .read = pipe_read,
    .write = pipe_write,
    .status = pipe_status,
    .control = pipe_control,
    .poll = pipe_poll_both,
    .release = pipe_release,
};

struct pipe *pipe_of(const struct file *file)
{
    return file->operations->release == pipe_release ? file->data : NULL;
}

/* One more open file, not counted yet as reader or writer. */
static struct file *pipe_end(struct pipe *pipe, uint32_t flags)
{
    struct file *file = kzalloc(sizeof(*file));
    uint32_t access = flags & O_ACCMODE;
    if (file == NULL)
        return NULL;
    file->operations = access == O_RDONLY   ? &pipe_reader_operations
                       : access == O_WRONLY ? &pipe_writer_operations
                                            : &pipe_both_operations;
    file->data = pipe;
    atomic_init(&file->references, 1);
    atomic_init(&file->flags, flags);
    atomic_fetch_add(&pipe->references, 1);
    return file;
}

int pipe_create(uint32_t flags, struct file **reader, struct file **writer)
{
    static _Atomic uint64_t count;
    struct pipe *pipe = pipe_make();
    if (pipe == NULL)
        return -ENOMEM;
    pipe->status = (struct file_status){.device = PIPE_DEVICE,
                                        .inode = 1000 + atomic_fetch_add(&count, 1),
                                        .mode = FILE_TYPE_PIPE | 0600,
                                        .links = 1,
                                        .block_size = PIPE_ATOMIC};
    pipe->reader_files = pipe->writer_files = 1;
    pipe->reader_opens = pipe->writer_opens = 1;
    *reader = pipe_end(pipe, flags | O_RDONLY);
    *writer = pipe_end(pipe, flags | O_WRONLY);
    int error = *reader != NULL && *writer != NULL ? 0 : -ENOMEM;
    if (error != 0) {
        if (*reader != NULL)
            pipe_put(pipe);
        if (*writer != NULL)
            pipe_put(pipe);
        kfree(*reader);
        kfree(*writer);
    }
    pipe_put(pipe); /* the ends have it now */
    return error;
}

/* Locked. Waits until the other end has been opened once more: 0 or -ERESTARTSYS. */
static int pipe_wait_for_other(struct pipe *pipe, struct wait_queue *queue, const uint64_t *opens,
                               uint64_t *saved)
{
    uint64_t seen = *opens;
    while (*opens == seen)
        if (wait_queue_wait(queue, &pipe->lock, saved, 0, true) == -EINTR)
            return -ERESTARTSYS;
    return 0;
}

int pipe_open(struct pipe *pipe, const struct file_status *status, uint32_t flags,
              struct file **out)
{
    uint32_t access = flags & O_ACCMODE;
    bool wait = !(flags & O_NONBLOCK);
    int error = 0;
    struct file *file = pipe_end(pipe, flags & (O_ACCMODE | O_NONBLOCK | O_APPEND));
    if (file == NULL)
        return -ENOMEM;
    uint64_t saved = spin_lock_irq(&pipe->lock);
    pipe->status = *status;
    if (access == O_WRONLY && !wait && pipe->reader_files == 0) {
        spin_unlock_irq(&pipe->lock, saved);
        pipe_put(pipe);
        kfree(file);
        return -ENXIO;
    }
    file->handle = pipe->writer_files == 0 ? pipe->writer_opens : UINT64_MAX;
    bool reads = access != O_WRONLY, writes = access != O_RDONLY;
    pipe->reader_files += reads;
    pipe->reader_opens += reads;
    pipe->writer_files += writes;
    pipe->writer_opens += writes;
    wait_queue_wake(&pipe->readers, UINT32_MAX);
    wait_queue_wake(&pipe->writers, UINT32_MAX);
    if (!writes && wait && pipe->writer_files == 0)
        error = pipe_wait_for_other(pipe, &pipe->readers, &pipe->writer_opens, &saved);
    else if (!reads && wait && pipe->reader_files == 0)
        error = pipe_wait_for_other(pipe, &pipe->writers, &pipe->reader_opens, &saved);
    spin_unlock_irq(&pipe->lock, saved);
    if (error != 0)
        file_put(file);
    else
        *out = file;
    return error;
}

/* --- splice and tee ----------------------------------------------------------------------------
 */

int64_t pipe_look_begin(struct file *file, bool wait)
{
    struct pipe *pipe = file->data;
    for (;;) {
        int error = 0;
        uint64_t saved = spin_lock_irq(&pipe->lock);
        while (pipe->written == pipe->read && pipe->writer_files != 0 && error == 0)
            error = wait ? wait_queue_wait(&pipe->readers, &pipe->lock, &saved, 0, true) : -EAGAIN;
        bool over = pipe->written == pipe->read;
        spin_unlock_irq(&pipe->lock, saved);
        if (error != 0 || over)
            return error == -EINTR ? -ERESTARTSYS : error;
        file_lock_write(&pipe->read_turn);
        uint64_t there = pipe_filled(pipe);
        if (there != 0)
            return (int64_t)there;
        file_unlock_write(&pipe->read_turn);
    }
}

int pipe_look(struct file *file, uint64_t skip, struct file_cursor *to, uint64_t length)
{
    struct pipe *pipe = file->data;
    return pipe_copy(pipe, pipe->read + skip, to, length, true);
}

void pipe_look_end(struct file *file, uint64_t taken)
{
    struct pipe *pipe = file->data;
    uint64_t saved = spin_lock_irq(&pipe->lock);
    pipe->read += taken;
    wait_queue_wake(&pipe->writers, UINT32_MAX);
    spin_unlock_irq(&pipe->lock, saved);
    file_unlock_write(&pipe->read_turn);
    if (taken != 0)
        file_notify();
}
