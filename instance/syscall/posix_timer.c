/* POSIX timers (timer_create and its relatives): they send a signal, or nothing. One signal of each
 * is pending at a time; what expires until it is taken is told as its overrun, and only then does a
 * periodic timer run on. */
#include "instance/syscall/calls.h"
#include "instance/syscall/signal.h"
#include "instance/syscall/timers.h"
#include "instance/syscall/timespec.h"

#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/time.h>
#include <linux/time_types.h>

#define TIMER_BUCKETS 64
#define SIGEV_KIND_SIGNAL 0
#define SIGEV_KIND_NONE 1
#define SIGEV_KIND_THREAD 2 /* the library's own: for the kernel as SIGNAL */
#define SIGEV_KIND_THREAD_ID 4
#define SI_CODE_TIMER (-2)
#define SECOND UINT64_C(1000000000)

/* struct sigevent */
struct signal_event {
    uint64_t value;
    int32_t signal;
    int32_t kind;
    int32_t thread;
    uint8_t rest[44];
};
_Static_assert(sizeof(struct signal_event) == 64, "struct sigevent");

struct posix_timer {
    struct list link; /* in its bucket */
    int32_t id;
    int clock;
    struct signal_event event;
    struct interval interval;
    struct signal_entry *entry; /* NULL: sends no signal */
    int32_t overrun;            /* of the signal that was taken last */
};

/* Guards all timers. */
static struct spinlock posix_timer_lock;
static struct list posix_timers[TIMER_BUCKETS]; /* all zero: not made yet */
static int32_t posix_timer_next;

/* --- Settings ----------------------------------------------------------------------------------
 */

static int setting_time(const struct __kernel_timespec *time, uint64_t *nanoseconds)
{
    if (time->tv_sec < 0 || time->tv_nsec < 0 || (uint64_t)time->tv_nsec >= SECOND)
        return -EINVAL;
    *nanoseconds = (uint64_t)time->tv_sec < TIME_FOREVER / SECOND
                       ? (uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_nsec
                       : TIME_FOREVER;
    return 0;
}

int timer_setting_read(uint64_t at, struct timer_setting *setting)
{
    struct __kernel_itimerspec times;
    if (user_read(&times, at, sizeof(times)) != 0)
        return -EFAULT;
    int error = setting_time(&times.it_interval, &setting->period);
    return error != 0 ? error : setting_time(&times.it_value, &setting->value);
}

int timer_setting_write(uint64_t at, uint64_t value, uint64_t period)
{
    const struct __kernel_itimerspec times = {
        .it_interval = {(int64_t)(period / SECOND), (int64_t)(period % SECOND)},
        .it_value = {(int64_t)(value / SECOND), (int64_t)(value % SECOND)},
    };
    return user_write(at, &times, sizeof(times));
}

uint64_t timer_expiry(const struct interval *interval, int clock, uint64_t value, bool absolute)
{
    if (value == 0)
        return 0;
    if (absolute && interval->clock == INTERVAL_TIME)
        return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI
                   ? deadline_from_realtime(value)
                   : deadline_from_monotonic(value);
    uint64_t now = absolute ? 0 : interval_now(interval);
    return value < TIME_FOREVER - now ? now + value : TIME_FOREVER;
}

/* --- The timers --------------------------------------------------------------------------------
 */

/* Under the lock. */
static struct posix_timer *posix_timer_find(int32_t id)
{
    struct list *bucket = &posix_timers[(uint32_t)id % TIMER_BUCKETS];
    for (struct list *node = bucket->next; node != NULL && node != bucket; node = node->next) {
        struct posix_timer *timer = LIST_ENTRY(node, struct posix_timer, link);
        if (timer->id == id)
            return timer;
    }
    return NULL;
}

static void posix_timer_function(struct timer *at)
{
    struct posix_timer *timer = LIST_ENTRY(at, struct posix_timer, interval.timer);
    uint64_t saved = spin_lock_irq(&posix_timer_lock);
    if (interval_is_due(&timer->interval)) {
        struct linux_siginfo info = {.signal = timer->event.signal, .code = SI_CODE_TIMER};
        info.sender.pid = timer->id;
        info.sender.value = timer->event.value;
        int32_t thread = timer->event.kind & SIGEV_KIND_THREAD_ID ? timer->event.thread : 0;
        int error = signal_post(thread, &info, timer->entry);
        if (error != 0 && error != -EBUSY) /* ignored, or its thread is gone */
            interval_take(&timer->interval, INTERVAL_LOOK_NS);
    }
    spin_unlock_irq(&posix_timer_lock, saved);
}

void timers_signal_taken(int32_t id, struct linux_siginfo *info)
{
    uint64_t saved = spin_lock_irq(&posix_timer_lock);
    struct posix_timer *timer = posix_timer_find(id);
    if (timer != NULL) {
        uint64_t count = interval_take(&timer->interval, 0);
        timer->overrun = count > INT32_MAX ? INT32_MAX : count != 0 ? (int32_t)count - 1 : 0;
        info->sender.uid = (uint32_t)timer->overrun; /* si_overrun */
    }
    spin_unlock_irq(&posix_timer_lock, saved);
}

/* The clock by the program's number. 0, -EINVAL, or -EOPNOTSUPP: a clock without timers. */
static int posix_timer_clock(int clock, struct interval *interval)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
    case CLOCK_TAI:
        interval->clock = INTERVAL_TIME;
        return 0;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
        return -EOPNOTSUPP;
    case CLOCK_THREAD_CPUTIME_ID:
        interval->clock = INTERVAL_THREAD;
        interval->thread = thread_current()->id;
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        interval->clock = INTERVAL_PROCESS;
        return 0;
    default:
        break;
    }
    int32_t id =
        (int32_t)(~(uint32_t)clock >> 3); /* of a thread or the process, see clock_read_cpu */
    if (clock >= 0 || (clock & 3) == 3 || id < 0 || ((clock & 4) == 0 && id > 1))
        return -EINVAL;
    interval->clock = clock & 4 ? INTERVAL_THREAD : INTERVAL_PROCESS;
    interval->thread = id != 0 ? id : thread_current()->id;
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    bool there = (clock & 4) == 0 || thread_find(interval->thread) != NULL;
    spin_unlock_irq(&thread_all_lock, saved);
    return there ? 0 : -EINVAL;
}

