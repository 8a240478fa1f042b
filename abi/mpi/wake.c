/* Sleeping, and waking who sleeps.
 *
 * A rank that has polled long enough sets `asleep` in its block, makes a fence, looks at everything
 * once more, and sleeps in the kernel until one of its peers rings. Whoever has put something where
 * it will look loads `asleep` afterwards, and rings if it is set. There is no fence between that
 * store and that load: it would cost as much as the rest of a send. x86 may let the load come first
 * only while the store waits in the store buffer, which is emptied within nanoseconds and at every
 * interrupt; so it is enough that the sleeper goes on looking for GRACE_US after its fence. Should
 * that ever fail, nothing is lost but time: the sleep ends after SLEEP_FIRST_NS at the latest.
 *
 * The bell is a channel of libatoll's, made the first time that one rank has to wake the other; its
 * kernel also ends the sleep when the peer dies. */
#include "abi/mpi/transport.h"

#include <asm/unistd.h>
#include <linux/futex.h>
#include <stdlib.h>

#define BELL_PORT "mpi"
#define BELL_CELLS 16
#define GRACE_US 2

uint64_t transport_grace(void)
{
    return GRACE_US * library.ticks_us;
}

void transport_arm(bool armed)
{
    if (transport.size == 1)
        return;
    atomic_store_explicit(&transport.block->asleep, armed, memory_order_relaxed);
    if (armed)
        shm_fence();
}

void transport_wake(struct peer *peer)
{
    if (peer->self || peer->gone)
        return;
    if (peer->wake == NULL) {
        struct atoll_channel_options options = {BELL_CELLS, ATOLL_ONE_THREAD | ATOLL_NO_POLLING};
        if (atoll_channel_open(peer->number, BELL_PORT, &options, 0, &peer->wake) != 0)
            return;
    }
    /* No room: it has been rung already and has not yet looked. */
    atoll_send(peer->wake, NULL, 0, 0);
}

/* The bell that a peer has made for waking us. */
static void bell_accept(void)
{
    struct atoll_channel *channel;
    while (atoll_port_accept(transport.port, &channel, 0) == 0) {
        struct peer *peer = NULL;
        for (uint32_t i = 0; i < transport.size; i++)
            if ((int)transport.peers[i].number == atoll_channel_peer(channel))
                peer = &transport.peers[i];
        if (peer == NULL || peer->self || peer->bell != NULL) {
            atoll_channel_close(channel);
            continue;
        }
        atoll_channel_set_flags(channel, ATOLL_ONE_THREAD | ATOLL_NO_POLLING);
        peer->bell = channel;
    }
}

void transport_sleep(int64_t nanoseconds)
{
    struct atoll_call_wait *items = transport.waits;
    uint64_t count = 0;
    if (transport.size == 1) {
        struct timespec time = {0, (long)nanoseconds};
        library_system_call(__NR_nanosleep, (uint64_t)&time, 0, 0, 0);
        return;
    }
    items[count++] = (struct atoll_call_wait){.id = transport.port->id};
    for (uint32_t i = 0; i < transport.size; i++)
        if (transport.peers[i].bell != NULL)
            items[count++] = (struct atoll_call_wait){.id = transport.peers[i].bell->id};
    library_call(ATOLL_CALL_WAIT, (uint64_t)items, count, library_deadline(nanoseconds));
    if (items[0].ready != 0)
        bell_accept();
    for (uint32_t i = 0; i < transport.size; i++) {
        struct peer *peer = &transport.peers[i];
        ssize_t result = 0;
        while (peer->bell != NULL && (result = atoll_receive(peer->bell, NULL, 0, 0)) == 0)
            ;
        if (peer->bell == NULL || result == -EAGAIN)
            continue;
        /* It has ended; how, transport_check sees. */
        atoll_channel_close(peer->bell);
        peer->bell = NULL;
    }
}

static bool is_finalized(const struct peer *peer)
{
    return atomic_load_explicit(&peer->block->finalized, memory_order_acquire) != 0;
}

int transport_check(void)
{
    for (uint32_t i = 0; i < transport.size && transport.failed < 0; i++) {
        struct peer *peer = &transport.peers[i];
        struct atoll_peer state;
        if (peer->self || is_finalized(peer))
            continue;
        if (atoll_peer(peer->number, &state) == 0 && state.generation == peer->generation &&
            state.state <= ATOLL_STATE_RUNNING)
            continue;
        if (is_finalized(peer)) /* it was just about to end */
            continue;
        /* What it has left in its ring is still to be read; its last word may be there. */
        if (peer->in != NULL) {
            uint64_t head;
            if (transport_peek(peer, &head) != NULL)
                continue;
        }
        peer->gone = true;
        transport.failed = (int)i;
    }
    return transport.failed;
}
