/* Receiving: matching what comes with what waits, and taking the data where it lies. */
#include "abi/mpi/library.h"
#include "abi/mpi/partitioned.h"

#include <stdlib.h>

#define READ_PIECE 16384 /* bytes, of what has to be unpacked */

/* A message that came before its receive. */
struct message {
    struct object object;
    struct waiting waiting;
    struct arrival arrival;
    struct comm *comm;           /* of a matched probe */
    _Alignas(8) uint8_t bytes[]; /* its data, or the list of its extents, copied */
};

static struct request *request_of_posted(struct posted *posted)
{
    return (struct request *)((uint8_t *)posted - offsetof(struct request, posted));
}

static void complete(struct request *request)
{
    if (request->bytes > request->wanted) {
        request->error = MPI_ERR_TRUNCATE;
        request->message = request->bytes;
        request->bytes = request->wanted;
    }
    request_finish(request);
}

static void answer(const struct arrival *arrival, unsigned kind, const struct cell_accept *accept)
{
    if (transport_control(arrival->peer, kind, accept, sizeof(*accept)) != 0)
        mpi_die(MPI_ERR_NO_MEM, "no memory to answer rank %u; --section SIZE makes room",
                arrival->peer->rank);
}

/* Asks the sender for the bytes. */
static void ask(struct request *request, const struct arrival *arrival)
{
    struct cell_accept accept = {arrival->sender, request_name(request), (uint64_t)request->wanted};
    answer(arrival, CELL_ACCEPT, &accept);
}

/* Tells the sender that its memory is not wanted any more. */
static void let_go(const struct arrival *arrival)
{
    struct cell_accept accept = {.sender = arrival->sender};
    answer(arrival, CELL_DONE, &accept);
}

/* Copies bytes of an offer from the sender's memory. */
static void read_part(const struct arrival *arrival, int64_t at, void *to, int64_t length)
{
    struct peer *peer = arrival->peer;
    int error = peer->memory.base == NULL ? atoll_peer_memory(peer->number, &peer->memory) : 0;
    if (error == 0)
        error = atoll_peer_memory_read(&peer->memory, arrival->extents, arrival->extent_count,
                                       (uint64_t)at, to, (size_t)length);
    if (error != 0)
        mpi_die(MPI_ERR_INTERN, "a message of rank %u cannot be read: %s", peer->rank,
                strerror(-error));
}

/* Copies the bytes from where they lie in the sender's memory. */
static void read_directly(struct request *request, const struct arrival *arrival)
{
    char *whole = datatype_in_one_piece(&request->stream);
    if (whole != NULL && request->wanted != 0)
        read_part(arrival, 0, whole, request->wanted);
    for (int64_t at = 0; whole == NULL && at < request->wanted; at += READ_PIECE) {
        char packed[READ_PIECE];
        int64_t left = request->wanted - at, length = left < READ_PIECE ? left : READ_PIECE;
        read_part(arrival, at, packed, length);
        datatype_unpack(&request->stream, at, length, packed);
    }
}

void receive_deliver(struct request *request, const struct arrival *arrival)
{
    int64_t room = request->stream.bytes;
    request->waits = false;
    request->peer = arrival->peer;
    request->source = arrival->key.source;
    request->tag = arrival->key.tag;
    request->bytes = arrival->length;
    request->wanted = arrival->length < room ? arrival->length : room;
    if (arrival->data != NULL) {
        uint64_t word;
        if (request->wanted == sizeof(word) && request->stream.type->contiguous) {
            memcpy(&word, arrival->data, sizeof(word));
            memcpy(request->stream.buffer, &word, sizeof(word));
        } else {
            datatype_unpack(&request->stream, 0, request->wanted, arrival->data);
        }
        complete(request);
    } else if (arrival->self != NULL) {
        datatype_copy(&request->stream, &arrival->self->stream);
        request_finish(arrival->self);
        complete(request);
    } else if (arrival->extent_count != 0) {
        read_directly(request, arrival);
        let_go(arrival);
        complete(request);
    } else if (request->wanted == 0) {
        let_go(arrival);
        complete(request);
    } else {
        ask(request, arrival);
    }
}

