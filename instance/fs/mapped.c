/* See mapped.h. A private mapping has copies of a file's pages. A shared one of a file in memory
 * has the pages themselves, so that it, other mappings, reads and writes all see one content. A
 * shared one of any other file may only be read, and has copies. */
#include "instance/fs/mapped.h"

#include "instance/mm/kmalloc.h"

#include <errno.h>
#include <linux/fcntl.h>

struct mapped_file {
    struct area_file area;
    struct file *file; /* held: a host's file is read through it */
    bool shared, counted, writable;
};

static _Atomic uint64_t shared_count;

static struct mapped_file *mapped_of(const struct area_file *area)
{
    return (struct mapped_file *)area;
}

static int mapped_read_page(struct area_file *area, uint64_t offset, void *to)
{
    struct file *file = mapped_of(area)->file;
    return file->node->operations->read_page(file->node, file->handle, offset, to);
}

static int mapped_share_page(struct area_file *area, uint64_t offset, bool make, uint64_t *physical)
{
    struct vfs_node *node = mapped_of(area)->file->node;
    return node->operations->share_page(node, offset, make, physical);
}

static void mapped_release(struct area_file *area)
{
    struct mapped_file *mapped = mapped_of(area);
    struct vfs_node *node = mapped->file->node;
    if (mapped->counted)
        node->operations->map(node, mapped->writable, -1);
    if (mapped->shared)
        atomic_fetch_sub(&shared_count, 1);
    file_put(mapped->file);
    kfree(mapped);
}

const struct vfs_node *mapped_node(const struct area_file *area)
{
    return mapped_of(area)->file->node;
}

bool mapped_any_shared(void)
{
    return atomic_load(&shared_count) != 0;
}

int mapped_create(struct file *file, bool shared, bool write, struct area_file **made)
{
    const struct vfs_node_operations *operations = file->node->operations;
    bool open_to_write = (atomic_load(&file->flags) & O_ACCMODE) == O_RDWR;
    bool itself = shared && operations->share_page != NULL;
    if (shared && write && !open_to_write)
        return -EACCES;
    if (shared && write && !itself)
        return -ENODEV;
    struct mapped_file *mapped = kzalloc(sizeof(*mapped));
    if (mapped == NULL)
        return -ENOMEM;
    /* What is open for writing may become writable by mprotect. */
    mapped->writable = itself && open_to_write;
    if (itself) {
        int error = operations->map(file->node, mapped->writable, 1);
        if (error != 0 && !write) { /* sealed: to be read alone */
            mapped->writable = false;
            error = operations->map(file->node, false, 1);
        }
        if (error != 0) {
            kfree(mapped);
            return error;
        }
        mapped->area.share_page = mapped_share_page;
    }
    mapped->counted = itself;
    mapped->shared = shared;
    mapped->file = file;
    mapped->area.read_page = mapped_read_page;
    mapped->area.release = mapped_release;
    mapped->area.read_only = shared && !mapped->writable;
    atomic_init(&mapped->area.references, 1);
    if (shared)
        atomic_fetch_add(&shared_count, 1);
    *made = &mapped->area;
    return 0;
}
