/* The private calls of libatoll.a (abi/atoll_calls.h): arguments in and out, and which function. */
#include "instance/message/message.h"
#include "instance/message/private.h"

#include "instance/core.h"
#include "instance/kernel.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/syscall.h"

#include <errno.h>

#define WAIT_MAX 65536 /* objects of one wait, members of one barrier */

/* Faults on purpose, for tests: see ATOLL_CALL_INJECT. */
static uint32_t inject_lose, inject_extra, inject_count;

static int64_t call_info(uint64_t address)
{
    struct atoll_call_info info;
    if (user_read(&info, address, sizeof(info)) != 0)
        return -EFAULT;
    if (info.version != ATOLL_CALL_VERSION)
        return -EINVAL;
    info.self = message_self;
    info.peers = message_peer_count;
    info.cores = core_count;
    info.generation = instance.handover->generation;
    info.lagoon = (uint64_t)instance.lagoon;
    info.lagoon_size = instance.view.size;
    info.tsc_hz = instance.handover->clock.tsc_hz;
    return user_write(address, &info, sizeof(info));
}

static int64_t call_publish(uint64_t address)
{
    struct atoll_call_publish call;
    if (user_read(&call, address, sizeof(call)) != 0)
        return -EFAULT;
    int64_t result = directory_publish(&call);
    return result != 0 ? result : user_write(address, &call, sizeof(call));
}

static int64_t call_find(uint64_t address)
{
    struct atoll_call_find call;
    if (user_read(&call, address, sizeof(call)) != 0)
        return -EFAULT;
    int64_t result = directory_find(&call);
    return result != 0 ? result : user_write(address, &call, sizeof(call));
}

static int64_t call_open(uint64_t address)
{
    struct atoll_call_channel call;
    if (user_read(&call, address, sizeof(call)) != 0)
        return -EFAULT;
    int64_t result = channel_open(&call);
    return result != 0 ? result : user_write(address, &call, sizeof(call));
}

static int64_t call_accept(uint64_t port, uint64_t address)
{
    struct atoll_call_channel call = {0};
    /* Looked at before: an end that has been taken cannot be put back. */
    if (user_write(address, &call, sizeof(call)) != 0)
        return -EFAULT;
    int64_t result = channel_accept(port, &call);
    return result != 0 ? result : user_write(address, &call, sizeof(call));
}

static int64_t call_close(uint64_t id)
{
    int64_t result = 0;
    uint64_t saved = spin_lock_irq(&host_lock);
    struct message_object *object = object_find(id);
    if (object == NULL)
        result = -ENOENT;
    else if (object->kind >= OBJECT_SENDER)
        channel_close(LIST_ENTRY(object, struct message_end, object));
    else
        directory_withdraw(LIST_ENTRY(object, struct message_named, object));
    host_wake(); /* a write to the console may wait for bulk memory */
    spin_unlock_irq(&host_lock, saved);
    return result;
}

static int64_t call_wait(uint64_t address, uint64_t count, uint64_t deadline)
{
    struct atoll_call_wait small[4], *items = small;
    if (count == 0 || count > WAIT_MAX)
        return -EINVAL;
    uint64_t bytes = count * sizeof(*items);
    if (bytes > sizeof(small) && (items = kmalloc(bytes)) == NULL)
        return -ENOMEM;
    int64_t result = -EFAULT;
    if (user_read(items, address, bytes) == 0) {
        result = objects_wait(items, count, deadline);
        if (result >= 0 && user_write(address, items, bytes) != 0)
            result = -EFAULT;
    }
    if (items != small)
        kfree(items);
    return result;
}

static void ring_once(const struct message_object *object)
{
    if (object->kind == OBJECT_GATE)
        gate_ring(LIST_ENTRY(object, struct message_named, object));
    else if (object->kind >= OBJECT_SENDER)
        channel_ring(LIST_ENTRY(object, struct message_end, object));
}

