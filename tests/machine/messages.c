/* Messages between the programs of a machine's instances: tests/machine/programs/messages.c on two
 * to sixteen of them. Every mode checks each message itself and says so at its end. */
#include "tests/machine/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTANCES_MAX 16

/* Instances p1, p2 ... of one program with the same arguments. */
static struct command machine_of(const char *platform, int count, const char *program,
                                 const char *mode, const char *number, const char *bytes)
{
    struct command command = atoll_run(platform);

    for (int i = 1; i <= count; i++) {
        char *name;

        if (asprintf(&name, "p%d", i) < 0)
            cr_assert_fail("no memory");
        if (i > 1)
            command_add(&command, ":", NULL);
        command_add(&command, "-n", name, "-m", "16M", program_path(program), mode, number, NULL);
        if (bytes)
            command_add(&command, bytes, NULL);
    }
    return command;
}

/* All instances end well and say so, except that number 2 may have died. */
static struct outcome run_machine(const char *platform, int count, const char *program,
                                  const char *mode, const char *number, const char *bytes,
                                  int status)
{
    struct command command = machine_of(platform, count, program, mode, number, bytes);
    struct outcome outcome = run_expecting(&command, status);
    char text[64], name[16];
    size_t length;

    snprintf(text, sizeof(text), "%s ok\n", mode);
    for (int i = 1; i <= count; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        if (i != 2 || (status == 0 && strcmp(mode, "exit") != 0))
            expect_text(output_of(&outcome, name, &length), text, &outcome);
    }
    return outcome;
}

#define MESSAGES_TEST(Name, Count, Program, Mode, Number, Bytes, Status)                           \
    MACHINE_TEST(messages, Name)                                                                   \
    {                                                                                              \
        run_machine(platform, Count, Program, Mode, Number, Bytes, Status);                        \
    }

MESSAGES_TEST(two_both_ways, 2, "messages", "all", "5000", "3000", 0)
MESSAGES_TEST(two_in_bulk, 2, "messages-musl", "all", "100", "1000000", 0)
MESSAGES_TEST(two_position_independent, 2, "messages-pie", "all", "1000", NULL, 0)
MESSAGES_TEST(all_to_all_among_sixteen, 16, "messages", "all", "40", "3000", 0)
MESSAGES_TEST(many_to_one, 16, "messages", "gather", "200", NULL, 0)
MESSAGES_TEST(one_to_many, 16, "messages", "scatter", "200", NULL, 0)
MESSAGES_TEST(threads_share_a_channel, 2, "messages", "threads", "20000", NULL, 0)
MESSAGES_TEST(barrier_and_counter, 5, "messages", "barrier", "60", NULL, 0)
MESSAGES_TEST(windows, 3, "messages", "window", "1", NULL, 0)
MESSAGES_TEST(names_and_states, 3, "messages-musl-pie", "names", "1", NULL, 0)
MESSAGES_TEST(built_and_read_in_place, 2, "messages", "place", "1000", NULL, 0)
MESSAGES_TEST(poll_waits_for_them, 2, "messages", "poll", "100", NULL, 0)
MESSAGES_TEST(epoll_waits_for_them, 2, "messages-musl", "epoll", "200", NULL, 0)

/* Whole messages first, then EPIPE; nobody hangs. */
MESSAGES_TEST(sender_exits, 2, "messages", "exit", "1000", NULL, 0)
MESSAGES_TEST(sender_crashes, 2, "messages", "crash", "1000", NULL, 139)
MESSAGES_TEST(sender_aborts_at_once, 2, "messages", "abort", "1", NULL, 134)
MESSAGES_TEST(peer_dies_under_sleepers, 2, "messages", "sleepers", "1", NULL, 139)

MESSAGES_TEST(hostile_flags, 2, "messages", "hostile", "1", NULL, 0)
MESSAGES_TEST(hostile_length, 2, "messages", "hostile", "2", NULL, 0)

/* A reader that sleeps 100,000 times misses nothing: some 12 seconds on `hosted`. TCG takes 20 to
 * 40 for it, and does a tenth. */
MACHINE_TEST(messages, sleeps_before_each_message)
{
    const char *times = strcmp(platform, "hosted") == 0 ? "100000" : "10000";

    run_machine(platform, 2, "messages", "sleep", times, NULL, 0);
}
/* One doorbell in seven gets lost, one in five is rung twice. */
MESSAGES_TEST(doorbells_lost_and_doubled, 2, "messages", "faults", "300", NULL, 0)

/* The largest message that a section holds, and one that it does not. */
MACHINE_TEST(messages, as_large_as_the_section)
{
    struct command command = atoll_run(platform);
    struct outcome outcome;

    command_add(&command, "--section", "64M", NULL);
    for (int i = 0; i < 2; i++) {
        if (i > 0)
            command_add(&command, ":", NULL);
        command_add(&command, "-m", "256M", program_path("pingpong"), "2", "60000000", NULL);
    }
    outcome = run_expecting(&command, 0);
    expect_text(outcome.out, "2 rounds of 60000000 bytes\n", &outcome);

    command = machine_of(platform, 2, "pingpong", "1", "8000000", NULL);
    outcome = run_expecting(&command, 1);
    expect_text(outcome.out, "send: ", &outcome);
}

/* Both sleep for three seconds: the host's share of that is next to nothing. */
MACHINE_TEST(messages, idle_uses_no_host_time)
{
    struct outcome start = run_machine(platform, 2, "messages", "idle", "0", NULL, 0);
    struct outcome outcome = run_machine(platform, 2, "messages", "idle", "3", NULL, 0);

    cr_expect_geq(outcome.seconds, 3.0);
    cr_expect_lt(outcome.cpu_seconds - start.cpu_seconds, 0.25,
                 "%g seconds of the host's cores for three seconds' sleep",
                 outcome.cpu_seconds - start.cpu_seconds);
}

/* On plain Linux the library says that it is not on Atoll. */
Test(messages, plain_linux)
{
    struct outcome outcome = run_native(program_path("messages"), NULL, NULL);

    cr_expect_eq(outcome.status, 0);
    expect_text(outcome.out, "not on Atoll\n", &outcome);
}
