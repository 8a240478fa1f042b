/* The clocks, made of the time-stamp counter; platform_monotonic_ns and platform_realtime_ns are
 * here too. */
#ifndef INSTANCE_ARCH_X86_CLOCK_H
#define INSTANCE_ARCH_X86_CLOCK_H

#include "abi/handover.h"

#include <stdint.h>

struct vdso_clock;

void clock_init(const struct handover_clock *clock); /* before anyone asks for the time */
uint64_t clock_deadline_to_tsc(uint64_t monotonic_ns);
uint64_t clock_tsc_to_monotonic(uint64_t tsc);
void clock_describe(struct vdso_clock *out); /* all but the magic, for the vDSO */

#endif
