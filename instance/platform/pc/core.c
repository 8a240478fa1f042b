/* Cores on `pc`: starting them through the launcher, halting, waking, stopping and parking. */
#include "instance/platform/pc/pc.h"

#include "abi/launch.h"
#include "instance/arch/x86/cpu.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/sched/thread.h"
#include "ipi-msg/doorbell.h"

#define STARTUP_PAGE (LAUNCH_PHYSICAL >> 12)
#define SECOND_STARTUP_NS UINT64_C(1000000) /* INIT-SIPI-SIPI: a core that missed the first */
#define BOOT_ROOM 256                       /* bytes at the top of a stack */
#define START_LOOK_NS UINT64_C(500000)
#define START_LIMIT_NS UINT64_C(5000000000)
#define STOP_GENTLE_NS UINT64_C(1000000000) /* then by NMI */
#define STOP_LIMIT_NS UINT64_C(2000000000)

static struct launch_slot *slot_of(const struct core *core)
{
    return (struct launch_slot *)(LAUNCH_VIRTUAL + LAUNCH_TABLE_OFFSET) + core->apic_id;
}

static int core_prepare(struct core *core, void (*entry)(struct core *core))
{
    struct core_machine *machine = kzalloc(sizeof *machine);
    if (!machine)
        return -1;
    core->machine = machine;
    machine->entry = entry;
    atomic_init(&machine->lazy, 1); /* holds no translations yet */
    if (descriptors_alloc_stacks(machine))
        return -1;
    struct launch_slot *slot = slot_of(core);
    slot->page_table = pc_handover->page_table;
    /* The idle loop begins anew at the top of this same stack: what runs until then stays below. */
    slot->stack = core->idle_thread->stack_top - KERNEL_STACK_ROOM;
    slot->entry = (uint64_t)pc_secondary_entry;
    slot->argument = (uint64_t)core;
    atomic_store_explicit(&slot->state, LAUNCH_GO, memory_order_release);
    return 0;
}

unsigned platform_cores_start(void (*entry)(struct core *core))
{
    unsigned failed = 0;
    for (uint32_t i = 1; i < core_count; i++) {
        if (core_prepare(&cores[i], entry)) {
            log_error("no memory for the stacks of core %u", cores[i].machine_core);
            return core_count - i;
        }
    }
    for (uint32_t i = 1; i < core_count; i++) {
        apic_send(cores[i].apic_id, APIC_INIT);
        apic_send(cores[i].apic_id, APIC_STARTUP(STARTUP_PAGE));
    }
    uint64_t begin = platform_monotonic_ns();
    for (uint32_t i = 1; i < core_count; i++) {
        struct core *core = &cores[i];
        bool again = false;
        while (!atomic_load_explicit(&core->shared.online, memory_order_acquire)) {
            uint64_t waited = platform_monotonic_ns() - begin;
            if (waited > SECOND_STARTUP_NS && !again &&
                atomic_load(&slot_of(core)->state) == LAUNCH_GO) {
                apic_send(core->apic_id, APIC_STARTUP(STARTUP_PAGE));
                again = true;
            }
            if (waited > START_LIMIT_NS) {
                log_error("core %u (APIC id %u) did not come up", core->machine_core,
                          core->apic_id);
                failed++;
                break;
            }
            /* Halted, not spinning: the host may need this core's time for the one that comes up,
             * which kicks this one when it is there. */
            uint64_t saved = interrupts_disable();
            platform_timer_arm(platform_monotonic_ns() + START_LOOK_NS);
            if (!atomic_load_explicit(&core->shared.online, memory_order_acquire))
                platform_core_idle();
            interrupts_restore(saved);
        }
    }
    return failed;
}

noreturn void pc_secondary_start(struct core *core)
{
    descriptors_load(core);
    apic_init_core();
    flush_halt_end(); /* from here on this core takes part in flushes */
    core->machine->entry(core);
    panic(NULL, "core %u: its entry function returned", core->index);
}

void platform_core_idle(void)
{
    flush_halt_begin();
    __asm__ volatile("sti; hlt; cli" ::: "memory"); /* STI takes effect behind HLT's start */
    flush_halt_end();
}

void platform_core_kick(struct core *core)
{
    apic_send(core->apic_id, APIC_FIXED(DOORBELL_VECTOR_KICK));
}

noreturn void platform_core_park(void)
{
    const struct launch_exports *exports =
        (const struct launch_exports *)(LAUNCH_VIRTUAL + LAUNCH_EXPORTS_OFFSET);
    platform_timer_arm(0);
    __asm__ volatile("cli; jmp *%0" ::"r"(exports->park));
    __builtin_unreachable();
}

void core_check_stop(void)
{
    if (atomic_load_explicit(&core_self()->machine->stop, memory_order_acquire))
        platform_core_park();
}

static bool is_parked(const struct core *core)
{
    return atomic_load_explicit(&slot_of(core)->state, memory_order_acquire) == LAUNCH_PARKED;
}

unsigned platform_cores_stop(void)
{
    interrupts_disable();
    struct core *self = core_self();
    for (uint32_t i = 0; i < core_count; i++) {
        if (&cores[i] == self || !cores[i].machine || is_parked(&cores[i]))
            continue;
        atomic_store_explicit(&cores[i].machine->stop, 1, memory_order_release);
        platform_core_kick(&cores[i]);
    }
    uint64_t begin = platform_monotonic_ns();
    unsigned silent = 0;
    for (uint32_t i = 0; i < core_count; i++) {
        bool forced = false;
        while (&cores[i] != self && cores[i].machine && !is_parked(&cores[i])) {
            uint64_t waited = platform_monotonic_ns() - begin;
            if (waited > STOP_GENTLE_NS && !forced) {
                apic_send(cores[i].apic_id, APIC_NMI);
                forced = true;
            }
            if (waited > STOP_LIMIT_NS) {
                silent++;
                break;
            }
            platform_relax();
        }
    }
    return silent;
}

void platform_yield(void)
{
    /* Whose processor this is, is the machine's own affair: QEMU sees the PAUSEs of who spins. */
}

void platform_relax(void)
{
    cpu_pause();
    if (core_count > 1)
        flush_serve();
}

void platform_doorbell_ring(void *context, uint32_t peer, uint32_t core)
{
    (void)context;
    if (peer == SHM_PEER_PROXY) {
        volatile uint32_t *doorbell = (volatile uint32_t *)(HANDOVER_DEVICE_IVSHMEM + 12);
        *doorbell = pc_handover->ivshmem_peer << 16;
        return;
    }
    /* `core` is what the peer has published: its APIC id. A wrong one wakes somebody for nothing.
     */
    apic_send(core, APIC_FIXED(DOORBELL_VECTOR_MESSAGE));
}
