/* A core's timers: a pairing heap by deadline under the core's own lock, because any core may take
 * a timer back. Setting one and finding the earliest cost nothing that grows; taking one out costs
 * O(log n) amortised. Only its own core arms its hardware. */
#include "instance/sched/timer.h"

#include "instance/core.h"

/* --- The heap: `child` is the first child, children are linked by `sibling`, and `previous` is the
 * ----------- sibling before, or for a first child the parent; the root has neither. */

static struct timer *heap_merge(struct timer *one, struct timer *other)
{
    if (one == NULL)
        return other;
    if (other == NULL)
        return one;
    if (other->deadline < one->deadline) {
        struct timer *swap = one;
        one = other;
        other = swap;
    }
    other->sibling = one->child;
    if (one->child != NULL)
        one->child->previous = other;
    other->previous = one;
    one->child = other;
    return one;
}

/* Merges a row of siblings into one heap: pairs from left to right, then all into one from right to
 * left, which is what keeps the amortised cost logarithmic. In a loop, for the stack is small. */
static struct timer *heap_merge_row(struct timer *row)
{
    struct timer *pairs = NULL; /* linked by `sibling`, the last pair first */
    while (row != NULL) {
        struct timer *one = row, *other = row->sibling;
        row = other != NULL ? other->sibling : NULL;
        one->sibling = one->previous = NULL;
        if (other != NULL)
            other->sibling = other->previous = NULL;
        one = heap_merge(one, other);
        one->sibling = pairs;
        pairs = one;
    }
    struct timer *root = NULL;
    while (pairs != NULL) {
        struct timer *next = pairs->sibling;
        pairs->sibling = NULL;
        root = heap_merge(root, pairs);
        pairs = next;
    }
    return root;
}

static void heap_remove(struct timer_queue *queue, struct timer *timer)
{
    struct timer *children = heap_merge_row(timer->child);
    timer->child = NULL;
    if (timer == queue->first) {
        queue->first = children;
        return;
    }
    if (timer->previous->child == timer)
        timer->previous->child = timer->sibling;
    else
        timer->previous->sibling = timer->sibling;
    if (timer->sibling != NULL)
        timer->sibling->previous = timer->previous;
    timer->sibling = timer->previous = NULL;
    queue->first = heap_merge(queue->first, children);
}

/* --- Timers -------------------------------------------------------------------------------------
 */

void timer_queue_init(struct timer_queue *queue)
{
    queue->lock = (struct spinlock){0};
    queue->first = NULL;
    atomic_init(&queue->running, NULL);
    queue->armed = 0;
}

static uint64_t timer_wanted(struct core *core)
{
    spin_lock(&core->timers.lock);
    uint64_t deadline = core->timers.first != NULL ? core->timers.first->deadline : 0;
    spin_unlock(&core->timers.lock);
    if (core->slice_end != 0 && (deadline == 0 || core->slice_end < deadline))
        deadline = core->slice_end;
    return deadline;
}

static void timer_arm(struct core *core, uint64_t deadline)
{
    if (deadline != core->timers.armed) {
        core->timers.armed = deadline;
        platform_timer_arm(deadline);
    }
}

void timer_arm_lazy(struct core *core)
{
    uint64_t wanted = timer_wanted(core);
    if (wanted != 0 && (core->timers.armed == 0 || wanted < core->timers.armed))
        timer_arm(core, wanted);
}

void timer_arm_exact(struct core *core)
{
    timer_arm(core, timer_wanted(core));
}

void timer_set(struct timer *timer, uint64_t deadline, timer_function_t function)
{
    uint64_t saved = interrupts_disable();
    struct core *core = core_self();
    timer->deadline = deadline;
    timer->function = function;
    timer->child = timer->sibling = timer->previous = NULL;
    atomic_store_explicit(&timer->set_on, core, memory_order_relaxed);
    spin_lock(&core->timers.lock);
    core->timers.first = heap_merge(core->timers.first, timer);
    bool earliest = core->timers.first == timer;
    atomic_store_explicit(&timer->core, core, memory_order_release);
    spin_unlock(&core->timers.lock);
    if (earliest)
        timer_arm_lazy(core);
    interrupts_restore(saved);
}

bool timer_cancel(struct timer *timer)
{
    for (;;) {
        struct core *core = atomic_load_explicit(&timer->core, memory_order_acquire);
        if (core == NULL)
            return false;
        uint64_t saved = spin_lock_irq(&core->timers.lock);
        bool ours = atomic_load_explicit(&timer->core, memory_order_relaxed) == core;
        if (ours) {
            heap_remove(&core->timers, timer);
            atomic_store_explicit(&timer->core, NULL, memory_order_release);
        }
        spin_unlock_irq(&core->timers.lock, saved);
        if (ours)
            return true;
    }
}

void timer_cancel_sync(struct timer *timer)
{
    if (timer_cancel(timer))
        return;
    /* timer_run_due stores `running` before it takes the timer out of its queue, so whoever finds
     * it out of the queue finds it running too, until its function has returned. On the core that
     * runs it, only the function itself can be the caller: waiting would be for ever. */
    struct core *core = atomic_load_explicit(&timer->set_on, memory_order_relaxed);
    if (core == NULL)
        return;
    uint64_t saved = interrupts_disable();
    bool elsewhere = core != core_self();
    interrupts_restore(saved);
    while (elsewhere && atomic_load_explicit(&core->timers.running, memory_order_acquire) == timer)
        platform_relax();
}

void timer_run_due(void)
{
    struct core *core = core_self();
    struct timer_queue *queue = &core->timers;
    queue->armed = 0; /* it has fired, or came early and has to be armed anew */

    uint64_t now = platform_monotonic_ns();
    spin_lock(&queue->lock);
    while (queue->first != NULL && queue->first->deadline <= now) {
        struct timer *timer = queue->first;
        timer_function_t function = timer->function;
        heap_remove(queue, timer);
        atomic_store_explicit(&queue->running, timer, memory_order_relaxed);
        atomic_store_explicit(&timer->core, NULL, memory_order_release);
        spin_unlock(&queue->lock);
        function(timer); /* the timer may be set again, or gone, from here on */
        spin_lock(&queue->lock);
        atomic_store_explicit(&queue->running, NULL, memory_order_release);
    }
    spin_unlock(&queue->lock);

    if (core->slice_end != 0 && core->slice_end <= now) {
        core->slice_end = 0;
        core->turn_over = true;
        core->need_resched = true;
    }
    timer_arm_lazy(core);
    if (core->heartbeat != NULL) { /* one writer: this core */
        uint64_t beats = atomic_load_explicit(&core->heartbeat->beats, memory_order_relaxed);
        atomic_store_explicit(&core->heartbeat->beats, beats + 1, memory_order_relaxed);
    }
}
