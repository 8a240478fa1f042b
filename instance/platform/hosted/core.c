/* Cores on `hosted`, each a thread of the process: starting, sleeping, waking, stopping, the timer.
 *
 * A core sleeps in a futex wait for its doorbell word. Nobody's wake-up is lost: who wants
 * something of the core first says so (core_machine.asked, or the doorbell word), and then wakes
 * the word if the core is asleep or going to sleep; if that wakes nobody, a signal follows, which
 * ends the wait even when it comes between the last look and the wait (signal.c). */
#include "instance/platform/hosted/hosted.h"

#include "instance/arch/x86/clock.h"
#include "instance/arch/x86/cpu.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/hosted/call.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "instance/string.h"

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/time.h>

#define NS UINT64_C(1000000000)
#define START_LIMIT_NS (10 * NS) /* without another core that comes up: the host may be busy */
#define STOP_LIMIT_NS (2 * NS)
#define RELAX_YIELD 1024       /* pauses until the host may run somebody else */
#define RELAX_YIELD_CROWDED 16 /* with more cores than the host has */
#define SIGEVENT_THREAD_ID 4   /* SIGEV_THREAD_ID */
#define CPU_WORDS (8192 / 64)  /* bits in an affinity mask: Linux's own limit */

struct host_sigevent { /* struct sigevent, 64 bytes */
    uint64_t value;
    int32_t signal, notify, thread;
    int32_t pad[11];
};
_Static_assert(sizeof(struct host_sigevent) == 64, "struct sigevent");

struct host_time { /* struct timespec */
    int64_t seconds, nanoseconds;
};

static _Atomic uint32_t alive = 1;   /* threads */
static struct core *_Atomic stopper; /* who ends the instance */

static struct host_time host_time(uint64_t ns)
{
    return (struct host_time){(int64_t)(ns / NS), (int64_t)(ns % NS)};
}

/* --- Start ---------------------------------------------------------------------------------------
 */

static int64_t bind_cpu(uint32_t cpu)
{
    uint64_t mask[CPU_WORDS];
    if (cpu >= CPU_WORDS * 64)
        return 0;
    memset(mask, 0, sizeof mask);
    mask[cpu / 64] = UINT64_C(1) << cpu % 64;
    return host_call3(__NR_sched_setaffinity, 0, sizeof mask, (uint64_t)mask);
}

int64_t hosted_core_init(struct core *core, const char **what)
{
    struct core_machine *machine = core->machine;
    struct linux_sigaltstack stack = {.base = (uint64_t)machine->signal_stack + 64,
                                      .size = SIGNAL_STACK_SIZE - 64};
    *what = "cannot set the signal stack: this CPU's register state may be too large for it";
    int64_t error = host_call2(__NR_sigaltstack, (uint64_t)&stack, 0);
    if (error)
        return error;
    machine->thread_id = (uint32_t)host_call1(__NR_gettid, 0);
    machine->doorbell = (_Atomic uint32_t *)(HOSTED_DOORBELL_BASE +
                                             (uint64_t)core->machine_core * HOSTED_DOORBELL_STRIDE);
    struct host_sigevent event = {.signal = HOSTED_SIGNAL_TIMER,
                                  .notify = SIGEVENT_THREAD_ID,
                                  .thread = (int32_t)machine->thread_id};
    *what = "cannot make a timer: the host's limit of pending signals (ulimit -i) may be reached";
    error =
        host_call3(__NR_timer_create, CLOCK_MONOTONIC, (uint64_t)&event, (uint64_t)&machine->timer);
    if (error)
        return error;
    (void)bind_cpu(hosted_record->cpus[core->index]); /* a wish */
    return 0;
}

