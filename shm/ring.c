/* One-way message rings: see shm/ring.h for the protocol.
 *
 * Memory order. Messages: the sender's release store of the head's sequence pairs with the reader's
 * acquire load of it. Credits: the reader's release store pairs with the sender's acquire load, so
 * that no cell is overwritten before it has been copied. Sleeping, both ways round: who publishes
 * (a message, credits) makes a full fence and then looks whether the other sleeps; who goes to
 * sleep says so, makes a full fence and then looks again. One of the two sees the other.
 * Generations: who lays out a section, or a ring, anew withdraws ring_generation before it touches
 * the cells; who has copied from cells looks at ring_generation after that. */
#include "shm/ring.h"

#include "shm/fence.h"

#include <errno.h>
#include <string.h>

#define MORE_BYTES sizeof(((struct shm_cell_more *)0)->payload)
/* A reader that has found this many messages one after the other lags behind its sender, and lets
 * cells come that lie this far ahead. (One that does not lag would only take lines away from the
 * sender just before it writes to them.) */
#define RUN_LONG 24
#define RUN_AHEAD 16
#define LIKELY(Condition) __builtin_expect(!!(Condition), 1)
#define UNLIKELY(Condition) __builtin_expect(!!(Condition), 0)
#define INLINE static inline __attribute__((always_inline))

size_t shm_ring_message_max(uint64_t cells)
{
    return SHM_INLINE + (cells / 4 - 1) * MORE_BYTES;
}

/* Cells that a message of `length` bytes takes. */
INLINE uint64_t cells_of(size_t length)
{
    return length <= SHM_INLINE ? 1 : 1 + (length - SHM_INLINE + MORE_BYTES - 1) / MORE_BYTES;
}

/* Copies 0 to SHM_INLINE bytes with moves of fixed sizes, which may overlap. */
INLINE void copy_small(uint8_t *to, const uint8_t *from, size_t length)
{
    if (length >= 16) {
        uint8_t last[16];
        memcpy(last, from + length - 16, 16);
        if (length > 32)
            memcpy(to + 16, from + 16, 16);
        memcpy(to, from, 16);
        memcpy(to + length - 16, last, 16);
    } else if (length == 8) {
        memcpy(to, from, 8);
    } else if (length > 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + length - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + length - 8, &last, 8);
    } else if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + length - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + length - 4, &last, 4);
    } else if (length > 0) {
        to[0] = from[0];
        to[length / 2] = from[length / 2];
        to[length - 1] = from[length - 1];
    }
}

/* --- Sender
 * ---------------------------------------------------------------------------------------*/

void shm_ring_writer_create(struct shm_ring_writer *writer, struct shm_port *port, void *cells,
                            uint64_t offset, uint64_t count, uint64_t generation)
{
    atomic_store_explicit(&port->ring_generation, 0, memory_order_relaxed);
    shm_fence_release();
    memset(cells, 0, count * sizeof(struct shm_cell));
    *writer = (struct shm_ring_writer){
        .cells = cells, .mask = count - 1, .generation = generation, .port = port};
    atomic_store_explicit(&port->ring_offset, offset, memory_order_relaxed);
    atomic_store_explicit(&port->ring_cells, count, memory_order_relaxed);
    atomic_store_explicit(&port->sender_waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&port->ring_generation, generation, memory_order_release);
}

/* Looks at the reader's credits. Returns 0, or -EPROTO when they are impossible. */
static int writer_refresh(struct shm_ring_writer *writer)
{
    const struct shm_port *reader = writer->reader_port;
    if (!reader || atomic_load_explicit(&reader->credit_generation, memory_order_acquire) !=
                       writer->generation)
        return 0; /* the reader has not come to this ring yet: nothing of it has been read */
    uint64_t credit = atomic_load_explicit(&reader->credit, memory_order_acquire);
    if (UNLIKELY(credit - writer->returned > writer->head - writer->returned)) {
        /* A reader that has just restarted counts from 0, in another generation. */
        bool same = atomic_load_explicit(&reader->credit_generation, memory_order_relaxed) ==
                    writer->generation;
        return same ? -EPROTO : 0;
    }
    writer->returned = credit;
    if (LIKELY(credit > writer->credit))
        writer->credit = credit;
    return 0;
}

