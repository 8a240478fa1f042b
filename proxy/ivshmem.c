/* ivshmem's handshake over an inherited socket pair: no socket file exists at any time. QEMU reads
 * the messages up to the shared memory while it makes the device, the rest from its main loop; what
 * we send before -1 is therefore in force before the machine's first instruction. The proxy's own
 * doorbell has to be: the loader rings it once, early, and a ring to a peer that QEMU does not know
 * yet is dropped. (The protocol takes these messages in any order, if not its own vectors.) */
#include "proxy/ivshmem.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL_VERSION 0
#define MESSAGE_MEMORY (-1)

/* One message: a number, and a descriptor unless `fd` is -1. */
static int send_message(int socket, int64_t number, int fd)
{
    int64_t word = (int64_t)htole64((uint64_t)number);
    struct iovec piece = {.iov_base = &word, .iov_len = sizeof(word)};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

    memset(&control, 0, sizeof(control));
    if (fd >= 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.bytes);
    }
    if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(word))
        return -errno;
    return 0;
}

static int send_handshake(const struct ivshmem_server *server, int lagoon)
{
    int error = send_message(server->socket, PROTOCOL_VERSION, -1);

    if (!error)
        error = send_message(server->socket, IVSHMEM_PEER_MACHINE, -1);
    if (!error)
        error = send_message(server->socket, IVSHMEM_PEER_PROXY, server->doorbell);
    if (!error)
        error = send_message(server->socket, MESSAGE_MEMORY, lagoon);
    for (uint32_t i = 0; !error && i < server->vector_count; i++)
        error = send_message(server->socket, IVSHMEM_PEER_MACHINE, server->vectors[i]);
    return error;
}

int ivshmem_open(struct ivshmem_server *server, int lagoon, uint32_t vectors, int *client)
{
    int pair[2], room = (int)(4096 + vectors * 1024), error;

    *server = (struct ivshmem_server){.socket = -1, .doorbell = -1};
    *client = -1;
    if (vectors < 1 || vectors > IVSHMEM_VECTORS_MAX)
        return -EINVAL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -errno;
    server->socket = pair[0];
    *client = pair[1];
    /* The handshake lies in the socket until QEMU reads it, and a message counts up to a kilobyte
     * there. The kernel doubles the figure and caps it at twice wmem_max, which in the smallest
     * usual setting (208 KiB) holds 400 messages; were it less, -EAGAIN would say so below. */
    setsockopt(server->socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    server->vectors = calloc(vectors, sizeof(*server->vectors));
    if (!server->vectors) {
        error = -ENOMEM;
        goto fail;
    }
    server->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->doorbell < 0) {
        error = -errno;
        goto fail;
    }
    for (uint32_t i = 0; i < vectors; i++) {
        server->vectors[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (server->vectors[i] < 0) {
            error = -errno;
            goto fail;
        }
        server->vector_count = i + 1;
    }
    error = send_handshake(server, lagoon);
    if (!error)
        return 0;
fail:
    close(*client);
    *client = -1;
    ivshmem_close(server);
    return error;
}

void ivshmem_ring(const struct ivshmem_server *server, uint32_t vector)
{
    uint64_t one = 1;

    /* Fails only when 2^64 rings have not been taken: then one more says nothing new. */
    if (vector < server->vector_count && write(server->vectors[vector], &one, sizeof(one)) < 0)
        return;
}

int ivshmem_take(const struct ivshmem_server *server)
{
    uint64_t rung;

    return read(server->doorbell, &rung, sizeof(rung)) == sizeof(rung);
}

void ivshmem_close(struct ivshmem_server *server)
{
    if (!server->vectors && server->socket <= 0) /* zeroed, or closed before */
        return;
    for (uint32_t i = 0; server->vectors && i < server->vector_count; i++)
        close(server->vectors[i]);
    free(server->vectors);
    if (server->doorbell >= 0)
        close(server->doorbell);
    if (server->socket >= 0)
        close(server->socket);
    *server = (struct ivshmem_server){.socket = -1, .doorbell = -1};
}
