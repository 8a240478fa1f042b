/* The address space's state: its areas, how they are cut and merged, and the account of promised
 * memory. The rest of space.h is in the files that space_internal.h lists. */
#include "instance/mm/space_internal.h"

#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/mman.h>

/* Frames that a program cannot be promised: the kernel needs some to go on, for page tables,
 * threads and buffers, while the program has filled all that it was promised. */
#define RESERVE_SHARE 64 /* one part in so many of the partition, */
#define RESERVE_MAX (UINT64_C(2) << 20)

struct space space;

static _Atomic uint64_t unpublished_sharing;

int space_init(void)
{
    user_init();
    space = (struct space){.sharing = 1, .published = &unpublished_sharing};
    sleep_lock_init(&space.lock);
    return 0;
}

int space_check_range(uint64_t address, uint64_t length, uint64_t *end)
{
    if (address & (PAGE_SIZE - 1))
        return -EINVAL;
    uint64_t rounded = page_up(length);
    if (rounded < length || address > PROGRAM_TOP || rounded > PROGRAM_TOP - address)
        return -ENOMEM;
    *end = address + rounded;
    return 0;
}

bool space_is_in_place(const struct area *area, uint64_t page, uint64_t physical)
{
    return area->source.bytes && area->source.physical != UINT64_MAX &&
           physical == area->source.physical + area->offset + (page - area->start);
}

unsigned space_platform_protection(int protection)
{
    unsigned result = 0;
    if (protection & (PROT_READ | PROT_WRITE | PROT_EXEC))
        result |= PLATFORM_READ;
    if (protection & PROT_WRITE)
        result |= PLATFORM_WRITE;
    if (protection & PROT_EXEC)
        result |= PLATFORM_EXECUTE;
    return result;
}

static void release_own(uint64_t *released, uint64_t physical, uint64_t length)
{
    if (length == 0)
        return;
    frame_free_run(physical, length, FRAME_PROGRAM);
    if (released)
        *released += length;
}

void space_release(void *context, uint64_t physical, uint64_t length)
{
    if (!frame_is_own(physical))
        return; /* a file's page that was mapped in place */
    /* Pages of files in memory stay with their file. They may lie beside the program's own. */
    uint64_t start = physical, end = physical + length;
    for (uint64_t page = start; space.file_pages != 0 && page < end; page += PAGE_SIZE) {
        if (!frame_is_file(frame_mark(page)))
            continue;
        release_own(context, start, page - start);
        start = page + PAGE_SIZE;
    }
    release_own(context, start, end - start);
}

/* --- The promise account -----------------------------------------------------------------------
 */

bool space_counts(int protection, int flags)
{
    if (flags & (MAP_NORESERVE | MAP_STACK))
        return false;
    return (protection & PROT_WRITE) || (flags & MAP_TYPE) == MAP_SHARED;
}

uint64_t space_promisable(void)
{
    uint64_t reserve = frame_bytes_total() / RESERVE_SHARE;
    if (reserve > RESERVE_MAX)
        reserve = RESERVE_MAX;
    uint64_t outstanding = space.promised - space.promised_resident;
    uint64_t taken = reserve + outstanding + outstanding / 512; /* with the page tables for it */
    uint64_t available = frame_bytes_free();
    return available > taken ? available - taken : 0;
}

uint64_t space_available(void)
{
    sleep_lock_take(&space.lock);
    uint64_t bytes = space_promisable();
    sleep_lock_release(&space.lock);
    return bytes;
}

static bool is_touched(const struct area *area)
{
    return area->touched_low < area->touched_high;
}

void space_area_touched(struct area *area, uint64_t start, uint64_t length)
{
    if (!is_touched(area) || start < area->touched_low)
        area->touched_low = start;
    if (start + length > area->touched_high)
        area->touched_high = start + length;
}

void space_area_filled(struct area *area, uint64_t bytes)
{
    area->resident += bytes;
    if (area->counted)
        space.promised_resident += bytes;
}

void space_area_emptied(struct area *area, uint64_t bytes)
{
    area->resident -= bytes;
    if (area->counted)
        space.promised_resident -= bytes;
}

uint64_t space_area_resident_in(const struct area *area, uint64_t start, uint64_t end)
{
    if (start <= area->touched_low && area->touched_high <= end)
        return area->resident;
    if (start < area->touched_low)
        start = area->touched_low;
    if (end > area->touched_high)
        end = area->touched_high;
    uint64_t bytes = 0;
    for (uint64_t page = start; area->resident && page < end; page += PAGE_SIZE) {
        uint64_t physical = platform_lookup(page, NULL);
        if (physical != UINT64_MAX && !space_is_in_place(area, page, physical))
            bytes += PAGE_SIZE;
    }
    return bytes;
}

/* --- Files of areas ----------------------------------------------------------------------------
 */

static struct area_file *_Atomic released_files;

static void area_file_hold(const struct area *area)
{
    if (area->source.file)
        atomic_fetch_add(&area->source.file->references, 1);
}

