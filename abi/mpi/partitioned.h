/* What the rest of the library calls of partitioned communication (partitioned.c). With the lock.
 */
#ifndef ABI_MPI_PARTITIONED_H
#define ABI_MPI_PARTITIONED_H

#include "abi/mpi/comm.h"

/* The tag, in a collective context, of messages that announce a partitioned send. */
#define PARTITIONED_ANNOUNCE call_tag(TAG_PARTITIONED, 0)

void partitioned_start(struct request *request);
/* Is it over now? */
bool partitioned_advance(struct request *request);
void partitioned_free(struct request *request);
/* A send has been announced. */
void partitioned_arrived(const struct arrival *arrival);

#endif
