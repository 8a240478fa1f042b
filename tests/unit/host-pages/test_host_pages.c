/* What is stored in a shared mapping of a host's file: when it is in the host's file, what is told
 * when it cannot be, and that none of it is lost between the threads that store, write, cut and
 * write back. */
#include "tests/unit/host-pages/machine.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)

static struct host_inode *inode;

static void begin(uint64_t size)
{
    machine_set_up(size);
    inode = machine_file.data;
    cr_assert_eq(host_pages_map(&machine_file, true, 1), 0);
}

static void end(void)
{
    host_pages_map(&machine_file, true, -1);
    machine_tear_down();
}

static uint8_t load(uint64_t offset)
{
    uint8_t value = 0;

    cr_assert_eq(machine_load(offset, &value), 0);
    return value;
}

Test(host_pages, stores_reach_the_host_when_asked)
{
    begin(4 * PAGE);
    cr_assert_eq(load(PAGE + 7), host_bytes[PAGE + 7]);
    cr_assert_eq(host_pages_flush(inode), 0);
    cr_expect_eq(host_writes, 0, "nothing was stored");
    cr_assert_eq(machine_store(7, 'a'), 0);
    cr_assert_eq(machine_store(3 * PAGE, 'b'), 0);
    cr_expect_neq(host_bytes[7], 'a');
    cr_assert_eq(host_pages_flush(inode), 0);
    cr_expect_eq(host_writes, 2, "the two pages that were written");
    cr_expect_eq(host_bytes[7], 'a');
    cr_expect_eq(host_bytes[3 * PAGE], 'b');
    cr_assert_eq(host_pages_flush(inode), 0);
    cr_expect_eq(host_writes, 2, "they are clean");
    cr_assert_eq(machine_store(7, 'c'), 0);
    cr_assert_eq(host_pages_flush(inode), 0);
    cr_expect_eq(host_bytes[7], 'c', "a page that was written back is looked after again");
    end();
}

Test(host_pages, stores_reach_the_host_with_the_last_mapping)
{
    begin(2 * PAGE);
    cr_assert_eq(host_pages_map(&machine_file, true, 1), 0);
    cr_assert_eq(machine_store(PAGE, 'x'), 0);
    host_pages_map(&machine_file, true, -1);
    cr_expect_neq(host_bytes[PAGE], 'x');
    end();
    cr_expect_eq(host_bytes[PAGE], 'x');
}

/* What is behind the end in the last page is nobody's. */
Test(host_pages, the_file_does_not_grow_by_stores)
{
    begin(PAGE + 10);
    cr_assert_eq(machine_store(PAGE + 9, 'i'), 0);
    cr_assert_eq(machine_store(PAGE + 10, 'o'), 0);
    cr_expect_eq(machine_store(2 * PAGE, 'n'), -ENXIO);
    cr_assert_eq(host_pages_flush(inode), 0);
    cr_expect_eq(host_size, PAGE + 10);
    cr_expect_eq(host_bytes[PAGE + 9], 'i');
    cr_expect_eq(load(PAGE + 10), 0);
    end();
}

Test(host_pages, a_failed_write_is_told_and_tried_again)
{
    begin(2 * PAGE);
    cr_assert_eq(machine_store(5, 'k'), 0);
    atomic_store(&host_write_error, -ENOSPC);
    cr_expect_eq(host_pages_flush(inode), -ENOSPC);
    cr_expect_eq(host_pages_flush(inode), -ENOSPC, "it is still to be written");
    cr_expect_eq(load(5), 'k');
    atomic_store(&host_write_error, 0);
    cr_expect_eq(host_pages_flush(inode), 0);
    cr_expect_eq(host_bytes[5], 'k');
    cr_expect_eq(machine_errors, 0);
    end();
}

/* munmap and close cannot tell; fsync later does, once. */
Test(host_pages, a_loss_is_told_once)
{
    begin(2 * PAGE);
    cr_assert_eq(machine_store(5, 'k'), 0);
    atomic_store(&host_write_error, -EIO);
    host_pages_flush_quietly(inode);
    cr_expect_eq(machine_errors, 0);
    host_pages_map(&machine_file, true, -1);
    cr_expect_eq(machine_errors, 1);
    cr_expect_eq(host_pages_flush(inode), -EIO);
    cr_expect_eq(host_pages_flush(inode), 0);
    machine_tear_down();
}

