/* Tens of thousands of random calls on the address space, each with the result that the model
 * foretells, and the contents of all pages compared on the way. */
#include "space_model.h"

#include "instance/mm/space_internal.h"

static uint64_t brk_start, brk_now;

static int random_protection(void)
{
    static const int protections[] = {
        PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC,
    };
    return protections[test_random_below(5)];
}

/* A run of pages in one of the windows. */
static uint64_t random_run(uint64_t longest, uint64_t *pages)
{
    uint64_t address;
    do {
        *pages = 1 + test_random_below(longest);
        address = model_address(test_random_below(MODEL_PAGES));
    } while (!model_in_window(address, *pages));
    return address;
}

static void do_map(void)
{
    uint64_t pages, address = random_run(40, &pages);
    int protection = random_protection(), flags = MAP_PRIVATE;
    bool file = test_random_below(3) == 0, replaces = false;
    if (!file)
        flags = MAP_ANONYMOUS | (test_random_below(5) ? MAP_PRIVATE : MAP_SHARED);
    uint64_t expected = 0;
    switch (test_random_below(4)) {
    case 0:
        address = 0;
        break;
    case 1: /* a hint */
        expected = model_any_mapped(address, pages) ? 0 : address;
        address += test_random_below(2) * 77; /* need not be aligned */
        break;
    case 2:
        flags |= MAP_FIXED_NOREPLACE;
        expected = address;
        break;
    default:
        flags |= MAP_FIXED;
        expected = address;
        replaces = true;
    }
    if (!expected)
        expected = model_place(pages);
    if (!expected)
        return; /* the kernel would choose an address outside the windows */
    int64_t error = 0;
    if (!replaces && model_any_mapped(expected, pages))
        error = -EEXIST;
    struct area_source source = model_file(test_random_below(2));
    uint64_t offset = test_random_below(20) * PAGE_SIZE;
    uint64_t length = pages * PAGE_SIZE - test_random_below(PAGE_SIZE);
    int64_t result = space_map(address, length, protection, flags, file ? &source : NULL,
                               file ? offset : 0, NULL);
    cr_assert_eq(result, error ? error : (int64_t)expected);
    if (error)
        return;
    model_map(expected, pages, protection, (flags & MAP_TYPE) == MAP_SHARED);
    for (uint64_t i = 0; file && i < pages; i++) {
        struct model_page *page = &model[model_index(expected + i * PAGE_SIZE)];
        page->file = offset + i * PAGE_SIZE < FILE_BYTES;
        page->offset = offset + i * PAGE_SIZE;
    }
}

static void do_unmap(void)
{
    uint64_t pages, address = random_run(60, &pages);
    cr_assert_eq(space_unmap(address, pages * PAGE_SIZE - test_random_below(PAGE_SIZE)), 0);
    model_unmap(address, pages);
}

static void do_protect(void)
{
    uint64_t pages, address = random_run(25, &pages);
    int protection = random_protection();
    int error = space_protect(address, pages * PAGE_SIZE, protection);
    cr_assert_eq(error, model_all_mapped(address, pages) ? 0 : -ENOMEM);
    /* Up to the first hole. */
    for (uint64_t i = 0; i < pages && model_all_mapped(address + i * PAGE_SIZE, 1); i++)
        model[model_index(address + i * PAGE_SIZE)].protection = protection;
}

static void do_advise(void)
{
    static const int advices[] = {MADV_DONTNEED, MADV_FREE,     MADV_HUGEPAGE, MADV_NOHUGEPAGE,
                                  MADV_NORMAL,   MADV_WILLNEED, MADV_COLD,     12345};
    uint64_t pages, address = random_run(25, &pages);
    int advice = advices[test_random_below(8)];
    int expected = model_all_mapped(address, pages) ? 0 : -ENOMEM;
    if (advice == 12345)
        expected = -EINVAL;
    uint64_t dropped = 0; /* pages up to the first that refuses */
    for (; dropped < pages && (advice == MADV_DONTNEED || advice == MADV_FREE); dropped++) {
        struct model_page *page = &model[model_index(address + dropped * PAGE_SIZE)];
        /* A file's area refuses MADV_FREE as a whole, its zeros behind the end too; the model does
         * not know which those are, so it does not ask. */
        if (advice == MADV_FREE && page->mapped && (page->shared || page->file || page->offset))
            return;
    }
    cr_assert_eq(space_advise(address, pages * PAGE_SIZE, advice), expected);
    for (uint64_t i = 0; i < dropped; i++) {
        struct model_page *page = &model[model_index(address + i * PAGE_SIZE)];
        if (!page->shared)
            page->written = false;
    }
}

static void do_brk(void)
{
    uint64_t to = brk_start + test_random_below(60 * PAGE_SIZE) - 100;
    uint64_t old_end = page_up(brk_now), new_end = page_up(to), expected = brk_now;
    if (to >= brk_start) {
        /* A page behind the heap's new end must be free too. */
        bool fits =
            new_end <= old_end || !model_any_mapped(old_end, (new_end - old_end) / PAGE_SIZE + 1);
        if (fits)
            expected = to;
    }
    cr_assert_eq(space_brk(to), expected);
    if (expected == brk_now && to != brk_now)
        return;
    if (new_end < old_end)
        model_unmap(new_end, (old_end - new_end) / PAGE_SIZE);
    else if (new_end > old_end)
        model_map(old_end, (new_end - old_end) / PAGE_SIZE, PROT_READ | PROT_WRITE, false);
    brk_now = expected;
}

