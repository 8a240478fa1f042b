/* Each call on the address space, with each of its allocations failing in turn: it either succeeds
 * all the same, or says -ENOMEM and has changed nothing and lost nothing. */
#include "space_model.h"

#include "instance/mm/space_internal.h"

#include <stdlib.h>

#define HERE UINT64_C(0x20000000) /* of a 2 MiB page in the middle of an area */
#define ELSEWHERE UINT64_C(0x30000000)
#define FILE_AT UINT64_C(0x40000000)
#define HEAP_AT UINT64_C(0x50000000)

/* What must be as before after a failure. */
struct snapshot {
    struct space_area areas[32];
    unsigned area_count;
    struct {
        uint64_t page, physical;
    } pages[4096];
    unsigned page_count;
    uint64_t promised, promised_resident, used, brk;
};

static bool note_area(const struct space_area *area, void *context)
{
    struct snapshot *snapshot = context;
    snapshot->areas[snapshot->area_count++] = *area;
    for (uint64_t page = area->start; page < area->end; page += PAGE_SIZE) {
        uint64_t physical = platform_lookup(page, NULL);
        if (physical != UINT64_MAX) {
            snapshot->pages[snapshot->page_count].page = page;
            snapshot->pages[snapshot->page_count++].physical = physical;
        }
    }
    return true;
}

static struct snapshot *snapshot_take(void)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    space_visit(note_area, snapshot);
    snapshot->promised = space.promised;
    snapshot->promised_resident = space.promised_resident;
    snapshot->used = frame_bytes_total() - frame_bytes_free();
    snapshot->brk = space.brk;
    return snapshot;
}

static int64_t map(uint64_t address, uint64_t length, int protection, int flags)
{
    return space_map(address, length, protection, flags | MAP_ANONYMOUS | MAP_PRIVATE, NULL, 0,
                     NULL);
}

static void touch(uint64_t address)
{
    uint8_t value = 7;
    cr_assert_eq(program_access(address, SPACE_FAULT_WRITE, &value), 0);
}

static void prepare(void)
{
    model_create(24 * MIB);
    /* Objects of all kinds have been there, so that the heap's pages are no news. */
    void *warm[64];
    for (unsigned i = 0; i < 64; i++)
        warm[i] = kmalloc(16 + i % 4 * 64);
    for (unsigned i = 0; i < 64; i++)
        kfree(warm[i]);
    map(HERE - 3 * PAGE_SIZE, LARGE_PAGE_SIZE + 9 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_FIXED);
    space_advise(HERE, LARGE_PAGE_SIZE, MADV_HUGEPAGE);
    touch(HERE + 5000);
    touch(HERE - PAGE_SIZE);
    touch(HERE + LARGE_PAGE_SIZE + PAGE_SIZE);
    map(ELSEWHERE, 8 * PAGE_SIZE, PROT_READ, MAP_FIXED);
    struct area_source source = model_file(true);
    space_map(FILE_AT, 10 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, &source, 0,
              NULL);
    uint8_t value;
    cr_assert_eq(program_access(FILE_AT, SPACE_FAULT_READ, &value), 0);
    space_set_brk_start(HEAP_AT);
    cr_assert_eq(space_brk(HEAP_AT + 5 * PAGE_SIZE), HEAP_AT + 5 * PAGE_SIZE);
    touch(HEAP_AT);
}

