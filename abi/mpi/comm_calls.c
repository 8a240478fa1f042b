/* What a communicator says of itself: rank, size, name, group, info, error handler, attributes. */
#include "abi/mpi/check.h"
#include "abi/mpi/collective.h"
#include "abi/mpi/comm.h"

#include <stdio.h>
#include <string.h>

MPI_PROFILED(Comm_rank)
int PMPI_Comm_rank(MPI_Comm handle, int *rank)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_rank", &error);
    if (comm != NULL)
        *rank = comm->rank;
    return error;
}

MPI_PROFILED(Comm_size)
int PMPI_Comm_size(MPI_Comm handle, int *size)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_size", &error);
    if (comm != NULL)
        *size = comm->size;
    return error;
}

MPI_PROFILED(Comm_test_inter)
int PMPI_Comm_test_inter(MPI_Comm handle, int *flag)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_test_inter", &error);
    if (comm != NULL)
        *flag = comm->is_inter;
    return error;
}

static struct comm *inter_comm(MPI_Comm handle, const char *function, int *error)
{
    struct comm *comm = collective_comm(handle, function, error);
    if (comm != NULL && !comm->is_inter) {
        *error =
            comm_error(comm, MPI_ERR_COMM, function, "the communicator is no inter-communicator");
        return NULL;
    }
    return comm;
}

MPI_PROFILED(Comm_remote_size)
int PMPI_Comm_remote_size(MPI_Comm handle, int *size)
{
    int error;
    struct comm *comm = inter_comm(handle, "MPI_Comm_remote_size", &error);
    if (comm != NULL)
        *size = comm->targets;
    return error;
}

MPI_PROFILED(Comm_group)
int PMPI_Comm_group(MPI_Comm handle, MPI_Group *group)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_group", &error);
    if (comm != NULL)
        *group = group_handle(group_retain(comm->group));
    return error;
}

MPI_PROFILED(Comm_remote_group)
int PMPI_Comm_remote_group(MPI_Comm handle, MPI_Group *group)
{
    int error;
    struct comm *comm = inter_comm(handle, "MPI_Comm_remote_group", &error);
    if (comm != NULL)
        *group = group_handle(group_retain(comm->remote));
    return error;
}

MPI_PROFILED(Comm_compare)
int PMPI_Comm_compare(MPI_Comm one, MPI_Comm other, int *result)
{
    int error;
    struct comm *first = collective_comm(one, "MPI_Comm_compare", &error);
    struct comm *second =
        error == MPI_SUCCESS ? collective_comm(other, "MPI_Comm_compare", &error) : NULL;
    if (error != MPI_SUCCESS)
        return error;
    if (first == second) {
        *result = MPI_IDENT;
        return MPI_SUCCESS;
    }
    *result = MPI_UNEQUAL;
    if (first->is_inter != second->is_inter)
        return MPI_SUCCESS;
    int local = group_compare(first->group, second->group);
    int remote = first->is_inter ? group_compare(first->remote, second->remote) : MPI_IDENT;
    if (local == MPI_UNDEFINED || remote == MPI_UNDEFINED)
        return comm_error(first, MPI_ERR_NO_MEM, "MPI_Comm_compare", "no memory for the groups");
    if (local == MPI_UNEQUAL || remote == MPI_UNEQUAL)
        *result = MPI_UNEQUAL;
    else if (local == MPI_SIMILAR || remote == MPI_SIMILAR)
        *result = MPI_SIMILAR;
    else
        *result = MPI_CONGRUENT;
    return MPI_SUCCESS;
}

/* --- Name, info, error handler, attributes ------------------------------------------------------
 */

MPI_PROFILED(Comm_set_name)
int PMPI_Comm_set_name(MPI_Comm handle, const char *name)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_set_name", &error);
    if (comm != NULL)
        snprintf(comm->name, sizeof(comm->name), "%s", name);
    return error;
}

MPI_PROFILED(Comm_get_name)
int PMPI_Comm_get_name(MPI_Comm handle, char *name, int *length)
{
    int error;
    struct comm *comm = NULL;
    const char *text = "MPI_COMM_NULL";
    error = MPI_SUCCESS;
    if (handle != MPI_COMM_NULL) {
        comm = collective_comm(handle, "MPI_Comm_get_name", &error);
        if (comm == NULL)
            return error;
        text = comm->name;
    }
    *length = snprintf(name, MPI_MAX_OBJECT_NAME, "%s", text);
    return error;
}

