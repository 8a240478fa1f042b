/* Reading and writing files: explicit offsets, the individual and the shared pointer; each waited
 * for, as a request, and as a split collective. The operating system's calls are made within the
 * call that begins an access, so that a request of one is complete from its beginning. Collective
 * accesses need nothing of the others, but for ordered ones, whose places follow the ranks. */
#include "abi/mpi/file.h"

struct access {
    struct file *file;
    enum file_pointer pointer;
    bool writes;
    int64_t offset; /* FILE_AT: etypes */
    void *buffer;
    int64_t count;
    const struct datatype *type;
    struct file_moved moved;
};

static int check(const struct access *access, const char **why)
{
    int mode = access->file->mode, error = datatype_check(access->type, access->count);
    bool shared = access->pointer == FILE_SHARED || access->pointer == FILE_ORDERED;
    *why = "the datatype is none or not committed, or the count is negative";
    if (error != MPI_SUCCESS)
        return error;
    *why = "the file is open for reading only";
    if (access->writes && (mode & MPI_MODE_RDONLY) != 0)
        return MPI_ERR_READ_ONLY;
    *why = "the file is open for writing only";
    if (!access->writes && (mode & MPI_MODE_WRONLY) != 0)
        return MPI_ERR_ACCESS;
    *why = "a file in MPI_MODE_SEQUENTIAL has a shared pointer only";
    if (!shared && (mode & MPI_MODE_SEQUENTIAL) != 0)
        return MPI_ERR_UNSUPPORTED_OPERATION;
    *why = "the offset is less than 0";
    if (access->offset < 0)
        return MPI_ERR_ARG;
    *why = "the data is no whole number of etypes, or too much";
    int64_t bytes = file_view_bytes(&access->file->view, access->type, access->count);
    if (bytes == INT64_MAX || bytes % access->file->view.unit != 0)
        return MPI_ERR_TYPE;
    *why = "the system has refused it";
    return MPI_SUCCESS;
}

/* Every rank's place is behind those of the ranks before it; all move the pointer once. A rank
 * whose arguments are wrong takes part with nothing. */
static int ordered_offset(struct file *file, int64_t etypes, int64_t *offset)
{
    int64_t before = 0, all = 0, base[2] = {0, MPI_SUCCESS};
    MPI_Comm comm = file->comm->handle;
    PMPI_Exscan(&etypes, &before, 1, MPI_INT64_T, MPI_SUM, comm);
    PMPI_Reduce(&etypes, &all, 1, MPI_INT64_T, MPI_SUM, 0, comm);
    if (file->comm->rank == 0) {
        before = 0;
        base[1] = file_shared_add(file, all, &base[0]);
    }
    PMPI_Bcast(base, 2, MPI_INT64_T, 0, comm);
    *offset = base[0] + before;
    return (int)base[1];
}

static int place(struct access *access, int64_t etypes)
{
    struct file *file = access->file;
    switch (access->pointer) {
    case FILE_AT:
        return MPI_SUCCESS;
    case FILE_SHARED:
        return file_shared_add(file, etypes, &access->offset);
    case FILE_ORDERED:
        return ordered_offset(file, etypes, &access->offset);
    case FILE_INDIVIDUAL:
        mpi_lock();
        access->offset = file->position;
        file->position += etypes;
        mpi_unlock();
        return MPI_SUCCESS;
    }
    return MPI_ERR_INTERN;
}

