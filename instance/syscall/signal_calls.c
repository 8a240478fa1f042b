/* The system calls about signals: they check their arguments, copy to and from the program, and
 * leave the rest to signal.c. There is one process, number 1, in one process group. */
#include "instance/syscall/calls.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/signal.h"

#include "instance/mm/user.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/time_types.h>

#define SIGNAL_SET_SIZE 8
#define PROCESS_ID 1

enum { SIG_BLOCK_SET = 0, SIG_UNBLOCK_SET = 1, SIG_SET_SET = 2 }; /* rt_sigprocmask's `how` */

int64_t sys_rt_sigaction(struct trap_frame *frame)
{
    struct linux_sigaction action, former;
    uint64_t new_at = syscall_arg1(frame), old_at = syscall_arg2(frame);
    if (syscall_arg3(frame) != SIGNAL_SET_SIZE)
        return -EINVAL;
    if (new_at != 0 && user_read(&action, new_at, sizeof(action)) != 0)
        return -EFAULT;
    int result = signal_action_exchange((int)syscall_arg0(frame), new_at != 0 ? &action : NULL,
                                        old_at != 0 ? &former : NULL);
    if (result == 0 && old_at != 0)
        result = user_write(old_at, &former, sizeof(former));
    return result;
}

int64_t sys_rt_sigprocmask(struct trap_frame *frame)
{
    struct signal_state *state = &thread_current()->signals;
    uint64_t set, before = state->blocked;
    uint64_t set_at = syscall_arg1(frame), old_at = syscall_arg2(frame);
    if (syscall_arg3(frame) != SIGNAL_SET_SIZE)
        return -EINVAL;
    if (set_at != 0) {
        if (user_read(&set, set_at, sizeof(set)) != 0)
            return -EFAULT;
        switch ((int)syscall_arg0(frame)) {
        case SIG_BLOCK_SET:
            signal_set_blocked(before | set);
            break;
        case SIG_UNBLOCK_SET:
            signal_set_blocked(before & ~set);
            break;
        case SIG_SET_SET:
            signal_set_blocked(set);
            break;
        default:
            return -EINVAL;
        }
    }
    return old_at != 0 ? user_write(old_at, &before, sizeof(before)) : 0;
}

int64_t sys_rt_sigpending(struct trap_frame *frame)
{
    if (syscall_arg1(frame) > SIGNAL_SET_SIZE)
        return -EINVAL;
    uint64_t set = signal_pending_set() & thread_current()->signals.blocked;
    return user_write(syscall_arg0(frame), &set, syscall_arg1(frame));
}

/* Waits until a signal that is not blocked has come, with `mask` blocked meanwhile. */
static int64_t signal_suspend(uint64_t mask)
{
    struct signal_state *state = &thread_current()->signals;
    uint64_t before = state->blocked;
    signal_set_blocked(mask);
    for (;;) {
        thread_prepare_wait(true);
        if (signal_deliverable()) {
            thread_cancel_wait();
            break;
        }
        thread_wait(0);
    }
    /* The handler runs with `mask`; the way back to the program restores the former one. */
    state->saved_mask = before;
    state->restore_mask = true;
    return -ERESTARTNOHAND;
}

int64_t sys_rt_sigsuspend(struct trap_frame *frame)
{
    uint64_t mask;
    if (syscall_arg1(frame) != SIGNAL_SET_SIZE)
        return -EINVAL;
    if (user_read(&mask, syscall_arg0(frame), sizeof(mask)) != 0)
        return -EFAULT;
    return signal_suspend(mask);
}

int64_t sys_pause(struct trap_frame *frame)
{
    (void)frame;
    return signal_suspend(thread_current()->signals.blocked);
}

static int signal_write_info(uint64_t to, const struct linux_siginfo *info)
{
    if (user_write(to, info, sizeof(*info)) != 0)
        return -EFAULT;
    return user_clear(to + sizeof(*info), LINUX_SIGINFO_SIZE - sizeof(*info));
}

int64_t sys_rt_sigtimedwait(struct trap_frame *frame)
{
    struct signal_state *state = &thread_current()->signals;
    struct __kernel_timespec timeout;
    struct linux_siginfo info;
    uint64_t set, deadline = 0;
    bool look_only = false;

    if (syscall_arg3(frame) != SIGNAL_SET_SIZE)
        return -EINVAL;
    if (user_read(&set, syscall_arg0(frame), sizeof(set)) != 0)
        return -EFAULT;
    set &= ~(LINUX_SIGNAL_BIT(LINUX_SIGKILL) | LINUX_SIGNAL_BIT(LINUX_SIGSTOP));
    if (syscall_arg2(frame) != 0) {
        if (user_read(&timeout, syscall_arg2(frame), sizeof(timeout)) != 0)
            return -EFAULT;
        if (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec >= 1000000000)
            return -EINVAL;
        look_only = timeout.tv_sec == 0 && timeout.tv_nsec == 0;
        uint64_t seconds = (uint64_t)timeout.tv_sec;
        if (seconds < UINT64_MAX / 4 / 1000000000)
            deadline = platform_monotonic_ns() + seconds * 1000000000 + (uint64_t)timeout.tv_nsec;
    }

    /* From here on senders wake this thread for these signals although it blocks them. */
    atomic_store(&state->wanted, set);
    int64_t result = -EAGAIN;
    for (;;) {
        thread_prepare_wait(true);
        if (signal_take(set, &info)) {
            thread_cancel_wait();
            result = info.signal;
            break;
        }
        if (signal_deliverable()) {
            thread_cancel_wait();
            result = -EINTR;
            break;
        }
        if (look_only || (deadline != 0 && platform_monotonic_ns() >= deadline)) {
            thread_cancel_wait();
            break;
        }
        thread_wait(deadline);
    }
    atomic_store(&state->wanted, 0);
    if (result > 0 && syscall_arg1(frame) != 0 &&
        signal_write_info(syscall_arg1(frame), &info) != 0)
        return -EFAULT;
    return result;
}

