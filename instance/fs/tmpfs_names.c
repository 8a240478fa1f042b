/* The directories of files in memory: a list in order of creation, and a hash table. */
#include "instance/fs/tmpfs.h"

#include "instance/mm/kmalloc.h"
#include "instance/string.h"

#include <errno.h>

#define TMPFS_BUCKETS 16 /* of a directory at first */
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

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

int tmpfs_lookup(struct vfs_node *directory, const char *name, struct vfs_node **node)
{
    spin_lock(&tmpfs_lock);
    struct tmpfs_entry *entry = tmpfs_find(tmpfs_of(directory), name);
    if (entry != NULL)
        *node = vfs_hold(&entry->node->node);
    spin_unlock(&tmpfs_lock);
    return entry != NULL ? 0 : -ENOENT;
}

int tmpfs_parent(struct vfs_node *directory, struct vfs_node **parent)
{
    spin_lock(&tmpfs_lock);
    struct tmpfs_node *found = tmpfs_of(directory)->parent;
    if (found != NULL)
        *parent = vfs_hold(&found->node);
    spin_unlock(&tmpfs_lock);
    return found != NULL ? 0 : -ENOENT;
}

int64_t tmpfs_name(struct vfs_node *directory, char *to)
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

int tmpfs_create(struct vfs_node *directory, const char *name, const struct vfs_creation *creation,
                 struct vfs_node **node)
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

int tmpfs_remove(struct vfs_node *directory, const char *name, bool is_directory)
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

int tmpfs_rename(struct vfs_node *from, const char *name, struct vfs_node *to, const char *new_name,
                 unsigned flags)
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

int tmpfs_link(struct vfs_node *node, struct vfs_node *directory, const char *name)
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
int tmpfs_entries(struct file *file, uint64_t position, vfs_emit_t emit, void *context)
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
