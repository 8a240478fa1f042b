/* PCI: finds the ivshmem-doorbell function (QEMU docs/specs/ivshmem-spec), gives its BARs addresses
 * where the firmware has not, and directs its MSI-X vectors to cores.
 * Configuration space is reached through ports 0xcf8/0xcfc, which every PC chipset has. */
#include "boot/loader.h"

#include "boot/port.h"

#define IVSHMEM_ID 0x11101af4 /* device 0x1110, vendor 0x1af4 */
#define IVSHMEM_DOORBELL 12   /* BAR 0: peer << 16 | vector */
#define PROXY_DOORBELL 0      /* the proxy is ivshmem peer 0, vector 0 */

#define REGISTER_ID 0x00
#define REGISTER_COMMAND 0x04
#define REGISTER_BAR0 0x10
#define REGISTER_BAR1 0x14
#define REGISTER_BAR2 0x18
#define REGISTER_CAPABILITIES 0x34
#define COMMAND_MEMORY 2
#define COMMAND_MASTER 4 /* MSI messages are the device's own writes */
#define CAPABILITY_MSIX 0x11
#define MSIX_ENABLE (UINT32_C(1) << 31)
#define MSIX_MASK_ALL (UINT32_C(1) << 30)
#define CAPABILITY_WALK 48 /* the list cannot be longer than that in 256 bytes */

/* Where small BARs go when nobody has placed them: below the I/O APIC, above any RAM of a q35. */
#define SMALL_BARS UINT64_C(0xfe000000)

static uint32_t function; /* bus << 16 | device << 11 | function << 8 */
static uint32_t msix_capability;

static uint32_t config_read(uint32_t reg)
{
    port_out32(0xcf8, 0x80000000 | function | reg);
    return port_in32(0xcfc);
}

static void config_write(uint32_t reg, uint32_t value)
{
    port_out32(0xcf8, 0x80000000 | function | reg);
    port_out32(0xcfc, value);
}

/* The size of the BAR at `reg`: what it keeps of all ones (PCI 3.0, 6.2.5.1). */
static uint64_t bar_size(uint32_t reg, bool wide)
{
    uint32_t low = config_read(reg), high = wide ? config_read(reg + 4) : 0;
    config_write(reg, UINT32_MAX);
    uint64_t mask = config_read(reg) & ~UINT32_C(15);
    config_write(reg, low);
    if (wide) {
        config_write(reg + 4, UINT32_MAX);
        mask |= (uint64_t)config_read(reg + 4) << 32;
        config_write(reg + 4, high);
    } else {
        mask |= UINT64_C(0xffffffff00000000);
    }
    return ~mask + 1;
}

/* The BAR's address; placed at the next multiple of its size from *next on when it has none. */
static uint64_t bar_place(uint32_t reg, uint64_t size, uint64_t *next)
{
    uint32_t low = config_read(reg);
    bool wide = (low & 6) == 4;
    uint64_t address = low & ~UINT32_C(15);
    if (wide)
        address |= (uint64_t)config_read(reg + 4) << 32;
    if (address)
        return address;
    address = (*next + size - 1) & ~(size - 1);
    *next = address + size;
    config_write(reg, (uint32_t)address);
    if (wide)
        config_write(reg + 4, (uint32_t)(address >> 32));
    return address;
}

static void find_function(void)
{
    for (uint32_t slot = 0; slot < 256 * 32; slot++) {
        function = slot << 11;
        if (config_read(REGISTER_ID) == IVSHMEM_ID)
            return;
    }
    loader_fail("no ivshmem device (vendor 1af4, device 1110): start the machine with atoll run");
}

static void find_msix(void)
{
    uint32_t at = config_read(REGISTER_CAPABILITIES) & 0xfc;
    for (int i = 0; at && i < CAPABILITY_WALK; i++) {
        uint32_t head = config_read(at);
        if ((head & 0xff) == CAPABILITY_MSIX) {
            msix_capability = at;
            loader.ivshmem_vectors = (head >> 16 & 0x7ff) + 1;
            return;
        }
        at = head >> 8 & 0xfc;
    }
    loader_fail("the ivshmem device has no MSI-X: it must be ivshmem-doorbell, not ivshmem-plain");
}

void pci_find_lagoon(void)
{
    find_function();
    find_msix();
    config_write(REGISTER_COMMAND, config_read(REGISTER_COMMAND) & ~UINT32_C(COMMAND_MEMORY));
    uint64_t small = SMALL_BARS;
    loader.ivshmem_registers = bar_place(REGISTER_BAR0, PAGE, &small);
    uint64_t table = bar_place(REGISTER_BAR1, bar_size(REGISTER_BAR1, false), &small);
    loader.ivshmem_table = table + (config_read(msix_capability + 4) & ~UINT32_C(7));

    loader.lagoon_size = bar_size(REGISTER_BAR2, true);
    uint64_t high = loader.memory_top < 4 * GIB ? 4 * GIB : loader.memory_top;
    loader.lagoon = bar_place(REGISTER_BAR2, loader.lagoon_size, &high);
    config_write(REGISTER_COMMAND,
                 (config_read(REGISTER_COMMAND) & 0xffff) | COMMAND_MEMORY | COMMAND_MASTER);
    paging_identity(loader.lagoon, loader.lagoon_size);
}

void pci_set_vector(uint32_t vector, uint32_t apic_id, uint8_t interrupt)
{
    if (vector >= loader.ivshmem_vectors)
        loader_fail("the ivshmem device has %u vectors, vector %u is needed",
                    loader.ivshmem_vectors, vector);
    if (apic_id > 255)
        loader_fail("core with APIC id %u cannot take an MSI without interrupt remapping", apic_id);
    volatile uint32_t *entry = (volatile uint32_t *)(loader.ivshmem_table + (uint64_t)vector * 16);
    entry[0] = 0xfee00000 | apic_id << 12;
    entry[1] = 0;
    entry[2] = interrupt;
    entry[3] = 0; /* not masked */
}

void pci_enable_vectors(void)
{
    uint32_t head = config_read(msix_capability);
    config_write(msix_capability, (head & ~MSIX_MASK_ALL) | MSIX_ENABLE);
}

void pci_ring_proxy(void)
{
    volatile uint32_t *doorbell =
        (volatile uint32_t *)(loader.ivshmem_registers + IVSHMEM_DOORBELL);
    *doorbell = PROXY_DOORBELL;
}
