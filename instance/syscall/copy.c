/* The calls that move bytes from one open file to another: sendfile, copy_file_range, splice, tee,
 * vmsplice. Bytes are copied; what a pipe's reader did not get to pass on stays in the pipe. */
#include "instance/syscall/calls.h"
#include "instance/syscall/signal.h"

#include "instance/fs/pipe.h"
#include "instance/fs/vfs.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>

#define COPY_BUFFER (UINT64_C(128) << 10)
#define SPLICE_NONBLOCK 2
#define SPLICE_KNOWN 15 /* MOVE, NONBLOCK, MORE, GIFT */

static bool may_write(const struct file *file)
{
    uint32_t flags = atomic_load(&file->flags);
    return !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
}

static bool may_read(const struct file *file)
{
    uint32_t flags = atomic_load(&file->flags);
    return !(flags & O_PATH) && (flags & O_ACCMODE) != O_WRONLY;
}

/* One end of a copy: at *offset, or at the file's own position. */
struct copy_end {
    struct file *file;
    uint64_t *offset;
};

/* Memory in the program's address space that exists for one call alone: what every kind of file can
 * be read into and written from. Its address, or a negative errno value. */
static int64_t copy_buffer(uint64_t size)
{
    return space_map(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     NULL, 0, NULL);
}

static int64_t copy_between(struct copy_end from, struct copy_end to, uint64_t length)
{
    const struct file_operations *reader = from.file->operations, *writer = to.file->operations;
    uint64_t done = 0;
    int64_t result = 0;
    uint64_t size = length < COPY_BUFFER ? (length + 4095) & ~UINT64_C(4095) : COPY_BUFFER;
    if (length == 0)
        return 0;
    int64_t buffer = copy_buffer(size);
    if (buffer < 0)
        return buffer;
    while (done < length) {
        struct file_vector vector = {(uint64_t)buffer, length - done < size ? length - done : size};
        result = from.offset != NULL ? reader->read_at(from.file, &vector, 1, *from.offset)
                                     : reader->read(from.file, &vector, 1);
        if (result <= 0)
            break;
        uint64_t got = (uint64_t)result;
        vector.length = got;
        result = to.offset != NULL ? writer->write_at(to.file, &vector, 1, *to.offset)
                                   : writer->write(to.file, &vector, 1);
        uint64_t put = result > 0 ? (uint64_t)result : 0;
        if (from.offset != NULL)
            *from.offset += put;
        else if (put < got && reader->seek != NULL)
            reader->seek(from.file, -(int64_t)(got - put), 1); /* what was not taken stays */
        if (to.offset != NULL)
            *to.offset += put;
        done += put;
        if (put < got || signal_deliverable())
            break;
    }
    space_unmap((uint64_t)buffer, size);
    return done != 0 ? (int64_t)done : result;
}

/* An offset argument: read from the program, or NULL for none. 0, -EFAULT, -EINVAL. */
static int read_offset(uint64_t at, uint64_t *value, uint64_t **offset)
{
    *offset = NULL;
    if (at == 0)
        return 0;
    if (user_read(value, at, sizeof(*value)) != 0)
        return -EFAULT;
    *offset = value;
    return (int64_t)*value < 0 ? -EINVAL : 0;
}

int64_t sys_sendfile(struct trap_frame *frame)
{
    uint64_t offset, length = syscall_arg3(frame);
    struct copy_end from = {file_get((int)syscall_arg1(frame)), NULL};
    struct copy_end to = {file_get((int)syscall_arg0(frame)), NULL};
    int64_t result = -EBADF;
    if (from.file == NULL || to.file == NULL || !may_read(from.file) || !may_write(to.file))
        goto out;
    result = -EINVAL;
    if (from.file->node == NULL || from.file->node->type != FILE_TYPE_REGULAR ||
        to.file->operations->write == NULL || (int64_t)length < 0 ||
        (atomic_load(&to.file->flags) & O_APPEND))
        goto out;
    result = read_offset(syscall_arg2(frame), &offset, &from.offset);
    if (result == 0)
        result = copy_between(from, to, length > INT32_MAX ? INT32_MAX & ~4095 : length);
    if (result >= 0 && from.offset != NULL &&
        user_write(syscall_arg2(frame), &offset, sizeof(offset)) != 0)
        result = -EFAULT;
    if (result == -EPIPE)
        signal_send(thread_current()->id, LINUX_SIGPIPE, LINUX_SI_USER);
out:
    if (from.file != NULL)
        file_put(from.file);
    if (to.file != NULL)
        file_put(to.file);
    return result;
}

