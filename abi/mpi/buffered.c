/* Buffered sends. A message that cannot leave at once is copied and goes when it can; the attached
 * buffer (of the communicator, of its session, or of all that have none) says how many bytes of
 * such messages there may be at a time. */
#include "abi/mpi/buffered.h"

#include "abi/mpi/check.h"
#include "abi/mpi/persistent.h"
#include "abi/mpi/session.h"

#include <stdlib.h>

/* The copies themselves come from malloc: the program's memory only counts. */
struct buffer {
    uint32_t references; /* the place where it is attached, and each message in it */
    void *memory;
    int64_t size; /* bytes; without a limit for MPI_BUFFER_AUTOMATIC */
    int64_t used;
    uint32_t messages;
    uint64_t flushes_begun;
    struct flush *flushes; /* those that are not over, the latest first */
};

/* A message's part of a buffer; its bytes follow. */
struct buffered {
    struct buffer *buffer;
    int64_t cost;     /* bytes that it counts for */
    uint64_t flushes; /* flushes begun before it: later ones wait for it */
    _Alignas(SHM_LINE) char bytes[];
};

/* MPI_Buffer_iflush. */
struct flush {
    struct request *request;
    uint64_t number; /* flushes begun before it */
    uint32_t left;   /* messages that it waits for */
    struct flush *next;
};

static struct buffer *attached; /* of communicators that have none and come from no session */

void buffer_release(struct buffer *buffer)
{
    if (buffer != NULL && --buffer->references == 0)
        free(buffer);
}

void buffer_give(struct request *request)
{
    struct buffered *part = request->buffered;
    struct buffer *buffer = part->buffer;
    request->buffered = NULL;
    buffer->used -= part->cost;
    buffer->messages--;
    for (struct flush **at = &buffer->flushes; *at != NULL;) {
        struct flush *flush = *at;
        if (flush->number >= part->flushes && --flush->left == 0) {
            *at = flush->next;
            request_finish(flush->request);
            free(flush);
        } else {
            at = &flush->next;
        }
    }
    buffer_release(buffer);
}

/* Where the buffer of a communicator's sends stands. */
static struct buffer **place_of(struct comm *comm)
{
    if (comm->buffer != NULL)
        return &comm->buffer;
    return comm->session != NULL ? session_buffer(comm->session) : &attached;
}

static bool has_room(const struct buffer *buffer, int64_t cost)
{
    return buffer != NULL &&
           (buffer->memory == MPI_BUFFER_AUTOMATIC || cost <= buffer->size - buffer->used);
}

int buffered_begin(const struct described *message, const char *function)
{
    int64_t bytes = message->stream.bytes, cost = bytes + MPI_BSEND_OVERHEAD;
    struct buffer **place = place_of(message->comm);
    if (!has_room(*place, cost))
        engine_poll(); /* room may have come since */
    struct buffer *buffer = *place;
    if (!has_room(buffer, cost)) {
        mpi_unlock();
        return comm_error(message->comm, MPI_ERR_BUFFER, function,
                          "the attached buffer has no room for %lld bytes and "
                          "MPI_BSEND_OVERHEAD; %lld of %lld are in use",
                          (long long)bytes, (long long)(buffer != NULL ? buffer->used : 0),
                          (long long)(buffer != NULL ? buffer->size : 0));
    }
    struct buffered *part = aligned_alloc(SHM_LINE, (sizeof(*part) + (size_t)bytes + SHM_LINE - 1) /
                                                        SHM_LINE * SHM_LINE);
    if (part == NULL) {
        mpi_unlock();
        return comm_error(message->comm, MPI_ERR_NO_MEM, function, "no memory for %lld bytes",
                          (long long)bytes);
    }
    *part = (struct buffered){.buffer = buffer, .cost = cost, .flushes = buffer->flushes_begun};
    datatype_pack(&message->stream, 0, bytes, part->bytes);
    buffer->used += cost;
    buffer->messages++;
    buffer->references++;
    struct request *request = request_new(REQUEST_SEND, message->comm);
    request->owned = part;
    request->buffered = part;
    request->forgotten = true;
    struct datatype_stream copy = datatype_stream(part->bytes, bytes, datatype_of(MPI_BYTE));
    send_begin(request, &copy, message->peer, SEND_STANDARD, &message->key);
    mpi_unlock();
    return MPI_SUCCESS;
}

static int send_buffered(const void *buffer, int64_t count, MPI_Datatype type, int to, int tag,
                         MPI_Comm comm, const char *function)
{
    struct described message;
    if (!described_send(&message, buffer, count, type, to, tag, comm)) {
        int error = describe_again(&message, false, count, type, to, tag, comm, function);
        if (error != MPI_SUCCESS || message.nobody)
            return error;
    }
    mpi_lock();
    return buffered_begin(&message, function);
}

#define BSEND(Count)                                                                               \
    (const void *buffer, Count count, MPI_Datatype type, int to, int tag, MPI_Comm comm)
WITH_COUNTS(Bsend, BSEND,
            { return send_buffered(buffer, count, type, to, tag, comm, "MPI_Bsend"); })

#define IBSEND(Count)                                                                              \
    (const void *buffer, Count count, MPI_Datatype type, int to, int tag, MPI_Comm comm,           \
     MPI_Request *request)
WITH_COUNTS(Ibsend, IBSEND, {
    int error = send_buffered(buffer, count, type, to, tag, comm, "MPI_Ibsend");
    if (error == MPI_SUCCESS)
        *request = (MPI_Request)&request_done;
    return error;
})

/* --- A buffer, wherever it is attached ----------------------------------------------------------
 */

