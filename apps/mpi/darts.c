/* Monte-Carlo with one-sided counters: pi from darts at a square. Rank 0 has two numbers in a
 * window: the next batch, which whoever is free takes with MPI_Fetch_and_op, and the hits, to which
 * all add with MPI_Accumulate. Nobody calls a receive. A batch's darts depend on its number alone.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>

#define BATCHES 64
#define DARTS 2000 /* in each batch */
#define MODULUS INT64_C(2147483647)

enum counter { NEXT_BATCH, HITS, COUNTERS };

static int64_t throw(int64_t batch)
{
    int64_t seed = batch * 7919 + 1, hits = 0;

    for (int i = 0; i < DARTS; i++) {
        double x, y;
        seed = seed * 48271 % MODULUS;
        x = (double)seed / MODULUS;
        seed = seed * 48271 % MODULUS;
        y = (double)seed / MODULUS;
        hits += x * x + y * y < 1;
    }
    return hits;
}

int main(int argc, char **argv)
{
    const int64_t one = 1;
    int64_t *counters, batch, mine = 0, thrown;
    int rank;
    MPI_Win window;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Win_allocate(rank == 0 ? COUNTERS * (MPI_Aint)sizeof(int64_t) : 0, sizeof(int64_t),
                     MPI_INFO_NULL, MPI_COMM_WORLD, &counters, &window);
    if (rank == 0) {
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, window);
        counters[NEXT_BATCH] = counters[HITS] = 0;
        MPI_Win_unlock(0, window);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, window);
    for (;;) {
        MPI_Fetch_and_op(&one, &batch, MPI_INT64_T, 0, NEXT_BATCH, MPI_SUM, window);
        MPI_Win_flush(0, window);
        if (batch >= BATCHES)
            break;
        int64_t hits = throw(batch);
        MPI_Accumulate(&hits, 1, MPI_INT64_T, 0, HITS, 1, MPI_INT64_T, MPI_SUM, window);
        MPI_Win_flush_local(0, window);
        mine++;
    }
    MPI_Win_unlock_all(window);
    MPI_Reduce(&mine, &thrown, 1, MPI_INT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0) {
        int64_t wanted = 0;
        for (batch = 0; batch < BATCHES; batch++)
            wanted += throw(batch);
        MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window);
        int64_t hits = counters[HITS];
        MPI_Win_unlock(0, window);
        if (hits != wanted || thrown != BATCHES) {
            fprintf(stderr, "darts: %lld hits in %lld batches, not %lld in %d\n", (long long)hits,
                    (long long)thrown, (long long)wanted, BATCHES);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        printf("darts: %lld of %d, pi is about %.5f\n", (long long)hits, BATCHES * DARTS,
               4.0 * (double)hits / (BATCHES * DARTS));
    }
    MPI_Win_free(&window);
    MPI_Finalize();
    return 0;
}
