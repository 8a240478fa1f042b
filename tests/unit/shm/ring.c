/* Rings, with both ends in one thread: contents, order, limits, credits, arming, generations. */
#include "tests/unit/shm/support.h"

#include "shm/fence.h"

#include <criterion/criterion.h>
#include <errno.h>

/* A sender's and a reader's section, as far as a ring needs them. */
struct pair {
    struct shm_port sender, reader; /* each in its owner's section */
    uint8_t *section;               /* the sender's */
    uint64_t size, offset, cells;
    struct shm_ring_writer writer;
    struct shm_ring_reader in;
};

static void pair_make(struct pair *pair, uint64_t cells, uint64_t generation)
{
    memset(pair, 0, sizeof *pair);
    pair->cells = cells;
    pair->offset = 128;
    pair->size = pair->offset + cells * sizeof(struct shm_cell);
    pair->section = aligned_alloc(SHM_LINE, pair->size);
    cr_assert_eq(
        shm_ring_reader_open(&pair->in, &pair->reader, &pair->sender, pair->section, pair->size),
        -EAGAIN);
    shm_ring_writer_create(&pair->writer, &pair->sender, pair->section + pair->offset, pair->offset,
                           cells, generation);
    pair->writer.reader_port = &pair->reader;
    cr_assert_eq(
        shm_ring_reader_open(&pair->in, &pair->reader, &pair->sender, pair->section, pair->size),
        0);
}

static int send_bytes(struct pair *pair, uint16_t kind, const void *data, size_t length)
{
    struct shm_piece piece = {data, length};
    return shm_ring_send(&pair->writer, kind, &piece, 1);
}

static int send_number(struct pair *pair, uint64_t number)
{
    return send_bytes(pair, 1, &number, sizeof number);
}

static int receive_number(struct pair *pair, uint64_t *number, bool *credit_due)
{
    uint16_t kind;
    size_t length;
    uint8_t buffer[64];
    int result = shm_ring_receive(&pair->in, &kind, buffer, sizeof buffer, &length, credit_due);
    if (result == 1)
        memcpy(number, buffer, sizeof *number);
    return result;
}

Test(ring, every_length_arrives_as_it_was_sent)
{
    static uint8_t data[8192], buffer[8192];
    struct pair pair;
    uint64_t seed = 1;
    pair_make(&pair, 256, 1);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)random_next(&seed);
    for (size_t length = 0; length <= shm_ring_message_max(256); length++) {
        uint16_t kind = 0;
        size_t got = 9999;
        bool due;
        /* At every offset of the source, into an exactly sized buffer every other time. */
        size_t capacity = length % 2 ? length : sizeof buffer;
        uint8_t *exact = length % 2 ? malloc(length) : buffer;
        cr_assert_eq(send_bytes(&pair, (uint16_t)(length * 3), data + length % 64, length), 0);
        cr_assert(shm_ring_pending(&pair.in));
        cr_assert_eq(shm_ring_receive(&pair.in, &kind, exact, capacity, &got, &due), 1);
        cr_assert_eq(got, length);
        cr_assert_eq(kind, (uint16_t)(length * 3));
        cr_assert(memcmp(exact, data + length % 64, length) == 0, "length %zu", length);
        cr_assert(!shm_ring_pending(&pair.in));
        if (length % 2)
            free(exact);
    }
    cr_assert_eq(send_bytes(&pair, 1, data, shm_ring_message_max(256) + 1), -EMSGSIZE);
    free(pair.section);
}

Test(ring, pieces_are_gathered)
{
    struct pair pair;
    uint64_t seed = 2;
    uint8_t data[900], buffer[1024];
    pair_make(&pair, 64, 1);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)random_next(&seed);
    for (int round = 0; round < 5000; round++) {
        struct shm_piece pieces[6];
        size_t count = random_below(&seed, 7), total = 0, got;
        for (size_t i = 0; i < count; i++) {
            size_t length = random_below(&seed, 3) ? random_below(&seed, 140) : 0;
            pieces[i] = (struct shm_piece){length ? data + total : NULL, length};
            total += length;
        }
        uint16_t kind;
        bool due;
        int sent = shm_ring_send(&pair.writer, 7, pieces, count);
        if (total > shm_ring_message_max(64)) {
            cr_assert_eq(sent, -EMSGSIZE);
            continue;
        }
        cr_assert_eq(sent, 0);
        cr_assert_eq(shm_ring_receive(&pair.in, &kind, buffer, sizeof buffer, &got, &due), 1);
        cr_assert_eq(got, total);
        cr_assert(memcmp(buffer, data, total) == 0);
    }
    struct shm_piece huge[2] = {{data, SIZE_MAX}, {data, 2}};
    cr_assert_eq(shm_ring_send(&pair.writer, 7, huge, 2), -EMSGSIZE);
    free(pair.section);
}

