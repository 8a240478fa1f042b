/* Clocks and sleeping. The wall clock is the host's at the machine's start and runs on evenly with
 * the monotonic one: nobody can set it, so a deadline on it is one on the monotonic clock. The
 * coarse clocks are as fine as the others. */
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "instance/sched/interval.h"
#include "instance/sched/thread.h"
#include "instance/syscall/calls.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/timespec.h"

#include <errno.h>
#include <linux/time.h>
#include <linux/time_types.h>

#define SECOND UINT64_C(1000000000) /* ns */

/* --- Times of the program ------------------------------------------------------------------------
 */

int timespec_read(uint64_t address, uint64_t *nanoseconds)
{
    struct __kernel_timespec time;
    int error = user_read(&time, address, sizeof(time));
    if (error != 0)
        return error;
    if (time.tv_sec < 0 || time.tv_nsec < 0 || (uint64_t)time.tv_nsec >= SECOND)
        return -EINVAL;
    if ((uint64_t)time.tv_sec >= TIME_FOREVER / SECOND)
        *nanoseconds = TIME_FOREVER;
    else
        *nanoseconds = (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
    return 0;
}

int timespec_write(uint64_t address, uint64_t nanoseconds)
{
    struct __kernel_timespec time = {
        .tv_sec = (int64_t)(nanoseconds / SECOND),
        .tv_nsec = (int64_t)(nanoseconds % SECOND),
    };
    return user_write(address, &time, sizeof(time));
}

uint64_t deadline_after(uint64_t nanoseconds)
{
    uint64_t now = platform_monotonic_ns();
    return nanoseconds < TIME_FOREVER - now ? now + nanoseconds : TIME_FOREVER;
}

uint64_t deadline_from_monotonic(uint64_t monotonic)
{
    return monotonic != 0 ? monotonic : 1;
}

uint64_t deadline_from_realtime(uint64_t realtime)
{
    uint64_t now = platform_realtime_ns();
    if (realtime > now)
        return deadline_after(realtime - now);
    uint64_t monotonic = platform_monotonic_ns();
    return monotonic > now - realtime ? monotonic - (now - realtime) : 1;
}

/* --- Clocks --------------------------------------------------------------------------------------
 */

/* A clock of a thread or process, as pthread_getcpuclockid makes them: ~id << 3, 4 for a thread's,
 * and which kind of time. One process, so id 0 and 1 both mean it. */
static int clock_read_cpu(int clock, uint64_t *nanoseconds)
{
    int32_t id = ~(clock >> 3);
    if ((clock & 3) == 3 || id < 0)
        return -EINVAL;
    if ((clock & 4) == 0) {
        if (id > 1)
            return -EINVAL;
        *nanoseconds = thread_cpu_time_all();
        return 0;
    }
    if (id == 0) {
        *nanoseconds = thread_cpu_time(thread_current());
        return 0;
    }
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    struct thread *thread = thread_find(id);
    if (thread != NULL)
        *nanoseconds = thread_cpu_time(thread);
    spin_unlock_irq(&thread_all_lock, saved);
    return thread != NULL ? 0 : -EINVAL;
}

/* 0 or -EINVAL: no such clock. */
static int clock_read(int clock, uint64_t *nanoseconds)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: /* no leap seconds are known, as on a Linux that nobody told */
        *nanoseconds = platform_realtime_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        *nanoseconds = platform_monotonic_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        *nanoseconds = thread_cpu_time_all();
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        *nanoseconds = thread_cpu_time(thread_current());
        return 0;
    default:
        return clock < 0 ? clock_read_cpu(clock, nanoseconds) : -EINVAL;
    }
}

int64_t sys_clock_gettime(struct trap_frame *frame)
{
    uint64_t now;
    int error = clock_read((int)syscall_arg0(frame), &now);
    return error != 0 ? error : timespec_write(syscall_arg1(frame), now);
}

int64_t sys_clock_getres(struct trap_frame *frame)
{
    uint64_t now;
    int error = clock_read((int)syscall_arg0(frame), &now);
    if (error != 0 || syscall_arg1(frame) == 0)
        return error;
    return timespec_write(syscall_arg1(frame), 1);
}

int64_t sys_gettimeofday(struct trap_frame *frame)
{
    uint64_t address = syscall_arg0(frame), zone = syscall_arg1(frame);
    if (address != 0) {
        uint64_t now = platform_realtime_ns();
        struct __kernel_old_timeval time = {
            .tv_sec = (long)(now / SECOND),
            .tv_usec = (long)(now % SECOND / 1000),
        };
        int error = user_write(address, &time, sizeof(time));
        if (error != 0)
            return error;
    }
    return zone != 0 ? user_clear(zone, sizeof(struct timezone)) : 0; /* always UTC */
}

