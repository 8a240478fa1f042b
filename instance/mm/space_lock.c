/* mlock and its kin. The kernel never takes a page away from the program, so a locked page is
 * simply one that is present: these calls bring pages in, and check first that there is memory for
 * all. */
#include "instance/mm/space_internal.h"

#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/mman.h>

/* The first area that has pages to bring in at or above `start`, cut to [start, end); the lock is
 * held. False: none. */
struct stretch {
    uint64_t start, end;
    enum space_fault access;
    uint64_t missing; /* bytes of frames that it may take */
};

static bool next_stretch(uint64_t start, uint64_t end, struct stretch *stretch)
{
    const struct area *area = area_tree_find(&space.areas, start);
    while (area && area->protection == PROT_NONE)
        area = area_tree_next(area);
    if (!area || area->start >= end)
        return false;
    stretch->start = area->start > start ? area->start : start;
    stretch->end = area->end < end ? area->end : end;
    stretch->access = SPACE_FAULT_EXECUTE;
    if (area->protection & PROT_WRITE)
        stretch->access = SPACE_FAULT_WRITE;
    else if (area->protection & PROT_READ)
        stretch->access = SPACE_FAULT_READ;
    stretch->missing =
        stretch->end - stretch->start - space_area_resident_in(area, stretch->start, stretch->end);
    if (area->source.bytes && area->source.physical != UINT64_MAX &&
        stretch->access != SPACE_FAULT_WRITE)
        stretch->missing = 0; /* mapped in place */
    return true;
}

static int bring_in(uint64_t start, uint64_t end)
{
    struct stretch stretch;
    uint64_t missing = 0;
    sleep_lock_take(&space.lock);
    for (uint64_t at = start; next_stretch(at, end, &stretch); at = stretch.end)
        missing += stretch.missing;
    sleep_lock_release(&space.lock);
    if (missing > frame_bytes_free())
        return -ENOMEM;
    for (uint64_t at = start;; at = stretch.end) {
        sleep_lock_take(&space.lock);
        bool more = next_stretch(at, end, &stretch);
        sleep_lock_release(&space.lock);
        if (!more)
            return 0;
        int error = space_populate(stretch.start, stretch.end - stretch.start, stretch.access);
        if (error)
            return -ENOMEM; /* also when another thread has unmapped it meanwhile */
    }
}

bool space_is_mapped(uint64_t address, uint64_t length)
{
    if (address > PROGRAM_TOP || length > PROGRAM_TOP - address)
        return false;
    sleep_lock_take(&space.lock);
    bool covered = !length || space_is_covered(page_down(address), page_up(address + length));
    sleep_lock_release(&space.lock);
    return covered;
}

int space_lock(uint64_t address, uint64_t length)
{
    if (!length)
        return 0;
    if (!space_is_mapped(address, length))
        return -ENOMEM;
    return bring_in(page_down(address), page_up(address + length));
}

int space_lock_all(int flags)
{
    sleep_lock_take(&space.lock);
    space.lock_future = (flags & MCL_FUTURE) && !(flags & MCL_ONFAULT);
    sleep_lock_release(&space.lock);
    if (!(flags & MCL_CURRENT) || (flags & MCL_ONFAULT))
        return 0;
    return bring_in(PROGRAM_FLOOR, PROGRAM_TOP);
}
