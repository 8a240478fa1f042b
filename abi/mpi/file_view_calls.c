/* Views and positions of files, as programs ask for them. */
#include "abi/mpi/external.h"
#include "abi/mpi/file.h"

#include <errno.h>
#include <sys/stat.h>

MPI_PROFILED(File_set_view)
int PMPI_File_set_view(MPI_File handle, MPI_Offset displacement, MPI_Datatype etype,
                       MPI_Datatype filetype, const char *representation, MPI_Info info)
{
    static const char function[] = "MPI_File_set_view";
    int error;
    const char *why = "another rank's arguments are wrong";
    struct file *file = file_checked(handle, function, &error);
    if (file == NULL)
        return error;
    struct datatype *unit = datatype_of(etype), *tiles = datatype_of(filetype);
    bool sequential = (file->mode & MPI_MODE_SEQUENTIAL) != 0;
    if (datatype_check(unit, 0) != MPI_SUCCESS || datatype_check(tiles, 0) != MPI_SUCCESS) {
        error = MPI_ERR_TYPE;
        why = "the etype or the file type is none, freed, or not committed";
    } else if (!info_is_valid(info)) {
        error = MPI_ERR_INFO;
        why = "the info is none, or freed";
    } else if (sequential != (displacement == MPI_DISPLACEMENT_CURRENT) ||
               (!sequential && displacement < 0)) {
        error = MPI_ERR_ARG;
        why = "the displacement is negative; MPI_DISPLACEMENT_CURRENT goes with "
              "MPI_MODE_SEQUENTIAL, and only with it";
    }
    error = file_agree(file, error);
    int64_t shared = 0, length;
    if (error == MPI_SUCCESS && sequential) {
        error = file_agree(file, file_shared_add(file, 0, &shared));
        if (error == MPI_SUCCESS && file->view.layout->size != 0)
            displacement = file_view_find(&file->view, shared * file->view.unit, &length);
    }
    if (error == MPI_SUCCESS)
        error = file_agree(
            file, file_view_set(&file->view, displacement, unit, tiles, representation, &why));
    if (error == MPI_SUCCESS) {
        file->position = 0;
        why = "the shared pointer cannot be set";
        error = file_shared_set(file, 0);
    }
    return error == MPI_SUCCESS ? error : file_error(file, error, function, "%s", why);
}

/* A handle that the program frees, unless the type is predefined. */
static int type_for_program(struct datatype *type, MPI_Datatype *handle)
{
    if (!type->predefined)
        return PMPI_Type_dup(type->handle, handle);
    *handle = type->handle;
    return MPI_SUCCESS;
}

MPI_PROFILED(File_get_view)
int PMPI_File_get_view(MPI_File handle, MPI_Offset *displacement, MPI_Datatype *etype,
                       MPI_Datatype *filetype, char *representation)
{
    int error;
    struct file *file = file_checked(handle, "MPI_File_get_view", &error);
    if (file == NULL)
        return error;
    *displacement = file->view.displacement;
    strcpy(representation, file->view.name);
    error = type_for_program(file->view.etype, etype);
    return error != MPI_SUCCESS ? error : type_for_program(file->view.filetype, filetype);
}

static int type_extent(MPI_File handle, MPI_Datatype handle_of_type, int64_t *extent)
{
    static const char function[] = "MPI_File_get_type_extent";
    int error;
    const char *why;
    struct file *file = file_checked(handle, function, &error);
    if (file == NULL)
        return error;
    struct datatype *type = datatype_of(handle_of_type);
    if (type == NULL)
        return file_error(file, MPI_ERR_TYPE, function, "the datatype is none, or freed");
    struct file_view view = {.etype = NULL};
    *extent = type->extent;
    if (!file->view.external || type->size == 0)
        return MPI_SUCCESS;
    error = file_view_set(&view, 0, datatype_of(MPI_BYTE), type, "external32", &why);
    if (error != MPI_SUCCESS)
        return file_error(file, error, function, "%s", why);
    *extent = view.layout->extent;
    file_view_end(&view);
    return MPI_SUCCESS;
}

MPI_PROFILED(File_get_type_extent)
int PMPI_File_get_type_extent(MPI_File file, MPI_Datatype type, MPI_Aint *extent)
{
    int64_t bytes = 0;
    int error = type_extent(file, type, &bytes);
    *extent = (MPI_Aint)bytes;
    return error;
}

MPI_PROFILED(File_get_type_extent_c)
int PMPI_File_get_type_extent_c(MPI_File file, MPI_Datatype type, MPI_Count *extent)
{
    int64_t bytes = 0;
    int error = type_extent(file, type, &bytes);
    *extent = bytes;
    return error;
}