/* The calls; each returns its error, or 0 or more. */
static int64_t call_map(void)
{
    return map(0, 5 * PAGE_SIZE, PROT_READ, 0);
}
static int64_t call_map_over(void)
{
    return map(HERE + 4 * PAGE_SIZE, 5 * PAGE_SIZE, PROT_READ, MAP_FIXED);
}
static int64_t call_unmap_in_large(void)
{
    return space_unmap(HERE + 4 * PAGE_SIZE, 7 * PAGE_SIZE);
}
static int64_t call_unmap_all(void)
{
    return space_unmap(HERE - MIB, 4 * MIB);
}
static int64_t call_protect_in_large(void)
{
    return space_protect(HERE + 4 * PAGE_SIZE, 7 * PAGE_SIZE, PROT_READ);
}
static int64_t call_protect_across(void)
{
    return space_protect(HERE - 2 * PAGE_SIZE, 7 * PAGE_SIZE, PROT_NONE);
}
static int64_t call_drop_in_large(void)
{
    return space_advise(HERE + 4 * PAGE_SIZE, 7 * PAGE_SIZE, MADV_DONTNEED);
}
static int64_t call_advise(void)
{
    return space_advise(ELSEWHERE + PAGE_SIZE, 3 * PAGE_SIZE, MADV_NOHUGEPAGE);
}
static int64_t call_move_large(void)
{
    return space_remap(HERE, LARGE_PAGE_SIZE, LARGE_PAGE_SIZE + MIB, MREMAP_MAYMOVE, 0);
}
static int64_t call_move_part(void)
{
    return space_remap(HERE + PAGE_SIZE, MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED,
                       UINT64_C(1) << 40);
}
static int64_t call_move_file(void)
{
    return space_remap(FILE_AT, 10 * PAGE_SIZE, 12 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
                       UINT64_C(1) << 41);
}
static int64_t call_keep_and_move(void)
{
    return space_remap(HERE - 3 * PAGE_SIZE, 3 * PAGE_SIZE, 3 * PAGE_SIZE,
                       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
}
static int64_t call_shrink(void)
{
    return space_remap(HERE, LARGE_PAGE_SIZE, MIB, 0, 0);
}
static int64_t call_grow_heap(void)
{
    uint64_t to = HEAP_AT + 9 * PAGE_SIZE;
    return space_brk(to) == to ? 0 : -ENOMEM;
}
static int64_t call_shrink_heap(void)
{
    uint64_t to = HEAP_AT + 2 * PAGE_SIZE;
    return space_brk(to) == to ? 0 : -ENOMEM;
}
static int64_t call_touch_heap(void)
{
    return space_handle_fault(HEAP_AT + 4 * PAGE_SIZE, SPACE_FAULT_WRITE);
}
static int64_t call_copy_file_page(void)
{
    return space_handle_fault(FILE_AT, SPACE_FAULT_WRITE);
}
static int64_t call_touch_new_table(void)
{
    return space_handle_fault(ELSEWHERE, SPACE_FAULT_READ);
}

static int64_t (*const calls[])(void) = {
    call_map,           call_map_over,         call_unmap_in_large,
    call_unmap_all,     call_protect_in_large, call_protect_across,
    call_drop_in_large, call_advise,           call_move_large,
    call_move_part,     call_move_file,        call_keep_and_move,
    call_shrink,        call_grow_heap,        call_shrink_heap,
    call_touch_heap,    call_copy_file_page,   call_touch_new_table,
};

static void compare(const struct snapshot *before, const struct snapshot *after, unsigned call,
                    uint64_t n)
{
    cr_assert_eq(after->area_count, before->area_count, "call %u, allocation %lu", call,
                 (unsigned long)n);
    for (unsigned i = 0; i < before->area_count; i++) {
        cr_assert_eq(after->areas[i].start, before->areas[i].start);
        cr_assert_eq(after->areas[i].end, before->areas[i].end);
        cr_assert_eq(after->areas[i].protection, before->areas[i].protection);
    }
    for (unsigned i = 0; i < before->page_count; i++)
        /* The fault that copies a file's page may have taken the file's away: it comes again. */
        if (before->pages[i].page != FILE_AT)
            cr_assert_eq(platform_lookup(before->pages[i].page, NULL), before->pages[i].physical);
    cr_assert_eq(after->promised, before->promised);
    cr_assert_eq(after->promised_resident, before->promised_resident);
    cr_assert_eq(after->brk, before->brk);
    cr_assert_eq(after->used, before->used, "call %u, allocation %lu: %ld bytes lost", call,
                 (unsigned long)n, (long)(after->used - before->used));
}

static void check_accounts(void)
{
    uint64_t promised = 0, resident = 0;
    for (const struct area *area = area_tree_find(&space.areas, 0); area;
         area = area_tree_next(area)) {
        cr_assert_eq(space_area_resident_in(area, area->start, area->end), area->resident);
        promised += area->counted ? area->end - area->start : 0;
        resident += area->counted ? area->resident : 0;
    }
    cr_assert_eq(space.promised, promised);
    cr_assert_eq(space.promised_resident, resident);
}

Test(space, each_failing_allocation_changes_nothing)
{
    unsigned failures = 0;
    for (unsigned i = 0; i < 2 * sizeof(calls) / sizeof(calls[0]); i++) {
        unsigned call = i / 2;
        for (uint64_t n = 0;; n++) {
            prepare();
            struct snapshot *before = snapshot_take();
            partition_fail_after(n, i % 2);
            int64_t result = calls[call]();
            bool failed = partition_has_failed();
            partition_fail_after(UINT64_MAX, false);
            struct snapshot *after = snapshot_take();
            cr_assert(result >= 0 || (failed && result == -ENOMEM), "call %u: %ld", call,
                      (long)result);
            failures += result < 0;
            if (result < 0)
                compare(before, after, call, n);
            check_accounts();
            free(before);
            free(after);
            /* And nothing is left in the end, whatever happened. */
            cr_assert_eq(space_unmap(PROGRAM_FLOOR, PROGRAM_TOP - PROGRAM_FLOOR), 0);
            cr_assert_leq(frame_bytes_total() - frame_bytes_free(), 8 * PAGE_SIZE + 6 * PAGE_SIZE);
            if (!failed)
                break;
        }
    }
    cr_assert_gt(failures, 40u);
}
