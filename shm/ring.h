/* One-way message ring of 64-byte cells, in the sender's section (struct shm_port says where).
 *
 * Cell number p (counted from 0 for ever, index p modulo the ring's size) is whole once its
 * sequence word is p + 1: the lap is part of it, so the reader never writes the ring. A message
 * takes one head cell with up to 48 bytes, and continuation cells of 56 bytes each. The sender
 * fills the continuation cells first and the head's sequence last (release); the reader loads it
 * with acquire, copies, and checks every length and sequence before use. The reader returns credits
 * through its own shm_port.credit each quarter of a ring, and at once when the sender waits. The
 * structs here are private to one side; nothing but the cells and ports is shared. */
#ifndef SHM_RING_H
#define SHM_RING_H

#include "shm/lagoon.h"

struct shm_cell {
    _Alignas(SHM_LINE) _Atomic uint64_t sequence;
    union {
        struct {
            uint32_t length; /* payload bytes of the whole message */
            uint16_t kind;   /* for the layer above; see ipi-msg/control.h and abi/io.h */
            uint16_t flags;  /* 0 for now; a reader refuses what it does not know */
        };
        uint64_t description; /* the three together, for one load or store: each store more to a
                                 line that is still on its way holds up all those after it */
    };
    uint8_t payload[48];
};
struct shm_cell_more {
    _Alignas(SHM_LINE) _Atomic uint64_t sequence;
    uint8_t payload[56];
};
_Static_assert(sizeof(struct shm_cell) == SHM_LINE && sizeof(struct shm_cell_more) == SHM_LINE,
               "a cell is a cache line");

#define SHM_RING_CELLS_MIN 16
#define SHM_RING_CELLS_MAX 65536
#define SHM_INLINE 48 /* payload bytes that travel with the head cell */

/* A gathered piece of a message. */
struct shm_piece {
    const void *data;
    size_t length;
};

struct shm_ring_writer {
    struct shm_cell *cells;
    uint64_t mask;
    uint64_t head;     /* cells written so far */
    uint64_t credit;   /* cells read, as far as known and checked */
    uint64_t returned; /* the reader's credit as last seen, which may be less: shm_ring_advance */
    uint64_t generation;
    bool waiting;          /* port->sender_waiting is odd */
    uint32_t rung;         /* the reader's arming that has been answered with a doorbell, */
    uint32_t rung_skipped; /* and messages sent since, while it still stands */
    struct shm_port *port; /* own section: entry of the reader */
    const struct shm_port
        *reader_port; /* reader's section: entry of this peer; NULL until it exists */
};

struct shm_ring_reader {
    const struct shm_cell *cells;
    uint64_t mask;
    uint64_t tail;     /* cells read so far */
    uint64_t returned; /* credit last published */
    uint64_t generation;
    uint32_t run;          /* messages since the ring was last found empty */
    uint32_t answered;     /* the sender's waiting that has been answered with credits */
    struct shm_port *port; /* own section: entry of the sender */
    const struct shm_port *sender_port; /* sender's section: entry of this peer */
    /* The ring is over, whatever is in it, once this word is not this value any more: beside the
     * ring_generation, for rings that a new section does not withdraw one by one. */
    const _Atomic uint64_t *epoch;
    uint64_t epoch_value;
};

/* The longest message that a ring of `cells` cells can take: a quarter of the ring. */
size_t shm_ring_message_max(uint64_t cells);

/* Makes a ring of `count` cells (a power of two) in own memory `cells` at `offset` of the own
 * section and publishes it in `port` under the section's generation. */
void shm_ring_writer_create(struct shm_ring_writer *writer, struct shm_port *port, void *cells,
                            uint64_t offset, uint64_t count, uint64_t generation);

/* Binds to the ring that `sender_port` announces. `bytes`/`size`: the sender's whole section as
 * mapped here. Returns 0; -EAGAIN: no ring there yet, or one that was bound to before (whose place
 * in the stream is lost); -EPROTO: the announcement is not sound, or this generation has been
 * refused before. */
int shm_ring_reader_open(struct shm_ring_reader *reader, struct shm_port *port,
                         const struct shm_port *sender_port, const uint8_t *bytes, uint64_t size);

/* Sends one message of `kind` from `count` pieces. Returns 0; -EAGAIN: the ring is full; -EMSGSIZE;
 * -EPROTO: the reader's credit is impossible; -EPIPE: the reader refused the ring. Does not ring
 * the doorbell (shm_ring_reader_armed tells whether to). Never waits. */
int shm_ring_send(struct shm_ring_writer *writer, uint16_t kind, const struct shm_piece *pieces,
                  size_t count);

/* Room for one message of `length` payload bytes right now? */
bool shm_ring_can_send(struct shm_ring_writer *writer, size_t length);

