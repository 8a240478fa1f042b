/* The file system: nodes (what a path leads to), mounts (whose nodes they are), the walk along a
 * path, and open files over nodes. There is no cache of names: each file system finds its own nodes
 * by name, and a node lives as long as somebody holds it.
 *
 * All calls may sleep, return 0 or negative errno values as Linux has them, and are made without a
 * spinlock. Nodes that they return are held for the caller (vfs_put). */
#ifndef INSTANCE_FS_VFS_H
#define INSTANCE_FS_VFS_H

#include "instance/fs/file.h"
#include "instance/list.h"

#define VFS_PATH_MAX 4096 /* bytes of a path with its NUL */
#define VFS_NAME_MAX 255  /* bytes of a name */
#define VFS_LINKS_MAX 40  /* symbolic links followed in one walk */

struct vfs_node_operations;
struct lock_range;

/* A tree of nodes and where it hangs. Mounts are made at start and stay. */
struct vfs_mount {
    struct vfs_mount *next;
    const char *type; /* "tmpfs" ...: for /proc/self/mounts */
    const char *path;
    uint64_t device;          /* st_dev */
    uint64_t magic;           /* statfs's f_type */
    struct vfs_node *root;    /* held, */
    struct vfs_node *covered; /* held: the directory it hangs over; NULL: this is / */
    bool read_only;
    uint32_t number; /* host mounts: the proxy's number of it */
};

struct vfs_node {
    const struct vfs_node_operations *operations;
    struct vfs_mount *mount;
    _Atomic uint32_t references;
    uint32_t type; /* FILE_TYPE_*; a node keeps it for life */
};

/* What a new node is to be. */
struct vfs_creation {
    uint32_t mode;      /* FILE_TYPE_* and permissions, the umask already applied */
    const char *target; /* of a symbolic link */
};

enum vfs_change_bits {
    VFS_MODE = 1,
    VFS_USER = 2,
    VFS_GROUP = 4,
    VFS_ACCESSED = 8,
    VFS_MODIFIED = 16
};
struct vfs_change {
    unsigned which; /* enum vfs_change_bits */
    uint32_t mode, user, group;
    struct file_time accessed, modified;
};

struct vfs_statistics {
    uint64_t block_size, blocks, blocks_free, blocks_available, files, files_free, name_max;
};

/* Takes one directory entry; `next` is the position behind it. False: no more room. */
typedef bool (*vfs_emit_t)(void *context, const char *name, size_t length, uint64_t inode,
                           uint32_t type, uint64_t next);

/* NULL operations give what stands in the comment. Names are single components, not "." or "..";
 * both ends of link and rename belong to one mount. */
struct vfs_node_operations {
    /* Directories. */
    int (*lookup)(struct vfs_node *directory, const char *name, struct vfs_node **node);
    int (*parent)(struct vfs_node *directory, struct vfs_node **parent); /* not for the root */
    int64_t (*name)(struct vfs_node *directory, char *to); /* its name in the parent: length */
    int (*create)(struct vfs_node *directory, const char *name, const struct vfs_creation *creation,
                  struct vfs_node **node); /* EPERM */
    /* Creates a regular file and opens it in one go; EEXIST when there is something. Sets
     * file->node. NULL: create, then open. */
    int (*create_open)(struct vfs_node *directory, const char *name, uint32_t mode,
                       struct file *file);
    int (*remove)(struct vfs_node *directory, const char *name, bool is_directory); /* EPERM */
    int (*rename)(struct vfs_node *from, const char *name, struct vfs_node *to,
                  const char *new_name, unsigned flags);                              /* EPERM */
    int (*link)(struct vfs_node *node, struct vfs_node *directory, const char *name); /* EPERM */

