/* Files in memory: what tmpfs.c (nodes, attributes), tmpfs_names.c (directories) and tmpfs_bytes.c
 * (contents) share. One spinlock guards all names and attributes (it is held for no longer than a
 * look along one list); a file's bytes have a sleeping lock of their own, because they are copied
 * to and from the program's memory, and a spinlock around the tree of pages, which page faults of
 * mappings take too. Order: a file's lock, the address space's, its pages' lock. */
#ifndef INSTANCE_FS_TMPFS_H
#define INSTANCE_FS_TMPFS_H

#include "instance/fs/tmpfs_pages.h"
#include "instance/fs/vfs.h"
#include "instance/list.h"
#include "instance/spinlock.h"

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

static inline struct tmpfs_node *tmpfs_of(const struct vfs_node *node)
{
    return (struct tmpfs_node *)node;
}

/* --- tmpfs.c -----------------------------------------------------------------------------------
 */

extern struct spinlock tmpfs_lock;

/* A node without a name, held once; `mode` with its type. NULL: no memory. */
struct tmpfs_node *tmpfs_node_create(struct vfs_mount *mount, uint32_t mode);
/* It has been read, or `modified`: takes the lock. */
void tmpfs_touch(struct tmpfs_node *node, bool modified);

/* --- tmpfs_names.c: the vfs operations of the same names ---------------------------------------
 */

int tmpfs_lookup(struct vfs_node *directory, const char *name, struct vfs_node **node);
int tmpfs_parent(struct vfs_node *directory, struct vfs_node **parent);
int64_t tmpfs_name(struct vfs_node *directory, char *to);
int tmpfs_create(struct vfs_node *directory, const char *name, const struct vfs_creation *creation,
                 struct vfs_node **node);
int tmpfs_remove(struct vfs_node *directory, const char *name, bool is_directory);
int tmpfs_rename(struct vfs_node *from, const char *name, struct vfs_node *to, const char *new_name,
                 unsigned flags);
int tmpfs_link(struct vfs_node *node, struct vfs_node *directory, const char *name);
int tmpfs_entries(struct file *file, uint64_t position, vfs_emit_t emit, void *context);

/* --- tmpfs_bytes.c: likewise, and for who makes a small file ------------------------------------
 */

int64_t tmpfs_read(struct file *file, struct file_cursor *to, uint64_t length, uint64_t offset);
int64_t tmpfs_write(struct file *file, struct file_cursor *from, uint64_t length, uint64_t *offset,
                    bool append);
int tmpfs_truncate(struct vfs_node *of, uint64_t size);
int tmpfs_allocate(struct file *file, unsigned mode, uint64_t offset, uint64_t length);
int tmpfs_seal(struct vfs_node *of, uint32_t seals);
int64_t tmpfs_seek_data(struct file *file, uint64_t offset, bool hole);
int tmpfs_read_page(struct file *file, uint64_t offset, void *to);
int tmpfs_share_page(struct file *file, uint64_t offset, bool make, bool write, uint64_t *physical);
int tmpfs_map(struct file *file, bool writable, int by);

/* The frame of a page that is about to be written, made if it is a hole; 0: no room. */
uint64_t tmpfs_page_for_write(struct tmpfs_node *node, uint64_t index);
/* The bytes of a frame. */
uint8_t *tmpfs_bytes(uint64_t frame);
/* Nobody else has the file yet, or its locks are held. */
void tmpfs_set_size(struct tmpfs_node *node, uint64_t size);

#endif
