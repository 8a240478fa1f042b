/* The handlers of all system calls that abi/linux/calls.def names. Made from that table, so that a
 * handler without a line, or with another signature, does not compile. */
#ifndef INSTANCE_SYSCALL_CALLS_H
#define INSTANCE_SYSCALL_CALLS_H

#include "instance/syscall/syscall.h"

#define LINUX_CALL(number, name, handler, ...) int64_t handler(struct trap_frame *frame);
#define LINUX_CALL_NONE(number, name, reason)
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE

#endif
