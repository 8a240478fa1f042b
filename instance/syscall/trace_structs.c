/* Structs that --strace shows, as strace writes them. What cannot be read is shown as an address by
 * the caller. */
#include "instance/syscall/trace_line.h"

#include "abi/linux/signal.h"
#include "instance/mm/user.h"

#include <asm/stat.h>
#include <linux/poll.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/time_types.h>

#define ELEMENTS 4 /* of an array that are shown */

static void add_timespec(struct trace_line *line, const struct __kernel_timespec *time)
{
    trace_add(line, "{tv_sec=%ld, tv_nsec=%ld}", (int64_t)time->tv_sec, (int64_t)time->tv_nsec);
}

static bool add_timespec_at(struct trace_line *line, uint64_t at)
{
    struct __kernel_timespec time;
    if (user_read(&time, at, sizeof(time)) != 0)
        return false;
    add_timespec(line, &time);
    return true;
}

static bool add_itimerspec(struct trace_line *line, uint64_t at)
{
    struct __kernel_itimerspec times;
    if (user_read(&times, at, sizeof(times)) != 0)
        return false;
    trace_add(line, "{it_interval=");
    add_timespec(line, &times.it_interval);
    trace_add(line, ", it_value=");
    add_timespec(line, &times.it_value);
    trace_add(line, "}");
    return true;
}

static bool add_itimerval(struct trace_line *line, uint64_t at)
{
    struct __kernel_old_timeval times[2];
    if (user_read(times, at, sizeof(times)) != 0)
        return false;
    trace_add(line, "{it_interval={tv_sec=%ld, tv_usec=%ld}, it_value={tv_sec=%ld, tv_usec=%ld}}",
              times[0].tv_sec, times[0].tv_usec, times[1].tv_sec, times[1].tv_usec);
    return true;
}

static bool add_signal_set(struct trace_line *line, uint64_t at)
{
    uint64_t set;
    if (user_read(&set, at, sizeof(set)) != 0)
        return false;
    trace_add_signal_set(line, set);
    return true;
}

static bool add_action(struct trace_line *line, uint64_t at)
{
    struct linux_sigaction action;
    if (user_read(&action, at, sizeof(action)) != 0)
        return false;
    if (action.handler <= LINUX_SIG_IGN)
        trace_add(line, "{sa_handler=%s", action.handler == LINUX_SIG_DFL ? "SIG_DFL" : "SIG_IGN");
    else
        trace_add(line, "{%s=0x%lx",
                  action.flags & LINUX_SA_SIGINFO ? "sa_sigaction" : "sa_handler", action.handler);
    trace_add(line, ", sa_mask=");
    trace_add_signal_set(line, action.mask);
    trace_add(line, ", sa_flags=");
    trace_add_action_flags(line, action.flags);
    if (action.flags & LINUX_SA_RESTORER)
        trace_add(line, ", sa_restorer=0x%lx", action.restorer);
    trace_add(line, "}");
    return true;
}

static void add_limit_value(struct trace_line *line, const char *name, uint64_t value)
{
    if (value == UINT64_MAX)
        trace_add(line, "%s=RLIM64_INFINITY", name);
    else if (value != 0 && value % 1024 == 0)
        trace_add(line, "%s=%lu*1024", name, value / 1024);
    else
        trace_add(line, "%s=%lu", name, value);
}

static bool add_limit(struct trace_line *line, uint64_t at)
{
    struct rlimit64 limit;
    if (user_read(&limit, at, sizeof(limit)) != 0)
        return false;
    trace_add(line, "{");
    add_limit_value(line, "rlim_cur", limit.rlim_cur);
    add_limit_value(line, ", rlim_max", limit.rlim_max);
    trace_add(line, "}");
    return true;
}

static bool add_status(struct trace_line *line, uint64_t at)
{
    struct stat status;
    if (user_read(&status, at, sizeof(status)) != 0)
        return false;
    trace_add(line, "{st_mode=");
    trace_add_file_type(line, status.st_mode);
    if ((status.st_mode & 0170000) == 0020000)
        trace_add(line, ", st_rdev=0x%lx, ...}", (uint64_t)status.st_rdev);
    else
        trace_add(line, ", st_size=%ld, ...}", (int64_t)status.st_size);
    return true;
}

static bool add_clone(struct trace_line *line, uint64_t at)
{
    struct clone_args arguments;
    if (user_read(&arguments, at, CLONE_ARGS_SIZE_VER0) != 0)
        return false;
    trace_add(line, "{flags=");
    trace_add_word(line, LINUX_ARGUMENT_CLONE_FLAGS, arguments.flags);
    trace_add(line, ", child_tid=0x%lx, parent_tid=0x%lx, exit_signal=%lu, stack=0x%lx, ",
              (uint64_t)arguments.child_tid, (uint64_t)arguments.parent_tid,
              (uint64_t)arguments.exit_signal, (uint64_t)arguments.stack);
    trace_add(line, "stack_size=0x%lx, tls=0x%lx}", (uint64_t)arguments.stack_size,
              (uint64_t)arguments.tls);
    return true;
}

