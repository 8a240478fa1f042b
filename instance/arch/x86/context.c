/* A thread's vector registers (XSAVE, Intel SDM 1, chapter 13) and its first kernel stack. */
#include "instance/arch/x86/arch.h"

#include "instance/arch/x86/cpu.h"
#include "instance/sched/thread.h"
#include "instance/string.h"

#define CR0_MP (UINT64_C(1) << 1)
#define CR0_EM (UINT64_C(1) << 2)
#define CR0_TS (UINT64_C(1) << 3)
#define CR0_NE (UINT64_C(1) << 5)
#define CR0_WP (UINT64_C(1) << 16)
#define CR4_OSFXSR (UINT64_C(1) << 9)
#define CR4_OSXMMEXCPT (UINT64_C(1) << 10)
#define CR4_UMIP (UINT64_C(1) << 11)
#define CR4_FSGSBASE (UINT64_C(1) << 16)
#define CR4_OSXSAVE (UINT64_C(1) << 18)
#define CR4_PGE (UINT64_C(1) << 7)

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

void arch_core_features(void)
{
    uint32_t leaf1[4], leaf7[4] = {0}, leaf0[4];
    cpu_cpuid(0, 0, leaf0);
    cpu_cpuid(1, 0, leaf1);
    if (leaf0[0] >= 7)
        cpu_cpuid(7, 0, leaf7);
    uint64_t cr0, cr4;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP;
    __asm__ volatile("mov %0, %%cr0" ::"r"(cr0));
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE;
    if (leaf7[1] & 1)
        cr4 |= CR4_FSGSBASE;
    if (leaf7[2] & 4)
        cr4 |= CR4_UMIP;
    bool xsave = leaf1[2] >> 26 & 1;
    if (xsave)
        cr4 |= CR4_OSXSAVE;
    __asm__ volatile("mov %0, %%cr4" ::"r"(cr4));
    has_fsgsbase = leaf7[1] & 1;
    if (!xsave) {
        area_size = LEGACY_AREA + XSAVE_HEADER;
        return;
    }
    uint32_t leaf13[4];
    cpu_cpuid(13, 0, leaf13);
    state_mask = ((uint64_t)leaf13[3] << 32 | leaf13[0]) & STATE_WANTED;
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)state_mask),
                     "d"((uint32_t)(state_mask >> 32)));
    cpu_cpuid(13, 0, leaf13);
    area_size = leaf13[1]; /* for what XCR0 has enabled now */
    cpu_cpuid(13, 1, leaf13);
    has_xsaveopt = leaf13[0] & 1;
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
