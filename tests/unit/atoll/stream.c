/* Messages of random sizes through every way of sending and receiving, with real threads, against
 * what must come. ATOLL_TEST_MESSAGES says how many (default: two million small ones, and
 * some ten thousand in each of the other ways). */
#include "tests/unit/atoll/fake.h"

#include <criterion/criterion.h>
#include <unistd.h>

static uint64_t message_count(uint64_t usual)
{
    const char *text = getenv("ATOLL_TEST_MESSAGES");
    return text ? strtoull(text, NULL, 10) : usual;
}

struct run {
    struct pair pair;
    uint64_t seed, count;
    size_t longest;
    bool alone;
};

static size_t random_length(uint64_t *state, size_t longest)
{
    switch (random_below(state, 8)) {
    case 0:
        return random_below(state, longest + 1);
    case 1:
        return 48 + random_below(state, 3) - 1;
    case 2:
        return random_below(state, 1200);
    default:
        return random_below(state, 49);
    }
}

static void fill(uint8_t *bytes, size_t length, uint64_t number)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(number * 7 + i);
}

static bool is_filled(const uint8_t *bytes, size_t length, uint64_t number)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != (uint8_t)(number * 7 + i))
            return false;
    return true;
}

static void pause_sometimes(uint64_t *state)
{
    if (random_below(state, 2000) == 0)
        usleep((useconds_t)random_below(state, 400));
}

static void *send_all(void *argument)
{
    const struct run *run = argument;
    struct atoll_channel *channel = run->pair.sender;
    uint64_t lengths = run->seed, ways = run->seed + 1;
    uint8_t *bytes = malloc(run->longest + 1);
    for (uint64_t i = 0; i < run->count; i++) {
        size_t length = random_length(&lengths, run->longest);
        void *place;
        int64_t timeout = random_below(&ways, 4) ? ATOLL_FOREVER : 0;
        uint64_t way = random_below(&ways, 4);
        int result;
        fill(bytes, length, i);
        do {
            if (way == 0) {
                result = atoll_reserve(channel, length + random_below(&ways, 100), &place, timeout);
                if (result == 0) {
                    memcpy(place, bytes, length);
                    result = atoll_commit(channel, length);
                }
            } else if (way == 1) {
                size_t cut = random_below(&ways, length + 1);
                struct iovec pieces[3] = {{bytes, cut}, {NULL, 0}, {bytes + cut, length - cut}};
                result = atoll_sendv(channel, pieces, 3, timeout);
            } else {
                result = atoll_send(channel, bytes, length, timeout);
            }
            timeout = result == -EAGAIN && random_below(&ways, 10) == 0 ? ATOLL_FOREVER : timeout;
        } while (result == -EAGAIN);
        cr_assert_eq(result, 0, "message %llu: %d", (unsigned long long)i, result);
        pause_sometimes(&ways);
    }
    free(bytes);
    return NULL;
}

static void *receive_all(void *argument)
{
    const struct run *run = argument;
    struct atoll_channel *channel = run->pair.reader;
    uint64_t lengths = run->seed, ways = run->seed + 2;
    uint8_t *bytes = malloc(run->longest + 1);
    for (uint64_t i = 0; i < run->count; i++) {
        size_t length = random_length(&lengths, run->longest);
        int64_t timeout = random_below(&ways, 4) ? ATOLL_FOREVER : 0;
        uint64_t way = random_below(&ways, 4);
        const void *place;
        ssize_t result;
        do {
            if (way == 0) {
                result = atoll_peek(channel, &place, timeout);
                if (result >= 0) {
                    memcpy(bytes, place, (size_t)result);
                    cr_assert_eq(atoll_release(channel), 0);
                }
            } else if (way == 1) {
                size_t cut = random_below(&ways, length + 1);
                struct iovec pieces[2] = {{bytes, cut}, {bytes + cut, length - cut}};
                result = atoll_receivev(channel, pieces, 2, timeout);
            } else {
                if (way == 2 && length > 0 && random_below(&ways, 16) == 0) {
                    ssize_t next = atoll_next_length(channel, ATOLL_FOREVER);
                    cr_assert_eq(next, (ssize_t)length);
                    cr_assert_eq(atoll_receive(channel, bytes, length - 1, 0), -EMSGSIZE);
                }
                result = atoll_receive(channel, bytes, length, timeout);
            }
        } while (result == -EAGAIN);
        cr_assert_eq(result, (ssize_t)length, "message %llu: %lld", (unsigned long long)i,
                     (long long)result);
        cr_assert(is_filled(bytes, length, i), "message %llu", (unsigned long long)i);
        pause_sometimes(&ways);
    }
    free(bytes);
    return NULL;
}

static void run_stream(uint32_t cells, size_t longest, uint64_t heap, uint64_t count)
{
    pthread_t threads[2];
    fake_start(heap);
    struct run run = {
        .pair = fake_open(cells), .seed = 77 + cells, .count = count, .longest = longest};
    pthread_create(&threads[0], NULL, send_all, &run);
    pthread_create(&threads[1], NULL, receive_all, &run);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    struct atoll_statistics statistics;
    cr_assert_eq(atoll_channel_statistics(run.pair.reader, &statistics), 0);
    cr_expect_eq(statistics.messages, count);
    fake_close(&run.pair);
    fake_end();
}

Test(stream, smallest_ring, .timeout = 100)
{
    run_stream(16, 2000, 1 << 20, message_count(10000));
}

Test(stream, usual_ring_long_messages, .timeout = 100)
{
    run_stream(256, 100000, 4 << 20, message_count(8000));
}

