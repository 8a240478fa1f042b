/* Pipes: a ring of bytes between two open files. */
#ifndef INSTANCE_FS_PIPE_H
#define INSTANCE_FS_PIPE_H

#include "instance/fs/file.h"

/* Makes both ends (each with one reference, the caller's). `flags`: O_NONBLOCK or 0. 0, -ENOMEM. */
int pipe_create(uint32_t flags, struct file **reader, struct file **writer);

#endif
