/* A memory barrier on all cores at once, for the system call membarrier and for changes of code:
 * each other core is kicked, and answers from the interrupt with the number of the last barrier it
 * knows of. */
#include "instance/arch/x86/cpu.h"
#include "instance/sched/place.h"

static _Atomic uint64_t barrier_wanted;

void barrier_answer(struct core *core)
{
    /* Sequentially consistent. A core that leaves the idle state has cleared `idle` before this:
     * who still saw it idle had raised barrier_wanted before, so it is seen here. */
    uint64_t wanted = atomic_load(&barrier_wanted);
    if (wanted == atomic_load_explicit(&core->shared.barrier_seen, memory_order_relaxed))
        return;
    cpu_serialise();
    atomic_store(&core->shared.barrier_seen, wanted);
}

/* A halted core does the same before it runs a thread again. */
static bool barrier_concerns(struct core *core)
{
    return core != core_self() && atomic_load(&core->shared.online) != 0 &&
           atomic_load(&core->shared.idle) == 0;
}

void core_barrier_all(void)
{
    uint64_t wanted = atomic_fetch_add(&barrier_wanted, 1) + 1;
    for (uint32_t index = 0; index < core_count; index++)
        if (barrier_concerns(&cores[index]))
            platform_core_kick(&cores[index]);
    for (uint32_t index = 0; index < core_count; index++) {
        struct core *core = &cores[index];
        /* As short as the longest stretch that a kernel keeps its interrupts off. Other cores may
         * wait for this one meanwhile. */
        while (atomic_load(&core->shared.barrier_seen) < wanted && barrier_concerns(core)) {
            uint64_t saved = interrupts_disable(); /* the kick's handler must not come in between */
            barrier_answer(core_self());
            interrupts_restore(saved);
            platform_relax();
        }
    }
}