/* The area that holds the address, as the kernel has it: areas are not in the model. */
static uint64_t area_end(uint64_t address)
{
    const struct area *area = area_tree_find(&space.areas, address);
    return area && area->start <= address ? area->end : 0;
}

static void do_remap(void)
{
    uint64_t old_pages, new_pages, address = random_run(20, &old_pages);
    uint64_t target = random_run(20, &new_pages);
    int flags = (int)test_random_below(2) * MREMAP_MAYMOVE;
    if (flags && test_random_below(2))
        flags |= MREMAP_FIXED;
    uint64_t end = address + old_pages * PAGE_SIZE, place = 0;
    bool overlap = target < end && address < target + new_pages * PAGE_SIZE;
    int64_t expected = 0;
    uint64_t kept = old_pages < new_pages ? old_pages : new_pages;
    if ((flags & MREMAP_FIXED) && overlap) {
        expected = -EINVAL;
    } else if (!area_end(address)) {
        expected = -EFAULT;
    } else if (area_end(address) < address + kept * PAGE_SIZE &&
               (new_pages > old_pages || (flags & MREMAP_FIXED))) {
        expected = -EFAULT;
    } else {
        if (new_pages < old_pages) { /* is cut off in any case */
            model_unmap(address + new_pages * PAGE_SIZE, old_pages - new_pages);
            end = address + new_pages * PAGE_SIZE;
        }
        if (!(flags & MREMAP_FIXED) && new_pages <= old_pages)
            place = address;
        else if (flags & MREMAP_FIXED)
            place = target;
        else if (area_end(address) == end && !model_any_mapped(end, new_pages - old_pages) &&
                 model_in_window(address, new_pages))
            place = address;
        else if (!model_in_window(address, new_pages) && area_end(address) == end)
            return; /* would grow out of the window */
        else if (!flags)
            expected = -ENOMEM;
        else if (!(place = model_place(new_pages)))
            return;
    }
    int64_t result =
        space_remap(address, old_pages * PAGE_SIZE, new_pages * PAGE_SIZE, flags, target);
    cr_assert_eq(result, expected ? expected : (int64_t)place);
    if (result < 0)
        return;
    /* The pages that come in are like the last one, and go on in its file. */
    struct model_page like = model[model_index(address)];
    if (place != address) {
        model_unmap(place, new_pages);
        model_move(address, place, kept);
    }
    for (uint64_t i = kept; i < new_pages; i++) {
        struct model_page *page = &model[model_index(place + i * PAGE_SIZE)];
        *page = (struct model_page){.mapped = true};
        page->protection = like.protection;
        page->shared = like.shared;
        const struct area *area = area_tree_find(&space.areas, place + i * PAGE_SIZE);
        if (area->source.bytes) {
            page->offset = area->offset + (place + i * PAGE_SIZE - area->start);
            page->file = page->offset < FILE_BYTES;
        }
    }
}

static void do_mincore(void)
{
    static uint8_t present[64];
    uint64_t pages, address = random_run(60, &pages);
    int error = space_mincore(address, pages * PAGE_SIZE, present);
    cr_assert_eq(error, model_all_mapped(address, pages) ? 0 : -ENOMEM);
    for (uint64_t i = 0; !error && i < pages; i++)
        if (model[model_index(address + i * PAGE_SIZE)].written)
            cr_assert_eq(present[i], 1);
}

static void do_access(void)
{
    static const enum space_fault accesses[] = {SPACE_FAULT_READ, SPACE_FAULT_READ,
                                                SPACE_FAULT_WRITE, SPACE_FAULT_WRITE,
                                                SPACE_FAULT_EXECUTE};
    size_t index = test_random_below(MODEL_PAGES);
    for (unsigned i = 0; i < 20 && !model[index].mapped; i++)
        index = test_random_below(MODEL_PAGES);
    model_access(index, accesses[test_random_below(5)]);
}

static void do_populate(void)
{
    uint64_t pages, address = random_run(10, &pages);
    int expected = 0;
    for (uint64_t i = 0; i < pages && !expected; i++) {
        const struct model_page *page = &model[model_index(address + i * PAGE_SIZE)];
        if (!page->mapped)
            expected = -EFAULT;
        else if (!(page->protection & PROT_WRITE))
            expected = -EACCES;
    }
    cr_assert_eq(space_populate(address, pages * PAGE_SIZE, SPACE_FAULT_WRITE), expected);
}

Test(space, random_against_a_model)
{
    static void (*const calls[])(void) = {do_map,     do_map,     do_map,     do_unmap,   do_unmap,
                                          do_protect, do_protect, do_advise,  do_advise,  do_brk,
                                          do_remap,   do_remap,   do_mincore, do_populate};
    model_create(48 * MIB);
    struct frame_statistics start, end;
    frame_statistics(&start);
    brk_start = brk_now = LOW_START + 300 * PAGE_SIZE + 40;
    space_set_brk_start(brk_start);
    for (unsigned step = 0; step < SINGLE_STEPS(40000); step++) {
        if (test_random_below(2))
            do_access();
        else
            calls[test_random_below(sizeof(calls) / sizeof(calls[0]))]();
        if (step % 500 == 0) {
            model_check_areas();
            model_check_contents();
        }
    }
    model_check_areas();
    cr_assert_eq(space_unmap(PROGRAM_FLOOR, PROGRAM_TOP - PROGRAM_FLOOR), 0);
    memset(model, 0, sizeof(model));
    model_check_areas();
    frame_statistics(&end);
    /* No page, no page table stays; the heap may keep an empty page for each kind of object. */
    cr_assert_leq(end.used, start.used + 2 * PAGE_SIZE);
}
