/* The ends of channels: made, matched with the other end over the control channel, and unmade.
 *
 * The sender's kernel makes record and ring in its section and sends OPEN; the reader's kernel
 * checks them, makes its own record, puts the new end into the port's list, and answers ACCEPT, all
 * of it in its message interrupt: no program has to be waiting. Each end says CLOSE once its
 * program uses it no more, and frees its memory when it has heard the other's: until then the other
 * may still be reading it. The end of a peer counts as its CLOSE. */
#include "instance/message/private.h"

#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "shm/fence.h"

#include <errno.h>

static uint32_t ring_count; /* made so far, so that no two have the same ring_generation */

/* What the program has been given, so that it can give back nothing else; by offset. */
struct message_extent {
    struct list link;
    struct list end_link; /* in message_end.extents */
    uint64_t offset;
    uint64_t length;
};

/* The other end's record, or NULL where it would not lie in that peer's section. */
static const struct shm_channel *record_at(uint32_t peer, uint64_t offset)
{
    return offset % SHM_LINE != 0
               ? NULL
               : shm_view_bytes(&instance.view, peer, offset, sizeof(struct shm_channel));
}

/* A new end in the own section; not in the table yet. */
static struct message_end *end_make(uint32_t peer)
{
    struct message_end *end = kzalloc(sizeof(*end));
    if (end == NULL)
        return NULL;
    end->own_offset = host_extent_alloc(sizeof(*end->own));
    if (end->own_offset == 0) {
        kfree(end);
        return NULL;
    }
    end->own = (struct shm_channel *)host_extent_bytes(end->own_offset);
    memset(end->own, 0, sizeof(*end->own));
    end->peer = peer;
    end->peer_generation = message_peers[peer].generation;
    list_init(&end->accepted);
    list_init(&end->peer_link);
    list_init(&end->extents);
    return end;
}

/* Frees the end; nobody knows it any more. */
static void end_free(struct message_end *end)
{
    quota_release(end->peer, end->kept);
    message_peers[end->peer].lingering -= end->lingers;
    list_remove(&end->peer_link);
    list_remove(&end->accepted);
    extents_free(end);
    if (end->object.kind == OBJECT_SENDER && end->cells_offset != 0)
        host_extent_free(end->cells_offset);
    host_extent_free(end->own_offset);
    kfree(end);
}

/* The program is done with a sender's end: from now on it is the peer's doing that it is kept. */
static void end_linger(struct message_end *end)
{
    if (end->other_closed)
        return;
    end->lingers = sizeof(*end->own) + (end->mask + 1) * sizeof(*end->cells);
    for (struct list *node = end->extents.next; node != &end->extents; node = node->next)
        end->lingers += LIST_ENTRY(node, struct message_extent, end_link)->length;
    message_peers[end->peer].lingering += end->lingers;
}

static void end_free_if_done(struct message_end *end)
{
    if (!end->closed || !end->other_closed)
        return;
    object_remove(&end->object);
    end_free(end);
}

static void fill_call(const struct message_end *end, struct atoll_call_channel *call)
{
    call->id = end->object.id;
    call->peer = end->peer;
    call->peer_generation = end->peer_generation;
    call->cells = (uint32_t)(end->mask + 1);
    call->own = end->own_offset;
    call->other = end->other_offset;
    call->cells_offset = end->cells_offset;
    call->ring_generation = end->ring_generation;
}

/* --- The sender's end ---------------------------------------------------------------------------
 */

/* Locked. Record and ring in the own section, and the end in the table. */
static struct message_end *sender_make(uint32_t peer, uint32_t cells)
{
    struct message_end *end = end_make(peer);
    if (end == NULL)
        return NULL;
    uint64_t bytes = cells * sizeof(struct shm_cell);
    end->object.kind = OBJECT_SENDER;
    end->cells_offset = host_extent_alloc(bytes);
    if (end->cells_offset == 0 || object_add(&end->object, OBJECT_SENDER) != 0) {
        end_free(end);
        return NULL;
    }
    end->state = END_OPENING;
    end->cells = (const struct shm_cell *)host_extent_bytes(end->cells_offset);
    end->mask = cells - 1;
    end->ring_generation = instance.handover->generation << 32 | ++ring_count;
    struct shm_ring_writer writer;
    shm_ring_writer_create(&writer, &end->own->port, host_extent_bytes(end->cells_offset),
                           end->cells_offset, cells, end->ring_generation);
    list_append(&message_peers[peer].ends, &end->peer_link);
    return end;
}

