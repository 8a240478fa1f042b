/* The address space's calls one by one: errors as Linux gives them, large pages, files' pages, the
 * promise account, and several cores at once. */
#include "space_model.h"

#include "instance/mm/space_internal.h"

#include <pthread.h>

#define AT UINT64_C(0x20000000)
#define RW (PROT_READ | PROT_WRITE)
#define GIB (UINT64_C(1) << 30)

static int64_t map(uint64_t address, uint64_t length, int protection, int flags)
{
    return space_map(address, length, protection, flags | MAP_ANONYMOUS | MAP_PRIVATE, NULL, 0,
                     NULL);
}

static int write_byte(uint64_t address, uint8_t value)
{
    return program_access(address, SPACE_FAULT_WRITE, &value);
}

static uint8_t read_byte(uint64_t address)
{
    uint8_t value = 0xee;
    cr_assert_eq(program_access(address, SPACE_FAULT_READ, &value), 0);
    return value;
}

static uint64_t used(void)
{
    return frame_bytes_total() - frame_bytes_free();
}

Test(space, errors_are_those_of_linux)
{
    partition_create(16 * MIB, 0, 1);
    int both = MAP_PRIVATE | MAP_ANONYMOUS;
    cr_assert_eq(map(0, 0, RW, 0), -EINVAL);
    cr_assert_eq(map(0, UINT64_MAX, RW, 0), -ENOMEM);
    cr_assert_eq(map(0, PROGRAM_TOP + 1, PROT_NONE, 0), -ENOMEM);
    cr_assert_eq(map(AT + 1, PAGE_SIZE, RW, MAP_FIXED), -EINVAL);
    cr_assert_eq(map(PROGRAM_TOP, PAGE_SIZE, RW, MAP_FIXED), -ENOMEM);
    cr_assert_eq(map(PROGRAM_FLOOR - PAGE_SIZE, PAGE_SIZE, RW, MAP_FIXED), -EPERM);
    cr_assert_eq(space_map(0, PAGE_SIZE, RW, MAP_ANONYMOUS, NULL, 0, NULL), -EINVAL);
    cr_assert_eq(space_map(0, PAGE_SIZE, RW, MAP_ANONYMOUS | 3, NULL, 0, NULL), -EINVAL);
    cr_assert_eq(
        space_map(0, PAGE_SIZE, RW, both | MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, NULL, 0, NULL),
        -EINVAL);
    cr_assert_eq(map(AT, 4 * PAGE_SIZE, RW, MAP_FIXED), (int64_t)AT);
    cr_assert_eq(map(AT + PAGE_SIZE, PAGE_SIZE, RW, MAP_FIXED_NOREPLACE), -EEXIST);

    cr_assert_eq(space_unmap(AT + 1, PAGE_SIZE), -EINVAL);
    cr_assert_eq(space_unmap(AT, 0), -EINVAL);
    cr_assert_eq(space_unmap(AT, UINT64_MAX), -EINVAL);
    cr_assert_eq(space_unmap(PROGRAM_TOP, PAGE_SIZE), -EINVAL);
    cr_assert_eq(space_unmap(4 * AT, PAGE_SIZE), 0); /* nothing there is fine */

    cr_assert_eq(space_protect(AT + 1, PAGE_SIZE, RW), -EINVAL);
    cr_assert_eq(space_protect(AT, PAGE_SIZE, 0x100), -EINVAL);
    cr_assert_eq(space_protect(AT, 0, RW), 0);
    cr_assert_eq(space_protect(AT, 5 * PAGE_SIZE, RW), -ENOMEM);
    cr_assert_eq(space_protect(AT, UINT64_MAX, RW), -ENOMEM);
    cr_assert_eq(space_protect(4 * AT, PAGE_SIZE, RW), -ENOMEM);

    cr_assert_eq(space_remap(4 * AT, PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), -EFAULT);
    cr_assert_eq(space_remap(AT + 1, PAGE_SIZE, PAGE_SIZE, 0, 0), -EINVAL);
    cr_assert_eq(space_remap(AT, PAGE_SIZE, 0, 0, 0), -EINVAL);
    cr_assert_eq(space_remap(AT, 0, PAGE_SIZE, MREMAP_MAYMOVE, 0), -EINVAL);
    cr_assert_eq(space_remap(AT, PAGE_SIZE, PAGE_SIZE, 8, 0), -EINVAL);
    cr_assert_eq(space_remap(AT, PAGE_SIZE, PAGE_SIZE, MREMAP_FIXED, 2 * AT), -EINVAL);
    cr_assert_eq(space_remap(AT, PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0),
                 -EINVAL);
    cr_assert_eq(space_remap(AT, PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), -ENOMEM); /* no room behind */
    cr_assert_eq(space_remap(AT, 6 * PAGE_SIZE, 7 * PAGE_SIZE, MREMAP_MAYMOVE, 0), -EFAULT);
    cr_assert_eq(space_remap(AT, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
                             AT + PAGE_SIZE),
                 -EINVAL);
    cr_assert_eq(space_remap(AT, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, PROGRAM_TOP),
                 -EINVAL);

    cr_assert_eq(space_advise(AT, PAGE_SIZE, 999), -EINVAL);
    cr_assert_eq(space_advise(AT, PAGE_SIZE, MADV_MERGEABLE), -EINVAL);
    cr_assert_eq(space_advise(AT + 1, PAGE_SIZE, MADV_DONTNEED), -EINVAL);
    cr_assert_eq(space_advise(AT, UINT64_MAX, MADV_DONTNEED), -EINVAL);
    cr_assert_eq(space_advise(AT, 0, MADV_DONTNEED), 0);
    cr_assert_eq(space_advise(AT, 5 * PAGE_SIZE, MADV_DONTNEED), -ENOMEM);
    cr_assert_eq(space_advise(AT, PAGE_SIZE, MADV_REMOVE), -EINVAL);

    uint8_t present[8];
    cr_assert_eq(space_mincore(AT + 1, PAGE_SIZE, present), -EINVAL);
    cr_assert_eq(space_mincore(AT, 5 * PAGE_SIZE, present), -ENOMEM);

    cr_assert_eq(space_handle_fault(4 * AT, SPACE_FAULT_READ), -EFAULT);
    cr_assert_eq(space_handle_fault(0, SPACE_FAULT_READ), -EFAULT);
    cr_assert_eq(space_handle_fault(AT, SPACE_FAULT_EXECUTE), -EACCES);
    cr_assert_eq(space_lock(AT, 5 * PAGE_SIZE), -ENOMEM);
    cr_assert_eq(space_lock(AT + 100, 3 * PAGE_SIZE), 0);
    cr_assert_eq(space_mincore(AT, 4 * PAGE_SIZE, present), 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(present[i], 1);
}

Test(space, reservations_cost_nothing)
{
    partition_create(4 * MIB, 0, 1);
    uint64_t before = used();
    int64_t reserved = map(0, 64 * GIB, PROT_NONE, 0);
    cr_assert_gt(reserved, 0);
    cr_assert_gt(map(0, 64 * GIB, RW, MAP_NORESERVE), 0);
    cr_assert_gt(map(0, 8 * MIB, RW, MAP_STACK), 0);
    cr_assert_leq(used(), before + PAGE_SIZE); /* the heap's, for the areas */
    /* A step of the reserved heap, as malloc's arenas take it, works and is one area more. */
    cr_assert_eq(space_protect((uint64_t)reserved, 128 * 1024, RW), 0);
    cr_assert_eq(write_byte((uint64_t)reserved + 1000, 1), 0);
    cr_assert_eq(space_remap((uint64_t)reserved, 64 * GIB, 64 * GIB - PAGE_SIZE, 0, 0), reserved);
    cr_assert_eq(space_unmap((uint64_t)reserved, 64 * GIB), 0);
}

/* malloc of a MiB at a time, every byte of it used: it ends with NULL, not with death. */
Test(space, taking_all_memory_gets_enomem)
{
    partition_create(16 * MIB, 0, 1);
    uint64_t got = 0;
    int64_t address;
    while ((address = map(0, MIB, RW, 0)) > 0) {
        for (uint64_t page = 0; page < MIB; page += PAGE_SIZE)
            cr_assert_eq(write_byte((uint64_t)address + page, 1), 0);
        got += MIB;
    }
    cr_assert_eq(address, -ENOMEM);
    cr_assert_geq(got, 14 * MIB);
    /* And the heap's break says the same. */
    space_set_brk_start(AT);
    cr_assert_eq(space_brk(AT + 4 * MIB), AT);
}

Test(space, promises_are_kept)
{
    partition_create(16 * MIB, 0, 1);
    /* All that is promised first, and only then touched. */
    int64_t blocks[64];
    unsigned count = 0;
    while ((blocks[count] = map(0, MIB / 2, RW, 0)) > 0)
        count++;
    cr_assert_geq(count, 28u);
    for (unsigned i = 0; i < count; i++)
        for (uint64_t page = 0; page < MIB / 2; page += PAGE_SIZE)
            cr_assert_eq(write_byte((uint64_t)blocks[i] + page, 1), 0);
    /* What is given back can be promised again. */
    cr_assert_eq(space_advise((uint64_t)blocks[0], MIB / 2, MADV_DONTNEED), 0);
    cr_assert_eq(map(0, MIB / 2, RW, 0), -ENOMEM); /* it is still promised to blocks[0] */
    cr_assert_eq(space_unmap((uint64_t)blocks[0], MIB / 2), 0);
    cr_assert_gt(map(0, MIB / 2, RW, 0), 0);
    /* The same bytes over again are no new promise. */
    cr_assert_eq(map((uint64_t)blocks[1], MIB / 2, RW, MAP_FIXED), blocks[1]);
}

/* A runtime that keeps its own account: reserves with PROT_NONE, then maps pieces over that. */
Test(space, reserved_ranges_are_the_programs_own)
{
    partition_create(64 * MIB, 0, 1);
    int64_t arena = map(UINT64_C(0xc000000000), 512 * MIB, PROT_NONE, 0);
    cr_assert_eq(arena, INT64_C(0xc000000000));
    for (uint64_t i = 0; i < 8; i++)
        cr_assert_eq(map((uint64_t)arena + i * 32 * MIB, 32 * MIB, RW, MAP_FIXED),
                     (int64_t)((uint64_t)arena + i * 32 * MIB));
    cr_assert_eq(map((uint64_t)arena + 256 * MIB, 128 * MIB, RW, MAP_FIXED), -ENOMEM);
    cr_assert_eq(space_protect((uint64_t)map(0, 128 * MIB, PROT_NONE, 0), 128 * MIB, RW), -ENOMEM);
}

Test(space, large_pages)
{
    partition_create(80 * MIB, 0, 1);
    int64_t address = map(0, 8 * MIB, RW, 0);
    cr_assert_eq((uint64_t)address % LARGE_PAGE_SIZE, 0u);
    uint64_t base = (uint64_t)address, before = used();
    cr_assert_eq(write_byte(base + MIB, 9), 0);
    cr_assert_eq(used(), before + LARGE_PAGE_SIZE + 2 * PAGE_SIZE); /* no lowest table */
    program_faults = 0;
    for (uint64_t page = base; page < base + LARGE_PAGE_SIZE; page += PAGE_SIZE)
        cr_assert_eq(read_byte(page), page == base + MIB ? 9 : 0);
    cr_assert_eq(program_faults, 0u);
    /* A hole in the middle splits it, and comes back as zeros. */
    cr_assert_eq(space_advise(base + MIB, PAGE_SIZE, MADV_DONTNEED), 0);
    cr_assert_eq(read_byte(base + MIB), 0);
    cr_assert_eq(write_byte(base + MIB - 1, 3), 0);
    cr_assert_eq(space_protect(base, MIB, PROT_READ), 0);
    cr_assert_eq(write_byte(base, 1), -EACCES);
    cr_assert_eq(read_byte(base + MIB - 1), 3);
    /* Advice against it. */
    cr_assert_eq(space_advise(base + 2 * MIB, 2 * MIB, MADV_NOHUGEPAGE), 0);
    before = used();
    cr_assert_eq(write_byte(base + 2 * MIB, 1), 0);
    cr_assert_leq(used(), before + 5 * PAGE_SIZE);
    /* Not for stacks; */
    int64_t stack = map(0, 8 * MIB, RW, MAP_STACK);
    before = used();
    cr_assert_eq(write_byte((uint64_t)stack + 4 * MIB, 1), 0);
    cr_assert_leq(used(), before + 8 * PAGE_SIZE);
    /* nor when three quarters are gone, unless it is asked for. */
    while (frame_bytes_free() > 20 * MIB)
        frame_alloc(LARGE_PAGE_ORDER, FRAME_KERNEL);
    before = used();
    cr_assert_eq(write_byte(base + 4 * MIB, 1), 0);
    cr_assert_leq(used(), before + 5 * PAGE_SIZE);
    cr_assert_eq(space_advise(base + 6 * MIB, 2 * MIB, MADV_HUGEPAGE), 0);
    before = used();
    cr_assert_eq(write_byte(base + 6 * MIB, 1), 0);
    cr_assert_eq(used(), before + LARGE_PAGE_SIZE);
    cr_assert_eq(space_unmap(PROGRAM_FLOOR, PROGRAM_TOP - PROGRAM_FLOOR), 0);
}

Test(space, huge_tlb_mappings)
{
    partition_create(16 * MIB, 0, 1);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
    int64_t address = space_map(0, 100, RW, flags, NULL, 0, NULL);
    cr_assert_gt(address, 0);
    cr_assert_eq((uint64_t)address % LARGE_PAGE_SIZE, 0u);
    cr_assert_eq(write_byte((uint64_t)address + LARGE_PAGE_SIZE - 1, 5), 0);
    cr_assert_eq(space_map(0, 64 * MIB, RW, flags, NULL, 0, NULL), -ENOMEM);
}

Test(space, a_files_pages_are_mapped_in_place)
{
    model_create(16 * MIB);
    struct area_source file = model_file(true);
    int64_t text = space_map(0, FILE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, &file, 0, NULL);
    uint64_t before = used();
    for (uint64_t page = 0; page < FILE_BYTES - PAGE_SIZE; page += PAGE_SIZE) {
        cr_assert_eq(read_byte((uint64_t)text + page + 99), model_file_byte(page + 99));
        cr_assert_eq(platform_lookup((uint64_t)text + page, NULL),
                     partition_file_physical() + page);
    }
    cr_assert_leq(used(), before + 3 * PAGE_SIZE); /* tables */
    cr_assert_eq(write_byte((uint64_t)text, 1), -EACCES);
    /* The last page is the program's own, without the bytes behind the file. */
    before = used();
    cr_assert_eq(read_byte((uint64_t)text + FILE_BYTES - 1), model_file_byte(FILE_BYTES - 1));
    cr_assert_eq(read_byte((uint64_t)text + FILE_BYTES), 0);
    cr_assert_eq(used(), before + PAGE_SIZE);
    /* Made writable, a page becomes the program's own when it is written, and stays that. */
    cr_assert_eq(space_protect((uint64_t)text, 4 * PAGE_SIZE, RW), 0);
    cr_assert_eq(write_byte((uint64_t)text + 99, 0x5a), 0);
    cr_assert_eq(partition_file()[99], model_file_byte(99));
    cr_assert_eq(read_byte((uint64_t)text + 98), model_file_byte(98));
    cr_assert_eq(space_protect((uint64_t)text, 4 * PAGE_SIZE, PROT_READ), 0);
    cr_assert_eq(read_byte((uint64_t)text + 99), 0x5a);
    cr_assert_eq(space_protect((uint64_t)text, 4 * PAGE_SIZE, RW), 0);
    cr_assert_eq(write_byte((uint64_t)text + 100, 0x5b), 0);
    cr_assert_eq(read_byte((uint64_t)text + 99), 0x5a);
    cr_assert_eq(space_advise((uint64_t)text, PAGE_SIZE, MADV_DONTNEED), 0);
    cr_assert_eq(read_byte((uint64_t)text + 99), model_file_byte(99));
    cr_assert_eq(space_unmap((uint64_t)text, FILE_BYTES), 0);
}

Test(space, a_heap_grows_and_shrinks_for_ever)
{
    partition_create(4 * MIB, 0, 1);
    space_set_brk_start(AT + 100);
    cr_assert_eq(space_brk(0), AT + 100);
    cr_assert_eq(space_brk(AT + 50), AT + 100);
    cr_assert_eq(space_brk(AT + MIB), AT + MIB);
    cr_assert_eq(space_brk(AT + 100), AT + 100);
    uint64_t before = used();
    for (unsigned round = 0; round < 500; round++) {
        cr_assert_eq(space_brk(AT + MIB), AT + MIB);
        cr_assert_eq(read_byte(AT + MIB / 2), 0);
        cr_assert_eq(write_byte(AT + MIB / 2, 1), 0);
        int64_t address = map(0, MIB, RW, 0);
        cr_assert_eq(write_byte((uint64_t)address, 1), 0);
        cr_assert_eq(space_unmap((uint64_t)address, MIB), 0);
        cr_assert_eq(space_brk(AT + 100), AT + 100);
    }
    cr_assert_eq(used(), before);
}

Test(space, everything_locked)
{
    partition_create(16 * MIB, 0, 1);
    uint8_t present[16];
    int64_t first = map(0, 4 * PAGE_SIZE, RW, 0);
    cr_assert_gt(map(0, GIB, PROT_NONE, 0), 0);
    cr_assert_eq(space_lock_all(MCL_CURRENT | MCL_FUTURE), 0);
    int64_t later = map(0, 4 * PAGE_SIZE, RW, 0);
    cr_assert_eq(space_mincore((uint64_t)first, 4 * PAGE_SIZE, present), 0);
    cr_assert_eq(space_mincore((uint64_t)later, 4 * PAGE_SIZE, present + 4), 0);
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(present[i], 1);
    cr_assert_eq(space_lock_all(0), 0);
    int64_t big = map(0, GIB, RW, MAP_NORESERVE);
    cr_assert_eq(space_lock((uint64_t)big, GIB), -ENOMEM);
    cr_assert_eq(space_mincore((uint64_t)big, 4 * PAGE_SIZE, present), 0);
    cr_assert_eq(present[0], 0); /* refused before it began */
}

/* --- Several cores at once
 * ------------------------------------------------------------------------ */

#define SHARED_PAGES 64

static void *core_main(void *argument)
{
    partition_enter_core((uint32_t)(uintptr_t)argument);
    for (unsigned step = 0; step < 3000; step++) {
        uint64_t page = AT + test_random_below(SHARED_PAGES) * PAGE_SIZE;
        uint64_t length = (1 + test_random_below(8)) * PAGE_SIZE;
        int64_t result = 0;
        switch (test_random_below(16)) {
        case 0:
            result = space_unmap(page, length);
            break;
        case 1:
        case 2:
            result = map(page, length, RW, MAP_FIXED);
            result = result == (int64_t)page ? 0 : result;
            break;
        case 3:
            result = space_protect(page, length, (int)test_random_below(4));
            break;
        case 4:
            result = space_advise(page, length, MADV_DONTNEED);
            break;
        case 5: {
            int64_t own = map(0, length, RW, 0); /* where the other cores do not come */
            cr_assert_gt(own, 0);
            cr_assert_eq(space_populate((uint64_t)own, length, SPACE_FAULT_WRITE), 0);
            result = space_unmap((uint64_t)own, length);
            break;
        }
        default:
            result = space_handle_fault(page, test_random_below(2) ? SPACE_FAULT_READ
                                                                   : SPACE_FAULT_WRITE);
        }
        cr_assert(result == 0 || result == -EFAULT || result == -EACCES || result == -ENOMEM, "%ld",
                  (long)result);
    }
    return NULL;
}

Test(space, concurrent)
{
    partition_create(16 * MIB, 0, 4);
    partition_share();
    struct area_source none = {.bytes = NULL, .physical = UINT64_MAX};
    cr_assert_eq(space_map(AT, SHARED_PAGES * PAGE_SIZE, RW,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, &none, 0, NULL),
                 (int64_t)AT);
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, core_main, (void *)i), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(space_unmap(PROGRAM_FLOOR, PROGRAM_TOP - PROGRAM_FLOOR), 0);
    cr_assert_eq(space.promised, 0u);
    cr_assert_eq(space.promised_resident, 0u);
    cr_assert_lt(used(), 16 * PAGE_SIZE);
}
