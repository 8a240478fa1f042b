/* The page-frame allocator against a model that knows the owner of every page. */
#include "partition.h"

#include "instance/list.h"
#include "shm/lagoon.h"

#include <pthread.h>
#include <stdlib.h>

static struct frame_statistics statistics(void)
{
    struct frame_statistics now;
    frames_drain_caches();
    frame_statistics(&now);
    return now;
}

static uint8_t *direct(uint64_t physical)
{
    return (uint8_t *)(platform_direct_base + physical);
}

Test(frames, small_partition_keeps_its_memory)
{
    memory_create(4 * MIB, 0, 1);
    const struct frame_range range = {PARTITION_PHYSICAL, 4 * MIB};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL + 100 * 1024), 0);
    struct frame_statistics now = statistics();
    cr_assert_eq(now.total, 4 * MIB);
    /* The image's 25 pages and one of bookkeeping. */
    cr_assert_eq(now.used, 26 * PAGE_SIZE);
    cr_assert_eq(now.kernel, now.used);
    cr_assert_eq(now.peak, now.used);
    cr_assert_eq(now.largest_free, 2 * MIB);

    /* All of it can be had, page by page, and is the partition's, once each. */
    uint64_t count = 0, physical;
    while ((physical = frame_alloc(0, FRAME_PROGRAM)) != FRAME_NONE) {
        cr_assert(physical >= PARTITION_PHYSICAL + 26 * PAGE_SIZE &&
                  physical < PARTITION_PHYSICAL + 4 * MIB && !(physical % PAGE_SIZE));
        memset(direct(physical), 0x11, PAGE_SIZE);
        count++;
    }
    cr_assert_eq(count, 1024u - 26);
    cr_assert_eq(frame_bytes_free(), 0u);
}

Test(frames, too_small_is_refused)
{
    memory_create(4 * MIB, 0, 1);
    const struct frame_range range = {PARTITION_PHYSICAL, 4 * MIB};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL + 4 * MIB), -ENOMEM);
}

Test(frames, several_ranges)
{
    memory_create(64 * MIB, 0, 2);
    /* Odd bounds, neighbours that touch, and a first range that is all used. */
    const struct frame_range ranges[] = {
        {PARTITION_PHYSICAL, 3 * PAGE_SIZE},
        {PARTITION_PHYSICAL + MIB + 5 * PAGE_SIZE, 7 * PAGE_SIZE},
        {PARTITION_PHYSICAL + MIB + 12 * PAGE_SIZE, 20 * MIB},
        {PARTITION_PHYSICAL + 32 * MIB, 8 * MIB},
    };
    cr_assert_eq(frames_init(ranges, 4, PARTITION_PHYSICAL + 3 * PAGE_SIZE), 0);
    cr_assert(frame_is_own(PARTITION_PHYSICAL));
    cr_assert(frame_is_own(ranges[2].base + 20 * MIB - 1));
    cr_assert_not(frame_is_own(ranges[2].base + 20 * MIB));
    cr_assert_not(frame_is_own(PARTITION_PHYSICAL + 3 * PAGE_SIZE));
    struct frame_statistics before = statistics();
    cr_assert_eq(before.largest_free, 8 * MIB);
    uint64_t taken = 0, first[16], count = 0;
    for (unsigned order = FRAME_ORDER_MAX + 1; order-- > 0;) {
        uint64_t physical;
        while ((physical = frame_alloc(order, FRAME_KERNEL)) != FRAME_NONE) {
            cr_assert_eq(physical & ((PAGE_SIZE << order) - 1), 0u);
            cr_assert(frame_is_own(physical) && frame_is_own(physical + (PAGE_SIZE << order) - 1));
            taken += PAGE_SIZE << order;
            if (count < 16)
                first[count] = physical;
            count++;
        }
    }
    cr_assert_eq(taken, before.total - before.used);
    cr_assert_eq(first[0], ranges[3].base);
}

/* --- Random requests
 * ------------------------------------------------------------------------------ */

#define MODEL_BYTES (16 * MIB)
#define MODEL_PAGES (MODEL_BYTES / PAGE_SIZE)

