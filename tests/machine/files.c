/* File calls: what a program gets in /tmp of an instance and in a folder of the host is what it
 * gets on Linux, and what it leaves behind is the same. */
#include "tests/machine/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void remove_folder(const char *folder)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

/* Runs a program natively in one folder and in an instance on another; compares the output. In
 * memory that is /var/tmp: /tmp has the program's own file when it was built there. */
static void compare_words(const char *platform, const char *build, bool host, const char *word)
{
    char native_folder[] = "/tmp/atoll-files-XXXXXX", folder[] = "/tmp/atoll-files-XXXXXX";
    char mount[128], command_text[256];

    cr_assert_not_null(mkdtemp(native_folder));
    cr_assert_not_null(mkdtemp(folder));
    const char *words[] = {native_folder, word, NULL};
    struct outcome native = run_native(program_path(build), words, NULL);
    struct command command = atoll_run(platform);
    snprintf(mount, sizeof(mount), "%s:/data:rw", folder);
    command_add(&command, "--quiet", "-c", "2", "--mount", mount, program_path(build),
                host ? "/data" : "/var/tmp", word, NULL);
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

static void compare_files(const char *platform, const char *build, bool host)
{
    compare_words(platform, build, host, NULL);
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

/* Bad pointers in every place of every call. */
MACHINE_TEST(files, bad_pointers)
{
    compare_files(platform, "pointers", false);
    compare_files(platform, "pointers-musl-pie", false);
}

/* Shared mappings of files in memory, and of files of the host. */
MACHINE_TEST(files, shared_mappings)
{
    compare_files(platform, "shared", false);
    compare_files(platform, "shared-musl-pie", false);
    compare_files(platform, "shared", true);
    compare_files(platform, "shared-musl-pie", true);
}

/* However the program ends, what it has stored in mappings is in the file. */
MACHINE_TEST(files, mappings_at_the_end)
{
    static const char *const ways[] = {"exit", "abort", "signal", "thread"};

    for (size_t i = 0; i < 4; i++)
        compare_words(platform, "shared", true, ways[i]);
}

/* Two instances that map one file see what the other has synchronised. */
MACHINE_TEST(files, mappings_of_two_instances)
{
    char folder[] = "/tmp/atoll-files-XXXXXX", mount[128], path[128], bytes[2 * 4096];
    struct command command = atoll_run(platform);
    size_t length;

    cr_assert_not_null(mkdtemp(folder));
    snprintf(mount, sizeof(mount), "%s:/data:rw", folder);
    command_add(&command, "-n", "first", "--mount", mount, program_path("shared"), "/data", "first",
                ":", "-n", "second", "--mount", mount, program_path("shared"), "/data", "second",
                NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(output_of(&outcome, "first", &length),
                "sync: fine\nnothing there yet: 0\nmapped anew: one kept two\n", &outcome);
    expect_text(output_of(&outcome, "second", &length), "read: one, mapped: one\nsync: fine\n",
                &outcome);
    snprintf(path, sizeof(path), "%s/turns", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_eq(read(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    close(fd);
    cr_expect_str_eq(bytes, "one");
    cr_expect_str_eq(bytes + 100, "kept");
    cr_expect_str_eq(bytes + 4096, "two");
    remove_folder(folder);
}

/* Named pipes, files without a name, seals, confined paths, splice and its kin. */
MACHINE_TEST(files, special)
{
    compare_files(platform, "special", false);
    compare_files(platform, "special-musl-pie", false);
}

MACHINE_TEST(files, locks_in_memory)
{
    compare_files(platform, "locks", false);
}

MACHINE_TEST(files, locks_on_the_host)
{
    compare_files(platform, "locks", true);
    compare_files(platform, "locks-musl-pie", true);
}

/* A folder with the file that `locks` locks, and an instance that runs it there. */
struct meeting {
    char folder[64], mount[128];
    int fd; /* of the file, on the host */
    struct child child;
};

static void meet(struct meeting *meeting, const char *platform, const char *part)
{
    struct command command = atoll_run(platform);

    snprintf(meeting->mount, sizeof(meeting->mount), "%s:/data:rw", meeting->folder);
    command_add(&command, "--quiet", "--mount", meeting->mount, program_path("locks"), "/data",
                part, NULL);
    meeting->child = child_start(&command, NULL);
    child_wait_for(&meeting->child, "asked", 60);
}

static void meeting_place(struct meeting *meeting)
{
    char path[128];

    snprintf(meeting->folder, sizeof(meeting->folder), "/tmp/atoll-files-XXXXXX");
    cr_assert_not_null(mkdtemp(meeting->folder));
    snprintf(path, sizeof(path), "%s/locked", meeting->folder);
    meeting->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    cr_assert_geq(meeting->fd, 0);
}

static int lock_here(struct meeting *meeting, int type)
{
    struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET};

    return fcntl(meeting->fd, F_OFD_SETLK, &lock);
}

/* What an instance has locked stands in the way of the host, until the instance is gone. */
MACHINE_TEST(files, locks_hold_on_the_host)
{
    struct meeting meeting;

    meeting_place(&meeting);
    meet(&meeting, platform, "hold");
    cr_expect_eq(lock_here(&meeting, F_WRLCK), -1);
    cr_expect_eq(flock(meeting.fd, LOCK_EX | LOCK_NB), -1);
    kill(meeting.child.process, SIGINT);
    struct outcome outcome = child_finish(&meeting.child, 30);
    expect_text(outcome.out, "process: fine\nflock: fine\n", &outcome);
    cr_expect_eq(lock_here(&meeting, F_WRLCK), 0);
    cr_expect_eq(flock(meeting.fd, LOCK_EX | LOCK_NB), 0);
    close(meeting.fd);
    remove_folder(meeting.folder);
}

/* The host's lock is waited for; and a program that waits can be ended. */
MACHINE_TEST(files, locks_wait_for_the_host)
{
    struct meeting meeting;

    for (int ended = 0; ended < 2; ended++) {
        meeting_place(&meeting);
        cr_assert_eq(lock_here(&meeting, F_WRLCK), 0);
        cr_assert_eq(flock(meeting.fd, LOCK_SH), 0);
        meet(&meeting, platform, "wait");
        usleep(100000);
        if (ended)
            kill(meeting.child.process, SIGINT);
        else
            close(meeting.fd);
        struct outcome outcome = child_finish(&meeting.child, 30);
        cr_expect_eq(outcome.status, ended ? 130 : 0);
        expect_text(outcome.out, "process: EAGAIN\nflock: EAGAIN\n", &outcome);
        cr_expect_eq(has_text(outcome.out, "waited: fine\nwaited: fine\n"), !ended);
        if (ended)
            close(meeting.fd);
        remove_folder(meeting.folder);
    }
}
