/* Segments, task state and interrupt gates (Intel SDM 3A, 3.5, 6.14, 7.7). Flat ring-0 segments
 * only: the program runs in ring 0 too. Every gate switches to an interrupt stack. */
#include "instance/platform/pc/pc.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/cpu.h"
#include "instance/mm/kmalloc.h"

#include <errno.h>

#define CODE_SEGMENT UINT64_C(0x00af9b000000ffff) /* 64-bit code, accessed */
#define DATA_SEGMENT UINT64_C(0x00cf93000000ffff)
#define TASK_AVAILABLE UINT64_C(0x89)
#define GATE_INTERRUPT 0x8e /* present, ring 0, interrupts off at entry */
#define MSR_GS_BASE 0xc0000101
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FLAG_MASK 0xc0000084
#define EFER_SYSCALL 1
/* Off at system call entry: trap, interrupts, direction, nested task, alignment check. */
#define SYSCALL_FLAG_MASK (1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18)

struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

const uint16_t arch_program_cs = KERNEL_CODE, arch_program_ss = KERNEL_DATA;

static struct gate gates[256];
/* Until the guarded stacks exist, all of the first core's interrupts share this one. */
static _Alignas(16) uint8_t early_stack[8192];

void descriptors_init_shared(void)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t address = (uint64_t)pc_trap_stubs[vector];
        uint8_t stack = STACK_COMMON;
        if (vector == 2)
            stack = STACK_NMI;
        else if (vector == 8)
            stack = STACK_DOUBLE_FAULT;
        else if (vector == 18)
            stack = STACK_MACHINE_CHECK;
        gates[vector] = (struct gate){.offset_low = (uint16_t)address,
                                      .selector = KERNEL_CODE,
                                      .stack = stack,
                                      .type = GATE_INTERRUPT,
                                      .offset_middle = (uint16_t)(address >> 16),
                                      .offset_high = (uint32_t)(address >> 32)};
    }
}

int descriptors_alloc_stacks(struct core_machine *machine)
{
    uintptr_t tops[STACK_COUNT];
    for (unsigned i = 0; i < STACK_COUNT; i++) {
        tops[i] = kernel_stack_alloc();
        if (!tops[i]) {
            while (i--)
                kernel_stack_free(tops[i]);
            return -ENOMEM;
        }
    }
    for (unsigned i = 0; i < STACK_COUNT; i++)
        machine->task.ist[i] = tops[i];
    return 0;
}

void descriptors_load(struct core *core)
{
    struct core_machine *machine = core->machine;
    uint64_t task = (uint64_t)&machine->task;
    machine->gdt[0] = 0;
    machine->gdt[KERNEL_CODE / 8] = CODE_SEGMENT;
    machine->gdt[KERNEL_DATA / 8] = DATA_SEGMENT;
    machine->gdt[TASK_STATE / 8] = (sizeof(struct task_state) - 1) | (task & 0xffffff) << 16 |
                                   TASK_AVAILABLE << 40 | (task >> 24 & 0xff) << 56;
    machine->gdt[TASK_STATE / 8 + 1] = task >> 32;
    machine->task.io_map = sizeof(struct task_state);
    for (unsigned i = 0; i < STACK_COUNT; i++)
        if (!machine->task.ist[i])
            machine->task.ist[i] = (uint64_t)early_stack + sizeof early_stack;

    struct table_pointer gdt = {sizeof machine->gdt - 1, (uint64_t)machine->gdt};
    struct table_pointer idt = {sizeof gates - 1, (uint64_t)gates};
    __asm__ volatile("lgdt %0; lidt %1" ::"m"(gdt), "m"(idt) : "memory");
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" ::"i"(KERNEL_CODE)
                     : "rax", "memory");
    __asm__ volatile(
        "mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs" ::"r"(KERNEL_DATA),
        "r"(0));
    __asm__ volatile("ltr %w0" ::"r"(TASK_STATE));

    cpu_write_msr(MSR_GS_BASE, (uint64_t)core);
    cpu_write_msr(MSR_EFER, cpu_read_msr(MSR_EFER) | EFER_SYSCALL);
    cpu_write_msr(MSR_STAR, (uint64_t)KERNEL_CODE << 32);
    cpu_write_msr(MSR_LSTAR, (uint64_t)pc_syscall_entry);
    cpu_write_msr(MSR_FLAG_MASK, SYSCALL_FLAG_MASK);
    pc_core_features();
}
