/* `--strace`: each system call of the program as one line of the log, with decoded arguments. */
#ifndef INSTANCE_SYSCALL_TRACE_H
#define INSTANCE_SYSCALL_TRACE_H

#include "instance/arch/x86/frame.h"

#include <stdint.h>

/* Before the call: logs calls that may never come back (exit, exit_group, rt_sigreturn). */
void trace_enter(const struct trap_frame *frame, uint64_t number);

/* After it: logs `name(arguments) = result`. `frame` holds the registers as they were before. */
void trace_leave(const struct trap_frame *frame, uint64_t number, int64_t result);

#endif
