/* MPI jobs, as `atoll mpirun` starts them. The program checks itself
 * (tests/machine/programs/mpi.c); the tests look at its last line, and at how jobs end. */
#include "tests/machine/harness.h"

#include <stdio.h>
#include <string.h>

static struct command mpirun(const char *platform, const char *ranks, const char *program,
                             const char *what, const char *count)
{
    struct command command = {.count = 0};
    command_add(&command, atoll_path(), "mpirun", "--platform", platform, "-n", ranks,
                program_path(program), what, count, NULL);
    return command;
}

static void run_job(const char *platform, const char *ranks, const char *program, const char *what,
                    const char *count)
{
    struct command command = mpirun(platform, ranks, program, what, count);
    struct outcome outcome = run_expecting(&command, 0);
    char last[64];
    snprintf(last, sizeof(last), "%s: fine\n", what);
    cr_expect_str_eq(outcome.out, last, "the output is the program's alone");
}

#define MPI_TEST(Name, Ranks, Program, What, Count)                                                \
    MACHINE_TEST(mpi, Name)                                                                        \
    {                                                                                              \
        run_job(platform, Ranks, Program, What, Count);                                            \
    }

MPI_TEST(ping_pong_2, "2", "mpi", "pingpong", "40")
MPI_TEST(ping_pong_8, "8", "mpi-musl-pie", "pingpong", "10")
MPI_TEST(ring_1, "1", "mpi", "ring", "100")
MPI_TEST(ring_4, "4", "mpi-pie", "ring", "100")
MPI_TEST(ring_16, "16", "mpi-musl", "ring", "20")
MPI_TEST(random_2, "2", "mpi-musl", "random", "40")
MPI_TEST(random_4, "4", "mpi", "random", "10")
MPI_TEST(random_8, "8", "mpi-pie", "random", "4")
MPI_TEST(long_queues, "2", "mpi", "queues", "5000")
MPI_TEST(master_and_worker, "4", "mpi", "workers", "300")
MPI_TEST(collectives_1, "1", "mpi", "collectives", "12")
MPI_TEST(collectives_2, "2", "mpi-musl-pie", "collectives", "12")
MPI_TEST(collectives_4, "4", "mpi", "collectives", "12")
MPI_TEST(collectives_7, "7", "mpi-musl", "collectives", "6")
MPI_TEST(collectives_16, "16", "mpi", "collectives", "4")
MPI_TEST(communicators_1, "1", "mpi", "communicators", "3")
MPI_TEST(communicators_3, "3", "mpi", "communicators", "4")
MPI_TEST(communicators_8, "8", "mpi-pie", "communicators", "2")
MPI_TEST(rma_fences_1, "1", "mpi_rma", "fences", "10")
MPI_TEST(rma_fences_2, "2", "mpi_rma", "fences", "10")
MPI_TEST(rma_fences_4, "4", "mpi_rma", "fences", "10")
MPI_TEST(rma_halo_1, "1", "mpi_rma-pie", "halo", "10")
MPI_TEST(rma_halo_2, "2", "mpi_rma-pie", "halo", "10")
MPI_TEST(rma_halo_4, "4", "mpi_rma-pie", "halo", "10")
MPI_TEST(rma_locks_1, "1", "mpi_rma-musl", "locks", "10")
MPI_TEST(rma_locks_2, "2", "mpi_rma-musl", "locks", "10")
MPI_TEST(rma_locks_4, "4", "mpi_rma-musl", "locks", "10")
MPI_TEST(rma_accumulates_1, "1", "mpi_rma", "accumulates", "10")
MPI_TEST(rma_accumulates_2, "2", "mpi_rma", "accumulates", "10")
MPI_TEST(rma_accumulates_4, "4", "mpi_rma", "accumulates", "10")
MPI_TEST(rma_dynamic_1, "1", "mpi_rma-musl-pie", "dynamic", "10")
MPI_TEST(rma_dynamic_2, "2", "mpi_rma-musl-pie", "dynamic", "10")
MPI_TEST(rma_dynamic_4, "4", "mpi_rma-musl-pie", "dynamic", "10")
MPI_TEST(rma_pi_1, "1", "mpi_rma", "pi", "10")
MPI_TEST(rma_pi_2, "2", "mpi_rma", "pi", "10")
MPI_TEST(rma_pi_4, "4", "mpi_rma", "pi", "10")
MPI_TEST(rma_wrong_1, "1", "mpi_rma", "wrong", "10")
MPI_TEST(rma_wrong_2, "2", "mpi_rma", "wrong", "10")
MPI_TEST(rma_wrong_4, "4", "mpi_rma", "wrong", "10")
MPI_TEST(threads_ring_2, "2", "mpi_threads", "ring", "60")
MPI_TEST(threads_probes_3, "3", "mpi_threads-musl", "probes", "20")
MPI_TEST(threads_handover_2, "2", "mpi_threads-musl-pie", "handover", "40")
MPI_TEST(threads_collectives_4, "4", "mpi_threads", "collectives", "10")
MPI_TEST(threads_windows_3, "3", "mpi_threads-pie", "windows", "30")
MPI_TEST(threads_objects_2, "2", "mpi_threads-musl", "objects", "60")

