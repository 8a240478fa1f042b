/* What `pc` does about a change of the page tables beyond the tables themselves: it flushes the
 * cores' translation caches. There is no host to be told. */
#ifndef PLATFORM_PAGING_H
#define PLATFORM_PAGING_H

#include <stdint.h>

#define PAGING_HOST 0

static inline int paging_host_map(uintptr_t virtual, uint64_t physical, uint64_t length,
                                  unsigned protection)
{
    (void)virtual, (void)physical, (void)length, (void)protection;
    return 0;
}
static inline int paging_host_unmap(uintptr_t virtual, uint64_t length)
{
    (void)virtual, (void)length;
    return 0;
}
static inline int paging_host_protect(uintptr_t virtual, uint64_t length, unsigned protection)
{
    (void)virtual, (void)length, (void)protection;
    return 0;
}

/* flush.c: own core and all others; waits for them. */
void flush_range(uintptr_t virtual, uint64_t length);

#endif
