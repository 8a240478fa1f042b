/* What the machine tests share: commands run as children with a time limit, everything they wrote
 * caught, and nothing left behind by them when they are over. Criterion runs each test in a process
 * of its own, so one child at a time and plain statics are enough. */
#ifndef TESTS_MACHINE_HARNESS_H
#define TESTS_MACHINE_HARNESS_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>

/* A test of whole machines runs once for each platform that the machine can have. */
#define MACHINE_TEST(Suite, Name)                                                                  \
    static void Suite##_##Name##_on(const char *platform);                                         \
    Test(Suite, Name##_pc, .timeout = 300)                                                         \
    {                                                                                              \
        Suite##_##Name##_on("pc");                                                                 \
    }                                                                                              \
    Test(Suite, Name##_hosted, .timeout = 300)                                                     \
    {                                                                                              \
        Suite##_##Name##_on("hosted");                                                             \
    }                                                                                              \
    static void Suite##_##Name##_on(const char *platform)

/* One that only makes sense on `pc`. */
#define PC_TEST(Suite, Name)                                                                       \
    static void Suite##_##Name##_on(const char *platform);                                         \
    Test(Suite, Name##_pc, .timeout = 300)                                                         \
    {                                                                                              \
        Suite##_##Name##_on("pc");                                                                 \
    }                                                                                              \
    static void Suite##_##Name##_on(const char *platform)

#define WORDS_MAX 1024 /* of a command; the tests' own, checked when they are put together */

struct command {
    const char *words[WORDS_MAX];
    size_t count;
    const char *input; /* a file for standard input, or NULL: /dev/null */
};

/* What a child did. Output is NUL-terminated besides. */
struct outcome {
    char *out, *err;
    size_t out_length, err_length;
    int status;         /* of exit, or 128 + signal */
    bool timed_out;     /* the test's own limit ended it: always a failure */
    double seconds;     /* from start to end */
    double cpu_seconds; /* its own and its children's, user and system */
    long faults;        /* of the host's memory, small ones, likewise */
};

/* A running child. */
struct child {
    int process;
    int out, err; /* pipes' ends; -1: closed */
    double started;
    struct outcome outcome;
};

/* Appends the words up to NULL. */
__attribute__((sentinel)) void command_add(struct command *command, ...);

/* Paths, below the build folder (ATOLL_BUILD, or build); constant for the test's life.
 * program_path("pages-musl") is a test program's, app_path("hello") an app's. */
const char *atoll_path(void);
const char *program_path(const char *name);
const char *app_path(const char *name);

/* "atoll run --platform PLATFORM", to be continued. */
struct command atoll_run(const char *platform);

/* Starts a command with this environment (NULL: only PATH and a TMPDIR of its own). Standard input
 * is empty. */
struct child child_start(const struct command *command, const char *const *environment);
/* Reads until what the child wrote to standard output or error has `text` in it; fails the test
 * when it ends or `seconds` pass before. */
void child_wait_for(struct child *child, const char *text, double seconds);
/* Reads on until it ends; kills it and says so after `seconds`. */
struct outcome child_finish(struct child *child, double seconds);

/* The whole of it, with the usual limit. Also checks that nothing was left behind. */
struct outcome run_command(const struct command *command, const char *const *environment);
/* As run_command, and fails the test unless the status is this one. */
struct outcome run_expecting(const struct command *command, int status);
/* A test program natively, on Linux. */
struct outcome run_native(const char *program, const char *const *arguments,
                          const char *const *environment);

/* Fails the test if a process that the test started, directly or not, is still there after a second
 * (then it is killed), or a file in its TMPDIR, or shared memory with Atoll's name. */
void check_nothing_left(const char *after);

/* Processes below this test, running `name`; the first one's id, or 0. */
int find_descendant(const char *name);

/* Of output with names in front: the bytes of one instance, each line without its prefix. To be
 * freed. */
char *output_of(const struct outcome *outcome, const char *instance, size_t *length);

bool has_text(const char *text, const char *part);
/* Fails with both outputs shown, as far as they are short. */
void expect_text(const char *text, const char *part, const struct outcome *outcome);
void expect_bytes(const char *what, const char *got, size_t got_length, const char *want,
                  size_t want_length);

#endif
