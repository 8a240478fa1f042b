/* timerfd: a timer whose expirations are counted, and read as from a file. */
#include "instance/fs/event.h"

#include "instance/mm/kmalloc.h"
#include "instance/sched/wait.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

struct timerfd {
    struct file file;
    struct spinlock lock;
    struct wait_queue readers;
    struct interval interval; /* what has expired is taken by reading */
    int clock;                /* as the program named it */
};

static void timerfd_function(struct timer *timer)
{
    struct timerfd *timerfd = LIST_ENTRY(timer, struct timerfd, interval.timer);
    uint64_t saved = spin_lock_irq(&timerfd->lock);
    bool due = interval_is_due(&timerfd->interval);
    if (due)
        wait_queue_wake(&timerfd->readers, UINT32_MAX);
    spin_unlock_irq(&timerfd->lock, saved);
    if (due)
        file_notify();
}

static int64_t timerfd_read(struct file *file, const struct file_vector *vectors, size_t count)
{
    struct timerfd *timerfd = (struct timerfd *)file;
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    if (file_cursor_left(&cursor) < sizeof(uint64_t))
        return -EINVAL;
    bool nonblocking = atomic_load_explicit(&file->flags, memory_order_relaxed) & O_NONBLOCK;
    int error = 0;
    uint64_t taken;
    uint64_t saved = spin_lock_irq(&timerfd->lock);
    while ((taken = interval_take(&timerfd->interval, 0)) == 0 && error == 0)
        error = nonblocking ? -EAGAIN
                            : wait_queue_wait(&timerfd->readers, &timerfd->lock, &saved, 0, true);
    spin_unlock_irq(&timerfd->lock, saved);
    if (taken == 0)
        return error == -EINTR ? -ERESTARTSYS : error;
    error = file_cursor_write(&cursor, &taken, sizeof(taken));
    return error != 0 ? error : (int64_t)sizeof(taken);
}

static uint32_t timerfd_poll(struct file *file)
{
    struct timerfd *timerfd = (struct timerfd *)file;
    uint64_t saved = spin_lock_irq(&timerfd->lock);
    bool expired = timerfd->interval.expired;
    spin_unlock_irq(&timerfd->lock, saved);
    return expired ? POLLIN : 0;
}

static int timerfd_status(struct file *file, struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    status->inode = file->serial;
    status->mode = 0600; /* as on Linux: no type */
    status->block_size = 4096;
    return 0;
}

static void timerfd_release(struct file *file)
{
    struct timerfd *timerfd = (struct timerfd *)file;
    uint64_t saved = spin_lock_irq(&timerfd->lock);
    interval_set(&timerfd->interval, 0, 0, timerfd_function);
    spin_unlock_irq(&timerfd->lock, saved);
    interval_end(&timerfd->interval);
}

static const struct file_operations timerfd_operations = {
    .read = timerfd_read,
    .status = timerfd_status,
    .poll = timerfd_poll,
    .release = timerfd_release,
};

struct file *timerfd_file(int clock, uint32_t flags)
{
    struct timerfd *timerfd = kzalloc(sizeof(*timerfd));
    if (timerfd == NULL)
        return NULL;
    timerfd->file.operations = &timerfd_operations;
    atomic_init(&timerfd->file.references, 1);
    atomic_init(&timerfd->file.flags, O_RDWR | flags);
    wait_queue_init(&timerfd->readers);
    timerfd->clock = clock;
    return &timerfd->file;
}

int timerfd_clock(const struct file *file)
{
    return file->operations == &timerfd_operations ? ((const struct timerfd *)file)->clock : -1;
}

void timerfd_exchange(struct file *file, const uint64_t *expiry, uint64_t period, uint64_t *left,
                      uint64_t *former_period)
{
    struct timerfd *timerfd = (struct timerfd *)file;
    uint64_t saved = spin_lock_irq(&timerfd->lock);
    *left = interval_left(&timerfd->interval);
    *former_period = timerfd->interval.period;
    if (expiry != NULL)
        interval_set(&timerfd->interval, *expiry, period, timerfd_function);
    spin_unlock_irq(&timerfd->lock, saved);
}
