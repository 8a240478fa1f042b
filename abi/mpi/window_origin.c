/* Operations on other ranks' memory, from the side of the rank that calls them. */
#include "abi/mpi/window.h"

#include <stdlib.h>

#define DATA_MOST (WINDOW_MOST - (int64_t)sizeof(struct window_message)) /* in one message */

bool window_span(const struct datatype_stream *stream, int64_t place, int64_t *low, int64_t *high)
{
    const struct datatype *type = stream->type;
    int64_t far;
    if (stream->bytes == INT64_MAX ||
        __builtin_mul_overflow(stream->count - 1, type->extent, &far) ||
        __builtin_add_overflow(place, type->true_lb + (far < 0 ? far : 0), low) ||
        __builtin_add_overflow(place, type->true_lb + (far > 0 ? far : 0), high) ||
        __builtin_add_overflow(*high, type->true_extent, high))
        return false;
    return true;
}

static struct window_rank *rank_of(const struct window_access *access)
{
    return &access->window->ranks[access->rank];
}

static bool is_own(const struct window_access *access)
{
    return access->rank == access->window->comm->rank;
}

/* The target as this rank's own memory. */
static struct datatype_stream own_memory(const struct window_access *access)
{
    struct datatype_stream stream = access->target;
    stream.buffer = (char *)((uintptr_t)access->window->base + (uintptr_t)stream.buffer);
    return stream;
}

static void done(struct request **request)
{
    if (request != NULL)
        *request = &request_done;
}

/* --- Messages ----------------------------------------------------------------------------------
 */

/* Makes the target learn the type, unless it is the one that it was told last. */
static void teach_type(const struct window_access *access, struct datatype *type)
{
    struct window_rank *rank = rank_of(access);
    if (rank->sent == type)
        return;
    int64_t length;
    uint8_t *bytes = window_type_write(type, &length);
    struct datatype_stream stream = datatype_stream(bytes, length, datatype_of(MPI_BYTE));
    struct window_message message = {.kind = WINDOW_TYPE, .count = length};
    while (message.from < length) {
        int64_t left = length - message.from, part = left < DATA_MOST ? left : DATA_MOST;
        window_send(access->window, access->rank, &message, &stream, message.from, part);
        message.from += part;
    }
    free(bytes);
    if (rank->sent != NULL)
        datatype_release(rank->sent);
    rank->sent = datatype_retain(type);
}

/* No other thread sends to the rank until sending_over; and what has been sent has gone into the
 * ring, so that messages which the target does not take do not fill this rank's memory. */
static struct window_message sending_begin(const struct window_access *access,
                                           enum window_kind kind, const struct op *op)
{
    struct window_rank *rank = rank_of(access);
    const struct peer *peer = access->window->comm->to[access->rank];
    struct window_message message = {.kind = (uint8_t)kind,
                                     .place = (int64_t)(intptr_t)access->target.buffer};
    struct datatype *type = (struct datatype *)(uintptr_t)access->target.type;
    if (rank->sending || peer->queue != NULL)
        ENGINE_WAIT_UNTIL(!rank->sending && peer->queue == NULL)
    rank->sending = true;
    message.op = op != NULL ? (uint8_t)(uintptr_t)op->handle : 0;
    message.count = access->target.count;
    if (type->contiguous && !type->predefined) {
        type = type->unit != NULL ? type->unit : datatype_of(MPI_BYTE);
        message.count = access->target.bytes / type->size;
    }
    message.type = WINDOW_DERIVED;
    if (type->predefined)
        message.type = (uint16_t)(uintptr_t)type->handle;
    else
        teach_type(access, type);
    return message;
}

static void sending_over(const struct window_access *access)
{
    rank_of(access)->sending = false;
}

/* A request for a long message or a result. */
static struct request *begin(const struct window_access *access, enum request_kind kind,
                             const struct datatype_stream *stream, struct request **request)
{
    struct window_rank *rank = rank_of(access);
    struct request *new = request_new(kind, access->window->comm);
    new->pending = &rank->pending;
    rank->pending++;
    new->forgotten = request == NULL;
    datatype_retain((struct datatype *)(uintptr_t)stream->type);
    if (request != NULL)
        *request = new;
    return new;
}

