/* Stands in for the job: one process, whose errors return. */
#include "tests/unit/mpi-data/support.h"

#include "abi/mpi/errhandler.h"

#include <stdio.h>

static struct errhandler *self_handler = &errhandler_return;

void errors_return(void)
{
    errhandler_set_self(&self_handler);
}

int PMPI_Abort(MPI_Comm comm, int errorcode)
{
    (void)comm;
    fflush(NULL);
    _Exit(errorcode);
}

int PMPI_Initialized(int *flag)
{
    *flag = 1;
    return MPI_SUCCESS;
}

int PMPI_Finalized(int *flag)
{
    *flag = 0;
    return MPI_SUCCESS;
}

int PMPI_Comm_rank(MPI_Comm comm, int *rank)
{
    (void)comm;
    *rank = 7;
    return MPI_SUCCESS;
}

int PMPI_Comm_size(MPI_Comm comm, int *size)
{
    if (comm != MPI_COMM_WORLD && comm != MPI_COMM_SELF)
        return error_raise(MPI_ERR_COMM, "MPI_Comm_size", NULL);
    *size = 8;
    return MPI_SUCCESS;
}
