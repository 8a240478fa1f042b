/* What the tests of the lagoon share: random numbers that repeat, whole lagoons in plain memory of
 * exactly the right size (so that AddressSanitizer sees each step over an end), and doorbells that
 * two threads can sleep on. */
#ifndef TESTS_SHM_SUPPORT_H
#define TESTS_SHM_SUPPORT_H

#include "shm/heap.h"
#include "shm/ring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

/* A value that breaks things: near 0, near a power of two, near `near`, or anything. */
static inline uint64_t random_bad(uint64_t *state, uint64_t near)
{
    uint64_t small = random_below(state, 5) - 2;
    switch (random_below(state, 5)) {
    case 0:
        return small;
    case 1:
        return (UINT64_C(1) << random_below(state, 64)) + small;
    case 2:
        return near + small;
    case 3:
        return near ^ UINT64_C(1) << random_below(state, 64);
    default:
        return random_next(state) << 11 | random_below(state, 2048);
    }
}

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- Lagoons
 * ------------------------------------------------------------------------------------*/

struct test_lagoon {
    uint8_t *base;
    uint64_t size, section_size, log, front;
    uint32_t peers, cores;
};

/* Lays out the section of `peer`; section 0 has the header and the extents in front. */
static inline struct shm_section *lagoon_start(const struct test_lagoon *lagoon, uint32_t peer,
                                               uint64_t generation)
{
    return shm_section_create(lagoon->base + peer * lagoon->section_size, lagoon->section_size,
                              peer == 0 ? lagoon->front : 0, peer, lagoon->peers, lagoon->cores,
                              lagoon->log, generation);
}

/* How large a lagoon is; then of which only the header is made yet, in zeroed memory of that size.
 */
static inline void lagoon_plan(struct test_lagoon *lagoon, uint32_t peers, uint64_t heap)
{
    lagoon->peers = peers;
    lagoon->cores = 2;
    lagoon->log = 4096;
    lagoon->front = sizeof(struct shm_header) + peers * sizeof(struct shm_extent);
    lagoon->section_size =
        shm_section_size(peers, lagoon->cores, lagoon->log, heap) + SHM_PAGE; /* front */
    lagoon->size = peers * lagoon->section_size;
}
static inline void lagoon_lay_out(struct test_lagoon *lagoon, void *memory)
{
    lagoon->base = memory;
    struct shm_header *header = (struct shm_header *)lagoon->base;
    struct shm_extent *extents = (struct shm_extent *)(header + 1);
    header->magic = SHM_LAGOON_MAGIC;
    header->version = SHM_LAYOUT_VERSION;
    header->peers = lagoon->peers;
    header->size = lagoon->size;
    header->sections_offset = sizeof *header;
    header->section0_offset = (lagoon->front + SHM_LINE - 1) & ~(uint64_t)(SHM_LINE - 1);
    for (uint32_t i = 0; i < lagoon->peers; i++)
        extents[i] = (struct shm_extent){i * lagoon->section_size, lagoon->section_size};
}

static inline void lagoon_make(struct test_lagoon *lagoon, uint32_t peers, uint64_t heap)
{
    lagoon_plan(lagoon, peers, heap);
    void *memory = aligned_alloc(SHM_PAGE, lagoon->size);
    memset(memory, 0, lagoon->size);
    lagoon_lay_out(lagoon, memory);
}

/* --- Doorbells
 * ------------------------------------------------------------------------------------*/

struct doorbell {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool rung;
    uint64_t rings;
};
#define DOORBELL_INITIALIZER                                                                       \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0                              \
    }

static inline void doorbell_press(struct doorbell *bell)
{
    pthread_mutex_lock(&bell->mutex);
    bell->rung = true;
    bell->rings++;
    pthread_cond_signal(&bell->condition);
    pthread_mutex_unlock(&bell->mutex);
}

/* Sleeps until the doorbell rings. Returns false when it has not within ten seconds: lost. */
static inline bool doorbell_wait(struct doorbell *bell)
{
    struct timespec until;
    int error = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&bell->mutex);
    while (!bell->rung && !error)
        error = pthread_cond_timedwait(&bell->condition, &bell->mutex, &until);
    bell->rung = false;
    pthread_mutex_unlock(&bell->mutex);
    return !error;
}

#endif
