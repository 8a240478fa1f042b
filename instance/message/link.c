/* The control channels to the other instances' kernels, and what is known of those: which have
 * ended, and what is to be said to them once there is room.
 *
 * A peer's end is seen in its section's state, in a new generation, or in the proxy's verdict; its
 * kernel (or the proxy) rings all others when it ends. What it had sent before that is taken first.
 */
#include "instance/message/message.h"
#include "instance/message/private.h"

#include "instance/core.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "shm/fence.h"

#include <errno.h>

/* A message that did not fit into the ring. */
struct link_message {
    struct list link;
    uint16_t kind;
    size_t length;
    struct message_kept kept; /* that the peer is charged for */
    uint8_t bytes[];
};

struct message_peer *message_peers;
uint32_t message_peer_count;
uint32_t message_self;

static uint64_t verdicts_seen; /* of the proxy's */

static uint8_t *link_buffer; /* for the message being received */

int links_init(void)
{
    message_self = instance.view.self;
    message_peer_count = instance.view.peers - 2; /* without the proxy and the boot loader */
    message_peers = kzalloc((message_peer_count + 1) * sizeof(*message_peers));
    if (link_buffer == NULL)
        link_buffer = kmalloc(ipi_message_max());
    if (message_peers == NULL || link_buffer == NULL)
        return -ENOMEM;
    for (uint32_t peer = 0; peer <= message_peer_count; peer++) {
        list_init(&message_peers[peer].ends);
        list_init(&message_peers[peer].outbox);
    }
    return 0;
}

/* --- Sending ------------------------------------------------------------------------------------
 */

static void peer_end(uint32_t peer);

/* `charged`: the peer is, for what has to wait for it. */
static int link_send_or_keep(uint32_t peer, uint16_t kind, const void *bytes, size_t length,
                             bool charged)
{
    struct message_peer *to = &message_peers[peer];
    if (to->over)
        return -EPIPE;
    int error = -EAGAIN;
    if (list_empty(&to->outbox)) {
        struct shm_piece piece = {bytes, length};
        error = ipi_send(&host_endpoint, peer, kind, &piece, 1);
    }
    if (error == -EAGAIN) { /* the peer's credits will ring */
        struct message_kept kept = {.kernel = charged ? sizeof(struct link_message) + length : 0};
        if (charged && !quota_allows(peer, kept))
            return -ENOMEM;
        struct link_message *message = kmalloc(sizeof(*message) + length);
        if (message == NULL)
            return -ENOMEM;
        message->kept = kept;
        quota_charge(peer, kept);
        message->kind = kind;
        message->length = length;
        memcpy(message->bytes, bytes, length);
        list_append(&to->outbox, &message->link);
        return 0;
    }
    return error;
}

int link_send(uint32_t peer, uint16_t kind, const void *bytes, size_t length)
{
    return link_send_or_keep(peer, kind, bytes, length, false);
}

int link_answer(uint32_t peer, uint16_t kind, const void *bytes, size_t length)
{
    return link_send_or_keep(peer, kind, bytes, length, true);
}

static void outbox_remove(uint32_t peer, struct link_message *message)
{
    list_remove(&message->link);
    quota_release(peer, message->kept);
    kfree(message);
}

static void outbox_flush(uint32_t peer)
{
    struct message_peer *to = &message_peers[peer];
    for (struct list *node = to->outbox.next, *next; node != &to->outbox; node = next) {
        struct link_message *message = LIST_ENTRY(node, struct link_message, link);
        next = node->next;
        struct shm_piece piece = {message->bytes, message->length};
        if (ipi_send(&host_endpoint, peer, message->kind, &piece, 1) == -EAGAIN)
            return;
        outbox_remove(peer, message);
    }
}

/* --- Receiving ----------------------------------------------------------------------------------
 */

