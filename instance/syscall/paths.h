/* What the calls on paths share: reading a path from the program and walking it. */
#ifndef INSTANCE_SYSCALL_PATHS_H
#define INSTANCE_SYSCALL_PATHS_H

#include "instance/fs/vfs.h"

/* The string at `at`, to be kfree'd. 0, -EFAULT, -ENAMETOOLONG or -ENOMEM. */
int path_read(uint64_t at, char **path);

/* The directory that relative paths count from: *start is held, or NULL for the working directory.
 * 0, -EBADF or -ENOTDIR. An absolute path needs none. */
int path_start(int descriptor, const char *path, struct vfs_node **start);

/* Reads and walks (vfs_walk). */
int path_walk(int descriptor, uint64_t at, unsigned flags, struct vfs_place *place);

/* As path_walk for a node that is there: *node held, or (a link to a pipe or the console) *file.
 * AT_EMPTY_PATH in `at_flags` with an empty path means the descriptor itself: then *file is it. */
int path_node(int descriptor, uint64_t at, int at_flags, bool follow, struct vfs_node **node,
              struct file **file);

#endif
