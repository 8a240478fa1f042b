/* Turning this core's interrupts off and on again on `pc`: the CPU's own flag. */
#ifndef PLATFORM_INTERRUPTS_H
#define PLATFORM_INTERRUPTS_H

#include <stdint.h>

static inline uint64_t interrupts_disable(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    return flags;
}
static inline void interrupts_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

/* The address of the last page fault on this core. */
static inline uint64_t platform_fault_address(void)
{
    uint64_t address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    return address;
}

#endif
