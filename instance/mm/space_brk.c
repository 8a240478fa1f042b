/* The break: the heap that grows up from the end of the program's data. */
#include "instance/mm/space_internal.h"

#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"

#include <linux/mman.h>

static const char heap_name[] = "[heap]";

void space_set_brk_start(uint64_t address)
{
    sleep_lock_take(&space.lock);
    space.brk_start = space.brk = address;
    sleep_lock_release(&space.lock);
}

/* Makes [start, end) part of the heap; both are page borders. */
static bool grow(uint64_t start, uint64_t end)
{
    /* One page stays free behind it, so that running over its end is noticed. */
    if (end > PROGRAM_TOP - PAGE_SIZE || !space_is_free(start, end + PAGE_SIZE))
        return false;
    if (end - start > space_promisable())
        return false;
    struct area *area =
        space_area_create(start, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (!area)
        return false;
    area->name = heap_name;
    space_area_insert(area);
    space_merge(start, end);
    return true;
}

uint64_t space_brk(uint64_t address)
{
    sleep_lock_take(&space.lock);
    uint64_t old_end = page_up(space.brk), new_end = page_up(address);
    bool grown = false;
    if (space.brk_start && address >= space.brk_start && address < PROGRAM_TOP) {
        if (new_end > old_end)
            grown = grow(old_end, new_end);
        if (new_end <= old_end ? new_end == old_end || !space_unmap_locked(new_end, old_end)
                               : grown)
            space.brk = address;
    }
    uint64_t result = space.brk;
    grown = grown && space.lock_future;
    sleep_lock_release(&space.lock);
    if (grown)
        space_populate(old_end, new_end - old_end, SPACE_FAULT_WRITE);
    return result;
}
