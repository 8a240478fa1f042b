/* The host's folders as nodes: a node is a path below its mount, made when a name is looked up, and
 * every operation is a request to the proxy. Nothing is cached, so that the instance sees what
 * others on the host do; a folder that is renamed while the program stands in it is lost to it. */
#include "instance/fs/host_files.h"

#include "instance/fs/file_locks.h"
#include "instance/fs/host_call.h"
#include "instance/fs/host_pages.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"

#include <errno.h>
#include <linux/fcntl.h>

#define HOST_SMALL 2048 /* answers of up to this many bytes come inline */
#define HOST_ENTRIES 16384

struct host_node {
    struct vfs_node node;
    char path[]; /* below the mount: "a/b", or "" */
};

static const struct vfs_node_operations host_operations;

static struct host_node *host_of(const struct vfs_node *node)
{
    return (struct host_node *)node;
}

static int host_node_create(struct vfs_mount *mount, const char *path, uint32_t type,
                            struct vfs_node **node)
{
    size_t size = strlen(path) + 1;
    struct host_node *made = kmalloc(sizeof(*made) + size);
    if (made == NULL)
        return -ENOMEM;
    vfs_node_init(&made->node, &host_operations, mount, type);
    memcpy(made->path, path, size);
    *node = &made->node;
    return 0;
}

int host_root_create(struct vfs_mount *mount, struct vfs_node **node)
{
    return host_node_create(mount, "", FILE_TYPE_DIRECTORY, node);
}

/* "directory/name" in memory to be kfree'd; NULL: no memory. */
static char *host_join(const struct vfs_node *directory, const char *name)
{
    const char *path = host_of(directory)->path;
    size_t length = strlen(path), name_length = strlen(name);
    char *joined = kmalloc(length + name_length + 2);
    if (joined == NULL)
        return NULL;
    memcpy(joined, path, length + 1);
    if (length != 0)
        joined[length++] = '/';
    memcpy(joined + length, name, name_length + 1);
    return joined;
}

static struct host_call host_call_for(const struct vfs_node *node, enum io_file_operation operation)
{
    return (struct host_call){.request = {.operation = operation, .mount = node->mount->number}};
}

/* A request on the node's own path. */
static int64_t host_on_path(const struct vfs_node *node, struct host_call *call)
{
    call->path = host_of(node)->path;
    return host_call(call);
}

/* --- Names ------------------------------------------------------------------------------------ */

static int host_lookup(struct vfs_node *directory, const char *name, struct vfs_node **node)
{
    struct io_file_status status;
    struct host_call call = host_call_for(directory, IO_FILE_STATUS);
    char *path = host_join(directory, name);
    if (path == NULL)
        return -ENOMEM;
    call.path = path;
    call.to = &status;
    call.capacity = sizeof(status);
    int64_t result = host_call(&call);
    if (result == 0 && call.answered != sizeof(status))
        result = -EIO;
    if (result == 0)
        result = host_node_create(directory->mount, path, status.mode & FILE_TYPE_MASK, node);
    kfree(path);
    return (int)result;
}

static int host_parent(struct vfs_node *directory, struct vfs_node **parent)
{
    const char *path = host_of(directory)->path, *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    char *above = kmalloc(length + 1);
    if (above == NULL)
        return -ENOMEM;
    memcpy(above, path, length);
    above[length] = '\0';
    int error = host_node_create(directory->mount, above, FILE_TYPE_DIRECTORY, parent);
    kfree(above);
    return error;
}

static int64_t host_name(struct vfs_node *directory, char *to)
{
    const char *path = host_of(directory)->path, *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t length = strlen(name);
    memcpy(to, name, length + 1);
    return (int64_t)length;
}

static bool host_same(const struct vfs_node *one, const struct vfs_node *other)
{
    return strcmp(host_of(one)->path, host_of(other)->path) == 0;
}

static void host_close_handle(const struct vfs_node *node, uint64_t handle)
{
    struct host_call call = host_call_for(node, IO_FILE_CLOSE);
    call.request.handle = handle;
    host_call(&call);
}

