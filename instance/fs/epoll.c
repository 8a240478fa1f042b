/* epoll: a set of files that are looked at together. A look asks every file of the set, in turn
 * from where the last one stopped; what changes meanwhile is counted by file_notify, as for poll.
 * So a wake-up costs time in proportion to the set: right for tens or hundreds of files.
 *
 * EPOLLET: a file is told again only after something has been notified since it was last told; that
 * may be about another file, so such a program sees a readiness now and then that it knows.
 * An item belongs to one descriptor, and ends when that is closed (on Linux: with the last one of
 * its file). */
#include "instance/fs/event.h"

#include "instance/mm/kmalloc.h"
#include "instance/spinlock.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#define ALWAYS (POLLERR | POLLHUP)
#define ITEMS_FIRST 16

struct epoll_item {
    int descriptor; /* -1: free */
    uint64_t serial;
    uint32_t events; /* with EPOLLET and EPOLLONESHOT */
    uint64_t data;
    uint64_t told; /* file_notifications() before it was last told; 0: not yet */
};

struct epoll {
    struct file file;
    struct spinlock lock;
    struct epoll_item *items;
    uint64_t capacity;
    uint64_t next; /* where the next look begins */
};

static struct epoll *epoll_of(struct file *file)
{
    return (struct epoll *)file;
}

/* Locked. */
static struct epoll_item *item_find(struct epoll *epoll, int descriptor, uint64_t serial)
{
    for (uint64_t i = 0; i < epoll->capacity; i++)
        if (epoll->items[i].descriptor == descriptor && epoll->items[i].serial == serial)
            return &epoll->items[i];
    return NULL;
}

/* Locked; gives the lock up meanwhile. 0 or -ENOMEM. */
static int epoll_grow(struct epoll *epoll, uint64_t *saved)
{
    uint64_t capacity = epoll->capacity ? 2 * epoll->capacity : ITEMS_FIRST;
    spin_unlock_irq(&epoll->lock, *saved);
    struct epoll_item *items = kmalloc(capacity * sizeof(*items));
    *saved = spin_lock_irq(&epoll->lock);
    if (items == NULL)
        return -ENOMEM;
    if (capacity <= epoll->capacity) { /* another thread was faster */
        kfree(items);
        return 0;
    }
    if (epoll->capacity != 0)
        memcpy(items, epoll->items, epoll->capacity * sizeof(*items));
    for (uint64_t i = epoll->capacity; i < capacity; i++)
        items[i].descriptor = -1;
    kfree(epoll->items);
    epoll->items = items;
    epoll->capacity = capacity;
    return 0;
}

/* Locked. A free item; those of descriptors that are closed by now are found by epoll_look. */
static struct epoll_item *item_free(struct epoll *epoll)
{
    for (uint64_t i = 0; i < epoll->capacity; i++)
        if (epoll->items[i].descriptor < 0)
            return &epoll->items[i];
    return NULL;
}

int epoll_control(struct file *file, int operation, int descriptor, const struct file *target,
                  const struct epoll_report *event)
{
    struct epoll *epoll = epoll_of(file);
    if (target->operations->poll == NULL)
        return -EPERM; /* always ready, as a file of a disk */
    if (file_is_epoll(target))
        return target == file ? -EINVAL : -ELOOP; /* sets in sets are not served */
    int result = 0;
    uint64_t saved = spin_lock_irq(&epoll->lock);
    struct epoll_item *item = item_find(epoll, descriptor, target->serial);
    if (operation == EPOLL_CTL_ADD) {
        while (item == NULL && result == 0 && (item = item_free(epoll)) == NULL)
            result = epoll_grow(epoll, &saved);
        if (result == 0 && item->descriptor >= 0)
            result = -EEXIST;
    } else if (item == NULL) {
        result = -ENOENT;
    }
    if (result == 0 && operation == EPOLL_CTL_DEL)
        item->descriptor = -1;
    else if (result == 0)
        *item = (struct epoll_item){descriptor, target->serial, event->events, event->data, 0};
    spin_unlock_irq(&epoll->lock, saved);
    if (result == 0 && operation != EPOLL_CTL_DEL)
        file_notify(); /* it may be ready already */
    return result;
}

