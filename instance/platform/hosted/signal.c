/* Host signals as the instance's exceptions and interrupts.
 *
 * The handler runs on the core's signal stack and stays there only for what needs no more than a
 * note, or an interrupt of the kernel itself. Everything else it moves to the thread's kernel
 * stack: it lays a struct trap_frame there and returns (rt_sigreturn) into hosted_trap_entry, so
 * that the vector registers are again the interrupted code's, as the kernel expects them. */
#include "instance/platform/hosted/hosted.h"

#include "abi/linux/signal.h"
#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/quick_call.h"
#include "instance/fs/console.h"
#include "instance/heartbeat.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/hosted/call.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "instance/string.h"
#include "instance/syscall/patch.h"
#include "instance/syscall/syscall.h"
#include "instance/trap.h"

#include <asm/errno.h>

#define VECTOR_DEBUG 1
#define VECTOR_BREAKPOINT 3
#define VECTOR_PAGE_FAULT 14
#define VECTOR_LEGACY_CALL 0x80
#define VECTOR_INTERRUPT                                                                           \
    UINT64_C(512)        /* frames of interrupts, which have no vector of the CPU's                \
                          */
#define STACK_MARGIN 512 /* a kernel stack with less room than this has overflowed */
#define FLAG_INTERRUPTS UINT64_C(0x200)
#define FLAG_TRAP UINT64_C(0x100)
#define ARCHITECTURE_X86_64 UINT32_C(0xc000003e)
#define BUS_ADDRESS 2           /* BUS_ADRERR */
#define HOST_CALL_URETPROBE 335 /* since Linux 6.11 */

struct host_siginfo {
    int32_t signal, error, code, pad;
    uint64_t address;
    int32_t call;
    uint32_t architecture;
};

static bool is_asynchronous(int signal)
{
    return signal == HOSTED_SIGNAL_LOOK || signal == HOSTED_SIGNAL_MESSAGE ||
           signal == HOSTED_SIGNAL_TIMER;
}

#define MASK(signal) (UINT64_C(1) << ((signal)-1))

int64_t hosted_signals_init(void)
{
    static const int signals[] = {LINUX_SIGSEGV,      LINUX_SIGBUS,          LINUX_SIGFPE,
                                  LINUX_SIGILL,       LINUX_SIGTRAP,         LINUX_SIGSYS,
                                  HOSTED_SIGNAL_LOOK, HOSTED_SIGNAL_MESSAGE, HOSTED_SIGNAL_TIMER};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct linux_sigaction action = {
            .handler = (uint64_t)hosted_signal_entry,
            /* A fault within a handler is handled too: it is the kernel's own, and a panic. */
            .flags = LINUX_SA_SIGINFO | LINUX_SA_ONSTACK | LINUX_SA_RESTORER | LINUX_SA_NODEFER,
            .restorer = (uint64_t)hosted_restorer,
            .mask =
                MASK(HOSTED_SIGNAL_LOOK) | MASK(HOSTED_SIGNAL_MESSAGE) | MASK(HOSTED_SIGNAL_TIMER),
        };
        int64_t error =
            host_call4(__NR_rt_sigaction, (uint64_t)signals[i], (uint64_t)&action, 0, 8);
        if (error)
            return error;
    }
    hosted_signals_block(false); /* the proxy has blocked all */
    return 0;
}

void hosted_signals_block(bool block)
{
    uint64_t mask = block ? UINT64_MAX : 0;
    host_call4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (uint64_t)&mask, 0, 8);
}

/* --- Interrupts ----------------------------------------------------------------------------------
 */

/* Interrupts off. */
static void serve(struct core *core, uint32_t pending)
{
    struct shm_counters *counters = &instance.section->counters;
    struct core_machine *machine = core->machine;
    atomic_fetch_add_explicit(&counters->interrupts, 1, memory_order_relaxed);
    if (pending & PENDING_LOOK) {
        uint32_t asked = atomic_exchange(&machine->asked, 0);
        if (asked & ASKED_STOP)
            platform_core_park();
        if (asked & ASKED_KICK)
            schedule_kicked();
        heartbeat_kicked();
    }
    if (pending & PENDING_MESSAGE) {
        atomic_fetch_add_explicit(&counters->doorbells_taken, 1, memory_order_relaxed);
        console_doorbell();
        message_doorbell();
        heartbeat_doorbell();
    }
    if (pending & PENDING_TIMER) {
        atomic_fetch_add_explicit(&counters->timer_interrupts, 1, memory_order_relaxed);
        machine->deadline = 0;
        core->leave_work = 0;
        timer_run_due();
    }
}