int64_t sys_copy_file_range(struct trap_frame *frame)
{
    uint64_t offset_in, offset_out, length = syscall_arg4(frame);
    struct copy_end from = {file_get((int)syscall_arg0(frame)), NULL};
    struct copy_end to = {file_get((int)syscall_arg2(frame)), NULL};
    int64_t result = -EBADF;
    if (from.file == NULL || to.file == NULL || !may_read(from.file) || !may_write(to.file) ||
        (atomic_load(&to.file->flags) & O_APPEND))
        goto out;
    result = -EINVAL;
    if (syscall_arg5(frame) != 0)
        goto out;
    if ((from.file->node != NULL && from.file->node->type == FILE_TYPE_DIRECTORY) ||
        (to.file->node != NULL && to.file->node->type == FILE_TYPE_DIRECTORY)) {
        result = -EISDIR;
        goto out;
    }
    if (from.file->node == NULL || to.file->node == NULL ||
        from.file->node->type != FILE_TYPE_REGULAR || to.file->node->type != FILE_TYPE_REGULAR)
        goto out;
    result = read_offset(syscall_arg1(frame), &offset_in, &from.offset);
    if (result == 0)
        result = read_offset(syscall_arg3(frame), &offset_out, &to.offset);
    if (result != 0)
        goto out;
    if (from.file->node == to.file->node) {
        /* Ranges of one file may not overlap. */
        uint64_t in = from.offset != NULL ? offset_in : from.file->position;
        uint64_t out = to.offset != NULL ? offset_out : to.file->position;
        result = -EINVAL;
        if ((in < out ? out - in : in - out) < length)
            goto out;
    }
    result = copy_between(from, to, length > INT32_MAX ? INT32_MAX & ~4095 : length);
    if (result >= 0 && ((from.offset != NULL &&
                         user_write(syscall_arg1(frame), &offset_in, sizeof(offset_in)) != 0) ||
                        (to.offset != NULL &&
                         user_write(syscall_arg3(frame), &offset_out, sizeof(offset_out)) != 0)))
        result = -EFAULT;
out:
    if (from.file != NULL)
        file_put(from.file);
    if (to.file != NULL)
        file_put(to.file);
    return result;
}

/* --- splice and tee ----------------------------------------------------------------------------
 */

/* A write to the pipe with O_NONBLOCK for this call alone is what SPLICE_F_NONBLOCK means; without
 * a second open file that is a look before. */
static bool pipe_has_room(struct file *file)
{
    return file->operations->poll(file) & POLLOUT;
}

/* From a pipe to whatever `to` is: its bytes leave the pipe (`take`) as far as they were written.
 */
static int64_t splice_from_pipe(struct file *from, struct copy_end to, uint64_t length, bool wait,
                                bool take)
{
    const struct file_operations *writer = to.file->operations;
    int64_t there = pipe_look_begin(from, wait);
    if (there <= 0)
        return there;
    if (length > (uint64_t)there)
        length = (uint64_t)there;
    uint64_t size = (length + 4095) & ~UINT64_C(4095);
    int64_t buffer = copy_buffer(size), result = buffer;
    if (buffer >= 0) {
        struct file_vector vector = {(uint64_t)buffer, length};
        struct file_cursor cursor = {.vectors = &vector, .count = 1};
        result = pipe_look(from, 0, &cursor, length);
        if (result == 0 && pipe_of(to.file) != NULL && !wait && !pipe_has_room(to.file))
            result = -EAGAIN;
        else if (result == 0)
            result = to.offset != NULL ? writer->write_at(to.file, &vector, 1, *to.offset)
                                       : writer->write(to.file, &vector, 1);
        space_unmap((uint64_t)buffer, size);
    }
    uint64_t written = result > 0 ? (uint64_t)result : 0;
    pipe_look_end(from, take ? written : 0);
    if (to.offset != NULL)
        *to.offset += written;
    return result;
}

static int64_t splice_files(struct copy_end from, struct copy_end to, uint64_t length,
                            uint32_t flags)
{
    bool wait = !(flags & SPLICE_NONBLOCK);
    struct pipe *in = pipe_of(from.file), *out = pipe_of(to.file);
    if (in == NULL && out == NULL)
        return -EINVAL;
    if ((in != NULL && from.offset != NULL) || (out != NULL && to.offset != NULL))
        return -ESPIPE;
    if (in == out || from.file->operations->read == NULL || to.file->operations->write == NULL ||
        (from.offset != NULL && from.file->operations->read_at == NULL) ||
        (to.offset != NULL && to.file->operations->write_at == NULL) ||
        (out == NULL && (atomic_load(&to.file->flags) & O_APPEND)))
        return -EINVAL;
    if (in != NULL)
        return splice_from_pipe(from.file, to, length,
                                wait && !(atomic_load(&from.file->flags) & O_NONBLOCK), true);
    if (!wait && !pipe_has_room(to.file))
        return -EAGAIN;
    /* One buffer at most: what fits into a pipe. */
    return copy_between(from, to, length < 65536 ? length : 65536);
}

