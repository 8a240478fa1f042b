/* Translations that others have been told of: as long as the mapping generation has not changed,
 * each still holds; and what has nothing to do with them does not change it. */
#include "space_model.h"

#include "instance/mm/space_internal.h"

#define AT UINT64_C(0x20000000)
#define RW (PROT_READ | PROT_WRITE)
#define EXTENTS 64

static _Atomic uint64_t word;

static int64_t map(uint64_t address, uint64_t pages, int protection, int flags)
{
    return space_map(address, pages * PAGE_SIZE, protection, flags | MAP_ANONYMOUS | MAP_PRIVATE,
                     NULL, 0, NULL);
}

static void begin(uint64_t size)
{
    partition_create(size, MIB, 1);
    space_publish_sharing(&word);
    cr_assert_eq(word, 1);
}

struct told {
    struct space_extent extents[EXTENTS];
    size_t count;
    uint64_t address, covered, generation;
};

static int tell(struct told *told, uint64_t address, uint64_t pages)
{
    told->address = address;
    return space_share(address, pages * PAGE_SIZE, told->extents, EXTENTS, &told->count,
                       &told->covered, &told->generation);
}

/* Each page is where it was said to be, and the partition's. */
static bool holds(const struct told *told)
{
    uint64_t page = told->address;
    for (size_t i = 0; i < told->count; i++)
        for (uint64_t at = 0; at < told->extents[i].length; at += PAGE_SIZE, page += PAGE_SIZE) {
            uint64_t physical = told->extents[i].physical + at;
            if (platform_lookup(page, NULL) != physical || !frame_is_own(physical))
                return false;
        }
    return page == told->address + told->covered;
}

static void expect_told(struct told *told, uint64_t address, uint64_t pages)
{
    cr_assert_eq(tell(told, address, pages), 0);
    cr_expect_eq(told->covered, pages * PAGE_SIZE);
    cr_expect_eq(told->generation, word);
    cr_expect(holds(told));
}

Test(space_share, pages_are_made_present_and_found)
{
    struct told told;
    begin(64 * MIB);
    cr_assert_eq(map(AT, 300, RW, MAP_FIXED), (int64_t)AT);
    uint8_t value = 7;
    cr_assert_eq(program_access(AT + 100 * PAGE_SIZE, SPACE_FAULT_WRITE, &value), 0);
    expect_told(&told, AT, 300);
    for (uint64_t i = 0, page = 0; i < told.count; i++) {
        const uint8_t *bytes = (const uint8_t *)(platform_direct_base + told.extents[i].physical);
        for (uint64_t at = 0; at < told.extents[i].length; at += PAGE_SIZE, page++)
            cr_expect_eq(bytes[at], page == 100 ? 7 : 0);
    }
    expect_told(&told, AT + 299 * PAGE_SIZE, 1);
    cr_expect_eq(word, 1);
}

