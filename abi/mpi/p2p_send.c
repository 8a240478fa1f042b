/* MPI_Send and its like. A small message to a peer with room in its ring is one cell: no request,
 * no lock where no threads are. */
#include "abi/mpi/check.h"

#include <stdlib.h>

/* Puts a small message into the ring right away; false: it needs the long way. */
static inline __attribute__((always_inline)) bool send_at_once(const struct described *message)
{
    struct peer *peer = message->peer;
    const struct datatype_stream *stream = &message->stream;
    if (UNLIKELY(stream->bytes > RING_INLINE || !stream->type->contiguous || mpi.threads ||
                 peer->queue != NULL || !transport_room(peer)))
        return false;
    struct cell *cell = transport_cell(peer);
    if (LIKELY(stream->bytes == 8)) {
        uint64_t word;
        memcpy(&word, stream->buffer, sizeof(word));
        cell->words[0] = word;
    } else {
        memcpy(cell->payload, stream->buffer, (size_t)stream->bytes);
    }
    cell->envelope = cell_envelope(message->key.context, message->key.tag);
    transport_publish(peer, cell, CELL_DATA, (unsigned)stream->bytes,
                      (unsigned)message->key.source);
    return true;
}

static struct request *send_request(const struct described *message, enum send_mode mode)
{
    struct request *request = request_new(REQUEST_SEND, message->comm);
    datatype_retain((struct datatype *)(uintptr_t)message->stream.type);
    send_begin(request, &message->stream, message->peer, mode, &message->key);
    return request;
}

static __attribute__((noinline)) int send_slowly(const struct described *message,
                                                 enum send_mode mode)
{
    mpi_lock();
    struct request *request = send_request(message, mode);
    int error = request_wait_free(request, NULL);
    mpi_unlock();
    return error;
}

static inline __attribute__((always_inline)) int send_blocking(const void *buffer, int64_t count,
                                                               MPI_Datatype type, int to, int tag,
                                                               MPI_Comm comm, enum send_mode mode,
                                                               const char *function)
{
    struct described message;
    if (UNLIKELY(!described_send(&message, buffer, count, type, to, tag, comm))) {
        int error = describe_again(&message, false, count, type, to, tag, comm, function);
        if (error != MPI_SUCCESS || message.nobody)
            return error;
    }
    if (mode != SEND_SYNCHRONOUS && send_at_once(&message))
        return MPI_SUCCESS;
    return send_slowly(&message, mode);
}

#define SEND(Count)                                                                                \
    (const void *buffer, Count count, MPI_Datatype type, int to, int tag, MPI_Comm comm)

WITH_COUNTS(Send, SEND, {
    return send_blocking(buffer, count, type, to, tag, comm, SEND_STANDARD, "MPI_Send");
})
WITH_COUNTS(Ssend, SEND, {
    return send_blocking(buffer, count, type, to, tag, comm, SEND_SYNCHRONOUS, "MPI_Ssend");
})
WITH_COUNTS(Rsend, SEND,
            { return send_blocking(buffer, count, type, to, tag, comm, SEND_READY, "MPI_Rsend"); })

/* --- Without waiting ---------------------------------------------------------------------------
 */

static inline __attribute__((always_inline)) int
send_nonblocking(const void *buffer, int64_t count, MPI_Datatype type, int to, int tag,
                 MPI_Comm comm, enum send_mode mode, MPI_Request *handle, const char *function)
{
    struct described message;
    if (UNLIKELY(!described_send(&message, buffer, count, type, to, tag, comm))) {
        int error = describe_again(&message, false, count, type, to, tag, comm, function);
        if (error == MPI_SUCCESS)
            *handle = (MPI_Request)&request_done;
        return error;
    }
    if (mode != SEND_SYNCHRONOUS && send_at_once(&message)) {
        *handle = (MPI_Request)&request_done;
        return MPI_SUCCESS;
    }
    mpi_lock();
    *handle = (MPI_Request)send_request(&message, mode);
    mpi_unlock();
    return MPI_SUCCESS;
}

#define ISEND(Count)                                                                               \
    (const void *buffer, Count count, MPI_Datatype type, int to, int tag, MPI_Comm comm,           \
     MPI_Request *request)

WITH_COUNTS(Isend, ISEND, {
    return send_nonblocking(buffer, count, type, to, tag, comm, SEND_STANDARD, request,
                            "MPI_Isend");
})
WITH_COUNTS(Issend, ISEND, {
    return send_nonblocking(buffer, count, type, to, tag, comm, SEND_SYNCHRONOUS, request,
                            "MPI_Issend");
})
WITH_COUNTS(Irsend, ISEND, {
    return send_nonblocking(buffer, count, type, to, tag, comm, SEND_READY, request, "MPI_Irsend");
})
