/* Signs of life beyond the scheduler's: how the proxy tells a core that computes from one that
 * hangs. All three are called from interrupts, interrupts off. */
#ifndef INSTANCE_HEARTBEAT_H
#define INSTANCE_HEARTBEAT_H

#include <stdint.h>

/* The proxy's doorbell has rung: answers for this core, and has the others answer. */
void heartbeat_doorbell(void);
/* Another core has kicked this one: perhaps for that. */
void heartbeat_kicked(void);
/* What an interrupt has met: the kernel, at `rip`, or the program (0). */
void heartbeat_interrupted(uint64_t rip);

#endif