int64_t sys_time(struct trap_frame *frame)
{
    int64_t now = (int64_t)(platform_realtime_ns() / SECOND);
    uint64_t address = syscall_arg0(frame);
    if (address != 0 && user_write(address, &now, sizeof(now)) != 0)
        return -EFAULT;
    return now;
}

/* --- Sleeping ------------------------------------------------------------------------------------
 */

/* Sleeps until `deadline`. `remaining` (program address, or 0) is for a relative sleep that a
 * signal ends; it is not begun again, the program does that with what is left. */
static int64_t sleep_until(uint64_t deadline, uint64_t remaining, bool relative)
{
    for (;;) {
        uint64_t now = platform_monotonic_ns();
        if (now >= deadline) {
            if (relative)
                schedule_yield(); /* a sleep of 0 gives equals their turn */
            return 0;
        }
        thread_prepare_wait(true);
        if (thread_wait(deadline) != -EINTR || !signal_deliverable())
            continue; /* its time has come, if the hardware was not early; or another took it */
        if (!relative)
            return -ERESTARTNOHAND;
        now = platform_monotonic_ns();
        if (remaining != 0 && timespec_write(remaining, now < deadline ? deadline - now : 0) != 0)
            return -EFAULT;
        return -EINTR;
    }
}

int64_t sys_nanosleep(struct trap_frame *frame)
{
    uint64_t nanoseconds;
    int error = timespec_read(syscall_arg0(frame), &nanoseconds);
    if (error != 0)
        return error;
    return sleep_until(deadline_after(nanoseconds), syscall_arg1(frame), true);
}

/* Sleeps until a CPU clock of other threads shows `until`: looks when that could be at the
 * earliest, with all cores at work. */
static int64_t sleep_on_cpu_clock(int clock, uint64_t until, uint64_t remaining, bool relative)
{
    for (;;) {
        uint64_t now;
        int error = clock_read(clock, &now);
        if (error != 0 || now >= until)
            return error;
        uint64_t look = (until - now) / core_count;
        thread_prepare_wait(true);
        int result = thread_wait(deadline_after(look < INTERVAL_LOOK_NS ? INTERVAL_LOOK_NS : look));
        if (result != -EINTR || !signal_deliverable())
            continue;
        if (!relative)
            return -ERESTARTNOHAND;
        error = clock_read(clock, &now);
        if (error == 0 && remaining != 0)
            error = timespec_write(remaining, now < until ? until - now : 0);
        return error != 0 ? error : -EINTR;
    }
}

/* clock_nanosleep on CPU time: not on the sleeping thread's own, which would stand still. */
static int64_t nanosleep_cpu(struct trap_frame *frame, int clock, bool relative)
{
    uint64_t now, until;
    int error = clock_read(clock, &now);
    if (error != 0)
        return error;
    switch (clock) {
    case CLOCK_PROCESS_CPUTIME_ID:
        break;
    case CLOCK_THREAD_CPUTIME_ID:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_REALTIME_COARSE:
        return -EOPNOTSUPP;
    default: {
        int32_t thread = ~(clock >> 3);
        if ((clock & 4) && (thread == 0 || thread == thread_current()->id))
            return -EINVAL;
    }
    }
    error = timespec_read(syscall_arg2(frame), &until);
    if (error != 0)
        return error;
    if (relative)
        until = until < TIME_FOREVER - now ? now + until : TIME_FOREVER;
    return sleep_on_cpu_clock(clock, until, syscall_arg3(frame), relative);
}

int64_t sys_clock_nanosleep(struct trap_frame *frame)
{
    int clock = (int)syscall_arg0(frame);
    bool absolute = (syscall_arg1(frame) & TIMER_ABSTIME) != 0, realtime;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        realtime = true;
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        realtime = false;
        break;
    default:
        return nanosleep_cpu(frame, clock, !absolute);
    }
    uint64_t nanoseconds;
    int error = timespec_read(syscall_arg2(frame), &nanoseconds);
    if (error != 0)
        return error;
    if (!absolute)
        return sleep_until(deadline_after(nanoseconds), syscall_arg3(frame), true);
    return sleep_until(realtime ? deadline_from_realtime(nanoseconds)
                                : deadline_from_monotonic(nanoseconds),
                       0, false);
}
