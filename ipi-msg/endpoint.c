/* Control channels between peers: see ipi-msg/endpoint.h.
 *
 * A link is with one generation of the peer's section. Every call first looks whether that is still
 * the one (link_refresh): when it is not, the link closes with -EPIPE, ipi_receive says so once,
 * and the next call begins afresh with the new generation. Closing withdraws the own ring, so that
 * the peer's end closes too. Rings are numbered: the section's generation in the upper half, and
 * how many have been made to that peer in the lower, so that no two are ever taken for one another.
 */
#include "ipi-msg/endpoint.h"

#include "shm/fence.h"

#include <errno.h>
#include <string.h>

void ipi_endpoint_init(struct ipi_endpoint *endpoint, const struct shm_view *view,
                       struct shm_section *section, struct shm_heap *heap, struct ipi_link *links,
                       doorbell_ring_t ring, void *ring_context, uint32_t core)
{
    *endpoint = (struct ipi_endpoint){
        .view = *view,
        .section = section,
        .generation = atomic_load_explicit(&section->generation, memory_order_relaxed),
        .ports = shm_view_port(view, section, view->self, 0),
        .heap = heap,
        .links = links,
        .ring = ring,
        .ring_context = ring_context,
        .core = core};
}

size_t ipi_message_max(void)
{
    return shm_ring_message_max(IPI_RING_CELLS);
}

static bool is_other(const struct ipi_endpoint *endpoint, uint32_t peer)
{
    return peer < endpoint->view.peers && peer != endpoint->view.self;
}

/* --- The state of a link
 * --------------------------------------------------------------------------*/

/* Who is rung looks at those whose news have changed. The owner serialises, so no atomic addition.
 */
static void say_news(struct ipi_endpoint *endpoint)
{
    _Atomic uint64_t *news = &endpoint->ports[endpoint->view.self].SHM_PORT_NEWS;
    atomic_store_explicit(news, atomic_load_explicit(news, memory_order_relaxed) + 1,
                          memory_order_release);
}

static void link_close(struct ipi_endpoint *endpoint, uint32_t peer, int error)
{
    struct ipi_link *link = &endpoint->links[peer];
    atomic_store_explicit(&endpoint->ports[peer].ring_generation, 0, memory_order_release);
    say_news(endpoint);
    link->writer_open = link->reader_open = false;
    link->section = NULL;
    link->error = error;
    link->reported = false;
}

/* The peer's section as it is now, and its generation: NULL and 0 when there is none that is sound,
 * or none but that of a generation which is over. */
static const struct shm_section *peer_section(const struct ipi_endpoint *endpoint, uint32_t peer,
                                              uint64_t *generation)
{
    const struct shm_section *section = shm_view_section(&endpoint->view, peer, NULL);
    *generation = 0;
    if (!section)
        return NULL;
    uint64_t now = atomic_load_explicit(&section->generation, memory_order_acquire);
    if (now == 0 || now == endpoint->links[peer].past)
        return NULL;
    *generation = now;
    return section;
}

/* From now on the link is with `generation` of the peer. A ring made before is the peer's too.
 * Returns 0, or -EPROTO when the section has become unsound since it was checked. */
static int link_bind(struct ipi_endpoint *endpoint, uint32_t peer,
                     const struct shm_section *section, uint64_t generation)
{
    struct ipi_link *link = &endpoint->links[peer];
    link->generation = generation;
    link->peer_port = shm_view_port(&endpoint->view, section, peer, endpoint->view.self);
    if (!link->peer_port) {
        link_close(endpoint, peer, -EPROTO);
        return -EPROTO;
    }
    link->section = section;
    if (link->writer_open) {
        link->writer.reader_port = link->peer_port;
        atomic_store_explicit(&endpoint->ports[peer].ring_reader, generation, memory_order_release);
    }
    return 0;
}

