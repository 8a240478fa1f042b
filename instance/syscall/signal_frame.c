/* The stack frame of a signal handler: built on the program's stack as Linux on x86-64 does it,
 * and taken apart again by rt_sigreturn. What comes back may have been changed by the program, or
 * be nonsense: all of it is checked before it reaches a register that could fault the kernel.
 *
 *   higher   the interrupted program's stack, and its red zone of 128 bytes
 *            the XSAVE image, 64-byte aligned, and its second magic word
 *            struct linux_signal_frame; its address is 8 modulo 16, as after a call
 *   lower    the handler's own stack */
#include "instance/syscall/signal.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/xstate.h"
#include "instance/interrupts.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <errno.h>

/* Flags that a program may change: CF PF AF ZF SF TF DF OF RF AC (not IF, IOPL, NT). */
#define SIGNAL_FLAGS_MASK UINT64_C(0x50dd5)
#define RFLAGS_TF UINT64_C(0x100)
#define RFLAGS_DF UINT64_C(0x400)
#define RFLAGS_RF UINT64_C(0x10000)

static bool signal_has_xsave(void)
{
    return fpu_state_mask() != 0;
}

/* Bytes of it on the program's stack. */
static uint64_t signal_vector_size(void)
{
    return signal_has_xsave() ? fpu_area_size() + sizeof(uint32_t) : XSTATE_LEGACY_SIZE;
}

uint64_t signal_frame_size(void)
{
    /* Alignment of both parts in the worst case, and the red zone. */
    return sizeof(struct linux_signal_frame) + 16 + signal_vector_size() + 64 + LINUX_RED_ZONE;
}

/* Brings thread->fpu up to date: the registers may hold what is newer. */
static void signal_save_vector_state(struct thread *thread)
{
    uint64_t saved = interrupts_disable();
    struct core *core = core_self();
    if (core->fpu_owner == thread && thread->fpu_core == core)
        fpu_save(thread->fpu);
    interrupts_restore(saved);
}

/* Loads `area` (NULL: the initial state) into thread->fpu and the registers. */
static void signal_load_vector_state(struct thread *thread, const void *area)
{
    uint64_t saved = interrupts_disable();
    struct core *core = core_self();
    if (area != NULL)
        memcpy(thread->fpu, area, fpu_area_size());
    else
        fpu_init_area(thread->fpu);
    fpu_restore(thread->fpu);
    core->fpu_owner = thread;
    thread->fpu_core = core;
    interrupts_restore(saved);
}

/* Writes the vector state to the program's stack at `to`. */
static int signal_write_vector_state(const struct thread *thread, uint64_t to)
{
    const uint8_t *area = thread->fpu;
    if (!signal_has_xsave())
        return user_write(to, area, XSTATE_LEGACY_SIZE);

    uint64_t size = fpu_area_size();
    struct linux_vector_software software;
    memset(&software, 0, sizeof(software));
    software.magic1 = LINUX_VECTOR_MAGIC1;
    software.extended_size = (uint32_t)(size + sizeof(uint32_t));
    software.features = fpu_state_mask();
    software.size = (uint32_t)size;
    uint32_t magic2 = LINUX_VECTOR_MAGIC2;
    if (user_write(to, area, LINUX_VECTOR_SOFTWARE_OFFSET) != 0 ||
        user_write(to + LINUX_VECTOR_SOFTWARE_OFFSET, &software, sizeof(software)) != 0 ||
        user_write(to + XSTATE_LEGACY_SIZE, area + XSTATE_LEGACY_SIZE, size - XSTATE_LEGACY_SIZE) !=
            0 ||
        user_write(to + size, &magic2, sizeof(magic2)) != 0)
        return -EFAULT;
    return 0;
}

/* Is the thread on its alternate stack (or would this stack pointer be)? */
static bool signal_on_alternate_stack(const struct signal_state *state, uint64_t rsp)
{
    if (state->stack_flags & LINUX_SS_AUTODISARM)
        return false; /* it is disarmed while in use */
    return rsp > state->stack_base && rsp - state->stack_base <= state->stack_size;
}

