/* A lock for threads that sleep when they have to wait long: for state whose holder may wait for
 * other cores. While a core's thread sleeps here the core does something else, or halts, and then
 * the holder need not wait for it. Not from interrupts, not with a spinlock held, not between
 * thread_prepare_wait and thread_wait. The holder must not sleep. */
#ifndef INSTANCE_MM_SLEEP_LOCK_H
#define INSTANCE_MM_SLEEP_LOCK_H

#include "instance/sched/wait.h"

#include <stdatomic.h>

struct sleep_lock {
    _Atomic uint32_t state;    /* enum sleep_lock_state, in the file */
    struct spinlock lock;      /* of `waiters` */
    struct wait_queue waiters; /* threads that sleep */
};

void sleep_lock_init(struct sleep_lock *lock);
void sleep_lock_take(struct sleep_lock *lock);
void sleep_lock_release(struct sleep_lock *lock);

#endif