/* After a send: full fence, then whether the reader has armed and its doorbell is to be rung, on
 * *core (untrusted). True once for each arming, and again after every SHM_RING_AGAIN messages, in
 * case that doorbell was lost. */
bool shm_ring_reader_armed(struct shm_ring_writer *writer, uint32_t *core);
#define SHM_RING_AGAIN 16

/* The same without the fence, which costs as much as the rest of a send and keeps the next message
 * from being written while this one's line is still on its way. For readers who, once they have
 * armed, look SHM_SETTLE_LOOKS times, with a pause after each, before they sleep: by then a store
 * that was under way when they armed is to be seen. No manual promises that time, so such a reader
 * also looks again now and then while it sleeps. */
bool shm_ring_reader_armed_lately(struct shm_ring_writer *writer, uint32_t *core);
#define SHM_SETTLE_LOOKS 40 /* about a microsecond */

/* After -EAGAIN: announces that this peer waits for credits, its doorbell on `core`, then looks
 * once more. True when a message of `length` bytes fits after all (or the ring is broken): send
 * again; false: sleep until the doorbell. The next send that succeeds takes the announcement back.
 */
bool shm_ring_sender_wait(struct shm_ring_writer *writer, size_t length, uint32_t core);

/* Arms `port` (own section): the peer's next message rings `core`. The caller then makes a full
 * fence (shm_fence) and looks with shm_ring_pending before it sleeps. */
void shm_port_arm(struct shm_port *port, uint32_t core);
void shm_port_disarm(struct shm_port *port);

/* Takes the next message: copies it to `buffer`, of which up to `capacity` bytes may change.
 * Returns 1 with *kind and *length set; 0: none there; -EMSGSIZE: longer than `capacity` (message
 * left in place, *length set); -EPROTO: the ring is not sound, and has been refused in `port`;
 * -EPIPE: the sender's ring is of another generation now. *credit_due is set when credits were
 * returned and the sender waits for them: ring its doorbell. */
int shm_ring_receive(struct shm_ring_reader *reader, uint16_t *kind, void *buffer, size_t capacity,
                     size_t *length, bool *credit_due);

/* Is a message there? Also true when the ring is broken, or the sender waits for credits that are
 * due, so that the caller comes and sees. */
bool shm_ring_pending(const struct shm_ring_reader *reader);

/* Closes the ring for good, as shm_ring_receive does for one that is not sound. */
void shm_ring_refuse(struct shm_ring_reader *reader);

/* --- Messages built and read in place ----------------------------------------------------------
 */

/* Room for a message of one cell: where its payload, up to SHM_INLINE bytes, is to be written; then
 * shm_ring_commit sends it, with no call in between but what abandons it. Results as
 * shm_ring_send. */
int shm_ring_reserve(struct shm_ring_writer *writer, void **payload);
void shm_ring_commit(struct shm_ring_writer *writer, uint16_t kind, size_t length);

/* The next message, still in the ring. */
struct shm_peek {
    uint16_t kind;
    size_t length;
    uint64_t cells;
    const void
        *payload; /* the bytes in place, up to SHM_INLINE; its sender may still change them */
};

/* Looks at the next message without taking it. Results as shm_ring_receive, but -EMSGSIZE. */
int shm_ring_peek(struct shm_ring_reader *reader, struct shm_peek *peek, bool *credit_due);

/* Copies the message's first `length` bytes (no more than it has). 0, -EPROTO or -EPIPE. */
int shm_ring_copy(struct shm_ring_reader *reader, const struct shm_peek *peek, void *buffer,
                  size_t length);

/* Takes it. 0, or -EPIPE: what was seen of it cannot be relied on. `at_once`: its cells are
 * returned now, not with a quarter of the ring, because the sender waits to reuse more than them.
 */
int shm_ring_release(struct shm_ring_reader *reader, const struct shm_peek *peek, bool at_once,
                     bool *credit_due);

/* Returns all credits now; before the reader sleeps. True: ring the sender's doorbell. */
bool shm_ring_return(struct shm_ring_reader *reader);

/* As shm_port_arm and shm_port_disarm, for a sender that sleeps until credits come. */
void shm_port_arm_sender(struct shm_port *port, uint32_t core);
void shm_port_disarm_sender(struct shm_port *port);

/* The reader says elsewhere that it has read `read` cells in all, which may be more than it has
 * returned credits for: from now on they count as credit. 0, or -EPROTO: that many were never sent.
 */
int shm_ring_advance(struct shm_ring_writer *writer, uint64_t read);

/* Looks for the reader's credits: 0 with writer->credit up to date, -EPROTO or -EPIPE. */
int shm_ring_refresh(struct shm_ring_writer *writer);

#endif
