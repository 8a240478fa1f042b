/* The page-frame allocator: a binary buddy system over the partition's ranges.
 *
 * One byte a page tells what begins there (enum page_state); the free lists run through the free
 * blocks themselves, reached through the direct map. All of that is under frames.lock. In front of
 * it each core has a small stack of single frames with a lock of its own, so that other cores can
 * take them when nothing else is left. Lock order: a cache's lock, then frames.lock. */
#include "instance/mm/frames.h"

#include "instance/core.h"
#include "instance/list.h"
#include "instance/log.h"
#include "instance/platform/platform.h"
#include "instance/spinlock.h"
#include "instance/string.h"
#include "shm/lagoon.h"

#include <asm/errno.h>

#define ORDERS (FRAME_ORDER_MAX + 1)
#define CACHE_FRAMES_MAX 64
#define WORN_WORDS(pages) (((pages) + 63) / 64)

/* What the byte of a page says. In use, it is the owner's mark (0..FRAME_MARK_MAX); the inner pages
 * of a free block keep 0. */
enum page_state {
    PAGE_IN_USE = 0,
    PAGE_CACHED = 0x40,     /* in some core's cache */
    PAGE_FREE_FIRST = 0x80, /* | order: the first page of a free block in a list */
};

struct range {
    uint64_t base;          /* physical */
    uint64_t pages;         /* from there on */
    _Atomic uint8_t *state; /* [pages]; atomic because marks are read without the lock */
    /* A bit for each page that has been in use and was freed: whatever it held is still there. */
    _Atomic uint64_t *worn; /* [WORN_WORDS(pages)] */
};

static struct {
    struct spinlock lock;
    struct range *ranges;
    size_t range_count;
    struct list free[ORDERS]; /* struct list in the first bytes of each free block */
    uint32_t occupied;        /* bit n: free[n] is not empty */
    uint64_t listed;          /* pages in the lists */
    uint64_t total;           /* bytes of the partition; constant after frames_init */
    bool zeroed;              /* pages that are not worn hold zeros */
} frames;

struct frame_cache {
    _Alignas(SHM_LINE) struct spinlock lock;
    uint32_t count;
    uint64_t frames[]; /* [cache_capacity], physical */
};

/* core_count caches, cache_stride bytes apart; NULL: the partition is too small for any. Constant
 * after frames_init. */
static uint8_t *caches;
static size_t cache_stride;
static uint32_t cache_capacity;

/* The statistics are kept where they are published. Until the section is known, that is here. */
static struct shm_counters early_counters;
static struct shm_counters *counters = &early_counters;

static void *direct(uint64_t physical)
{
    return (void *)(platform_direct_base + physical);
}

static uint64_t block_bytes(unsigned order)
{
    return PAGE_SIZE << order;
}

/* The range that holds `physical`, or NULL. Ranges never change after frames_init: no lock. */
static struct range *range_of(uint64_t physical)
{
    size_t low = 0, high = frames.range_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct range *range = &frames.ranges[middle];
        if (physical < range->base)
            high = middle;
        else if (physical - range->base >= range->pages * PAGE_SIZE)
            low = middle + 1;
        else
            return range;
    }
    return NULL;
}

static uint8_t state_get(const struct range *range, uint64_t physical)
{
    return atomic_load_explicit(&range->state[(physical - range->base) >> PAGE_SHIFT],
                                memory_order_relaxed);
}

static void state_set(const struct range *range, uint64_t physical, unsigned state)
{
    atomic_store_explicit(&range->state[(physical - range->base) >> PAGE_SHIFT], (uint8_t)state,
                          memory_order_relaxed);
}

bool frame_is_own(uint64_t physical)
{
    return range_of(physical) != NULL;
}

void frame_set_mark(uint64_t physical, uint8_t mark)
{
    struct range *range = range_of(physical);
    kernel_assert(range && mark <= FRAME_MARK_MAX);
    state_set(range, physical, mark);
}

