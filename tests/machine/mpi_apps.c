/* The MPI programs of apps/mpi. Each checks itself and prints one line, the same for every number
 * of ranks. What it has to be comes from the same source under OpenMPI, and, where that is not
 * installed, from the program as a job of one on plain Linux. */
#include "tests/machine/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *mpi_app(const char *name, const char *suffix)
{
    char folder_and_name[64];

    snprintf(folder_and_name, sizeof(folder_and_name), "mpi/%s%s", name, suffix);
    return app_path(folder_and_name);
}

/* The line that the program prints as a job of one on plain Linux. */
static struct outcome alone(const char *name)
{
    struct outcome outcome = run_native(mpi_app(name, ""), NULL, NULL);

    cr_assert_eq(outcome.status, 0);
    cr_assert_eq(strchr(outcome.out, '\n'), outcome.out + outcome.out_length - 1, "one line");
    return outcome;
}

static void run_on(const char *platform, const char *name, const char *suffix)
{
    static const char *const counts[] = {"1", "2", "4", "8", "16"};
    const struct outcome wanted = alone(name);

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct command command = {.count = 0};
        command_add(&command, atoll_path(), "mpirun", "--platform", platform, "-m", "24M", "-n",
                    counts[i], mpi_app(name, suffix), NULL);
        struct outcome outcome = run_expecting(&command, 0);
        cr_expect_str_eq(outcome.out, wanted.out, "%s ranks: %s instead of %s", counts[i],
                         outcome.out, wanted.out);
    }
}

static void run_openmpi(const char *name)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin",
                                              "HOME=/tmp",
                                              "TMPDIR=/tmp",
                                              "OMPI_ALLOW_RUN_AS_ROOT=1",
                                              "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                              NULL};
    const char *program = mpi_app(name, "-openmpi");
    struct command command = {.count = 0};

    if (access("/usr/bin/mpirun.openmpi", X_OK) != 0 || access(program, X_OK) != 0)
        cr_skip_test("%s: OpenMPI is not installed (openmpi-bin, libopenmpi-dev)", name);
    const struct outcome wanted = alone(name);
    command_add(&command, "/usr/bin/mpirun.openmpi", "--oversubscribe", "--bind-to", "none", "-n",
                "4", program, NULL);
    struct outcome outcome = run_command(&command, environment);
    cr_expect_eq(outcome.status, 0, "OpenMPI: status %d, %s", outcome.status, outcome.err);
    cr_expect_str_eq(wanted.out, outcome.out, "%s instead of OpenMPI's %s", wanted.out,
                     outcome.out);
}

#define APP_TEST(Test_name, Name, Suffix)                                                          \
    MACHINE_TEST(mpi_apps, Test_name)                                                              \
    {                                                                                              \
        run_on(platform, Name, Suffix);                                                            \
    }                                                                                              \
    Test(mpi_apps, Test_name##_openmpi, .timeout = 300)                                            \
    {                                                                                              \
        run_openmpi(Name);                                                                         \
    }

APP_TEST(pingpong, "pingpong", "")
APP_TEST(ring, "ring", "-musl")
APP_TEST(ring_fortran, "ring-fortran", "")
APP_TEST(halo, "halo", "")
APP_TEST(halo_fortran, "halo-fortran", "")
APP_TEST(conjugate_gradient, "cg", "-musl")
APP_TEST(conjugate_gradient_fortran, "cg-fortran", "")
APP_TEST(fourier_transform, "fft", "")
APP_TEST(sample_sort, "sort", "-musl")
APP_TEST(workers, "workers", "")
APP_TEST(darts, "darts", "-musl")
APP_TEST(darts_fortran, "darts-fortran", "")
