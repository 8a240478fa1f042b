/* Files in the instance's memory. One spinlock guards all names and attributes (it is held for no
 * longer than a look along one list); a file's bytes have a sleeping lock of their own, because
 * they are copied to and from the program's memory, and a spinlock around the tree of pages, which
 * page faults of mappings take too. Order: a file's lock, the address space's, its pages' lock. */
#include "instance/fs/mapped.h"
#include "instance/fs/pipe.h"
#include "instance/fs/tmpfs_pages.h"
#include "instance/fs/vfs.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/platform/platform.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/magic.h>

#define TMPFS_SIZE_MAX INT64_MAX
#define TMPFS_BUCKETS 16 /* of a directory at first */
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

struct tmpfs_node {
    struct vfs_node node;
    uint64_t inode;
    uint32_t mode, user, group;
    uint64_t links; /* names; 0: removed */
    bool linkable;  /* without a name yet, but may be given one (O_TMPFILE) */
    struct file_time accessed, modified, changed;

    /* Directories. */
    struct tmpfs_node *parent; /* not held: a directory holds its children, not they it; NULL when
                                  it is the root, or has been removed */
    struct list entries;       /* in order of creation */
    struct tmpfs_entry **buckets;
    uint32_t bucket_count, entry_count;
    uint64_t sequence; /* of the last entry */

    char *target; /* symbolic links */

    /* Regular files. */
    struct file_lock data_lock;
    struct spinlock pages_lock;
    struct tmpfs_pages pages;
    uint64_t size;                        /* written under both locks */
    uint32_t seals;                       /* F_SEAL_*, under both locks */
    uint64_t mappings, writable_mappings; /* shared ones; under the pages' lock */

    struct pipe *fifo; /* of a FIFO, once it has been opened */
};

/* A name in a directory. Holds its node. */
struct tmpfs_entry {
    struct list link;
    struct tmpfs_entry *next; /* in its bucket */
    struct tmpfs_node *node;
    uint64_t sequence;
    uint32_t hash, length;
    char name[];
};

static struct spinlock tmpfs_lock;
static _Atomic uint64_t tmpfs_inodes;
static const struct vfs_node_operations tmpfs_operations;

static struct tmpfs_node *tmpfs_of(const struct vfs_node *node)
{
    return (struct tmpfs_node *)node;
}

/* --- Nodes ------------------------------------------------------------------------------------ */

static struct tmpfs_node *tmpfs_node_create(struct vfs_mount *mount, uint32_t mode)
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

/* --- Directories; the lock is held -------------------------------------------------------------
 */

