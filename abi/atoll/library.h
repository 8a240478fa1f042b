/* What the files of libatoll.a share. The library is compiled for programs of any C library: it
 * uses malloc, free, poll, close and the memory functions, and makes its system calls itself. */
#ifndef ABI_ATOLL_LIBRARY_H
#define ABI_ATOLL_LIBRARY_H

#include "abi/atoll_calls.h"
#include "abi/include/atoll.h"
#include "ipi-msg/control.h"
#include "shm/fence.h"
#include "shm/ring.h"

#include <errno.h>
#include <stdbool.h>

#define LIKELY(Condition) __builtin_expect(!!(Condition), 1)
#define UNLIKELY(Condition) __builtin_expect(!!(Condition), 0)

/* What atoll_init has learnt; constant afterwards. */
struct atoll_library {
    struct atoll_call_info info;
    struct shm_view view;
    uint64_t ticks_us; /* of the time-stamp counter in a microsecond */
};
extern struct atoll_library library;

/* A private call (abi/atoll_calls.h). Tests bring their own. */
int64_t library_call(enum atoll_call call, uint64_t first, uint64_t second, uint64_t third);
/* A Linux system call of up to four arguments, with the kernel's result. */
int64_t library_system_call(long number, uint64_t first, uint64_t second, uint64_t third,
                            uint64_t fourth);

/* --- Time --------------------------------------------------------------------------------------
 */

uint64_t library_ticks(void);               /* of the time-stamp counter */
uint64_t library_deadline(int64_t timeout); /* as the calls take it */
int library_timed_out(int64_t timeout);     /* -EAGAIN or -ETIMEDOUT */
bool library_deadline_passed(uint64_t deadline);

/* How long to poll before sleeping, by what has paid off. */
struct spin {
    _Atomic uint32_t microseconds; /* 0: not known yet */
};
uint64_t spin_ticks(const struct spin *spin);
void spin_learn(struct spin *spin, uint64_t waited); /* ticks, polling and sleep together */
static inline void library_pause(void)
{
    __builtin_ia32_pause();
}

/* --- Locks between threads of this program -----------------------------------------------------
 */

struct lock {
    _Atomic uint32_t word; /* 0: free; 1: taken; 2: taken, and somebody sleeps */
};
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);
static inline bool lock_try(struct lock *lock)
{
    uint32_t free = 0;
    return atomic_compare_exchange_strong_explicit(&lock->word, &free, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}
static inline void lock_take(struct lock *lock)
{
    if (UNLIKELY(!lock_try(lock)))
        lock_wait(lock);
}
static inline void lock_give(struct lock *lock)
{
    if (UNLIKELY(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
        lock_wake(lock);
}

/* --- Channels ----------------------------------------------------------------------------------
 */

/* Bulk memory of a sender's end: taken and given back in turn, round and round. */
struct arena {
    uint64_t offset; /* in the own section; 0: none */
    uint64_t size;
    uint64_t head, tail;   /* [tail, head) is in use, perhaps round the end */
    uint64_t first, count; /* of `used` */
    struct arena_use {
        uint64_t position; /* credit with which it is free again */
        uint64_t end;      /* where it ends */
    } * used;              /* [cells of the ring] */
};

/* How to copy into the section (copy.c): what each way has cost, in ticks for 4 KiB. */
struct copy_ways {
    uint64_t cost[2]; /* with plain stores, past the caches; 0: not known yet */
    uint32_t count;
};
void copy_in(struct copy_ways *ways, uint8_t *to, const uint8_t *from, size_t length);

enum held { HELD_NOTHING, HELD_CELL, HELD_BULK };

struct atoll_channel {
    struct lock lock;
    bool sends;
    bool alone;  /* ATOLL_ONE_THREAD */
    bool sleeps; /* ATOLL_NO_POLLING */
    int error;   /* 0, or why nothing goes any more */
    uint32_t peer;
    uint64_t peer_generation;
    uint64_t id;
    struct shm_channel *own;
    const struct shm_channel *other;
    const struct shm_section *peer_section;
    union {
        struct shm_ring_writer writer;
        struct shm_ring_reader reader;
    };
    size_t cell_max; /* longest message that goes through the ring */
    struct arena arena;
    struct copy_ways copy;
    enum held held; /* between reserve and commit, peek and release */
    uint64_t held_at, held_length;
    struct shm_peek peek;
    void *staging; /* for peeking at messages of several cells */
    struct spin spin;
    struct atoll_statistics statistics;
    int fd;                     /* -1: none */
    struct atoll_channel *next; /* in the list of all senders' ends */
};

struct atoll_port {
    uint64_t id;
    struct spin spin;
    int fd;
};

static inline void channel_lock(struct atoll_channel *channel)
{
    if (!channel->alone)
        lock_take(&channel->lock);
}
static inline void channel_unlock(struct atoll_channel *channel)
{
    if (!channel->alone)
        lock_give(&channel->lock);
}

/* The end is of no use any more. Returns the error. */
int channel_break(struct atoll_channel *channel, int error);
/* Has the other side closed its end, or gone? */
bool channel_is_over(const struct atoll_channel *channel);
/* Would the call that found no room, or nothing, find it now? Without the lock. */
bool channel_looks_ready(const struct atoll_channel *channel);
/* Waits until it does, with the lock, which is given up meanwhile. 0: look again; or the time is
 * over. */
int channel_wait(struct atoll_channel *channel, uint64_t deadline);

/* Room in the arena for `length` bytes: their offset in the section at *at. -EAGAIN: not now, and
 * own->position says until when; -ENOMEM. */
int arena_take(struct atoll_channel *channel, uint64_t length, uint64_t *at);
void arena_use(struct atoll_channel *channel, uint64_t at, uint64_t length);
/* -ENOMEM of arena_take while other channels' messages fill the section: waits for one of those. */
int arena_wait_for_others(struct atoll_channel *channel, uint64_t deadline);
void arena_list(struct atoll_channel *channel);
void arena_unlist(struct atoll_channel *channel);

#endif
