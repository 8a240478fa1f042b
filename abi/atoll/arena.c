/* Bulk memory of senders' ends. Messages that do not go through the ring lie here until the reader
 * has returned the credit for the cell that describes them. They come free in the order in which
 * they were sent, so an arena is used round and round; when nothing is under way it begins at its
 * start again, where the caches are warm. It grows to four times the longest message. */
#include "abi/atoll/library.h"

#include <stdlib.h>

#define ARENA_LEAST (UINT64_C(64) << 10) /* bytes */
#define ARENA_LARGE (UINT64_C(2) << 20)  /* from here on no more than two messages' room */

static struct lock list_lock;
static struct atoll_channel *senders;

void arena_list(struct atoll_channel *channel)
{
    lock_take(&list_lock);
    channel->next = senders;
    senders = channel;
    lock_give(&list_lock);
}

void arena_unlist(struct atoll_channel *channel)
{
    lock_take(&list_lock);
    for (struct atoll_channel **at = &senders; *at != NULL; at = &(*at)->next) {
        if (*at == channel) {
            *at = channel->next;
            break;
        }
    }
    lock_give(&list_lock);
}

/* Takes back what the reader has read. */
static int arena_reap(struct atoll_channel *channel)
{
    struct arena *arena = &channel->arena;
    if (arena->count == 0)
        return 0;
    int error = shm_ring_refresh(&channel->writer);
    while (error == 0 && arena->count != 0) {
        const struct arena_use *use = &arena->used[arena->first & channel->writer.mask];
        if ((int64_t)(channel->writer.credit - use->position) < 0)
            break;
        arena->tail = use->end;
        arena->first++;
        arena->count--;
    }
    if (arena->count == 0)
        arena->head = arena->tail = 0;
    return error;
}

static void arena_drop(struct arena *arena)
{
    if (arena->offset != 0)
        library_call(ATOLL_CALL_FREE, arena->offset, 0, 0);
    arena->offset = arena->size = arena->head = arena->tail = 0;
}

/* Gives back the arenas of all other ends that have nothing under way. */
static void arenas_trim(const struct atoll_channel *but)
{
    lock_take(&list_lock);
    for (struct atoll_channel *channel = senders; channel != NULL; channel = channel->next) {
        if (channel == but || channel->alone || !lock_try(&channel->lock))
            continue;
        if (channel->held == HELD_NOTHING && arena_reap(channel) == 0 && channel->arena.count == 0)
            arena_drop(&channel->arena);
        lock_give(&channel->lock);
    }
    lock_give(&list_lock);
}

/* A new arena for messages of `length` bytes; the old one is empty. 0 or -ENOMEM. */
static int arena_grow(struct atoll_channel *channel, uint64_t length)
{
    struct arena *arena = &channel->arena;
    arena_drop(arena);
    uint64_t size = length >= ARENA_LARGE ? 2 * length : 4 * length;
    size = size < ARENA_LEAST ? ARENA_LEAST : size;
    for (;; size /= 2) {
        if (size < 2 * length)
            size = length;
        int64_t offset = library_call(ATOLL_CALL_ALLOC, size, SHM_LINE, channel->id);
        if (offset > 0) {
            arena->offset = (uint64_t)offset;
            arena->size = size;
            return 0;
        }
        if (size == length)
            return -ENOMEM;
    }
}

static int arena_full(struct atoll_channel *channel, uint64_t use)
{
    const struct arena *arena = &channel->arena;
    uint64_t index = (arena->first + use) & channel->writer.mask;
    atomic_store_explicit(&channel->own->position, arena->used[index].position,
                          memory_order_relaxed);
    return -EAGAIN;
}

int arena_take(struct atoll_channel *channel, uint64_t length, uint64_t *at)
{
    struct arena *arena = &channel->arena;
    if (length > library.view.size)
        return -EMSGSIZE;
    length = (length + SHM_LINE - 1) & ~(uint64_t)(SHM_LINE - 1);
    int error = arena_reap(channel);
    if (error != 0)
        return error;
    if (length > arena->size) {
        if (arena->count != 0)
            return arena_full(channel, arena->count - 1);
        error = arena_grow(channel, length);
        if (error != 0) {
            arenas_trim(channel);
            error = arena_grow(channel, length);
        }
        if (error != 0)
            return error;
    }
    uint64_t head = arena->head;
    if (arena->count == 0 || head > arena->tail) {
        if (arena->size - head < length)
            head = 0;
        if (head == 0 && arena->count != 0 && arena->tail < length)
            return arena_full(channel, 0);
    } else if (arena->tail - head < length) {
        return arena_full(channel, 0);
    }
    *at = arena->offset + head;
    return 0;
}

void arena_use(struct atoll_channel *channel, uint64_t at, uint64_t length)
{
    struct arena *arena = &channel->arena;
    length = (length + SHM_LINE - 1) & ~(uint64_t)(SHM_LINE - 1);
    arena->head = at - arena->offset + length;
    arena->used[(arena->first + arena->count) & channel->writer.mask] =
        (struct arena_use){channel->writer.head, arena->head};
    arena->count++;
}

int arena_wait_for_others(struct atoll_channel *channel, uint64_t deadline)
{
    struct atoll_call_wait *items = NULL;
    uint64_t count = 0, room = 0;
    lock_take(&list_lock);
    for (struct atoll_channel *other = senders; other != NULL; other = other->next)
        room++;
    items = malloc(room * sizeof(*items));
    for (struct atoll_channel *other = senders; items != NULL && other != NULL;
         other = other->next) {
        if (other == channel || other->alone || !lock_try(&other->lock))
            continue;
        if (other->arena.count != 0 && other->error == 0) {
            arena_full(other, 0);
            items[count++] = (struct atoll_call_wait){.id = other->id};
        }
        lock_give(&other->lock);
    }
    lock_give(&list_lock);
    int64_t result = items == NULL || count == 0 ? -ENOMEM : -EINTR;
    if (result == -EINTR && deadline == ATOLL_DEADLINE_NOW)
        result = -EAGAIN;
    channel_unlock(channel);
    while (result == -EINTR)
        result = library_call(ATOLL_CALL_WAIT, (uint64_t)items, count, deadline);
    channel_lock(channel);
    free(items);
    if (result < 0)
        return (int)result;
    return result == 0 ? -ETIMEDOUT : 0;
}
