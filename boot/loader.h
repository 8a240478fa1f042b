/* What the loader's files share. The loader is one thread on one core: no locks, no interrupts. */
#ifndef BOOT_LOADER_H
#define BOOT_LOADER_H

#include "abi/handover.h"
#include "shm/lagoon.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define PAGE UINT64_C(4096)
#define LARGE_PAGE UINT64_C(0x200000)
#define GIB UINT64_C(0x40000000)

struct memory_range {
    uint64_t base, size;
};

struct loader {
    uint64_t tsc_entry;  /* TSC at the loader's first instruction */
    uint64_t rsdp;       /* physical, from the start info */
    uint64_t memory_top; /* end of the highest usable RAM */

    uint32_t *apic_ids; /* of the machine's cores, in MADT order */
    uint32_t core_count;
    uint32_t boot_apic_id; /* of the core that runs this */
    bool x2apic;

    uint64_t ivshmem_registers; /* physical, BAR 0 */
    uint64_t ivshmem_table;     /* physical, the MSI-X table */
    uint32_t ivshmem_vectors;
    uint64_t lagoon; /* physical, BAR 2, identity-mapped */
    uint64_t lagoon_size;

    struct shm_view view;
    struct shm_boot *boot; /* own section's part; NULL until the lagoon is open */
    const struct machine_table *table;
    const struct machine_instance *entries;
    struct handover_clock clock;
};
extern struct loader loader;

/* console.c: COM1, for what happens before the lagoon is there, and for failures. */
void console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what failed on the console and to the proxy, and halts for good. */
noreturn void loader_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* memory.c: the firmware's memory map, and who gets which part of it. */
void memory_init(uint64_t start_info);
/* `size` bytes for the loader itself, page aligned, cleared; never given back. */
void *memory_own(uint64_t size);
/* Takes a partition of `size` bytes (a multiple of LARGE_PAGE) out of free RAM, in as few ranges as
 * possible, ascending. Returns the count; fails by loader_fail naming `name`. */
size_t memory_take(uint64_t size, const char *name, struct memory_range **ranges);

/* paging.c: the loader's identity map, and an instance's first address space. */
void paging_init(void);
void paging_identity(uint64_t physical, uint64_t size); /* makes it reachable */

enum paging_flag {
    PAGING_WRITE = 1 << 1,
    PAGING_UNCACHED = 1 << 4,
};
#define PAGING_NO_EXECUTE (UINT64_C(1) << 63)

/* Page tables under construction: pages come from [next, end) of the instance's own memory. */
struct paging {
    uint64_t root; /* physical */
    uint64_t next, end;
    const char *name; /* the instance, for messages */
};
void paging_create(struct paging *paging);
/* Maps [physical, +size) at `virtual` (page multiples) with enum paging_flag | PAGING_NO_EXECUTE.
 */
void paging_map(struct paging *paging, uint64_t virtual, uint64_t physical, uint64_t size,
                uint64_t flags);
uint64_t paging_loader_root(void);

/* acpi.c: the cores, from the MADT. */
void acpi_find_cores(void);

/* pci.c: the ivshmem function: its BARs, its MSI-X table, the lagoon behind it. */
void pci_find_lagoon(void);
/* Directs the device's vector to a core: message address and data as the Intel SDM 3A, 11.11 has
 * it. */
void pci_set_vector(uint32_t vector, uint32_t apic_id, uint8_t interrupt);
void pci_enable_vectors(void);
void pci_ring_proxy(void);

/* apic.c: the boot core's local APIC. */
void apic_init(void);
void apic_timer_begin(void);             /* starts the calibration run */
uint64_t apic_timer_hz(uint64_t tsc_hz); /* ends it */
void apic_nap(uint32_t microseconds);    /* halts for about that long; after apic_timer_hz */
void loader_interrupt(void);             /* entry.asm */
void apic_send(uint32_t apic_id, uint32_t command); /* waits until it is delivered, bounded */

/* launch.c: the launcher's pages, and starting a core through them. */
void launch_init(void);
void launch_core(uint32_t apic_id, uint64_t page_table, uint64_t stack, uint64_t entry,
                 uint64_t argument, const char *name, uint32_t machine_core);
/* If `patient`: waits until the cores started so far have taken their slots, sends a second startup
 * interrupt to those that have not after a millisecond, and fails by name in the end. If not: sends
 * the second one at once (a core that runs ignores it) and leaves the rest to the proxy, which
 * misses the instances' signs of life and names them. */
void launch_wait(bool patient);
/* The boot core itself takes that way, without an interrupt. */
noreturn void launch_self(uint64_t page_table, uint64_t stack, uint64_t entry, uint64_t argument);
noreturn void launch_park(void);

/* instance.c: one instance: partition, kernel copy, address space, handover record. First all
 * instances are given their memory. */
void instance_take_memory(void);
struct prepared {
    uint64_t page_table, stack, entry, argument;
    uint32_t apic_id, machine_core;
    const char *name;
};
void instance_prepare(uint32_t index, struct prepared *prepared);

/* table.c: the proxy's machine table, checked. */
void table_check(void);
/* The bytes of an extent of the lagoon, which has been checked. */
const void *table_bytes(struct machine_extent extent);

/* clock.c: asks the proxy for the time. */
void clock_ask(void);

#endif
