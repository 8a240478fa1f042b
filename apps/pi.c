/* Pi by throwing darts: one thread for each core of the instance, each with its own random numbers.
 * The threads meet at a barrier first, so that what is timed is all of them at work at once.
 *
 *   pi [MILLIONS OF DARTS] [THREADS]        default: 8, and a thread for each core */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct thrower {
    pthread_t thread;
    uint64_t seed;
    uint64_t darts, hits;
    int core; /* on which it ended */
};

static pthread_barrier_t start;

/* xorshift64*: far better than rand(), and a few instructions. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static void *throw_darts(void *argument)
{
    struct thrower *self = argument;
    uint64_t state = self->seed, hits = 0;

    pthread_barrier_wait(&start);
    for (uint64_t i = 0; i < self->darts; i++) {
        uint64_t bits = random_next(&state);
        uint64_t x = bits >> 32, y = bits & UINT32_MAX;

        /* Within the quarter circle of radius 2^32: the sum's carry out of 64 bits says "outside".
         */
        hits += !__builtin_add_overflow_p(x * x, y * y, UINT64_C(0));
    }
    self->hits = hits;
    self->core = sched_getcpu();
    return NULL;
}

/* How many cores this program may use: all of its instance's. */
static long cores_available(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    uint64_t darts = (argc > 1 ? strtoull(argv[1], NULL, 10) : 8) * 1000000;
    long threads = argc > 2 ? atol(argv[2]) : cores_available();
    uint64_t hits = 0, thrown = 0;

    if (darts == 0 || threads < 1) {
        fprintf(stderr, "usage: pi [MILLIONS OF DARTS] [THREADS]\n");
        return 2;
    }
    struct thrower *throwers = calloc((size_t)threads, sizeof(*throwers));
    if (!throwers || pthread_barrier_init(&start, NULL, (unsigned)threads + 1)) {
        perror("pi");
        return 1;
    }
    for (long i = 0; i < threads; i++) {
        throwers[i].seed = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(i + 1);
        throwers[i].darts = darts / (uint64_t)threads;
        if (pthread_create(&throwers[i].thread, NULL, throw_darts, &throwers[i])) {
            perror("pi: pthread_create");
            return 1;
        }
    }
    pthread_barrier_wait(&start);
    double begin = seconds_now();
    for (long i = 0; i < threads; i++) {
        pthread_join(throwers[i].thread, NULL);
        hits += throwers[i].hits;
        thrown += throwers[i].darts;
        printf("thread %ld on core %d: %llu of %llu darts in the circle\n", i, throwers[i].core,
               (unsigned long long)throwers[i].hits, (unsigned long long)throwers[i].darts);
    }
    double pi = 4.0 * (double)hits / (double)thrown;

    printf("pi is about %.5f (off by %.5f), %ld threads, %.2f s\n", pi, fabs(pi - M_PI), threads,
           seconds_now() - begin);
    return 0;
}
