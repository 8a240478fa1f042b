/* Turning the program's SYSCALL instructions into jumps to the kernel, where trapping them is dear.
 */
#ifndef INSTANCE_SYSCALL_PATCH_H
#define INSTANCE_SYSCALL_PATCH_H

#include "instance/arch/x86/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* The SYSCALL just in front of frame->rip was executed: patches the site if its shape is known
 * (shape.h), so that from the next time on it jumps to `entry` with RCX = the address behind the
 * instruction, RAX as the program loads it, and its stack untouched; or to the call's quick way
 * (quick_call.h). Interrupts on, no spinlock held; may wait for other cores. A site that cannot be
 * patched goes on as before; looking at it once more costs next to nothing. */
void patch_site(const struct trap_frame *frame, uintptr_t entry);

/* A breakpoint exception of the program, interrupts off: was it at a patched site, or one that is
 * just being patched? Then frame->rip says where the program goes on. Enables
 * interrupts meanwhile. */
bool patch_is_breakpoint(struct trap_frame *frame);

/* If the program stands in a trampoline: sets frame->rip to the same place in its own code. For
 * signal frames and reports, which must not show what the program does not know. */
void patch_leave_trampoline(struct trap_frame *frame);

#endif
