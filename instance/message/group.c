/* Barriers and counters among instances. A barrier has a gate in the section of each member, who
 * counts its arrivals there; the programs look at each other's, the kernel only knows where they
 * are, for the sake of those who sleep. A counter has one owner, whose kernel does the operations
 * of all others in its message interrupt, one after the other with those of its own program. */
#include "instance/message/private.h"

#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"

#include <errno.h>

/* --- Barriers -----------------------------------------------------------------------------------
 */

static const struct shm_gate *gate_at(const struct atoll_call_member *member)
{
    return member->offset % SHM_LINE != 0 ? NULL
                                          : shm_view_bytes(&instance.view, member->peer,
                                                           member->offset, sizeof(struct shm_gate));
}

int64_t gate_join(uint64_t id, struct atoll_call_member *members, uint64_t count)
{
    struct message_member *list = kmalloc((count + 1) * sizeof(*list));
    if (list == NULL)
        return -ENOMEM;
    int64_t result = -ENOENT;
    uint64_t saved = spin_lock_irq(&host_lock);
    struct message_named *named = object_find_named(id, OBJECT_GATE);
    if (named == NULL)
        goto out;
    result = named->member != NULL ? -EEXIST : 0;
    for (uint64_t i = 0; i < count && result == 0; i++) {
        if (!peer_is_there(members[i].peer, members[i].generation))
            result = -EPIPE;
        list[i] =
            (struct message_member){members[i].peer, members[i].generation, gate_at(&members[i])};
        if (list[i].gate == NULL)
            result = -EINVAL;
    }
    if (result == 0) {
        named->member = list;
        named->members = (uint32_t)count;
        list = NULL;
    }
out:
    spin_unlock_irq(&host_lock, saved);
    kfree(list);
    return result;
}

enum message_readiness gate_ready(const struct message_named *named)
{
    const struct shm_gate *own = (const struct shm_gate *)host_extent_bytes(named->offset);
    uint64_t arrived = atomic_load_explicit(&own->arrived, memory_order_relaxed);
    enum message_readiness result = READY;
    for (uint32_t i = 0; i < named->members; i++) {
        const struct message_member *member = &named->member[i];
        const struct message_peer *peer = &message_peers[member->peer];
        uint64_t others = atomic_load_explicit(&member->gate->arrived, memory_order_acquire);
        if ((int64_t)(others - arrived) >= 0 && peer->generation == member->generation)
            continue;
        if (peer->over || peer->generation != member->generation)
            return READY_BROKEN;
        result = NOT_READY;
    }
    return result;
}

void gate_ring(const struct message_named *named)
{
    for (uint32_t i = 0; i < named->members; i++) {
        const struct message_member *member = &named->member[i];
        if (atomic_load_explicit(&member->gate->armed, memory_order_relaxed) % 2)
            platform_doorbell_ring(NULL, member->peer,
                                   atomic_load_explicit(&member->gate->core, memory_order_relaxed));
    }
}

/* --- Counters -----------------------------------------------------------------------------------
 */

/* An operation that its owner has not answered yet, or whose answer has not been fetched. */
struct counter_request {
    struct list link;
    uint64_t tag;
    uint32_t peer;
    bool done;
    int error;
    uint64_t before;
    struct wait_queue waiter;
};

static struct list counter_requests;
static uint64_t counter_last_tag;

void counters_init(void)
{
    list_init(&counter_requests);
}

/* The counter's value before. Atomic: the own program changes its counters without a call. */
static uint64_t counter_apply(_Atomic uint64_t *value, uint32_t operation, uint64_t operand,
                              uint64_t expected)
{
    switch (operation) {
    case CONTROL_COUNTER_ADD:
        return atomic_fetch_add(value, operand);
    case CONTROL_COUNTER_EXCHANGE:
        return atomic_exchange(value, operand);
    default:
        atomic_compare_exchange_strong(value, &expected, operand);
        return expected;
    }
}

void counter_take_request(uint32_t peer, const struct control_counter *message)
{
    struct message_named *named = object_find_named(message->counter, OBJECT_COUNTER);
    struct control_counter_done answer = {.tag = message->tag};
    if (named == NULL)
        answer.error = ENOENT;
    else if (message->operation > CONTROL_COUNTER_COMPARE)
        answer.error = EINVAL;
    else
        answer.before = counter_apply((_Atomic uint64_t *)host_extent_bytes(named->offset),
                                      message->operation, message->operand, message->expected);
    int error = link_answer(peer, CONTROL_COUNTER_DONE, &answer, sizeof(answer));
    if (error != 0)
        log_warn("no answer to instance %u about a counter: error %d", peer, error);
}

static void request_end(struct counter_request *request, int error, uint64_t before)
{
    request->done = true;
    request->error = error;
    request->before = before;
    wait_queue_wake(&request->waiter, UINT32_MAX);
}

void counter_take_answer(uint32_t peer, const struct control_counter_done *message)
{
    for (struct list *node = counter_requests.next; node != &counter_requests; node = node->next) {
        struct counter_request *request = LIST_ENTRY(node, struct counter_request, link);
        if (request->tag != message->tag || request->peer != peer || request->done)
            continue;
        int error = message->error == 0 || message->error == ENOENT ? (int)message->error : EINVAL;
        request_end(request, -error, message->before);
        return;
    }
}

void counters_peer_over(uint32_t peer)
{
    for (struct list *node = counter_requests.next, *next; node != &counter_requests; node = next) {
        struct counter_request *request = LIST_ENTRY(node, struct counter_request, link);
        next = node->next;
        if (request->peer == peer && !request->done)
            request_end(request, -EPIPE, 0);
    }
}

/* Locked. Sends the operation to its owner. */
static int request_send(struct atoll_call_counter *call, struct counter_request *request)
{
    if (!peer_is_there(call->peer, call->generation))
        return -EPIPE;
    request->peer = call->peer;
    request->tag = ++counter_last_tag;
    struct control_counter message = {.tag = request->tag,
                                      .counter = call->id,
                                      .operation = call->operation,
                                      .operand = call->operand,
                                      .expected = call->expected};
    wait_queue_init(&request->waiter);
    list_append(&counter_requests, &request->link);
    return link_send(call->peer, CONTROL_COUNTER, &message, sizeof(message));
}

/* Locked. The request that an interrupted call has left behind; by its tag. */
static struct counter_request *request_find(uint64_t tag)
{
    for (struct list *node = counter_requests.next; node != &counter_requests; node = node->next) {
        struct counter_request *request = LIST_ENTRY(node, struct counter_request, link);
        if (request->tag == tag)
            return request;
    }
    return NULL;
}

int64_t counter_change(struct atoll_call_counter *call)
{
    if (call->operation > CONTROL_COUNTER_COMPARE)
        return -EINVAL;
    struct counter_request *request = NULL;
    if (call->tag == 0 && (request = kzalloc(sizeof(*request))) == NULL)
        return -ENOMEM;
    int result = 0;
    uint64_t saved = spin_lock_irq(&host_lock);
    if (call->tag == 0) {
        list_init(&request->link);
        result = request_send(call, request);
        call->tag = request->tag;
    } else {
        request = request_find(call->tag);
    }
    if (request == NULL)
        result = -ENOENT;
    while (request != NULL && result == 0 && !request->done)
        result = message_sleep(&request->waiter, &saved, 0);
    if (request != NULL && result != -EINTR) {
        list_remove(&request->link);
        result = result == 0 ? request->error : result;
        call->before = request->before;
    } else {
        request = NULL; /* it stays, for the next call */
    }
    spin_unlock_irq(&host_lock, saved);
    kfree(request);
    return result;
}