struct block {
    uint64_t physical;
    unsigned order;
    enum frame_use use;
};

static void claim(bool *owned, uint64_t physical, uint64_t pages, bool value)
{
    uint64_t first = (physical - PARTITION_PHYSICAL) / PAGE_SIZE;
    for (uint64_t i = first; i < first + pages; i++) {
        cr_assert_neq(owned[i], value, "page %lu", (unsigned long)i);
        owned[i] = value;
    }
}

Test(frames, random_against_a_model)
{
    memory_create(MODEL_BYTES, 0, 3);
    const struct frame_range range = {PARTITION_PHYSICAL, MODEL_BYTES};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL + 12345), 0);
    struct frame_statistics start = statistics();
    static bool owned[MODEL_PAGES];
    static struct block blocks[MODEL_PAGES];
    size_t count = 0;
    uint64_t used = start.used, kernel = start.kernel, peak = start.peak;
    bool growing = true;
    for (unsigned step = 0; step < SINGLE_STEPS(60000); step++) {
        partition_enter_core((uint32_t)test_random_below(3));
        if (test_random_below(10) < (growing ? 6 : 4)) {
            unsigned order = (unsigned)__builtin_ctzll(test_random() | 1u << 11);
            enum frame_use use = (enum frame_use)test_random_below(3);
            uint64_t physical = frame_alloc(order, use);
            if (physical == FRAME_NONE) {
                cr_assert(order > 0 || used == MODEL_BYTES, "%lu bytes were free",
                          (unsigned long)(MODEL_BYTES - used));
                growing = false;
                continue;
            }
            cr_assert_eq(physical % (PAGE_SIZE << order), 0u);
            claim(owned, physical, UINT64_C(1) << order, true);
            direct(physical)[test_random_below(PAGE_SIZE << order)] = 0xff;
            blocks[count++] = (struct block){physical, order, use};
            used += PAGE_SIZE << order;
            kernel += use == FRAME_PROGRAM ? 0 : PAGE_SIZE << order;
            peak = used > peak ? used : peak;
        } else if (count) {
            struct block *block = &blocks[test_random_below(count)];
            uint64_t bytes = PAGE_SIZE << block->order;
            claim(owned, block->physical, UINT64_C(1) << block->order, false);
            if (test_random_below(2)) {
                frame_free(block->physical, block->order, block->use);
            } else { /* in two runs, split anywhere */
                uint64_t part = test_random_below(bytes / PAGE_SIZE + 1) * PAGE_SIZE;
                if (part)
                    frame_free_run(block->physical, part, block->use);
                if (part < bytes)
                    frame_free_run(block->physical + part, bytes - part, block->use);
            }
            used -= bytes;
            kernel -= block->use == FRAME_PROGRAM ? 0 : bytes;
            *block = blocks[--count];
        } else {
            growing = true;
        }
        cr_assert_eq(frame_bytes_free(), MODEL_BYTES - used);
    }
    struct frame_statistics now = statistics();
    cr_assert_eq(now.used, used);
    cr_assert_eq(now.kernel, kernel);
    cr_assert_eq(now.peak, peak);
    while (count--)
        frame_free(blocks[count].physical, blocks[count].order, blocks[count].use);
    now = statistics();
    cr_assert_eq(now.used, start.used);
    cr_assert_eq(now.largest_free, start.largest_free, "not merged back");
}

Test(frames, last_frames_come_from_other_cores)
{
    memory_create(16 * MIB, 0, 4);
    const struct frame_range range = {PARTITION_PHYSICAL, 16 * MIB};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL), 0);
    /* Core 3's cache gets some frames, then core 0 takes all there are. */
    partition_enter_core(3);
    uint64_t some[8];
    for (unsigned i = 0; i < 8; i++)
        some[i] = frame_alloc(0, FRAME_KERNEL);
    for (unsigned i = 0; i < 8; i++)
        frame_free(some[i], 0, FRAME_KERNEL);
    partition_enter_core(0);
    while (frame_alloc(0, FRAME_PROGRAM) != FRAME_NONE)
        ;
    cr_assert_eq(frame_bytes_free(), 0u);
}

