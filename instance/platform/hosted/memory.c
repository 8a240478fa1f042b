/* The program's mappings and the kernel's stacks: extents of the partition's memory file, and pages
 * of the lagoon in place, mapped where the page tables (arch/x86/paging.c) say. Holes are unmapped,
 * so that nothing but the partition can ever be written there. */
#include "instance/platform/hosted/hosted.h"

#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/platform/hosted/call.h"
#include "instance/platform/hosted/large.h"
#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/mman.h>
#include <platform/paging.h>

uintptr_t platform_direct_base = HOSTED_DIRECT_BASE;

static uint64_t host_protection(unsigned protection)
{
    return (protection & PLATFORM_READ ? PROT_READ : 0u) |
           (protection & PLATFORM_WRITE ? PROT_WRITE : 0u) |
           (protection & PLATFORM_EXECUTE ? PROT_EXEC : 0u);
}

static int refused(const char *what, uintptr_t address, uint64_t length, int64_t error)
{
    static _Atomic bool said;
    if (!atomic_exchange_explicit(&said, true, memory_order_relaxed))
        log_error("the host refuses to %s 0x%lx bytes at 0x%lx (error %ld): its vm.max_map_count "
                  "or a limit of address space (ulimit -v) may be too low for this program, or its "
                  "memory is full; --platform pc needs one mapping for all",
                  what, length, address, -error);
    return -ENOMEM;
}

int platform_peer_map(uintptr_t virtual, uint64_t physical, uint64_t length)
{
    (void)virtual, (void)physical, (void)length;
    return 0; /* start.c has, while it could */
}

int paging_host_map(uintptr_t virtual, uint64_t physical, uint64_t length, unsigned protection)
{
    int file = HOSTED_FD_PARTITION;
    if (physical >= HOSTED_LAGOON_PHYSICAL) {
        physical -= HOSTED_LAGOON_PHYSICAL;
        file = HOSTED_FD_LAGOON;
    }
    uint64_t flags = MAP_SHARED | MAP_FIXED;
    if (protection) /* the pages are there: spares the host a fault for each */
        flags |= MAP_POPULATE;
    int64_t result = host_call6(__NR_mmap, virtual, length, host_protection(protection), flags,
                                (uint64_t)file, physical);
    return result < 0 ? refused("map", virtual, length, result) : 0;
}

int paging_host_unmap(uintptr_t virtual, uint64_t length)
{
    int64_t result = host_call2(__NR_munmap, virtual, length);
    return result < 0 ? refused("unmap", virtual, length, result) : 0;
}

int paging_host_protect(uintptr_t virtual, uint64_t length, unsigned protection)
{
    int64_t result = host_call3(__NR_mprotect, virtual, length, host_protection(protection));
    return result < 0 ? refused("protect", virtual, length, result) : 0;
}

int64_t hosted_large_page(uint64_t offset)
{
    uintptr_t address = platform_direct_base + offset;
    (void)*(volatile uint8_t *)address; /* the host refuses a piece in which there is nothing */
    return host_call3(__NR_madvise, address, LARGE_PAGE_SIZE, MADV_COLLAPSE);
}
