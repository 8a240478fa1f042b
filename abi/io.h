/* The I/O that an instance asks of the host proxy, as messages of the control channel (ipi-msg/).
 *
 * Requests carry a tag that the answer repeats; any number may be under way at once. Bulk data is
 * not sent: it stays in the instance's section (which the proxy may read), and what the proxy has
 * to say in bulk stays in section 0 (which the instance may read); an extent travels instead and
 * belongs to the message's receiver until the answer, or the release, comes. */
#ifndef ABI_IO_H
#define ABI_IO_H

#include "ipi-msg/control.h"

enum io_kind {
    IO_WRITE =
        CONTROL_KIND_IO_FIRST, /* instance -> proxy: struct io_write, then inline bytes if any */
    IO_READ,                   /* instance -> proxy: struct io_read; standard input */
    IO_DONE,                   /* proxy -> instance: struct io_done, then inline bytes if any */
    IO_RELEASE,                /* instance -> proxy: struct io_release; an extent is free again */
    IO_FILE,                   /* instance -> proxy: struct io_file, then inline bytes if any */
};

/* Bytes for stream `fd` (1 or 2), in order of arrival. With inline data `extent` is 0 and the bytes
 * follow this struct in the message; otherwise they lie at `extent` of the sender's section. */
struct io_write {
    uint64_t tag;    /* 0: no answer wanted (inline data only) */
    uint64_t extent; /* offset in the instance's section, or 0 */
    uint32_t length; /* bytes, 1 or more */
    uint32_t fd;     /* 1 or 2 */
};
_Static_assert(sizeof(struct io_write) == 24, "layout of io_write");

/* At most `length` bytes of stream `fd` (0), answered as soon as there is one, or at its end with
 * 0. */
struct io_read {
    uint64_t tag;
    uint32_t length;
    uint32_t fd;
};
_Static_assert(sizeof(struct io_read) == 16, "layout of io_read");

/* The answer to the request of that tag. For IO_READ the bytes follow inline when extent is 0. */
struct io_done {
    uint64_t tag;
    int64_t result;  /* bytes written or read, or a negative errno value (-EPIPE: output closed) */
    uint64_t extent; /* offset in section 0 of the bytes read, or 0 */
};
_Static_assert(sizeof(struct io_done) == 24, "layout of io_done");

struct io_release {
    uint64_t extent; /* as io_done gave it */
};
_Static_assert(sizeof(struct io_release) == 8, "layout of io_release");

/* --- Files of the host ---------------------------------------------------------------------------
 *
 * A mount shows the instance one folder of the host. A path is relative to it, without "." and
 * ".." and without a leading slash; "" is the folder itself. The last name is never followed if it
 * is a symbolic link: the instance reads links and walks on by itself. An open file is a handle, a
 * number that means something to this instance alone. Requests may be answered in any order. */

enum io_file_operation {
    IO_FILE_MOUNT,     /* mount number `mount`: result IO_MOUNT_* flags, inline the path in the
                          instance; -ENOENT behind the last */
    IO_FILE_STATUS,    /* of a path, or (handle not 0) of an open file: inline io_file_status */
    IO_FILE_OPEN,      /* flags: O_*, mode; inline io_file_opened; regular files and folders only */
    IO_FILE_CLOSE,     /* handle; no answer to tag 0 */
    IO_FILE_READ,      /* handle, offset, size: bytes inline or in an extent of section 0; may be
                          fewer than there are, 0 only at the end */
    IO_FILE_WRITE,     /* handle, offset (or, flags 1, at the end); inline io_file_written */
    IO_FILE_ENTRIES,   /* handle of a folder, offset (d_off or 0), size: struct linux_dirent64s */
    IO_FILE_READ_LINK, /* path: the target */
    IO_FILE_MAKE_FOLDER, /* path, mode */
    IO_FILE_MAKE_LINK,   /* path, second: the target of a symbolic link */
    IO_FILE_REMOVE,      /* path; flags 1: a folder */
    IO_FILE_RENAME,      /* path to second; flags as renameat2 */
    IO_FILE_LINK,        /* path to second */
    IO_FILE_TRUNCATE,    /* handle or path; offset: the size */
    IO_FILE_SYNC,        /* handle; flags 1: data only */
    IO_FILE_CHANGE,      /* path; `which`: IO_CHANGE_*, mode, times */
    IO_FILE_STATISTICS,  /* of the mount: inline io_file_statistics */
    IO_FILE_ALLOCATE,    /* handle, offset, value, flags as fallocate's */
    IO_FILE_LOCK,        /* handle, offset, value: length (0: to the end of all), mode: F_RDLCK,
                            F_WRLCK, F_UNLCK; flags: enum io_lock. -EAGAIN: another has it */
    IO_FILE_CANCEL,      /* value: tag of an IO_FILE_LOCK that waits: it ends with -EINTR unless
                            it has got the lock; tag 0, no answer to this */
    IO_FILE_OPERATIONS,
};

enum io_mount_flags { IO_MOUNT_WRITABLE = 1 };
/* Whose lock: the whole instance's (POSIX), the open file's, or the open file's by flock. */
enum io_lock {
    IO_LOCK_PROCESS = 0,
    IO_LOCK_FILE = 1,
    IO_LOCK_FLOCK = 2,
    IO_LOCK_OWNER = 3, /* mask of the above */
    IO_LOCK_WAIT = 4,  /* until it is free */
    IO_LOCK_GET = 8,   /* only asks: inline io_file_lock, the first lock in the way or F_UNLCK */
};
enum io_change { IO_CHANGE_MODE = 1, IO_CHANGE_ACCESSED = 2, IO_CHANGE_MODIFIED = 4 };

#define IO_FILE_BYTES_MAX (UINT32_C(1) << 20) /* in one read or write */
#define IO_FILE_PATHS_MAX 8192                /* bytes of both paths, without a NUL between them */

struct io_file {
    uint64_t tag;
    uint64_t extent; /* of the bytes (paths, or what is to be written) in the instance's section; 0:
                        they follow this struct */
    uint64_t handle;
    uint64_t offset;
    uint64_t value;
    uint32_t operation; /* enum io_file_operation */
    uint32_t mount;
    uint32_t length; /* of the bytes */
    uint32_t second; /* of them, where the second path begins; `length` if there is none */
    uint32_t size;   /* bytes wanted at most */
    uint32_t flags, mode, which;
    uint32_t nanoseconds[2]; /* accessed, modified */
    int64_t seconds[2];
};
_Static_assert(sizeof(struct io_file) == 96, "layout of io_file");

struct io_file_status {
    uint64_t inode, device, special, size, blocks, links;
    uint32_t mode, user, group, block_size;
    int64_t seconds[3]; /* accessed, modified, changed */
    uint32_t nanoseconds[3];
    uint32_t reserved;
};
_Static_assert(sizeof(struct io_file_status) == 104, "layout of io_file_status");

struct io_file_opened {
    uint64_t handle;
    struct io_file_status status;
};

struct io_file_written {
    uint64_t offset; /* where the bytes went */
};

struct io_file_statistics {
    uint64_t block_size, blocks, blocks_free, blocks_available, files, files_free, name_max;
};

struct io_file_lock {
    uint64_t offset, length; /* length 0: to the end of all */
    uint32_t type;
    uint32_t reserved;
};
_Static_assert(sizeof(struct io_file_lock) == 24, "layout of io_file_lock");

#endif
