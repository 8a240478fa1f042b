/* Exceptions, whatever platform they come from: page faults go to the program's address space,
 * those of the program that remain become its signals, those of the kernel end the instance. */
#include "instance/trap.h"

#include "instance/arch/x86/cpu.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/sched/thread.h"
#include "instance/syscall/patch.h"
#include "instance/syscall/syscall.h"

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

    bool program = trap_is_from_program(frame);
    if (!program && user_is_nofault(frame->rip) && recover(frame))
        return;
    int result = -EFAULT;
    if (address < PROGRAM_TOP && (frame->rflags & RFLAGS_IF)) {
        interrupts_enable();
        result = space_handle_fault(address, access);
    }
    if (result == 0)
        return;
    if (program && result == -EINTR)
        return; /* to the signal that kills it */
    if (program) {
        patch_leave_trampoline(frame);
        if (result == -ENOMEM)
            kernel_crash(SIGKILL, frame, address, "out of memory: the partition is full");
        if (result == -ENXIO) {
            signal_fault(frame, SIGBUS, BUS_ADRERR, address);
            return;
        }
        signal_fault(frame, SIGSEGV, result == -EACCES ? SEGV_ACCERR : SEGV_MAPERR, address);
        return;
    }
    if (recover(frame))
        return;
    panic(frame, "page fault in the kernel at %p (error %lx)%s", (void *)address, frame->error,
          kernel_stack_is_guard(address) ? ": kernel stack overflow" : "");
}

void trap_exception(struct trap_frame *frame, uint64_t address)
{
    if (frame->vector == VECTOR_PAGE_FAULT) {
        page_fault(frame, address);
        return;
    }
    const struct exception *kind = &exceptions[frame->vector];
    if (!trap_is_from_program(frame) || !kind->signal)
        panic(frame, "%s (vector %lu, error %lx) in the %s", exception_name(frame->vector),
              frame->vector, frame->error, trap_is_from_program(frame) ? "program" : "kernel");
    interrupts_enable();
    patch_leave_trampoline(frame);
    signal_fault(frame, kind->signal, kind->code, frame->rip);
}

void trap_software_interrupt(struct trap_frame *frame)
{
    if (!trap_is_from_program(frame))
        panic(frame, "software interrupt %lu in the kernel", frame->vector);
    frame->rip -= 2;
    interrupts_enable();
    signal_fault(frame, SIGSEGV, SI_KERNEL, 0);
}

void trap_return_to_program(struct trap_frame *frame)
{
    for (;;) {
        schedule_before_return();
        if (!signal_deliverable())
            return;
        interrupts_enable();
        patch_leave_trampoline(frame);
        signal_deliver(frame);
        interrupts_disable();
    }
}
