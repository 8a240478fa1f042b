/* Do more ranks than cores make steady progress? `mpi_steady`, with any number of ranks; the last
 * line of rank 0 is "steady: fine".
 *
 * First all wait for all in every round: a wake-up that is lost, or a rank that does not get its
 * turn, makes a round that is very much longer than the others. Then each worker by itself asks the
 * master for tasks: all of them must get their share. Nothing here is measured against the clock of
 * the host. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 400
#define MUCH_LONGER 30 /* times the median */
#define SECONDS_MOST 5.0
#define TASKS_EACH 20

static int rank, size;

static void fail(const char *what, double number, double wanted)
{
    fprintf(stderr, "mpi_steady: rank %d: %s: %g, not %g\n", rank, what, number, wanted);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

static void rounds(void)
{
    static double times[ROUNDS];
    double median, longer = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double begin = MPI_Wtime();
        int before, own = rank + round, sum;
        MPI_Sendrecv(&own, 1, MPI_INT, (rank + 1) % size, 0, &before, 1, MPI_INT,
                     (rank + size - 1) % size, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (before != (rank + size - 1) % size + round)
            fail("what the neighbour sent", before, (rank + size - 1) % size + round);
        MPI_Allreduce(&before, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        if (sum != size * (size - 1) / 2 + size * round)
            fail("a sum", sum, size * (size - 1) / 2 + size * round);
        times[round] = MPI_Wtime() - begin;
    }
    qsort(times, ROUNDS, sizeof(times[0]), compare);
    median = times[ROUNDS / 2];
    for (int i = 0; i < ROUNDS; i++)
        longer += times[i] > MUCH_LONGER * median;
    if (longer > ROUNDS / 10.0)
        fail("rounds that took very much longer than the median", longer, 0);
    if (times[ROUNDS - 1] > SECONDS_MOST)
        fail("seconds of the longest round", times[ROUNDS - 1], median);
}

/* One task at a time, as fast as each can. */
static void shares(void)
{
    int task = 0, *done = calloc((size_t)size, sizeof(int));

    if (done == NULL)
        MPI_Abort(MPI_COMM_WORLD, 2);
    if (rank > 0) {
        while (task >= 0) {
            MPI_Send(&task, 1, MPI_INT, 0, 1, MPI_COMM_WORLD);
            MPI_Recv(&task, 1, MPI_INT, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
    } else {
        for (int working = size - 1, behind = size - 1; working > 0;) {
            MPI_Status status;
            MPI_Recv(&task, 1, MPI_INT, MPI_ANY_SOURCE, 1, MPI_COMM_WORLD, &status);
            task = behind > 0 ? task + 1 : -1;
            working -= task < 0;
            behind -= task > 0 && ++done[status.MPI_SOURCE] == TASKS_EACH;
            MPI_Send(&task, 1, MPI_INT, status.MPI_SOURCE, 1, MPI_COMM_WORLD);
        }
    }
    free(done);
}

int main(void)
{
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    rounds();
    shares();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("steady: fine\n");
    MPI_Finalize();
    return 0;
}
