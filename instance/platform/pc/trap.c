/* Exceptions and interrupts on `pc`, and the way back to the program. entry.asm calls these with
 * interrupts off and a frame on the thread's kernel stack. */
#include "instance/platform/pc/pc.h"

#include "instance/arch/x86/cpu.h"
#include "instance/fs/console.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/sched/thread.h"
#include "instance/syscall/syscall.h"
#include "ipi-msg/doorbell.h"

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <errno.h>

#define VECTOR_PAGE_FAULT 14
#define VECTOR_FIRST_INTERRUPT 32
#define FAULT_WRITE 2
#define FAULT_FETCH 16

/* Exceptions of the program other than page faults, as Linux turns them into signals. */
static const struct exception {
    const char *name;
    int signal, code;
} exceptions[VECTOR_FIRST_INTERRUPT] = {
    [0] = {"divide error", SIGFPE, FPE_INTDIV},
    [1] = {"debug exception", SIGTRAP, TRAP_TRACE},
    [3] = {"breakpoint", SIGTRAP, SI_KERNEL},
    [4] = {"overflow", SIGSEGV, SI_KERNEL},
    [5] = {"bound range exceeded", SIGSEGV, SI_KERNEL},
    [6] = {"invalid opcode", SIGILL, ILL_ILLOPN},
    [7] = {"device not available", SIGILL, ILL_ILLOPN},
    [10] = {"invalid task state", SIGSEGV, SI_KERNEL},
    [11] = {"segment not present", SIGBUS, SI_KERNEL},
    [12] = {"stack segment fault", SIGBUS, SI_KERNEL},
    [13] = {"general protection fault", SIGSEGV, SI_KERNEL},
    [16] = {"x87 floating-point error", SIGFPE, FPE_FLTINV},
    [17] = {"alignment check", SIGBUS, BUS_ADRALN},
    [19] = {"SIMD floating-point exception", SIGFPE, FPE_FLTINV},
};

static bool from_program(const struct trap_frame *frame)
{
    return !(frame->rip >> 63);
}

static const char *exception_name(uint64_t vector)
{
    if (vector == VECTOR_PAGE_FAULT)
        return "page fault";
    if (vector < VECTOR_FIRST_INTERRUPT && exceptions[vector].name)
        return exceptions[vector].name;
    return "exception";
}

/* Continues a faulting copy to or from the program's memory at its error exit. */
static bool recover(struct trap_frame *frame)
{
    uintptr_t at = user_fixup(frame->rip);
    if (at)
        frame->rip = at;
    return at != 0;
}

static void page_fault(struct trap_frame *frame, uint64_t address)
{
    enum space_fault access = SPACE_FAULT_READ;
    if (frame->error & FAULT_FETCH)
        access = SPACE_FAULT_EXECUTE;
    else if (frame->error & FAULT_WRITE)
        access = SPACE_FAULT_WRITE;

    bool program = from_program(frame);
    if (!program && user_is_nofault(frame->rip) && recover(frame))
        return;
    int result = -EFAULT;
    if (address < PROGRAM_TOP && (frame->rflags & RFLAGS_IF)) {
        interrupts_enable();
        result = space_handle_fault(address, access);
    }
    if (result == 0)
        return;
    if (program) {
        if (result == -ENOMEM)
            kernel_crash(SIGKILL, frame, address, "out of memory: the partition is full");
        signal_fault(frame, SIGSEGV, result == -EACCES ? SEGV_ACCERR : SEGV_MAPERR, address);
        return;
    }
    if (recover(frame))
        return;
    panic(frame, "page fault in the kernel at %p (error %lx)%s", (void *)address, frame->error,
          kernel_stack_is_guard(address) ? ": kernel stack overflow" : "");
}

static void exception(struct trap_frame *frame)
{
    uint64_t address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    if (frame->vector == VECTOR_PAGE_FAULT) {
        page_fault(frame, address);
        return;
    }
    const struct exception *kind = &exceptions[frame->vector];
    if (!from_program(frame) || !kind->signal)
        panic(frame, "%s (vector %lu, error %lx) in the %s", exception_name(frame->vector),
              frame->vector, frame->error, from_program(frame) ? "program" : "kernel");
    interrupts_enable();
    signal_fault(frame, kind->signal, kind->code, frame->rip);
}

static void interrupt(struct trap_frame *frame)
{
    struct core *core = core_self();
    struct shm_counters *counters = &instance.section->counters;
    atomic_fetch_add_explicit(&counters->interrupts, 1, memory_order_relaxed);
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
        return;
    case DOORBELL_VECTOR_KICK:
        apic_end_of_interrupt();
        core_check_stop();
        schedule_kicked();
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
    if (frame->vector < VECTOR_FIRST_INTERRUPT) {
        exception(frame);
        interrupts_disable();
    } else if (frame->vector < DOORBELL_VECTOR_TIMER) {
        /* INT n of the program (INT 0x80, say): as on Linux without it, a protection fault. */
        if (!from_program(frame))
            panic(frame, "software interrupt %lu in the kernel", frame->vector);
        frame->rip -= 2;
        interrupts_enable();
        signal_fault(frame, SIGSEGV, SI_KERNEL, 0);
        interrupts_disable();
    } else {
        interrupt(frame);
    }
    if (from_program(frame))
        pc_return_to_program(frame);
}

void pc_return_to_program(struct trap_frame *frame)
{
    for (;;) {
        schedule_before_return();
        if (!signal_deliverable())
            return;
        interrupts_enable();
        signal_deliver(frame);
        interrupts_disable();
    }
}

void pc_fatal_trap(struct trap_frame *frame)
{
    uint64_t address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    if (frame->vector == 2) { /* NMI: a stop that an ordinary interrupt could not make */
        core_check_stop();
        return;
    }
    if (frame->vector == 8)
        panic(frame, "double fault at %p%s", (void *)address,
              kernel_stack_is_guard(address) ? ": kernel stack overflow" : "");
    panic(frame, "machine check");
}
