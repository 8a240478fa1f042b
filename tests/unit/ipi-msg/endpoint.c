/* Endpoints of several peers in one thread: channels, doorbells, closing, and starting again. */
#include "tests/unit/ipi-msg/world.h"

static struct world world;

static void all_start(void)
{
    world_make(&world, 256 << 10);
    for (uint32_t peer = 0; peer < WORLD_PEERS; peer++)
        world_start(&world, peer, 1);
}

static void expect_number(uint32_t at, uint32_t from, uint64_t expected)
{
    uint64_t number = 0;
    cr_assert_eq(world_receive(&world, at, from, &number), 1);
    cr_assert_eq(number, expected);
}

static void expect_nothing(uint32_t at, uint32_t from)
{
    uint64_t number;
    cr_assert_eq(world_receive(&world, at, from, &number), 0);
}

static uint64_t rings(uint32_t peer)
{
    return world.peers[peer].bell.rings;
}

Test(endpoint, every_pair_talks_both_ways)
{
    all_start();
    for (uint32_t from = 0; from < WORLD_PEERS; from++)
        for (uint32_t to = 0; to < WORLD_PEERS; to++)
            for (uint64_t i = 0; i < 3 && from != to; i++)
                cr_assert_eq(world_send(&world, from, to, from * 100 + to * 10 + i), 0);
    for (uint32_t from = 0; from < WORLD_PEERS; from++)
        for (uint32_t to = 0; to < WORLD_PEERS; to++) {
            for (uint64_t i = 0; i < 3 && from != to; i++)
                expect_number(to, from, from * 100 + to * 10 + i);
            expect_nothing(to, from);
        }
    world_end(&world);
}

Test(endpoint, there_is_no_such_peer)
{
    uint64_t number;
    all_start();
    cr_expect_eq(world_send(&world, 1, 1, 0), -EINVAL);
    cr_expect_eq(world_send(&world, 1, WORLD_PEERS, 0), -EINVAL);
    cr_expect_eq(world_send(&world, 1, UINT32_MAX, 0), -EINVAL);
    cr_expect_eq(world_receive(&world, 1, 1, &number), 0);
    cr_expect_eq(world_receive(&world, 1, UINT32_MAX, &number), 0);
    cr_expect_not(ipi_arm(&world.peers[1].endpoint, 0, UINT32_MAX));
    ipi_disarm(&world.peers[1].endpoint, 0, UINT32_MAX);
    ipi_reset(&world.peers[1].endpoint, 1);
    ipi_reset(&world.peers[1].endpoint, UINT32_MAX);
    world_end(&world);
}

Test(endpoint, the_longest_message_and_one_longer)
{
    static uint8_t data[8192], buffer[8192];
    uint16_t kind;
    size_t length;
    all_start();
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 5);
    struct shm_piece pieces[2] = {{data, 24}, {data + 24, ipi_message_max() - 24}};
    cr_assert_eq(ipi_send(&world.peers[1].endpoint, 0, 64, pieces, 2), 0);
    cr_assert_eq(
        ipi_receive(&world.peers[0].endpoint, 1, &kind, buffer, ipi_message_max(), &length), 1);
    cr_assert_eq(length, ipi_message_max());
    cr_assert(memcmp(data, buffer, length) == 0);
    pieces[1].length++;
    cr_assert_eq(ipi_send(&world.peers[1].endpoint, 0, 64, pieces, 2), -EMSGSIZE);
    cr_assert_eq(world_send(&world, 1, 0, 5), 0);
    expect_number(0, 1, 5);
    world_end(&world);
}

Test(endpoint, a_full_channel_wakes_its_sender_when_there_is_room)
{
    uint64_t sent = 0;
    all_start();
    while (world_send(&world, 1, 2, sent) == 0)
        sent++;
    cr_assert_eq(sent, IPI_RING_CELLS);
    cr_assert_eq(world_send(&world, 1, 2, sent), -EAGAIN);
    cr_assert_eq(rings(1), 0);
    expect_number(2, 1, 0);
    cr_assert_eq(rings(1), 1);
    cr_assert_eq(world_send(&world, 1, 2, sent++), 0);
    for (uint64_t i = 1; i < sent; i++)
        expect_number(2, 1, i);
    expect_nothing(2, 1);
    cr_assert_eq(rings(1), 1, "it does not wait any more");
    world_end(&world);
}

