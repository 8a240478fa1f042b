/* Random bytes from the CPU. */
#include "instance/arch/x86/arch.h"

#include "instance/arch/x86/cpu.h"
#include "instance/string.h"

/* RDSEED, else RDRAND (Intel SDM 1, 7.3.17): retried as the manual says. */
static bool random_word(uint64_t *word, bool seed)
{
    for (int i = 0; i < 32; i++) {
        unsigned char ok;
        if (seed)
            __asm__ volatile("rdseed %0; setc %1" : "=r"(*word), "=q"(ok)::"cc");
        else
            __asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=q"(ok)::"cc");
        if (ok)
            return true;
        cpu_pause();
    }
    return false;
}

bool cpu_random(void *buffer, size_t length)
{
    uint32_t leaf1[4], leaf7[4];
    cpu_cpuid(1, 0, leaf1);
    cpu_cpuid(7, 0, leaf7);
    bool rdrand = leaf1[2] >> 30 & 1, rdseed = leaf7[1] >> 18 & 1;
    uint8_t *out = buffer;
    while (length) {
        uint64_t word;
        if (!(rdrand && random_word(&word, false)) && !(rdseed && random_word(&word, true)))
            return false;
        size_t part = length < sizeof word ? length : sizeof word;
        memcpy(out, &word, part);
        out += part;
        length -= part;
    }
    return true;
}