/* A thread that is killed while it unmaps leaves the rest to the instance's end. */
Test(host_pages, the_end_writes_what_a_killed_thread_could_not)
{
    begin(2 * PAGE);
    cr_assert_eq(machine_store(5, 'k'), 0);
    atomic_store(&host_write_error, -EINTR);
    host_pages_map(&machine_file, true, -1);
    cr_expect(host_pages_pending());
    cr_expect_eq(machine_errors, 0);
    atomic_store(&host_write_error, 0);
    host_pages_write_back(1000);
    cr_expect_eq(host_bytes[5], 'k');
    host_pages_map(&machine_file, true, 1);
    end();
}

Test(host_pages, the_end_says_what_is_lost)
{
    begin(2 * PAGE);
    cr_assert_eq(machine_store(5, 'k'), 0);
    atomic_store(&host_write_error, -EROFS);
    host_pages_write_back(1000);
    cr_expect_eq(machine_errors, 1);
    atomic_store(&host_write_error, 0);
    end();
}

Test(host_pages, reads_and_writes_see_the_stores)
{
    uint8_t bytes[16];
    uint64_t offset = PAGE - 4;

    begin(2 * PAGE);
    cr_assert_eq(machine_store(PAGE - 1, 'l'), 0);
    cr_assert_eq(machine_store(PAGE, 'r'), 0);
    cr_expect(host_pages_overlay(inode));
    cr_expect_eq(host_pages_read(&machine_file, bytes, 16, PAGE - 8), 16);
    cr_expect_eq(bytes[7], 'l');
    cr_expect_eq(bytes[8], 'r');
    cr_expect_eq(bytes[0], host_bytes[PAGE - 8]);
    cr_expect(host_pages_write_begin(inode));
    cr_expect_eq(host_pages_write(&machine_file, "1234567", 7, &offset, false), 7);
    cr_expect_eq(host_bytes[PAGE], '5');
    cr_expect_eq(load(PAGE - 1), '4');
    cr_expect_eq(load(PAGE + 2), '7');
    end();
}

/* What a mapping stored behind the end does not come to light when the file grows. */
Test(host_pages, growth_shows_zeros)
{
    uint64_t offset = PAGE + 100;

    begin(PAGE + 10);
    cr_assert_eq(machine_store(PAGE + 50, 'o'), 0);
    cr_expect_eq(host_pages_write(&machine_file, "g", 1, &offset, false), 1);
    cr_expect_eq(load(PAGE + 50), 0);
    cr_assert_eq(machine_store(PAGE + 150, 'o'), 0);
    cr_expect_eq(host_pages_write(&machine_file, "h", 1, &offset, true), 1);
    cr_expect_eq(offset, PAGE + 101);
    cr_expect_eq(load(PAGE + 101), 'h');
    cr_expect_eq(load(PAGE + 150), 0);
    end();
    cr_expect_eq(host_bytes[PAGE + 50], 0);
    cr_expect_eq(host_bytes[PAGE + 150], 0);
}

Test(host_pages, what_is_cut_off_is_gone)
{
    uint8_t value;

    begin(4 * PAGE);
    cr_assert_eq(machine_store(PAGE + 3, 'k'), 0);
    cr_assert_eq(machine_store(PAGE + 20, 'g'), 0);
    cr_assert_eq(machine_store(3 * PAGE, 'g'), 0);
    host_pages_cut_begin(inode, PAGE + 10);
    host_size = PAGE + 10;
    host_pages_cut_end(inode, true, PAGE + 10);
    cr_expect_eq(machine_load(3 * PAGE, &value), -ENXIO);
    cr_expect_eq(load(PAGE + 3), 'k');
    cr_expect_eq(load(PAGE + 20), 0);
    end();
    cr_expect_eq(host_size, PAGE + 10);
    cr_expect_eq(host_bytes[PAGE + 3], 'k');
}

/* A cut that the host refuses changes nothing. */
Test(host_pages, a_refused_cut_leaves_all)
{
    begin(4 * PAGE);
    cr_assert_eq(machine_store(3 * PAGE, 's'), 0);
    atomic_store(&host_write_error, -ENOSPC);
    host_pages_cut_begin(inode, PAGE);
    host_pages_cut_end(inode, false, PAGE);
    cr_expect_eq(load(3 * PAGE), 's');
    atomic_store(&host_write_error, 0);
    cr_expect_eq(host_pages_flush(inode), -ENOSPC, "of the write-back before the cut");
    cr_expect_eq(host_pages_flush(inode), 0);
    end();
    cr_expect_eq(host_bytes[3 * PAGE], 's');
}

