/* Clocks. The counter's frequency comes from the conversion that the kernel publishes in a perf
 * event's page (exact, at once); the kernel steers CLOCK_MONOTONIC by what adjtimex says, so that
 * correction is applied too. Where perf events are forbidden, it is measured. */
#include "proxy/clock.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define SAMPLE_TRIES 16
#define SECOND_NS UINT64_C(1000000000)

static struct clock_sample start;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

__attribute__((constructor)) static void remember_start(void)
{
    start = clock_sample();
}

struct clock_sample clock_start_sample(void)
{
    return start;
}

struct clock_sample clock_sample(void)
{
    struct clock_sample best = {0, 0};
    uint64_t narrowest = UINT64_MAX;

    for (int i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = __rdtsc(), now = clock_monotonic_ns(), after = __rdtsc();

        if (after - before < narrowest) {
            narrowest = after - before;
            best.tsc = before + (after - before) / 2;
            best.monotonic_ns = now;
        }
    }
    return best;
}

uint64_t clock_tsc_hz_measured(const struct clock_sample *since)
{
    struct clock_sample now = clock_sample();

    /* Busy for at most CLOCK_BASELINE_NS: a sleep's wake-up costs as much and can be far late. */
    while (now.monotonic_ns - since->monotonic_ns < CLOCK_BASELINE_NS)
        now = clock_sample();
    return (uint64_t)((unsigned __int128)(now.tsc - since->tsc) * SECOND_NS /
                      (now.monotonic_ns - since->monotonic_ns));
}

/* The kernel's factor from ticks to nanoseconds: ns = ticks * multiplier >> shift. */
static uint64_t kernel_hz(void)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attributes),
        .config = PERF_COUNT_SW_DUMMY,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    volatile const struct perf_event_mmap_page *page;
    uint64_t hz = 0;

    if (fd < 0)
        return 0;
    page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return 0;
    if (page->cap_user_time && page->time_mult)
        hz = (uint64_t)(((unsigned __int128)SECOND_NS << page->time_shift) / page->time_mult);
    munmap((void *)page, (size_t)sysconf(_SC_PAGESIZE));
    return hz;
}

uint64_t clock_tsc_hz_kernel(void)
{
    uint64_t hz = kernel_hz();
    struct timex adjustment = {.modes = 0};
    double rate = 1.0;

    /* CLOCK_MONOTONIC runs faster than the raw counter by `freq` (millionths, 16 bits of fraction)
     * and by the tick's deviation from 10,000 us. */
    if (adjtimex(&adjustment) >= 0)
        rate = (1.0 + (double)adjustment.freq / 65536.0 / 1e6) * (double)adjustment.tick / 10000.0;
    if (rate < 0.9 || rate > 1.1)
        return 0;
    return (uint64_t)((double)hz / rate);
}

uint64_t clock_tsc_hz(const struct clock_sample *since)
{
    uint64_t hz = clock_tsc_hz_kernel();
    struct clock_sample now = clock_sample();
    uint64_t elapsed = now.monotonic_ns - since->monotonic_ns;

    if (hz) {
        /* The kernel's figure has to fit what has passed meanwhile, to one part in a thousand (and
         * a microsecond for reading both): a clock source other than the counter would show. */
        uint64_t expected = (uint64_t)((unsigned __int128)(now.tsc - since->tsc) * SECOND_NS / hz);
        uint64_t apart = expected > elapsed ? expected - elapsed : elapsed - expected;

        if (apart <= elapsed / 1000 + 1000)
            return hz;
    }
    return clock_tsc_hz_measured(since);
}
