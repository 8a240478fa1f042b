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
#include <platform/interrupts.h> /* of the platform that the kernel is compiled for */

/* `saved` is what interrupts_disable returned: bit 9 is set if they were on, as in RFLAGS. */
static inline void interrupts_restore(uint64_t saved)
{
    if (saved & 0x200)
        interrupts_enable();
}
#endif

#endif