static int64_t call_ring(uint64_t id)
{
    int64_t result = -ENOENT;
    uint64_t saved = spin_lock_irq(&host_lock);
    const struct message_object *object = object_find(id);
    if (object != NULL) {
        result = 0;
        uint32_t count = ++inject_count;
        if (inject_lose == 0 || count % inject_lose != 0)
            ring_once(object);
        if (inject_extra != 0 && count % inject_extra == 0)
            ring_once(object);
        atomic_fetch_add_explicit(&instance.section->counters.doorbells_rung, 1,
                                  memory_order_relaxed);
    }
    spin_unlock_irq(&host_lock, saved);
    return result;
}

static int64_t call_join(uint64_t id, uint64_t address, uint64_t count)
{
    if (count > WAIT_MAX)
        return -EINVAL;
    struct atoll_call_member *members = kmalloc((count + 1) * sizeof(*members));
    if (members == NULL)
        return -ENOMEM;
    int64_t result = -EFAULT;
    if (user_read(members, address, count * sizeof(*members)) == 0)
        result = gate_join(id, members, count);
    kfree(members);
    return result;
}

static int64_t call_counter(uint64_t address)
{
    struct atoll_call_counter call;
    if (user_read(&call, address, sizeof(call)) != 0)
        return -EFAULT;
    int64_t result = counter_change(&call);
    return user_write(address, &call, sizeof(call)) != 0 ? -EFAULT : result;
}

static int64_t call_memory(uint64_t address)
{
    struct atoll_call_memory call;
    if (user_read(&call, address, sizeof(call)) != 0)
        return -EFAULT;
    int64_t result = job_memory(&call);
    return result != 0 ? result : user_write(address, &call, sizeof(call));
}

static int64_t call_extents(uint64_t address)
{
    struct atoll_call_extent extents[JOB_EXTENTS_MAX];
    struct atoll_call_extents call;
    if (user_read(&call, address, sizeof(call)) != 0)
        return -EFAULT;
    int64_t result = job_extents(&call, extents);
    if (result == 0 && user_write(call.extents, extents, call.count * sizeof(*extents)) != 0)
        result = -EFAULT;
    return result != 0 ? result : user_write(address, &call, sizeof(call));
}

int64_t message_call(struct trap_frame *frame)
{
    uint64_t first = syscall_arg0(frame), second = syscall_arg1(frame), third = syscall_arg2(frame);
    switch ((enum atoll_call)(frame->error - ATOLL_CALL_FIRST)) {
    case ATOLL_CALL_INFO:
        return call_info(first);
    case ATOLL_CALL_ALLOC:
        return extent_alloc(first, second, third);
    case ATOLL_CALL_FREE:
        return extent_free(first);
    case ATOLL_CALL_PUBLISH:
        return call_publish(first);
    case ATOLL_CALL_FIND:
        return call_find(first);
    case ATOLL_CALL_OPEN:
        return call_open(first);
    case ATOLL_CALL_ACCEPT:
        return call_accept(first, second);
    case ATOLL_CALL_CLOSE:
        return call_close(first);
    case ATOLL_CALL_WAIT:
        return call_wait(first, second, third);
    case ATOLL_CALL_RING:
        return call_ring(first);
    case ATOLL_CALL_FILE:
        return message_file_open(first);
    case ATOLL_CALL_PEER_WAIT:
        return directory_peer_wait((uint32_t)first, second, third);
    case ATOLL_CALL_JOIN:
        return call_join(first, second, third);
    case ATOLL_CALL_COUNTER:
        return call_counter(first);
    case ATOLL_CALL_MEMORY:
        return call_memory(first);
    case ATOLL_CALL_EXTENTS:
        return call_extents(first);
    case ATOLL_CALL_INJECT:
        inject_lose = (uint32_t)first;
        inject_extra = (uint32_t)second;
        return 0;
    default:
        return -ENOSYS;
    }
}