/* Are kind, signal and thread what a timer can have? */
static bool signal_event_is_good(const struct signal_event *event)
{
    if (event->kind == SIGEV_KIND_NONE)
        return true;
    if (event->kind == SIGEV_KIND_THREAD_ID) {
        uint64_t saved = spin_lock_irq(&thread_all_lock);
        bool there = thread_find(event->thread) != NULL;
        spin_unlock_irq(&thread_all_lock, saved);
        if (!there)
            return false;
    } else if (event->kind != SIGEV_KIND_SIGNAL && event->kind != SIGEV_KIND_THREAD) {
        return false;
    }
    return event->signal > 0 && event->signal <= LINUX_SIGNALS;
}

/* Gives it a number and makes it known. */
static void posix_timer_register(struct posix_timer *timer)
{
    uint64_t saved = spin_lock_irq(&posix_timer_lock);
    while (posix_timer_find(posix_timer_next) != NULL)
        posix_timer_next = (int32_t)(((uint32_t)posix_timer_next + 1) & INT32_MAX);
    timer->id = posix_timer_next;
    posix_timer_next = (int32_t)(((uint32_t)posix_timer_next + 1) & INT32_MAX);
    struct list *bucket = &posix_timers[(uint32_t)timer->id % TIMER_BUCKETS];
    if (bucket->next == NULL)
        list_init(bucket);
    list_append(bucket, &timer->link);
    spin_unlock_irq(&posix_timer_lock, saved);
}

