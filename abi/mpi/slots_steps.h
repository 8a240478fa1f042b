/* One operation through shared slots, step by step: for slots.c, which says how they work, and
 * direct.c alone. With the lock. */
#ifndef ABI_MPI_SLOTS_STEPS_H
#define ABI_MPI_SLOTS_STEPS_H

#include "abi/mpi/slots.h"

#define SLOTS 8u            /* of each rank */
#define SLOTS_RANKS_MOST 64 /* each reads all others' slots: beyond, trees are better */

/* What a rank is about, which the ranks of one operation have to agree on: the call, where the data
 * lies, and how long this rank's part is. One word, which is compared at a time. */
enum slot_call {
    SLOT_BARRIER,
    SLOT_BCAST,
    SLOT_REDUCE,
    SLOT_ALLREDUCE,
    SLOT_REDUCED, /* the second half of a long reduction */
    SLOT_REDUCE_SCATTER,
    SLOT_SCAN,
    SLOT_ALLGATHER,
    SLOT_ALLTOALL,
    SLOT_GATHER,
    SLOT_SCATTER
};
enum slot_place { SLOT_IN_LINE, SLOT_BEHIND_IT, SLOT_SHOWN, SLOT_BY_MESSAGE };
#define SLOT_LINE_BYTES 48
#define ABOUT_BYTES_BITS 56 /* then two of the place, then the call */

struct slot {
    _Alignas(SHM_LINE) _Atomic uint64_t flag; /* number of the operation, plus one */
    uint64_t about;                           /* slot_about */
    uint64_t words[SLOT_LINE_BYTES / 8];      /* data of up to so many: one line in all */
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
    bool disagrees;           /* in this operation; the rest says with whom */
    int other;                /* rank */
    uint64_t theirs, ours;    /* what each is about */
    const struct row *rows[]; /* [size] */
};

/* The communicator's slots; NULL: it has none. The first time all of its ranks have to call. */
struct slots *slots_of(struct comm *comm);
/* This rank's slot, once nobody reads what it held before. */
struct slot *slot_claim(const struct comm *comm, struct slots *slots);
/* A part of `bytes`; the longest rank's has `most`, which says where all lie. */
static inline uint64_t slot_about(enum slot_call call, int64_t bytes, int64_t most)
{
    enum slot_place place = most <= SLOT_LINE_BYTES ? SLOT_IN_LINE
                            : most <= SLOT_BYTES    ? SLOT_BEHIND_IT
                                                    : SLOT_SHOWN;
    return ((uint64_t)call << 2 | place) << ABOUT_BYTES_BITS |
           ((uint64_t)bytes & (((uint64_t)1 << ABOUT_BYTES_BITS) - 1));
}
static inline enum slot_place slot_place(uint64_t about)
{
    return (enum slot_place)(about >> ABOUT_BYTES_BITS & 3);
}
/* Where data lies in a slot. */
uint8_t *slot_data(struct slot *slot, uint64_t about);
void slot_publish(const struct comm *comm, const struct slots *slots, struct slot *slot,
                  uint64_t about);
/* The data of another rank's slot, once it is there. NULL: that rank is not about what this one
 * expects of it. The call fails then (slots_done); this rank has published `about` by now, so that
 * who waits for it hears of it. */
const uint8_t *slot_read(const struct comm *comm, struct slots *slots, int rank, uint64_t about);
/* Before messages are used for what others may try through slots: publishes the part's length, and
 * compares it with those of ranks [first, end). False: they do not agree. */
bool slots_agree(struct comm *comm, enum slot_call call, int64_t bytes, int first, int end);
/* Memory for a partial result that is kept for the next one, so that its pages are known to all. */
char *slots_partial(struct slots *slots, size_t bytes);
/* This rank is through: the next operation begins. */
void slots_over(const struct comm *comm, struct slots *slots);
/* Waits until all ranks are through all operations that this one is through. */
void slots_settle(const struct comm *comm, const struct slots *slots);

#endif
