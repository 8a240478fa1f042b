/* MPI jobs that check topologies, and MPI from Fortran. The programs check themselves; their last
 * line says so. */
#include "tests/machine/harness.h"

static void run_job(const char *platform, const char *ranks, const char *program, const char *last)
{
    struct command command = {.count = 0};
    command_add(&command, atoll_path(), "mpirun", "--platform", platform, "-n", ranks,
                program_path(program), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, last, "the output is the program's alone");
}

#define MPI_TEST(Name, Ranks, Program, Last)                                                       \
    MACHINE_TEST(mpi_data, Name)                                                                   \
    {                                                                                              \
        run_job(platform, Ranks, Program, Last);                                                   \
    }

MPI_TEST(topology_1, "1", "mpi_topology", "topology: fine\n")
MPI_TEST(topology_2, "2", "mpi_topology-musl", "topology: fine\n")
MPI_TEST(topology_4, "4", "mpi_topology-pie", "topology: fine\n")
MPI_TEST(topology_6, "6", "mpi_topology-musl-pie", "topology: fine\n")
MPI_TEST(topology_16, "16", "mpi_topology", "topology: fine\n")
MPI_TEST(fortran_1, "1", "mpi_fortran", "fortran: fine\n")
MPI_TEST(fortran_2, "2", "mpi_fortran", "fortran: fine\n")
MPI_TEST(fortran_4, "4", "mpi_fortran", "fortran: fine\n")
MPI_TEST(local_1, "1", "mpi_local", "local: fine\n")
MPI_TEST(local_3, "3", "mpi_local-musl-pie", "local: fine\n")
