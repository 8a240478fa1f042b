/* Turning this core's interrupts off and on again. The host-side unit tests compile the kernel's
 * portable parts with INSTANCE_UNIT_TEST, where there are no interrupts. */
#ifndef INSTANCE_INTERRUPTS_H
#define INSTANCE_INTERRUPTS_H

#include <stdint.h>

#ifdef INSTANCE_UNIT_TEST
static inline uint64_t interrupts_disable(void)
{
    return 0;
}
static inline void interrupts_restore(uint64_t saved)
{
    (void)saved;
}
static inline void interrupts_enable(void)
{
}
#else
/* Returns the former RFLAGS for interrupts_restore. */
static inline uint64_t interrupts_disable(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    return flags;
}
static inline void interrupts_restore(uint64_t saved)
{
    if (saved & 0x200)
        __asm__ volatile("sti" ::: "memory");
}
static inline void interrupts_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}
#endif

#endif