int64_t sys_sigaltstack(struct trap_frame *frame)
{
    struct signal_state *state = &thread_current()->signals;
    struct linux_sigaltstack stack, former;
    uint64_t new_at = syscall_arg0(frame), old_at = syscall_arg1(frame);

    bool active = !(state->stack_flags & LINUX_SS_AUTODISARM) && frame->rsp > state->stack_base &&
                  frame->rsp - state->stack_base <= state->stack_size;
    memset(&former, 0, sizeof(former));
    former.base = state->stack_base;
    former.size = state->stack_size;
    former.flags =
        (state->stack_flags & LINUX_SS_AUTODISARM) | (state->stack_size == 0 ? LINUX_SS_DISABLE
                                                      : active               ? LINUX_SS_ONSTACK
                                                                             : 0);
    if (new_at != 0) {
        if (user_read(&stack, new_at, sizeof(stack)) != 0)
            return -EFAULT;
        int mode = stack.flags & ~LINUX_SS_AUTODISARM;
        if (active)
            return -EPERM;
        if (mode != LINUX_SS_DISABLE && mode != LINUX_SS_ONSTACK && mode != 0)
            return -EINVAL;
        if (stack.base == state->stack_base && stack.size == state->stack_size &&
            stack.flags == state->stack_flags) {
            /* No change: as on Linux no error either. */
        } else if (mode == LINUX_SS_DISABLE) {
            state->stack_base = state->stack_size = 0;
            state->stack_flags = 0;
        } else if (stack.size < LINUX_MINSIGSTKSZ) {
            return -ENOMEM;
        } else {
            state->stack_base = stack.base;
            state->stack_size = stack.size;
            state->stack_flags = stack.flags & LINUX_SS_AUTODISARM;
        }
    }
    return old_at != 0 ? user_write(old_at, &former, sizeof(former)) : 0;
}

/* --- Sending ---------------------------------------------------------------------------------- */

static int64_t signal_send_from_program(int32_t thread, int signal, int code)
{
    struct linux_siginfo info;
    memset(&info, 0, sizeof(info));
    info.signal = signal;
    info.code = code;
    info.sender.pid = PROCESS_ID;
    return signal_send_info(thread, &info);
}

int64_t sys_kill(struct trap_frame *frame)
{
    int32_t process = (int32_t)syscall_arg0(frame);
    /* The process, its group by 0 or by number, or everyone: all the same. */
    if (process != PROCESS_ID && process != 0 && process != -1)
        return -ESRCH;
    return signal_send_from_program(0, (int)syscall_arg1(frame), LINUX_SI_USER);
}

int64_t sys_tkill(struct trap_frame *frame)
{
    int32_t thread = (int32_t)syscall_arg0(frame);
    if (thread <= 0)
        return -EINVAL;
    return signal_send_from_program(thread, (int)syscall_arg1(frame), LINUX_SI_TKILL);
}

int64_t sys_tgkill(struct trap_frame *frame)
{
    int32_t process = (int32_t)syscall_arg0(frame), thread = (int32_t)syscall_arg1(frame);
    if (process <= 0 || thread <= 0)
        return -EINVAL;
    if (process != PROCESS_ID)
        return -ESRCH;
    return signal_send_from_program(thread, (int)syscall_arg2(frame), LINUX_SI_TKILL);
}

/* A siginfo that the program made up itself, for a process that is always its own. */
static int64_t signal_queue_info(int32_t thread, int signal, uint64_t info_at)
{
    struct linux_siginfo info;
    if (user_read(&info, info_at, sizeof(info)) != 0)
        return -EFAULT;
    info.signal = signal;
    return signal_send_info(thread, &info);
}

int64_t sys_rt_sigqueueinfo(struct trap_frame *frame)
{
    if ((int32_t)syscall_arg0(frame) != PROCESS_ID)
        return -ESRCH;
    return signal_queue_info(0, (int)syscall_arg1(frame), syscall_arg2(frame));
}

int64_t sys_rt_tgsigqueueinfo(struct trap_frame *frame)
{
    int32_t process = (int32_t)syscall_arg0(frame), thread = (int32_t)syscall_arg1(frame);
    if (process <= 0 || thread <= 0)
        return -EINVAL;
    if (process != PROCESS_ID)
        return -ESRCH;
    return signal_queue_info(thread, (int)syscall_arg2(frame), syscall_arg3(frame));
}

int64_t sys_rt_sigreturn(struct trap_frame *frame)
{
    uint64_t mask;
    if (signal_frame_pop(frame, &mask) != 0) {
        /* As Linux: nothing is left to return to. */
        signal_fault(frame, LINUX_SIGSEGV, LINUX_SI_KERNEL, frame->rsp);
        return (int64_t)frame->rax;
    }
    signal_set_blocked(mask);
    return (int64_t)frame->rax;
}
