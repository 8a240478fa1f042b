/* What bench/messages.c has the instances of a machine run. Prints lines "NAME BYTES VALUE", one
 * for each measurement of each round; the reader takes medians.
 *   messages pair ROUNDS     instance 1 and 2 measure; 3, of two cores, measures the floor
 *   messages all ROUNDS      all with all
 * Everybody sleeps while it is others' turn, and floor and figures take turns within a round. */
#include <atoll.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB (1l << 20)

static int self, rounds;
static struct atoll_port *port;
static struct atoll_channel *to, *from;
static struct atoll_barrier *barrier;

static long must(long result, const char *what)
{
    if (result < 0) {
        printf("instance %d: %s: %s\n", self, what, strerror((int)-result));
        fflush(stdout);
        exit(1);
    }
    return result;
}
#define MUST(Call) must((long)(Call), #Call)

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void print(const char *name, size_t bytes, double value)
{
    printf("%s %zu %.6g\n", name, bytes, value);
}

/* --- The floor: two bare threads that pass one cache line; one memcpy ----------------------------
 */

#define SLOTS 64

static struct slot {
    _Alignas(64) _Atomic unsigned word;
} forth[SLOTS], back[SLOTS];
static unsigned passes;
static unsigned slots; /* lines that take turns each way; 0: one line, there and back */

static void pass(struct slot *way, unsigned i, unsigned value)
{
    atomic_store_explicit(&way[slots ? i % slots : 0].word, value, memory_order_release);
}

static void await(struct slot *way, unsigned i, unsigned value)
{
    while (atomic_load_explicit(&way[slots ? i % slots : 0].word, memory_order_acquire) != value)
        __builtin_ia32_pause();
}

static void *answer(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < passes; i++) {
        await(forth, i, 2 * i + 1);
        pass(slots ? back : forth, i, 2 * i + 2);
    }
    return NULL;
}

/* ns for one way of a word that two bare threads pass: in one line; or, as any queue must, in a
 * line that is another each time. */
static double floor_line(unsigned lines)
{
    pthread_t thread;
    passes = 20000;
    slots = lines;
    memset(forth, 0, sizeof(forth));
    memset(back, 0, sizeof(back));
    if (pthread_create(&thread, NULL, answer, NULL))
        exit(1);
    double start = 0;
    for (unsigned i = 0; i < passes; i++) {
        if (i == 1000) /* the other has come up */
            start = now_ns();
        pass(forth, i, 2 * i + 1);
        await(slots ? back : forth, i, 2 * i + 2);
    }
    double ns = (now_ns() - start) / (passes - 1000) / 2;
    pthread_join(thread, NULL);
    return ns;
}

static double floor_copy(size_t bytes) /* ns for one memcpy, caches as warm as they get */
{
    char *source = malloc(bytes), *target = malloc(bytes);
    size_t count = 64 * MIB / (bytes + 4096) / 4 + 2;
    memset(source, 1, bytes);
    memset(target, 2, bytes);
    double start = now_ns();
    for (size_t i = 0; i < count; i++) {
        memcpy(target, source, bytes);
        __asm__ volatile("" : : "r"(target), "r"(source) : "memory");
    }
    double ns = (now_ns() - start) / (double)count;
    free(source);
    free(target);
    return ns;
}

/* --- Between two ---------------------------------------------------------------------------------
 */

static char *buffer;

static void turn(void)
{
    MUST(atoll_barrier_wait(barrier, ATOLL_FOREVER));
}

/* One way, from there and back. */
static void latency(const char *name, size_t bytes, long count)
{
    double start = 0;
    for (long i = -count / 10 - 1; i < count; i++) {
        if (i == 0)
            start = now_ns();
        if (self == 1)
            MUST(atoll_send(to, buffer, bytes, ATOLL_FOREVER));
        MUST(atoll_receive(from, buffer, bytes, ATOLL_FOREVER));
        if (self == 2)
            MUST(atoll_send(to, buffer, bytes, ATOLL_FOREVER));
    }
    if (self == 1)
        print(name, bytes, (now_ns() - start) / (double)count / 2);
}

/* ns a message, as many as go, until the reader has said that it has them all. */
static void stream(const char *name, size_t bytes, long count, int in_place)
{
    const void *data;
    void *place;
    double start = now_ns();
    for (long i = 0; i < count; i++) {
        if (self == 1 && in_place) {
            MUST(atoll_reserve(to, bytes, &place, ATOLL_FOREVER));
            *(volatile char *)place = 1; /* built there: no copy */
            MUST(atoll_commit(to, bytes));
        } else if (self == 1) {
            MUST(atoll_send(to, buffer, bytes, ATOLL_FOREVER));
        } else if (in_place) {
            MUST(atoll_peek(from, &data, ATOLL_FOREVER));
            (void)*(const volatile char *)data;
            MUST(atoll_release(from));
        } else {
            MUST(atoll_receive(from, buffer, bytes, ATOLL_FOREVER));
        }
    }
    if (self == 2)
        MUST(atoll_send(to, buffer, 1, ATOLL_FOREVER));
    else
        MUST(atoll_receive(from, buffer, 1, ATOLL_FOREVER));
    if (self == 1)
        print(name, bytes, (now_ns() - start) / (double)count);
}

