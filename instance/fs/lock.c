/* The sleeping lock of the file system. Waits end when the holder lets go, never by a signal: the
 * holder's own waits (for the host, for a page) are bounded by whom they wait for. */
#include "instance/fs/lock.h"

#include <errno.h>

void file_lock_init(struct file_lock *lock)
{
    *lock = (struct file_lock){0};
    wait_queue_init(&lock->queue);
}

void file_lock_read(struct file_lock *lock)
{
    uint64_t saved = spin_lock_irq(&lock->lock);
    while (lock->writer || lock->writers_waiting != 0)
        wait_queue_wait(&lock->queue, &lock->lock, &saved, 0, false);
    lock->readers++;
    spin_unlock_irq(&lock->lock, saved);
}

void file_unlock_read(struct file_lock *lock)
{
    uint64_t saved = spin_lock_irq(&lock->lock);
    if (--lock->readers == 0)
        wait_queue_wake(&lock->queue, UINT32_MAX);
    spin_unlock_irq(&lock->lock, saved);
}

void file_lock_write(struct file_lock *lock)
{
    file_lock_write_until(lock, 0);
}

bool file_lock_write_until(struct file_lock *lock, uint64_t deadline)
{
    int waited = 0;
    uint64_t saved = spin_lock_irq(&lock->lock);
    lock->writers_waiting++;
    while ((lock->writer || lock->readers != 0) && waited != -ETIMEDOUT)
        waited = wait_queue_wait(&lock->queue, &lock->lock, &saved, deadline, false);
    lock->writers_waiting--;
    bool taken = !lock->writer && lock->readers == 0;
    if (taken)
        lock->writer = true;
    else /* readers may have waited behind this one */
        wait_queue_wake(&lock->queue, UINT32_MAX);
    spin_unlock_irq(&lock->lock, saved);
    return taken;
}

void file_unlock_write(struct file_lock *lock)
{
    uint64_t saved = spin_lock_irq(&lock->lock);
    lock->writer = false;
    wait_queue_wake(&lock->queue, UINT32_MAX);
    spin_unlock_irq(&lock->lock, saved);
}
