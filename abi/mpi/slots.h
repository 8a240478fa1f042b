/* Collectives through shared slots: every rank of a communicator has a row of slots in its own
 * section, writes into its own alone and reads the others'. Operations are numbered; number k uses
 * slot k modulo SLOTS, whose flag becomes k + 1 when it is filled. A rank says how many operations
 * it has been through, so that nobody overwrites a slot that another may still read.
 *
 * Blocking calls on communicators of one group use them when what they move fits into a slot, and
 * no rank is without; each returns false, having done nothing, when it cannot be done this way: the
 * same at all ranks. direct.h has what goes on where this ends. With the lock. */
#ifndef ABI_MPI_SLOTS_H
#define ABI_MPI_SLOTS_H

#include "abi/mpi/library.h"
#include "abi/mpi/op.h"

/* Bytes of a slot's data: what is longer goes another way. */
#define SLOT_BYTES 4032

/* What a call ends with that has been done this way, or direct.h's: MPI_SUCCESS, still with the
 * lock; or an error, raised without the lock, if a rank was about something else. */
int slots_done(struct comm *comm, const char *function);

bool slots_barrier(struct comm *comm);
bool slots_bcast(struct comm *comm, struct datatype_stream stream, int root);
/* `own` is this rank's contribution, `count` of `type`; the result goes to `in` at all ranks, or at
 * the root alone (root -1: all). Combined in the ranks' order. */
bool slots_reduce(struct comm *comm, const void *own, void *in, int64_t count,
                  const struct datatype *type, struct op *op, int root);
/* Before the communicator is freed, by all of its ranks: waits until nobody reads this rank's slots
 * any more. */
void slots_end(struct comm *comm);
/* Gives back a communicator's part of the own section; NULL: nothing. */
void slots_free(struct slots *slots);

#endif
