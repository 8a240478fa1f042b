/* Interrupts on `pc`, and what entry.asm calls for exceptions: with interrupts off and a frame on
 * the thread's kernel stack. What exceptions mean is in instance/trap.c. */
#include "instance/platform/pc/pc.h"

#include "instance/fs/console.h"
#include "instance/heartbeat.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/mm/kmalloc.h"
#include "instance/sched/thread.h"
#include "instance/syscall/patch.h"
#include "instance/trap.h"
#include "ipi-msg/doorbell.h"

#define VECTOR_DEBUG 1
#define VECTOR_BREAKPOINT 3
#define FLAG_TRAP UINT64_C(0x100)
#define VECTOR_FIRST_INTERRUPT 32

static void interrupt(struct trap_frame *frame)
{
    struct core *core = core_self();
    struct shm_counters *counters = &instance.section->counters;
    atomic_fetch_add_explicit(&counters->interrupts, 1, memory_order_relaxed);
    heartbeat_interrupted(trap_is_from_program(frame) ? 0 : frame->rip);
    switch (frame->vector) {
    case DOORBELL_VECTOR_TIMER:
        core->machine->timer_deadline = 0; /* one-shot: it is off now */
        atomic_fetch_add_explicit(&counters->timer_interrupts, 1, memory_order_relaxed);
        apic_end_of_interrupt();
        timer_run_due();
        return;
    case DOORBELL_VECTOR_MESSAGE:
        atomic_fetch_add_explicit(&counters->doorbells_taken, 1, memory_order_relaxed);
        apic_end_of_interrupt();
        console_doorbell();
        message_doorbell();
        heartbeat_doorbell();
        return;
    case DOORBELL_VECTOR_KICK:
        apic_end_of_interrupt();
        core_check_stop();
        schedule_kicked();
        heartbeat_kicked();
        return;
    case VECTOR_FLUSH:
        apic_end_of_interrupt();
        flush_serve();
        return;
    case DOORBELL_VECTOR_SPURIOUS:
        return;
    default:
        apic_end_of_interrupt();
        log_warn("interrupt on vector %lu, which nobody serves", frame->vector);
    }
}

void pc_trap(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_DEBUG && !trap_is_from_program(frame)) {
        frame->rflags &= ~FLAG_TRAP; /* a program that steps itself into a patched system call */
    } else if (frame->vector == VECTOR_BREAKPOINT && trap_is_from_program(frame) &&
               patch_is_breakpoint(frame)) {
        /* It goes on where the frame says. */
    } else if (frame->vector < VECTOR_FIRST_INTERRUPT) {
        trap_exception(frame, platform_fault_address());
        interrupts_disable();
    } else if (frame->vector < DOORBELL_VECTOR_TIMER) {
        /* INT n of the program (INT 0x80, say): as on Linux without it, a protection fault. */
        trap_software_interrupt(frame);
        interrupts_disable();
    } else {
        interrupt(frame);
    }
    if (trap_is_from_program(frame))
        trap_return_to_program(frame);
}

void pc_fatal_trap(struct trap_frame *frame)
{
    uint64_t address = platform_fault_address();
    if (frame->vector == 2) { /* NMI: a stop that an ordinary interrupt could not make */
        core_check_stop();
        return;
    }
    if (frame->vector == 8)
        panic(frame, "double fault at %p%s", (void *)address,
              kernel_stack_is_guard(address) ? ": kernel stack overflow" : "");
    panic(frame, "machine check");
}