Test(endpoint, only_who_has_armed_is_rung)
{
    all_start();
    cr_assert_eq(world_send(&world, 1, 2, 1), 0);
    cr_assert_eq(rings(2), 0);
    cr_assert(ipi_arm(&world.peers[2].endpoint, 0, WORLD_PEERS - 1), "there is a message");
    expect_number(2, 1, 1);
    cr_assert_not(ipi_arm(&world.peers[2].endpoint, 0, WORLD_PEERS - 1));
    cr_assert_eq(world_send(&world, 1, 2, 2), 0);
    cr_assert_eq(world_send(&world, 1, 2, 3), 0);
    cr_assert_eq(rings(2), 1);
    cr_assert_eq(world_send(&world, 0, 2, 4), 0);
    cr_assert_eq(rings(2), 2, "each sender rings for itself");
    ipi_disarm(&world.peers[2].endpoint, 0, WORLD_PEERS - 1);
    cr_assert_eq(world_send(&world, 0, 2, 5), 0);
    cr_assert_eq(rings(2), 2);
    cr_assert(ipi_arm(&world.peers[2].endpoint, 1, 1));
    cr_assert_eq(world_send(&world, 0, 2, 6), 0);
    cr_assert_eq(rings(2), 2, "not armed for that one");
    world_end(&world);
}

Test(endpoint, messages_wait_for_a_peer_that_is_yet_to_start)
{
    world_make(&world, 256 << 10);
    world_start(&world, 0, 1);
    for (uint64_t i = 0; i < 5; i++)
        cr_assert_eq(world_send(&world, 0, 1, i), 0);
    expect_nothing(0, 1);
    world_start(&world, 1, 17);
    cr_assert(ipi_arm(&world.peers[1].endpoint, 0, 0));
    for (uint64_t i = 0; i < 5; i++)
        expect_number(1, 0, i);
    cr_assert_not(ipi_arm(&world.peers[1].endpoint, 0, 0));
    cr_assert_eq(world_send(&world, 0, 1, 5), 0);
    cr_assert_eq(rings(1), 1);
    expect_number(1, 0, 5);
    cr_assert_eq(world_send(&world, 1, 0, 6), 0);
    expect_number(0, 1, 6);
    world_end(&world);
}

Test(endpoint, a_restart_ends_the_old_and_begins_the_new)
{
    uint64_t number;
    all_start();
    for (uint64_t i = 0; i < 10; i++) {
        cr_assert_eq(world_send(&world, 1, 2, i), 0);
        cr_assert_eq(world_send(&world, 2, 1, i), 0);
    }
    expect_number(1, 2, 0);
    expect_number(2, 1, 0);
    world_start(&world, 2, 2);
    /* What was sent to the former 2 is not for this one. */
    expect_nothing(2, 1);
    cr_assert_not(ipi_arm(&world.peers[2].endpoint, 0, 3));
    cr_assert(ipi_arm(&world.peers[1].endpoint, 0, 3), "the break is something to see");
    cr_assert_eq(world_send(&world, 1, 2, 50), -EPIPE);
    cr_assert_eq(world_receive(&world, 1, 2, &number), -EPIPE);
    expect_nothing(1, 2);
    cr_assert_not(ipi_arm(&world.peers[1].endpoint, 0, 3));
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert_eq(world_send(&world, 1, 2, 60 + i), 0);
        cr_assert_eq(world_send(&world, 2, 1, 70 + i), 0);
    }
    cr_assert_eq(rings(1), 1, "armed, so rung");
    for (uint64_t i = 0; i < 3; i++) {
        expect_number(2, 1, 60 + i);
        expect_number(1, 2, 70 + i);
    }
    world_end(&world);
}

Test(endpoint, a_peer_that_is_down_is_not_talked_to_until_it_is_back)
{
    uint64_t number;
    all_start();
    cr_assert_eq(world_send(&world, 2, 1, 1), 0);
    expect_number(1, 2, 1);
    world.peers[2].endpoint.section->generation = 0; /* being laid out anew */
    cr_assert_eq(world_receive(&world, 1, 2, &number), -EPIPE);
    expect_nothing(1, 2);
    cr_assert_eq(world_send(&world, 1, 2, 1), -EPIPE);
    world_start(&world, 2, 2);
    cr_assert_eq(world_send(&world, 1, 2, 2), 0);
    expect_number(2, 1, 2);
    world_end(&world);
}

