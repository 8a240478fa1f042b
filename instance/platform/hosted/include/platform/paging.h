/* What `hosted` does about a change of the page tables, which are only its record: it tells the
 * host, which flushes translation caches by itself. hosted/memory.c has the calls. Each returns 0
 * or -ENOMEM (the host's vm.max_map_count, or an address space limit, has been reached); they may
 * be called with a spinlock held. */
#ifndef PLATFORM_PAGING_H
#define PLATFORM_PAGING_H

#include <stdint.h>

#define PAGING_HOST 1

int paging_host_map(uintptr_t virtual, uint64_t physical, uint64_t length, unsigned protection);
int paging_host_unmap(uintptr_t virtual, uint64_t length);
/* All of the range is mapped. */
int paging_host_protect(uintptr_t virtual, uint64_t length, unsigned protection);

static inline void flush_range(uintptr_t virtual, uint64_t length)
{
    (void)virtual, (void)length;
}

#endif
