/* A thread's vector registers (XSAVE, Intel SDM 1, chapter 13) and its first kernel stack. */
#include "instance/arch/x86/arch.h"

#include "instance/arch/x86/cpu.h"
#include "instance/sched/thread.h"
#include "instance/string.h"

/* x87, SSE, AVX, and AVX-512's three parts: what compiled programs use and signal frames can carry.
 */
#define STATE_WANTED UINT64_C(0xe7)
#define LEGACY_AREA 512
#define XSAVE_HEADER 64
#define MXCSR_OFFSET 24
#define CONTROL_WORD_OFFSET 0

static uint64_t state_mask; /* components in XCR0 */
static size_t area_size;
static bool has_xsaveopt;
static bool has_fsgsbase;

uint64_t fpu_init(uint64_t enabled, bool fsgsbase)
{
    uint32_t leaf[4];
    has_fsgsbase = fsgsbase;
    state_mask = enabled & STATE_WANTED;
    area_size = LEGACY_AREA + XSAVE_HEADER;
    if (!state_mask)
        return 0;
    for (uint32_t component = 2; component < 64; component++) {
        if (!(state_mask >> component & 1))
            continue;
        cpu_cpuid(13, component, leaf); /* size in EAX, offset in the standard format in EBX */
        if (area_size < leaf[1] + leaf[0])
            area_size = leaf[1] + leaf[0];
    }
    cpu_cpuid(13, 1, leaf);
    has_xsaveopt = leaf[0] & 1;
    return state_mask;
}

size_t fpu_area_size(void)
{
    return (area_size + 63) & ~(size_t)63;
}

uint64_t fpu_state_mask(void)
{
    return state_mask;
}

void fpu_init_area(void *area)
{
    memset(area, 0, fpu_area_size());
    *(uint16_t *)((char *)area + CONTROL_WORD_OFFSET) = 0x37f; /* as FNINIT leaves it */
    *(uint32_t *)((char *)area + MXCSR_OFFSET) = 0x1f80;
    if (state_mask) /* XSTATE_BV: the legacy part counts, the rest is in its initial state */
        *(uint64_t *)((char *)area + LEGACY_AREA) = 3;
}

void fpu_save(void *area)
{
    uint32_t low = (uint32_t)state_mask, high = (uint32_t)(state_mask >> 32);
    if (has_xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
    else if (state_mask)
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

void fpu_restore(const void *area)
{
    uint32_t low = (uint32_t)state_mask, high = (uint32_t)(state_mask >> 32);
    if (state_mask)
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

#define MSR_FS_BASE 0xc0000100

void arch_set_fs_base(uint64_t base)
{
    if (has_fsgsbase)
        __asm__ volatile("wrfsbase %0" ::"r"(base));
    else
        cpu_write_msr(MSR_FS_BASE, base);
}

uint64_t arch_get_fs_base(void)
{
    uint64_t base;
    if (!has_fsgsbase)
        return cpu_read_msr(MSR_FS_BASE);
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

uintptr_t context_prepare(uintptr_t stack_top, void (*entry)(void *), void *argument)
{
    uint64_t *top = (uint64_t *)stack_top;
    *--top = 0; /* keeps the stack 16-byte aligned at context_begin's call */
    *--top = (uint64_t)context_begin;
    *--top = 0;                  /* rbp */
    *--top = 0;                  /* rbx */
    *--top = (uint64_t)entry;    /* r12 */
    *--top = (uint64_t)argument; /* r13 */
    *--top = 0;                  /* r14 */
    *--top = 0;                  /* r15 */
    return (uintptr_t)top;
}
