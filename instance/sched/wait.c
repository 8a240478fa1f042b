/* Waiting and waking. A wait is `open` from the moment a thread prepares it; whoever closes it,
 * under the thread's lock, has ended it: a wake-up, the timer, or a signal, and never two of them.
 */
#include "instance/sched/wait.h"

#include "instance/log.h"
#include "instance/sched/place.h"
#include "instance/syscall/syscall.h"

#include <errno.h>

static void prepare_wait(bool interruptible, bool killable)
{
    struct thread *thread = thread_current();
    uint64_t saved = spin_lock_irq(&thread->lock);
    thread->interruptible = interruptible;
    thread->killable = killable;
    thread->wait_result = 0;
    thread->wait_open = true;
    spin_unlock_irq(&thread->lock, saved);
}

void thread_prepare_wait(bool interruptible)
{
    prepare_wait(interruptible, interruptible);
}

void thread_cancel_wait(void)
{
    struct thread *thread = thread_current();
    uint64_t saved = spin_lock_irq(&thread->lock);
    thread->wait_open = false;
    spin_unlock_irq(&thread->lock, saved);
}

/* With thread->lock held, which it gives up; interrupts off. The thread may be gone afterwards. */
static void thread_close_wait(struct thread *thread, int result)
{
    thread->wait_open = false;
    thread->wait_result = result;
    bool waiting = atomic_load_explicit(&thread->state, memory_order_relaxed) == THREAD_WAITING;
    if (waiting)
        atomic_store_explicit(&thread->state, THREAD_READY, memory_order_relaxed);
    spin_unlock(&thread->lock);
    /* Only now: once it is placed, it may run and end before this core does anything else. Nobody
     * else places it, for it is READY already. */
    if (waiting)
        place_thread(thread);
}

bool thread_wake(struct thread *thread, int result)
{
    uint64_t saved = spin_lock_irq(&thread->lock);
    bool open = thread->wait_open;
    if (open)
        thread_close_wait(thread, result);
    else
        spin_unlock(&thread->lock);
    interrupts_restore(saved);
    return open;
}

void thread_interrupt(struct thread *thread)
{
    uint64_t saved = spin_lock_irq(&thread->lock);
    if (thread->wait_open &&
        (thread->interruptible || (thread->killable && signal_kills(thread)))) {
        thread_close_wait(thread, -EINTR);
    } else {
        struct core *core = atomic_load_explicit(&thread->core, memory_order_relaxed);
        bool runs = atomic_load_explicit(&thread->state, memory_order_relaxed) == THREAD_RUNNING;
        spin_unlock(&thread->lock);
        /* If it changes cores just now, it looks for signals on its way anyhow. */
        if (runs && core != core_self())
            platform_core_kick(core);
    }
    interrupts_restore(saved);
}

static void thread_wait_timeout(struct timer *timer)
{
    thread_wake(LIST_ENTRY(timer, struct thread, timer), -ETIMEDOUT);
}

int thread_wait(uint64_t deadline)
{
    struct thread *thread = thread_current();
    kernel_assert(thread != core_self()->idle_thread);
    /* Whoever makes a signal pending calls thread_interrupt after that: either it is seen here, or
     * the open wait is seen there. */
    if ((thread->interruptible && signal_deliverable()) ||
        (thread->killable && signal_kills(thread)))
        thread_wake(thread, -EINTR); /* unless a wake-up came first */

    uint64_t saved = spin_lock_irq(&thread->lock);
    if (!thread->wait_open) {
        int result = thread->wait_result;
        spin_unlock_irq(&thread->lock, saved);
        return result;
    }
    atomic_store_explicit(&thread->state, THREAD_WAITING, memory_order_relaxed);
    spin_unlock(&thread->lock);
    if (deadline != 0)
        timer_set(&thread->timer, deadline, thread_wait_timeout);
    schedule();
    interrupts_restore(saved);
    if (deadline != 0)
        timer_cancel_sync(&thread->timer);
    return thread->wait_result; /* written before this thread became ready */
}

/* --- Wait queues --------------------------------------------------------------------------------
 */

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

/* The wait is prepared. */
static int wait_in(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                   uint64_t deadline)
{
    struct thread *thread = thread_current();
    list_append(&queue->waiters, &thread->wait_link);
    spin_unlock_irq(lock, *saved);
    int result = thread_wait(deadline);
    *saved = spin_lock_irq(lock);
    list_remove(&thread->wait_link); /* still in it after a timeout or a signal */
    return result;
}

int wait_queue_wait(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                    uint64_t deadline, bool interruptible)
{
    thread_prepare_wait(interruptible);
    return wait_in(queue, lock, saved, deadline);
}

int wait_queue_wait_killable(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                             uint64_t deadline)
{
    prepare_wait(false, true);
    return wait_in(queue, lock, saved, deadline);
}

unsigned wait_queue_wake(struct wait_queue *queue, unsigned count)
{
    unsigned woken = 0;
    while (woken < count && !list_empty(&queue->waiters)) {
        struct thread *thread = LIST_ENTRY(queue->waiters.next, struct thread, wait_link);
        list_remove(&thread->wait_link);
        /* One whose wait has timed out just now does not count: the wake-up is the next one's. The
         * thread cannot be gone, it has to take the lock that is held here. */
        if (thread_wake(thread, 0))
            woken++;
    }
    return woken;
}
