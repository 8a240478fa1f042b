/* What the kernel leaves in its copy of the vDSO: how the time-stamp counter becomes the time
 * (arch/x86/clock.c says how). */
#ifndef INSTANCE_VDSO_H
#define INSTANCE_VDSO_H

#include <stdint.h>

#define VDSO_CLOCK_MAGIC UINT64_C(0x31304f5344564c54) /* where it stands in the image */

struct vdso_clock {
    uint64_t magic;
    uint64_t base_tsc, base_monotonic; /* at that count it was that many ns, CLOCK_MONOTONIC */
    uint64_t realtime_offset;          /* CLOCK_REALTIME less CLOCK_MONOTONIC, ns */
    uint64_t ns_per_tick;              /* times 2^32 */
};

#endif
