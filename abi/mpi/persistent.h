/* Sends that a persistent request can start. */
#ifndef ABI_MPI_PERSISTENT_H
#define ABI_MPI_PERSISTENT_H

#include "abi/mpi/check.h"

/* Copies the message and lets it go when it can: an error class, raised already. With the lock,
 * which it gives up. */
int buffered_begin(const struct described *message, const char *function);

#endif
