/* The clocks: the time-stamp counter, scaled to the host's CLOCK_MONOTONIC by the handover's
 * values. The scale is a 32.32 fixed-point factor: exact to a few ns a day, no division on the way.
 */
#include "instance/arch/x86/clock.h"

#include "abi/freestanding/scale.h"
#include "instance/arch/x86/cpu.h"
#include "instance/platform/platform.h"
#include "instance/vdso/vdso.h"

#define NS 1000000000

static uint64_t base_tsc, base_monotonic, realtime_offset;
static uint64_t ns_per_tick; /* times 2^32 */
static uint64_t tsc_hz;

void clock_init(const struct handover_clock *clock)
{
    base_tsc = clock->tsc_base;
    base_monotonic = clock->monotonic_ns;
    realtime_offset = clock->realtime_ns - clock->monotonic_ns;
    tsc_hz = clock->tsc_hz;
    ns_per_tick = scale_u64(NS, UINT64_C(1) << 32, clock->tsc_hz);
}

uint64_t clock_tsc_to_monotonic(uint64_t tsc)
{
    /* A tick before the base (the loader's start) is a small negative number of ticks. */
    int64_t ticks = (int64_t)(tsc - base_tsc);
    return base_monotonic + (uint64_t)(((__int128)ticks * (__int128)ns_per_tick) >> 32);
}

void clock_describe(struct vdso_clock *out)
{
    out->base_tsc = base_tsc;
    out->base_monotonic = base_monotonic;
    out->realtime_offset = realtime_offset;
    out->ns_per_tick = ns_per_tick;
}

uint64_t platform_monotonic_ns(void)
{
    return clock_tsc_to_monotonic(cpu_tsc());
}

uint64_t platform_realtime_ns(void)
{
    return platform_monotonic_ns() + realtime_offset;
}

uint64_t clock_deadline_to_tsc(uint64_t monotonic_ns)
{
    if (monotonic_ns <= base_monotonic)
        return base_tsc;
    uint64_t ticks = scale_u64(monotonic_ns - base_monotonic, tsc_hz, NS);
    return ticks > UINT64_MAX - base_tsc - 1 ? UINT64_MAX : base_tsc + ticks + 1;
}