/* Returns 0 when `need` cells are free; otherwise looks for credits first. */
INLINE int writer_reserve(struct shm_ring_writer *writer, uint64_t need)
{
    if (LIKELY(writer->head + need - writer->credit <= writer->mask + 1))
        return 0;
    int error = writer_refresh(writer);
    if (error)
        return error;
    return writer->head + need - writer->credit <= writer->mask + 1 ? 0 : -EAGAIN;
}

static bool writer_refused(const struct shm_ring_writer *writer)
{
    return writer->reader_port && atomic_load_explicit(&writer->reader_port->refused,
                                                       memory_order_relaxed) == writer->generation;
}

/* Fills in what else is in the head cell, then lets the reader see the message. */
INLINE void writer_publish(struct shm_ring_writer *writer, struct shm_cell *head, uint16_t kind,
                           size_t length, uint64_t cells)
{
    head->description = (uint32_t)length | (uint64_t)kind << 32;
    atomic_store_explicit(&head->sequence, writer->head + 1, memory_order_release);
    writer->head += cells;
    if (UNLIKELY(writer->waiting)) {
        uint32_t waiting =
            atomic_load_explicit(&writer->port->sender_waiting, memory_order_relaxed);
        atomic_store_explicit(&writer->port->sender_waiting, waiting + 1, memory_order_relaxed);
        writer->waiting = false;
    }
}

/* A place in a gathered message. */
struct cursor {
    const struct shm_piece *piece;
    size_t offset;
};

static void gather(struct cursor *cursor, uint8_t *to, size_t length)
{
    while (length > 0) {
        size_t left = cursor->piece->length - cursor->offset;
        size_t count = left < length ? left : length;
        if (count > 0)
            memcpy(to, (const uint8_t *)cursor->piece->data + cursor->offset, count);
        to += count;
        length -= count;
        cursor->offset += count;
        if (cursor->offset == cursor->piece->length) {
            cursor->piece++;
            cursor->offset = 0;
        }
    }
}

/* Fills the cells of a message that lies in one piece, but for what publishes it. */
INLINE void send_whole(struct shm_ring_writer *writer, const uint8_t *from, size_t length,
                       uint64_t cells)
{
    struct shm_cell *head = &writer->cells[writer->head & writer->mask];
    if (cells == 1) {
        copy_small(head->payload, from, length);
        return;
    }
    memcpy(head->payload, from, SHM_INLINE);
    from += SHM_INLINE;
    length -= SHM_INLINE;
    for (uint64_t i = 1; i < cells; i++) {
        struct shm_cell_more *more =
            (struct shm_cell_more *)&writer->cells[(writer->head + i) & writer->mask];
        if (LIKELY(length >= MORE_BYTES))
            memcpy(more->payload, from, MORE_BYTES); /* moves of a fixed size */
        else
            memcpy(more->payload, from, length);
        from += MORE_BYTES;
        length -= length < MORE_BYTES ? length : MORE_BYTES;
        atomic_store_explicit(&more->sequence, writer->head + i + 1, memory_order_relaxed);
    }
}

