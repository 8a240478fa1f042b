/* Open files over nodes: opening, the position, and the operations that the descriptor table calls.
 * One set of operations serves all file systems. */
#include "instance/fs/vfs.h"

#include "instance/fs/pipe.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/fcntl.h>

#define SEEK_FROM_START 0 /* <linux/fs.h> has them beside too much else */
#define SEEK_FROM_HERE 1
#define SEEK_FROM_END 2
#define SEEK_TO_DATA 3
#define SEEK_TO_HOLE 4

/* What F_GETFL tells of open's flags. */
#define FLAGS_KEPT (~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC))

static bool flags_write(uint32_t flags)
{
    return (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
}

static bool flags_read(uint32_t flags)
{
    return (flags & O_ACCMODE) == O_RDONLY || (flags & O_ACCMODE) == O_RDWR;
}

static uint32_t flags_of(const struct file *file)
{
    return atomic_load_explicit(&file->flags, memory_order_relaxed);
}

/* --- Reading and writing ---------------------------------------------------------------------- */

static int check_access(struct file *file, bool write)
{
    uint32_t flags = flags_of(file);
    if ((flags & O_PATH) || !(write ? flags_write(flags) : flags_read(flags)))
        return -EBADF;
    if (file->node->type == FILE_TYPE_DIRECTORY)
        return -EISDIR;
    if (write ? file->node->operations->write == NULL : file->node->operations->read == NULL)
        return -EINVAL;
    return 0;
}

static int64_t file_read_at(struct file *file, const struct file_vector *vectors, size_t count,
                            uint64_t offset)
{
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    int error = check_access(file, false);
    if (error != 0)
        return error;
    uint64_t length = file_cursor_left(&cursor);
    while (cursor.count != 0 && cursor.vectors->length == 0) {
        cursor.vectors++;
        cursor.count--;
    }
    return length == 0 ? 0 : file->node->operations->read(file, &cursor, length, offset);
}

static int64_t file_write_from(struct file *file, const struct file_vector *vectors, size_t count,
                               uint64_t *offset, bool append)
{
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    int error = check_access(file, true);
    if (error != 0)
        return error;
    uint64_t length = file_cursor_left(&cursor);
    while (cursor.count != 0 && cursor.vectors->length == 0) {
        cursor.vectors++;
        cursor.count--;
    }
    if (length == 0)
        return 0;
    return file->node->operations->write(file, &cursor, length, offset, append);
}

static int64_t file_write_at(struct file *file, const struct file_vector *vectors, size_t count,
                             uint64_t offset)
{
    return file_write_from(file, vectors, count, &offset, flags_of(file) & O_APPEND);
}

int64_t vfs_append(struct file *file, const struct file_vector *vectors, size_t count)
{
    uint64_t offset = 0;
    return file_write_from(file, vectors, count, &offset, true);
}

/* Devices have no position: a read of one may wait, and holds nobody up. */
static bool has_position(const struct file *file)
{
    return file->node->type == FILE_TYPE_REGULAR || file->node->type == FILE_TYPE_DIRECTORY;
}

static int64_t file_read(struct file *file, const struct file_vector *vectors, size_t count)
{
    if (!has_position(file))
        return file_read_at(file, vectors, count, 0);
    file_lock_write(&file->position_lock);
    int64_t result = file_read_at(file, vectors, count, file->position);
    if (result > 0)
        file->position += (uint64_t)result;
    file_unlock_write(&file->position_lock);
    return result;
}

static int64_t file_write(struct file *file, const struct file_vector *vectors, size_t count)
{
    if (!has_position(file))
        return file_write_at(file, vectors, count, 0);
    file_lock_write(&file->position_lock);
    uint64_t offset = file->position;
    int64_t result = file_write_from(file, vectors, count, &offset, flags_of(file) & O_APPEND);
    if (result > 0)
        file->position = offset + (uint64_t)result;
    file_unlock_write(&file->position_lock);
    return result;
}

static int file_status(struct file *file, struct file_status *status)
{
    const struct vfs_node_operations *operations = file->node->operations;
    if (operations->file_status == NULL || (flags_of(file) & O_PATH))
        return vfs_status(file->node, status);
    memset(status, 0, sizeof(*status));
    status->device = file->node->mount->device;
    status->block_size = 4096;
    status->links = 1;
    return operations->file_status(file, status);
}

static int64_t seek_locked(struct file *file, int64_t offset, int whence)
{
    struct file_status status;
    int error;
    int64_t base = 0;
    switch (whence) {
    case SEEK_FROM_START:
        break;
    case SEEK_FROM_HERE:
        base = (int64_t)file->position;
        break;
    case SEEK_FROM_END:
    case SEEK_TO_DATA:
    case SEEK_TO_HOLE:
        error = file_status(file, &status);
        if (error != 0)
            return error;
        if (whence == SEEK_FROM_END) {
            base = (int64_t)status.size;
            break;
        }
        if (offset < 0 || (uint64_t)offset >= status.size)
            return -ENXIO;
        if (file->node->operations->seek_data != NULL) {
            offset =
                file->node->operations->seek_data(file, (uint64_t)offset, whence == SEEK_TO_HOLE);
            if (offset < 0)
                return offset;
        } else if (whence == SEEK_TO_HOLE) {
            offset = (int64_t)status.size;
        }
        break;
    default:
        return -EINVAL;
    }
    int64_t result;
    if (__builtin_add_overflow(base, offset, &result))
        return -EOVERFLOW;
    if (result < 0)
        return -EINVAL;
    file->position = (uint64_t)result;
    return result;
}

static int64_t file_seek(struct file *file, int64_t offset, int whence)
{
    if (flags_of(file) & O_PATH)
        return -EBADF;
    if (!has_position(file))
        return whence < SEEK_FROM_START || whence > SEEK_TO_HOLE ? -EINVAL : 0;
    file_lock_write(&file->position_lock);
    int64_t result = seek_locked(file, offset, whence);
    file_unlock_write(&file->position_lock);
    return result;
}

static int64_t file_control(struct file *file, uint32_t request, uint64_t argument)
{
    if (flags_of(file) & O_PATH)
        return -EBADF;
    if (request == FIONREAD && file->node->type == FILE_TYPE_REGULAR) {
        struct file_status status;
        int error = file_status(file, &status);
        int32_t left = status.size > file->position ? (int32_t)(status.size - file->position) : 0;
        return error != 0 ? error : user_write(argument, &left, sizeof(left));
    }
    if (file->node->operations->control == NULL)
        return -ENOTTY;
    return file->node->operations->control(file, request, argument);
}

static void file_release(struct file *file)
{
    if (file->node->operations->close != NULL && !(flags_of(file) & O_PATH))
        file->node->operations->close(file);
    vfs_put(file->node);
    kfree(file->path);
}

const struct file_operations vfs_file_operations = {
    .read = file_read,
    .write = file_write,
    .read_at = file_read_at,
    .write_at = file_write_at,
    .seek = file_seek,
    .status = file_status,
    .control = file_control,
    .release = file_release, /* no poll: always ready, and no matter for epoll */
};

/* --- Opening ---------------------------------------------------------------------------------- */

static struct file *file_create(uint32_t flags)
{
    struct file *file = kzalloc(sizeof(*file));
    if (file == NULL)
        return NULL;
    file->operations = &vfs_file_operations;
    atomic_init(&file->references, 1);
    atomic_init(&file->flags, flags & FLAGS_KEPT);
    file_lock_init(&file->position_lock);
    return file;
}

/* A FIFO, whose open file is a pipe's. */
static int open_fifo(struct vfs_node *node, uint32_t flags, struct file **out)
{
    struct file_status status;
    int error = node->operations->fifo != NULL ? vfs_status(node, &status) : -EOPNOTSUPP;
    if (error != 0)
        return error;
    struct pipe *pipe = node->operations->fifo(node);
    return pipe != NULL ? pipe_open(pipe, &status, flags, out) : -ENOMEM;
}

int vfs_open_node(struct vfs_node *node, uint32_t flags, struct file **out)
{
    if (node->type == FILE_TYPE_PIPE && !(flags & O_PATH)) {
        int error = open_fifo(node, flags, out);
        vfs_put(node);
        return error;
    }
    struct file *file = file_create(flags);
    int error = -ENOMEM;
    if (file == NULL)
        goto fail;
    file->node = node;
    error = 0;
    if (flags & O_PATH) {
        atomic_init(&file->flags, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
    } else if (flags_write(flags) && node->mount->read_only &&
               (node->type == FILE_TYPE_REGULAR || node->type == FILE_TYPE_DIRECTORY)) {
        error = -EROFS;
    } else {
        if (node->operations->open != NULL)
            error = node->operations->open(file);
        if (error == 0 && (flags & O_TRUNC) && node->type == FILE_TYPE_REGULAR) {
            error = node->operations->file_truncate != NULL
                        ? node->operations->file_truncate(file, 0)
                        : vfs_truncate(node, 0);
            if (error != 0 && node->operations->close != NULL)
                node->operations->close(file);
        }
    }
    if (error == 0) {
        *out = file;
        return 0;
    }
fail:
    vfs_put(node);
    kfree(file);
    return error;
}

/* A regular file that is not there yet; *out is it, open. */
static int open_created(struct vfs_place *place, uint32_t flags, uint32_t mode, struct file **out)
{
    struct vfs_node *parent = place->parent, *node;
    mode = FILE_TYPE_REGULAR | (mode & 07777 & ~vfs_umask());
    if (place->slash)
        return -EISDIR;
    if (parent->mount->read_only)
        return -EROFS;
    if (parent->operations->create_open != NULL) {
        struct file *file = file_create(flags);
        if (file == NULL)
            return -ENOMEM;
        int error = parent->operations->create_open(parent, place->name, mode, file);
        if (error != 0)
            kfree(file);
        else
            *out = file;
        return error;
    }
    if (parent->operations->create == NULL)
        return -EACCES; /* as Linux's /proc and /sys */
    struct vfs_creation creation = {.mode = mode};
    int error = parent->operations->create(parent, place->name, &creation, &node);
    return error != 0 ? error : vfs_open_node(node, flags, out);
}

static int check_kind(const struct vfs_node *node, uint32_t flags)
{
    if (node->type == FILE_TYPE_LINK && !(flags & O_PATH))
        return (flags & O_DIRECTORY) ? -ENOTDIR : -ELOOP;
    if ((flags & O_DIRECTORY) && node->type != FILE_TYPE_DIRECTORY)
        return -ENOTDIR;
    if (node->type == FILE_TYPE_DIRECTORY && !(flags & O_PATH) &&
        (flags_write(flags) || (flags & (O_CREAT | O_TRUNC))))
        return -EISDIR;
    return 0;
}

/* The absolute path of what was opened, for those who ask /proc/self/fd; NULL: no memory. */
static char *open_path(const struct vfs_place *place, struct vfs_node *node)
{
    char *path = kmalloc(VFS_PATH_MAX + VFS_NAME_MAX + 2), *result = NULL;
    if (path == NULL)
        return NULL;
    bool directory = node->type == FILE_TYPE_DIRECTORY;
    int64_t length = -ENOENT;
    if (directory || place->parent != NULL)
        length = vfs_directory_path(directory ? node : place->parent, path);
    if (length >= 0 && !directory) {
        size_t name = strlen(place->name);
        if (length > 1)
            path[length++] = '/';
        memcpy(path + length, place->name, name + 1);
        length += (int64_t)name;
    }
    if (length >= 0) {
        result = kmalloc((size_t)length + 1);
        if (result != NULL)
            memcpy(result, path, (size_t)length + 1);
    }
    kfree(path);
    return result;
}

/* One try. -EAGAIN: what was to be created has come to be meanwhile. */
static int open_once(struct vfs_node *start, const char *path, uint32_t flags, uint32_t mode,
                     unsigned walk, struct file **out)
{
    struct vfs_place place;
    bool create = (flags & O_CREAT) && !(flags & O_PATH);
    bool exclusive = create && (flags & O_EXCL);
    walk |= create ? VFS_MISSING : 0;
    if (!(flags & O_NOFOLLOW) && !exclusive)
        walk |= VFS_FOLLOW;
    int error = vfs_walk(start, path, walk, &place);
    if (error != 0)
        return error;
    if (place.file != NULL && place.file->node != NULL && !exclusive) {
        error = check_kind(place.file->node, flags);
        if (error == 0)
            error = vfs_open_node(vfs_hold(place.file->node), flags, out);
        if (error == 0 && place.file->path != NULL) {
            size_t size = strlen(place.file->path) + 1;
            (*out)->path = kmalloc(size);
            if ((*out)->path != NULL)
                memcpy((*out)->path, place.file->path, size);
        }
    } else if (place.file != NULL) {
        /* A pipe or the console: the open file itself, once more. */
        *out = place.file;
        place.file = NULL;
        error = exclusive ? -EEXIST : 0;
        if (error != 0)
            file_put(*out);
    } else if (place.node == NULL) {
        error = open_created(&place, flags, mode, out);
        if (error == -EEXIST && !exclusive)
            error = -EAGAIN;
    } else if (exclusive) {
        error = -EEXIST;
    } else {
        error = check_kind(place.node, flags);
        if (error == 0)
            error = vfs_open_node(vfs_hold(place.node), flags, out);
    }
    if (error == 0 && place.file == NULL && (*out)->node != NULL && (*out)->path == NULL)
        (*out)->path = open_path(&place, (*out)->node);
    vfs_place_put(&place);
    return error;
}

int vfs_open(struct vfs_node *start, const char *path, uint32_t flags, uint32_t mode, unsigned walk,
             struct file **file)
{
    int error;
    if ((flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    /* Ends: each further turn follows another thread's (or the host's) creation and removal. */
    do {
        error = open_once(start, path, flags, mode, walk, file);
    } while (error == -EAGAIN);
    return error;
}
