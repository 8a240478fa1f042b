/* Conjugate gradients for a band matrix whose rows are spread over the ranks: 3 on the diagonal,
 * -1 beside it. Each step needs a value from either neighbour and two sums over all ranks. The
 * right side is made from a known solution, against which the result is checked. */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define N 2000
#define DIAGONAL 3.0
#define STEPS_MOST 200

static int rank, size, first, rows; /* this rank has rows [first, first + rows) */

static double solution(int row)
{
    return row >= 0 && row < N ? 1 + (double)(row % 17) / 8 : 0;
}

static double dot(const double *one, const double *other)
{
    double part = 0, sum;

    for (int i = 0; i < rows; i++)
        part += one[i] * other[i];
    MPI_Allreduce(&part, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return sum;
}

/* product = matrix x vector; vector[-1] and vector[rows] are the neighbours'. */
static void multiply(double *vector, double *product)
{
    int before = rank > 0 ? rank - 1 : MPI_PROC_NULL;
    int after = rank + 1 < size ? rank + 1 : MPI_PROC_NULL;

    MPI_Sendrecv(&vector[rows - 1], 1, MPI_DOUBLE, after, 0, &vector[-1], 1, MPI_DOUBLE, before, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(&vector[0], 1, MPI_DOUBLE, before, 1, &vector[rows], 1, MPI_DOUBLE, after, 1,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (int i = 0; i < rows; i++)
        product[i] = DIAGONAL * vector[i] - vector[i - 1] - vector[i + 1];
}

static double *vector_new(void)
{
    double *vector = calloc((size_t)rows + 2, sizeof(double));

    if (vector == NULL) {
        MPI_Abort(MPI_COMM_WORLD, 2);
        return NULL;
    }
    return vector + 1;
}

int main(int argc, char **argv)
{
    double worst = 0, error, part = 0, sum;
    int step = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    first = (int)((long)N * rank / size);
    rows = (int)((long)N * (rank + 1) / size) - first;
    double *x = vector_new(), *residual = vector_new(), *search = vector_new(),
           *product = vector_new();
    for (int i = 0; i < rows; i++) {
        int row = first + i;
        residual[i] = DIAGONAL * solution(row) - solution(row - 1) - solution(row + 1);
        search[i] = residual[i];
    }
    double square = dot(residual, residual);
    const double enough = square * 1e-26;
    while (square > enough && step++ < STEPS_MOST) {
        multiply(search, product);
        double length = square / dot(search, product), before = square;
        for (int i = 0; i < rows; i++) {
            x[i] += length * search[i];
            residual[i] -= length * product[i];
        }
        square = dot(residual, residual);
        for (int i = 0; i < rows; i++)
            search[i] = residual[i] + square / before * search[i];
    }
    for (int i = 0; i < rows; i++) {
        worst = fmax(worst, fabs(x[i] - solution(first + i)));
        part += x[i];
    }
    MPI_Allreduce(&worst, &error, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    MPI_Reduce(&part, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    if (error > 1e-10) {
        fprintf(stderr, "cg: off by %g after %d steps\n", error, step);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (rank == 0)
        printf("cg: %d unknowns, their sum is %.6f\n", N, sum);
    free(x - 1);
    free(residual - 1);
    free(search - 1);
    free(product - 1);
    MPI_Finalize();
    return 0;
}
