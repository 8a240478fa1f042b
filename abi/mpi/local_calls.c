/* Calls that need nothing but this process: memory, the deprecated names of attributes, what the
 * ABI and the hardware are. */
#include "abi/mpi/errhandler.h"
#include "abi/mpi/info.h"
#include "abi/mpi/profile.h"

#include <stdlib.h>

/* Whole cache lines: what lies in one is nobody else's. */
MPI_PROFILED(Alloc_mem)
int PMPI_Alloc_mem(MPI_Aint size, MPI_Info info, void *baseptr)
{
    void *memory;

    if (size < 0 || !baseptr)
        return error_raise(MPI_ERR_ARG, "MPI_Alloc_mem", "size is %lld, or baseptr NULL",
                           (long long)size);
    if (!info_is_valid(info))
        return error_raise(MPI_ERR_INFO, "MPI_Alloc_mem", NULL);
    if (posix_memalign(&memory, 64, (size_t)size))
        return error_raise(MPI_ERR_NO_MEM, "MPI_Alloc_mem", "%lld bytes", (long long)size);
    *(void **)baseptr = memory;
    return MPI_SUCCESS;
}

MPI_PROFILED(Free_mem)
int PMPI_Free_mem(void *base)
{
    free(base);
    return MPI_SUCCESS;
}

MPI_PROFILED(Attr_put)
int PMPI_Attr_put(MPI_Comm comm, int keyval, void *attribute_val)
{
    return PMPI_Comm_set_attr(comm, keyval, attribute_val);
}

MPI_PROFILED(Attr_get)
int PMPI_Attr_get(MPI_Comm comm, int keyval, void *attribute_val, int *flag)
{
    return PMPI_Comm_get_attr(comm, keyval, attribute_val, flag);
}

MPI_PROFILED(Attr_delete)
int PMPI_Attr_delete(MPI_Comm comm, int keyval)
{
    return PMPI_Comm_delete_attr(comm, keyval);
}

/* A new info with these pairs of strings. */
static int give_info(const char *call, MPI_Info *handle, const char *const pairs[][2], int count)
{
    struct info *info = handle ? info_create() : NULL;
    int error = info ? MPI_SUCCESS : handle ? MPI_ERR_NO_MEM : MPI_ERR_ARG;

    for (int i = 0; !error && i < count; i++)
        error = info_put(info, pairs[i][0], pairs[i][1]);
    if (error) {
        info_free(info);
        return error_raise(error, call, NULL);
    }
    *handle = (MPI_Info)info;
    return MPI_SUCCESS;
}

MPI_PROFILED(Abi_get_info)
int PMPI_Abi_get_info(MPI_Info *info)
{
    static const char *const pairs[][2] = {
        {"mpi_aint_size", "8"}, {"mpi_count_size", "8"}, {"mpi_offset_size", "8"}};

    return give_info("MPI_Abi_get_info", info, pairs, 3);
}

/* No resources are named: the info has no key. */
MPI_PROFILED(Get_hw_resource_info)
int PMPI_Get_hw_resource_info(MPI_Info *hw_info)
{
    return give_info("MPI_Get_hw_resource_info", hw_info, NULL, 0);
}
