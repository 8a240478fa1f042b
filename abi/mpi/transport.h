/* Moving cells between the ranks of a job: the rings, their credits, and waking who sleeps. Nothing
 * here knows of communicators or matching. All functions are called with the library's lock. */
#ifndef ABI_MPI_TRANSPORT_H
#define ABI_MPI_TRANSPORT_H

#include "abi/atoll/library.h"
#include "abi/mpi/ring.h"

#include <string.h>

/* Something that waits for room in a ring; the queue of a peer is in sending order. */
struct outgoing {
    struct outgoing *next;
    /* Puts what it can into the ring; true: it is done, and may be gone. */
    bool (*send)(struct outgoing *item);
};

/* One other rank of the job, or this one. */
struct peer {
    /* Sending. */
    struct cell *out; /* NULL: no ring yet */
    uint32_t head;    /* cells written so far */
    uint32_t limit;   /* head may not go beyond without new credit */
    /* The last cell, as long as messages like those in it may be appended. */
    uint32_t open_room; /* so many; 0: none */
    struct cell *open;
    uint64_t open_head, open_envelope; /* what it says */
    const struct block *block;
    struct outgoing *queue, **queue_end; /* who waits for room; once it is not empty all must */
    uint8_t *arena;
    uint64_t arena_head, arena_tail; /* positions, ever growing */
    uint64_t *arena_marks;           /* [RING_CELLS] arena_head after each cell */
    const _Atomic uint64_t *credit;
    /* Receiving. */
    _Alignas(SHM_LINE) const struct cell *in; /* NULL: the other has made no ring yet */
    uint32_t tail;                            /* cells read so far */
    uint32_t in_mask;
    uint32_t taken;          /* messages that have been taken of the cell behind those */
    uint32_t expected;       /* more that this cell may bring, if taken is not 0 */
    uint32_t returned;       /* of them, those that credit has been returned for */
    uint64_t unreturned;     /* bytes of its arena read since */
    const uint8_t *in_arena; /* bytes before it can be used are checked */
    uint64_t in_arena_size;
    struct atoll_peer_memory memory; /* base NULL: not asked for yet */
    struct lane *lane;               /* own, for this peer */
    /* The rest. */
    uint32_t rank;   /* in the job */
    uint32_t number; /* the machine's */
    uint64_t generation;
    bool self;
    bool gone;                         /* it has ended without */
    struct atoll_channel *wake, *bell; /* channels to wake it, and to be woken by it; NULL: none */
};

struct transport {
    uint32_t rank, size;
    struct peer *peers;     /* [size] */
    struct peer **incoming; /* those that have a ring to this rank */
    uint32_t incoming_count;
    struct block *block;
    struct atoll_port *port;       /* for the channels that wake */
    uint32_t queued;               /* peers whose queue is not empty */
    struct atoll_call_wait *waits; /* [size + 1] for transport_sleep */
    bool crowded;                  /* ranks share host cores: polling takes time from others */
    int failed;                    /* rank of a peer that has ended before its time, or -1 */
};
extern struct transport transport;

/* The job from the environment: 0, or a negative errno value with the reason in words at *why.
 * Without a job, or on plain Linux: a job of one. Sleeps until all ranks have published their
 * blocks. */
int transport_open(const char **why);
void transport_close(void);

/* Makes the ring to the peer: 0 or -ENOMEM. */
int transport_connect(struct peer *peer);
/* Looks for new credit. */
bool transport_refresh(struct peer *peer);
/* Looks for rings that peers have made: true if there is a new one. */
bool transport_discover(void);
/* Has any peer ended without finalizing? Its rank, or -1. */
int transport_check(void);

/* Wakes a peer that sleeps. */
void transport_wake(struct peer *peer);
static inline void transport_notify(struct peer *peer)
{
    if (UNLIKELY(atomic_load_explicit(&peer->block->asleep, memory_order_relaxed) != 0))
        transport_wake(peer);
}
/* Says that this rank is about to sleep, or that it does not any more. After the first, what the
 * others may have put there meanwhile has to be looked for, for transport_grace() ticks: see
 * transport.c. */
void transport_arm(bool armed);
uint64_t transport_grace(void);
/* Sleeps until a peer wakes this rank, or `nanoseconds` have passed. Without the lock. */
void transport_sleep(int64_t nanoseconds);

/* Room for one cell? */
static inline bool transport_room(struct peer *peer)
{
    return LIKELY(peer->head != peer->limit) || transport_refresh(peer);
}

static inline struct cell *transport_cell(struct peer *peer)
{
    return &peer->out[peer->head & (RING_CELLS - 1)];
}

