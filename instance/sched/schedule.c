/* Who runs next on this core, and the switch to him. All of it runs with interrupts off; kernel
 * code is never preempted, a program only on its way back from the kernel (schedule_before_return).
 *
 * A switch has two halves. The leaving thread's side saves what is its own and names itself in
 * core->switched_from; the arriving thread's side, on its own stack, lets the other one go: only
 * then may another core run it, or its memory be used again. */
#include "instance/sched/thread.h"

#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/sched/place.h"

#include <linux/sched.h>

static void schedule_beat(struct core *core)
{
    if (core->heartbeat != NULL) { /* one writer: this core */
        uint64_t beats = atomic_load_explicit(&core->heartbeat->beats, memory_order_relaxed);
        atomic_store_explicit(&core->heartbeat->beats, beats + 1, memory_order_relaxed);
    }
}

/* Equals take turns: a time slice runs as long as the thread has an equal in the queue. */
static void schedule_set_slice(struct core *core)
{
    struct thread *thread = core->current;
    bool competes = thread != core->idle_thread && core->queue.length != 0 &&
                    atomic_load_explicit(&thread->policy, memory_order_relaxed) != SCHED_FIFO &&
                    run_queue_best(&core->queue) <=
                        (int)atomic_load_explicit(&thread->priority, memory_order_relaxed);
    if (!competes) {
        core->slice_end = 0;
    } else if (core->slice_end == 0) {
        core->slice_end = platform_monotonic_ns() + SCHED_SLICE_NS;
        timer_arm_lazy(core);
    }
}

void schedule_look_again(struct core *core)
{
    int best = run_queue_best(&core->queue);
    int running = (int)atomic_load_explicit(&core->current->priority, memory_order_relaxed);
    if (core->current == core->idle_thread || best < running)
        core->need_resched = true;
    else
        schedule_set_slice(core);
}

/* The second half of every switch, on the arriving thread's stack. */
static void schedule_finish_switch(void)
{
    struct core *core = core_self();
    struct thread *previous = core->switched_from;
    core->switched_from = NULL;
    bool dead = atomic_load_explicit(&previous->state, memory_order_relaxed) == THREAD_DEAD;
    bool moving = previous->moving;
    previous->moving = false;
    atomic_store_explicit(&previous->on_core, false, memory_order_release);
    /* A dead or a moving one is still ours alone; any other may be running elsewhere by now. */
    if (dead)
        thread_retire(previous);
    else if (moving)
        place_thread(previous);
    place_share(core);
}

/* One word holds the sum or its start, so that thread_cpu_time never sees half a change. */
static void schedule_account(struct thread *previous, struct thread *next)
{
    uint64_t now = platform_monotonic_ns();
    uint64_t start = atomic_load_explicit(&previous->cpu_clock, memory_order_relaxed);
    if (start & THREAD_ON_CLOCK)
        atomic_store_explicit(&previous->cpu_clock, now - (start & ~THREAD_ON_CLOCK),
                              memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&next->cpu_clock, memory_order_relaxed);
    atomic_store_explicit(&next->cpu_clock, (now - sum) | THREAD_ON_CLOCK, memory_order_relaxed);
}

static void schedule_switch(struct core *core, struct thread *next)
{
    struct thread *previous = core->current;
    if (instance.section != NULL)
        atomic_fetch_add_explicit(&instance.section->counters.context_switches, 1,
                                  memory_order_relaxed);
    schedule_account(previous, next);
    if (atomic_load_explicit(&previous->state, memory_order_relaxed) == THREAD_DEAD) {
        core->fpu_owner = NULL;
    } else if (previous->fpu != NULL) {
        fpu_save(previous->fpu);
        core->fpu_owner = previous;
        previous->fpu_core = core;
        previous->fs_base = arch_get_fs_base();
    }

    atomic_store_explicit(&next->state, THREAD_RUNNING, memory_order_relaxed);
    atomic_store_explicit(&next->on_core, true, memory_order_relaxed);
    if (atomic_load_explicit(&next->core, memory_order_relaxed) != core)
        atomic_store(&next->core, core);
    core->current = next;
    core->kernel_stack_top = next->stack_top;
    core->switched_from = previous;
    core->slice_end = 0;
    atomic_store_explicit(&core->shared.priority,
                          next == core->idle_thread
                              ? PRIORITIES
                              : atomic_load_explicit(&next->priority, memory_order_relaxed),
                          memory_order_relaxed);
    schedule_set_slice(core);
    if (next->fpu != NULL) {
        if (core->fpu_owner != next || next->fpu_core != core)
            fpu_restore(next->fpu);
        core->fpu_owner = next;
        next->fpu_core = core;
        arch_set_fs_base(next->fs_base);
    }
    context_switch(&previous->switch_rsp, next->switch_rsp);
    schedule_finish_switch(); /* back again, perhaps on another core */
}