const char *buffer_problem(int error)
{
    return error == MPI_ERR_BUFFER ? "a buffer is attached already, or none to be detached"
           : error == MPI_ERR_ARG  ? "the size is less than 0"
                                   : "no memory for it";
}

int buffer_attach(struct buffer **place, void *memory, int64_t size)
{
    if (*place != NULL)
        return MPI_ERR_BUFFER;
    if (size < 0)
        return MPI_ERR_ARG;
    struct buffer *buffer = calloc(1, sizeof(*buffer));
    if (buffer == NULL)
        return MPI_ERR_NO_MEM;
    buffer->references = 1;
    buffer->memory = memory;
    buffer->size = size;
    mpi_lock();
    *place = buffer;
    mpi_unlock();
    return MPI_SUCCESS;
}

int buffer_detach(struct buffer **place, void *address, int64_t *size)
{
    struct buffer *buffer = *place;
    if (buffer == NULL)
        return MPI_ERR_BUFFER;
    mpi_lock();
    ENGINE_WAIT_UNTIL(buffer->messages == 0)
    memcpy(address, &buffer->memory, sizeof(buffer->memory));
    *size = buffer->size;
    *place = NULL;
    buffer_release(buffer);
    mpi_unlock();
    return MPI_SUCCESS;
}

int buffer_flush(struct buffer **place)
{
    mpi_lock();
    struct buffer *buffer = *place;
    if (buffer != NULL)
        ENGINE_WAIT_UNTIL(buffer->messages == 0)
    mpi_unlock();
    return MPI_SUCCESS;
}

int buffer_flush_begin(struct buffer **place, MPI_Request *handle)
{
    int error = MPI_SUCCESS;
    mpi_lock();
    struct buffer *buffer = *place;
    struct flush *flush = NULL;
    if (buffer == NULL || buffer->messages == 0) {
        *handle = (MPI_Request)&request_done;
    } else if ((flush = malloc(sizeof(*flush))) == NULL) {
        error = MPI_ERR_NO_MEM;
    } else {
        struct request *request = request_new(REQUEST_SEND, NULL);
        *flush =
            (struct flush){request, buffer->flushes_begun++, buffer->messages, buffer->flushes};
        buffer->flushes = flush;
        *handle = (MPI_Request)request;
    }
    mpi_unlock();
    return error;
}

/* --- Calls -------------------------------------------------------------------------------------
 */

static int outcome(struct comm *comm, int error, const char *function)
{
    return error == MPI_SUCCESS ? error
                                : comm_error(comm, error, function, "%s", buffer_problem(error));
}

#define BUFFER_ATTACH(Count) (void *buffer, Count size)
WITH_COUNTS(Buffer_attach, BUFFER_ATTACH, {
    check_running("MPI_Buffer_attach");
    return outcome(NULL, buffer_attach(&attached, buffer, size), "MPI_Buffer_attach");
})
#define BUFFER_DETACH(Count) (void *address, Count *size)
WITH_COUNTS(Buffer_detach, BUFFER_DETACH, {
    int64_t bytes = 0;
    check_running("MPI_Buffer_detach");
    int error = buffer_detach(&attached, address, &bytes);
    if (error == MPI_SUCCESS)
        *size = bytes;
    return outcome(NULL, error, "MPI_Buffer_detach");
})

MPI_PROFILED(Buffer_flush)
int PMPI_Buffer_flush(void)
{
    check_running("MPI_Buffer_flush");
    return outcome(NULL, buffer_flush(&attached), "MPI_Buffer_flush");
}

MPI_PROFILED(Buffer_iflush)
int PMPI_Buffer_iflush(MPI_Request *request)
{
    check_running("MPI_Buffer_iflush");
    return outcome(NULL, buffer_flush_begin(&attached, request), "MPI_Buffer_iflush");
}

#define COMM_ATTACH(Count) (MPI_Comm handle, void *buffer, Count size)
WITH_COUNTS(Comm_attach_buffer, COMM_ATTACH, {
    static const char function[] = "MPI_Comm_attach_buffer";
    int error;
    struct comm *comm = check_comm(handle, function, &error);
    return comm == NULL ? error
                        : outcome(comm, buffer_attach(&comm->buffer, buffer, size), function);
})
#define COMM_DETACH(Count) (MPI_Comm handle, void *address, Count *size)
WITH_COUNTS(Comm_detach_buffer, COMM_DETACH, {
    static const char function[] = "MPI_Comm_detach_buffer";
    int error;
    int64_t bytes = 0;
    struct comm *comm = check_comm(handle, function, &error);
    if (comm == NULL)
        return error;
    error = buffer_detach(&comm->buffer, address, &bytes);
    if (error == MPI_SUCCESS)
        *size = bytes;
    return outcome(comm, error, function);
})

MPI_PROFILED(Comm_flush_buffer)
int PMPI_Comm_flush_buffer(MPI_Comm handle)
{
    int error;
    struct comm *comm = check_comm(handle, "MPI_Comm_flush_buffer", &error);
    return comm == NULL ? error
                        : outcome(comm, buffer_flush(&comm->buffer), "MPI_Comm_flush_buffer");
}

MPI_PROFILED(Comm_iflush_buffer)
int PMPI_Comm_iflush_buffer(MPI_Comm handle, MPI_Request *request)
{
    static const char function[] = "MPI_Comm_iflush_buffer";
    int error;
    struct comm *comm = check_comm(handle, function, &error);
    return comm == NULL ? error
                        : outcome(comm, buffer_flush_begin(&comm->buffer, request), function);
}