/* Begins to wait for what the target will send. */
static void expect(const struct window_access *access, uint32_t tag,
                   const struct datatype_stream *result, struct request **request)
{
    struct match_key key = {access->window->comm->context, access->rank, (int)tag};
    receive_begin(begin(access, REQUEST_RECEIVE, result, request), result, &key);
}

/* --- Reading directly --------------------------------------------------------------------------
 */

/* The extent that byte `at` of the rank's window lies in. */
static int64_t extent_at(const struct window_rank *rank, uint64_t at)
{
    int64_t low = 0, high = rank->extent_count;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (rank->before[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Where byte `at` of the window can be read, and how many bytes from there on. */
static const char *readable(const struct window_access *access, uint64_t at, int64_t *length)
{
    const struct window_rank *rank = rank_of(access);
    const struct peer *peer = access->window->comm->to[access->rank];
    int64_t i = rank->extent_count > 1 ? extent_at(rank, at) : 0;
    uint64_t skip = at - rank->before[i];
    *length = (int64_t)(rank->extents[i].length - skip);
    return (const char *)peer->memory.base + rank->extents[i].offset + skip;
}

/* `length` bytes that lie together in the window, into the stream from `to` on. */
static void read_piece(const struct window_access *access, uint64_t at, int64_t length,
                       const struct datatype_stream *origin, int64_t to)
{
    while (length > 0) {
        int64_t here;
        const char *bytes = readable(access, at, &here);
        if (here > length)
            here = length;
        datatype_unpack(origin, to, here, bytes);
        at += (uint64_t)here;
        to += here;
        length -= here;
    }
}

static void read_all(const struct window_access *access, const struct datatype_stream *origin)
{
    const struct datatype_stream *target = &access->target;
    for (int64_t position = 0; position < target->bytes;) {
        int64_t length;
        uint64_t at = (uint64_t)(uintptr_t)datatype_piece(target, position, &length);
        if (length > target->bytes - position)
            length = target->bytes - position;
        read_piece(access, at, length, origin, position);
        position += length;
    }
}

void window_get(const struct window_access *access, const struct datatype_stream *origin,
                struct request **request)
{
    done(request);
    if (origin->bytes == 0)
        return;
    if (is_own(access)) {
        struct datatype_stream own = own_memory(access);
        datatype_copy(origin, &own);
    } else if (rank_of(access)->extent_count != 0) {
        read_all(access, origin);
    } else {
        struct window_message message = sending_begin(access, WINDOW_GET, NULL);
        message.tag = window_result_tag(access->window);
        expect(access, message.tag, origin, request);
        window_send(access->window, access->rank, &message, NULL, 0, 0);
        sending_over(access);
    }
}

/* --- Changing ----------------------------------------------------------------------------------
 */

static void put_long(const struct window_access *access, const struct datatype_stream *origin,
                     struct request **request)
{
    struct window *window = access->window;
    struct window_message message = sending_begin(access, WINDOW_PUT, NULL);
    message.tag = window_data_tag(window);
    struct match_key key = {window->comm->context, window->comm->rank, (int)message.tag};
    window_send(window, access->rank, &message, NULL, 0, 0);
    send_begin(begin(access, REQUEST_SEND, origin, request), origin, window->comm->to[access->rank],
               SEND_STANDARD, &key);
    rank_of(access)->dirty = true;
    sending_over(access);
}

void window_put(const struct window_access *access, const struct datatype_stream *origin,
                struct request **request)
{
    done(request);
    if (origin->bytes == 0)
        return;
    if (is_own(access)) {
        struct datatype_stream own = own_memory(access);
        datatype_copy(&own, origin);
    } else if (origin->bytes <= DATA_MOST) {
        struct window_message message =
            sending_begin(access, WINDOW_ACCUMULATE, op_of(MPI_REPLACE));
        window_send(access->window, access->rank, &message, origin, 0, origin->bytes);
        rank_of(access)->dirty = true;
        sending_over(access);
    } else {
        put_long(access, origin, request);
    }
}

/* Bytes of elements of the type's unit that one message carries. */
static int64_t part_most(const struct datatype *type)
{
    int64_t unit = type->unit != NULL ? type->unit->size : 1;
    return DATA_MOST - DATA_MOST % unit;
}

static void accumulate_own(const struct window_access *access, const struct datatype_stream *origin,
                           const struct datatype_stream *result, const struct op *op)
{
    struct datatype_stream own = own_memory(access);
    int64_t most = part_most(own.type);
    char packed[WINDOW_MOST];
    if (result != NULL)
        datatype_copy(result, &own);
    if (op->handle == MPI_NO_OP)
        return;
    for (int64_t from = 0; from < own.bytes; from += most) {
        int64_t part = own.bytes - from < most ? own.bytes - from : most;
        datatype_pack(origin, from, part, packed);
        op_accumulate(op, &own, from, part, packed);
    }
}

/* One element that is only read: without the target's help, when nothing of this rank's may still
 * change it. */
static bool fetch_at_once(const struct window_access *access, const struct datatype_stream *result)
{
    const struct window_rank *rank = rank_of(access);
    int64_t size = access->target.bytes, length;
    uint64_t at = (uint64_t)(uintptr_t)access->target.buffer, word;
    if (rank->dirty || rank->pending != 0 || rank->extent_count == 0 ||
        !access->target.type->contiguous || (size != 4 && size != 8))
        return false;
    const char *place = readable(access, at, &length);
    if (length < size || (uintptr_t)place % (uintptr_t)size != 0)
        return false;
    if (size == 8)
        word = __atomic_load_n((const uint64_t *)(const void *)place, __ATOMIC_ACQUIRE);
    else
        word = __atomic_load_n((const uint32_t *)(const void *)place, __ATOMIC_ACQUIRE);
    datatype_unpack(result, 0, size, &word);
    return true;
}

void window_accumulate(const struct window_access *access, const struct datatype_stream *origin,
                       const struct datatype_stream *result, const struct op *op,
                       struct request **request)
{
    bool changes = op->handle != MPI_NO_OP;
    int64_t bytes = access->target.bytes, most = part_most(access->target.type);
    done(request);
    if (bytes == 0 || (result == NULL && !changes))
        return;
    if (is_own(access)) {
        accumulate_own(access, origin, result, op);
        return;
    }
    if (!changes && fetch_at_once(access, result))
        return;
    struct window_message message = sending_begin(access,
                                                  !changes         ? WINDOW_FETCH
                                                  : result != NULL ? WINDOW_EXCHANGE
                                                                   : WINDOW_ACCUMULATE,
                                                  op);
    const struct peer *peer = access->window->comm->to[access->rank];
    if (result != NULL) {
        message.tag = window_result_tag(access->window);
        expect(access, message.tag, result, request);
    }
    if (!changes)
        window_send(access->window, access->rank, &message, NULL, 0, 0);
    while (changes && message.from < bytes) {
        int64_t part = bytes - message.from < most ? bytes - message.from : most;
        if (peer->queue != NULL)
            ENGINE_WAIT_UNTIL(peer->queue == NULL)
        window_send(access->window, access->rank, &message, origin, message.from, part);
        message.from += part;
    }
    if (changes)
        rank_of(access)->dirty = true;
    sending_over(access);
}

void window_compare(const struct window_access *access, const void *origin, const void *compare,
                    void *result)
{
    const struct datatype *type = access->target.type;
    struct datatype_stream out = datatype_stream(result, 1, type);
    char both[64]; /* twice the largest predefined type that can be compared */
    memcpy(both, compare, (size_t)type->size);
    memcpy(both + type->size, origin, (size_t)type->size);
    if (is_own(access)) {
        struct datatype_stream own = own_memory(access);
        bool equal = memcmp(own.buffer, both, (size_t)type->size) == 0;
        memmove(result, own.buffer, (size_t)type->size);
        if (equal)
            memcpy(own.buffer, both + type->size, (size_t)type->size);
        return;
    }
    struct datatype_stream data = datatype_stream(both, 2 * type->size, datatype_of(MPI_BYTE));
    struct window_message message = sending_begin(access, WINDOW_COMPARE, NULL);
    message.tag = window_result_tag(access->window);
    expect(access, message.tag, &out, NULL);
    window_send(access->window, access->rank, &message, &data, 0, data.bytes);
    sending_over(access);
}
