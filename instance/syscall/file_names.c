/* The calls that make, remove and move names: directories, links, rename, and readlink. */
#include "instance/syscall/calls.h"
#include "instance/syscall/paths.h"

#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/fcntl.h>

#define RENAME_FLAGS 3u /* RENAME_NOREPLACE, RENAME_EXCHANGE */

/* The parent and the name of something to be made. -EEXIST for ".", ".." and "/". */
static int walk_to_new(int descriptor, uint64_t at, bool directory, struct vfs_place *place)
{
    int error = path_walk(descriptor, at, VFS_PARENT, place);
    if (error != 0)
        return error;
    if (place->last != VFS_LAST_NAME) {
        error = -EEXIST;
    } else if (place->slash && !directory) {
        struct vfs_node *there;
        error = place->parent->operations->lookup(place->parent, place->name, &there);
        if (error == 0) {
            vfs_put(there);
            error = -EEXIST;
        }
    }
    if (error != 0)
        vfs_place_put(place);
    return error;
}

static int create_node(struct vfs_place *place, const struct vfs_creation *creation)
{
    struct vfs_node *node;
    struct vfs_node *parent = place->parent;
    /* What exists is told before what is forbidden. */
    if (parent->mount->read_only || parent->operations->create == NULL) {
        int error = parent->operations->lookup(parent, place->name, &node);
        if (error == 0) {
            vfs_put(node);
            return -EEXIST;
        }
        return parent->mount->read_only ? -EROFS : -EPERM;
    }
    int error = parent->operations->create(parent, place->name, creation, &node);
    if (error == 0)
        vfs_put(node);
    return error;
}

static int64_t make_directory(int descriptor, uint64_t at, uint32_t mode)
{
    struct vfs_place place;
    struct vfs_creation creation = {.mode = FILE_TYPE_DIRECTORY | (mode & 01777 & ~vfs_umask())};
    int error = walk_to_new(descriptor, at, true, &place);
    if (error != 0)
        return error;
    error = create_node(&place, &creation);
    vfs_place_put(&place);
    return error;
}

int64_t sys_mkdir(struct trap_frame *frame)
{
    return make_directory(AT_FDCWD, syscall_arg0(frame), (uint32_t)syscall_arg1(frame));
}

int64_t sys_mkdirat(struct trap_frame *frame)
{
    return make_directory((int)syscall_arg0(frame), syscall_arg1(frame),
                          (uint32_t)syscall_arg2(frame));
}

/* Regular files, and FIFOs in memory: an instance has no other device files than those in /dev. */
static int64_t make_node(int descriptor, uint64_t at, uint32_t mode)
{
    struct vfs_place place;
    uint32_t type = mode & FILE_TYPE_MASK;
    struct vfs_creation creation = {.mode = (type != 0 ? type : FILE_TYPE_REGULAR) |
                                            (mode & 07777 & ~vfs_umask())};
    if (type != 0 && type != FILE_TYPE_REGULAR && type != FILE_TYPE_PIPE)
        return type == FILE_TYPE_DIRECTORY ? -EPERM : -EOPNOTSUPP;
    int error = walk_to_new(descriptor, at, false, &place);
    if (error != 0)
        return error;
    if (type == FILE_TYPE_PIPE && place.parent->operations->fifo == NULL &&
        place.parent->operations->create != NULL)
        error = -EOPNOTSUPP; /* on the host */
    else
        error = create_node(&place, &creation);
    vfs_place_put(&place);
    return error;
}

int64_t sys_mknod(struct trap_frame *frame)
{
    return make_node(AT_FDCWD, syscall_arg0(frame), (uint32_t)syscall_arg1(frame));
}

int64_t sys_mknodat(struct trap_frame *frame)
{
    return make_node((int)syscall_arg0(frame), syscall_arg1(frame), (uint32_t)syscall_arg2(frame));
}

static int64_t make_symlink(uint64_t target_at, int descriptor, uint64_t at)
{
    struct vfs_place place;
    char *target;
    int error = path_read(target_at, &target);
    if (error != 0)
        return error;
    error = *target == '\0' ? -ENOENT : walk_to_new(descriptor, at, false, &place);
    if (error == 0) {
        struct vfs_creation creation = {.mode = FILE_TYPE_LINK | 0777, .target = target};
        error = create_node(&place, &creation);
        vfs_place_put(&place);
    }
    kfree(target);
    return error;
}