/* The open file is this one on the host. 0, or -ENOMEM: closed again. */
static int host_opened(struct file *file, const struct io_file_opened *opened)
{
    if ((opened->status.mode & FILE_TYPE_MASK) == FILE_TYPE_REGULAR) {
        file->data = host_inode_get(opened->status.device, opened->status.inode, true);
        if (file->data == NULL) {
            host_close_handle(file->node, opened->handle);
            return -ENOMEM;
        }
    }
    file->handle = opened->handle;
    return 0;
}

static int host_create_open(struct vfs_node *directory, const char *name, uint32_t mode,
                            struct file *file)
{
    struct io_file_opened opened;
    struct host_call call = host_call_for(directory, IO_FILE_OPEN);
    char *path = host_join(directory, name);
    if (path == NULL)
        return -ENOMEM;
    call.path = path;
    call.request.flags = O_CREAT | O_EXCL |
                         (atomic_load(&file->flags) & (O_ACCMODE | O_SYNC /* O_DSYNC included */));
    call.request.mode = mode & 07777;
    call.to = &opened;
    call.capacity = sizeof(opened);
    int64_t result = host_call(&call);
    if (result == 0 && call.answered != sizeof(opened))
        result = -EIO;
    if (result == 0) {
        result = host_node_create(directory->mount, path, FILE_TYPE_REGULAR, &file->node);
        if (result != 0)
            host_close_handle(directory, opened.handle);
    }
    if (result == 0) {
        result = host_opened(file, &opened);
        if (result != 0)
            vfs_put(file->node);
    }
    kfree(path);
    return (int)result;
}

static int host_create(struct vfs_node *directory, const char *name,
                       const struct vfs_creation *creation, struct vfs_node **node)
{
    uint32_t type = creation->mode & FILE_TYPE_MASK;
    if (type == FILE_TYPE_REGULAR) {
        struct file file = {.handle = 0};
        atomic_init(&file.flags, O_WRONLY);
        int error = host_create_open(directory, name, creation->mode, &file);
        if (error != 0)
            return error;
        host_inode_put(file.data);
        host_close_handle(directory, file.handle);
        *node = file.node;
        return 0;
    }
    struct host_call call =
        host_call_for(directory, type == FILE_TYPE_LINK ? IO_FILE_MAKE_LINK : IO_FILE_MAKE_FOLDER);
    char *path = host_join(directory, name);
    if (path == NULL)
        return -ENOMEM;
    call.path = path;
    call.second = creation->target;
    call.request.mode = creation->mode & 07777;
    int64_t result = host_call(&call);
    if (result == 0)
        result = host_node_create(directory->mount, path, type, node);
    kfree(path);
    return (int)result;
}

static int host_remove(struct vfs_node *directory, const char *name, bool is_directory)
{
    struct host_call call = host_call_for(directory, IO_FILE_REMOVE);
    char *path = host_join(directory, name);
    if (path == NULL)
        return -ENOMEM;
    call.path = path;
    call.request.flags = is_directory;
    int64_t result = host_call(&call);
    kfree(path);
    return (int)result;
}

static int host_rename(struct vfs_node *from, const char *name, struct vfs_node *to,
                       const char *new_name, unsigned flags)
{
    struct host_call call = host_call_for(from, IO_FILE_RENAME);
    char *path = host_join(from, name), *second = host_join(to, new_name);
    int64_t result = -ENOMEM;
    if (path != NULL && second != NULL) {
        call.path = path;
        call.second = second;
        call.request.flags = flags;
        result = host_call(&call);
    }
    kfree(path);
    kfree(second);
    return (int)result;
}

static int host_link(struct vfs_node *node, struct vfs_node *directory, const char *name)
{
    struct host_call call = host_call_for(node, IO_FILE_LINK);
    char *second = host_join(directory, name);
    if (second == NULL)
        return -ENOMEM;
    call.second = second;
    int64_t result = host_on_path(node, &call);
    kfree(second);
    return (int)result;
}

/* --- Attributes ------------------------------------------------------------------------------- */

static void host_fill_status(struct file_status *out, const struct io_file_status *status)
{
    out->mode = status->mode;
    out->inode = status->inode;
    out->special = status->special;
    out->size = status->size;
    out->blocks = status->blocks;
    out->links = status->links;
    out->user = status->user;
    out->group = status->group;
    out->block_size = status->block_size;
    struct file_time *times[] = {&out->accessed, &out->modified, &out->changed};
    for (unsigned i = 0; i < 3; i++)
        *times[i] = (struct file_time){status->seconds[i], status->nanoseconds[i]};
}

