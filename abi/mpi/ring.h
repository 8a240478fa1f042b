/* What ranks leave in their sections for each other: a block for each rank, with a lane for each
 * other rank, and the ring and arena of a pair once its sender has made them. One writer for every
 * byte: the section's owner. Readers check what they use as an offset, a length or an index.
 *
 * A ring is a row of cells of one cache line each. A cell carries sequence, kind, envelope and up
 * to 48 bytes of payload, so that a small message is one line that moves. The sequence is stored
 * last; it is the cell's position plus one, so that a former lap's cell is never taken for a new
 * one. A cell of one short message may hold more of the same envelope and length, one behind the
 * other: the sender appends to the last cell that it has published as long as there is room,
 * which is free of charge while the reader has not fetched the line yet, and no later for it than
 * a cell of its own. The reader leaves a cell with room only once it sees the one behind it.
 *
 * What does not fit into a cell lies in the pair's arena, which is used round and round: its
 * bytes are free again when the cell that describes them has been read. */
#ifndef ABI_MPI_RING_H
#define ABI_MPI_RING_H

#include "shm/lagoon.h"

#include <stdbool.h>

#define RING_CELLS UINT32_C(256) /* of each ring; the reader returns credit every quarter of it */
#define RING_ARENA (UINT64_C(256) << 10) /* bytes */
#define RING_PIECE (RING_ARENA / 16)     /* bytes: longest piece in the arena; at most a quarter */
#define RING_INLINE 48                   /* bytes of payload in a cell */
#define RING_MESSAGES 32u                /* in a cell, at most */

enum cell_kind {
    CELL_DATA = 1, /* messages: each `length` bytes of payload */
    CELL_LONG,     /* a message in the arena: struct cell_arena */
    CELL_OFFER,    /* a message that waits for its receiver: struct cell_offer */
    CELL_ACCEPT,   /* the receiver wants it: struct cell_accept */
    CELL_PIECE,    /* the next bytes of an accepted message: struct cell_piece */
    CELL_DONE,     /* the receiver has all of it, or wants nothing: struct cell_accept */
};

/* head: sequence (32 bits), kind (3), messages but the first (5), length (8), source rank in its
 * communicator (16);
 * envelope: tag (32), context (32). */
struct cell {
    _Alignas(SHM_LINE) _Atomic uint64_t head;
    uint64_t envelope;
    union {
        uint8_t payload[RING_INLINE];
        uint64_t words[RING_INLINE / 8];
    };
};
_Static_assert(sizeof(struct cell) == SHM_LINE, "a cell is a cache line");

struct cell_arena {
    uint64_t offset; /* in the arena */
    uint64_t length; /* bytes */
};
struct cell_offer {
    uint64_t length; /* bytes of the message */
    uint64_t sender; /* the sender's request */
    /* Where the bytes lie in the sender's memory, which its job's peers may read. */
    uint32_t extents; /* 0: they cannot be read there; 1: from `place` on; more: `place` is where in
                         the arena a list of so many struct atoll_extent lies */
    uint32_t synchronous; /* 1: for a receive only; 0: may be taken before it is wanted */
    uint64_t place;
};
struct cell_accept {
    uint64_t sender;   /* as offered */
    uint64_t receiver; /* the receiver's request */
    uint64_t wanted;   /* bytes: the message's, or less when the buffer is shorter */
};
struct cell_piece {
    uint64_t receiver; /* as accepted */
    uint64_t offset;   /* in the arena */
    uint64_t length;   /* bytes */
};

static inline uint64_t cell_head(uint32_t position, unsigned kind, unsigned length, unsigned source)
{
    return (uint64_t)(position + 1) | (uint64_t)kind << 32 | (uint64_t)length << 40 |
           (uint64_t)source << 48;
}
static inline unsigned cell_kind(uint64_t head)
{
    return head >> 32 & 7;
}
/* Messages in a cell, 1 to RING_MESSAGES; of a head of kind CELL_DATA. */
static inline unsigned cell_messages(uint64_t head)
{
    return (unsigned)(head >> 35 & (RING_MESSAGES - 1)) + 1;
}
#define CELL_ANOTHER (UINT64_C(1) << 35) /* to a head: one message more */
/* How many more messages a cell takes whose first one has this kind and length. */
static inline unsigned cell_room(unsigned kind, unsigned length)
{
    if (kind != CELL_DATA || length > RING_INLINE / 2)
        return 0;
    if (length == 8) /* the most frequent one, without a division */
        return RING_INLINE / 8 - 1;
    return length <= 1 ? RING_MESSAGES - 1 : RING_INLINE / length - 1;
}
_Static_assert(RING_INLINE / 2 <= RING_MESSAGES, "from 2 bytes on the payload is what limits");
static inline unsigned cell_length(uint64_t head)
{
    return (uint8_t)(head >> 40);
}
static inline unsigned cell_source(uint64_t head)
{
    return (uint16_t)(head >> 48);
}
static inline uint64_t cell_envelope(uint32_t context, int tag)
{
    return (uint64_t)context << 32 | (uint32_t)tag;
}
static inline int envelope_tag(uint64_t envelope)
{
    return (int)(uint32_t)envelope;
}
static inline uint32_t envelope_context(uint64_t envelope)
{
    return (uint32_t)(envelope >> 32);
}

/* What rank i keeps for its pair with rank j, in i's block, entry j. */
struct lane {
    /* As sender. The ring and, behind it, the arena exist once `ring` is not 0 (stored last). */
    _Alignas(SHM_LINE) _Atomic uint64_t ring; /* offset in the section */
    uint32_t cells;                           /* a power of two */
    uint32_t reserved;
    uint64_t arena_size; /* bytes */
    /* As reader: cells of the other's ring that have been read. */
    _Alignas(SHM_LINE) _Atomic uint64_t credit;
};
_Static_assert(sizeof(struct lane) == 2 * SHM_LINE, "layout of a lane");

#define BLOCK_MAGIC UINT32_C(0x4b4c424d) /* "MBLK" */

/* A rank's block, which it publishes as the window "mpi". */
struct block {
    uint32_t magic;
    uint32_t rank, size; /* of the job */
    uint32_t reserved;
    _Alignas(SHM_LINE) _Atomic uint32_t asleep; /* not 0: it sleeps or is about to: wake it */
    _Atomic uint32_t finalized;                 /* 1: it does not use MPI now, and may end */
    _Atomic uint32_t opened;                    /* 1: it has found the blocks of all others */
    _Alignas(SHM_LINE) struct lane lanes[];     /* [size] */
};

#endif