/* Messages of several pieces, or of several cells. */
static __attribute__((noinline)) int send_long(struct shm_ring_writer *writer, uint16_t kind,
                                               const struct shm_piece *pieces, size_t count)
{
    size_t length = 0, max = shm_ring_message_max(writer->mask + 1);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].length > max - length)
            return -EMSGSIZE;
        length += pieces[i].length;
    }
    uint64_t cells = cells_of(length);
    int error = writer_reserve(writer, cells);
    if (error)
        return error;

    if (LIKELY(count == 1)) {
        send_whole(writer, pieces[0].data, length, cells);
        writer_publish(writer, &writer->cells[writer->head & writer->mask], kind, length, cells);
        return 0;
    }
    struct cursor cursor = {.piece = pieces};
    struct shm_cell *head = &writer->cells[writer->head & writer->mask];
    gather(&cursor, head->payload, length < SHM_INLINE ? length : SHM_INLINE);
    size_t done = SHM_INLINE;
    for (uint64_t i = 1; i < cells; i++) {
        struct shm_cell_more *more =
            (struct shm_cell_more *)&writer->cells[(writer->head + i) & writer->mask];
        gather(&cursor, more->payload, length - done < MORE_BYTES ? length - done : MORE_BYTES);
        done += MORE_BYTES;
        atomic_store_explicit(&more->sequence, writer->head + i + 1, memory_order_relaxed);
    }
    writer_publish(writer, head, kind, length, cells);
    return 0;
}

int shm_ring_send(struct shm_ring_writer *writer, uint16_t kind, const struct shm_piece *pieces,
                  size_t count)
{
    if (UNLIKELY(writer_refused(writer)))
        return -EPIPE;
    if (UNLIKELY(count != 1 || pieces[0].length > SHM_INLINE))
        return send_long(writer, kind, pieces, count);
    int error = writer_reserve(writer, 1);
    if (UNLIKELY(error))
        return error;
    struct shm_cell *head = &writer->cells[writer->head & writer->mask];
    copy_small(head->payload, pieces[0].data, pieces[0].length);
    writer_publish(writer, head, kind, pieces[0].length, 1);
    return 0;
}

bool shm_ring_can_send(struct shm_ring_writer *writer, size_t length)
{
    return length <= shm_ring_message_max(writer->mask + 1) &&
           writer_reserve(writer, cells_of(length)) == 0;
}

INLINE bool reader_armed(struct shm_ring_writer *writer, uint32_t *core)
{
    const struct shm_port *reader = writer->reader_port;
    if (!reader)
        return false;
    uint32_t armed = atomic_load_explicit(&reader->armed, memory_order_relaxed);
    if (LIKELY(armed % 2 == 0))
        return false;
    if (armed == writer->rung && ++writer->rung_skipped < SHM_RING_AGAIN)
        return false;
    writer->rung = armed;
    writer->rung_skipped = 0;
    *core = atomic_load_explicit(&reader->reader_core, memory_order_relaxed);
    return true;
}

bool shm_ring_reader_armed(struct shm_ring_writer *writer, uint32_t *core)
{
    shm_fence();
    return reader_armed(writer, core);
}

bool shm_ring_reader_armed_lately(struct shm_ring_writer *writer, uint32_t *core)
{
    atomic_signal_fence(memory_order_seq_cst);
    return reader_armed(writer, core);
}

bool shm_ring_sender_wait(struct shm_ring_writer *writer, size_t length, uint32_t core)
{
    _Atomic uint32_t *waiting = &writer->port->sender_waiting;
    uint32_t before = atomic_load_explicit(waiting, memory_order_relaxed);
    atomic_store_explicit(&writer->port->sender_core, core, memory_order_relaxed);
    atomic_store_explicit(waiting, (before + 2) | 1, memory_order_relaxed);
    writer->waiting = true;
    shm_fence();
    return writer_refused(writer) || writer_reserve(writer, cells_of(length)) != -EAGAIN;
}

int shm_ring_reserve(struct shm_ring_writer *writer, void **payload)
{
    if (UNLIKELY(writer_refused(writer)))
        return -EPIPE;
    int error = writer_reserve(writer, 1);
    if (LIKELY(error == 0))
        *payload = writer->cells[writer->head & writer->mask].payload;
    return error;
}

void shm_ring_commit(struct shm_ring_writer *writer, uint16_t kind, size_t length)
{
    writer_publish(writer, &writer->cells[writer->head & writer->mask], kind, length, 1);
}

