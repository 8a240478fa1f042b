/* mprotect. */
#include "instance/mm/space_internal.h"

#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/mman.h>

/* Does this area become one that counts? */
static bool begins_to_count(const struct area *area, int protection)
{
    return !area->counted && space_counts(protection, area->flags);
}

/* Can the account bear the new protection of [start, end)? 0 or -ENOMEM. */
static int promise(uint64_t start, uint64_t end, int protection)
{
    uint64_t counted = 0, managed = 0;
    const struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area)) {
        uint64_t from = area->start > start ? area->start : start;
        uint64_t to = area->end < end ? area->end : end;
        if (begins_to_count(area, protection))
            counted += to - from - space_area_resident_in(area, from, to);
        else if ((protection & PROT_WRITE) && area->protection == PROT_NONE &&
                 (area->flags & (MAP_NORESERVE | MAP_STACK)) == MAP_NORESERVE)
            managed += to - from;
    }
    if (counted && counted > space_promisable())
        return -ENOMEM;
    /* The step by which a reserved heap grows (malloc's arenas): it is not promised, but when it
     * cannot be had now, now is the time to say so. A step beyond all memory is no such step, but a
     * table that will be touched here and there. */
    if (managed > space_promisable() && managed <= frame_bytes_total())
        return -ENOMEM;
    return 0;
}

/* The platform's protection for the whole range. Where pages may be mapped in place, or a file is
 * to know of their first write, they stay read-only, and that write takes the fault that copies or
 * opens the page. */
static unsigned range_protection(uint64_t start, uint64_t end, int protection)
{
    unsigned bits = space_platform_protection(protection);
    const struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area))
        if ((area->source.bytes && area->source.physical != UINT64_MAX) ||
            (space_is_shared_file(area) && area->source.file->tracks_writes))
            bits &= ~(unsigned)PLATFORM_WRITE;
    return bits;
}

static bool is_protected_so(uint64_t start, uint64_t end, int protection)
{
    const struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area))
        if (area->protection != protection)
            return false;
    return true;
}

/* How far from `start` on there is area after area, at most `end`. */
static uint64_t covered_end(uint64_t start, uint64_t end)
{
    const struct area *area = area_tree_find(&space.areas, start);
    while (area && area->start <= start && start < end) {
        start = area->end;
        area = area_tree_next(area);
    }
    return start < end ? start : end;
}

/* Is there a shared mapping of a file that was opened for reading alone? */
static bool has_read_only_file(uint64_t start, uint64_t end)
{
    const struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area))
        if (space_is_shared_file(area) && area->source.file->read_only)
            return true;
    return false;
}

static int protect_covered(uint64_t start, uint64_t end, int protection)
{
    if (is_protected_so(start, end, protection))
        return 0;
    if ((protection & PROT_WRITE) && has_read_only_file(start, end))
        return -EACCES;
    int error = promise(start, end, protection);
    if (!error)
        error = space_cut(start, end);
    if (error)
        return error;
    if (protection == PROT_NONE)
        space_unshare(start, end);
    error = platform_protect(start, end - start, range_protection(start, end, protection));
    struct area *area = error ? NULL : area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area)) {
        /* What counts goes on counting when it becomes read-only: it may hold data. */
        if (begins_to_count(area, protection)) {
            area->counted = true;
            space.promised += area->end - area->start;
            space.promised_resident += area->resident;
        }
        area->protection = protection;
        space.changes++;
    }
    space_merge(start, end);
    return error;
}

static int protect_locked(uint64_t start, uint64_t end, int protection)
{
    /* As on Linux: what lies before the first hole is changed all the same. */
    uint64_t hole = covered_end(start, end);
    int error = hole > start ? protect_covered(start, hole, protection) : 0;
    return !error && hole < end ? -ENOMEM : error;
}

int space_protect(uint64_t address, uint64_t length, int protection)
{
    uint64_t end;
    if (address & (PAGE_SIZE - 1))
        return -EINVAL;
    if (!length)
        return 0;
    if (space_check_range(address, length, &end))
        return -ENOMEM;
    if (protection & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
        return -EINVAL;
    sleep_lock_take(&space.lock);
    int error = protect_locked(address, end, protection & (PROT_READ | PROT_WRITE | PROT_EXEC));
    sleep_lock_release(&space.lock);
    return error;
}
