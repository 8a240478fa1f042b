/* The machine's cores, from ACPI: RSDP, XSDT or RSDT, and the MADT ("APIC" table;
 * ACPI 6.4, 5.2.12). The tables are the firmware's: lengths and checksums are verified before use.
 */
#include "boot/loader.h"

#include <string.h>

#define MADT_LOCAL_APIC 0
#define MADT_LOCAL_X2APIC 9
#define CORE_USABLE 3 /* enabled, or can be brought online */
#define TABLE_MAX (UINT64_C(16) << 20)

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
} __attribute__((packed));

struct table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

static bool sums_to_zero(const void *table, uint64_t length)
{
    uint8_t sum = 0;
    for (uint64_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)table)[i]);
    return sum == 0;
}

static const struct table_header *table_at(uint64_t physical)
{
    paging_identity(physical, sizeof(struct table_header));
    const struct table_header *table = (const struct table_header *)physical;
    if (table->length < sizeof *table || table->length > TABLE_MAX)
        loader_fail("ACPI table at %lx: impossible length %u", physical, table->length);
    paging_identity(physical, table->length);
    if (!sums_to_zero(table, table->length))
        loader_fail("ACPI table at %lx: wrong checksum", physical);
    return table;
}

static const struct table_header *find_madt(void)
{
    if (!loader.rsdp)
        loader_fail("the firmware names no ACPI tables: start QEMU without -no-acpi");
    paging_identity(loader.rsdp, sizeof(struct rsdp));
    const struct rsdp *rsdp = (const struct rsdp *)loader.rsdp;
    if (memcmp(rsdp->signature, "RSD PTR ", 8) != 0 || !sums_to_zero(rsdp, 20))
        loader_fail("no ACPI RSDP at %lx", loader.rsdp);
    bool wide = rsdp->revision >= 2 && rsdp->xsdt;
    const struct table_header *root = table_at(wide ? rsdp->xsdt : rsdp->rsdt);
    size_t step = wide ? 8 : 4;
    for (size_t at = sizeof *root; at + step <= root->length; at += step) {
        uint64_t physical = 0;
        memcpy(&physical, (const uint8_t *)root + at, step);
        const struct table_header *table = table_at(physical);
        if (memcmp(table->signature, "APIC", 4) == 0)
            return table;
    }
    loader_fail("the firmware's ACPI tables hold no MADT, so the cores are unknown");
}

void acpi_find_cores(void)
{
    const struct table_header *madt = find_madt();
    const uint8_t *bytes = (const uint8_t *)madt;
    loader.apic_ids =
        memory_own(madt->length / 8 * sizeof(uint32_t)); /* an entry has 8 bytes or more */
    for (uint32_t at = sizeof *madt + 8; at + 2 <= madt->length;) {
        uint8_t type = bytes[at], length = bytes[at + 1];
        uint32_t id = 0, flags = 0;
        if (length < 2 || at + length > madt->length)
            loader_fail("ACPI MADT: entry at byte %u runs over the table's end", at);
        if (type == MADT_LOCAL_APIC && length >= 8) {
            id = bytes[at + 3];
            memcpy(&flags, bytes + at + 4, 4);
        } else if (type == MADT_LOCAL_X2APIC && length >= 16) {
            memcpy(&id, bytes + at + 4, 4);
            memcpy(&flags, bytes + at + 8, 4);
        }
        if (flags & CORE_USABLE)
            loader.apic_ids[loader.core_count++] = id;
        at += length;
    }
    atomic_store_explicit(&loader.boot->cores, loader.core_count, memory_order_relaxed);
    for (uint32_t i = 0; i < loader.table->instances; i++) {
        const struct machine_instance *entry = &loader.entries[i];
        const uint32_t *numbers = table_bytes(entry->cores);
        for (uint64_t k = 0; k < entry->cores.size / sizeof(uint32_t); k++)
            if (numbers[k] >= loader.core_count)
                loader_fail("instance %s wants core %u, the machine has %u", entry->name,
                            numbers[k], loader.core_count);
    }
}