static void take_message(uint32_t peer, uint16_t kind, const uint8_t *bytes, size_t length)
{
    union {
        struct control_channel_open open;
        struct control_channel_accept accept;
        struct control_channel_refuse refuse;
        struct control_channel_close close;
        struct control_counter counter;
        struct control_counter_done counter_done;
    } message;
    static const size_t lengths[] = {
        [CONTROL_CHANNEL_OPEN] = sizeof(message.open),
        [CONTROL_CHANNEL_ACCEPT] = sizeof(message.accept),
        [CONTROL_CHANNEL_REFUSE] = sizeof(message.refuse),
        [CONTROL_CHANNEL_CLOSE] = sizeof(message.close),
        [CONTROL_COUNTER] = sizeof(message.counter),
        [CONTROL_COUNTER_DONE] = sizeof(message.counter_done),
    };
    if (kind >= sizeof(lengths) / sizeof(*lengths) || lengths[kind] == 0 ||
        length < lengths[kind]) {
        log_warn("message of kind %u, %lu bytes, from instance %u: ignored", kind, (uint64_t)length,
                 peer);
        return;
    }
    memcpy(&message, bytes, lengths[kind]);
    switch (kind) {
    case CONTROL_CHANNEL_OPEN:
        channel_take_open(peer, &message.open);
        break;
    case CONTROL_CHANNEL_ACCEPT:
        channel_take_accept(peer, &message.accept);
        break;
    case CONTROL_CHANNEL_REFUSE:
        channel_take_refuse(peer, &message.refuse);
        break;
    case CONTROL_CHANNEL_CLOSE:
        channel_take_close(peer, &message.close);
        break;
    case CONTROL_COUNTER:
        counter_take_request(peer, &message.counter);
        break;
    case CONTROL_COUNTER_DONE:
        counter_take_answer(peer, &message.counter_done);
        break;
    default:
        break;
    }
}

/* Nothing will come from this generation any more. */
static void peer_end(uint32_t peer)
{
    struct message_peer *at = &message_peers[peer];
    if (at->over)
        return;
    at->over = true;
    channels_peer_over(at);
    counters_peer_over(peer);
    for (struct list *node = at->outbox.next, *next; node != &at->outbox; node = next) {
        next = node->next;
        outbox_remove(peer, LIST_ENTRY(node, struct link_message, link));
    }
}

static bool state_is_final(uint32_t state)
{
    return state >= SHM_STATE_EXITED && state <= SHM_STATE_STOPPED;
}

/* Has the proxy said that this generation of the peer is over? */
static bool has_verdict(uint32_t peer, uint64_t generation)
{
    const struct shm_header *header = (const struct shm_header *)instance.lagoon;
    uint64_t offset = SHM_READ_ONCE(header->verdicts_offset);
    uint64_t at = offset + peer * sizeof(struct shm_verdict);
    if (offset == 0 || offset % sizeof(struct shm_verdict) != 0 || at > instance.view.size ||
        sizeof(struct shm_verdict) > instance.view.size - at)
        return false;
    const struct shm_verdict *verdict = (const struct shm_verdict *)(instance.lagoon + at);
    return atomic_load_explicit(&verdict->generation, memory_order_acquire) == generation;
}

enum shm_state peer_state(uint32_t peer)
{
    const struct shm_section *section = shm_view_section(&instance.view, peer, NULL);
    if (section == NULL)
        return SHM_STATE_EMPTY;
    uint32_t state = atomic_load_explicit(&section->state, memory_order_acquire);
    uint64_t generation = atomic_load_explicit(&section->generation, memory_order_acquire);
    if (!state_is_final(state) && generation != 0 && has_verdict(peer, generation))
        return SHM_STATE_HUNG;
    return state <= SHM_STATE_STOPPED ? (enum shm_state)state : SHM_STATE_HUNG;
}

/* Notes a new generation of the peer. Returns whether the one that is known has ended. */
static bool peer_look(uint32_t peer)
{
    struct message_peer *at = &message_peers[peer];
    if (at->section != NULL &&
        atomic_load_explicit(&at->section->generation, memory_order_acquire) == at->generation)
        return state_is_final(atomic_load_explicit(&at->section->state, memory_order_acquire)) ||
               has_verdict(peer, at->generation);

    const struct shm_section *section = shm_view_section(&instance.view, peer, NULL);
    if (section == NULL)
        return at->generation != 0;
    uint64_t generation = atomic_load_explicit(&section->generation, memory_order_acquire);
    if (at->generation != 0)
        peer_end(peer);
    const struct shm_port *port = shm_view_port(&instance.view, section, peer, peer);
    at->news = port != NULL ? &port->SHM_PORT_NEWS : NULL;
    at->seen = 0;
    at->section = section;
    at->generation = generation;
    at->over = false;
    return false;
}

