/* See file_locks.h. One spinlock and one queue of waiters for all: locks are taken and freed
 * quickly, and whoever waits looks again. Of one owner's ranges no two overlap, and neighbours of
 * one type are one range. */
#include "instance/fs/file_locks.h"

#include "instance/fs/vfs.h"
#include "instance/list.h"
#include "instance/mm/kmalloc.h"
#include "instance/syscall/restart.h"

#include <errno.h>

#define LOCK_BUCKETS 64

/* A lock that is held. */
struct file_locked {
    struct list link;        /* in its file's bucket */
    const void *key;         /* whose locks they are: a node, or an open file without one */
    const struct file *file; /* the owner; NULL: the process */
    struct lock_range range;
};

static struct spinlock locks_lock;
static struct list locks[LOCK_BUCKETS]; /* all zero: not made yet */
static struct wait_queue locks_waiters;
static bool locks_made;

/* Locks that the process has, or may have, on files: closing a descriptor looks for them then. */
static _Atomic bool locks_of_process;

static const void *lock_key(const struct file *file)
{
    return file->node != NULL ? (const void *)file->node : (const void *)file;
}

static const struct file *lock_holder(const struct file *file, enum lock_owner owner)
{
    return owner == LOCK_OF_PROCESS ? NULL : file;
}

/* Locked. */
static struct list *lock_bucket(const void *key)
{
    if (!locks_made) {
        for (unsigned i = 0; i < LOCK_BUCKETS; i++)
            list_init(&locks[i]);
        wait_queue_init(&locks_waiters);
        locks_made = true;
    }
    return &locks[((uintptr_t)key >> 6) % LOCK_BUCKETS];
}

static bool is_flock(const struct lock_range *range)
{
    return range->owner == LOCK_OF_FLOCK;
}

static bool overlaps(const struct lock_range *one, const struct lock_range *other)
{
    return one->start <= other->end && other->start <= one->end;
}

static bool is_own(const struct file_locked *lock, const struct file *holder,
                   const struct lock_range *range)
{
    return lock->file == holder && is_flock(&lock->range) == is_flock(range);
}

/* Locked. The lock with the lowest start that is in the way of `range`; NULL: none. */
static struct file_locked *lock_in_the_way(const void *key, const struct file *holder,
                                           const struct lock_range *range)
{
    struct list *bucket = lock_bucket(key);
    struct file_locked *first = NULL;
    for (struct list *node = bucket->next; node != bucket; node = node->next) {
        struct file_locked *lock = LIST_ENTRY(node, struct file_locked, link);
        if (lock->key != key || is_flock(&lock->range) != is_flock(range) ||
            is_own(lock, holder, range) || !overlaps(&lock->range, range) ||
            (lock->range.type == LOCK_FOR_READING && range->type == LOCK_FOR_READING))
            continue;
        if (first == NULL || lock->range.start < first->range.start)
            first = lock;
    }
    return first;
}

/* Locked. Takes [range] out of the owner's locks; uses *spare when it falls into the middle of one.
 */
static void lock_cut(const void *key, const struct file *holder, const struct lock_range *range,
                     struct file_locked **spare)
{
    struct list *bucket = lock_bucket(key);
    for (struct list *node = bucket->next, *next; node != bucket; node = next) {
        struct file_locked *lock = LIST_ENTRY(node, struct file_locked, link);
        next = node->next;
        if (lock->key != key || !is_own(lock, holder, range) || !overlaps(&lock->range, range))
            continue;
        bool before = lock->range.start<range->start, after = lock->range.end> range->end;
        if (before && after) {
            struct file_locked *rest = *spare;
            *spare = NULL;
            *rest = *lock;
            rest->range.start = range->end + 1;
            list_append(bucket, &rest->link);
            lock->range.end = range->start - 1;
        } else if (before) {
            lock->range.end = range->start - 1;
        } else if (after) {
            lock->range.start = range->end + 1;
        } else {
            list_remove(&lock->link);
            kfree(lock);
        }
    }
}

