/* The tool interface's events and their sources: there are none, so that every index is invalid and
 * no registration or instance exists. */
#include "abi/mpi/library.h"
#include "abi/mpi/tool.h"

/* The arguments are not looked at: no value of theirs would be right. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define NONE(Name, Error, Parameters)                                                              \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name Parameters                                                                     \
    {                                                                                              \
        return tool_users() == 0 ? MPI_T_ERR_NOT_INITIALIZED : (Error);                            \
    }
NONE(T_event_callback_get_info, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_registration event_registration, MPI_T_cb_safety cb_safety, MPI_Info *info_used))
NONE(T_event_callback_set_info, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_registration event_registration, MPI_T_cb_safety cb_safety, MPI_Info info))
NONE(T_event_copy, MPI_T_ERR_INVALID_HANDLE, (MPI_T_event_instance event_instance, void *buffer))
NONE(T_event_get_index, MPI_T_ERR_INVALID_NAME, (const char *name, int *event_index))
NONE(T_event_get_info, MPI_T_ERR_INVALID_INDEX,
     (int event_index, char *name, int *name_len, int *verbosity, MPI_Datatype array_of_datatypes[],
      MPI_Aint array_of_displacements[], int *num_elements, MPI_T_enum *enumtype, MPI_Info *info,
      char *desc, int *desc_len, int *bind))
NONE(T_event_get_source, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_instance event_instance, int *source_index))
NONE(T_event_get_timestamp, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_instance event_instance, MPI_Count *event_timestamp))
NONE(T_event_handle_alloc, MPI_T_ERR_INVALID_INDEX,
     (int event_index, void *obj_handle, MPI_Info info,
      MPI_T_event_registration *event_registration))
NONE(T_event_handle_free, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_registration event_registration, void *user_data,
      MPI_T_event_free_cb_function *free_cb_function))
NONE(T_event_handle_get_info, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_registration event_registration, MPI_Info *info_used))
NONE(T_event_handle_set_info, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_registration event_registration, MPI_Info info))
NONE(T_event_read, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_instance event_instance, int element_index, void *buffer))
NONE(T_event_register_callback, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_registration event_registration, MPI_T_cb_safety cb_safety, MPI_Info info,
      void *user_data, MPI_T_event_cb_function *event_cb_function))
NONE(T_event_set_dropped_handler, MPI_T_ERR_INVALID_HANDLE,
     (MPI_T_event_registration event_registration,
      MPI_T_event_dropped_cb_function *dropped_cb_function))
NONE(T_source_get_info, MPI_T_ERR_INVALID_INDEX,
     (int source_index, char *name, int *name_len, char *desc, int *desc_len,
      MPI_T_source_order *ordering, MPI_Count *ticks_per_second, MPI_Count *max_ticks,
      MPI_Info *info))
NONE(T_source_get_timestamp, MPI_T_ERR_INVALID_INDEX, (int source_index, MPI_Count *timestamp))