static void link_receive(uint32_t peer)
{
    bool over = peer_look(peer);
    if (over && message_peers[peer].over)
        return;
    bool again;
    do {
        uint16_t kind;
        size_t length;
        int result;
        again = false;
        while ((result = ipi_receive(&host_endpoint, peer, &kind, link_buffer, ipi_message_max(),
                                     &length)) == 1) {
            take_message(peer, kind, link_buffer, length);
            again = true;
        }
        if (result < 0) {
            log_warn("the channel from the kernel of instance %u is closed: error %d", peer,
                     result);
            over = true;
        }
        /* Armed for good, and anew for each doorbell that has been answered. */
        again = again && ipi_arm(&host_endpoint, peer, peer);
    } while (again);
    if (over)
        peer_end(peer);
    else if (!list_empty(&message_peers[peer].outbox))
        outbox_flush(peer);
}

/* Has the peer, or the outbox for it, something to look at? */
static bool peer_has_news(struct message_peer *peer)
{
    if (peer->news == NULL)
        return true;
    uint64_t now = atomic_load_explicit(peer->news, memory_order_acquire);
    if (now == peer->seen)
        return !list_empty(&peer->outbox);
    peer->seen = now; /* before looking: what comes meanwhile is more news */
    return true;
}

void links_receive(bool all)
{
    const struct shm_header *header = (const struct shm_header *)instance.lagoon;
    uint64_t verdicts = atomic_load_explicit(&header->verdicts_given, memory_order_acquire);
    if (verdicts != verdicts_seen)
        all = true;
    verdicts_seen = verdicts;
    for (uint32_t peer = 1; peer <= message_peer_count; peer++)
        if (peer != message_self && (peer_has_news(&message_peers[peer]) || all))
            link_receive(peer);
}

bool peer_is_there(uint32_t peer, uint64_t generation)
{
    if (peer == 0 || peer > message_peer_count || peer == message_self)
        return false;
    link_receive(peer);
    return message_peers[peer].generation == generation && generation != 0 &&
           !message_peers[peer].over;
}

/* --- Ringing ------------------------------------------------------------------------------------
 */

static void ring_others(bool all)
{
    for (uint32_t peer = 1; peer <= message_peer_count; peer++) {
        const struct shm_section *section;
        if (peer == message_self ||
            (section = shm_view_section(&instance.view, peer, NULL)) == NULL)
            continue;
        const struct shm_port *port =
            shm_view_port(&instance.view, section, peer, instance.view.self);
        uint64_t at = atomic_load_explicit(&section->directory_offset, memory_order_acquire);
        const struct shm_directory *directory =
            at % SHM_LINE != 0 ? NULL
                               : shm_view_bytes(&instance.view, peer, at, sizeof(*directory));
        if (all && port != NULL)
            platform_doorbell_ring(NULL, peer,
                                   atomic_load_explicit(&port->reader_core, memory_order_relaxed));
        else if (!all && at != 0 && directory != NULL &&
                 atomic_load_explicit(&directory->interest, memory_order_relaxed) % 2)
            platform_doorbell_ring(
                NULL, peer, atomic_load_explicit(&directory->interest_core, memory_order_relaxed));
    }
}

void message_announce_running(void)
{
    shm_fence();
    ring_others(false);
}

void message_announce_end(void)
{
    if (message_peers == NULL)
        return; /* nobody has seen it yet */
    atomic_fetch_add_explicit(&host_endpoint.ports[message_self].SHM_PORT_NEWS, 1,
                              memory_order_release);
    shm_fence();
    ring_others(true);
}

/* --- All of it ----------------------------------------------------------------------------------
 */

int message_init(void)
{
    objects_init();
    counters_init();
    extents_init();
    int error = links_init();
    if (error == 0)
        error = directory_init();
    if (error != 0)
        return error;
    /* So that no two generations' are the same. */
    atomic_store_explicit(&host_endpoint.ports[message_self].SHM_PORT_NEWS,
                          instance.handover->generation << 32 | 1, memory_order_release);
    uint64_t saved = spin_lock_irq(&host_lock);
    /* Armed for good: the kernel does not poll these channels. */
    if (ipi_arm(&host_endpoint, 1, message_peer_count))
        links_receive(true);
    spin_unlock_irq(&host_lock, saved);
    return 0;
}

static void look(bool all)
{
    uint64_t saved = spin_lock_irq(&host_lock);
    links_receive(all);
    objects_look();
    directory_wake();
    spin_unlock_irq(&host_lock, saved);
}

void message_doorbell(void)
{
    look(false);
}

void message_look_at_all(void)
{
    look(true);
}
