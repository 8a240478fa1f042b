/* MPI_Dims_create: the sides of a grid for a number of processes, as close to each other as can be:
 * the difference of the largest and the smallest is the least; of several such grids the one with
 * the largest smallest side, then with the largest second smallest, and so on. */

#include "abi/mpi/errhandler.h"
#include "abi/mpi/profile.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

/* The best grid so far, and the one that is being made, sides falling. */
struct search {
    const int *divisors; /* of the whole product, rising */
    int divisor_count;
    int count;
    int *best, *sides; /* [count] */
    bool found;
};

/* Is the grid that has been made better than the best one? */
static bool is_better(const struct search *search)
{
    const int *sides = search->sides, *best = search->best;
    int last = search->count - 1;
    int spread = sides[0] - sides[last], best_spread = best[0] - best[last];

    if (!search->found || spread != best_spread)
        return !search->found || spread < best_spread;
    for (int i = last; i > 0; i--)
        if (sides[i] != best[i])
            return sides[i] > best[i];
    return false;
}

/* Whether `count` numbers of `each` have a product of at least `product`. */
static bool reaches(int64_t product, int count, int64_t each)
{
    int64_t reached = 1;

    for (int i = 0; i < count && reached < product; i++)
        reached *= each;
    return reached >= product;
}

/* Whether grids that begin with these sides can still be as good as the best one: `left` more of
 * that product would have to be at least so large. */
static bool is_hopeful(const struct search *search, int product, int left)
{
    int64_t least = search->sides[0] - (int64_t)(search->best[0] - search->best[search->count - 1]);

    return !search->found || least <= 1 || !reaches((int64_t)product + 1, left, least);
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
    for (int i = 0; i < search->divisor_count && search->divisors[i] <= limit; i++) {
        int side = search->divisors[i];

        if (product % side != 0 || !reaches(product, left, side))
            continue;
        search->sides[at] = side;
        if (is_hopeful(search, product / side, left - 1))
            search_from(search, at + 1, product / side, side);
    }
}

/* All divisors, rising: to be freed; NULL without memory. */
static int *divisors_of(int number, int *count)
{
    int *divisors = NULL, room = 0, root = 1;

    *count = 0;
    while ((int64_t)(root + 1) * (root + 1) <= number)
        root++;
    for (int turn = 0; turn < 2; turn++)
        for (int i = turn == 0 ? 1 : root; i >= 1 && i <= root; i += turn == 0 ? 1 : -1) {
            if (number % i != 0 || (turn == 1 && number / i == i))
                continue;
            if (*count == room) {
                int *more = realloc(divisors, (size_t)(room + 64) * sizeof(int));

                if (!more) {
                    free(divisors);
                    return NULL;
                }
                divisors = more;
                room += 64;
            }
            divisors[(*count)++] = turn == 0 ? i : number / i;
        }
    return divisors;
}

MPI_PROFILED(Dims_create)
int PMPI_Dims_create(int nnodes, int ndims, int dims[])
{
    const char *call = "MPI_Dims_create";
    int *sides, *divisors, count, fixed = 1, open = 0, next = 0;
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
    divisors = divisors_of(nnodes / fixed, &count);
    if (!sides || !divisors) {
        free(sides);
        free(divisors);
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    }
    search = (struct search){.divisors = divisors,
                             .divisor_count = count,
                             .count = open,
                             .best = sides,
                             .sides = sides + open};
    search_from(&search, 0, nnodes / fixed, nnodes / fixed);
    free(divisors);
    for (int i = 0; i < ndims; i++)
        if (dims[i] == 0)
            dims[i] = sides[next++];
    free(sides);
    return MPI_SUCCESS;
}