MPI_PROFILED(Comm_set_info)
int PMPI_Comm_set_info(MPI_Comm handle, MPI_Info info)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_set_info", &error);
    if (comm == NULL)
        return error;
    if (!info_is_valid(info))
        return comm_error(comm, MPI_ERR_INFO, "MPI_Comm_set_info", "the info is none, or freed");
    struct info *copy = info_copy(info_of(info));
    if (copy == NULL)
        return comm_error(comm, MPI_ERR_NO_MEM, "MPI_Comm_set_info", "no memory for an info");
    mpi_lock();
    info_free(comm->info);
    comm->info = copy;
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_get_info)
int PMPI_Comm_get_info(MPI_Comm handle, MPI_Info *info)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_get_info", &error);
    if (comm == NULL)
        return error;
    struct info *copy = info_copy(comm->info);
    if (copy == NULL)
        return comm_error(comm, MPI_ERR_NO_MEM, "MPI_Comm_get_info", "no memory for an info");
    *info = (MPI_Info)copy;
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_set_errhandler)
int PMPI_Comm_set_errhandler(MPI_Comm handle, MPI_Errhandler errhandler)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_set_errhandler", &error);
    if (comm == NULL)
        return error;
    error = errhandler_set(&comm->errhandler, OBJECT_COMM, errhandler);
    if (error != MPI_SUCCESS)
        return comm_error(comm, error, "MPI_Comm_set_errhandler",
                          "the error handler is none for communicators");
    if (comm == mpi.self)
        errhandler_set_self(&comm->errhandler);
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_get_errhandler)
int PMPI_Comm_get_errhandler(MPI_Comm handle, MPI_Errhandler *errhandler)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_get_errhandler", &error);
    if (comm != NULL)
        *errhandler = errhandler_get(&comm->errhandler);
    return error;
}

MPI_PROFILED(Comm_call_errhandler)
int PMPI_Comm_call_errhandler(MPI_Comm handle, int code)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_call_errhandler", &error);
    if (comm == NULL)
        return error;
    comm_error(comm, code, "MPI_Comm_call_errhandler", NULL);
    return MPI_SUCCESS;
}

static int keyval_error(struct comm *comm, int error, int keyval, const char *function)
{
    if (error == MPI_SUCCESS)
        return error;
    if (error == MPI_ERR_KEYVAL)
        return comm_error(comm, error, function, "the key %d is none for communicators", keyval);
    return comm_error(comm, error, function, "an attribute's function failed");
}

int mpi_comm_set_attr(MPI_Comm handle, int keyval, void *value, enum attribute_language language)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_set_attr", &error);
    if (comm == NULL)
        return error;
    return keyval_error(
        comm, attribute_set(OBJECT_COMM, handle, &comm->attributes, keyval, value, language),
        keyval, "MPI_Comm_set_attr");
}

MPI_PROFILED(Comm_set_attr)
int PMPI_Comm_set_attr(MPI_Comm handle, int keyval, void *value)
{
    return mpi_comm_set_attr(handle, keyval, value, ATTRIBUTE_C);
}

int mpi_comm_get_attr(MPI_Comm handle, int keyval, void *value, int *flag,
                      enum attribute_language language)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_get_attr", &error);
    if (comm == NULL)
        return error;
    bool found = false;
    void *held = attribute_predefined_comm(keyval, &found);
    if (found) {
        found = held != NULL;
    } else {
        error = attribute_get(OBJECT_COMM, &comm->attributes, keyval, language, &held, &found);
        if (error != MPI_SUCCESS)
            return keyval_error(comm, error, keyval, "MPI_Comm_get_attr");
    }
    *flag = found;
    if (found)
        memcpy(value, &held, sizeof(held));
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_get_attr)
int PMPI_Comm_get_attr(MPI_Comm handle, int keyval, void *value, int *flag)
{
    return mpi_comm_get_attr(handle, keyval, value, flag, ATTRIBUTE_C);
}

MPI_PROFILED(Comm_delete_attr)
int PMPI_Comm_delete_attr(MPI_Comm handle, int keyval)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_delete_attr", &error);
    if (comm == NULL)
        return error;
    return keyval_error(comm, attribute_delete(OBJECT_COMM, handle, &comm->attributes, keyval),
                        keyval, "MPI_Comm_delete_attr");
}
