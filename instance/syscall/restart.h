/* What a system call returns that a signal broke off: whether it is done again after the signal's
 * handler. The program never sees these values: signal.c turns them into EINTR, or has the program
 * execute its `syscall` instruction once more. Linux's numbers and meanings. */
#ifndef INSTANCE_SYSCALL_RESTART_H
#define INSTANCE_SYSCALL_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#define ERESTARTSYS 512    /* again if the handler has SA_RESTART or none ran, else EINTR */
#define ERESTARTNOINTR 513 /* always again */
#define ERESTARTNOHAND 514 /* EINTR if a handler ran, else again */

static inline bool syscall_wants_restart(int64_t result)
{
    return result <= -ERESTARTSYS && result >= -ERESTARTNOHAND;
}

#endif