/* All of an access; raises its error. */
static int run(struct access *access, MPI_File handle, MPI_Datatype type, const char *function)
{
    int error;
    const char *why;
    struct file *file = access->file = file_checked(handle, function, &error);
    if (file == NULL)
        return error;
    access->type = datatype_of(type);
    error = check(access, &why);
    if (error != MPI_SUCCESS) {
        if (access->pointer == FILE_ORDERED)
            ordered_offset(file, 0, &access->offset);
        return file_error(file, error, function, "%s", why);
    }
    int64_t unit = file->view.unit, position, end;
    int64_t wanted = file_view_bytes(&file->view, access->type, access->count);
    error = place(access, wanted / unit);
    if (error == MPI_SUCCESS && (__builtin_mul_overflow(access->offset, unit, &position) ||
                                 __builtin_add_overflow(position, wanted, &end)))
        error = MPI_ERR_ARG;
    if (error == MPI_SUCCESS)
        error = file_transfer(file, access->writes, position, access->buffer, access->count,
                              access->type, &access->moved);
    if (access->pointer == FILE_INDIVIDUAL && access->moved.stream < wanted) {
        /* The file ended before: the pointer stands behind what was read. */
        mpi_lock();
        if (file->position == access->offset + wanted / unit)
            file->position = access->offset + (access->moved.stream + unit - 1) / unit;
        mpi_unlock();
    }
    return error == MPI_SUCCESS ? error : file_error(file, error, function, "%s", why);
}

/* --- The ends of an access -----------------------------------------------------------------------
 */

static int run_waiting(struct access access, MPI_File file, MPI_Datatype type, MPI_Status *status,
                       const char *function)
{
    int error = run(&access, file, type, function);
    status_set(status, MPI_ANY_SOURCE, MPI_ANY_TAG, access.moved.memory);
    return error;
}

static int run_request(struct access access, MPI_File file, MPI_Datatype type, MPI_Request *handle,
                       const char *function)
{
    int error = run(&access, file, type, function);
    if (error != MPI_SUCCESS)
        return error;
    mpi_lock();
    struct request *request = request_new(REQUEST_RECEIVE, NULL);
    request->source = MPI_ANY_SOURCE;
    request->tag = MPI_ANY_TAG;
    request->bytes = access.moved.memory;
    request->complete = true;
    *handle = (MPI_Request)request;
    mpi_unlock();
    return MPI_SUCCESS;
}

static int run_begin(struct access access, MPI_File handle, MPI_Datatype type, const char *function)
{
    int error;
    struct file *file = file_checked(handle, function, &error);
    if (file == NULL)
        return error;
    if (file->split)
        return file_error(file, MPI_ERR_OTHER, function,
                          "a split collective of this file has not been ended");
    error = run(&access, handle, type, function);
    if (error != MPI_SUCCESS)
        return error;
    file->split = true;
    file->split_pointer = access.pointer;
    file->split_writes = access.writes;
    file->split_buffer = access.buffer;
    file->split_bytes = access.moved.memory;
    return MPI_SUCCESS;
}

static int run_end(MPI_File handle, enum file_pointer pointer, bool writes, const void *buffer,
                   MPI_Status *status, const char *function)
{
    int error;
    struct file *file = file_checked(handle, function, &error);
    if (file == NULL)
        return error;
    if (!file->split || file->split_pointer != pointer || file->split_writes != writes ||
        file->split_buffer != buffer)
        return file_error(file, MPI_ERR_OTHER, function,
                          "no such split collective of this file and buffer has begun");
    file->split = false;
    status_set(status, MPI_ANY_SOURCE, MPI_ANY_TAG, file->split_bytes);
    return MPI_SUCCESS;
}

/* --- The calls -----------------------------------------------------------------------------------
 */

#define ACCESS(Pointer, Writes, Offset)                                                            \
    (struct access)                                                                                \
    {                                                                                              \
        .pointer = (Pointer), .writes = (Writes), .offset = (Offset),                              \
        .buffer = (void *)(uintptr_t)buffer, .count = count                                        \
    }

#define AT_READ(Count, Last)                                                                       \
    (MPI_File file, MPI_Offset offset, void *buffer, Count count, MPI_Datatype type Last())
#define AT_WRITE(Count, Last)                                                                      \
    (MPI_File file, MPI_Offset offset, const void *buffer, Count count, MPI_Datatype type Last())
