/* Sending, blocking, queueing and taking signals; default actions; calls that a signal broke off.
 */
#include "tests/unit/syscall/kernel.h"

#include "instance/syscall/restart.h"

#include <asm/unistd_64.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(signals, .init = kernel_set_up);

#define BIT(signal) LINUX_SIGNAL_BIT(signal)

static struct trap_frame delivered(void)
{
    struct trap_frame frame = call_frame(0);
    frame.vector = 0xe0; /* as from an interrupt */
    signal_deliver(&frame);
    return frame;
}

/* In a frame of its own, which longjmp may forget. */
static __attribute__((noinline)) void deliver_and_end(void)
{
    CATCH_END(delivered());
}

Test(signals, handler_runs_with_its_mask)
{
    set_handler(LINUX_SIGUSR1, HANDLER, 0, BIT(LINUX_SIGUSR2) | BIT(LINUX_SIGKILL));
    cr_assert(!signal_deliverable());
    cr_assert_eq(signal_send(1, LINUX_SIGUSR1, LINUX_SI_USER), 0);
    cr_assert(signal_deliverable());
    cr_assert_eq(interrupted[0], 1);
    struct trap_frame frame = delivered();
    cr_assert_eq(frame.rip, HANDLER);
    cr_assert_eq(threads[0].signals.blocked, BIT(LINUX_SIGUSR1) | BIT(LINUX_SIGUSR2));
    cr_assert(!signal_deliverable());

    /* Its return restores the mask. */
    struct trap_frame back = call_frame(__NR_rt_sigreturn);
    back.rsp = frame.rsp + 8;
    syscall_dispatch(&back);
    cr_assert_eq(threads[0].signals.blocked, 0);
    cr_assert_eq(back.rip, memory_at(2));
    cr_assert_eq(back.vector, TRAP_RESTORED);
}

Test(signals, nodefer_and_resethand)
{
    set_handler(LINUX_SIGUSR1, HANDLER, LINUX_SA_NODEFER | LINUX_SA_RESETHAND, 0);
    signal_send(0, LINUX_SIGUSR1, LINUX_SI_USER);
    delivered();
    cr_assert_eq(threads[0].signals.blocked, 0);
    struct linux_sigaction now;
    signal_action_exchange(LINUX_SIGUSR1, NULL, &now);
    cr_assert_eq(now.handler, LINUX_SIG_DFL);
}

/* A timer's signal: pending once, beside others of its number, and with what the timer adds. */
Test(signals, of_a_timer)
{
    struct linux_siginfo info = {.signal = LINUX_SIGUSR1, .code = -2}, taken;
    struct signal_entry *entry = signal_entry_create(5);
    signal_set_blocked(UINT64_MAX);
    cr_assert_eq(signal_send(0, LINUX_SIGUSR1, LINUX_SI_USER), 0);
    cr_assert_eq(signal_post(0, &info, entry), 0);
    cr_assert_eq(signal_post(0, &info, entry), -EBUSY);
    cr_assert(signal_take(UINT64_MAX, &taken) && taken.code == LINUX_SI_USER);
    cr_assert_eq(taken.sender.uid, 0);
    cr_assert(signal_take(UINT64_MAX, &taken) && taken.code == -2);
    cr_assert_eq(taken.sender.uid, 7, "the timer was not asked");
    cr_assert(!signal_take(UINT64_MAX, &taken));
    /* Given back while it is pending: it still comes. */
    cr_assert_eq(signal_post(0, &info, entry), 0);
    signal_entry_release(entry);
    cr_assert(signal_take(UINT64_MAX, &taken) && taken.code == -2);
    cr_assert_eq(taken.sender.uid, 0);
    /* Ignored: the sender of a timer's signal is told. */
    signal_set_blocked(0);
    set_handler(LINUX_SIGUSR1, LINUX_SIG_IGN, 0, 0);
    entry = signal_entry_create(6);
    cr_assert_eq(signal_post(0, &info, entry), -ECANCELED);
    signal_entry_release(entry);
}

