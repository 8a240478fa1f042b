/* eventfd: a counter that is read and written as a file. */
#include "instance/fs/event.h"

#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/sched/wait.h"
#include "instance/spinlock.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#define COUNT_MAX (UINT64_MAX - 1)

struct eventfd {
    struct file file;
    struct spinlock lock;
    struct wait_queue waiters; /* readers and writers: few, and they look again */
    uint64_t count;
    bool semaphore;
};

/* Locked. Waits for a change, if the file is not O_NONBLOCK. 0 or a negative errno value. */
static int eventfd_wait(struct eventfd *event, uint64_t *saved)
{
    if (atomic_load_explicit(&event->file.flags, memory_order_relaxed) & O_NONBLOCK)
        return -EAGAIN;
    int error = wait_queue_wait(&event->waiters, &event->lock, saved, 0, true);
    return error == -EINTR ? -ERESTARTSYS : error;
}

/* Locked, and gives the lock up. */
static void eventfd_changed(struct eventfd *event, uint64_t saved)
{
    wait_queue_wake(&event->waiters, UINT32_MAX);
    spin_unlock_irq(&event->lock, saved);
    file_notify();
}

static int64_t eventfd_read(struct file *file, const struct file_vector *vectors, size_t count)
{
    struct eventfd *event = (struct eventfd *)file;
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    if (file_cursor_left(&cursor) < sizeof(uint64_t))
        return -EINVAL;
    int error = 0;
    uint64_t saved = spin_lock_irq(&event->lock);
    while (event->count == 0 && error == 0)
        error = eventfd_wait(event, &saved);
    if (error != 0) {
        spin_unlock_irq(&event->lock, saved);
        return error;
    }
    uint64_t value = event->semaphore ? 1 : event->count;
    event->count -= value;
    eventfd_changed(event, saved);
    error = file_cursor_write(&cursor, &value, sizeof(value));
    return error != 0 ? error : (int64_t)sizeof(value);
}

static int64_t eventfd_write(struct file *file, const struct file_vector *vectors, size_t count)
{
    struct eventfd *event = (struct eventfd *)file;
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    uint64_t value;
    if (file_cursor_left(&cursor) < sizeof(value))
        return -EINVAL;
    int error = file_cursor_read(&cursor, &value, sizeof(value));
    if (error != 0)
        return error;
    if (value > COUNT_MAX)
        return -EINVAL;
    uint64_t saved = spin_lock_irq(&event->lock);
    while (value > COUNT_MAX - event->count && error == 0)
        error = eventfd_wait(event, &saved);
    if (error != 0) {
        spin_unlock_irq(&event->lock, saved);
        return error;
    }
    event->count += value;
    eventfd_changed(event, saved);
    return sizeof(value);
}

static uint32_t eventfd_poll(struct file *file)
{
    struct eventfd *event = (struct eventfd *)file;
    uint64_t saved = spin_lock_irq(&event->lock);
    uint32_t events = (event->count != 0 ? POLLIN : 0) | (event->count < COUNT_MAX ? POLLOUT : 0);
    spin_unlock_irq(&event->lock, saved);
    return events;
}

static int eventfd_status(struct file *file, struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    status->inode = file->serial;
    status->mode = 0600; /* as on Linux: no type */
    status->block_size = 4096;
    return 0;
}

static const struct file_operations eventfd_operations = {
    .read = eventfd_read,
    .write = eventfd_write,
    .status = eventfd_status,
    .poll = eventfd_poll,
};

struct file *eventfd_file(uint64_t value, bool semaphore, uint32_t flags)
{
    struct eventfd *event = kzalloc(sizeof(*event));
    if (event == NULL)
        return NULL;
    event->file.operations = &eventfd_operations;
    atomic_init(&event->file.references, 1);
    atomic_init(&event->file.flags, O_RDWR | flags);
    wait_queue_init(&event->waiters);
    event->count = value;
    event->semaphore = semaphore;
    return &event->file;
}
