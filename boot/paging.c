/* Page tables (Intel SDM 3A, 4.5): the loader's own identity map, which also holds the launcher at
 * its high address, and the first address space of each instance (drawing in abi/handover.h). */
#include "boot/loader.h"

#include "abi/launch.h"

#include <string.h>

#define PRESENT UINT64_C(1)
#define LARGE (UINT64_C(1) << 7)
#define ADDRESS UINT64_C(0x000ffffffffff000)

extern uint64_t pml4[512]; /* entry.asm: maps the first 4 GiB */

static struct paging own;

uint64_t paging_loader_root(void)
{
    return own.root;
}

static uint64_t new_table(struct paging *paging)
{
    if (paging == &own)
        return (uint64_t)memory_own(PAGE);
    if (paging->next + PAGE > paging->end)
        loader_fail("instance %s: its memory is too small for its page tables", paging->name);
    uint64_t table = paging->next;
    paging->next += PAGE;
    memset((void *)table, 0, PAGE);
    return table;
}

/* The table one level below `entry`, made if it is not there. */
static uint64_t *descend(struct paging *paging, uint64_t *entry)
{
    if (!(*entry & PRESENT))
        *entry = new_table(paging) | PRESENT | PAGING_WRITE;
    return (uint64_t *)(*entry & ADDRESS);
}

void paging_create(struct paging *paging)
{
    paging->root = new_table(paging);
}

void paging_map(struct paging *paging, uint64_t virtual, uint64_t physical, uint64_t size,
                uint64_t flags)
{
    uint64_t end = virtual + size; /* 0 where the range ends with the address space */
    while (virtual != end) {
        uint64_t *level4 = (uint64_t *)paging->root;
        uint64_t *level3 = descend(paging, &level4[virtual >> 39 & 511]);
        uint64_t *level2 = descend(paging, &level3[virtual >> 30 & 511]);
        uint64_t *entry2 = &level2[virtual >> 21 & 511];
        if ((virtual | physical) % LARGE_PAGE == 0 && end - virtual >= LARGE_PAGE &&
            !(*entry2 & PRESENT)) {
            *entry2 = physical | flags | PRESENT | LARGE;
            virtual += LARGE_PAGE;
            physical += LARGE_PAGE;
            continue;
        }
        uint64_t *level1 = descend(paging, entry2);
        level1[virtual >> 12 & 511] = physical | flags | PRESENT;
        virtual += PAGE;
        physical += PAGE;
    }
}

void paging_identity(uint64_t physical, uint64_t size)
{
    uint64_t base = physical & ~(LARGE_PAGE - 1);
    uint64_t end = (physical + size + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    if (base < 4 * GIB) /* entry.asm has mapped that */
        base = 4 * GIB;
    if (base < end)
        paging_map(&own, base, base, end - base, PAGING_WRITE);
}

void paging_init(void)
{
    own.root = (uint64_t)pml4;
    own.name = "loader";
    paging_identity(0, loader.memory_top);
    uint64_t table = LAUNCH_SLOTS * sizeof(struct launch_slot);
    paging_map(&own, LAUNCH_VIRTUAL, LAUNCH_PHYSICAL, PAGE, 0);
    paging_map(&own, LAUNCH_VIRTUAL + LAUNCH_TABLE_OFFSET, LAUNCH_PHYSICAL + LAUNCH_TABLE_OFFSET,
               table, PAGING_WRITE | PAGING_NO_EXECUTE);
}
