#include "abi/mpi/generalized.h"

#include <stdlib.h>

struct generalized {
    MPI_Grequest_query_function *query;
    MPI_Grequest_free_function *free;
    MPI_Grequest_cancel_function *cancel;
    void *state;
};

MPI_PROFILED(Grequest_start)
int PMPI_Grequest_start(MPI_Grequest_query_function *query, MPI_Grequest_free_function *release,
                        MPI_Grequest_cancel_function *cancel, void *state, MPI_Request *handle)
{
    struct generalized *generalized = malloc(sizeof(*generalized));
    if (generalized == NULL)
        return error_raise(MPI_ERR_NO_MEM, "MPI_Grequest_start", "no memory for a request");
    *generalized = (struct generalized){query, release, cancel, state};
    mpi_lock();
    struct request *request = request_new(REQUEST_GENERALIZED, NULL);
    request->generalized = generalized;
    *handle = (MPI_Request)request;
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Grequest_complete)
int PMPI_Grequest_complete(MPI_Request handle)
{
    struct request *request = request_of(handle);
    if (request == NULL || request->kind != REQUEST_GENERALIZED)
        return error_raise(MPI_ERR_REQUEST, "MPI_Grequest_complete",
                           "the request is no generalized one");
    mpi_lock();
    request_finish(request);
    mpi_unlock();
    return MPI_SUCCESS;
}

int generalized_query(struct request *request, MPI_Status *status)
{
    MPI_Status ignored;
    return request->generalized->query(request->generalized->state,
                                       status != NULL ? status : &ignored);
}

void generalized_free(struct request *request)
{
    request->generalized->free(request->generalized->state);
    free(request->generalized);
}

int generalized_cancel(struct request *request)
{
    return request->generalized->cancel(request->generalized->state, request->complete);
}
