/* A token goes from rank to rank, round and round, and everyone who has it works on it. It is
 * passed HOPS times, whatever the number of ranks: the result is always the same. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>

#define HOPS 480
#define MODULUS 2147483647

static int64_t work(int64_t token, int hop)
{
    return (token * 16807 + hop) % MODULUS;
}

int main(int argc, char **argv)
{
    MPI_Request sending = MPI_REQUEST_NULL;
    int64_t token = 1, out, expected = 1;
    int rank, size;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int hop = rank; hop < HOPS; hop += size) {
        if (hop > 0)
            MPI_Recv(&token, 1, MPI_INT64_T, (hop - 1) % size, hop, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        token = work(token, hop);
        /* Not MPI_Send: a ring of one sends to itself, and receives only then. */
        MPI_Wait(&sending, MPI_STATUS_IGNORE);
        out = token;
        MPI_Isend(&out, 1, MPI_INT64_T, (hop + 1) % size, hop + 1, MPI_COMM_WORLD, &sending);
    }
    if (rank == HOPS % size) {
        MPI_Recv(&token, 1, MPI_INT64_T, (HOPS - 1) % size, HOPS, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
        for (int hop = 0; hop < HOPS; hop++)
            expected = work(expected, hop);
        if (token != expected) {
            fprintf(stderr, "ring: the token is %lld, not %lld\n", (long long)token,
                    (long long)expected);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        printf("ring: %d hops, token %lld\n", HOPS, (long long)token);
    }
    MPI_Wait(&sending, MPI_STATUS_IGNORE);
    MPI_Finalize();
    return 0;
}
