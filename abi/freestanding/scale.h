/* Scaling by a ratio in 128 bits, for clocks. The compiler's own 128-bit division is a library
 * call, which loader and kernel do not link; the CPU's instruction does it in one step. */
#ifndef ABI_FREESTANDING_SCALE_H
#define ABI_FREESTANDING_SCALE_H

#include <stdint.h>

/* value * multiplier / divisor, rounded down; UINT64_MAX when that does not fit 64 bits. `divisor`
 * is not 0. */
static inline uint64_t scale_u64(uint64_t value, uint64_t multiplier, uint64_t divisor)
{
    uint64_t low, high, remainder;
    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(value), "rm"(multiplier) : "cc");
    if (high >= divisor)
        return UINT64_MAX;
    __asm__("divq %4" : "=a"(low), "=d"(remainder) : "a"(low), "d"(high), "rm"(divisor) : "cc");
    return low;
}

#endif
