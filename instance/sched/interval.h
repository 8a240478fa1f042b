/* Timers as programs set them: on the time that passes, or on the CPU time of the process or of one
 * thread; once, or every so often. One that has expired stands still until its owner takes what
 * came: so a period of a nanosecond that nobody looks at costs nothing. All calls are made under
 * the owner's lock, a spinlock with interrupts off, which the function given to interval_set takes
 * too. */
#ifndef INSTANCE_SCHED_INTERVAL_H
#define INSTANCE_SCHED_INTERVAL_H

#include "instance/sched/timer.h"

#define INTERVAL_LOOK_NS UINT64_C(4000000) /* CPU clocks are looked at no more often than this */

enum interval_clock {
    INTERVAL_TIME,    /* the monotonic clock; the wall clock runs on evenly with it */
    INTERVAL_PROCESS, /* CPU time of all threads that are or were */
    INTERVAL_THREAD,  /* of the thread `thread` */
};

struct interval {
    struct timer timer;
    enum interval_clock clock;
    int32_t thread;
    uint64_t expiry; /* ns on its clock; 0: not armed */
    uint64_t period; /* ns; 0: once */
    bool expired;    /* and not yet taken */
    bool silent;     /* nobody is to be told: no timer runs, only interval_left is asked */
};

/* What its clock shows, ns. A thread that has ended uses no more time: 0. */
uint64_t interval_now(const struct interval *interval);

/* Arms it for `expiry` on its clock (0: disarms it). `function` is called on some core from the
 * timer interrupt, perhaps too often: it takes the owner's lock and asks interval_is_due. */
void interval_set(struct interval *interval, uint64_t expiry, uint64_t period,
                  timer_function_t function);

/* From the function: has it expired just now? Otherwise it has been set anew meanwhile, or the CPU
 * time is not used up yet (then it looks again later). */
bool interval_is_due(struct interval *interval);

/* The owner takes what has expired: returns how many periods have passed (0: nothing to take) and
 * lets a periodic one run on; it expires again no sooner than in `least` ns. */
uint64_t interval_take(struct interval *interval, uint64_t least);

/* ns until it expires next; 0: not armed, or expired for good. */
uint64_t interval_left(const struct interval *interval);

/* Takes it back for good and waits until the function does not run any more: without the lock. */
void interval_end(struct interval *interval);

#endif
