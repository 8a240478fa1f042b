/* Files: opening, closing and deleting, their size and attributes, their error handlers. */
#define _GNU_SOURCE /* locks of open files */
#include "abi/mpi/file.h"
#include "abi/mpi/comm.h"

#include "abi/mpi/collective.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct errhandler *file_errhandler = &errhandler_return;

int file_error_class(int number)
{
    switch (number) {
    case ENOENT:
        return MPI_ERR_NO_SUCH_FILE;
    case EEXIST:
        return MPI_ERR_FILE_EXISTS;
    case EACCES:
    case EPERM:
        return MPI_ERR_ACCESS;
    case EROFS:
        return MPI_ERR_READ_ONLY;
    case ENOSPC:
        return MPI_ERR_NO_SPACE;
    case EDQUOT:
        return MPI_ERR_QUOTA;
    case EBUSY:
    case ETXTBSY:
        return MPI_ERR_FILE_IN_USE;
    case ENAMETOOLONG:
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
        return MPI_ERR_BAD_FILE;
    case ENOMEM:
        return MPI_ERR_NO_MEM;
    default:
        return MPI_ERR_IO;
    }
}

struct file *file_checked(MPI_File handle, const char *function, int *error)
{
    check_running(function);
    struct file *file = file_of(handle);
    *error = MPI_SUCCESS;
    if (file == NULL)
        *error = file_error(file_of(MPI_FILE_NULL), MPI_ERR_FILE, function, "%s",
                            handle == MPI_FILE_NULL ? "the file is MPI_FILE_NULL"
                                                    : "the file is none, or closed");
    return file;
}

int file_agree(struct file *file, int error)
{
    int worst = error;
    int failed = PMPI_Allreduce(&error, &worst, 1, MPI_INT, MPI_MAX, file->comm->handle);
    return error != MPI_SUCCESS ? error : failed != MPI_SUCCESS ? failed : worst;
}

/* --- Opening -------------------------------------------------------------------------------------
 */

static bool is_mode(int mode)
{
    int ways = ((mode & MPI_MODE_RDONLY) != 0) + ((mode & MPI_MODE_RDWR) != 0) +
               ((mode & MPI_MODE_WRONLY) != 0);
    if (ways != 1 ||
        ((mode & MPI_MODE_RDONLY) != 0 && (mode & (MPI_MODE_CREATE | MPI_MODE_EXCL)) != 0))
        return false;
    return (mode & MPI_MODE_RDWR) == 0 || (mode & MPI_MODE_SEQUENTIAL) == 0;
}

static int open_fd(struct file *file, int flags)
{
    flags |= O_CLOEXEC | ((file->mode & MPI_MODE_RDONLY) != 0 ? O_RDONLY
                          : (file->mode & MPI_MODE_RDWR) != 0 ? O_RDWR
                                                              : O_WRONLY);
    file->fd = open(file->name, flags, 0666);
    return file->fd >= 0 ? MPI_SUCCESS : file_error_class(errno);
}

/* The first rank makes the file, the others open what is there. */
static int open_all(struct file *file)
{
    int error = MPI_SUCCESS, mode[2] = {file->mode, -file->mode}, least[2];
    MPI_Comm comm = file->comm->handle;
    if (PMPI_Allreduce(mode, least, 2, MPI_INT, MPI_MIN, comm) != MPI_SUCCESS)
        return MPI_ERR_OTHER;
    if (least[0] != -least[1])
        return MPI_ERR_NOT_SAME;
    if (!is_mode(file->mode))
        return MPI_ERR_AMODE;
    if (file->comm->rank == 0)
        error = open_fd(file, ((file->mode & MPI_MODE_CREATE) != 0 ? O_CREAT : 0) |
                                  ((file->mode & MPI_MODE_EXCL) != 0 ? O_EXCL : 0));
    if (PMPI_Bcast(&error, 1, MPI_INT, 0, comm) != MPI_SUCCESS)
        return MPI_ERR_OTHER;
    if (error == MPI_SUCCESS && file->comm->rank != 0)
        error = open_fd(file, 0);
    return file_agree(file, error);
}

static int begin_at_end(struct file *file)
{
    struct stat status;
    int error = fstat(file->fd, &status) == 0 ? MPI_SUCCESS : file_error_class(errno);
    if (error == MPI_SUCCESS)
        file->position = file->shared_start = status.st_size;
    return file_agree(file, error);
}

static void file_free(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file_view_end(&file->view);
    errhandler_release(file->errhandler);
    info_free(file->info);
    pthread_mutex_destroy(&file->atomic_lock);
    pthread_mutex_destroy(&file->shared_lock);
    PMPI_Comm_free(&file->comm->handle);
    free(file->name);
    handle_end(&file->object);
    free(file);
}

