/* The system calls on file descriptors: they check their arguments and call the file's operations.
 * What they do is told by instance/fs/. */
#include "instance/syscall/calls.h"
#include "instance/syscall/record_lock.h"
#include "instance/syscall/signal.h"

#include "instance/fs/vfs.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/sched/thread.h"

#include <errno.h>
#include <linux/fcntl.h>

#define VECTORS_ON_STACK 8
#define RWF_HIPRI 1 /* <linux/fs.h> has them beside too much else */
#define RWF_DSYNC 2
#define RWF_SYNC 4
#define RWF_APPEND 16
#define CLOSE_RANGE_UNSHARE 2
#define CLOSE_RANGE_CLOEXEC 4

/* --- read and write --------------------------------------------------------------------------- */

typedef int64_t (*transfer_t)(struct file *, const struct file_vector *, size_t);

/* A file without that operation: was it opened for it at all? */
static int io_cannot(struct file *file, bool write)
{
    uint32_t access = atomic_load_explicit(&file->flags, memory_order_relaxed) & O_ACCMODE;
    return access == O_RDWR || (access == O_WRONLY) == write ? -EINVAL : -EBADF;
}

static int64_t io_transfer(int descriptor, const struct file_vector *vectors, size_t count,
                           bool write)
{
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    transfer_t transfer = write ? file->operations->write : file->operations->read;
    int64_t result = transfer != NULL ? transfer(file, vectors, count) : io_cannot(file, write);
    file_put(file);
    if (result == -EPIPE && write)
        signal_send(thread_current()->id, LINUX_SIGPIPE, LINUX_SI_USER);
    return result;
}

int64_t sys_read(struct trap_frame *frame)
{
    struct file_vector vector = {syscall_arg1(frame), syscall_arg2(frame)};
    return io_transfer((int)syscall_arg0(frame), &vector, 1, false);
}

int64_t sys_write(struct trap_frame *frame)
{
    struct file_vector vector = {syscall_arg1(frame), syscall_arg2(frame)};
    return io_transfer((int)syscall_arg0(frame), &vector, 1, true);
}

/* Reads the call's vectors: into *vectors (VECTORS_ON_STACK of them), or into memory that is then
 * *vectors and the caller's to free. */
static int64_t io_read_vectors(struct trap_frame *frame, struct file_vector **vectors)
{
    uint64_t count = syscall_arg2(frame), total = 0;
    if (count > FILE_VECTORS_MAX)
        return -EINVAL;
    if (count > VECTORS_ON_STACK) {
        struct file_vector *many = kmalloc(count * sizeof(*many));
        if (many == NULL)
            return -ENOMEM;
        *vectors = many;
    }
    if (user_read(*vectors, syscall_arg1(frame), count * sizeof(**vectors)) != 0)
        return -EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        if ((*vectors)[i].length > INT64_MAX - total)
            return -EINVAL;
        total += (*vectors)[i].length;
    }
    return 0;
}

static int64_t io_transfer_vectors(struct trap_frame *frame, bool write)
{
    struct file_vector few[VECTORS_ON_STACK], *vectors = few;
    int64_t result = io_read_vectors(frame, &vectors);
    if (result == 0)
        result = io_transfer((int)syscall_arg0(frame), vectors, syscall_arg2(frame), write);
    if (vectors != few)
        kfree(vectors);
    return result;
}

int64_t sys_readv(struct trap_frame *frame)
{
    return io_transfer_vectors(frame, false);
}

int64_t sys_writev(struct trap_frame *frame)
{
    return io_transfer_vectors(frame, true);
}

/* --- At a place of its own -------------------------------------------------------------------- */

static int64_t io_at(int descriptor, const struct file_vector *vectors, size_t count,
                     int64_t offset, bool write)
{
    if (offset < 0)
        return -EINVAL;
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    int64_t result = -ESPIPE;
    if (write && file->operations->write_at != NULL)
        result = file->operations->write_at(file, vectors, count, (uint64_t)offset);
    else if (!write && file->operations->read_at != NULL)
        result = file->operations->read_at(file, vectors, count, (uint64_t)offset);
    file_put(file);
    return result;
}

