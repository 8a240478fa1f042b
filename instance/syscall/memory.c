/* mmap and its kin: the system calls' side of instance/mm/space.h, which does the work and has the
 * errors. Here are the arguments' widths, the checks that Linux makes before it looks at areas, and
 * what a program without files gets. */
#include "instance/syscall/memory.h"

#include "instance/fs/mapped.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#define MINCORE_PAGES 512 /* answered in one go, from the kernel's stack */

/* Mappings of regular files. */
static int64_t map_file(struct trap_frame *frame, int protection, int flags, int descriptor)
{
    struct file *file = file_get(descriptor);
    if (!file)
        return -EBADF;
    uint32_t access = atomic_load(&file->flags);
    int type = flags & MAP_TYPE;
    struct area_file *mapped;
    int64_t result = -ENODEV;
    if (access & O_PATH)
        result = -EBADF;
    else if ((access & O_ACCMODE) == O_WRONLY)
        result = -EACCES;
    else if (!syscall_arg1(frame) ||
             (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE))
        result = -EINVAL;
    else if (file->node && file->node->operations->read_page &&
             file->node->type == FILE_TYPE_REGULAR)
        result = mapped_create(file, type != MAP_PRIVATE, protection & PROT_WRITE, &mapped);
    if (result) {
        static _Atomic bool logged;
        if (result == -ENODEV && !atomic_exchange(&logged, true))
            log_warn("a mapping of a file was refused: it is not a regular file: ENODEV");
        file_put(file);
        return result;
    }
    if (type != MAP_PRIVATE) /* its pages are the file's, on the account of files */
        flags = (flags & ~MAP_TYPE) | MAP_SHARED | MAP_NORESERVE;
    struct area_source source = area_source_of(mapped);
    result = space_map(syscall_arg0(frame), syscall_arg1(frame), protection, flags, &source,
                       syscall_arg5(frame), NULL);
    if (result < 0)
        area_file_put(mapped);
    space_release_files();
    return result;
}

int64_t sys_mmap(struct trap_frame *frame)
{
    int protection = (int)syscall_arg2(frame), flags = (int)syscall_arg3(frame);
    int file = (int)syscall_arg4(frame);
    if (syscall_arg5(frame) & (PAGE_SIZE - 1))
        return -EINVAL;
    if (!(flags & MAP_ANONYMOUS))
        return map_file(frame, protection, flags, file);
    return space_map(syscall_arg0(frame), syscall_arg1(frame), protection, flags, NULL, 0, NULL);
}

int64_t sys_munmap(struct trap_frame *frame)
{
    int error = space_unmap(syscall_arg0(frame), syscall_arg1(frame));
    space_release_files();
    return error;
}

int64_t sys_mprotect(struct trap_frame *frame)
{
    return space_protect(syscall_arg0(frame), syscall_arg1(frame), (int)syscall_arg2(frame));
}

int64_t sys_mremap(struct trap_frame *frame)
{
    return space_remap(syscall_arg0(frame), syscall_arg1(frame), syscall_arg2(frame),
                       (int)syscall_arg3(frame), syscall_arg4(frame));
}

int64_t sys_madvise(struct trap_frame *frame)
{
    return space_advise(syscall_arg0(frame), syscall_arg1(frame), (int)syscall_arg2(frame));
}

int64_t sys_mincore(struct trap_frame *frame)
{
    uint64_t address = syscall_arg0(frame), length = syscall_arg1(frame);
    uint64_t vector = syscall_arg2(frame);
    if (address & (PAGE_SIZE - 1))
        return -EINVAL;
    if (!length)
        return 0;
    if (!user_range_ok(address, length))
        return -ENOMEM;
    uint64_t pages = (length + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if (!user_range_ok(vector, pages))
        return -EFAULT;
    while (pages) {
        uint8_t answer[MINCORE_PAGES];
        uint64_t now = pages < MINCORE_PAGES ? pages : MINCORE_PAGES;
        int error = space_mincore(address, now * PAGE_SIZE, answer);
        if (!error)
            error = user_write(vector, answer, now);
        if (error)
            return error;
        address += now * PAGE_SIZE;
        vector += now;
        pages -= now;
    }
    return 0;
}

int64_t sys_brk(struct trap_frame *frame)
{
    return (int64_t)space_brk(syscall_arg0(frame));
}

/* What a shared mapping shows is the file itself as far as this instance goes; MS_SYNC brings it to
 * the host, too. */
int64_t sys_msync(struct trap_frame *frame)
{
    uint64_t address = syscall_arg0(frame), length = syscall_arg1(frame);
    uint64_t flags = syscall_arg2(frame);
    if ((flags & ~(uint64_t)(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
        ((flags & MS_ASYNC) && (flags & MS_SYNC)) || (address & (PAGE_SIZE - 1)))
        return -EINVAL;
    uint64_t rounded = (length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1); /* may wrap to 0, as on Linux */
    if (!rounded)
        return 0;
    int error = flags & MS_SYNC ? space_sync(address, rounded) : 0;
    return !error && !space_is_mapped(address, rounded) ? -ENOMEM : error;
}

int64_t sys_mlock(struct trap_frame *frame)
{
    return space_lock(syscall_arg0(frame), syscall_arg1(frame));
}

int64_t sys_mlock2(struct trap_frame *frame)
{
    uint64_t address = syscall_arg0(frame), length = syscall_arg1(frame);
    uint64_t flags = syscall_arg2(frame);
    if (flags & ~(uint64_t)MLOCK_ONFAULT)
        return -EINVAL;
    if (flags & MLOCK_ONFAULT) /* what comes in stays in anyway */
        return space_is_mapped(address, length) ? 0 : -ENOMEM;
    return space_lock(address, length);
}

int64_t sys_munlock(struct trap_frame *frame)
{
    return space_is_mapped(syscall_arg0(frame), syscall_arg1(frame)) ? 0 : -ENOMEM;
}

int64_t sys_mlockall(struct trap_frame *frame)
{
    uint64_t flags = syscall_arg0(frame);
    if (!flags || (flags & ~(uint64_t)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) ||
        flags == MCL_ONFAULT)
        return -EINVAL;
    return space_lock_all((int)flags);
}

int64_t sys_munlockall(struct trap_frame *frame)
{
    (void)frame;
    return space_lock_all(0);
}
