/* A program run on Linux and in an instance, and compared: standard output, exit status, and the
 * files that it leaves. */
#ifndef TESTS_MACHINE_COMPARE_H
#define TESTS_MACHINE_COMPARE_H

#include "tests/machine/harness.h"

enum place {
    PLACE_NONE,   /* the program makes no files */
    PLACE_MEMORY, /* in the instance: seen through its output alone. Not in /tmp itself, where the
                     program's own file lies if it was built there */
    PLACE_HOST,   /* in a mounted folder, compared afterwards */
};

struct trial {
    const char *program;            /* its path, such as from program_path() */
    const char *const *words;       /* its arguments up to NULL; "@" stands for its folder's path */
    const char *const *environment; /* KEY=VALUE up to NULL; NULL: empty */
    const char *cores;              /* NULL: "2" */
    const char *memory;             /* NULL: "256M" */
    const char *input;              /* a file for standard input, or NULL */
    enum place place;
    const char *prepare; /* a shell command run in the folder first, or NULL */
};

/* Runs it natively, then in an instance on `platform`; fails the test where they differ. Returns
 * what the instance's run gave. */
struct outcome compare_trial(const char *platform, const struct trial *trial);

/* The usual one: no environment, two cores. */
void compare_program(const char *platform, const char *program, const char *const *words,
                     enum place place);

#endif