int64_t channel_open(struct atoll_call_channel *call)
{
    if (call->cells < SHM_RING_CELLS_MIN || call->cells > SHM_RING_CELLS_MAX ||
        (call->cells & (call->cells - 1)) != 0 || call->peer == 0 ||
        call->peer > message_peer_count || call->peer == message_self)
        return -EINVAL;
    struct wait_queue opener;
    wait_queue_init(&opener);
    uint64_t saved = spin_lock_irq(&host_lock);
    int64_t result = -EPIPE;
    if (!peer_is_there(call->peer, call->peer_generation))
        goto out;
    result = -ENOMEM;
    if (!quota_lets_open(call->peer))
        goto out;
    struct message_end *end = sender_make(call->peer, call->cells);
    if (end == NULL)
        goto out;
    struct control_channel_open message = {end->object.id, call->port, end->own_offset};
    end->opener = &opener;
    result = link_send(call->peer, CONTROL_CHANNEL_OPEN, &message, sizeof(message));
    if (result != 0) {
        object_remove(&end->object);
        end_free(end);
        goto out;
    }
    while (end->state == END_OPENING && end->error == 0 && result == 0) {
        result = message_deadline_passed(call->deadline)
                     ? -ETIMEDOUT
                     : message_sleep(&opener, &saved, call->deadline);
    }
    end->opener = NULL;
    if (end->state == END_OPENING && end->error == 0) { /* the answer will find it closed */
        end->closed = true;
        end_linger(end);
        goto out;
    }
    if (end->state == END_OPENING) { /* refused */
        result = -end->error;
        object_remove(&end->object);
        end_free(end);
    } else { /* accepted; should the peer have ended since, the first send says so */
        fill_call(end, call);
        result = 0;
    }
out:
    spin_unlock_irq(&host_lock, saved);
    return result;
}

/* The sender's end that a message of `peer` is about, or NULL. */
static struct message_end *end_of_peer(uint32_t peer, uint64_t id, enum message_object_kind kind)
{
    struct message_end *end = object_find_end(id);
    if (end == NULL || end->peer != peer || (end->object.kind != kind && kind != OBJECT_PORT) ||
        end->peer_generation != message_peers[peer].generation)
        return NULL;
    return end;
}

static void end_say_closed(struct message_end *end)
{
    struct control_channel_close message = {end->peer_id};
    if (end->peer_id != 0 && !end->other_closed)
        link_send(end->peer, CONTROL_CHANNEL_CLOSE, &message, sizeof(message));
}

void channel_take_accept(uint32_t peer, const struct control_channel_accept *message)
{
    struct message_end *end = end_of_peer(peer, message->sender, OBJECT_SENDER);
    if (end == NULL || end->state != END_OPENING || end->error != 0) {
        log_warn("instance %u accepts a channel that nobody opens", peer);
        return;
    }
    end->other = record_at(peer, message->offset);
    if (end->other == NULL) {
        end->error = EPROTO;
        end->other_closed = true;
    } else {
        end->state = END_OPEN;
        end->other_offset = message->offset;
        end->peer_id = message->reader;
    }
    if (end->opener != NULL) {
        wait_queue_wake(end->opener, UINT32_MAX);
    } else { /* given up meanwhile */
        atomic_store_explicit(&end->own->closed, 1, memory_order_release);
        end_say_closed(end);
        end_free_if_done(end);
    }
}

void channel_take_refuse(uint32_t peer, const struct control_channel_refuse *message)
{
    struct message_end *end = end_of_peer(peer, message->sender, OBJECT_SENDER);
    if (end == NULL || end->state != END_OPENING || end->error != 0)
        return;
    end->error =
        message->error == ENOENT || message->error == ENOMEM ? (int)message->error : EPROTO;
    end->other_closed = true;
    if (end->opener != NULL)
        wait_queue_wake(end->opener, UINT32_MAX);
    else
        end_free_if_done(end);
}

/* --- The reader's end ---------------------------------------------------------------------------
 */