Test(frames, counters_are_published)
{
    static struct shm_counters published;
    memory_create(8 * MIB, 0, 1);
    const struct frame_range range = {PARTITION_PHYSICAL, 8 * MIB};
    frames_set_counters(&published);
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL), 0);
    uint64_t before = published.memory_used;
    uint64_t block = frame_alloc(5, FRAME_PROGRAM);
    cr_assert_eq(published.memory_total, 8 * MIB);
    cr_assert_eq(published.memory_used, before + 32 * PAGE_SIZE);
    frame_free(block, 5, FRAME_PROGRAM);
    cr_assert_eq(published.memory_used, before);
    cr_assert_eq(published.memory_peak, before + 32 * PAGE_SIZE);
    cr_assert_eq(published.memory_kernel, before);
}

Test(frames, freed_twice_is_noticed, .signal = SIGABRT)
{
    memory_create(8 * MIB, 0, 1);
    const struct frame_range range = {PARTITION_PHYSICAL, 8 * MIB};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL), 0);
    uint64_t block = frame_alloc(3, FRAME_KERNEL);
    frame_free(block, 3, FRAME_KERNEL);
    frame_free(block, 0, FRAME_KERNEL);
}

/* --- Pages that hold zeros already
 * ---------------------------------------------------------------- */

/* Not zero: shows whether frame_zero has touched a page that was never in use. */
#define FRESH 0x5a

/* A partition whose memory is said to be zeros, and in truth is FRESH, but for what frames_init has
 * written: so a page that is taken for fresh can be told from one that was cleared. */
static void fresh_partition(uint32_t core_number)
{
    memory_create(MODEL_BYTES, 0, core_number);
    memset(direct(PARTITION_PHYSICAL), FRESH, MODEL_BYTES);
    const struct frame_range range = {PARTITION_PHYSICAL, MODEL_BYTES};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL + MIB), 0);
    frames_expect_zeros();
}

static bool holds(uint64_t physical, uint64_t length, uint8_t value, uint64_t skip)
{
    for (uint64_t i = skip; i < length; i++)
        if (direct(physical)[i] != value)
            return false;
    return true;
}

/* The allocator's own words in a free block are taken out again. */
static bool links_are_gone(uint64_t physical)
{
    return holds(physical, sizeof(struct list), 0, 0) ||
           holds(physical, sizeof(struct list), FRESH, 0);
}

Test(frames, without_zeros_all_is_cleared)
{
    memory_create(MODEL_BYTES, 0, 1);
    const struct frame_range range = {PARTITION_PHYSICAL, MODEL_BYTES};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL), 0);
    uint64_t block = frame_alloc(LARGE_PAGE_ORDER, FRAME_PROGRAM);
    memset(direct(block), FRESH, LARGE_PAGE_SIZE);
    frame_zero(block, LARGE_PAGE_ORDER);
    cr_assert(holds(block, LARGE_PAGE_SIZE, 0, 0));
}

Test(frames, fresh_pages_are_left_alone)
{
    fresh_partition(1);
    uint64_t block = frame_alloc(4, FRAME_PROGRAM);
    frame_zero(block, 4);
    cr_assert(links_are_gone(block));
    cr_assert(holds(block, PAGE_SIZE << 4, FRESH, sizeof(struct list)),
              "pages that nobody has used were written to");
}

Test(frames, used_pages_are_cleared)
{
    fresh_partition(1);
    static uint64_t pages[MODEL_PAGES];
    size_t count = 0;
    while ((pages[count] = frame_alloc(0, FRAME_PROGRAM)) != FRAME_NONE)
        memset(direct(pages[count++]), 0x77, PAGE_SIZE);
    while (count--)
        frame_free(pages[count], 0, FRAME_PROGRAM);
    frames_drain_caches();
    for (unsigned order = 0; order <= LARGE_PAGE_ORDER; order++) {
        uint64_t block = frame_alloc(order, FRAME_PROGRAM);
        frame_zero(block, order);
        cr_assert(holds(block, PAGE_SIZE << order, 0, 0), "order %u", order);
    }
}

