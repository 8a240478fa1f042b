/* One operation through shared slots, step by step: for slots.c, which says how they work, and
 * direct.c alone. With the lock. */
#ifndef ABI_MPI_SLOTS_STEPS_H
#define ABI_MPI_SLOTS_STEPS_H

#include "abi/mpi/slots.h"

#define SLOTS 8u            /* of each rank */
#define SLOTS_RANKS_MOST 64 /* each reads all others' slots: beyond, trees are better */

struct slot {
    _Alignas(SHM_LINE) _Atomic uint64_t flag; /* number of the operation, plus one */
    uint64_t words[7];                        /* data of up to 56 bytes: one line in all */
    _Alignas(16) uint8_t bytes[SLOT_BYTES];   /* of more */
};

/* A rank's row. */
struct row {
    _Alignas(SHM_LINE) _Atomic uint64_t passed; /* operations that this rank has been through */
    struct slot slots[SLOTS];
};

struct slots {
    struct row *own;
    uint64_t number;          /* of the next operation */
    uint64_t safe;            /* all ranks have been through this many */
    char *scratch;            /* SLOT_BYTES + 64, for partial results */
    char *partial;            /* a long one, which others read: slots_partial */
    size_t partial_room;      /* bytes */
    const struct row *rows[]; /* [size] */
};

/* The communicator's slots; NULL: it has none. The first time all of its ranks have to call. */
struct slots *slots_of(struct comm *comm);
/* This rank's slot, once nobody reads what it held before. */
struct slot *slot_claim(const struct comm *comm, struct slots *slots);
/* Where `bytes` of data lie in a slot. */
uint8_t *slot_data(struct slot *slot, int64_t bytes);
void slot_publish(const struct comm *comm, const struct slots *slots, struct slot *slot);
/* The data of another rank's slot, once it is there. */
const uint8_t *slot_read(const struct slots *slots, int rank, int64_t bytes);
/* Memory for a partial result that is kept for the next one, so that its pages are known to all. */
char *slots_partial(struct slots *slots, size_t bytes);
/* This rank is through: the next operation begins. */
void slots_over(const struct comm *comm, struct slots *slots);
/* Waits until all ranks are through all operations that this one is through. */
void slots_settle(const struct comm *comm, const struct slots *slots);

#endif