int shm_ring_advance(struct shm_ring_writer *writer, uint64_t read)
{
    if (read > writer->head)
        return -EPROTO;
    if (read > writer->credit)
        writer->credit = read;
    return 0;
}

int shm_ring_refresh(struct shm_ring_writer *writer)
{
    return writer_refused(writer) ? -EPIPE : writer_refresh(writer);
}

void shm_port_arm_sender(struct shm_port *port, uint32_t core)
{
    uint32_t before = atomic_load_explicit(&port->sender_waiting, memory_order_relaxed);
    atomic_store_explicit(&port->sender_core, core, memory_order_relaxed);
    atomic_store_explicit(&port->sender_waiting, (before + 2) | 1, memory_order_relaxed);
}

void shm_port_disarm_sender(struct shm_port *port)
{
    uint32_t before = atomic_load_explicit(&port->sender_waiting, memory_order_relaxed);
    if (before % 2)
        atomic_store_explicit(&port->sender_waiting, before + 1, memory_order_relaxed);
}

/* --- Reader
 * ---------------------------------------------------------------------------------------*/

void shm_port_arm(struct shm_port *port, uint32_t core)
{
    uint32_t before = atomic_load_explicit(&port->armed, memory_order_relaxed);
    atomic_store_explicit(&port->reader_core, core, memory_order_relaxed);
    atomic_store_explicit(&port->armed, (before + 2) | 1, memory_order_relaxed);
}

void shm_port_disarm(struct shm_port *port)
{
    uint32_t before = atomic_load_explicit(&port->armed, memory_order_relaxed);
    if (before % 2)
        atomic_store_explicit(&port->armed, before + 1, memory_order_relaxed);
}

int shm_ring_reader_open(struct shm_ring_reader *reader, struct shm_port *port,
                         const struct shm_port *sender_port, const uint8_t *bytes, uint64_t size)
{
    uint64_t generation = atomic_load_explicit(&sender_port->ring_generation, memory_order_acquire);
    if (generation == 0)
        return -EAGAIN;
    uint64_t offset = atomic_load_explicit(&sender_port->ring_offset, memory_order_relaxed);
    uint64_t cells = atomic_load_explicit(&sender_port->ring_cells, memory_order_relaxed);
    shm_fence_acquire();
    if (atomic_load_explicit(&sender_port->ring_generation, memory_order_relaxed) != generation)
        return -EAGAIN; /* it is just being made anew */
    if (atomic_load_explicit(&port->refused, memory_order_relaxed) == generation)
        return -EPROTO;
    if (atomic_load_explicit(&port->credit_generation, memory_order_relaxed) == generation)
        return -EAGAIN;
    if (cells < SHM_RING_CELLS_MIN || cells > SHM_RING_CELLS_MAX || (cells & (cells - 1)) != 0 ||
        offset % SHM_LINE != 0 || ((uintptr_t)bytes + offset) % SHM_LINE != 0 || offset > size ||
        cells * sizeof(struct shm_cell) > size - offset) {
        atomic_store_explicit(&port->refused, generation, memory_order_release);
        return -EPROTO;
    }
    *reader = (struct shm_ring_reader){.cells = (const struct shm_cell *)(bytes + offset),
                                       .mask = cells - 1,
                                       .generation = generation,
                                       .port = port,
                                       .sender_port = sender_port,
                                       .epoch = &sender_port->ring_generation,
                                       .epoch_value = generation};
    /* The sender must never take an old credit for one that counts in this generation. */
    atomic_store_explicit(&port->credit_generation, 0, memory_order_relaxed);
    atomic_store_explicit(&port->credit, 0, memory_order_release);
    atomic_store_explicit(&port->credit_generation, generation, memory_order_release);
    return 0;
}