/* A mapping that is larger than memory: pages go back to the host and come again. */
Test(host_pages, memory_is_given_back_to_go_on)
{
    begin(MACHINE_PAGES * PAGE);
    machine_frames_max = 6;
    for (uint64_t round = 0; round < 3; round++)
        for (uint64_t page = 0; page < MACHINE_PAGES; page++)
            cr_assert_eq(machine_store(page * PAGE + round, (uint8_t)(page + 1)), 0);
    for (uint64_t page = 0; page < MACHINE_PAGES; page++)
        cr_assert_eq(load(page * PAGE + 2), page + 1);
    atomic_store(&host_write_error, -ENOSPC);
    int error = 0;
    for (uint64_t page = 0; page < MACHINE_PAGES && error == 0; page++)
        error = machine_store(page * PAGE + 3, 1);
    cr_expect_eq(error, -ENOSPC, "no room here, and none on the host");
    atomic_store(&host_write_error, 0);
    end();
    for (uint64_t page = 0; page < MACHINE_PAGES; page++)
        cr_assert_eq(host_bytes[page * PAGE + 1], page + 1);
}

/* A fault whose bytes were fetched before a write ends all the same, though there is another write
 * during every fetch. */
static unsigned reads;

static void write_during_a_read(void)
{
    uint64_t offset = 2 * PAGE;

    if (++reads == 1) /* later ones cannot be: the fault keeps them out */
        cr_assert_eq(host_pages_write(&machine_file, "new", 3, &offset, false), 3);
}

Test(host_pages, a_fault_does_not_show_what_was_before)
{
    begin(4 * PAGE);
    reads = 0;
    host_before_read = write_during_a_read;
    cr_expect_eq(load(2 * PAGE), 'n');
    cr_expect_eq(reads, 2);
    end();
}

/* --- All at once ------------------------------------------------------------------------------ */

#define ROUNDS 3000

static _Atomic bool over;

/* Each storing thread has bytes of its own on every page. */
static void *store_often(void *argument)
{
    uint64_t own = (uint64_t)(uintptr_t)argument;

    for (uint64_t i = 1; i <= ROUNDS; i++) {
        uint8_t value = 0;
        uint64_t offset = (i % 8) * PAGE + 64 * own;

        cr_assert_eq(machine_store(offset, (uint8_t)i), 0);
        cr_assert_eq(machine_load(offset, &value), 0);
        cr_assert_eq(value, (uint8_t)i);
    }
    return NULL;
}

static void *flush_often(void *argument)
{
    (void)argument;
    while (!atomic_load(&over))
        cr_assert_eq(host_pages_flush(inode), 0);
    return NULL;
}

static void *write_often(void *argument)
{
    (void)argument;
    for (uint64_t i = 1; !atomic_load(&over); i++) {
        uint64_t offset = (i % 8) * PAGE + 2048;
        uint8_t value = (uint8_t)i;

        cr_assert_eq(host_pages_write(&machine_file, &value, 1, &offset, false), 1);
    }
    return NULL;
}

static void *cut_often(void *argument)
{
    (void)argument;
    while (!atomic_load(&over)) {
        host_pages_cut_begin(inode, 4 * PAGE);
        host_pages_cut_end(inode, true, UINT64_MAX);
    }
    return NULL;
}

Test(host_pages, no_store_is_lost)
{
    void *(*const others[])(void *) = {flush_often, write_often, cut_often};
    pthread_t storing[3], other[3];

    begin(8 * PAGE);
    machine_frames_max = 7; /* so that pages are given up, too */
    atomic_store(&over, false);
    for (uintptr_t i = 0; i < 3; i++) {
        cr_assert_eq(pthread_create(&storing[i], NULL, store_often, (void *)i), 0);
        cr_assert_eq(pthread_create(&other[i], NULL, others[i], NULL), 0);
    }
    for (unsigned i = 0; i < 3; i++)
        pthread_join(storing[i], NULL);
    atomic_store(&over, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(other[i], NULL);
    end();
    for (uint64_t own = 0; own < 3; own++)
        for (uint64_t i = ROUNDS - 7; i <= ROUNDS; i++)
            cr_assert_eq(host_bytes[(i % 8) * PAGE + 64 * own], (uint8_t)i);
}
