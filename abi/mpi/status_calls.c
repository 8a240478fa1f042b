/* Statuses as programs read and set them, and addresses as numbers. */

#include "abi/mpi/datatype.h"
#include "abi/mpi/errhandler.h"
#include "abi/mpi/numbers.h"
#include "abi/mpi/status.h"

#include <limits.h>

/* --- Counts
 * ------------------------------------------------------------------------------------------- */

/* Whole datatypes in the message, or MPI_UNDEFINED. */
static int get_count(const char *call, const MPI_Status *status, MPI_Datatype datatype,
                     int64_t *count)
{
    const struct datatype *type = datatype_of(datatype);
    int64_t bytes;

    if (!type)
        return error_raise(MPI_ERR_TYPE, call, NULL);
    if (!status)
        return error_raise(MPI_ERR_ARG, call, "status is MPI_STATUS_IGNORE");
    bytes = status_bytes(status);
    if (type->size == 0)
        *count = bytes == 0 ? 0 : MPI_UNDEFINED;
    else
        *count = bytes % type->size == 0 ? bytes / type->size : MPI_UNDEFINED;
    return MPI_SUCCESS;
}

static int get_elements(const char *call, const MPI_Status *status, MPI_Datatype datatype,
                        int64_t *count)
{
    const struct datatype *type = datatype_of(datatype);

    if (!type)
        return error_raise(MPI_ERR_TYPE, call, NULL);
    if (!status)
        return error_raise(MPI_ERR_ARG, call, "status is MPI_STATUS_IGNORE");
    *count = datatype_elements(type, status_bytes(status));
    return MPI_SUCCESS;
}

/* The two forms of each: what an int cannot say is MPI_UNDEFINED there. */
#define COUNT_CALLS(Name, Function)                                                                \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(const MPI_Status *status, MPI_Datatype datatype, int *count)                   \
    {                                                                                              \
        int64_t found = 0;                                                                         \
        int error = Function("MPI_" #Name, status, datatype, &found);                              \
                                                                                                   \
        if (!error && !count)                                                                      \
            error = error_raise(MPI_ERR_ARG, "MPI_" #Name, "count is NULL");                       \
        if (!error)                                                                                \
            *count = found > INT_MAX ? MPI_UNDEFINED : (int)found;                                 \
        return error;                                                                              \
    }
#define LARGE_COUNT_CALL(Name, Function)                                                           \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(const MPI_Status *status, MPI_Datatype datatype, MPI_Count *count)             \
    {                                                                                              \
        int64_t found = 0;                                                                         \
        int error = Function("MPI_" #Name, status, datatype, &found);                              \
                                                                                                   \
        if (!error && !count)                                                                      \
            error = error_raise(MPI_ERR_ARG, "MPI_" #Name, "count is NULL");                       \
        if (!error)                                                                                \
            *count = found;                                                                        \
        return error;                                                                              \
    }
COUNT_CALLS(Get_count, get_count)
LARGE_COUNT_CALL(Get_count_c, get_count)
COUNT_CALLS(Get_elements, get_elements)
LARGE_COUNT_CALL(Get_elements_c, get_elements)
LARGE_COUNT_CALL(Get_elements_x, get_elements)

static int set_elements(const char *call, MPI_Status *status, MPI_Datatype datatype, int64_t count)
{
    const struct datatype *type = datatype_of(datatype);
    int cancelled;

    if (!type)
        return error_raise(MPI_ERR_TYPE, call, NULL);
    if (!status)
        return error_raise(MPI_ERR_ARG, call, "status is MPI_STATUS_IGNORE");
    if (count < 0)
        return error_raise(MPI_ERR_COUNT, call, "count is %lld, less than 0", (long long)count);
    cancelled = status->MPI_internal[2];
    status_set(status, status->MPI_SOURCE, status->MPI_TAG,
               datatype_bytes_of_elements(type, count));
    status->MPI_internal[2] = cancelled;
    return MPI_SUCCESS;
}

MPI_PROFILED(Status_set_elements)
int PMPI_Status_set_elements(MPI_Status *status, MPI_Datatype datatype, int count)
{
    return set_elements("MPI_Status_set_elements", status, datatype, count);
}

MPI_PROFILED(Status_set_elements_c)
int PMPI_Status_set_elements_c(MPI_Status *status, MPI_Datatype datatype, MPI_Count count)
{
    return set_elements("MPI_Status_set_elements_c", status, datatype, count);
}

MPI_PROFILED(Status_set_elements_x)
int PMPI_Status_set_elements_x(MPI_Status *status, MPI_Datatype datatype, MPI_Count count)
{
    return set_elements("MPI_Status_set_elements_x", status, datatype, count);
}

/* --- Fields
 * ---------------------------------------------------------------------------------------------- */

#define STATUS_FIELD(Getter, Setter, Field)                                                        \
    MPI_PROFILED(Getter)                                                                           \
    int PMPI_##Getter(const MPI_Status *status, int *value)                                        \
    {                                                                                              \
        if (!status || !value)                                                                     \
            return error_raise(MPI_ERR_ARG, "MPI_" #Getter, "an argument is NULL");                \
        *value = status->Field;                                                                    \
        return MPI_SUCCESS;                                                                        \
    }                                                                                              \
    MPI_PROFILED(Setter)                                                                           \
    int PMPI_##Setter(MPI_Status *status, int value)                                               \
    {                                                                                              \
        if (!status)                                                                               \
            return error_raise(MPI_ERR_ARG, "MPI_" #Setter, "status is MPI_STATUS_IGNORE");        \
        status->Field = value;                                                                     \
        return MPI_SUCCESS;                                                                        \
    }
STATUS_FIELD(Status_get_source, Status_set_source, MPI_SOURCE)
STATUS_FIELD(Status_get_tag, Status_set_tag, MPI_TAG)
STATUS_FIELD(Status_get_error, Status_set_error, MPI_ERROR)

MPI_PROFILED(Test_cancelled)
int PMPI_Test_cancelled(const MPI_Status *status, int *flag)
{
    if (!status || !flag)
        return error_raise(MPI_ERR_ARG, "MPI_Test_cancelled", "an argument is NULL");
    *flag = status_cancelled(status);
    return MPI_SUCCESS;
}

MPI_PROFILED(Status_set_cancelled)
int PMPI_Status_set_cancelled(MPI_Status *status, int flag)
{
    if (!status)
        return error_raise(MPI_ERR_ARG, "MPI_Status_set_cancelled", "status is MPI_STATUS_IGNORE");
    status->MPI_internal[2] = flag != 0;
    return MPI_SUCCESS;
}

/* --- Addresses
 * --------------------------------------------------------------------------------------------- */

MPI_PROFILED(Get_address)
int PMPI_Get_address(const void *location, MPI_Aint *address)
{
    if (!address)
        return error_raise(MPI_ERR_ARG, "MPI_Get_address", "address is NULL");
    *address = (MPI_Aint)location;
    return MPI_SUCCESS;
}

/* Addresses wrap around: they are numbers without sign. */
MPI_PROFILED(Aint_add)
MPI_Aint PMPI_Aint_add(MPI_Aint base, MPI_Aint disp)
{
    return (MPI_Aint)((uintptr_t)base + (uintptr_t)disp);
}

MPI_PROFILED(Aint_diff)
MPI_Aint PMPI_Aint_diff(MPI_Aint addr1, MPI_Aint addr2)
{
    return (MPI_Aint)((uintptr_t)addr1 - (uintptr_t)addr2);
}