/* A queue beside the ring holds what must come out; all sizes, all fill levels, many laps. */
Test(ring, a_random_run_agrees_with_a_queue, .timeout = 20)
{
    for (uint64_t cells = 16; cells <= 256; cells *= 4) {
        enum { QUEUE = 4096 };
        static struct {
            uint64_t seed;
            size_t length;
        } queue[QUEUE];
        static uint8_t data[8192], buffer[8192], expected[8192];
        struct pair pair;
        uint64_t seed = cells, first = 0, last = 0, full = 0;
        pair_make(&pair, cells, 5);
        for (int i = 0; i < 40000; i++) {
            size_t length =
                random_below(&seed, random_below(&seed, 4) ? 64 : shm_ring_message_max(cells) + 1);
            if (random_below(&seed, 8) < (i / 500 % 2 ? 3u : 5u) && last - first < QUEUE) {
                uint64_t content = seed;
                for (size_t k = 0; k < length; k++)
                    data[k] = (uint8_t)(content >> k % 57);
                bool room = shm_ring_can_send(&pair.writer, length);
                int sent = send_bytes(&pair, (uint16_t)length, data, length);
                cr_assert_eq(sent, room ? 0 : -EAGAIN);
                if (sent == 0) {
                    queue[last % QUEUE].seed = content;
                    queue[last++ % QUEUE].length = length;
                } else {
                    full++;
                }
            } else {
                uint16_t kind;
                size_t got;
                bool due;
                int result = shm_ring_receive(&pair.in, &kind, buffer, sizeof buffer, &got, &due);
                cr_assert_eq(result, first < last);
                cr_assert(!due, "nobody waits");
                if (result != 1)
                    continue;
                cr_assert_eq(got, queue[first % QUEUE].length);
                for (size_t k = 0; k < got; k++)
                    expected[k] = (uint8_t)(queue[first % QUEUE].seed >> k % 57);
                cr_assert(memcmp(buffer, expected, got) == 0);
                first++;
            }
        }
        cr_assert_gt(full, 0);
        free(pair.section);
    }
}

Test(ring, credits_come_back_by_the_quarter)
{
    struct pair pair;
    uint64_t number;
    bool due;
    pair_make(&pair, 16, 1);
    for (uint64_t i = 0; i < 16; i++)
        cr_assert_eq(send_number(&pair, i), 0);
    cr_assert_eq(send_number(&pair, 16), -EAGAIN);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(receive_number(&pair, &number, &due), 1);
    cr_assert_eq(pair.reader.credit, 0);
    cr_assert_eq(send_number(&pair, 16), -EAGAIN);
    cr_assert_eq(receive_number(&pair, &number, &due), 1);
    cr_assert_eq(pair.reader.credit, 4);
    cr_assert_not(due);
    cr_assert_eq(send_number(&pair, 16), 0);
    free(pair.section);
}

Test(ring, a_waiting_sender_is_answered_at_once_and_once)
{
    struct pair pair;
    uint64_t number;
    bool due;
    pair_make(&pair, 64, 1);
    for (uint64_t i = 0; i < 64; i++)
        cr_assert_eq(send_number(&pair, i), 0);
    cr_assert_not(shm_ring_sender_wait(&pair.writer, 8, 5));
    cr_assert_eq(pair.sender.sender_core, 5);
    cr_assert_eq(pair.sender.sender_waiting % 2, 1);
    cr_assert_eq(receive_number(&pair, &number, &due), 1);
    cr_assert(due);
    cr_assert_eq(pair.reader.credit, 1);
    /* Until it has woken up, only quarters ring again. */
    for (int i = 0; i < 15; i++) {
        cr_assert_eq(receive_number(&pair, &number, &due), 1);
        cr_assert_not(due);
    }
    cr_assert_eq(receive_number(&pair, &number, &due), 1);
    cr_assert(due);
    cr_assert_eq(pair.reader.credit, 17);
    /* It sends, and by that waits no more. */
    cr_assert_eq(send_number(&pair, 64), 0);
    cr_assert_eq(pair.sender.sender_waiting % 2, 0);
    cr_assert_eq(receive_number(&pair, &number, &due), 1);
    cr_assert_not(due);
    /* It waits again: answered again. */
    while (send_number(&pair, 1) == 0)
        continue;
    cr_assert_not(shm_ring_sender_wait(&pair.writer, 8, 5));
    cr_assert(shm_ring_pending(&pair.in));
    cr_assert_eq(receive_number(&pair, &number, &due), 1);
    cr_assert(due);
    free(pair.section);
}

