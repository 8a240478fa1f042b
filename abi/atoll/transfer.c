/* Sending and receiving. A message of up to cell_max bytes travels through the ring's cells; a
 * longer one lies in the sender's arena, and a struct shm_bulk travels. */
#include "abi/atoll/library.h"

#include <stdlib.h>
#include <string.h>

#define PIECES_ON_STACK 16
#define FIRST_LOOKS 64 /* for a message, with the channel's lock held: a microsecond or two */
#define LENGTH_MAX ((size_t)INT64_MAX)

/* --- Sending ------------------------------------------------------------------------------------
 */

/* Rings the reader if it sleeps. Called with the lock, which it gives up. */
static inline void sent(struct atoll_channel *channel, size_t length)
{
    uint32_t core;
    channel->statistics.messages++;
    channel->statistics.bytes += length;
    bool ring = shm_ring_reader_armed_lately(&channel->writer, &core);
    channel->statistics.doorbells += ring;
    channel_unlock(channel);
    if (UNLIKELY(ring))
        library_call(ATOLL_CALL_RING, channel->id, 0, 0);
}

/* Tells waits what credit a message of `length` bytes needs that did not fit. */
static void sender_position(struct atoll_channel *channel, size_t length)
{
    uint64_t cells = length <= SHM_INLINE ? 1 : 2 + (length - SHM_INLINE) / 56;
    const struct shm_ring_writer *writer = &channel->writer;
    atomic_store_explicit(&channel->own->position, writer->head + cells - (writer->mask + 1),
                          memory_order_relaxed);
}

/* Makes room for bulk of `length` bytes and for the cell that describes it. */
static int bulk_reserve(struct atoll_channel *channel, size_t length, uint64_t *at)
{
    if (!shm_ring_can_send(&channel->writer, sizeof(struct shm_bulk))) {
        int error = shm_ring_refresh(&channel->writer);
        sender_position(channel, sizeof(struct shm_bulk));
        return error != 0 ? error : -EAGAIN;
    }
    return arena_take(channel, length, at);
}

static int bulk_send(struct atoll_channel *channel, uint64_t at, size_t length)
{
    struct shm_bulk bulk = {at, length};
    struct shm_piece piece = {&bulk, sizeof(bulk)};
    int error = shm_ring_send(&channel->writer, SHM_MESSAGE_BULK, &piece, 1);
    if (error == 0) {
        arena_use(channel, at, length);
        channel->statistics.bulk++;
    }
    return error;
}

static uint8_t *section_bytes(uint64_t offset)
{
    return (uint8_t *)shm_view_own(&library.view, offset, 1);
}

/* Tries once. */
static int send_once(struct atoll_channel *channel, const struct shm_piece *pieces, size_t count,
                     size_t length)
{
    if (length <= channel->cell_max) {
        int error = shm_ring_send(&channel->writer, SHM_MESSAGE_DATA, pieces, count);
        if (error == -EAGAIN)
            sender_position(channel, length);
        return error;
    }
    uint64_t at;
    int error = bulk_reserve(channel, length, &at);
    if (error != 0)
        return error;
    uint8_t *to = section_bytes(at);
    for (size_t i = 0; i < count; i++) {
        copy_in(&channel->copy, to, pieces[i].data, pieces[i].length);
        to += pieces[i].length;
    }
    return bulk_send(channel, at, length);
}

/* After -EAGAIN or -ENOMEM: waits. 0: try again. */
static int sender_wait(struct atoll_channel *channel, int error, int64_t timeout,
                       uint64_t *deadline)
{
    if (channel_is_over(channel))
        return channel_break(channel, -EPIPE);
    if (*deadline == 0 && timeout >= 0)
        *deadline = library_deadline(timeout);
    if (error == -EAGAIN)
        return channel_wait(channel, *deadline);
    if (error == -ENOMEM)
        return arena_wait_for_others(channel, *deadline);
    if (error == -EPIPE || error == -EPROTO)
        return channel_break(channel, error);
    return error;
}

static __attribute__((noinline)) int send_slowly(struct atoll_channel *channel,
                                                 const struct shm_piece *pieces, size_t count,
                                                 size_t length, int64_t timeout, int error)
{
    uint64_t deadline = 0;
    while (error != 0) {
        error =
            channel->error != 0 ? channel->error : sender_wait(channel, error, timeout, &deadline);
        if (error != 0)
            break;
        if (channel->error == 0)
            error = send_once(channel, pieces, count, length);
        else
            error = channel->error;
    }
    if (error != 0) {
        channel_unlock(channel);
        return error;
    }
    sent(channel, length);
    return 0;
}

