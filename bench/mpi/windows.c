/* One-sided: put, get, accumulate and the fetching operations into memory that MPI_Win_allocate
 * gave, each flushed for latency, 64 at a time for bandwidth. Rank 1 waits in a barrier meanwhile.
 */
#include "bench/mpi/measure.h"

#include <stdint.h>
#include <stdio.h>

#ifdef WITH_WINDOWS

#define WINDOW 64
#define LONGEST ((size_t)4 << 20)

static struct {
    MPI_Win window;
    char *bytes;
    int length;
    int at_once;
} data;

/* Rank 0 is the origin: the others have nothing to do. */
#define ONE_SIDED(Name, ...)                                                                       \
    static void Name(void *state, int count)                                                       \
    {                                                                                              \
        (void)state;                                                                               \
        for (int i = 0; i < count && rank == 0; i++) {                                             \
            for (int k = 0; k < data.at_once; k++)                                                 \
                __VA_ARGS__;                                                                       \
            MPI_Win_flush(1, data.window);                                                         \
        }                                                                                          \
    }

ONE_SIDED(put, MPI_Put(data.bytes, data.length, MPI_BYTE, 1, 0, data.length, MPI_BYTE, data.window))
ONE_SIDED(get, MPI_Get(data.bytes, data.length, MPI_BYTE, 1, 0, data.length, MPI_BYTE, data.window))
ONE_SIDED(accumulate, MPI_Accumulate(data.bytes, data.length / 8, MPI_INT64_T, 1, 0,
                                     data.length / 8, MPI_INT64_T, MPI_SUM, data.window))
ONE_SIDED(fetch_and_op,
          MPI_Fetch_and_op(data.bytes, data.bytes + 8, MPI_INT64_T, 1, 0, MPI_SUM, data.window))
ONE_SIDED(compare_and_swap, MPI_Compare_and_swap(data.bytes, data.bytes + 8, data.bytes + 16,
                                                 MPI_INT64_T, 1, 0, data.window))

static void one_sided(const char *name, size_t bytes, int at_once, operation *run)
{
    data.length = (int)bytes;
    data.at_once = at_once;
    measure(name, bytes, at_once, run, NULL);
}

void run_windows(void)
{
    void *memory;

    data.bytes = measure_memory(LONGEST);
    MPI_Win_allocate((MPI_Aint)LONGEST, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &data.window);
    MPI_Win_lock_all(0, data.window);
    for (size_t bytes = 8; bytes <= LONGEST; bytes *= 8) {
        one_sided("put-latency", bytes, 1, put);
        one_sided("get-latency", bytes, 1, get);
        one_sided("accumulate-latency", bytes, 1, accumulate);
        one_sided("put-bandwidth", bytes, WINDOW, put);
        one_sided("get-bandwidth", bytes, WINDOW, get);
        one_sided("accumulate-bandwidth", bytes, WINDOW, accumulate);
    }
    one_sided("fetch-and-op", 8, 1, fetch_and_op);
    one_sided("compare-and-swap", 8, 1, compare_and_swap);
    MPI_Win_unlock_all(data.window);
    MPI_Win_free(&data.window);
}

#else

void run_windows(void)
{
    if (rank == 0)
        fprintf(stderr, "measure: compiled for a library without windows\n");
}

#endif