static int reader_make(uint32_t peer, const struct control_channel_open *message,
                       struct message_named *port)
{
    const struct message_kept kept = {sizeof(struct shm_channel), sizeof(struct message_end)};
    if (!quota_allows(peer, kept))
        return -ENOMEM;
    const struct shm_channel *other = record_at(peer, message->offset);
    uint64_t size = SHM_READ_ONCE(instance.view.extents[peer].size);
    const uint8_t *bytes = shm_view_bytes(&instance.view, peer, 0, size);
    if (other == NULL || bytes == NULL)
        return -EPROTO;
    struct message_end *end = end_make(peer);
    if (end == NULL)
        return -ENOMEM;
    end->kept = kept;
    quota_charge(peer, kept);
    struct shm_ring_reader reader;
    int error = shm_ring_reader_open(&reader, &end->own->port, &other->port, bytes, size);
    if (error == 0)
        error = object_add(&end->object, OBJECT_READER);
    if (error != 0) {
        end->object.kind = OBJECT_READER;
        end_free(end);
        return error == -EAGAIN ? -EPROTO : error;
    }
    end->state = END_OPEN;
    end->peer_id = message->sender;
    end->other = other;
    end->other_offset = message->offset;
    end->cells = reader.cells;
    end->cells_offset = (uint64_t)((const uint8_t *)reader.cells - bytes);
    end->mask = reader.mask;
    end->ring_generation = reader.generation;
    struct control_channel_accept answer = {message->sender, end->object.id, end->own_offset};
    error = link_answer(peer, CONTROL_CHANNEL_ACCEPT, &answer, sizeof(answer));
    if (error != 0) {
        object_remove(&end->object);
        end_free(end);
        return error;
    }
    list_append(&message_peers[peer].ends, &end->peer_link);
    list_append(&port->accepted, &end->accepted);
    object_look(&port->object);
    return 0;
}

void channel_take_open(uint32_t peer, const struct control_channel_open *message)
{
    struct message_named *port = object_find_named(message->port, OBJECT_PORT);
    int error = port != NULL ? reader_make(peer, message, port) : -ENOENT;
    if (error != 0) {
        struct control_channel_refuse answer = {.sender = message->sender,
                                                .error = (uint32_t)-error};
        link_answer(peer, CONTROL_CHANNEL_REFUSE, &answer, sizeof(answer));
    }
}

int64_t channel_accept(uint64_t id, struct atoll_call_channel *call)
{
    int64_t result = -ENOENT;
    uint64_t saved = spin_lock_irq(&host_lock);
    struct message_named *port = object_find_named(id, OBJECT_PORT);
    if (port != NULL && list_empty(&port->accepted)) {
        result = -EAGAIN;
    } else if (port != NULL) {
        struct message_end *end = LIST_ENTRY(port->accepted.next, struct message_end, accepted);
        list_remove(&end->accepted);
        fill_call(end, call);
        result = 0;
    }
    spin_unlock_irq(&host_lock, saved);
    return result;
}

/* --- Both ---------------------------------------------------------------------------------------
 */

enum message_readiness channel_ready(const struct message_end *end)
{
    const struct shm_channel *other = end->other;
    if (atomic_load_explicit(&end->own->broken, memory_order_relaxed) != 0 || end->other_closed)
        return READY_BROKEN;
    if (end->state == END_OPENING)
        return NOT_READY;
    uint64_t position = atomic_load_explicit(&end->own->position, memory_order_relaxed);
    if (end->object.kind == OBJECT_READER) {
        const struct shm_cell *head = &end->cells[position & end->mask];
        uint64_t sequence = atomic_load_explicit(&head->sequence, memory_order_acquire);
        uint64_t old = position > end->mask ? position - end->mask : 0;
        if (sequence != old)
            return READY;
        if (atomic_load_explicit(&other->port.ring_generation, memory_order_relaxed) !=
            end->ring_generation)
            return READY_BROKEN;
    } else {
        if (atomic_load_explicit(&other->port.refused, memory_order_relaxed) ==
            end->ring_generation)
            return READY_BROKEN;
        uint64_t credit = atomic_load_explicit(&other->port.credit, memory_order_acquire);
        if ((int64_t)(credit - position) >= 0 ||
            shm_channel_read(other, end->ring_generation) >= position)
            return READY;
    }
    return atomic_load_explicit(&other->closed, memory_order_acquire) ? READY_BROKEN : NOT_READY;
}

void channel_ring(const struct message_end *end)
{
    if (end->other == NULL || end->other_closed)
        return;
    const struct shm_port *port = &end->other->port;
    const _Atomic uint32_t *core =
        end->object.kind == OBJECT_SENDER ? &port->reader_core : &port->sender_core;
    platform_doorbell_ring(NULL, end->peer, atomic_load_explicit(core, memory_order_relaxed));
}