/* Brings the link up to date with the peer's section. Returns 0, or why it is closed. */
static int link_refresh(struct ipi_endpoint *endpoint, uint32_t peer)
{
    struct ipi_link *link = &endpoint->links[peer];
    /* The usual case. The link has no section before the peer's first, and none once closed. */
    if (link->section &&
        atomic_load_explicit(&link->section->generation, memory_order_acquire) == link->generation)
        return 0;

    uint64_t generation;
    const struct shm_section *section = peer_section(endpoint, peer, &generation);
    if (!link->error && link->section)
        link_close(endpoint, peer, -EPIPE);
    if (link->error) {
        if (!link->reported || !section || generation == link->generation)
            return link->error;
        ipi_reset(endpoint, peer);
    }
    return section ? link_bind(endpoint, peer, section, generation) : 0;
}

void ipi_reset(struct ipi_endpoint *endpoint, uint32_t peer)
{
    if (!is_other(endpoint, peer))
        return;
    struct ipi_link *link = &endpoint->links[peer];
    link_close(endpoint, peer, 0);
    /* What is kept: the ring's memory and number, and which generation not to take for the new. */
    *link = (struct ipi_link){.past = link->generation ? link->generation : link->past,
                              .ring_offset = link->ring_offset,
                              .rings = link->rings};
}

/* --- Sending
 * --------------------------------------------------------------------------------------*/

/* Makes the ring to `peer`, whose section may not be there yet. Returns 0 or -ENOMEM. */
static int link_open_writer(struct ipi_endpoint *endpoint, uint32_t peer)
{
    struct ipi_link *link = &endpoint->links[peer];
    const uint64_t size = IPI_RING_CELLS * sizeof(struct shm_cell);
    if (!link->ring_offset)
        link->ring_offset = shm_heap_alloc(endpoint->heap, size, SHM_LINE);
    void *cells = link->ring_offset ? shm_view_own(&endpoint->view, link->ring_offset, size) : NULL;
    if (!cells)
        return -ENOMEM;

    struct shm_port *port = &endpoint->ports[peer];
    uint64_t number = endpoint->generation << 32 | ++link->rings;
    /* No ring is announced at this moment (link_close), so nobody reads for whom it would be. */
    atomic_store_explicit(&port->ring_reader, link->generation, memory_order_release);
    shm_ring_writer_create(&link->writer, port, cells, link->ring_offset, IPI_RING_CELLS, number);
    link->writer.reader_port = link->section ? link->peer_port : NULL;
    link->writer_open = true;
    return 0;
}

static void ring_reader(struct ipi_endpoint *endpoint, uint32_t peer)
{
    struct ipi_link *link = &endpoint->links[peer];
    uint32_t core;
    if (peer != SHM_PEER_PROXY)
        say_news(endpoint);
    bool armed = shm_ring_reader_armed(&link->writer, &core);
    /* The peer may have come up meanwhile: it has armed before it looked for the ring. */
    if (!link->section && link_refresh(endpoint, peer) == 0 && link->section)
        armed = shm_ring_reader_armed(&link->writer, &core);
    if (armed)
        endpoint->ring(endpoint->ring_context, peer, core);
}

int ipi_send(struct ipi_endpoint *endpoint, uint32_t peer, uint16_t kind,
             const struct shm_piece *pieces, size_t count)
{
    if (!is_other(endpoint, peer))
        return -EINVAL;
    struct ipi_link *link = &endpoint->links[peer];
    int error = link_refresh(endpoint, peer);
    if (!error && !link->writer_open)
        error = link_open_writer(endpoint, peer);
    if (error)
        return error;

    error = shm_ring_send(&link->writer, kind, pieces, count);
    if (error == -EAGAIN) {
        size_t length = 0; /* the sum is known not to overflow: it is no -EMSGSIZE */
        for (size_t i = 0; i < count; i++)
            length += pieces[i].length;
        if (shm_ring_sender_wait(&link->writer, length, endpoint->core))
            error = shm_ring_send(&link->writer, kind, pieces, count);
    }
    if (error == -EPIPE || error == -EPROTO)
        link_close(endpoint, peer, error);
    if (!error)
        ring_reader(endpoint, peer);
    return error;
}

