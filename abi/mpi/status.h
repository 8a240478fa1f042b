/* What MPI_Status holds beside its public fields: the message's length in bytes, and whether the
 * operation was cancelled. A status may be MPI_STATUS_IGNORE (NULL) everywhere here. */
#ifndef ABI_MPI_STATUS_H
#define ABI_MPI_STATUS_H

#include <mpi.h>
#include <stdbool.h>
#include <string.h>

/* MPI_internal: words 0 and 1 are the length, 2 is "cancelled", the others are 0. */
static inline int64_t status_bytes(const MPI_Status *status)
{
    int64_t bytes;

    memcpy(&bytes, status->MPI_internal, sizeof(bytes));
    return bytes;
}

static inline bool status_cancelled(const MPI_Status *status)
{
    return status->MPI_internal[2] != 0;
}

/* Sets all but MPI_ERROR, which only the calls that complete several requests set. */
static inline void status_set(MPI_Status *status, int source, int tag, int64_t bytes)
{
    if (!status)
        return;
    status->MPI_SOURCE = source;
    status->MPI_TAG = tag;
    memset(status->MPI_internal, 0, sizeof(status->MPI_internal));
    memcpy(status->MPI_internal, &bytes, sizeof(bytes));
}

/* The empty status: of a request that is null or inactive, and of a send. */
static inline void status_set_empty(MPI_Status *status)
{
    status_set(status, MPI_ANY_SOURCE, MPI_ANY_TAG, 0);
    if (status)
        status->MPI_ERROR = MPI_SUCCESS;
}

#endif
