/* MPI_Dims_create: the sides of a grid for a number of processes, as close to each other as can be:
 * the difference of the largest and the smallest is the least; of several such grids the one with
 * the largest smallest side, and then with the smallest sum. */

#include "abi/mpi/errhandler.h"
#include "abi/mpi/profile.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

/* The best grid so far, and the one that is being made, sides falling. */
struct search {
    int count;
    int *best, *sides; /* [count] */
    bool found;
};

static int64_t sum_of(const int sides[], int count)
{
    int64_t sum = 0;

    for (int i = 0; i < count; i++)
        sum += sides[i];
    return sum;
}

/* Is the grid that has been made better than the best one? */
static bool is_better(const struct search *search)
{
    const int *sides = search->sides, *best = search->best;
    int last = search->count - 1;
    int spread = sides[0] - sides[last], best_spread = best[0] - best[last];

    if (!search->found || spread != best_spread)
        return !search->found || spread < best_spread;
    if (sides[last] != best[last])
        return sides[last] > best[last];
    return sum_of(sides, search->count) < sum_of(best, search->count);
}

/* Whether `count` numbers of at most `limit` can have the product `product` by their size. */
static bool could_reach(int64_t product, int count, int64_t limit)
{
    int64_t reached = 1;

    for (int i = 0; i < count && reached < product; i++)
        reached *= limit;
    return reached >= product;
}

/* Tries all grids whose sides from `at` on have that product and are at most `limit`. */
static void search_from(struct search *search, int at, int product, int limit)
{
    int left = search->count - at;

    if (left == 1) {
        search->sides[at] = product;
        if (product <= limit && is_better(search)) {
            memcpy(search->best, search->sides, (size_t)search->count * sizeof(int));
            search->found = true;
        }
        return;
    }
    for (int side = 1; side <= limit && side <= product; side++) {
        if (product % side != 0 || !could_reach(product, left, side))
            continue;
        /* The smallest side is no larger than this one: the spread can only grow from here. */
        if (at > 0 && search->found &&
            search->sides[0] - side > search->best[0] - search->best[search->count - 1])
            continue;
        search->sides[at] = side;
        search_from(search, at + 1, product / side, side);
    }
}

MPI_PROFILED(Dims_create)
int PMPI_Dims_create(int nnodes, int ndims, int dims[])
{
    const char *call = "MPI_Dims_create";
    int *sides, fixed = 1, open = 0, next = 0;
    struct search search = {0};

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
    sides = calloc((size_t)open * 2, sizeof(int));
    if (!sides)
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    search = (struct search){.count = open, .best = sides, .sides = sides + open};
    search_from(&search, 0, nnodes / fixed, nnodes / fixed);
    for (int i = 0; i < ndims; i++)
        if (dims[i] == 0)
            dims[i] = sides[next++];
    free(sides);
    return MPI_SUCCESS;
}
