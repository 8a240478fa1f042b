/* The scheduler as a whole, on one core in a known order, and on several with all going on at once.
 * Files of a lost wake-up would hang: the time limit of the test is the check. */
#include "machine.h"

#include "instance/sched/wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/sched.h>

/* --- One core: order -----------------------------------------------------------------------------
 */

static char trace[256];
static unsigned traced;

static void mark(char letter)
{
    trace[traced++] = letter;
}

static void marks_and_yields(uintptr_t letter)
{
    mark((char)letter);
    schedule_yield();
    mark((char)letter);
}

static void order_main(uintptr_t unused)
{
    (void)unused;
    thread_start(machine_spawn(marks_and_yields, 'a'));
    thread_start(machine_spawn(marks_and_yields, 'b'));
    struct thread *urgent = machine_spawn(marks_and_yields, 'U');
    thread_set_policy(urgent, SCHED_NORMAL, 0, -5);
    mark('0');
    thread_start(urgent);
    mark('1'); /* kernel code is not preempted */
    machine_interrupts();
    mark('2');
    schedule_yield();
    mark('3');
}

Test(threads, urgent_first_then_in_turn)
{
    machine_make(1);
    machine_set_clock(1); /* no time slice ends */
    cr_assert_eq(machine_run(order_main, 0), 0);
    /* The preempted one goes on before its equals; a yielding one behind them. */
    cr_assert_str_eq(trace, "01UU2ab3ab");
}

static void fifo_peer(uintptr_t letter)
{
    mark((char)letter);
}

static void fifo_main(uintptr_t unused)
{
    (void)unused;
    thread_set_policy(thread_current(), SCHED_FIFO, 10, 0);
    machine_interrupts();
    thread_start(machine_spawn(fifo_peer, 'p'));
    uint64_t end = platform_monotonic_ns() + 3 * SCHED_SLICE_NS;
    while (platform_monotonic_ns() < end)
        machine_interrupts();
    mark('m'); /* no time slice among SCHED_FIFO equals */
    cr_assert_eq(machine_armed(0), 0);
    thread_set_policy(thread_current(), SCHED_RR, 10, 0);
    machine_interrupts();
    while (traced < 2)
        machine_interrupts();
    mark('e');
}

Test(threads, fifo_runs_on_round_robin_does_not)
{
    machine_make(1);
    machine_run(fifo_main, 0);
    cr_assert_str_eq(trace, "mpe");
}

static void spins_until(uintptr_t flag)
{
    while (!atomic_load((_Atomic bool *)flag))
        machine_interrupts();
}

static void slice_main(uintptr_t unused)
{
    (void)unused;
    static _Atomic bool stop;
    machine_interrupts();
    cr_assert_eq(machine_armed(0), 0, "alone: no timer");
    thread_start(machine_spawn(spins_until, (uintptr_t)&stop));
    cr_assert_neq(machine_armed(0), 0, "an equal waits: a slice");
    uint64_t before = thread_cpu_time(thread_current());
    for (int turn = 0; turn < 3; turn++) {
        uint64_t own = platform_monotonic_ns();
        while (platform_monotonic_ns() - own < SCHED_SLICE_NS / 4)
            machine_interrupts();
    }
    cr_assert_geq(thread_cpu_time(thread_current()) - before, SCHED_SLICE_NS / 2);
    atomic_store(&stop, true);
}

Test(threads, tickless_until_equals_compete)
{
    machine_make(1);
    machine_run(slice_main, 0);
}

static void exits_first(uintptr_t status)
{
    thread_exit((int)status);
}
static void exit_main(uintptr_t unused)
{
    (void)unused;
    for (int child = 0; child < 40; child++)
        thread_start(machine_spawn(exits_first, 9));
    thread_exit(42);
}

Test(threads, first_threads_status_counts)
{
    machine_make(2);
    cr_assert_eq(machine_run(exit_main, 0), 42);
    cr_assert_eq(thread_count, 0);
}

/* --- Waiting -------------------------------------------------------------------------------------
 */

static struct spinlock queue_lock;
static struct wait_queue queue;
static unsigned queue_ready;

static void queue_waiter(uintptr_t count)
{
    for (uintptr_t turn = 0; turn < count; turn++) {
        uint64_t saved = spin_lock_irq(&queue_lock);
        while (queue_ready == 0)
            cr_assert_eq(wait_queue_wait(&queue, &queue_lock, &saved, 0, true), 0);
        queue_ready--;
        spin_unlock_irq(&queue_lock, saved);
        machine_interrupts();
    }
}

