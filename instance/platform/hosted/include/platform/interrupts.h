/* Turning this core's interrupts off and on again on `hosted`, where interrupts are host signals: a
 * flag in the core's struct. A signal that comes while it is set only leaves a note in `pending`,
 * which is looked at when the flag is cleared. Both words are changed by this core's own thread
 * alone (and its signal handler), so that no fence is needed between them. */
#ifndef PLATFORM_INTERRUPTS_H
#define PLATFORM_INTERRUPTS_H

#include <stdint.h>

/* Takes what has come meanwhile (hosted/signal.c). Interrupts are on, before and after. */
void hosted_take_pending(void);

static inline uint64_t interrupts_disable(void)
{
    uint32_t off; /* GS:32 struct core.interrupts_off */
    __asm__ volatile("movl %%gs:32, %0\n\tmovl $1, %%gs:32" : "=r"(off)::"memory");
    return off ? 0 : 0x200;
}
static inline void interrupts_enable(void)
{
    uint32_t pending; /* GS:36 struct core.interrupts_pending */
    __asm__ volatile("movl $0, %%gs:32\n\tmovl %%gs:36, %0" : "=r"(pending)::"memory");
    if (__builtin_expect(pending != 0, 0))
        hosted_take_pending();
}

/* The address of the last page fault on this core. */
uint64_t platform_fault_address(void);

#endif
