/* Machines of all shapes start, every instance runs its program on its own cores, and what the
 * program was given and what it ended with pass unchanged. */
#include "tests/machine/harness.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

MACHINE_TEST(start, one_instance_of_one_core)
{
    struct command command = atoll_run(platform);
    command_add(&command, app_path("hello"), "Atoll", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    size_t length;
    char *text = output_of(&outcome, "hello", &length);

    cr_expect_eq(strncmp(text, "Hello, Atoll!\n", 14), 0, "got: %s", text);
    expect_text(text, "core 0", &outcome);
}

/* glibc and musl, at a fixed address and position independent. */
MACHINE_TEST(start, all_four_ways_to_build_a_program)
{
    static const char *const builds[] = {"hello", "hello-pie", "hello-musl", "hello-musl-pie"};
    struct command command = atoll_run(platform);

    for (size_t i = 0; i < 4; i++)
        command_add(&command, i ? ":" : app_path(builds[0]), i ? app_path(builds[i]) : builds[i],
                    i ? builds[i] : NULL, NULL);
    struct outcome outcome = run_expecting(&command, 0);
    for (size_t i = 0; i < 4; i++) {
        char greeting[64];
        size_t length;
        char *text = output_of(&outcome, builds[i], &length);

        snprintf(greeting, sizeof(greeting), "Hello, %s!\n", builds[i]);
        expect_text(text, greeting, &outcome);
        free(text);
    }
}

MACHINE_TEST(start, three_instances_on_four_cores)
{
    struct command command = atoll_run(platform);
    size_t length;

    command_add(&command, "-n", "one", "-c", "1", app_path("primes-musl"), ":", NULL);
    command_add(&command, "-n", "two", "-c", "1", app_path("mandelbrot"), ":", NULL);
    command_add(&command, "-n", "three", "-c", "2", program_path("together"), "2", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(output_of(&outcome, "one", &length), "78498 primes below 1000000", &outcome);
    expect_text(output_of(&outcome, "three", &length), "each on its own core", &outcome);
    struct outcome picture = run_native(app_path("mandelbrot"), NULL, NULL);
    char *drawn = output_of(&outcome, "two", &length);
    expect_bytes("the picture", drawn, length, picture.out, picture.out_length);
    /* The summary has a line for each. */
    expect_text(outcome.err, "three", &outcome);
}

/* Cores by list: which instance has which is the user's choice. */
MACHINE_TEST(start, cores_by_list)
{
    struct command command = atoll_run(platform);
    size_t length;

    command_add(&command, "-n", "high", "-c", "2-3", program_path("together"), "2", ":", NULL);
    command_add(&command, "-n", "middle", "-c", "1,", app_path("hello"), ":", NULL);
    command_add(&command, "-n", "low", "-c", "0,", app_path("hello-musl"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(output_of(&outcome, "high", &length), "each on its own core", &outcome);
    expect_text(output_of(&outcome, "middle", &length), "Hello", &outcome);
    expect_text(output_of(&outcome, "low", &length), "Hello", &outcome);
}

static void run_many(const char *platform, unsigned count)
{
    struct command command = atoll_run(platform);
    char names[64][16];
    size_t length;

    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "i%u", i + 1);
        if (i)
            command_add(&command, ":", NULL);
        command_add(&command, "-n", names[i], "-m", "8M", app_path(i % 2 ? "hello-musl" : "hello"),
                    names[i], NULL);
    }
    struct outcome outcome = run_expecting(&command, 0);
    for (unsigned i = 0; i < count; i++) {
        char greeting[32], *text = output_of(&outcome, names[i], &length);

        snprintf(greeting, sizeof(greeting), "Hello, i%u!\n", i + 1);
        expect_text(text, greeting, &outcome);
        free(text);
    }
}

MACHINE_TEST(start, eight_instances)
{
    run_many(platform, 8);
}

MACHINE_TEST(start, sixteen_instances)
{
    run_many(platform, 16);
}

/* The last core that xAPIC can name, on a machine of which all others stay asleep. */
MACHINE_TEST(start, highest_core)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", "--cores", "255", "-c", "0,254", program_path("together"), "2",
                NULL);
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, "2 threads met 20 times; each on its own core\n");
}

MACHINE_TEST(start, sixty_four_instances)
{
    run_many(platform, 64);
}

MACHINE_TEST(start, four_cores_at_once)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", "-c", "4", program_path("together"), "4", "10", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, "4 threads met 10 times; each on its own core\n");
}

MACHINE_TEST(start, four_megabytes_are_enough_for_hello)
{
    static const char *const builds[] = {"hello", "hello-pie", "hello-musl", "hello-musl-pie"};

    for (size_t i = 0; i < 4; i++) {
        struct command command = atoll_run(platform);

        command_add(&command, "--quiet", "-m", "4M", app_path(builds[i]), NULL);
        struct outcome outcome = run_expecting(&command, 0);
        expect_text(outcome.out, "Hello, world!\n", &outcome);
    }
}

