/* Windows: their life, and how messages leave for another rank's engine. */
#include "abi/mpi/window.h"

#include "abi/mpi/check.h"

#include <stdlib.h>

#define BINS 256

static struct window *bins[BINS];

static struct window **bin_of(uint32_t context)
{
    return &bins[(context >> 1 ^ context >> 16) % BINS];
}

struct window *window_find(uint32_t context)
{
    struct window *window = *bin_of(context);
    while (window != NULL && window->comm->context != context)
        window = window->next;
    return window;
}

struct window *window_new(struct comm *comm, int flavor)
{
    struct window *window = calloc(1, sizeof(*window));
    if (window != NULL)
        window->ranks = calloc((size_t)comm->size, sizeof(*window->ranks));
    if (window == NULL || window->ranks == NULL) {
        free(window);
        return NULL;
    }
    object_begin(&window->object, OBJECT_WIN);
    window->handle = (MPI_Win)window;
    window->comm = comm;
    window->flavor = flavor;
    window->model = MPI_WIN_UNIFIED;
    window->unit = 1;
    window->errhandler = errhandler_retain(&errhandler_fatal);
    window->asks_first = window->asks_last = -1;
    struct window **bin = bin_of(comm->context);
    window->next = *bin;
    *bin = window;
    return window;
}

static void rank_free(struct window_rank *rank)
{
    free(rank->extents);
    free(rank->before);
    free(rank->type_bytes);
    free(rank->before_bytes);
    if (rank->type != NULL)
        datatype_release(rank->type);
    if (rank->sent != NULL)
        datatype_release(rank->sent);
}

void window_free(struct window *window)
{
    struct window **at = bin_of(window->comm->context);
    while (*at != window)
        at = &(*at)->next;
    *at = window->next;
    for (int i = 0; i < window->comm->size; i++)
        rank_free(&window->ranks[i]);
    while (window->regions != NULL) {
        struct window_region *next = window->regions->next;
        free(window->regions);
        window->regions = next;
    }
    free(window->ranks);
    free(window->owned);
    errhandler_release(window->errhandler);
    info_free(window->info);
    comm_release(window->comm);
    handle_end(&window->object);
    free(window);
}

struct window *window_checked(MPI_Win handle, const char *function, int *error)
{
    check_running(function);
    struct window *window = window_of(handle);
    *error = MPI_SUCCESS;
    if (UNLIKELY(window == NULL))
        *error = error_raise(MPI_ERR_WIN, function, "%s",
                             handle == MPI_WIN_NULL ? "the window is MPI_WIN_NULL"
                                                    : "the window is none, or freed");
    return window;
}

uint32_t window_data_tag(struct window *window)
{
    return window->tag++ << 1 & INT32_MAX;
}

uint32_t window_result_tag(struct window *window)
{
    return window_data_tag(window) | 1;
}

/* --- Messages ----------------------------------------------------------------------------------
 */

static void fill(char *at, const struct window_message *message, const struct datatype_stream *data,
                 int64_t from, int64_t length)
{
    memcpy(at, message, sizeof(*message));
    if (length != 0)
        datatype_pack(data, from, length, at + sizeof(*message));
}

/* Into the ring right away, if there is room. */
static bool send_at_once(const struct window *window, struct peer *peer,
                         const struct window_message *message, const struct datatype_stream *data,
                         int64_t from, int64_t length)
{
    uint64_t total = sizeof(*message) + (uint64_t)length;
    if (peer->out == NULL || peer->queue != NULL || !transport_room(peer))
        return false;
    struct cell *cell = transport_cell(peer);
    unsigned kind = CELL_DATA, in_cell = (unsigned)total;
    if (total > RING_INLINE) {
        uint8_t *at = transport_arena(peer, total);
        if (at == NULL)
            return false;
        fill((char *)at, message, data, from, length);
        struct cell_arena arena = {(uint64_t)(at - peer->arena), total};
        memcpy(cell->payload, &arena, sizeof(arena));
        kind = CELL_LONG;
        in_cell = sizeof(arena);
    } else {
        fill((char *)cell->payload, message, data, from, length);
    }
    cell->envelope = cell_envelope(window->comm->context, WINDOW_TAG);
    transport_publish(peer, cell, kind, in_cell, (unsigned)window->comm->rank);
    return true;
}

void window_send(struct window *window, int rank, const struct window_message *message,
                 const struct datatype_stream *data, int64_t from, int64_t length)
{
    struct peer *peer = window->comm->to[rank];
    if (send_at_once(window, peer, message, data, from, length))
        return;
    struct match_key key = {window->comm->context, window->comm->rank, WINDOW_TAG};
    struct request *request = request_new(REQUEST_SEND, window->comm);
    int64_t total = (int64_t)sizeof(*message) + length;
    request->owned = malloc((size_t)total);
    if (request->owned == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a message to rank %u", peer->rank);
    fill(request->owned, message, data, from, length);
    request->forgotten = true;
    struct datatype_stream stream = datatype_stream(request->owned, total, datatype_of(MPI_BYTE));
    send_begin(request, &stream, peer, SEND_WHOLE, &key);
}
