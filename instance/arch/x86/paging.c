/* The instance's page tables (Intel SDM 3A, 4.5): 4-level, pages of 4 KiB, 2 MiB and 1 GiB. On `pc`
 * the CPU walks them; on `hosted` they are the record of what the host has been told to map.
 *
 * Entries are reached through the direct map. Bits that the CPU ignores carry what it cannot know:
 * in an entry that names a table, the number of entries in use there (so that an empty table is
 * freed at once); in a leaf, whether the page is mapped but forbidden, or being unmapped. */
#include "instance/arch/x86/paging.h"

#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/spinlock.h"

#include <errno.h>
#include <platform/paging.h> /* of the platform that the kernel is compiled for */

#define PRESENT UINT64_C(1)
#define WRITABLE (UINT64_C(1) << 1)
#define ACCESSED                                                                                   \
    (UINT64_C(3) << 5) /* and dirty: nobody reads them, so spare the CPU the update                \
                        */
#define LARGE (UINT64_C(1) << 7)
#define SOFT_FORBIDDEN (UINT64_C(1) << 9) /* leaf, not present: protection 0 */
#define SOFT_DYING (UINT64_C(1) << 10)    /* leaf, not present: waits for the flush */
#define NO_EXECUTE (UINT64_C(1) << 63)
#define ADDRESS UINT64_C(0x000ffffffffff000)
#define COUNT_SHIFT 52 /* entries in use in the table that this entry names */
#define COUNT_ONE (UINT64_C(1) << COUNT_SHIFT)
#define COUNT_MASK (UINT64_C(0x3ff) << COUNT_SHIFT)
#define LEVELS 4
#define KERNEL_HALF UINT64_C(0x800000000000)

uint64_t paging_root;
static struct spinlock paging_lock;

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(platform_direct_base + (entry & ADDRESS));
}

