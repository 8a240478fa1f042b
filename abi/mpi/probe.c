/* Probing: what has come, without receiving it; and matched probes, which take it out of the queue
 * for a receive of its own. */
#include "abi/mpi/check.h"

static void describe(const struct message *message, MPI_Status *status)
{
    const struct arrival *arrival = message_arrival(message);
    status_set(status, arrival->key.source, arrival->key.tag, arrival->length);
}

/* Finds the first message that a receive would get: a moment's look, or until there is one. With
 * the lock. */
static struct message *find(const struct described *wanted, bool wait)
{
    struct message *message = receive_find(&wanted->key);
    if (message == NULL && !wait) {
        engine_step();
        return receive_find(&wanted->key);
    }
    ENGINE_WAIT_UNTIL((message = receive_find(&wanted->key)) != NULL)
    return message;
}

static int probe(int from, int tag, MPI_Comm comm, int *flag, MPI_Status *status,
                 const char *function)
{
    struct described wanted;
    int error = describe_probe(&wanted, from, tag, comm, function);
    if (error != MPI_SUCCESS)
        return error;
    if (wanted.nobody) {
        status_set(status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
        if (flag != NULL)
            *flag = 1;
        return MPI_SUCCESS;
    }
    mpi_lock();
    struct message *message = find(&wanted, flag == NULL);
    if (message != NULL)
        describe(message, status);
    mpi_unlock();
    if (flag != NULL)
        *flag = message != NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(Probe)
int PMPI_Probe(int from, int tag, MPI_Comm comm, MPI_Status *status)
{
    return probe(from, tag, comm, NULL, status, "MPI_Probe");
}

MPI_PROFILED(Iprobe)
int PMPI_Iprobe(int from, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
    return probe(from, tag, comm, flag, status, "MPI_Iprobe");
}

static int matched_probe(int from, int tag, MPI_Comm comm, int *flag, MPI_Message *handle,
                         MPI_Status *status, const char *function)
{
    struct described wanted;
    int error = describe_probe(&wanted, from, tag, comm, function);
    if (error != MPI_SUCCESS)
        return error;
    if (wanted.nobody) {
        status_set(status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
        *handle = MPI_MESSAGE_NO_PROC;
        if (flag != NULL)
            *flag = 1;
        return MPI_SUCCESS;
    }
    mpi_lock();
    struct message *message = find(&wanted, flag == NULL);
    if (message != NULL) {
        describe(message, status);
        message_take(message);
        message_set_comm(message, wanted.comm);
        *handle = (MPI_Message)message;
    }
    mpi_unlock();
    if (flag != NULL)
        *flag = message != NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(Mprobe)
int PMPI_Mprobe(int from, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
    return matched_probe(from, tag, comm, NULL, message, status, "MPI_Mprobe");
}

MPI_PROFILED(Improbe)
int PMPI_Improbe(int from, int tag, MPI_Comm comm, int *flag, MPI_Message *message,
                 MPI_Status *status)
{
    return matched_probe(from, tag, comm, flag, message, status, "MPI_Improbe");
}

/* --- Receiving what was probed ------------------------------------------------------------------
 */

/* Begins it: a request, or NULL with the error raised. With the lock when it succeeds. */
static struct request *matched_begin(void *buffer, int64_t count, MPI_Datatype type,
                                     MPI_Message *handle, const char *function, int *error)
{
    struct message *message = object_of(*handle, OBJECT_MESSAGE);
    const struct datatype *datatype = datatype_of(type);
    check_running(function);
    *error = MPI_SUCCESS;
    if (*handle != MPI_MESSAGE_NO_PROC && message == NULL) {
        *error = error_raise(MPI_ERR_REQUEST, function, "the message is none, or received already");
        return NULL;
    }
    struct comm *comm = message != NULL ? message_comm(message) : mpi.self;
    if (datatype_check(datatype, count) != MPI_SUCCESS) {
        *error = comm_error(comm, datatype_check(datatype, count), function,
                            "the datatype or the count is wrong");
        return NULL;
    }
    mpi_lock();
    struct request *request = request_new(REQUEST_RECEIVE, comm);
    if (message == NULL) {
        request->source = MPI_PROC_NULL;
        request->tag = MPI_ANY_TAG;
        request->complete = true;
    } else {
        request->stream = datatype_stream(buffer, count, datatype_retain(datatype_of(type)));
        message_deliver(message, request);
    }
    *handle = MPI_MESSAGE_NULL;
    return request;
}

static int matched_receive(void *buffer, int64_t count, MPI_Datatype type, MPI_Message *handle,
                           MPI_Status *status)
{
    int error;
    struct request *request = matched_begin(buffer, count, type, handle, "MPI_Mrecv", &error);
    if (request == NULL)
        return error;
    return request_wait_raise(request, status, "MPI_Mrecv");
}

#define MRECV(Count)                                                                               \
    (void *buffer, Count count, MPI_Datatype type, MPI_Message *message, MPI_Status *status)
WITH_COUNTS(Mrecv, MRECV, { return matched_receive(buffer, count, type, message, status); })

#define IMRECV(Count)                                                                              \
    (void *buffer, Count count, MPI_Datatype type, MPI_Message *message, MPI_Request *request)
WITH_COUNTS(Imrecv, IMRECV, {
    int error;
    struct request *made = matched_begin(buffer, count, type, message, "MPI_Imrecv", &error);
    if (made == NULL)
        return error;
    *request = (MPI_Request)made;
    mpi_unlock();
    return MPI_SUCCESS;
})