/* The next thread of this core's queue that may run here. */
static struct thread *schedule_pick(struct core *core)
{
    for (;;) {
        struct thread *next = place_pop(core);
        if (next == NULL)
            return core->idle_thread;
        if (core_set_has(&next->affinity, core->index))
            return next;
        if (next == core->current)
            next->moving = true; /* goes on once its registers are saved */
        else
            place_thread(next);
    }
}

void schedule(void)
{
    struct core *core = core_self();
    struct thread *current = core->current;
    schedule_beat(core);
    core->need_resched = false;
    bool turn_over = core->turn_over;
    core->turn_over = false;
    place_take_inbox(core);

    if (current != core->idle_thread &&
        atomic_load_explicit(&current->state, memory_order_relaxed) == THREAD_RUNNING) {
        uint32_t priority = atomic_load_explicit(&current->priority, memory_order_relaxed);
        uint32_t best = (uint32_t)run_queue_best(&core->queue);
        if (!core_set_has(&current->affinity, core->index)) {
            atomic_store_explicit(&current->state, THREAD_READY, memory_order_relaxed);
            current->moving = true;
        } else if (best < priority || (turn_over && best == priority)) {
            atomic_store_explicit(&current->state, THREAD_READY, memory_order_relaxed);
            place_in_queue(core, current, !turn_over);
        } else {
            atomic_store_explicit(&core->shared.priority, priority, memory_order_relaxed);
            schedule_set_slice(core);
            place_share(core);
            return;
        }
    }
    struct thread *next = schedule_pick(core);
    if (next != current) {
        schedule_switch(core, next);
        return;
    }
    /* The idle thread with nothing to do, or a thread that was woken before it had left. */
    atomic_store_explicit(&current->state, THREAD_RUNNING, memory_order_relaxed);
    if (current != core->idle_thread)
        schedule_set_slice(core);
    place_share(core);
}

void schedule_yield(void)
{
    uint64_t saved = interrupts_disable();
    core_self()->turn_over = true;
    schedule();
    interrupts_restore(saved);
}

void schedule_before_return(void)
{
    /* Nothing is left for this core without a kick, and every kick sets this. */
    while (core_self()->need_resched)
        schedule();
}

void schedule_kicked(void)
{
    struct core *core = core_self();
    core->need_resched = true;
    barrier_answer(core);
}

/* --- Idle cores ---------------------------------------------------------------------------------
 */

static noreturn void schedule_idle(void *argument)
{
    struct core *core = argument;
    if (core->switched_from != NULL)
        schedule_finish_switch();
    for (;;) {
        schedule(); /* returns when there is nothing to run */
        timer_arm_exact(core);
        if (place_enter_idle(core) && core->queue.length == 0) {
            if (core->heartbeat != NULL)
                atomic_store_explicit(&core->heartbeat->idle, 1, memory_order_relaxed);
            platform_core_idle();
            if (core->heartbeat != NULL)
                atomic_store_explicit(&core->heartbeat->idle, 0, memory_order_relaxed);
        }
        place_leave_idle(core);
        barrier_answer(core);
    }
}

void schedule_idle_loop(void)
{
    interrupts_disable();
    struct core *core = core_self();
    struct thread *idle = core->idle_thread;
    kernel_assert(core->current == idle);
    /* From the boot stack to the idle thread's own, which has a guard page. Never back. */
    uintptr_t boot_stack;
    core->kernel_stack_top = idle->stack_top;
    core->switched_from = NULL;
    context_switch(&boot_stack, context_prepare(idle->stack_top, schedule_idle, core));
    panic(NULL, "the idle thread of core %u came back", core->index);
}

void schedule_enter_program(void *argument)
{
    struct thread *thread = argument;
    schedule_finish_switch();
    context_enter_program(thread->frame);
}