int64_t sys_symlink(struct trap_frame *frame)
{
    return make_symlink(syscall_arg0(frame), AT_FDCWD, syscall_arg1(frame));
}

int64_t sys_symlinkat(struct trap_frame *frame)
{
    return make_symlink(syscall_arg0(frame), (int)syscall_arg1(frame), syscall_arg2(frame));
}

static int64_t make_link(int old_descriptor, uint64_t old_at, int descriptor, uint64_t at,
                         int flags)
{
    struct vfs_place place;
    struct vfs_node *node;
    struct file *file;
    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int error = path_node(old_descriptor, old_at, flags, flags & AT_SYMLINK_FOLLOW, &node, &file);
    if (error != 0)
        return error;
    if (file != NULL && file->node != NULL)
        node = vfs_hold(file->node);
    if (file != NULL)
        file_put(file);
    if (node == NULL)
        return -EXDEV; /* a pipe or the console */
    error = walk_to_new(descriptor, at, false, &place);
    if (error == 0) {
        struct vfs_node *there;
        if (place.parent->operations->lookup(place.parent, place.name, &there) == 0) {
            vfs_put(there);
            error = -EEXIST; /* told before all that follows */
        } else {
            bool possible = node->type != FILE_TYPE_DIRECTORY && node->operations->link != NULL;
            if (place.parent->mount != node->mount)
                error = -EXDEV;
            else if (possible && node->mount->read_only)
                error = -EROFS;
            else if (!possible)
                error = -EPERM;
            else
                error = node->operations->link(node, place.parent, place.name);
        }
        vfs_place_put(&place);
    }
    vfs_put(node);
    return error;
}

int64_t sys_link(struct trap_frame *frame)
{
    return make_link(AT_FDCWD, syscall_arg0(frame), AT_FDCWD, syscall_arg1(frame), 0);
}

int64_t sys_linkat(struct trap_frame *frame)
{
    return make_link((int)syscall_arg0(frame), syscall_arg1(frame), (int)syscall_arg2(frame),
                     syscall_arg3(frame), (int)syscall_arg4(frame));
}

/* Is something mounted over the name? */
static bool is_mount_point(const struct vfs_place *place)
{
    struct vfs_node *node;
    bool covered = false;
    if (place->parent->operations->lookup(place->parent, place->name, &node) != 0)
        return false;
    for (struct vfs_mount *mount = atomic_load(&vfs_mounts); mount != NULL; mount = mount->next)
        covered |= mount->covered != NULL &&
                   (mount->covered == node ||
                    (node->operations->same != NULL && mount->covered->mount == node->mount &&
                     mount->covered->operations == node->operations &&
                     node->operations->same(mount->covered, node)));
    vfs_put(node);
    return covered;
}

static int64_t remove_name(int descriptor, uint64_t at, bool directory)
{
    struct vfs_place place;
    int error = path_walk(descriptor, at, VFS_PARENT, &place);
    if (error != 0)
        return error;
    if (place.last != VFS_LAST_NAME) {
        static const int directory_errors[] = {0, -EINVAL, -ENOTEMPTY, -EBUSY};
        error = directory ? directory_errors[place.last] : -EISDIR;
    } else {
        struct vfs_node *parent = place.parent;
        if (is_mount_point(&place))
            error = directory ? -EBUSY : -EISDIR;
        else if (parent->mount->read_only || parent->operations->remove == NULL) {
            struct vfs_node *there;
            error = parent->operations->lookup(parent, place.name, &there);
            if (error == 0) {
                vfs_put(there);
                error = parent->mount->read_only ? -EROFS : -EPERM;
            }
        } else {
            error = parent->operations->remove(parent, place.name, directory);
        }
    }
    vfs_place_put(&place);
    return error;
}

int64_t sys_unlink(struct trap_frame *frame)
{
    return remove_name(AT_FDCWD, syscall_arg0(frame), false);
}

int64_t sys_rmdir(struct trap_frame *frame)
{
    return remove_name(AT_FDCWD, syscall_arg0(frame), true);
}

int64_t sys_unlinkat(struct trap_frame *frame)
{
    int flags = (int)syscall_arg2(frame);
    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    return remove_name((int)syscall_arg0(frame), syscall_arg1(frame), flags & AT_REMOVEDIR);
}

