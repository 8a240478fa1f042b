/* Which pieces of the partition the host is asked to put large pages behind, and what becomes of
 * its refusals. */
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/hosted/large.h"
#include "instance/platform/platform.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PIECES 200
#define PARTITION (PIECES * LARGE_PAGE_SIZE)
#define SMALL_BLOCK (UINT64_C(64) << 10)

/* --- The host, and the kernel's heap -------------------------------------------------------------
 */

static _Atomic uint32_t asked[PIECES + 1], total;
static int64_t answer;
static uint64_t now_ns, duration_ns;
static bool no_memory;

int64_t hosted_large_page(uint64_t offset)
{
    cr_assert_eq(offset % LARGE_PAGE_SIZE, 0u);
    cr_assert_lt(offset / LARGE_PAGE_SIZE, (uint64_t)PIECES);
    atomic_fetch_add(&asked[offset / LARGE_PAGE_SIZE], 1);
    atomic_fetch_add(&total, 1);
    now_ns += duration_ns;
    return answer;
}

uint64_t platform_monotonic_ns(void)
{
    return now_ns;
}

void *kzalloc(size_t size)
{
    return no_memory ? NULL : calloc(1, size);
}

void kfree(void *pointer)
{
    free(pointer);
}

static void begin_piece(uint64_t piece)
{
    platform_memory_begin(piece * LARGE_PAGE_SIZE, LARGE_PAGE_SIZE);
}

/* ------------------------------------------------------------------------------------------------
 */

Test(large, each_piece_once)
{
    large_init(PARTITION);
    for (int round = 0; round < 3; round++)
        for (uint64_t piece = 0; piece < PIECES; piece++)
            begin_piece(piece);
    for (uint64_t piece = 0; piece < PIECES; piece++)
        cr_assert_eq(asked[piece], 1u, "piece %lu: %u times", (unsigned long)piece, asked[piece]);
}

Test(large, a_little_in_small_blocks_asks_for_nothing)
{
    large_init(PARTITION);
    for (uint64_t at = 0; at < LARGE_AFTER; at += SMALL_BLOCK)
        platform_memory_begin(at, SMALL_BLOCK);
    cr_assert_eq(total, 0u);
    /* From then on each piece in which a block lies, and no other. */
    platform_memory_begin(5 * LARGE_PAGE_SIZE + 7 * SMALL_BLOCK, SMALL_BLOCK);
    platform_memory_begin(5 * LARGE_PAGE_SIZE + 8 * SMALL_BLOCK, SMALL_BLOCK);
    cr_assert_eq(total, 1u);
    cr_assert_eq(asked[5], 1u);
}

Test(large, a_large_block_asks_at_once)
{
    large_init(PARTITION);
    platform_memory_begin(8 * LARGE_PAGE_SIZE, 4 * LARGE_PAGE_SIZE);
    cr_assert_eq(total, 4u);
    cr_assert(asked[8] && asked[9] && asked[10] && asked[11]);
}

/* The end of a partition that is no multiple of 2 MiB has no large page. */
Test(large, only_whole_pieces)
{
    large_init(PARTITION - PAGE_SIZE);
    begin_piece(PIECES - 2);
    begin_piece(PIECES - 1);
    cr_assert_eq(total, 1u);
    large_init(LARGE_PAGE_SIZE - PAGE_SIZE);
    begin_piece(0);
    cr_assert_eq(total, 1u);
}

Test(large, a_host_that_cannot_is_asked_once)
{
    large_init(PARTITION);
    answer = -EINVAL;
    for (uint64_t piece = 0; piece < PIECES; piece++)
        begin_piece(piece);
    cr_assert_eq(total, 1u);
}

/* One that has done it before, and refuses a single piece, is asked again. */
Test(large, a_refusal_after_success_is_of_that_piece)
{
    large_init(PARTITION);
    begin_piece(0);
    answer = -EINVAL;
    begin_piece(1);
    answer = 0;
    for (uint64_t piece = 2; piece < 10; piece++)
        begin_piece(piece);
    cr_assert_eq(total, 2u + 7);
    cr_assert_eq(asked[2], 0u); /* passed over */
}

/* A host without free memory in large pieces is asked less and less, but not given up. */
Test(large, a_host_without_memory_is_asked_less_often)
{
    large_init(PARTITION);
    answer = -ENOMEM;
    for (uint64_t piece = 0; piece < PIECES; piece++)
        begin_piece(piece);
    /* 1, 3, 7, 15, 31, 63 pieces passed over between them, then 64 each time. */
    cr_assert_eq(total, 8u, "%u", total);
}

Test(large, a_host_with_memory_again_is_asked_each_time)
{
    large_init(PARTITION);
    answer = -EAGAIN;
    begin_piece(0);
    answer = 0;
    for (uint64_t piece = 1; piece < 12; piece++)
        begin_piece(piece);
    cr_assert_eq(total, 1u + 10);
}

/* So is one that takes long, because its processors are crowded. */
Test(large, a_slow_host_is_asked_less_often)
{
    large_init(PARTITION);
    duration_ns = 10000000;
    for (uint64_t piece = 0; piece < 100; piece++)
        begin_piece(piece);
    cr_assert_eq(total, 6u, "%u", total);
    duration_ns = 200000;
    for (uint64_t piece = 100; piece < PIECES; piece++)
        begin_piece(piece);
    cr_assert_eq(total, 6u + PIECES - 126, "%u", total);
}

Test(large, without_memory_for_the_notes_nothing_is_asked)
{
    large_init(PARTITION);
    no_memory = true;
    begin_piece(1);
    cr_assert_eq(total, 0u);
    no_memory = false;
    begin_piece(1);
    cr_assert_eq(total, 1u);
}

static void *begin_all(void *unused)
{
    for (uint64_t piece = 0; piece < PIECES; piece++)
        begin_piece(piece);
    return unused;
}

Test(large, cores_at_once)
{
    pthread_t threads[4];
    large_init(PARTITION);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, begin_all, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (uint64_t piece = 0; piece < PIECES; piece++)
        cr_assert_eq(asked[piece], 1u);
}
