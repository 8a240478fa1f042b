/* Futexes under the whole scheduler: what each operation returns, and that no wake-up is lost. */
#include "machine.h"

#include "instance/syscall/calls.h"
#include "instance/syscall/futex.h"
#include "instance/syscall/restart.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>

#define MATCH_ANY FUTEX_BITSET_MATCH_ANY
/* FUTEX_OP of <linux/futex.h> shifts into the sign. */
#define WAKE_OP(Operation, Operand, Comparison, Compared)                                          \
    ((unsigned)(Operation) << 28 | (unsigned)(Comparison) << 24 |                                  \
     ((unsigned)(Operand)&0xfff) << 12 | ((unsigned)(Compared)&0xfff))

static int64_t futex(_Atomic uint32_t *word, int operation, uint32_t value, uint64_t timeout,
                     _Atomic uint32_t *other, uint32_t value3)
{
    struct trap_frame frame = {
        .rdi = (uint64_t)word,
        .rsi = (uint64_t)(int64_t)operation,
        .rdx = value,
        .r10 = timeout,
        .r8 = (uint64_t)other,
        .r9 = value3,
    };
    return sys_futex(&frame);
}

static uint64_t word_address(_Atomic uint32_t *word)
{
    return (uint64_t)word;
}

/* --- Results -------------------------------------------------------------------------------------
 */

static _Atomic uint32_t first_word, second_word;
static _Atomic unsigned returned;

struct waiter {
    _Atomic uint32_t *word;
    uint32_t bitset;
    int64_t result;
};

static void waits(uintptr_t argument)
{
    struct waiter *waiter = (struct waiter *)argument;
    waiter->result =
        futex(waiter->word, FUTEX_WAIT_BITSET, atomic_load(waiter->word), 0, NULL, waiter->bitset);
    atomic_fetch_add(&returned, 1);
}

/* On one core: each new thread runs until it waits. */
static void start_waiters(struct waiter *waiters, unsigned count, _Atomic uint32_t *word)
{
    atomic_store(&returned, 0);
    for (unsigned index = 0; index < count; index++) {
        waiters[index].word = word;
        if (waiters[index].bitset == 0)
            waiters[index].bitset = MATCH_ANY;
        waiters[index].result = 99;
        thread_start(machine_spawn(waits, (uintptr_t)&waiters[index]));
    }
    schedule_yield();
}

static unsigned count_returned(void)
{
    schedule_yield();
    return atomic_load(&returned);
}