void hosted_take_pending(void)
{
    struct core *core = core_self();
    volatile uint32_t *off = &core->interrupts_off, *pending = &core->interrupts_pending;
    while (*pending) {
        *off = 1; /* from here on the handler only adds to `pending` */
        uint32_t now;
        __asm__ volatile("xorl %0, %0; xchgl %0, %1" : "=&r"(now), "+m"(core->interrupts_pending));
        serve(core, now);
        *off = 0;
    }
}

void hosted_before_return(struct trap_frame *frame)
{
    struct core *core = core_self();
    if (core->interrupts_pending) {
        interrupts_enable();
        interrupts_disable();
    }
    trap_return_to_program(frame);
    core = core_self(); /* perhaps another by now */
    if (core->leave_work) {
        core->leave_work = 0;
        hosted_timer_program(core->machine);
    }
}

/* --- Exceptions ----------------------------------------------------------------------------------
 */

uint64_t platform_fault_address(void)
{
    return core_self()->machine->fault_address;
}

void hosted_trap(struct trap_frame *frame)
{
    if (frame->vector == TRAP_SYSCALL) {
        interrupts_enable();
        patch_site(frame, (uintptr_t)hosted_syscall_entry);
        syscall_dispatch(frame);
    } else if (frame->vector == VECTOR_BREAKPOINT && trap_is_from_program(frame) &&
               patch_is_breakpoint(frame)) {
        /* It goes on where the frame says. */
    } else if (frame->vector < 32) {
        trap_exception(frame, platform_fault_address());
    } else if (frame->vector == VECTOR_LEGACY_CALL) {
        trap_software_interrupt(frame);
    }
    interrupts_disable();
    if (trap_is_from_program(frame))
        hosted_before_return(frame);
}

static void frame_fill(struct trap_frame *frame, const struct linux_sigcontext *context)
{
    *frame = (struct trap_frame){
        .r15 = context->r15,
        .r14 = context->r14,
        .r13 = context->r13,
        .r12 = context->r12,
        .rbp = context->rbp,
        .rbx = context->rbx,
        .r11 = context->r11,
        .r10 = context->r10,
        .r9 = context->r9,
        .r8 = context->r8,
        .rax = context->rax,
        .rcx = context->rcx,
        .rdx = context->rdx,
        .rsi = context->rsi,
        .rdi = context->rdi,
        .rip = context->rip,
        .cs = context->cs,
        .rflags = context->rflags,
        .rsp = context->rsp,
        .ss = context->ss,
    };
}

/* What the frame's vector and error are. */
static void frame_classify(struct trap_frame *frame, int signal, const struct host_siginfo *info,
                           const struct linux_sigcontext *context)
{
    if (is_asynchronous(signal)) {
        frame->vector = VECTOR_INTERRUPT;
    } else if (signal == LINUX_SIGILL && info->code == LINUX_SI_KERNEL) {
        /* Not the CPU's. Newer hosts serve uretprobe themselves, past every filter, and so. */
        frame->vector = TRAP_SYSCALL;
        frame->error = HOST_CALL_URETPROBE;
    } else if (signal != LINUX_SIGSYS) {
        frame->vector = context->trap;
        frame->error = context->error;
    } else if (info->architecture != ARCHITECTURE_X86_64) {
        frame->vector = VECTOR_LEGACY_CALL;
    } else {
        frame->vector = TRAP_SYSCALL;
        frame->error = context->rax;
        frame->rcx = context->rip; /* as the instruction leaves them */
        frame->r11 = context->rflags;
    }
}

static bool lies_in(uint64_t at, const char *begin, const char *end)
{
    return at >= (uint64_t)begin && at < (uint64_t)end;
}

static void enter_on_kernel_stack(struct core *core, struct trap_frame *frame,
                                  struct linux_sigcontext *context)
{
    core->interrupts_off = 1;
    context->rip = (uint64_t)hosted_trap_entry;
    context->rsp = (uint64_t)frame;
    context->rflags &= ~UINT64_C(0x40500); /* AC, DF, TF */
    context->cs = arch_program_cs;
    context->ss = arch_program_ss;
}

