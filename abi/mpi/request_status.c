/* The status of requests without completing them: MPI_Request_get_status and its like. */
#include "abi/mpi/library.h"

/* Of one request, which stays: is it complete? A null or inactive one is, with an empty status. */
static bool look(MPI_Request handle, MPI_Status *status)
{
    struct request *request;
    if (request_look_up(handle, &request) != 1) {
        status_set_empty(status);
        return true;
    }
    if (!request->complete)
        return false;
    request_report(request, status);
    return true;
}

MPI_PROFILED(Request_get_status)
int PMPI_Request_get_status(MPI_Request handle, int *flag, MPI_Status *status)
{
    struct request *request;
    mpi_lock();
    int known = request_look_up(handle, &request);
    if (known == 1 && !request->complete)
        engine_step();
    *flag = known >= 0 && look(handle, status);
    mpi_unlock();
    return known < 0 ? BAD_REQUEST("MPI_Request_get_status", 0) : MPI_SUCCESS;
}

MPI_PROFILED(Request_get_status_any)
int PMPI_Request_get_status_any(int count, const MPI_Request handles[], int *index, int *flag,
                                MPI_Status *status)
{
    int result = request_check_all(count, handles, "MPI_Request_get_status_any");
    if (result != MPI_SUCCESS)
        return result;
    mpi_lock();
    engine_step();
    int found = request_find_complete(count, handles);
    *flag = found != -1;
    *index = found != -1 ? found : MPI_UNDEFINED;
    if (found >= 0)
        look(handles[found], status);
    else if (*flag)
        status_set_empty(status);
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Request_get_status_all)
int PMPI_Request_get_status_all(int count, const MPI_Request handles[], int *flag,
                                MPI_Status statuses[])
{
    int result = request_check_all(count, handles, "MPI_Request_get_status_all");
    if (result != MPI_SUCCESS)
        return result;
    mpi_lock();
    engine_step();
    *flag = 1;
    for (int i = 0; i < count && *flag; i++)
        *flag = look(handles[i], MPI_STATUS_IGNORE);
    for (int i = 0; i < count && *flag && statuses != MPI_STATUSES_IGNORE; i++)
        look(handles[i], &statuses[i]);
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Request_get_status_some)
int PMPI_Request_get_status_some(int count, const MPI_Request handles[], int *found, int indices[],
                                 MPI_Status statuses[])
{
    int result = request_check_all(count, handles, "MPI_Request_get_status_some");
    if (result != MPI_SUCCESS)
        return result;
    mpi_lock();
    engine_step();
    bool any = request_find_complete(count, handles) != MPI_UNDEFINED;
    *found = any ? 0 : MPI_UNDEFINED;
    for (int i = 0; i < count && any; i++) {
        struct request *request;
        if (request_look_up(handles[i], &request) != 1 || !request->complete)
            continue;
        request_report(request, status_at(statuses, *found));
        indices[(*found)++] = i;
    }
    mpi_unlock();
    return MPI_SUCCESS;
}
