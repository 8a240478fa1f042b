/* What point-to-point calls check of their arguments, in one place: the error names the argument,
 * its value and what would be right. */
#ifndef ABI_MPI_CHECK_H
#define ABI_MPI_CHECK_H

#include "abi/mpi/library.h"

/* A message as a call describes it. */
struct described {
    struct comm *comm;
    struct datatype_stream stream;
    struct peer *peer; /* NULL: MPI_PROC_NULL, or any source */
    struct match_key key;
    bool nobody; /* MPI_PROC_NULL */
};

/* The fast ones: true when all is right. */
static inline bool described_send(struct described *message, const void *buffer, int64_t count,
                                  MPI_Datatype type, int to, int tag, MPI_Comm handle)
{
    struct comm *comm = comm_of(handle);
    const struct datatype *datatype = datatype_of(type);
    if (UNLIKELY(comm == NULL || datatype_check(datatype, count) != MPI_SUCCESS || tag < 0 ||
                 (unsigned)to >= (unsigned)comm->targets))
        return false;
    message->comm = comm;
    message->stream = datatype_stream(buffer, count, datatype);
    message->peer = comm->to[to];
    message->key = (struct match_key){comm->context, comm->rank, tag};
    message->nobody = false;
    return true;
}

static inline bool described_receive(struct described *message, void *buffer, int64_t count,
                                     MPI_Datatype type, int from, int tag, MPI_Comm handle)
{
    struct comm *comm = comm_of(handle);
    const struct datatype *datatype = datatype_of(type);
    if (UNLIKELY(comm == NULL || datatype_check(datatype, count) != MPI_SUCCESS ||
                 (tag < 0 && tag != MPI_ANY_TAG) ||
                 ((unsigned)from >= (unsigned)comm->targets && from != MPI_ANY_SOURCE)))
        return false;
    message->comm = comm;
    message->stream = datatype_stream(buffer, count, datatype);
    message->peer = from >= 0 ? comm->to[from] : NULL;
    message->key = (struct match_key){comm->context, from, tag};
    message->nobody = false;
    return true;
}

/* When those said no: finds out what is wrong and raises it, or that it is MPI_PROC_NULL
 * (MPI_SUCCESS, message->nobody). Without the lock. */
int describe_again(struct described *message, bool receives, int64_t count, MPI_Datatype type,
                   int rank, int tag, MPI_Comm handle, const char *function);

/* The same without a buffer, for probes. */
int describe_probe(struct described *message, int from, int tag, MPI_Comm handle,
                   const char *function);

/* The communicator of a handle; NULL, and an error that has been raised, when it is none. */
struct comm *check_comm(MPI_Comm handle, const char *function, int *error);

/* Is MPI running, as every call needs? Dies if not. */
void check_running(const char *function);

#endif
