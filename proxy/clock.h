/* The host's clocks, and the frequency of its time-stamp counter, by which the instances turn their
 * own counter into the host's time. */
#ifndef PROXY_CLOCK_H
#define PROXY_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_realtime_ns(void);  /* CLOCK_REALTIME, since 1970 */

/* The counter and the clock, read at the same moment. */
struct clock_sample {
    uint64_t tsc;
    uint64_t monotonic_ns;
};

/* A pair that lies within some ten nanoseconds of each other: the closest of several tries. */
struct clock_sample clock_sample(void);
struct clock_sample clock_start_sample(void); /* taken when this process began to run */

/* Ticks a second of the time-stamp counter, in seconds of CLOCK_MONOTONIC. From the kernel's own
 * conversion where it tells (perf_event_open); otherwise measured from `since` until now, waiting
 * until CLOCK_BASELINE_NS have passed. */
#define CLOCK_BASELINE_NS 2000000
uint64_t clock_tsc_hz(const struct clock_sample *since);

/* The two ways by themselves: the first returns 0 where the kernel does not tell. */
uint64_t clock_tsc_hz_kernel(void);
uint64_t clock_tsc_hz_measured(const struct clock_sample *since);

#endif
