/* The program's own file, as it lies in the lagoon: what /proc/self/exe leads to, wherever on the
 * host it came from. Read-only; one node for all who open it. */
#include "instance/fs/vfs.h"

#include "instance/mm/frames.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/fcntl.h>

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

static int program_read_page(struct vfs_node *node, uint64_t handle, uint64_t offset, void *to)
{
    (void)node;
    (void)handle;
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

int program_file_open(const uint8_t *bytes, uint64_t size, struct file **file)
{
    static struct vfs_node node;
    static struct spinlock lock;
    struct vfs_mount *root = atomic_load(&vfs_mounts);
    while (root->covered != NULL)
        root = root->next;
    spin_lock(&lock);
    if (node.operations == NULL) {
        program_bytes = bytes;
        program_size = size;
        vfs_node_init(&node, &program_operations, root, FILE_TYPE_REGULAR);
    }
    spin_unlock(&lock);
    return vfs_open_node(vfs_hold(&node), O_RDONLY, file);
}
