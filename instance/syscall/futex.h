/* Futexes: waiting on a word of the program's memory. One address space, so the address is the key,
 * for private and shared ones alike. Results are what the system call returns. */
#ifndef INSTANCE_SYSCALL_FUTEX_H
#define INSTANCE_SYSCALL_FUTEX_H

#include <stdint.h>

struct thread;

int futex_init(void); /* 0 or -ENOMEM; core_count is known */

/* Waits while the word at `address` is `expected`. `deadline`: monotonic ns, 0: none. Returns 0
 * (woken), -EAGAIN (the word differs), -ETIMEDOUT, -EINTR, -EFAULT or -EINVAL. */
int futex_wait(uint64_t address, uint32_t expected, uint32_t bitset, uint64_t deadline);

/* Wakes up to `count` waiters (one if it is not positive, as Linux) of whom a bit is in `bitset`.
 * Returns how many, or -EINVAL. May be called for any address, mapped or not. */
int futex_wake(uint64_t address, int count, uint32_t bitset);

/* A thread ends: marks the robust mutexes that it holds, wakes who waits for them, stores 0 at
 * clear_child_tid and wakes one who waits there (pthread_join). */
void futex_thread_exit(struct thread *thread);

/* Reads the word at `address`, or exchanges it if it is *expected (then updated to what was seen),
 * bringing pages in as needed. 0 or -EFAULT. May sleep. */
int futex_exchange(uint64_t address, uint32_t *expected, uint32_t desired);

#endif
