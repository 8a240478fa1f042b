/* Paths of system calls: from the program's memory to a place in the file system. */
#include "instance/syscall/paths.h"

#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/fcntl.h>

#define PATH_FIRST 256 /* most paths fit here; longer ones are read a second time */

int path_read(uint64_t at, char **path)
{
    for (size_t capacity = PATH_FIRST;; capacity = VFS_PATH_MAX) {
        char *text = kmalloc(capacity);
        if (text == NULL)
            return -ENOMEM;
        int64_t length = user_read_string(text, at, capacity);
        if (length >= 0) {
            *path = text;
            return 0;
        }
        kfree(text);
        if (length != -ENAMETOOLONG || capacity == VFS_PATH_MAX)
            return (int)length;
    }
}

int path_start(int descriptor, const char *path, struct vfs_node **start)
{
    *start = NULL;
    if (*path == '/' || descriptor == AT_FDCWD)
        return 0;
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    int error = -ENOTDIR;
    if (file->node != NULL && file->node->type == FILE_TYPE_DIRECTORY) {
        *start = vfs_hold(file->node);
        error = 0;
    }
    file_put(file);
    return error;
}

int path_walk(int descriptor, uint64_t at, unsigned flags, struct vfs_place *place)
{
    struct vfs_node *start;
    char *path;
    int error = path_read(at, &path);
    if (error != 0)
        return error;
    error = path_start(descriptor, path, &start);
    if (error == 0) {
        error = vfs_walk(start, path, flags, place);
        vfs_put(start);
    }
    kfree(path);
    return error;
}

int path_node(int descriptor, uint64_t at, int at_flags, bool follow, struct vfs_node **node,
              struct file **file)
{
    struct vfs_place place;
    char first;
    *node = NULL;
    *file = NULL;
    if ((at_flags & AT_EMPTY_PATH) &&
        (at == 0 || (user_read(&first, at, 1) == 0 && first == '\0'))) {
        if (descriptor == AT_FDCWD) {
            *node = vfs_working_directory();
            return 0;
        }
        *file = file_get(descriptor);
        return *file != NULL ? 0 : -EBADF;
    }
    int error = path_walk(descriptor, at, follow ? VFS_FOLLOW : 0, &place);
    if (error != 0)
        return error;
    if (place.file != NULL) {
        *file = place.file;
        place.file = NULL;
    } else {
        *node = vfs_hold(place.node);
    }
    vfs_place_put(&place);
    return 0;
}
