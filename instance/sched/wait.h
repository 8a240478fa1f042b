/* Wait queues: threads that wait for one condition, which a spinlock protects. */
#ifndef INSTANCE_SCHED_WAIT_H
#define INSTANCE_SCHED_WAIT_H

#include "instance/list.h"
#include "instance/spinlock.h"

struct wait_queue {
    struct list waiters; /* thread.wait_link */
};

void wait_queue_init(struct wait_queue *queue);

/* Waits like a condition variable: called with `lock` held (spin_lock_irq, which returned *saved),
 * gives it up while waiting, holds it again on return. `deadline`: monotonic ns, 0: none. Returns 0
 * (woken: look at the condition again), -ETIMEDOUT or, if interruptible, -EINTR. */
int wait_queue_wait(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                    uint64_t deadline, bool interruptible);

/* The same; only a signal that kills ends it with -EINTR. */
int wait_queue_wait_killable(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                             uint64_t deadline);

/* Wakes up to `count` waiters in order of arrival; the lock is held. Returns how many. */
unsigned wait_queue_wake(struct wait_queue *queue, unsigned count);

#endif