static void queue_main(uintptr_t turns)
{
    for (int child = 0; child < 8; child++)
        thread_start(machine_spawn(queue_waiter, turns));
    for (uintptr_t turn = 0; turn < 8 * turns; turn++) {
        uint64_t saved = spin_lock_irq(&queue_lock);
        queue_ready++;
        wait_queue_wake(&queue, 1);
        spin_unlock_irq(&queue_lock, saved);
        machine_interrupts();
    }
}

Test(threads, wait_queue_loses_nothing)
{
    wait_queue_init(&queue);
    machine_make(3);
    machine_run(queue_main, 300);
    cr_assert_eq(queue_ready, 0);
}

static void timeout_main(uintptr_t unused)
{
    (void)unused;
    uint64_t start = platform_monotonic_ns();
    thread_prepare_wait(false);
    cr_assert_eq(thread_wait(start + 3000000), -ETIMEDOUT);
    cr_assert_geq(platform_monotonic_ns(), start + 3000000);
    thread_prepare_wait(false);
    cr_assert_eq(thread_wait(1), -ETIMEDOUT, "long past");
    thread_prepare_wait(false);
    cr_assert(thread_wake(thread_current(), 5), "before it waits");
    cr_assert_not(thread_wake(thread_current(), 6), "the first ends it");
    cr_assert_eq(thread_wait(0), 5);
    cr_assert_not(thread_wake(thread_current(), 0), "not waiting");
    thread_prepare_wait(true);
    machine_signal(thread_current()->id);
    cr_assert_eq(thread_wait(0), -EINTR);
    thread_prepare_wait(true);
    cr_assert_eq(thread_wait(0), -EINTR, "still pending");
    machine_interrupts(); /* takes it */
    thread_prepare_wait(true);
    cr_assert_eq(thread_wait(platform_monotonic_ns() + 100000), -ETIMEDOUT);
}

Test(threads, how_a_wait_ends)
{
    machine_make(2);
    machine_run(timeout_main, 0);
}

static _Atomic int32_t sleeper_id;
static void interrupted_sleeper(uintptr_t rounds)
{
    atomic_store(&sleeper_id, thread_current()->id);
    for (uintptr_t round = 0; round < rounds;) {
        thread_prepare_wait(true);
        cr_assert_eq(thread_wait(0), -EINTR);
        machine_interrupts();
        round++;
    }
    atomic_store(&sleeper_id, -1);
}
static void interrupt_main(uintptr_t rounds)
{
    thread_start(machine_spawn(interrupted_sleeper, rounds));
    while (atomic_load(&sleeper_id) == 0)
        machine_interrupts();
    for (int32_t id; (id = atomic_load(&sleeper_id)) > 0;) {
        machine_signal(id);
        machine_interrupts();
    }
}

Test(threads, signals_end_waits)
{
    machine_make(2);
    machine_run(interrupt_main, 1000);
}

/* --- Several cores -------------------------------------------------------------------------------
 */

static _Atomic uint64_t cores_seen;
static _Atomic unsigned spread_here;

static void spread_worker(uintptr_t all)
{
    atomic_fetch_or(&cores_seen, UINT64_C(1) << core_self()->index);
    atomic_fetch_add(&spread_here, 1);
    /* Urgent ones that have no time slice: only if each has a core of its own do all arrive. */
    while (atomic_load(&spread_here) < all)
        machine_interrupts();
}

static void spread_main(uintptr_t all)
{
    thread_set_policy(thread_current(), SCHED_FIFO, 1, 0);
    for (uintptr_t worker = 1; worker < all; worker++)
        thread_start(machine_spawn(spread_worker, all));
    spread_worker(all);
}

Test(threads, one_for_each_core)
{
    machine_make(4);
    machine_run(spread_main, 4);
    cr_assert_eq(cores_seen, 0xf);
}

/* Threads are queued while all cores are busy; when one core becomes idle it must get them although
 * the busy ones do nothing but take interrupts. */
