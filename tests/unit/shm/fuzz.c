/* A hostile sender: random values in its port and cells, before and while the reader looks. The
 * reader returns one of its errors, never steps outside the section (which is exactly as large as
 * it says, under AddressSanitizer), and always ends. */
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>

#define CELLS 16

struct target {
    struct shm_port sender, reader;
    uint8_t *section;
    uint64_t size;
};

static void target_make(struct target *target)
{
    memset(target, 0, sizeof *target);
    target->size = 192 + CELLS * sizeof(struct shm_cell);
    target->section = aligned_alloc(SHM_LINE, target->size);
    memset(target->section, 0, target->size);
}

/* One field of the sender's, with a value made to hurt. Aligned stores, as any machine's. */
static void spoil(struct target *target, uint64_t *seed)
{
    uint64_t cell = 192 + random_below(seed, CELLS) * sizeof(struct shm_cell);
    volatile uint64_t *word;
    volatile uint32_t *half;
    switch (random_below(seed, 8)) {
    case 0:
        word = (volatile uint64_t *)&target->sender + random_below(seed, 5);
        *word = random_bad(seed, *word);
        break;
    case 1:
    case 2:
        word = (volatile uint64_t *)(target->section + cell);
        *word = random_bad(seed, random_below(seed, 40));
        break;
    case 3:
    case 4:
        half = (volatile uint32_t *)(target->section + cell + 8);
        *half = (uint32_t)random_bad(seed, shm_ring_message_max(CELLS));
        break;
    case 5:
        half = (volatile uint32_t *)(target->section + cell + 12);
        *half = (uint32_t)random_bad(seed, 0);
        break;
    default:
        word = (volatile uint64_t *)(target->section + random_below(seed, target->size / 8) * 8);
        *word = random_bad(seed, random_below(seed, 40));
    }
}

/* Reads as a reader would, some messages at most. Returns how many came. */
static unsigned read_on(struct target *target, uint64_t *seed, struct shm_ring_reader *reader,
                        bool *open)
{
    unsigned count = 0;
    for (int i = 0; i < 40; i++) {
        if (!*open) {
            int error = shm_ring_reader_open(reader, &target->reader, &target->sender,
                                             target->section, target->size);
            cr_assert(error == 0 || error == -EAGAIN || error == -EPROTO);
            if (error)
                return count;
            *open = true;
        }
        size_t capacity = random_below(seed, 300), length = 0;
        uint8_t *buffer = malloc(capacity + 1);
        uint16_t kind;
        bool due;
        int result = shm_ring_receive(reader, &kind, buffer, capacity, &length, &due);
        free(buffer);
        shm_ring_pending(reader);
        switch (result) {
        case 1:
            cr_assert_leq(length, capacity);
            cr_assert_leq(length, shm_ring_message_max(CELLS));
            count++;
            break;
        case 0:
        case -EMSGSIZE:
            return count;
        case -EPROTO:
            cr_assert_eq(target->reader.refused, reader->generation);
            *open = false;
            return count;
        default:
            cr_assert_eq(result, -EPIPE);
            *open = false;
        }
    }
    return count;
}

Test(fuzz, random_values_in_ports_and_cells, .timeout = 30)
{
    uint64_t seed = 2024, end = now_ns() + 1000000000, messages = 0, rounds = 0;
    struct target target;
    target_make(&target);
    while (now_ns() < end) {
        struct shm_ring_writer writer;
        struct shm_ring_reader reader;
        bool open = false;
        memset(&target.reader, 0, sizeof target.reader);
        shm_ring_writer_create(&writer, &target.sender, target.section + 192, 192, CELLS,
                               1 + rounds++);
        writer.reader_port = &target.reader;
        for (int step = 0; step < 30; step++) {
            uint8_t data[216] = {0};
            struct shm_piece piece = {data, random_below(&seed, sizeof data + 1)};
            if (random_below(&seed, 2))
                shm_ring_send(&writer, 1, &piece, 1);
            if (random_below(&seed, 4) == 0)
                spoil(&target, &seed);
            messages += read_on(&target, &seed, &reader, &open);
        }
    }
    cr_assert_gt(messages, rounds, "nothing got through: the fuzz is too wild to reach far");
    free(target.section);
}

/* A hostile reader, seen from the sender. */
Test(fuzz, random_values_in_the_reader_s_port, .timeout = 30)
{
    uint64_t seed = 11, end = now_ns() + 500000000;
    struct target target;
    target_make(&target);
    while (now_ns() < end) {
        struct shm_ring_writer writer;
        memset(&target.reader, 0, sizeof target.reader);
        shm_ring_writer_create(&writer, &target.sender, target.section + 192, 192, CELLS, 3);
        writer.reader_port = &target.reader;
        target.reader.credit_generation = 3;
        for (int step = 0; step < 100; step++) {
            uint8_t data[216] = {0};
            uint32_t core;
            struct shm_piece piece = {data, random_below(&seed, sizeof data + 1)};
            int error = shm_ring_send(&writer, 1, &piece, 1);
            cr_assert(error == 0 || error == -EAGAIN || error == -EPIPE || error == -EPROTO);
            cr_assert_leq(writer.head - writer.credit, CELLS);
            shm_ring_reader_armed(&writer, &core);
            if (error == -EAGAIN)
                shm_ring_sender_wait(&writer, piece.length, 0);
            volatile uint64_t *word =
                (volatile uint64_t *)&target.reader.credit + random_below(&seed, 5);
            if (random_below(&seed, 3) == 0)
                *word = random_bad(&seed, *word);
            else
                target.reader.credit = random_bad(&seed, writer.head);
        }
    }
    free(target.section);
}

#ifndef __SANITIZE_THREAD__ /* the races are the point */
struct vandal {
    struct target *target;
    _Atomic bool stop;
};

static void *run_vandal(void *argument)
{
    struct vandal *vandal = argument;
    uint64_t seed = 4711;
    while (!vandal->stop) {
        spoil(vandal->target, &seed);
        /* Now and then a sound announcement, or the reader would hardly get past it. */
        if (random_below(&seed, 8) == 0) {
            vandal->target->sender.ring_offset = 192;
            vandal->target->sender.ring_cells = CELLS;
            vandal->target->sender.ring_generation = 1 + random_below(&seed, UINT32_MAX);
        }
        if (random_below(&seed, 2) == 0) {
            struct shm_cell *cells = (struct shm_cell *)(vandal->target->section + 192);
            for (unsigned i = 0; i < CELLS; i++) {
                cells[i].flags = 0;
                cells[i].length = (uint32_t)random_below(&seed, 217);
                cells[i].sequence = i + 1;
            }
        }
    }
    return NULL;
}

Test(fuzz, values_that_change_while_they_are_read, .timeout = 30)
{
    uint64_t seed = 8, end = now_ns() + 1000000000, messages = 0;
    struct target target;
    struct shm_ring_reader reader;
    bool open = false;
    target_make(&target);
    struct vandal vandal = {.target = &target};
    pthread_t thread;
    pthread_create(&thread, NULL, run_vandal, &vandal);
    while (now_ns() < end)
        for (int i = 0; i < 100; i++)
            messages += read_on(&target, &seed, &reader, &open);
    vandal.stop = true;
    pthread_join(thread, NULL);
    cr_assert_gt(messages, 100);
    free(target.section);
}
#endif
