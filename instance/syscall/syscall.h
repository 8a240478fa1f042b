/* System calls: how the handlers look and who calls them. The table of all calls is
 * abi/linux/calls.def, one line a call; syscall.c makes dispatch, names and --strace from it. */
#ifndef INSTANCE_SYSCALL_H
#define INSTANCE_SYSCALL_H

#include "instance/arch/x86/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* A handler reads its arguments from the frame and returns the result or a negative errno value.
 * Interrupts are on, the thread's kernel stack is in use, it may sleep. */
typedef int64_t (*syscall_handler_t)(struct trap_frame *frame);

static inline uint64_t syscall_arg0(const struct trap_frame *frame)
{
    return frame->rdi;
}
static inline uint64_t syscall_arg1(const struct trap_frame *frame)
{
    return frame->rsi;
}
static inline uint64_t syscall_arg2(const struct trap_frame *frame)
{
    return frame->rdx;
}
static inline uint64_t syscall_arg3(const struct trap_frame *frame)
{
    return frame->r10;
}
static inline uint64_t syscall_arg4(const struct trap_frame *frame)
{
    return frame->r8;
}
static inline uint64_t syscall_arg5(const struct trap_frame *frame)
{
    return frame->r9;
}

/* Makes the counters; `trace` turns --strace on. Returns 0 or -ENOMEM. Before the first call. */
int syscall_init(bool trace);

/* Is --strace on? Then every call has to come through syscall_dispatch. */
bool syscall_is_traced(void);

struct core;
uint64_t syscall_count_of(const struct core *core); /* calls that it has served so far */

/* Brings the section's count of calls up to date. Any context. */
void syscall_publish_counts(void);

/* From the entry stub, interrupts on: does call number frame->error with frame's arguments and
 * stores the result in frame->rax. */
void syscall_dispatch(struct trap_frame *frame);

/* Does the current thread have a signal to take? Looked at on every way back to the program. */
bool signal_deliverable(void);
struct thread;
/* Is the program being ended by a signal, which this thread or another takes? Any context, no lock
 * needed. */
bool signal_kills(const struct thread *thread);
/* The instance is ending: all other threads end too, instead of going back to the program, and so
 * do their waits for the host's storage. */
void signal_end_threads(void);
/* The call in the current frame returned one of restart.h's values, which the program must not see:
 * has signal_deliver called on the way back, even when the signal has gone elsewhere. */
void signal_note_restart(void);
/* Takes it: changes *frame so that the program continues in its handler, or ends the instance.
 * Interrupts on; sets up the frame on the program's stack. */
void signal_deliver(struct trap_frame *frame);
/* A fault of the program itself (vector, address, code as Linux's si_code): becomes `signal`. */
void signal_fault(struct trap_frame *frame, int signal, int code, uint64_t address);
/* Sends a signal to the process (thread 0) or to one thread, from anyone, any context. 0 or -errno.
 */
int signal_send(int32_t thread, int signal, int code);

#endif
