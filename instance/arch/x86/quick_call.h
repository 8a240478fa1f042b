/* System calls that only say what is known anyway (ids): from a patched site they need neither the
 * kernel's stack nor saved registers. quick_call.asm has the code. */
#ifndef INSTANCE_ARCH_X86_QUICK_CALL_H
#define INSTANCE_ARCH_X86_QUICK_CALL_H

#include <stdint.h>

/* Where a patched site of system call `number` may jump to, with RCX = where to go on; 0: to the
 * platform's ordinary entry. */
uintptr_t quick_call(uint64_t number);

/* This code; it runs on the program's stack and cannot sleep. An interrupt here is one of the
 * program: quick_call_leave says where the program then stands. */
extern const char quick_call_begin[], quick_call_end[];

static inline int quick_call_has(uint64_t rip)
{
    return rip - (uintptr_t)quick_call_begin <
           (uintptr_t)quick_call_end - (uintptr_t)quick_call_begin;
}

/* `rip` in this code, `rcx` there: the call is done if only the jump back is left, and has not
 * begun otherwise. */
static inline uint64_t quick_call_leave(uint64_t rip, uint64_t rcx)
{
    return *(const uint16_t *)rip == 0xe1ff ? rcx : rcx - 2; /* jmp rcx; the SYSCALL */
}

#endif