Test(signals, who_polls_is_told_of_watched_ones)
{
    unsigned before = notified;
    signal_set_blocked(UINT64_MAX);
    signal_watch(BIT(LINUX_SIGUSR2));
    signal_send(0, LINUX_SIGUSR1, LINUX_SI_USER);
    cr_assert_eq(notified, before);
    signal_send(0, LINUX_SIGUSR2, LINUX_SI_USER);
    cr_assert_eq(notified, before + 1);
}

Test(signals, standard_once_realtime_queued_in_order)
{
    struct linux_siginfo info = {.signal = 40, .code = LINUX_SI_QUEUE};
    signal_set_blocked(UINT64_MAX);
    for (uint64_t i = 1; i <= 3; i++) {
        info.sender.value = i;
        cr_assert_eq(signal_send_info(0, &info), 0);
        cr_assert_eq(signal_send(0, LINUX_SIGUSR1, LINUX_SI_USER), 0);
    }
    struct linux_siginfo taken;
    cr_assert(signal_take(UINT64_MAX, &taken) && taken.signal == LINUX_SIGUSR1);
    for (uint64_t i = 1; i <= 3; i++) {
        cr_assert(signal_take(UINT64_MAX, &taken));
        cr_assert_eq(taken.signal, 40);
        cr_assert_eq(taken.sender.value, i);
    }
    cr_assert(!signal_take(UINT64_MAX, &taken));
}

Test(signals, process_signal_goes_to_a_thread_that_takes_it)
{
    threads[0].signals.blocked = BIT(LINUX_SIGTERM);
    threads[1].signals.blocked = BIT(LINUX_SIGTERM);
    set_handler(LINUX_SIGTERM, HANDLER, 0, 0);
    signal_send(0, LINUX_SIGTERM, LINUX_SI_USER);
    cr_assert_eq(interrupted[2], 1);
    cr_assert(!signal_deliverable());

    threads[2].signals.blocked = BIT(LINUX_SIGUSR1); /* all block it: it stays */
    threads[1].signals.blocked = threads[0].signals.blocked = BIT(LINUX_SIGUSR1);
    signal_send(0, LINUX_SIGUSR1, LINUX_SI_USER);
    cr_assert_eq(signal_pending_set() & BIT(LINUX_SIGUSR1), BIT(LINUX_SIGUSR1));

    cr_assert_eq(signal_send(7, LINUX_SIGUSR1, LINUX_SI_USER), -ESRCH);
    cr_assert_eq(signal_send(2, 65, LINUX_SI_USER), -EINVAL);
    cr_assert_eq(signal_send(2, -1, LINUX_SI_USER), -EINVAL);
    cr_assert_eq(signal_send(2, 0, LINUX_SI_USER), 0);
    cr_assert_eq(call(__NR_kill, 2, LINUX_SIGUSR1, 0, 0), -ESRCH);
    cr_assert_eq(call(__NR_tgkill, 1, 9, LINUX_SIGUSR1, 0), -ESRCH);
    cr_assert_eq(call(__NR_tgkill, 1, 0, LINUX_SIGUSR1, 0), -EINVAL);
}

Test(signals, ignored_signals_leave_no_trace)
{
    signal_send(1, LINUX_SIGCHLD, LINUX_SI_USER);
    cr_assert_eq(signal_pending_set(), 0);
    set_handler(LINUX_SIGUSR1, HANDLER, 0, 0);
    signal_set_blocked(BIT(LINUX_SIGUSR1));
    signal_send(1, LINUX_SIGUSR1, LINUX_SI_USER);
    signal_send(0, LINUX_SIGUSR1, LINUX_SI_USER);
    set_handler(LINUX_SIGUSR1, LINUX_SIG_IGN, 0, 0); /* drops what is pending */
    cr_assert_eq(signal_pending_set(), 0);
    /* Blocked and ignored: kept, for it may get a handler. */
    signal_send(1, LINUX_SIGUSR1, LINUX_SI_USER);
    cr_assert_eq(signal_pending_set(), BIT(LINUX_SIGUSR1));
    signal_set_blocked(0);
    deliver_and_end();
    cr_assert_eq(ending.kind, END_NONE);
    cr_assert_eq(signal_pending_set(), 0);
    signal_send(1, LINUX_SIGTSTP, LINUX_SI_USER); /* stopping is not served */
    deliver_and_end();
    cr_assert_eq(ending.kind, END_NONE);
    cr_assert_not_null(strstr(log_kept, "SIGTSTP ignored"));
}