Test(stream, section_hardly_larger_than_a_message, .timeout = 100)
{
    run_stream(64, 150000, 256 << 10, message_count(3000));
}

/* --- Millions -----------------------------------------------------------------------------------
 */

#define MILLIONS 2000000
#define MODEL_BYTES 65536
#define MANY_LONGEST 20000

static uint8_t model_bytes[MODEL_BYTES + MANY_LONGEST]; /* random */

/* What message number `number` is: its length and where in model_bytes. Cheap, as both sides work
 * it out for each: mostly one cell, at times several, now and then bulk. */
static const uint8_t *model_message(uint64_t number, size_t *length)
{
    uint64_t random = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    random ^= random >> 29;
    *length = random % 57;
    if (random % 4096 < 40)
        *length = random / 4096 % 2000;
    if (random % 16384 == 7)
        *length = random / 16384 % MANY_LONGEST;
    return &model_bytes[(random >> 48) % MODEL_BYTES];
}

static void *send_millions(void *argument)
{
    const struct run *run = argument;
    for (uint64_t i = 0; i < run->count; i++) {
        size_t length;
        const uint8_t *bytes = model_message(i, &length);
        int result = atoll_send(run->pair.sender, bytes, length, ATOLL_FOREVER);
        cr_assert_eq(result, 0, "message %llu: %d", (unsigned long long)i, result);
    }
    return NULL;
}

Test(stream, millions_against_the_model, .timeout = 100)
{
    pthread_t thread;
    uint64_t state = 1;
    static uint8_t got[MANY_LONGEST];
    for (size_t i = 0; i < sizeof(model_bytes); i++)
        model_bytes[i] = (uint8_t)random_below(&state, 256);
    fake_start(1 << 20);
    struct run run = {.pair = fake_open(256), .count = message_count(MILLIONS)};
    cr_assert_eq(atoll_channel_set_flags(run.pair.sender, ATOLL_ONE_THREAD), 0);
    cr_assert_eq(atoll_channel_set_flags(run.pair.reader, ATOLL_ONE_THREAD), 0);
    pthread_create(&thread, NULL, send_millions, &run);
    for (uint64_t i = 0; i < run.count; i++) {
        size_t length;
        const uint8_t *bytes = model_message(i, &length);
        ssize_t result = atoll_receive(run.pair.reader, got, sizeof(got), ATOLL_FOREVER);
        cr_assert_eq(result, (ssize_t)length, "message %llu: %lld", (unsigned long long)i,
                     (long long)result);
        cr_assert(memcmp(got, bytes, length) == 0, "message %llu", (unsigned long long)i);
    }
    pthread_join(thread, NULL);
    fake_close(&run.pair);
    fake_end();
}

/* --- Several threads at each end ----------------------------------------------------------------
 */

#define THREADS 3

static _Atomic uint64_t sum;

static void *send_some(void *argument)
{
    const struct run *run = argument;
    for (uint64_t i = 1; i <= run->count; i++) {
        uint64_t words[200] = {i, ~i};
        size_t length = i % 50 == 0 ? sizeof(words) : 16;
        cr_assert_eq(atoll_send(run->pair.sender, words, length, ATOLL_FOREVER), 0);
    }
    return NULL;
}

static void *receive_some(void *argument)
{
    const struct run *run = argument;
    for (;;) {
        uint64_t words[200];
        ssize_t length = atoll_receive(run->pair.reader, words, sizeof(words), ATOLL_FOREVER);
        if (length == -EPIPE)
            return NULL;
        cr_assert(length >= 16 && words[1] == ~words[0]);
        atomic_fetch_add(&sum, words[0]);
    }
}

Test(threads, each_message_goes_to_one_of_them, .timeout = 100)
{
    pthread_t senders[THREADS], readers[THREADS];
    fake_start(1 << 20);
    struct run run = {.pair = fake_open(32), .count = message_count(4000)};
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&senders[i], NULL, send_some, &run);
        pthread_create(&readers[i], NULL, receive_some, &run);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(senders[i], NULL);
    cr_expect_eq(atoll_channel_close(run.pair.sender), 0);
    run.pair.sender = NULL;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(readers[i], NULL);
    }
    cr_expect_eq(sum, THREADS * run.count * (run.count + 1) / 2);
    fake_close(&run.pair);
    fake_end();
}

/* Whatever the reader has read is room for the sender, also when it reads no more: not one cell
 * less (credits alone come by the quarter of a ring). */
Test(stream, all_room_is_usable, .timeout = 120)
{
    uint64_t state = 5, sent = 0, received = 0;
    fake_start(1 << 20);
    struct pair pair = fake_open(64);
    for (int i = 0; i < 20000; i++) {
        uint64_t most = random_below(&state, 66);
        int64_t timeout = (int64_t)random_below(&state, 2); /* 1 ns: says that it sleeps */
        int result = 0;
        for (uint64_t j = 0; j < most && result == 0; j++) {
            result = atoll_send(pair.sender, &sent, sizeof(sent), timeout);
            sent += result == 0;
        }
        if (result != 0) {
            cr_assert_eq(result, timeout == 0 ? -EAGAIN : -ETIMEDOUT);
            cr_assert_eq(sent - received, 64, "%llu of 64", (unsigned long long)(sent - received));
        }
        uint64_t number, wanted = random_below(&state, 66);
        for (uint64_t j = 0; j < wanted && received < sent; j++, received++) {
            cr_assert_eq(atoll_receive(pair.reader, &number, sizeof(number), 0), sizeof(number));
            cr_assert_eq(number, received);
        }
    }
    fake_close(&pair);
    fake_end();
}