/* Locked. Puts the range in, one with its neighbours. */
static void lock_insert(const void *key, const struct file *holder, const struct lock_range *range,
                        struct file_locked *fresh)
{
    struct list *bucket = lock_bucket(key);
    *fresh = (struct file_locked){.key = key, .file = holder, .range = *range};
    for (struct list *node = bucket->next, *next; node != bucket; node = next) {
        struct file_locked *lock = LIST_ENTRY(node, struct file_locked, link);
        next = node->next;
        if (lock->key != key || !is_own(lock, holder, range) || lock->range.type != range->type)
            continue;
        if (lock->range.end + 1 == fresh->range.start)
            fresh->range.start = lock->range.start;
        else if (fresh->range.end + 1 == lock->range.start)
            fresh->range.end = lock->range.end;
        else
            continue;
        list_remove(&lock->link);
        kfree(lock);
    }
    list_append(bucket, &fresh->link);
}

int file_locks_set(struct file *file, const struct lock_range *range, bool wait)
{
    const struct file *holder = lock_holder(file, range->owner);
    const void *key = lock_key(file);
    if (range->owner == LOCK_OF_PROCESS && range->type != LOCK_NONE)
        atomic_store(&locks_of_process, true);
    if (range->type != LOCK_NONE)
        atomic_store(&file->locked, true);
    if (file->node != NULL && file->node->operations->lock != NULL)
        return file->node->operations->lock(file, range, wait);

    /* To give up everything takes no memory. */
    bool all = range->type == LOCK_NONE && range->start == 0 && range->end == INT64_MAX;
    struct file_locked *fresh = NULL, *spare = NULL;
    if (!all) {
        fresh = kmalloc(sizeof(*fresh));
        spare = kmalloc(sizeof(*spare));
    }
    int error = all || (fresh != NULL && spare != NULL) ? 0 : -ENOLCK;
    uint64_t saved = spin_lock_irq(&locks_lock);
    lock_bucket(key);
    if (error == 0 && is_flock(range)) /* as Linux: what it had is gone, whatever comes */
        lock_cut(key, holder, range, &spare);
    while (error == 0 && range->type != LOCK_NONE && lock_in_the_way(key, holder, range) != NULL) {
        if (!wait)
            error = -EAGAIN;
        else if (wait_queue_wait(&locks_waiters, &locks_lock, &saved, 0, true) == -EINTR)
            error = -ERESTARTSYS;
    }
    if (error == 0) {
        lock_cut(key, holder, range, &spare);
        if (range->type != LOCK_NONE) {
            lock_insert(key, holder, range, fresh);
            fresh = NULL;
        }
    }
    wait_queue_wake(&locks_waiters, UINT32_MAX); /* what was given up, others may take */
    spin_unlock_irq(&locks_lock, saved);
    kfree(fresh);
    kfree(spare);
    return error;
}

int file_locks_get(struct file *file, struct lock_range *range)
{
    if (file->node != NULL && file->node->operations->lock_get != NULL)
        return file->node->operations->lock_get(file, range);
    uint64_t saved = spin_lock_irq(&locks_lock);
    const struct file_locked *lock =
        lock_in_the_way(lock_key(file), lock_holder(file, range->owner), range);
    if (lock != NULL)
        *range = lock->range;
    else
        range->type = LOCK_NONE;
    spin_unlock_irq(&locks_lock, saved);
    return 0;
}

static void lock_drop(struct file *file, enum lock_owner owner)
{
    const struct lock_range all = {owner, LOCK_NONE, 0, INT64_MAX};
    file_locks_set(file, &all, false);
}

void file_locks_descriptor_closed(struct file *file)
{
    if (atomic_load(&locks_of_process))
        lock_drop(file, LOCK_OF_PROCESS);
}

void file_locks_release(struct file *file)
{
    if (!atomic_load(&file->locked))
        return;
    lock_drop(file, LOCK_OF_FILE);
    lock_drop(file, LOCK_OF_FLOCK);
}
