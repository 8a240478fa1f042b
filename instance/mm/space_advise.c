/* madvise and mincore: what the program says and asks about pages, not about areas. */
#include "instance/mm/space_internal.h"

#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/mman.h>

/* Newer than the headers that some builds have. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Takes the pages in [start, end), a part of one area, away. 0 or -ENOMEM. */
static int drop_pages(struct area *area, uint64_t start, uint64_t end)
{
    uint64_t released = 0;
    space_unshare(start, end);
    int error = platform_unmap(start, end - start, space_release, &released);
    if (error)
        return error;
    space_area_emptied(area, released);
    if (start <= area->touched_low && area->touched_high <= end)
        area->touched_low = area->touched_high = 0;
    space.changes++;
    return 0;
}

/* The part of a shared mapping that shows [from, to) of its file, if any. */
static int forget_in_area(struct area *area, uint64_t from, uint64_t to)
{
    uint64_t first = area->offset, last = area->offset + (area->end - area->start);
    if (first < from)
        first = from;
    if (last > to)
        last = to;
    if (first >= last)
        return 0;
    uint64_t start = area->start + (first - area->offset);
    uint64_t end = area->start + (last - area->offset);
    if (start < area->touched_low)
        start = area->touched_low;
    if (end > area->touched_high)
        end = area->touched_high;
    return start < end ? drop_pages(area, start, end) : 0;
}

int space_forget_pages(bool (*matches)(const struct area_file *file, const void *context),
                       const void *context, uint64_t from, uint64_t to)
{
    int error = 0;
    sleep_lock_take(&space.lock);
    struct area *area = area_tree_find(&space.areas, 0);
    for (; area; area = area_tree_next(area))
        if (space_is_shared_file(area) && matches(area->source.file, context)) {
            int failed = forget_in_area(area, page_down(from), page_up(to) ? page_up(to) : to);
            error = error ? error : failed;
        }
    sleep_lock_release(&space.lock);
    return error;
}

/* The next shared mapping of a file in [*start, end), held; *start moves behind it. NULL: none. */
static struct area_file *next_shared(uint64_t *start, uint64_t end)
{
    struct area_file *found = NULL;
    sleep_lock_take(&space.lock);
    const struct area *area = area_tree_find(&space.areas, *start);
    while (area && area->start < end && !space_is_shared_file(area))
        area = area_tree_next(area);
    if (area && area->start < end) {
        found = area->source.file;
        atomic_fetch_add(&found->references, 1);
        *start = area->end;
    }
    sleep_lock_release(&space.lock);
    return found;
}

int space_sync(uint64_t address, uint64_t length)
{
    struct area_file *file;
    int error = 0;
    uint64_t at = address, end;
    if (space_check_range(address, length, &end))
        return -ENOMEM;
    while (at < end && (file = next_shared(&at, end)) != NULL) {
        int failed = file->sync ? file->sync(file) : 0;
        error = error ? error : failed;
        area_file_put(file);
    }
    space_release_files();
    return error;
}

/* May `advice` be given for this area? 0, -EINVAL or -EACCES. */
static int check_area(const struct area *area, int advice)
{
    bool shared = (area->flags & MAP_TYPE) == MAP_SHARED;
    switch (advice) {
    case MADV_FREE:
    case MADV_WIPEONFORK:
        return shared || area->source.bytes ? -EINVAL : 0;
    case MADV_REMOVE:
        if (!shared)
            return -EINVAL;
        if (area->source.file)
            return -EOPNOTSUPP; /* fallocate makes holes */
        return area->protection & PROT_WRITE ? 0 : -EACCES;
    default:
        return 0;
    }
}

/* Carries out `advice` for [start, end), a part of one area (all of it where areas are changed). */
static int advise_area(struct area *area, uint64_t start, uint64_t end, int advice)
{
    switch (advice) {
    case MADV_DONTNEED:
        /* What is shared keeps its content, as the file behind it would on Linux. */
        return (area->flags & MAP_TYPE) == MAP_SHARED ? 0 : drop_pages(area, start, end);
    case MADV_FREE: /* the program may find zeros there at once */
    case MADV_REMOVE:
        return drop_pages(area, start, end);
    case MADV_HUGEPAGE:
        area->advice = ADVICE_HUGE;
        break;
    case MADV_NOHUGEPAGE:
        area->advice = ADVICE_NO_HUGE;
        break;
    default: /* of forks, dumps and read-ahead, of which there are none */
        return 0;
    }
    space.changes++;
    return 0;
}

static int advise_locked(uint64_t start, uint64_t end, int advice)
{
    bool changes_areas = advice == MADV_HUGEPAGE || advice == MADV_NOHUGEPAGE;
    int error = changes_areas ? space_cut(start, end) : 0;
    struct area *area = area_tree_find(&space.areas, start);
    for (; !error && area && area->start < end; area = area_tree_next(area)) {
        error = check_area(area, advice);
        if (!error)
            error = advise_area(area, area->start > start ? area->start : start,
                                area->end < end ? area->end : end, advice);
    }
    if (changes_areas)
        space_merge(start, end);
    /* As on Linux: what is mapped has had its advice, and then the holes are reported. */
    return !error && !space_is_covered(start, end) ? -ENOMEM : error;
}

/* Fills the range. Linux's errors for it differ from a fault's, and it asks for PROT_READ by name.
 */
static int advise_populate(uint64_t start, uint64_t end, bool write)
{
    int needed = write ? PROT_WRITE : PROT_READ, error = 0;
    sleep_lock_take(&space.lock);
    const struct area *area = area_tree_find(&space.areas, start);
    uint64_t at = start;
    while (!error && at < end) {
        if (!area || area->start > at) {
            error = -ENOMEM;
        } else if (!(area->protection & needed)) {
            error = -EINVAL;
        } else {
            at = area->end;
            area = area_tree_next(area);
        }
    }
    sleep_lock_release(&space.lock);
    if (!error && space_populate(start, end - start, write ? SPACE_FAULT_WRITE : SPACE_FAULT_READ))
        error = -ENOMEM;
    return error;
}

static bool is_known(int advice)
{
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
        return true;
    default: /* MADV_MERGEABLE and the like: as from a Linux that was built without them */
        return false;
    }
}

int space_advise(uint64_t address, uint64_t length, int advice)
{
    uint64_t end;
    if (!is_known(advice) || (address & (PAGE_SIZE - 1)) || page_up(length) < length ||
        address + page_up(length) < address)
        return -EINVAL;
    if (!length)
        return 0;
    if (space_check_range(address, length, &end))
        return -ENOMEM;
    if (advice == MADV_POPULATE_READ)
        return advise_populate(address, end, false);
    if (advice == MADV_POPULATE_WRITE)
        return advise_populate(address, end, true);
    sleep_lock_take(&space.lock);
    int error = advise_locked(address, end, advice);
    sleep_lock_release(&space.lock);
    return error;
}

int space_mincore(uint64_t address, uint64_t length, uint8_t *vector)
{
    uint64_t end;
    if (address & (PAGE_SIZE - 1))
        return -EINVAL;
    if (space_check_range(address, length, &end))
        return -ENOMEM;
    if (!length)
        return 0;
    sleep_lock_take(&space.lock);
    bool covered = space_is_covered(address, end);
    for (uint64_t page = address; covered && page < end; page += PAGE_SIZE)
        *vector++ = platform_lookup(page, NULL) != UINT64_MAX;
    sleep_lock_release(&space.lock);
    return covered ? 0 : -ENOMEM;
}