MPI_PROFILED(File_get_byte_offset)
int PMPI_File_get_byte_offset(MPI_File handle, MPI_Offset offset, MPI_Offset *bytes)
{
    int error;
    int64_t length, position;
    struct file *file = file_checked(handle, "MPI_File_get_byte_offset", &error);
    if (file == NULL)
        return error;
    if (offset < 0 || __builtin_mul_overflow(offset, file->view.unit, &position) ||
        file->view.layout->size == 0)
        return file_error(file, MPI_ERR_ARG, "MPI_File_get_byte_offset",
                          "the offset is %lld, which is not in the view", (long long)offset);
    *bytes = file_view_find(&file->view, position, &length);
    return MPI_SUCCESS;
}

/* --- Positions -----------------------------------------------------------------------------------
 */

/* Where a seek leads, in etypes. */
static int sought(struct file *file, int64_t offset, int whence, int64_t current, int64_t *target)
{
    struct stat status;
    int64_t base = current;
    if (whence == MPI_SEEK_SET) {
        base = 0;
    } else if (whence == MPI_SEEK_END) {
        if (fstat(file->fd, &status) != 0)
            return file_error_class(errno);
        base = (file_view_position(&file->view, status.st_size) + file->view.unit - 1) /
               file->view.unit;
    } else if (whence != MPI_SEEK_CUR) {
        return MPI_ERR_ARG;
    }
    if (__builtin_add_overflow(base, offset, target) || *target < 0)
        return MPI_ERR_ARG;
    return MPI_SUCCESS;
}

static int seek_error(struct file *file, int error, const char *function, int64_t offset,
                      int whence)
{
    return file_error(file, error, function, "to %lld, whence %d, there is no way",
                      (long long)offset, whence);
}

MPI_PROFILED(File_seek)
int PMPI_File_seek(MPI_File handle, MPI_Offset offset, int whence)
{
    int error;
    struct file *file = file_checked(handle, "MPI_File_seek", &error);
    if (file == NULL)
        return error;
    if ((file->mode & MPI_MODE_SEQUENTIAL) != 0)
        return seek_error(file, MPI_ERR_UNSUPPORTED_OPERATION, "MPI_File_seek", offset, whence);
    int64_t target = 0;
    mpi_lock();
    error = sought(file, offset, whence, file->position, &target);
    if (error == MPI_SUCCESS)
        file->position = target;
    mpi_unlock();
    return error == MPI_SUCCESS ? error : seek_error(file, error, "MPI_File_seek", offset, whence);
}

MPI_PROFILED(File_seek_shared)
int PMPI_File_seek_shared(MPI_File handle, MPI_Offset offset, int whence)
{
    static const char function[] = "MPI_File_seek_shared";
    int error;
    struct file *file = file_checked(handle, function, &error);
    if (file == NULL)
        return error;
    int64_t current = 0, target = 0;
    if ((file->mode & MPI_MODE_SEQUENTIAL) != 0)
        error = MPI_ERR_UNSUPPORTED_OPERATION;
    if (error == MPI_SUCCESS && whence == MPI_SEEK_CUR)
        error = file_shared_add(file, 0, &current);
    if (error == MPI_SUCCESS)
        error = sought(file, offset, whence, current, &target);
    error = file_agree(file, error);
    if (error == MPI_SUCCESS)
        error = file_shared_set(file, target);
    return error == MPI_SUCCESS ? error : seek_error(file, error, function, offset, whence);
}

MPI_PROFILED(File_get_position)
int PMPI_File_get_position(MPI_File handle, MPI_Offset *offset)
{
    int error;
    struct file *file = file_checked(handle, "MPI_File_get_position", &error);
    if (file == NULL)
        return error;
    mpi_lock();
    *offset = file->position;
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(File_get_position_shared)
int PMPI_File_get_position_shared(MPI_File handle, MPI_Offset *offset)
{
    int error;
    int64_t position = 0;
    struct file *file = file_checked(handle, "MPI_File_get_position_shared", &error);
    if (file == NULL)
        return error;
    error = file_shared_add(file, 0, &position);
    *offset = position;
    return error == MPI_SUCCESS ? error
                                : file_error(file, error, "MPI_File_get_position_shared",
                                             "the shared pointer cannot be read");
}

/* --- Data representations ------------------------------------------------------------------------
 */

static int register_representation(const char *name)
{
    return error_raise(MPI_ERR_UNSUPPORTED_DATAREP, "MPI_Register_datarep",
                       "%s cannot be added: there are native, internal and external32",
                       name != NULL ? name : "a representation without a name");
}

#pragma GCC diagnostic ignored "-Wunused-parameter"
MPI_PROFILED(Register_datarep)
int PMPI_Register_datarep(const char *name, MPI_Datarep_conversion_function *reading,
                          MPI_Datarep_conversion_function *writing,
                          MPI_Datarep_extent_function *extent, void *state)
{
    return register_representation(name);
}

MPI_PROFILED(Register_datarep_c)
int PMPI_Register_datarep_c(const char *name, MPI_Datarep_conversion_function_c *reading,
                            MPI_Datarep_conversion_function_c *writing,
                            MPI_Datarep_extent_function *extent, void *state)
{
    return register_representation(name);
}
