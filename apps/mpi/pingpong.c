/* Messages there and back between neighbours: 0 and 1, 2 and 3, and so on; a rank that is left over
 * plays with itself. `pingpong times` also prints how long a message takes, one way. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 20
#define LONGEST (64 << 10) /* bytes */

static unsigned char ball[LONGEST];

static void fill(int length, int round)
{
    for (int i = 0; i < length; i++)
        ball[i] = (unsigned char)(i * 7 + round);
}

static void check(int length, int round, const MPI_Status *status)
{
    int got;

    MPI_Get_count(status, MPI_BYTE, &got);
    for (int i = 0; i < length && got == length; i++)
        if (ball[i] != (unsigned char)(i * 7 + round))
            got = -1;
    if (got != length) {
        fprintf(stderr, "pingpong: not the %d bytes of round %d\n", length, round);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

/* One message there, and the same back. */
static void play(int length, int partner, int serves, int round)
{
    MPI_Status status;

    fill(length, serves ? round : -1);
    if (serves)
        MPI_Send(ball, length, MPI_BYTE, partner, round, MPI_COMM_WORLD);
    MPI_Recv(ball, length, MPI_BYTE, partner, round, MPI_COMM_WORLD, &status);
    check(length, round, &status);
    if (!serves)
        MPI_Send(ball, length, MPI_BYTE, partner, round, MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    long long bytes = 0, least;
    int rank, size;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int partner = rank ^ 1, times = argc > 1 && strcmp(argv[1], "times") == 0;
    for (int length = 0; length <= LONGEST; length = length ? length * 4 : 1) {
        double begin = MPI_Wtime();
        for (int round = 0; round < ROUNDS; round++) {
            if (partner < size) {
                play(length, partner, rank % 2 == 0, round);
            } else {
                MPI_Status status;
                fill(length, round);
                MPI_Sendrecv_replace(ball, length, MPI_BYTE, rank, 1, rank, 1, MPI_COMM_WORLD,
                                     &status);
                check(length, round, &status);
            }
            bytes += length;
        }
        if (times && rank == 0)
            fprintf(stderr, "%7d bytes: %8.2f us\n", length,
                    (MPI_Wtime() - begin) / (2 * ROUNDS) * 1e6);
    }
    MPI_Reduce(&bytes, &least, 1, MPI_LONG_LONG, MPI_MIN, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("pingpong: %lld bytes there and back\n", least);
    MPI_Finalize();
    return 0;
}
