/* Where things lie in an instance's address space on `hosted`, as far as code above the platform
 * has to know; abi/hosted.h has the map. Each platform has a file of this name. */
#ifndef PLATFORM_LAYOUT_H
#define PLATFORM_LAYOUT_H

#include "abi/hosted.h"

#include <stdbool.h>
#include <stdint.h>

/* First address behind the program's. */
#define PROGRAM_TOP HOSTED_PROGRAM_TOP
/* Kernel stacks lie from here on. */
#define PLATFORM_STACK_BASE HOSTED_STACK_BASE
/* The memory of the job's members is readable from here on, in the order of handover.members. */
#define PLATFORM_PEERS_BASE HOSTED_PEERS_BASE

/* 2^n pages are worth one page fault (a signal, and a call to map them): see mm/space_fault.c. */
#define PLATFORM_AROUND_ORDER 4

/* The partition is a new memory file: zeros where nobody has written. */
#define PLATFORM_MEMORY_IS_ZEROED true
/* REP STOSB clears a page quicker than a loop of moves does. */
#define PLATFORM_STRINGS_ARE_FAST true

/* Is `address` (of an instruction) the kernel's? All that is not belongs to the program, also what
 * the host has put into the address space (its vDSO). */
static inline bool platform_is_kernel(uintptr_t address)
{
    extern const char kernel_text_start[], kernel_text_end[];
    return address - (uintptr_t)kernel_text_start <
           (uintptr_t)kernel_text_end - (uintptr_t)kernel_text_start;
}

#endif