static uint32_t pending_of(int signal)
{
    return signal == HOSTED_SIGNAL_TIMER     ? PENDING_TIMER
           : signal == HOSTED_SIGNAL_MESSAGE ? PENDING_MESSAGE
                                             : PENDING_LOOK;
}

/* An interrupt. True: done, go back to where it came. */
static bool interrupt(struct core *core, int signal, struct linux_sigcontext *context)
{
    hosted_note(core, pending_of(signal));
    heartbeat_interrupted(core->interrupts_off || platform_is_kernel(context->rip) ? context->rip
                                                                                   : 0);
    if (signal == HOSTED_SIGNAL_TIMER)
        core->machine->programmed = 0;
    if (core->interrupts_off) {
        if (lies_in(context->rip, hosted_wait_begin, hosted_wait_end))
            context->rip = (uint64_t)hosted_wait_end;
        return true;
    }
    if (lies_in(context->rip, hosted_enter_begin, hosted_enter_end))
        return true;
    if (lies_in(context->rip, hosted_leave_begin, hosted_leave_end)) {
        core->interrupts_off = 1;
        context->rip = (uint64_t)hosted_leave_again;
        context->rsp = core->kernel_stack_top - sizeof(struct trap_frame);
        return true;
    }
    if (!platform_is_kernel(context->rip))
        return false;
    hosted_take_pending();
    return true;
}

/* The frame of what came from `context`, at the top of the kernel stack (the program), below the
 * interrupted stack pointer (the kernel), or NULL: that is no kernel stack. */
static struct trap_frame *frame_place(const struct core *core,
                                      const struct linux_sigcontext *context, bool program)
{
    uintptr_t top = core->kernel_stack_top;
    if (!program) {
        uintptr_t depth = top - context->rsp;
        if (depth > KERNEL_STACK_SIZE - STACK_MARGIN)
            return NULL;
        top = context->rsp & ~UINT64_C(15);
    }
    return (struct trap_frame *)(top - sizeof(struct trap_frame));
}

void hosted_signal(int signal, const void *info_pointer, void *context_pointer)
{
    const struct host_siginfo *info = info_pointer;
    struct linux_sigcontext *context = &((struct linux_ucontext *)context_pointer)->context;
    uint64_t here = (uint64_t)__builtin_frame_address(0);
    struct core *core = ((union signal_stack *)(here & ~(SIGNAL_STACK_SIZE - 1)))->core;
    __asm__ volatile("wrgsbase %0" ::"r"(core));

    if (quick_call_has(context->rip))
        context->rip = quick_call_leave(context->rip, context->rcx);
    if (is_asynchronous(signal) && interrupt(core, signal, context))
        return;
    if (!is_asynchronous(signal) && info->code <= 0)
        return; /* sent by somebody, not a fault */
    if (!is_asynchronous(signal) && context->trap == VECTOR_PAGE_FAULT)
        core->machine->fault_address = context->cr2;

    bool program = !platform_is_kernel(context->rip);
    if (!program && signal == LINUX_SIGTRAP && context->trap == VECTOR_DEBUG) {
        context->rflags &= ~FLAG_TRAP; /* a program that steps itself into a patched system call */
        return;
    }
    struct trap_frame emergency, *frame = frame_place(core, context, program);
    bool stays = !frame;
    if (stays)
        frame = &emergency;
    frame_fill(frame, context);
    frame_classify(frame, signal, info, context);
    if (!program && core->interrupts_off)
        frame->rflags &= ~FLAG_INTERRUPTS;
    if (signal == LINUX_SIGBUS && info->code == BUS_ADDRESS) {
        core->interrupts_off = 1;
        panic(frame, "the host has no memory for the partition at 0x%lx", info->address);
    }
    if (stays) { /* cannot sleep, cannot go on: the start, or an overflown stack */
        core->interrupts_off = 1;
        frame->rflags &= ~FLAG_INTERRUPTS;
        hosted_trap(frame);
        panic(frame, "signal %d outside of the kernel's stacks", signal);
    }
    enter_on_kernel_stack(core, frame, context);
}
