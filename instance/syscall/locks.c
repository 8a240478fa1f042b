/* The system calls' side of file locks: fcntl's struct flock, and flock. What locks do is told by
 * instance/fs/file_locks.h. */
#include "instance/syscall/calls.h"
#include "instance/syscall/record_lock.h"

#include "instance/fs/file_locks.h"
#include "instance/fs/vfs.h"
#include "instance/mm/user.h"

#include <errno.h>
#include <linux/fcntl.h>

#define PROCESS_ID 1
#define LOCK_SHARED 1 /* flock's operations */
#define LOCK_EXCLUSIVE 2
#define LOCK_NONBLOCK 4
#define LOCK_UNLOCK 8

/* Where l_whence counts from. 0 or a negative errno value. */
static int lock_base(struct file *file, int whence, int64_t *base)
{
    struct file_status status;
    int error = 0;
    *base = 0;
    switch (whence) {
    case 0:
        break;
    case 1:
        file_lock_read(&file->position_lock);
        *base = (int64_t)file->position;
        file_unlock_read(&file->position_lock);
        break;
    case 2:
        error =
            file->operations->status != NULL ? file->operations->status(file, &status) : -EINVAL;
        if (error == 0)
            *base = (int64_t)status.size;
        break;
    default:
        error = -EINVAL;
    }
    return error;
}

/* The range that a struct flock means. 0, -EINVAL or -EOVERFLOW. */
static int lock_read_range(struct file *file, const struct flock *lock, struct lock_range *range)
{
    int64_t base, start, length = lock->l_len;
    int error = lock_base(file, lock->l_whence, &base);
    if (error != 0)
        return error;
    if (__builtin_add_overflow(base, lock->l_start, &start))
        return -EOVERFLOW;
    if (start < 0)
        return -EINVAL;
    if (length < 0) { /* the bytes before it */
        if (start + length < 0)
            return -EINVAL;
        start += length;
        length = -length;
    } else if (length > INT64_MAX - start) {
        return -EOVERFLOW;
    }
    range->start = (uint64_t)start;
    range->end = length == 0 ? INT64_MAX : (uint64_t)(start + length - 1);
    return 0;
}

static int lock_tell(const struct lock_range *found, uint64_t argument, struct flock *lock)
{
    static const int16_t types[] = {
        [LOCK_FOR_READING] = F_RDLCK, [LOCK_FOR_WRITING] = F_WRLCK, [LOCK_NONE] = F_UNLCK};
    lock->l_type = types[found->type];
    if (found->type != LOCK_NONE) {
        lock->l_whence = 0;
        lock->l_start = (int64_t)found->start;
        lock->l_len = found->end == INT64_MAX ? 0 : (int64_t)(found->end - found->start + 1);
        lock->l_pid = found->owner == LOCK_OF_PROCESS ? PROCESS_ID : -1;
    }
    return user_write(argument, lock, sizeof(*lock));
}

int64_t record_lock(struct file *file, int command, uint64_t argument)
{
    bool get = command == F_GETLK || command == F_OFD_GETLK;
    bool of_file = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    uint32_t flags = atomic_load(&file->flags), access = flags & O_ACCMODE;
    struct flock lock;
    struct lock_range range = {.owner = of_file ? LOCK_OF_FILE : LOCK_OF_PROCESS};
    if (flags & O_PATH)
        return -EBADF;
    if (user_read(&lock, argument, sizeof(lock)) != 0)
        return -EFAULT;
    if (of_file && lock.l_pid != 0)
        return -EINVAL;
    int error = 0;
    if (get && lock.l_type != F_RDLCK && lock.l_type != F_WRLCK)
        return -EINVAL;
    error = lock_read_range(file, &lock, &range);
    if (error != 0)
        return error;
    switch (lock.l_type) {
    case F_RDLCK:
        range.type = LOCK_FOR_READING;
        if (!get && access == O_WRONLY)
            return -EBADF;
        break;
    case F_WRLCK:
        range.type = LOCK_FOR_WRITING;
        if (!get && access == O_RDONLY)
            return -EBADF;
        break;
    case F_UNLCK:
        range.type = LOCK_NONE;
        break;
    default:
        return -EINVAL;
    }
    if (!get)
        return file_locks_set(file, &range, command == F_SETLKW || command == F_OFD_SETLKW);
    error = file_locks_get(file, &range);
    return error != 0 ? error : lock_tell(&range, argument, &lock);
}

int64_t sys_flock(struct trap_frame *frame)
{
    uint32_t operation = (uint32_t)syscall_arg1(frame);
    struct lock_range range = {LOCK_OF_FLOCK, LOCK_NONE, 0, INT64_MAX};
    switch (operation & ~(uint32_t)LOCK_NONBLOCK) {
    case LOCK_SHARED:
        range.type = LOCK_FOR_READING;
        break;
    case LOCK_EXCLUSIVE:
        range.type = LOCK_FOR_WRITING;
        break;
    case LOCK_UNLOCK:
        break;
    default:
        return -EINVAL;
    }
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    int error = -EBADF;
    if (!(atomic_load(&file->flags) & O_PATH))
        error = file_locks_set(file, &range, !(operation & LOCK_NONBLOCK));
    file_put(file);
    return error;
}
