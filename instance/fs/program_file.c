/* The program's own file, as it lies in the lagoon: what /proc/self/exe leads to, and what lies at
 * the path that it names (runtimes open that, for their symbols), hung over an empty file there.
 * Read-only; one node for all who open it. */
#include "instance/fs/vfs.h"

#include "instance/mm/frames.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>

static const uint8_t *program_bytes;
static uint64_t program_size;

static int program_status(struct vfs_node *node, struct file_status *status)
{
    (void)node;
    status->mode = FILE_TYPE_REGULAR | 0755;
    status->inode = UINT32_MAX;
    status->size = program_size;
    status->blocks = (program_size + 511) / 512;
    return 0;
}

static int64_t program_read(struct file *file, struct file_cursor *to, uint64_t length,
                            uint64_t offset)
{
    (void)file;
    if (offset >= program_size)
        return 0;
    if (length > program_size - offset)
        length = program_size - offset;
    int error = file_cursor_write(to, program_bytes + offset, length);
    return error != 0 ? error : (int64_t)length;
}

static int program_read_page(struct file *file, uint64_t offset, void *to)
{
    (void)file;
    if (offset >= program_size)
        return -ENXIO;
    uint64_t length = program_size - offset < PAGE_SIZE ? program_size - offset : PAGE_SIZE;
    memcpy(to, program_bytes + offset, length);
    memset((uint8_t *)to + length, 0, PAGE_SIZE - length);
    return 0;
}

static int program_open(struct file *file)
{
    return (atomic_load(&file->flags) & O_ACCMODE) == O_RDONLY ? 0 : -ETXTBSY;
}

static void program_release(struct vfs_node *node)
{
    (void)node; /* static, and never without a reference */
}

static const struct vfs_node_operations program_operations = {
    .status = program_status,
    .open = program_open,
    .read = program_read,
    .read_page = program_read_page,
    .release = program_release,
};

static struct vfs_node program_node;

int program_file_open(struct file **file)
{
    return vfs_open_node(vfs_hold(&program_node), O_RDONLY, file);
}

/* The directory `name` of `parent`, made if it is missing: *node is held. */
static int enter_directory(struct vfs_node *parent, const char *name, struct vfs_node **node)
{
    struct vfs_creation creation = {.mode = FILE_TYPE_DIRECTORY | 0755};
    int error = parent->operations->lookup(parent, name, node);
    if (error == -ENOENT)
        error = parent->operations->create(parent, name, &creation, node);
    return error;
}

int program_file_init(const uint8_t *bytes, uint64_t size, const char *path)
{
    static struct vfs_mount mount = {
        .type = "atoll", .magic = TMPFS_MAGIC, .root = &program_node, .read_only = true};
    struct vfs_creation empty = {.mode = FILE_TYPE_REGULAR | 0755};
    struct vfs_mount *root = atomic_load(&vfs_mounts);
    while (root->covered != NULL)
        root = root->next;
    struct vfs_node *directory = vfs_hold(root->root), *next = NULL;
    char name[VFS_NAME_MAX + 1];
    int error = 0;

    program_bytes = bytes;
    program_size = size;
    vfs_node_init(&program_node, &program_operations, &mount, FILE_TYPE_REGULAR);
    mount.path = path;
    while (error == 0) {
        while (*path == '/')
            path++;
        size_t length = 0;
        while (path[length] != '\0' && path[length] != '/')
            length++;
        if (length == 0 || length > VFS_NAME_MAX) {
            error = -EINVAL;
            break;
        }
        memcpy(name, path, length);
        name[length] = '\0';
        path += length;
        bool last = *path == '\0';
        if (last)
            error = directory->operations->create(directory, name, &empty, &next);
        else
            error = enter_directory(directory, name, &next);
        if (error != 0)
            break;
        vfs_put(directory);
        directory = next;
        if (!last && directory->type != FILE_TYPE_DIRECTORY)
            error = -ENOTDIR;
        if (last) {
            vfs_mount_add(&mount, directory); /* takes the reference over */
            return 0;
        }
    }
    vfs_put(directory);
    return error;
}
