/* The job: instances that read each other's memory, so that a large message is copied once. Who
 * they are, and where their memory is, stands in the handover record. Members' memory lies in one
 * window, one after the other, and is mapped there when it is first asked for. */
#include "instance/message/private.h"

#include "instance/kernel.h"
#include "instance/mm/space.h"
#include "instance/platform/platform.h"

#include <errno.h>

/* Maps what there is of the peer. 0, or -ENOMEM: what has been mapped stays so, and is mapped again
 * to the same effect. */
static int peer_map(const struct handover *record, uint32_t peer, uint64_t *address, uint64_t *size)
{
    const struct handover_member *members = handover_members(record);
    uint64_t at = PLATFORM_PEERS_BASE;
    *size = 0;
    for (uint32_t i = 0; i < record->members.count; i++) {
        if (members[i].peer == peer) {
            int error = platform_peer_map(at, members[i].base, members[i].size);
            if (error != 0)
                return error;
            if (*size == 0)
                *address = at;
            *size += members[i].size;
        }
        at += members[i].size;
    }
    return *size != 0 ? 0 : -EACCES;
}

int64_t job_memory(struct atoll_call_memory *call)
{
    if (call->peer == 0 || call->peer > message_peer_count || call->peer == message_self)
        return -EINVAL;
    uint64_t saved = spin_lock_irq(&host_lock);
    int64_t result = peer_map(instance.handover, call->peer, &call->address, &call->size);
    spin_unlock_irq(&host_lock, saved);
    return result;
}

/* A physical address of the partition as an offset in the memory that the members see. */
static uint64_t offset_of(const struct handover *record, uint64_t physical)
{
    const struct handover_range *ranges =
        (const struct handover_range *)((const uint8_t *)record + record->ranges.offset);
    uint64_t offset = 0;
    for (uint32_t i = 0; i < record->ranges.count; i++) {
        if (physical - ranges[i].base < ranges[i].size)
            return offset + (physical - ranges[i].base);
        offset += ranges[i].size;
    }
    return UINT64_MAX; /* not of the partition: cannot be */
}

int64_t job_extents(struct atoll_call_extents *call, struct atoll_call_extent *extents)
{
    struct space_extent found[JOB_EXTENTS_MAX];
    if (instance.handover->members.count == 0)
        return -EACCES;
    size_t capacity = call->capacity < JOB_EXTENTS_MAX ? call->capacity : JOB_EXTENTS_MAX, count;
    uint64_t covered;
    int result = space_share(call->address, call->length, found, capacity, &count, &covered,
                             &call->generation);
    if (result != 0)
        return result == -ENOMEM || result == -EINVAL ? result : -EFAULT;
    for (size_t i = 0; i < count; i++)
        extents[i] = (struct atoll_call_extent){offset_of(instance.handover, found[i].physical),
                                                found[i].length};
    call->length = covered;
    call->count = (uint32_t)count;
    return 0;
}