static inline int send_pieces(struct atoll_channel *channel, const struct shm_piece *pieces,
                              size_t count, size_t length, int64_t timeout)
{
    if (UNLIKELY(!channel->sends))
        return -EINVAL;
    channel_lock(channel);
    int error = channel->error;
    if (LIKELY(error == 0) &&
        UNLIKELY(atomic_load_explicit(&channel->own->broken, memory_order_relaxed) != 0))
        error = channel_break(channel, -EPIPE);
    if (LIKELY(error == 0))
        error = send_once(channel, pieces, count, length);
    if (UNLIKELY(error != 0))
        return send_slowly(channel, pieces, count, length, timeout, error);
    sent(channel, length);
    return 0;
}

int atoll_send(struct atoll_channel *channel, const void *data, size_t length, int64_t timeout)
{
    struct shm_piece piece = {data, length};
    return send_pieces(channel, &piece, 1, length, timeout);
}

int atoll_sendv(struct atoll_channel *channel, const struct iovec *pieces, int count,
                int64_t timeout)
{
    struct shm_piece small[PIECES_ON_STACK], *list = small;
    size_t length = 0;
    if (count < 0)
        return -EINVAL;
    if (count > PIECES_ON_STACK && (list = malloc((size_t)count * sizeof(*list))) == NULL)
        return -ENOMEM;
    int error = 0;
    for (int i = 0; i < count && error == 0; i++) {
        list[i] = (struct shm_piece){pieces[i].iov_base, pieces[i].iov_len};
        if (pieces[i].iov_len > LENGTH_MAX - length)
            error = -EMSGSIZE;
        else
            length += pieces[i].iov_len;
    }
    if (error == 0)
        error = send_pieces(channel, list, (size_t)count, length, timeout);
    if (list != small)
        free(list);
    return error;
}

int atoll_reserve(struct atoll_channel *channel, size_t length, void **buffer, int64_t timeout)
{
    if (!channel->sends)
        return -EINVAL;
    channel_lock(channel);
    uint64_t deadline = 0, at = 0;
    int error;
    for (;;) {
        error = channel->error;
        if (error != 0)
            break;
        if (length <= SHM_INLINE) {
            error = shm_ring_reserve(&channel->writer, buffer);
            if (error == -EAGAIN)
                sender_position(channel, length);
        } else {
            error = bulk_reserve(channel, length, &at);
            if (error == 0)
                *buffer = section_bytes(at);
        }
        if (error == 0)
            break;
        error = sender_wait(channel, error, timeout, &deadline);
        if (error != 0)
            break;
    }
    if (error != 0) {
        channel_unlock(channel);
        return error;
    }
    channel->held = length <= SHM_INLINE ? HELD_CELL : HELD_BULK;
    channel->held_at = at;
    channel->held_length = length;
    return 0;
}

int atoll_commit(struct atoll_channel *channel, size_t length)
{
    if (channel->held == HELD_NOTHING || length > channel->held_length)
        return -EINVAL;
    int error = 0;
    if (channel->held == HELD_CELL)
        shm_ring_commit(&channel->writer, SHM_MESSAGE_DATA, length);
    else
        error = bulk_send(channel, channel->held_at, length);
    channel->held = HELD_NOTHING;
    if (error != 0) {
        error = channel_break(channel, error);
        channel_unlock(channel);
        return error;
    }
    sent(channel, length);
    return 0;
}

int atoll_cancel(struct atoll_channel *channel)
{
    if (channel->held == HELD_NOTHING)
        return -EINVAL;
    channel->held = HELD_NOTHING;
    channel_unlock(channel);
    return 0;
}

/* --- Receiving ----------------------------------------------------------------------------------
 */

static inline void received(struct atoll_channel *channel, size_t length, bool bulk)
{
    channel->statistics.messages++;
    channel->statistics.bytes += length;
    channel->statistics.bulk += bulk;
    /* Release: the sender may write anew to cells that have been read. */
    atomic_store_explicit(&channel->own->position, channel->reader.tail, memory_order_release);
}

/* With the lock: the statistics are under it. */
static void ring_sender(struct atoll_channel *channel)
{
    channel->statistics.doorbells++;
    library_call(ATOLL_CALL_RING, channel->id, 0, 0);
}

/* Looks at the next message. 1: channel->peek and, where its bytes are, at *data (NULL: in cells);
 * 0: none; or why nothing will come. */
