/* Which context ids are in use here: one bit for each pair of them. */
#include "abi/mpi/comm.h"

#include <stdlib.h>

static uint64_t *used;
static uint32_t words;

static void grow(uint32_t least)
{
    uint32_t more = words != 0 ? words : 4;
    while (more <= least)
        more *= 2;
    uint64_t *larger = realloc(used, more * sizeof(*larger));
    if (larger == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a communicator");
    memset(larger + words, 0, (more - words) * sizeof(*larger));
    if (words == 0)
        larger[0] = (1u << CONTEXT_FIRST / 2) - 1; /* those of the two that are always there */
    used = larger;
    words = more;
}

uint32_t context_next(uint32_t least)
{
    for (uint32_t bit = least / 2;; bit++) {
        if (bit / 64 >= words)
            grow(bit / 64);
        if ((used[bit / 64] >> bit % 64 & 1) == 0)
            return 2 * bit;
    }
}

void context_take(uint32_t context)
{
    uint32_t bit = context / 2;
    if (bit / 64 >= words)
        grow(bit / 64);
    used[bit / 64] |= UINT64_C(1) << bit % 64;
}

void context_release(uint32_t context)
{
    uint32_t bit = context / 2;
    if (context >= CONTEXT_FIRST && bit / 64 < words)
        used[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}
