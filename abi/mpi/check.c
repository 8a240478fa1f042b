#include "abi/mpi/check.h"

void check_running(const char *function)
{
    if (mpi.world == NULL)
        mpi_die(MPI_ERR_OTHER, "%s was called %s", function,
                atomic_load(&mpi.phase) == MPI_AFTER ? "after MPI_Finalize" : "before MPI_Init");
}

static int check_envelope(struct comm *comm, bool receives, int rank, int tag, const char *function)
{
    if (tag < 0 && !(receives && tag == MPI_ANY_TAG))
        return comm_error(comm, MPI_ERR_TAG, function, "the tag is %d; 0 to %d%s would be right",
                          tag, TAG_MAX, receives ? " or MPI_ANY_TAG" : "");
    if ((rank < 0 || rank >= comm->targets) && rank != MPI_PROC_NULL &&
        !(receives && rank == MPI_ANY_SOURCE))
        return comm_error(comm, MPI_ERR_RANK, function,
                          "the %s is rank %d; 0 to %d%s or MPI_PROC_NULL would be right",
                          receives ? "source" : "destination", rank, comm->targets - 1,
                          receives ? ", MPI_ANY_SOURCE" : "");
    return MPI_SUCCESS;
}

struct comm *check_comm(MPI_Comm handle, const char *function, int *error)
{
    check_running(function);
    struct comm *comm = comm_of(handle);
    *error = MPI_SUCCESS;
    if (comm == NULL)
        *error = error_raise(MPI_ERR_COMM, function, "%s",
                             handle == MPI_COMM_NULL ? "the communicator is MPI_COMM_NULL"
                                                     : "the communicator is none, or freed");
    return comm;
}

int describe_again(struct described *message, bool receives, int64_t count, MPI_Datatype type,
                   int rank, int tag, MPI_Comm handle, const char *function)
{
    int error;
    struct comm *comm = check_comm(handle, function, &error);
    if (error != MPI_SUCCESS)
        return error;
    switch (datatype_check(datatype_of(type), count)) {
    case MPI_ERR_TYPE:
        return comm_error(comm, MPI_ERR_TYPE, function, "the datatype is %s",
                          datatype_of(type) == NULL ? "none, or freed" : "not committed");
    case MPI_ERR_COUNT:
        return comm_error(comm, MPI_ERR_COUNT, function, "the count is %lld, less than 0",
                          (long long)count);
    default:
        break;
    }
    error = check_envelope(comm, receives, rank, tag, function);
    if (error != MPI_SUCCESS)
        return error;
    message->comm = comm;
    message->nobody = true;
    return MPI_SUCCESS;
}

int describe_probe(struct described *message, int from, int tag, MPI_Comm handle,
                   const char *function)
{
    int error;
    struct comm *comm = check_comm(handle, function, &error);
    if (error == MPI_SUCCESS)
        error = check_envelope(comm, true, from, tag, function);
    if (error != MPI_SUCCESS)
        return error;
    message->comm = comm;
    message->nobody = from == MPI_PROC_NULL;
    message->key = (struct match_key){comm->context, from, tag};
    return MPI_SUCCESS;
}
