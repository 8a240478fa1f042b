/* The system calls of epoll and eventfd; what they do is in instance/fs/. */
#include "instance/syscall/calls.h"
#include "instance/syscall/poll.h"

#include "instance/fs/event.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"

#include <errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#define EVENTS_MAX 65536 /* told in one call; the rest in the next */
#define EFD_SEMAPHORE 1

static int64_t install(struct file *file, bool close_on_exec)
{
    if (file == NULL)
        return -ENOMEM;
    int descriptor = file_install(file, 0, close_on_exec);
    if (descriptor < 0)
        file_put(file);
    return descriptor;
}

static int64_t eventfd_make(struct trap_frame *frame, uint32_t flags)
{
    if (flags & ~(uint32_t)(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    return install(
        eventfd_file((uint32_t)syscall_arg0(frame), flags & EFD_SEMAPHORE, flags & O_NONBLOCK),
        flags & O_CLOEXEC);
}

int64_t sys_eventfd(struct trap_frame *frame)
{
    return eventfd_make(frame, 0);
}

int64_t sys_eventfd2(struct trap_frame *frame)
{
    return eventfd_make(frame, (uint32_t)syscall_arg1(frame));
}

int64_t sys_epoll_create(struct trap_frame *frame)
{
    return (int32_t)syscall_arg0(frame) <= 0 ? -EINVAL : install(epoll_file(), false);
}

int64_t sys_epoll_create1(struct trap_frame *frame)
{
    uint32_t flags = (uint32_t)syscall_arg0(frame);
    return flags & ~(uint32_t)EPOLL_CLOEXEC ? -EINVAL : install(epoll_file(), flags != 0);
}

int64_t sys_epoll_ctl(struct trap_frame *frame)
{
    int operation = (int)syscall_arg1(frame), descriptor = (int)syscall_arg2(frame);
    struct epoll_report event = {0};
    if (operation != EPOLL_CTL_ADD && operation != EPOLL_CTL_MOD && operation != EPOLL_CTL_DEL)
        return -EINVAL;
    if (operation != EPOLL_CTL_DEL && user_read(&event, syscall_arg3(frame), sizeof(event)) != 0)
        return -EFAULT;
    struct file *epoll = file_get((int)syscall_arg0(frame)), *target = file_get(descriptor);
    int64_t result = -EBADF;
    if (epoll != NULL && target != NULL)
        result = file_is_epoll(epoll) ? epoll_control(epoll, operation, descriptor, target, &event)
                                      : -EINVAL;
    if (epoll != NULL)
        file_put(epoll);
    if (target != NULL)
        file_put(target);
    return result;
}

/* Looks until there is something to tell, the time is up (0) or a signal has come (-EINTR). */
static int64_t epoll_wait_for(struct file *epoll, struct epoll_report *events, uint64_t count,
                              struct poll_time time)
{
    for (;;) {
        uint64_t seen = file_notifications(); /* what comes after this look is not missed */
        int64_t told = epoll_look(epoll, events, count);
        if (told != 0 || !time.wait)
            return told;
        int ended = file_wait(seen, time.deadline);
        if (ended == -EINTR)
            return -EINTR;
        if (ended == -ETIMEDOUT)
            time.wait = false; /* one last look */
    }
}

static int64_t epoll_program(struct trap_frame *frame, struct poll_time time)
{
    int32_t count = (int32_t)syscall_arg2(frame);
    if (count <= 0 || count > INT32_MAX / (int32_t)sizeof(struct epoll_report))
        return -EINVAL;
    if (count > EVENTS_MAX)
        count = EVENTS_MAX;
    struct file *epoll = file_get((int)syscall_arg0(frame));
    if (epoll == NULL)
        return -EBADF;
    int64_t result = -EINVAL;
    struct epoll_report *events = NULL;
    if (file_is_epoll(epoll)) {
        events = kmalloc((uint64_t)count * sizeof(*events));
        result = events == NULL ? -ENOMEM : epoll_wait_for(epoll, events, (uint64_t)count, time);
    }
    if (result > 0 &&
        user_write(syscall_arg1(frame), events, (uint64_t)result * sizeof(*events)) != 0)
        result = -EFAULT;
    kfree(events);
    file_put(epoll);
    return result;
}

static int64_t epoll_with_mask(struct trap_frame *frame, struct poll_time time)
{
    uint64_t before, mask_at = syscall_arg4(frame);
    int error = poll_mask_begin(mask_at, syscall_arg5(frame), &before);
    if (error != 0)
        return error;
    int64_t result = epoll_program(frame, time);
    poll_mask_end(mask_at, before, result);
    return result;
}

static struct poll_time milliseconds_of(const struct trap_frame *frame)
{
    int32_t milliseconds = (int32_t)syscall_arg3(frame);
    struct poll_time time = {.wait = milliseconds != 0};
    if (milliseconds > 0)
        time.deadline = platform_monotonic_ns() + (uint64_t)milliseconds * 1000000;
    return time;
}

int64_t sys_epoll_wait(struct trap_frame *frame)
{
    return epoll_program(frame, milliseconds_of(frame));
}

int64_t sys_epoll_pwait(struct trap_frame *frame)
{
    return epoll_with_mask(frame, milliseconds_of(frame));
}

int64_t sys_epoll_pwait2(struct trap_frame *frame)
{
    struct poll_time time;
    int error = poll_read_time(syscall_arg3(frame), 1, &time);
    return error != 0 ? error : epoll_with_mask(frame, time);
}
