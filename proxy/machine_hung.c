/* Instances that hang: a core that neither schedules, nor idles, nor answers. A core that computes
 * takes no interrupts by itself (the kernel is tickless), so its silence means nothing yet: it is
 * asked, through a word in the proxy's section and a doorbell, and only one that does not answer
 * for HUNG_NS is hung. A core whose kernel answers interrupts, but is in the same system call all
 * the time and schedules nothing, hangs too, after KERNEL_NS. What a section says is untrusted: at
 * worst an instance calls itself hung. */
#include "proxy/machine_private.h"

#include "proxy/clock.h"
#include "proxy/crash.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_NS SECOND_NS          /* between two looks */
#define HUNG_NS (10 * SECOND_NS)   /* without an answer: no host keeps a core waiting so long */
#define KERNEL_NS (30 * SECOND_NS) /* in one system call, without a word */

struct core_watch {
    uint64_t beats, answered, calls;
    uint64_t heard_ns; /* when it last answered, idled or scheduled */
    uint64_t moved_ns; /* when it last idled, scheduled, did a call, or was in the program */
    uint64_t where;    /* in the kernel: the instruction */
};

static const struct shm_heartbeat *heartbeats(const struct machine_run *run,
                                              const struct instance_run *instance)
{
    const struct shm_section *section = shm_view_section(&run->lagoon.view, instance->peer, NULL);

    if (!section ||
        atomic_load_explicit(&section->state, memory_order_acquire) != SHM_STATE_RUNNING)
        return NULL;
    return shm_view_bytes(&run->lagoon.view, instance->peer,
                          atomic_load_explicit(&section->heartbeats_offset, memory_order_relaxed),
                          instance->result->config->core_count * sizeof(struct shm_heartbeat));
}

/* Takes what the core says. True: it has been heard since the last look. */
static bool listen(struct core_watch *watch, const struct shm_heartbeat *beat, uint64_t now)
{
    uint64_t beats = atomic_load_explicit(&beat->beats, memory_order_relaxed);
    uint64_t answered = atomic_load_explicit(&beat->answered, memory_order_relaxed);
    uint64_t calls = atomic_load_explicit(&beat->calls, memory_order_relaxed);
    bool moves = beats != watch->beats || calls != watch->calls || !watch->heard_ns ||
                 atomic_load_explicit(&beat->idle, memory_order_relaxed);
    bool answers = answered != watch->answered;

    watch->where = atomic_load_explicit(&beat->where, memory_order_relaxed);
    if (moves || answers)
        watch->heard_ns = now;
    if (moves || (answers && !watch->where))
        watch->moved_ns = now;
    watch->beats = beats;
    watch->answered = answered;
    watch->calls = calls;
    return moves || answers;
}

static void give_up(struct instance_run *instance, size_t core, bool answers)
{
    struct machine_run *run = instance->machine;
    struct instance_result *result = instance->result;
    uint64_t where = instance->watch[core].where;
    struct shm_crash place = {.frames = where != 0, .backtrace = {where}};
    struct crash_frame frames[SHM_CRASH_FRAMES];
    char frame[256] = "";

    if (where && crash_frames(&place, run->options->kernel, result->config->program, frames) == 1)
        snprintf(frame, sizeof(frame), "%s+0x%llx", frames[0].function,
                 (unsigned long long)frames[0].offset);
    snprintf(result->cause, sizeof(result->cause), "core %zu %s%s%s", core,
             answers ? "does not come out of the kernel" : "does not answer", where ? ", at " : "",
             frame);
    result->fate = FATE_HUNG;
    machine_say(run, "instance %s hangs: %s", result->config->name, result->cause);
    machine_instance_over(instance);
    if (run->platform->operations->kill)
        run->platform->operations->kill(run->platform, instance->peer);
    machine_serve(run);
}

static void look_at(struct instance_run *instance, uint64_t now)
{
    struct machine_run *run = instance->machine;
    const struct platform_operations *operations = run->platform->operations;
    const struct shm_heartbeat *beats = heartbeats(run, instance);
    size_t count = instance->result->config->core_count;
    bool silent = false;

    if (!beats)
        return;
    if (!instance->watch)
        instance->watch = calloc(count, sizeof(*instance->watch));
    if (!instance->watch)
        return; /* a host without memory: not now */
    for (size_t i = 0; i < count; i++) {
        struct core_watch *watch = &instance->watch[i];

        silent |= !listen(watch, &beats[i], now);
        if (operations->is_held && operations->is_held(run->platform, instance->peer))
            watch->heard_ns = watch->moved_ns = now;
    }
    for (size_t i = 0; i < count; i++) {
        bool answers = now - instance->watch[i].heard_ns < HUNG_NS;

        if (!answers || now - instance->watch[i].moved_ns > KERNEL_NS) {
            give_up(instance, i, answers);
            return;
        }
    }
    if (silent)
        operations->ring(run->platform, instance->peer);
}

static void look(void *context)
{
    struct machine_run *run = context;
    struct shm_section *own = shm_view_section(&run->lagoon.view, SHM_PEER_PROXY, NULL);
    uint64_t now = clock_monotonic_ns();

    if (run->ending || run->platform_ended)
        return;
    if (own)
        atomic_fetch_add_explicit(&own->probe, 1, memory_order_release);
    for (size_t i = 0; i < run->count && !run->ending; i++)
        if (run->instances[i].seen && !run->instances[i].over)
            look_at(&run->instances[i], now);
    if (!run->ending)
        events_timer_arm(&run->watch, LOOK_NS);
}

int machine_hung_open(struct machine_run *run)
{
    int error = events_timer_open(&run->loop, &run->watch, look, run);

    if (!error && !run->options->gdb) /* whose user may hold cores as long as he likes */
        events_timer_arm(&run->watch, LOOK_NS);
    return error;
}
