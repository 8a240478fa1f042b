/* MPI_X_c2f, _f2c, _toint and _fromint: a handle as an integer and back. Fortran's handles are the
 * same integers. */

#include "abi/mpi/handle.h"
#include "abi/mpi/profile.h"

#include <mpi.h>
#include <string.h>

#define CONVERSIONS(Name, Handle)                                                                  \
    MPI_PROFILED(Name##_c2f)                                                                       \
    MPI_Fint PMPI_##Name##_c2f(Handle handle)                                                      \
    {                                                                                              \
        return handle_to_int(handle);                                                              \
    }                                                                                              \
    MPI_PROFILED(Name##_toint)                                                                     \
    int PMPI_##Name##_toint(Handle handle)                                                         \
    {                                                                                              \
        return handle_to_int(handle);                                                              \
    }                                                                                              \
    MPI_PROFILED(Name##_f2c)                                                                       \
    Handle PMPI_##Name##_f2c(MPI_Fint number)                                                      \
    {                                                                                              \
        return handle_from_int(number);                                                            \
    }                                                                                              \
    MPI_PROFILED(Name##_fromint)                                                                   \
    Handle PMPI_##Name##_fromint(int number)                                                       \
    {                                                                                              \
        return handle_from_int(number);                                                            \
    }

CONVERSIONS(Comm, MPI_Comm)
CONVERSIONS(Errhandler, MPI_Errhandler)
CONVERSIONS(File, MPI_File)
CONVERSIONS(Group, MPI_Group)
CONVERSIONS(Info, MPI_Info)
CONVERSIONS(Message, MPI_Message)
CONVERSIONS(Op, MPI_Op)
CONVERSIONS(Request, MPI_Request)
CONVERSIONS(Session, MPI_Session)
CONVERSIONS(Type, MPI_Datatype)
CONVERSIONS(Win, MPI_Win)

/* A status is the same eight integers in C and in both of Fortran's forms. */
_Static_assert(sizeof(MPI_Status) == MPI_F_STATUS_SIZE * sizeof(MPI_Fint), "one layout");

#define STATUS_CONVERSION(Name, From, To)                                                          \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(const From *from, To *to)                                                      \
    {                                                                                              \
        if (!from || !to)                                                                          \
            return MPI_ERR_ARG;                                                                    \
        memcpy(to, from, sizeof(MPI_Status));                                                      \
        return MPI_SUCCESS;                                                                        \
    }

STATUS_CONVERSION(Status_c2f, MPI_Status, MPI_Fint)
STATUS_CONVERSION(Status_f2c, MPI_Fint, MPI_Status)
STATUS_CONVERSION(Status_c2f08, MPI_Status, MPI_F08_status)
STATUS_CONVERSION(Status_f082c, MPI_F08_status, MPI_Status)
STATUS_CONVERSION(Status_f082f, MPI_F08_status, MPI_Fint)
STATUS_CONVERSION(Status_f2f08, MPI_Fint, MPI_F08_status)