void receive_piece(struct peer *peer, const struct cell_piece *piece)
{
    struct request *request = request_named(piece->receiver);
    const uint8_t *bytes = transport_arena_bytes(peer, piece->offset, piece->length);
    if (request == NULL || request->kind != REQUEST_RECEIVE || request->peer != peer ||
        bytes == NULL || piece->length > (uint64_t)(request->wanted - request->position))
        mpi_die(MPI_ERR_INTERN, "rank %u sends what was not asked of it", peer->rank);
    datatype_unpack(&request->stream, request->position, (int64_t)piece->length, bytes);
    request->position += (int64_t)piece->length;
    if (request->position == request->wanted)
        complete(request);
}

static void hold(const struct arrival *arrival)
{
    bool taken =
        arrival->extent_count != 0 && !arrival->synchronous && arrival->length <= UNMATCHED_MAX;
    size_t bytes = arrival->data != NULL || taken
                       ? (size_t)arrival->length
                       : arrival->extent_count * sizeof(*arrival->extents);
    struct message *message = malloc(sizeof(*message) + bytes);
    if (message == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a message of %zu bytes from rank %u", bytes,
                arrival->peer->rank);
    object_begin(&message->object, OBJECT_MESSAGE);
    message->arrival = *arrival;
    message->comm = NULL;
    message->waiting.key = arrival->key;
    if (arrival->data != NULL) {
        memcpy(message->bytes, arrival->data, bytes);
        message->arrival.data = message->bytes;
        message->arrival.self = NULL;
    } else if (taken) {
        read_part(arrival, 0, message->bytes, arrival->length);
        let_go(arrival);
        message->arrival.data = message->bytes;
    } else if (bytes != 0) {
        memcpy(message->bytes, arrival->extents, bytes);
        message->arrival.extents = (const struct atoll_extent *)message->bytes;
    }
    match_hold(&mpi.matcher, &message->waiting);
}

void receive_arrived(const struct arrival *arrival)
{
    if (UNLIKELY(arrival->key.tag < 0)) {
        if (arrival->key.context % 2 == 0) {
            window_arrived(arrival);
            return;
        }
        if (arrival->key.tag == PARTITIONED_ANNOUNCE) {
            partitioned_arrived(arrival);
            return;
        }
    }
    struct posted *posted = match_message(&mpi.matcher, &arrival->key);
    if (posted != NULL)
        receive_deliver(request_of_posted(posted), arrival);
    else
        hold(arrival);
}

struct message *receive_find(const struct match_key *key)
{
    struct waiting *waiting = match_receive(&mpi.matcher, key);
    return waiting == NULL
               ? NULL
               : (struct message *)((uint8_t *)waiting - offsetof(struct message, waiting));
}

const struct arrival *message_arrival(const struct message *message)
{
    return &message->arrival;
}

void message_take(struct message *message)
{
    match_unhold(&mpi.matcher, &message->waiting);
}

void message_set_comm(struct message *message, struct comm *comm)
{
    message->comm = comm;
}

struct comm *message_comm(const struct message *message)
{
    return message->comm;
}

void message_deliver(struct message *message, struct request *request)
{
    receive_deliver(request, &message->arrival);
    handle_end(&message->object);
    free(message);
}

void receive_begin(struct request *request, const struct datatype_stream *stream,
                   const struct match_key *key)
{
    request->stream = *stream;
    request->posted.key = *key;
    request->complete = false;
    request->position = 0;
    request->error = MPI_SUCCESS;
    struct message *message = receive_find(key);
    if (message != NULL) {
        message_take(message);
        message_deliver(message, request);
        return;
    }
    request->waits = true;
    match_post(&mpi.matcher, &request->posted);
}

bool receive_cancel(struct request *request)
{
    if (!request->waits)
        return false;
    match_unpost(&mpi.matcher, &request->posted);
    request->waits = false;
    request->cancelled = true;
    request->source = MPI_ANY_SOURCE;
    request->tag = MPI_ANY_TAG;
    request->bytes = 0;
    request_finish(request);
    return true;
}