/* The program has no use for it any more. */
void channel_close(struct message_end *end)
{
    if (end->closed)
        return;
    end->closed = true;
    if (end->object.kind == OBJECT_READER)
        atomic_store_explicit(&end->own->port.refused, end->ring_generation, memory_order_release);
    else
        end_linger(end);
    atomic_store_explicit(&end->own->closed, 1, memory_order_release);
    end_say_closed(end); /* its doorbell has the other look at its end, too */
    end_free_if_done(end);
}

void channel_take_close(uint32_t peer, const struct control_channel_close *message)
{
    struct message_end *end = end_of_peer(peer, message->id, OBJECT_PORT);
    if (end == NULL || end->other_closed)
        return;
    end->other_closed = true;
    atomic_store_explicit(&end->own->broken, EPIPE, memory_order_release);
    object_look(&end->object);
    end_free_if_done(end);
}

void channels_peer_over(struct message_peer *peer)
{
    for (struct list *node = peer->ends.next, *next; node != &peer->ends; node = next) {
        struct message_end *end = LIST_ENTRY(node, struct message_end, peer_link);
        next = node->next;
        end->other_closed = true;
        atomic_store_explicit(&end->own->broken, EPIPE, memory_order_release);
        if (end->state == END_OPENING || end->opener != NULL) {
            end->error = EPIPE;
            if (end->opener != NULL) {
                list_remove(&end->peer_link);
                wait_queue_wake(end->opener, UINT32_MAX);
                continue;
            }
        }
        list_remove(&end->peer_link); /* of a generation that is over */
        object_look(&end->object);
        end_free_if_done(end);
    }
}

/* --- Bulk memory --------------------------------------------------------------------------------
 */

#define EXTENT_BUCKETS 256
static struct list extent_buckets[EXTENT_BUCKETS];

static struct list *extent_bucket(uint64_t offset)
{
    return &extent_buckets[(offset / SHM_LINE) * UINT64_C(0x9e3779b97f4a7c15) >> 56];
}

void extents_init(void)
{
    for (int i = 0; i < EXTENT_BUCKETS; i++)
        list_init(&extent_buckets[i]);
}

int64_t extent_alloc(uint64_t length, uint64_t alignment, uint64_t id)
{
    if (length == 0 || alignment < SHM_LINE || (alignment & (alignment - 1)) != 0)
        return -EINVAL;
    struct message_extent *extent = kmalloc(sizeof(*extent));
    if (extent == NULL)
        return -ENOMEM;
    int64_t result = -ENOENT;
    uint64_t saved = spin_lock_irq(&host_lock);
    struct message_end *end = id != 0 ? object_find_end(id) : NULL;
    if (id == 0 || end != NULL) {
        result = -ENOMEM;
        extent->offset = shm_heap_alloc(host_endpoint.heap, length, alignment);
        extent->length = length;
        if (extent->offset != 0) {
            list_init(&extent->end_link);
            list_append(extent_bucket(extent->offset), &extent->link);
            if (end != NULL)
                list_append(&end->extents, &extent->end_link);
            result = (int64_t)extent->offset;
        }
    }
    spin_unlock_irq(&host_lock, saved);
    if (result < 0)
        kfree(extent);
    return result;
}

static void extent_release(struct message_extent *extent)
{
    list_remove(&extent->link);
    list_remove(&extent->end_link);
    host_extent_free(extent->offset);
    kfree(extent);
}

int64_t extent_free(uint64_t offset)
{
    int64_t result = -ENOENT;
    uint64_t saved = spin_lock_irq(&host_lock);
    struct list *bucket = extent_bucket(offset);
    for (struct list *node = bucket->next; node != bucket; node = node->next) {
        struct message_extent *extent = LIST_ENTRY(node, struct message_extent, link);
        if (extent->offset != offset)
            continue;
        extent_release(extent);
        result = 0;
        break;
    }
    host_wake(); /* a write to the console may wait for bulk memory */
    spin_unlock_irq(&host_lock, saved);
    return result;
}

void extents_free(struct message_end *end)
{
    for (struct list *node = end->extents.next, *next; node != &end->extents; node = next) {
        next = node->next;
        extent_release(LIST_ENTRY(node, struct message_extent, end_link));
    }
}
