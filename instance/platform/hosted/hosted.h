/* What the files of the `hosted` platform share. */
#ifndef INSTANCE_PLATFORM_HOSTED_H
#define INSTANCE_PLATFORM_HOSTED_H

#include "abi/hosted.h"
#include "abi/linux/signal.h"
#include "instance/arch/x86/frame.h"
#include "instance/core.h"

#include <stdnoreturn.h>

/* struct core.interrupts_pending: what came while interrupts were off. */
enum hosted_pending {
    PENDING_TIMER = 1,
    PENDING_LOOK = 2, /* core_machine.asked says what for */
    PENDING_MESSAGE = 4,
};

/* One instruction: the signal handler of the same thread does the same. */
static inline void hosted_note(struct core *core, uint32_t pending)
{
    __asm__ volatile("orl %1, %0" : "+m"(core->interrupts_pending) : "r"(pending));
}

/* core_machine.asked */
enum hosted_asked {
    ASKED_KICK = 1,
    ASKED_STOP = 2,
};

/* The core's stack for signal handlers: aligned to its size, so that the handler finds its core
 * from its stack pointer, whatever the program has done to GS. Holds two frames with all of AVX-512
 * and AMX, for a fault within a handler. */
#define SIGNAL_STACK_ORDER 3
#define SIGNAL_STACK_SIZE (UINT64_C(4096) << SIGNAL_STACK_ORDER)
union signal_stack {
    _Alignas(SIGNAL_STACK_SIZE) struct core *core; /* lowest */
    uint8_t bytes[SIGNAL_STACK_SIZE];
};

/* A core's own part on this platform. */
struct core_machine {
    union signal_stack *signal_stack;
    uint32_t thread_id;           /* the host's */
    int32_t timer;                /* the host's, of this core */
    uint64_t deadline;            /* what the kernel wants, monotonic ns; 0: none */
    uint64_t programmed;          /* what the host's timer is set to; 0: off */
    uint64_t fault_address;       /* of the last page fault */
    _Atomic uint32_t *doorbell;   /* this core's word, see abi/hosted.h */
    void (*entry)(struct core *); /* of a core that comes up */
    uint32_t relaxed;             /* counts platform_relax */
    /* What other cores may touch. */
    _Alignas(SHM_LINE) _Atomic uint32_t asked; /* enum hosted_asked */
    _Atomic uint32_t sleeping;                 /* waits, or is about to, for its doorbell */
    _Atomic uint32_t parked;
};

extern const struct handover *hosted_handover;
extern const struct hosted_record *hosted_record;
extern int64_t hosted_process; /* the host's process number */

/* start.c */
noreturn void hosted_start(const uint64_t *stack, uint64_t tsc);
noreturn void hosted_die(const char *what, int64_t error); /* before there is a log */

/* core.c */
noreturn void hosted_secondary_start(struct core *core);
/* Signal stack, timer, CPU: on the core itself. 0 or a negative errno value, *what says of what. */
int64_t hosted_core_init(struct core *core, const char **what);
void hosted_timer_program(struct core_machine *machine);

/* signal.c */
int64_t hosted_signals_init(void); /* unblocks them */
/* On this thread: a thread must not take any before it has its signal stack, and inherits this. */
void hosted_signals_block(bool block);
void hosted_signal(int signal, const void *info, void *context);
void hosted_trap(struct trap_frame *frame);
void hosted_take_pending(void);
void hosted_before_return(struct trap_frame *frame);

/* sandbox.c: from here on only what this platform needs is left of the host. All threads. Dies with
 * a message when the host cannot do it. */
void hosted_sandbox_close(void);

/* entry.asm */
int64_t hosted_clone(uint64_t flags, uintptr_t stack, struct core *core);
int64_t hosted_wait(_Atomic uint32_t *word, uint32_t value, const void *timeout);
void hosted_restorer(void);
void hosted_signal_entry(void);
void hosted_trap_entry(void);
void hosted_syscall_entry(void);
extern const char hosted_enter_begin[], hosted_enter_end[];
extern const char hosted_leave_begin[], hosted_leave_end[], hosted_leave_again[];
extern const char hosted_wait_begin[], hosted_wait_end[];

#endif