static void signal_fill_context(struct linux_sigcontext *context, const struct trap_frame *frame,
                                uint64_t address)
{
    context->r8 = frame->r8;
    context->r9 = frame->r9;
    context->r10 = frame->r10;
    context->r11 = frame->r11;
    context->r12 = frame->r12;
    context->r13 = frame->r13;
    context->r14 = frame->r14;
    context->r15 = frame->r15;
    context->rdi = frame->rdi;
    context->rsi = frame->rsi;
    context->rbp = frame->rbp;
    context->rbx = frame->rbx;
    context->rdx = frame->rdx;
    context->rax = frame->rax;
    context->rcx = frame->rcx;
    context->rsp = frame->rsp;
    context->rip = frame->rip;
    context->rflags = frame->rflags;
    context->cs = LINUX_USER_CS;
    context->ss = LINUX_USER_SS;
    context->cr2 = address;
    if (frame->vector < 32) { /* an exception; otherwise `error` is a system call's number */
        context->trap = frame->vector;
        context->error = frame->error;
    }
}

int signal_frame_push(struct trap_frame *frame, const struct linux_sigaction *action,
                      const struct linux_siginfo *info, uint64_t mask, uint64_t address)
{
    struct thread *thread = thread_current();
    struct signal_state *state = &thread->signals;

    /* Without SA_RESTORER there is no way back; Linux on x86-64 refuses it too. */
    if (!(action->flags & LINUX_SA_RESTORER))
        return -EFAULT;

    bool alternate = false;
    uint64_t rsp = frame->rsp - LINUX_RED_ZONE;
    if ((action->flags & LINUX_SA_ONSTACK) && state->stack_size != 0 &&
        !signal_on_alternate_stack(state, frame->rsp)) {
        rsp = state->stack_base + state->stack_size;
        alternate = true;
    }
    uint64_t vector_at = (rsp - signal_vector_size()) & ~UINT64_C(63);
    uint64_t frame_at = ((vector_at - sizeof(struct linux_signal_frame)) & ~UINT64_C(15)) - 8;
    /* Never write below the alternate stack: that is some other object of the program's. */
    if ((alternate || (state->stack_size != 0 && signal_on_alternate_stack(state, frame->rsp))) &&
        (frame_at < state->stack_base || frame_at >= state->stack_base + state->stack_size))
        return -EFAULT;

    signal_save_vector_state(thread);
    struct linux_signal_frame out;
    memset(&out, 0, sizeof(out));
    out.restorer = action->restorer;
    out.ucontext.flags = LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS |
                         (signal_has_xsave() ? LINUX_UC_FP_XSTATE : 0);
    out.ucontext.stack.base = state->stack_base;
    out.ucontext.stack.size = state->stack_size;
    out.ucontext.stack.flags = state->stack_flags & LINUX_SS_AUTODISARM;
    if (state->stack_size == 0)
        out.ucontext.stack.flags |= LINUX_SS_DISABLE;
    signal_fill_context(&out.ucontext.context, frame, address);
    out.ucontext.context.old_mask = mask;
    out.ucontext.context.vector_state = vector_at;
    out.ucontext.mask = mask;
    out.info = *info;
    if (signal_write_vector_state(thread, vector_at) != 0 ||
        user_write(frame_at, &out, sizeof(out)) != 0)
        return -EFAULT;

    if (state->stack_flags & LINUX_SS_AUTODISARM) {
        state->stack_base = state->stack_size = 0;
        state->stack_flags = 0;
    }
    signal_load_vector_state(thread, NULL);
    frame->rdi = (uint64_t)info->signal;
    frame->rsi = frame_at + offsetof(struct linux_signal_frame, info);
    frame->rdx = frame_at + offsetof(struct linux_signal_frame, ucontext);
    frame->rax = 0; /* no vector arguments, for a handler without a prototype */
    frame->rip = action->handler;
    frame->rsp = frame_at;
    frame->rflags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
    return 0;
}