Test(ring, an_empty_ring_owes_a_waiting_sender_nothing)
{
    struct pair pair;
    uint64_t number;
    bool due;
    pair_make(&pair, 16, 1);
    cr_assert_eq(send_number(&pair, 0), 0);
    cr_assert_eq(receive_number(&pair, &number, &due), 1);
    cr_assert_not(due);
    cr_assert_not(shm_ring_pending(&pair.in));
    /* A sender that waits for more than the quarter owed: there is something to do for the reader.
     */
    pair.sender.sender_waiting = 3;
    cr_assert(shm_ring_pending(&pair.in));
    cr_assert_eq(receive_number(&pair, &number, &due), 0);
    cr_assert(due);
    cr_assert_eq(pair.reader.credit, 1);
    cr_assert_not(shm_ring_pending(&pair.in));
    cr_assert_eq(receive_number(&pair, &number, &due), 0);
    cr_assert_not(due);
    free(pair.section);
}

Test(ring, arming_rings_once_and_again_after_a_while)
{
    struct pair pair;
    uint32_t core = 99;
    unsigned rings = 0;
    pair_make(&pair, 256, 1);
    cr_assert_not(shm_ring_reader_armed(&pair.writer, &core));
    shm_port_arm(&pair.reader, 3);
    shm_fence();
    cr_assert_not(shm_ring_pending(&pair.in));
    cr_assert_eq(send_number(&pair, 0), 0);
    cr_assert(shm_ring_reader_armed(&pair.writer, &core));
    cr_assert_eq(core, 3);
    for (int i = 0; i < 3 * SHM_RING_AGAIN; i++)
        rings += shm_ring_reader_armed(&pair.writer, &core);
    cr_assert_eq(rings, 3);
    shm_port_arm(&pair.reader, 4);
    cr_assert(shm_ring_reader_armed(&pair.writer, &core), "armed anew without disarming");
    cr_assert_eq(core, 4);
    shm_port_disarm(&pair.reader);
    cr_assert_not(shm_ring_reader_armed(&pair.writer, &core));
    shm_port_disarm(&pair.reader);
    cr_assert_not(shm_ring_reader_armed(&pair.writer, &core));
    shm_port_arm(&pair.reader, 4);
    cr_assert(shm_ring_reader_armed(&pair.writer, &core));
    free(pair.section);
}

Test(ring, a_message_too_long_for_the_buffer_stays)
{
    struct pair pair;
    uint8_t data[200] = {1, 2, 3}, buffer[200];
    uint16_t kind;
    size_t length = 0;
    bool due;
    pair_make(&pair, 16, 1);
    cr_assert_eq(send_bytes(&pair, 8, data, 200), 0);
    cr_assert_eq(shm_ring_receive(&pair.in, &kind, buffer, 199, &length, &due), -EMSGSIZE);
    cr_assert_eq(length, 200);
    cr_assert_eq(shm_ring_receive(&pair.in, &kind, buffer, 200, &length, &due), 1);
    cr_assert(memcmp(data, buffer, 200) == 0);
    free(pair.section);
}

