/* Where things lie in an instance's address space on `pc`, as far as code above the platform has to
 * know; abi/handover.h has the map. Each platform has a file of this name. */
#ifndef PLATFORM_LAYOUT_H
#define PLATFORM_LAYOUT_H

#include "abi/handover.h"

#include <stdbool.h>
#include <stdint.h>

/* First address behind the program's. */
#define PROGRAM_TOP UINT64_C(0x7ffffffff000)
/* Kernel stacks lie from here on. */
#define PLATFORM_STACK_BASE HANDOVER_STACK_BASE
/* The memory of the job's members is readable from here on, in the order of handover.members. */
#define PLATFORM_PEERS_BASE HANDOVER_PEERS_BASE

/* 2^n pages are worth one page fault: see mm/space_fault.c. */
#define PLATFORM_AROUND_ORDER 2

/* Memory holds what was left in it. */
#define PLATFORM_MEMORY_IS_ZEROED false
/* Under TCG string instructions take ten times as long as a loop of moves. */
#define PLATFORM_STRINGS_ARE_FAST false

/* Is `address` (of an instruction) the kernel's? All that is not belongs to the program. */
static inline bool platform_is_kernel(uintptr_t address)
{
    return address >> 63;
}

#endif
