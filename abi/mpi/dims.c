/* MPI_Dims_create: the sides of a grid for a number of processes, as close to each other as can be:
 * the largest side is as small as possible, then the second, and so on. */

#include "abi/mpi/errhandler.h"
#include "abi/mpi/profile.h"

#include <mpi.h>
#include <stdlib.h>

/* Whether `sides` numbers of at most `limit` can have the product `product` at all by their size.
 */
static bool could_reach(int64_t product, int sides, int64_t limit)
{
    int64_t reached = 1;

    for (int i = 0; i < sides && reached < product; i++)
        reached *= limit;
    return reached >= product;
}

/* Writes `count` sides of at most `limit` each, falling, with that product; the least in the order
 * of comparing them one after the other. False when there are none. */
static bool sides_of(int product, int count, int limit, int sides[])
{
    if (count == 0)
        return product == 1;
    for (int side = 1; side <= limit && side <= product; side++) {
        if (product % side != 0 || !could_reach(product, count, side))
            continue;
        sides[0] = side;
        if (sides_of(product / side, count - 1, side, sides + 1))
            return true;
    }
    return false;
}

MPI_PROFILED(Dims_create)
int PMPI_Dims_create(int nnodes, int ndims, int dims[])
{
    const char *call = "MPI_Dims_create";
    int *sides, fixed = 1, open = 0, next = 0;

    if (nnodes < 1 || ndims < 0 || (ndims > 0 && !dims))
        return error_raise(MPI_ERR_ARG, call, "%d processes in %d dimensions", nnodes, ndims);
    for (int i = 0; i < ndims; i++) {
        if (dims[i] < 0 || (dims[i] > 0 && nnodes / fixed % dims[i] != 0))
            return error_raise(MPI_ERR_DIMS, call,
                               "dimension %d is %d: no divisor of what is left of %d", i, dims[i],
                               nnodes);
        if (dims[i] > 0)
            fixed *= dims[i];
        else
            open++;
    }
    if (open == 0) {
        if (fixed != nnodes)
            return error_raise(MPI_ERR_DIMS, call, "the dimensions make %d, not %d", fixed, nnodes);
        return MPI_SUCCESS;
    }
    sides = calloc((size_t)open, sizeof(int));
    if (!sides)
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    sides_of(nnodes / fixed, open, nnodes / fixed, sides); /* one side may be all: it exists */
    for (int i = 0; i < ndims; i++)
        if (dims[i] == 0)
            dims[i] = sides[next++];
    free(sides);
    return MPI_SUCCESS;
}
