/* The end of a sender at every point of a message, hostile memory at the other side, and what the
 * library says where there is no Atoll. */
#include "tests/unit/atoll/fake.h"

#include <criterion/criterion.h>

static uint64_t *snapshot(void)
{
    uint64_t *copy = malloc(fake_lagoon.section_size);
    memcpy(copy, fake_section(FAKE_SENDER), fake_lagoon.section_size);
    return copy;
}

/* A sender stores a message's words in some order, but the word by which the reader knows it last.
 * Whatever part of the others is there when it dies: the reader gets what was whole, and EPIPE. */
Test(death, at_every_point_of_a_message, .timeout = 60)
{
    static const size_t lengths[] = {0, 8, 48, 49, 300, 1024, 1025, 5000};
    uint64_t state = 5;
    for (size_t k = 0; k < sizeof(lengths) / sizeof(*lengths); k++) {
        for (int round = 0; round < 40; round++) {
            uint8_t bytes[5000], got[5000];
            fake_start(1 << 20);
            struct pair pair = fake_open(128);
            uint64_t whole = random_below(&state, 6);
            memset(bytes, 0x5a, sizeof(bytes));
            for (uint64_t i = 0; i < whole; i++)
                cr_assert_eq(atoll_send(pair.sender, bytes, lengths[k] * i % 700, 0), 0);
            uint64_t head = pair.sender->writer.head;
            uint64_t *before = snapshot();
            cr_assert_eq(atoll_send(pair.sender, bytes, lengths[k], 0), 0);
            /* Takes back a part of the stores, among them the last. */
            uint64_t *words = (uint64_t *)fake_section(FAKE_SENDER);
            uint64_t last =
                (uint64_t)((uint8_t *)&pair.sender->writer.cells[head & pair.sender->writer.mask]
                               .sequence -
                           fake_section(FAKE_SENDER)) /
                8;
            for (uint64_t i = 0; i < fake_lagoon.section_size / 8; i++)
                if (words[i] != before[i] && (i == last || random_below(&state, 2)))
                    words[i] = before[i];
            free(before);
            fake_break(pair.reader);
            for (uint64_t i = 0; i < whole; i++)
                cr_assert_eq(atoll_receive(pair.reader, got, sizeof(got), ATOLL_FOREVER),
                             (ssize_t)(lengths[k] * i % 700));
            cr_assert_eq(atoll_receive(pair.reader, got, sizeof(got), ATOLL_FOREVER), -EPIPE);
            cr_assert_eq(atoll_receive(pair.reader, got, sizeof(got), 0), -EPIPE);
            fake_close(&pair);
            fake_end();
        }
    }
}

Test(death, a_new_generation_ends_the_old_one_s_messages)
{
    char got[100];
    fake_start(1 << 20);
    struct pair pair = fake_open(16);
    cr_assert_eq(atoll_send(pair.sender, "old", 4, 0), 0);
    lagoon_start(&fake_lagoon, FAKE_SENDER, 2);
    cr_expect_eq(atoll_receive(pair.reader, got, sizeof(got), 0), -EPIPE);
    fake_close(&pair);
    fake_end();
}

Test(death, the_reader_s_end_ends_the_sender)
{
    char bytes[2000] = {0};
    fake_start(1 << 20);
    struct pair pair = fake_open(16);
    int result;
    while ((result = atoll_send(pair.sender, bytes, sizeof(bytes), 0)) == 0)
        ;
    cr_expect_eq(result, -EAGAIN);
    cr_expect_eq(atoll_send(pair.sender, bytes, sizeof(bytes), 1000000), -ETIMEDOUT);
    fake_break(pair.sender);
    cr_expect_eq(atoll_send(pair.sender, bytes, 1, ATOLL_FOREVER), -EPIPE);
    fake_close(&pair);
    fake_end();
}

/* --- Hostile memory -----------------------------------------------------------------------------
 */

static void try_to_receive(struct atoll_channel *channel, uint64_t *state)
{
    static uint8_t buffer[20000];
    const void *data;
    ssize_t result;
    switch (random_below(state, 4)) {
    case 0:
        result = atoll_peek(channel, &data, 0);
        if (result >= 0) {
            uint8_t sum = 0;
            for (ssize_t i = 0; i < result && i < 4096; i++)
                sum ^= ((const uint8_t *)data)[i]; /* readable, whatever it is */
            *(volatile uint8_t *)buffer = sum;
            atoll_release(channel);
        }
        break;
    case 1:
        result = atoll_next_length(channel, 0);
        break;
    default:
        result = atoll_receive(channel, buffer, random_below(state, sizeof(buffer)), 0);
        break;
    }
    cr_assert(result >= 0 || result == -EAGAIN || result == -EPIPE || result == -EPROTO ||
                  result == -EMSGSIZE,
              "%lld", (long long)result);
}

