/* Sending: what fits into a cell, or into the arena, goes at once; longer messages are offered and
 * go once the receiver has accepted. */
#include "abi/mpi/library.h"

#include <stdlib.h>

/* To this rank itself: longer ones wait for their receive. */
#define EAGER_SELF_MAX (INT64_C(64) << 10)

/* From so many bytes on the receiver reads them where they lie, if that takes no more extents. */
#define DIRECT_MIN 512
#define EXTENTS_MAX 256

_Static_assert(EXTENTS_MAX * sizeof(struct atoll_extent) <= RING_PIECE, "a list is one piece");
_Static_assert(UNMATCHED_MAX <= (int64_t)RING_PIECE, "what is not offered is one piece");

static void put_inline(struct request *request, struct cell *cell)
{
    int64_t bytes = request->stream.bytes;
    datatype_pack(&request->stream, 0, bytes, cell->payload);
    transport_publish(request->peer, cell, CELL_DATA, (unsigned)bytes,
                      (unsigned)request->posted.key.source);
}

static bool put_long(struct request *request, struct cell *cell)
{
    struct peer *peer = request->peer;
    int64_t bytes = request->stream.bytes;
    uint8_t *at = transport_arena(peer, (uint64_t)bytes);
    if (at == NULL)
        return false;
    datatype_pack(&request->stream, 0, bytes, at);
    struct cell_arena arena = {(uint64_t)(at - peer->arena), (uint64_t)bytes};
    memcpy(cell->payload, &arena, sizeof(arena));
    transport_publish(peer, cell, CELL_LONG, sizeof(arena), (unsigned)request->posted.key.source);
    return true;
}

/* Says where the bytes lie, if they are in one piece and this rank's memory can be read by its
 * peers. */
static void put_extents(struct request *request, struct cell_offer *offer)
{
    const void *address = datatype_in_one_piece(&request->stream);
    struct atoll_extent extents[EXTENTS_MAX];
    size_t length = (size_t)request->stream.bytes, covered = 0;
    struct peer *peer = request->peer;
    if (address == NULL || length < DIRECT_MIN)
        return;
    ssize_t count = atoll_extents(address, length, extents, EXTENTS_MAX, &covered);
    if (count < 1 || covered != length)
        return;
    if (count == 1) {
        offer->place = extents[0].offset;
    } else {
        uint8_t *at = transport_arena(peer, (uint64_t)count * sizeof(extents[0]));
        if (at == NULL)
            return;
        memcpy(at, extents, (size_t)count * sizeof(extents[0]));
        offer->place = (uint64_t)(at - peer->arena);
    }
    offer->extents = (uint32_t)count;
}

/* False: nothing has been done; the message may not wait for its receive, and cannot be read where
 * it lies. */
static bool put_offer(struct request *request, struct cell *cell)
{
    struct cell_offer offer = {.length = (uint64_t)request->stream.bytes,
                               .sender = request_name(request),
                               .synchronous = request->mode == SEND_SYNCHRONOUS};
    put_extents(request, &offer);
    if (offer.extents == 0 && !offer.synchronous && request->stream.bytes <= UNMATCHED_MAX)
        return false;
    memcpy(cell->payload, &offer, sizeof(offer));
    transport_publish(request->peer, cell, CELL_OFFER, sizeof(offer),
                      (unsigned)request->posted.key.source);
    return true;
}

/* The first cell of a message. False: no room. */
static bool send_first(struct outgoing *item)
{
    struct request *request =
        (struct request *)((uint8_t *)item - offsetof(struct request, outgoing));
    struct peer *peer = request->peer;
    if (!transport_room(peer))
        return false;
    struct cell *cell = transport_cell(peer);
    cell->envelope = cell_envelope(request->posted.key.context, request->posted.key.tag);
    if ((request->mode == SEND_SYNCHRONOUS ||
         (request->stream.bytes > EAGER_MAX && request->mode != SEND_WHOLE)) &&
        put_offer(request, cell))
        return true;
    if (request->stream.bytes <= RING_INLINE)
        put_inline(request, cell);
    else if (!put_long(request, cell))
        return false;
    request_finish(request);
    return true;
}

