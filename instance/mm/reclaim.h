/* What the kernel can give up when the partition is full. */
#ifndef INSTANCE_MM_RECLAIM_H
#define INSTANCE_MM_RECLAIM_H

#include <stdint.h>

/* Unmaps the free kernel stacks that are kept for the next thread. Returns the bytes freed. May
 * wait for other cores (translation flush); no lock of kernel_stack.c's own held meanwhile. */
uint64_t kernel_stack_reclaim(void);

#endif
