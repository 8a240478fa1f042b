/* See mapped.h. A private mapping has copies of a file's pages. A shared one of a file in memory
 * has the pages themselves, one of a host's file those that host_pages.c keeps of it, so that it,
 * other mappings, reads and writes all see one content. A shared one of any other file may only be
 * read, and has copies. */
#include "instance/fs/mapped.h"

#include "instance/mm/kmalloc.h"

#include <errno.h>
#include <linux/fcntl.h>

struct mapped_file {
    struct area_file area;
    struct file *file; /* held: a host's file is read through it */
    bool counted, writable;
};

static struct mapped_file *mapped_of(const struct area_file *area)
{
    return (struct mapped_file *)area;
}

static int mapped_read_page(struct area_file *area, uint64_t offset, void *to)
{
    struct file *file = mapped_of(area)->file;
    return file->node->operations->read_page(file, offset, to);
}

static int mapped_share_page(struct area_file *area, uint64_t offset, bool make, bool write,
                             uint64_t *physical)
{
    struct file *file = mapped_of(area)->file;
    return file->node->operations->share_page(file, offset, make, write, physical);
}

static int mapped_sync(struct area_file *area)
{
    struct file *file = mapped_of(area)->file;
    return file->node->operations->sync(file, true);
}

static void mapped_release(struct area_file *area)
{
    struct mapped_file *mapped = mapped_of(area);
    if (mapped->counted)
        mapped->file->node->operations->map(mapped->file, mapped->writable, -1);
    file_put(mapped->file);
    kfree(mapped);
}

const struct file *mapped_open_file(const struct area_file *area)
{
    return mapped_of(area)->file;
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
        int error = operations->map(file, mapped->writable, 1);
        if (error != 0 && !write) { /* sealed: to be read alone */
            mapped->writable = false;
            error = operations->map(file, false, 1);
        }
        if (error != 0) {
            kfree(mapped);
            return error;
        }
        mapped->area.share_page = mapped_share_page;
        mapped->area.tracks_writes = operations->tracks_writes;
        mapped->area.sync = operations->sync != NULL ? mapped_sync : NULL;
    }
    mapped->counted = itself;
    mapped->file = file;
    mapped->area.read_page = mapped_read_page;
    mapped->area.release = mapped_release;
    mapped->area.read_only = shared && !mapped->writable;
    atomic_init(&mapped->area.references, 1);
    *made = &mapped->area;
    return 0;
}
