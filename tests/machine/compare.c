/* One program, twice: on Linux and in an instance, in a folder of its own each time. */
#include "tests/machine/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX 256 /* bytes of an argument that names the folder */

static void shell(const char *command)
{
    cr_assert_eq(system(command), 0, "failed: %s", command);
}

/* Appends the arguments, with the folder's path for each "@". */
static void add_words(struct command *command, const struct trial *trial, const char *folder)
{
    for (const char *const *word = trial->words; word && *word; word++) {
        const char *at = strchr(*word, '@');
        char *path;

        if (!at) {
            command_add(command, *word, NULL);
            continue;
        }
        cr_assert(asprintf(&path, "%.*s%s%s", (int)(at - *word), *word, folder, at + 1) > 0);
        command_add(command, path, NULL);
    }
}

static void make_folder(const struct trial *trial, char *folder)
{
    char *command;

    cr_assert_not_null(mkdtemp(folder));
    if (!trial->prepare)
        return;
    cr_assert(asprintf(&command, "cd %s && { %s; }", folder, trial->prepare) > 0);
    shell(command);
    free(command);
}

static struct outcome run_on_linux(const struct trial *trial, const char *folder)
{
    static const char *const none[] = {NULL};
    struct command command = {.input = trial->input};

    command_add(&command, trial->program, NULL);
    add_words(&command, trial, folder);
    return run_command(&command, trial->environment ? trial->environment : none);
}

/* The folder is seen where Linux saw its own: paths in the output are the same. */
static struct outcome run_in_instance(const char *platform, const struct trial *trial,
                                      const char *folder, const char *seen_at, int status)
{
    struct command command = atoll_run(platform);
    char mount[WORD_MAX];

    snprintf(mount, sizeof(mount), "%s:%s:rw", folder, seen_at);
    command_add(&command, "--quiet", "-c", trial->cores ? trial->cores : "2", "-m",
                trial->memory ? trial->memory : "256M", "--mount", mount, NULL);
    for (const char *const *entry = trial->environment; entry && *entry; entry++)
        command_add(&command, "-e", *entry, NULL);
    command_add(&command, trial->program, NULL);
    add_words(&command, trial, trial->place == PLACE_HOST ? seen_at : "/var/tmp");
    command.input = trial->input;
    return run_expecting(&command, status);
}

struct outcome compare_trial(const char *platform, const struct trial *trial)
{
    char native_folder[] = "/tmp/atoll-native-XXXXXX", folder[] = "/tmp/atoll-instance-XXXXXX";
    struct outcome native, outcome;
    char command[WORD_MAX];

    make_folder(trial, native_folder);
    make_folder(trial, folder);
    native = run_on_linux(trial, native_folder);
    outcome = run_in_instance(platform, trial, folder, native_folder, native.status);
    expect_bytes(trial->program, outcome.out, outcome.out_length, native.out, native.out_length);
    if (trial->place == PLACE_HOST) {
        snprintf(command, sizeof(command), "diff -r --no-dereference %s %s >&2", native_folder,
                 folder);
        cr_expect_eq(system(command), 0, "%s left other files than on Linux", trial->program);
    }
    snprintf(command, sizeof(command), "rm -rf %s %s", native_folder, folder);
    shell(command);
    return outcome;
}

void compare_program(const char *platform, const char *program, const char *const *words,
                     enum place place)
{
    compare_trial(platform, &(struct trial){
                                .program = program_path(program), .words = words, .place = place});
}
