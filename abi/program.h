/* Where programs lie in their address space, as far as both the kernel that loads them and the
 * proxy that explains their crashes have to know. */
#ifndef ABI_PROGRAM_H
#define ABI_PROGRAM_H

#include <stdint.h>

/* What a position-independent executable's (ET_DYN) lowest address 0 becomes; others are loaded
 * where they were linked. As on Linux without randomisation, so that a debugger finds it as usual.
 */
#define PROGRAM_PIE_BASE UINT64_C(0x555555554000)

#endif
