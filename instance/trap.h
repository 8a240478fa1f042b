/* Exceptions and the way back to the program: what the platforms' entry code calls. */
#ifndef INSTANCE_TRAP_H
#define INSTANCE_TRAP_H

#include "instance/arch/x86/frame.h"

#include <platform/layout.h> /* of the platform that the kernel is compiled for */
#include <stdbool.h>

static inline bool trap_is_from_program(const struct trap_frame *frame)
{
    return !platform_is_kernel(frame->rip);
}

/* An exception (frame->vector below 32), with the address of a page fault. The frame lies on the
 * thread's kernel stack, interrupts are off; bit 9 of frame->rflags says whether they were on. May
 * sleep when they were. Returns when the frame is to be returned to: look at interrupts again. */
void trap_exception(struct trap_frame *frame, uint64_t address);

/* INT n of the program (INT 0x80, say): as on Linux without it, a protection fault. */
void trap_software_interrupt(struct trap_frame *frame);

/* Last on the way back to the program, interrupts off: rescheduling, signals. */
void trap_return_to_program(struct trap_frame *frame);

#endif
