/* The first C code of an instance on `pc`, on the loader's stack: as much of the platform as it
 * takes to call kernel_start; and the platform's odds and ends that have no file of their own. */
#include "instance/platform/pc/pc.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/paging.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/string.h"

uintptr_t platform_direct_base = HANDOVER_DIRECT_BASE;
const struct handover *pc_handover;

/* The first core, until its struct core is in its final place. */
static struct core early_core;
static struct core_machine first_machine;

#define RECORD_MAX (UINT64_C(1) << 20)

noreturn void pc_start(const struct handover *handover, uint64_t tsc)
{
    early_core.self = &early_core;
    early_core.machine = &first_machine;
    descriptors_init_shared();
    descriptors_load(&early_core);
    const char *fault =
        handover_check(handover, RECORD_MAX, (uint64_t)handover - HANDOVER_DIRECT_BASE);
    if (fault)
        panic(NULL, "handover record: %s", fault);
    pc_handover = handover;
    clock_init(&handover->clock);
    paging_root = handover->page_table;
    apic_init_core();
    kernel_start(handover, (uint8_t *)HANDOVER_LAGOON_BASE, clock_tsc_to_monotonic(tsc));
}

void platform_first_core(struct core *core)
{
    core->machine = &first_machine;
    descriptors_load(core);
}

int platform_first_core_stacks(void)
{
    return descriptors_alloc_stacks(&first_machine);
}

int platform_peer_map(uintptr_t virtual, uint64_t physical, uint64_t length)
{
    return platform_map(virtual, physical, length, PLATFORM_READ);
}

void platform_memory_begin(uint64_t physical, uint64_t length)
{
    (void)physical, (void)length; /* it is there */
}

bool platform_random(void *buffer, size_t length)
{
    return cpu_random(buffer, length);
}

#define COM1 0x3f8
#define TRANSMITTER_EMPTY 0x20
#define TRANSMIT_TRIES 100000

void platform_console_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t status = 0;
        for (int tries = 0; tries < TRANSMIT_TRIES && !(status & TRANSMITTER_EMPTY); tries++)
            __asm__ volatile("inb %1, %0" : "=a"(status) : "Nd"((uint16_t)(COM1 + 5)));
        __asm__ volatile("outb %0, %1" ::"a"(text[i]), "Nd"((uint16_t)COM1));
    }
}
