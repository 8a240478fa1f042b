/* Output: complete, in order, byte for byte, however much comes at once. */
#include "tests/machine/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEN_MIB "10485760"

static struct outcome native_output(const char *seed)
{
    const char *words[] = {TEN_MIB, seed, NULL};

    return run_native(program_path("output"), words, NULL);
}

MACHINE_TEST(output, ten_mebibytes_quiet)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", program_path("output"), TEN_MIB, "1", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    struct outcome native = native_output("1");
    expect_bytes("10 MiB", outcome.out, outcome.out_length, native.out, native.out_length);
    cr_expect_eq(outcome.err_length, 0, "--quiet wrote to standard error: %s", outcome.err);
}

MACHINE_TEST(output, ten_mebibytes_of_each_of_three)
{
    static const char *const names[] = {"red", "green", "blue"}, *const seeds[] = {"2", "3", "4"};
    struct command command = atoll_run(platform);

    for (size_t i = 0; i < 3; i++) {
        if (i)
            command_add(&command, ":", NULL);
        command_add(&command, "-n", names[i], program_path(i == 1 ? "output-musl-pie" : "output"),
                    TEN_MIB, seeds[i], NULL);
    }
    struct outcome outcome = run_expecting(&command, 0);
    for (size_t i = 0; i < 3; i++) {
        struct outcome native = native_output(seeds[i]);
        size_t length;
        char *text = output_of(&outcome, names[i], &length);

        expect_bytes(names[i], text, length, native.out, native.out_length);
        free(text);
        free(native.out);
    }
}

MACHINE_TEST(output, standard_error_is_apart)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", program_path("clocks"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.err, "real time", &outcome);
    cr_expect_not(has_text(outcome.out, "real time"));
}

/* Standard input: the only instance's, or the one that is named; it ends for all others at once. */
MACHINE_TEST(output, standard_input)
{
    const char *file = program_path("copy");
    struct command native = {.count = 0, .input = file}, command = atoll_run(platform);

    command_add(&native, program_path("copy"), NULL);
    struct outcome wanted = run_expecting(&native, 0);
    command.input = file;
    command_add(&command, "--quiet", program_path("copy"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_bytes("copied", outcome.out, outcome.out_length, wanted.out, wanted.out_length);
    expect_bytes("and counted", outcome.err, outcome.err_length, wanted.err, wanted.err_length);

    command = atoll_run(platform);
    command.input = "apps/demo.yaml";
    command_add(&command, "--stdin", "reader", "-n", "deaf", program_path("copy"), ":", NULL);
    command_add(&command, "-n", "reader", program_path("copy-musl"), NULL);
    outcome = run_expecting(&command, 0);
    native.input = "apps/demo.yaml";
    wanted = run_expecting(&native, 0);
    size_t length;
    char *text = output_of(&outcome, "reader", &length);
    expect_bytes("read by name", text, length, wanted.out, wanted.out_length);
    output_of(&outcome, "deaf", &length);
    cr_expect_eq(length, 0);
}

/* A reader that goes away ends the run, with a status that says so and nothing left behind. */
MACHINE_TEST(output, reader_goes_away)
{
    struct command command = atoll_run(platform);

    command_add(&command, program_path("linger"), "print", NULL);
    struct child child = child_start(&command, NULL);
    child_wait_for(&child, "still here", 60);
    close(child.out);
    child.out = -1;
    struct outcome outcome = child_finish(&child, 30);
    cr_expect_not(outcome.timed_out, "it went on writing to nobody");
    cr_expect_neq(outcome.status, 0);
    check_nothing_left("a closed pipe");
}

/* A reader that is slow loses nothing. */
MACHINE_TEST(output, reader_is_slow)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", program_path("output"), "2000000", "9", NULL);
    struct child child = child_start(&command, NULL);
    usleep(1500000);
    struct outcome outcome = child_finish(&child, 60);
    const char *words[] = {"2000000", "9", NULL};
    struct outcome native = run_native(program_path("output"), words, NULL);
    cr_expect_eq(outcome.status, 0);
    expect_bytes("slowly read", outcome.out, outcome.out_length, native.out, native.out_length);
    check_nothing_left("a slow reader");
}
