/* The fences between peers, and the read of untrusted memory that happens once. ThreadSanitizer
 * knows no fences (and the compiler says so, as a warning): for it each is a read-modify-write of
 * one word, which it does know. */
#ifndef SHM_FENCE_H
#define SHM_FENCE_H

#include <stdatomic.h>

/* The value of a field that its writer may change at any time: the compiler may neither load it
 * again later nor load it in parts. */
#define SHM_READ_ONCE(Field) (*(const volatile __typeof__(Field) *)&(Field))

#ifdef __SANITIZE_THREAD__
__attribute__((weak)) _Atomic int shm_fence_word;
#define SHM_FENCE(Order) ((void)atomic_fetch_add(&shm_fence_word, 0))
#else
#define SHM_FENCE(Order) atomic_thread_fence(Order)
#endif

/* All stores before it are seen by others before any load after it looks. */
static inline void shm_fence(void)
{
    SHM_FENCE(memory_order_seq_cst);
}

/* Loads before it, of any kind, come before all loads and stores after it. */
static inline void shm_fence_acquire(void)
{
    SHM_FENCE(memory_order_acquire);
}

/* Stores after it, of any kind, come after all loads and stores before it. */
static inline void shm_fence_release(void)
{
    SHM_FENCE(memory_order_release);
}

#endif
