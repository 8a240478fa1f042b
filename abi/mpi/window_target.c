/* What other ranks want done to this rank's memory: carried out as their messages arrive, one whole
 * message after the other, which is all the atomicity that accumulates need. */
#include "abi/mpi/window.h"

#include <stdlib.h>

#define OP_FIRST 0x20 /* handles of predefined operations */

static noreturn void unsound(const struct window *window, int rank)
{
    mpi_die(MPI_ERR_INTERN, "rank %u has left a message for a window that no rank writes",
            window->comm->to[rank]->rank);
}

/* --- Locks -------------------------------------------------------------------------------------
 */

static void tell(struct window *window, int rank, enum window_kind kind)
{
    struct window_message message = {.kind = (uint8_t)kind};
    window_send(window, rank, &message, NULL, 0, 0);
}

static bool may_hold(const struct window *window, enum window_hold hold)
{
    return !window->alone && (hold == HOLD_SHARED || window->shared == 0);
}

static void grant(struct window *window, int rank, enum window_hold hold)
{
    window->ranks[rank].locks = (uint8_t)hold;
    if (hold == HOLD_ALONE)
        window->alone = true;
    else
        window->shared++;
    if (rank == window->comm->rank)
        window->ranks[rank].granted = true;
    else
        tell(window, rank, WINDOW_GRANTED);
}

void window_lock(struct window *window, int rank, enum window_hold hold)
{
    struct window_rank *asks = &window->ranks[rank];
    if (asks->locks != HOLD_NONE || asks->asks != HOLD_NONE)
        unsound(window, rank);
    if (window->asks_first < 0 && may_hold(window, hold)) {
        grant(window, rank, hold);
        return;
    }
    asks->asks = (uint8_t)hold;
    asks->asks_next = -1;
    if (window->asks_first < 0)
        window->asks_first = rank;
    else
        window->ranks[window->asks_last].asks_next = rank;
    window->asks_last = rank;
}

void window_unlock(struct window *window, int rank)
{
    struct window_rank *holder = &window->ranks[rank];
    if (holder->locks == HOLD_ALONE)
        window->alone = false;
    else if (holder->locks == HOLD_SHARED)
        window->shared--;
    else
        unsound(window, rank);
    holder->locks = HOLD_NONE;
    while (window->asks_first >= 0) {
        int first = window->asks_first;
        struct window_rank *asks = &window->ranks[first];
        enum window_hold hold = (enum window_hold)asks->asks;
        if (!may_hold(window, hold))
            return;
        asks->asks = HOLD_NONE;
        window->asks_first = asks->asks_next;
        grant(window, first, hold);
    }
}

/* --- Memory ------------------------------------------------------------------------------------
 */

bool window_attached(const struct window *window, uint64_t address, uint64_t length)
{
    while (length != 0) {
        const struct window_region *region = window->regions;
        while (region != NULL && (address < region->base || address - region->base >= region->size))
            region = region->next;
        if (region == NULL)
            return false;
        uint64_t here = region->size - (address - region->base);
        here = here < length ? here : length;
        address += here;
        length -= here;
    }
    return true;
}

/* The part of the window that the message is about. */
static struct datatype_stream target_of(const struct window *window, int rank,
                                        const struct window_message *message)
{
    const struct datatype *type = window->ranks[rank].type;
    int64_t low, high;
    if (message->type != WINDOW_DERIVED)
        type = datatype_of(
            (MPI_Datatype)(uintptr_t)message->type); // NOLINT(performance-no-int-to-ptr)
    if (type == NULL || datatype_check(type, message->count) != MPI_SUCCESS)
        unsound(window, rank);
    struct datatype_stream stream = datatype_stream(NULL, message->count, type);
    if (stream.bytes == 0)
        return stream;
    if (!window_span(&stream, message->place, &low, &high))
        unsound(window, rank);
    if (window->flavor == MPI_WIN_FLAVOR_DYNAMIC) {
        if (!window_attached(window, (uint64_t)low, (uint64_t)(high - low)))
            mpi_die(MPI_ERR_RMA_RANGE,
                    "rank %u accesses %lld bytes at 0x%llx of a dynamic window, which are not "
                    "attached",
                    window->comm->to[rank]->rank, (long long)(high - low), (long long)low);
    } else if (low < 0 || high > window->size) {
        unsound(window, rank);
    }
    stream.buffer = (char *)((uintptr_t)window->base + (uintptr_t)message->place);
    return stream;
}

