/* Programs that try what Linux promises, and print what they got: under Atoll the lines must be
 * those that Linux gives to the very same file. */
#include "tests/machine/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Runs both, with glibc and with musl, and compares standard output and status. */
static void compare(const char *platform, const char *program, const char *cores,
                    const char *const *words)
{
    static const char *const builds[] = {"", "-musl-pie"};

    for (size_t i = 0; i < 2; i++) {
        struct command command = atoll_run(platform);
        char name[64];

        snprintf(name, sizeof(name), "%s%s", program, builds[i]);
        command_add(&command, "--quiet", "-c", cores, program_path(name), NULL);
        for (const char *const *word = words; word && *word; word++)
            command_add(&command, *word, NULL);
        struct outcome native = run_native(program_path(name), words, NULL);
        struct outcome outcome = run_expecting(&command, native.status);
        expect_bytes(name, outcome.out, outcome.out_length, native.out, native.out_length);
    }
}

MACHINE_TEST(abi, threads_on_one_core)
{
    compare(platform, "threads", "1", NULL);
}

MACHINE_TEST(abi, threads_on_three_cores)
{
    compare(platform, "threads", "3", NULL);
}

MACHINE_TEST(abi, futex)
{
    compare(platform, "futex", "1", NULL);
    compare(platform, "futex", "2", NULL);
}

MACHINE_TEST(abi, memory_calls)
{
    compare(platform, "pages", "1", NULL);
}

/* Random mmap, munmap, mprotect, mremap, madvise... from seeds: every result and every byte. */
MACHINE_TEST(abi, random_memory_calls)
{
    static const char *const seeds[] = {"1", "20261122"};

    for (size_t i = 0; i < 2; i++) {
        const char *words[] = {"20000", seeds[i], NULL};

        compare(platform, "mappings", "1", words);
    }
}

MACHINE_TEST(abi, signals)
{
    compare(platform, "signals", "2", NULL);
}

MACHINE_TEST(abi, interrupted_calls)
{
    compare(platform, "interrupts", "1", NULL);
    compare(platform, "interrupts", "2", NULL);
}

MACHINE_TEST(abi, vector_registers)
{
    compare(platform, "vectors", "1", NULL);
    compare(platform, "vectors", "3", NULL);
}

MACHINE_TEST(abi, crowd_of_threads)
{
    static const char *const words[] = {"300", NULL};

    compare(platform, "crowd", "2", words);
}

/* Cores of the group by choice, shares of one core, and what the program is told of them. */
MACHINE_TEST(abi, affinity)
{
    static const char *const builds[] = {"affinity", "affinity-musl"};

    for (size_t i = 0; i < 2; i++) {
        struct command command = atoll_run(platform);

        command_add(&command, "--quiet", "-c", "3", program_path(builds[i]), "3", NULL);
        struct outcome outcome = run_expecting(&command, 0);
        cr_expect_str_eq(outcome.out, "cores: 3 configured, 3 online\nmay use 3\n"
                                      "on the chosen core 150 times of 150\n"
                                      "a core that is not there: EINVAL\n"
                                      "one that is and one that is not: taken\n"
                                      "three share a core: fairly\n");
    }
}

MACHINE_TEST(abi, calls)
{
    compare(platform, "calls", "1", NULL);
}

MACHINE_TEST(abi, clocks)
{
    compare(platform, "clocks", "1", NULL);
}

/* timerfd, signalfd, setitimer, POSIX timers, sleeping on clocks. */
MACHINE_TEST(abi, timers)
{
    compare(platform, "timers", "1", NULL);
    compare(platform, "timers", "2", NULL);
}

/* The same clocks from the vDSO, and no system call for them but those the program makes itself. */
MACHINE_TEST(abi, clocks_without_calls)
{
    struct command command = atoll_run(platform);

    compare(platform, "vdso", "2", NULL);
    command_add(&command, "--strace", program_path("vdso"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.err, "clock_gettime(", &outcome);
    cr_expect_not(has_text(outcome.err, "gettimeofday("));
    cr_expect_not(has_text(outcome.err, " time("));
}

/* The wall clock is the host's. */
MACHINE_TEST(abi, real_time)
{
    struct command command = atoll_run(platform);
    long before = (long)time(NULL), inside;

    command_add(&command, "--quiet", program_path("clocks"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    const char *line = strstr(outcome.err, "real time ");
    cr_assert_not_null(line);
    inside = atol(line + 10);
    cr_expect(inside >= before - 1 && inside <= (long)time(NULL) + 1, "it is off by %ld s",
              inside - before);
}

MACHINE_TEST(abi, strace)
{
    static const char *const lines[] = {
        "openat(AT_FDCWD, \"/no/such/file\", O_RDONLY) = -1 ENOENT (No such file or directory)\n",
        "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, ",
        "write(77, \"x\", 1) = -1 EBADF (Bad file descriptor)\n",
        "writev(1, [{iov_base=\"one \", iov_len=4}, {iov_base=",
        "{iov_base=\"two\\n\", iov_len=4}], 3) = 8\n",
        "getpid() = 1\n",
        "exit_group(0) = ?\n",
    };
    struct command command = atoll_run(platform);

    command_add(&command, "--strace", program_path("calls"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect_text(outcome.err, lines[i], &outcome);
}

/* Calls that are not served: an error, and one line for each in the log, by name and number. */
MACHINE_TEST(abi, unknown_calls)
{
    struct command command = atoll_run(platform);
    size_t length;
    char *text;

    command_add(&command, "-n", "asker", program_path("calls"), "unknown", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    text = output_of(&outcome, "asker", &length);
    cr_expect_str_eq(text, "call 9999: ENOSYS\ncall -1: ENOSYS\nperf_event_open: ENOSYS\n"
                           "call 9999: ENOSYS\ncall -1: ENOSYS\nperf_event_open: ENOSYS\n");
    expect_text(outcome.err, "perf_event_open", &outcome);
    expect_text(outcome.err, "9999", &outcome);
    const char *first = strstr(outcome.err, "perf_event_open");
    cr_expect_not(first && strstr(first + 1, "perf_event_open"), "logged more than once");
}