static int host_status_call(struct host_call *call, struct file_status *out)
{
    struct io_file_status status = {0};
    call->to = &status;
    call->capacity = sizeof(status);
    int64_t result = host_call(call);
    if (result == 0 && call->answered != sizeof(status))
        result = -EIO;
    if (result == 0)
        host_fill_status(out, &status);
    return (int)result;
}

static int host_status(struct vfs_node *node, struct file_status *status)
{
    struct host_call call = host_call_for(node, IO_FILE_STATUS);
    call.path = host_of(node)->path;
    return host_status_call(&call, status);
}

static int host_file_status(struct file *file, struct file_status *status)
{
    struct host_call call = host_call_for(file->node, IO_FILE_STATUS);
    call.request.handle = file->handle;
    return host_status_call(&call, status);
}

static int64_t host_read_link(struct vfs_node *node, char *to, size_t capacity)
{
    struct host_call call = host_call_for(node, IO_FILE_READ_LINK);
    call.to = to;
    call.capacity = capacity;
    int64_t result = host_on_path(node, &call);
    return result < 0 ? result : (int64_t)call.answered;
}

/* Users of the host are none of the instance's business: an owner can be set to what it is. */
static int host_change(struct vfs_node *node, const struct vfs_change *change)
{
    if (change->which & (VFS_USER | VFS_GROUP)) {
        struct file_status status;
        int error = host_status(node, &status);
        if (error != 0)
            return error;
        if (((change->which & VFS_USER) && change->user != status.user) ||
            ((change->which & VFS_GROUP) && change->group != status.group))
            return -EPERM;
    }
    struct host_call call = host_call_for(node, IO_FILE_CHANGE);
    call.request.which = (change->which & VFS_MODE ? IO_CHANGE_MODE : 0) |
                         (change->which & VFS_ACCESSED ? IO_CHANGE_ACCESSED : 0) |
                         (change->which & VFS_MODIFIED ? IO_CHANGE_MODIFIED : 0);
    call.request.mode = change->mode;
    call.request.seconds[0] = change->accessed.seconds;
    call.request.seconds[1] = change->modified.seconds;
    call.request.nanoseconds[0] = change->accessed.nanoseconds;
    call.request.nanoseconds[1] = change->modified.nanoseconds;
    return call.request.which != 0 ? (int)host_on_path(node, &call) : 0;
}

static int host_truncate(struct vfs_node *node, uint64_t size)
{
    struct io_file_status status;
    struct host_call find = host_call_for(node, IO_FILE_STATUS);
    find.to = &status;
    find.capacity = sizeof(status);
    int error = (int)host_on_path(node, &find);
    if (error == 0 && find.answered != sizeof(status))
        error = -EIO;
    if (error != 0)
        return error;
    struct host_inode *inode = host_inode_get(status.device, status.inode, false);
    struct host_call call = host_call_for(node, IO_FILE_TRUNCATE);
    call.request.offset = size;
    host_pages_cut_begin(inode, size);
    error = (int)host_on_path(node, &call);
    host_pages_cut_end(inode, error == 0, size);
    host_inode_put(inode);
    return error;
}

static int host_statistics(struct vfs_node *node, struct vfs_statistics *out)
{
    struct io_file_statistics statistics;
    struct host_call call = host_call_for(node, IO_FILE_STATISTICS);
    call.to = &statistics;
    call.capacity = sizeof(statistics);
    int64_t result = host_call(&call);
    if (result == 0 && call.answered != sizeof(statistics))
        result = -EIO;
    if (result == 0)
        *out = (struct vfs_statistics){.block_size = statistics.block_size,
                                       .blocks = statistics.blocks,
                                       .blocks_free = statistics.blocks_free,
                                       .blocks_available = statistics.blocks_available,
                                       .files = statistics.files,
                                       .files_free = statistics.files_free,
                                       .name_max = statistics.name_max};
    return (int)result;
}

static void host_release(struct vfs_node *node)
{
    kfree(node);
}

/* --- Open files ------------------------------------------------------------------------------- */

