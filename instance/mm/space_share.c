/* Where the program's memory lies in the partition, for the members of its job, who may read that.
 *
 * Translations are kept by programs and used without a call. So that they can tell when not to, the
 * mapping generation grows before one of them goes wrong: when a page of it is unmapped, dropped,
 * moved, or made unreadable. Each area remembers between which addresses pages have been told of
 * since the last such change, so that other unmapping (stacks of threads, buffers that were never
 * sent) spoils nothing. Only frames of the partition are told of. Nothing ever moves a page to
 * another frame, and a page that is mapped in place becomes the program's own before. */
#include "instance/mm/space_internal.h"

#include "instance/platform/platform.h"

#include <asm/errno.h>

#define SHARE_MAX (UINT64_C(16) << 20) /* bytes of one call: the lock is held for that long */

void space_publish_sharing(_Atomic uint64_t *word)
{
    sleep_lock_take(&space.lock);
    space.published = word;
    atomic_store_explicit(word, space.sharing, memory_order_release);
    sleep_lock_release(&space.lock);
}

static bool is_shared(const struct area *area)
{
    return area->sharing == space.sharing;
}

void space_unshare(uint64_t start, uint64_t end)
{
    const struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area)) {
        uint64_t low = area->start > start ? area->start : start;
        uint64_t high = area->end < end ? area->end : end;
        if (!is_shared(area) || area->shared_high <= low || high <= area->shared_low)
            continue;
        /* Before any of it goes wrong; what all areas remember is forgotten with it. */
        atomic_store_explicit(space.published, ++space.sharing, memory_order_seq_cst);
        return;
    }
}

static void area_shared(struct area *area, uint64_t low, uint64_t high)
{
    if (!is_shared(area)) {
        area->sharing = space.sharing;
        area->shared_low = low;
        area->shared_high = high;
    }
    if (low < area->shared_low)
        area->shared_low = low;
    if (high > area->shared_high)
        area->shared_high = high;
}

void space_area_take_shared(struct area *area, const struct area *other)
{
    if (is_shared(other))
        area_shared(area, other->shared_low, other->shared_high);
}

/* The frame at `page`, which is the program's own and readable, or UINT64_MAX. */
static uint64_t own_frame(uint64_t page)
{
    unsigned protection;
    uint64_t physical = platform_lookup(page, &protection);
    return physical != UINT64_MAX && protection && frame_is_own(physical) ? physical : UINT64_MAX;
}

/* How far from `start` on such pages follow one another, at most `end`. */
static uint64_t own_end(uint64_t start, uint64_t end)
{
    while (start < end && own_frame(start) != UINT64_MAX)
        start += PAGE_SIZE;
    return start;
}

/* Makes [start, end) present, in frames of the partition. How far that went; *error says why no
 * further.
 */
static uint64_t bring_in(uint64_t start, uint64_t end, int *error)
{
    *error = 0;
    while (start < end && !*error) {
        sleep_lock_take(&space.lock);
        start = own_end(start, end);
        sleep_lock_release(&space.lock);
        uint64_t present_end = start;
        if (start < end)
            *error = space_fault_in(start, SPACE_FAULT_READ | SPACE_FAULT_FRAME, &present_end);
        if (!*error)
            start = present_end;
    }
    return start < end ? start : end;
}

/* The lock is held. Returns how far the extents reach. */
static uint64_t describe(uint64_t start, uint64_t end, struct space_extent *extents,
                         size_t capacity, size_t *count)
{
    struct space_extent *last = NULL;
    uint64_t page = start;
    *count = 0;
    for (; page < end; page += PAGE_SIZE) {
        uint64_t physical = own_frame(page);
        if (physical == UINT64_MAX)
            break;
        if (last && last->physical + last->length == physical) {
            last->length += PAGE_SIZE;
            continue;
        }
        if (*count == capacity)
            break;
        last = &extents[(*count)++];
        *last = (struct space_extent){physical, PAGE_SIZE};
    }
    struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < page; area = area_tree_next(area))
        area_shared(area, area->start > start ? area->start : start,
                    area->end < page ? area->end : page);
    return page;
}

int space_share(uint64_t address, uint64_t length, struct space_extent *extents, size_t capacity,
                size_t *count, uint64_t *covered, uint64_t *generation)
{
    uint64_t end;
    if (!capacity || !length || (length & (PAGE_SIZE - 1)) || (address & (PAGE_SIZE - 1)))
        return -EINVAL;
    if (length > SHARE_MAX)
        length = SHARE_MAX;
    if (space_check_range(address, length, &end))
        return -EFAULT;
    for (;;) {
        int error;
        uint64_t present = bring_in(address, end, &error);
        if (present == address)
            return error;
        sleep_lock_take(&space.lock);
        *covered = describe(address, present, extents, capacity, count) - address;
        *generation = space.sharing;
        sleep_lock_release(&space.lock);
        if (*covered)
            return 0;
        /* Another thread has unmapped it meanwhile: look again. */
    }
}
