/* Making communicators; used by the calls that do and by initialisation. */
#ifndef ABI_MPI_COMM_H
#define ABI_MPI_COMM_H

#include "abi/mpi/library.h"

/* A communicator of a group, without attributes, info or name; takes the references to the groups.
 * `remote` NULL: no inter-communicator. Dies without memory. With the lock. */
struct comm *comm_create(uint32_t context, struct group *group, struct group *remote);

/* Context ids. Those of a communicator are the same at all its members: each rank knows which it
 * has in use, and what is free at all of them is found by a reduction over the parent. A context
 * has two ids, the second is the collectives'. */
#define CONTEXT_WORLD 0
#define CONTEXT_SELF 2
#define CONTEXT_FIRST 4
/* Collective over the ranks of `group` (this one among them), which are reached through `parent` in
 * its collective context, by the job's ranks: a context that is free at all of them. Takes it in
 * use. `tag` keeps several such calls at once apart. With the lock. */
uint32_t context_agree(struct comm *parent, const struct group *group, int tag);
void context_release(uint32_t context);
/* For an inter-communicator: this side's next free one above `least`; and taking one in use. */
uint32_t context_next(uint32_t least);
void context_take(uint32_t context);

#endif