/* Of a block that was made from used and fresh ones, just the used ones are cleared. */
Test(frames, mixed_blocks)
{
    fresh_partition(1);
    uint64_t block = frame_alloc(6, FRAME_PROGRAM), pages = 1 << 6;
    frame_free(block, 6, FRAME_PROGRAM); /* all worn from here on */
    uint64_t other = frame_alloc(LARGE_PAGE_ORDER, FRAME_PROGRAM);
    frame_zero(other, LARGE_PAGE_ORDER);
    bool has_it = block >= other && block < other + LARGE_PAGE_SIZE;
    for (uint64_t at = other; at < other + LARGE_PAGE_SIZE; at += PAGE_SIZE) {
        bool worn = has_it && at - block < pages * PAGE_SIZE;
        cr_assert(holds(at, PAGE_SIZE, worn ? 0 : FRESH, sizeof(struct list)), "at %lx",
                  (unsigned long)at);
        cr_assert(links_are_gone(at));
    }
}

/* Freed in any pieces and by any way: whatever was in use comes back as zeros. */
Test(frames, random_zeros)
{
    fresh_partition(3);
    static struct block blocks[MODEL_PAGES];
    static bool used[MODEL_PAGES];
    size_t count = 0;
    for (unsigned step = 0; step < SINGLE_STEPS(20000); step++) {
        partition_enter_core((uint32_t)test_random_below(3));
        if (count < 200 && test_random_below(2)) {
            unsigned order = (unsigned)test_random_below(7);
            uint64_t physical = frame_alloc(order, FRAME_PROGRAM);
            if (physical == FRAME_NONE)
                continue;
            frame_zero(physical, order);
            for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
                uint64_t at = physical + i * PAGE_SIZE;
                bool *page = &used[(at - PARTITION_PHYSICAL) / PAGE_SIZE];
                cr_assert(holds(at, PAGE_SIZE, *page ? 0 : FRESH, sizeof(struct list)));
                cr_assert(links_are_gone(at));
                *page = true;
            }
            memset(direct(physical), 0x77, PAGE_SIZE << order);
            blocks[count++] = (struct block){physical, order, FRAME_PROGRAM};
        } else if (count) {
            struct block *block = &blocks[test_random_below(count)];
            uint64_t bytes = PAGE_SIZE << block->order;
            uint64_t part = test_random_below(bytes / PAGE_SIZE + 1) * PAGE_SIZE;
            if (!part || part == bytes) {
                frame_free(block->physical, block->order, block->use);
            } else {
                frame_free_run(block->physical, part, block->use);
                frame_free_run(block->physical + part, bytes - part, block->use);
            }
            *block = blocks[--count];
        }
    }
}

/* --- Several cores at once
 * ------------------------------------------------------------------------ */

#define WORKERS 4
#define HELD 64

static void *worker(void *argument)
{
    uint32_t index = (uint32_t)(uintptr_t)argument;
    partition_enter_core(index);
    struct block held[HELD];
    size_t count = 0;
    for (unsigned step = 0; step < 4000; step++) {
        if (count < HELD && test_random_below(2)) {
            unsigned order = test_random_below(4) ? 0 : (unsigned)test_random_below(6);
            uint64_t physical = frame_alloc(order, FRAME_PROGRAM);
            if (physical == FRAME_NONE)
                continue;
            memset(direct(physical), (int)index, 64); /* ours alone, or TSan says so */
            held[count++] = (struct block){physical, order, FRAME_PROGRAM};
        } else if (count) {
            struct block *block = &held[test_random_below(count)];
            cr_assert_eq(direct(block->physical)[63], index);
            frame_free(block->physical, block->order, block->use);
            *block = held[--count];
        }
    }
    while (count--)
        frame_free(held[count].physical, held[count].order, held[count].use);
    return NULL;
}

Test(frames, concurrent)
{
    memory_create(4 * MIB, 0, WORKERS); /* little, so that the cores rob each other */
    const struct frame_range range = {PARTITION_PHYSICAL, 4 * MIB};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL + 3 * MIB), 0);
    struct frame_statistics start = statistics();
    pthread_t threads[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    struct frame_statistics now = statistics();
    cr_assert_eq(now.used, start.used);
    cr_assert_eq(now.largest_free, start.largest_free);
}
