#include "abi/mpi/collective.h"

int collective_wait(struct schedule *schedule, const char *function)
{
    if (schedule == NULL) { /* done already */
        mpi_unlock();
        return MPI_SUCCESS;
    }
    struct request *request = schedule_begin(schedule);
    struct comm *comm = request->comm;
    comm_retain(comm);
    int error = request_wait_free(request, NULL);
    mpi_unlock();
    if (error != MPI_SUCCESS)
        error = comm_error(comm, error, function,
                           "a rank sent more than another expects: the counts do not agree");
    comm_release(comm);
    return error;
}

int collective_begin(struct schedule *schedule, MPI_Request *handle)
{
    *handle = (MPI_Request)schedule_begin(schedule);
    mpi_unlock();
    return MPI_SUCCESS;
}

int collective_keep(struct schedule *schedule, MPI_Request *handle)
{
    struct request *request = schedule_keep(schedule);
    request->persistent = true;
    *handle = (MPI_Request)request;
    mpi_unlock();
    return MPI_SUCCESS;
}

struct comm *collective_comm(MPI_Comm handle, const char *function, int *error)
{
    return check_comm(handle, function, error);
}

int collective_type(struct comm *comm, MPI_Datatype type, int64_t count, const char *function)
{
    switch (datatype_check(datatype_of(type), count)) {
    case MPI_SUCCESS:
        return MPI_SUCCESS;
    case MPI_ERR_COUNT:
        return comm_error(comm, MPI_ERR_COUNT, function, "the count is %lld, less than 0",
                          (long long)count);
    default:
        return comm_error(comm, MPI_ERR_TYPE, function, "the datatype is %s",
                          datatype_of(type) == NULL ? "none, or freed" : "not committed");
    }
}

int collective_root(struct comm *comm, int root, const char *function, enum collective_role *role)
{
    if (comm->is_inter && (root == MPI_ROOT || root == MPI_PROC_NULL)) {
        *role = root == MPI_ROOT ? ROLE_ROOT : ROLE_NONE;
        return MPI_SUCCESS;
    }
    if (root < 0 || root >= comm->targets)
        return comm_error(comm, MPI_ERR_ROOT, function, "the root is %d; 0 to %d would be right",
                          root, comm->targets - 1);
    *role = !comm->is_inter && root == comm->rank ? ROLE_ROOT : ROLE_OTHER;
    return MPI_SUCCESS;
}

int collective_op(struct comm *comm, MPI_Op op, MPI_Datatype type, const char *function,
                  struct op **found)
{
    *found = op_of(op);
    if (*found == NULL)
        return comm_error(comm, MPI_ERR_OP, function, "the operation is none, or freed");
    if (op_check(*found, datatype_of(type), false) != MPI_SUCCESS)
        return comm_error(comm, MPI_ERR_OP, function, "the operation does not work on %s",
                          datatype_of(type)->standard_name != NULL
                              ? datatype_of(type)->standard_name
                              : "a datatype made by the program");
    return MPI_SUCCESS;
}