void area_file_put(struct area_file *file)
{
    if (!file || atomic_fetch_sub(&file->references, 1) != 1)
        return;
    file->next = atomic_load(&released_files);
    while (!atomic_compare_exchange_weak(&released_files, &file->next, file))
        ;
}

void space_release_files(void)
{
    if (!atomic_load_explicit(&released_files, memory_order_relaxed))
        return;
    struct area_file *file = atomic_exchange(&released_files, NULL);
    while (file) {
        struct area_file *next = file->next;
        file->release(file);
        file = next;
    }
}

/* --- Areas -------------------------------------------------------------------------------------
 */

struct area *space_area_create(uint64_t start, uint64_t end, int protection, int flags)
{
    struct area *area = kzalloc(sizeof(*area));
    if (!area)
        return NULL;
    area->start = start;
    area->end = end;
    area->protection = protection;
    area->flags = flags;
    area->counted = space_counts(protection, flags);
    area->source.physical = UINT64_MAX;
    return area;
}

void space_area_insert(struct area *area)
{
    area_tree_insert(&space.areas, area);
    if (area->counted)
        space.promised += area->end - area->start;
    space.changes++;
}

bool space_is_shared_file(const struct area *area)
{
    return area->source.file && (area->flags & MAP_TYPE) == MAP_SHARED;
}

void space_area_remove(struct area *area)
{
    area_tree_remove(&space.areas, area);
    if (area->counted) {
        space.promised -= area->end - area->start;
        space.promised_resident -= area->resident;
    }
    space.changes++;
    area_file_put(area->source.file);
    kfree(area);
}

/* Splits the area that has `at` inside it, if any. 0 or -ENOMEM. */
static int split_at(uint64_t at)
{
    struct area *area = area_tree_find(&space.areas, at);
    if (!area || area->start >= at)
        return 0;
    struct area *upper = kmalloc(sizeof(*upper));
    if (!upper)
        return -ENOMEM;
    *upper = *area;
    area_file_hold(area);
    upper->start = at;
    upper->offset += at - area->start;
    /* The shorter part is counted, page by page: taking a large area down piece by piece from
     * either end must not count all of it each time. */
    if (at - area->start < area->end - at)
        upper->resident = area->resident - space_area_resident_in(area, area->start, at);
    else
        upper->resident = space_area_resident_in(area, at, area->end);
    area->resident -= upper->resident;
    if (upper->touched_low < at)
        upper->touched_low = at;
    if (area->touched_high > at)
        area->touched_high = at;
    area->end = at;
    area_tree_resized(area);
    area_tree_insert(&space.areas, upper);
    space.changes++;
    return 0;
}

int space_cut(uint64_t start, uint64_t end)
{
    int error = split_at(start);
    if (!error)
        error = split_at(end);
    if (error)
        space_merge(start, start + 1);
    return error;
}

static bool is_same_kind(const struct area *lower, const struct area *upper)
{
    if (lower->end != upper->start || lower->protection != upper->protection ||
        lower->flags != upper->flags || lower->advice != upper->advice ||
        lower->counted != upper->counted || lower->name != upper->name ||
        lower->source.bytes != upper->source.bytes)
        return false;
    return !lower->source.bytes || (lower->source.size == upper->source.size &&
                                    lower->source.physical == upper->source.physical &&
                                    lower->offset + (lower->end - lower->start) == upper->offset);
}

static void absorb_next(struct area *area, struct area *next)
{
    area_tree_remove(&space.areas, next);
    area->end = next->end;
    area->resident += next->resident;
    space_area_take_shared(area, next);
    if (is_touched(next))
        space_area_touched(area, next->touched_low, next->touched_high - next->touched_low);
    area_tree_resized(area);
    space.changes++;
    area_file_put(next->source.file);
    kfree(next);
}

void space_merge(uint64_t start, uint64_t end)
{
    struct area *area = area_tree_find(&space.areas, start - 1);
    while (area && area->start < end) {
        struct area *next = area_tree_next(area);
        if (next && is_same_kind(area, next))
            absorb_next(area, next);
        else
            area = next;
    }
}

bool space_is_free(uint64_t start, uint64_t end)
{
    const struct area *area = area_tree_find(&space.areas, start);
    return !area || area->start >= end;
}

bool space_is_covered(uint64_t start, uint64_t end)
{
    const struct area *area = area_tree_find(&space.areas, start);
    while (area && area->start <= start && area->end < end) {
        start = area->end;
        area = area_tree_next(area);
    }
    return area && area->start <= start;
}

void space_visit(bool (*visit)(const struct space_area *area, void *context), void *context)
{
    /* One area at a time is copied out, so that `visit` may do as it likes. */
    uint64_t address = 0;
    for (;;) {
        sleep_lock_take(&space.lock);
        const struct area *area = area_tree_find(&space.areas, address);
        struct space_area copy = {0};
        if (area)
            copy = (struct space_area){
                .start = area->start,
                .end = area->end,
                .protection = area->protection,
                .flags = area->flags,
                .offset = area->offset,
                .name = area->name,
            };
        sleep_lock_release(&space.lock);
        if (!copy.end || !visit(&copy, context))
            return;
        address = copy.end;
    }
}
