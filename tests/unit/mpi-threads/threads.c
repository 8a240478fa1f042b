/* MPI_THREAD_MULTIPLE: several threads of each of several ranks, under ThreadSanitizer. */
#include "tests/unit/mpi-job/fake.h"
#include "tests/unit/mpi-threads/work.h"

#define THREADS_TEST(Name, Ranks, Rounds)                                                          \
    static void Name##_##Ranks(int rank, int size)                                                 \
    {                                                                                              \
        (void)rank;                                                                                \
        (void)size;                                                                                \
        work_run(#Name, Rounds);                                                                   \
    }                                                                                              \
    Test(threads, Name##_of_##Ranks, .timeout = 60)                                                \
    {                                                                                              \
        job_run(Ranks, MPI_THREAD_MULTIPLE, 50, Name##_##Ranks);                                   \
    }

THREADS_TEST(ring, 1, 200)
THREADS_TEST(ring, 2, 200)
THREADS_TEST(ring, 4, 60)
THREADS_TEST(probes, 1, 100)
THREADS_TEST(probes, 3, 40)
THREADS_TEST(handover, 1, 200)
THREADS_TEST(handover, 2, 200)
THREADS_TEST(collectives, 2, 60)
THREADS_TEST(collectives, 4, 25)
THREADS_TEST(windows, 1, 100)
THREADS_TEST(windows, 3, 60)
THREADS_TEST(objects, 2, 200)