/* What ends the process does so in whichever thread comes first, also in one that blocks it: the
 * one that was to take it may wait for something that the others hold. */
Test(signals, the_end_is_for_all_threads)
{
    set_handler(LINUX_SIGUSR1, HANDLER, 0, 0);
    threads[0].signals.blocked = threads[1].signals.blocked = BIT(LINUX_SIGTERM);
    signal_send(2, LINUX_SIGUSR1, LINUX_SI_USER);
    signal_send(2, LINUX_SIGABRT, LINUX_SI_TKILL); /* that thread's own, for its backtrace */
    cr_assert(!signal_deliverable());
    cr_assert(signal_kills(&threads[1]));
    cr_assert(!signal_kills(&threads[0]));
    cr_assert_eq(interrupted[0], 0);
    signal_send(0, LINUX_SIGTERM, LINUX_SI_USER);
    cr_assert_eq(interrupted[0], 1);
    cr_assert(signal_kills(&threads[0]));
    cr_assert(signal_deliverable());
    deliver_and_end();
    cr_assert_eq(ending.kind, END_STATUS);
    cr_assert_eq(ending.value, 128 + LINUX_SIGTERM);
}

Test(signals, default_actions_end_the_instance)
{
    const int ending_signals[] = {
        LINUX_SIGHUP, LINUX_SIGINT, LINUX_SIGKILL, LINUX_SIGTERM, LINUX_SIGPIPE, 33, 64};
    for (size_t i = 0; i < sizeof(ending_signals) / sizeof(int); i++) {
        pid_t child = fork(); /* it is final */
        if (child == 0) {
            signal_send(0, ending_signals[i], LINUX_SI_USER);
            deliver_and_end();
            _exit(ending.kind != END_STATUS || ending.value != 128 + ending_signals[i]);
        }
        int status = -1;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "signal %d", ending_signals[i]);
    }
    const int crashing[] = {LINUX_SIGABRT, LINUX_SIGQUIT, LINUX_SIGSEGV, LINUX_SIGSYS};
    for (size_t i = 0; i < sizeof(crashing) / sizeof(int); i++) {
        signal_send(1, crashing[i], LINUX_SI_TKILL);
        deliver_and_end();
        cr_assert_eq(ending.kind, END_CRASH);
        cr_assert_eq(ending.value, crashing[i]);
    }
    cr_assert_eq(signal_action_exchange(LINUX_SIGKILL, &(struct linux_sigaction){0}, NULL),
                 -EINVAL);
    cr_assert_eq(signal_action_exchange(0, NULL, NULL), -EINVAL);
    cr_assert_eq(signal_action_exchange(65, NULL, NULL), -EINVAL);
}

