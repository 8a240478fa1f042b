/* What a thread knows of its signals; the process-wide part is in signal.c. */
#ifndef INSTANCE_SYSCALL_SIGNAL_STATE_H
#define INSTANCE_SYSCALL_SIGNAL_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct signal_state {
    uint64_t blocked;         /* bit n-1: signal n */
    _Atomic uint64_t pending; /* sent to this thread, not yet taken */
    uint64_t stack_base;      /* sigaltstack: program address, size in bytes, SS_* flags */
    uint64_t stack_size;
    int32_t stack_flags;
    int64_t info[64][2]; /* for each pending signal: si_code and sender, or fault address */
    uint64_t saved_mask; /* to restore after sigsuspend and the like */
    bool restore_mask;
};

#endif
