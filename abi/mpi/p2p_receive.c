/* MPI_Recv, MPI_Irecv and what receives besides. A receive from one source looks straight at that
 * peer's ring first: a message that is the one it waits for goes from the cell into its buffer. */
#include "abi/mpi/check.h"

#include <stdlib.h>

#define LOOKS 256 /* at one ring, before the others have their turn */

/* The message at the head of the peer's ring, if it is the one: its length, or -1. Nothing else may
 * wait for it, nor be before it. */
static inline __attribute__((always_inline)) int64_t receive_at_once(const struct described *wanted)
{
    struct peer *peer = wanted->peer;
    if (UNLIKELY(peer == NULL || peer->in == NULL || mpi.threads || mpi.matcher.waiting != 0 ||
                 !wanted->stream.type->contiguous))
        return -1;
    if (UNLIKELY((mpi.matcher.posted[0] | mpi.matcher.posted[1] | mpi.matcher.posted[2] |
                  mpi.matcher.posted[3] | transport.queued) != 0 ||
                 mpi.schedules != NULL || transport.crowded))
        return -1;
    const struct cell *cell;
    uint64_t head;
    for (unsigned looks = 0; (cell = transport_peek(peer, &head)) == NULL; looks++) {
        if (looks == LOOKS)
            return -1;
        library_pause();
    }
    int64_t length = cell_length(head);
    if (UNLIKELY(cell_kind(head) != CELL_DATA ||
                 cell->envelope != cell_envelope(wanted->key.context, wanted->key.tag) ||
                 (int)cell_source(head) != wanted->key.source || length > wanted->stream.bytes))
        return -1;
    if (LIKELY(length == 8)) {
        uint64_t word = cell->words[0];
        memcpy(wanted->stream.buffer, &word, sizeof(word));
    } else if (LIKELY(length <= RING_INLINE)) {
        memcpy(wanted->stream.buffer, cell->payload, (size_t)length);
    } else {
        return -1;
    }
    transport_take(peer, 0);
    return length;
}

static struct request *receive_request(const struct described *message)
{
    struct request *request = request_new(REQUEST_RECEIVE, message->comm);
    datatype_retain((struct datatype *)(uintptr_t)message->stream.type);
    receive_begin(request, &message->stream, &message->key);
    return request;
}

static int truncated(struct comm *comm, int error, const char *function)
{
    if (error == MPI_ERR_TRUNCATE)
        return comm_error(comm, error, function, "the message is longer than the buffer");
    return error;
}

static __attribute__((noinline)) int receive_slowly(const struct described *message,
                                                    MPI_Status *status, const char *function)
{
    mpi_lock();
    struct request *request = receive_request(message);
    int error = request_wait_free(request, status);
    mpi_unlock();
    return truncated(message->comm, error, function);
}

