/* What Atoll does not have: processes that join a running job. A job's ranks are instances that the
 * machine starts together; there is no other process to connect to. Each call fails with
 * MPI_ERR_UNSUPPORTED_OPERATION through the error handler of its communicator, or MPI_COMM_SELF's;
 * nothing that would succeed is behind it. */
#include "abi/mpi/collective.h"

static int refuse(MPI_Comm handle, const char *function)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);

    return comm ? comm_error(comm, MPI_ERR_UNSUPPORTED_OPERATION, function,
                             "a job's ranks are those that it was started with")
                : error;
}

#define UNSUPPORTED(Name, Comm, Parameters)                                                        \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name Parameters                                                                     \
    {                                                                                              \
        return refuse(Comm, "MPI_" #Name);                                                         \
    }

/* The arguments are not looked at. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
UNSUPPORTED(Comm_spawn, comm,
            (const char *command, char *argv[], int maxprocs, MPI_Info info, int root,
             MPI_Comm comm, MPI_Comm *intercomm, int array_of_errcodes[]))
UNSUPPORTED(Comm_spawn_multiple, comm,
            (int count, char *array_of_commands[], char **array_of_argv[],
             const int *array_of_maxprocs, const MPI_Info *array_of_info, int root, MPI_Comm comm,
             MPI_Comm *intercomm, int array_of_errcodes[]))
UNSUPPORTED(Comm_accept, comm,
            (const char *port_name, MPI_Info info, int root, MPI_Comm comm, MPI_Comm *newcomm))
UNSUPPORTED(Comm_connect, comm,
            (const char *port_name, MPI_Info info, int root, MPI_Comm comm, MPI_Comm *newcomm))
UNSUPPORTED(Comm_join, MPI_COMM_SELF, (int fd, MPI_Comm *intercomm))
UNSUPPORTED(Open_port, MPI_COMM_SELF, (MPI_Info info, char *port_name))
UNSUPPORTED(Close_port, MPI_COMM_SELF, (const char *port_name))
UNSUPPORTED(Publish_name, MPI_COMM_SELF,
            (const char *service_name, MPI_Info info, const char *port_name))
UNSUPPORTED(Unpublish_name, MPI_COMM_SELF,
            (const char *service_name, MPI_Info info, const char *port_name))
UNSUPPORTED(Lookup_name, MPI_COMM_SELF, (const char *service_name, MPI_Info info, char *port_name))

/* No process was started by another one: there is no parent. */
MPI_PROFILED(Comm_get_parent)
int PMPI_Comm_get_parent(MPI_Comm *parent)
{
    if (!parent)
        return error_raise(MPI_ERR_ARG, "MPI_Comm_get_parent", "parent is NULL");
    *parent = MPI_COMM_NULL;
    return MPI_SUCCESS;
}