static void flags(unsigned value)
{
    MUST(atoll_channel_set_flags(to, value));
    MUST(atoll_channel_set_flags(from, value));
}

static void measure_pair(void)
{
    static const size_t sizes[] = {8, 64, 512, 4096, 65536, MIB};
    static const size_t large[] = {4096, 65536, MIB, 16 * MIB};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        long count = sizes[i] <= 4096 ? 3000 : sizes[i] <= 65536 ? 300 : 30;
        latency("latency", sizes[i], count);
        flags(ATOLL_NO_POLLING);
        latency("sleeping", sizes[i], count / 10);
        flags(0);
    }
    flags(ATOLL_ONE_THREAD);
    latency("alone", 8, 3000);
    stream("rate", 8, 100000, 0);
    flags(0);
    for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
        long count = (long)(64 * MIB / large[i]);
        count = count > 4000 ? 4000 : count;
        stream("copied", large[i], count, 0);
        stream("in-place", large[i], count, 1);
    }
}

static void pair(void)
{
    MUST(atoll_port_publish("bench", &port));
    if (self < 3) {
        buffer = calloc(1, 16 * MIB);
        MUST(atoll_channel_open((uint32_t)(3 - self), "bench", NULL, ATOLL_FOREVER, &to));
        MUST(atoll_port_accept(port, &from, ATOLL_FOREVER));
    }
    MUST(atoll_barrier_join("turn", NULL, 0, ATOLL_FOREVER, &barrier));
    for (int round = 0; round < rounds; round++) {
        if (self == 3) {
            static const size_t sizes[] = {8, 64, 512, 4096, 65536, MIB, 16 * MIB};
            print("line", 8, floor_line(0));
            print("slots", 8, floor_line(SLOTS));
            for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
                print("memcpy", sizes[i], floor_copy(sizes[i]));
        }
        turn();
        if (self < 3)
            measure_pair();
        turn();
    }
}

/* --- All with all --------------------------------------------------------------------------------
 */

#define PEERS_MAX 64

static void all(void)
{
    struct atoll_channel *out[PEERS_MAX], *in[PEERS_MAX];
    int peers = (int)MUST(atoll_peers()), others = 0;
    const long count = 2000;
    MUST(atoll_port_publish("bench", &port));
    for (int peer = 1; peer <= peers; peer++)
        if (peer != self)
            MUST(atoll_channel_open((uint32_t)peer, "bench", NULL, ATOLL_FOREVER, &out[others++]));
    for (int i = 0; i < others; i++)
        MUST(atoll_port_accept(port, &in[i], ATOLL_FOREVER));
    MUST(atoll_barrier_join("turn", NULL, 0, ATOLL_FOREVER, &barrier));
    for (int round = 0; round < rounds; round++) {
        long sent[PEERS_MAX] = {0}, left = 2 * count * others;
        size_t last = 0;
        double start;
        char message[8] = {0};
        turn();
        start = now_ns();
        while (left > 0) {
            int progress = 0;
            for (int i = 0; i < others; i++) {
                int result;
                while (sent[i] < count && (result = atoll_send(out[i], message, 8, 0)) == 0) {
                    sent[i]++;
                    left--;
                    progress = 1;
                }
                if (sent[i] < count)
                    if (result != -EAGAIN)
                        MUST(result);
            }
            ssize_t got;
            while ((got = atoll_receive_any(in, (size_t)others, &last, message, 8, 0)) >= 0) {
                left--;
                progress = 1;
            }
            if (got != -EAGAIN)
                MUST(got);
            if (!progress && left > 0) {
                struct atoll_wait items[2 * PEERS_MAX] = {0};
                size_t items_count = 0;
                for (int i = 0; i < others; i++) {
                    items[items_count++].channel = in[i];
                    if (sent[i] < count)
                        items[items_count++].channel = out[i];
                }
                MUST(atoll_wait(items, items_count, ATOLL_FOREVER));
            }
        }
        turn();
        if (self == 1)
            print("all-to-all", (size_t)peers,
                  (now_ns() - start) / (double)(count * others * peers));
    }
}

int main(int argc, char **argv)
{
    rounds = argc > 2 ? atoi(argv[2]) : 5;
    if (argc < 2 || atoll_init() == -ENOSYS) {
        printf("not on Atoll\n");
        return 1;
    }
    self = (int)MUST(atoll_self());
    if (strcmp(argv[1], "pair") == 0)
        pair();
    else
        all();
    return 0;
}
