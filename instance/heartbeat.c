/* Answers to the proxy, which asks for silent cores by raising a word in its section and ringing:
 * the core that is rung answers and kicks those that have not. Each core writes its own heartbeat.
 */
#include "instance/heartbeat.h"

#include "instance/core.h"
#include "instance/kernel.h"
#include "instance/platform/platform.h"
#include "instance/syscall/syscall.h"

static uint64_t probe_now(void)
{
    static struct shm_section *_Atomic proxy; /* stays where it is */
    struct shm_section *section = atomic_load_explicit(&proxy, memory_order_relaxed);
    if (!section) {
        section = shm_view_section(&instance.view, SHM_PEER_PROXY, NULL);
        if (!section)
            return 0;
        atomic_store_explicit(&proxy, section, memory_order_relaxed);
    }
    return atomic_load_explicit(&section->probe, memory_order_acquire);
}

static void answer(struct core *core, uint64_t probe)
{
    struct shm_heartbeat *beat = core->heartbeat;
    if (!beat || atomic_load_explicit(&beat->answered, memory_order_relaxed) == probe)
        return;
    atomic_store_explicit(&beat->calls, syscall_count_of(core), memory_order_relaxed);
    atomic_store_explicit(&beat->answered, probe, memory_order_relaxed);
}

void heartbeat_kicked(void)
{
    answer(core_self(), probe_now());
}

void heartbeat_doorbell(void)
{
    struct core *self = core_self();
    uint64_t probe = probe_now();
    if (!self->heartbeat ||
        atomic_load_explicit(&self->heartbeat->answered, memory_order_relaxed) == probe)
        return; /* the doorbell was for something else */
    answer(self, probe);
    for (uint32_t i = 0; i < core_count; i++)
        if (&cores[i] != self && atomic_load(&cores[i].shared.online) &&
            !atomic_load(&cores[i].shared.idle))
            platform_core_kick(&cores[i]);
}

void heartbeat_interrupted(uint64_t rip)
{
    struct shm_heartbeat *beat = core_self()->heartbeat;
    if (beat)
        atomic_store_explicit(&beat->where, rip, memory_order_relaxed);
}
