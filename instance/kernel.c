/* The life of an instance, from the platform's hands to its last word. kernel_start is the table of
 * contents of the start; kernel_end, kernel_crash and panic (panic.c) are the three ways out. */
#include "instance/kernel.h"

#include "instance/core.h"
#include "instance/end.h"
#include "instance/fs/console.h"
#include "instance/interrupts.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "instance/string.h"
#include "instance/syscall/syscall.h"

#define LOG_SIZE (UINT64_C(64) << 10) /* bytes of the log ring */

struct instance instance;
struct core *cores;
uint32_t core_count;

static const struct handover_core *handed_cores(const struct handover *handover)
{
    return (const struct handover_core *)((const uint8_t *)handover + handover->cores.offset);
}

/* The own section, empty, and the log in it. */
static void section_init(const struct handover *handover, uint8_t *lagoon, uint64_t entered)
{
    const char *why = NULL;
    instance.handover = handover;
    instance.lagoon = lagoon;
    if (shm_view_open(&instance.view, lagoon, handover->lagoon_size, handover->number, &why))
        panic(NULL, "the lagoon is not sound: %s", why);
    const struct shm_extent *extent = &instance.view.extents[handover->number];
    instance.section = shm_section_create(lagoon + extent->offset, extent->size, 0,
                                          handover->number, instance.view.peers,
                                          handover->cores.count, LOG_SIZE, handover->generation);
    if (!instance.section)
        panic(NULL, "a section of %lu bytes is too small", extent->size);
    struct shm_log *log =
        (struct shm_log *)((uint8_t *)instance.section + instance.section->log_offset);
    log_init(log, (enum machine_log)handover->log_level);
    atomic_store(&instance.section->times.kernel_entry, entered);
    atomic_store(&instance.section->state, SHM_STATE_BOOTING);
}

/* Puts the cores' structs behind what the loader has used of the partition; returns the new end. */
static uint64_t cores_init(const struct handover *handover)
{
    const struct handover_core *handed = handed_cores(handover);
    uint64_t at = handover->used_end, size = handover->cores.count * sizeof(struct core);
    cores = (struct core *)(platform_direct_base + at);
    memset(cores, 0, size);
    core_count = handover->cores.count;
    struct shm_heartbeat *beats =
        (struct shm_heartbeat *)((uint8_t *)instance.section +
                                 atomic_load(&instance.section->heartbeats_offset));
    for (uint32_t i = 0; i < core_count; i++) {
        cores[i].self = &cores[i];
        cores[i].index = i;
        cores[i].apic_id = handed[i].apic_id;
        cores[i].machine_core = handed[i].machine_core;
        cores[i].heartbeat = &beats[i];
    }
    platform_first_core(&cores[0]);
    return (at + size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static void memory_init(const struct handover *handover, uint64_t used_end)
{
    const struct handover_range *ranges =
        (const struct handover_range *)((const uint8_t *)handover + handover->ranges.offset);
    _Static_assert(sizeof(struct handover_range) == sizeof(struct frame_range),
                   "handed-over ranges are read in place");
    frames_set_counters(&instance.section->counters);
    if (frames_init((const struct frame_range *)ranges, handover->ranges.count, used_end))
        panic(NULL, "the partition is too small for its own bookkeeping");
    if (PLATFORM_MEMORY_IS_ZEROED)
        frames_expect_zeros();
    kmalloc_init();
    if (space_init() || platform_first_core_stacks())
        panic(NULL, "the partition is too small for the kernel's first structures");
    space_publish_sharing(&instance.section->mapping_generation);
    atomic_store(&instance.section->times.memory_ready, platform_monotonic_ns());
}

static void secondary_core(struct core *core)
{
    sched_core_online(core);
    platform_core_kick(&cores[0]); /* which waits in platform_cores_start */
    schedule_idle_loop();
}

/* The other cores start while this one goes on; a core that does not come ends the start. */
static void start_cores(void)
{
    unsigned failed = platform_cores_start(secondary_core);
    if (failed)
        panic(NULL, "%u of %u cores did not come up", failed, core_count);
    atomic_store(&instance.section->cores, core_count);
    atomic_store(&instance.section->times.cores_ready, platform_monotonic_ns());
}

/* On the first core's idle stack, where interrupts and page faults may come. */
static void start_continues(void *unused)
{
    (void)unused;
    interrupts_enable();
    start_cores();
    struct frame_statistics frames;
    frame_statistics(&frames);
    log_info("instance %s: %u core(s), %lu KiB of %lu in use", instance.handover->name, core_count,
             frames.used >> 10, frames.total >> 10);
    int error = program_start();
    if (error)
        kernel_refuse(error);
    schedule_idle_loop();
}

noreturn void kernel_start(const struct handover *handover, uint8_t *lagoon, uint64_t entered)
{
    section_init(handover, lagoon, entered);
    uint64_t used_end = cores_init(handover);
    memory_init(handover, used_end);
    bool trace = handover->flags & MACHINE_FLAG_STRACE;
    if (threads_init() || syscall_init(trace) || console_init() || message_init())
        panic(NULL, "the partition is too small for the kernel's first structures");
    sched_core_online(&cores[0]);

    /* From the loader's stack to one with a guard page. The idle loop will begin anew at the top of
     * this same stack, so what runs until then stays below. */
    uintptr_t forgotten;
    uintptr_t stack = cores[0].idle_thread->stack_top - KERNEL_STACK_ROOM;
    context_switch(&forgotten, context_prepare(stack, start_continues, NULL));
    panic(NULL, "the boot stack was switched back to");
}

const uint8_t *program_image(uint64_t *size, uint64_t *physical)
{
    const struct handover *handover = instance.handover;
    *size = handover->program.size;
    *physical = handover->lagoon_physical + handover->program.offset;
    return instance.lagoon + handover->program.offset;
}