Test(ring, a_new_ring_ends_the_old_one)
{
    struct pair pair;
    uint64_t number = 0;
    bool due;
    pair_make(&pair, 16, 1);
    for (uint64_t i = 0; i < 3; i++)
        cr_assert_eq(send_number(&pair, i), 0);
    cr_assert_eq(receive_number(&pair, &number, &due), 1);
    shm_ring_writer_create(&pair.writer, &pair.sender, pair.section + pair.offset, pair.offset, 16,
                           2);
    pair.writer.reader_port = &pair.reader;
    cr_assert(shm_ring_pending(&pair.in));
    cr_assert_eq(receive_number(&pair, &number, &due), -EPIPE);
    /* The old credit does not count for the new ring. */
    pair.reader.credit = 12;
    for (uint64_t i = 0; i < 16; i++)
        cr_assert_eq(send_number(&pair, 100 + i), 0);
    cr_assert_eq(send_number(&pair, 0), -EAGAIN);
    cr_assert_eq(receive_number(&pair, &number, &due), -EPIPE);
    cr_assert_eq(
        shm_ring_reader_open(&pair.in, &pair.reader, &pair.sender, pair.section, pair.size), 0);
    for (uint64_t i = 0; i < 16; i++) {
        cr_assert_eq(receive_number(&pair, &number, &due), 1);
        cr_assert_eq(number, 100 + i);
    }
    cr_assert_eq(
        shm_ring_reader_open(&pair.in, &pair.reader, &pair.sender, pair.section, pair.size),
        -EAGAIN, "the place in the stream would be lost");
    free(pair.section);
}

Test(ring, what_no_sender_writes_is_refused_for_good)
{
    struct pair pair;
    uint64_t number;
    bool due;
    for (int fault = 0; fault < 6; fault++) {
        pair_make(&pair, 16, 1);
        cr_assert_eq(send_bytes(&pair, 1, (uint8_t[100]){0}, 100), 0);
        struct shm_cell *cell = (struct shm_cell *)(pair.section + pair.offset);
        uint8_t buffer[216];
        uint16_t kind;
        size_t length;
        switch (fault) {
        case 0:
            cell->flags = 1;
            break;
        case 1:
            cell->length = (uint32_t)shm_ring_message_max(16) + 1;
            break;
        case 2:
            cell->length = UINT32_MAX;
            break;
        case 3:
            cell->sequence = 2;
            break;
        case 4:
            cell[1].sequence = 1;
            break;
        default:
            cell->sequence = UINT64_MAX;
            break;
        }
        cr_assert(shm_ring_pending(&pair.in));
        cr_assert_eq(shm_ring_receive(&pair.in, &kind, buffer, sizeof buffer, &length, &due),
                     -EPROTO, "fault %d", fault);
        cr_assert_eq(pair.reader.refused, 1);
        cr_assert_eq(send_number(&pair, 1), -EPIPE);
        cr_assert(shm_ring_sender_wait(&pair.writer, 8, 0), "no use waiting");
        cr_assert_eq(
            shm_ring_reader_open(&pair.in, &pair.reader, &pair.sender, pair.section, pair.size),
            -EPROTO);
        free(pair.section);
    }
    pair_make(&pair, 16, 1);
    for (uint64_t i = 0; i < 16; i++)
        cr_assert_eq(send_number(&pair, i), 0);
    pair.reader.credit = 17;
    cr_assert_eq(send_number(&pair, 1), -EPROTO);
    pair.reader.credit = UINT64_MAX;
    cr_assert_eq(send_number(&pair, 1), -EPROTO);
    pair.reader.credit = 0;
    for (int i = 0; i < 4; i++)
        cr_assert_eq(receive_number(&pair, &number, &due), 1);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(send_number(&pair, 1), 0);
    pair.reader.credit = 3;
    cr_assert_eq(send_number(&pair, 1), -EPROTO, "credit that goes back");
    free(pair.section);
}

Test(ring, an_announcement_that_is_not_sound_is_refused)
{
    uint64_t seed = 77;
    for (int i = 0; i < 200000; i++) {
        static uint8_t section[4096] __attribute__((aligned(64)));
        struct shm_port sender = {.ring_generation = 9, .ring_offset = 1024, .ring_cells = 16};
        struct shm_port reader = {.credit = 0};
        struct shm_ring_reader in;
        if (random_below(&seed, 2))
            sender.ring_offset = random_bad(&seed, 1024);
        if (random_below(&seed, 2))
            sender.ring_cells = random_bad(&seed, 16);
        uint64_t offset = sender.ring_offset, cells = sender.ring_cells;
        bool sound = cells >= 16 && cells <= 65536 && !(cells & (cells - 1)) && offset % 64 == 0 &&
                     offset <= 4096 && cells * 64 <= 4096 - offset;
        int result = shm_ring_reader_open(&in, &reader, &sender, section, sizeof section);
        cr_assert_eq(result, sound ? 0 : -EPROTO);
        if (!sound)
            cr_assert_eq(reader.refused, 9);
    }
}