/* --- Receiving
 * ------------------------------------------------------------------------------------*/

/* Binds to the peer's ring if there is one. Returns 0, -EAGAIN, or -EPROTO. */
static int link_open_reader(struct ipi_endpoint *endpoint, uint32_t peer)
{
    struct ipi_link *link = &endpoint->links[peer];
    if (!link->section)
        return -EAGAIN;
    uint64_t size = SHM_READ_ONCE(endpoint->view.extents[peer].size);
    const uint8_t *bytes = shm_view_bytes(&endpoint->view, peer, 0, size);
    if (!bytes)
        return -EPROTO;
    /* A ring made for a former generation of this peer has been read from by that. A ring made anew
     * says for whom before it announces itself, so what is opened below is no older than this. */
    uint64_t reader = atomic_load_explicit(&link->peer_port->ring_reader, memory_order_acquire);
    if (reader != 0 && reader != endpoint->generation)
        return -EAGAIN;
    int error =
        shm_ring_reader_open(&link->reader, &endpoint->ports[peer], link->peer_port, bytes, size);
    link->reader_open = error == 0;
    return error;
}

int ipi_receive(struct ipi_endpoint *endpoint, uint32_t peer, uint16_t *kind, void *buffer,
                size_t capacity, size_t *length)
{
    if (!is_other(endpoint, peer))
        return 0;
    struct ipi_link *link = &endpoint->links[peer];
    int error = link_refresh(endpoint, peer);
    if (!error && !link->reader_open)
        error = link_open_reader(endpoint, peer);
    if (error == -EAGAIN)
        return 0;

    int result = error;
    bool credit_due = false;
    if (!error)
        result = shm_ring_receive(&link->reader, kind, buffer, capacity, length, &credit_due);
    if (credit_due)
        endpoint->ring(
            endpoint->ring_context, peer,
            atomic_load_explicit(&link->reader.sender_port->sender_core, memory_order_relaxed));
    if (result >= 0)
        return result;
    if (result == -EMSGSIZE) {
        shm_ring_refuse(&link->reader);
        result = -EPROTO;
    }
    if (!link->error)
        link_close(endpoint, peer, result);
    bool reported = link->reported;
    link->reported = true;
    return reported ? 0 : link->error;
}

/* --- Sleeping
 * -------------------------------------------------------------------------------------*/

/* Is there something that ipi_receive would return, or do? */
static bool link_pending(struct ipi_endpoint *endpoint, uint32_t peer)
{
    struct ipi_link *link = &endpoint->links[peer];
    int error = link_refresh(endpoint, peer);
    if (!error && !link->reader_open)
        error = link_open_reader(endpoint, peer);
    if (error == -EAGAIN)
        return false;
    if (error && !link->error)
        link_close(endpoint, peer, error);
    return error ? !link->reported : shm_ring_pending(&link->reader);
}

bool ipi_arm(struct ipi_endpoint *endpoint, uint32_t first, uint32_t last)
{
    bool pending = false;
    for (uint32_t peer = first; peer <= last && peer < endpoint->view.peers; peer++)
        shm_port_arm(&endpoint->ports[peer], endpoint->core);
    shm_fence();
    for (uint32_t peer = first; peer <= last && peer < endpoint->view.peers; peer++)
        if (is_other(endpoint, peer))
            pending |= link_pending(endpoint, peer);
    return pending;
}

void ipi_disarm(struct ipi_endpoint *endpoint, uint32_t first, uint32_t last)
{
    for (uint32_t peer = first; peer <= last && peer < endpoint->view.peers; peer++)
        shm_port_disarm(&endpoint->ports[peer]);
}