/* Spoils a word of the ring, of a record, or of the section's head. */
static void spoil(uint8_t *section, const struct pair *pair, uint64_t *state)
{
    const struct shm_ring_writer *writer = &pair->sender->writer;
    bool reader = section == fake_section(FAKE_READER);
    uint8_t *base;
    uint64_t size;
    switch (random_below(state, reader ? 1 : 3)) {
    case 0:
        base = (uint8_t *)(reader ? pair->reader->own : pair->sender->own);
        size = sizeof(struct shm_channel) - SHM_LINE; /* the last line is its owner's alone */
        break;
    case 1:
        base = section;
        size = sizeof(struct shm_section);
        break;
    default:
        base = (uint8_t *)writer->cells;
        size = (writer->mask + 1) * sizeof(struct shm_cell);
        break;
    }
    uint64_t at = random_below(state, size / 8);
    ((volatile uint64_t *)base)[at] = random_bad(state, ((uint64_t *)base)[at]);
}

Test(hostile, every_field_of_the_sender_s_memory, .timeout = 60)
{
    uint64_t state = 99;
    for (int round = 0; round < 1000; round++) {
        uint8_t bytes[3000] = {1};
        fake_start(128 << 10);
        struct pair pair = fake_open(16u << random_below(&state, 4));
        for (int step = 0; step < 30; step++) {
            if (random_below(&state, 2) && pair.sender->error == 0)
                atoll_send(pair.sender, bytes, random_below(&state, sizeof(bytes)), 0);
            if (random_below(&state, 4) == 0)
                spoil(fake_section(FAKE_SENDER), &pair, &state);
            try_to_receive(pair.reader, &state);
        }
        fake_close(&pair);
        fake_end();
    }
}

Test(hostile, every_field_of_the_reader_s_memory, .timeout = 60)
{
    uint64_t state = 98;
    for (int round = 0; round < 1000; round++) {
        uint8_t bytes[3000] = {1};
        fake_start(128 << 10);
        struct pair pair = fake_open(16u << random_below(&state, 4));
        for (int step = 0; step < 30; step++) {
            void *place;
            int result;
            if (random_below(&state, 4) == 0)
                spoil(fake_section(FAKE_READER), &pair, &state);
            if (random_below(&state, 4) == 0) {
                result = atoll_reserve(pair.sender, random_below(&state, 3000), &place, 0);
                if (result == 0)
                    result = atoll_commit(pair.sender, 0);
            } else {
                result = atoll_send(pair.sender, bytes, random_below(&state, sizeof(bytes)), 0);
            }
            cr_assert(result == 0 || result == -EAGAIN || result == -EPIPE || result == -EPROTO ||
                          result == -ENOMEM,
                      "%d", result);
        }
        fake_close(&pair);
        fake_end();
    }
}

/* --- No Atoll ------------------------------------------------------------------------------------
 */

Test(plain, everything_says_enosys)
{
    struct atoll_port *port;
    struct atoll_channel *channel;
    struct atoll_barrier *barrier;
    struct atoll_counter *counter;
    struct atoll_window window;
    struct atoll_peer peer;
    void *memory;
    cr_expect_eq(atoll_init(), -ENOSYS);
    cr_expect_eq(atoll_self(), -ENOSYS);
    cr_expect_eq(atoll_peers(), -ENOSYS);
    cr_expect_eq(atoll_peer(1, &peer), -ENOSYS);
    cr_expect_eq(atoll_peer_find("a"), -ENOSYS);
    cr_expect_eq(atoll_peer_wait(1, 1, 0), -ENOSYS);
    cr_expect_eq(atoll_port_publish("a", &port), -ENOSYS);
    cr_expect_eq(atoll_port_find(1, "a", 0), -ENOSYS);
    cr_expect_eq(atoll_channel_open(1, "a", NULL, 0, &channel), -ENOSYS);
    cr_expect_eq(atoll_memory_alloc(64, &memory), -ENOSYS);
    cr_expect_eq(atoll_window_make(&window, 1, &window), -ENOSYS);
    cr_expect_eq(atoll_barrier_join("a", NULL, 0, 0, &barrier), -ENOSYS);
    cr_expect_eq(atoll_counter_create("a", 0, &counter), -ENOSYS);
    cr_expect_eq(atoll_counter_find(1, "a", 0, &counter), -ENOSYS);
    cr_expect_eq(atoll_wait(&(struct atoll_wait){.fd = 0}, 1, 0), -ENOSYS);
}