static void results_main(uintptr_t unused)
{
    (void)unused;
    static struct waiter w[6];
    struct {
        int64_t seconds, nanoseconds;
    } time = {0, 1000000};
    uint64_t timeout = (uint64_t)&time;

    cr_expect_eq(futex(&first_word, FUTEX_WAIT, 1, 0, NULL, 0), -EAGAIN);
    cr_expect_eq(futex((void *)((char *)&first_word + 1), FUTEX_WAIT, 0, 0, NULL, 0), -EINVAL);
    cr_expect_eq(futex((void *)8, FUTEX_WAIT, 0, 0, NULL, 0), -EFAULT);
    cr_expect_eq(futex(&first_word, FUTEX_WAIT_BITSET, 0, 0, NULL, 0), -EINVAL);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_BITSET, 1, 0, NULL, 0), -EINVAL);
    cr_expect_eq(futex(&first_word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, 0, NULL, 0), -ENOSYS);
    cr_expect_eq(futex(&first_word, FUTEX_LOCK_PI, 0, 0, NULL, 0), -ENOSYS);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE, 1, 0, NULL, 0), 0);
    cr_expect_eq(futex((void *)8, FUTEX_WAKE, 1, 0, NULL, 0), -EFAULT);
    cr_expect_eq(futex((void *)8, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, NULL, 0), 0);
    cr_expect_eq(futex((void *)PROGRAM_TOP, FUTEX_WAKE, 1, 0, NULL, 0), -EFAULT);

    uint64_t start = platform_monotonic_ns();
    cr_expect_eq(futex(&first_word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, timeout, NULL, 0),
                 -ETIMEDOUT);
    cr_expect_geq(platform_monotonic_ns() - start, 1000000);
    cr_expect_eq(futex(&first_word, FUTEX_WAIT_BITSET, 0, timeout, NULL, MATCH_ANY), -ETIMEDOUT,
                 "absolute, long past");
    time.seconds = (int64_t)(platform_realtime_ns() / 1000000000u);
    time.nanoseconds = (int64_t)(platform_realtime_ns() % 1000000000u) + 2000000;
    if (time.nanoseconds >= 1000000000) {
        time.seconds++;
        time.nanoseconds -= 1000000000;
    }
    start = platform_monotonic_ns();
    cr_expect_eq(
        futex(&first_word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, timeout, NULL, MATCH_ANY),
        -ETIMEDOUT);
    cr_expect_geq(platform_monotonic_ns() - start, 1000000);
    time.nanoseconds = 1000000000;
    cr_expect_eq(futex(&first_word, FUTEX_WAIT, 0, timeout, NULL, 0), -EINVAL);
    time.seconds = -1;
    time.nanoseconds = 0;
    cr_expect_eq(futex(&first_word, FUTEX_WAIT, 0, timeout, NULL, 0), -EINVAL);

    /* The word's page is not there at first. */
    atomic_store(&machine_faults, 3);
    cr_expect_eq(futex(&first_word, FUTEX_WAIT, 1, 0, NULL, 0), -EAGAIN);
    cr_expect_eq(atomic_load(&machine_faults), 0);

    start_waiters(w, 3, &first_word);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE, 1, 0, NULL, 0), 1);
    cr_expect_eq(count_returned(), 1);
    cr_expect(w[0].result == 0 && w[1].result == 99, "in order of arrival");
    cr_expect_eq(futex(&first_word, FUTEX_WAKE, 0, 0, NULL, 0), 1, "0 wakes one, as on Linux");
    cr_expect_eq(futex(&first_word, FUTEX_WAKE, INT32_MAX, 0, NULL, 0), 1);
    cr_expect_eq(count_returned(), 3);

    w[0].bitset = 1, w[1].bitset = 2, w[2].bitset = 4;
    start_waiters(w, 3, &first_word);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_BITSET, INT32_MAX, 0, NULL, 8), 0);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_BITSET, INT32_MAX, 0, NULL, 6), 2);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE, INT32_MAX, 0, NULL, 0), 1);
    cr_expect_eq(count_returned(), 3);

    w[0].bitset = w[1].bitset = w[2].bitset = 0;
    start_waiters(w, 6, &first_word);
    cr_expect_eq(futex(&first_word, FUTEX_CMP_REQUEUE, 1, 2, &second_word, 7), -EAGAIN);
    cr_expect_eq(futex(&first_word, FUTEX_REQUEUE, (uint32_t)-1, 2, &second_word, 0), -EINVAL);
    atomic_store(&machine_faults, 1);
    cr_expect_eq(futex(&first_word, FUTEX_CMP_REQUEUE, 1, 2, &second_word, 0), 3);
    cr_expect_eq(count_returned(), 1);
    cr_expect_eq(futex(&second_word, FUTEX_WAKE, INT32_MAX, 0, NULL, 0), 2);
    cr_expect_eq(futex(&first_word, FUTEX_REQUEUE, 0, 2, &first_word, 0), 2, "to itself");
    cr_expect_eq(futex(&first_word, FUTEX_REQUEUE, 0, INT32_MAX, &second_word, 0), 3);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE, INT32_MAX, 0, NULL, 0), 0);
    cr_expect_eq(futex(&second_word, FUTEX_WAKE, INT32_MAX, 0, NULL, 0), 3);
    cr_expect_eq(count_returned(), 6);

    start_waiters(w, 2, &first_word);
    atomic_fetch_sub(&returned, 0);
    struct waiter other[2] = {{.bitset = 0}};
    start_waiters(other, 2, &second_word);
    atomic_store(&machine_faults, 2);
    /* second = second + 5, its old value 0 < 1: wakes on both. */
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_OP, 1, 1, &second_word,
                       WAKE_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_LT, 1)),
                 2);
    cr_expect_eq(second_word, 5);
    /* Bit 3 out of 5 | 8 = 13; 5 == 6 does not hold: wakes on the first alone. */
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_OP, 9, 9, &second_word,
                       WAKE_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 3, FUTEX_OP_CMP_EQ, 6)),
                 1);
    cr_expect_eq(second_word, 13);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_OP, 9, 9, &second_word,
                       WAKE_OP(FUTEX_OP_ANDN, 4, FUTEX_OP_CMP_GT, -1)),
                 1);
    cr_expect_eq(second_word, 9);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_OP, 1, 1, &second_word, 5u << 28), -ENOSYS);
    cr_expect_eq(futex(&first_word, FUTEX_WAKE_OP, 1, 1, &second_word,
                       WAKE_OP(FUTEX_OP_SET, -1, FUTEX_OP_CMP_GE, 9)),
                 0);
    cr_expect_eq(second_word, UINT32_MAX);
    schedule_yield();

    /* A signal ends it, to be done again or not. */
    machine_signal(thread_current()->id);
    uint32_t now = atomic_load(&first_word);
    cr_expect_eq(futex(&first_word, FUTEX_WAIT, now, 0, NULL, 0), -ERESTARTSYS);
    time.seconds = 1;
    cr_expect_eq(futex(&first_word, FUTEX_WAIT, now, timeout, NULL, 0), -EINTR);
    time.seconds = (int64_t)(platform_monotonic_ns() / 1000000000u) + 5;
    cr_expect_eq(futex(&first_word, FUTEX_WAIT_BITSET, now, timeout, NULL, MATCH_ANY),
                 -ERESTARTNOHAND);
    machine_interrupts();
}

