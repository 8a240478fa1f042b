/* The boot core's local APIC (Intel SDM 3A, chapter 11): interprocessor interrupts to start the
 * other cores, and one calibration run of its timer. xAPIC by memory, x2APIC by MSRs where the CPU
 * has it. */
#include "boot/loader.h"

#include "abi/freestanding/scale.h"
#include "boot/port.h"

#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK 0xa1
#define MSR_APIC_BASE 0x1b
#define APIC_BASE_ENABLE (UINT64_C(1) << 11)
#define APIC_BASE_X2APIC (UINT64_C(1) << 10)
#define MSR_X2APIC 0x800 /* MSR of register r is this + (r >> 4) */
#define APIC_MEMORY UINT64_C(0xfee00000)

#define REGISTER_ID 0x20
#define REGISTER_END_OF_INTERRUPT 0xb0
#define REGISTER_SPURIOUS 0xf0
#define REGISTER_COMMAND_LOW 0x300
#define REGISTER_COMMAND_HIGH 0x310
#define REGISTER_TIMER 0x320
#define REGISTER_TIMER_INITIAL 0x380
#define REGISTER_TIMER_CURRENT 0x390
#define REGISTER_TIMER_DIVIDE 0x3e0
#define SPURIOUS_ENABLE (1 << 8)
#define NAP_VECTOR 0x2f /* low four bits set: also fit for the spurious vector of old APICs */
#define CODE_SEGMENT 0x08
#define GATE_INTERRUPT 0x8e00 /* present, ring 0, interrupts off at entry */
#define COMMAND_PENDING (1 << 12)
#define TIMER_MASKED (1 << 16)
#define DIVIDE_BY_1 0x0b
#define CALIBRATION_NS 100000 /* shortest run that gives the rate within a thousandth */
#define DELIVERY_TRIES 1000000

static uint64_t timer_start_tsc;

static uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static uint32_t apic_read(uint32_t reg)
{
    if (loader.x2apic)
        return (uint32_t)read_msr(MSR_X2APIC + (reg >> 4));
    return *(volatile uint32_t *)(APIC_MEMORY + reg);
}

static void apic_write(uint32_t reg, uint32_t value)
{
    if (loader.x2apic)
        write_msr(MSR_X2APIC + (reg >> 4), value);
    else
        *(volatile uint32_t *)(APIC_MEMORY + reg) = value;
}

void apic_init(void)
{
    /* The two 8259s that firmware may have left on: their vectors would look like exceptions. */
    port_out8(PIC_MASTER_MASK, 0xff);
    port_out8(PIC_SLAVE_MASK, 0xff);
    uint32_t eax = 1, ebx, ecx, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    loader.x2apic = ecx >> 21 & 1;
    uint64_t base = read_msr(MSR_APIC_BASE) | APIC_BASE_ENABLE;
    if (loader.x2apic)
        base |= APIC_BASE_X2APIC;
    else if ((base & ~UINT64_C(0xfff)) != APIC_MEMORY)
        loader_fail("the local APIC is not at %lx (IA32_APIC_BASE %lx)", APIC_MEMORY, base);
    write_msr(MSR_APIC_BASE, base);
    loader.boot_apic_id = loader.x2apic ? apic_read(REGISTER_ID) : apic_read(REGISTER_ID) >> 24;
}

void apic_timer_begin(void)
{
    apic_write(REGISTER_TIMER, TIMER_MASKED);
    apic_write(REGISTER_TIMER_DIVIDE, DIVIDE_BY_1);
    timer_start_tsc = __builtin_ia32_rdtsc();
    apic_write(REGISTER_TIMER_INITIAL, UINT32_MAX);
}

uint64_t apic_timer_hz(uint64_t tsc_hz)
{
    uint64_t ticks, tsc;
    do { /* bounded by the TSC, which runs */
        ticks = UINT32_MAX - apic_read(REGISTER_TIMER_CURRENT);
        tsc = __builtin_ia32_rdtsc() - timer_start_tsc;
    } while (tsc < tsc_hz / 1000000000 * CALIBRATION_NS);
    apic_write(REGISTER_TIMER_INITIAL, 0);
    if (!ticks || ticks == UINT32_MAX)
        loader_fail("the local APIC's timer does not count");
    return scale_u64(ticks, tsc_hz, tsc);
}

struct gate { /* Intel SDM 3A, 6.14.1 */
    uint16_t offset_low, selector, type, offset_middle;
    uint32_t offset_high, reserved;
};

void apic_nap(uint32_t microseconds)
{
    static struct gate gates[NAP_VECTOR + 1];
    uint64_t handler = (uint64_t)loader_interrupt;
    gates[NAP_VECTOR] = (struct gate){.offset_low = (uint16_t)handler,
                                      .selector = CODE_SEGMENT,
                                      .type = GATE_INTERRUPT,
                                      .offset_middle = (uint16_t)(handler >> 16),
                                      .offset_high = (uint32_t)(handler >> 32)};
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table = {sizeof gates - 1, (uint64_t)gates};
    __asm__ volatile("lidt %0" ::"m"(table));

    apic_write(REGISTER_SPURIOUS, SPURIOUS_ENABLE | NAP_VECTOR);
    apic_write(REGISTER_TIMER, NAP_VECTOR);
    apic_write(REGISTER_TIMER_INITIAL,
               (uint32_t)scale_u64(microseconds, loader.clock.apic_timer_hz, 1000000) + 1);
    __asm__ volatile("sti; hlt; cli" ::: "memory"); /* STI takes effect behind HLT's start */
    apic_write(REGISTER_TIMER, TIMER_MASKED | NAP_VECTOR);
    apic_write(REGISTER_END_OF_INTERRUPT, 0);
}

void apic_send(uint32_t apic_id, uint32_t command)
{
    if (loader.x2apic) {
        write_msr(MSR_X2APIC + (REGISTER_COMMAND_LOW >> 4), (uint64_t)apic_id << 32 | command);
        return;
    }
    apic_write(REGISTER_COMMAND_HIGH, apic_id << 24);
    apic_write(REGISTER_COMMAND_LOW, command);
    for (int i = 0; apic_read(REGISTER_COMMAND_LOW) & COMMAND_PENDING; i++)
        if (i == DELIVERY_TRIES)
            loader_fail("the local APIC does not deliver an interrupt to APIC id %u", apic_id);
}
