/* Translation caches of the instance's cores. A change of the page tables raises a generation; each
 * core catches up with it: at the interrupt that asks for it, in platform_relax while it waits for
 * something, or, when it is halted or has not come up yet (`lazy`), before it runs a thread again
 * (so idle cores stay asleep). One change at a time: the requester holds the lock until everyone
 * has answered. */
#include "instance/platform/pc/pc.h"

#include "instance/log.h"
#include "instance/mm/frames.h"

#include <platform/paging.h>

#define PAGES_ONE_BY_ONE 32 /* more than that: drop all translations */
#define ANSWER_NS                                                                                  \
    UINT64_C(20000000000) /* a vCPU that the host does not run for so long is gone                 \
                           */

static struct spinlock flush_lock;
static _Atomic uint64_t generation;
static uintptr_t range_start; /* of `generation`; older ones are covered by dropping everything */
static uint64_t range_length;

static void drop_all(void)
{
    uint64_t cr4; /* toggling PGE drops global translations too (SDM 3A, 4.10.4.1) */
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4; mov %1, %%cr4" ::"r"(cr4 & ~UINT64_C(0x80)), "r"(cr4)
                     : "memory");
}

static void drop_range(uintptr_t start, uint64_t length)
{
    if (length > PAGES_ONE_BY_ONE * PAGE_SIZE) {
        drop_all();
        return;
    }
    for (uint64_t at = 0; at < length; at += PAGE_SIZE)
        __asm__ volatile("invlpg (%0)" ::"r"(start + at) : "memory");
}

void flush_serve(void)
{
    struct core_machine *machine = core_self()->machine;
    uint64_t seen = atomic_load_explicit(&machine->flushed, memory_order_relaxed);
    uint64_t now = atomic_load_explicit(&generation, memory_order_acquire);
    if (seen == now)
        return;
    if (now == seen + 1)
        drop_range(range_start, range_length);
    else
        drop_all();
    atomic_store_explicit(&machine->flushed, now, memory_order_release);
}

void flush_halt_begin(void)
{
    /* Pairs with flush_range: it raises the generation, then looks at `lazy`; we set `lazy`, and
     * look at the generation after clearing it. */
    atomic_store_explicit(&core_self()->machine->lazy, 1, memory_order_seq_cst);
}

void flush_halt_end(void)
{
    /* Requests made meanwhile did not wait for this core: their ranges are gone, drop everything.
     */
    struct core_machine *machine = core_self()->machine;
    atomic_store_explicit(&machine->lazy, 0, memory_order_seq_cst);
    uint64_t now = atomic_load_explicit(&generation, memory_order_seq_cst);
    if (atomic_load_explicit(&machine->flushed, memory_order_relaxed) == now)
        return;
    drop_all();
    atomic_store_explicit(&machine->flushed, now, memory_order_release);
}

static void wait_for(struct core *core, uint64_t wanted)
{
    struct core_machine *machine = core->machine;
    uint64_t limit = 0;
    while (atomic_load_explicit(&machine->flushed, memory_order_acquire) < wanted &&
           !atomic_load_explicit(&machine->lazy, memory_order_seq_cst)) {
        uint64_t now = platform_monotonic_ns();
        if (!limit)
            limit = now + ANSWER_NS;
        if (now > limit)
            panic(NULL, "core %u (machine core %u) does not answer a flush request", core->index,
                  core->machine_core);
        platform_relax();
    }
}

void flush_range(uintptr_t virtual, uint64_t length)
{
    if (core_count == 1) {
        drop_range(virtual, length);
        return;
    }
    uint64_t saved = spin_lock_irq(&flush_lock);
    struct core *self = core_self();
    flush_serve(); /* so that this core is at the generation before the new one */
    range_start = virtual;
    range_length = length;
    uint64_t mine = atomic_fetch_add_explicit(&generation, 1, memory_order_seq_cst) + 1;
    for (uint32_t i = 0; i < core_count; i++)
        if (&cores[i] != self &&
            !atomic_load_explicit(&cores[i].machine->lazy, memory_order_seq_cst))
            apic_send(cores[i].apic_id, APIC_FIXED(VECTOR_FLUSH));
    drop_range(virtual, length);
    atomic_store_explicit(&self->machine->flushed, mine, memory_order_release);
    for (uint32_t i = 0; i < core_count; i++)
        if (&cores[i] != self)
            wait_for(&cores[i], mine);
    spin_unlock_irq(&flush_lock, saved);
}
