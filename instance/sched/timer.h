/* One-shot timers of a core, by deadline. A timer belongs to the core that set it; its function
 * runs on that core from the timer interrupt, interrupts off, and must not sleep. Tickless: the
 * hardware is armed for the earliest deadline (or the end of a time slice) and for nothing else. */
#ifndef INSTANCE_SCHED_TIMER_H
#define INSTANCE_SCHED_TIMER_H

#include "instance/spinlock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct core;
struct timer;
typedef void (*timer_function_t)(struct timer *timer);

struct timer {
    uint64_t deadline; /* platform_monotonic_ns */
    timer_function_t function;
    _Atomic(struct core *) core;   /* whose queue it is in, or NULL */
    _Atomic(struct core *) set_on; /* the core that set it last: where it may be running */
    struct timer *child, *sibling, *previous; /* pairing heap */
};

struct timer_queue {
    struct spinlock lock;
    struct timer *first;             /* earliest, the heap's root */
    _Atomic(struct timer *) running; /* whose function runs right now, or NULL */
    uint64_t armed;                  /* what the hardware is set to; 0: off. Its own core's */
};

void timer_queue_init(struct timer_queue *queue);

/* Sets `timer` (not set now) to run `function` at `deadline` on this core. */
void timer_set(struct timer *timer, uint64_t deadline, timer_function_t function);

/* Takes it back, from any core. Returns true when the function has not run and will not. When false
 * it has run, or is running on its core right now: timer_cancel_sync waits for that. */
bool timer_cancel(struct timer *timer);
void timer_cancel_sync(struct timer *timer);

/* From the timer interrupt: runs what is due and arms for what comes next. */
void timer_run_due(void);

/* Arms this core's hardware for its earliest deadline or the end of the time slice. Lazy: an
 * earlier setting that nobody needs any more stays, and its interrupt arms anew. Exact: it is taken
 * back (before a halt). Interrupts off. */
void timer_arm_lazy(struct core *core);
void timer_arm_exact(struct core *core);

#endif
