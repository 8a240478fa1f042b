/* The timers of the process that setitimer and alarm set: one for time that passes, and two for CPU
 * time. The kernel's work counts as the program's here, so ITIMER_VIRTUAL runs as ITIMER_PROF does.
 */
#include "instance/syscall/calls.h"
#include "instance/syscall/signal.h"
#include "instance/syscall/timers.h"

#include "instance/mm/user.h"
#include "instance/platform/platform.h"

#include <errno.h>
#include <linux/time.h>
#include <linux/time_types.h>

#define MICROSECOND UINT64_C(1000) /* ns */
#define SECOND UINT64_C(1000000000)

#define ITIMERS 3
static struct spinlock itimer_lock; /* all three */
static struct interval itimers[ITIMERS] = {
    [ITIMER_VIRTUAL] = {.clock = INTERVAL_PROCESS},
    [ITIMER_PROF] = {.clock = INTERVAL_PROCESS},
};

static void itimer_function(struct timer *timer)
{
    static const uint8_t signals[ITIMERS] = {
        [ITIMER_REAL] = LINUX_SIGALRM,
        [ITIMER_VIRTUAL] = LINUX_SIGVTALRM,
        [ITIMER_PROF] = LINUX_SIGPROF,
    };
    struct interval *interval = LIST_ENTRY(timer, struct interval, timer);
    int which = (int)(interval - itimers);
    uint64_t saved = spin_lock_irq(&itimer_lock);
    if (interval_is_due(interval)) {
        const struct linux_siginfo info = {.signal = signals[which], .code = LINUX_SI_KERNEL};
        /* ITIMER_REAL runs on when its signal is taken, so that a short period with a signal that
         * is blocked costs nothing. */
        if (signal_post(0, &info, NULL) != 0 || which != ITIMER_REAL)
            interval_take(interval, INTERVAL_LOOK_NS);
    }
    spin_unlock_irq(&itimer_lock, saved);
}

void timers_alarm_taken(void)
{
    uint64_t saved = spin_lock_irq(&itimer_lock);
    interval_take(&itimers[ITIMER_REAL], 0);
    spin_unlock_irq(&itimer_lock, saved);
}

static void itimer_exchange(int which, const struct timer_setting *setting,
                            struct timer_setting *former)
{
    struct interval *interval = &itimers[which];
    uint64_t saved = spin_lock_irq(&itimer_lock);
    *former = (struct timer_setting){interval_left(interval), interval->period};
    if (interval->expiry == 0)
        former->period = 0;
    if (setting != NULL)
        interval_set(interval, timer_expiry(interval, CLOCK_MONOTONIC, setting->value, false),
                     setting->period, itimer_function);
    spin_unlock_irq(&itimer_lock, saved);
}

static int itimer_read_time(const struct __kernel_old_timeval *time, uint64_t *nanoseconds)
{
    if (time->tv_sec < 0 || time->tv_usec < 0 || time->tv_usec >= 1000000)
        return -EINVAL;
    *nanoseconds = (uint64_t)time->tv_sec < INT64_MAX / SECOND
                       ? (uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_usec * MICROSECOND
                       : INT64_MAX;
    return 0;
}

static int itimer_write(uint64_t at, const struct timer_setting *setting)
{
    uint64_t value = setting->value;
    if (value != 0 && value < MICROSECOND)
        value = MICROSECOND; /* 0 would say that it is not armed */
    const struct __kernel_old_timeval times[2] = {
        {(long)(setting->period / SECOND), (long)(setting->period % SECOND / MICROSECOND)},
        {(long)(value / SECOND), (long)(value % SECOND / MICROSECOND)},
    };
    return user_write(at, times, sizeof(times));
}

int64_t sys_getitimer(struct trap_frame *frame)
{
    uint32_t which = (uint32_t)syscall_arg0(frame);
    struct timer_setting setting;
    if (which >= ITIMERS)
        return -EINVAL;
    itimer_exchange((int)which, NULL, &setting);
    return itimer_write(syscall_arg1(frame), &setting);
}

int64_t sys_setitimer(struct trap_frame *frame)
{
    uint32_t which = (uint32_t)syscall_arg0(frame);
    struct __kernel_old_timeval times[2] = {{0, 0}, {0, 0}}; /* NULL: as zeros, like Linux */
    struct timer_setting setting, former;
    if (syscall_arg1(frame) != 0 && user_read(times, syscall_arg1(frame), sizeof(times)) != 0)
        return -EFAULT;
    if (itimer_read_time(&times[0], &setting.period) != 0 ||
        itimer_read_time(&times[1], &setting.value) != 0 || which >= ITIMERS)
        return -EINVAL;
    itimer_exchange((int)which, &setting, &former);
    return syscall_arg2(frame) != 0 ? itimer_write(syscall_arg2(frame), &former) : 0;
}

int64_t sys_alarm(struct trap_frame *frame)
{
    struct timer_setting setting = {(uint64_t)(uint32_t)syscall_arg0(frame) * SECOND, 0}, former;
    itimer_exchange(ITIMER_REAL, &setting, &former);
    uint64_t seconds = (former.value + SECOND / 2) / SECOND;
    return seconds == 0 && former.value != 0 ? 1 : (int64_t)seconds;
}
