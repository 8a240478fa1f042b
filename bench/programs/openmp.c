/* What OpenMP's constructs cost beyond the work in them, in the manner of the EPCC microbenchmarks:
 * the time of a loop of small delays with the construct, less the time of the delays alone. One
 * line "NAME NANOSECONDS" for each and round. The same file runs on Atoll and on Linux.
 *
 *   openmp ROUNDS */
#include "guest.h"

#include <omp.h>
#include <stdlib.h>

#define TIMES 200
#define ITERATIONS 64 /* of a dynamic loop, a thread */
#define DELAY 200

static void delay(void)
{
    for (volatile int i = 0; i < DELAY; i++) {
    }
}

static double reference(int times)
{
    double begin = omp_get_wtime();

    for (int i = 0; i < times; i++)
        delay();
    return omp_get_wtime() - begin;
}

static void print(const char *name, double seconds, int count)
{
    printf("%s %.1f\n", name, seconds * 1e9 / count);
    fflush(stdout);
}

static void measure(void)
{
    double alone = reference(TIMES), begin = omp_get_wtime();
    double sum = 0;

    for (int i = 0; i < TIMES; i++) {
#pragma omp parallel
        delay();
    }
    print("omp-parallel", omp_get_wtime() - begin - alone, TIMES);

    begin = omp_get_wtime();
#pragma omp parallel
    for (int i = 0; i < TIMES; i++) {
        delay();
#pragma omp barrier
    }
    print("omp-barrier", omp_get_wtime() - begin - alone, TIMES);

    begin = omp_get_wtime();
    for (int i = 0; i < TIMES; i++) {
#pragma omp parallel reduction(+ : sum)
        {
            delay();
            sum += 1;
        }
    }
    print("omp-reduction", omp_get_wtime() - begin - alone, TIMES);
    if ((int)sum != TIMES * omp_get_max_threads())
        printf("# the reduction is wrong\n");

    alone = reference(ITERATIONS);
    begin = omp_get_wtime();
#pragma omp parallel for schedule(dynamic, 1)
    for (int i = 0; i < ITERATIONS * omp_get_max_threads(); i++)
        delay();
    print("omp-dynamic", omp_get_wtime() - begin - alone, ITERATIONS);
}

int main(int argc, char **argv)
{
    bool guest = guest_begin(argv[0]);
    int rounds = argc > 1 ? atoi(argv[1]) : 1;

#pragma omp parallel
    delay(); /* the threads are there */
    for (int round = 0; round < rounds; round++)
        measure();
    if (guest)
        guest_end();
    return 0;
}
