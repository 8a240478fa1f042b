/* Barriers and counters among peers. One writer for every byte: a barrier is a line for each member
 * in its own section, in which it counts its arrivals, and which all others read. */
#include "abi/atoll/library.h"

#include <stdlib.h>
#include <string.h>

static int publish(uint32_t kind, const char *name, struct atoll_call_publish *call)
{
    int error = atoll_init();
    size_t length = name != NULL ? strlen(name) : 0;
    if (error != 0)
        return error;
    if (length == 0 || length >= SHM_NAME_MAX)
        return -EINVAL;
    *call = (struct atoll_call_publish){.kind = kind};
    memcpy(call->name, name, length);
    return (int)library_call(ATOLL_CALL_PUBLISH, (uint64_t)call, 0, 0);
}

static int find(uint32_t kind, uint32_t peer, const char *name, uint64_t deadline,
                struct atoll_call_find *call)
{
    int error = atoll_init();
    size_t length = name != NULL ? strlen(name) : 0;
    if (error != 0)
        return error;
    if (length == 0 || length >= SHM_NAME_MAX)
        return -EINVAL;
    *call = (struct atoll_call_find){.kind = kind, .deadline = deadline};
    memcpy(call->name, name, length);
    do {
        call->peer = peer;
        error = (int)library_call(ATOLL_CALL_FIND, (uint64_t)call, 0, 0);
    } while (error == -EINTR);
    return error == -ENOENT ? -EAGAIN : error;
}

/* --- Barriers -----------------------------------------------------------------------------------
 */

struct atoll_barrier {
    uint64_t id;
    struct shm_gate *own;
    bool waiting; /* this peer has arrived, and has not seen all others */
    struct spin spin;
    size_t count; /* the others */
    struct barrier_member {
        const struct shm_gate *gate;
    } others[];
};

/* The others' gates, as soon as they are there. */
static int barrier_find(struct atoll_barrier *barrier, const char *name, const uint32_t *peers,
                        size_t count, uint64_t deadline)
{
    struct atoll_call_member *members = calloc(count + 1, sizeof(*members));
    bool member = false;
    int error = members == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        uint32_t peer = peers != NULL ? peers[i] : (uint32_t)i + 1;
        struct atoll_call_find found;
        if (peer == library.info.self) {
            error = member ? -EINVAL : 0;
            member = true;
            continue;
        }
        error = find(SHM_ENTRY_GATE, peer, name, deadline, &found);
        if (error != 0)
            break;
        members[barrier->count] = (struct atoll_call_member){
            .peer = peer, .generation = found.generation, .offset = found.offset};
        barrier->others[barrier->count].gate =
            shm_view_bytes(&library.view, peer, found.offset, sizeof(struct shm_gate));
        if (barrier->others[barrier->count++].gate == NULL || found.offset % SHM_LINE != 0)
            error = -EPROTO;
    }
    if (error == 0 && !member)
        error = -EINVAL;
    if (error == 0)
        error = (int)library_call(ATOLL_CALL_JOIN, barrier->id, (uint64_t)members, barrier->count);
    free(members);
    return error;
}

int atoll_barrier_join(const char *name, const uint32_t *peers, size_t count, int64_t timeout,
                       struct atoll_barrier **barrier)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    if (peers == NULL)
        count = library.info.peers;
    struct atoll_barrier *made = calloc(1, sizeof(*made) + count * sizeof(made->others[0]));
    if (made == NULL)
        return -ENOMEM;
    struct atoll_call_publish call;
    error = publish(SHM_ENTRY_GATE, name, &call);
    if (error != 0) {
        free(made);
        return error;
    }
    made->id = call.id;
    made->own = shm_view_own(&library.view, call.offset, sizeof(*made->own));
    error = barrier_find(made, name, peers, count, library_deadline(timeout));
    if (error != 0) {
        atoll_barrier_close(made);
        return error == -ETIMEDOUT ? library_timed_out(timeout) : error;
    }
    *barrier = made;
    return 0;
}

/* Have all others come as often as this peer? */
static bool barrier_is_full(const struct atoll_barrier *barrier)
{
    uint64_t own = atomic_load_explicit(&barrier->own->arrived, memory_order_relaxed);
    for (size_t i = 0; i < barrier->count; i++) {
        uint64_t other =
            atomic_load_explicit(&barrier->others[i].gate->arrived, memory_order_acquire);
        if ((int64_t)(other - own) < 0)
            return false;
    }
    return true;
}

/* Who comes last wakes those who sleep. Of two who come at once, one sees the other, and whoever
 * sees all others' arrivals looks for sleepers after that. */
static void barrier_ring(const struct atoll_barrier *barrier)
{
    for (size_t i = 0; i < barrier->count; i++) {
        if (atomic_load_explicit(&barrier->others[i].gate->armed, memory_order_relaxed) % 2) {
            library_call(ATOLL_CALL_RING, barrier->id, 0, 0);
            return;
        }
    }
}

