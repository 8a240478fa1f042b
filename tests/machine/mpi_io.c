/* MPI's files: ranks that mount the same folder of the host. The program checks itself
 * (tests/machine/programs/mpi_io.c). */
#include "tests/machine/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void run_job(const char *platform, const char *ranks, const char *program)
{
    char folder[] = "/tmp/atoll-mpi-io-XXXXXX", mount[64];
    struct command command = {.count = 0};

    cr_assert_not_null(mkdtemp(folder));
    snprintf(mount, sizeof(mount), "%s:/data:rw", folder);
    command_add(&command, atoll_path(), "mpirun", "--platform", platform, "-n", ranks, "--mount",
                mount, program_path(program), "/data", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, "io: fine\n", "the output is the program's alone");
    /* neither the file nor what held its shared pointer */
    cr_expect_eq(rmdir(folder), 0, "a job has left files");
}

#define IO_TEST(Name, Ranks, Program)                                                              \
    MACHINE_TEST(mpi_io, Name)                                                                     \
    {                                                                                              \
        run_job(platform, Ranks, Program);                                                         \
    }

IO_TEST(files_1, "1", "mpi_io-pie")
IO_TEST(files_2, "2", "mpi_io-musl")
IO_TEST(files_4, "4", "mpi_io")

/* The same program is a job of one on plain Linux. */
Test(mpi_io, plain_linux, .timeout = 60)
{
    char folder[] = "/tmp/atoll-mpi-io-XXXXXX";

    cr_assert_not_null(mkdtemp(folder));
    const char *arguments[] = {folder, NULL};
    struct outcome outcome = run_native(program_path("mpi_io"), arguments, NULL);
    cr_expect_eq(outcome.status, 0);
    expect_text(outcome.out, "io: fine\n", &outcome);
    cr_expect_eq(rmdir(folder), 0, "the job has left files");
}
