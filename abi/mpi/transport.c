/* The rings between ranks: made on first use, refilled with credit, and the queues of those who
 * wait for room in them. Sleeping and waking is wake.c's, finding the job job.c's. */
#include "abi/mpi/transport.h"

#include <stdlib.h>

struct transport transport = {.failed = -1};

/* --- Sending -----------------------------------------------------------------------------------
 */

int transport_connect(struct peer *peer)
{
    void *memory;
    struct atoll_window window;
    uint64_t *marks = calloc(RING_CELLS, sizeof(*marks));
    size_t ring = RING_CELLS * sizeof(struct cell);
    if (marks == NULL)
        return -ENOMEM;
    int error = atoll_memory_alloc(ring + RING_ARENA, &memory);
    if (error != 0) {
        free(marks);
        return error;
    }
    memset(memory, 0, ring);
    atoll_window_make(memory, ring, &window);
    peer->out = memory;
    peer->arena = (uint8_t *)memory + ring;
    peer->arena_marks = marks;
    peer->limit = RING_CELLS;
    peer->lane->cells = RING_CELLS;
    peer->lane->arena_size = RING_ARENA;
    atomic_store_explicit(&peer->lane->ring, window.offset, memory_order_release);
    transport_notify(peer);
    return 0;
}

bool transport_refresh(struct peer *peer)
{
    if (peer->out == NULL)
        return false;
    uint32_t read = (uint32_t)atomic_load_explicit(peer->credit, memory_order_acquire);
    /* What another rank says is not trusted further than this: never more than has been sent. */
    if (peer->head - read > RING_CELLS)
        return false;
    if (peer->limit != read + RING_CELLS) {
        peer->limit = read + RING_CELLS;
        peer->arena_tail =
            read == peer->head ? peer->arena_head : peer->arena_marks[(read - 1) % RING_CELLS];
    }
    return peer->head != peer->limit;
}

uint8_t *transport_arena(struct peer *peer, uint64_t length)
{
    length = (length + SHM_LINE - 1) & ~(uint64_t)(SHM_LINE - 1);
    uint64_t at = peer->arena_head % RING_ARENA;
    uint64_t skip = RING_ARENA - at < length ? RING_ARENA - at : 0;
    if (peer->arena_head + skip + length - peer->arena_tail > RING_ARENA) {
        transport_refresh(peer);
        if (peer->arena_head + skip + length - peer->arena_tail > RING_ARENA)
            return NULL;
    }
    uint8_t *bytes = peer->arena + (skip != 0 ? 0 : at);
    peer->arena_head += skip + length;
    return bytes;
}

void transport_enqueue(struct peer *peer, struct outgoing *item)
{
    item->next = NULL;
    if (peer->queue == NULL) {
        peer->queue_end = &peer->queue;
        transport.queued++;
    }
    *peer->queue_end = item;
    peer->queue_end = &item->next;
}

static bool flush_peer(struct peer *peer)
{
    bool moved = false;
    while (peer->queue != NULL && transport_room(peer)) {
        struct outgoing *item = peer->queue;
        uint32_t before = peer->head;
        /* The item may be gone, or in another queue, once it has been sent. */
        peer->queue = item->next;
        bool last = item->next == NULL;
        if (!item->send(item)) {
            peer->queue = item;
            return moved || peer->head != before;
        }
        moved = true;
        if (last) {
            transport.queued--;
            break;
        }
    }
    return moved;
}

bool transport_flush(void)
{
    bool moved = false;
    for (uint32_t i = 0; transport.queued != 0 && i < transport.size; i++)
        if (transport.peers[i].queue != NULL)
            moved |= flush_peer(&transport.peers[i]);
    return moved;
}

/* --- Control cells -----------------------------------------------------------------------------
 */

struct control {
    struct outgoing outgoing;
    struct peer *peer;
    unsigned kind;
    size_t length;
    uint8_t payload[RING_INLINE];
};

static void control_put(struct peer *peer, unsigned kind, const void *payload, size_t length)
{
    struct cell *cell = transport_cell(peer);
    memcpy(cell->payload, payload, length);
    transport_publish(peer, cell, kind, (unsigned)length, 0);
}

static bool control_send(struct outgoing *item)
{
    struct control *control = (struct control *)item;
    control_put(control->peer, control->kind, control->payload, control->length);
    free(control);
    return true;
}

int transport_control(struct peer *peer, unsigned kind, const void *payload, size_t length)
{
    if (peer->out == NULL) {
        int error = transport_connect(peer);
        if (error != 0)
            return error;
    }
    if (peer->queue == NULL && transport_room(peer)) {
        control_put(peer, kind, payload, length);
        return 0;
    }
    struct control *control = malloc(sizeof(*control));
    if (control == NULL)
        return -ENOMEM;
    *control = (struct control){{.send = control_send}, peer, kind, length, {0}};
    memcpy(control->payload, payload, length);
    transport_enqueue(peer, &control->outgoing);
    return 0;
}

/* --- Receiving ---------------------------------------------------------------------------------
 */

static bool discover_peer(struct peer *peer)
{
    const struct lane *lane = &peer->block->lanes[transport.rank];
    uint64_t offset = atomic_load_explicit(&lane->ring, memory_order_acquire);
    if (offset == 0)
        return false;
    uint64_t cells = SHM_READ_ONCE(lane->cells), arena = SHM_READ_ONCE(lane->arena_size);
    uint64_t ring = cells * sizeof(struct cell);
    const void *bytes = NULL;
    if (cells != 0 && (cells & (cells - 1)) == 0 && offset % SHM_LINE == 0 &&
        arena <= library.view.size)
        bytes = shm_view_bytes(&library.view, peer->number, offset, ring + arena);
    if (bytes == NULL) {
        peer->gone = true;
        transport.failed = (int)peer->rank;
        return false;
    }
    peer->in = bytes;
    peer->in_mask = (uint32_t)cells - 1;
    peer->in_arena = (const uint8_t *)bytes + ring;
    peer->in_arena_size = arena;
    transport.incoming[transport.incoming_count++] = peer;
    return true;
}

bool transport_discover(void)
{
    bool found = false;
    if (transport.incoming_count + 1 >= transport.size)
        return false;
    for (uint32_t i = 0; i < transport.size; i++) {
        struct peer *peer = &transport.peers[i];
        if (peer->in == NULL && !peer->self && !peer->gone)
            found |= discover_peer(peer);
    }
    return found;
}

void transport_return(struct peer *peer)
{
    atomic_store_explicit(&peer->lane->credit, peer->tail, memory_order_release);
    peer->returned = peer->tail;
    peer->unreturned = 0;
    transport_notify(peer);
}
