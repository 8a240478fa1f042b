/* mremap: growing, shrinking and moving a mapping. Pages move by their mappings: they are mapped at
 * the new place first and unmapped at the old one then, so that no content is ever out of reach of
 * an undo. */
#include "instance/mm/space_internal.h"

#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/mman.h>

struct remap {
    uint64_t start, old_end; /* what there is; both page borders */
    uint64_t new_length;     /* a multiple of PAGE_SIZE */
    int flags;               /* MREMAP_* */
    uint64_t new_start;      /* with MREMAP_FIXED */
};

/* Maps the pages of `area` at `to` as well. 0, or -ENOMEM: nothing is mapped there. */
static int map_again(const struct area *area, uint64_t to)
{
    uint64_t page = area->touched_low;
    while (page < area->touched_high) {
        unsigned protection, next_protection;
        uint64_t physical = platform_lookup(page, &protection), length = PAGE_SIZE;
        if (physical == UINT64_MAX) {
            page += PAGE_SIZE;
            continue;
        }
        while (page + length < area->touched_high &&
               platform_lookup(page + length, &next_protection) == physical + length &&
               next_protection == protection)
            length += PAGE_SIZE;
        int error = platform_map(to + (page - area->start), physical, length, protection);
        if (error) {
            platform_unmap(to, page - area->start, NULL, NULL);
            return error;
        }
        page += length;
    }
    return 0;
}

/* Takes what is mapped at [start, end) away again without releasing it. Both borders are those of
 * mappings, so that no large page has to be split. */
static void unmap_again(uint64_t start, uint64_t end)
{
    platform_unmap(start, end - start, NULL, NULL);
}

/* Moves `area`, all of it, to `to`, where `new` (not in the tree, its kind set) will stand. */
static int move_area(struct area *area, struct area *new, uint64_t to, bool keep_old)
{
    int error = map_again(area, to);
    if (error)
        return error;
    space_unshare(area->start, area->end);
    error = platform_unmap(area->start, area->end - area->start, NULL, NULL);
    if (error) {
        unmap_again(to, to + (area->end - area->start));
        return error;
    }
    space_area_insert(new);
    if (area->touched_low < area->touched_high)
        space_area_touched(new, to + (area->touched_low - area->start),
                           area->touched_high - area->touched_low);
    space_area_filled(new, area->resident);
    if (keep_old) {
        space_area_emptied(area, area->resident);
        area->touched_low = area->touched_high = 0;
    } else {
        space_area_remove(area);
    }
    return 0;
}

/* The place for a moved mapping, made free; *place is set. */
static int find_place(const struct remap *remap, const struct area *area, uint64_t *place)
{
    if (remap->flags & MREMAP_FIXED) {
        *place = remap->new_start;
        return space_unmap_locked(*place, *place + remap->new_length);
    }
    *place = space_place(remap->flags & MREMAP_DONTUNMAP ? remap->new_start : 0, remap->new_length,
                         area->flags, !area->source.bytes);
    return *place ? 0 : -ENOMEM;
}

static int64_t move(const struct remap *remap, struct area *area)
{
    /* The account must bear what the mapping grows by, or all of it when the old one stays. */
    uint64_t old_length = remap->old_end - remap->start;
    uint64_t more = remap->new_length;
    if (!(remap->flags & MREMAP_DONTUNMAP))
        more = remap->new_length > old_length ? remap->new_length - old_length : 0;
    if (area->counted && more > space_promisable())
        return -ENOMEM;
    struct area *new = kmalloc(sizeof(*new));
    if (!new)
        return -ENOMEM;
    uint64_t to;
    int error = find_place(remap, area, &to);
    if (!error)
        error = space_cut(remap->start, remap->old_end);
    if (error) {
        kfree(new);
        return error;
    }
    area = area_tree_find(&space.areas, remap->start);
    *new = *area;
    if (new->source.file)
        atomic_fetch_add(&new->source.file->references, 1);
    new->start = to;
    new->end = to + remap->new_length;
    new->resident = 0;
    new->touched_low = new->touched_high = 0;
    new->sharing = 0;
    error = move_area(area, new, to, remap->flags & MREMAP_DONTUNMAP);
    if (error) {
        area_file_put(new->source.file);
        kfree(new);
    }
    space_merge(remap->start, remap->old_end);
    if (error)
        return error;
    space_merge(to, to + remap->new_length);
    return (int64_t)to;
}

