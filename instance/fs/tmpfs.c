/* Files in the instance's memory: nodes, their attributes, and where a tree of them begins. */
#include "instance/fs/tmpfs.h"

#include "instance/fs/pipe.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>

struct spinlock tmpfs_lock;
static _Atomic uint64_t tmpfs_inodes;
static const struct vfs_node_operations tmpfs_operations;

/* --- Nodes ------------------------------------------------------------------------------------ */

struct tmpfs_node *tmpfs_node_create(struct vfs_mount *mount, uint32_t mode)
{
    struct tmpfs_node *made = kzalloc(sizeof(*made));
    if (made == NULL)
        return NULL;
    vfs_node_init(&made->node, &tmpfs_operations, mount, mode & FILE_TYPE_MASK);
    made->inode = atomic_fetch_add(&tmpfs_inodes, 1) + 1;
    made->mode = mode;
    made->accessed = made->modified = made->changed = vfs_now();
    made->seals = F_SEAL_SEAL; /* only memfds take any */
    list_init(&made->entries);
    file_lock_init(&made->data_lock);
    return made;
}

static void tmpfs_release(struct vfs_node *node)
{
    struct tmpfs_node *gone = tmpfs_of(node);
    tmpfs_pages_drop(&gone->pages, 0, UINT64_MAX);
    pipe_put(gone->fifo);
    kfree(gone->buckets);
    kfree(gone->target);
    kfree(gone);
}

/* --- Attributes ------------------------------------------------------------------------------- */

static int tmpfs_status(struct vfs_node *node, struct file_status *status)
{
    const struct tmpfs_node *of = tmpfs_of(node);
    spin_lock(&tmpfs_lock);
    status->mode = of->mode;
    status->inode = of->inode;
    status->user = of->user;
    status->group = of->group;
    status->links = of->links;
    status->size = of->size;
    status->blocks = of->pages.count * (PAGE_SIZE / 512);
    status->accessed = of->accessed;
    status->modified = of->modified;
    status->changed = of->changed;
    if (node->type == FILE_TYPE_DIRECTORY)
        status->size = 40 + 20 * (uint64_t)of->entry_count; /* as Linux's tmpfs counts */
    spin_unlock(&tmpfs_lock);
    return 0;
}

static int tmpfs_change(struct vfs_node *node, const struct vfs_change *change)
{
    struct tmpfs_node *of = tmpfs_of(node);
    spin_lock(&tmpfs_lock);
    if (change->which & VFS_MODE)
        of->mode = (of->mode & FILE_TYPE_MASK) | (change->mode & 07777);
    if (change->which & VFS_USER)
        of->user = change->user;
    if (change->which & VFS_GROUP)
        of->group = change->group;
    if (change->which & VFS_ACCESSED)
        of->accessed = change->accessed;
    if (change->which & VFS_MODIFIED)
        of->modified = change->modified;
    of->changed = vfs_now();
    spin_unlock(&tmpfs_lock);
    return 0;
}

void tmpfs_touch(struct tmpfs_node *node, bool modified)
{
    struct file_time now = vfs_now();
    spin_lock(&tmpfs_lock);
    if (modified)
        node->modified = node->changed = now;
    else
        node->accessed = now;
    spin_unlock(&tmpfs_lock);
}

static int64_t tmpfs_read_link(struct vfs_node *node, char *to, size_t capacity)
{
    size_t length = tmpfs_of(node)->size;
    if (length > capacity)
        length = capacity;
    memcpy(to, tmpfs_of(node)->target, length);
    return (int64_t)length;
}

static int tmpfs_statistics(struct vfs_node *node, struct vfs_statistics *out)
{
    (void)node;
    uint64_t limit = tmpfs_pages_limit(), used = tmpfs_pages_used();
    uint64_t left = limit > used ? limit - used : 0;
    uint64_t memory = frame_bytes_free() / PAGE_SIZE;
    *out = (struct vfs_statistics){.block_size = PAGE_SIZE,
                                   .blocks = limit,
                                   .blocks_free = left < memory ? left : memory,
                                   .blocks_available = left < memory ? left : memory,
                                   .files = limit,
                                   .files_free = left,
                                   .name_max = VFS_NAME_MAX};
    return 0;
}

static struct pipe *tmpfs_fifo(struct vfs_node *of)
{
    struct tmpfs_node *node = tmpfs_of(of);
    file_lock_write(&node->data_lock);
    if (node->fifo == NULL)
        node->fifo = pipe_make();
    file_unlock_write(&node->data_lock);
    return node->fifo;
}

static const struct vfs_node_operations tmpfs_operations = {
    .lookup = tmpfs_lookup,
    .parent = tmpfs_parent,
    .name = tmpfs_name,
    .create = tmpfs_create,
    .remove = tmpfs_remove,
    .rename = tmpfs_rename,
    .link = tmpfs_link,
    .status = tmpfs_status,
    .read_link = tmpfs_read_link,
    .change = tmpfs_change,
    .truncate = tmpfs_truncate,
    .fifo = tmpfs_fifo,
    .seal = tmpfs_seal,
    .statistics = tmpfs_statistics,
    .release = tmpfs_release,
    .read = tmpfs_read,
    .write = tmpfs_write,
    .entries = tmpfs_entries,
    .allocate = tmpfs_allocate,
    .seek_data = tmpfs_seek_data,
    .read_page = tmpfs_read_page,
    .share_page = tmpfs_share_page,
    .map = tmpfs_map,
};

struct vfs_mount *tmpfs_mount_create(const char *path, uint32_t mode)
{
    struct vfs_mount *mount = kzalloc(sizeof(*mount));
    struct tmpfs_node *root = tmpfs_node_create(mount, FILE_TYPE_DIRECTORY | mode);
    if (mount == NULL || root == NULL) {
        kfree(mount);
        kfree(root);
        return NULL;
    }
    root->links = 2;
    mount->type = "tmpfs";
    mount->path = path;
    mount->magic = TMPFS_MAGIC;
    mount->root = &root->node;
    return mount;
}

int tmpfs_put_file(struct vfs_node *directory, const char *name, const void *bytes, size_t length)
{
    struct vfs_creation creation = {.mode = FILE_TYPE_REGULAR | 0644};
    struct vfs_node *node;
    if (length > PAGE_SIZE)
        return -EFBIG;
    int error = tmpfs_create(directory, name, &creation, &node);
    if (error != 0)
        return error;
    uint64_t frame = tmpfs_page_for_write(tmpfs_of(node), 0);
    if (frame != 0) {
        memcpy(tmpfs_bytes(frame), bytes, length);
        tmpfs_set_size(tmpfs_of(node), length);
    }
    vfs_put(node);
    return frame != 0 ? 0 : -ENOSPC;
}

int tmpfs_create_unnamed(struct vfs_node *directory, uint32_t mode, bool linkable, bool sealable,
                         struct vfs_node **node)
{
    struct vfs_mount *mount = atomic_load(&vfs_mounts);
    while (mount->covered != NULL)
        mount = mount->next;
    if (directory != NULL) {
        mount = directory->mount;
        if (directory->operations != &tmpfs_operations)
            return -EOPNOTSUPP;
    }
    struct tmpfs_node *made = tmpfs_node_create(mount, FILE_TYPE_REGULAR | mode);
    if (made == NULL)
        return -ENOMEM;
    made->linkable = linkable;
    if (sealable)
        made->seals = 0;
    *node = &made->node;
    return 0;
}