Test(futex, results_are_linux_s)
{
    machine_make(1);
    machine_run(results_main, 0);
}

static char urgency_order[8];
static _Atomic unsigned urgency_count;
static void urgent_waiter(uintptr_t letter)
{
    futex_wait(word_address(&first_word), 0, MATCH_ANY, 0);
    urgency_order[atomic_fetch_add(&urgency_count, 1)] = (char)letter;
}
static void urgency_main(uintptr_t unused)
{
    (void)unused;
    const struct {
        char name;
        int realtime;
    } kinds[] = {{'a', 0}, {'m', 10}, {'b', 0}, {'h', 50}, {'n', 10}};
    for (unsigned kind = 0; kind < 5; kind++) {
        struct thread *thread = machine_spawn(urgent_waiter, (uintptr_t)kinds[kind].name);
        if (kinds[kind].realtime != 0)
            thread_set_policy(thread, SCHED_FIFO, kinds[kind].realtime, 0);
        thread_start(thread);
        machine_interrupts();
        schedule_yield();
    }
    for (unsigned kind = 0; kind < 5; kind++) {
        cr_assert_eq(futex_wake(word_address(&first_word), 1, MATCH_ANY), 1);
        machine_interrupts();
        schedule_yield();
    }
}

Test(futex, urgent_waiters_are_woken_first)
{
    machine_make(1);
    machine_run(urgency_main, 0);
    cr_assert_str_eq(urgency_order, "hmnab");
}

/* --- Many cores ----------------------------------------------------------------------------------
 */

static void mutex_lock(_Atomic uint32_t *mutex)
{
    uint32_t zero = 0;
    if (atomic_compare_exchange_strong(mutex, &zero, 1))
        return;
    while (atomic_exchange(mutex, 2) != 0)
        futex_wait(word_address(mutex), 2, MATCH_ANY, 0);
}
static void mutex_unlock(_Atomic uint32_t *mutex)
{
    if (atomic_exchange(mutex, 0) == 2)
        futex_wake(word_address(mutex), 1, MATCH_ANY);
}

static _Atomic uint32_t mutex;
static unsigned counter;

static void counts(uintptr_t rounds)
{
    for (uintptr_t round = 0; round < rounds; round++) {
        mutex_lock(&mutex);
        counter++;
        if (round % 5 == 0)
            schedule_yield(); /* while it holds it: others have to wait */
        mutex_unlock(&mutex);
        machine_interrupts();
    }
}

static void mutex_main(uintptr_t rounds)
{
    for (int child = 0; child < 10; child++)
        thread_start(machine_spawn(counts, rounds));
}

Test(futex, mutex_of_many)
{
    machine_make(4);
    machine_run(mutex_main, 400);
    cr_assert_eq(counter, 4000);
}

/* A condition variable as the C libraries build it on requeue: all waiters move to the mutex. */
static _Atomic uint32_t condition, finished;
static void condition_waiter(uintptr_t rounds)
{
    for (uintptr_t round = 0; round < rounds; round++) {
        uint32_t seen = atomic_load(&condition);
        /* With a timeout now and then, which races with the requeueing. */
        uint64_t deadline = round % 4 == 0 ? platform_monotonic_ns() + 20000 : 0;
        if (atomic_load(&finished) != 0)
            break;
        int result = futex_wait(word_address(&condition), seen, MATCH_ANY, deadline);
        cr_assert(result == 0 || result == -EAGAIN || result == -ETIMEDOUT, "%d", result);
        mutex_lock(&mutex);
        counter++;
        mutex_unlock(&mutex);
        /* It may have been moved to the mutex, with others behind it. */
        futex_wake(word_address(&mutex), 1, MATCH_ANY);
        machine_interrupts();
    }
    atomic_fetch_add(&returned, 1);
}

