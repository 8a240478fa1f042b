/* What an instance on `hosted` is given: its partition, a memory file with the handover record at
 * its start. */
#ifndef PROXY_HOSTED_RECORD_H
#define PROXY_HOSTED_RECORD_H

#include "abi/hosted.h"
#include "proxy/lagoon_host.h"

struct hosted_partition {
    uint32_t number;                         /* of the instance, from 1 */
    uint32_t flags;                          /* enum hosted_flag */
    const uint32_t *cpus;                    /* host CPU of each machine core, or HOSTED_CPU_ANY */
    uint64_t tsc, realtime_ns, monotonic_ns; /* read at one moment */
};

/* Makes the memory file, sealed in size. Returns its descriptor (closed on exec) or a negative
 * errno value. */
int hosted_partition_create(const struct lagoon_host *lagoon,
                            const struct hosted_partition *partition);

#endif
