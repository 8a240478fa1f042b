/* MPI jobs that use its newer parts: sessions, partitioned communication, buffers of communicators,
 * requests of two messages, the tool interface. The program checks itself; its last line says so.
 */
#include "tests/machine/harness.h"

#include <stdio.h>

static void run_job(const char *platform, const char *ranks, const char *program, const char *what)
{
    struct command command = {.count = 0};
    char last[64];
    command_add(&command, atoll_path(), "mpirun", "--platform", platform, "-n", ranks,
                program_path(program), what, NULL);
    struct outcome outcome = run_expecting(&command, 0);
    snprintf(last, sizeof(last), "%s: fine\n", what);
    cr_expect_str_eq(outcome.out, last, "the output is the program's alone");
}

#define MPI_TEST(Name, Ranks, Program, What)                                                       \
    MACHINE_TEST(mpi_more, Name)                                                                   \
    {                                                                                              \
        run_job(platform, Ranks, Program, What);                                                   \
    }

MPI_TEST(sessions_1, "1", "mpi_more", "sessions")
MPI_TEST(sessions_2, "2", "mpi_more-musl", "sessions")
MPI_TEST(sessions_5, "5", "mpi_more-pie", "sessions")
MPI_TEST(partitioned_1, "1", "mpi_more", "partitioned")
MPI_TEST(partitioned_2, "2", "mpi_more-musl-pie", "partitioned")
MPI_TEST(partitioned_4, "4", "mpi_more", "partitioned")
MPI_TEST(buffers_1, "1", "mpi_more", "buffers")
MPI_TEST(buffers_3, "3", "mpi_more", "buffers")
MPI_TEST(exchange_1, "1", "mpi_more", "exchange")
MPI_TEST(exchange_2, "2", "mpi_more-pie", "exchange")
MPI_TEST(exchange_4, "4", "mpi_more-musl", "exchange")
MPI_TEST(shared_2, "2", "mpi_more", "shared")
MPI_TEST(tools_1, "1", "mpi_more", "tools")
MPI_TEST(tools_2, "2", "mpi_more", "tools")
MPI_TEST(f08_1, "1", "mpi_f08", "f08")
MPI_TEST(f08_3, "3", "mpi_f08", "f08")
