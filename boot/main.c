/* The boot loader's table of contents: from the firmware's hands to one running kernel on each core
 * group. It runs once, on the boot core; what stays of it afterwards is the launcher (launch.c). */
#include "boot/loader.h"

#include "abi/freestanding/scale.h"

struct loader loader;

/* From entry.asm: the PVH start info and the TSC at the first instruction. */
noreturn void loader_main(uint64_t start_info, uint64_t tsc);

noreturn void loader_main(uint64_t start_info, uint64_t tsc)
{
    loader.tsc_entry = tsc;
    memory_init(start_info);
    paging_init();
    apic_init();
    apic_timer_begin();
    pci_find_lagoon();
    table_check();
    acpi_find_cores();
    clock_ask();
    launch_init();

    uint32_t count = loader.table->instances;
    instance_take_memory();
    struct prepared *prepared = memory_own(count * sizeof *prepared);
    for (uint32_t i = 0; i < count; i++)
        instance_prepare(i, &prepared[i]);
    pci_enable_vectors();

    const struct prepared *own = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct prepared *p = &prepared[i];
        if (p->apic_id == loader.boot_apic_id)
            own = p;
        else
            launch_core(p->apic_id, p->page_table, p->stack, p->entry, p->argument, p->name,
                        p->machine_core);
    }
    launch_wait(!own); /* this core is needed too, and the host may be short of them */
    uint64_t now =
        loader.clock.monotonic_ns +
        scale_u64(__builtin_ia32_rdtsc() - loader.clock.tsc_base, 1000000000, loader.clock.tsc_hz);
    atomic_store_explicit(&loader.boot->launched_ns, now, memory_order_release);
    if (own)
        launch_self(own->page_table, own->stack, own->entry, own->argument);
    launch_park();
}