static uint32_t tmpfs_hash(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

static struct tmpfs_entry *tmpfs_find(const struct tmpfs_node *directory, const char *name)
{
    if (directory->bucket_count == 0)
        return NULL;
    uint32_t hash = tmpfs_hash(name);
    struct tmpfs_entry *entry = directory->buckets[hash & (directory->bucket_count - 1)];
    while (entry != NULL && (entry->hash != hash || strcmp(entry->name, name) != 0))
        entry = entry->next;
    return entry;
}

static bool tmpfs_grow(struct tmpfs_node *directory)
{
    if (directory->entry_count < directory->bucket_count)
        return true;
    uint32_t count = directory->bucket_count == 0 ? TMPFS_BUCKETS : directory->bucket_count * 2;
    struct tmpfs_entry **buckets = kzalloc(count * sizeof(struct tmpfs_entry *));
    if (buckets == NULL)
        return directory->bucket_count != 0; /* longer chains will do */
    for (struct list *at = directory->entries.next; at != &directory->entries; at = at->next) {
        struct tmpfs_entry *entry = LIST_ENTRY(at, struct tmpfs_entry, link);
        entry->next = buckets[entry->hash & (count - 1)];
        buckets[entry->hash & (count - 1)] = entry;
    }
    kfree(directory->buckets);
    directory->buckets = buckets;
    directory->bucket_count = count;
    return true;
}

static struct tmpfs_entry *tmpfs_entry_create(const char *name)
{
    size_t length = strlen(name);
    struct tmpfs_entry *entry = kmalloc(sizeof(*entry) + length + 1);
    if (entry == NULL)
        return NULL;
    *entry = (struct tmpfs_entry){.hash = tmpfs_hash(name), .length = (uint32_t)length};
    memcpy(entry->name, name, length + 1);
    return entry;
}

/* The buckets have room (tmpfs_grow). Takes over the reference to `node`. */
static void tmpfs_insert(struct tmpfs_node *directory, struct tmpfs_entry *entry,
                         struct tmpfs_node *node)
{
    uint32_t bucket = entry->hash & (directory->bucket_count - 1);
    entry->node = node;
    entry->sequence = ++directory->sequence;
    entry->next = directory->buckets[bucket];
    directory->buckets[bucket] = entry;
    list_append(&directory->entries, &entry->link);
    directory->entry_count++;
    directory->modified = directory->changed = vfs_now();
    if (node->node.type == FILE_TYPE_DIRECTORY) {
        node->parent = directory;
        directory->links++;
    }
}

/* Gives the entry's reference to its node to the caller. */
static struct tmpfs_node *tmpfs_take_out(struct tmpfs_node *directory, struct tmpfs_entry *entry)
{
    struct tmpfs_entry **at = &directory->buckets[entry->hash & (directory->bucket_count - 1)];
    struct tmpfs_node *node = entry->node;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    list_remove(&entry->link);
    directory->entry_count--;
    directory->modified = directory->changed = node->changed = vfs_now();
    if (node->node.type == FILE_TYPE_DIRECTORY) {
        node->parent = NULL;
        directory->links--;
    }
    kfree(entry);
    return node;
}

static int tmpfs_lookup(struct vfs_node *directory, const char *name, struct vfs_node **node)
{
    spin_lock(&tmpfs_lock);
    struct tmpfs_entry *entry = tmpfs_find(tmpfs_of(directory), name);
    if (entry != NULL)
        *node = vfs_hold(&entry->node->node);
    spin_unlock(&tmpfs_lock);
    return entry != NULL ? 0 : -ENOENT;
}

static int tmpfs_parent(struct vfs_node *directory, struct vfs_node **parent)
{
    spin_lock(&tmpfs_lock);
    struct tmpfs_node *found = tmpfs_of(directory)->parent;
    if (found != NULL)
        *parent = vfs_hold(&found->node);
    spin_unlock(&tmpfs_lock);
    return found != NULL ? 0 : -ENOENT;
}

static int64_t tmpfs_name(struct vfs_node *directory, char *to)
{
    int64_t result = -ENOENT;
    spin_lock(&tmpfs_lock);
    struct tmpfs_node *parent = tmpfs_of(directory)->parent;
    for (struct list *at = parent != NULL ? parent->entries.next : NULL;
         at != NULL && at != &parent->entries; at = at->next) {
        struct tmpfs_entry *entry = LIST_ENTRY(at, struct tmpfs_entry, link);
        if (&entry->node->node != directory)
            continue;
        memcpy(to, entry->name, entry->length + 1);
        result = entry->length;
        break;
    }
    spin_unlock(&tmpfs_lock);
    return result;
}

/* Has the directory been removed? The root has no parent either. */
static bool tmpfs_is_removed(const struct tmpfs_node *directory)
{
    return directory->links == 0;
}

static int tmpfs_create(struct vfs_node *directory, const char *name,
                        const struct vfs_creation *creation, struct vfs_node **node)
{
    struct tmpfs_node *in = tmpfs_of(directory);
    struct tmpfs_entry *entry = tmpfs_entry_create(name);
    struct tmpfs_node *made = tmpfs_node_create(directory->mount, creation->mode);
    int error = -ENOSPC;
    if (entry == NULL || made == NULL)
        goto fail;
    made->links = made->node.type == FILE_TYPE_DIRECTORY ? 2 : 1;
    if (creation->target != NULL) {
        made->size = strlen(creation->target);
        made->target = kmalloc(made->size + 1);
        if (made->target == NULL)
            goto fail;
        memcpy(made->target, creation->target, made->size + 1);
    }
    spin_lock(&tmpfs_lock);
    if (tmpfs_is_removed(in))
        error = -ENOENT;
    else if (tmpfs_find(in, name) != NULL)
        error = -EEXIST;
    else if (tmpfs_grow(in))
        error = 0;
    if (error == 0) {
        tmpfs_insert(in, entry, made);
        if (in->mode & 02000) { /* set-group-id directories hand their group on */
            made->group = in->group;
            made->mode |= made->node.type == FILE_TYPE_DIRECTORY ? 02000 : 0;
        }
        *node = vfs_hold(&made->node);
    }
    spin_unlock(&tmpfs_lock);
    if (error == 0)
        return 0;
fail:
    kfree(entry);
    if (made != NULL)
        vfs_put(&made->node);
    return error;
}

/* May this entry be removed as what the caller takes it for? */
static int tmpfs_check_removal(const struct tmpfs_node *node, bool is_directory)
{
    bool really = node->node.type == FILE_TYPE_DIRECTORY;
    if (is_directory && !really)
        return -ENOTDIR;
    if (!is_directory && really)
        return -EISDIR;
    return really && node->entry_count != 0 ? -ENOTEMPTY : 0;
}

/* A name of the node is gone. */
static void tmpfs_unlinked(struct tmpfs_node *node)
{
    node->links = node->node.type == FILE_TYPE_DIRECTORY ? 0 : node->links - 1;
}

static int tmpfs_remove(struct vfs_node *directory, const char *name, bool is_directory)
{
    struct tmpfs_node *in = tmpfs_of(directory), *gone = NULL;
    spin_lock(&tmpfs_lock);
    struct tmpfs_entry *entry = tmpfs_find(in, name);
    int error = entry == NULL ? -ENOENT : tmpfs_check_removal(entry->node, is_directory);
    if (error == 0) {
        gone = tmpfs_take_out(in, entry);
        tmpfs_unlinked(gone);
    }
    spin_unlock(&tmpfs_lock);
    if (gone != NULL)
        vfs_put(&gone->node);
    return error;
}

/* Is `node` the directory itself or above it? */
static bool tmpfs_is_above(const struct tmpfs_node *node, const struct tmpfs_node *directory)
{
    for (; directory != NULL; directory = directory->parent)
        if (directory == node)
            return true;
    return false;
}

/* What forbids a rename; the lock is held. 1: nothing is to be done. */
static int tmpfs_check_rename(struct tmpfs_node *in, const struct tmpfs_entry *source,
                              struct tmpfs_node *to, const struct tmpfs_entry *target,
                              unsigned flags)
{
    if (source == NULL || tmpfs_is_removed(to))
        return -ENOENT;
    if (source->node->node.type == FILE_TYPE_DIRECTORY && tmpfs_is_above(source->node, to))
        return -EINVAL;
    if (flags & RENAME_EXCHANGE) {
        if (target == NULL)
            return -ENOENT;
        return target->node->node.type == FILE_TYPE_DIRECTORY && tmpfs_is_above(target->node, in)
                   ? -EINVAL
                   : 0;
    }
    if (target == NULL)
        return 0;
    if (flags & RENAME_NOREPLACE)
        return -EEXIST;
    if (target->node == source->node)
        return 1;
    if (target->node->node.type == FILE_TYPE_DIRECTORY && tmpfs_is_above(target->node, in))
        return -ENOTEMPTY;
    return tmpfs_check_removal(target->node, source->node->node.type == FILE_TYPE_DIRECTORY);
}

static int tmpfs_rename(struct vfs_node *from, const char *name, struct vfs_node *to,
                        const char *new_name, unsigned flags)
{
    struct tmpfs_node *in = tmpfs_of(from), *out = tmpfs_of(to), *gone = NULL;
    struct tmpfs_entry *fresh = tmpfs_entry_create(new_name), *back = tmpfs_entry_create(name);
    int error = -ENOSPC;
    if (fresh == NULL || back == NULL)
        goto out;
    spin_lock(&tmpfs_lock);
    struct tmpfs_entry *source = tmpfs_find(in, name), *target = tmpfs_find(out, new_name);
    error = tmpfs_check_rename(in, source, out, target, flags);
    if (error == 0 && !tmpfs_grow(out))
        error = -ENOSPC;
    if (error == 0) {
        /* tmpfs_grow may have moved entries to other buckets, but they stay where they are. */
        struct tmpfs_node *moved = tmpfs_take_out(in, source);
        if (target != NULL) {
            gone = tmpfs_take_out(out, target);
            if (flags & RENAME_EXCHANGE) {
                tmpfs_insert(in, back, gone);
                gone = NULL;
                back = NULL;
            } else {
                tmpfs_unlinked(gone);
            }
        }
        tmpfs_insert(out, fresh, moved);
        fresh = NULL;
    }
    spin_unlock(&tmpfs_lock);
    if (gone != NULL)
        vfs_put(&gone->node);
out:
    kfree(fresh);
    kfree(back);
    return error == 1 ? 0 : error;
}

static int tmpfs_link(struct vfs_node *node, struct vfs_node *directory, const char *name)
{
    struct tmpfs_node *in = tmpfs_of(directory), *linked = tmpfs_of(node);
    struct tmpfs_entry *entry = tmpfs_entry_create(name);
    if (entry == NULL)
        return -ENOSPC;
    int error = 0;
    spin_lock(&tmpfs_lock);
    if (tmpfs_is_removed(in) || (linked->links == 0 && !linked->linkable))
        error = -ENOENT;
    else if (tmpfs_find(in, name) != NULL)
        error = -EEXIST;
    else if (!tmpfs_grow(in))
        error = -ENOSPC;
    if (error == 0) {
        linked->links++;
        linked->linkable = false;
        linked->changed = vfs_now();
        vfs_hold(node);
        tmpfs_insert(in, entry, linked);
    }
    spin_unlock(&tmpfs_lock);
    if (error != 0)
        kfree(entry);
    return error;
}

/* Positions: 0 and 1 are "." and "..", then an entry's sequence number + 1. */
static int tmpfs_entries(struct file *file, uint64_t position, vfs_emit_t emit, void *context)
{
    struct tmpfs_node *directory = tmpfs_of(file->node);
    spin_lock(&tmpfs_lock);
    uint64_t above = directory->parent != NULL ? directory->parent->inode : directory->inode;
    if (position == 0 && emit(context, ".", 1, directory->inode, FILE_TYPE_DIRECTORY, 1))
        position = 1;
    if (position == 1 && emit(context, "..", 2, above, FILE_TYPE_DIRECTORY, 2))
        position = 2;
    for (struct list *at = directory->entries.next; position >= 2 && at != &directory->entries;
         at = at->next) {
        struct tmpfs_entry *entry = LIST_ENTRY(at, struct tmpfs_entry, link);
        if (entry->sequence + 1 >= position &&
            !emit(context, entry->name, entry->length, entry->node->inode, entry->node->node.type,
                  entry->sequence + 2))
            break;
    }
    spin_unlock(&tmpfs_lock);
    return 0;
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

static void tmpfs_touch(struct tmpfs_node *node, bool modified)
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

/* --- Bytes ------------------------------------------------------------------------------------ */

static uint64_t tmpfs_page(struct tmpfs_node *node, uint64_t index)
{
    spin_lock(&node->pages_lock);
    uint64_t frame = tmpfs_pages_find(&node->pages, index);
    spin_unlock(&node->pages_lock);
    return frame;
}

/* The page for writing: made if it is a hole. 0: no room. */
static uint64_t tmpfs_page_for_write(struct tmpfs_node *node, uint64_t index)
{
    uint64_t frame = tmpfs_page(node, index);
    if (frame != 0)
        return frame;
    frame = tmpfs_frame_alloc();
    if (frame == FRAME_NONE)
        return 0;
    spin_lock(&node->pages_lock);
    uint64_t there = tmpfs_pages_find(&node->pages, index); /* a shared mapping may be faster */
    int error = there != 0 ? -EEXIST : tmpfs_pages_insert(&node->pages, index, frame);
    spin_unlock(&node->pages_lock);
    if (error == 0)
        return frame;
    tmpfs_frame_free(frame);
    return there;
}

static uint8_t *tmpfs_bytes(uint64_t frame)
{
    return (uint8_t *)(platform_direct_base + frame);
}

static int64_t tmpfs_read(struct file *file, struct file_cursor *to, uint64_t length,
                          uint64_t offset)
{
    static const uint8_t zeros[PAGE_SIZE];
    struct tmpfs_node *node = tmpfs_of(file->node);
    uint64_t done = 0;
    int error = 0;
    file_lock_read(&node->data_lock);
    uint64_t left = offset < node->size ? node->size - offset : 0;
    if (length > left)
        length = left;
    while (done < length && error == 0) {
        uint64_t at = offset + done, inside = at & (PAGE_SIZE - 1);
        uint64_t piece = PAGE_SIZE - inside;
        if (piece > length - done)
            piece = length - done;
        uint64_t frame = tmpfs_page(node, at >> PAGE_SHIFT);
        int64_t got =
            file_cursor_write_most(to, frame != 0 ? tmpfs_bytes(frame) + inside : zeros, piece);
        if (got > 0)
            done += (uint64_t)got;
        if (got != (int64_t)piece)
            error = -EFAULT;
    }
    file_unlock_read(&node->data_lock);
    if (length != 0)
        tmpfs_touch(node, false);
    return done != 0 || error == 0 ? (int64_t)done : error;
}

/* The data lock is held. */
static void tmpfs_set_size(struct tmpfs_node *node, uint64_t size)
{
    spin_lock(&node->pages_lock);
    __atomic_store_n(&node->size, size, __ATOMIC_RELAXED);
    spin_unlock(&node->pages_lock);
}

static int64_t tmpfs_write(struct file *file, struct file_cursor *from, uint64_t length,
                           uint64_t *offset, bool append)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    uint64_t done = 0;
    int error = 0;
    file_lock_write(&node->data_lock);
    if (append)
        *offset = node->size;
    if (length != 0 && *offset >= TMPFS_SIZE_MAX)
        error = -EFBIG;
    else if (node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        error = -EPERM;
    else if ((node->seals & F_SEAL_GROW) && *offset + length > node->size) {
        length = *offset < node->size ? node->size - *offset : 0;
        error = length == 0 ? -EPERM : 0; /* what fits is written */
    } else if (length > TMPFS_SIZE_MAX - *offset)
        length = TMPFS_SIZE_MAX - *offset;
    while (done < length && error == 0) {
        uint64_t at = *offset + done, inside = at & (PAGE_SIZE - 1);
        uint64_t piece = PAGE_SIZE - inside;
        if (piece > length - done)
            piece = length - done;
        uint64_t frame = tmpfs_page_for_write(node, at >> PAGE_SHIFT);
        if (frame == 0) {
            error = -ENOSPC;
            break;
        }
        int64_t result = file_cursor_read_most(from, tmpfs_bytes(frame) + inside, piece);
        uint64_t got = result > 0 ? (uint64_t)result : 0;
        done += got;
        if (got != piece) {
            error = -EFAULT;
            if (at + piece > node->size) { /* behind the end all bytes are zero */
                uint64_t keep = node->size > at ? node->size - at : 0;
                keep = keep > got ? keep : got;
                memset(tmpfs_bytes(frame) + inside + keep, 0, piece - keep);
            }
        }
        if (got != 0 && at + got > node->size)
            tmpfs_set_size(node, at + got);
    }
    file_unlock_write(&node->data_lock);
    if (done != 0)
        tmpfs_touch(node, true);
    return done != 0 || error == 0 ? (int64_t)done : error;
}

static bool tmpfs_maps(const struct area_file *file, const void *node)
{
    return mapped_open_file(file)->node == node;
}

/* Takes the pages from `from` on away from shared mappings. The data lock is held. */
static int tmpfs_forget(struct tmpfs_node *node, uint64_t from)
{
    spin_lock(&node->pages_lock);
    bool mapped = node->mappings != 0;
    spin_unlock(&node->pages_lock);
    return mapped ? space_forget_pages(tmpfs_maps, &node->node, from & ~(PAGE_SIZE - 1), UINT64_MAX)
                  : 0;
}

static int tmpfs_truncate(struct vfs_node *of, uint64_t size)
{
    struct tmpfs_node *node = tmpfs_of(of);
    if (size > TMPFS_SIZE_MAX)
        return -EFBIG;
    file_lock_write(&node->data_lock);
    if (((node->seals & F_SEAL_SHRINK) && size < node->size) ||
        ((node->seals & F_SEAL_GROW) && size > node->size)) {
        file_unlock_write(&node->data_lock);
        return -EPERM;
    }
    if (size < node->size) {
        uint64_t inside = size & (PAGE_SIZE - 1);
        /* First the size, so that no fault maps what is behind it; then the mappings; then the
         * pages. */
        tmpfs_set_size(node, size);
        int error = tmpfs_forget(node, size + PAGE_SIZE - 1);
        if (error != 0) {
            file_unlock_write(&node->data_lock);
            return error;
        }
        spin_lock(&node->pages_lock);
        uint64_t frame = inside != 0 ? tmpfs_pages_find(&node->pages, size >> PAGE_SHIFT) : 0;
        if (frame != 0)
            memset(tmpfs_bytes(frame) + inside, 0, PAGE_SIZE - inside);
        tmpfs_pages_drop(&node->pages, (size + PAGE_SIZE - 1) >> PAGE_SHIFT, UINT64_MAX);
        spin_unlock(&node->pages_lock);
    }
    tmpfs_set_size(node, size);
    file_unlock_write(&node->data_lock);
    tmpfs_touch(node, true);
    return 0;
}

/* Zeros [from, to) of one page, if it is there; the pages' lock is held. */
static void tmpfs_zero(struct tmpfs_node *node, uint64_t from, uint64_t to)
{
    uint64_t frame = from < to ? tmpfs_pages_find(&node->pages, from >> PAGE_SHIFT) : 0;
    if (frame != 0)
        memset(tmpfs_bytes(frame) + (from & (PAGE_SIZE - 1)), 0, to - from);
}

/* fallocate: room ahead of use, or (FALLOC_FL_PUNCH_HOLE) a hole. */
static int tmpfs_allocate(struct file *file, unsigned mode, uint64_t offset, uint64_t length)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    uint64_t end = offset + length;
    bool punch = mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    int error = 0;
    if (!punch && (mode & ~(unsigned)FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if (end > TMPFS_SIZE_MAX)
        return -EFBIG;
    if (!punch && (length >> PAGE_SHIFT) > tmpfs_pages_limit())
        return -ENOSPC;
    file_lock_write(&node->data_lock);
    if (punch ? node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
              : (node->seals & F_SEAL_GROW) && end > node->size) {
        error = -EPERM;
    } else if (punch) {
        uint64_t first = (offset + PAGE_SIZE - 1) >> PAGE_SHIFT, last = end >> PAGE_SHIFT;
        spin_lock(&node->pages_lock);
        if (node->mappings == 0)
            tmpfs_pages_drop(&node->pages, first, last);
        for (uint64_t at = first; node->mappings != 0 && at < last; at++)
            tmpfs_zero(node, at << PAGE_SHIFT, (at + 1) << PAGE_SHIFT); /* who maps it sees zeros */
        /* What is left at both ends lies inside pages that stay. */
        uint64_t head_end = first << PAGE_SHIFT < end ? first << PAGE_SHIFT : end;
        tmpfs_zero(node, offset, head_end);
        if (last >= first)
            tmpfs_zero(node, last << PAGE_SHIFT, end);
        spin_unlock(&node->pages_lock);
    } else {
        for (uint64_t at = offset >> PAGE_SHIFT; at << PAGE_SHIFT < end && error == 0; at++)
            if (tmpfs_page_for_write(node, at) == 0)
                error = -ENOSPC;
        if (error == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && end > node->size)
            tmpfs_set_size(node, end);
    }
    file_unlock_write(&node->data_lock);
    if (error != -EPERM)
        tmpfs_touch(node, true);
    return error;
}

static int tmpfs_seal(struct vfs_node *of, uint32_t seals)
{
    struct tmpfs_node *node = tmpfs_of(of);
    file_lock_write(&node->data_lock);
    int result = (int)node->seals;
    spin_lock(&node->pages_lock);
    if (seals != 0 && (node->seals & F_SEAL_SEAL))
        result = -EPERM;
    else if ((seals & F_SEAL_WRITE) && node->writable_mappings != 0)
        result = -EBUSY;
    else
        node->seals |= seals;
    spin_unlock(&node->pages_lock);
    file_unlock_write(&node->data_lock);
    return result < 0 ? result : (int)node->seals;
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

static int64_t tmpfs_seek_data(struct file *file, uint64_t offset, bool hole)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    int64_t result;
    spin_lock(&node->pages_lock);
    uint64_t index = tmpfs_pages_next(&node->pages, offset >> PAGE_SHIFT, hole);
    uint64_t found = index > node->size >> PAGE_SHIFT ? node->size : index << PAGE_SHIFT;
    if (found < offset)
        found = offset;
    if (offset >= node->size || (!hole && found >= node->size))
        result = -ENXIO;
    else
        result = (int64_t)(found < node->size ? found : node->size);
    spin_unlock(&node->pages_lock);
    return result;
}

static int tmpfs_read_page(struct file *file, uint64_t offset, void *to)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    int error = 0;
    spin_lock(&node->pages_lock);
    uint64_t frame = tmpfs_pages_find(&node->pages, offset >> PAGE_SHIFT);
    if (offset >= node->size)
        error = -ENXIO;
    else if (frame != 0)
        memcpy(to, tmpfs_bytes(frame), PAGE_SIZE);
    else
        memset(to, 0, PAGE_SIZE);
    spin_unlock(&node->pages_lock);
    return error;
}

/* What a fault of a shared mapping takes: the file's own page. No lock of the file's that is held
 * while the program's memory is touched. */
static int tmpfs_share_page(struct file *file, uint64_t offset, bool make, bool write,
                            uint64_t *physical)
{
    (void)write;
    struct tmpfs_node *node = tmpfs_of(file->node);
    *physical = FRAME_NONE;
    if (make && offset < __atomic_load_n(&node->size, __ATOMIC_RELAXED) &&
        tmpfs_page_for_write(node, offset >> PAGE_SHIFT) == 0)
        return -ENOSPC;
    int error = 0;
    spin_lock(&node->pages_lock);
    uint64_t frame = tmpfs_pages_find(&node->pages, offset >> PAGE_SHIFT);
    if (offset >= node->size)
        error = -ENXIO;
    else if (frame != 0)
        *physical = frame;
    spin_unlock(&node->pages_lock);
    return error;
}

static int tmpfs_map(struct file *file, bool writable, int by)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    int error = 0;
    spin_lock(&node->pages_lock);
    if (by > 0 && writable && (node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))) {
        error = -EPERM;
    } else {
        node->mappings += (uint64_t)by;
        node->writable_mappings += writable ? (uint64_t)by : 0;
    }
    spin_unlock(&node->pages_lock);
    return error;
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