/* Asks one item's file. Returns whether there is something to tell. */
static bool item_look(struct epoll *epoll, uint64_t index, uint64_t now,
                      struct epoll_report *report)
{
    uint64_t saved = spin_lock_irq(&epoll->lock);
    struct epoll_item item = {.descriptor = -1};
    if (index < epoll->capacity)
        item = epoll->items[index];
    spin_unlock_irq(&epoll->lock, saved);
    uint32_t wanted = item.events & ~(EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE);
    if (item.descriptor < 0)
        return false;

    struct file *file = file_get(item.descriptor);
    bool same = file != NULL && file->serial == item.serial;
    uint32_t events = same && item.events ? file->operations->poll(file) & (wanted | ALWAYS) : 0;
    if (file != NULL)
        file_put(file);

    bool tell = events != 0 && !((item.events & EPOLLET) && item.told == now);
    saved = spin_lock_irq(&epoll->lock);
    struct epoll_item *at = item_find(epoll, item.descriptor, item.serial);
    if (at != NULL && !same) {
        at->descriptor = -1; /* closed */
    } else if (at != NULL && tell) {
        at->told = now;
        if (at->events & EPOLLONESHOT)
            at->events = 0; /* until EPOLL_CTL_MOD */
    }
    spin_unlock_irq(&epoll->lock, saved);
    *report = (struct epoll_report){events, item.data};
    return tell && at != NULL;
}

int64_t epoll_look(struct file *file, struct epoll_report *events, uint64_t count)
{
    struct epoll *epoll = epoll_of(file);
    uint64_t now = file_notifications() + 1, told = 0, looked = 0;
    uint64_t saved = spin_lock_irq(&epoll->lock);
    uint64_t capacity = epoll->capacity, at = epoll->next;
    spin_unlock_irq(&epoll->lock, saved);
    for (; looked < capacity && told < count; looked++)
        told += item_look(epoll, (at + looked) % capacity, now, &events[told]);
    saved = spin_lock_irq(&epoll->lock);
    epoll->next = capacity ? (at + looked) % capacity : 0;
    spin_unlock_irq(&epoll->lock, saved);
    return (int64_t)told;
}

static uint32_t epoll_poll(struct file *file)
{
    struct epoll_report report;
    struct epoll *epoll = epoll_of(file);
    for (uint64_t i = 0; i < epoll->capacity; i++) {
        uint64_t saved = spin_lock_irq(&epoll->lock);
        struct epoll_item item = {.descriptor = -1};
        if (i < epoll->capacity)
            item = epoll->items[i];
        spin_unlock_irq(&epoll->lock, saved);
        struct file *target = item.descriptor < 0 ? NULL : file_get(item.descriptor);
        if (target == NULL)
            continue;
        report.events = target->serial == item.serial && item.events
                            ? target->operations->poll(target) & (item.events | ALWAYS)
                            : 0;
        file_put(target);
        if (report.events != 0)
            return POLLIN;
    }
    return 0;
}

static int epoll_status(struct file *file, struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    status->inode = file->serial;
    status->mode = 0600; /* as on Linux: no type */
    status->block_size = 4096;
    return 0;
}

static void epoll_release(struct file *file)
{
    kfree(epoll_of(file)->items);
}

static const struct file_operations epoll_operations = {
    .status = epoll_status,
    .poll = epoll_poll,
    .release = epoll_release,
};

bool file_is_epoll(const struct file *file)
{
    return file->operations == &epoll_operations;
}

struct file *epoll_file(void)
{
    struct epoll *epoll = kzalloc(sizeof(*epoll));
    if (epoll == NULL)
        return NULL;
    epoll->file.operations = &epoll_operations;
    atomic_init(&epoll->file.references, 1);
    atomic_init(&epoll->file.flags, O_RDWR);
    return &epoll->file;
}
