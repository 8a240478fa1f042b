/* What computing costs: one line "NAME NANOSECONDS" for each measurement, the quickest of many
 * runs. The same file runs on Atoll and on Linux.
 *
 *   compute MILLISECONDS [ROUNDS]     how long for each, how often all of them (default: once)
 *
 * Each run takes a millisecond or so, less than a host's time slice: on a host that is busy with
 * other things some still pass undisturbed, and the quickest are the same each time. It can be the
 * first process of a Linux guest (guest.h). */
#include "bench/programs/guest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

#define MATRIX 128
#define SIEVE 1000000
#define SORTED 16384
#define CHASED (512 << 10)
#define STEPS 20000

/* In the first cache, floating point. */
static void multiply(void)
{
    static double a[MATRIX][MATRIX], b[MATRIX][MATRIX], c[MATRIX][MATRIX];

    for (int i = 0; i < MATRIX; i++)
        for (int j = 0; j < MATRIX; j++)
            a[i][j] = i + j, b[i][j] = i - j, c[i][j] = 0;
    for (int i = 0; i < MATRIX; i++)
        for (int k = 0; k < MATRIX; k++)
            for (int j = 0; j < MATRIX; j++)
                c[i][j] += a[i][k] * b[k][j];
    __asm__ volatile("" ::"r"(c) : "memory");
}

/* Strides through a megabyte. */
static void sieve(void)
{
    static uint8_t composite[SIEVE];

    memset(composite, 0, sizeof(composite));
    for (size_t i = 2; i * i < SIEVE; i++)
        if (!composite[i])
            for (size_t j = i * i; j < SIEVE; j += i)
                composite[j] = 1;
    __asm__ volatile("" ::"r"(composite) : "memory");
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Branches, and calls through a pointer. */
static void sort(void)
{
    static uint32_t values[SORTED];
    uint32_t state = 1;

    for (size_t i = 0; i < SORTED; i++)
        values[i] = state = state * 1664525 + 1013904223;
    qsort(values, SORTED, sizeof(*values), compare);
}

/* One load after another, all over 512 KiB: translations count. */
static void chase(void)
{
    static uint32_t next[CHASED / sizeof(uint32_t)];
    const uint32_t count = CHASED / sizeof(uint32_t);
    static uint32_t at;

    if (!next[0]) /* a full cycle: an odd increment and a multiplier of 1 modulo 4 */
        for (uint32_t i = 0; i < count; i++)
            next[i] = (i * 1664525 + 1013904223) % count;
    for (int i = 0; i < STEPS; i++)
        at = next[at];
    __asm__ volatile("" ::"r"(at) : "memory");
}

static void measure(const char *name, void (*work)(void), double milliseconds)
{
    double end = now() + milliseconds * 1e6, best = 1e30;

    work();
    while (now() < end) {
        double begin = now();
        work();
        double took = now() - begin;
        best = took < best ? took : best;
    }
    printf("%s %.0f\n", name, best);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bool guest = guest_begin(argv[0]);
    double milliseconds = argc > 1 ? atof(argv[1]) : 300;
    int rounds = argc > 2 ? atoi(argv[2]) : 1;

    while (rounds-- > 0) {
        measure("compute-matrix", multiply, milliseconds);
        measure("compute-sieve", sieve, milliseconds);
        measure("compute-sort", sort, milliseconds);
        measure("compute-chase", chase, milliseconds);
    }
    if (guest)
        guest_end();
    return 0;
}