Test(signals, faults)
{
    struct trap_frame frame = call_frame(0);
    frame.vector = 14;
    frame.error = 6;
    CATCH_END(signal_fault(&frame, LINUX_SIGSEGV, 1, 0x1234));
    cr_assert_eq(ending.kind, END_CRASH);
    cr_assert_eq(ending.address, 0x1234);

    set_handler(LINUX_SIGSEGV, HANDLER, LINUX_SA_SIGINFO, 0);
    CATCH_END(signal_fault(&frame, LINUX_SIGSEGV, 1, 0x1234));
    cr_assert_eq(ending.kind, END_NONE);
    cr_assert_eq(frame.rip, HANDLER);
    const struct linux_signal_frame *at = (const void *)(uintptr_t)frame.rsp;
    cr_assert_eq(at->info.address, 0x1234);
    cr_assert_eq(at->info.code, 1);
    cr_assert_eq(at->ucontext.context.cr2, 0x1234);
    cr_assert_eq(at->ucontext.context.trap, 14);
    cr_assert_eq(at->ucontext.context.error, 6);

    /* In its own handler it is blocked: the end. */
    CATCH_END(signal_fault(&frame, LINUX_SIGSEGV, 1, 0x1234));
    cr_assert_eq(ending.kind, END_CRASH);
    /* No stack for the handler: the end as well. */
    signal_set_blocked(0);
    frame.rsp = 64;
    CATCH_END(signal_fault(&frame, LINUX_SIGSEGV, 1, 48));
    cr_assert_eq(ending.kind, END_CRASH);
    cr_assert_not_null(strstr(ending.message, "no stack"));
}

/* A call that returned `result` when a signal came; `flags` of the handler, or none. */
static struct trap_frame broken_off(int64_t result, uint64_t flags, bool handler)
{
    struct trap_frame frame = call_frame(__NR_read);
    set_handler(LINUX_SIGUSR1, handler ? HANDLER : LINUX_SIG_IGN, flags, 0);
    signal_set_blocked(BIT(LINUX_SIGUSR1)); /* so that an ignored one is kept, too */
    signal_send(1, LINUX_SIGUSR1, LINUX_SI_USER);
    signal_set_blocked(0);
    frame.rax = (uint64_t)result;
    signal_note_restart();
    signal_deliver(&frame);
    if (!handler)
        return frame;
    struct trap_frame back = call_frame(__NR_rt_sigreturn);
    back.rsp = frame.rsp + 8;
    syscall_dispatch(&back);
    return back;
}

Test(signals, calls_begin_again_or_fail_with_EINTR)
{
    uint64_t again = memory_at(0), after = memory_at(2);
    struct trap_frame frame = broken_off(-ERESTARTSYS, LINUX_SA_RESTART, true);
    cr_assert_eq(frame.rip, again);
    cr_assert_eq(frame.rax, __NR_read);
    frame = broken_off(-ERESTARTSYS, 0, true);
    cr_assert_eq(frame.rip, after);
    cr_assert_eq((int64_t)frame.rax, -EINTR);
    frame = broken_off(-ERESTARTNOHAND, LINUX_SA_RESTART, true);
    cr_assert_eq((int64_t)frame.rax, -EINTR);
    frame = broken_off(-ERESTARTNOHAND, 0, false);
    cr_assert_eq(frame.rip, again);
    cr_assert_eq(frame.rax, __NR_read);
    frame = broken_off(-ERESTARTNOINTR, 0, true);
    cr_assert_eq(frame.rip, again);

    /* Where there is no `syscall` instruction to go back to. */
    memory[1] = 0x90;
    struct trap_frame patched = call_frame(__NR_read);
    memory[1] = 0x90;
    patched.rax = (uint64_t)-ERESTARTNOINTR;
    signal_note_restart();
    signal_deliver(&patched);
    cr_assert_eq(patched.rip, after);
    cr_assert_eq((int64_t)patched.rax, -EINTR);
}

static int send_while_waiting(uint64_t deadline)
{
    (void)deadline;
    signal_send(1, LINUX_SIGUSR1, LINUX_SI_USER);
    return -EINTR;
}

static int time_passes(uint64_t deadline)
{
    while (deadline != 0 && platform_monotonic_ns() < deadline)
        ;
    return -ETIMEDOUT;
}

