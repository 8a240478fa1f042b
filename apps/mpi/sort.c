/* Sample sort: every rank sorts its keys and offers some of them; from all that are offered come
 * the borders between the ranks' ranges; each key goes to the rank of its range, which sorts again.
 * The keys are numbers made from their place, the same for every number of ranks. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 30000
#define OFFERED 16 /* by each rank */

static int rank, size;

static uint64_t key_at(uint64_t place)
{
    place += UINT64_C(0x9e3779b97f4a7c15);
    place = (place ^ (place >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    place = (place ^ (place >> 27)) * UINT64_C(0x94d049bb133111eb);
    return place ^ (place >> 31);
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

static void *memory(size_t count, size_t bytes)
{
    void *result = calloc(count + 1, bytes);

    if (result == NULL)
        MPI_Abort(MPI_COMM_WORLD, 2);
    return result;
}

/* The first key of each rank's range but the first's. */
static uint64_t *borders_choose(const uint64_t *keys, int count)
{
    uint64_t offered[OFFERED], *all = memory((size_t)size * OFFERED, sizeof(*all));
    uint64_t *borders = memory((size_t)size, sizeof(*borders));

    for (int i = 0; i < OFFERED; i++)
        offered[i] = keys[(long)count * i / OFFERED];
    MPI_Allgather(offered, OFFERED, MPI_UINT64_T, all, OFFERED, MPI_UINT64_T, MPI_COMM_WORLD);
    qsort(all, (size_t)size * OFFERED, sizeof(*all), compare);
    for (int i = 1; i < size; i++)
        borders[i] = all[i * OFFERED];
    free(all);
    return borders;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int first = (int)((long)KEYS * rank / size);
    int count = (int)((long)KEYS * (rank + 1) / size) - first;
    uint64_t *keys = memory((size_t)count, sizeof(*keys));
    uint64_t sums[2] = {0, 0}, wanted[2], got[2];
    for (int i = 0; i < count; i++) {
        keys[i] = key_at((uint64_t)(first + i));
        sums[0] += keys[i];
        sums[1] += keys[i] * keys[i];
    }
    MPI_Allreduce(sums, wanted, 2, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    qsort(keys, (size_t)count, sizeof(*keys), compare);

    uint64_t *borders = borders_choose(keys, count);
    int *out = memory((size_t)size, sizeof(int)), *out_at = memory((size_t)size, sizeof(int));
    int *in = memory((size_t)size, sizeof(int)), *in_at = memory((size_t)size, sizeof(int));
    for (int i = 0, to = 0; i < count; i++) {
        while (to + 1 < size && keys[i] >= borders[to + 1])
            to++;
        out[to]++;
    }
    MPI_Alltoall(out, 1, MPI_INT, in, 1, MPI_INT, MPI_COMM_WORLD);
    for (int i = 0; i < size; i++) {
        out_at[i + 1] = out_at[i] + out[i];
        in_at[i + 1] = in_at[i] + in[i];
    }
    int sorted = in_at[size];
    uint64_t *range = memory((size_t)sorted, sizeof(*range));
    MPI_Alltoallv(keys, out, out_at, MPI_UINT64_T, range, in, in_at, MPI_UINT64_T, MPI_COMM_WORLD);
    qsort(range, (size_t)sorted, sizeof(*range), compare);

    /* The same keys as before, each rank's range above those before it, and the middle one. */
    uint64_t largest = sorted > 0 ? range[sorted - 1] : 0, before = 0, middle = 0, result;
    int place = 0, wrong = 0, wrong_anywhere;
    sums[0] = sums[1] = 0;
    for (int i = 0; i < sorted; i++) {
        sums[0] += range[i];
        sums[1] += range[i] * range[i];
    }
    MPI_Allreduce(sums, got, 2, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Exscan(&largest, &before, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    MPI_Exscan(&sorted, &place, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) /* of which MPI_Exscan leaves the result as it is */
        place = 0, before = 0;
    wrong = got[0] != wanted[0] || got[1] != wanted[1] || (sorted > 0 && range[0] < before);
    MPI_Allreduce(&wrong, &wrong_anywhere, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    if (wrong_anywhere) {
        fprintf(stderr, "sort: rank %d has %s keys\n", rank, wrong ? "wrong" : "good");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (place <= KEYS / 2 && KEYS / 2 < place + sorted)
        middle = range[KEYS / 2 - place];
    MPI_Reduce(&middle, &result, 1, MPI_UINT64_T, MPI_MAX, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("sort: %d keys, %016llx in the middle\n", KEYS, (unsigned long long)result);
    free(keys);
    free(borders);
    free(out);
    free(out_at);
    free(in);
    free(in_at);
    free(range);
    MPI_Finalize();
    return 0;
}
