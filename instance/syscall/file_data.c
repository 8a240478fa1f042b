/* The calls on what is in files: sizes, room, directory entries, writing out. */
#include "instance/syscall/calls.h"
#include "instance/syscall/paths.h"

#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>

#define ENTRIES_BUFFER (UINT64_C(32) << 10) /* of directory entries, filled at a time */

static bool may_write(const struct file *file)
{
    uint32_t flags = atomic_load(&file->flags);
    return !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
}

/* --- Sizes ------------------------------------------------------------------------------------ */

int64_t sys_truncate(struct trap_frame *frame)
{
    struct vfs_node *node;
    struct file *file;
    if ((int64_t)syscall_arg1(frame) < 0)
        return -EINVAL;
    int error = path_node(AT_FDCWD, syscall_arg0(frame), 0, true, &node, &file);
    if (error != 0)
        return error;
    if (file != NULL) {
        file_put(file);
        return -EINVAL;
    }
    error = vfs_truncate(node, syscall_arg1(frame));
    vfs_put(node);
    return error;
}

int64_t sys_ftruncate(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    int error;
    if ((int64_t)syscall_arg1(frame) < 0 || file->node == NULL ||
        file->node->type != FILE_TYPE_REGULAR || !may_write(file))
        error = atomic_load(&file->flags) & O_PATH ? -EBADF : -EINVAL;
    else if (file->node->operations->file_truncate != NULL)
        error = file->node->operations->file_truncate(file, syscall_arg1(frame));
    else
        error = vfs_truncate(file->node, syscall_arg1(frame));
    file_put(file);
    return error;
}

int64_t sys_fallocate(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    int64_t offset = (int64_t)syscall_arg2(frame), length = (int64_t)syscall_arg3(frame);
    int error = 0;
    if (file == NULL)
        return -EBADF;
    if (offset < 0 || length <= 0)
        error = -EINVAL;
    else if (offset > INT64_MAX - length)
        error = -EFBIG;
    else if (!may_write(file))
        error = -EBADF;
    else if (file->node == NULL)
        error = -ESPIPE;
    else if (file->node->type != FILE_TYPE_REGULAR)
        error = file->node->type == FILE_TYPE_DIRECTORY ? -EISDIR : -ENODEV;
    else if (file->node->operations->allocate == NULL)
        error = -EOPNOTSUPP;
    else
        error = file->node->operations->allocate(file, (uint32_t)syscall_arg1(frame),
                                                 (uint64_t)offset, (uint64_t)length);
    file_put(file);
    return error;
}

/* --- Writing out ------------------------------------------------------------------------------ */

static int64_t sync_file(int descriptor, bool data_only)
{
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    int error = 0;
    if (atomic_load(&file->flags) & O_PATH)
        error = -EBADF;
    else if (file->node == NULL)
        error = -EINVAL; /* pipes and the console */
    else if (file->node->operations->sync != NULL)
        error = file->node->operations->sync(file, data_only);
    file_put(file);
    return error;
}

int64_t sys_fsync(struct trap_frame *frame)
{
    return sync_file((int)syscall_arg0(frame), false);
}

int64_t sys_fdatasync(struct trap_frame *frame)
{
    return sync_file((int)syscall_arg0(frame), true);
}

int64_t sys_syncfs(struct trap_frame *frame)
{
    host_pages_write_back(0);
    int64_t error = sync_file((int)syscall_arg0(frame), false);
    return error == -EINVAL ? 0 : error;
}

int64_t sys_sync_file_range(struct trap_frame *frame)
{
    if ((int64_t)syscall_arg1(frame) < 0 || (int64_t)syscall_arg2(frame) < 0 ||
        (syscall_arg3(frame) & ~UINT64_C(7)))
        return -EINVAL;
    int64_t error = sync_file((int)syscall_arg0(frame), true);
    return error == -EINVAL ? -ESPIPE : error;
}

/* What was written is with the host; what was stored in mappings is not yet. */
int64_t sys_sync(struct trap_frame *frame)
{
    (void)frame;
    host_pages_write_back(0);
    return 0;
}

/* Advice about a file's use is taken and not needed. */
static int64_t check_file(int descriptor, bool seekable)
{
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    int error = seekable && file->node == NULL ? -ESPIPE : 0;
    file_put(file);
    return error;
}

int64_t sys_fadvise64(struct trap_frame *frame)
{
    if ((uint32_t)syscall_arg3(frame) > 5 || (int64_t)syscall_arg2(frame) < 0)
        return -EINVAL;
    return check_file((int)syscall_arg0(frame), true);
}

int64_t sys_readahead(struct trap_frame *frame)
{
    int64_t error = check_file((int)syscall_arg0(frame), true);
    return error == -ESPIPE ? -EINVAL : error;
}

/* --- Directory entries -------------------------------------------------------------------------
 */

/* struct linux_dirent64, packed: the name with its NUL follows. */
struct directory_entry {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
} __attribute__((packed));
#define ENTRY_HEAD 19

struct entry_sink {
    uint8_t *bytes;
    uint64_t capacity, used;
    uint64_t next; /* position behind the last entry taken */
    bool full;
};

static bool take_entry(void *context, const char *name, size_t length, uint64_t inode,
                       uint32_t type, uint64_t next)
{
    struct entry_sink *sink = context;
    uint64_t size = (ENTRY_HEAD + length + 1 + 7) & ~UINT64_C(7);
    if (size > sink->capacity - sink->used) {
        sink->full = true;
        return false;
    }
    struct directory_entry *entry = (struct directory_entry *)(sink->bytes + sink->used);
    memset(entry, 0, size);
    entry->inode = inode;
    entry->next = (int64_t)next;
    entry->length = (uint16_t)size;
    entry->type = (uint8_t)(type >> 12);
    memcpy(entry->name, name, length);
    sink->used += size;
    sink->next = next;
    return true;
}

int64_t sys_getdents64(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    uint64_t count = (uint32_t)syscall_arg2(frame);
    struct entry_sink sink = {.capacity = count < ENTRIES_BUFFER ? count : ENTRIES_BUFFER};
    int64_t result = -ENOTDIR;
    if (atomic_load(&file->flags) & O_PATH) {
        result = -EBADF;
        goto out;
    }
    if (file->node == NULL || file->node->type != FILE_TYPE_DIRECTORY ||
        file->node->operations->entries == NULL)
        goto out;
    result = -ENOMEM;
    sink.bytes = kmalloc(sink.capacity + 1);
    if (sink.bytes == NULL)
        goto out;
    file_lock_write(&file->position_lock);
    sink.next = file->position;
    result = file->node->operations->entries(file, file->position, take_entry, &sink);
    if (result == 0 && sink.used == 0 && sink.full)
        result = -EINVAL; /* no room for even one */
    if (result == 0 && user_write(syscall_arg1(frame), sink.bytes, sink.used) != 0)
        result = -EFAULT;
    if (result == 0) {
        file->position = sink.next;
        result = (int64_t)sink.used;
    }
    file_unlock_write(&file->position_lock);
    kfree(sink.bytes);
out:
    file_put(file);
    return result;
}
