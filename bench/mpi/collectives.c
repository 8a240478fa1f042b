/* Every collective by size. Where there is a root it goes round, so that a turn begins only when
 * the one before it has come to the next root. Sizes are of one rank's part. */
#include "bench/mpi/measure.h"

#include <stdlib.h>

#define LONGEST ((size_t)1 << 20)

static struct {
    char *out, *in; /* [size * LONGEST] */
    int *counts, *places;
    int bytes;
} data;

#define COLLECTIVE(Name, ...)                                                                      \
    static void Name(void *state, int count)                                                       \
    {                                                                                              \
        (void)state;                                                                               \
        for (int i = 0; i < count; i++) {                                                          \
            int root = i % size;                                                                   \
            (void)root;                                                                            \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
    }
#define WORDS (data.bytes / 8)

COLLECTIVE(barrier, MPI_Barrier(MPI_COMM_WORLD))
COLLECTIVE(bcast, MPI_Bcast(data.out, data.bytes, MPI_BYTE, root, MPI_COMM_WORLD))
COLLECTIVE(reduce, MPI_Reduce(data.out, data.in, WORDS, MPI_DOUBLE, MPI_SUM, root, MPI_COMM_WORLD))
COLLECTIVE(allreduce, MPI_Allreduce(data.out, data.in, WORDS, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD))
COLLECTIVE(reduce_scatter_block,
           MPI_Reduce_scatter_block(data.out, data.in, WORDS, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD))
COLLECTIVE(reduce_scatter,
           MPI_Reduce_scatter(data.out, data.in, data.counts, MPI_BYTE, MPI_BOR, MPI_COMM_WORLD))
COLLECTIVE(scan, MPI_Scan(data.out, data.in, WORDS, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD))
COLLECTIVE(exscan, MPI_Exscan(data.out, data.in, WORDS, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD))
COLLECTIVE(gather, MPI_Gather(data.out, data.bytes, MPI_BYTE, data.in, data.bytes, MPI_BYTE, root,
                              MPI_COMM_WORLD))
COLLECTIVE(gatherv, MPI_Gatherv(data.out, data.bytes, MPI_BYTE, data.in, data.counts, data.places,
                                MPI_BYTE, root, MPI_COMM_WORLD))
COLLECTIVE(scatter, MPI_Scatter(data.out, data.bytes, MPI_BYTE, data.in, data.bytes, MPI_BYTE, root,
                                MPI_COMM_WORLD))
COLLECTIVE(scatterv, MPI_Scatterv(data.out, data.counts, data.places, MPI_BYTE, data.in, data.bytes,
                                  MPI_BYTE, root, MPI_COMM_WORLD))
COLLECTIVE(allgather, MPI_Allgather(data.out, data.bytes, MPI_BYTE, data.in, data.bytes, MPI_BYTE,
                                    MPI_COMM_WORLD))
COLLECTIVE(allgatherv, MPI_Allgatherv(data.out, data.bytes, MPI_BYTE, data.in, data.counts,
                                      data.places, MPI_BYTE, MPI_COMM_WORLD))
COLLECTIVE(alltoall, MPI_Alltoall(data.out, data.bytes, MPI_BYTE, data.in, data.bytes, MPI_BYTE,
                                  MPI_COMM_WORLD))
COLLECTIVE(alltoallv, MPI_Alltoallv(data.out, data.counts, data.places, MPI_BYTE, data.in,
                                    data.counts, data.places, MPI_BYTE, MPI_COMM_WORLD))

static const struct {
    const char *name;
    operation *run;
} collectives[] = {
    {"bcast", bcast},
    {"reduce", reduce},
    {"allreduce", allreduce},
    {"reduce-scatter-block", reduce_scatter_block},
    {"reduce-scatter", reduce_scatter},
    {"scan", scan},
    {"exscan", exscan},
    {"gather", gather},
    {"gatherv", gatherv},
    {"scatter", scatter},
    {"scatterv", scatterv},
    {"allgather", allgather},
    {"allgatherv", allgatherv},
    {"alltoall", alltoall},
    {"alltoallv", alltoallv},
};

void run_collectives(void)
{
    static const size_t sizes[] = {8, 1024, 65536, LONGEST};

    /* Zeros: sums of doubles stay ordinary numbers. */
    data.out = calloc((size_t)size, LONGEST);
    data.in = calloc((size_t)size, LONGEST);
    data.counts = calloc((size_t)size, sizeof(int));
    data.places = calloc((size_t)size, sizeof(int));
    if (!data.out || !data.in || !data.counts || !data.places)
        MPI_Abort(MPI_COMM_WORLD, 1);
    measure("barrier", 0, 1, barrier, NULL);
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        data.bytes = (int)sizes[k];
        for (int i = 0; i < size; i++) {
            data.counts[i] = data.bytes;
            data.places[i] = i * data.bytes;
        }
        for (size_t i = 0; i < sizeof(collectives) / sizeof(collectives[0]); i++)
            measure(collectives[i].name, sizes[k], 1, collectives[i].run, NULL);
    }
}
