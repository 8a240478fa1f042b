/* Standard output and error: nothing lost, nothing mixed, everything in order; with little bulk
 * memory, slow answers, a proxy that sleeps, signals, and a closed pipe. */
#include "tests/unit/console/machine.h"

#include "instance/syscall/restart.h"
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

static size_t output_length(int stream)
{
    pthread_mutex_lock(&output_mutex);
    size_t length = outputs[stream].length;
    pthread_mutex_unlock(&output_mutex);
    return length;
}

Test(output, small_and_large)
{
    machine_start(1 << 20, 0);
    static uint8_t bytes[300000];
    uint64_t seed = 3;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_next(&seed);
    const size_t lengths[] = {1, 47, 48, 49, 1023, 1024, 1025, 4096, 65535, 65536, 65537, 99999};
    size_t at = 0;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]) && at + lengths[i] < sizeof(bytes);
         i++) {
        cr_assert_eq(console_write(1, address_of(bytes + at), lengths[i]), (int64_t)lengths[i]);
        at += lengths[i];
    }
    cr_assert_eq(console_write(2, address_of("err"), 3), 3);
    cr_assert_eq(console_write(1, address_of(bytes), 0), 0);
    machine_stop();
    cr_assert_eq(outputs[1].length, at);
    cr_assert(memcmp(outputs[1].bytes, bytes, at) == 0);
    cr_assert_eq(outputs[2].length, 3);
    cr_assert(outputs[1].extents >= 5);
}

Test(output, vectors)
{
    machine_start(1 << 20, 0);
    static char big[70000];
    memset(big, 'b', sizeof(big));
    struct file_vector vectors[] = {{address_of("ab"), 2},          {8, 0}, {address_of("c"), 1},
                                    {address_of(big), sizeof(big)}, {8, 0}, {address_of("\n"), 1}};
    cr_assert_eq(console_write_vectors(1, vectors, 6), 70004);
    /* A bad address behind a good one: what can be written at once is not. */
    struct file_vector bad[] = {{address_of("ab"), 2}, {8, 5}};
    cr_assert_eq(console_write_vectors(1, bad, 2), -EFAULT);
    cr_assert_eq(console_write(1, 8, 5000), -EFAULT);
    machine_stop();
    cr_assert_eq(outputs[1].length, 70004);
    cr_assert(memcmp(outputs[1].bytes, "abcb", 4) == 0);
    cr_assert_eq(outputs[1].bytes[70003], '\n');
}

/* --- Several writers ---------------------------------------------------------------------------
 */

#define WRITERS 4
#define RECORDS 400

/* A record: writer, number, length, then that many bytes of the writer's. */
struct record {
    uint32_t writer, number, length, check;
};

static void *write_records(void *argument)
{
    uint32_t writer = (uint32_t)(uintptr_t)argument;
    uint64_t seed = writer + 77;
    static _Thread_local uint8_t bytes[sizeof(struct record) + 9000];
    thread_attach((int32_t)writer + 1);
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record record = {.writer = writer, .number = i};
        record.length = (uint32_t)random_below(&seed, i % 8 == 0 ? 9000 : 200);
        record.check = writer ^ i ^ record.length ^ 0x5a5a5a5a;
        memcpy(bytes, &record, sizeof(record));
        memset(bytes + sizeof(record), (int)(writer * 16 + i % 16), record.length);
        size_t length = sizeof(record) + record.length;
        cr_assert_eq(console_write(1, address_of(bytes), length), (int64_t)length);
    }
    return NULL;
}

static void several_writers(uint64_t heap)
{
    pthread_t threads[WRITERS];
    uint32_t next[WRITERS] = {0};
    machine_start(heap, 0);
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_records, (void *)i);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    machine_stop();
    const uint8_t *at = outputs[1].bytes, *end = at + outputs[1].length;
    while (at < end) {
        struct record record;
        cr_assert(end - at >= (ptrdiff_t)sizeof(record));
        memcpy(&record, at, sizeof(record));
        cr_assert_eq(record.check, record.writer ^ record.number ^ record.length ^ 0x5a5a5a5a);
        cr_assert_eq(record.number, next[record.writer]++);
        at += sizeof(record);
        for (uint32_t i = 0; i < record.length; i++)
            cr_assert_eq(at[i], (uint8_t)(record.writer * 16 + record.number % 16));
        at += record.length;
    }
    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(next[i], RECORDS);
}

Test(output, writers_do_not_mix)
{
    proxy.hold = 5;
    several_writers(1 << 20);
}

Test(output, little_bulk_memory)
{
    several_writers(32768); /* the ring takes half of it */
}