static int host_open(struct file *file)
{
    struct io_file_opened opened;
    struct host_call call = host_call_for(file->node, IO_FILE_OPEN);
    if (file->node->type != FILE_TYPE_REGULAR && file->node->type != FILE_TYPE_DIRECTORY)
        return -ENXIO;
    call.request.flags = atomic_load(&file->flags) & (O_ACCMODE | O_SYNC /* O_DSYNC included */);
    call.to = &opened;
    call.capacity = sizeof(opened);
    int64_t result = host_on_path(file->node, &call);
    if (result == 0 && call.answered != sizeof(opened))
        result = -EIO;
    if (result == 0)
        result = host_opened(file, &opened);
    return (int)result;
}

static void host_close(struct file *file)
{
    host_pages_flush_quietly(file->data);
    if (file->handle != 0)
        host_close_handle(file->node, file->handle);
    host_inode_put(file->data);
}

/* Fetches up to `length` bytes (at most HOST_PIECE) into the program's memory, or the kernel's. */
static int64_t host_read_piece(const struct file *file, struct file_cursor *to, uint64_t length,
                               uint64_t offset)
{
    struct host_call call = host_call_for(file->node, IO_FILE_READ);
    uint8_t *small = kmalloc(HOST_SMALL);
    if (small == NULL)
        return -ENOMEM;
    call.request.handle = file->handle;
    call.request.offset = offset;
    call.request.size = (uint32_t)length;
    call.to = small;
    call.capacity = HOST_SMALL;
    int64_t result = host_call(&call);
    if (result > 0) {
        int error = -EIO;
        if ((uint64_t)result <= length && (call.bulk != NULL || (uint64_t)result <= call.answered))
            error = file_cursor_write(to, call.bulk != NULL ? call.bulk : small, (uint64_t)result);
        if (error != 0)
            result = error;
    }
    host_call_release(&call);
    kfree(small);
    return result;
}

int64_t host_read_bytes(const struct file *file, void *to, uint64_t length, uint64_t offset)
{
    struct file_vector vector = {(uint64_t)(uintptr_t)to, length};
    struct file_cursor cursor = {.vectors = &vector, .count = 1, .kernel = true};
    return host_read_piece(file, &cursor, length, offset);
}

/* As host_read_piece, of a file that has pages here, by way of `buffer`. */
static int64_t host_read_mapped(const struct file *file, struct file_cursor *to, uint64_t length,
                                uint64_t offset, uint8_t *buffer)
{
    int64_t result = host_pages_read(file, buffer, length, offset);
    int error = result > 0 ? file_cursor_write(to, buffer, (uint64_t)result) : 0;
    return error != 0 ? error : result;
}

static int64_t host_read(struct file *file, struct file_cursor *to, uint64_t length,
                         uint64_t offset)
{
    uint64_t done = 0, limit = length < HOST_PIECE ? length : HOST_PIECE;
    int64_t result = 0;
    uint8_t *buffer = NULL;
    if (host_pages_overlay(file->data)) {
        buffer = kmalloc(limit);
        if (buffer == NULL)
            return -ENOMEM;
    }
    while (done < length) {
        uint64_t piece = length - done < limit ? length - done : limit;
        result = buffer != NULL ? host_read_mapped(file, to, piece, offset + done, buffer)
                                : host_read_piece(file, to, piece, offset + done);
        if (result <= 0)
            break;
        done += (uint64_t)result;
    }
    kfree(buffer);
    return done != 0 ? (int64_t)done : result;
}

/* Sends up to `length` bytes (at most HOST_PIECE); sets *offset to where they went. */
static int64_t host_write_piece(const struct file *file, struct file_cursor *from, uint64_t length,
                                uint64_t *offset, bool append)
{
    struct io_file_written written = {.offset = *offset};
    struct host_call call = host_call_for(file->node, IO_FILE_WRITE);
    struct file_cursor before = *from;
    call.request.handle = file->handle;
    call.request.offset = *offset;
    call.request.flags = append;
    call.from = from;
    call.length = length;
    call.to = &written;
    call.capacity = sizeof(written);
    int64_t result = host_call(&call);
    if (result > 0 && (uint64_t)result < call.request.length) { /* the rest is to be sent again */
        *from = before;
        file_cursor_skip(from, (uint64_t)result);
    }
    if (result > 0)
        *offset = written.offset;
    return result;
}