int64_t sys_pread64(struct trap_frame *frame)
{
    struct file_vector vector = {syscall_arg1(frame), syscall_arg2(frame)};
    return io_at((int)syscall_arg0(frame), &vector, 1, (int64_t)syscall_arg3(frame), false);
}

int64_t sys_pwrite64(struct trap_frame *frame)
{
    struct file_vector vector = {syscall_arg1(frame), syscall_arg2(frame)};
    return io_at((int)syscall_arg0(frame), &vector, 1, (int64_t)syscall_arg3(frame), true);
}

static int64_t io_vectors_at(struct trap_frame *frame, bool write)
{
    struct file_vector few[VECTORS_ON_STACK], *vectors = few;
    int64_t result = io_read_vectors(frame, &vectors);
    if (result == 0)
        result = io_at((int)syscall_arg0(frame), vectors, syscall_arg2(frame),
                       (int64_t)syscall_arg3(frame), write);
    if (vectors != few)
        kfree(vectors);
    return result;
}

int64_t sys_preadv(struct trap_frame *frame)
{
    return io_vectors_at(frame, false);
}

int64_t sys_pwritev(struct trap_frame *frame)
{
    return io_vectors_at(frame, true);
}

/* What was written is with the host, or in memory: to sync is one more request. */
static int64_t io_sync(int descriptor, bool data_only, int64_t result)
{
    struct file *file = file_get(descriptor);
    int error = 0;
    if (file == NULL)
        return result;
    if (file->node != NULL && file->node->operations->sync != NULL)
        error = file->node->operations->sync(file, data_only);
    file_put(file);
    return error != 0 ? error : result;
}

/* RWF_APPEND: to the end, and the position stays unless it was to be used. */
static int64_t io_append(struct trap_frame *frame)
{
    struct file_vector few[VECTORS_ON_STACK], *vectors = few;
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    int64_t result = -ESPIPE;
    if (vfs_is_file(file))
        result = io_read_vectors(frame, &vectors);
    if (result == 0)
        result = vfs_append(file, vectors, syscall_arg2(frame));
    if (result > 0 && (int64_t)syscall_arg3(frame) == -1 && file->operations->seek != NULL)
        file->operations->seek(file, 0, 2);
    if (vectors != few)
        kfree(vectors);
    file_put(file);
    return result;
}

/* With an offset of -1 the file's own position counts. */
static int64_t io_vectors_flags(struct trap_frame *frame, bool write)
{
    uint64_t flags = syscall_arg5(frame);
    bool here = (int64_t)syscall_arg3(frame) == -1;
    if ((flags & ~(uint64_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)) ||
        (!write && (flags & RWF_APPEND)))
        return -EOPNOTSUPP; /* RWF_NOWAIT too: who cannot wait asks without it */
    int64_t result = flags & RWF_APPEND ? io_append(frame)
                     : here             ? io_transfer_vectors(frame, write)
                                        : io_vectors_at(frame, write);
    if (write && result > 0 && (flags & (RWF_DSYNC | RWF_SYNC)))
        result = io_sync((int)syscall_arg0(frame), !(flags & RWF_SYNC), result);
    return result;
}

int64_t sys_preadv2(struct trap_frame *frame)
{
    return io_vectors_flags(frame, false);
}

int64_t sys_pwritev2(struct trap_frame *frame)
{
    return io_vectors_flags(frame, true);
}

int64_t sys_lseek(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    int64_t result = -ESPIPE;
    if (file->operations->seek != NULL)
        result =
            file->operations->seek(file, (int64_t)syscall_arg1(frame), (int)syscall_arg2(frame));
    file_put(file);
    return result;
}

int64_t sys_ioctl(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    int64_t result = -ENOTTY;
    if (file->operations->control != NULL)
        result =
            file->operations->control(file, (uint32_t)syscall_arg1(frame), syscall_arg2(frame));
    file_put(file);
    return result;
}

/* --- Descriptors ------------------------------------------------------------------------------ */

int64_t sys_close(struct trap_frame *frame)
{
    return file_close((int)syscall_arg0(frame));
}

