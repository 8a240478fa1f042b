/* The stand-ins for platform, architecture, memory and signals under the scheduler's tests. The
 * "hardware" synchronises nothing by itself (relaxed atomics and bare futexes), so that
 * ThreadSanitizer sees only the order that the scheduler makes. */
#include "machine.h"

#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/sched/wait.h"
#include "instance/syscall/signal.h"
#include "instance/syscall/syscall.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
const char *__tsan_default_options(void);

/* Each test is a process, and none leaves a thread behind: no second of waiting at its end. */
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}
#elif defined(__SANITIZE_ADDRESS__)
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
#endif

struct instance instance;
struct core *cores;
uint32_t core_count;
_Thread_local struct core *unit_test_core;
enum machine_log log_level;
_Atomic unsigned machine_faults;

/* --- Contexts ------------------------------------------------------------------------------------
 */

struct context {
    void *rsp;
    void (*entry)(void *);
    void *argument;
    const void *stack; /* lowest address, and bytes */
    size_t size;
    void *fiber;
    void *fake_stack;
};

static _Thread_local struct context *context_now;

void machine_swap_stacks(void **save, void *load);
__asm__(".text\n"
        ".globl machine_swap_stacks\n"
        "machine_swap_stacks:\n"
        "  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n"
        "  ret\n");

/* Never inlined: a thread continues on another host thread, whose variables are others. */
__attribute__((noinline)) static struct context *context_get(void)
{
    return context_now;
}
__attribute__((noinline)) static void context_set(struct context *context)
{
    context_now = context;
}

static void context_arrived(void)
{
#if !defined(__SANITIZE_THREAD__) && defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(context_get()->fake_stack, NULL, NULL);
#endif
}

static void context_begin(void)
{
    context_arrived();
    struct context *context = context_get();
    context->entry(context->argument);
    abort();
}

void context_switch(uintptr_t *save, uintptr_t load)
{
    struct context *from = context_get(), *to = (struct context *)load;
    __atomic_store_n(save, (uintptr_t)from, __ATOMIC_RELAXED);
    context_set(to);
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to->fiber, 0); /* a core does one thing after the other */
#elif defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->size);
#endif
    machine_swap_stacks(&from->rsp, to->rsp);
    context_arrived();
}

uintptr_t context_prepare(uintptr_t stack_top, void (*entry)(void *), void *argument)
{
    struct context *context = (struct context *)((stack_top - sizeof(struct context)) & ~63ul);
#if defined(__SANITIZE_THREAD__)
    if (context->fiber != NULL)
        __tsan_destroy_fiber(context->fiber);
    context->fiber = __tsan_create_fiber(0);
#endif
    context->entry = entry;
    context->argument = argument;
    context->fake_stack = NULL;
    void **rsp = (void **)context;
    *--rsp = NULL; /* the frame above context_begin; aligns its stack */
    *--rsp = (void *)context_begin;
    for (int saved = 0; saved < 6; saved++)
        *--rsp = NULL;
    context->rsp = rsp;
    return (uintptr_t)context;
}

void context_enter_program(struct trap_frame *frame)
{
    machine_interrupts();
    ((void (*)(uintptr_t))frame->rip)(frame->rdi);
    thread_exit(0);
}

/* --- Registers -----------------------------------------------------------------------------------
 */

static _Thread_local uint64_t register_vector, register_fs_base;

size_t fpu_area_size(void)
{
    return 64;
}
void fpu_init_area(void *area)
{
    memset(area, 0, 64);
}
__attribute__((noinline)) void fpu_save(void *area)
{
    *(uint64_t *)area = register_vector;
}
__attribute__((noinline)) void fpu_restore(const void *area)
{
    register_vector = *(const uint64_t *)area;
}
__attribute__((noinline)) void arch_set_fs_base(uint64_t base)
{
    register_fs_base = base;
}
__attribute__((noinline)) uint64_t arch_get_fs_base(void)
{
    return register_fs_base;
}
__attribute__((noinline)) void machine_set_registers(uint64_t vector, uint64_t fs_base)
{
    register_vector = vector;
    register_fs_base = fs_base;
}
__attribute__((noinline)) bool machine_registers_are(uint64_t vector, uint64_t fs_base)
{
    return register_vector == vector && register_fs_base == fs_base;
}

/* --- Memory --------------------------------------------------------------------------------------
 */

void *kmalloc(size_t size)
{
    return aligned_alloc(64, (size + 63) & ~(size_t)63);
}
void *kzalloc(size_t size)
{
    void *memory = kmalloc(size);
    return memory != NULL ? memset(memory, 0, size) : NULL;
}
void kfree(void *pointer)
{
    free(pointer);
}

/* Larger than the kernel's own: sanitizers make frames large. */
#define STACK_SIZE (128 * 1024)

