/* Pipes: a ring of bytes between open files; with a name (FIFOs) or without. */
#ifndef INSTANCE_FS_PIPE_H
#define INSTANCE_FS_PIPE_H

#include "instance/fs/file.h"

struct pipe;

/* Makes both ends (each with one reference, the caller's). `flags`: O_NONBLOCK or 0. 0, -ENOMEM. */
int pipe_create(uint32_t flags, struct file **reader, struct file **writer);

/* The pipe of a FIFO, one reference; NULL: no memory. */
struct pipe *pipe_make(void);
void pipe_put(struct pipe *pipe);

/* Opens it by a name, whose node has `status`: waits for the other end, as open does, unless
 * O_NONBLOCK. 0, -ENXIO (nobody reads), -ERESTARTSYS or -ENOMEM. */
int pipe_open(struct pipe *pipe, const struct file_status *status, uint32_t flags,
              struct file **file);

/* Is it the end of a pipe, and of which? Otherwise NULL. */
struct pipe *pipe_of(const struct file *file);

/* For splice and tee: keeps other readers away from a file's bytes. Returns how many there are,
 * after waiting (`wait`) for the first; 0: no writer is left. Or -EAGAIN or -ERESTARTSYS. After a
 * number above 0, pipe_look_end is due: it takes `taken` bytes. */
int64_t pipe_look_begin(struct file *file, bool wait);
void pipe_look_end(struct file *file, uint64_t taken);
/* Meanwhile: copies `length` bytes, `skip` behind the first. 0 or -EFAULT. */
int pipe_look(struct file *file, uint64_t skip, struct file_cursor *to, uint64_t length);

#endif
