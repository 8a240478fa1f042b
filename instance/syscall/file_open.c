/* The calls that open files and go from place to place: open and its relatives, the working
 * directory, the umask, memfd_create. */
#include "instance/syscall/calls.h"
#include "instance/syscall/paths.h"

#include "instance/fs/pipe.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/openat2.h>

#define OPEN_TEMPORARY 020000000                             /* __O_TMPFILE */
#define RESOLVE_CONFINED (RESOLVE_BENEATH | RESOLVE_IN_ROOT) /* not both */
#define RESOLVE_ALL                                                                                \
    (RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_CONFINED |            \
     RESOLVE_CACHED)

/* Puts an open file at a descriptor, or gives it up. */
static int64_t install(struct file *file, bool close_on_exec)
{
    int descriptor = file_install(file, 0, close_on_exec);
    if (descriptor < 0)
        file_put(file);
    return descriptor;
}

/* O_TMPFILE: a file in the tree of the directory at the path, without a name. */
static int open_unnamed(struct vfs_node *start, const char *path, uint32_t flags, uint32_t mode,
                        unsigned walk, struct file **file)
{
    struct vfs_place place;
    struct vfs_node *node = NULL;
    if (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY ||
        (flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    int error = vfs_walk(start, path, walk | VFS_FOLLOW, &place);
    if (error != 0)
        return error;
    if (place.node == NULL || place.node->type != FILE_TYPE_DIRECTORY)
        error = -ENOTDIR;
    else if (place.node->mount->read_only)
        error = -EROFS;
    else
        error = tmpfs_create_unnamed(place.node, mode & 07777 & ~vfs_umask(), !(flags & O_EXCL),
                                     false, &node);
    vfs_place_put(&place);
    if (error == 0)
        error = vfs_open_node(
            node, flags & ~(uint32_t)(OPEN_TEMPORARY | O_DIRECTORY | O_CREAT | O_TRUNC), file);
    return error;
}

static int64_t open_at(int descriptor, uint64_t at, uint32_t flags, uint32_t mode, unsigned walk)
{
    struct vfs_node *start = NULL;
    struct file *file;
    char *path;
    int error = path_read(at, &path);
    if (error != 0)
        return error;
    /* Confined to where it begins, an absolute path begins there too. */
    error = path_start(descriptor, walk & (VFS_BENEATH | VFS_IN_ROOT) ? "" : path, &start);
    if (error == 0)
        error = flags & OPEN_TEMPORARY ? open_unnamed(start, path, flags, mode, walk, &file)
                                       : vfs_open(start, path, flags, mode, walk, &file);
    vfs_put(start);
    kfree(path);
    return error != 0 ? error : install(file, flags & O_CLOEXEC);
}

int64_t sys_open(struct trap_frame *frame)
{
    return open_at(AT_FDCWD, syscall_arg0(frame), (uint32_t)syscall_arg1(frame),
                   (uint32_t)syscall_arg2(frame), 0);
}

int64_t sys_openat(struct trap_frame *frame)
{
    return open_at((int)syscall_arg0(frame), syscall_arg1(frame), (uint32_t)syscall_arg2(frame),
                   (uint32_t)syscall_arg3(frame), 0);
}

int64_t sys_creat(struct trap_frame *frame)
{
    return open_at(AT_FDCWD, syscall_arg0(frame), O_CREAT | O_WRONLY | O_TRUNC,
                   (uint32_t)syscall_arg1(frame), 0);
}

int64_t sys_openat2(struct trap_frame *frame)
{
    struct open_how how;
    uint64_t size = syscall_arg3(frame);
    if (size < sizeof(how))
        return -EINVAL;
    if (size > sizeof(how))
        return -E2BIG;
    if (user_read(&how, syscall_arg2(frame), sizeof(how)) != 0)
        return -EFAULT;
    if ((how.flags >> 32) != 0 || (how.mode & ~UINT64_C(07777)) ||
        (how.mode != 0 && !(how.flags & (O_CREAT | OPEN_TEMPORARY))))
        return -EINVAL;
    /* One file system's names are never known without looking, so RESOLVE_CACHED always fails. */
    if ((how.resolve & ~(uint64_t)RESOLVE_ALL) ||
        (how.resolve & RESOLVE_CONFINED) == RESOLVE_CONFINED)
        return -EINVAL;
    if (how.resolve & RESOLVE_CACHED)
        return -EAGAIN;
    unsigned walk = (how.resolve & RESOLVE_NO_XDEV ? VFS_NO_MOUNTS : 0) |
                    (how.resolve & RESOLVE_NO_MAGICLINKS ? VFS_NO_MAGIC : 0) |
                    (how.resolve & RESOLVE_NO_SYMLINKS ? VFS_NO_LINKS : 0) |
                    (how.resolve & RESOLVE_BENEATH ? VFS_BENEATH : 0) |
                    (how.resolve & RESOLVE_IN_ROOT ? VFS_IN_ROOT : 0);
    return open_at((int)syscall_arg0(frame), syscall_arg1(frame), (uint32_t)how.flags,
                   (uint32_t)how.mode, walk);
}

int64_t sys_memfd_create(struct trap_frame *frame)
{
    static const char prefix[] = "/memfd:";
    uint32_t flags = (uint32_t)syscall_arg1(frame);
    struct vfs_node *node;
    struct file *file;
    char name[250];
    if (flags & ~(uint32_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | 8 | 16)) /* and the EXEC pair */
        return -EINVAL;
    int64_t length = user_read_string(name, syscall_arg0(frame), sizeof(name));
    if (length < 0)
        return length == -ENAMETOOLONG ? -EINVAL : length;
    int error = tmpfs_create_unnamed(NULL, 0777, false, flags & MFD_ALLOW_SEALING, &node);
    if (error == 0)
        error = vfs_open_node(node, O_RDWR, &file);
    if (error != 0)
        return error;
    size_t size = sizeof(prefix) + (size_t)length + sizeof(" (deleted)");
    file->path = kmalloc(size);
    if (file->path != NULL)
        format_to(file->path, size, "%s%s (deleted)", prefix, name);
    return install(file, flags & MFD_CLOEXEC);
}

/* --- Where the process is ----------------------------------------------------------------------
 */

int64_t sys_getcwd(struct trap_frame *frame)
{
    char *path = kmalloc(VFS_PATH_MAX);
    if (path == NULL)
        return -ENOMEM;
    struct vfs_node *directory = vfs_working_directory();
    int64_t result = vfs_directory_path(directory, path);
    vfs_put(directory);
    if (result >= 0 && (uint64_t)result + 1 > syscall_arg1(frame))
        result = -ERANGE;
    else if (result >= 0)
        result =
            user_write(syscall_arg0(frame), path, (size_t)result + 1) != 0 ? -EFAULT : result + 1;
    kfree(path);
    return result;
}

int64_t sys_chdir(struct trap_frame *frame)
{
    struct vfs_node *node;
    struct file *file;
    int error = path_node(AT_FDCWD, syscall_arg0(frame), 0, true, &node, &file);
    if (error != 0)
        return error;
    error = node != NULL ? vfs_set_working_directory(node) : -ENOTDIR;
    vfs_put(node);
    if (file != NULL)
        file_put(file);
    return error;
}

int64_t sys_fchdir(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    int error = file->node != NULL ? vfs_set_working_directory(file->node) : -ENOTDIR;
    file_put(file);
    return error;
}

int64_t sys_umask(struct trap_frame *frame)
{
    return vfs_set_umask((uint32_t)syscall_arg0(frame));
}

/* --- Pipes ------------------------------------------------------------------------------------ */

static int64_t make_pipe(uint64_t to, uint32_t flags)
{
    struct file *reader, *writer;
    int32_t descriptors[2];
    if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    if (flags & O_DIRECT)
        return -EINVAL; /* packet mode is not served */
    int error = pipe_create(flags & O_NONBLOCK, &reader, &writer);
    if (error != 0)
        return error;
    descriptors[0] = (int32_t)install(reader, flags & O_CLOEXEC);
    if (descriptors[0] < 0) {
        file_put(writer);
        return descriptors[0];
    }
    descriptors[1] = (int32_t)install(writer, flags & O_CLOEXEC);
    if (descriptors[1] < 0) {
        file_close(descriptors[0]);
        return descriptors[1];
    }
    if (user_write(to, descriptors, sizeof(descriptors)) == 0)
        return 0;
    file_close(descriptors[0]);
    file_close(descriptors[1]);
    return -EFAULT;
}

int64_t sys_pipe(struct trap_frame *frame)
{
    return make_pipe(syscall_arg0(frame), 0);
}

int64_t sys_pipe2(struct trap_frame *frame)
{
    return make_pipe(syscall_arg0(frame), (uint32_t)syscall_arg1(frame));
}
