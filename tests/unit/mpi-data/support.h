/* What the tests of MPI's local objects share: a random source, and errors that come back. */
#ifndef TESTS_UNIT_MPI_DATA_SUPPORT_H
#define TESTS_UNIT_MPI_DATA_SUPPORT_H

#include <criterion/criterion.h>
#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Errors return from now on, as after MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN). */
void errors_return(void);

static inline uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline int64_t random_in(uint64_t *seed, int64_t low, int64_t high)
{
    return low + (int64_t)(random_next(seed) % (uint64_t)(high - low + 1));
}

#endif