static void put_both(struct copy_end from, struct copy_end to)
{
    if (from.file != NULL)
        file_put(from.file);
    if (to.file != NULL)
        file_put(to.file);
}

static int64_t told_of_pipe(int64_t result)
{
    if (result == -EPIPE)
        signal_send(thread_current()->id, LINUX_SIGPIPE, LINUX_SI_USER);
    return result;
}

int64_t sys_splice(struct trap_frame *frame)
{
    uint64_t offset_in, offset_out, length = syscall_arg4(frame);
    uint64_t in_at = syscall_arg1(frame), out_at = syscall_arg3(frame);
    uint32_t flags = (uint32_t)syscall_arg5(frame);
    struct copy_end from = {NULL, NULL}, to = {NULL, NULL};
    if (flags & ~(uint32_t)SPLICE_KNOWN)
        return -EINVAL;
    if (length == 0)
        return 0;
    from.file = file_get((int)syscall_arg0(frame));
    to.file = file_get((int)syscall_arg2(frame));
    int64_t result = -EBADF;
    if (from.file == NULL || to.file == NULL || !may_read(from.file) || !may_write(to.file))
        goto out;
    result = -ESPIPE;
    if ((pipe_of(from.file) != NULL && in_at != 0) || (pipe_of(to.file) != NULL && out_at != 0))
        goto out;
    result = read_offset(in_at, &offset_in, &from.offset);
    if (result == 0)
        result = read_offset(out_at, &offset_out, &to.offset);
    if (result == 0)
        result = splice_files(from, to, length, flags);
    if (result >= 0 && ((in_at != 0 && user_write(in_at, &offset_in, sizeof(offset_in)) != 0) ||
                        (out_at != 0 && user_write(out_at, &offset_out, sizeof(offset_out)) != 0)))
        result = -EFAULT;
out:
    put_both(from, to);
    return told_of_pipe(result);
}

int64_t sys_tee(struct trap_frame *frame)
{
    uint64_t length = syscall_arg2(frame);
    uint32_t flags = (uint32_t)syscall_arg3(frame);
    if (flags & ~(uint32_t)SPLICE_KNOWN)
        return -EINVAL;
    if (length == 0)
        return 0;
    struct copy_end from = {file_get((int)syscall_arg0(frame)), NULL};
    struct copy_end to = {file_get((int)syscall_arg1(frame)), NULL};
    int64_t result = -EBADF;
    if (from.file != NULL && to.file != NULL && may_read(from.file) && may_write(to.file)) {
        result = -EINVAL;
        if (pipe_of(from.file) != NULL && pipe_of(to.file) != NULL &&
            pipe_of(from.file) != pipe_of(to.file))
            result = splice_from_pipe(from.file, to, length,
                                      !(flags & SPLICE_NONBLOCK) &&
                                          !(atomic_load(&from.file->flags) & O_NONBLOCK),
                                      false);
    }
    put_both(from, to);
    return told_of_pipe(result);
}

/* The program's memory into a pipe, or a pipe's bytes into memory: as writev and readv do. */
int64_t sys_vmsplice(struct trap_frame *frame)
{
    uint64_t count = syscall_arg2(frame);
    uint32_t flags = (uint32_t)syscall_arg3(frame);
    if (flags & ~(uint32_t)SPLICE_KNOWN)
        return -EINVAL;
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    bool write = may_write(file);
    int64_t result = pipe_of(file) != NULL ? 0 : -EBADF;
    if (result == 0 && (flags & SPLICE_NONBLOCK) &&
        !(file->operations->poll(file) & (write ? POLLOUT : POLLIN | POLLHUP)))
        result = -EAGAIN;
    struct file_vector *vectors = NULL;
    if (result == 0 && count > FILE_VECTORS_MAX)
        result = -EINVAL;
    if (result == 0 && (vectors = kmalloc(count * sizeof(*vectors) + 1)) == NULL)
        result = -ENOMEM;
    if (result == 0 && user_read(vectors, syscall_arg1(frame), count * sizeof(*vectors)) != 0)
        result = -EFAULT;
    if (result == 0 && count != 0)
        result = write ? file->operations->write(file, vectors, count)
                       : file->operations->read(file, vectors, count);
    kfree(vectors);
    file_put(file);
    return told_of_pipe(result);
}
