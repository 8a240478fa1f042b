/* Several peers in one process: a lagoon, an endpoint for each, doorbells that are counted. */
#ifndef TESTS_IPI_MSG_WORLD_H
#define TESTS_IPI_MSG_WORLD_H

#include "ipi-msg/endpoint.h"
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>

#define WORLD_PEERS 4 /* the proxy, two instances, and the loader, which says nothing */

struct world_peer {
    struct ipi_endpoint endpoint;
    struct ipi_link links[WORLD_PEERS];
    void *heap_memory;
    struct doorbell bell;
};

struct world {
    struct test_lagoon lagoon;
    struct world_peer peers[WORLD_PEERS];
};

static inline void world_ring(void *context, uint32_t peer, uint32_t core)
{
    struct world *world = context;
    (void)core;
    if (peer < WORLD_PEERS)
        doorbell_press(&world->peers[peer].bell);
}

/* Starts `peer`, or starts it again, with `generation`. */
static inline void world_start(struct world *world, uint32_t peer, uint64_t generation)
{
    struct world_peer *at = &world->peers[peer];
    struct shm_view view;
    struct shm_section *section = lagoon_start(&world->lagoon, peer, generation);
    cr_assert_not_null(section);
    cr_assert_eq(shm_view_open(&view, world->lagoon.base, world->lagoon.size, peer, NULL), 0);
    free(at->heap_memory);
    at->heap_memory =
        aligned_alloc(16, (shm_heap_overhead(section->heap_size) + 15) & ~UINT64_C(15));
    struct shm_heap *heap =
        shm_heap_init(at->heap_memory, section->heap_offset, section->heap_size);
    memset(at->links, 0, sizeof at->links);
    ipi_endpoint_init(&at->endpoint, &view, section, heap, at->links, world_ring, world, peer);
}

static inline void world_make(struct world *world, uint64_t heap)
{
    lagoon_make(&world->lagoon, WORLD_PEERS, heap);
    for (uint32_t peer = 0; peer < WORLD_PEERS; peer++)
        world->peers[peer] = (struct world_peer){.bell = DOORBELL_INITIALIZER};
}

static inline void world_end(struct world *world)
{
    for (uint32_t peer = 0; peer < WORLD_PEERS; peer++)
        free(world->peers[peer].heap_memory);
    free(world->lagoon.base);
}

static inline int world_send(struct world *world, uint32_t from, uint32_t to, uint64_t number)
{
    struct shm_piece piece = {&number, sizeof number};
    return ipi_send(&world->peers[from].endpoint, to, 7, &piece, 1);
}

/* Returns as ipi_receive; a message is a number, of kind 7. */
static inline int world_receive(struct world *world, uint32_t at, uint32_t from, uint64_t *number)
{
    uint8_t buffer[4096];
    uint16_t kind = 0;
    size_t length = 0;
    int result =
        ipi_receive(&world->peers[at].endpoint, from, &kind, buffer, sizeof buffer, &length);
    if (result == 1) {
        cr_assert_eq(kind, 7);
        cr_assert_geq(length, sizeof *number);
        memcpy(number, buffer, sizeof *number);
    }
    return result;
}

#endif
