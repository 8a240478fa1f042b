/* The measures' clock and main: `measure MEASURE`. */
#include "bench/mpi/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES 200          /* at most */
#define BATCH_SECONDS 150e-6 /* short, so that many pass undisturbed */
#define TOTAL_SECONDS 0.15   /* of all batches of a figure */

int rank, size;

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Seconds of one turn: median and fastest tenth. */
static void take(operation *run, void *state, double result[2])
{
    double times[BATCHES] = {0};
    int plan[2]; /* turns of a batch, batches */

    run(state, 2);
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    run(state, 4);
    double turn = (MPI_Wtime() - start) / 4;
    if (turn < 1e-8)
        turn = 1e-8;
    plan[0] = turn > BATCH_SECONDS ? 1 : (int)(BATCH_SECONDS / turn);
    double batches = TOTAL_SECONDS / (turn * plan[0]);
    plan[1] = batches > BATCHES ? BATCHES : batches < 5 ? 5 : (int)batches;
    MPI_Bcast(plan, 2, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    run(state, plan[0]);
    for (int i = 0; i < plan[1]; i++) {
        start = MPI_Wtime();
        run(state, plan[0]);
        times[i] = (MPI_Wtime() - start) / plan[0];
    }
    qsort(times, (size_t)plan[1], sizeof(*times), compare_doubles);
    result[0] = times[plan[1] / 2];
    result[1] = times[plan[1] / 10];
}

void measure_print(const char *name, size_t bytes, double median, double fastest)
{
    if (rank == 0) {
        printf("%s %zu %.3f %.3f\n", name, bytes, median, fastest);
        fflush(stdout);
    }
}

void measure(const char *name, size_t bytes, double parts, operation *run, void *state)
{
    double result[2];

    take(run, state, result);
    measure_print(name, bytes, result[0] / parts * 1e9, result[1] / parts * 1e9);
}

double measure_time(operation *run, void *state)
{
    double result[2];

    take(run, state, result);
    MPI_Bcast(result, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    return result[0] * 1e9;
}

void *measure_memory(size_t bytes)
{
    void *memory = NULL;

    if (posix_memalign(&memory, 4096, bytes) != 0) {
        fprintf(stderr, "measure: no memory for %zu bytes\n", bytes);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    memset(memory, rank + 1, bytes);
    return memory;
}

static const struct {
    const char *name;
    void (*run)(void);
    int threads;
} measures[] = {
    {"latency", run_latency, MPI_THREAD_SINGLE},
    {"bandwidth", run_bandwidth, MPI_THREAD_SINGLE},
    {"bidirectional", run_bidirectional, MPI_THREAD_SINGLE},
    {"pairs", run_pairs, MPI_THREAD_SINGLE},
    {"threads", run_threads, MPI_THREAD_MULTIPLE},
    {"collectives", run_collectives, MPI_THREAD_SINGLE},
    {"overlap", run_overlap, MPI_THREAD_SINGLE},
    {"windows", run_windows, MPI_THREAD_SINGLE},
};

int main(int count, char **words)
{
    for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
        if (count != 2 || strcmp(words[1], measures[i].name) != 0)
            continue;
        int threads;
        MPI_Init_thread(&count, &words, measures[i].threads, &threads);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        MPI_Comm_size(MPI_COMM_WORLD, &size);
        if (threads < measures[i].threads) {
            fprintf(stderr, "measure: the library gives thread level %d only\n", threads);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        measures[i].run();
        MPI_Finalize();
        return 0;
    }
    fprintf(stderr, "usage: measure MEASURE\n");
    return 2;
}