static int core_prepare(struct core *core, void (*entry)(struct core *core))
{
    struct core_machine *machine = kmalloc(sizeof *machine);
    uint64_t stack = frame_alloc(SIGNAL_STACK_ORDER, FRAME_KERNEL);
    if (!machine || stack == FRAME_NONE)
        return -ENOMEM;
    memset(machine, 0, sizeof *machine);
    machine->signal_stack = (union signal_stack *)(platform_direct_base + stack);
    machine->signal_stack->core = core;
    machine->entry = entry;
    core->machine = machine;
    core->interrupts_off = 1;
    atomic_fetch_add(&alive, 1);
    int64_t thread = hosted_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                      CLONE_SYSVSEM,
                                  core->idle_thread->stack_top - KERNEL_STACK_ROOM, core);
    if (thread >= 0)
        return 0;
    atomic_fetch_sub(&alive, 1);
    log_error("the host does not give a thread for core %u (error %ld): its limit of processes "
              "(ulimit -u, or the cgroup's pids.max) may be reached",
              core->machine_core, -thread);
    return (int)thread;
}

unsigned platform_cores_start(void (*entry)(struct core *core))
{
    unsigned failed = 0;
    hosted_signals_block(true);
    for (uint32_t i = 1; i < core_count && !failed; i++) {
        if (core_prepare(&cores[i], entry)) {
            log_error("core %u cannot be started", cores[i].machine_core);
            failed = core_count - i;
        }
    }
    hosted_signals_block(false);
    for (uint32_t i = 1; i < core_count && !failed; i++) {
        uint64_t limit = platform_monotonic_ns() + START_LIMIT_NS;
        while (!atomic_load_explicit(&cores[i].shared.online, memory_order_acquire)) {
            if (platform_monotonic_ns() > limit) {
                log_error("core %u did not come up", cores[i].machine_core);
                failed++;
                break;
            }
            host_call1(__NR_sched_yield, 0);
        }
    }
    if (!failed)
        hosted_sandbox_close();
    return failed;
}

noreturn void hosted_secondary_start(struct core *core)
{
    __asm__ volatile("wrgsbase %0" ::"r"(core));
    const char *what;
    int64_t error = hosted_core_init(core, &what);
    if (error) {
        log_error("core %u: %s (error %ld)", core->machine_core, what, -error);
        platform_core_park();
    }
    hosted_signals_block(false);
    core->machine->entry(core);
    panic(NULL, "core %u: its entry function returned", core->index);
}

/* --- Sleeping and waking -------------------------------------------------------------------------
 */

static void sleep_on_doorbell(struct core *core, struct core_machine *machine)
{
    uint64_t deadline = machine->deadline, now = 0;
    struct host_time time, *timeout = NULL;
    if (deadline) {
        now = platform_monotonic_ns();
        if (deadline <= now) {
            hosted_note(core, PENDING_TIMER);
            return;
        }
        time = host_time(deadline - now);
        timeout = &time;
    }
    uint32_t silent = 0;
    /* Full fences: pair with those of platform_core_kick and of the doorbells. */
    atomic_store(&machine->sleeping, 1);
    if (!atomic_load(&machine->asked) &&
        atomic_compare_exchange_strong(machine->doorbell, &silent, HOSTED_BELL_SLEEPING))
        hosted_wait(machine->doorbell, HOSTED_BELL_SLEEPING, timeout);
    if (atomic_exchange(machine->doorbell, 0) & HOSTED_BELL_RUNG)
        hosted_note(core, PENDING_MESSAGE);
    atomic_store(&machine->sleeping, 0);
    if (atomic_load(&machine->asked))
        hosted_note(core, PENDING_LOOK);
    if (deadline && platform_monotonic_ns() >= deadline)
        hosted_note(core, PENDING_TIMER);
}

void platform_core_idle(void)
{
    struct core *core = core_self();
    if (!core->interrupts_pending)
        sleep_on_doorbell(core, core->machine);
    interrupts_enable();
    interrupts_disable();
}

static void signal_core(const struct core_machine *machine)
{
    host_call3(__NR_tgkill, (uint64_t)hosted_process, machine->thread_id, HOSTED_SIGNAL_LOOK);
}

