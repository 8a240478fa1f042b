/* What a thread knows of its signals; the process-wide part is in signal.c. All zero is the state
 * of a new thread that blocks nothing. */
#ifndef INSTANCE_SYSCALL_SIGNAL_STATE_H
#define INSTANCE_SYSCALL_SIGNAL_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct signal_entry; /* a queued signal with its siginfo */

struct signal_state {
    uint64_t blocked;           /* bit n-1: signal n; only the thread itself changes it */
    _Atomic uint64_t pending;   /* sent to this thread, not yet taken; changed under signal_lock */
    struct signal_entry *queue; /* their siginfos, oldest first; under signal_lock */
    _Atomic uint64_t wanted;    /* signals that rt_sigtimedwait waits for, blocked or not */
    uint64_t stack_base;        /* sigaltstack: program address, size in bytes (0: none), SS_* */
    uint64_t stack_size;
    int32_t stack_flags;
    uint64_t saved_mask; /* of `blocked`: to restore after sigsuspend and the like, ... */
    bool restore_mask;   /* ... if this is set */
    bool restart;        /* the system call in the frame returned -ERESTART*: see signal_deliver */
};

/* A thread ends: frees what is queued for it. Signals to the process are not lost. */
void signal_state_release(struct signal_state *state);

#endif
