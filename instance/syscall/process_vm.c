/* process_vm_readv and process_vm_writev: there is one process, so they copy inside it. */
#include "instance/syscall/calls.h"

#include "instance/fs/file.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/sched/thread.h"

#include <errno.h>

#define PIECE UINT64_C(65536) /* bytes copied at a time */

/* The vectors at `at`, to be kfree'd. 0 or a negative errno value. */
static int read_vectors(uint64_t at, uint64_t count, struct file_vector **vectors)
{
    *vectors = NULL;
    if (count > FILE_VECTORS_MAX)
        return -EINVAL;
    *vectors = kmalloc(count * sizeof(**vectors) + 1);
    if (*vectors == NULL)
        return -ENOMEM;
    uint64_t total = 0;
    if (user_read(*vectors, at, count * sizeof(**vectors)) != 0)
        return -EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        if ((*vectors)[i].length > INT64_MAX - total)
            return -EINVAL;
        total += (*vectors)[i].length;
    }
    return 0;
}

/* Copies on from one to the other until one of them ends. What was copied, or -EFAULT for nothing.
 */
static int64_t copy_all(struct file_cursor *from, struct file_cursor *to)
{
    uint8_t *piece = kmalloc(PIECE);
    uint64_t done = 0;
    int error = piece != NULL ? 0 : -ENOMEM;
    while (error == 0) {
        while (from->count != 0 && from->done == from->vectors->length)
            file_cursor_next(from);
        while (to->count != 0 && to->done == to->vectors->length)
            file_cursor_next(to);
        if (from->count == 0 || to->count == 0)
            break;
        uint64_t length = from->vectors->length - from->done;
        if (to->vectors->length - to->done < length)
            length = to->vectors->length - to->done;
        if (length > PIECE)
            length = PIECE;
        error = file_cursor_read(from, piece, length);
        if (error == 0)
            error = file_cursor_write(to, piece, length);
        if (error == 0)
            done += length;
    }
    kfree(piece);
    return done != 0 ? (int64_t)done : error;
}

static int64_t process_vm(struct trap_frame *frame, bool write)
{
    struct file_vector *local, *remote = NULL;
    if (syscall_arg5(frame) != 0)
        return -EINVAL;
    int64_t result = read_vectors(syscall_arg1(frame), syscall_arg2(frame), &local);
    if (result == 0)
        result = read_vectors(syscall_arg3(frame), syscall_arg4(frame), &remote);
    if (result == 0) {
        uint64_t saved = spin_lock_irq(&thread_all_lock);
        bool there = thread_find((int32_t)syscall_arg0(frame)) != NULL;
        spin_unlock_irq(&thread_all_lock, saved);
        struct file_cursor here = {.vectors = local, .count = syscall_arg2(frame)};
        struct file_cursor away = {.vectors = remote, .count = syscall_arg4(frame)};
        result = !there ? -ESRCH : write ? copy_all(&here, &away) : copy_all(&away, &here);
    }
    kfree(local);
    kfree(remote);
    return result;
}

int64_t sys_process_vm_readv(struct trap_frame *frame)
{
    return process_vm(frame, false);
}

int64_t sys_process_vm_writev(struct trap_frame *frame)
{
    return process_vm(frame, true);
}