int64_t host_write_bytes(const struct file *file, const void *from, uint64_t length,
                         uint64_t *offset, bool append)
{
    struct file_vector vector = {(uint64_t)(uintptr_t)from, length};
    struct file_cursor cursor = {.vectors = &vector, .count = 1, .kernel = true};
    return host_write_piece(file, &cursor, length, offset, append);
}

/* As host_write_piece, of a file that has pages here, by way of `buffer`. */
static int64_t host_write_mapped(const struct file *file, struct file_cursor *from, uint64_t length,
                                 uint64_t *offset, bool append, uint8_t *buffer)
{
    struct file_cursor before = *from;
    int error = file_cursor_read(from, buffer, length);
    if (error != 0)
        return error;
    int64_t result = host_pages_write(file, buffer, length, offset, append);
    if (result > 0 && (uint64_t)result < length) {
        *from = before;
        file_cursor_skip(from, (uint64_t)result);
    }
    return result;
}

static int64_t host_write(struct file *file, struct file_cursor *from, uint64_t length,
                          uint64_t *offset, bool append)
{
    uint64_t done = 0, limit = length < HOST_PIECE ? length : HOST_PIECE;
    int64_t result = 0;
    uint8_t *buffer = NULL;
    bool mapped = host_pages_write_begin(file->data);
    if (mapped) {
        buffer = kmalloc(limit);
        if (buffer == NULL)
            return -ENOMEM;
    }
    while (done < length) {
        uint64_t piece = length - done < limit ? length - done : limit, at = *offset + done;
        result = mapped ? host_write_mapped(file, from, piece, &at, append, buffer)
                        : host_write_piece(file, from, piece, &at, append);
        if (result <= 0)
            break;
        if (append && done == 0)
            *offset = at;
        done += (uint64_t)result;
    }
    if (!mapped)
        host_pages_write_end(file->data);
    kfree(buffer);
    return done != 0 ? (int64_t)done : result;
}

int host_file_size(const struct file *file, uint64_t *size)
{
    struct file_status status;
    struct host_call call = host_call_for(file->node, IO_FILE_STATUS);
    call.request.handle = file->handle;
    int error = host_status_call(&call, &status);
    if (error == 0)
        *size = status.size;
    return error;
}

static int host_file_truncate(struct file *file, uint64_t size)
{
    struct host_call call = host_call_for(file->node, IO_FILE_TRUNCATE);
    call.request.handle = file->handle;
    call.request.offset = size;
    host_pages_cut_begin(file->data, size);
    int error = (int)host_call(&call);
    host_pages_cut_end(file->data, error == 0, size);
    return error;
}

static int host_sync(struct file *file, bool data_only)
{
    struct host_call call = host_call_for(file->node, IO_FILE_SYNC);
    call.request.handle = file->handle;
    call.request.flags = data_only;
    int error = host_pages_flush(file->data);
    int64_t result = host_call(&call);
    return error != 0 ? error : (int)result;
}

static int host_allocate(struct file *file, unsigned mode, uint64_t offset, uint64_t length)
{
    struct host_call call = host_call_for(file->node, IO_FILE_ALLOCATE);
    call.request.handle = file->handle;
    call.request.flags = mode;
    call.request.offset = offset;
    call.request.value = length;
    host_pages_cut_begin(file->data, offset);
    int error = (int)host_call(&call);
    host_pages_cut_end(file->data, error == 0, UINT64_MAX);
    return error;
}

static struct host_call host_lock_call(struct file *file, const struct lock_range *range,
                                       uint32_t flags)
{
    static const uint32_t owners[] = {[LOCK_OF_PROCESS] = IO_LOCK_PROCESS,
                                      [LOCK_OF_FILE] = IO_LOCK_FILE,
                                      [LOCK_OF_FLOCK] = IO_LOCK_FLOCK};
    struct host_call call = host_call_for(file->node, IO_FILE_LOCK);
    call.request.handle = file->handle;
    call.request.offset = range->start;
    call.request.value = range->end == INT64_MAX ? 0 : range->end - range->start + 1;
    call.request.mode = range->type;
    call.request.flags = owners[range->owner] | flags;
    return call;
}

static int host_take_lock(struct file *file, const struct lock_range *range, bool wait)
{
    struct host_call call = host_lock_call(file, range, wait ? IO_LOCK_WAIT : 0);
    call.breakable = wait;
    int64_t result = host_call(&call);
    return result == -EINTR ? -ERESTARTSYS : (int)result;
}