static int peek_once(struct atoll_channel *channel, const uint8_t **data, size_t *length)
{
    bool credit_due;
    int result = shm_ring_peek(&channel->reader, &channel->peek, &credit_due);
    if (credit_due)
        ring_sender(channel);
    if (result != 1)
        return result < 0 ? channel_break(channel, result) : 0;
    *length = channel->peek.length;
    *data = NULL;
    if (channel->peek.kind == SHM_MESSAGE_DATA) {
        if (*length <= SHM_INLINE)
            *data = channel->peek.payload;
        return 1;
    }
    struct shm_bulk bulk;
    if (channel->peek.kind != SHM_MESSAGE_BULK || channel->peek.length != sizeof(bulk))
        goto unsound;
    memcpy(&bulk, channel->peek.payload, sizeof(bulk));
    *data = shm_view_bytes(&library.view, channel->peer, bulk.offset, bulk.length);
    *length = bulk.length;
    if (*data != NULL)
        return 1;
unsound:
    shm_ring_refuse(&channel->reader);
    return channel_break(channel, -EPROTO);
}

/* Nothing is there: is it over? Then once more, for what was sent before that was said. */
static int reader_over(struct atoll_channel *channel)
{
    if (!channel_is_over(channel))
        return 0;
    shm_fence_acquire();
    atomic_store_explicit(&channel->own->position, channel->reader.tail, memory_order_relaxed);
    const struct shm_cell *head =
        &channel->reader.cells[channel->reader.tail & channel->reader.mask];
    if (atomic_load_explicit(&head->sequence, memory_order_acquire) == channel->reader.tail + 1)
        return 0; /* a message; or the ring of a new generation, which the next look sees */
    return channel_break(channel, -EPIPE);
}

/* Waits for the next message, with the lock held. 1, with *data and *length as peek_once. */
static int next_message(struct atoll_channel *channel, const uint8_t **data, size_t *length,
                        int64_t timeout)
{
    uint64_t deadline = 0;
    for (;;) {
        int result = channel->error != 0 ? channel->error : peek_once(channel, data, length);
        if (result != 0)
            return result;
        bool before = channel_is_over(channel);
        result = reader_over(channel);
        if (result != 0)
            return result;
        if (before)
            continue;
        if (timeout == 0)
            return -EAGAIN;
        if (deadline == 0 && timeout > 0)
            deadline = library_deadline(timeout);
        result = channel_wait(channel, deadline);
        if (result != 0)
            return result;
    }
}

/* Takes the message that was looked at. */
static int take_message(struct atoll_channel *channel, size_t length)
{
    bool credit_due, bulk = channel->peek.kind == SHM_MESSAGE_BULK;
    int error = shm_ring_release(&channel->reader, &channel->peek, bulk, &credit_due);
    if (error != 0)
        return channel_break(channel, error);
    received(channel, length, bulk);
    if (credit_due)
        ring_sender(channel);
    return 0;
}

static void scatter(const struct iovec *pieces, int count, const uint8_t *from, size_t length)
{
    for (int i = 0; i < count && length != 0; i++) {
        size_t part = pieces[i].iov_len < length ? pieces[i].iov_len : length;
        if (part != 0)
            memcpy(pieces[i].iov_base, from, part);
        from += part;
        length -= part;
    }
}

/* A place for messages of several cells that must lie in one piece. */
static int stage(struct atoll_channel *channel, size_t length)
{
    if (channel->staging == NULL)
        channel->staging = malloc(shm_ring_message_max(channel->reader.mask + 1));
    if (channel->staging == NULL)
        return -ENOMEM;
    int error = shm_ring_copy(&channel->reader, &channel->peek, channel->staging, length);
    return error != 0 ? channel_break(channel, error) : 0;
}

static __attribute__((noinline)) ssize_t receive_slowly(struct atoll_channel *channel,
                                                        const struct iovec *pieces, int count,
                                                        size_t capacity, int64_t timeout)
{
    const uint8_t *data;
    size_t length;
    int error = next_message(channel, &data, &length, timeout);
    if (error != 1)
        goto out;
    error = -EMSGSIZE;
    if (length > capacity)
        goto out;
    error = 0;
    if (data != NULL) {
        scatter(pieces, count, data, length);
    } else if (count == 1) {
        error = shm_ring_copy(&channel->reader, &channel->peek, pieces->iov_base, length);
        error = error != 0 ? channel_break(channel, error) : 0;
    } else {
        error = stage(channel, length);
        if (error == 0)
            scatter(pieces, count, channel->staging, length);
    }
    if (error == 0)
        error = take_message(channel, length);
out:
    channel_unlock(channel);
    return error != 0 ? error : (ssize_t)length;
}

