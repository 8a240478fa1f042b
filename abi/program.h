/* Where programs lie in their address space, as far as both the kernel that loads them and the
 * proxy that explains their crashes have to know. */
#ifndef ABI_PROGRAM_H
#define ABI_PROGRAM_H

#include <stdint.h>

/* What a position-independent executable's (ET_DYN) lowest address 0 becomes; others are loaded
 * where they were linked. As on Linux without randomisation, so that a debugger finds it as usual.
 */
#define PROGRAM_PIE_BASE UINT64_C(0x555555554000)

/* The same for an executable whose most demanding segment is aligned to `alignment` bytes (a power
 * of two): lower where that is more than a page. */
static inline uint64_t program_pie_base(uint64_t alignment)
{
    return alignment > 4096 ? PROGRAM_PIE_BASE & ~(alignment - 1) : PROGRAM_PIE_BASE;
}

#endif