int atoll_barrier_wait(struct atoll_barrier *barrier, int64_t timeout)
{
    if (!barrier->waiting) {
        uint64_t own = atomic_load_explicit(&barrier->own->arrived, memory_order_relaxed);
        atomic_store_explicit(&barrier->own->arrived, own + 1, memory_order_release);
        shm_fence();
        barrier->waiting = true;
        if (barrier_is_full(barrier))
            barrier_ring(barrier);
    }
    uint64_t start = library_ticks(), limit = timeout != 0 ? spin_ticks(&barrier->spin) : 0;
    bool full;
    while (!(full = barrier_is_full(barrier)) && library_ticks() - start < limit)
        library_pause();
    if (full) {
        spin_learn(&barrier->spin, library_ticks() - start);
        barrier->waiting = false;
        return 0;
    }
    if (timeout == 0)
        return -EAGAIN;
    uint64_t deadline = library_deadline(timeout);
    struct atoll_call_wait item = {.id = barrier->id};
    int64_t result;
    do
        result = library_call(ATOLL_CALL_WAIT, (uint64_t)&item, 1, deadline);
    while (result == -EINTR);
    spin_learn(&barrier->spin, library_ticks() - start);
    if (result < 0)
        return (int)result;
    if (result == 0)
        return -ETIMEDOUT;
    if (!barrier_is_full(barrier))
        return -EPIPE;
    barrier->waiting = false;
    return 0;
}

int atoll_barrier_close(struct atoll_barrier *barrier)
{
    int error = (int)library_call(ATOLL_CALL_CLOSE, barrier->id, 0, 0);
    free(barrier);
    return error;
}

/* --- Counters -----------------------------------------------------------------------------------
 */

struct atoll_counter {
    uint32_t peer; /* the owner */
    uint64_t id, generation;
    _Atomic uint64_t *own;             /* at the owner; elsewhere NULL, */
    const _Atomic uint64_t *value;     /* and this only to be read */
    const struct shm_section *section; /* the owner's */
};

static int counter_make(uint32_t peer, uint64_t id, uint64_t generation, uint64_t offset,
                        struct atoll_counter **counter)
{
    const void *value = shm_view_bytes(&library.view, peer, offset, sizeof(uint64_t));
    const struct shm_section *section = shm_view_section(&library.view, peer, NULL);
    if (value == NULL || section == NULL || offset % SHM_LINE != 0)
        return -EPROTO;
    struct atoll_counter *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    *made = (struct atoll_counter){
        .peer = peer, .id = id, .generation = generation, .value = value, .section = section};
    if (peer == library.info.self)
        made->own = shm_view_own(&library.view, offset, sizeof(uint64_t));
    *counter = made;
    return 0;
}

int atoll_counter_create(const char *name, uint64_t value, struct atoll_counter **counter)
{
    struct atoll_call_publish call;
    int error = publish(SHM_ENTRY_COUNTER, name, &call);
    if (error != 0)
        return error;
    error = counter_make(library.info.self, call.id, library.info.generation, call.offset, counter);
    if (error != 0)
        library_call(ATOLL_CALL_CLOSE, call.id, 0, 0);
    else
        atomic_fetch_add((*counter)->own, value); /* others may have found it already */
    return error;
}

int atoll_counter_find(uint32_t peer, const char *name, int64_t timeout,
                       struct atoll_counter **counter)
{
    struct atoll_call_find call;
    int error = find(SHM_ENTRY_COUNTER, peer, name, library_deadline(timeout), &call);
    if (error != 0)
        return error;
    return counter_make(call.peer, call.id, call.generation, call.offset, counter);
}

int atoll_counter_read(const struct atoll_counter *counter, uint64_t *value)
{
    *value = atomic_load(counter->value);
    shm_fence_acquire();
    if (counter->own == NULL &&
        (atomic_load_explicit(&counter->section->generation, memory_order_relaxed) !=
             counter->generation ||
         atomic_load_explicit(&counter->section->state, memory_order_relaxed) > SHM_STATE_RUNNING))
        return -EPIPE;
    return 0;
}

static int counter_change(struct atoll_counter *counter, uint32_t operation, uint64_t operand,
                          uint64_t expected, uint64_t *before)
{
    struct atoll_call_counter call = {.peer = counter->peer,
                                      .operation = operation,
                                      .generation = counter->generation,
                                      .id = counter->id,
                                      .operand = operand,
                                      .expected = expected};
    int64_t result;
    do
        result = library_call(ATOLL_CALL_COUNTER, (uint64_t)&call, 0, 0);
    while (result == -EINTR);
    if (before != NULL)
        *before = call.before;
    return result == -ENOENT ? -EPIPE : (int)result;
}

int atoll_counter_add(struct atoll_counter *counter, int64_t operand, uint64_t *before)
{
    if (counter->own == NULL)
        return counter_change(counter, CONTROL_COUNTER_ADD, (uint64_t)operand, 0, before);
    uint64_t value = atomic_fetch_add(counter->own, (uint64_t)operand);
    if (before != NULL)
        *before = value;
    return 0;
}

int atoll_counter_exchange(struct atoll_counter *counter, uint64_t value, uint64_t *before)
{
    if (counter->own == NULL)
        return counter_change(counter, CONTROL_COUNTER_EXCHANGE, value, 0, before);
    value = atomic_exchange(counter->own, value);
    if (before != NULL)
        *before = value;
    return 0;
}

int atoll_counter_compare_exchange(struct atoll_counter *counter, uint64_t expected, uint64_t value,
                                   uint64_t *before)
{
    if (counter->own == NULL)
        return counter_change(counter, CONTROL_COUNTER_COMPARE, value, expected, before);
    atomic_compare_exchange_strong(counter->own, &expected, value);
    if (before != NULL)
        *before = expected;
    return 0;
}

int atoll_counter_close(struct atoll_counter *counter)
{
    int error = counter->own != NULL ? (int)library_call(ATOLL_CALL_CLOSE, counter->id, 0, 0) : 0;
    free(counter);
    return error;
}
