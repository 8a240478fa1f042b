/* Heat on a square plate whose edges are kept at zero: each rank has a block of the grid, and after
 * each step neighbours exchange their blocks' edges, columns as a derived type.
 *
 * It begins as sin(pi x) sin(pi y), of which every step keeps the shape: each cell is multiplied by
 * cos(pi / (N + 1)). So the end is known. */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define N 63 /* cells inside, in each direction */
#define STEPS 40
#define MIDDLE 32 /* the hottest cell, counted from 1 */

/* Cells [*first, *first + result) of N, counted from 1, are part `at` of `parts`. */
static int part_of(int parts, int at, int *first)
{
    *first = N * at / parts + 1;
    return N * (at + 1) / parts + 1 - *first;
}

static double start(int row, int column)
{
    const double step = acos(-1.0) / (N + 1);

    return sin(row * step) * sin(column * step);
}

int main(int argc, char **argv)
{
    int rank, size, sides[2] = {0, 0}, round[2] = {0, 0}, at[2], first[2], up, down, left, right;
    double worst = 0, difference, middle = 0, hottest;
    MPI_Comm plate;
    MPI_Datatype column;

    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Dims_create(size, 2, sides);
    MPI_Cart_create(MPI_COMM_WORLD, 2, sides, round, 1, &plate);
    MPI_Comm_rank(plate, &rank);
    MPI_Cart_coords(plate, rank, 2, at);
    MPI_Cart_shift(plate, 0, 1, &up, &down);
    MPI_Cart_shift(plate, 1, 1, &left, &right);
    int rows = part_of(sides[0], at[0], &first[0]), columns = part_of(sides[1], at[1], &first[1]);
    int width = columns + 2; /* a frame of one cell is the neighbours', or the edge */
    double *now = calloc((size_t)(rows + 2) * (size_t)width, sizeof(double));
    double *next = calloc((size_t)(rows + 2) * (size_t)width, sizeof(double));
    if (now == NULL || next == NULL)
        MPI_Abort(MPI_COMM_WORLD, 2);
    for (int i = 1; i <= rows; i++)
        for (int j = 1; j <= columns; j++)
            now[i * width + j] = start(first[0] + i - 1, first[1] + j - 1);
    MPI_Type_vector(rows, 1, width, MPI_DOUBLE, &column);
    MPI_Type_commit(&column);

    for (int step = 0; step < STEPS; step++) {
        MPI_Request requests[8];
        MPI_Irecv(&now[1], columns, MPI_DOUBLE, up, 0, plate, &requests[0]);
        MPI_Irecv(&now[(rows + 1) * width + 1], columns, MPI_DOUBLE, down, 1, plate, &requests[1]);
        MPI_Irecv(&now[width], 1, column, left, 2, plate, &requests[2]);
        MPI_Irecv(&now[width + columns + 1], 1, column, right, 3, plate, &requests[3]);
        MPI_Isend(&now[rows * width + 1], columns, MPI_DOUBLE, down, 0, plate, &requests[4]);
        MPI_Isend(&now[width + 1], columns, MPI_DOUBLE, up, 1, plate, &requests[5]);
        MPI_Isend(&now[width + columns], 1, column, right, 2, plate, &requests[6]);
        MPI_Isend(&now[width + 1], 1, column, left, 3, plate, &requests[7]);
        MPI_Waitall(8, requests, MPI_STATUSES_IGNORE);
        for (int i = 1; i <= rows; i++)
            for (int j = i * width + 1; j <= i * width + columns; j++)
                next[j] = (now[j - 1] + now[j + 1] + now[j - width] + now[j + width]) / 4;
        double *done = now;
        now = next;
        next = done;
    }

    const double factor = pow(cos(acos(-1.0) / (N + 1)), STEPS);
    for (int i = 1; i <= rows; i++) {
        for (int j = 1; j <= columns; j++) {
            int row = first[0] + i - 1, place = first[1] + j - 1;
            worst = fmax(worst, fabs(now[i * width + j] - factor * start(row, place)));
            if (row == MIDDLE && place == MIDDLE)
                middle = now[i * width + j];
        }
    }
    MPI_Allreduce(&worst, &difference, 1, MPI_DOUBLE, MPI_MAX, plate);
    MPI_Reduce(&middle, &hottest, 1, MPI_DOUBLE, MPI_MAX, 0, plate);
    if (difference > 1e-12) {
        fprintf(stderr, "halo: a cell is off by %g\n", difference);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (rank == 0)
        printf("halo: %d steps, %d x %d cells, %.8f in the middle\n", STEPS, N, N, hottest);
    MPI_Type_free(&column);
    MPI_Comm_free(&plate);
    free(now);
    free(next);
    MPI_Finalize();
    return 0;
}