/* The pieces of a message that has been accepted. */
static bool send_pieces(struct outgoing *item)
{
    struct request *request =
        (struct request *)((uint8_t *)item - offsetof(struct request, outgoing));
    struct peer *peer = request->peer;
    while (request->position < request->wanted) {
        int64_t left = request->wanted - request->position;
        int64_t length = left < (int64_t)RING_PIECE ? left : (int64_t)RING_PIECE;
        if (!transport_room(peer))
            return false;
        uint8_t *at = transport_arena(peer, (uint64_t)length);
        if (at == NULL)
            return false;
        struct cell *cell = transport_cell(peer);
        datatype_pack(&request->stream, request->position, length, at);
        struct cell_piece piece = {request->other, (uint64_t)(at - peer->arena), (uint64_t)length};
        memcpy(cell->payload, &piece, sizeof(piece));
        transport_publish(peer, cell, CELL_PIECE, sizeof(piece), 0);
        request->position += length;
    }
    request_finish(request);
    return true;
}

/* To this rank itself: into the receive that waits for it, or held. */
static void send_self(struct request *request)
{
    struct arrival arrival = {.peer = request->peer,
                              .key = request->posted.key,
                              .length = request->stream.bytes,
                              .self = request};
    void *packed = NULL;
    bool eager = request->mode != SEND_SYNCHRONOUS && arrival.length <= EAGER_SELF_MAX;
    if (eager) {
        arrival.data = datatype_in_one_piece(&request->stream);
        if (arrival.data == NULL) {
            packed = malloc(arrival.length != 0 ? (size_t)arrival.length : 1);
            if (packed == NULL)
                mpi_die(MPI_ERR_NO_MEM, "no memory for a message of %lld bytes to itself",
                        (long long)arrival.length);
            datatype_pack(&request->stream, 0, arrival.length, packed);
            arrival.data = packed;
        }
    }
    receive_arrived(&arrival);
    free(packed);
    if (eager)
        request_finish(request);
}

void send_begin(struct request *request, const struct datatype_stream *stream, struct peer *peer,
                enum send_mode mode, const struct match_key *key)
{
    request->stream = *stream;
    request->peer = peer;
    request->mode = (uint8_t)mode;
    request->posted.key = *key;
    request->complete = false;
    request->position = 0;
    if (peer->self) {
        send_self(request);
        return;
    }
    if (peer->out == NULL && transport_connect(peer) != 0)
        mpi_die(MPI_ERR_NO_MEM,
                "no room in this instance's section for messages to rank %u; --section SIZE makes "
                "it larger",
                peer->rank);
    request->outgoing.send = send_first;
    if (peer->queue != NULL || !send_first(&request->outgoing))
        transport_enqueue(peer, &request->outgoing);
}

/* The request that a peer names, if it is one that may be. */
static struct request *offered(const struct peer *peer, uint64_t id)
{
    struct request *request = request_named(id);
    if (request == NULL || request->kind != REQUEST_SEND || request->peer != peer)
        mpi_die(MPI_ERR_INTERN, "rank %u answers a message that was not sent to it", peer->rank);
    return request;
}

void send_accepted(struct peer *peer, const struct cell_accept *accept)
{
    struct request *request = offered(peer, accept->sender);
    if (accept->wanted > (uint64_t)request->stream.bytes || request->wanted != 0)
        mpi_die(MPI_ERR_INTERN, "rank %u wants more than was sent to it", peer->rank);
    request->other = accept->receiver;
    request->wanted = (int64_t)accept->wanted;
    request->outgoing.send = send_pieces;
    if (peer->queue != NULL || !send_pieces(&request->outgoing))
        transport_enqueue(peer, &request->outgoing);
}

void send_finished(struct peer *peer, const struct cell_accept *accept)
{
    request_finish(offered(peer, accept->sender));
}