void shm_ring_refuse(struct shm_ring_reader *reader)
{
    atomic_store_explicit(&reader->port->refused, reader->generation, memory_order_release);
}

/* Is the ring still the one that the reader is bound to? Everything loaded before the call then
 * came from it. */
INLINE bool reader_current(const struct shm_ring_reader *reader)
{
    shm_fence_acquire();
    return atomic_load_explicit(&reader->sender_port->ring_generation, memory_order_relaxed) ==
               reader->generation &&
           atomic_load_explicit(reader->epoch, memory_order_relaxed) == reader->epoch_value;
}

/* The ring holds what its sender could not have written: it is another by now, or not sound. */
static __attribute__((noinline)) int reader_broken(struct shm_ring_reader *reader)
{
    if (!reader_current(reader))
        return -EPIPE;
    shm_ring_refuse(reader);
    return -EPROTO;
}

static void reader_return(struct shm_ring_reader *reader)
{
    reader->returned = reader->tail;
    atomic_store_explicit(&reader->port->credit, reader->tail, memory_order_release);
}

INLINE uint32_t sender_waiting(const struct shm_ring_reader *reader)
{
    return atomic_load_explicit(&reader->sender_port->sender_waiting, memory_order_relaxed);
}

/* Returns credits when a quarter of the ring is due, or the sender waits and has not been answered,
 * or waits and will get no more. Returns whether to ring the sender's doorbell.
 *
 * Only a quarter's return makes a fence, and that is enough for no wake-up to be lost: a message
 * takes a quarter of the ring at most, so as long as it does not fit, more than half of the ring is
 * yet to be read or returned, and a quarter's return is yet to come. */
INLINE bool reader_settle(struct shm_ring_reader *reader, bool drained)
{
    uint64_t due = reader->tail - reader->returned;
    uint32_t waiting = sender_waiting(reader);
    if (UNLIKELY(due > reader->mask / 4)) {
        reader_return(reader);
        shm_fence();
        waiting = sender_waiting(reader);
        reader->answered = waiting;
        return waiting % 2;
    }
    if (LIKELY(waiting % 2 == 0) || due == 0 || (waiting == reader->answered && !drained))
        return false;
    reader_return(reader);
    reader->answered = waiting;
    return true;
}

/* Nothing to read at `sequence`: is that as it should be? */
INLINE int reader_idle(struct shm_ring_reader *reader, uint64_t sequence, bool *credit_due)
{
    uint64_t cells = reader->mask + 1;
    uint64_t old = reader->tail >= cells ? reader->tail + 1 - cells : 0;
    if (UNLIKELY(sequence != old))
        return reader_broken(reader);
    if (UNLIKELY(!reader_current(reader)))
        return -EPIPE;
    *credit_due = reader_settle(reader, true);
    return 0;
}

/* Copies what continuation cells hold, from byte SHM_INLINE on. Returns false when one of them is
 * not this message's. */
static __attribute__((noinline)) bool receive_more(const struct shm_ring_reader *reader,
                                                   uint8_t *buffer, size_t length)
{
    uint64_t position = reader->tail;
    for (size_t done = SHM_INLINE; done < length; done += MORE_BYTES) {
        position++;
        const struct shm_cell_more *more =
            (const struct shm_cell_more *)&reader->cells[position & reader->mask];
        if (atomic_load_explicit(&more->sequence, memory_order_relaxed) != position + 1)
            return false;
        if (length - done >= MORE_BYTES)
            memcpy(buffer + done, more->payload, MORE_BYTES);
        else
            memcpy(buffer + done, more->payload, length - done);
    }
    return true;
}

