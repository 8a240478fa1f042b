/* This core's local APIC (Intel SDM 3A, chapter 11), by memory or by MSRs as the loader found it.
 */
#include "instance/platform/pc/pc.h"

#include "abi/freestanding/scale.h"
#include "instance/arch/x86/cpu.h"
#include "instance/interrupts.h"
#include "instance/log.h"
#include "ipi-msg/doorbell.h"

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_ENABLE (UINT64_C(1) << 11)
#define APIC_BASE_X2APIC (UINT64_C(1) << 10)
#define MSR_X2APIC 0x800
#define MSR_TSC_DEADLINE 0x6e0

#define REGISTER_END_OF_INTERRUPT 0xb0
#define REGISTER_SPURIOUS 0xf0
#define REGISTER_COMMAND_LOW 0x300
#define REGISTER_COMMAND_HIGH 0x310
#define REGISTER_TIMER 0x320
#define REGISTER_LINT0 0x350
#define REGISTER_LINT1 0x360
#define REGISTER_TIMER_INITIAL 0x380
#define REGISTER_TIMER_DIVIDE 0x3e0
#define SPURIOUS_ENABLE (1 << 8)
#define COMMAND_PENDING (1 << 12)
#define LOCAL_MASKED (1 << 16)
#define TIMER_TSC_DEADLINE (1 << 18)
#define DIVIDE_BY_1 0x0b
#define DELIVERY_TRIES 1000000

static uint32_t apic_read(uint32_t reg)
{
    if (pc_handover->x2apic)
        return (uint32_t)cpu_read_msr(MSR_X2APIC + (reg >> 4));
    return *(volatile uint32_t *)(HANDOVER_DEVICE_APIC + reg);
}

static void apic_write(uint32_t reg, uint32_t value)
{
    if (pc_handover->x2apic)
        cpu_write_msr(MSR_X2APIC + (reg >> 4), value);
    else
        *(volatile uint32_t *)(HANDOVER_DEVICE_APIC + reg) = value;
}

void apic_init_core(void)
{
    uint64_t base = cpu_read_msr(MSR_APIC_BASE) | APIC_BASE_ENABLE;
    if (pc_handover->x2apic)
        base |= APIC_BASE_X2APIC;
    cpu_write_msr(MSR_APIC_BASE, base);
    apic_write(REGISTER_SPURIOUS, SPURIOUS_ENABLE | DOORBELL_VECTOR_SPURIOUS);
    apic_write(REGISTER_LINT0, LOCAL_MASKED); /* no 8259 behind this core */
    apic_write(REGISTER_LINT1, LOCAL_MASKED);
    if (pc_handover->clock.tsc_deadline) {
        apic_write(REGISTER_TIMER, DOORBELL_VECTOR_TIMER | TIMER_TSC_DEADLINE);
        __asm__ volatile("mfence" ::: "memory"); /* SDM 3A, 11.5.4.1: mode before deadline */
    } else {
        apic_write(REGISTER_TIMER_DIVIDE, DIVIDE_BY_1);
        apic_write(REGISTER_TIMER, DOORBELL_VECTOR_TIMER);
    }
}

void apic_end_of_interrupt(void)
{
    apic_write(REGISTER_END_OF_INTERRUPT, 0);
}

void apic_send(uint32_t apic_id, uint32_t command)
{
    if (pc_handover->x2apic) {
        /* The MSR write does not wait for earlier stores (SDM 3A, 11.12.3). */
        __asm__ volatile("mfence; lfence" ::: "memory");
        cpu_write_msr(MSR_X2APIC + (REGISTER_COMMAND_LOW >> 4), (uint64_t)apic_id << 32 | command);
        return;
    }
    /* Two registers: no interrupt of this core may use them in between. */
    uint64_t saved = interrupts_disable();
    apic_write(REGISTER_COMMAND_HIGH, apic_id << 24);
    apic_write(REGISTER_COMMAND_LOW, command);
    for (int i = 0; apic_read(REGISTER_COMMAND_LOW) & COMMAND_PENDING; i++)
        if (i == DELIVERY_TRIES)
            break; /* a doorbell is a hint; who needs an answer has a limit of its own */
    interrupts_restore(saved);
}

void platform_timer_arm(uint64_t deadline)
{
    struct core_machine *machine = core_self()->machine;
    uint64_t tsc = deadline ? clock_deadline_to_tsc(deadline) : 0;
    if (tsc == machine->timer_deadline)
        return;
    machine->timer_deadline = tsc;
    if (pc_handover->clock.tsc_deadline) {
        cpu_write_msr(MSR_TSC_DEADLINE, tsc);
        return;
    }
    uint32_t ticks = 0;
    if (tsc) {
        uint64_t now = cpu_tsc(), wait = tsc > now ? tsc - now : 0;
        uint64_t exact =
            scale_u64(wait, pc_handover->clock.apic_timer_hz, pc_handover->clock.tsc_hz);
        ticks = exact >= UINT32_MAX ? UINT32_MAX : (uint32_t)exact + 1;
    }
    apic_write(REGISTER_TIMER_INITIAL, ticks);
}
