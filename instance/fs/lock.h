/* A lock that sleeps: many readers or one writer, for sections that touch the program's memory or
 * wait for the host, where a spinlock may not be held. Writers go first. A thread does not take it
 * twice. */
#ifndef INSTANCE_FS_LOCK_H
#define INSTANCE_FS_LOCK_H

#include "instance/sched/wait.h"
#include "instance/spinlock.h"

struct file_lock {
    struct spinlock lock;
    struct wait_queue queue;
    uint32_t readers;         /* that hold it */
    bool writer;              /* holds it */
    uint32_t writers_waiting; /* readers that come now wait behind them */
};

void file_lock_init(struct file_lock *lock);
void file_lock_read(struct file_lock *lock);
void file_unlock_read(struct file_lock *lock);
void file_lock_write(struct file_lock *lock);
/* Gives up at `deadline` (monotonic ns, 0: none). Returns whether the lock is held. */
bool file_lock_write_until(struct file_lock *lock, uint64_t deadline);
void file_unlock_write(struct file_lock *lock);

#endif
