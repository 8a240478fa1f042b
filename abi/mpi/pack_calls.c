/* MPI_Pack and MPI_Unpack, in the native representation and in external32. */

#include "abi/mpi/datatype.h"
#include "abi/mpi/errhandler.h"
#include "abi/mpi/external.h"
#include "abi/mpi/numbers.h"

#include <limits.h>
#include <string.h>

/* Which call it is: `comm` of those that have a communicator, `external` of the others. */
struct packing {
    const char *call;
    const char *datarep; /* NULL: native */
    bool out;            /* pack */
};

static int check_datarep(const char *call, const char *datarep)
{
    if (!datarep || strcmp(datarep, "external32") != 0)
        return error_raise(MPI_ERR_ARG, call, "data representation \"%s\": only \"external32\"",
                           datarep ? datarep : "");
    return MPI_SUCCESS;
}

/* Bytes of the packed form, with all checks. */
static int packed_bytes(const struct packing *packing, int64_t count, MPI_Datatype datatype,
                        int64_t *bytes)
{
    const struct datatype *type = datatype_of(datatype);
    int error = datatype_check(type, count);

    if (error)
        return error_raise(error, packing->call, "count %lld%s", (long long)count,
                           type && !type->committed ? ", the datatype is not committed" : "");
    *bytes = packing->datarep ? external_bytes(type, count) : datatype_bytes(type, count);
    return MPI_SUCCESS;
}

/* `typed`: the buffer of datatypes; `packed` of `size` bytes, of which `position` are used. */
static int move(const struct packing *packing, void *typed, int64_t count, MPI_Datatype datatype,
                void *packed, int64_t size, int64_t *position)
{
    const struct datatype *type = datatype_of(datatype);
    int64_t bytes = 0;
    char *at;
    int error = packed_bytes(packing, count, datatype, &bytes);

    if (error)
        return error;
    if (size < 0 || *position < 0 || *position > size)
        return error_raise(MPI_ERR_ARG, packing->call, "position %lld in a buffer of %lld bytes",
                           (long long)*position, (long long)size);
    if (bytes > size - *position)
        return error_raise(MPI_ERR_TRUNCATE, packing->call,
                           "%lld bytes at position %lld of a buffer of %lld", (long long)bytes,
                           (long long)*position, (long long)size);
    if (bytes == 0)
        return MPI_SUCCESS;
    if (!packed || (!typed && type->true_lb == 0))
        return error_raise(MPI_ERR_BUFFER, packing->call, "a buffer is NULL");
    at = (char *)packed + *position;
    if (packing->datarep) {
        error = packing->out ? external_pack(type, count, typed, at)
                             : external_unpack(type, count, typed, at);
        if (error)
            return error_raise(error, packing->call, NULL);
    } else {
        struct datatype_stream stream = datatype_stream(typed, count, type);

        if (packing->out)
            datatype_pack(&stream, 0, bytes, at);
        else
            datatype_unpack(&stream, 0, bytes, at);
    }
    *position += bytes;
    return MPI_SUCCESS;
}

/* The communicator says nothing here, but must be one. */
static int check_comm(const char *call, MPI_Comm comm)
{
    int size;

    if (comm == MPI_COMM_NULL)
        return error_raise(MPI_ERR_COMM, call, "MPI_COMM_NULL");
    return PMPI_Comm_size(comm, &size);
}

/* --- Native
 * ------------------------------------------------------------------------------------------ */

#define PACK(Count)                                                                                \
    (const void *inbuf, Count incount, MPI_Datatype datatype, void *outbuf, Count outsize,         \
     Count *position, MPI_Comm comm)
WITH_COUNTS(Pack, PACK, {
    struct packing packing = {"MPI_Pack", NULL, true};
    int error = check_comm(packing.call, comm);
    int64_t at;

    if (error)
        return error;
    if (!position)
        return error_raise(MPI_ERR_ARG, packing.call, "position is NULL");
    at = *position;
    error = move(&packing, (void *)(uintptr_t)inbuf, incount, datatype, outbuf, outsize, &at);
    *position = (__typeof__(*position))at;
    return error;
})

#define UNPACK(Count)                                                                              \
    (const void *inbuf, Count insize, Count *position, void *outbuf, Count outcount,               \
     MPI_Datatype datatype, MPI_Comm comm)