Test(endpoint, reset_sends_to_the_peer_s_next_generation)
{
    all_start();
    cr_assert_eq(world_send(&world, 0, 1, 1), 0);
    cr_assert_eq(world_send(&world, 1, 0, 2), 0);
    expect_number(0, 1, 2);
    ipi_reset(&world.peers[0].endpoint, 1);
    ipi_reset(&world.peers[0].endpoint, 1);
    expect_nothing(0, 1);
    cr_assert_eq(world_send(&world, 0, 1, 3), 0);
    world_start(&world, 1, 2);
    expect_number(1, 0, 3);
    cr_assert_eq(world_send(&world, 1, 0, 4), 0);
    expect_number(0, 1, 4);
    world_end(&world);
}

Test(endpoint, a_ring_that_is_not_sound_closes_the_link_at_both_ends)
{
    uint64_t number;
    all_start();
    cr_assert_eq(world_send(&world, 1, 2, 1), 0);
    cr_assert_eq(world_send(&world, 2, 1, 1), 0);
    expect_number(1, 2, 1);
    world.peers[1].endpoint.links[2].writer.cells[0].length = 1 << 20;
    cr_assert(ipi_arm(&world.peers[2].endpoint, 1, 1));
    cr_assert_eq(world_receive(&world, 2, 1, &number), -EPROTO);
    expect_nothing(2, 1);
    cr_assert_eq(world_send(&world, 2, 1, 2), -EPROTO);
    cr_assert_eq(world_send(&world, 1, 2, 2), -EPIPE);
    cr_assert_eq(world_receive(&world, 1, 2, &number), -EPIPE);
    expect_nothing(1, 2);
    cr_assert_eq(world_send(&world, 1, 2, 2), -EPIPE);
    /* Nobody else is hurt. */
    cr_assert_eq(world_send(&world, 0, 2, 9), 0);
    expect_number(2, 0, 9);
    /* A new generation mends it. */
    world_start(&world, 1, 2);
    cr_assert_eq(world_send(&world, 1, 2, 3), 0);
    expect_number(2, 1, 3);
    cr_assert_eq(world_send(&world, 2, 1, 4), 0);
    expect_number(1, 2, 4);
    world_end(&world);
}

Test(endpoint, a_message_longer_than_the_buffer_closes_the_link)
{
    uint8_t buffer[64];
    uint16_t kind;
    size_t length;
    all_start();
    struct shm_piece piece = {(uint8_t[65]){0}, 65};
    cr_assert_eq(ipi_send(&world.peers[1].endpoint, 0, 1, &piece, 1), 0);
    cr_assert_eq(ipi_receive(&world.peers[0].endpoint, 1, &kind, buffer, 64, &length), -EPROTO);
    cr_assert_eq(ipi_receive(&world.peers[0].endpoint, 1, &kind, buffer, 64, &length), 0);
    cr_assert_eq(ipi_send(&world.peers[1].endpoint, 0, 1, &piece, 1), -EPIPE);
    world_end(&world);
}

Test(endpoint, no_room_for_a_ring)
{
    all_start();
    struct shm_heap *heap = world.peers[1].endpoint.heap;
    uint64_t all = shm_heap_alloc(heap, shm_heap_available(heap), 64);
    cr_assert_neq(all, 0);
    cr_assert_eq(world_send(&world, 1, 2, 1), -ENOMEM);
    cr_assert_eq(shm_heap_free(heap, all), 0);
    cr_assert_eq(world_send(&world, 1, 2, 1), 0);
    expect_number(2, 1, 1);
    world_end(&world);
}

Test(endpoint, restarts_do_not_leak_rings)
{
    uint64_t number;
    all_start();
    uint64_t before = 0;
    for (uint64_t generation = 2; generation < 200; generation++) {
        cr_assert_eq(world_send(&world, 1, 2, generation), 0);
        world_start(&world, 2, generation);
        cr_assert_eq(world_receive(&world, 1, 2, &number), -EPIPE);
        if (!before)
            before = shm_heap_available(world.peers[1].endpoint.heap);
    }
    cr_assert_eq(shm_heap_available(world.peers[1].endpoint.heap), before);
    world_end(&world);
}

