/* What signal frames need to know of the XSAVE image in which the CPU keeps a thread's x87, SSE,
 * AVX and later registers (SDM volume 1, chapter 13). */
#ifndef INSTANCE_ARCH_X86_XSTATE_H
#define INSTANCE_ARCH_X86_XSTATE_H

#include <stdint.h>

#define XSTATE_LEGACY_SIZE 512 /* bytes that FXSAVE writes; XSAVE's header follows */
#define XSTATE_HEADER_OFFSET 512
#define XSTATE_HEADER_SIZE 64
#define XSTATE_MXCSR_OFFSET 24
#define XSTATE_MXCSR_MASK_OFFSET 28
#define XSTATE_MXCSR_MASK_DEFAULT UINT32_C(0xffbf) /* where the CPU stores 0 as its mask */
#define XSTATE_X87 UINT64_C(1)
#define XSTATE_SSE UINT64_C(2)

struct xstate_header {
    uint64_t present; /* XSTATE_BV: components that are not in their initial state */
    uint64_t compact; /* XCOMP_BV: 0 in the standard format */
    uint64_t reserved[6];
};
_Static_assert(sizeof(struct xstate_header) == XSTATE_HEADER_SIZE, "SDM 1, 13.4.2");

#endif
