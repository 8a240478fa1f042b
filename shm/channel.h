/* What programs' channels, barriers and named things look like in the sections' heaps. Each struct
 * lies in the section of the peer that it belongs to, who alone writes it (its kernel and its
 * program); all others read it as untrusted. The rings themselves are shm/ring.h's. */
#ifndef SHM_CHANNEL_H
#define SHM_CHANNEL_H

#include "shm/lagoon.h"

/* One end of a channel. The sender's end uses the port's first line and the reader's the second,
 * exactly as the control channels' ports are used. */
struct shm_channel {
    struct shm_port port;
    /* For the other end, looked at only when there is nothing to read, or no room. */
    _Alignas(SHM_LINE) _Atomic uint32_t closed; /* 1: this end does nothing any more */
    /* Between the owner's program and its kernel. */
    _Alignas(SHM_LINE) _Atomic uint64_t position; /* reader: cells read; sender: the credit that it
                                                     needs before it can go on */
    _Atomic uint32_t broken; /* set by the kernel: the other end is gone for good (an errno) */
};
_Static_assert(sizeof(struct shm_channel) == 4 * SHM_LINE, "layout of a channel's end");

/* Cells of the ring of `generation` that the other end, the reader's, has read in all, as it tells
 * its own kernel: credits are returned by the quarter, so that a reader which stops has read up to
 * a quarter of the ring that its credit does not tell of. 0: it is not bound to that ring (yet, or
 * any more). Untrusted. */
static inline uint64_t shm_channel_read(const struct shm_channel *reader, uint64_t generation)
{
    uint64_t read = atomic_load_explicit(&reader->position, memory_order_acquire);
    bool bound =
        atomic_load_explicit(&reader->port.credit_generation, memory_order_relaxed) == generation;
    return bound ? read : 0;
}

/* Kinds of ring messages on a channel. */
enum shm_message_kind {
    SHM_MESSAGE_DATA = 0, /* the message itself */
    SHM_MESSAGE_BULK = 1, /* struct shm_bulk: it lies in the sender's section, until the credit for
                             this cell comes back */
};
struct shm_bulk {
    uint64_t offset; /* in the sender's section */
    uint64_t length; /* bytes */
};

/* A member's part of a barrier: how often it has arrived. */
struct shm_gate {
    _Alignas(SHM_LINE) _Atomic uint64_t arrived;
    _Atomic uint32_t armed; /* odd: sleeps until all have arrived, ring its doorbell */
    _Atomic uint32_t core;  /* for that doorbell */
};
_Static_assert(sizeof(struct shm_gate) == SHM_LINE, "layout of a gate");

#define SHM_NAME_MAX 64 /* bytes of a name with its NUL */

enum shm_entry_kind { SHM_ENTRY_PORT = 1, SHM_ENTRY_GATE, SHM_ENTRY_COUNTER, SHM_ENTRY_WINDOW };

/* Something that a peer has published under a name. */
struct shm_entry {
    _Atomic uint64_t id; /* 0: nothing here; stored last, and taken back first */
    uint32_t kind;       /* enum shm_entry_kind */
    uint32_t reserved;
    uint64_t offset; /* in the publisher's section: of the gate, counter or window */
    uint64_t length; /* bytes */
    char name[SHM_NAME_MAX];
};
_Static_assert(sizeof(struct shm_entry) == 96, "layout of a directory entry");

/* A peer's directory; shm_section.directory_offset says where it is, 0 while there is none. */
struct shm_directory {
    _Alignas(SHM_LINE) _Atomic uint64_t entries_offset; /* of struct shm_entry[entries] */
    _Atomic uint64_t entries;
    _Alignas(SHM_LINE) _Atomic uint32_t interest; /* odd: somebody here waits for a name or for a
                                                     peer's state: ring when that changes */
    _Atomic uint32_t interest_core;
};
_Static_assert(sizeof(struct shm_directory) == 2 * SHM_LINE, "layout of a directory");

#endif