int64_t sys_close_range(struct trap_frame *frame)
{
    uint32_t first = (uint32_t)syscall_arg0(frame), last = (uint32_t)syscall_arg1(frame);
    uint32_t flags = (uint32_t)syscall_arg2(frame);
    if (first > last || (flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
        return -EINVAL;
    uint32_t end = (uint32_t)file_descriptor_end();
    for (uint32_t i = first; i < end && i <= last; i++) {
        if (flags & CLOSE_RANGE_CLOEXEC)
            file_set_close_on_exec((int)i, true);
        else
            file_close((int)i);
    }
    return 0;
}

/* dup and its relatives: `lowest` on, or exactly at `at` if it is not -1. */
static int64_t io_duplicate(int descriptor, int lowest, int at, bool close_on_exec)
{
    struct file *file = file_get(descriptor); /* the new descriptor's reference */
    if (file == NULL)
        return -EBADF;
    int result = at != -1 ? file_install_at(file, at, close_on_exec)
                          : file_install(file, lowest, close_on_exec);
    if (result < 0)
        file_put(file);
    return result;
}

int64_t sys_dup(struct trap_frame *frame)
{
    return io_duplicate((int)syscall_arg0(frame), 0, -1, false);
}

int64_t sys_dup2(struct trap_frame *frame)
{
    int from = (int)syscall_arg0(frame), to = (int)syscall_arg1(frame);
    if (to < 0)
        return -EBADF;
    if (from == to) {
        int flag = file_close_on_exec(from);
        return flag < 0 ? flag : to;
    }
    return io_duplicate(from, 0, to, false);
}

int64_t sys_dup3(struct trap_frame *frame)
{
    int from = (int)syscall_arg0(frame), to = (int)syscall_arg1(frame);
    int flags = (int)syscall_arg2(frame);
    if ((flags & ~O_CLOEXEC) || from == to)
        return -EINVAL;
    if (to < 0)
        return -EBADF;
    return io_duplicate(from, 0, to, flags & O_CLOEXEC);
}

/* Adds seals, and returns all there are. */
static int io_seal(struct file *file, uint32_t seals)
{
    if (file->node == NULL || file->node->type != FILE_TYPE_REGULAR ||
        file->node->operations->seal == NULL)
        return -EINVAL;
    return file->node->operations->seal(file->node, seals);
}

int64_t sys_fcntl(struct trap_frame *frame)
{
    /* F_SETFL changes these alone, as Linux does. */
    const uint32_t settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
    int descriptor = (int)syscall_arg0(frame);
    uint64_t argument = syscall_arg2(frame);
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;

    int64_t result;
    uint32_t flags = atomic_load(&file->flags);
    switch ((int)syscall_arg1(frame)) {
    case F_GETFD:
        result = file_close_on_exec(descriptor);
        break;
    case F_SETFD:
        result = file_set_close_on_exec(descriptor, argument & FD_CLOEXEC);
        break;
    case F_GETFL:
        result = flags;
        break;
    case F_SETFL:
        while (!atomic_compare_exchange_weak(&file->flags, &flags,
                                             (flags & ~settable) | ((uint32_t)argument & settable)))
            ;
        result = 0;
        break;
    case F_DUPFD:
        result = io_duplicate(descriptor, argument > INT32_MAX ? -1 : (int)argument, -1, false);
        break;
    case F_DUPFD_CLOEXEC:
        result = io_duplicate(descriptor, argument > INT32_MAX ? -1 : (int)argument, -1, true);
        break;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        result = record_lock(file, (int)syscall_arg1(frame), argument);
        break;
    case F_ADD_SEALS:
        result = -EINVAL;
        if (argument & ~(uint64_t)(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
                                   F_SEAL_FUTURE_WRITE))
            break;
        result = (flags & O_ACCMODE) == O_RDONLY ? -EPERM : io_seal(file, (uint32_t)argument);
        result = result > 0 ? 0 : result;
        break;
    case F_GET_SEALS:
        result = io_seal(file, 0);
        break;
    case F_GETOWN:
    case F_GETSIG:
        result = 0;
        break;
    default:
        result = -EINVAL;
    }
    file_put(file);
    return result;
}