Test(output, no_bulk_memory)
{
    several_writers(16384 + 4032); /* less than the smallest extent beside the ring */
}

/* --- Backpressure, signals, a closed pipe ------------------------------------------------------
 */

static _Atomic int64_t slow_result;

static void *write_much(void *unused)
{
    static char bytes[4 << 20];
    (void)unused;
    thread_attach(2);
    memset(bytes, 'x', sizeof(bytes));
    atomic_store(&slow_result, console_write(1, address_of(bytes), sizeof(bytes)));
    return NULL;
}

Test(output, waits_for_a_proxy_that_sleeps)
{
    pthread_t thread;
    proxy.asleep = true;
    machine_start(1 << 20, 0);
    pthread_create(&thread, NULL, write_much, NULL);
    usleep(50000);
    cr_assert_eq(atomic_load(&slow_result), 0, "it waits");
    proxy_wake();
    pthread_join(thread, NULL);
    cr_assert_eq(atomic_load(&slow_result), 4 << 20);
    machine_stop();
    cr_assert_eq(output_length(1), 4 << 20);
}

Test(output, a_signal_breaks_off)
{
    pthread_t thread;
    proxy.asleep = true;
    machine_start(1 << 20, 0);
    pthread_create(&thread, NULL, write_much, NULL);
    usleep(50000);
    atomic_store(&signal_waits, true);
    pthread_join(thread, NULL);
    int64_t written = atomic_load(&slow_result);
    cr_assert(written > 0 && written < 4 << 20, "a part, not an error");
    cr_assert_eq(written % 65536, 0);
    /* Still full, nothing can be written at all: to be begun again. */
    pthread_create(&thread, NULL, write_much, NULL);
    pthread_join(thread, NULL);
    cr_assert_eq(atomic_load(&slow_result), -ERESTARTSYS);
    atomic_store(&signal_waits, false);
    proxy_wake();
    machine_stop();
    cr_assert_eq(output_length(1), (size_t)written);
}

Test(output, small_writes_hear_of_a_closed_pipe)
{
    atomic_store(&proxy.fail_after, 100);
    machine_start(1 << 20, 0);
    int64_t result = 0;
    size_t tries = 0;
    while ((result = console_write(1, address_of("0123456789"), 10)) == 10 && tries < 1000000)
        tries++;
    cr_assert_eq(result, -EPIPE);
    cr_assert_eq(console_write(1, address_of("again"), 5), -EPIPE);
    cr_assert_eq(console_write(2, address_of("other"), 5), 5);
    machine_stop();
}

Test(output, flush_waits_for_the_last_byte)
{
    machine_start(1 << 20, 0);
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(console_write(1, address_of("line\n"), 5), 5);
        uint64_t begin = now_ns();
        console_flush(begin + UINT64_C(5000000000));
        cr_assert(now_ns() - begin < UINT64_C(4000000000), "the limit had to end it");
        /* Taken out of the ring, that is; the proxy's thread may still be about to note it. */
        while (output_length(1) < (size_t)(i + 1) * 5)
            cr_assert(now_ns() - begin < UINT64_C(4000000000), "the bytes are lost");
        cr_assert_eq(output_length(1), (size_t)(i + 1) * 5);
    }
    machine_stop();
}

Test(output, flush_gives_up)
{
    proxy.asleep = true;
    machine_start(1 << 20, 0);
    console_write(1, address_of("x"), 1);
    uint64_t begin = now_ns();
    console_flush(begin + 30000000);
    cr_assert(now_ns() - begin >= 30000000);
    proxy_wake();
    machine_stop();
}

Test(output, orders_from_the_proxy)
{
    machine_start(1 << 20, 0);
    struct control_stop stop = {.signal = 15};
    proxy_send(CONTROL_STOP, &stop, sizeof(stop));
    stop.signal = 65; /* no such signal, too short, unknown: all without effect */
    proxy_send(CONTROL_STOP, &stop, sizeof(stop));
    proxy_send(CONTROL_STOP, &stop, 3);
    proxy_send(50, &stop, 8);
    struct io_done stray = {.tag = 12345};
    proxy_send(IO_DONE, &stray, sizeof(stray));
    proxy_send(IO_DONE, &stray, 5);
    console_doorbell();
    cr_assert_eq(atomic_load(&signals_sent), UINT64_C(1) << 14);
    cr_assert(!host_end_ordered());
    proxy_send(CONTROL_END, &stop, 0);
    console_doorbell();
    cr_assert_eq(atomic_load(&signals_sent), UINT64_C(1) << 14 | UINT64_C(1) << 8);
    cr_assert(host_end_ordered());
    machine_stop();
}