    /* All nodes. */
    int (*status)(struct vfs_node *node, struct file_status *status);
    int64_t (*read_link)(struct vfs_node *node, char *to, size_t capacity); /* length, no NUL */
    /* A link to an open file itself (/proc/self/fd): the file, held. NULL: an ordinary link. */
    int (*follow)(struct vfs_node *node, struct file **file);
    int (*change)(struct vfs_node *node, const struct vfs_change *change); /* EPERM */
    int (*truncate)(struct vfs_node *node, uint64_t size);                 /* EINVAL */
    struct pipe *(*fifo)(struct vfs_node *node); /* a FIFO's pipe; NULL: no memory. EOPNOTSUPP */
    /* F_ADD_SEALS: adds `seals`, and returns all there are. EINVAL */
    int (*seal)(struct vfs_node *node, uint32_t seals);
    int (*statistics)(struct vfs_node *node, struct vfs_statistics *out);
    bool (*same)(const struct vfs_node *one, const struct vfs_node *other); /* NULL: by address */
    void (*release)(struct vfs_node *node);

    /* Open files; file->node is the node. */
    int (*open)(struct file *file);   /* NULL: nothing to prepare */
    void (*close)(struct file *file); /* the file's end, before the node is put */
    int64_t (*read)(struct file *file, struct file_cursor *to, uint64_t length, uint64_t offset);
    /* With O_APPEND in `append`, the end of the file counts instead of *offset; sets *offset to
     * where the bytes went. */
    int64_t (*write)(struct file *file, struct file_cursor *from, uint64_t length, uint64_t *offset,
                     bool append);
    int (*file_status)(struct file *file, struct file_status *status); /* NULL: status */
    int (*file_truncate)(struct file *file, uint64_t size);            /* NULL: truncate */
    int (*entries)(struct file *file, uint64_t position, vfs_emit_t emit, void *context);
    int (*sync)(struct file *file, bool data_only); /* NULL: nothing to do */
    int (*allocate)(struct file *file, unsigned mode, uint64_t offset, uint64_t length);
    int64_t (*seek_data)(struct file *file, uint64_t offset, bool hole); /* NULL: all is data */
    int64_t (*control)(struct file *file, uint32_t request, uint64_t argument);
    /* file_locks.h; NULL: kept there. */
    int (*lock)(struct file *file, const struct lock_range *range, bool wait);
    int (*lock_get)(struct file *file, struct lock_range *range);
    /* A page of the file for a mapping: copies 4096 bytes from `offset` (a multiple of them), zeros
     * behind the end. -ENXIO: wholly behind it (SIGBUS). NULL: cannot be mapped (ENODEV). */
    int (*read_page)(struct file *file, uint64_t offset, void *to);
    /* The page itself, as area_file's share_page. NULL: shared mappings are copies, to be read
     * alone. */
    int (*share_page)(struct file *file, uint64_t offset, bool make, bool write,
                      uint64_t *physical);
    /* A shared mapping begins (`by` 1) or ends (-1). 0, or -EPERM: sealed. With share_page. */
    int (*map)(struct file *file, bool writable, int by);
    bool tracks_writes; /* as area_file's; with share_page */
};

/* --- vfs.c -------------------------------------------------------------------------------------
 */

/* Makes /, /tmp, /dev, /proc, /sys and /etc. 0 or -ENOMEM. */
int vfs_init(void);

static inline struct vfs_node *vfs_hold(struct vfs_node *node)
{
    atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
    return node;
}
void vfs_put(struct vfs_node *node); /* NULL is fine */
void vfs_node_init(struct vfs_node *node, const struct vfs_node_operations *operations,
                   struct vfs_mount *mount, uint32_t type);

/* Hangs `mount` (root, type, path, magic set; the caller's for ever) over the directory `covered`,
 * whose reference it takes over. */
void vfs_mount_add(struct vfs_mount *mount, struct vfs_node *covered);
extern struct vfs_mount *_Atomic vfs_mounts; /* the last made first */

int vfs_status(struct vfs_node *node, struct file_status *status);
int vfs_truncate(struct vfs_node *node, uint64_t size);
int vfs_change(struct vfs_node *node, const struct vfs_change *change);
struct file_time vfs_now(void);

/* --- walk.c ------------------------------------------------------------------------------------
 */

enum vfs_walk_flags {
    VFS_FOLLOW = 1,  /* the last component too, if it is a symbolic link */
    VFS_PARENT = 2,  /* the last component is not looked up: the place is its parent and name */
    VFS_MISSING = 4, /* the last component may be missing: node is NULL then */
    /* As openat2's RESOLVE_*. */
    VFS_NO_MOUNTS = 8,
    VFS_NO_MAGIC = 16,
    VFS_NO_LINKS = 32,
    VFS_BENEATH = 64,
    VFS_IN_ROOT = 128,
};
enum vfs_last { VFS_LAST_NAME, VFS_LAST_DOT, VFS_LAST_DOTDOT, VFS_LAST_ROOT };

