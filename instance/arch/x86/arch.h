/* What the x86-64 files give to each other and to the platforms, beyond instance/sched/thread.h. */
#ifndef INSTANCE_ARCH_X86_ARCH_H
#define INSTANCE_ARCH_X86_ARCH_H

#include "instance/arch/x86/frame.h"
#include "shm/lagoon.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says which XSAVE components are, or can be, enabled (0: there is no XSAVE), and whether RDFSBASE
 * may be used. Returns those of them that thread areas will hold. The same on each core. */
uint64_t fpu_init(uint64_t enabled, bool fsgsbase);

/* RDRAND or RDSEED: false when the CPU has neither, or they give nothing. */
bool cpu_random(void *buffer, size_t length);

/* XSAVE components that thread areas hold (XCR0), for signal frames; 0: FXSAVE only. */
uint64_t fpu_state_mask(void);

/* switch.asm: the first instructions on a prepared stack. */
void context_begin(void);

/* `rip`, then the return addresses of the frame-pointer chain that begins at `rbp`, innermost
 * first, as far as it can be read: at most `capacity`, which is 1 or more. Returns the count.
 * Interrupts on when `rip` is the program's. */
size_t arch_backtrace(uintptr_t rip, uintptr_t rbp, uint64_t *out, size_t capacity);

/* Copies the program's stack from `rsp` up, as far as it is there, to bulk memory of the own
 * section and says so in *crash. Interrupts on. */
void crash_stack(struct shm_crash *crash, uintptr_t rsp);

/* Selectors that the program's frames carry. */
extern const uint16_t arch_program_cs, arch_program_ss;

#endif
