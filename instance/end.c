/* The end of an instance: by exit, by a fatal signal of the program, or by a panic of the kernel.
 * The first core that gets here stops all others, says in the section what happened, rings the
 * proxy, and parks. Who comes second waits to be stopped. */
#include "instance/end.h"

#include "instance/arch/x86/arch.h"
#include "instance/core.h"
#include "instance/fs/console.h"
#include "instance/fs/vfs.h"
#include "instance/host.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "instance/string.h"
#include "instance/syscall/syscall.h"

#define FLUSH_LIMIT_NS UINT64_C(10000000000) /* for the proxy to take the last output, or pages */
#define STATUS_REFUSED 126
#define STATUS_PANIC 134 /* 128 + SIGABRT */

static _Atomic uint32_t ending;

/* True for the one core that ends the instance; the others wait here until it stops them. */
static void end_begin(void)
{
    if (atomic_exchange(&ending, 1) == 0)
        return;
    interrupts_enable();
    for (;;) { /* bounded by the other core, which stops this one */
        interrupts_disable();
        platform_core_idle();
        interrupts_enable();
    }
}

/* Shared mappings of the host's files reach their files while the instance still runs, for that
 * takes waiting; for the one thread that ends it, the others wait here. */
static void end_storage(void)
{
    static _Atomic bool begun;
    if (!host_pages_pending() && !atomic_load(&begun))
        return;
    if (atomic_exchange(&begun, true)) {
        for (;;) { /* bounded by the first one's limit, after which it stops this core */
            thread_prepare_wait(false);
            thread_wait(0);
        }
    }
    signal_end_threads();
    host_pages_write_back(platform_monotonic_ns() + FLUSH_LIMIT_NS);
}

static noreturn void end_finish(enum shm_state state, int status)
{
    struct shm_section *section = instance.section;
    syscall_publish_counts();
    atomic_store(&section->times.program_end, platform_monotonic_ns());
    atomic_store(&section->exit_status, (uint32_t)status);
    atomic_store_explicit(&section->state, state, memory_order_release);
    platform_doorbell_ring(NULL, SHM_PEER_PROXY, 0);
    message_announce_end();
    platform_core_park();
}

noreturn void kernel_end(int status)
{
    end_storage();
    end_begin();
    platform_cores_stop();
    console_flush(platform_monotonic_ns() + FLUSH_LIMIT_NS);
    end_finish(host_end_ordered() ? SHM_STATE_STOPPED : SHM_STATE_EXITED, status & 0xff);
}

noreturn void kernel_refuse(int error)
{
    log_error("the program cannot be started (error %d)", -error);
    kernel_end(STATUS_REFUSED);
}

static void crash_registers(struct shm_crash *crash, const struct trap_frame *frame)
{
    const uint64_t values[] = {
        [SHM_RAX] = frame->rax, [SHM_RBX] = frame->rbx, [SHM_RCX] = frame->rcx,
        [SHM_RDX] = frame->rdx, [SHM_RSI] = frame->rsi, [SHM_RDI] = frame->rdi,
        [SHM_RBP] = frame->rbp, [SHM_RSP] = frame->rsp, [SHM_R8] = frame->r8,
        [SHM_R9] = frame->r9,   [SHM_R10] = frame->r10, [SHM_R11] = frame->r11,
        [SHM_R12] = frame->r12, [SHM_R13] = frame->r13, [SHM_R14] = frame->r14,
        [SHM_R15] = frame->r15, [SHM_RIP] = frame->rip, [SHM_RFLAGS] = frame->rflags,
    };
    memcpy(crash->registers, values, sizeof values);
    crash->vector = frame->vector < 256 ? (uint32_t)frame->vector : UINT32_MAX;
    crash->error = frame->vector < 256 ? frame->error : 0;
}

static void crash_common(struct shm_crash *crash)
{
    struct core *core = core_self();
    crash->core = core->index;
    crash->thread = core->current ? (uint64_t)core->current->id : 0;
}

noreturn void kernel_crash(int signal, const struct trap_frame *frame, uint64_t address,
                           const char *message)
{
    end_storage();
    end_begin();
    platform_cores_stop();
    interrupts_enable(); /* the proxy's answers, and pages of the program's stack, come by interrupt
                          */
    console_flush(platform_monotonic_ns() + FLUSH_LIMIT_NS);
    struct shm_crash *crash = &instance.section->crash;
    crash_common(crash);
    crash->signal = (uint32_t)signal;
    crash->address = address;
    crash_registers(crash, frame);
    crash->frames = arch_backtrace(frame->rip, frame->rbp, crash->backtrace, SHM_CRASH_FRAMES);
    crash_stack(crash, frame->rsp);
    format_to(crash->message, sizeof crash->message, "%s", message);
    interrupts_disable();
    end_finish(SHM_STATE_CRASHED, 128 + signal);
}

/* What can be said without trusting much of the kernel's own state comes first: should the rest
 * fault, panic_again publishes what is there by then. */
static noreturn void panic_report(const struct trap_frame *frame, const char *message)
{
    struct shm_crash *crash = &instance.section->crash;
    uintptr_t rip = (uintptr_t)__builtin_return_address(0);
    uintptr_t rbp = (uintptr_t)__builtin_frame_address(0);
    crash->signal = 0;
    crash->vector = UINT32_MAX;
    format_to(crash->message, sizeof crash->message, "%s", message);
    if (frame) {
        crash_registers(crash, frame);
        crash->address = platform_fault_address();
        rip = frame->rip;
        rbp = frame->rbp;
    }
    crash->frames = arch_backtrace(rip, rbp, crash->backtrace, SHM_CRASH_FRAMES);
    crash_common(crash);
    log_error("panic: %s", message);
    end_finish(SHM_STATE_CRASHED, STATUS_PANIC);
}

/* The report itself has faulted. */
static noreturn void panic_again(void)
{
    struct shm_section *section = instance.section;
    if (section && atomic_load(&section->state) != SHM_STATE_CRASHED) {
        atomic_store(&section->exit_status, STATUS_PANIC);
        atomic_store_explicit(&section->state, SHM_STATE_CRASHED, memory_order_release);
        platform_doorbell_ring(NULL, SHM_PEER_PROXY, 0);
    }
    platform_core_park();
}

noreturn void panic(const struct trap_frame *frame, const char *format, ...)
{
    static _Atomic(struct core *) panicking;
    struct core *self = core_self(), *first = NULL;
    char message[256];
    interrupts_disable();
    va_list arguments;
    va_start(arguments, format);
    format_text(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!atomic_compare_exchange_strong(&panicking, &first, self) || !instance.section) {
        /* A panic within a panic, on a second core, or too early for the lagoon: the console. */
        platform_console_write(message, strlen(message));
        platform_console_write("\n", 1);
        if (first == self)
            panic_again();
        platform_core_park();
    }
    atomic_store(&ending, 1);
    if (core_count > 1)
        platform_cores_stop();
    panic_report(frame, message);
}