WITH_COUNTS(Unpack, UNPACK, {
    struct packing packing = {"MPI_Unpack", NULL, false};
    int error = check_comm(packing.call, comm);
    int64_t at;

    if (error)
        return error;
    if (!position)
        return error_raise(MPI_ERR_ARG, packing.call, "position is NULL");
    at = *position;
    error = move(&packing, outbuf, outcount, datatype, (void *)(uintptr_t)inbuf, insize, &at);
    *position = (__typeof__(*position))at;
    return error;
})

MPI_PROFILED(Pack_size)
int PMPI_Pack_size(int incount, MPI_Datatype datatype, MPI_Comm comm, int *size)
{
    struct packing packing = {"MPI_Pack_size", NULL, true};
    int64_t bytes = 0;
    int error = check_comm(packing.call, comm);

    if (!error && !size)
        error = error_raise(MPI_ERR_ARG, packing.call, "size is NULL");
    if (!error)
        error = packed_bytes(&packing, incount, datatype, &bytes);
    if (!error)
        *size = bytes > INT_MAX ? MPI_UNDEFINED : (int)bytes;
    return error;
}

MPI_PROFILED(Pack_size_c)
int PMPI_Pack_size_c(MPI_Count incount, MPI_Datatype datatype, MPI_Comm comm, MPI_Count *size)
{
    struct packing packing = {"MPI_Pack_size_c", NULL, true};
    int error = check_comm(packing.call, comm);

    if (!error && !size)
        error = error_raise(MPI_ERR_ARG, packing.call, "size is NULL");
    return error ? error : packed_bytes(&packing, incount, datatype, size);
}

/* --- external32: sizes and positions are 64 bits wide in both forms
 * -------------------------------------- */

#define PACK_EXTERNAL(Name, Count, Size)                                                           \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(const char *datarep, const void *inbuf, Count incount, MPI_Datatype datatype,  \
                    void *outbuf, Size outsize, Size *position)                                    \
    {                                                                                              \
        struct packing packing = {"MPI_" #Name, datarep, true};                                    \
        int error = check_datarep(packing.call, datarep);                                          \
        int64_t at;                                                                                \
                                                                                                   \
        if (error)                                                                                 \
            return error;                                                                          \
        if (!position)                                                                             \
            return error_raise(MPI_ERR_ARG, packing.call, "position is NULL");                     \
        at = *position;                                                                            \
        error = move(&packing, (void *)(uintptr_t)inbuf, incount, datatype, outbuf, outsize, &at); \
        *position = at;                                                                            \
        return error;                                                                              \
    }
PACK_EXTERNAL(Pack_external, int, MPI_Aint)
PACK_EXTERNAL(Pack_external_c, MPI_Count, MPI_Count)

#define UNPACK_EXTERNAL(Name, Count, Size)                                                         \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(const char *datarep, const void *inbuf, Size insize, Size *position,           \
                    void *outbuf, Count outcount, MPI_Datatype datatype)                           \
    {                                                                                              \
        struct packing packing = {"MPI_" #Name, datarep, false};                                   \
        int error = check_datarep(packing.call, datarep);                                          \
        int64_t at;                                                                                \
                                                                                                   \
        if (error)                                                                                 \
            return error;                                                                          \
        if (!position)                                                                             \
            return error_raise(MPI_ERR_ARG, packing.call, "position is NULL");                     \
        at = *position;                                                                            \
        error = move(&packing, outbuf, outcount, datatype, (void *)(uintptr_t)inbuf, insize, &at); \
        *position = at;                                                                            \
        return error;                                                                              \
    }
UNPACK_EXTERNAL(Unpack_external, int, MPI_Aint)
UNPACK_EXTERNAL(Unpack_external_c, MPI_Count, MPI_Count)

#define PACK_EXTERNAL_SIZE(Name, Count, Size)                                                      \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(const char *datarep, Count incount, MPI_Datatype datatype, Size *size)         \
    {                                                                                              \
        struct packing packing = {"MPI_" #Name, datarep, true};                                    \
        int64_t bytes = 0;                                                                         \
        int error = check_datarep(packing.call, datarep);                                          \
                                                                                                   \
        if (!error && !size)                                                                       \
            error = error_raise(MPI_ERR_ARG, packing.call, "size is NULL");                        \
        if (!error)                                                                                \
            error = packed_bytes(&packing, incount, datatype, &bytes);                             \
        if (!error)                                                                                \
            *size = bytes;                                                                         \
        return error;                                                                              \
    }
PACK_EXTERNAL_SIZE(Pack_external_size, int, MPI_Aint)
PACK_EXTERNAL_SIZE(Pack_external_size_c, MPI_Count, MPI_Count)
