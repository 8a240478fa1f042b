/* Locks on files as programs take them: flock's and fcntl's. Those on files in memory, and on all
 * that is no file of the host, are kept here; the host's files have theirs at the host, where they
 * hold against other instances too (vfs_node_operations.lock). */
#ifndef INSTANCE_FS_FILE_LOCKS_H
#define INSTANCE_FS_FILE_LOCKS_H

#include "instance/fs/file.h"

enum lock_owner {
    LOCK_OF_PROCESS, /* POSIX: gone when any descriptor of the file is closed */
    LOCK_OF_FILE,    /* an open file's */
    LOCK_OF_FLOCK,   /* an open file's, by flock: of the whole file, apart from the others */
};

enum lock_type { LOCK_FOR_READING, LOCK_FOR_WRITING, LOCK_NONE }; /* as F_RDLCK, F_WRLCK, F_UNLCK */

struct lock_range {
    enum lock_owner owner;
    enum lock_type type;
    uint64_t start, end; /* both inclusive; end INT64_MAX: to the end of all */
};

/* Takes, changes or (LOCK_NONE) gives up. `wait`: until nobody has it that is in the way. Returns
 * 0, -EAGAIN, -ENOLCK (no memory), or -ERESTARTSYS: a signal came. */
int file_locks_set(struct file *file, const struct lock_range *range, bool wait);

/* Changes *range to the first lock that is in its way, or its type to LOCK_NONE. Not for flock. 0
 * or an error of the host. */
int file_locks_get(struct file *file, struct lock_range *range);

/* A descriptor of the file has been closed; the file itself is gone. */
void file_locks_descriptor_closed(struct file *file);
void file_locks_release(struct file *file);

#endif
