/* MPI_Recv, MPI_Irecv and what receives besides. A receive from one source looks straight at that
 * peer's ring first: a message that is the one it waits for goes from the cell into its buffer. */
#include "abi/mpi/check.h"

#include <stdlib.h>

#define LOOKS 256 /* at one ring, before the others have their turn */

/* A receive that may look for its message itself. */
struct look {
    struct peer *peer;
    uint64_t envelope;
    uint64_t room; /* bytes */
    char *buffer;
};

/* May it? Only from one source with one tag, and nothing else may wait for what comes, nor have
 * come before. */
static inline __attribute__((always_inline)) bool may_look(struct look *look, void *buffer,
                                                           int64_t count, MPI_Datatype type,
                                                           int from, int tag, MPI_Comm handle)
{
    const struct comm *comm = comm_of(handle);
    const struct datatype *datatype = datatype_of(type);
    if (UNLIKELY(comm == NULL || datatype == NULL || !datatype->committed ||
                 !datatype->contiguous || (uint64_t)count > INT32_MAX ||
                 (uint64_t)datatype->size > INT32_MAX || tag < 0 ||
                 (unsigned)from >= (unsigned)comm->targets || mpi.threads || mpi.matcher.all != 0))
        return false;
    look->peer = comm->to[from];
    look->envelope = cell_envelope(comm->context, tag);
    look->room = (uint64_t)count * (uint64_t)datatype->size;
    look->buffer = buffer;
    return look->peer->in != NULL;
}

/* Takes the cell's message if it is the one that is wanted: its length, or -1. */
static inline __attribute__((always_inline)) int64_t
take_at_once(const struct look *look, int from, const struct cell *cell, uint64_t head)
{
    uint64_t length = cell_length(head), used = 0, word;
    const uint8_t *bytes;
    if (UNLIKELY(cell->envelope != look->envelope || (int)cell_source(head) != from))
        return -1;
    if (LIKELY(cell_kind(head) == CELL_DATA)) {
        bytes = transport_payload(look->peer, cell, head);
    } else if (cell_kind(head) == CELL_LONG) {
        struct cell_arena arena;
        memcpy(&arena, cell->payload, sizeof(arena));
        length = used = arena.length;
        bytes = transport_arena_bytes(look->peer, arena.offset, length);
    } else {
        return -1;
    }
    if (UNLIKELY(bytes == NULL || length > look->room))
        return -1;
    if (LIKELY(length == sizeof(word))) {
        memcpy(&word, bytes, sizeof(word));
        memcpy(look->buffer, &word, sizeof(word));
    } else {
        memcpy(look->buffer, bytes, length);
    }
    transport_take(look->peer, head, used);
    return (int64_t)length;
}

/* Waits a moment for the message at the head of the peer's ring, and takes it if it is the one: its
 * length, or -1. */
static inline __attribute__((always_inline)) int64_t
receive_at_once(void *buffer, int64_t count, MPI_Datatype type, int from, int tag, MPI_Comm handle)
{
    struct look look;
    const struct cell *cell;
    uint64_t head;
    if (UNLIKELY(!may_look(&look, buffer, count, type, from, tag, handle) ||
                 transport.queued != 0 || mpi.schedules != NULL || transport.crowded))
        return -1;
    for (unsigned looks = 0; (cell = transport_peek(look.peer, &head)) == NULL; looks++) {
        if (looks == LOOKS)
            return -1;
        library_pause();
    }
    return take_at_once(&look, from, cell, head);
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

static __attribute__((noinline)) int receive_slowly(void *buffer, int64_t count, MPI_Datatype type,
                                                    int from, int tag, MPI_Comm comm,
                                                    MPI_Status *status)
{
    struct described message;
    if (!described_receive(&message, buffer, count, type, from, tag, comm)) {
        int error = describe_again(&message, true, count, type, from, tag, comm, "MPI_Recv");
        if (error == MPI_SUCCESS)
            status_set(status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
        return error;
    }
    mpi_lock();
    struct request *request = receive_request(&message);
    int error = request_wait_free(request, status);
    mpi_unlock();
    return truncated(message.comm, error, "MPI_Recv");
}

static inline __attribute__((always_inline)) int receive_blocking(void *buffer, int64_t count,
                                                                  MPI_Datatype type, int from,
                                                                  int tag, MPI_Comm comm,
                                                                  MPI_Status *status)
{
    int64_t length = receive_at_once(buffer, count, type, from, tag, comm);
    if (UNLIKELY(length < 0))
        return receive_slowly(buffer, count, type, from, tag, comm, status);
    if (status != MPI_STATUS_IGNORE)
        status_set(status, from, tag, length);
    return MPI_SUCCESS;
}

#define RECV(Count)                                                                                \
    (void *buffer, Count count, MPI_Datatype type, int from, int tag, MPI_Comm comm,               \
     MPI_Status *status)

WITH_COUNTS(Recv, RECV, { return receive_blocking(buffer, count, type, from, tag, comm, status); })

/* --- Without waiting ---------------------------------------------------------------------------
 */

static __attribute__((noinline)) int receive_later(void *buffer, int64_t count, MPI_Datatype type,
                                                   int from, int tag, MPI_Comm comm,
                                                   MPI_Request *handle)
{
    struct described message;
    if (!described_receive(&message, buffer, count, type, from, tag, comm)) {
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

/* A message that lies in the ring already goes from there into the buffer: such a request is over
 * when it begins. */
static inline __attribute__((always_inline)) int receive_nonblocking(void *buffer, int64_t count,
                                                                     MPI_Datatype type, int from,
                                                                     int tag, MPI_Comm comm,
                                                                     MPI_Request *handle)
{
    struct look look;
    const struct cell *cell;
    uint64_t head;
    int64_t length = -1;
    if (may_look(&look, buffer, count, type, from, tag, comm) &&
        (cell = transport_peek(look.peer, &head)) != NULL)
        length = take_at_once(&look, from, cell, head);
    if (UNLIKELY(length < 0))
        return receive_later(buffer, count, type, from, tag, comm, handle);
    struct request *request = request_new(REQUEST_RECEIVE, comm_of(comm));
    request->source = from;
    request->tag = tag;
    request->bytes = length;
    request->complete = true;
    *handle = (MPI_Request)request;
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
