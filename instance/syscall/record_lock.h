/* fcntl's record locks. */
#ifndef INSTANCE_SYSCALL_RECORD_LOCK_H
#define INSTANCE_SYSCALL_RECORD_LOCK_H

#include "instance/fs/file.h"

/* `command`: F_GETLK, F_SETLK, F_SETLKW or their F_OFD_ forms; `argument`: the program's struct
 * flock. May sleep. */
int64_t record_lock(struct file *file, int command, uint64_t argument);

#endif
