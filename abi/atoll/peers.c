/* Making the library ready, and what can be told of the peers: read from the lagoon, in place. */
#include "abi/atoll/library.h"
#include "abi/machine.h"

#include <string.h>

_Static_assert(ATOLL_NAME_MAX == SHM_NAME_MAX && ATOLL_NAME_MAX == MACHINE_NAME_MAX,
               "names are as long everywhere");
_Static_assert((int)ATOLL_STATE_STOPPED == (int)SHM_STATE_STOPPED &&
                   (int)ATOLL_STATE_RUNNING == (int)SHM_STATE_RUNNING,
               "states are the section's");

struct atoll_library library;

static struct lock init_lock;
static _Atomic int init_result; /* 0: not tried yet; 1: ready; or a negative errno value */

static int init_once(void)
{
    struct atoll_call_info info = {.version = ATOLL_CALL_VERSION};
    int64_t result = library_call(ATOLL_CALL_INFO, (uint64_t)&info, 0, 0);
    if (result != 0)
        return (int)result;
    library.info = info;
    library.ticks_us = info.tsc_hz / 1000000;
    return shm_view_open(&library.view, (void *)info.lagoon, info.lagoon_size, info.self, NULL);
}

int atoll_init(void)
{
    int done = atomic_load_explicit(&init_result, memory_order_acquire);
    if (LIKELY(done != 0))
        return done == 1 ? 0 : done;
    lock_take(&init_lock);
    done = atomic_load_explicit(&init_result, memory_order_relaxed);
    if (done == 0) {
        int error = init_once();
        done = error == 0 ? 1 : error;
        atomic_store_explicit(&init_result, done, memory_order_release);
    }
    lock_give(&init_lock);
    return done == 1 ? 0 : done;
}

int atoll_self(void)
{
    int error = atoll_init();
    return error != 0 ? error : (int)library.info.self;
}

int atoll_peers(void)
{
    int error = atoll_init();
    return error != 0 ? error : (int)library.info.peers;
}

/* The proxy's entry for an instance, or NULL. */
static const struct machine_instance *machine_entry(uint32_t number)
{
    const struct shm_header *header = (const struct shm_header *)library.view.base;
    uint64_t offset = SHM_READ_ONCE(header->machine_offset);
    const struct machine_table *table =
        shm_view_bytes(&library.view, SHM_PEER_PROXY, offset, sizeof(*table));
    if (table == NULL || offset % _Alignof(struct machine_table) != 0)
        return NULL;
    uint64_t entries = SHM_READ_ONCE(table->entries.offset);
    uint64_t at = entries + (number - 1) * sizeof(struct machine_instance);
    if (entries > library.view.size || at % _Alignof(struct machine_instance) != 0)
        return NULL;
    return shm_view_bytes(&library.view, SHM_PEER_PROXY, at, sizeof(struct machine_instance));
}

int atoll_peer(uint32_t number, struct atoll_peer *peer)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    if (number == 0 || number > library.info.peers || peer == NULL)
        return -EINVAL;
    memset(peer, 0, sizeof(*peer));
    peer->number = number;
    const struct machine_instance *entry = machine_entry(number);
    if (entry != NULL)
        memcpy(peer->name, entry->name, ATOLL_NAME_MAX - 1);
    const struct shm_section *section = shm_view_section(&library.view, number, NULL);
    if (section == NULL)
        return 0;
    /* The kernel knows what the proxy says of a peer that cannot say it itself. */
    int64_t state = library_call(ATOLL_CALL_PEER_WAIT, number, UINT32_MAX, ATOLL_DEADLINE_NOW);
    peer->state = state < 0 ? ATOLL_STATE_EMPTY : (enum atoll_state)state;
    peer->exit_status = atomic_load_explicit(&section->exit_status, memory_order_relaxed);
    peer->generation = atomic_load_explicit(&section->generation, memory_order_acquire);
    return 0;
}

int atoll_peer_find(const char *name)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    for (uint32_t number = 1; number <= library.info.peers; number++) {
        const struct machine_instance *entry = machine_entry(number);
        if (entry != NULL && strncmp(entry->name, name, MACHINE_NAME_MAX) == 0)
            return (int)number;
    }
    return -ENOENT;
}

int atoll_peer_wait(uint32_t number, unsigned states, int64_t timeout)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    uint64_t deadline = library_deadline(timeout);
    int64_t result;
    do
        result = library_call(ATOLL_CALL_PEER_WAIT, number, states, deadline);
    while (result == -EINTR);
    return result == -ETIMEDOUT ? library_timed_out(timeout) : (int)result;
}