Test(space_share, what_is_not_there_is_an_error)
{
    struct told told;
    begin(16 * MIB);
    cr_assert_eq(map(AT, 10, RW, MAP_FIXED), (int64_t)AT);
    cr_assert_eq(map(AT + 10 * PAGE_SIZE, 10, PROT_NONE, MAP_FIXED),
                 (int64_t)(AT + 10 * PAGE_SIZE));
    cr_expect_eq(tell(&told, AT - PAGE_SIZE, 1), -EFAULT);
    cr_expect_eq(tell(&told, AT + 10 * PAGE_SIZE, 1), -EACCES);
    cr_expect_eq(tell(&told, AT + 1, 1), -EINVAL);
    cr_expect_eq(tell(&told, AT, 0), -EINVAL);
    cr_expect_eq(tell(&told, PROGRAM_TOP, 1), -EFAULT);
    cr_expect_eq(tell(&told, UINT64_MAX - PAGE_SIZE + 1, 1), -EFAULT);
    /* As far as it goes. */
    cr_expect_eq(tell(&told, AT, 20), 0);
    cr_expect_eq(told.covered, 10 * PAGE_SIZE);
    cr_expect(holds(&told));
    /* Present, but no longer readable. */
    cr_assert_eq(space_protect(AT + PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
    cr_expect_eq(tell(&told, AT, 20), 0);
    cr_expect_eq(told.covered, PAGE_SIZE);
}

Test(space_share, few_extents_describe_the_beginning)
{
    struct told told;
    size_t count;
    uint64_t covered, generation;
    begin(16 * MIB);
    cr_assert_eq(map(AT, 64, RW, MAP_FIXED | MAP_STACK), (int64_t)AT);
    for (uint64_t i = 0; i < 64; i += 2) { /* backwards, so that nothing is contiguous */
        uint8_t value = 1;
        cr_assert_eq(program_access(AT + (63 - i) * PAGE_SIZE, SPACE_FAULT_WRITE, &value), 0);
    }
    expect_told(&told, AT, 64);
    cr_assert_gt(told.count, 2);
    cr_assert_eq(space_share(AT, 64 * PAGE_SIZE, told.extents, 2, &count, &covered, &generation),
                 0);
    cr_expect_eq(count, 2);
    cr_expect_eq(covered, told.extents[0].length + told.extents[1].length);
    cr_expect_eq(space_share(AT, PAGE_SIZE, told.extents, 0, &count, &covered, &generation),
                 -EINVAL);
}

Test(space_share, pages_in_place_become_the_programs_own)
{
    struct told told;
    model_create(16 * MIB);
    space_publish_sharing(&word);
    struct area_source source = model_file(true);
    cr_assert_eq(
        space_map(AT, 24 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, &source, 0, NULL),
        (int64_t)AT);
    uint8_t value;
    cr_assert_eq(program_access(AT, SPACE_FAULT_READ, &value), 0);
    cr_assert(!frame_is_own(platform_lookup(AT, NULL)));
    expect_told(&told, AT, 24);
    const uint8_t *bytes = (const uint8_t *)(platform_direct_base + told.extents[0].physical);
    cr_expect_eq(bytes[5], model_file_byte(5));
    cr_expect_eq(word, 1);
}

#define CHANGES(Pages, Change)                                                                     \
    do {                                                                                           \
        struct told told;                                                                          \
        begin(16 * MIB);                                                                           \
        cr_assert_eq(map(AT, 32, RW, MAP_FIXED), (int64_t)AT);                                     \
        expect_told(&told, AT + 8 * PAGE_SIZE, Pages);                                             \
        cr_assert_geq((int64_t)(Change), 0);                                                       \
        cr_expect_eq(word, 2, "%s", #Change);                                                      \
        /* What was told of before is forgotten: no second time. */                                \
        cr_assert_eq(space_unmap(AT, 32 * PAGE_SIZE), 0);                                          \
        cr_expect_eq(word, 2, "%s", #Change);                                                      \
    } while (0)
#define STAYS(Change)                                                                              \
    do {                                                                                           \
        struct told told;                                                                          \
        begin(16 * MIB);                                                                           \
        cr_assert_eq(map(AT, 32, RW, MAP_FIXED), (int64_t)AT);                                     \
        expect_told(&told, AT + 8 * PAGE_SIZE, 8);                                                 \
        cr_assert_geq((int64_t)(Change), 0);                                                       \
        cr_expect_eq(word, 1, "%s", #Change);                                                      \
        cr_expect(holds(&told), "%s", #Change);                                                    \
    } while (0)

Test(space_share, changes_are_announced)
{
    uint64_t first = AT + 8 * PAGE_SIZE, last = AT + 15 * PAGE_SIZE;
    CHANGES(8, space_unmap(first, PAGE_SIZE));
    CHANGES(8, space_unmap(last, PAGE_SIZE));
    CHANGES(8, space_unmap(AT, 32 * PAGE_SIZE));
    CHANGES(8, map(last, 4, RW, MAP_FIXED));
    CHANGES(8, space_protect(AT, 32 * PAGE_SIZE, PROT_NONE));
    CHANGES(8, space_advise(last, PAGE_SIZE, MADV_DONTNEED));
    CHANGES(8, space_advise(AT, 9 * PAGE_SIZE, MADV_FREE));
    CHANGES(8, space_remap(AT, 32 * PAGE_SIZE, 4 * PAGE_SIZE, 0, 0));
    CHANGES(8,
            space_remap(AT, 32 * PAGE_SIZE, 32 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, 2 * AT));
    CHANGES(8,
            space_remap(AT, 32 * PAGE_SIZE, 32 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0));
}

Test(space_share, other_changes_are_not)
{
    uint64_t before = AT + 7 * PAGE_SIZE, behind = AT + 16 * PAGE_SIZE;
    STAYS(space_unmap(before, PAGE_SIZE));
    STAYS(space_unmap(behind, 16 * PAGE_SIZE));
    STAYS(space_protect(AT, 32 * PAGE_SIZE, PROT_READ));
    STAYS(space_protect(behind, PAGE_SIZE, PROT_NONE));
    STAYS(space_advise(AT, 8 * PAGE_SIZE, MADV_DONTNEED));
    STAYS(space_advise(AT, 32 * PAGE_SIZE, MADV_HUGEPAGE));
    STAYS(map(AT + 32 * PAGE_SIZE, 32, RW, MAP_FIXED)); /* merges with it */
    STAYS(space_remap(AT, 32 * PAGE_SIZE, 64 * PAGE_SIZE, 0, 0));
}

Test(space_share, the_break)
{
    struct told told;
    begin(16 * MIB);
    space_set_brk_start(AT);
    cr_assert_eq(space_brk(AT + 16 * PAGE_SIZE), AT + 16 * PAGE_SIZE);
    expect_told(&told, AT, 8);
    cr_assert_eq(space_brk(AT + 8 * PAGE_SIZE), AT + 8 * PAGE_SIZE);
    cr_expect_eq(word, 1);
    cr_assert_eq(space_brk(AT + 8 * PAGE_SIZE - 1), AT + 8 * PAGE_SIZE - 1);
    cr_expect_eq(word, 1);
    cr_assert_eq(space_brk(AT + 7 * PAGE_SIZE), AT + 7 * PAGE_SIZE);
    cr_expect_eq(word, 2);
}

Test(space_share, the_partition_is_full, .timeout = 10)
{
    struct told told;
    begin(4 * MIB);
    cr_assert_eq(map(AT, 2000, RW, MAP_FIXED | MAP_NORESERVE), (int64_t)AT);
    uint64_t at = AT;
    int error;
    while (!(error = tell(&told, at, 64)))
        at += told.covered;
    cr_expect_eq(error, -ENOMEM);
    cr_expect_eq(frame_bytes_free(), 0);
    cr_expect_gt(at, AT + 2 * MIB);
}

/* --- Random changes ------------------------------------------------------------------------------
 */

#define PAGES 96
#define TOLD 40

static uint64_t random_change(void)
{
    static const int protections[] = {PROT_NONE, PROT_READ, RW, RW};
    uint64_t start = test_random_below(PAGES), pages = 1 + test_random_below(PAGES - start);
    if (test_random_below(3))
        pages = 1 + test_random_below(pages < 8 ? pages : 8);
    uint64_t address = AT + start * PAGE_SIZE, length = pages * PAGE_SIZE;
    uint64_t other = AT + (PAGES + test_random_below(PAGES - pages + 1)) * PAGE_SIZE;
    uint8_t value = 3;
    switch (test_random_below(9)) {
    case 0:
        return (uint64_t)space_unmap(address, length);
    case 1:
        return (uint64_t)space_protect(address, length, protections[test_random_below(4)]);
    case 2:
        return (uint64_t)space_advise(address, length, MADV_DONTNEED);
    case 3: /* there and back, perhaps */
        return (uint64_t)space_remap(test_random_below(2) ? address : other, length, length,
                                     MREMAP_MAYMOVE | MREMAP_FIXED,
                                     test_random_below(2) ? other : address);
    case 4:
    case 5: {
        struct area_source source = model_file(true);
        return (uint64_t)space_map(address, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
                                   &source, 0, NULL);
    }
    case 6:
        return (uint64_t)program_access(address, SPACE_FAULT_WRITE, &value);
    default:
        return (uint64_t)map(address, pages, RW, MAP_FIXED | MAP_NORESERVE);
    }
}

Test(space_share, random_changes_never_go_unannounced, .timeout = 60)
{
    static struct told told[TOLD];
    uint64_t kept = 0, lost = 0;
    model_create(16 * MIB);
    space_publish_sharing(&word);
    for (int step = 0; step < SINGLE_STEPS(60000); step++) {
        if (test_random_below(20) == 0)
            random_change();
        struct told *one = &told[test_random_below(TOLD)];
        uint64_t start = test_random_below(2 * PAGES);
        if (tell(one, AT + start * PAGE_SIZE, 1 + test_random_below(20)))
            one->generation = 0;
        for (int i = 0; i < TOLD; i++) {
            if (told[i].generation == word) {
                cr_assert(holds(&told[i]), "step %d", step);
                kept++;
            } else {
                lost++;
            }
        }
    }
    cr_expect_gt(kept, lost / 20);
    cr_expect_gt(lost, kept / 20);
}
