/* A machine for MPI jobs in a test: each rank is a forked process with the library's own sources
 * inside, the lagoon and the ranks' partitions are shared memory, and this is the kernel of all of
 * them. A rank sleeps on a futex of its own; one that ends is seen by the others, as the proxy lets
 * them see it.
 *
 * Only what comes from fake_memory lies in a rank's partition, and can be read by the others, as
 * all memory of a job can on a real machine: what is malloc'ed or on the stack takes the way of
 * memory that cannot. */
#ifndef TESTS_MPI_JOB_FAKE_H
#define TESTS_MPI_JOB_FAKE_H

#include <criterion/criterion.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define JOB_RANKS_MAX 16

/* How the ranks of a job have ended, and what they wrote to standard error. */
struct job_outcome {
    int status[JOB_RANKS_MAX]; /* as a shell shows it */
    char text[8192];
};

typedef void job_body(int rank, int size);

/* Runs `body` in each rank between MPI_Init_thread and MPI_Finalize; fails the test unless all
 * ranks end well within `seconds`. */
void job_run(int ranks, int level, int seconds, job_body *body);
/* The same for jobs that are meant to fail: the test looks at how. */
struct job_outcome job_fail(int ranks, int seconds, job_body *body);

/* Memory of this rank's partition, zeroed; as long as the rank lives. The pages of every second
 * piece lie in the partition in another order than in the program. */
void *fake_memory(size_t bytes);

/* In a rank: ends the job's test. What follows the condition is a format and its arguments. */
#define RANK_CHECK(Condition, ...)                                                                 \
    do {                                                                                           \
        if (!(Condition))                                                                          \
            rank_failed(__FILE__, __LINE__, #Condition, " " __VA_ARGS__);                          \
    } while (0)
_Noreturn __attribute__((format(printf, 4, 5))) void
rank_failed(const char *file, int line, const char *condition, const char *format, ...);

#endif
