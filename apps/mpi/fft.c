/* A Fourier transform in two dimensions: each rank transforms its rows, the matrix is transposed
 * between all ranks, and each transforms what were columns. The signal is made of known tones, so
 * the spectrum is known too; the way back must bring the signal again. */
#include <complex.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define N 64 /* a power of two */

static const struct tone {
    int row, column;
    double strength;
} tones[] = {{3, 5, 1.0}, {0, 17, 0.5}, {40, 63, 0.25}, {22, 22, 2.0}};
#define TONES ((int)(sizeof(tones) / sizeof(tones[0])))

static int rank, size, first, rows;

static int first_row(int of)
{
    return N * of / size;
}

/* In place; `sign` -1: there, 1: back, without the division. */
static void transform(double complex *values, int sign)
{
    for (int i = 1, j = 0; i < N; i++) {
        int bit = N / 2;
        for (; j & bit; bit /= 2)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            double complex other = values[i];
            values[i] = values[j];
            values[j] = other;
        }
    }
    for (int half = 1; half < N; half *= 2)
        for (int k = 0; k < half; k++) {
            double complex turn = cexp(sign * I * acos(-1.0) * k / half);
            for (int i = k; i < N; i += 2 * half) {
                double complex odd = turn * values[i + half];
                values[i + half] = values[i] - odd;
                values[i] += odd;
            }
        }
}

/* What is sent to a rank is the block of this rank's rows and that one's columns, turned round. */
static void transpose(double complex *matrix)
{
    double complex *out = malloc(sizeof(*out) * (size_t)rows * N);
    double complex *in = malloc(sizeof(*in) * (size_t)rows * N);
    int *counts = malloc(sizeof(int) * (size_t)size), *places = malloc(sizeof(int) * (size_t)size);
    int at = 0;

    if (out == NULL || in == NULL || counts == NULL || places == NULL)
        MPI_Abort(MPI_COMM_WORLD, 2);
    for (int to = 0; to < size; to++) {
        places[to] = at;
        for (int column = first_row(to); column < first_row(to + 1); column++)
            for (int row = 0; row < rows; row++)
                out[at++] = matrix[row * N + column];
        counts[to] = at - places[to];
    }
    MPI_Alltoallv(out, counts, places, MPI_C_DOUBLE_COMPLEX, in, counts, places,
                  MPI_C_DOUBLE_COMPLEX, MPI_COMM_WORLD);
    at = 0;
    for (int from = 0; from < size; from++)
        for (int row = 0; row < rows; row++)
            for (int column = first_row(from); column < first_row(from + 1); column++)
                matrix[row * N + column] = in[at++];
    free(out);
    free(in);
    free(counts);
    free(places);
}

static void transform_all(double complex *matrix, int sign)
{
    for (int way = 0; way < 2; way++) {
        for (int row = 0; row < rows; row++)
            transform(&matrix[row * N], sign);
        transpose(matrix);
    }
}

static double complex signal_at(int row, int column)
{
    double complex sum = 0;

    for (int i = 0; i < TONES; i++)
        sum += tones[i].strength *
               cexp(2 * I * acos(-1.0) * ((tones[i].row * row + tones[i].column * column) % N) / N);
    return sum;
}

static double complex spectrum_at(int row, int column)
{
    for (int i = 0; i < TONES; i++)
        if (tones[i].row == row && tones[i].column == column)
            return tones[i].strength * N * N;
    return 0;
}

/* How far the matrix is from what it should be, at the most, over all ranks. */
static double distance(const double complex *matrix, double complex (*wanted)(int, int),
                       double scale)
{
    double worst = 0, all;

    for (int row = 0; row < rows; row++)
        for (int column = 0; column < N; column++)
            worst =
                fmax(worst, cabs(matrix[row * N + column] / scale - wanted(first + row, column)));
    MPI_Allreduce(&worst, &all, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return all;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    first = first_row(rank);
    rows = first_row(rank + 1) - first;
    double complex *matrix = malloc(sizeof(*matrix) * (size_t)(rows + 1) * N);
    if (matrix == NULL)
        MPI_Abort(MPI_COMM_WORLD, 2);
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < N; column++)
            matrix[row * N + column] = signal_at(first + row, column);

    transform_all(matrix, -1);
    double there = distance(matrix, spectrum_at, 1);
    int found = 0, all = 0;
    for (int i = 0; i < rows * N; i++)
        found += cabs(matrix[i]) > 1;
    MPI_Reduce(&found, &all, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    transform_all(matrix, 1);
    double back = distance(matrix, signal_at, N * N);
    if (there > 1e-8 || back > 1e-12) {
        fprintf(stderr, "fft: off by %g there, %g back\n", there, back);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (rank == 0)
        printf("fft: %d tones in %d x %d values, there and back\n", all, N, N);
    free(matrix);
    MPI_Finalize();
    return 0;
}
