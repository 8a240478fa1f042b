/* Requests: where they come from and where they go, their names for peers, and the calls that wait
 * for them, test them, free and cancel them. */
#include "abi/mpi/generalized.h"
#include "abi/mpi/library.h"
#include "abi/mpi/partitioned.h"
#include "abi/mpi/schedule.h"

#include <stdlib.h>

#define POOL_STEP 64

static struct request *pool;

struct request request_done = {
    .object = {.kind = OBJECT_REQUEST},
    .kind = REQUEST_SEND,
    .complete = true,
    .immortal = true,
};

/* --- Life --------------------------------------------------------------------------------------
 */

static void pool_grow(void)
{
    struct request *more = calloc(POOL_STEP, sizeof(*more));
    if (more == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a request");
    for (int i = 0; i < POOL_STEP; i++) {
        more[i].next = pool;
        pool = &more[i];
    }
}

struct request *request_new(enum request_kind kind, struct comm *comm)
{
    if (UNLIKELY(pool == NULL))
        pool_grow();
    struct request *request = pool;
    pool = request->next;
    /* One by one: this is on the way of every message, and a memset of all takes longer. The
     * others are set by whoever uses them. */
    object_begin(&request->object, OBJECT_REQUEST);
    request->kind = (uint8_t)kind;
    request->mode = SEND_STANDARD;
    request->complete = request->active = request->persistent = request->immortal = false;
    request->forgotten = request->waits = request->cancelled = request->startable = false;
    request->reports = false;
    request->comm = comm;
    request->peer = NULL;
    request->stream.type = NULL;
    request->position = request->wanted = request->bytes = 0;
    request->id = 0;
    request->owned = NULL;
    request->pending = NULL;
    request->error = MPI_SUCCESS;
    request->schedule = NULL;
    request->buffered = NULL;
    if (comm != NULL && comm != mpi.world)
        comm_retain(comm);
    return request;
}

static void name_free(uint64_t id);

void request_free(struct request *request)
{
    if (request->immortal)
        return;
    if (UNLIKELY(request->kind > REQUEST_RECEIVE)) {
        if (request->kind == REQUEST_SCHEDULE && request->schedule != NULL)
            schedule_free(request->schedule);
        if (request->kind == REQUEST_GENERALIZED)
            generalized_free(request);
        if (request->kind == REQUEST_PARTITIONED)
            partitioned_free(request);
    }
    if (request->id != 0)
        name_free(request->id);
    if (request->stream.type != NULL && !request->stream.type->predefined)
        datatype_release((struct datatype *)(uintptr_t)request->stream.type);
    if (request->owned != NULL)
        free(request->owned);
    if (request->comm != NULL && request->comm != mpi.world)
        comm_release(request->comm);
    handle_end(&request->object);
    request->next = pool;
    pool = request;
}

void request_finish(struct request *request)
{
    request->complete = true;
    if (request->id != 0) {
        name_free(request->id);
        request->id = 0;
    }
    if (request->buffered != NULL)
        buffer_give(request);
    if (UNLIKELY(request->pending != NULL))
        --*request->pending;
    if (UNLIKELY(mpi.threads))
        engine_event();
    if (request->forgotten)
        request_free(request);
}

/* --- Names -------------------------------------------------------------------------------------
 */

/* A name is an index into the table and the generation of that entry, so that a name of a request
 * that is over is noticed. */
struct name {
    struct request *request; /* NULL: free */
    uint32_t generation;
    uint32_t next; /* free: the next free one */
};
static struct name *names;
static uint32_t name_count, name_free_first; /* 0: none is free; entry 0 is never used */

uint64_t request_name(struct request *request)
{
    if (request->id != 0)
        return request->id;
    if (name_free_first == 0) {
        uint32_t count = name_count != 0 ? 2 * name_count : 64;
        struct name *more = realloc(names, count * sizeof(*more));
        if (more == NULL)
            mpi_die(MPI_ERR_NO_MEM, "no memory for a request");
        memset(more + name_count, 0, (count - name_count) * sizeof(*more));
        for (uint32_t i = name_count != 0 ? name_count : 1; i < count; i++) {
            more[i].next = name_free_first;
            name_free_first = i;
        }
        names = more;
        name_count = count;
    }
    uint32_t index = name_free_first;
    name_free_first = names[index].next;
    names[index].request = request;
    request->id = (uint64_t)++names[index].generation << 32 | index;
    return request->id;
}

struct request *request_named(uint64_t id)
{
    uint32_t index = (uint32_t)id;
    if (index >= name_count || names[index].generation != id >> 32)
        return NULL;
    return names[index].request;
}

static void name_free(uint64_t id)
{
    uint32_t index = (uint32_t)id;
    names[index].request = NULL;
    names[index].next = name_free_first;
    name_free_first = index;
}

/* --- Completion --------------------------------------------------------------------------------
 */

int request_report(struct request *request, MPI_Status *status)
{
    if (request->kind == REQUEST_GENERALIZED)
        return generalized_query(request, status);
    if (request->kind == REQUEST_RECEIVE || request->reports || request->cancelled) {
        status_set(status, request->source, request->tag, request->bytes);
        if (status != NULL)
            status->MPI_internal[2] = request->cancelled;
    } else if (status != NULL) {
        int before = status->MPI_ERROR;
        status_set_empty(status);
        status->MPI_ERROR = before;
    }
    return request->error;
}

/* Of a request that is complete: its status and error; then it is inactive, or gone. */
static int collect(struct request *request, MPI_Request *handle, MPI_Status *status)
{
    int error = request_report(request, status);
    if (request->persistent) {
        request->active = false;
        request->cancelled = false;
        return error;
    }
    if (handle != NULL)
        *handle = MPI_REQUEST_NULL;
    request_free(request);
    return error;
}

static bool inactive(const struct request *request)
{
    return request->persistent && !request->active;
}

int request_wait_free(struct request *request, MPI_Status *status)
{
    ENGINE_WAIT_UNTIL(request->complete)
    return collect(request, NULL, status);
}

int request_look_up(MPI_Request handle, struct request **request)
{
    *request = NULL;
    if (handle == MPI_REQUEST_NULL)
        return 0;
    *request = request_of(handle);
    if (*request == NULL)
        return -1;
    return !inactive(*request);
}

static int raise(const struct request *request, struct comm *comm, int error, const char *function)
{
    (void)request;
    if (error == MPI_SUCCESS)
        return error;
    return error == MPI_ERR_TRUNCATE
               ? comm_error(comm, error, function, "the message is longer than the buffer")
               : comm_error(comm, error, function, "the operation has failed");
}

MPI_PROFILED(Wait)
int PMPI_Wait(MPI_Request *handle, MPI_Status *status)
{
    struct request *request;
    mpi_lock();
    int known = request_look_up(*handle, &request);
    if (known != 1) {
        mpi_unlock();
        if (known < 0)
            return BAD_REQUEST("MPI_Wait", 0);
        status_set_empty(status);
        return MPI_SUCCESS;
    }
    ENGINE_WAIT_UNTIL(request->complete)
    struct comm *comm = request->comm;
    int error = collect(request, handle, status);
    mpi_unlock();
    return raise(request, comm, error, "MPI_Wait");
}

MPI_PROFILED(Test)
int PMPI_Test(MPI_Request *handle, int *flag, MPI_Status *status)
{
    struct request *request;
    mpi_lock();
    int known = request_look_up(*handle, &request);
    *flag = 1;
    if (known != 1) {
        mpi_unlock();
        if (known < 0)
            return BAD_REQUEST("MPI_Test", 0);
        status_set_empty(status);
        return MPI_SUCCESS;
    }
    if (!request->complete)
        engine_step();
    *flag = request->complete;
    int error = MPI_SUCCESS;
    struct comm *comm = request->comm;
    if (*flag)
        error = collect(request, handle, status);
    mpi_unlock();
    return raise(request, comm, error, "MPI_Test");
}

/* --- Several -----------------------------------------------------------------------------------
 */

/* What calls for several requests have met: the first error's communicator. */
struct several {
    bool failed;
    struct comm *comm;
};

/* Collects one of several; its error goes into its status. */
static void collect_at(MPI_Request *handles, int i, struct request *request, MPI_Status *status,
                       struct several *several)
{
    struct comm *comm = request->comm;
    int error = collect(request, &handles[i], status);
    if (status != NULL)
        status->MPI_ERROR = error;
    if (error != MPI_SUCCESS && !several->failed)
        *several = (struct several){true, comm};
}

static int in_status(const struct several *several, const char *function)
{
    if (!several->failed)
        return MPI_SUCCESS;
    return comm_error(several->comm, MPI_ERR_IN_STATUS, function,
                      "at least one of the operations has failed: see the statuses");
}

int request_check_all(int count, const MPI_Request handles[], const char *function)
{
    struct request *request;
    if (count < 0)
        return error_raise(MPI_ERR_COUNT, function, "the count is %d, less than 0", count);
    for (int i = 0; i < count; i++)
        if (request_look_up(handles[i], &request) < 0)
            return BAD_REQUEST(function, i);
    return MPI_SUCCESS;
}

MPI_PROFILED(Waitall)
int PMPI_Waitall(int count, MPI_Request handles[], MPI_Status statuses[])
{
    struct several several = {0};
    int result = request_check_all(count, handles, "MPI_Waitall");
    if (result != MPI_SUCCESS)
        return result;
    mpi_lock();
    for (int i = 0; i < count; i++) {
        struct request *request;
        MPI_Status *status = status_at(statuses, i);
        if (handles[i] == (MPI_Request)&request_done && status == NULL) {
            handles[i] = MPI_REQUEST_NULL;
            continue;
        }
        if (request_look_up(handles[i], &request) == 0) {
            status_set_empty(status);
            continue;
        }
        ENGINE_WAIT_UNTIL(request->complete)
        collect_at(handles, i, request, status, &several);
    }
    mpi_unlock();
    return in_status(&several, "MPI_Waitall");
}

MPI_PROFILED(Testall)
int PMPI_Testall(int count, MPI_Request handles[], int *flag, MPI_Status statuses[])
{
    struct several several = {0};
    int result = request_check_all(count, handles, "MPI_Testall");
    if (result != MPI_SUCCESS)
        return result;
    struct request *request;
    mpi_lock();
    engine_step();
    *flag = 1;
    for (int i = 0; i < count && *flag; i++)
        if (request_look_up(handles[i], &request) == 1 && !request->complete)
            *flag = 0;
    for (int i = 0; i < count && *flag; i++) {
        MPI_Status *status = status_at(statuses, i);
        if (request_look_up(handles[i], &request) == 0)
            status_set_empty(status);
        else
            collect_at(handles, i, request, status, &several);
    }
    mpi_unlock();
    return in_status(&several, "MPI_Testall");
}

int request_find_complete(int count, const MPI_Request handles[])
{
    int found = MPI_UNDEFINED;
    struct request *request;
    for (int i = 0; i < count; i++) {
        if (request_look_up(handles[i], &request) != 1)
            continue;
        if (request->complete)
            return i;
        found = -1;
    }
    return found;
}

static int collect_any(int count, MPI_Request handles[], int index, MPI_Status *status,
                       const char *function)
{
    (void)count;
    if (index == MPI_UNDEFINED) {
        mpi_unlock();
        status_set_empty(status);
        return MPI_SUCCESS;
    }
    struct request *request = request_of(handles[index]);
    struct comm *comm = request->comm;
    int error = collect(request, &handles[index], status);
    mpi_unlock();
    return raise(request, comm, error, function);
}

MPI_PROFILED(Waitany)
int PMPI_Waitany(int count, MPI_Request handles[], int *index, MPI_Status *status)
{
    int result = request_check_all(count, handles, "MPI_Waitany");
    if (result != MPI_SUCCESS)
        return result;
    mpi_lock();
    ENGINE_WAIT_UNTIL((*index = request_find_complete(count, handles)) != -1)
    return collect_any(count, handles, *index, status, "MPI_Waitany");
}

MPI_PROFILED(Testany)
int PMPI_Testany(int count, MPI_Request handles[], int *index, int *flag, MPI_Status *status)
{
    int result = request_check_all(count, handles, "MPI_Testany");
    if (result != MPI_SUCCESS)
        return result;
    mpi_lock();
    engine_step();
    *index = request_find_complete(count, handles);
    *flag = *index != -1;
    if (!*flag) {
        *index = MPI_UNDEFINED;
        mpi_unlock();
        return MPI_SUCCESS;
    }
    return collect_any(count, handles, *index, status, "MPI_Testany");
}

/* Collects all that are complete: with the lock, which it gives up. */
static int collect_some(int count, MPI_Request handles[], int *found, int indices[],
                        MPI_Status statuses[], const char *function)
{
    struct several several = {0};
    *found = 0;
    for (int i = 0; i < count; i++) {
        struct request *request;
        if (request_look_up(handles[i], &request) != 1 || !request->complete)
            continue;
        collect_at(handles, i, request, status_at(statuses, *found), &several);
        indices[(*found)++] = i;
    }
    mpi_unlock();
    return in_status(&several, function);
}

MPI_PROFILED(Waitsome)
int PMPI_Waitsome(int count, MPI_Request handles[], int *found, int indices[],
                  MPI_Status statuses[])
{
    int result = request_check_all(count, handles, "MPI_Waitsome");
    if (result != MPI_SUCCESS)
        return result;
    int index;
    mpi_lock();
    ENGINE_WAIT_UNTIL((index = request_find_complete(count, handles)) != -1)
    if (index == MPI_UNDEFINED) {
        mpi_unlock();
        *found = MPI_UNDEFINED;
        return MPI_SUCCESS;
    }
    return collect_some(count, handles, found, indices, statuses, "MPI_Waitsome");
}

MPI_PROFILED(Testsome)
int PMPI_Testsome(int count, MPI_Request handles[], int *found, int indices[],
                  MPI_Status statuses[])
{
    int result = request_check_all(count, handles, "MPI_Testsome");
    if (result != MPI_SUCCESS)
        return result;
    mpi_lock();
    engine_step();
    if (request_find_complete(count, handles) == MPI_UNDEFINED) {
        mpi_unlock();
        *found = MPI_UNDEFINED;
        return MPI_SUCCESS;
    }
    return collect_some(count, handles, found, indices, statuses, "MPI_Testsome");
}

/* --- Freeing and cancelling --------------------------------------------------------------------
 */

MPI_PROFILED(Request_free)
int PMPI_Request_free(MPI_Request *handle)
{
    mpi_lock();
    struct request *request = request_of(*handle);
    if (request == NULL) {
        mpi_unlock();
        return BAD_REQUEST("MPI_Request_free", 0);
    }
    *handle = MPI_REQUEST_NULL;
    if (request->complete || inactive(request))
        request_free(request);
    else
        request->forgotten = true;
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Cancel)
int PMPI_Cancel(MPI_Request *handle)
{
    mpi_lock();
    struct request *request = request_of(*handle);
    if (request == NULL) {
        mpi_unlock();
        return BAD_REQUEST("MPI_Cancel", 0);
    }
    int error = MPI_SUCCESS;
    if (request->kind == REQUEST_GENERALIZED)
        error = generalized_cancel(request);
    else if (request->kind == REQUEST_RECEIVE && !request->complete)
        receive_cancel(request);
    mpi_unlock();
    return error;
}