/* Bytes that one entry of a table at `level` (1..4) covers. */
static uint64_t span(int level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

static unsigned index_at(uintptr_t virtual, int level)
{
    return virtual >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

static bool is_leaf(uint64_t entry, int level)
{
    return level == 1 ? entry != 0 : (entry & LARGE) != 0; /* LARGE stays in a leaf not present */
}

static uint64_t leaf_entry(uint64_t physical, unsigned protection, int level)
{
    uint64_t entry = physical | ACCESSED;
    if (level > 1)
        entry |= LARGE;
    if (!(protection & PLATFORM_EXECUTE))
        entry |= NO_EXECUTE;
    if (protection & PLATFORM_WRITE)
        entry |= WRITABLE;
    return entry | (protection ? PRESENT : SOFT_FORBIDDEN);
}

static uint64_t *root(void)
{
    return table_of(paging_root);
}

/* The program's half: tables there are counted and freed. The kernel's half was begun by the
 * loader, without counts, and its tables stay. */
static bool is_counted(uintptr_t virtual)
{
    return virtual < KERNEL_HALF;
}

/* The entry for `virtual` at `level`, with tables made on the way; parents[l] is the entry that
 * names the table at level l. NULL: no memory. */
static uint64_t *walk_make(uintptr_t virtual, int level, uint64_t *parents[LEVELS + 1])
{
    uint64_t *table = root();
    parents[LEVELS] = NULL;
    for (int at = LEVELS; at > level; at--) {
        uint64_t *entry = &table[index_at(virtual, at)];
        if (!*entry) {
            uint64_t frame = frame_alloc(0, FRAME_TABLE);
            if (frame == FRAME_NONE)
                return NULL;
            frame_zero(frame, 0);
            *entry = frame | PRESENT | WRITABLE | ACCESSED;
            if (parents[at])
                *parents[at] += COUNT_ONE;
        }
        kernel_assert(!is_leaf(*entry, at));
        parents[at - 1] = entry;
        table = table_of(*entry);
    }
    return &table[index_at(virtual, level)];
}

/* Frees the tables above `virtual` that have become empty, from level 1 up. */
static void prune(uintptr_t virtual)
{
    if (!is_counted(virtual))
        return;
    for (int level = 1; level < LEVELS; level++) {
        /* Walks anew for each level: a table that is freed must leave its parent first. */
        uint64_t *entry = root() + index_at(virtual, LEVELS), *parent = NULL;
        int at = LEVELS;
        for (; at > level + 1; at--) {
            if (!*entry || is_leaf(*entry, at))
                break;
            parent = entry;
            entry = table_of(*entry) + index_at(virtual, at - 1);
        }
        if (at > level + 1 || !*entry || is_leaf(*entry, level + 1))
            continue;
        if (*entry & COUNT_MASK)
            return;
        uint64_t frame = *entry & ADDRESS;
        *entry = 0;
        if (parent)
            *parent -= COUNT_ONE;
        frame_free(frame, 0, FRAME_TABLE);
    }
}

/* Finds the leaf that covers `virtual`: its entry and level, or NULL; *gap is then how far the hole
 * reaches at least, up to the next border of a table. */
static uint64_t *find_leaf(uintptr_t virtual, int *level, uint64_t **parent, uint64_t *gap)
{
    uint64_t *table = root(), *above = NULL;
    for (int at = LEVELS; at >= 1; at--) {
        uint64_t *entry = &table[index_at(virtual, at)];
        if (!*entry) {
            *gap = span(at) - (virtual & (span(at) - 1));
            return NULL;
        }
        if (is_leaf(*entry, at)) {
            *level = at;
            *parent = above;
            return entry;
        }
        above = entry;
        table = table_of(*entry);
    }
    return NULL;
}

/* Splits large leaves until `virtual` is at a border between leaves. 0 or -ENOMEM. */
static int split_at(uintptr_t virtual)
{
    for (;;) {
        int level;
        uint64_t *parent, gap;
        uint64_t *entry = find_leaf(virtual, &level, &parent, &gap);
        if (!entry || !(virtual & (span(level) - 1)))
            return 0;
        uint64_t frame = frame_alloc(0, FRAME_TABLE);
        if (frame == FRAME_NONE)
            return -ENOMEM;
        uint64_t *table = table_of(frame), old = *entry;
        uint64_t flags = old & ~(ADDRESS | (level == 2 ? LARGE : 0));
        for (unsigned i = 0; i < 512; i++)
            table[i] = ((old & ADDRESS) + i * span(level - 1)) | flags;
        *entry = frame | PRESENT | WRITABLE | ACCESSED | UINT64_C(512) << COUNT_SHIFT;
    }
}

static int leaf_level(uintptr_t virtual, uint64_t physical, uint64_t length)
{
    for (int level = 3; level > 1; level--)
        if (!((virtual | physical) & (span(level) - 1)) && length >= span(level))
            return level;
    return 1;
}

int platform_map(uintptr_t virtual, uint64_t physical, uint64_t length, unsigned protection)
{
    uintptr_t start = virtual, end = virtual + length;
    uint64_t saved = spin_lock_irq(&paging_lock);
    while (virtual < end) {
        int level = leaf_level(virtual, physical, end - virtual);
        if (level == 3) /* keeps the tables simple; 1 GiB leaves are the loader's */
            level = 2;
        uint64_t *parents[LEVELS + 1];
        uint64_t *entry = walk_make(virtual, level, parents);
        if (entry && level > 1 && *entry && !is_leaf(*entry, level)) {
            /* Small pages were here before: an empty table is pruned, a used one is kept. */
            level = 1;
            entry = walk_make(virtual, level, parents);
        }
        if (!entry) {
            prune(virtual);
            spin_unlock_irq(&paging_lock, saved);
            if (virtual > start)
                platform_unmap(start, virtual - start, NULL, NULL);
            return -ENOMEM;
        }
        if (!*entry && parents[level] && is_counted(virtual))
            *parents[level] += COUNT_ONE;
        *entry = leaf_entry(physical, protection, level);
        virtual += span(level);
        physical += span(level);
    }
    spin_unlock_irq(&paging_lock, saved);
    int error = paging_host_map(start, physical - (end - start), end - start, protection);
    if (error) {
        platform_unmap(start, end - start, NULL, NULL);
        return error;
    }
    return 0;
}

static unsigned protection_of(uint64_t entry)
{
    if (!(entry & PRESENT))
        return 0;
    return PLATFORM_READ | (entry & WRITABLE ? PLATFORM_WRITE : 0u) |
           (entry & NO_EXECUTE ? 0u : PLATFORM_EXECUTE);
}

/* Tells the host the protection of each run of leaves in [virtual, end): this one, or, with
 * PROTECTION_OF_TABLE, what the table says. 0 or -ENOMEM. The lock is held. */
#define PROTECTION_OF_TABLE UINT32_MAX
static int host_protect(uintptr_t virtual, uintptr_t end, unsigned protection)
{
    uintptr_t run = virtual;
    unsigned run_protection = 0;
    int error = 0;
    while (virtual < end) {
        int level;
        uint64_t *parent, gap;
        const uint64_t *entry = find_leaf(virtual, &level, &parent, &gap);
        unsigned wanted = protection;
        if (entry) {
            gap = span(level) - (virtual & (span(level) - 1));
            if (protection == PROTECTION_OF_TABLE)
                wanted = protection_of(*entry);
        }
        if (run < virtual && (!entry || wanted != run_protection)) {
            error = paging_host_protect(run, virtual - run, run_protection);
            if (error)
                return error;
            run = virtual;
        }
        virtual += gap;
        if (!entry)
            run = virtual;
        run_protection = wanted;
    }
    if (run < end)
        error = paging_host_protect(run, end - run, run_protection);
    return error;
}

/* Marks the leaves in the range as dying: nobody gets a new translation, the address stays
 * readable. */
static bool mark_dying(uintptr_t virtual, uintptr_t end)
{
    bool any = false;
    while (virtual < end) {
        int level;
        uint64_t *parent, gap;
        uint64_t *entry = find_leaf(virtual, &level, &parent, &gap);
        if (entry) {
            *entry = (*entry & ~(PRESENT | SOFT_FORBIDDEN)) | SOFT_DYING;
            any = true;
            gap = span(level);
        }
        virtual += gap;
    }
    return any;
}

/* Empties the dying leaves and hands out what they named, run by run; frees empty tables. */
static void reap(uintptr_t virtual, uintptr_t end, platform_release_t release, void *context)
{
    uint64_t run_start = 0, run_length = 0;
    while (virtual < end) {
        int level;
        uint64_t *parent, gap;
        uint64_t *entry = find_leaf(virtual, &level, &parent, &gap);
        if (entry) {
            uint64_t physical = *entry & ADDRESS;
            *entry = 0;
            gap = span(level);
            if (is_counted(virtual)) {
                *parent -= COUNT_ONE;
                if (!(*parent & COUNT_MASK))
                    prune(virtual);
            }
            if (run_length && run_start + run_length == physical) {
                run_length += gap;
            } else {
                if (run_length && release)
                    release(context, run_start, run_length);
                run_start = physical;
                run_length = gap;
            }
        }
        virtual += gap;
    }
    if (run_length && release)
        release(context, run_start, run_length);
}

static bool is_any_mapped(uintptr_t virtual, uintptr_t end)
{
    while (virtual < end) {
        int level;
        uint64_t *parent, gap;
        if (find_leaf(virtual, &level, &parent, &gap))
            return true;
        virtual += gap;
    }
    return false;
}

int platform_unmap(uintptr_t virtual, uint64_t length, platform_release_t release, void *context)
{
    uintptr_t end = virtual + length;
    uint64_t saved = spin_lock_irq(&paging_lock);
    if (split_at(virtual) || split_at(end)) {
        spin_unlock_irq(&paging_lock, saved);
        return -ENOMEM;
    }
    if (PAGING_HOST && !is_any_mapped(virtual, end)) { /* spares the host a call */
        spin_unlock_irq(&paging_lock, saved);
        return 0;
    }
    if (paging_host_unmap(virtual, length)) {
        spin_unlock_irq(&paging_lock, saved);
        return -ENOMEM;
    }
    bool any = mark_dying(virtual, end);
    spin_unlock_irq(&paging_lock, saved);
    if (!any)
        return 0;
    flush_range(virtual, length);
    saved = spin_lock_irq(&paging_lock);
    reap(virtual, end, release, context);
    spin_unlock_irq(&paging_lock, saved);
    return 0;
}

int platform_protect(uintptr_t virtual, uint64_t length, unsigned protection)
{
    uintptr_t at = virtual, end = virtual + length;
    uint64_t saved = spin_lock_irq(&paging_lock);
    if (split_at(virtual) || split_at(end)) {
        spin_unlock_irq(&paging_lock, saved);
        return -ENOMEM;
    }
    if (PAGING_HOST && host_protect(virtual, end, protection)) {
        host_protect(virtual, end, PROTECTION_OF_TABLE); /* as it was: needs no more than it had */
        spin_unlock_irq(&paging_lock, saved);
        return -ENOMEM;
    }
    bool any = false;
    while (at < end) {
        int level;
        uint64_t *parent, gap;
        uint64_t *entry = find_leaf(at, &level, &parent, &gap);
        if (entry) {
            *entry = leaf_entry(*entry & ADDRESS, protection, level);
            any = true;
            gap = span(level);
        }
        at += gap;
    }
    spin_unlock_irq(&paging_lock, saved);
    if (any)
        flush_range(virtual, length);
    return 0;
}

uint64_t platform_lookup(uintptr_t virtual, unsigned *protection)
{
    int level;
    uint64_t *parent, gap;
    uint64_t saved = spin_lock_irq(&paging_lock);
    const uint64_t *found = find_leaf(virtual, &level, &parent, &gap);
    uint64_t entry = found ? *found : 0;
    spin_unlock_irq(&paging_lock, saved);
    if (!entry || entry & SOFT_DYING)
        return UINT64_MAX;
    if (protection)
        *protection = protection_of(entry);
    return (entry & ADDRESS & ~(span(level) - 1)) + (virtual & (span(level) - 1));
}
