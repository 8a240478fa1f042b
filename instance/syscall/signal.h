/* Signals: what signal.c (sending, taking, default actions), signal_frame.c (the handler's stack
 * frame) and signal_calls.c (the system calls) share with each other and with the rest of
 * syscall/. The kernel at large uses syscall.h alone. */
#ifndef INSTANCE_SYSCALL_SIGNAL_H
#define INSTANCE_SYSCALL_SIGNAL_H

#include "abi/linux/signal.h"
#include "instance/sched/thread.h"
#include "instance/spinlock.h"
#include "instance/syscall/syscall.h"

/* "SIGSEGV", or "SIGRT" for realtime signals, or "signal?" out of range. */
const char *signal_name(int signal);

/* Sends `info` to thread `thread`, or to the process (0). Signal 0 only looks for the thread. Any
 * context. Returns 0, -ESRCH, -EINVAL, or -EAGAIN: no memory to queue a realtime signal. */
int signal_send_info(int32_t thread, const struct linux_siginfo *info);

/* A signal of POSIX timer `timer`, to be sent again and again without more memory. NULL: no memory.
 * Given back when the timer is gone: what is pending of it still comes. */
struct signal_entry *signal_entry_create(int32_t timer);
void signal_entry_release(struct signal_entry *entry);

/* As signal_send_info; with an `entry` (or NULL), -EBUSY: it is pending from before. -ECANCELED:
 * the signal is ignored. */
int signal_post(int32_t thread, const struct linux_siginfo *info, struct signal_entry *entry);

/* From now on those who poll (file_notify) look again when one of `set` comes. */
void signal_watch(uint64_t set);

/* Takes the next signal of `set` that is pending for the current thread or the process: true and
 * *info, or false. */
bool signal_take(uint64_t set, struct linux_siginfo *info);

/* Pending for the current thread or the process, blocked or not. */
uint64_t signal_pending_set(void);

/* Handler table; `signal` is 1..64. Returns 0 or -EINVAL. `action` or `former` may be NULL. */
int signal_action_exchange(int signal, const struct linux_sigaction *action,
                           struct linux_sigaction *former);

/* Sets the current thread's mask, without SIGKILL and SIGSTOP. */
void signal_set_blocked(uint64_t blocked);

/* Puts a frame for the handler `action` on the program's stack and makes *frame enter it; `mask`
 * is what rt_sigreturn restores, `address` the CR2 of a fault. Returns 0 or -EFAULT (stack not
 * writable; *frame is as before). */
int signal_frame_push(struct trap_frame *frame, const struct linux_sigaction *action,
                      const struct linux_siginfo *info, uint64_t mask, uint64_t address);

/* Undoes it for rt_sigreturn: registers, vector state, alternate stack; *mask is to be set. Returns
 * 0 or -EFAULT (nothing has changed). */
int signal_frame_pop(struct trap_frame *frame, uint64_t *mask);

/* Bytes on the stack that a handler needs at least, for AT_MINSIGSTKSZ. */
uint64_t signal_frame_size(void);

#endif