static int host_get_lock(struct file *file, struct lock_range *range)
{
    struct io_file_lock found;
    struct host_call call = host_lock_call(file, range, IO_LOCK_GET);
    call.to = &found;
    call.capacity = sizeof(found);
    int64_t result = host_call(&call);
    if (result != 0 || call.answered != sizeof(found))
        return result != 0 ? (int)result : -EIO;
    range->type = found.type <= LOCK_NONE ? (enum lock_type)found.type : LOCK_NONE;
    range->start = found.offset;
    range->end = found.length == 0 ? INT64_MAX : found.offset + found.length - 1;
    range->owner = LOCK_OF_FILE;
    return 0;
}

/* struct linux_dirent64 as the host gives it; the name with its NUL follows. */
struct host_entry {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
} __attribute__((packed));
#define HOST_ENTRY_HEAD 19

/* Hands on the entries in `bytes`. Returns whether there is room for more. */
static bool host_emit(const uint8_t *bytes, uint64_t length, uint64_t *position, vfs_emit_t emit,
                      void *context)
{
    uint64_t at = 0;
    while (length - at > HOST_ENTRY_HEAD) {
        struct host_entry entry;
        memcpy(&entry, bytes + at, HOST_ENTRY_HEAD);
        if (entry.length <= HOST_ENTRY_HEAD || entry.length > length - at)
            return false;
        const char *name = (const char *)bytes + at + HOST_ENTRY_HEAD;
        size_t name_length = 0;
        while (name_length < (size_t)entry.length - HOST_ENTRY_HEAD && name[name_length] != '\0')
            name_length++;
        if (!emit(context, name, name_length, entry.inode, (uint32_t)entry.type << 12,
                  (uint64_t)entry.next))
            return false;
        *position = (uint64_t)entry.next;
        at += entry.length;
    }
    return true;
}

static int host_entries(struct file *file, uint64_t position, vfs_emit_t emit, void *context)
{
    uint8_t *small = kmalloc(HOST_SMALL);
    int64_t result;
    bool room;
    if (small == NULL)
        return -ENOMEM;
    do {
        struct host_call call = host_call_for(file->node, IO_FILE_ENTRIES);
        call.request.handle = file->handle;
        call.request.offset = position;
        call.request.size = HOST_ENTRIES;
        call.to = small;
        call.capacity = HOST_SMALL;
        result = host_call(&call);
        uint64_t length = call.bulk != NULL ? (uint64_t)result : call.answered;
        room = result > 0 &&
               host_emit(call.bulk != NULL ? call.bulk : small, length, &position, emit, context);
        host_call_release(&call);
    } while (room);
    kfree(small);
    return result < 0 ? (int)result : 0;
}

static int host_read_page(struct file *file, uint64_t offset, void *to)
{
    bool overlay = host_pages_overlay(file->data);
    uint64_t done = 0;
    while (done < PAGE_SIZE) {
        uint8_t *at = (uint8_t *)to + done;
        int64_t result = overlay ? host_pages_read(file, at, PAGE_SIZE - done, offset + done)
                                 : host_read_bytes(file, at, PAGE_SIZE - done, offset + done);
        if (result < 0)
            return (int)result;
        if (result == 0)
            break;
        done += (uint64_t)result;
    }
    if (done == 0)
        return -ENXIO;
    memset((uint8_t *)to + done, 0, PAGE_SIZE - done);
    return 0;
}

static const struct vfs_node_operations host_operations = {
    .lookup = host_lookup,
    .parent = host_parent,
    .name = host_name,
    .create = host_create,
    .create_open = host_create_open,
    .remove = host_remove,
    .rename = host_rename,
    .link = host_link,
    .status = host_status,
    .read_link = host_read_link,
    .change = host_change,
    .truncate = host_truncate,
    .statistics = host_statistics,
    .same = host_same,
    .release = host_release,
    .open = host_open,
    .close = host_close,
    .read = host_read,
    .write = host_write,
    .file_status = host_file_status,
    .file_truncate = host_file_truncate,
    .entries = host_entries,
    .sync = host_sync,
    .allocate = host_allocate,
    .lock = host_take_lock,
    .lock_get = host_get_lock,
    .read_page = host_read_page,
    .share_page = host_pages_share,
    .map = host_pages_map,
    .tracks_writes = true,
};