static int posix_timer_delete(int32_t id)
{
    uint64_t saved = spin_lock_irq(&posix_timer_lock);
    struct posix_timer *timer = posix_timer_find(id);
    if (timer != NULL) {
        list_remove(&timer->link);
        interval_set(&timer->interval, 0, 0, posix_timer_function);
    }
    spin_unlock_irq(&posix_timer_lock, saved);
    if (timer == NULL)
        return -EINVAL;
    interval_end(&timer->interval);
    if (timer->entry != NULL)
        signal_entry_release(timer->entry);
    kfree(timer);
    return 0;
}

/* --- The calls ---------------------------------------------------------------------------------
 */

int64_t sys_timer_create(struct trap_frame *frame)
{
    struct signal_event event = {.kind = SIGEV_KIND_SIGNAL, .signal = LINUX_SIGALRM};
    uint64_t event_at = syscall_arg1(frame);
    if (event_at != 0 && user_read(&event, event_at, sizeof(event)) != 0)
        return -EFAULT;
    struct posix_timer *timer = kzalloc(sizeof(*timer));
    if (timer == NULL)
        return -EAGAIN;
    timer->clock = (int)syscall_arg0(frame);
    timer->event = event;
    int error = posix_timer_clock(timer->clock, &timer->interval);
    if (error == 0 && !signal_event_is_good(&event))
        error = -EINVAL;
    if (error != 0) {
        kfree(timer);
        return error;
    }
    timer->interval.silent = event.kind == SIGEV_KIND_NONE;
    posix_timer_register(timer);
    int32_t id = timer->id;
    if (event_at == 0)
        timer->event.value = (uint32_t)id;
    if (!timer->interval.silent && (timer->entry = signal_entry_create(id)) == NULL)
        error = -EAGAIN;
    else if (user_write(syscall_arg2(frame), &id, sizeof(id)) != 0)
        error = -EFAULT;
    if (error != 0)
        posix_timer_delete(id);
    return error;
}

int64_t sys_timer_settime(struct trap_frame *frame)
{
    struct timer_setting setting, former = {0, 0};
    if (syscall_arg2(frame) == 0)
        return -EINVAL;
    int error = timer_setting_read(syscall_arg2(frame), &setting);
    if (error != 0)
        return error;
    uint64_t saved = spin_lock_irq(&posix_timer_lock);
    struct posix_timer *timer = posix_timer_find((int32_t)syscall_arg0(frame));
    if (timer != NULL) {
        struct interval *interval = &timer->interval;
        former = (struct timer_setting){interval_left(interval), interval->period};
        timer->overrun = 0;
        interval_set(interval,
                     timer_expiry(interval, timer->clock, setting.value,
                                  (syscall_arg1(frame) & TIMER_ABSTIME) != 0),
                     setting.value != 0 ? setting.period : 0, posix_timer_function);
    }
    spin_unlock_irq(&posix_timer_lock, saved);
    if (timer == NULL)
        return -EINVAL;
    return syscall_arg3(frame) != 0
               ? timer_setting_write(syscall_arg3(frame), former.value, former.period)
               : 0;
}

int64_t sys_timer_gettime(struct trap_frame *frame)
{
    uint64_t left = 0, period = 0;
    uint64_t saved = spin_lock_irq(&posix_timer_lock);
    struct posix_timer *timer = posix_timer_find((int32_t)syscall_arg0(frame));
    if (timer != NULL) {
        left = interval_left(&timer->interval);
        period = timer->interval.period;
    }
    spin_unlock_irq(&posix_timer_lock, saved);
    return timer != NULL ? timer_setting_write(syscall_arg1(frame), left, period) : -EINVAL;
}

int64_t sys_timer_getoverrun(struct trap_frame *frame)
{
    uint64_t saved = spin_lock_irq(&posix_timer_lock);
    struct posix_timer *timer = posix_timer_find((int32_t)syscall_arg0(frame));
    int64_t result = timer != NULL ? timer->overrun : -EINVAL;
    spin_unlock_irq(&posix_timer_lock, saved);
    return result;
}

int64_t sys_timer_delete(struct trap_frame *frame)
{
    return posix_timer_delete((int32_t)syscall_arg0(frame));
}