static _Atomic unsigned stolen_ran;
static void stolen_worker(uintptr_t unused)
{
    (void)unused;
    atomic_fetch_add(&stolen_ran, 1);
}
static _Atomic bool steal_release;
static void steal_blocker(uintptr_t unused)
{
    (void)unused;
    while (!atomic_load(&steal_release))
        platform_relax();
}
static void steal_main(uintptr_t count)
{
    thread_set_policy(thread_current(), SCHED_FIFO, 1, 0); /* equals do not get its core */
    thread_start(machine_spawn(steal_blocker, 0));
    for (uintptr_t worker = 0; worker < count; worker++)
        thread_start(machine_spawn(stolen_worker, 0));
    atomic_store(&steal_release, true);
    while (atomic_load(&stolen_ran) < count)
        machine_interrupts();
}

Test(threads, idle_cores_take_waiting_threads)
{
    machine_make(2);
    machine_run(steal_main, 50);
}

static _Atomic unsigned moved_wrong;
static void moves_about(uintptr_t seed)
{
    for (uintptr_t round = 0; round < 200; round++) {
        uint64_t set = (seed * 7 + round * 5) % 15 + 1;
        cr_assert_eq(thread_set_affinity(thread_current(), &set, 1), 0);
        machine_interrupts();
        if ((set >> core_self()->index & 1) == 0)
            atomic_fetch_add(&moved_wrong, 1);
        if (round % 3 == 0)
            schedule_yield();
        if ((set >> core_self()->index & 1) == 0)
            atomic_fetch_add(&moved_wrong, 1);
    }
}
static void moves_main(uintptr_t count)
{
    uint64_t nowhere = UINT64_C(1) << 4;
    cr_assert_eq(thread_set_affinity(thread_current(), &nowhere, 1), -EINVAL);
    for (uintptr_t child = 0; child < count; child++)
        thread_start(machine_spawn(moves_about, child));
}

Test(threads, affinity_moves_the_caller_at_once)
{
    machine_make(4);
    machine_run(moves_main, 6);
    cr_assert_eq(moved_wrong, 0);
}

/* Another thread, which runs, is queued or sleeps, is moved to where it may run. */
static _Atomic bool sheep_free;
static _Atomic uint32_t sheep_core;
static void sheep_thread(uintptr_t sleeps)
{
    while (!atomic_load(&sheep_free)) {
        atomic_store(&sheep_core, core_self()->index);
        if (sleeps) {
            thread_prepare_wait(false);
            thread_wait(platform_monotonic_ns() + 50000);
        }
        machine_interrupts();
    }
}
static void herd_main(uintptr_t sleeps)
{
    uint64_t second = 2;
    cr_assert_eq(thread_set_affinity(thread_current(), &second, 1), 0);
    machine_interrupts();
    struct thread *thread = machine_spawn(sheep_thread, sleeps);
    thread_start(thread); /* queued here, behind this one */
    for (uint32_t round = 0; round < 30; round++) {
        uint32_t core = round % 3; /* not only where this one is not */
        uint64_t set = UINT64_C(1) << core;
        cr_assert_eq(thread_set_affinity(thread, &set, 1), 0);
        while (atomic_load(&sheep_core) != core)
            machine_interrupts();
    }
    atomic_store(&sheep_free, true);
}

Test(threads, affinity_moves_others)
{
    atomic_store(&sheep_core, 99);
    machine_make(3);
    machine_run(herd_main, 0);
}

Test(threads, affinity_moves_sleepers)
{
    atomic_store(&sheep_core, 99);
    machine_make(3);
    machine_run(herd_main, 1);
}

/* A real-time thread whose core runs a more urgent one goes to a core that does not. */
static _Atomic bool urgent_ran, urgent_sleeps;
static void urgent_thread(uintptr_t unused)
{
    (void)unused;
    thread_prepare_wait(false);
    atomic_store(&urgent_sleeps, true);
    thread_wait(0);
    atomic_store(&urgent_ran, true);
}
static void ordinary_thread(uintptr_t unused)
{
    (void)unused;
    atomic_store(&steal_release, true);
    while (!atomic_load(&urgent_ran))
        machine_interrupts();
}
static void urgent_main(uintptr_t unused)
{
    (void)unused;
    uint64_t here = 1, both = 3;
    thread_set_affinity(thread_current(), &here, 1);
    machine_interrupts();
    struct thread *urgent = machine_spawn(urgent_thread, 0);
    thread_set_policy(urgent, SCHED_FIFO, 20, 0);
    thread_start(urgent); /* sleeps on this core */
    while (!atomic_load(&urgent_sleeps))
        machine_interrupts();
    thread_set_affinity(urgent, &both, 1);
    struct thread *ordinary = machine_spawn(ordinary_thread, 0);
    uint64_t there = 2;
    thread_set_affinity(ordinary, &there, 1);
    thread_start(ordinary);
    while (!atomic_load(&steal_release))
        machine_interrupts();
    thread_set_policy(thread_current(), SCHED_FIFO, 50, 0);
    machine_interrupts();
    thread_wake(urgent, 0);
    while (!atomic_load(&urgent_ran)) /* it never gets this core */
        machine_interrupts();
    cr_assert_eq(core_self()->index, 0);
}