static inline __attribute__((always_inline)) int receive_blocking(void *buffer, int64_t count,
                                                                  MPI_Datatype type, int from,
                                                                  int tag, MPI_Comm comm,
                                                                  MPI_Status *status)
{
    struct described message;
    if (UNLIKELY(!described_receive(&message, buffer, count, type, from, tag, comm))) {
        int error = describe_again(&message, true, count, type, from, tag, comm, "MPI_Recv");
        if (error == MPI_SUCCESS)
            status_set(status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
        return error;
    }
    int64_t length = receive_at_once(&message);
    if (LIKELY(length >= 0)) {
        if (status != MPI_STATUS_IGNORE)
            status_set(status, from, tag, length);
        return MPI_SUCCESS;
    }
    return receive_slowly(&message, status, "MPI_Recv");
}

#define RECV(Count)                                                                                \
    (void *buffer, Count count, MPI_Datatype type, int from, int tag, MPI_Comm comm,               \
     MPI_Status *status)

WITH_COUNTS(Recv, RECV, { return receive_blocking(buffer, count, type, from, tag, comm, status); })

/* --- Without waiting ---------------------------------------------------------------------------
 */

static int receive_nonblocking(void *buffer, int64_t count, MPI_Datatype type, int from, int tag,
                               MPI_Comm comm, MPI_Request *handle)
{
    struct described message;
    if (UNLIKELY(!described_receive(&message, buffer, count, type, from, tag, comm))) {
        int error = describe_again(&message, true, count, type, from, tag, comm, "MPI_Irecv");
        if (error != MPI_SUCCESS)
            return error;
        struct request *request = request_new(REQUEST_RECEIVE, message.comm);
        request->source = MPI_PROC_NULL;
        request->tag = MPI_ANY_TAG;
        request->complete = true;
        *handle = (MPI_Request)request;
        return MPI_SUCCESS;
    }
    mpi_lock();
    *handle = (MPI_Request)receive_request(&message);
    mpi_unlock();
    return MPI_SUCCESS;
}

#define IRECV(Count)                                                                               \
    (void *buffer, Count count, MPI_Datatype type, int from, int tag, MPI_Comm comm,               \
     MPI_Request *request)

WITH_COUNTS(Irecv, IRECV,
            { return receive_nonblocking(buffer, count, type, from, tag, comm, request); })

/* --- Both at once ------------------------------------------------------------------------------
 */

static int exchange(struct described *out, struct described *in, MPI_Status *status,
                    const char *function)
{
    int error = MPI_SUCCESS;
    struct request *received = NULL, *sent = NULL;
    mpi_lock();
    if (!in->nobody)
        received = receive_request(in);
    if (!out->nobody) {
        sent = request_new(REQUEST_SEND, out->comm);
        datatype_retain((struct datatype *)(uintptr_t)out->stream.type);
        send_begin(sent, &out->stream, out->peer, SEND_STANDARD, &out->key);
    }
    if (sent != NULL)
        request_wait_free(sent, NULL);
    if (received != NULL)
        error = request_wait_free(received, status);
    else
        status_set(status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
    mpi_unlock();
    return truncated(in->comm, error, function);
}

static int send_receive(const void *out_buffer, int64_t out_count, MPI_Datatype out_type, int to,
                        int out_tag, void *in_buffer, int64_t in_count, MPI_Datatype in_type,
                        int from, int in_tag, MPI_Comm comm, MPI_Status *status)
{
    struct described out, in;
    if (!described_send(&out, out_buffer, out_count, out_type, to, out_tag, comm)) {
        int error =
            describe_again(&out, false, out_count, out_type, to, out_tag, comm, "MPI_Sendrecv");
        if (error != MPI_SUCCESS)
            return error;
    }
    if (!described_receive(&in, in_buffer, in_count, in_type, from, in_tag, comm)) {
        int error =
            describe_again(&in, true, in_count, in_type, from, in_tag, comm, "MPI_Sendrecv");
        if (error != MPI_SUCCESS)
            return error;
    }
    return exchange(&out, &in, status, "MPI_Sendrecv");
}

#define SENDRECV(Count)                                                                            \
    (const void *out, Count out_count, MPI_Datatype out_type, int to, int out_tag, void *in,       \
     Count in_count, MPI_Datatype in_type, int from, int in_tag, MPI_Comm comm,                    \
     MPI_Status *status)

WITH_COUNTS(Sendrecv, SENDRECV, {
    return send_receive(out, out_count, out_type, to, out_tag, in, in_count, in_type, from, in_tag,
                        comm, status);
})

static int send_receive_replace(void *buffer, int64_t count, MPI_Datatype type, int to, int out_tag,
                                int from, int in_tag, MPI_Comm comm, MPI_Status *status)
{
    struct described out, in;
    if (!described_send(&out, buffer, count, type, to, out_tag, comm)) {
        int error =
            describe_again(&out, false, count, type, to, out_tag, comm, "MPI_Sendrecv_replace");
        if (error != MPI_SUCCESS)
            return error;
    }
    if (!described_receive(&in, buffer, count, type, from, in_tag, comm)) {
        int error =
            describe_again(&in, true, count, type, from, in_tag, comm, "MPI_Sendrecv_replace");
        if (error != MPI_SUCCESS)
            return error;
    }
    void *packed = NULL;
    if (!out.nobody) {
        packed = malloc(out.stream.bytes != 0 ? (size_t)out.stream.bytes : 1);
        if (packed == NULL)
            return comm_error(out.comm, MPI_ERR_NO_MEM, "MPI_Sendrecv_replace",
                              "no memory for %lld bytes", (long long)out.stream.bytes);
        datatype_pack(&out.stream, 0, out.stream.bytes, packed);
        out.stream = datatype_stream(packed, out.stream.bytes, datatype_of(MPI_BYTE));
    }
    int error = exchange(&out, &in, status, "MPI_Sendrecv_replace");
    free(packed);
    return error;
}

#define SENDRECV_REPLACE(Count)                                                                    \
    (void *buffer, Count count, MPI_Datatype type, int to, int out_tag, int from, int in_tag,      \
     MPI_Comm comm, MPI_Status *status)

WITH_COUNTS(Sendrecv_replace, SENDRECV_REPLACE, {
    return send_receive_replace(buffer, count, type, to, out_tag, from, in_tag, comm, status);
})