/* The same words and the same environment as on Linux, byte for byte. */
MACHINE_TEST(start, arguments_and_environment)
{
    const char *words[] = {"plain", "",   "two words", "quote\"'\\", "\xc3\xa4\xe2\x82\xac",
                           "-n",    "--", "a=b",       "$HOME",      "tab\there",
                           NULL};
    const char *environment[] = {"EMPTY=",       "ONE=1",       "SPACES= a b ",
                                 "EQUALS=a=b=c", "_x=\xc3\xa4", NULL};
    static const char *const builds[] = {"arguments", "arguments-musl-pie"};

    for (size_t i = 0; i < 2; i++) {
        const char *program = program_path(builds[i]);
        struct command command = atoll_run(platform);

        command_add(&command, "--quiet", NULL);
        for (const char **entry = environment; *entry; entry++)
            command_add(&command, "-e", *entry, NULL);
        command_add(&command, program, NULL);
        for (const char **word = words; *word; word++)
            command_add(&command, *word, NULL);
        struct outcome outcome = run_expecting(&command, 0);
        struct outcome native = run_native(program, words, environment);
        expect_bytes(builds[i], outcome.out, outcome.out_length, native.out, native.out_length);
    }
}

MACHINE_TEST(start, long_arguments)
{
    static char first[100001], second[30001];
    const char *words[] = {first, second, NULL};
    const char *program = program_path("arguments");
    struct command command = atoll_run(platform);

    memset(first, 'a', sizeof(first) - 1);
    memset(second, 'b', sizeof(second) - 1);
    command_add(&command, "--quiet", program, words[0], words[1], NULL);
    struct outcome outcome = run_expecting(&command, 0);
    struct outcome native = run_native(program, words, NULL);
    expect_bytes("long arguments", outcome.out, outcome.out_length, native.out, native.out_length);
}

MACHINE_TEST(start, exit_statuses)
{
    static const char *const cases[][2] = {{"0", "return"}, {"1", "return"},  {"255", "exit"},
                                           {"7", "_exit"},  {"42", "thread"}, {"0", "last-thread"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct command command = atoll_run(platform);
        const char *program = program_path(i % 2 ? "status-musl" : "status");

        command_add(&command, "--quiet", program, cases[i][0], cases[i][1], NULL);
        run_expecting(&command, atoi(cases[i][0]));
    }
}

/* Whatever the other threads are at. */
MACHINE_TEST(start, exit_beside_busy_threads)
{
    static const char *const cores[] = {"1", "4"};

    for (size_t i = 0; i < 2; i++) {
        struct command command = atoll_run(platform);

        command_add(&command, "-c", cores[i], program_path(i ? "leave" : "leave-musl"), NULL);
        struct outcome outcome = run_expecting(&command, 9);
        expect_text(outcome.out, "leaving\n", &outcome);
        expect_text(outcome.err, "exit 9", &outcome);
    }
}

/* Two threads that wait for each other without ever giving up the one core. */
MACHINE_TEST(start, spinning_threads_are_preempted)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", "-c", "1", program_path("together"), "2", "5", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, "2 threads met 5 times; sharing cores\n");
}

/* The first that is not 0, in the instances' order: not the first that ended. */
MACHINE_TEST(start, first_failure_in_order_counts)
{
    struct command command = atoll_run(platform);

    command_add(&command, program_path("status"), "0", ":", NULL);
    command_add(&command, program_path("status"), "42", "thread", ":", NULL);
    command_add(&command, program_path("status"), "7", NULL);
    run_expecting(&command, 42);
}

MACHINE_TEST(start, summary_as_json)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--json", "-n", "first", "-m", "16M", program_path("status"), "3", ":",
                NULL);
    command_add(&command, "-n", "second", "-c", "2", program_path("crash"), "segv", NULL);
    struct outcome outcome = run_expecting(&command, 3);
    /* Programs' output goes before it: the object begins at the first line that opens one. */
    const char *start = outcome.out[0] == '{' ? outcome.out : strstr(outcome.out, "\n{");
    if (!start)
        expect_text(outcome.out, "{", &outcome);
    cr_assert_not_null(start);
    cJSON *json = cJSON_Parse(start);
    cr_assert_not_null(json, "not JSON: %s", start);
    cJSON *instances = cJSON_GetObjectItem(json, "instances");
    cr_assert_eq(cJSON_GetArraySize(instances), 2);
    cJSON *first = cJSON_GetArrayItem(instances, 0), *second = cJSON_GetArrayItem(instances, 1);
    cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(first, "name")), "first");
    cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(second, "name")), "second");
    cr_expect_eq((int)cJSON_GetNumberValue(cJSON_GetObjectItem(first, "status")), 3);
    cr_expect_eq((int)cJSON_GetNumberValue(cJSON_GetObjectItem(second, "status")), 139);
    cJSON_Delete(json);
}

MACHINE_TEST(start, verbose_tells_the_timeline)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--verbose", app_path("hello"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.err, "kernel", &outcome);
    expect_text(outcome.err, "program", &outcome);
}
