/* Changing on which cores, and how urgently, a thread runs. A thread that is not the current one is
 * left where it is, and its core told to look at it again. */
#include "instance/sched/thread.h"

#include <errno.h>
#include <linux/sched.h>

/* After a change that `lock` was held for. The thread's core may change meanwhile: the new one
 * reads what was changed after it has written thread->core (place.c). */
static void thread_changed(struct thread *thread)
{
    struct core *self = core_self();
    if (thread == self->current) {
        self->need_resched = true; /* looked at on the way back to the program */
        return;
    }
    if (atomic_load_explicit(&thread->state, memory_order_relaxed) == THREAD_WAITING)
        return; /* it will be placed by what it says by then; the lock orders this */
    struct core *core = atomic_load(&thread->core);
    atomic_store(&core->shared.changed, 1);
    if (core == self)
        self->need_resched = true;
    else
        platform_core_kick(core);
}

int thread_set_affinity(struct thread *thread, const uint64_t *words, size_t count)
{
    bool usable = false;
    for (uint32_t core = 0; core < core_count && core / 64 < count; core++)
        if ((words[core / 64] >> (core % 64) & 1) != 0 &&
            atomic_load_explicit(&cores[core].shared.online, memory_order_relaxed) != 0)
            usable = true;
    if (!usable)
        return -EINVAL;

    uint64_t saved = spin_lock_irq(&thread->lock);
    for (uint32_t word = 0; word < (core_count + 63) / 64; word++) {
        uint64_t bits = word < count ? words[word] : 0;
        if (word == core_count / 64) /* a last word in part; if there is none, no word matches */
            bits &= (UINT64_C(1) << (core_count % 64)) - 1;
        __atomic_store_n(&thread->affinity.words[word], bits, __ATOMIC_SEQ_CST);
    }
    thread_changed(thread);
    spin_unlock_irq(&thread->lock, saved);
    return 0;
}

/* queue.h says how policies map to priorities. */
static uint32_t policy_priority(int policy, int realtime, int nice)
{
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return 99 - (uint32_t)realtime;
    if (policy == SCHED_BATCH || policy == SCHED_IDLE)
        return PRIORITIES - 1;
    return (uint32_t)((int)PRIORITY_NORMAL + nice);
}

void thread_set_policy(struct thread *thread, int policy, int realtime, int nice)
{
    uint64_t saved = spin_lock_irq(&thread->lock);
    thread->nice = nice;
    atomic_store_explicit(&thread->policy, policy, memory_order_relaxed);
    atomic_store(&thread->priority, policy_priority(policy, realtime, nice));
    thread_changed(thread);
    spin_unlock_irq(&thread->lock, saved);
}

int thread_realtime_priority(const struct thread *thread)
{
    int policy = atomic_load_explicit(&thread->policy, memory_order_relaxed);
    if (policy != SCHED_FIFO && policy != SCHED_RR)
        return 0;
    return 99 - (int)atomic_load_explicit(&thread->priority, memory_order_relaxed);
}
