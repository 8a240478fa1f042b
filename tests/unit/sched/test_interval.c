/* Timers with periods: what has expired, what is left, and that nothing runs while nobody takes. */
#include "machine.h"

#include "instance/sched/interval.h"

#include <criterion/criterion.h>

static struct interval interval;
static unsigned due;

static void look(struct timer *timer)
{
    cr_assert_eq(timer, &interval.timer);
    due += interval_is_due(&interval);
}

static void at(uint64_t now)
{
    machine_set_clock(now);
    timer_run_due();
}

static void begin(void)
{
    machine_make(1);
    machine_set_clock(1000);
    interval = (struct interval){.clock = INTERVAL_TIME};
    due = 0;
}

Test(interval, once)
{
    begin();
    interval_set(&interval, 1500, 0, look);
    cr_assert_eq(interval_left(&interval), 500);
    cr_assert_eq(interval_take(&interval, 0), 0);
    at(1499);
    cr_assert_eq(due, 0);
    at(1500);
    cr_assert_eq(due, 1);
    cr_assert_eq(interval_left(&interval), 0);
    cr_assert_eq(interval_take(&interval, 0), 1);
    cr_assert_eq(interval_take(&interval, 0), 0);
    at(9000);
    cr_assert_eq(due, 1);
}

Test(interval, periods_are_counted_and_cost_nothing)
{
    begin();
    interval_set(&interval, 1100, 10, look);
    at(1105);
    for (uint64_t now = 1105; now < 2000; now += 5)
        at(now);
    cr_assert_eq(due, 1, "it ran on although nobody took");
    machine_set_clock(1999);
    cr_assert_eq(interval_left(&interval), 1);
    cr_assert_eq(interval_take(&interval, 0), 90);
    cr_assert_eq(interval_left(&interval), 1);
    at(2000);
    cr_assert_eq(due, 2);
    cr_assert_eq(interval_take(&interval, 100), 11);
    cr_assert_geq(interval_left(&interval), 100);
}

Test(interval, set_anew_while_it_is_due)
{
    begin();
    interval_set(&interval, 1100, 0, look);
    interval_set(&interval, 1300, 0, look);
    at(1200);
    cr_assert_eq(due, 0);
    interval_set(&interval, 0, 0, look);
    at(1400);
    cr_assert_eq(due, 0);
    cr_assert_eq(interval_left(&interval), 0);
    interval_set(&interval, 1, 0, look); /* long ago */
    at(1400);
    cr_assert_eq(due, 1);
    interval_end(&interval);
}

Test(interval, silent_ones_only_tell_what_is_left)
{
    begin();
    interval.silent = true;
    interval_set(&interval, 1100, 40, look);
    at(1130);
    cr_assert_eq(due, 0);
    cr_assert_eq(interval_left(&interval), 10);
    interval_set(&interval, 1200, 0, look);
    at(1201);
    cr_assert_eq(interval_left(&interval), 0);
}

/* CPU time passes only while a thread runs; the clock stands still for one that is gone. */
Test(interval, of_a_thread_that_is_not_there)
{
    begin();
    interval = (struct interval){.clock = INTERVAL_THREAD, .thread = 12345};
    interval_set(&interval, 500, 0, look);
    for (uint64_t now = 2000; now < 100 * INTERVAL_LOOK_NS; now += INTERVAL_LOOK_NS)
        at(now);
    cr_assert_eq(due, 0);
    cr_assert_eq(interval_left(&interval), 500);
    interval_set(&interval, 0, 0, look);
    cr_assert_eq(machine_armed(0) > 0, true);
    timer_arm_exact(&cores[0]);
    cr_assert_eq(machine_armed(0), 0);
}
