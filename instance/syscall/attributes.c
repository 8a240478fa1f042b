/* Extended attributes: no file here has any, nor can it be given one. What is wrong with the call
 * is told first, as on Linux. */
#include "instance/syscall/calls.h"
#include "instance/syscall/paths.h"

#include "instance/mm/user.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>

#define SET_FLAGS 3 /* XATTR_CREATE, XATTR_REPLACE */

/* Is there such a file? 0 or a negative errno value. */
static int check_path(uint64_t at, bool follow)
{
    struct vfs_node *node;
    struct file *file;
    int error = path_node(AT_FDCWD, at, 0, follow, &node, &file);
    if (error != 0)
        return error;
    vfs_put(node);
    if (file != NULL)
        file_put(file);
    return 0;
}

static int check_descriptor(int descriptor)
{
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    bool path = atomic_load(&file->flags) & O_PATH;
    file_put(file);
    return path ? -EBADF : 0;
}

static int check_name(uint64_t at)
{
    char name[XATTR_NAME_MAX + 1];
    int64_t length = user_read_string(name, at, sizeof(name));
    if (length == -EFAULT)
        return -EFAULT;
    return length <= 0 ? -ERANGE : 0;
}

/* The arguments behind the file; `error`: what is wrong with that. */
static int64_t set_attribute(const struct trap_frame *frame, int error)
{
    uint64_t size = syscall_arg3(frame), done = 0;
    uint8_t piece[256];
    if (error == 0 && (syscall_arg4(frame) & ~UINT64_C(SET_FLAGS)))
        error = -EINVAL;
    if (error == 0)
        error = check_name(syscall_arg1(frame));
    if (error == 0 && size > XATTR_SIZE_MAX)
        error = -E2BIG;
    for (; error == 0 && done < size; done += sizeof(piece))
        error = user_read(piece, syscall_arg2(frame) + done,
                          size - done < sizeof(piece) ? size - done : sizeof(piece));
    return error != 0 ? error : -EOPNOTSUPP;
}

static int64_t name_attribute(const struct trap_frame *frame, int error)
{
    if (error == 0)
        error = check_name(syscall_arg1(frame));
    return error != 0 ? error : -EOPNOTSUPP;
}

int64_t sys_setxattr(struct trap_frame *frame)
{
    return set_attribute(frame, check_path(syscall_arg0(frame), true));
}

int64_t sys_lsetxattr(struct trap_frame *frame)
{
    return set_attribute(frame, check_path(syscall_arg0(frame), false));
}

int64_t sys_fsetxattr(struct trap_frame *frame)
{
    return set_attribute(frame, check_descriptor((int)syscall_arg0(frame)));
}

int64_t sys_getxattr(struct trap_frame *frame)
{
    return name_attribute(frame, check_path(syscall_arg0(frame), true));
}

int64_t sys_lgetxattr(struct trap_frame *frame)
{
    return name_attribute(frame, check_path(syscall_arg0(frame), false));
}

int64_t sys_fgetxattr(struct trap_frame *frame)
{
    return name_attribute(frame, check_descriptor((int)syscall_arg0(frame)));
}

/* The list is empty. */
int64_t sys_listxattr(struct trap_frame *frame)
{
    return check_path(syscall_arg0(frame), true);
}

int64_t sys_llistxattr(struct trap_frame *frame)
{
    return check_path(syscall_arg0(frame), false);
}

int64_t sys_flistxattr(struct trap_frame *frame)
{
    return check_descriptor((int)syscall_arg0(frame));
}

int64_t sys_removexattr(struct trap_frame *frame)
{
    return name_attribute(frame, check_path(syscall_arg0(frame), true));
}

int64_t sys_lremovexattr(struct trap_frame *frame)
{
    return name_attribute(frame, check_path(syscall_arg0(frame), false));
}

int64_t sys_fremovexattr(struct trap_frame *frame)
{
    return name_attribute(frame, check_descriptor((int)syscall_arg0(frame)));
}
