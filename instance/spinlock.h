/* Ticket locks for the kernel's own short sections. Held with interrupts off (the _irq forms) by
 * whatever an interrupt handler may also take. A waiter serves other cores' flush requests, see
 * platform_relax. Nothing sleeps or touches the program's memory while it holds one. */
#ifndef INSTANCE_SPINLOCK_H
#define INSTANCE_SPINLOCK_H

#include "instance/interrupts.h"
#include "instance/platform/platform.h"

#include <stdatomic.h>

struct spinlock {
    _Atomic uint32_t next;    /* ticket for the next to come */
    _Atomic uint32_t serving; /* ticket that holds the lock */
};

static inline void spin_lock(struct spinlock *lock)
{
    uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
    while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)
        platform_relax();
}

static inline void spin_unlock(struct spinlock *lock)
{
    uint32_t now = atomic_load_explicit(&lock->serving, memory_order_relaxed);
    atomic_store_explicit(&lock->serving, now + 1, memory_order_release);
}

/* Turns interrupts off, takes the lock; returns what spin_unlock_irq needs to restore. */
static inline uint64_t spin_lock_irq(struct spinlock *lock)
{
    uint64_t saved = interrupts_disable();
    spin_lock(lock);
    return saved;
}

static inline void spin_unlock_irq(struct spinlock *lock, uint64_t saved)
{
    spin_unlock(lock);
    interrupts_restore(saved);
}

#endif