static bool add_event(struct trace_line *line, uint64_t at)
{
    struct {
        uint32_t events;
        uint64_t data;
    } __attribute__((packed)) event;
    if (user_read(&event, at, sizeof(event)) != 0)
        return false;
    trace_add(line, "{events=");
    trace_add_epoll_events(line, event.events);
    trace_add(line, ", data=0x%lx}", (uint64_t)event.data);
    return true;
}

static bool add_vector(struct trace_line *line, uint64_t at)
{
    uint64_t piece[2];
    if (user_read(piece, at, sizeof(piece)) != 0)
        return false;
    trace_add(line, "{iov_base=");
    trace_add_bytes(line, piece[0], piece[1]);
    trace_add(line, ", iov_len=%lu}", piece[1]);
    return true;
}

static bool add_poll_fd(struct trace_line *line, uint64_t at)
{
    struct pollfd entry;
    if (user_read(&entry, at, sizeof(entry)) != 0)
        return false;
    trace_add(line, "{fd=%d, events=", entry.fd);
    trace_add_poll_events(line, (uint16_t)entry.events);
    if (entry.revents != 0) {
        trace_add(line, ", revents=");
        trace_add_poll_events(line, (uint16_t)entry.revents);
    }
    trace_add(line, "}");
    return true;
}

/* An array of `count` elements of `size` bytes. */
static bool add_array(struct trace_line *line, uint64_t at, uint64_t count, uint64_t size,
                      bool (*add)(struct trace_line *line, uint64_t at))
{
    if (count != 0) {
        uint8_t first;
        if (user_read(&first, at, 1) != 0)
            return false;
    }
    trace_add(line, "[");
    for (uint64_t i = 0; i < count && i < ELEMENTS; i++) {
        if (i != 0)
            trace_add(line, ", ");
        if (!add(line, at + i * size))
            trace_add(line, "0x%lx", at + i * size);
    }
    trace_add(line, count > ELEMENTS ? ", ...]" : "]");
    return true;
}

static bool add_pair(struct trace_line *line, uint64_t at)
{
    int32_t pair[2];
    if (user_read(pair, at, sizeof(pair)) != 0)
        return false;
    trace_add(line, "[%d, %d]", pair[0], pair[1]);
    return true;
}

bool trace_add_struct(struct trace_line *line, enum linux_argument kind, const uint64_t *values,
                      unsigned index, int64_t result)
{
    uint64_t at = values[index], next = index + 1 < LINUX_CALL_ARGUMENTS ? values[index + 1] : 0;
    if (at == 0 || (kind >= LINUX_ARGUMENT_TIMESPEC_OUT && result < 0))
        return false;
    switch (kind) {
    case LINUX_ARGUMENT_TIMESPEC:
    case LINUX_ARGUMENT_TIMESPEC_OUT:
        return add_timespec_at(line, at);
    case LINUX_ARGUMENT_SIGNAL_SET:
    case LINUX_ARGUMENT_SIGNAL_SET_OUT:
        return add_signal_set(line, at);
    case LINUX_ARGUMENT_ACTION:
    case LINUX_ARGUMENT_ACTION_OUT:
        return add_action(line, at);
    case LINUX_ARGUMENT_LIMIT:
    case LINUX_ARGUMENT_LIMIT_OUT:
        return add_limit(line, at);
    case LINUX_ARGUMENT_ITIMERSPEC:
    case LINUX_ARGUMENT_ITIMERSPEC_OUT:
        return add_itimerspec(line, at);
    case LINUX_ARGUMENT_ITIMERVAL:
    case LINUX_ARGUMENT_ITIMERVAL_OUT:
        return add_itimerval(line, at);
    case LINUX_ARGUMENT_STATUS_OUT:
        return add_status(line, at);
    case LINUX_ARGUMENT_PAIR_OUT:
        return add_pair(line, at);
    case LINUX_ARGUMENT_CLONE:
        return add_clone(line, at);
    case LINUX_ARGUMENT_EVENT:
        return add_event(line, at);
    case LINUX_ARGUMENT_EVENTS_OUT:
        return add_array(line, at, (uint64_t)result, 12, add_event);
    case LINUX_ARGUMENT_VECTOR:
        return add_array(line, at, next, 16, add_vector);
    case LINUX_ARGUMENT_POLL_FDS:
        return add_array(line, at, next, sizeof(struct pollfd), add_poll_fd);
    default:
        return false;
    }
}