/* Publishes the cell that transport_cell gave, filled in but for its head. */
static inline void transport_publish(struct peer *peer, struct cell *cell, unsigned kind,
                                     unsigned length, unsigned source)
{
    uint64_t head = cell_head(peer->head, kind, length, source);
    peer->arena_marks[peer->head & (RING_CELLS - 1)] = peer->arena_head;
    atomic_store_explicit(&cell->head, head, memory_order_release);
    peer->open_room = cell_room(kind, length);
    peer->open = cell;
    peer->open_head = head;
    peer->open_envelope = cell->envelope;
    peer->head++;
    transport_notify(peer);
}

/* Where a message of `length` bytes with this envelope goes that may be appended to the last cell:
 * its payload is written there, then transport_append_publish follows. NULL: it takes a cell. */
static inline uint8_t *transport_append(const struct peer *peer, uint64_t envelope, unsigned length,
                                        unsigned source)
{
    if (peer->open_room == 0 || peer->open_envelope != envelope ||
        peer->open_head >> 40 != (source << 8 | length))
        return NULL;
    return peer->open->payload + cell_messages(peer->open_head) * length;
}
static inline void transport_append_publish(struct peer *peer)
{
    peer->open_room--;
    peer->open_head += CELL_ANOTHER;
    atomic_store_explicit(&peer->open->head, peer->open_head, memory_order_release);
    transport_notify(peer);
}

/* Room for `length` bytes (at most RING_PIECE) in the arena, contiguous: NULL: not now. The offset
 * is the result's distance from peer->arena. */
uint8_t *transport_arena(struct peer *peer, uint64_t length);

/* Sends a control cell now or, where there is no room, as soon as there is. 0 or -ENOMEM. */
int transport_control(struct peer *peer, unsigned kind, const void *payload, size_t length);

void transport_enqueue(struct peer *peer, struct outgoing *item);
/* Lets those go on that wait for room. */
bool transport_flush(void);

void transport_return(struct peer *peer);

/* The cell has been left, and with it `arena` bytes. */
static inline void transport_leave(struct peer *peer, uint64_t arena)
{
    peer->tail++;
    peer->taken = 0;
    peer->unreturned += arena;
    if (UNLIKELY(peer->tail - peer->returned >= RING_CELLS / 4 ||
                 peer->unreturned >= RING_ARENA / 4))
        transport_return(peer);
}

/* The cell that holds the next message from the peer, or NULL. Of a CELL_DATA, the message is the
 * one at transport_payload. */
static inline const struct cell *transport_peek(struct peer *peer, uint64_t *head)
{
    const struct cell *cell = &peer->in[peer->tail & peer->in_mask];
    if (peer->taken != 0) {
        /* In a cell with room. The next one first: once that is there, nothing more is appended. */
        const struct cell *next = &peer->in[(peer->tail + 1) & peer->in_mask];
        uint64_t behind = atomic_load_explicit(&next->head, memory_order_acquire);
        *head = atomic_load_explicit(&cell->head, memory_order_acquire);
        if (cell_messages(*head) > peer->taken && (uint32_t)*head == peer->tail + 1)
            return cell;
        if (LIKELY((uint32_t)behind != peer->tail + 2))
            return NULL;
        transport_leave(peer, 0);
        *head = behind;
        return next;
    }
    *head = atomic_load_explicit(&cell->head, memory_order_acquire);
    return LIKELY((uint32_t)*head == peer->tail + 1) ? cell : NULL;
}

/* The next message of a cell of kind CELL_DATA; NULL: it does not lie in there. */
static inline const uint8_t *transport_payload(const struct peer *peer, const struct cell *cell,
                                               uint64_t head)
{
    unsigned at = peer->taken * cell_length(head);
    return at + cell_length(head) <= RING_INLINE ? cell->payload + at : NULL;
}

/* The message that transport_peek has shown has been read, and with it `arena` bytes. */
static inline void transport_take(struct peer *peer, uint64_t head, uint64_t arena)
{
    if (peer->taken == 0)
        peer->expected = cell_room(cell_kind(head), cell_length(head));
    else
        peer->expected--;
    if (peer->expected != 0)
        peer->taken++;
    else
        transport_leave(peer, arena);
}

/* Bytes in the peer's arena, or NULL when they do not lie inside. */
static inline const uint8_t *transport_arena_bytes(const struct peer *peer, uint64_t offset,
                                                   uint64_t length)
{
    return offset <= peer->in_arena_size && length <= peer->in_arena_size - offset
               ? peer->in_arena + offset
               : NULL;
}

#endif
