/* See interval.h. A CPU clock has no interrupt of its own: the timer is set to when the CPU time
 * could be used up at the earliest, with all cores at work, and then the clock is looked at. */
#include "instance/sched/interval.h"

#include "instance/core.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"

uint64_t interval_now(const struct interval *interval)
{
    if (interval->clock == INTERVAL_TIME)
        return platform_monotonic_ns();
    if (interval->clock == INTERVAL_PROCESS)
        return thread_cpu_time_all();
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    struct thread *thread = thread_find(interval->thread);
    uint64_t now = thread != NULL ? thread_cpu_time(thread) : 0;
    spin_unlock_irq(&thread_all_lock, saved);
    return now;
}

/* Sets the timer; it may be set already, or its function may be running. */
static void interval_arm(struct interval *interval)
{
    timer_cancel(&interval->timer);
    if (interval->expiry == 0 || interval->expired || interval->silent)
        return;
    uint64_t deadline = interval->expiry;
    if (interval->clock != INTERVAL_TIME) {
        uint64_t now = interval_now(interval);
        uint64_t left = deadline > now ? deadline - now : 0;
        if (interval->clock == INTERVAL_PROCESS)
            left /= core_count;
        if (left < INTERVAL_LOOK_NS && deadline > now)
            left = INTERVAL_LOOK_NS;
        uint64_t from = platform_monotonic_ns();
        deadline = left < INT64_MAX - from ? from + left : INT64_MAX;
    }
    timer_set(&interval->timer, deadline, interval->timer.function);
}

void interval_set(struct interval *interval, uint64_t expiry, uint64_t period,
                  timer_function_t function)
{
    interval->timer.function = function;
    interval->expiry = expiry;
    interval->period = period;
    interval->expired = false;
    interval_arm(interval);
}

bool interval_is_due(struct interval *interval)
{
    if (interval->expiry == 0 || interval->expired)
        return false;
    if (interval_now(interval) < interval->expiry) {
        interval_arm(interval);
        return false;
    }
    interval->expired = true;
    return true;
}

uint64_t interval_take(struct interval *interval, uint64_t least)
{
    if (!interval->expired)
        return 0;
    interval->expired = false;
    if (interval->period == 0) {
        interval->expiry = 0;
        return 1;
    }
    uint64_t now = interval_now(interval) + least;
    uint64_t over = now > interval->expiry ? (now - interval->expiry) / interval->period : 0;
    interval->expiry += (over + 1) * interval->period;
    interval_arm(interval);
    return over + 1;
}

uint64_t interval_left(const struct interval *interval)
{
    if (interval->expiry == 0)
        return 0;
    uint64_t now = interval_now(interval);
    if (interval->expiry > now)
        return interval->expiry - now;
    if (interval->period == 0)
        return interval->expired || interval->silent ? 0 : 1; /* about to expire */
    return interval->period - (now - interval->expiry) % interval->period;
}

void interval_end(struct interval *interval)
{
    timer_cancel(&interval->timer);
    /* Set anew, it may be in one core's queue while its function still runs on another. */
    for (uint32_t i = 0; i < core_count; i++)
        while (atomic_load_explicit(&cores[i].timers.running, memory_order_acquire) ==
               &interval->timer)
            platform_relax();
}
