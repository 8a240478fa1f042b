/* Jobs: instances that read each other's memory (tests/machine/programs/job.c), and others beside
 * them that do not. */
#include "tests/machine/harness.h"

#include <stdio.h>
#include <stdlib.h>

static void add(struct command *command, const char *name, const char *job, const char *program,
                const char *mode)
{
    if (*name == '+') { /* not the first one */
        command_add(command, ":", NULL);
        name++;
    }
    command_add(command, "-n", name, "-m", "16M", NULL);
    if (job)
        command_add(command, "--job", job, NULL);
    command_add(command, program_path(program), mode, NULL);
}

static void expect_line(const struct outcome *outcome, const char *name, const char *line)
{
    size_t length;

    expect_text(output_of(outcome, name, &length), line, outcome);
}

/* Each job is made of all the ways in which programs are built; strangers stand between them. */
MACHINE_TEST(job, peers_read_each_others_memory)
{
    struct command command = atoll_run(platform);
    struct outcome outcome;

    add(&command, "zero", "one", "job", "read");
    add(&command, "+stranger", NULL, "job", "none");
    add(&command, "+musl", "one", "job-musl", "read");
    add(&command, "+other", "two", "job-pie", "read");
    add(&command, "+pie", "one", "job-pie", "read");
    add(&command, "+last", "two", "job-musl-pie", "read");
    outcome = run_expecting(&command, 0);
    expect_line(&outcome, "zero", "read ok\n");
    expect_line(&outcome, "stranger", "none ok\n");
    expect_line(&outcome, "musl", "read ok\n");
    expect_line(&outcome, "other", "read ok\n");
    expect_line(&outcome, "pie", "read ok\n");
    expect_line(&outcome, "last", "read ok\n");
}

static void run_pair(const char *platform, const char *program, const char *mode)
{
    struct command command = atoll_run(platform);
    struct outcome outcome;
    char line[32];

    add(&command, "a", "pair", program, mode);
    add(&command, "+b", "pair", program, mode);
    outcome = run_expecting(&command, 0);
    snprintf(line, sizeof(line), "%s ok\n", mode);
    expect_line(&outcome, "a", line);
    expect_line(&outcome, "b", line);
}

MACHINE_TEST(job, changes_of_mappings_are_seen)
{
    run_pair(platform, "job", "changes");
    run_pair(platform, "job-musl", "changes");
}

MACHINE_TEST(job, what_others_say_is_checked)
{
    run_pair(platform, "job", "hostile");
}

MACHINE_TEST(job, memory_of_others_cannot_be_written)
{
    run_pair(platform, "job", "write");
}

/* Each has the memory of all others mapped. */
MACHINE_TEST(job, many_members)
{
    struct command command = atoll_run(platform);
    struct outcome outcome;
    char *name;

    for (int i = 0; i < 24; i++) {
        if (asprintf(&name, "%sm%d", i ? "+" : "", i) < 0)
            cr_assert_fail("no memory");
        add(&command, name, "many", "job", "read");
    }
    outcome = run_expecting(&command, 0);
    for (int i = 0; i < 24; i++) {
        if (asprintf(&name, "m%d", i) < 0)
            cr_assert_fail("no memory");
        expect_line(&outcome, name, "read ok\n");
    }
}

Test(job, plain_linux)
{
    struct outcome outcome = run_native(program_path("job"), NULL, NULL);

    cr_expect_eq(outcome.status, 0);
    expect_text(outcome.out, "not on Atoll\n", &outcome);
}
