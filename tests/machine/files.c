/* File calls: what a program gets in /tmp of an instance and in a folder of the host is what it
 * gets on Linux, and what it leaves behind is the same. */
#include "tests/machine/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void remove_folder(const char *folder)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

/* Runs `files` natively in one folder and in an instance on another; compares the output. */
static void compare_files(const char *platform, const char *build, bool host)
{
    char native_folder[] = "/tmp/atoll-files-XXXXXX", folder[] = "/tmp/atoll-files-XXXXXX";
    char mount[128], command_text[256];

    cr_assert_not_null(mkdtemp(native_folder));
    cr_assert_not_null(mkdtemp(folder));
    const char *words[] = {native_folder, NULL};
    struct outcome native = run_native(program_path(build), words, NULL);
    struct command command = atoll_run(platform);
    snprintf(mount, sizeof(mount), "%s:/data:rw", folder);
    command_add(&command, "--quiet", "--mount", mount, program_path(build), host ? "/data" : "/tmp",
                NULL);
    struct outcome outcome = run_expecting(&command, native.status);
    expect_bytes(build, outcome.out, outcome.out_length, native.out, native.out_length);
    if (host) {
        snprintf(command_text, sizeof(command_text), "diff -r --no-dereference %s %s",
                 native_folder, folder);
        cr_assert_eq(system(command_text), 0, "the folders differ");
    }
    remove_folder(native_folder);
    remove_folder(folder);
}

MACHINE_TEST(files, in_memory)
{
    compare_files(platform, "files", false);
    compare_files(platform, "files-musl-pie", false);
}

MACHINE_TEST(files, on_the_host)
{
    compare_files(platform, "files", true);
    compare_files(platform, "files-musl-pie", true);
}