/* Sixteen ranks on the host's few cores, each of which is a core of the machine. */
Test(mpi, many_ranks_make_steady_progress_hosted, .timeout = 300)
{
    struct command command = {.count = 0};
    command_add(&command, atoll_path(), "mpirun", "--platform", "hosted", "-n", "16",
                program_path("mpi_steady"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, "steady: fine\n");
}

/* --- How jobs end ------------------------------------------------------------------------------
 */

static struct outcome run_failing(const char *platform, const char *what, int status)
{
    struct command command = mpirun(platform, "4", "mpi", what, "1");
    return run_expecting(&command, status);
}

MACHINE_TEST(mpi, abort_ends_the_job)
{
    struct outcome outcome = run_failing(platform, "abort", 7);
    expect_text(outcome.err, "rank 3: MPI_Abort was called with error code 7\n", &outcome);
    expect_text(outcome.err, "rank3 has ended with status 7: the job is ended\n", &outcome);
}

MACHINE_TEST(mpi, a_rank_that_crashes_ends_the_job)
{
    struct outcome outcome = run_failing(platform, "crash", 139);
    expect_text(outcome.err, "rank3 has died: the job is ended\n", &outcome);
}

MACHINE_TEST(mpi, a_rank_that_is_killed_ends_the_job)
{
    struct outcome outcome = run_failing(platform, "killed", 137);
    expect_text(outcome.err, "rank3 has ended with status 137: the job is ended\n", &outcome);
}

/* It ends as if all were well, but without MPI_Finalize: the others find out. */
MACHINE_TEST(mpi, a_rank_that_leaves_ends_the_job)
{
    struct command command = mpirun(platform, "2", "mpi", "leave", "1");
    struct outcome outcome = run_command(&command, NULL);
    cr_expect_neq(outcome.status, 0);
    cr_expect(!outcome.timed_out);
    expect_text(outcome.err, "ended before", &outcome);
}

MACHINE_TEST(mpi, an_error_names_rank_call_and_argument)
{
    struct outcome outcome = run_failing(platform, "truncate", 15);
    expect_text(outcome.err, "rank 1: MPI_Recv: MPI_ERR_TRUNCATE", &outcome);
    expect_text(outcome.err, "the message from rank 0 has 100 bytes, its buffer room for 10\n",
                &outcome);
    outcome = run_failing(platform, "wrong", 6);
    expect_text(outcome.err, "rank 3: MPI_Send: MPI_ERR_RANK", &outcome);
    expect_text(outcome.err, "the destination is rank 4; 0 to 3 or MPI_PROC_NULL would be right\n",
                &outcome);
}

/* The same program is a job of one on plain Linux. */
Test(mpi, plain_linux, .timeout = 60)
{
    static const char *const arguments[] = {"collectives", "6", NULL};
    struct outcome outcome = run_native(program_path("mpi"), arguments, NULL);
    cr_expect_eq(outcome.status, 0);
    expect_text(outcome.out, "collectives: fine\n", &outcome);
}
