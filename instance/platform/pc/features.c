/* What kernel and programs rely on in a core's control registers (Intel SDM 3A, 2.5). */
#include "instance/platform/pc/pc.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/cpu.h"

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

void pc_core_features(void)
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
    uint32_t leaf13[4] = {0};
    if (xsave)
        cpu_cpuid(13, 0, leaf13);
    uint64_t mask = fpu_init((uint64_t)leaf13[3] << 32 | leaf13[0], leaf7[1] & 1);
    if (xsave)
        __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)));
}
