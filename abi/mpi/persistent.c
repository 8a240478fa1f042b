/* Persistent requests: a send, receive or collective described once and started many times. */
#include "abi/mpi/persistent.h"
#include "abi/mpi/partitioned.h"
#include "abi/mpi/schedule.h"

static struct request *persistent_new(enum request_kind kind, const struct described *message,
                                      enum send_mode mode)
{
    struct request *request = request_new(kind, message->comm);
    request->persistent = true;
    request->complete = true;
    request->mode = (uint8_t)mode;
    if (message->nobody) {
        request->source = MPI_PROC_NULL;
        request->tag = MPI_ANY_TAG;
        return request;
    }
    datatype_retain((struct datatype *)(uintptr_t)message->stream.type);
    request->stream = message->stream;
    request->peer = message->peer;
    request->posted.key = message->key;
    request->startable = true;
    return request;
}

static int send_init(const void *buffer, int64_t count, MPI_Datatype type, int to, int tag,
                     MPI_Comm comm, enum send_mode mode, MPI_Request *handle, const char *function)
{
    struct described message;
    if (!described_send(&message, buffer, count, type, to, tag, comm)) {
        int error = describe_again(&message, false, count, type, to, tag, comm, function);
        if (error != MPI_SUCCESS)
            return error;
    }
    mpi_lock();
    *handle = (MPI_Request)persistent_new(REQUEST_SEND, &message, mode);
    mpi_unlock();
    return MPI_SUCCESS;
}

#define SEND_INIT(Count)                                                                           \
    (const void *buffer, Count count, MPI_Datatype type, int to, int tag, MPI_Comm comm,           \
     MPI_Request *request)

WITH_COUNTS(Send_init, SEND_INIT, {
    return send_init(buffer, count, type, to, tag, comm, SEND_STANDARD, request, "MPI_Send_init");
})
WITH_COUNTS(Ssend_init, SEND_INIT, {
    return send_init(buffer, count, type, to, tag, comm, SEND_SYNCHRONOUS, request,
                     "MPI_Ssend_init");
})
WITH_COUNTS(Rsend_init, SEND_INIT, {
    return send_init(buffer, count, type, to, tag, comm, SEND_READY, request, "MPI_Rsend_init");
})
WITH_COUNTS(Bsend_init, SEND_INIT, {
    return send_init(buffer, count, type, to, tag, comm, SEND_BUFFERED, request, "MPI_Bsend_init");
})

static int receive_init(void *buffer, int64_t count, MPI_Datatype type, int from, int tag,
                        MPI_Comm comm, MPI_Request *handle)
{
    struct described message;
    if (!described_receive(&message, buffer, count, type, from, tag, comm)) {
        int error = describe_again(&message, true, count, type, from, tag, comm, "MPI_Recv_init");
        if (error != MPI_SUCCESS)
            return error;
    }
    mpi_lock();
    *handle = (MPI_Request)persistent_new(REQUEST_RECEIVE, &message, SEND_STANDARD);
    mpi_unlock();
    return MPI_SUCCESS;
}

#define RECV_INIT(Count)                                                                           \
    (void *buffer, Count count, MPI_Datatype type, int from, int tag, MPI_Comm comm,               \
     MPI_Request *request)
WITH_COUNTS(Recv_init, RECV_INIT,
            { return receive_init(buffer, count, type, from, tag, comm, request); })

/* --- Starting ----------------------------------------------------------------------------------
 */

static int start(struct request *request, const char *function)
{
    mpi_lock();
    request->active = true;
    request->error = MPI_SUCCESS;
    if (request->kind == REQUEST_SCHEDULE) {
        schedule_start(request);
    } else if (!request->startable) {
        request->complete = true; /* MPI_PROC_NULL */
    } else if (request->kind == REQUEST_PARTITIONED) {
        partitioned_start(request);
    } else if (request->kind == REQUEST_RECEIVE) {
        struct datatype_stream stream = request->stream;
        struct match_key key = request->posted.key;
        receive_begin(request, &stream, &key);
    } else if (request->mode == SEND_BUFFERED) {
        struct described message = {request->comm, request->stream, request->peer,
                                    request->posted.key, false};
        request->complete = true;
        return buffered_begin(&message, function);
    } else {
        struct datatype_stream stream = request->stream;
        struct match_key key = request->posted.key;
        request->wanted = 0;
        send_begin(request, &stream, request->peer, request->mode, &key);
    }
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Startall)
int PMPI_Startall(int count, MPI_Request handles[])
{
    for (int i = 0; i < count; i++) {
        struct request *request = request_of(handles[i]);
        if (request == NULL || !request->persistent || request->active)
            return error_raise(MPI_ERR_REQUEST, "MPI_Start",
                               "request %d is %s; an inactive persistent one would be right", i,
                               request == NULL        ? "none, or freed"
                               : !request->persistent ? "not persistent"
                                                      : "active already");
        int error = start(request, "MPI_Start");
        if (error != MPI_SUCCESS)
            return error;
    }
    return MPI_SUCCESS;
}

MPI_PROFILED(Start)
int PMPI_Start(MPI_Request *handle)
{
    return PMPI_Startall(1, handle);
}
