/* The lock of three states (Drepper, "Futexes are tricky", mutex 3): who lets go of it looks at the
 * waiters only when there may be any. */
#include "instance/mm/sleep_lock.h"

#include "instance/platform/platform.h"

enum sleep_lock_state {
    SLEEP_LOCK_FREE,
    SLEEP_LOCK_HELD,
    SLEEP_LOCK_AWAITED, /* held, and somebody may be asleep */
};

/* Looks at the lock before a thread goes to sleep, each a platform_relax apart: about as long as a
 * page takes to be mapped, and less than a sleep and a wake-up cost. */
#define SPINS 50

void sleep_lock_init(struct sleep_lock *lock)
{
    atomic_init(&lock->state, SLEEP_LOCK_FREE);
    lock->lock = (struct spinlock){0};
    wait_queue_init(&lock->waiters);
}

static bool try_take(struct sleep_lock *lock)
{
    uint32_t expected = SLEEP_LOCK_FREE;
    return atomic_load_explicit(&lock->state, memory_order_relaxed) == SLEEP_LOCK_FREE &&
           atomic_compare_exchange_strong_explicit(&lock->state, &expected, SLEEP_LOCK_HELD,
                                                   memory_order_acquire, memory_order_relaxed);
}

void sleep_lock_take(struct sleep_lock *lock)
{
    for (unsigned i = 0; i < SPINS; i++) {
        if (try_take(lock))
            return;
        platform_relax();
    }
    uint64_t saved = spin_lock_irq(&lock->lock);
    /* The exchange announces us before we look: the holder either sees that when it lets go, and
     * then comes for the queue's lock, or has let go already. Having slept, we cannot know whether
     * others still do, so the lock stays AWAITED. */
    while (atomic_exchange_explicit(&lock->state, SLEEP_LOCK_AWAITED, memory_order_acquire) !=
           SLEEP_LOCK_FREE)
        wait_queue_wait(&lock->waiters, &lock->lock, &saved, 0, false);
    spin_unlock_irq(&lock->lock, saved);
}

void sleep_lock_release(struct sleep_lock *lock)
{
    if (atomic_exchange_explicit(&lock->state, SLEEP_LOCK_FREE, memory_order_release) !=
        SLEEP_LOCK_AWAITED)
        return;
    uint64_t saved = spin_lock_irq(&lock->lock);
    wait_queue_wake(&lock->waiters, 1);
    spin_unlock_irq(&lock->lock, saved);
}
