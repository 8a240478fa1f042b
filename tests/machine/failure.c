/* Programs that die, and programs that want more than there is: the cause is named, and neighbours
 * do not notice. */
#include "tests/machine/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The line of a program's source that holds `mark`, as "crash.c:19". */
static const char *place_of(const char *mark)
{
    static char place[64];
    char line[512];
    FILE *file = fopen("tests/machine/programs/crash.c", "re");
    int number = 0;

    cr_assert_not_null(file, "make test runs in the project's folder");
    while (fgets(line, sizeof(line), file)) {
        number++;
        if (strstr(line, mark)) {
            snprintf(place, sizeof(place), "crash.c:%d", number);
            fclose(file);
            return place;
        }
    }
    fclose(file);
    cr_assert_fail("no line with %s", mark);
    return NULL;
}

static struct outcome run_crash(const char *platform, const char *build, const char *way,
                                int status)
{
    struct command command = atoll_run(platform);

    command_add(&command, "-n", "doomed", program_path(build), way, NULL);
    return run_expecting(&command, status);
}

MACHINE_TEST(failure, crash_beside_two_healthy_instances)
{
    struct command command = atoll_run(platform);
    size_t length;

    command_add(&command, "-n", "left", "-c", "1", program_path("linger"), "busy", "1", ":", NULL);
    command_add(&command, "-n", "doomed", program_path("crash"), "segv", ":", NULL);
    command_add(&command, "-n", "right", "-c", "2", program_path("threads"), NULL);
    struct outcome outcome = run_expecting(&command, 139);
    expect_text(output_of(&outcome, "left", &length), "gone\n", &outcome);
    expect_text(output_of(&outcome, "right", &length), "150 threads", &outcome);
    expect_text(output_of(&outcome, "doomed", &length), "about to die of segv\n", &outcome);
    expect_text(outcome.err, "SIGSEGV", &outcome);
    expect_text(outcome.err, "crash_innermost", &outcome);
    expect_text(outcome.err, place_of("line_of_segv"), &outcome);
    expect_text(outcome.err, "crash_middle", &outcome);
    expect_text(outcome.err, "main", &outcome);
}

MACHINE_TEST(failure, backtrace_of_position_independent_and_musl)
{
    static const char *const builds[] = {"crash-pie", "crash-musl", "crash-musl-pie"};

    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome = run_crash(platform, builds[i], "segv", 139);

        expect_text(outcome.err, "crash_innermost", &outcome);
        expect_text(outcome.err, place_of("line_of_segv"), &outcome);
        expect_text(outcome.err, "crash_middle", &outcome);
    }
}

/* A kernel that panics says so with its own functions and lines, even when the report itself
 * stumbles over what is broken; its neighbour runs on. */
MACHINE_TEST(failure, kernel_panic_beside_a_healthy_instance)
{
    struct command command = atoll_run(platform);
    size_t length;

    command_add(&command, "-n", "broken", program_path("vandal"), ":", NULL);
    command_add(&command, "-n", "fine", program_path("linger"), "busy", "1", NULL);
    struct outcome outcome = run_expecting(&command, 134);
    expect_text(output_of(&outcome, "broken", &length), "breaking the kernel\n", &outcome);
    expect_text(output_of(&outcome, "fine", &length), "gone\n", &outcome);
    expect_text(outcome.err, "kernel panic: page fault in the kernel", &outcome);
    expect_text(outcome.err, strcmp(platform, "pc") ? "hosted_" : "pc_syscall_entry", &outcome);
    expect_text(outcome.err, "(entry.asm:", &outcome);
}

MACHINE_TEST(failure, ways_to_die)
{
    static const struct {
        const char *way, *name;
        int status;
    } cases[] = {
        {"abort", "SIGABRT", 134},     {"divide", "SIGFPE", 136},     {"illegal", "SIGILL", 132},
        {"jump-null", "SIGSEGV", 139}, {"read-only", "SIGSEGV", 139}, {"trap", "SIGTRAP", 133},
        {"kill", "SIGTERM", 143},      {"thread", "SIGSEGV", 139},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome =
            run_crash(platform, i % 2 ? "crash-musl" : "crash", cases[i].way, cases[i].status);

        expect_text(outcome.err, cases[i].name, &outcome);
    }
}

