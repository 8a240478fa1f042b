/* Functions that exist twice, with counts of int and with counts of MPI_Count: how both share a
 * body, and how their arrays are read. */
#ifndef ABI_MPI_NUMBERS_H
#define ABI_MPI_NUMBERS_H

#include "abi/mpi/profile.h"

#include <stdbool.h>
#include <stdint.h>

/* Defines PMPI_Name with counts of int and PMPI_Name_c with MPI_Count: Parameters(Count) is the
 * list of parameters, and the body is the same. */
#define WITH_COUNTS(Name, Parameters, ...)                                                         \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name Parameters(int) __VA_ARGS__ MPI_PROFILED(Name##_c) int PMPI_##Name##_c         \
    Parameters(MPI_Count) __VA_ARGS__

/* An array of int, MPI_Count or MPI_Aint. */
struct numbers {
    const void *array;
    bool large;
};
static inline struct numbers numbers_int(const int *array)
{
    return (struct numbers){array, false};
}
static inline struct numbers numbers_large(const int64_t *array)
{
    return (struct numbers){array, true};
}
#define NUMBERS(Array)                                                                             \
    _Generic((Array), const int * : numbers_int, const int64_t * : numbers_large)(Array)
static inline int64_t number_at(struct numbers numbers, int64_t i)
{
    return numbers.large ? ((const int64_t *)numbers.array)[i] : ((const int *)numbers.array)[i];
}

#endif
