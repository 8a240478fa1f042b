/* What the library asks of the kernel, and its own small tools: time, locks, how long to poll. */
#include "abi/atoll/library.h"

#include <asm/unistd.h>
#include <linux/futex.h>
#include <time.h>

#define SPIN_FIRST_US 20
#define SPIN_LEAST_US 2
#define SPIN_MOST_US 100

int64_t library_system_call(long number, uint64_t first, uint64_t second, uint64_t third,
                            uint64_t fourth)
{
    int64_t result = number;
    register uint64_t fourth_register __asm__("r10") = fourth;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(first), "S"(second), "d"(third), "r"(fourth_register)
                     : "rcx", "r11", "memory");
    return result;
}

__attribute__((weak)) int64_t library_call(enum atoll_call call, uint64_t first, uint64_t second,
                                           uint64_t third)
{
    return library_system_call((long)ATOLL_CALL_FIRST + (long)call, first, second, third, 0);
}

/* --- Time ---------------------------------------------------------------------------------------
 */

uint64_t library_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t library_deadline(int64_t timeout)
{
    if (timeout <= 0)
        return timeout == 0 ? ATOLL_DEADLINE_NOW : 0;
    uint64_t now = monotonic_ns();
    return (uint64_t)timeout > INT64_MAX - now ? 0 : now + (uint64_t)timeout;
}

bool library_deadline_passed(uint64_t deadline)
{
    return deadline != 0 && (deadline == ATOLL_DEADLINE_NOW || monotonic_ns() >= deadline);
}

int library_timed_out(int64_t timeout)
{
    return timeout == 0 ? -EAGAIN : -ETIMEDOUT;
}

/* --- How long to poll ---------------------------------------------------------------------------
 */

/* Sleeping and waking up costs some tens of microseconds on both sides. Polling pays where the wait
 * is over within about twice that: then it is done for longer next time, so that two who pass
 * messages to and fro and have both gone to sleep find out of that again. After longer waits it is
 * done for less. */
uint64_t spin_ticks(const struct spin *spin)
{
    uint32_t now = atomic_load_explicit(&spin->microseconds, memory_order_relaxed);
    return (now != 0 ? now : SPIN_FIRST_US) * library.ticks_us;
}

void spin_learn(struct spin *spin, uint64_t waited)
{
    uint32_t now = atomic_load_explicit(&spin->microseconds, memory_order_relaxed);
    uint32_t before = now;
    now = now != 0 ? now : SPIN_FIRST_US;
    if (waited > 2 * SPIN_MOST_US * library.ticks_us)
        now = now / 2 > SPIN_LEAST_US ? now / 2 : SPIN_LEAST_US;
    else
        now = now * 2 < SPIN_MOST_US ? now * 2 : SPIN_MOST_US;
    if (now != before)
        atomic_store_explicit(&spin->microseconds, now, memory_order_relaxed);
}

/* --- Locks --------------------------------------------------------------------------------------
 */

void lock_wait(struct lock *lock)
{
    uint64_t end = library_ticks() + SPIN_LEAST_US * library.ticks_us;
    while (library_ticks() < end) {
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && lock_try(lock))
            return;
        library_pause();
    }
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        library_system_call(__NR_futex, (uint64_t)&lock->word, FUTEX_WAIT_PRIVATE, 2, 0);
}

void lock_wake(struct lock *lock)
{
    library_system_call(__NR_futex, (uint64_t)&lock->word, FUTEX_WAKE_PRIVATE, 1, 0);
}
