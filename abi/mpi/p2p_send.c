/* MPI_Send and its like. A message that is short enough not to wait for its receiver goes into the
 * ring at once if that has room: no request, no lock where no threads are. */
#include "abi/mpi/check.h"

#include <stdlib.h>

static inline __attribute__((always_inline)) void copy_short(uint8_t *to, const char *from,
                                                             size_t bytes)
{
    uint64_t word;
    if (LIKELY(bytes == sizeof(word))) {
        memcpy(&word, from, sizeof(word));
        memcpy(to, &word, sizeof(word));
    } else {
        memcpy(to, from, bytes);
    }
}

/* The reader still holds these lines: asks for them before they are wanted. */
static inline void prefetch_for_writing(const uint8_t *at, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i += SHM_LINE)
        __asm__ volatile("prefetchw %0" : : "m"(at[i]));
}

/* Through the arena. False: no room. */
static __attribute__((noinline)) bool put_in_arena(struct peer *peer, const char *buffer,
                                                   uint64_t bytes, uint64_t envelope,
                                                   unsigned source)
{
    uint8_t *at = transport_room(peer) ? transport_arena(peer, bytes) : NULL;
    if (at == NULL)
        return false;
    struct cell *cell = transport_cell(peer);
    struct cell_arena arena = {(uint64_t)(at - peer->arena), bytes};
    memcpy(at, buffer, bytes);
    prefetch_for_writing(at + bytes, bytes);
    memcpy(cell->payload, &arena, sizeof(arena));
    cell->envelope = envelope;
    transport_publish(peer, cell, CELL_LONG, sizeof(arena), source);
    return true;
}

/* Puts a message into the ring right away; false: it needs the long way, where everything is
 * checked again. */
static inline __attribute__((always_inline)) bool
send_at_once(const char *buffer, int64_t count, MPI_Datatype type, int to, int tag, MPI_Comm handle)
{
    const struct comm *comm = comm_of(handle);
    const struct datatype *datatype = datatype_of(type);
    if (UNLIKELY(comm == NULL || datatype == NULL || !datatype->committed ||
                 !datatype->contiguous || (uint64_t)count > EAGER_MAX ||
                 (uint64_t)datatype->size > EAGER_MAX || tag < 0 ||
                 (unsigned)to >= (unsigned)comm->targets || mpi.threads))
        return false;
    struct peer *peer = comm->to[to];
    uint64_t bytes = (uint64_t)count * (uint64_t)datatype->size;
    uint64_t envelope = cell_envelope(comm->context, tag);
    unsigned source = (unsigned)comm->rank;
    if (UNLIKELY(bytes > EAGER_MAX || peer->queue != NULL))
        return false;
    if (bytes > RING_INLINE)
        return put_in_arena(peer, buffer, bytes, envelope, source);
    uint8_t *more = transport_append(peer, envelope, (unsigned)bytes, source);
    if (more != NULL) {
        copy_short(more, buffer, bytes);
        transport_append_publish(peer);
        return true;
    }
    if (UNLIKELY(!transport_room(peer)))
        return false;
    struct cell *cell = transport_cell(peer);
    copy_short(cell->payload, buffer, bytes);
    cell->envelope = envelope;
    transport_publish(peer, cell, CELL_DATA, (unsigned)bytes, source);
    return true;
}

static struct request *send_request(const struct described *message, enum send_mode mode)
{
    struct request *request = request_new(REQUEST_SEND, message->comm);
    datatype_retain((struct datatype *)(uintptr_t)message->stream.type);
    send_begin(request, &message->stream, message->peer, mode, &message->key);
    return request;
}

static __attribute__((noinline)) int send_slowly(const void *buffer, int64_t count,
                                                 MPI_Datatype type, int to, int tag, MPI_Comm comm,
                                                 enum send_mode mode, const char *function)
{
    struct described message;
    if (!described_send(&message, buffer, count, type, to, tag, comm)) {
        int error = describe_again(&message, false, count, type, to, tag, comm, function);
        if (error != MPI_SUCCESS || message.nobody)
            return error;
    }
    mpi_lock();
    struct request *request = send_request(&message, mode);
    int error = request_wait_free(request, NULL);
    mpi_unlock();
    return error;
}

static inline __attribute__((always_inline)) int send_blocking(const void *buffer, int64_t count,
                                                               MPI_Datatype type, int to, int tag,
                                                               MPI_Comm comm, enum send_mode mode,
                                                               const char *function)
{
    if (mode != SEND_SYNCHRONOUS && LIKELY(send_at_once(buffer, count, type, to, tag, comm)))
        return MPI_SUCCESS;
    return send_slowly(buffer, count, type, to, tag, comm, mode, function);
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

static __attribute__((noinline)) int send_later(const void *buffer, int64_t count,
                                                MPI_Datatype type, int to, int tag, MPI_Comm comm,
                                                enum send_mode mode, MPI_Request *handle,
                                                const char *function)
{
    struct described message;
    if (!described_send(&message, buffer, count, type, to, tag, comm)) {
        int error = describe_again(&message, false, count, type, to, tag, comm, function);
        if (error == MPI_SUCCESS)
            *handle = (MPI_Request)&request_done;
        return error;
    }
    mpi_lock();
    *handle = (MPI_Request)send_request(&message, mode);
    mpi_unlock();
    return MPI_SUCCESS;
}

static inline __attribute__((always_inline)) int
send_nonblocking(const void *buffer, int64_t count, MPI_Datatype type, int to, int tag,
                 MPI_Comm comm, enum send_mode mode, MPI_Request *handle, const char *function)
{
    if (mode != SEND_SYNCHRONOUS && LIKELY(send_at_once(buffer, count, type, to, tag, comm))) {
        *handle = (MPI_Request)&request_done;
        return MPI_SUCCESS;
    }
    return send_later(buffer, count, type, to, tag, comm, mode, handle, function);
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