static const struct op *op_named(const struct window *window, int rank, uint8_t name,
                                 const struct datatype *type)
{
    const struct op *op = op_of((MPI_Op)(uintptr_t)name); // NOLINT(performance-no-int-to-ptr)
    if (name < OP_FIRST || op == NULL || op_check(op, type, true) != MPI_SUCCESS)
        unsound(window, rank);
    return op;
}

/* --- Answers -----------------------------------------------------------------------------------
 */

/* Sends what was asked for; `owned` (NULL: nothing) is freed afterwards. */
static void answer(struct window *window, int rank, uint32_t tag, struct datatype_stream stream,
                   void *owned)
{
    struct match_key key = {window->comm->context, window->comm->rank, (int)(tag & INT32_MAX)};
    struct request *request = request_new(REQUEST_SEND, window->comm);
    request->owned = owned;
    request->forgotten = true;
    datatype_retain((struct datatype *)(uintptr_t)stream.type);
    send_begin(request, &stream, window->comm->to[rank], SEND_STANDARD, &key);
}

static char *memory(int64_t bytes)
{
    char *new = malloc(bytes != 0 ? (size_t)bytes : 1);
    if (new == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for %lld bytes that another rank fetches",
                (long long)bytes);
    return new;
}

static void answer_packed(struct window *window, int rank, uint32_t tag, char *bytes,
                          int64_t length)
{
    answer(window, rank, tag, datatype_stream(bytes, length, datatype_of(MPI_BYTE)), bytes);
}

/* --- Operations --------------------------------------------------------------------------------
 */

static void accumulate(struct window *window, int rank, const struct window_message *message,
                       const char *data, int64_t length)
{
    struct window_rank *origin = &window->ranks[rank];
    struct datatype_stream target = target_of(window, rank, message);
    const struct op *op = op_named(window, rank, message->op, target.type);
    if (message->from < 0 || message->from > target.bytes || length > target.bytes - message->from)
        unsound(window, rank);
    if (message->kind == WINDOW_EXCHANGE) {
        if (message->from == 0 && origin->before_bytes == NULL)
            origin->before_bytes = memory(target.bytes);
        if (origin->before_bytes == NULL)
            unsound(window, rank);
        datatype_pack(&target, message->from, length, origin->before_bytes + message->from);
    }
    op_accumulate(op, &target, message->from, length, data);
    if (message->kind == WINDOW_EXCHANGE && message->from + length == target.bytes) {
        answer_packed(window, rank, message->tag, origin->before_bytes, target.bytes);
        origin->before_bytes = NULL;
    }
}

static void put(struct window *window, int rank, const struct window_message *message)
{
    struct match_key key = {window->comm->context, rank, (int)(message->tag & INT32_MAX)};
    struct datatype_stream target = target_of(window, rank, message);
    struct request *request = request_new(REQUEST_RECEIVE, window->comm);
    request->forgotten = true;
    datatype_retain((struct datatype *)(uintptr_t)target.type);
    receive_begin(request, &target, &key);
}

static void get(struct window *window, int rank, const struct window_message *message)
{
    struct datatype_stream target = target_of(window, rank, message);
    if (message->kind == WINDOW_GET) {
        answer(window, rank, message->tag, target, NULL);
        return;
    }
    char *bytes = memory(target.bytes);
    datatype_pack(&target, 0, target.bytes, bytes);
    answer_packed(window, rank, message->tag, bytes, target.bytes);
}