uint8_t frame_mark(uint64_t physical)
{
    struct range *range = range_of(physical);
    uint8_t state = range ? state_get(range, physical) : UINT8_MAX;
    return state <= FRAME_MARK_MAX ? state : UINT8_MAX;
}

/* --- Statistics --------------------------------------------------------------------------------
 */

static void account_taken(uint64_t bytes, enum frame_use use)
{
    uint64_t used =
        atomic_fetch_add_explicit(&counters->memory_used, bytes, memory_order_relaxed) + bytes;
    uint64_t peak = atomic_load_explicit(&counters->memory_peak, memory_order_relaxed);
    while (peak < used &&
           !atomic_compare_exchange_weak_explicit(&counters->memory_peak, &peak, used,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    if (use != FRAME_PROGRAM)
        atomic_fetch_add_explicit(&counters->memory_kernel, bytes, memory_order_relaxed);
}

static void account_given_back(uint64_t bytes, enum frame_use use)
{
    atomic_fetch_sub_explicit(&counters->memory_used, bytes, memory_order_relaxed);
    if (use != FRAME_PROGRAM)
        atomic_fetch_sub_explicit(&counters->memory_kernel, bytes, memory_order_relaxed);
}

void frames_set_counters(struct shm_counters *published)
{
    published->memory_total = counters->memory_total;
    published->memory_used = counters->memory_used;
    published->memory_peak = counters->memory_peak;
    published->memory_kernel = counters->memory_kernel;
    counters = published;
}

uint64_t frame_bytes_total(void)
{
    return frames.total;
}

uint64_t frame_bytes_free(void)
{
    return frames.total - atomic_load_explicit(&counters->memory_used, memory_order_relaxed);
}

void frame_statistics(struct frame_statistics *out)
{
    uint64_t saved = spin_lock_irq(&frames.lock);
    uint32_t occupied = frames.occupied;
    spin_unlock_irq(&frames.lock, saved);
    out->total = frames.total;
    out->used = atomic_load_explicit(&counters->memory_used, memory_order_relaxed);
    out->peak = atomic_load_explicit(&counters->memory_peak, memory_order_relaxed);
    out->kernel = atomic_load_explicit(&counters->memory_kernel, memory_order_relaxed);
    out->largest_free = occupied ? block_bytes(31 - (unsigned)__builtin_clz(occupied)) : 0;
}

/* --- Pages that were in use before --------------------------------------------------------------
 */

static bool is_worn(const struct range *range, uint64_t page)
{
    return atomic_load_explicit(&range->worn[page / 64], memory_order_relaxed) >> page % 64 & 1;
}

/* By who frees the pages: the lists' lock hands the note on, with the page, to the next owner. */
static void wear(uint64_t physical, uint64_t length)
{
    const struct range *range = range_of(physical);
    kernel_assert(range);
    uint64_t page = (physical - range->base) >> PAGE_SHIFT, end = page + (length >> PAGE_SHIFT);
    while (page < end) {
        uint64_t left = 64 - page % 64, count = end - page < left ? end - page : left;
        uint64_t mask = (~UINT64_C(0) >> (64 - count)) << page % 64;
        _Atomic uint64_t *word = &range->worn[page / 64];
        if ((atomic_load_explicit(word, memory_order_relaxed) & mask) != mask)
            atomic_fetch_or_explicit(word, mask, memory_order_relaxed);
        page += count;
    }
}

void frames_expect_zeros(void)
{
    frames.zeroed = true;
}

void frame_zero(uint64_t physical, unsigned order)
{
    if (!frames.zeroed) {
        frame_clear(direct(physical), block_bytes(order));
        return;
    }
    const struct range *range = range_of(physical);
    uint64_t first = (physical - range->base) >> PAGE_SHIFT, count = UINT64_C(1) << order;
    for (uint64_t page = 0; page < count;) {
        uint64_t run = page;
        while (run < count && is_worn(range, first + run))
            run++;
        if (run > page)
            frame_clear(direct(physical + page * PAGE_SIZE), (run - page) * PAGE_SIZE);
        page = run + 1;
    }
}

/* --- The buddy lists, under frames.lock --------------------------------------------------------
 */

static void list_block(struct range *range, uint64_t physical, unsigned order)
{
    struct list *node = direct(physical);
    struct list *head = &frames.free[order];
    /* At the front: the block most recently used is the one most likely still in a cache. */
    node->next = head->next;
    node->previous = head;
    head->next->previous = node;
    head->next = node;
    frames.occupied |= UINT32_C(1) << order;
    state_set(range, physical, PAGE_FREE_FIRST | order);
}

static void unlist_block(struct range *range, uint64_t physical, unsigned order)
{
    struct list *node = direct(physical);
    list_remove(node);
    *node = (struct list){0}; /* as it was, if it was all zeros */
    if (list_empty(&frames.free[order]))
        frames.occupied &= ~(UINT32_C(1) << order);
    state_set(range, physical, PAGE_IN_USE);
}

static uint64_t buddy_take(unsigned order)
{
    uint32_t fitting = frames.occupied & ~((UINT32_C(1) << order) - 1);
    if (!fitting)
        return FRAME_NONE;
    unsigned found = (unsigned)__builtin_ctz(fitting);
    uint64_t physical = (uint64_t)((uintptr_t)frames.free[found].next - platform_direct_base);
    struct range *range = range_of(physical);
    unlist_block(range, physical, found);
    while (found > order) {
        found--;
        list_block(range, physical + block_bytes(found), found);
    }
    frames.listed -= UINT64_C(1) << order;
    return physical;
}

static void buddy_give(uint64_t physical, unsigned order)
{
    struct range *range = range_of(physical);
    kernel_assert(range && !(physical & (block_bytes(order) - 1)));
    kernel_assert(state_get(range, physical) == PAGE_IN_USE); /* else freed twice */
    uint64_t last = range->base + range->pages * PAGE_SIZE;
    kernel_assert(block_bytes(order) <= last - physical);
    frames.listed += UINT64_C(1) << order;
    for (; order < FRAME_ORDER_MAX; order++) {
        uint64_t buddy = physical ^ block_bytes(order);
        if (buddy < range->base || buddy >= last ||
            state_get(range, buddy) != (PAGE_FREE_FIRST | order))
            break;
        unlist_block(range, buddy, order);
        if (buddy < physical)
            physical = buddy;
    }
    list_block(range, physical, order);
}

static void buddy_give_run(uint64_t physical, uint64_t length)
{
    while (length) {
        unsigned order = 0;
        while (order < FRAME_ORDER_MAX && !(physical & block_bytes(order)) &&
               block_bytes(order + 1) <= length)
            order++;
        buddy_give(physical, order);
        physical += block_bytes(order);
        length -= block_bytes(order);
    }
}

/* --- The cores' caches -------------------------------------------------------------------------
 */

static struct frame_cache *cache_of(uint32_t core)
{
    return (struct frame_cache *)(caches + core * cache_stride);
}

/* Decides the caches' size; returns the bytes that they need all in all. Small partitions get small
 * caches, so that what lies in them is not missed elsewhere, or none. */
static size_t caches_plan(uint64_t pages)
{
    uint64_t fair = pages / 64 / core_count;
    if (fair < 4) {
        cache_capacity = 0;
        return 0;
    }
    cache_capacity = fair > CACHE_FRAMES_MAX ? CACHE_FRAMES_MAX : (uint32_t)fair;
    cache_stride = (sizeof(struct frame_cache) + cache_capacity * sizeof(uint64_t) + SHM_LINE - 1) /
                   SHM_LINE * SHM_LINE;
    return cache_stride * core_count;
}

/* Moves `count` frames from the top of a cache back to the lists. The cache's lock is held. */
static void cache_shrink(struct frame_cache *cache, uint32_t count)
{
    spin_lock(&frames.lock);
    while (count--) {
        uint64_t physical = cache->frames[--cache->count];
        state_set(range_of(physical), physical, PAGE_IN_USE);
        buddy_give(physical, 0);
    }
    spin_unlock(&frames.lock);
}

void frames_drain_caches(void)
{
    for (uint32_t core = 0; caches && core < core_count; core++) {
        struct frame_cache *cache = cache_of(core);
        uint64_t saved = spin_lock_irq(&cache->lock);
        cache_shrink(cache, cache->count);
        spin_unlock_irq(&cache->lock, saved);
    }
}

static uint64_t cache_take(void)
{
    /* Interrupts go off first, so that this is still our core when its cache is looked up. */
    uint64_t saved = interrupts_disable();
    struct frame_cache *cache = cache_of(core_self()->index);
    spin_lock(&cache->lock);
    if (!cache->count) {
        spin_lock(&frames.lock);
        /* Near the end of memory, hoarding would only make the cores rob each other. */
        uint32_t want =
            frames.listed > (uint64_t)cache_capacity * core_count * 4 ? cache_capacity / 2 : 1;
        while (cache->count < want) {
            uint64_t physical = buddy_take(0);
            if (physical == FRAME_NONE)
                break;
            state_set(range_of(physical), physical, PAGE_CACHED);
            cache->frames[cache->count++] = physical;
        }
        spin_unlock(&frames.lock);
        /* The lowest first, so that pages touched in a row are neighbours in memory too: `hosted`
         * needs one host mapping for each run of neighbours, and has a limited number. */
        for (uint32_t low = 0, high = cache->count; low + 1 < high; low++) {
            uint64_t swapped = cache->frames[--high];
            cache->frames[high] = cache->frames[low];
            cache->frames[low] = swapped;
        }
    }
    uint64_t physical = FRAME_NONE;
    if (cache->count) {
        physical = cache->frames[--cache->count];
        state_set(range_of(physical), physical, PAGE_IN_USE);
    }
    spin_unlock(&cache->lock);
    interrupts_restore(saved);
    return physical;
}

static void cache_give(uint64_t physical)
{
    uint64_t saved = interrupts_disable();
    struct frame_cache *cache = cache_of(core_self()->index);
    spin_lock(&cache->lock);
    if (cache->count == cache_capacity)
        cache_shrink(cache, cache_capacity / 2);
    struct range *range = range_of(physical);
    kernel_assert(range && state_get(range, physical) == PAGE_IN_USE); /* else freed twice */
    state_set(range, physical, PAGE_CACHED);
    cache->frames[cache->count++] = physical;
    spin_unlock(&cache->lock);
    interrupts_restore(saved);
}

/* --- What the others call ----------------------------------------------------------------------
 */

static uint64_t locked_take(unsigned order)
{
    uint64_t saved = spin_lock_irq(&frames.lock);
    uint64_t physical = buddy_take(order);
    spin_unlock_irq(&frames.lock, saved);
    return physical;
}

uint64_t frame_alloc(unsigned order, enum frame_use use)
{
    if (order > FRAME_ORDER_MAX)
        return FRAME_NONE;
    uint64_t physical = order == 0 && caches ? cache_take() : locked_take(order);
    if (physical == FRAME_NONE && caches) {
        frames_drain_caches();
        physical = locked_take(order);
    }
    if (physical != FRAME_NONE)
        account_taken(block_bytes(order), use);
    return physical;
}

void frame_free(uint64_t physical, unsigned order, enum frame_use use)
{
    wear(physical, block_bytes(order));
    /* Taken off before the frame can be had by another, so that `used` never exceeds `total`. */
    account_given_back(block_bytes(order), use);
    if (order == 0 && caches) {
        cache_give(physical);
        return;
    }
    uint64_t saved = spin_lock_irq(&frames.lock);
    buddy_give(physical, order);
    spin_unlock_irq(&frames.lock, saved);
}

void frame_free_run(uint64_t physical, uint64_t length, enum frame_use use)
{
    if (length == PAGE_SIZE) {
        frame_free(physical, 0, use);
        return;
    }
    wear(physical, length);
    account_given_back(length, use);
    uint64_t saved = spin_lock_irq(&frames.lock);
    buddy_give_run(physical, length);
    spin_unlock_irq(&frames.lock, saved);
}

/* The compiler would turn the loop into memset, which may use string instructions. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void frame_clear(void *page,
                                                                               size_t length)
{
    if (PLATFORM_STRINGS_ARE_FAST) {
        __asm__ volatile("rep stosb" : "+D"(page), "+c"(length) : "a"(0) : "memory");
        return;
    }
    uint64_t *word = page, *end = word + length / sizeof(uint64_t);
    for (; word < end; word += 8) {
        word[0] = 0;
        word[1] = 0;
        word[2] = 0;
        word[3] = 0;
        word[4] = 0;
        word[5] = 0;
        word[6] = 0;
        word[7] = 0;
    }
}

/* The part of a range that the kernel's image and tables leave. */
static uint64_t free_from(const struct frame_range *ranges, size_t i, uint64_t used_end)
{
    return i == 0 && used_end > ranges[0].base ? used_end : ranges[i].base;
}

int frames_init(const struct frame_range *ranges, size_t count, uint64_t used_end)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < count; i++)
        pages += ranges[i].size / PAGE_SIZE;
    uint64_t words = 0;
    for (size_t i = 0; i < count; i++)
        words += WORN_WORDS(ranges[i].size / PAGE_SIZE);
    size_t cache_bytes = caches_plan(pages);
    uint64_t bookkeeping =
        cache_bytes + count * sizeof(struct range) + words * sizeof(uint64_t) + pages;
    bookkeeping = (bookkeeping + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    used_end = (used_end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

    size_t home = 0;
    while (home < count &&
           free_from(ranges, home, used_end) + bookkeeping > ranges[home].base + ranges[home].size)
        home++;
    if (home == count)
        return -ENOMEM;
    uint8_t *place = direct(free_from(ranges, home, used_end));
    memset(place, 0, bookkeeping); /* caches empty, locks free, all pages PAGE_IN_USE */

    frames.lock = (struct spinlock){0};
    for (unsigned order = 0; order < ORDERS; order++)
        list_init(&frames.free[order]);
    frames.occupied = 0;
    frames.listed = 0;
    frames.total = pages * PAGE_SIZE;
    frames.zeroed = false;
    caches = cache_bytes ? place : NULL;
    frames.ranges = (struct range *)(place + cache_bytes);
    frames.range_count = count;
    _Atomic uint64_t *worn = (_Atomic uint64_t *)(frames.ranges + count);
    _Atomic uint8_t *state = (_Atomic uint8_t *)(worn + words);
    for (size_t i = 0; i < count; i++) {
        frames.ranges[i] = (struct range){ranges[i].base, ranges[i].size / PAGE_SIZE, state, worn};
        state += frames.ranges[i].pages;
        worn += WORN_WORDS(frames.ranges[i].pages);
    }

    counters->memory_total = frames.total;
    counters->memory_used = frames.total;
    counters->memory_kernel = frames.total;
    for (size_t i = 0; i < count; i++) {
        uint64_t from = free_from(ranges, i, used_end) + (i == home ? bookkeeping : 0);
        uint64_t to = ranges[i].base + ranges[i].size;
        if (from < to) {
            buddy_give_run(from, to - from);
            account_given_back(to - from, FRAME_KERNEL);
        }
    }
    counters->memory_peak = counters->memory_used;
    return 0;
}