/* Random sends, receives and restarts; what arrives is in order, never twice, and never what was
 * meant for, or sent by, a former generation. Without a break nothing is missing. */
Test(endpoint, random_runs_with_restarts, .timeout = 30)
{
    enum { PEERS = 3 };
    uint64_t seed = 31, end = now_ns() + 700000000, received = 0, restarts = 0;
    while (now_ns() < end) {
        uint64_t generations[PEERS] = {1, 1, 1};
        uint64_t next_out[PEERS][PEERS] = {0}, next_in[PEERS][PEERS] = {0};
        all_start();
        for (int i = 0; i < 3000; i++) {
            uint32_t a = (uint32_t)random_below(&seed, PEERS);
            uint32_t b = (a + 1 + (uint32_t)random_below(&seed, PEERS - 1)) % PEERS;
            uint64_t number, what = random_below(&seed, 1000);
            if (what < 2) {
                world_start(&world, a, ++generations[a]);
                restarts++;
                for (uint32_t p = 0; p < PEERS; p++)
                    next_in[a][p] = next_in[p][a] = next_out[a][p] = next_out[p][a] = 0;
            } else if (what < 500) {
                /* generation of the sender, of the receiver, and the count between these two */
                number = generations[a] << 48 | generations[b] << 32 | next_out[a][b];
                int error = world_send(&world, a, b, number);
                cr_assert(error == 0 || error == -EAGAIN || error == -EPIPE);
                if (error == 0)
                    next_out[a][b]++;
            } else {
                int result = world_receive(&world, a, b, &number);
                cr_assert(result == 0 || result == 1 || result == -EPIPE, "%d", result);
                if (result == 1) {
                    received++;
                    cr_assert_eq(number >> 48, generations[b]);
                    cr_assert_eq((number >> 32 & 0xffff), generations[a]);
                    cr_assert_eq((uint32_t)number, next_in[a][b]);
                    next_in[a][b]++;
                }
            }
        }
        world_end(&world);
    }
    cr_assert_gt(received, 1000);
    cr_assert_gt(restarts, 5);
}

/* A hostile peer: everything in the head of its section and in its ring may change. The others end
 * their calls, stay inside its section, and go on with each other. */
Test(endpoint, a_hostile_peer_hurts_only_itself, .timeout = 30)
{
    uint64_t seed = 13, end = now_ns() + 1000000000, got = 0;
    all_start();
    uint8_t *hostile = world.lagoon.base + world.lagoon.section_size;
    uint64_t number = 0, expected = 0, sent = 0;
    while (now_ns() < end) {
        world_start(&world, 1, 1 + random_below(&seed, UINT32_MAX));
        for (int i = 0; i < 60; i++) {
            world_send(&world, 1, 0, 1);
            if (random_below(&seed, 2)) {
                /* The section's head, the ports, or the ring. */
                struct shm_section *section = (struct shm_section *)hostile;
                uint64_t at = random_below(&seed, 128);
                if (random_below(&seed, 2) && section->ports_offset < 8192)
                    at = section->ports_offset + random_below(&seed, 4 * sizeof(struct shm_port));
                else if (random_below(&seed, 2) && section->heap_offset < 65536)
                    at = section->heap_offset + random_below(&seed, 4096);
                if (at + 8 <= world.lagoon.section_size) {
                    uint64_t *word = (uint64_t *)(hostile + (at & ~UINT64_C(7)));
                    *word = random_bad(&seed, *word);
                }
            }
            uint8_t buffer[4096];
            uint16_t kind;
            size_t length;
            int result =
                ipi_receive(&world.peers[0].endpoint, 1, &kind, buffer, sizeof buffer, &length);
            cr_assert(result == 1 || result == 0 || result == -EPROTO || result == -EPIPE);
            got += result == 1;
            result = world_send(&world, 0, 1, 1);
            cr_assert(result == 0 || result == -EAGAIN || result == -EPROTO || result == -EPIPE);
            ipi_arm(&world.peers[0].endpoint, 0, 3);
            if (world_send(&world, 0, 2, sent) == 0)
                sent++;
            if (world_receive(&world, 2, 0, &number) == 1)
                cr_assert_eq(number, expected++);
        }
    }
    cr_assert_gt(got, 100);
    cr_assert_gt(expected, 1000);
    cr_assert_eq(expected, sent);
    world_end(&world);
}