static void compare(struct window *window, int rank, const struct window_message *message,
                    const char *data, int64_t length)
{
    struct datatype_stream target = target_of(window, rank, message);
    if (length != 2 * target.bytes)
        unsound(window, rank);
    char *bytes = memory(target.bytes);
    datatype_pack(&target, 0, target.bytes, bytes);
    if (memcmp(bytes, data, (size_t)target.bytes) == 0)
        datatype_unpack(&target, 0, target.bytes, data + target.bytes);
    answer_packed(window, rank, message->tag, bytes, target.bytes);
}

static void learn_type(struct window *window, int rank, const struct window_message *message,
                       const char *data, int64_t length)
{
    struct window_rank *origin = &window->ranks[rank];
    if (message->from == 0) {
        if (origin->type != NULL)
            datatype_release(origin->type);
        origin->type = NULL;
        free(origin->type_bytes);
        origin->type_length = message->count;
        origin->type_bytes = message->count > 0 ? malloc((size_t)message->count) : NULL;
    }
    if (origin->type_bytes == NULL || message->from < 0 || message->from > origin->type_length ||
        length > origin->type_length - message->from)
        unsound(window, rank);
    memcpy(origin->type_bytes + message->from, data, (size_t)length);
    if (message->from + length < origin->type_length)
        return;
    origin->type = window_type_read(origin->type_bytes, origin->type_length);
    free(origin->type_bytes);
    origin->type_bytes = NULL;
    if (origin->type == NULL)
        unsound(window, rank);
}

static void synchronize(struct window *window, int rank, const struct window_message *message)
{
    struct window_rank *other = &window->ranks[rank];
    switch (message->kind) {
    case WINDOW_FLUSH:
        tell(window, rank, WINDOW_FLUSHED);
        break;
    case WINDOW_FLUSHED:
        if (other->flushes == 0)
            unsound(window, rank);
        other->flushes--;
        break;
    case WINDOW_FENCE:
        other->fences++;
        break;
    case WINDOW_POST:
        other->posts++;
        break;
    case WINDOW_COMPLETE:
        other->completes++;
        break;
    case WINDOW_LOCK:
        window_lock(window, rank, message->op == 1 ? HOLD_ALONE : HOLD_SHARED);
        break;
    case WINDOW_GRANTED:
        other->granted = true;
        break;
    case WINDOW_UNLOCK:
        window_unlock(window, rank);
        tell(window, rank, WINDOW_FLUSHED);
        break;
    default:
        unsound(window, rank);
    }
}

void window_arrived(const struct arrival *arrival)
{
    struct window *window = window_find(arrival->key.context);
    struct window_message message;
    int rank = arrival->key.source;
    int64_t length = arrival->length - (int64_t)sizeof(message);
    if (window == NULL || rank >= window->comm->size || arrival->data == NULL || length < 0 ||
        window->comm->to[rank] != arrival->peer)
        mpi_die(MPI_ERR_INTERN, "rank %u has left a message for no window", arrival->peer->rank);
    memcpy(&message, arrival->data, sizeof(message));
    const char *data = (const char *)arrival->data + sizeof(message);
    switch (message.kind) {
    case WINDOW_ACCUMULATE:
    case WINDOW_EXCHANGE:
        accumulate(window, rank, &message, data, length);
        break;
    case WINDOW_PUT:
        put(window, rank, &message);
        break;
    case WINDOW_GET:
    case WINDOW_FETCH:
        get(window, rank, &message);
        break;
    case WINDOW_COMPARE:
        compare(window, rank, &message, data, length);
        break;
    case WINDOW_TYPE:
        learn_type(window, rank, &message, data, length);
        break;
    default:
        synchronize(window, rank, &message);
        break;
    }
    if (UNLIKELY(mpi.threads))
        engine_event();
}
