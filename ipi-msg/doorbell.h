/* Doorbells: the fixed vectors on which a peer is woken, and the call that wakes one.
 * A doorbell is a hint. A lost or a spurious one never loses a message: who waits arms its port,
 * looks once more, and only then sleeps; who sends publishes, fences, and looks whether to ring. */
#ifndef IPI_MSG_DOORBELL_H
#define IPI_MSG_DOORBELL_H

#include <stdint.h>

/* Interrupt vectors of an instance on x86. The upper four bits are the local APIC's priority. */
enum doorbell_vector {
    DOORBELL_VECTOR_TIMER = 0xe0,    /* the core's own one-shot timer */
    DOORBELL_VECTOR_MESSAGE = 0xf0,  /* another peer published a message, or returned credits */
    DOORBELL_VECTOR_KICK = 0xf1,     /* a core of the same instance left work in the inbox */
    DOORBELL_VECTOR_SPURIOUS = 0xff, /* local APIC's spurious interrupt, needs no EOI */
};

/* Wakes core `core` (index within its instance) of `peer`. Given by each side's platform: an
 * interprocessor interrupt, the ivshmem device's doorbell register, an eventfd, a futex. May be
 * called with interrupts off; never waits; errors are ignored, since a doorbell is a hint. */
typedef void (*doorbell_ring_t)(void *context, uint32_t peer, uint32_t core);

#endif
