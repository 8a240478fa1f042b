/* What an instance could send to harm the proxy: each ends in that instance's channel being closed,
 * and in nothing else. */
#include "tests/unit/proxy/fake.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void start_two(struct fake_machine *machine)
{
    fake_boot(machine);
    fake_start(machine, 1);
    fake_start(machine, 2);
}

/* The healthy neighbour has its say after the other's attack; then both end. */
static void finish(struct fake_machine *machine)
{
    if (fake_write_bulk(machine, &machine->instance[1], 1, "unharmed\n", 9) != 9)
        _exit(77);
    fake_exit(machine, &machine->instance[1], SHM_STATE_EXITED, 0);
    fake_exit(machine, &machine->instance[0], SHM_STATE_EXITED, 0);
    fake_sleep_for_ever();
}

static void expect_closed(fake_script_t script, const char *why)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 2);
    fake_run(&result, &setup, script);
    cr_expect_eq(result.status, 0, "status %d: %s", result.status, result.err);
    cr_expect_not_null(strstr(result.out, "two | unharmed\n"), "%s", result.err);
    cr_expect_not_null(strstr(result.err, why), "%s", result.err);
    cr_expect_not_null(strstr(result.err, "its channel is closed"), "%s", result.err);
    fake_result_free(&result);
    fake_clean(&setup);
}

static void send_write(struct fake_machine *machine, struct io_write request, const char *bytes)
{
    fake_send(machine, &machine->instance[0], IO_WRITE, &request, sizeof(request), bytes,
              strlen(bytes));
}

static void extent_outside(struct fake_machine *machine)
{
    start_two(machine);
    send_write(
        machine,
        (struct io_write){
            .tag = 1, .extent = machine->instance[0].section->size - 10, .length = 11, .fd = 1},
        "");
    finish(machine);
}

static void extent_wraps(struct fake_machine *machine)
{
    start_two(machine);
    send_write(machine,
               (struct io_write){.tag = 1, .extent = UINT64_MAX - 4, .length = UINT32_MAX, .fd = 1},
               "");
    finish(machine);
}

static void extent_without_tag(struct fake_machine *machine)
{
    start_two(machine);
    send_write(machine, (struct io_write){.extent = 4096, .length = 11, .fd = 1}, "");
    finish(machine);
}

static void wrong_file(struct fake_machine *machine)
{
    start_two(machine);
    send_write(machine, (struct io_write){.length = 2, .fd = 3}, "hi");
    finish(machine);
}

static void wrong_length(struct fake_machine *machine)
{
    start_two(machine);
    send_write(machine, (struct io_write){.length = 3, .fd = 1}, "hi");
    finish(machine);
}

static void short_request(struct fake_machine *machine)
{
    start_two(machine);
    fake_send(machine, &machine->instance[0], IO_WRITE, "short", 5, NULL, 0);
    finish(machine);
}

static void foreign_release(struct fake_machine *machine)
{
    struct io_release release = {4096};

    start_two(machine);
    fake_send(machine, &machine->instance[0], IO_RELEASE, &release, sizeof(release), NULL, 0);
    finish(machine);
}

static void send_file(struct fake_machine *machine, struct io_file request, const char *bytes)
{
    start_two(machine);
    fake_send(machine, &machine->instance[0], IO_FILE, &request, sizeof(request), bytes,
              strlen(bytes));
    finish(machine);
}

static void file_operation_unknown(struct fake_machine *machine)
{
    send_file(machine, (struct io_file){.tag = 1, .operation = UINT32_MAX}, "");
}

static void file_without_tag(struct fake_machine *machine)
{
    send_file(machine, (struct io_file){.operation = IO_FILE_STATUS}, "");
}

static void file_extent_wraps(struct fake_machine *machine)
{
    send_file(machine,
              (struct io_file){.tag = 1,
                               .operation = IO_FILE_WRITE,
                               .extent = UINT64_MAX - 4,
                               .length = UINT32_MAX,
                               .handle = 1},
              "");
}

