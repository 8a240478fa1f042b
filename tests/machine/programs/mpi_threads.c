/* An MPI program of several threads that checks itself: `mpi_threads WHAT ROUNDS`, with any number
 * of ranks. The last line of rank 0 is "WHAT: fine". */
#include "tests/unit/mpi-threads/work.h"

int main(int count, char **words)
{
    int provided, rank;
    if (count != 3) {
        fprintf(stderr, "usage: mpi_threads WHAT ROUNDS\n");
        return 2;
    }
    MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
    WORK_CHECK(provided == MPI_THREAD_MULTIPLE, "level %d", provided);
    work_run(words[1], atoi(words[2]));
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("%s: fine\n", words[1]);
    MPI_Finalize();
    return 0;
}
