/* System calls of the host. Each stands in the kernel's text, from where alone the sandbox lets
 * them through. Results as the host gives them: negative errno values for errors. */
#ifndef INSTANCE_PLATFORM_HOSTED_CALL_H
#define INSTANCE_PLATFORM_HOSTED_CALL_H

#include <asm/unistd_64.h>
#include <linux/mman.h>
#include <stdint.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1: the host's headers may be older */
#endif

static inline int64_t host_call6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                 uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    int64_t result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline int64_t host_call4(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    register uint64_t r10 __asm__("r10") = d;
    int64_t result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

static inline int64_t host_call3(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    int64_t result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static inline int64_t host_call2(uint64_t number, uint64_t a, uint64_t b)
{
    return host_call3(number, a, b, 0);
}

static inline int64_t host_call1(uint64_t number, uint64_t a)
{
    return host_call3(number, a, 0, 0);
}

#endif
