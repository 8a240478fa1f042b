/* The stack frame of a signal handler: where everything is, that rt_sigreturn brings it all back,
 * and that no frame, however wrong, gets anything past the checks. */
#include "tests/unit/syscall/kernel.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/xstate.h"

#include <asm/unistd_64.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

TestSuite(frame, .init = kernel_set_up);

/* Against libc's view of the same structs. */
#define SAME(member, field)                                                                        \
    _Static_assert(offsetof(struct linux_ucontext, context.member) ==                              \
                       offsetof(ucontext_t, uc_mcontext.field),                                    \
                   #member)
SAME(r8, gregs[REG_R8]);
SAME(r15, gregs[REG_R15]);
SAME(rdi, gregs[REG_RDI]);
SAME(rsp, gregs[REG_RSP]);
SAME(rip, gregs[REG_RIP]);
SAME(rflags, gregs[REG_EFL]);
SAME(cs, gregs[REG_CSGSFS]);
SAME(error, gregs[REG_ERR]);
SAME(trap, gregs[REG_TRAPNO]);
SAME(cr2, gregs[REG_CR2]);
SAME(vector_state, fpregs);
_Static_assert(offsetof(struct linux_ucontext, stack) == offsetof(ucontext_t, uc_stack), "stack");
_Static_assert(offsetof(struct linux_ucontext, mask) == offsetof(ucontext_t, uc_sigmask), "mask");
_Static_assert(sizeof(siginfo_t) == LINUX_SIGINFO_SIZE, "siginfo");
_Static_assert(offsetof(siginfo_t, si_addr) == offsetof(struct linux_siginfo, address), "si_addr");
_Static_assert(offsetof(siginfo_t, si_value) == offsetof(struct linux_siginfo, sender.value), "v");

static const struct linux_siginfo info = {.signal = LINUX_SIGUSR1, .code = LINUX_SI_TKILL};

static void random_registers(struct trap_frame *frame)
{
    uint64_t *words[] = {&frame->r8,  &frame->r9,  &frame->r10, &frame->r11, &frame->r12,
                         &frame->r13, &frame->r14, &frame->r15, &frame->rax, &frame->rbx,
                         &frame->rcx, &frame->rdx, &frame->rsi, &frame->rdi, &frame->rbp};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        *words[i] = random_word();
}

static void random_vectors(void)
{
    for (size_t i = 0; i < vector_size; i++)
        vector_registers[i] = (uint8_t)random_word();
    memcpy(vector_registers + XSTATE_MXCSR_OFFSET, &(uint32_t){0x9fc0}, 4);
    memcpy(vector_registers + XSTATE_MXCSR_MASK_OFFSET, &(uint32_t){0xffff}, 4);
    if (vector_xsave) {
        memset(vector_registers + XSTATE_HEADER_OFFSET, 0, XSTATE_HEADER_SIZE);
        vector_registers[XSTATE_HEADER_OFFSET] = 7 & fpu_state_mask();
    }
}

/* What the handler returns to: its own return instruction has taken the restorer's address. */
static struct trap_frame restorer_frame(const struct trap_frame *handler)
{
    struct trap_frame frame = call_frame(__NR_rt_sigreturn);
    frame.rsp = handler->rsp + 8;
    return frame;
}

Test(frame, layout)
{
    struct linux_sigaction action = {
        .handler = HANDLER, .flags = LINUX_SA_RESTORER | LINUX_SA_SIGINFO, .restorer = RESTORER};
    struct trap_frame frame = call_frame(0), before = frame;
    frame.rflags = before.rflags = 0x746; /* DF and TF are on */
    random_vectors();
    cr_assert_eq(signal_frame_push(&frame, &action, &info, 0x55, 0xdead), 0);

    cr_assert_eq(frame.rip, HANDLER);
    cr_assert_eq(frame.rsp % 16, 8, "as after a call");
    cr_assert_eq(frame.rflags, 0x246);
    cr_assert_eq(frame.rdi, LINUX_SIGUSR1);
    cr_assert_eq(frame.rax, 0);
    cr_assert_eq(frame.cs, before.cs);
    const struct linux_signal_frame *at = (const void *)(uintptr_t)frame.rsp;
    cr_assert_eq(at->restorer, RESTORER);
    cr_assert_eq(frame.rsi, (uint64_t)(uintptr_t)&at->info);
    cr_assert_eq(frame.rdx, (uint64_t)(uintptr_t)&at->ucontext);
    cr_assert_eq(at->ucontext.mask, 0x55);
    cr_assert_eq(at->ucontext.context.rip, before.rip);
    cr_assert_eq(at->ucontext.context.rsp, before.rsp);
    cr_assert_eq(at->ucontext.context.cr2, 0xdead);
    cr_assert_eq(at->ucontext.context.cs, LINUX_USER_CS);

    /* The vector state above it, and all of it below the red zone. */
    uint64_t state = at->ucontext.context.vector_state;
    cr_assert_eq(state % 64, 0);
    cr_assert_geq(state, frame.rsp + sizeof(*at));
    cr_assert_leq(state + vector_size + 4, before.rsp - 128);
    struct linux_vector_software software;
    memcpy(&software, (void *)(uintptr_t)(state + LINUX_VECTOR_SOFTWARE_OFFSET), sizeof(software));
    cr_assert_eq(software.magic1, LINUX_VECTOR_MAGIC1);
    cr_assert_eq(software.size, vector_size);
    cr_assert_eq(software.extended_size, vector_size + 4);
    uint32_t magic2;
    memcpy(&magic2, (void *)(uintptr_t)(state + vector_size), sizeof(magic2));
    cr_assert_eq(magic2, LINUX_VECTOR_MAGIC2);
    cr_assert_leq(before.rsp - frame.rsp, signal_frame_size(), "AT_MINSIGSTKSZ is enough");

    /* The handler starts with the initial state. */
    cr_assert_eq(vector_registers[XSTATE_MXCSR_OFFSET + 1], 0x1f);
}

static void round_trips(void)
{
    struct linux_sigaction action = {
        .handler = HANDLER, .flags = LINUX_SA_RESTORER, .restorer = RESTORER};
    for (int i = 0; i < 2000; i++) {
        struct trap_frame frame = call_frame(0);
        random_registers(&frame);
        random_vectors();
        frame.rsp = memory_at(MEMORY_SIZE / 4 + random_word() % (MEMORY_SIZE / 2));
        frame.rip = random_word() % PROGRAM_TOP;
        frame.vector = random_word() % 32;
        struct trap_frame before = frame;
        uint8_t vectors[4096];
        memcpy(vectors, vector_registers, vector_size);
        uint64_t mask = random_word(), back;
        if (i % 2) { /* the state is in the thread's area, another thread's in the registers */
            memcpy(threads[0].fpu, vector_registers, vector_size);
            core_self()->fpu_owner = &threads[1];
            memset(vector_registers, 0, vector_size);
        } else {
            core_self()->fpu_owner = &threads[0];
        }

        cr_assert_eq(signal_frame_push(&frame, &action, &info, mask, 0), 0);
        random_vectors();
        frame = restorer_frame(&frame);
        cr_assert_eq(signal_frame_pop(&frame, &back), 0);
        cr_assert_eq(back, mask);
        cr_assert_eq(frame.vector, TRAP_RESTORED);
        frame.vector = before.vector;
        frame.error = before.error;
        cr_assert_arr_eq(&frame, &before, sizeof(frame));
        /* All but the bytes that are software's. */
        cr_assert_arr_eq(vector_registers, vectors, LINUX_VECTOR_SOFTWARE_OFFSET);
        if (vector_xsave)
            cr_assert_arr_eq(vector_registers + 512, vectors + 512, vector_size - 512);
        cr_assert_eq(core_self()->fpu_owner, &threads[0]);
    }
    cr_assert_eq(vector_faults, 0);
}

Test(frame, round_trip_with_xsave)
{
    round_trips();
}

Test(frame, round_trip_with_fxsave)
{
    vector_size = 576; /* as the kernel rounds it up */
    vector_xsave = false;
    round_trips();
}

/* A program may damage its frame as it likes: nothing faults the kernel, no forbidden flag is set.
 */
Test(frame, hostile_frames)
{
    struct linux_sigaction action = {
        .handler = HANDLER, .flags = LINUX_SA_RESTORER, .restorer = RESTORER};
    unsigned accepted = 0;
    for (int i = 0; i < 20000; i++) {
        struct trap_frame frame = call_frame(0);
        random_vectors();
        cr_assert_eq(signal_frame_push(&frame, &action, &info, 0, 0), 0);
        uint8_t *bytes = (uint8_t *)(uintptr_t)frame.rsp;
        size_t span = call_frame(0).rsp - frame.rsp;
        for (unsigned k = random_word() % 40; k > 0; k--)
            bytes[random_word() % span] = (uint8_t)random_word();
        if (i % 5 == 0) { /* often: nothing but the magic words is right */
            struct linux_signal_frame *at = (struct linux_signal_frame *)bytes;
            uint8_t *state = (uint8_t *)(uintptr_t)at->ucontext.context.vector_state;
            if (state >= memory && state + 832 <= memory + MEMORY_SIZE) {
                for (size_t k = 0; k < 832; k++) {
                    if (k < LINUX_VECTOR_SOFTWARE_OFFSET || k >= 512)
                        state[k] = (uint8_t)random_word();
                }
            }
        }
        frame = restorer_frame(&frame);
        struct trap_frame before = frame;
        uint64_t mask;
        if (signal_frame_pop(&frame, &mask) == 0) {
            accepted++;
            cr_assert_lt(frame.rip, PROGRAM_TOP);
            cr_assert_lt(frame.rsp, PROGRAM_TOP);
            cr_assert_eq(frame.rflags & 0x3200, before.rflags & 0x3200, "IF and IOPL stay");
            cr_assert_eq(frame.cs, before.cs);
            cr_assert_eq(frame.ss, before.ss);
        } else {
            cr_assert_arr_eq(&frame, &before, sizeof(frame));
        }
    }
    cr_assert_gt(accepted, 1000);
    cr_assert_eq(vector_faults, 0);
}

Test(frame, frames_that_are_not_there)
{
    uint64_t mask;
    for (uint64_t rsp = 0; rsp < 64; rsp++) {
        struct trap_frame frame = call_frame(__NR_rt_sigreturn);
        frame.rsp = rsp;
        cr_assert_eq(signal_frame_pop(&frame, &mask), -EFAULT);
    }
    /* A stack that ends too soon: nothing changes. */
    struct linux_sigaction action = {
        .handler = HANDLER, .flags = LINUX_SA_RESTORER, .restorer = RESTORER};
    struct trap_frame frame = call_frame(0);
    frame.rsp = memory_at(300);
    struct trap_frame before = frame;
    cr_assert_eq(signal_frame_push(&frame, &action, &info, 0, 0), -EFAULT);
    cr_assert_arr_eq(&frame, &before, sizeof(frame));
    action.flags = 0; /* and without a restorer */
    frame.rsp = memory_at(MEMORY_SIZE / 2);
    cr_assert_eq(signal_frame_push(&frame, &action, &info, 0, 0), -EFAULT);
}

Test(frame, alternate_stack)
{
    struct linux_sigaction action = {
        .handler = HANDLER, .flags = LINUX_SA_RESTORER | LINUX_SA_ONSTACK, .restorer = RESTORER};
    struct signal_state *state = &threads[0].signals;
    struct linux_sigaltstack stack = {.base = memory_at(4096), .size = 8192};
    memcpy(memory + 64, &stack, sizeof(stack));
    cr_assert_eq(call(__NR_sigaltstack, memory_at(64), 0, 0, 0), 0);

    struct trap_frame frame = call_frame(0);
    cr_assert_eq(signal_frame_push(&frame, &action, &info, 0, 0), 0);
    cr_assert(frame.rsp > stack.base && frame.rsp < stack.base + stack.size);

    /* On it already: the next one goes below, and the stack cannot be changed. */
    struct trap_frame nested = frame;
    cr_assert_eq(signal_frame_push(&nested, &action, &info, 0, 0), 0);
    cr_assert_lt(nested.rsp, frame.rsp - LINUX_RED_ZONE);
    struct trap_frame request = frame;
    request.vector = TRAP_SYSCALL;
    request.error = __NR_sigaltstack;
    request.rdi = memory_at(64);
    request.rsi = memory_at(128);
    syscall_dispatch(&request);
    cr_assert_eq((int64_t)request.rax, -EPERM);
    request.rdi = 0;
    syscall_dispatch(&request);
    memcpy(&stack, memory + 128, sizeof(stack));
    cr_assert_eq(stack.flags, LINUX_SS_ONSTACK);

    /* It never runs over its low end. */
    struct trap_frame full = frame;
    full.rsp = stack.base + 600;
    cr_assert_eq(signal_frame_push(&full, &action, &info, 0, 0), -EFAULT);

    /* SS_AUTODISARM: off while the handler runs, back when it returns. */
    state->stack_flags = LINUX_SS_AUTODISARM;
    frame = call_frame(0);
    cr_assert_eq(signal_frame_push(&frame, &action, &info, 0, 0), 0);
    cr_assert_eq(state->stack_size, 0);
    uint64_t mask;
    frame = restorer_frame(&frame);
    cr_assert_eq(signal_frame_pop(&frame, &mask), 0);
    cr_assert_eq(state->stack_size, 8192);
    cr_assert_eq(state->stack_flags, LINUX_SS_AUTODISARM);

    /* Too small, unknown flags, and off again. */
    stack = (struct linux_sigaltstack){.base = memory_at(4096), .size = 2047};
    memcpy(memory + 64, &stack, sizeof(stack));
    cr_assert_eq(call(__NR_sigaltstack, memory_at(64), 0, 0, 0), -ENOMEM);
    stack.flags = 8;
    memcpy(memory + 64, &stack, sizeof(stack));
    cr_assert_eq(call(__NR_sigaltstack, memory_at(64), 0, 0, 0), -EINVAL);
    stack.flags = LINUX_SS_DISABLE;
    memcpy(memory + 64, &stack, sizeof(stack));
    cr_assert_eq(call(__NR_sigaltstack, memory_at(64), 0, 0, 0), 0);
    cr_assert_eq(state->stack_size, 0);
}