static void file_length_wrong(struct fake_machine *machine)
{
    send_file(machine, (struct io_file){.tag = 1, .operation = IO_FILE_STATUS, .length = 50},
              "path");
}

static void release_of_what_is_being_filled(struct fake_machine *machine)
{
    struct io_release release = {1};

    start_two(machine);
    fake_send(machine, &machine->instance[0], IO_RELEASE, &release, sizeof(release), NULL, 0);
    finish(machine);
}

static void broken_ring(struct fake_machine *machine)
{
    struct ipi_link *link;

    start_two(machine);
    fake_write(machine, &machine->instance[0], 1, "x", 1);
    link = &machine->instance[0].links[SHM_PEER_PROXY];
    for (uint64_t i = 0; i <= link->writer.mask; i++) {
        link->writer.cells[i].length = UINT32_MAX;
        atomic_store(&link->writer.cells[i].sequence, i * 77 + 3);
    }
    fake_ring_proxy(machine);
    finish(machine);
}

Test(hostile, a_file_operation_that_does_not_exist)
{
    expect_closed(file_operation_unknown, "sent a file request of operation");
}
Test(hostile, a_file_request_without_a_tag)
{
    expect_closed(file_without_tag, "sent a file request of operation");
}
Test(hostile, a_file_extent_that_wraps_round)
{
    expect_closed(file_extent_wraps, "is not inside it");
}
Test(hostile, a_file_request_of_another_length)
{
    expect_closed(file_length_wrong, "with a file request of 50");
}
Test(hostile, a_release_of_the_mark_for_what_is_being_filled)
{
    expect_closed(release_of_what_is_being_filled, "which it had not been given");
}
Test(hostile, an_extent_outside_the_section)
{
    expect_closed(extent_outside, "is not inside it");
}
Test(hostile, an_extent_that_wraps_round)
{
    expect_closed(extent_wraps, "is not inside it");
}
Test(hostile, an_extent_nobody_could_give_back)
{
    expect_closed(extent_without_tag, "without wanting an answer");
}
Test(hostile, a_file_that_does_not_exist)
{
    expect_closed(wrong_file, "asked to write 2 bytes to file 3");
}
Test(hostile, a_length_that_is_not_the_messages)
{
    expect_closed(wrong_length, "sent 2 bytes with a write of 3");
}
Test(hostile, a_request_cut_short)
{
    expect_closed(short_request, "sent a write request of 5 bytes");
}
Test(hostile, an_extent_of_somebody_elses)
{
    expect_closed(foreign_release, "which it had not been given");
}
Test(hostile, a_ring_full_of_nonsense)
{
    expect_closed(broken_ring, "its message ring is not sound");
}

/* An unknown kind is said once, and nothing else happens. */
static void unknown_kind(struct fake_machine *machine)
{
    start_two(machine);
    for (int i = 0; i < 100; i++)
        fake_send(machine, &machine->instance[0], 999, "what", 4, NULL, 0);
    fake_write(machine, &machine->instance[0], 1, "still there\n", 12);
    finish(machine);
}

Test(hostile, unknown_messages_are_dropped)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 2);
    fake_run(&result, &setup, unknown_kind);
    cr_expect_eq(result.status, 0);
    cr_expect_not_null(strstr(result.out, "one | still there\n"));
    cr_expect_not_null(strstr(result.err, "one sent a message of unknown kind 999"));
    fake_result_free(&result);
    fake_clean(&setup);
}

/* Requests for answers without ever taking one: the proxy must not pile them up, nor stand still.
 */
static void never_listens(struct fake_machine *machine)
{
    struct fake_instance *one;
    struct io_read request = {.tag = 1, .length = 0};
    struct shm_piece piece = {&request, sizeof(request)};

    start_two(machine);
    one = &machine->instance[0];
    for (int refused = 0, sent = 0; refused < 20 && sent < 100000;) {
        int error = ipi_send(&one->endpoint, SHM_PEER_PROXY, IO_READ, &piece, 1);

        if (!error) {
            sent++;
            continue;
        }
        refused++;
        usleep(1000); /* the proxy has had its chance */
    }
    finish(machine);
}

