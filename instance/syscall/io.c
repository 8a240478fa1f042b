/* The system calls on file descriptors: they check their arguments and call the file's operations.
 * What they do is told by instance/fs/. Opening is not served before there is a file system: it
 * fails with ENOENT, and the first time is logged. */
#include "instance/syscall/calls.h"
#include "instance/syscall/signal.h"

#include "instance/fs/file.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <asm/stat.h>
#include <errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define VECTORS_ON_STACK 8
#define PATH_MAX_BYTES 4096
#define CLOSE_RANGE_UNSHARE 2
#define CLOSE_RANGE_CLOEXEC 4

/* --- read and write --------------------------------------------------------------------------- */

typedef int64_t (*transfer_t)(struct file *, const struct file_vector *, size_t);

static int64_t io_transfer(int descriptor, const struct file_vector *vectors, size_t count,
                           bool write)
{
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    transfer_t transfer = write ? file->operations->write : file->operations->read;
    int64_t result = transfer != NULL ? transfer(file, vectors, count) : -EBADF;
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

static int64_t io_transfer_vectors(struct trap_frame *frame, bool write)
{
    struct file_vector few[VECTORS_ON_STACK], *vectors = few;
    uint64_t count = syscall_arg2(frame);
    if (count > FILE_VECTORS_MAX)
        return -EINVAL;
    if (count > VECTORS_ON_STACK) {
        vectors = kmalloc(count * sizeof(*vectors));
        if (vectors == NULL)
            return -ENOMEM;
    }
    int64_t result = -EFAULT;
    if (user_read(vectors, syscall_arg1(frame), count * sizeof(*vectors)) != 0)
        goto out;
    result = -EINVAL;
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (vectors[i].length > INT64_MAX - total)
            goto out;
        total += vectors[i].length;
    }
    result = io_transfer((int)syscall_arg0(frame), vectors, count, write);
out:
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

/* What may be read at a place of its own: none of the files there are yet. */
static int64_t io_at_place(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    file_put(file);
    return -ESPIPE;
}

int64_t sys_pread64(struct trap_frame *frame)
{
    return io_at_place(frame);
}

int64_t sys_pwrite64(struct trap_frame *frame)
{
    return io_at_place(frame);
}

int64_t sys_preadv(struct trap_frame *frame)
{
    return io_at_place(frame);
}

int64_t sys_pwritev(struct trap_frame *frame)
{
    return io_at_place(frame);
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
    default:
        result = -EINVAL;
    }
    file_put(file);
    return result;
}

/* --- Status ----------------------------------------------------------------------------------- */

static int io_status(int descriptor, struct file_status *status)
{
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    int error = file->operations->status != NULL ? file->operations->status(file, status) : -EBADF;
    file_put(file);
    return error;
}

static int64_t io_write_stat(uint64_t to, const struct file_status *status)
{
    struct stat out;
    memset(&out, 0, sizeof(out));
    out.st_dev = status->device;
    out.st_ino = status->inode;
    out.st_nlink = 1;
    out.st_mode = status->mode;
    out.st_rdev = status->special;
    out.st_size = (int64_t)status->size;
    out.st_blksize = status->block_size;
    out.st_blocks = (int64_t)((status->size + 511) / 512);
    return user_write(to, &out, sizeof(out));
}

int64_t sys_fstat(struct trap_frame *frame)
{
    struct file_status status;
    int error = io_status((int)syscall_arg0(frame), &status);
    return error != 0 ? error : io_write_stat(syscall_arg1(frame), &status);
}

/* --- Paths: there are none yet ---------------------------------------------------------------- */

/* ENOENT for a path, whatever it is; logged the first time. */
static int64_t io_no_such_path(uint64_t path_at)
{
    static _Atomic bool logged;
    char *path = kmalloc(PATH_MAX_BYTES);
    if (path == NULL)
        return -ENOMEM;
    int64_t length = user_read_string(path, path_at, PATH_MAX_BYTES);
    if (length >= 0 && !atomic_exchange(&logged, true))
        log_warn("there is no file system yet: '%s', and all other paths, are ENOENT", path);
    kfree(path);
    return length < 0 ? length : -ENOENT;
}

