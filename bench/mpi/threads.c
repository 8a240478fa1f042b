/* Latency under MPI_THREAD_MULTIPLE: with one thread of each rank, and with two that each have a
 * partner of their own in the other rank. */
#include "bench/mpi/measure.h"

#include <pthread.h>
#include <stdio.h>

struct pair {
    int tag, count, bytes;
};

static void *ping_pong(void *argument)
{
    struct pair *pair = argument;
    char bytes[4096] = {0};

    for (int i = 0; i < pair->count; i++) {
        if (rank == 0)
            MPI_Send(bytes, pair->bytes, MPI_BYTE, 1, pair->tag, MPI_COMM_WORLD);
        MPI_Recv(bytes, pair->bytes, MPI_BYTE, !rank, pair->tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (rank == 1)
            MPI_Send(bytes, pair->bytes, MPI_BYTE, 0, pair->tag, MPI_COMM_WORLD);
    }
    return NULL;
}

static void one(void *state, int count)
{
    ping_pong(&(struct pair){.tag = 1, .count = count, .bytes = *(int *)state});
}

static void two(void *state, int count)
{
    struct pair first = {.tag = 1, .count = count, .bytes = *(int *)state}, second = first;
    pthread_t thread;

    second.tag = 2;
    if (pthread_create(&thread, NULL, ping_pong, &second) != 0) {
        fprintf(stderr, "measure: no thread\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    ping_pong(&first);
    pthread_join(thread, NULL);
}

void run_threads(void)
{
    for (int bytes = 8; bytes <= 4096; bytes *= 8) {
        measure("multiple-1", (size_t)bytes, 2, one, &bytes);
        measure("multiple-2", (size_t)bytes, 2, two, &bytes);
    }
}
