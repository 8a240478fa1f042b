/* Timers: the heap against a model, arming, and taking back while they run. */
#include "machine.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define TIMERS 300

static uint64_t random_state = 362436069362436069u;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % limit;
}

static struct timer timers[TIMERS];
static uint64_t last_deadline;
static unsigned ran;

static void note(struct timer *timer)
{
    cr_assert_geq(timer->deadline, last_deadline, "in order");
    cr_assert_leq(timer->deadline, platform_monotonic_ns(), "not early");
    last_deadline = timer->deadline;
    ran++;
}

Test(timer, heap_follows_a_model)
{
    bool set[TIMERS] = {false};
    uint64_t now = 1000000;
    machine_make(1);
    machine_set_clock(now);
    for (int round = 0; round < 100000; round++) {
        int pick = (int)random_below(TIMERS);
        if (random_below(3) != 0) {
            if (set[pick])
                continue;
            timer_set(&timers[pick], now + 1 + random_below(5000), note);
            set[pick] = true;
        } else if (random_below(8) != 0) {
            cr_assert_eq(timer_cancel(&timers[pick]), set[pick]);
            set[pick] = false;
        } else {
            now += random_below(1500);
            machine_set_clock(now);
            unsigned due = 0;
            for (int index = 0; index < TIMERS; index++) {
                if (set[index] && timers[index].deadline <= now) {
                    set[index] = false;
                    due++;
                }
            }
            ran = 0;
            last_deadline = 0;
            timer_run_due();
            cr_assert_eq(ran, due);
        }
        uint64_t first = UINT64_MAX;
        for (int index = 0; index < TIMERS; index++)
            if (set[index] && timers[index].deadline < first)
                first = timers[index].deadline;
        if (first != UINT64_MAX)
            cr_assert(machine_armed(0) != 0 && machine_armed(0) <= first, "armed for the first");
        if (round % 64 == 0) {
            timer_arm_exact(&cores[0]);
            cr_assert_eq(machine_armed(0), first != UINT64_MAX ? first : 0);
        }
    }
}

static unsigned again_left;
static void again(struct timer *timer)
{
    if (--again_left != 0)
        timer_set(timer, platform_monotonic_ns(), again); /* due at once */
}

Test(timer, a_function_may_set_its_timer_again)
{
    static struct timer timer;
    machine_make(1);
    machine_set_clock(1000);
    again_left = 10;
    timer_set(&timer, 900, again);
    timer_run_due();
    cr_assert_eq(again_left, 0);
    cr_assert_not(timer_cancel(&timer));
    timer_cancel_sync(&timer);
}

static void cancels_itself(struct timer *timer)
{
    timer_cancel_sync(timer); /* must not wait for itself */
    ran++;
}

Test(timer, a_function_may_cancel_its_own)
{
    static struct timer timer;
    machine_make(1);
    machine_set_clock(1000);
    timer_set(&timer, 1000, cancels_itself);
    timer_run_due();
    cr_assert_eq(ran, 1);
}

/* One core sets and runs, another takes back: each timer either ran or was taken back, and after
 * timer_cancel_sync its memory is not touched any more. */
#define RACES 2000

struct race {
    struct timer timer;
    _Atomic int runs;
    int plain; /* written by the function, and after the cancelling: TSan sees an overlap */
};
static struct race *_Atomic race_now;
static _Atomic unsigned race_done;

static void race_function(struct timer *timer)
{
    struct race *race = (struct race *)timer;
    race->plain++;
    atomic_fetch_add(&race->runs, 1);
}

static void *race_canceller(void *argument)
{
    unit_test_core = argument;
    for (unsigned round = 0; round < RACES; round++) {
        struct race *race;
        while ((race = atomic_load(&race_now)) == NULL)
            sched_yield();
        if (round % 3 == 0)
            sched_yield();
        if (round % 2 == 0) {
            timer_cancel_sync(&race->timer);
            int runs = atomic_load(&race->runs);
            race->plain++;
            cr_assert_eq(race->plain, runs + 1);
        } else {
            bool taken = timer_cancel(&race->timer);
            timer_cancel_sync(&race->timer);
            cr_assert_eq(atomic_load(&race->runs), taken ? 0 : 1);
        }
        atomic_store(&race_now, NULL);
        atomic_store(&race_done, round + 1);
    }
    return NULL;
}

Test(timer, cancelled_from_another_core)
{
    pthread_t canceller;
    machine_make(2);
    pthread_create(&canceller, NULL, race_canceller, &cores[1]);
    static struct race races[2];
    for (unsigned round = 0; round < RACES; round++) {
        struct race *race = &races[round % 2];
        atomic_store(&race->runs, 0);
        race->plain = 0;
        timer_set(&race->timer, platform_monotonic_ns(), race_function);
        atomic_store(&race_now, race);
        while (atomic_load(&race_done) != round + 1)
            timer_run_due();
    }
    pthread_join(canceller, NULL);
}