/* The path ended in a slash: only a directory may be meant by the old name. */
static int check_slash(const struct vfs_place *old, const struct vfs_place *new)
{
    struct vfs_node *node;
    if (!old->slash && !new->slash)
        return 0;
    int error = old->parent->operations->lookup(old->parent, old->name, &node);
    if (error != 0)
        return error;
    error = node->type == FILE_TYPE_DIRECTORY ? 0 : -ENOTDIR;
    vfs_put(node);
    return error;
}

static int64_t rename_at(int old_descriptor, uint64_t old_at, int descriptor, uint64_t at,
                         uint32_t flags)
{
    struct vfs_place old, new;
    if ((flags & ~RENAME_FLAGS) || flags == RENAME_FLAGS)
        return -EINVAL;
    int error = path_walk(old_descriptor, old_at, VFS_PARENT, &old);
    if (error != 0)
        return error;
    error = path_walk(descriptor, at, VFS_PARENT, &new);
    if (error != 0) {
        vfs_place_put(&old);
        return error;
    }
    if (old.last == VFS_LAST_NAME && new.last == VFS_LAST_NAME &&
        old.parent->mount != new.parent->mount)
        error = -EXDEV;
    else if (old.last != VFS_LAST_NAME || new.last != VFS_LAST_NAME ||
             (!old.parent->mount->read_only && (is_mount_point(&old) || is_mount_point(&new))))
        error = -EBUSY;
    else if (old.parent->mount->read_only)
        error = -EROFS;
    else
        error = check_slash(&old, &new);
    if (error == 0)
        error =
            old.parent->operations->rename == NULL
                ? -EPERM
                : old.parent->operations->rename(old.parent, old.name, new.parent, new.name, flags);
    vfs_place_put(&old);
    vfs_place_put(&new);
    return error;
}

int64_t sys_rename(struct trap_frame *frame)
{
    return rename_at(AT_FDCWD, syscall_arg0(frame), AT_FDCWD, syscall_arg1(frame), 0);
}

int64_t sys_renameat(struct trap_frame *frame)
{
    return rename_at((int)syscall_arg0(frame), syscall_arg1(frame), (int)syscall_arg2(frame),
                     syscall_arg3(frame), 0);
}

int64_t sys_renameat2(struct trap_frame *frame)
{
    return rename_at((int)syscall_arg0(frame), syscall_arg1(frame), (int)syscall_arg2(frame),
                     syscall_arg3(frame), (uint32_t)syscall_arg4(frame));
}

static int64_t read_link(int descriptor, uint64_t at, int at_flags, uint64_t buffer, uint64_t size)
{
    struct vfs_node *node;
    struct file *file;
    if ((int32_t)size <= 0)
        return -EINVAL;
    int64_t result = path_node(descriptor, at, at_flags, false, &node, &file);
    if (result != 0)
        return result;
    if (file != NULL && file->node != NULL)
        node = vfs_hold(file->node);
    if (file != NULL)
        file_put(file);
    char *target = kmalloc(VFS_PATH_MAX);
    result = -EINVAL;
    if (target == NULL)
        result = -ENOMEM;
    else if (node != NULL && node->type == FILE_TYPE_LINK)
        result =
            node->operations->read_link(node, target, size < VFS_PATH_MAX ? size : VFS_PATH_MAX);
    if (result > 0 && user_write(buffer, target, (uint64_t)result) != 0)
        result = -EFAULT;
    kfree(target);
    vfs_put(node);
    return result;
}

int64_t sys_readlink(struct trap_frame *frame)
{
    return read_link(AT_FDCWD, syscall_arg0(frame), 0, syscall_arg1(frame), syscall_arg2(frame));
}

int64_t sys_readlinkat(struct trap_frame *frame)
{
    char first;
    if (user_read(&first, syscall_arg1(frame), 1) != 0)
        return -EFAULT;
    int64_t result = read_link((int)syscall_arg0(frame), syscall_arg1(frame), AT_EMPTY_PATH,
                               syscall_arg2(frame), syscall_arg3(frame));
    return result == -EINVAL && first == '\0' && (int32_t)syscall_arg3(frame) > 0 ? -ENOENT
                                                                                  : result;
}