int shm_ring_receive(struct shm_ring_reader *reader, uint16_t *kind, void *buffer, size_t capacity,
                     size_t *length, bool *credit_due)
{
    const struct shm_cell *head = &reader->cells[reader->tail & reader->mask];
    uint64_t sequence = atomic_load_explicit(&head->sequence, memory_order_acquire);
    *credit_due = false;
    if (sequence != reader->tail + 1) {
        reader->run = 0;
        return reader_idle(reader, sequence, credit_due);
    }
    if (++reader->run > RUN_LONG)
        __builtin_prefetch(&reader->cells[(reader->tail + RUN_AHEAD) & reader->mask]);

    uint64_t description = SHM_READ_ONCE(head->description);
    size_t bytes = (uint32_t)description;
    uint16_t message_kind = (uint16_t)(description >> 32);
    if (UNLIKELY(description >> 48 != 0 || bytes > shm_ring_message_max(reader->mask + 1)))
        return reader_broken(reader);
    if (UNLIKELY(bytes > capacity)) {
        if (!reader_current(reader))
            return -EPIPE;
        *length = bytes;
        return -EMSGSIZE;
    }
    /* Where there is room the whole head is copied, in moves of a fixed size. */
    if (LIKELY(capacity >= SHM_INLINE))
        memcpy(buffer, head->payload, SHM_INLINE);
    else
        copy_small(buffer, head->payload, bytes);
    uint64_t cells = cells_of(bytes);
    if (bytes > SHM_INLINE && UNLIKELY(!receive_more(reader, buffer, bytes)))
        return reader_broken(reader);
    if (UNLIKELY(!reader_current(reader)))
        return -EPIPE;

    *kind = message_kind;
    *length = bytes;
    reader->tail += cells;
    *credit_due = reader_settle(reader, false);
    return 1;
}

bool shm_ring_pending(const struct shm_ring_reader *reader)
{
    const struct shm_cell *head = &reader->cells[reader->tail & reader->mask];
    uint64_t sequence = atomic_load_explicit(&head->sequence, memory_order_acquire);
    uint64_t cells = reader->mask + 1;
    uint64_t old = reader->tail >= cells ? reader->tail + 1 - cells : 0;
    return sequence != old || !reader_current(reader) ||
           (sender_waiting(reader) % 2 && reader->tail != reader->returned);
}

int shm_ring_peek(struct shm_ring_reader *reader, struct shm_peek *peek, bool *credit_due)
{
    const struct shm_cell *head = &reader->cells[reader->tail & reader->mask];
    uint64_t sequence = atomic_load_explicit(&head->sequence, memory_order_acquire);
    *credit_due = false;
    if (sequence != reader->tail + 1)
        return reader_idle(reader, sequence, credit_due);
    uint64_t description = SHM_READ_ONCE(head->description);
    peek->length = (uint32_t)description;
    peek->kind = (uint16_t)(description >> 32);
    if (UNLIKELY(description >> 48 != 0 || peek->length > shm_ring_message_max(reader->mask + 1)))
        return reader_broken(reader);
    peek->cells = cells_of(peek->length);
    peek->payload = head->payload;
    return 1;
}

int shm_ring_copy(struct shm_ring_reader *reader, const struct shm_peek *peek, void *buffer,
                  size_t length)
{
    copy_small(buffer, peek->payload, length < SHM_INLINE ? length : SHM_INLINE);
    if (length > SHM_INLINE && !receive_more(reader, buffer, length))
        return reader_broken(reader);
    return reader_current(reader) ? 0 : -EPIPE;
}

int shm_ring_release(struct shm_ring_reader *reader, const struct shm_peek *peek, bool at_once,
                     bool *credit_due)
{
    *credit_due = false;
    if (UNLIKELY(!reader_current(reader)))
        return -EPIPE;
    reader->tail += peek->cells;
    *credit_due = at_once ? shm_ring_return(reader) : reader_settle(reader, false);
    return 0;
}

bool shm_ring_return(struct shm_ring_reader *reader)
{
    if (reader->tail == reader->returned)
        return false;
    reader_return(reader);
    shm_fence();
    uint32_t waiting = sender_waiting(reader);
    bool due = waiting % 2 && waiting != reader->answered;
    reader->answered = waiting;
    return due;
}