#define HERE_READ(Count, Last) (MPI_File file, void *buffer, Count count, MPI_Datatype type Last())
#define HERE_WRITE(Count, Last)                                                                    \
    (MPI_File file, const void *buffer, Count count, MPI_Datatype type Last())

#define COMMA_STATUS() , MPI_Status *status
#define COMMA_REQUEST() , MPI_Request *request
#define NO_MORE()

#define ONE(Name, Text, Parameters, Count, Last, ...)                                              \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name Parameters(Count, Last)                                                        \
    {                                                                                              \
        static const char function[] = Text;                                                       \
        return __VA_ARGS__;                                                                        \
    }
#define BOTH(Name, Parameters, Last, ...)                                                          \
    ONE(Name, "MPI_" #Name, Parameters, int, Last, __VA_ARGS__)                                    \
    ONE(Name##_c, "MPI_" #Name, Parameters, MPI_Count, Last, __VA_ARGS__)

#define WAITING(Name, Parameters, Pointer, Writes, Offset)                                         \
    BOTH(File_##Name, Parameters, COMMA_STATUS,                                                    \
         run_waiting(ACCESS(Pointer, Writes, Offset), file, type, status, function))
#define REQUESTED(Name, Parameters, Pointer, Writes, Offset)                                       \
    BOTH(File_##Name, Parameters, COMMA_REQUEST,                                                   \
         run_request(ACCESS(Pointer, Writes, Offset), file, type, request, function))
#define BEGUN(Name, Parameters, Pointer, Writes, Offset)                                           \
    BOTH(File_##Name, Parameters, NO_MORE,                                                         \
         run_begin(ACCESS(Pointer, Writes, Offset), file, type, function))
#define ENDED(Name, Const, Pointer, Writes)                                                        \
    MPI_PROFILED(File_##Name)                                                                      \
    int PMPI_File_##Name(MPI_File file, Const void *buffer, MPI_Status *status)                    \
    {                                                                                              \
        return run_end(file, Pointer, Writes, buffer, status, "MPI_File_" #Name);                  \
    }

#define DIRECTION(Do, Ido, Const, At, Here, Writes)                                                \
    WAITING(Do##_at, At, FILE_AT, Writes, offset)                                                  \
    WAITING(Do##_at_all, At, FILE_AT, Writes, offset)                                              \
    WAITING(Do, Here, FILE_INDIVIDUAL, Writes, 0)                                                  \
    WAITING(Do##_all, Here, FILE_INDIVIDUAL, Writes, 0)                                            \
    WAITING(Do##_shared, Here, FILE_SHARED, Writes, 0)                                             \
    WAITING(Do##_ordered, Here, FILE_ORDERED, Writes, 0)                                           \
    REQUESTED(Ido##_at, At, FILE_AT, Writes, offset)                                               \
    REQUESTED(Ido##_at_all, At, FILE_AT, Writes, offset)                                           \
    REQUESTED(Ido, Here, FILE_INDIVIDUAL, Writes, 0)                                               \
    REQUESTED(Ido##_all, Here, FILE_INDIVIDUAL, Writes, 0)                                         \
    REQUESTED(Ido##_shared, Here, FILE_SHARED, Writes, 0)                                          \
    BEGUN(Do##_at_all_begin, At, FILE_AT, Writes, offset)                                          \
    BEGUN(Do##_all_begin, Here, FILE_INDIVIDUAL, Writes, 0)                                        \
    BEGUN(Do##_ordered_begin, Here, FILE_ORDERED, Writes, 0)                                       \
    ENDED(Do##_at_all_end, Const, FILE_AT, Writes)                                                 \
    ENDED(Do##_all_end, Const, FILE_INDIVIDUAL, Writes)                                            \
    ENDED(Do##_ordered_end, Const, FILE_ORDERED, Writes)

DIRECTION(read, iread, , AT_READ, HERE_READ, false)
DIRECTION(write, iwrite, const, AT_WRITE, HERE_WRITE, true)
