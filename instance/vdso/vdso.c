/* The vDSO: what programs may ask without a system call. A shared object of its own, which the
 * kernel maps into the program's address space and names in AT_SYSINFO_EHDR; C libraries find the
 * functions by Linux's names for them (vdso.ld). Runs as the program: its stack, its registers. */
#include "instance/vdso/vdso.h"

#include <linux/time.h>
#include <linux/time_types.h>
#include <stddef.h>

#define SECOND UINT64_C(1000000000)
#define SYS_CLOCK_GETTIME 228L
#define CORE_INDEX 56 /* offsetof(struct core, index): GS is always the core's (core.h) */

long __vdso_clock_gettime(int clock, struct __kernel_timespec *time);
int __vdso_gettimeofday(struct __kernel_old_timeval *time, struct timezone *zone);
long __vdso_time(long *time);
long __vdso_getcpu(unsigned *core, unsigned *node, void *unused);

/* Volatile: what is compiled in is not what the program's copy says. */
static const volatile struct vdso_clock vdso_clock
    __attribute__((used)) = {.magic = VDSO_CLOCK_MAGIC};

static uint64_t monotonic(void)
{
    uint32_t low, high;
    /* LFENCE: the counter is read when all loads in front are done, as Linux has it. */
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    int64_t ticks = (int64_t)(((uint64_t)high << 32 | low) - vdso_clock.base_tsc);
    return vdso_clock.base_monotonic +
           (uint64_t)(((__int128)ticks * (__int128)vdso_clock.ns_per_tick) >> 32);
}

static uint64_t realtime(void)
{
    return monotonic() + vdso_clock.realtime_offset;
}

long __vdso_clock_gettime(int clock, struct __kernel_timespec *time)
{
    uint64_t now;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        now = realtime();
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        now = monotonic();
        break;
    default: {
        long result;
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(SYS_CLOCK_GETTIME), "D"((long)clock), "S"(time)
                         : "rcx", "r11", "memory");
        return result;
    }
    }
    time->tv_sec = (int64_t)(now / SECOND);
    time->tv_nsec = (int64_t)(now % SECOND);
    return 0;
}

int __vdso_gettimeofday(struct __kernel_old_timeval *time, struct timezone *zone)
{
    if (time != NULL) {
        uint64_t now = realtime();
        time->tv_sec = (long)(now / SECOND);
        time->tv_usec = (long)(now % SECOND / 1000);
    }
    if (zone != NULL)
        *zone = (struct timezone){0, 0};
    return 0;
}

long __vdso_time(long *time)
{
    long now = (long)(realtime() / SECOND);
    if (time != NULL)
        *time = now;
    return now;
}

long __vdso_getcpu(unsigned *core, unsigned *node, void *unused)
{
    unsigned index;
    (void)unused;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(index) : "i"(CORE_INDEX));
    if (core != NULL)
        *core = index;
    if (node != NULL)
        *node = 0;
    return 0;
}
