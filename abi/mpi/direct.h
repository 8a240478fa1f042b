/* Collectives that read where the data lies: in the slots of the other ranks as long as it fits
 * there, otherwise in their memory, which their job may read. Each rank shows in its slot where its
 * part is, takes what it needs from the others' parts, and goes on once nobody reads its own any
 * more. Reductions are divided: each rank combines a slice of all parts.
 *
 * For blocking calls of one group. Each returns false, with no memory of the program changed, when
 * it cannot be done this way: the same at all ranks. With the lock. */
#ifndef ABI_MPI_DIRECT_H
#define ABI_MPI_DIRECT_H

#include "abi/mpi/library.h"
#include "abi/mpi/op.h"

/* Longer than a slot; shorter ones are slots.c's. */
bool direct_bcast(struct comm *comm, struct datatype_stream stream, int root);
/* Longer than a slot. As slots_reduce. */
bool direct_reduce(struct comm *comm, const void *own, void *in, int64_t count,
                   const struct datatype *type, struct op *op, int root);
/* `own`: `total` elements; those from `before` on, `count` of them, are this rank's. */
bool direct_reduce_scatter(struct comm *comm, const void *own, void *in, int64_t total,
                           int64_t before, int64_t count, const struct datatype *type,
                           struct op *op);
/* Combines the parts of the ranks before this one and, unless `exclusive`, its own. */
bool direct_scan(struct comm *comm, const void *own, void *in, int64_t count,
                 const struct datatype *type, struct op *op, bool exclusive);
/* Every rank's `own` into `to` [size]; `most` is the length of the longest, in bytes. */
bool direct_allgather(struct comm *comm, struct datatype_stream own,
                      const struct datatype_stream *to, int64_t most);
/* `own` holds a block for each rank, of as many bytes as each of `to` [size]. */
bool direct_alltoall(struct comm *comm, struct datatype_stream own,
                     const struct datatype_stream *to);
/* Blocks that fit into slots: gathers to the root (`to` [size] there), or scatters what the root
 * has in `own`, a block for each. */
bool direct_gather(struct comm *comm, struct datatype_stream own, int64_t bytes,
                   const struct datatype_stream *to, int root);
bool direct_scatter(struct comm *comm, struct datatype_stream own, struct datatype_stream to,
                    int64_t bytes, int root);

#endif