uintptr_t kernel_stack_alloc(void)
{
    uint8_t *stack = aligned_alloc(4096, STACK_SIZE);
    memset(stack + STACK_SIZE - 4096, 0, 4096); /* where contexts lie */
    for (size_t below = 4096; below != 0; below -= 64) {
        /* Whichever context will lie here has the whole stack. */
        struct context *context = (struct context *)(stack + STACK_SIZE - below);
        context->stack = stack;
        context->size = STACK_SIZE;
    }
    return (uintptr_t)stack + STACK_SIZE;
}
_Static_assert(sizeof(struct context) <= 64, "contexts fit into the grid above");

void kernel_stack_free(uintptr_t top)
{
    free((void *)(top - STACK_SIZE));
}

static bool memory_faults(void)
{
    unsigned left = atomic_load(&machine_faults);
    while (left != 0)
        if (atomic_compare_exchange_weak(&machine_faults, &left, left - 1))
            return true;
    return false;
}

bool user_range_ok(uint64_t address, uint64_t length)
{
    return address >= PROGRAM_FLOOR && address + length <= PROGRAM_TOP;
}
int user_read(void *to, uint64_t from, size_t length)
{
    if (!user_range_ok(from, length))
        return -EFAULT;
    /* Words that other threads change meanwhile are read as the hardware would. */
    if (length == 4)
        *(uint32_t *)to = __atomic_load_n((uint32_t *)from, __ATOMIC_RELAXED);
    else
        memcpy(to, (const void *)from, length);
    return 0;
}
int user_write(uint64_t to, const void *from, size_t length)
{
    if (!user_range_ok(to, length))
        return -EFAULT;
    if (length == 4)
        __atomic_store_n((uint32_t *)to, *(const uint32_t *)from, __ATOMIC_SEQ_CST);
    else
        memcpy((void *)to, from, length);
    return 0;
}
int user_clear(uint64_t to, size_t length)
{
    memset((void *)to, 0, length);
    return 0;
}
int user_read_u32_nofault(uint32_t *to, uint64_t from)
{
    if (memory_faults() || !user_range_ok(from, sizeof(*to)))
        return -EFAULT;
    *to = __atomic_load_n((uint32_t *)from, __ATOMIC_SEQ_CST);
    return 0;
}
int user_cmpxchg_u32_nofault(uint64_t at, uint32_t expected, uint32_t desired, uint32_t *seen)
{
    if (memory_faults() || !user_range_ok(at, sizeof(*seen)))
        return -EFAULT;
    *seen = expected;
    __atomic_compare_exchange_n((uint32_t *)at, seen, desired, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return 0;
}
int space_populate(uint64_t address, uint64_t length, enum space_fault access)
{
    (void)access;
    return user_range_ok(address, length) ? 0 : -EFAULT;
}

/* --- Signals: one, and pending means deliverable -------------------------------------------------
 */

bool signal_deliverable(void)
{
    return atomic_load(&thread_current()->signals.pending) != 0;
}
bool signal_kills(const struct thread *thread)
{
    return atomic_load(&thread->signals.pending) != 0;
}
uint64_t signal_pending_set(void)
{
    return atomic_load(&thread_current()->signals.pending);
}
void signal_state_release(struct signal_state *state)
{
    atomic_store(&state->pending, 0);
}
void signal_deliver(struct trap_frame *frame)
{
    (void)frame;
    atomic_store(&thread_current()->signals.pending, 0);
}
void machine_signal(int32_t id)
{
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    struct thread *thread = thread_find(id);
    if (thread != NULL) {
        atomic_store(&thread->signals.pending, 1);
        thread_interrupt(thread);
    }
    spin_unlock_irq(&thread_all_lock, saved);
}

/* --- Log -----------------------------------------------------------------------------------------
 */

void log_write(enum machine_log level, const char *format, ...)
{
    (void)level;
    (void)format;
}
void panic(const struct trap_frame *frame, const char *format, ...)
{
    va_list arguments;
    (void)frame;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

/* --- Cores ---------------------------------------------------------------------------------------
 */

struct machine_core {
    pthread_t host;
    struct context home;
    _Atomic uint32_t kicked;
    _Atomic uint64_t armed;
};
static struct machine_core *machine_cores;
static _Atomic uint64_t machine_kick_count, machine_clock;
static _Atomic bool machine_over;
static _Atomic int machine_status;

static void machine_futex(_Atomic uint32_t *word, int operation, uint32_t value,
                          const struct timespec *timeout)
{
    syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

uint64_t platform_monotonic_ns(void)
{
    uint64_t now = atomic_load_explicit(&machine_clock, memory_order_relaxed);
    if (now != 0)
        return now;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}
uint64_t platform_realtime_ns(void)
{
    return platform_monotonic_ns() + UINT64_C(1700000000000000000);
}
void machine_set_clock(uint64_t now)
{
    atomic_store(&machine_clock, now);
}
void platform_timer_arm(uint64_t deadline)
{
    atomic_store_explicit(&machine_cores[core_self()->index].armed, deadline, memory_order_relaxed);
}
uint64_t machine_armed(uint32_t core)
{
    return atomic_load_explicit(&machine_cores[core].armed, memory_order_relaxed);
}
uint64_t machine_kicks(void)
{
    return atomic_load_explicit(&machine_kick_count, memory_order_relaxed);
}
void platform_relax(void)
{
    sched_yield();
}
void platform_core_kick(struct core *core)
{
    struct machine_core *machine = &machine_cores[core->index];
    atomic_fetch_add_explicit(&machine_kick_count, 1, memory_order_relaxed);
    atomic_store_explicit(&machine->kicked, 1, memory_order_relaxed);
    machine_futex(&machine->kicked, FUTEX_WAKE, 1, NULL);
}

/* Takes what interrupts are due. Returns whether there were any. */
static bool machine_take_interrupts(void)
{
    struct machine_core *machine = &machine_cores[core_self()->index];
    bool any = false;
    if (atomic_load_explicit(&machine->kicked, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(&machine->kicked, 0, memory_order_relaxed) != 0) {
        schedule_kicked();
        any = true;
    }
    uint64_t armed = atomic_load_explicit(&machine->armed, memory_order_relaxed);
    if (armed != 0 && platform_monotonic_ns() >= armed) {
        atomic_store_explicit(&machine->armed, 0, memory_order_relaxed);
        timer_run_due();
        any = true;
    }
    return any;
}

void machine_interrupts(void)
{
    machine_take_interrupts();
    schedule_before_return();
    if (signal_deliverable())
        signal_deliver(NULL);
}

static noreturn void machine_go_home(void)
{
    uintptr_t discard;
    context_switch(&discard, (uintptr_t)&machine_cores[core_self()->index].home);
    abort();
}

void platform_core_idle(void)
{
    struct machine_core *machine = &machine_cores[core_self()->index];
    while (!machine_take_interrupts()) {
        if (atomic_load(&machine_over))
            machine_go_home();
        uint64_t armed = atomic_load_explicit(&machine->armed, memory_order_relaxed);
        uint64_t now = platform_monotonic_ns();
        struct timespec timeout = {.tv_nsec = 0};
        if (armed > now) {
            timeout.tv_sec = (time_t)((armed - now) / 1000000000u);
            timeout.tv_nsec = (long)((armed - now) % 1000000000u);
        }
        if (armed == 0 || armed > now)
            machine_futex(&machine->kicked, FUTEX_WAIT, 0, armed != 0 ? &timeout : NULL);
    }
}

void kernel_end(int status)
{
    atomic_store(&machine_status, status);
    atomic_store(&machine_over, true);
    for (uint32_t core = 0; core < core_count; core++)
        platform_core_kick(&cores[core]);
    machine_go_home();
}

static void machine_core_start(void *argument)
{
    (void)argument;
    schedule_idle_loop();
}

static void *machine_core_run(void *argument)
{
    struct core *core = argument;
    struct machine_core *machine = &machine_cores[core->index];
    unit_test_core = core;
    context_set(&machine->home);
#if defined(__SANITIZE_THREAD__)
    machine->home.fiber = __tsan_get_current_fiber();
#elif defined(__SANITIZE_ADDRESS__)
    pthread_attr_t attributes;
    void *stack;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &machine->home.size);
    pthread_attr_destroy(&attributes);
    machine->home.stack = stack;
#endif
    sched_core_online(core);
    uintptr_t boot = kernel_stack_alloc(), discard;
    context_switch(&discard, context_prepare(boot, machine_core_start, NULL));
    kernel_stack_free(boot);
    return NULL;
}

void machine_make(uint32_t count)
{
    core_count = count;
    cores = kzalloc(count * sizeof(*cores));
    machine_cores = kzalloc(count * sizeof(*machine_cores));
    cr_assert(cores != NULL && machine_cores != NULL);
    for (uint32_t index = 0; index < count; index++) {
        cores[index].self = &cores[index];
        cores[index].index = index;
    }
    unit_test_core = &cores[0];
    cr_assert_eq(threads_init(), 0);
}

struct thread *machine_spawn(void (*program)(uintptr_t), uintptr_t argument)
{
    struct trap_frame frame = {.rip = (uintptr_t)program, .rdi = argument};
    struct thread *current = thread_current();
    bool first = current == core_self()->idle_thread;
    struct thread *thread = thread_create(&frame, 0, first ? NULL : current);
    cr_assert_not_null(thread);
    return thread;
}

int machine_run(void (*program)(uintptr_t), uintptr_t argument)
{
    for (uint32_t index = 0; index < core_count; index++)
        sched_core_online(&cores[index]);
    thread_start(machine_spawn(program, argument));
    for (uint32_t index = 0; index < core_count; index++)
        pthread_create(&machine_cores[index].host, NULL, machine_core_run, &cores[index]);
    for (uint32_t index = 0; index < core_count; index++)
        pthread_join(machine_cores[index].host, NULL);
    return atomic_load(&machine_status);
}