static struct file *file_new(struct comm *comm, const char *name, int mode, MPI_Info info)
{
    struct file *file = calloc(1, sizeof(*file));
    char *copy = strdup(name);
    struct info *hints = info_copy(info_of(info));
    if (file == NULL || copy == NULL || hints == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a file");
    object_begin(&file->object, OBJECT_FILE);
    file->name = copy;
    file->mode = mode;
    file->info = hints;
    file->fd = file->shared_fd = -1;
    file->errhandler = errhandler_retain(file_errhandler);
    pthread_mutex_init(&file->atomic_lock, NULL);
    pthread_mutex_init(&file->shared_lock, NULL);
    mpi_lock();
    file->comm = comm_make(comm, group_retain(comm->group), NULL, 0);
    mpi_unlock();
    return file;
}

MPI_PROFILED(File_open)
int PMPI_File_open(MPI_Comm handle, const char *name, int mode, MPI_Info info, MPI_File *opened)
{
    static const char function[] = "MPI_File_open";
    const char *why;
    check_running(function);
    struct comm *comm = comm_of(handle);
    struct file *none = NULL;
    if (comm == NULL || comm->is_inter)
        return file_error(none, MPI_ERR_COMM, function,
                          "the communicator is none, freed, or an inter-communicator");
    if (name == NULL || name[0] == '\0' || opened == NULL)
        return file_error(none, MPI_ERR_ARG, function, "the name or the handle is NULL or empty");
    if (!info_is_valid(info))
        return file_error(none, MPI_ERR_INFO, function, "the info is none, or freed");
    struct file *file = file_new(comm, name, mode, info);
    struct datatype *byte = datatype_of(MPI_BYTE);
    *opened = MPI_FILE_NULL;
    int error = open_all(file);
    if (error == MPI_SUCCESS)
        error = file_view_set(&file->view, 0, byte, byte, "native", &why);
    if (error == MPI_SUCCESS)
        error = file_shared_begin(file);
    if (error == MPI_SUCCESS && (mode & MPI_MODE_APPEND) != 0)
        error = begin_at_end(file);
    if (error != MPI_SUCCESS) {
        free(file->shared_name);
        file_free(file);
        return file_error(none, error, function, "%s cannot be opened with mode %d", name, mode);
    }
    *opened = (MPI_File)file;
    return MPI_SUCCESS;
}

MPI_PROFILED(File_close)
int PMPI_File_close(MPI_File *handle)
{
    int error;
    struct file *file = file_checked(*handle, "MPI_File_close", &error);
    if (file == NULL)
        return error;
    if (file->split)
        return file_error(file, MPI_ERR_OTHER, "MPI_File_close",
                          "a split collective has not been ended");
    /* As the standard says: what was written is there for all, then the file goes. */
    PMPI_Barrier(file->comm->handle);
    file_shared_end(file);
    if ((file->mode & MPI_MODE_DELETE_ON_CLOSE) != 0 && file->comm->rank == 0 &&
        unlink(file->name) != 0)
        error = file_error_class(errno);
    if (error != MPI_SUCCESS)
        error = file_error(file, error, "MPI_File_close", "%s cannot be deleted", file->name);
    file_free(file);
    *handle = MPI_FILE_NULL;
    return error;
}

MPI_PROFILED(File_delete)
int PMPI_File_delete(const char *name, MPI_Info info)
{
    (void)info;
    check_running("MPI_File_delete");
    if (unlink(name) == 0)
        return MPI_SUCCESS;
    return file_error(file_of(MPI_FILE_NULL), file_error_class(errno), "MPI_File_delete",
                      "%s cannot be deleted", name);
}

/* --- Size ----------------------------------------------------------------------------------------
 */

static int resize(MPI_File handle, int64_t size, bool preallocates, const char *function)
{
    int error, number = 0;
    struct file *file = file_checked(handle, function, &error);
    if (file == NULL)
        return error;
    if (size < 0)
        error = MPI_ERR_ARG;
    else if ((file->mode & MPI_MODE_RDONLY) != 0)
        error = MPI_ERR_READ_ONLY;
    else if ((file->mode & MPI_MODE_SEQUENTIAL) != 0)
        error = MPI_ERR_UNSUPPORTED_OPERATION;
    /* The others' accesses have come before. */
    error = file_agree(file, error);
    if (error == MPI_SUCCESS && file->comm->rank == 0) {
        if (!preallocates)
            number = ftruncate(file->fd, size) == 0 ? 0 : errno;
        else if (size > 0)
            number = posix_fallocate(file->fd, 0, size);
        error = number != 0 ? file_error_class(number) : MPI_SUCCESS;
    }
    error = file_agree(file, error);
    return error == MPI_SUCCESS
               ? error
               : file_error(file, error, function, "the size of %s cannot become %lld", file->name,
                            (long long)size);
}

MPI_PROFILED(File_set_size)
int PMPI_File_set_size(MPI_File file, MPI_Offset size)
{
    return resize(file, size, false, "MPI_File_set_size");
}

MPI_PROFILED(File_preallocate)
int PMPI_File_preallocate(MPI_File file, MPI_Offset size)
{
    return resize(file, size, true, "MPI_File_preallocate");
}

MPI_PROFILED(File_get_size)
int PMPI_File_get_size(MPI_File handle, MPI_Offset *size)
{
    int error;
    struct stat status;
    struct file *file = file_checked(handle, "MPI_File_get_size", &error);
    if (file == NULL)
        return error;
    if (fstat(file->fd, &status) != 0)
        return file_error(file, file_error_class(errno), "MPI_File_get_size",
                          "the size of %s is not told", file->name);
    *size = status.st_size;
    return MPI_SUCCESS;
}

MPI_PROFILED(File_sync)
int PMPI_File_sync(MPI_File handle)
{
    int error;
    struct file *file = file_checked(handle, "MPI_File_sync", &error);
    if (file == NULL)
        return error;
    if (fsync(file->fd) != 0)
        error = file_error_class(errno);
    error = file_agree(file, error);
    return error == MPI_SUCCESS
               ? error
               : file_error(file, error, "MPI_File_sync", "%s cannot be synced", file->name);
}

/* --- Attributes ----------------------------------------------------------------------------------
 */

#define GETTER(Name, Parameter, Statement)                                                         \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(MPI_File handle, Parameter)                                                    \
    {                                                                                              \
        int error;                                                                                 \
        struct file *file = file_checked(handle, "MPI_" #Name, &error);                            \
        if (file == NULL)                                                                          \
            return error;                                                                          \
        Statement;                                                                                 \
        return MPI_SUCCESS;                                                                        \
    }
GETTER(File_get_amode, int *mode, *mode = file->mode)
GETTER(File_get_group, MPI_Group *group, *group = group_handle(group_retain(file->comm->group)))
GETTER(File_get_atomicity, int *flag, *flag = file->atomic)

MPI_PROFILED(File_get_info)
int PMPI_File_get_info(MPI_File handle, MPI_Info *used)
{
    int error;
    struct file *file = file_checked(handle, "MPI_File_get_info", &error);
    if (file == NULL)
        return error;
    struct info *copy = info_copy(file->info);
    if (copy == NULL)
        return file_error(file, MPI_ERR_NO_MEM, "MPI_File_get_info", "no memory for an info");
    *used = (MPI_Info)copy;
    return MPI_SUCCESS;
}

MPI_PROFILED(File_set_info)
int PMPI_File_set_info(MPI_File handle, MPI_Info info)
{
    int error;
    struct file *file = file_checked(handle, "MPI_File_set_info", &error);
    if (file == NULL)
        return error;
    const struct info *hints = info_of(info);
    if (!info_is_valid(info))
        return file_error(file, MPI_ERR_INFO, "MPI_File_set_info", "the info is none, or freed");
    for (int i = 0; hints != NULL && i < hints->count && error == MPI_SUCCESS; i++)
        error = info_put(file->info, hints->entries[i].key, hints->entries[i].value);
    return error == MPI_SUCCESS
               ? error
               : file_error(file, error, "MPI_File_set_info", "the hints cannot be kept");
}

MPI_PROFILED(File_set_atomicity)
int PMPI_File_set_atomicity(MPI_File handle, int flag)
{
    int error;
    struct file *file = file_checked(handle, "MPI_File_set_atomicity", &error);
    if (file == NULL)
        return error;
    PMPI_Barrier(file->comm->handle);
    file->atomic = flag != 0;
    return MPI_SUCCESS;
}

/* --- Error handlers ------------------------------------------------------------------------------
 */

/* MPI_FILE_NULL has one too: what new files begin with. */
static struct errhandler **handler_slot(MPI_File handle, const char *function, int *error)
{
    *error = MPI_SUCCESS;
    if (handle == MPI_FILE_NULL)
        return &file_errhandler;
    struct file *file = file_checked(handle, function, error);
    return file != NULL ? &file->errhandler : NULL;
}

MPI_PROFILED(File_set_errhandler)
int PMPI_File_set_errhandler(MPI_File handle, MPI_Errhandler errhandler)
{
    int error;
    struct errhandler **slot = handler_slot(handle, "MPI_File_set_errhandler", &error);
    if (slot == NULL)
        return error;
    error = errhandler_set(slot, OBJECT_FILE, errhandler);
    return error == MPI_SUCCESS ? error
                                : file_error(file_of(handle), error, "MPI_File_set_errhandler",
                                             "the error handler is none for files");
}

MPI_PROFILED(File_get_errhandler)
int PMPI_File_get_errhandler(MPI_File handle, MPI_Errhandler *errhandler)
{
    int error;
    struct errhandler **slot = handler_slot(handle, "MPI_File_get_errhandler", &error);
    if (slot != NULL)
        *errhandler = errhandler_get(slot);
    return error;
}

MPI_PROFILED(File_call_errhandler)
int PMPI_File_call_errhandler(MPI_File handle, int code)
{
    int error;
    if (handler_slot(handle, "MPI_File_call_errhandler", &error) != NULL)
        file_error(file_of(handle), code, "MPI_File_call_errhandler", NULL);
    return error;
}
