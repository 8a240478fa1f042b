/* Open files and the table of file descriptors. What a file is made of is behind its operations:
 * today the console streams; the file system and sockets bring their own. */
#ifndef INSTANCE_FS_FILE_H
#define INSTANCE_FS_FILE_H

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
#define FILE_TYPE_PIPE 0010000
#define FILE_TYPE_CHARACTER 0020000

/* What fstat and statx tell, beside what all files have in common. */
struct file_status {
    uint32_t mode; /* FILE_TYPE_* and permissions */
    uint64_t device, inode;
    uint64_t special; /* device number of a device file */
    uint64_t size;
    uint32_t block_size;
};

struct file;

/* A NULL operation gives the error in its comment. Results are byte counts, 0 or negative errno
 * values. All may sleep. */
struct file_operations {
    int64_t (*read)(struct file *file, const struct file_vector *vectors, size_t count); /* EBADF */
    int64_t (*write)(struct file *file, const struct file_vector *vectors,
                     size_t count);                                             /* EBADF */
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
    uint64_t serial; /* given when it is first installed; no other file's, ever (epoll) */
    int stream;      /* of the console: 0, 1, 2 */
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
};

/* All bytes from here on, at most INT32_MAX rounded down to a page, as Linux has it. */
uint64_t file_cursor_left(const struct file_cursor *cursor);
/* Copies `length` bytes (no more than are left) and moves on. 0 or -EFAULT (moved nowhere). */
int file_cursor_read(struct file_cursor *cursor, void *to, uint64_t length);
int file_cursor_write(struct file_cursor *cursor, const void *from, uint64_t length);

#endif
