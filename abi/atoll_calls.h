/* The calls of libatoll.a into the kernel: private system calls, beside Linux's, in the registers
 * that Linux uses. Programs use abi/include/atoll.h instead; only the library knows these. On plain
 * Linux they return ENOSYS, by which the library knows where it is.
 *
 * What can be done by plain loads and stores in the lagoon has no call: these make and unmake
 * things, sleep, and ring doorbells. All but those that say so never sleep. Results are 0 or more,
 * or a negative errno value; -EFAULT for a bad pointer, -ENOENT for an id of nothing, -EINVAL. A
 * call that sleeps returns -EINTR when a signal comes. Deadlines are CLOCK_MONOTONIC in ns; 0:
 * none, 1: do not sleep. */
#ifndef ABI_ATOLL_CALLS_H
#define ABI_ATOLL_CALLS_H

#include "shm/channel.h"

#define ATOLL_CALL_FIRST 0x41540000 /* "AT"; none of Linux's, whatever its table */
#define ATOLL_CALL_VERSION 1
#define ATOLL_DEADLINE_NOW 1
#define ATOLL_PEER_ANY UINT32_MAX

enum atoll_call {
    ATOLL_CALL_INFO,    /* (struct atoll_call_info *) */
    ATOLL_CALL_ALLOC,   /* (length, alignment, id of a channel's end or 0): bulk memory of the own
                           section; its offset, or -ENOMEM. Freed with that end */
    ATOLL_CALL_FREE,    /* (offset) */
    ATOLL_CALL_PUBLISH, /* (struct atoll_call_publish *); -EEXIST: this instance has that name */
    ATOLL_CALL_FIND, /* (struct atoll_call_find *): sleeps until there is such a thing. -ETIMEDOUT;
                        -EPIPE: the peer, or every peer, has ended */
    ATOLL_CALL_OPEN, /* (struct atoll_call_channel *): makes the sending end of a channel to a port
                        and sleeps until its owner's kernel has answered */
    ATOLL_CALL_ACCEPT, /* (id of a port, struct atoll_call_channel *): the next channel opened to
                          it, or -EAGAIN */
    ATOLL_CALL_CLOSE,  /* (id): of anything */
    ATOLL_CALL_WAIT,   /* (struct atoll_call_wait *, count, deadline): sleeps until at least one is
                          ready; how many are, 0 at the deadline */
    ATOLL_CALL_RING,   /* (id): the other end's doorbell; of a barrier: all that sleep there */
    ATOLL_CALL_FILE,   /* (id): a descriptor for poll and epoll, of a channel's end or a port */
    ATOLL_CALL_PEER_WAIT, /* (peer, bits of states, deadline): sleeps until the peer's state is one
                             of them; returns it. -ETIMEDOUT */
    ATOLL_CALL_JOIN,      /* (id of a gate, struct atoll_call_member *, count): the others */
    ATOLL_CALL_COUNTER,   /* (struct atoll_call_counter *): sleeps until the owner has answered */
    ATOLL_CALL_INJECT, /* (lose, extra): for tests: of the doorbells that ATOLL_CALL_RING rings, one
                          in `lose` is lost and one in `extra` rung twice; 0: none */
    ATOLL_CALL_MEMORY, /* (struct atoll_call_memory *): where the memory of a member of the job is
                          readable. -EACCES: it is none, or this instance is in no job */
    ATOLL_CALL_EXTENTS, /* (struct atoll_call_extents *): where the program's memory lies in the
                           partition. -EACCES: in no job; -EFAULT. May sleep as a page fault may */
    ATOLL_CALL_COUNT,
};

struct atoll_call_info {
    uint32_t version; /* in: ATOLL_CALL_VERSION; other kernels say -EINVAL */
    uint32_t self;    /* this peer: 1.. */
    uint32_t peers;   /* instances; they are 1..peers */
    uint32_t cores;   /* of this instance */
    uint64_t generation;
    uint64_t lagoon; /* where it is mapped: an address of this program's */
    uint64_t lagoon_size;
    uint64_t tsc_hz;
};
_Static_assert(sizeof(struct atoll_call_info) == 48, "layout of atoll_call_info");