Test(signals, sigsuspend_swaps_the_mask)
{
    set_handler(LINUX_SIGUSR1, HANDLER, 0, 0);
    signal_set_blocked(BIT(LINUX_SIGUSR1) | BIT(LINUX_SIGUSR2));
    memcpy(memory + 64, &(uint64_t){BIT(LINUX_SIGTERM)}, 8);
    while_waiting = send_while_waiting;
    struct trap_frame frame = call_frame(__NR_rt_sigsuspend);
    frame.rdi = memory_at(64);
    frame.rsi = 8;
    syscall_dispatch(&frame);
    signal_deliver(&frame);
    cr_assert_eq(frame.rip, HANDLER);
    cr_assert_eq(threads[0].signals.blocked, BIT(LINUX_SIGTERM) | BIT(LINUX_SIGUSR1));
    struct trap_frame back = call_frame(__NR_rt_sigreturn);
    back.rsp = frame.rsp + 8;
    syscall_dispatch(&back);
    cr_assert_eq(threads[0].signals.blocked, BIT(LINUX_SIGUSR1) | BIT(LINUX_SIGUSR2));
    cr_assert_eq((int64_t)back.rax, -EINTR);
}

Test(signals, sigtimedwait)
{
    int64_t time[2] = {0, 20000};
    memcpy(memory + 64, &(uint64_t){BIT(LINUX_SIGUSR1)}, 8);
    memcpy(memory + 80, time, sizeof(time));
    signal_set_blocked(BIT(LINUX_SIGUSR1));
    while_waiting = send_while_waiting;
    cr_assert_eq(call(__NR_rt_sigtimedwait, memory_at(64), memory_at(256), 0, 8), LINUX_SIGUSR1);
    struct linux_siginfo info;
    memcpy(&info, memory + 256, sizeof(info));
    cr_assert_eq(info.signal, LINUX_SIGUSR1);
    cr_assert_eq(info.sender.pid, 1);
    while_waiting = time_passes;
    cr_assert_eq(call(__NR_rt_sigtimedwait, memory_at(64), 0, memory_at(80), 8), -EAGAIN);
    time[1] = 1000000000;
    memcpy(memory + 80, time, sizeof(time));
    cr_assert_eq(call(__NR_rt_sigtimedwait, memory_at(64), 0, memory_at(80), 8), -EINVAL);
    cr_assert_eq(call(__NR_rt_sigtimedwait, memory_at(64), 0, 0, 4), -EINVAL);
    cr_assert_eq(call(__NR_rt_sigtimedwait, 8, 0, 0, 8), -EFAULT);
    /* Another signal ends the wait. */
    signal_send(1, LINUX_SIGTERM, LINUX_SI_USER);
    cr_assert_eq(call(__NR_rt_sigtimedwait, memory_at(64), 0, 0, 8), -EINTR);
}

Test(signals, arguments_are_checked)
{
    cr_assert_eq(call(__NR_rt_sigaction, LINUX_SIGUSR1, 8, 0, 8), -EFAULT);
    cr_assert_eq(call(__NR_rt_sigaction, LINUX_SIGUSR1, 0, 8, 8), -EFAULT);
    cr_assert_eq(call(__NR_rt_sigaction, LINUX_SIGUSR1, 0, 0, 16), -EINVAL);
    cr_assert_eq(call(__NR_rt_sigaction, LINUX_SIGSTOP, memory_at(64), 0, 8), -EINVAL);
    cr_assert_eq(call(__NR_rt_sigprocmask, 7, memory_at(64), 0, 8), -EINVAL);
    memset(memory + 64, 0xff, 8);
    cr_assert_eq(call(__NR_rt_sigprocmask, 2, memory_at(64), memory_at(72), 8), 0);
    cr_assert_eq(threads[0].signals.blocked,
                 UINT64_MAX & ~(BIT(LINUX_SIGKILL) | BIT(LINUX_SIGSTOP)));
    uint64_t former;
    memcpy(&former, memory + 72, 8);
    cr_assert_eq(former, 0);
    cr_assert_eq(call(__NR_rt_sigpending, memory_at(80), 9, 0, 0), -EINVAL);
}

Test(signals, a_thread_that_ends_leaves_nothing)
{
    threads[1].signals.blocked = UINT64_MAX;
    for (int i = 0; i < 10; i++)
        signal_send(2, 40, LINUX_SI_USER);
    signal_state_release(&threads[1].signals); /* the leak checker looks */
    cr_assert_null(threads[1].signals.queue);
}
