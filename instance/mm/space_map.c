/* mmap and munmap. */
#include "instance/mm/space_internal.h"

#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/mman.h>

/* What an area remembers of mmap's flags. */
#define KEPT_FLAGS                                                                                 \
    (MAP_TYPE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_GROWSDOWN | MAP_HUGETLB)

int space_unmap_locked(uint64_t start, uint64_t end)
{
    if (space_is_free(start, end))
        return 0;
    int error = space_cut(start, end);
    if (error)
        return error;
    space_unshare(start, end);
    error = platform_unmap(start, end - start, space_release, NULL);
    if (error) {
        space_merge(start, end);
        return error;
    }
    struct area *area = area_tree_find(&space.areas, start);
    while (area && area->start < end) {
        struct area *next = area_tree_next(area);
        space_area_remove(area);
        area = next;
    }
    return 0;
}

int space_unmap(uint64_t address, uint64_t length)
{
    uint64_t end;
    if (!length || space_check_range(address, length, &end))
        return -EINVAL;
    sleep_lock_take(&space.lock);
    int error = space_unmap_locked(address, end);
    sleep_lock_release(&space.lock);
    return error;
}

/* Rounds the length and checks what does not depend on the areas. */
static int check_request(uint64_t address, uint64_t *length, int flags)
{
    if (!*length)
        return -EINVAL;
    uint64_t unit = PAGE_SIZE;
    if (flags & MAP_HUGETLB) {
        unsigned size_log = (unsigned)flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;
        if (size_log && size_log != 21)
            return -EINVAL; /* 2 MiB is the one size there is */
        unit = LARGE_PAGE_SIZE;
    }
    uint64_t rounded = (*length + unit - 1) & ~(unit - 1);
    if (rounded < *length || rounded > PROGRAM_TOP)
        return -ENOMEM;
    *length = rounded;
    if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
        return 0;
    if (address & (unit - 1))
        return -EINVAL;
    if (address > PROGRAM_TOP - rounded)
        return -ENOMEM;
    return address < PROGRAM_FLOOR ? -EPERM : 0;
}

/* What the range replaces: is all of it memory that the program has only reserved (PROT_NONE) up to
 * now, so that it keeps its own account of it? */
static bool is_reservation(uint64_t start, uint64_t end)
{
    const struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area))
        if (area->protection != PROT_NONE || area->counted || area->source.bytes)
            return false;
    return space_is_covered(start, end);
}

/* The counted bytes in the range that have no frame yet: promises that end with the mapping. */
static uint64_t promised_away(uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;
    const struct area *area = area_tree_find(&space.areas, start);
    for (; area && area->start < end; area = area_tree_next(area)) {
        uint64_t from = area->start > start ? area->start : start;
        uint64_t to = area->end < end ? area->end : end;
        /* Frames there become free again, whether they were promised or not. */
        bytes += area->counted ? to - from : space_area_resident_in(area, from, to);
    }
    return bytes;
}

/* May an area of this kind be put at [start, end)? May add MAP_NORESERVE to *flags. 0 or -ENOMEM.
 */
static int promise(uint64_t start, uint64_t end, int protection, int *flags)
{
    if (!space_counts(protection, *flags))
        return 0;
    if ((*flags & MAP_FIXED) && is_reservation(start, end))
        *flags |= MAP_NORESERVE;
    uint64_t length = end - start;
    if (length <= space_promisable())
        return 0;
    return length <= space_promisable() + promised_away(start, end) ? 0 : -ENOMEM;
}

static int64_t map_locked(uint64_t address, uint64_t length, int protection, int flags,
                          const struct area_source *source, uint64_t offset, const char *name)
{
    if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
        address = space_place(address, length, flags, !source);
        if (!address)
            return -ENOMEM;
    }
    uint64_t end = address + length;
    if ((flags & MAP_FIXED_NOREPLACE) && !space_is_free(address, end))
        return -EEXIST;
    int type = flags & MAP_TYPE;
    if (type != MAP_PRIVATE && type != MAP_SHARED)
        return -EINVAL;
    int error = promise(address, end, protection, &flags);
    if (error)
        return error;
    struct area *area = space_area_create(address, end, protection, flags & KEPT_FLAGS);
    if (!area)
        return -ENOMEM;
    if (source) {
        area->source = *source;
        area->offset = offset;
    }
    area->name = name;
    if (flags & MAP_HUGETLB)
        area->advice = ADVICE_HUGE;
    error = space_unmap_locked(address, end);
    if (error) {
        kfree(area);
        return error;
    }
    space_area_insert(area);
    space_merge(address, end);
    return (int64_t)address;
}

int64_t space_map(uint64_t address, uint64_t length, int protection, int flags,
                  const struct area_source *source, uint64_t offset, const char *name)
{
    int error = check_request(address, &length, flags);
    if (error)
        return error;
    protection &= PROT_READ | PROT_WRITE | PROT_EXEC;
    sleep_lock_take(&space.lock);
    int64_t result = map_locked(address, length, protection, flags, source, offset, name);
    bool fill = space.lock_future;
    sleep_lock_release(&space.lock);
    if (result < 0)
        return result;
    if ((fill || (flags & (MAP_POPULATE | MAP_LOCKED))) && protection) {
        /* As on Linux, a page that cannot be had now is not mmap's error. */
        enum space_fault access = SPACE_FAULT_EXECUTE;
        if (protection & PROT_WRITE)
            access = SPACE_FAULT_WRITE;
        else if (protection & PROT_READ)
            access = SPACE_FAULT_READ;
        space_populate((uint64_t)result, length, access);
    }
    return result;
}
