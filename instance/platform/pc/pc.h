/* What the files of the `pc` platform share. */
#ifndef INSTANCE_PLATFORM_PC_H
#define INSTANCE_PLATFORM_PC_H

#include "abi/handover.h"
#include "instance/arch/x86/clock.h"
#include "instance/arch/x86/frame.h"
#include "instance/core.h"

#include <stdnoreturn.h>

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define TASK_STATE 0x18

enum interrupt_stack { /* index into the TSS's IST, from 1 (Intel SDM 3A, 7.14.5) */
                       STACK_COMMON = 1, /* leaves it within a few instructions, see entry.asm */
                       STACK_NMI,
                       STACK_DOUBLE_FAULT,
                       STACK_MACHINE_CHECK,
                       STACK_COUNT = STACK_MACHINE_CHECK,
};

struct task_state { /* 64-bit TSS */
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed));

/* A core's own tables, and what other cores ask of it. */
struct core_machine {
    uint64_t gdt[5];
    struct task_state task;
    _Alignas(
        SHM_LINE) _Atomic uint64_t flushed; /* flush generation that this core has caught up with */
    _Atomic uint32_t lazy; /* 1: halted; it catches up by itself before it runs a thread again */
    _Atomic uint32_t stop; /* 1: park at the next interrupt */
    void (*entry)(struct core *core); /* of a core that comes up */
    uint64_t timer_deadline;          /* what the hardware timer is set to, in TSC ticks; 0: off */
};

extern const struct handover *pc_handover;

/* descriptors.c: GDT, TSS, IDT. */
void descriptors_init_shared(void);       /* the IDT, once */
void descriptors_load(struct core *core); /* on the core itself */
int descriptors_alloc_stacks(
    struct core_machine *machine); /* guarded interrupt stacks; 0, -ENOMEM */

/* apic.c: this core's local APIC. */
void apic_init_core(void);
void apic_end_of_interrupt(void);
void apic_send(uint32_t apic_id, uint32_t command); /* Intel SDM 3A, 11.6.1 */
#define APIC_FIXED(vector) (0x4000 | (vector))
#define APIC_NMI 0x4400
#define APIC_INIT 0x4500
#define APIC_STARTUP(page) (0x4600 | (page))

/* flush.c: other cores' translation caches. */
#define VECTOR_FLUSH 0xf2
void flush_serve(void); /* catches up; any context */
void flush_halt_begin(void);
void flush_halt_end(void);

/* features.c: SSE, AVX state, FSGSBASE, write protection in ring 0, global pages; UMIP where the
 * CPU has it. Once for each core. */
void pc_core_features(void);

/* core.c */
void core_check_stop(void); /* parks if another core has asked for it */

/* entry.asm */
noreturn void pc_entry(void);
noreturn void pc_secondary_entry(void);
void pc_syscall_entry(void);
extern const uint8_t pc_trap_stubs[256][16];
void pc_trap(struct trap_frame *frame);
void pc_fatal_trap(struct trap_frame *frame);
noreturn void pc_start(const struct handover *handover, uint64_t tsc);
noreturn void pc_secondary_start(struct core *core);

#endif
