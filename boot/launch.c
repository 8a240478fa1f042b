/* Starting cores: the launcher's pages (launcher.asm, abi/launch.h) and INIT-SIPI-SIPI
 * (Intel SDM 3A, 9.4.4). Every core started here has announced itself, or is named, within a bound.
 */
#include "boot/loader.h"

#include "abi/launch.h"

#include <string.h>

#define COMMAND_INIT 0x4500    /* INIT, level assert */
#define COMMAND_STARTUP 0x4600 /* startup, level assert; low byte: page number of the entry */
#define SECOND_STARTUP_US 1000 /* a core that slept through the first gets another */
#define ANSWER_US 5000000 /* for the next to answer: a busy host may take seconds to run a vCPU */

extern const uint8_t launcher_start[], launcher_end[];
extern const uint64_t launcher_page_table[];

struct started {
    uint32_t apic_id, machine_core;
    const char *name;
};
static struct started *started;
static size_t started_count;

static struct launch_slot *slot_of(uint32_t apic_id)
{
    return (struct launch_slot *)(LAUNCH_PHYSICAL + LAUNCH_TABLE_OFFSET) + apic_id;
}

void launch_init(void)
{
    uint8_t *page = (uint8_t *)LAUNCH_PHYSICAL;
    memcpy(page, launcher_start, (size_t)(launcher_end - launcher_start));
    uint64_t root = paging_loader_root();
    memcpy(page + ((const uint8_t *)launcher_page_table - launcher_start), &root, sizeof root);
    memset(page + LAUNCH_TABLE_OFFSET, 0, LAUNCH_SLOTS * sizeof(struct launch_slot));
    started = memory_own(loader.table->instances * sizeof *started);
}

static void fill_slot(uint32_t apic_id, uint64_t page_table, uint64_t stack, uint64_t entry,
                      uint64_t argument)
{
    if (apic_id >= LAUNCH_SLOTS)
        loader_fail("core with APIC id %u: ids up to %u can be started", apic_id, LAUNCH_SLOTS - 1);
    struct launch_slot *slot = slot_of(apic_id);
    slot->page_table = page_table;
    slot->stack = stack;
    slot->entry = entry;
    slot->argument = argument;
    atomic_store_explicit(&slot->state, LAUNCH_GO, memory_order_release);
}

void launch_core(uint32_t apic_id, uint64_t page_table, uint64_t stack, uint64_t entry,
                 uint64_t argument, const char *name, uint32_t machine_core)
{
    fill_slot(apic_id, page_table, stack, entry, argument);
    started[started_count++] = (struct started){apic_id, machine_core, name};
    apic_send(apic_id, COMMAND_INIT);
    apic_send(apic_id, COMMAND_STARTUP | (uint32_t)(LAUNCH_PHYSICAL >> 12));
}

/* A core leaves GO itself. It may be parked again before we look: a short program can be over while
 * the host has not let this core run. */
static bool is_waiting(const struct started *core)
{
    return atomic_load_explicit(&slot_of(core->apic_id)->state, memory_order_acquire) == LAUNCH_GO;
}

static size_t count_waiting(void)
{
    size_t count = 0;
    for (size_t i = 0; i < started_count; i++)
        count += is_waiting(&started[i]);
    return count;
}

void launch_wait(void)
{
    uint64_t begin = __builtin_ia32_rdtsc(), per_us = loader.clock.tsc_hz / 1000000;
    uint64_t progress = begin; /* when the last core was seen to have answered */
    size_t waiting = started_count;
    for (size_t i = 0; i < started_count; i++) {
        const struct started *core = &started[i];
        bool again = false;
        while (is_waiting(core)) {
            uint64_t now = __builtin_ia32_rdtsc();
            if ((now - begin) / per_us > SECOND_STARTUP_US && !again) {
                apic_send(core->apic_id, COMMAND_STARTUP | (uint32_t)(LAUNCH_PHYSICAL >> 12));
                again = true;
            }
            if ((now - progress) / per_us > ANSWER_US) {
                size_t still = count_waiting();
                if (still == waiting)
                    loader_fail("core %u (APIC id %u) of instance %s did not come up in %u s",
                                core->machine_core, core->apic_id, core->name, ANSWER_US / 1000000);
                waiting = still;
                progress = now;
            }
            __builtin_ia32_pause();
        }
    }
}

/* Jumps into the launcher's page at its high address, which every address space maps. */
static noreturn void jump(uint64_t address)
{
    __asm__ volatile("cli; jmp *%0" ::"r"(address));
    __builtin_unreachable();
}

noreturn void launch_self(uint64_t page_table, uint64_t stack, uint64_t entry, uint64_t argument)
{
    fill_slot(loader.boot_apic_id, page_table, stack, entry, argument);
    jump(((const struct launch_exports *)(LAUNCH_PHYSICAL + LAUNCH_EXPORTS_OFFSET))->launch);
}

noreturn void launch_park(void)
{
    jump(((const struct launch_exports *)(LAUNCH_PHYSICAL + LAUNCH_EXPORTS_OFFSET))->park);
}