Test(threads, real_time_threads_find_the_less_urgent_core)
{
    machine_make(2);
    machine_run(urgent_main, 0);
}

/* --- All at once ---------------------------------------------------------------------------------
 */

static _Atomic unsigned storm_live, storm_faults;
static struct spinlock storm_lock;
static struct wait_queue storm_queue;
static unsigned storm_tokens;

static uint32_t storm_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 24);
}

static void storm_thread(uintptr_t seed)
{
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    struct thread *self = thread_current();
    unsigned rounds = 60 + seed % 32;
    machine_set_registers(seed, ~seed);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t saved;
        switch (storm_random(&state) % 10) {
        case 0:
            schedule_yield();
            break;
        case 1: {
            uint64_t set = storm_random(&state) % 15 + 1;
            cr_assert_eq(thread_set_affinity(self, &set, 1), 0);
            break;
        }
        case 2: /* some other thread's affinity or priority */
        case 3: {
            uint64_t set = storm_random(&state) % 15 + 1;
            bool policy = storm_random(&state) % 2 == 0;
            int nice = (int)(storm_random(&state) % 5) - 2;
            saved = spin_lock_irq(&thread_all_lock);
            struct thread *other = thread_find(self->id - 3 + (int32_t)(storm_random(&state) % 7));
            if (other != NULL && policy)
                thread_set_policy(other, SCHED_NORMAL, 0, nice);
            else if (other != NULL)
                cr_assert_eq(thread_set_affinity(other, &set, 1), 0);
            spin_unlock_irq(&thread_all_lock, saved);
            break;
        }
        case 4:
            thread_prepare_wait(false);
            cr_assert_eq(thread_wait(platform_monotonic_ns() + storm_random(&state) % 200000),
                         -ETIMEDOUT);
            break;
        case 5: /* waits for a token, but not for long */
            saved = spin_lock_irq(&storm_lock);
            if (storm_tokens == 0)
                wait_queue_wait(&storm_queue, &storm_lock, &saved,
                                platform_monotonic_ns() + storm_random(&state) % 100000, false);
            if (storm_tokens != 0)
                storm_tokens--;
            spin_unlock_irq(&storm_lock, saved);
            break;
        case 6:
            saved = spin_lock_irq(&storm_lock);
            storm_tokens++;
            wait_queue_wake(&storm_queue, 1);
            spin_unlock_irq(&storm_lock, saved);
            break;
        case 7:
            if (seed < 2000 && storm_random(&state) % 8 == 0) {
                atomic_fetch_add(&storm_live, 1);
                thread_start(machine_spawn(storm_thread, seed + 1000));
            }
            break;
        case 8:
            core_barrier_all();
            break;
        default:
            break;
        }
        machine_interrupts();
        if (!machine_registers_are(seed, ~seed) || thread_current() != self)
            atomic_fetch_add(&storm_faults, 1);
    }
    atomic_fetch_sub(&storm_live, 1);
}

static void storm_main(uintptr_t count)
{
    atomic_store(&storm_live, (unsigned)count);
    for (uintptr_t child = 0; child < count; child++)
        thread_start(machine_spawn(storm_thread, child + 1));
}

Test(threads, storm_on_four_cores, .timeout = 60)
{
    wait_queue_init(&storm_queue);
    machine_make(4);
    machine_run(storm_main, 40);
    cr_assert_eq(storm_live, 0);
    cr_assert_eq(storm_faults, 0);
    cr_assert_eq(thread_count, 0);
    for (uint32_t core = 0; core < core_count; core++)
        cr_assert_eq(cores[core].queue.length, 0);
}
