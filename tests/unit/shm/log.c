/* The log ring: what is read is what was written, and what was overwritten is counted. */
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>

static struct shm_log *log_make(uint64_t size)
{
    void *memory = NULL; /* exactly as large as it must be */
    cr_assert_eq(posix_memalign(&memory, SHM_LINE, sizeof(struct shm_log) + size), 0);
    struct shm_log *log = memory;
    memset(log, 0, sizeof *log + size);
    log->size = size;
    return log;
}

/* Byte number `at` of the stream that the tests write. */
static char stream_byte(uint64_t at)
{
    return (char)(at * 7 ^ at >> 8);
}

static void stream_write(struct shm_log *log, uint64_t *written, uint64_t length)
{
    char *bytes = malloc(length + 1);
    for (uint64_t i = 0; i < length; i++)
        bytes[i] = stream_byte(*written + i);
    shm_log_write(log, bytes, length);
    *written += length;
    free(bytes);
}

Test(log, random_writes_and_reads_agree)
{
    for (uint64_t size = 1; size <= 1024; size *= 4) {
        struct shm_log *log = log_make(size);
        uint64_t seed = size + 99, written = 0, position = 0, accounted = 0;
        for (int i = 0; i < 3000; i++) {
            if (random_below(&seed, 2))
                stream_write(log, &written, random_below(&seed, size * 2));
            char out[512];
            uint64_t lost, capacity = random_below(&seed, sizeof out);
            uint64_t count = shm_log_read(log, sizeof *log + size, &position, out, capacity, &lost);
            cr_assert_leq(count, capacity);
            accounted += lost + count;
            cr_assert_eq(position, accounted);
            for (uint64_t k = 0; k < count; k++)
                cr_assert_eq(out[k], stream_byte(position - count + k));
            cr_assert_leq(written - position, written);
            if (capacity >= size)
                cr_assert_eq(position, written);
        }
        free(log);
    }
}

Test(log, a_size_that_is_not_sound_reads_as_empty)
{
    struct shm_log *log = log_make(64);
    uint64_t bad[] = {0, 3, 128, UINT64_MAX, UINT64_C(1) << 63};
    shm_log_write(log, "hello\n", 6);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t position = 0, lost = 1;
        char out[16];
        log->size = bad[i];
        cr_expect_eq(shm_log_read(log, sizeof *log + 64, &position, out, sizeof out, &lost), 0);
        cr_expect_eq(lost, 0);
    }
    uint64_t position = 0, lost;
    char out[16];
    log->size = 64;
    cr_expect_eq(shm_log_read(log, sizeof *log - 1, &position, out, sizeof out, &lost), 0);
    cr_expect_eq(shm_log_read(log, sizeof *log + 64, &position, out, sizeof out, &lost), 6);
    free(log);
}

Test(log, a_log_begun_anew_is_read_from_its_start)
{
    struct shm_log *log = log_make(64);
    uint64_t position = 0, lost;
    char out[16];
    shm_log_write(log, "one two", 7);
    cr_assert_eq(shm_log_read(log, sizeof *log + 64, &position, out, sizeof out, &lost), 7);
    memset(log, 0, sizeof *log);
    log->size = 64;
    shm_log_write(log, "anew", 4);
    cr_assert_eq(shm_log_read(log, sizeof *log + 64, &position, out, sizeof out, &lost), 4);
    cr_assert_eq(lost, 0);
    cr_assert(memcmp(out, "anew", 4) == 0);
    free(log);
}

#ifndef __SANITIZE_THREAD__ /* which would report the overwriting that the reader finds out itself \
                             */
struct writer {
    struct shm_log *log;
    _Atomic bool stop;
    uint64_t written;
};

static void *write_on(void *argument)
{
    struct writer *writer = argument;
    uint64_t seed = 5;
    while (!writer->stop)
        stream_write(writer->log, &writer->written, random_below(&seed, 200));
    return NULL;
}

Test(log, a_reader_beside_a_fast_writer_sees_no_torn_byte, .timeout = 20)
{
    struct writer writer = {.log = log_make(1024)};
    uint64_t position = 0, total = 0, dropped = 0, end = now_ns() + 700000000;
    pthread_t thread;
    pthread_create(&thread, NULL, write_on, &writer);
    while (now_ns() < end) {
        char out[1024];
        uint64_t lost;
        uint64_t count =
            shm_log_read(writer.log, sizeof *writer.log + 1024, &position, out, sizeof out, &lost);
        for (uint64_t k = 0; k < count; k++)
            cr_assert_eq(out[k], stream_byte(position - count + k));
        total += count;
        dropped += lost;
    }
    writer.stop = true;
    pthread_join(thread, NULL);
    cr_assert_gt(total, 0);
    cr_assert_leq(total + dropped, writer.written);
    free(writer.log);
}
#endif
