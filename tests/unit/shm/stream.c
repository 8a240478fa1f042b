/* Two threads, one ring, both ends asleep as often as can be: every message arrives, whole and in
 * order, and no wake-up is lost. ThreadSanitizer watches the memory order. */
#include "tests/unit/shm/support.h"

#include "shm/fence.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>

struct stream {
    struct shm_port sender, reader;
    uint8_t *section;
    uint64_t size, cells;
    struct doorbell to_sender, to_reader;
    unsigned polls;        /* looks before going to sleep */
    unsigned length_limit; /* of a message */
    uint64_t until;        /* ns */
    uint64_t sent;
    const char *fault;
};

#define LAST_KIND 2

static void fill(uint8_t *data, size_t length, uint64_t number)
{
    for (size_t i = 0; i < length; i++)
        data[i] = (uint8_t)(number + i * 3);
    if (length >= sizeof number)
        memcpy(data, &number, sizeof number);
}

static bool send_one(struct stream *stream, struct shm_ring_writer *writer, uint16_t kind,
                     size_t length)
{
    uint8_t data[4096];
    struct shm_piece piece = {data, length};
    fill(data, length, stream->sent);
    for (;;) {
        int error = shm_ring_send(writer, kind, &piece, 1);
        uint32_t core;
        if (error == 0) {
            stream->sent++;
            if (shm_ring_reader_armed(writer, &core))
                doorbell_press(&stream->to_reader);
            return true;
        }
        if (error != -EAGAIN) {
            stream->fault = "send failed";
            return false;
        }
        if (shm_ring_sender_wait(writer, length, 0))
            continue;
        if (!doorbell_wait(&stream->to_sender)) {
            stream->fault = "the sender was not woken";
            return false;
        }
    }
}

static void *run_sender(void *argument)
{
    struct stream *stream = argument;
    struct shm_ring_writer writer;
    uint64_t seed = stream->cells * 31 + stream->polls;
    shm_ring_writer_create(&writer, &stream->sender, stream->section, 0, stream->cells, 1);
    writer.reader_port = &stream->reader;
    do {
        for (uint64_t burst = 1 + random_below(&seed, 100); burst; burst--)
            if (!send_one(stream, &writer, 1, random_below(&seed, stream->length_limit)))
                return NULL;
        if (random_below(&seed, 4) == 0)
            sched_yield();
    } while (now_ns() < stream->until);
    send_one(stream, &writer, LAST_KIND, 0);
    return NULL;
}

static void run_reader(struct stream *stream)
{
    struct shm_ring_reader reader;
    uint8_t buffer[4096], expected[4096];
    uint64_t received = 0;
    unsigned idle = 0;
    while (shm_ring_reader_open(&reader, &stream->reader, &stream->sender, stream->section,
                                stream->size) != 0)
        sched_yield();
    for (;;) {
        uint16_t kind;
        size_t length;
        bool due;
        int result = shm_ring_receive(&reader, &kind, buffer, sizeof buffer, &length, &due);
        if (due)
            doorbell_press(&stream->to_sender);
        cr_assert_geq(result, 0);
        if (result == 1) {
            idle = 0;
            fill(expected, length, received++);
            cr_assert(memcmp(buffer, expected, length) == 0, "message %lu", received - 1);
            if (kind == LAST_KIND)
                break;
            continue;
        }
        if (idle++ < stream->polls)
            continue;
        idle = 0;
        shm_port_arm(&stream->reader, 0);
        shm_fence();
        if (shm_ring_pending(&reader))
            continue;
        cr_assert(doorbell_wait(&stream->to_reader), "the reader was not woken: %s",
                  stream->fault ? stream->fault : "message lost");
    }
    shm_port_disarm(&stream->reader);
    cr_assert_eq(received, stream->sent);
    cr_assert_gt(received, 1000);
}

static void run_stream(uint64_t cells, unsigned polls, unsigned length_limit)
{
    struct stream stream = {.cells = cells,
                            .size = cells * sizeof(struct shm_cell),
                            .to_sender = DOORBELL_INITIALIZER,
                            .to_reader = DOORBELL_INITIALIZER,
                            .polls = polls,
                            .length_limit = length_limit,
                            .until = now_ns() + 400000000};
    stream.section = aligned_alloc(SHM_LINE, stream.size);
    pthread_t thread;
    pthread_create(&thread, NULL, run_sender, &stream);
    run_reader(&stream);
    pthread_join(thread, NULL);
    cr_assert(!stream.fault, "%s", stream.fault);
    free(stream.section);
}

Test(stream, small_ring_short_messages, .timeout = 40)
{
    run_stream(16, 0, 49);
}

Test(stream, small_ring_messages_of_all_lengths, .timeout = 40)
{
    run_stream(16, 3, (unsigned)shm_ring_message_max(16) + 1);
}

Test(stream, the_longest_messages_only_just_fit, .timeout = 40)
{
    run_stream(32, 20, (unsigned)shm_ring_message_max(32) + 1);
}

Test(stream, a_control_channel_s_ring, .timeout = 40)
{
    run_stream(256, 100, (unsigned)shm_ring_message_max(256) + 1);
}