static void ask(struct core *core, uint32_t what)
{
    struct core_machine *machine = core->machine;
    if (atomic_fetch_or(&machine->asked, what) & what)
        return; /* who asked the same has woken it */
    if (core == core_self()) {
        hosted_note(core, PENDING_LOOK);
        return;
    }
    if (atomic_load(&machine->sleeping)) {
        atomic_fetch_or(machine->doorbell, HOSTED_BELL_KICKED);
        if (host_call6(__NR_futex, (uint64_t)machine->doorbell, FUTEX_WAKE, 1, 0, 0, 0) > 0)
            return;
    }
    signal_core(machine);
}

void platform_core_kick(struct core *core)
{
    ask(core, ASKED_KICK);
}

void platform_doorbell_ring(void *context, uint32_t peer, uint32_t core)
{
    (void)context;
    uint64_t one = 1;
    if (peer != SHM_PEER_PROXY) {
        if (core >= HOSTED_DOORBELLS)
            return; /* a peer's word: not to be trusted */
        _Atomic uint32_t *word =
            (_Atomic uint32_t *)(HOSTED_DOORBELL_BASE + (uint64_t)core * HOSTED_DOORBELL_STRIDE);
        uint32_t before = atomic_fetch_or(word, HOSTED_BELL_RUNG);
        if (before & HOSTED_BELL_SLEEPING) {
            host_call6(__NR_futex, (uint64_t)word, FUTEX_WAKE, 1, 0, 0, 0);
            return;
        }
        if (before & HOSTED_BELL_RUNG)
            return; /* rung already, not yet heard */
        atomic_fetch_or(word, HOSTED_BELL_RELAY);
    }
    host_call3(__NR_write, HOSTED_FD_PROXY, (uint64_t)&one, sizeof one);
}

void platform_relax(void)
{
    struct core_machine *machine = core_self()->machine;
    cpu_pause();
    uint32_t often = hosted_record->flags & HOSTED_FLAG_CROWDED ? RELAX_YIELD_CROWDED : RELAX_YIELD;
    if (++machine->relaxed % often == 0)
        host_call1(__NR_sched_yield, 0);
}

void platform_yield(void)
{
    if (hosted_record->flags & HOSTED_FLAG_CROWDED)
        host_call1(__NR_sched_yield, 0);
}

/* --- Timer ---------------------------------------------------------------------------------------
 */

/* The host's timer is set only when the program goes on: a core that sleeps has its futex's
 * timeout, and the kernel itself needs none. */
void platform_timer_arm(uint64_t deadline)
{
    struct core *core = core_self();
    core->machine->deadline = deadline;
    core->leave_work = deadline != core->machine->programmed && deadline != 0;
}

void hosted_timer_program(struct core_machine *machine)
{
    uint64_t deadline = machine->deadline, now = platform_monotonic_ns();
    struct {
        struct host_time interval, value;
    } setting = {{0, 0}, host_time(deadline > now ? deadline - now : 1)};
    host_call4(__NR_timer_settime, (uint64_t)machine->timer, 0, (uint64_t)&setting, 0);
    machine->programmed = deadline;
}

/* --- End -----------------------------------------------------------------------------------------
 */

noreturn void platform_core_park(void)
{
    struct core *self = core_self();
    if (self->machine)
        atomic_store(&self->machine->parked, 1);
    if (atomic_load(&stopper) == self || atomic_fetch_sub(&alive, 1) == 1)
        for (;;)
            host_call1(__NR_exit_group, 0);
    for (;;)
        host_call1(__NR_exit, 0);
}

unsigned platform_cores_stop(void)
{
    interrupts_disable();
    struct core *self = core_self();
    atomic_store(&stopper, self);
    for (uint32_t i = 0; i < core_count; i++)
        if (&cores[i] != self && cores[i].machine && !atomic_load(&cores[i].machine->parked))
            ask(&cores[i], ASKED_STOP);
    uint64_t limit = platform_monotonic_ns() + STOP_LIMIT_NS;
    unsigned silent = 0;
    for (uint32_t i = 0; i < core_count; i++) {
        while (&cores[i] != self && cores[i].machine &&
               !atomic_load_explicit(&cores[i].machine->parked, memory_order_acquire)) {
            if (platform_monotonic_ns() > limit) {
                silent++; /* goes with the process */
                break;
            }
            platform_relax();
        }
    }
    return silent;
}