struct atoll_call_publish {
    uint32_t kind; /* enum shm_entry_kind */
    uint32_t reserved;
    uint64_t offset; /* window: in; gate, counter: out, of what has been made */
    uint64_t length; /* window: in, bytes */
    uint64_t id;     /* out */
    char name[SHM_NAME_MAX];
};
_Static_assert(sizeof(struct atoll_call_publish) == 32 + SHM_NAME_MAX, "layout");

struct atoll_call_find {
    uint32_t kind;
    uint32_t peer; /* in: where, or ATOLL_PEER_ANY: not here; out */
    uint64_t deadline;
    uint64_t generation;         /* out: of the peer */
    uint64_t id, offset, length; /* out: as published */
    char name[SHM_NAME_MAX];
};
_Static_assert(sizeof(struct atoll_call_find) == 48 + SHM_NAME_MAX, "layout");

/* One end of a channel. Offsets count from the section's start. */
struct atoll_call_channel {
    uint64_t deadline;        /* OPEN: in */
    uint64_t port;            /* OPEN: in, id of the other's port */
    uint32_t peer;            /* OPEN: in; ACCEPT: out */
    uint32_t cells;           /* OPEN: in; ACCEPT: out; as shm/ring.h has them */
    uint64_t peer_generation; /* OPEN: in, as found; ACCEPT: out */
    uint64_t id;              /* out: of this end */
    uint64_t own;             /* out: struct shm_channel in the own section, */
    uint64_t other;           /* and in the other's */
    uint64_t cells_offset;    /* out: of the ring, in the sender's section */
    uint64_t ring_generation; /* out */
};
_Static_assert(sizeof(struct atoll_call_channel) == 72, "layout of atoll_call_channel");

struct atoll_call_wait {
    uint64_t id;
    uint32_t ready; /* out: 1: ready, or broken */
    uint32_t reserved;
};
_Static_assert(sizeof(struct atoll_call_wait) == 16, "layout of atoll_call_wait");

struct atoll_call_member {
    uint32_t peer;
    uint32_t reserved;
    uint64_t generation;
    uint64_t offset; /* of its struct shm_gate */
};
_Static_assert(sizeof(struct atoll_call_member) == 24, "layout of atoll_call_member");

struct atoll_call_counter {
    uint32_t peer;      /* the owner */
    uint32_t operation; /* enum control_counter_operation */
    uint64_t generation;
    uint64_t id; /* as found */
    uint64_t operand, expected;
    uint64_t before; /* out */
    uint64_t tag;    /* in: 0; out: after -EINTR the operation is under way, call again with this */
};
_Static_assert(sizeof(struct atoll_call_counter) == 56, "layout of atoll_call_counter");

struct atoll_call_memory {
    uint32_t peer; /* in: another than this */
    uint32_t reserved;
    uint64_t address; /* out: an address of this program's, for reading */
    uint64_t size;    /* out: bytes */
};
_Static_assert(sizeof(struct atoll_call_memory) == 24, "layout of atoll_call_memory");

struct atoll_call_extent {
    uint64_t offset; /* in the partition, as the job's other members see it */
    uint64_t length;
};
struct atoll_call_extents {
    uint64_t address; /* in: multiples of 4096 */
    uint64_t length;  /* in; out: bytes from `address` on that are described: more than 0 */
    uint64_t extents; /* in: address of struct atoll_call_extent[capacity] */
    uint32_t capacity;
    uint32_t count;      /* out */
    uint64_t generation; /* out: it holds while the section's mapping_generation is this one */
};
_Static_assert(sizeof(struct atoll_call_extents) == 40, "layout of atoll_call_extents");

#endif