MACHINE_TEST(failure, division_names_its_line)
{
    struct outcome outcome = run_crash(platform, "crash", "divide", 136);

    expect_text(outcome.err, place_of("line_of_divide"), &outcome);
}

MACHINE_TEST(failure, stack_overflow)
{
    struct outcome outcome = run_crash(platform, "crash", "overflow", 139);

    expect_text(outcome.err, "SIGSEGV", &outcome);
    expect_text(outcome.err, "crash_overflow", &outcome);
}

/* Refused politely, given back, and there again; the neighbours run on. */
MACHINE_TEST(failure, all_memory_taken)
{
    static const char *const ways[] = {"malloc", "map"};

    for (size_t i = 0; i < 2; i++) {
        struct command command = atoll_run(platform);
        size_t length;

        command_add(&command, "-n", "left", program_path("linger"), "busy", "1", ":", NULL);
        command_add(&command, "-n", "greedy", "-m", "32M",
                    program_path(i ? "memory-musl" : "memory"), ways[i], ":", NULL);
        command_add(&command, "-n", "right", program_path("memory"), "leakless", NULL);
        struct outcome outcome = run_command(&command, NULL);
        char *greedy = output_of(&outcome, "greedy", &length);

        expect_text(output_of(&outcome, "left", &length), "gone\n", &outcome);
        expect_text(output_of(&outcome, "right", &length), "400 MiB in turn\n", &outcome);
        /* Either it is told, or it dies of it by name. */
        if (outcome.status == 0)
            expect_text(greedy, "refused with ENOMEM\nand it came back\n", &outcome);
        else
            expect_text(outcome.err, "out of memory", &outcome);
    }
}

/* A partition of a GiB, all of it touched, twice. */
MACHINE_TEST(failure, one_gibibyte)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", "-m", "1G", program_path("memory"), "map", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, "refused with ENOMEM\nand it came back\n");
    const char *took = strstr(outcome.err, "took ");
    cr_assert_not_null(took);
    cr_expect_gt(atoi(took + 5), 950, "only %s", took);
}

MACHINE_TEST(failure, more_touched_than_there_is)
{
    struct command command = atoll_run(platform);
    size_t length;

    command_add(&command, "-n", "greedy", "-m", "16M", program_path("memory"), "touch", ":", NULL);
    command_add(&command, "-n", "right", program_path("linger"), "busy", "1", NULL);
    struct outcome outcome = run_command(&command, NULL);
    expect_text(output_of(&outcome, "right", &length), "gone\n", &outcome);
    if (outcome.status == 0)
        expect_text(output_of(&outcome, "greedy", &length), "refused with ENOMEM\n", &outcome);
    else
        expect_text(outcome.err, "out of memory", &outcome);
}

/* An instance that sleeps leaves its core alone. Both runs last as long: the ratio says it,
 * whatever the host's speed. */
MACHINE_TEST(failure, idle_costs_next_to_nothing)
{
    double cpu[2];
    static const char *const ways[] = {"sleep", "busy"};

    for (size_t i = 0; i < 2; i++) {
        struct command command = atoll_run(platform);

        command_add(&command, "--quiet", "-c", "2", program_path("linger"), ways[i], "4", "2",
                    NULL);
        cpu[i] = run_expecting(&command, 0).cpu_seconds;
    }
    fprintf(stderr, "CPU time: asleep %.2f s, busy %.2f s\n", cpu[0], cpu[1]);
    cr_expect_lt(cpu[0], cpu[1] / 4, "asleep %.2f s, busy %.2f s", cpu[0], cpu[1]);
}

/* A core that takes no interrupts any more is noticed and named; the others, one of which computes
 * without a word all the time, are not harmed. */
MACHINE_TEST(failure, hung_core)
{
    struct command command = atoll_run(platform);
    const char *how = strcmp(platform, "pc") ? "word" : "masked";
    size_t length;

    command_add(&command, "-n", "stuck", program_path("hang"), how, ":", "-n", "worker",
                program_path("hang-musl"), "busy", NULL);
    struct outcome outcome = run_expecting(&command, 125);
    expect_text(outcome.err, "instance stuck hangs: core 0 does not answer", &outcome);
    expect_text(outcome.err, "hung: core 0 does not answer", &outcome);
    expect_text(output_of(&outcome, "worker", &length), "here\ndone\n", &outcome);
}