/* Makes the area longer where it is, if there is room behind it and it ends at old_end. Returns
 * whether it is done; -ENOMEM: there is room, but no memory. */
static int grow_in_place(const struct remap *remap, struct area *area)
{
    uint64_t new_end = remap->start + remap->new_length;
    if (area->end != remap->old_end || new_end > PROGRAM_TOP ||
        !space_is_free(remap->old_end, new_end))
        return 0;
    uint64_t more = new_end - remap->old_end;
    if (area->counted) {
        if (more > space_promisable())
            return -ENOMEM;
        space.promised += more;
    }
    area->end = new_end;
    area_tree_resized(area);
    space.changes++;
    space_merge(remap->start, new_end);
    return 1;
}

static int64_t remap_locked(struct remap *remap)
{
    struct area *area = area_tree_find(&space.areas, remap->start);
    if (!area || area->start > remap->start)
        return -EFAULT;
    if (remap->old_end == remap->start) /* doubles a shared mapping on Linux */
        return -EINVAL;
    uint64_t new_end = remap->start + remap->new_length;
    bool must_move = remap->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
    bool shrinks = new_end <= remap->old_end;
    /* What stays in place, and what is cut off, may belong to several areas; what moves or grows
     * not. */
    if (area->end < (shrinks ? new_end : remap->old_end) && (must_move || !shrinks))
        return -EFAULT;
    /* The old place of a shared mapping would have to show the same pages still. */
    if ((remap->flags & MREMAP_DONTUNMAP) && (area->flags & MAP_TYPE) != MAP_PRIVATE)
        return -EINVAL;
    if (shrinks && new_end < remap->old_end) {
        int error = space_unmap_locked(new_end, remap->old_end);
        if (error)
            return error;
        remap->old_end = new_end;
        area = area_tree_find(&space.areas, remap->start);
    }
    if (shrinks && !must_move)
        return (int64_t)remap->start;
    if (!must_move) {
        int grown = grow_in_place(remap, area);
        if (grown)
            return grown < 0 ? grown : (int64_t)remap->start;
        if (!(remap->flags & MREMAP_MAYMOVE))
            return -ENOMEM;
    }
    return move(remap, area);
}

int64_t space_remap(uint64_t address, uint64_t old_length, uint64_t new_length, int flags,
                    uint64_t new_address)
{
    struct remap remap = {.start = address, .flags = flags, .new_start = new_address};
    if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
        return -EINVAL;
    if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
        return -EINVAL;
    if ((flags & MREMAP_DONTUNMAP) && old_length != new_length)
        return -EINVAL;
    remap.new_length = page_up(new_length);
    if ((address & (PAGE_SIZE - 1)) || !remap.new_length)
        return -EINVAL;
    if (space_check_range(address, old_length, &remap.old_end))
        return -EFAULT;
    if (remap.new_length > PROGRAM_TOP - PROGRAM_FLOOR)
        return flags & MREMAP_FIXED ? -EINVAL : -ENOMEM;
    if (flags & MREMAP_FIXED) {
        if ((new_address & (PAGE_SIZE - 1)) || new_address > PROGRAM_TOP - remap.new_length)
            return -EINVAL;
        if (new_address < PROGRAM_FLOOR)
            return -EPERM;
        if (new_address < remap.old_end && address < new_address + remap.new_length)
            return -EINVAL; /* the two overlap */
    }
    sleep_lock_take(&space.lock);
    int64_t result = remap_locked(&remap);
    bool fill = result >= 0 && space.lock_future;
    sleep_lock_release(&space.lock);
    if (fill)
        space_populate((uint64_t)result, remap.new_length, SPACE_FAULT_READ);
    return result;
}
