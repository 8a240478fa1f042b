/* The kernel's own heap: small objects in size classes over page frames, large ones in whole
 * blocks. Any context with interrupts on or off; never sleeps. Nothing is cleared but by kzalloc.
 */
#ifndef INSTANCE_MM_KMALLOC_H
#define INSTANCE_MM_KMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void kmalloc_init(void);
void *kmalloc(size_t size); /* 16-byte aligned; 64-byte aligned from 64 bytes on; NULL: no memory */
void *kzalloc(size_t size);
void kfree(void *pointer); /* NULL is fine */

/* A kernel stack of KERNEL_STACK_SIZE bytes with an unmapped guard page below. Returns its top, or
 * 0. */
#define KERNEL_STACK_SIZE (4 * 4096)
uintptr_t kernel_stack_alloc(void);
void kernel_stack_free(uintptr_t top);
/* Is `address` in the guard page of some kernel stack? (For the double-fault message.) */
bool kernel_stack_is_guard(uintptr_t address);

#endif