Test(hostile, one_that_never_takes_its_answers)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 2);
    fake_run(&result, &setup, never_listens);
    cr_expect_eq(result.status, 0, "status %d: %s", result.status, result.err);
    cr_expect_not_null(strstr(result.out, "two | unharmed\n"));
    fake_result_free(&result);
    fake_clean(&setup);
}

/* Random bytes as requests, as the section's fields, and as the section as a whole. */
static unsigned seed;

static void random_bytes(void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(rand_r(&seed) >> 7);
}

static void random_messages(struct fake_machine *machine)
{
    struct fake_instance *one;

    start_two(machine);
    one = &machine->instance[0];
    for (int i = 0; i < 300; i++) {
        static const uint16_t kinds[] = {IO_WRITE, IO_READ, IO_RELEASE, CONTROL_STATE, 77};
        uint8_t message[600];
        struct shm_piece piece = {message, (size_t)rand_r(&seed) % sizeof(message)};

        random_bytes(message, sizeof(message));
        /* Half of them nearly right. */
        if (i % 2)
            memcpy(message, &(struct io_write){.tag = 1, .extent = 8192, .length = 5, .fd = 1}, 24);
        if (i % 2 && i % 3)
            piece.length = 24;
        ipi_send(&one->endpoint, SHM_PEER_PROXY, kinds[rand_r(&seed) % 5], &piece, 1);
    }
    finish(machine);
}

static void random_section(struct fake_machine *machine)
{
    uint8_t *section;

    start_two(machine);
    section = (uint8_t *)machine->instance[0].section;
    for (int i = 0; i < 200; i++) {
        size_t at = (size_t)rand_r(&seed) % 4096;

        random_bytes(section + at, 8);
        fake_ring_proxy(machine);
        if (i % 50 == 0)
            fake_write(machine, &machine->instance[1], 1, "meanwhile\n", 10);
    }
    /* Whatever the section says by now: it has crashed, with a record of noise. */
    random_bytes(&machine->instance[0].section->crash, sizeof(struct shm_crash));
    memset(section, 0, 8);
    machine->instance[0].section->magic = SHM_SECTION_MAGIC;
    machine->instance[0].section->version = SHM_LAYOUT_VERSION;
    machine->instance[0].section->peer = 1;
    machine->instance[0].section->peers = machine->peers;
    machine->instance[0].section->size = machine->view.extents[1].size;
    machine->instance[0].section->ports_offset = 8192;
    machine->instance[0].section->log_offset = 65536;
    machine->instance[0].section->heap_offset = 1 << 20;
    machine->instance[0].section->heap_size = 1 << 20;
    atomic_store(&machine->instance[0].section->heartbeats_offset, 12288);
    atomic_store(&machine->instance[0].section->generation, 1);
    fake_exit(machine, &machine->instance[0], SHM_STATE_CRASHED, 255);
    fake_write_bulk(machine, &machine->instance[1], 1, "unharmed\n", 9);
    fake_exit(machine, &machine->instance[1], SHM_STATE_EXITED, 0);
    fake_sleep_for_ever();
}

static void fuzz(fake_script_t script, int rounds)
{
    struct fake_setup setup;

    fake_setup(&setup, 2);
    for (int i = 0; i < rounds; i++) {
        struct fake_result result;

        seed = (unsigned)i * 2654435761u + 1;
        fake_run(&result, &setup, script);
        cr_expect_lt(result.status, 256);
        cr_expect_neq(result.status, 99, "round %d leaks", i);
        cr_expect_neq(result.status, 1, "round %d: %s", i, result.err);
        cr_expect_not_null(strstr(result.out, "two | unharmed\n"), "round %d: %s", i, result.err);
        fake_result_free(&result);
    }
    fake_clean(&setup);
}

Test(hostile, random_messages)
{
    fuzz(random_messages, 25);
}
Test(hostile, random_sections, .timeout = 60)
{
    fuzz(random_section, 25);
}
