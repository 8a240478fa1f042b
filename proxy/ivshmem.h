/* The server's side of QEMU's ivshmem protocol (QEMU's docs/specs/ivshmem-spec): hands a machine
 * the lagoon and the event descriptors behind its doorbells. The proxy is peer 0 with one vector;
 * the machine is peer 1 with one vector for the boot loader (0) and each instance (its number). */
#ifndef PROXY_IVSHMEM_H
#define PROXY_IVSHMEM_H

#include <stdint.h>

#define IVSHMEM_PEER_PROXY 0
#define IVSHMEM_PEER_MACHINE 1
#define IVSHMEM_VECTORS_MAX 2048 /* an MSI-X table's limit */

struct ivshmem_server {
    int socket;   /* the machine's end is its client; kept open as long as the machine lives */
    int doorbell; /* eventfd: the machine rings the proxy; readable then. Not blocking */
    int *vectors; /* eventfds: the proxy rings vector k of the machine */
    uint32_t vector_count;
};

/* Makes the descriptors and queues the whole handshake into a new socket pair, before there is a
 * client. `vectors` is 1..IVSHMEM_VECTORS_MAX. *client is the machine's end, for it to inherit (the
 * caller closes it). Returns 0 or a negative errno value, with nothing left open. */
int ivshmem_open(struct ivshmem_server *server, int lagoon, uint32_t vectors, int *client);

/* Rings vector `vector` of the machine. Never waits. */
void ivshmem_ring(const struct ivshmem_server *server, uint32_t vector);

/* Takes all doorbells that have been rung. Returns whether there was one. */
int ivshmem_take(const struct ivshmem_server *server);

void ivshmem_close(struct ivshmem_server *server); /* a zeroed server is left alone */

#endif