static void condition_main(uintptr_t rounds)
{
    for (int child = 0; child < 8; child++)
        thread_start(machine_spawn(condition_waiter, rounds));
    for (unsigned round = 0; atomic_load(&returned) != 8; round++) {
        uint32_t now = atomic_fetch_add(&condition, 1) + 1;
        if (round > 4 * rounds)
            atomic_store(&finished, 1);
        futex(&condition, FUTEX_CMP_REQUEUE, 1, INT32_MAX, &mutex, now);
        futex(&mutex, FUTEX_WAKE, 1, 0, NULL, 0);
        machine_interrupts();
        schedule_yield();
    }
}

Test(futex, requeue_under_fire)
{
    machine_make(4);
    machine_run(condition_main, 200);
}

/* Two threads hand a word to and fro: each wake-up is needed. */
static _Atomic uint32_t ball;
static void player(uintptr_t argument)
{
    uint32_t side = (uint32_t)(argument & 1);
    for (uintptr_t round = argument >> 1; round > 0; round--) {
        uint32_t now;
        while (((now = atomic_load(&ball)) & 1) != side)
            futex_wait(word_address(&ball), now, MATCH_ANY, 0);
        atomic_store(&ball, now + 1);
        futex_wake(word_address(&ball), 1, MATCH_ANY);
    }
}
static void ball_main(uintptr_t rounds)
{
    thread_start(machine_spawn(player, rounds << 1 | 0));
    thread_start(machine_spawn(player, rounds << 1 | 1));
}

Test(futex, ball_is_never_lost)
{
    machine_make(3);
    machine_run(ball_main, 3000);
    cr_assert_eq(ball, 6000);
}

/* --- The end of a thread -------------------------------------------------------------------------
 */

struct robust_mutex {
    uint64_t next; /* in the owner's list */
    _Atomic uint32_t word;
};
static struct robust_mutex held[3];
static uint64_t robust_head[3]; /* first, offset, pending */
static _Atomic uint32_t joined = 1;

static void dies_holding(uintptr_t unused)
{
    (void)unused;
    uint32_t id = (uint32_t)thread_current()->id;
    for (int index = 0; index < 3; index++) {
        held[index].next = index < 2 ? (uint64_t)&held[index + 1] : (uint64_t)robust_head;
        atomic_store(&held[index].word, index != 1 ? id | FUTEX_WAITERS : id + 1);
    }
    robust_head[0] = (uint64_t)&held[0];
    robust_head[1] = offsetof(struct robust_mutex, word);
    thread_current()->robust_list = (uint64_t)robust_head;
    thread_current()->clear_child_tid = (uint64_t)&joined;
    while (atomic_load(&returned) == 0) /* until somebody is about to wait for it */
        schedule_yield();
    atomic_store(&returned, 0);
}

static void robust_waiter(uintptr_t unused)
{
    (void)unused;
    uint32_t value = atomic_load(&held[2].word);
    atomic_store(&returned, 1);
    futex_wait(word_address(&held[2].word), value, MATCH_ANY, 0);
    atomic_fetch_add(&returned, 1);
}

static void robust_main(uintptr_t unused)
{
    (void)unused;
    struct thread *owner = machine_spawn(dies_holding, 0);
    uint32_t id = (uint32_t)owner->id;
    thread_start(owner);
    schedule_yield();
    thread_start(machine_spawn(robust_waiter, 0));
    atomic_store(&machine_faults, 1);
    while (futex_wait(word_address(&joined), 1, MATCH_ANY, 0) == 0 && atomic_load(&joined) != 0)
        ;
    schedule_yield();
    cr_assert_eq(atomic_load(&joined), 0);
    cr_assert_eq(atomic_load(&held[0].word), FUTEX_OWNER_DIED | FUTEX_WAITERS);
    cr_assert_eq(atomic_load(&held[1].word), id + 1, "another's");
    cr_assert_eq(atomic_load(&held[2].word), FUTEX_OWNER_DIED | FUTEX_WAITERS);
    cr_assert_eq(atomic_load(&returned), 1);
}

Test(futex, robust_mutexes_of_the_dead)
{
    machine_make(1);
    machine_run(robust_main, 0);
}

static void endless_main(uintptr_t unused)
{
    (void)unused;
    static struct robust_mutex loop;
    loop.next = (uint64_t)&loop;
    robust_head[0] = (uint64_t)&loop;
    robust_head[1] = offsetof(struct robust_mutex, word);
    thread_current()->robust_list = (uint64_t)robust_head;
    thread_current()->clear_child_tid = 4; /* not the program's */
}

Test(futex, a_robust_list_may_be_anything)
{
    machine_make(1);
    cr_assert_eq(machine_run(endless_main, 0), 0);
}
