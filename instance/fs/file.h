/* Open files and the table of file descriptors. What a file is made of is behind its operations:
 * today the console streams; the file system and sockets bring their own. */
#ifndef INSTANCE_FS_FILE_H
#define INSTANCE_FS_FILE_H

#include "instance/fs/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_DESCRIPTORS_MAX 1048576 /* the hard RLIMIT_NOFILE */
#define FILE_VECTORS_MAX 1024        /* Linux's IOV_MAX */

/* struct iovec: a piece of the program's memory. */
struct file_vector {
    uint64_t address;
    uint64_t length;
};

/* st_mode's file types (S_IF* cannot be had from <linux/stat.h> beside libc's headers). */
#define FILE_TYPE_MASK 0170000
#define FILE_TYPE_PIPE 0010000
#define FILE_TYPE_CHARACTER 0020000
#define FILE_TYPE_DIRECTORY 0040000
#define FILE_TYPE_REGULAR 0100000
#define FILE_TYPE_LINK 0120000

struct file_time {
    int64_t seconds;      /* since 1970 */
    uint32_t nanoseconds; /* below 1e9 */
};

/* What fstat and statx tell, beside what all files have in common. */
struct file_status {
    uint32_t mode; /* FILE_TYPE_* and permissions */
    uint64_t device, inode;
    uint64_t special; /* device number of a device file */
    uint64_t size;
    uint32_t block_size;
    uint32_t user, group;
    uint64_t links;
    uint64_t blocks; /* of 512 bytes */
    struct file_time accessed, modified, changed;
};

struct file;
struct vfs_node;

/* A NULL operation gives the error in its comment. Results are byte counts, 0 or negative errno
 * values. All may sleep. */
struct file_operations {
    int64_t (*read)(struct file *file, const struct file_vector *vectors, size_t count); /* EBADF */
    int64_t (*write)(struct file *file, const struct file_vector *vectors,
                     size_t count); /* EBADF */
    /* As read and write, at a place of its own that leaves the position alone. */
    int64_t (*read_at)(struct file *file, const struct file_vector *vectors, size_t count,
                       uint64_t offset); /* ESPIPE */
    int64_t (*write_at)(struct file *file, const struct file_vector *vectors, size_t count,
                        uint64_t offset);                                       /* ESPIPE */
    int64_t (*seek)(struct file *file, int64_t offset, int whence);             /* ESPIPE */
    int (*status)(struct file *file, struct file_status *status);               /* EBADF */
    int64_t (*control)(struct file *file, uint32_t request, uint64_t argument); /* ENOTTY */
    uint32_t (*poll)(struct file *file); /* POLL* that hold now; NULL: always ready */
    void (*release)(struct file *file);  /* the last descriptor is gone; may be NULL */
};

/* An open file: what dup shares. */
struct file {
    const struct file_operations *operations;
    _Atomic uint32_t references;
    _Atomic uint32_t flags; /* O_ACCMODE, O_APPEND, O_NONBLOCK ... as F_GETFL gives them */
    uint64_t position;
    uint64_t serial;     /* given when it is first installed; no other file's, ever (epoll) */
    int stream;          /* of the console: 0, 1, 2 */
    _Atomic bool locked; /* has, or had, locks of its own or of the process (file_locks.h) */

    /* Of files that the file system opened (vfs.h); otherwise NULL. */
    struct vfs_node *node; /* held */
    char *path;            /* where it was opened, kfree'd with the file; NULL: not known */
    void *data;            /* the node's operations' own */
    uint64_t handle;       /* likewise */
    struct file_lock position_lock;
};

/* Puts the console's files at descriptors 0 to 2. 0 or -ENOMEM. */
int file_table_init(void);

/* The open file at a descriptor, held until file_put; NULL: none there (EBADF). */
struct file *file_get(int descriptor);
void file_put(struct file *file);

/* Puts `file` (takes over the caller's reference) at the lowest free descriptor from `lowest` on.
 * Returns it, or -EMFILE, -ENOMEM, -EINVAL (then the reference is still the caller's). */
int file_install(struct file *file, int lowest, bool close_on_exec);

/* Puts it at `descriptor`, closing what was there. Same results, and -EBADF: out of range. */
int file_install_at(struct file *file, int descriptor, bool close_on_exec);

/* Takes a descriptor out of the table. 0 or -EBADF. */
int file_close(int descriptor);

/* The close-on-exec flag (kept for programs that ask; there is no exec). 0/1 or -EBADF. */
int file_close_on_exec(int descriptor);
int file_set_close_on_exec(int descriptor, bool set);

/* One more than the highest number in use. */
int file_descriptor_end(void);

/* The soft RLIMIT_NOFILE, which file_install obeys. */
void file_set_limit(uint64_t limit);

/* --- Waiting until a file becomes ready (poll) ---------------------------------------------------
 */

/* A file's poll answer may have changed: has all who poll look again. Any context. */
void file_notify(void);
/* The number of notifications so far: to be read before looking at the files. */
uint64_t file_notifications(void);
/* Waits for one more than `seen`. 0, -ETIMEDOUT (`deadline` in monotonic ns, 0: none) or -EINTR. */
int file_wait(uint64_t seen, uint64_t deadline);

/* --- Walking through vectors of program memory --------------------------------------------------
 */

struct file_cursor {
    const struct file_vector *vectors;
    size_t count;
    uint64_t done; /* bytes of vectors[0] already passed */
    bool kernel;   /* the vectors are the kernel's own memory */
};

/* All bytes from here on, at most INT32_MAX rounded down to a page, as Linux has it. */
uint64_t file_cursor_left(const struct file_cursor *cursor);
/* Copies `length` bytes (no more than are left) and moves on. 0 or -EFAULT (moved nowhere). */
int file_cursor_read(struct file_cursor *cursor, void *to, uint64_t length);
int file_cursor_write(struct file_cursor *cursor, const void *from, uint64_t length);
/* The same as far as it goes: how many bytes were copied up to a page that is not there, or -EFAULT
 * when the first is not. */
int64_t file_cursor_read_most(struct file_cursor *cursor, void *to, uint64_t length);
int64_t file_cursor_write_most(struct file_cursor *cursor, const void *from, uint64_t length);
/* Moves on to the next vector. */
static inline void file_cursor_next(struct file_cursor *cursor)
{
    cursor->vectors++;
    cursor->count--;
    cursor->done = 0;
}
/* Moves on by `length` bytes (no more than are left) without copying. */
void file_cursor_skip(struct file_cursor *cursor, uint64_t length);

#endif
