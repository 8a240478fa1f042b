/* The registers of an interrupted program, as every entry into the kernel saves them on the kernel
 * stack: system call, exception and interrupt alike. entry.asm fills it in this order. */
#ifndef INSTANCE_ARCH_X86_FRAME_H
#define INSTANCE_ARCH_X86_FRAME_H

#include <stdint.h>

struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector; /* of the exception or interrupt; TRAP_SYSCALL for a system call */
    uint64_t error;  /* the exception's error code or 0; a system call's number (orig_rax) */
    uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "entry.asm builds this frame");

#define TRAP_SYSCALL UINT64_C(256)
/* rt_sigreturn replaced all registers: return with iretq and restore every one of them, also RCX
 * and R11, which a system call may change. */
#define TRAP_RESTORED UINT64_C(257)

#endif
