/* Single x86-64 instructions that C has no words for. No state, no policy. */
#ifndef INSTANCE_ARCH_X86_CPU_H
#define INSTANCE_ARCH_X86_CPU_H

#include <stdbool.h>
#include <stdint.h>

#define RFLAGS_IF UINT64_C(0x200)

static inline uint64_t cpu_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline uint64_t cpu_read_msr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void cpu_write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/* Nothing that was fetched before is executed behind this (Intel SDM 3A, 9.3): an IRETQ to the next
 * instruction, which no hypervisor traps. */
static inline void cpu_serialise(void)
{
    uint64_t segment, stack;
    __asm__ volatile("mov %%rsp, %1\n"
                     "sub $128, %%rsp\n" /* a red zone, where there is one */
                     "mov %%ss, %k0\n"
                     "push %0\n"
                     "push %1\n"
                     "pushfq\n"
                     "mov %%cs, %k0\n"
                     "push %0\n"
                     "lea 1f(%%rip), %0\n"
                     "push %0\n"
                     "iretq\n"
                     "1:"
                     : "=&r"(segment), "=&r"(stack)::"memory", "cc");
}

static inline void cpu_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

#endif