/* Is the path argument the empty string (with AT_EMPTY_PATH: the descriptor itself is meant)? */
static bool io_path_is_empty(uint64_t at)
{
    char first;
    return at == 0 || (user_read(&first, at, 1) == 0 && first == '\0');
}

int64_t sys_newfstatat(struct trap_frame *frame)
{
    struct file_status status;
    if (!((uint32_t)syscall_arg3(frame) & AT_EMPTY_PATH) || !io_path_is_empty(syscall_arg1(frame)))
        return io_no_such_path(syscall_arg1(frame));
    int error = io_status((int)syscall_arg0(frame), &status);
    return error != 0 ? error : io_write_stat(syscall_arg2(frame), &status);
}

int64_t sys_statx(struct trap_frame *frame)
{
    struct file_status status;
    struct statx out;
    if (!((uint32_t)syscall_arg2(frame) & AT_EMPTY_PATH) || !io_path_is_empty(syscall_arg1(frame)))
        return io_no_such_path(syscall_arg1(frame));
    int error = io_status((int)syscall_arg0(frame), &status);
    if (error != 0)
        return error;
    memset(&out, 0, sizeof(out));
    out.stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_INO |
                   STATX_SIZE | STATX_BLOCKS;
    out.stx_blksize = status.block_size;
    out.stx_nlink = 1;
    out.stx_mode = (uint16_t)status.mode;
    out.stx_ino = status.inode;
    out.stx_size = status.size;
    out.stx_blocks = (status.size + 511) / 512;
    out.stx_dev_minor = (uint32_t)status.device;
    out.stx_rdev_major = (uint32_t)(status.special >> 8);
    out.stx_rdev_minor = (uint32_t)(status.special & 0xff);
    return user_write(syscall_arg4(frame), &out, sizeof(out));
}

int64_t sys_open(struct trap_frame *frame)
{
    return io_no_such_path(syscall_arg0(frame));
}

int64_t sys_openat(struct trap_frame *frame)
{
    return io_no_such_path(syscall_arg1(frame));
}

int64_t sys_stat(struct trap_frame *frame)
{
    return io_no_such_path(syscall_arg0(frame));
}

int64_t sys_lstat(struct trap_frame *frame)
{
    return io_no_such_path(syscall_arg0(frame));
}

int64_t sys_access(struct trap_frame *frame)
{
    return io_no_such_path(syscall_arg0(frame));
}

int64_t sys_faccessat(struct trap_frame *frame)
{
    return io_no_such_path(syscall_arg1(frame));
}

int64_t sys_faccessat2(struct trap_frame *frame)
{
    return io_no_such_path(syscall_arg1(frame));
}

/* /proc/self/exe is the one link there is: runtimes find themselves by it. */
static int64_t io_read_link(uint64_t path_at, uint64_t buffer, uint64_t size)
{
    static const char self[] = "/proc/self/exe";
    char path[sizeof(self)];
    if ((int64_t)size <= 0)
        return -EINVAL;
    int64_t length = user_read_string(path, path_at, sizeof(path));
    if (length == -EFAULT)
        return -EFAULT;
    if (length != sizeof(self) - 1 || memcmp(path, self, sizeof(self)) != 0)
        return io_no_such_path(path_at);
    const char *target = instance.handover->program_path;
    uint64_t bytes = strlen(target);
    if (bytes > size)
        bytes = size;
    return user_write(buffer, target, bytes) != 0 ? -EFAULT : (int64_t)bytes;
}

int64_t sys_readlink(struct trap_frame *frame)
{
    return io_read_link(syscall_arg0(frame), syscall_arg1(frame), syscall_arg2(frame));
}

int64_t sys_readlinkat(struct trap_frame *frame)
{
    return io_read_link(syscall_arg1(frame), syscall_arg2(frame), syscall_arg3(frame));
}
