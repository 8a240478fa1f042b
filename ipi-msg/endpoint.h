/* A peer's end of its control channels: the rings to and from every other peer, made when the two
 * first talk, with arming and doorbells. One endpoint a peer; the kernel and the proxy both use it.
 * No lock inside: the owner serialises all calls on one endpoint. Nothing here waits or sleeps. */
#ifndef IPI_MSG_ENDPOINT_H
#define IPI_MSG_ENDPOINT_H

#include "ipi-msg/doorbell.h"
#include "shm/heap.h"
#include "shm/ring.h"

#define IPI_RING_CELLS 256 /* of a control channel: 16 KiB */

/* What the endpoint keeps about one other peer; private memory. */
struct ipi_link {
    struct shm_ring_writer writer;
    struct shm_ring_reader reader;
    bool writer_open, reader_open;
    int error;           /* 0, or why the link was closed (-EPROTO, -EPIPE) */
    bool reported;       /* ipi_receive has returned `error` */
    uint64_t generation; /* of the peer's section that this link is with; 0: none seen yet */
    uint64_t past;       /* a generation of the peer that is over (ipi_reset) */
    const struct shm_section *section; /* the peer's, of `generation`; NULL: none, or closed */
    const struct shm_port *peer_port;  /* its entry for this peer */
    uint64_t ring_offset;              /* of the own ring to the peer; 0: none made yet */
    uint32_t rings;                    /* made so far to the peer, in that same memory */
};

struct ipi_endpoint {
    struct shm_view view;
    struct shm_section *section; /* own, */
    uint64_t generation;         /* its generation, */
    struct shm_port *ports;      /* and its ports: [view.peers] */
    struct shm_heap *heap;       /* of the own section */
    struct ipi_link *links;      /* [view.peers] */
    doorbell_ring_t ring;
    void *ring_context;
    uint32_t core; /* own core that doorbells for these channels go to */
};

/* Prepares an endpoint over an opened view and the own section; `links` is view->peers zeroed
 * entries that outlive it. Existing rings of others are bound to when first polled. */
void ipi_endpoint_init(struct ipi_endpoint *endpoint, const struct shm_view *view,
                       struct shm_section *section, struct shm_heap *heap, struct ipi_link *links,
                       doorbell_ring_t ring, void *ring_context, uint32_t core);

/* Sends one message and rings the peer's doorbell if it has armed. Makes the ring on first use.
 * Returns 0; -EAGAIN: full (the own port's sender_waiting is then set and the peer's next credits
 * ring this peer's doorbell, after which try again); -ENOMEM: no room for a ring in the section;
 * -EMSGSIZE; -EPIPE or -EPROTO: the link is closed, and stays so until ipi_receive has said so;
 * -EINVAL: no such peer. A peer that has not started yet finds the message when it does. */
int ipi_send(struct ipi_endpoint *endpoint, uint32_t peer, uint16_t kind,
             const struct shm_piece *pieces, size_t count);

/* The longest payload that ipi_send takes. */
size_t ipi_message_max(void);

/* Takes the next message from `peer`. Returns 1, 0 (none), or -EPROTO/-EPIPE once when the link
 * closes (later calls return 0 until the peer comes with a new generation, which opens it afresh).
 * `capacity` should be ipi_message_max() or more; a longer message closes the link with -EPROTO. */
int ipi_receive(struct ipi_endpoint *endpoint, uint32_t peer, uint16_t *kind, void *buffer,
                size_t capacity, size_t *length);

/* Arms the own ports of all peers in [first, last] so that their next message rings; then a full
 * fence. Returns true when a message (or a broken link) is already there: do not sleep, receive. */
bool ipi_arm(struct ipi_endpoint *endpoint, uint32_t first, uint32_t last);

/* Disarms them: the owner polls. Cheap; may be skipped, at the price of spurious doorbells. */
void ipi_disarm(struct ipi_endpoint *endpoint, uint32_t first, uint32_t last);

/* Forgets all about `peer`, whose section belongs to a new generation from now on. */
void ipi_reset(struct ipi_endpoint *endpoint, uint32_t peer);

#endif