ssize_t atoll_receive(struct atoll_channel *channel, void *buffer, size_t capacity, int64_t timeout)
{
    if (UNLIKELY(channel->sends))
        return -EINVAL;
    channel_lock(channel);
    /* The short way: a message in the ring, and room for it. It may come any moment: looked at a
     * few times before anything else is done that would then delay it. */
    struct shm_ring_reader *reader = &channel->reader;
    const struct shm_cell *head = &reader->cells[reader->tail & reader->mask];
    for (unsigned tries = timeout == 0 || channel->sleeps ? FIRST_LOOKS : 0; tries < FIRST_LOOKS;
         tries++) {
        if (atomic_load_explicit(&head->sequence, memory_order_relaxed) == reader->tail + 1)
            break;
        reader->run = 0; /* not behind its sender */
        library_pause();
    }
    if (LIKELY(channel->error == 0 &&
               atomic_load_explicit(&head->sequence, memory_order_acquire) == reader->tail + 1) &&
        LIKELY(SHM_READ_ONCE(head->kind) == SHM_MESSAGE_DATA)) {
        uint16_t kind;
        size_t length;
        bool credit_due;
        int result = shm_ring_receive(reader, &kind, buffer, capacity, &length, &credit_due);
        if (LIKELY(result == 1 && kind == SHM_MESSAGE_DATA)) {
            received(channel, length, false);
            if (UNLIKELY(credit_due))
                ring_sender(channel);
            channel_unlock(channel);
            return (ssize_t)length;
        }
        if (result == -EMSGSIZE) {
            channel_unlock(channel);
            return result;
        }
        if (result == 1) { /* of another kind after all */
            shm_ring_refuse(reader);
            result = -EPROTO;
        }
        if (result < 0)
            channel_break(channel, result);
    }
    struct iovec piece = {buffer, capacity};
    return receive_slowly(channel, &piece, 1, capacity, timeout);
}

ssize_t atoll_receivev(struct atoll_channel *channel, const struct iovec *pieces, int count,
                       int64_t timeout)
{
    if (channel->sends || count < 0)
        return -EINVAL;
    size_t capacity = 0;
    for (int i = 0; i < count; i++)
        capacity =
            pieces[i].iov_len > LENGTH_MAX - capacity ? LENGTH_MAX : capacity + pieces[i].iov_len;
    channel_lock(channel);
    return receive_slowly(channel, pieces, count, capacity, timeout);
}

ssize_t atoll_next_length(struct atoll_channel *channel, int64_t timeout)
{
    const uint8_t *data;
    size_t length;
    if (channel->sends)
        return -EINVAL;
    channel_lock(channel);
    int result = next_message(channel, &data, &length, timeout);
    channel_unlock(channel);
    return result == 1 ? (ssize_t)length : result;
}

ssize_t atoll_peek(struct atoll_channel *channel, const void **data, int64_t timeout)
{
    const uint8_t *bytes;
    size_t length;
    if (channel->sends)
        return -EINVAL;
    channel_lock(channel);
    int error = next_message(channel, &bytes, &length, timeout);
    if (error == 1) {
        error = bytes == NULL ? stage(channel, length) : 0;
        *data = bytes == NULL ? channel->staging : bytes;
    }
    if (error != 0) {
        channel_unlock(channel);
        return error;
    }
    channel->held = HELD_BULK;
    channel->held_length = length;
    return (ssize_t)length;
}

int atoll_release(struct atoll_channel *channel)
{
    if (channel->sends || channel->held == HELD_NOTHING)
        return -EINVAL;
    channel->held = HELD_NOTHING;
    int error = take_message(channel, channel->held_length);
    channel_unlock(channel);
    return error;
}

ssize_t atoll_receive_any(struct atoll_channel *const *channels, size_t count, size_t *index,
                          void *buffer, size_t capacity, int64_t timeout)
{
    if (count == 0)
        return -EINVAL;
    uint64_t deadline = timeout > 0 ? library_deadline(timeout) : 0;
    for (;;) {
        size_t broken = 0;
        for (size_t i = 0; i < count; i++) {
            size_t at = (*index + 1 + i) % count;
            ssize_t result = atoll_receive(channels[at], buffer, capacity, 0);
            if (result >= 0 || (result != -EAGAIN && result != -EPIPE && result != -EPROTO)) {
                *index = at;
                return result;
            }
            broken += result != -EAGAIN;
        }
        if (broken == count)
            return -EPIPE;
        if (timeout == 0 || (timeout > 0 && library_deadline_passed(deadline)))
            return library_timed_out(timeout);
        struct atoll_wait *items = calloc(count, sizeof(*items));
        size_t open = 0;
        if (items == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < count; i++)
            if (channels[i]->error == 0)
                items[open++].channel = channels[i];
        int result = atoll_wait(items, open, timeout);
        free(items);
        if (result <= 0)
            return result == 0 ? -ETIMEDOUT : result;
    }
}
