/* A core of this instance: what belongs to it alone, and (struct core_shared) what other cores may
 * touch. The current core's struct is found through GS; the first four fields are entry.asm's. */
#ifndef INSTANCE_CORE_H
#define INSTANCE_CORE_H

#include "instance/list.h"
#include "instance/sched/queue.h"
#include "instance/sched/timer.h"
#include "instance/spinlock.h"
#include "shm/lagoon.h"

#include <stdbool.h>
#include <stdint.h>

struct thread;
struct core_machine; /* the platform's own part: tables, stacks, flush state */

/* What other cores may touch. */
struct core_shared {
    /* Written by others. */
    _Alignas(SHM_LINE) _Atomic(struct thread *) inbox; /* threads made runnable elsewhere; LIFO by
                                                          thread->inbox_next, pushed with CAS */
    _Atomic(struct core *) steal_request; /* an idle core that asks for a thread; NULL: nobody */
    _Atomic uint32_t changed; /* 1: priority or affinity of a thread changed that is, or may be,
                                 here: look at all of them. With a kick */
    /* Written by the core itself, read by others. */
    _Alignas(SHM_LINE) _Atomic uint32_t idle; /* 1: halted or about to be; a kick is needed */
    _Atomic uint32_t runnable; /* length of the run queue, for thieves and wake-ups to look at */
    _Atomic uint32_t movable;  /* of the runnable ones, those that may run on another core too */
    _Atomic uint32_t priority; /* of the thread that runs here; PRIORITIES: the idle thread */
    _Atomic uint32_t online;   /* 1: the core is up and takes threads */
    _Atomic uint64_t barrier_seen; /* the last core_barrier_all that this core has answered */
};

#define CORE_KICKS 8

struct core {
    struct core *self;          /* GS:0 */
    uintptr_t kernel_stack_top; /* GS:8, of the current thread: where entries switch to */
    uintptr_t scratch;          /* GS:16, the program's RSP while a system call enters */
    struct thread *current;     /* GS:24 */
    /* From GS:32 on, for `hosted`: its interrupt flag and what waits for it; see there. */
    uint32_t interrupts_off;
    uint32_t interrupts_pending;
    uint32_t leave_work; /* GS:40, not 0: something to do before the program goes on */
    uint64_t quick_calls; /* GS:48, of arch/x86/quick_call.asm: calls that it has served here */

    uint32_t index; /* within the instance, from 0 */
    uint32_t apic_id;
    uint32_t machine_core; /* number in the machine, for messages */
    bool need_resched;     /* look at the run queue before returning to the program */

    struct thread *idle_thread;
    struct thread *fpu_owner; /* whose vector registers this core holds; NULL: nobody's */
    struct run_queue queue;
    struct timer_queue timers;
    uint64_t slice_end; /* monotonic ns at which equals take turns; 0: the thread is alone */
    bool turn_over;     /* the slice has ended, or the thread yields: equals go first */
    struct thread *switched_from; /* until the thread switched to has released it */
    bool kicks_held;              /* wake-ups do not kick, but note whom to kick later: */
    uint32_t kicks;               /* so many */
    struct core *kick[CORE_KICKS];
    struct core_machine *machine;
    struct shm_heartbeat *heartbeat; /* in the own section */

    struct core_shared shared;
};

extern struct core *cores; /* [core_count] */
extern uint32_t core_count;

#ifdef INSTANCE_UNIT_TEST
extern _Thread_local struct core *unit_test_core;
static inline struct core *core_self(void)
{
    return unit_test_core;
}
static inline struct thread *thread_current(void)
{
    return unit_test_core->current;
}
#else
static inline struct core *core_self(void)
{
    struct core *core;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(core));
    return core;
}
/* Volatile-free on purpose would be wrong: a thread may resume on another core after a switch, but
 * it is always its own `current` there. */
static inline struct thread *thread_current(void)
{
    struct thread *thread;
    __asm__ volatile("movq %%gs:24, %0" : "=r"(thread));
    return thread;
}
#endif

#endif
