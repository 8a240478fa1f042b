/* What other instances can make this one keep: ends of the channels that they open, answers that
 * they do not take. A peer that asks for more and more is refused before others want for memory:
 * each may have a share of what is free at the time. So one peer gets far, many get as far each,
 * and however many they are, something stays free: of the section a 1/(1 + peers/16)-th, of the
 * partition a 1/(1 + peers/64)-th. And once a peer has kept three quarters of the section from
 * being used again, by not saying that it is done with channels that are closed here, no more are
 * opened to it. */
#include "instance/message/private.h"

#include "instance/mm/frames.h"

#define SECTION_SHARE 16 /* one part in so many of what is free in the section's heap, */
#define KERNEL_SHARE 64  /* and in the partition */
#define LINGERING_MAX 3  /* times what is free: bulk memory of a closed channel is large */

bool quota_allows(uint32_t peer, struct message_kept more)
{
    const struct message_kept *kept = &message_peers[peer].kept;
    return kept->section + more.section <= shm_heap_available(host_endpoint.heap) / SECTION_SHARE &&
           kept->kernel + more.kernel <= frame_bytes_free() / KERNEL_SHARE;
}

bool quota_lets_open(uint32_t peer)
{
    return message_peers[peer].lingering / LINGERING_MAX <= shm_heap_available(host_endpoint.heap);
}

void quota_charge(uint32_t peer, struct message_kept kept)
{
    message_peers[peer].kept.section += kept.section;
    message_peers[peer].kept.kernel += kept.kernel;
}

void quota_release(uint32_t peer, struct message_kept kept)
{
    message_peers[peer].kept.section -= kept.section;
    message_peers[peer].kept.kernel -= kept.kernel;
}