/* Reads the XSAVE image at `from` into `area`, made safe for XRSTOR. */
static int signal_read_vector_state(uint8_t *area, const uint8_t *current, uint64_t from)
{
    uint64_t size = fpu_area_size();
    if (from % 64 != 0 || user_read(area, from, XSTATE_LEGACY_SIZE) != 0)
        return -EFAULT;

    uint32_t mxcsr, mask;
    memcpy(&mxcsr, area + XSTATE_MXCSR_OFFSET, sizeof(mxcsr));
    memcpy(&mask, current + XSTATE_MXCSR_MASK_OFFSET, sizeof(mask));
    mxcsr &= mask != 0 ? mask : XSTATE_MXCSR_MASK_DEFAULT;
    memcpy(area + XSTATE_MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    if (!signal_has_xsave())
        return 0;

    struct linux_vector_software software;
    uint32_t magic2 = 0;
    memcpy(&software, area + LINUX_VECTOR_SOFTWARE_OFFSET, sizeof(software));
    struct xstate_header header;
    memset(area + XSTATE_LEGACY_SIZE, 0, size - XSTATE_LEGACY_SIZE);
    memset(&header, 0, sizeof(header));
    if (software.magic1 == LINUX_VECTOR_MAGIC1 && software.size == size &&
        software.extended_size == size + sizeof(magic2) &&
        user_read(&magic2, from + size, sizeof(magic2)) == 0 && magic2 == LINUX_VECTOR_MAGIC2) {
        if (user_read(area + XSTATE_LEGACY_SIZE, from + XSTATE_LEGACY_SIZE,
                      size - XSTATE_LEGACY_SIZE) != 0)
            return -EFAULT;
        uint64_t present;
        memcpy(&present, area + XSTATE_HEADER_OFFSET, sizeof(present));
        header.present = present & fpu_state_mask();
    } else {
        /* The program left us FXSAVE's part alone: the rest is in its initial state. */
        header.present = XSTATE_X87 | XSTATE_SSE;
    }
    /* A compact image, or reserved bits, would make XRSTOR fault: none of them comes through. */
    memcpy(area + XSTATE_HEADER_OFFSET, &header, sizeof(header));
    return 0;
}

static bool signal_address_ok(uint64_t address)
{
    return address < PROGRAM_TOP; /* all of these are canonical: IRETQ takes them */
}

int signal_frame_pop(struct trap_frame *frame, uint64_t *mask)
{
    struct thread *thread = thread_current();
    struct signal_state *state = &thread->signals;
    struct linux_signal_frame in;

    /* The handler's return instruction has taken `restorer`. */
    if (user_read(&in, frame->rsp - sizeof(in.restorer), sizeof(in)) != 0)
        return -EFAULT;
    const struct linux_sigcontext *context = &in.ucontext.context;
    if (!signal_address_ok(context->rip) || !signal_address_ok(context->rsp))
        return -EFAULT;

    if (context->vector_state != 0) {
        uint8_t *area = kmalloc(fpu_area_size());
        if (area == NULL ||
            signal_read_vector_state(area, thread->fpu, context->vector_state) != 0) {
            kfree(area);
            return -EFAULT;
        }
        signal_load_vector_state(thread, area);
        kfree(area);
    } else {
        signal_load_vector_state(thread, NULL);
    }

    frame->r8 = context->r8;
    frame->r9 = context->r9;
    frame->r10 = context->r10;
    frame->r11 = context->r11;
    frame->r12 = context->r12;
    frame->r13 = context->r13;
    frame->r14 = context->r14;
    frame->r15 = context->r15;
    frame->rdi = context->rdi;
    frame->rsi = context->rsi;
    frame->rbp = context->rbp;
    frame->rbx = context->rbx;
    frame->rdx = context->rdx;
    frame->rax = context->rax;
    frame->rcx = context->rcx;
    frame->rsp = context->rsp;
    frame->rip = context->rip;
    frame->rflags = (frame->rflags & ~SIGNAL_FLAGS_MASK) | (context->rflags & SIGNAL_FLAGS_MASK);
    frame->vector = TRAP_RESTORED;

    /* The alternate stack as the frame has it (an automatically disarmed one comes back). Linux
     * ignores errors here. */
    const struct linux_sigaltstack *stack = &in.ucontext.stack;
    if (stack->flags & LINUX_SS_DISABLE) {
        state->stack_base = state->stack_size = 0;
        state->stack_flags = 0;
    } else if (stack->size >= LINUX_MINSIGSTKSZ) {
        state->stack_base = stack->base;
        state->stack_size = stack->size;
        state->stack_flags = stack->flags & LINUX_SS_AUTODISARM;
    }
    *mask = in.ucontext.mask;
    return 0;
}