/* Where a walk has led. */
struct vfs_place {
    struct vfs_node *node;   /* held, or NULL (VFS_PARENT, VFS_MISSING, `file`) */
    struct vfs_node *parent; /* held: of the last component; NULL unless `last` is a name */
    struct file *file;       /* held: the open file that a link of /proc/self/fd leads to */
    enum vfs_last last;
    bool slash; /* the path ended in one: a directory is meant */
    char name[VFS_NAME_MAX + 1];
};

/* `start`: a directory that the caller holds, for relative paths; NULL: the working directory. An
 * empty path is ENOENT. vfs_place_put is due after success only. */
int vfs_walk(struct vfs_node *start, const char *path, unsigned flags, struct vfs_place *place);
void vfs_place_put(struct vfs_place *place);

/* The absolute path of a directory into `path` (VFS_PATH_MAX bytes): its length, -ENOENT (removed)
 * or -ENAMETOOLONG. */
int64_t vfs_directory_path(struct vfs_node *directory, char *path);

struct vfs_node *vfs_working_directory(void);              /* held */
int vfs_set_working_directory(struct vfs_node *directory); /* takes a reference of its own */
uint32_t vfs_umask(void);
uint32_t vfs_set_umask(uint32_t mask); /* returns the former */

/* --- vfs_file.c --------------------------------------------------------------------------------
 */

/* Opens a path with O_* flags; `mode` of a new file, umask not yet applied; `walk`: VFS_NO_MOUNTS
 * and what follows it. */
int vfs_open(struct vfs_node *start, const char *path, uint32_t flags, uint32_t mode, unsigned walk,
             struct file **file);
/* An open file over a node, whose reference it takes (also when it fails). */
int vfs_open_node(struct vfs_node *node, uint32_t flags, struct file **file);
extern const struct file_operations vfs_file_operations;
/* pwritev2 with RWF_APPEND: to the end, without moving the position. */
int64_t vfs_append(struct file *file, const struct file_vector *vectors, size_t count);

/* Is it an open file of the file system (and not a pipe or the console)? */
static inline bool vfs_is_file(const struct file *file)
{
    return file->node != NULL;
}

/* --- The file systems --------------------------------------------------------------------------
 */

/* tmpfs.c: a mount of a new, empty tree. NULL: no memory. */
struct vfs_mount *tmpfs_mount_create(const char *path, uint32_t mode);
/* Puts a file of constant content into it (at start). 0 or an error. */
int tmpfs_put_file(struct vfs_node *directory, const char *name, const void *bytes, size_t length);
/* A regular file without a name, in the tree of `directory`, or (NULL) of / for memfd_create.
 * `linkable`: may be given a name (O_TMPFILE); `sealable`: takes seals. 0, -EOPNOTSUPP: no such
 * tree; -ENOMEM. */
int tmpfs_create_unnamed(struct vfs_node *directory, uint32_t mode, bool linkable, bool sealable,
                         struct vfs_node **node);

/* pseudo.c: the trees of /proc, /sys and /dev. */
struct vfs_mount *pseudo_mount_create(const char *path);

/* program_file.c: the program's own file. Init hangs it in at its absolute path (at start; the
 * arguments stay for ever): 0, or an error when nothing can lie there. Open: for reading. */
int program_file_init(const uint8_t *bytes, uint64_t size, const char *path);
int program_file_open(struct file **file);

/* host_mounts.c: hangs in the folders that the proxy shows this instance, when a path is first
 * walked: the proxy is asked for them, which only a thread of the program may wait for. */
void host_mounts_init(void);
void host_mounts_find(void);

/* host_pages.c: what shared mappings hold of the host's files is written back, all of it; sync's
 * share, and with a `deadline` (monotonic ns; 0: none) that of the thread that ends the instance.
 * May sleep. */
void host_pages_write_back(uint64_t deadline);
/* Might there be something to write back? */
bool host_pages_pending(void);

#endif
