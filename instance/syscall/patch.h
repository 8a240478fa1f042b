/* Turning the program's SYSCALL instructions into jumps to the kernel, where trapping them is dear.
 */
#ifndef INSTANCE_SYSCALL_PATCH_H
#define INSTANCE_SYSCALL_PATCH_H

#include "instance/arch/x86/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* A SYSCALL just in front of frame->rip has trapped: patches the site if its shape is known, so
 * that from the next time on it jumps to `entry` with RCX = the address behind the instruction, RAX
 * as the program loads it, and its stack untouched. Interrupts on, no spinlock held; may wait for
 * other cores. A site that cannot be patched goes on trapping. */
void patch_site(const struct trap_frame *frame, uintptr_t entry);

/* A breakpoint exception: was it a site that is just being patched? Then frame->rip has been set
 * back, and the program is to try again. */
bool patch_is_breakpoint(struct trap_frame *frame);

#endif
