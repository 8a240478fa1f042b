/* Messages between the programs of different instances: what the kernel has to do with them. The
 * data goes from program to program by plain loads and stores (abi/atoll/); here are the set-up of
 * channels over the kernels' control channels, names, sleeping and doorbells, and the end of peers.
 * Everything is under host_lock, whose holder also owns the section's heap. */
#ifndef INSTANCE_MESSAGE_H
#define INSTANCE_MESSAGE_H

#include "instance/arch/x86/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* After host_init. 0 or -ENOMEM. */
int message_init(void);

/* From the message doorbell, after host_receive: control messages of other instances, peers that
 * have ended, threads whose channels have become ready. Any context. */
void message_doorbell(void);

/* The own state has become `running`: rings those who wait for such a thing. */
void message_announce_running(void);

/* The own section says that this instance has ended: rings all others, who come and see. Takes no
 * lock. */
void message_announce_end(void);

/* A private call (abi/atoll_calls.h), number frame->error. */
int64_t message_call(struct trap_frame *frame);

#endif
