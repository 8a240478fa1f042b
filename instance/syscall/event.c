/* The system calls of timerfd and signalfd; what these files do is in instance/fs/. */
#include "instance/syscall/calls.h"
#include "instance/syscall/signal.h"
#include "instance/syscall/timers.h"

#include "instance/fs/event.h"
#include "instance/mm/user.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/time.h>
#include <linux/timerfd.h>

static int64_t install(struct file *file, bool close_on_exec)
{
    if (file == NULL)
        return -ENOMEM;
    int descriptor = file_install(file, 0, close_on_exec);
    if (descriptor < 0)
        file_put(file);
    return descriptor;
}

/* --- timerfd -----------------------------------------------------------------------------------
 */

int64_t sys_timerfd_create(struct trap_frame *frame)
{
    int clock = (int)syscall_arg0(frame);
    uint32_t flags = (uint32_t)syscall_arg1(frame);
    if (flags & ~(uint32_t)(TFD_CLOEXEC | TFD_NONBLOCK))
        return -EINVAL;
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME &&
        clock != CLOCK_REALTIME_ALARM && clock != CLOCK_BOOTTIME_ALARM)
        return -EINVAL;
    return install(timerfd_file(clock, flags & TFD_NONBLOCK), flags & TFD_CLOEXEC);
}

/* The timerfd at a descriptor, held; -EBADF or -EINVAL. */
static int timerfd_get(int descriptor, struct file **file)
{
    *file = file_get(descriptor);
    if (*file == NULL)
        return -EBADF;
    if (timerfd_clock(*file) >= 0)
        return 0;
    file_put(*file);
    return -EINVAL;
}

int64_t sys_timerfd_settime(struct trap_frame *frame)
{
    uint32_t flags = (uint32_t)syscall_arg1(frame);
    struct timer_setting setting, former;
    struct file *file;
    int error = timer_setting_read(syscall_arg2(frame), &setting);
    if (error != 0)
        return error;
    /* Nobody sets the clock here, so nothing is ever cancelled by that. */
    if (flags & ~(uint32_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
        return -EINVAL;
    error = timerfd_get((int)syscall_arg0(frame), &file);
    if (error != 0)
        return error;
    static const struct interval time = {.clock = INTERVAL_TIME};
    uint64_t expiry =
        timer_expiry(&time, timerfd_clock(file), setting.value, flags & TFD_TIMER_ABSTIME);
    timerfd_exchange(file, &expiry, setting.period, &former.value, &former.period);
    file_put(file);
    return syscall_arg3(frame) != 0
               ? timer_setting_write(syscall_arg3(frame), former.value, former.period)
               : 0;
}

int64_t sys_timerfd_gettime(struct trap_frame *frame)
{
    uint64_t left, period;
    struct file *file;
    int error = timerfd_get((int)syscall_arg0(frame), &file);
    if (error != 0)
        return error;
    timerfd_exchange(file, NULL, 0, &left, &period);
    file_put(file);
    return timer_setting_write(syscall_arg1(frame), left, period);
}

/* --- signalfd ----------------------------------------------------------------------------------
 */

static int64_t signalfd_make(struct trap_frame *frame, uint32_t flags)
{
    int descriptor = (int)syscall_arg0(frame);
    uint64_t set;
    if (syscall_arg2(frame) != sizeof(set))
        return -EINVAL;
    if (user_read(&set, syscall_arg1(frame), sizeof(set)) != 0)
        return -EFAULT;
    if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    set &= ~(LINUX_SIGNAL_BIT(LINUX_SIGKILL) | LINUX_SIGNAL_BIT(LINUX_SIGSTOP));
    if (descriptor == -1)
        return install(signalfd_file(set, flags & O_NONBLOCK), flags & O_CLOEXEC);
    struct file *file = file_get(descriptor);
    if (file == NULL)
        return -EBADF;
    int error = signalfd_set(file, set);
    file_put(file);
    return error != 0 ? error : descriptor;
}

int64_t sys_signalfd(struct trap_frame *frame)
{
    return signalfd_make(frame, 0);
}

int64_t sys_signalfd4(struct trap_frame *frame)
{
    return signalfd_make(frame, (uint32_t)syscall_arg3(frame));
}
