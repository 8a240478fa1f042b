/* The host's storage fails: it is full, it vanishes, it hangs. The program is told, or can be
 * ended; nothing of Atoll waits, and the neighbours work on. */
#include "tests/machine/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64], mount_words[128];

static const char *inside(const char *name)
{
    static char path[96];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/atoll-storage-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(mount_words, sizeof(mount_words), "%s:/data:rw", folder);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static struct command storage(const char *platform, const char *way)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", "--mount", mount_words, program_path("storage"), "/data", way,
                NULL);
    return command;
}

/* A file system of its own for this test's process and its children. False: that cannot be had
 * here, with the reason printed. */
static bool mount_small(const char *options)
{
    char map[64];
    uid_t user = getuid();
    gid_t group = getgid();

    if (user == 0 ? unshare(CLONE_NEWNS) : unshare(CLONE_NEWUSER | CLONE_NEWNS)) {
        fprintf(stderr, "not tried: no mount namespace can be had: %s\n", strerror(errno));
        return false;
    }
    if (user != 0) {
        write_file("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "%u %u 1", user, user);
        write_file("/proc/self/uid_map", map);
        snprintf(map, sizeof(map), "%u %u 1", group, group);
        write_file("/proc/self/gid_map", map);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", folder, "tmpfs", 0, options)) {
        fprintf(stderr, "not tried: a small tmpfs cannot be mounted: %s\n", strerror(errno));
        return false;
    }
    return true;
}

MACHINE_TEST(storage, full_disk)
{
    make_folder();
    if (mount_small("size=1m")) {
        struct command command = storage(platform, "full");
        struct outcome outcome = run_expecting(&command, 0);

        cr_expect_str_eq(outcome.out, "the last write: ENOSPC\n"
                                      "one more: ENOSPC\n"
                                      "sync: fine\n"
                                      "reserve: ENOSPC\n"
                                      "extend: fine\n"
                                      "stored, to the disk: ENOSPC\n"
                                      "room again: fine\n"
                                      "to the disk: fine\n"
                                      "read: 65536, mmm\n");
        umount2(folder, MNT_DETACH);
    }
    rmdir(folder);
}

/* The folder is removed on the host while an instance shows it. */
MACHINE_TEST(storage, vanished_folder)
{
    make_folder();
    write_file(inside("file"), "bytes");
    struct command command = storage(platform, "gone");
    struct child child = child_start(&command, NULL);

    child_wait_for(&child, "ready", 60);
    cr_assert_eq(unlink(inside("file")), 0);
    cr_assert_eq(rmdir(folder), 0);
    struct outcome outcome = child_finish(&child, 60);
    cr_expect_eq(outcome.status, 0);
    cr_expect_str_eq(outcome.out, "ready\n"
                                  "status: ENOENT\n"
                                  "open: ENOENT\n"
                                  "make: ENOENT\n"
                                  "folder: ENOENT\n"
                                  "rename: ENOENT\n"
                                  "entries: 0\n"
                                  "what is open: 5 bytes\n"
                                  "write: fine\n");
}

/* What is no file and no folder is not opened: it could wait for ever. */
MACHINE_TEST(storage, special_files)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    make_folder();
    cr_assert_eq(mkfifo(inside("fifo"), 0644), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", inside("socket"));
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct command command = storage(platform, "special");
    struct outcome outcome = run_expecting(&command, 0);
    cr_expect_str_eq(outcome.out, "status: fine 1\nread: EOPNOTSUPP\nwrite: EOPNOTSUPP\n"
                                  "socket: ENXIO\nremove: fine\n");
    close(fd);
    unlink(inside("socket"));
    rmdir(folder);
}

/* Makes "held" a file that cannot be opened: a lease on it is not given up when others ask. The
 * host's kernel waits for 45 s (/proc/sys/fs/lease-break-time). */
static int hold(void)
{
    write_file(inside("held"), "held");
    int fd = open(inside("held"), O_RDWR | O_CLOEXEC);

    signal(SIGIO, SIG_IGN);
    cr_assert_geq(fd, 0);
    if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
        return fd;
    fprintf(stderr, "not tried: a lease on a file of /tmp: %s\n", strerror(errno));
    close(fd);
    unlink(inside("held"));
    rmdir(folder);
    return -1;
}

static void let_go(int fd)
{
    close(fd);
    unlink(inside("held"));
    rmdir(folder);
}

/* Threads wait for storage that hangs. A signal ends their program; a neighbour's files in the same
 * folder are served meanwhile. */
MACHINE_TEST(storage, hangs_for_one_instance)
{
    size_t length;

    make_folder();
    int fd = hold();
    if (fd < 0)
        return;
    struct command command = atoll_run(platform);
    command_add(&command, "-n", "hangs", "--mount", mount_words, program_path("storage"), "/data",
                "hang", "4", ":", "-n", "works", "--mount", mount_words, program_path("storage"),
                "/data", "busy", NULL);
    struct outcome outcome = run_expecting(&command, 128 + SIGALRM);
    expect_text(output_of(&outcome, "hangs", &length), "hanging\n", &outcome);
    expect_text(output_of(&outcome, "works", &length), "worked\n", &outcome);
    cr_expect(!has_text(outcome.out, "open:"));
    cr_expect_lt(outcome.seconds, 30, "%.1f s", outcome.seconds);
    let_go(fd);
}

/* Ctrl-C ends it, too. */
MACHINE_TEST(storage, hangs_and_is_stopped)
{
    make_folder();
    int fd = hold();
    if (fd < 0)
        return;
    struct command command = storage(platform, "hang");
    command_add(&command, "0", NULL);
    struct child child = child_start(&command, NULL);
    child_wait_for(&child, "hanging", 60);
    usleep(200000);
    kill(child.process, SIGINT);
    struct outcome outcome = child_finish(&child, 30);
    cr_expect_eq(outcome.status, 130);
    let_go(fd);
}

/* Storage that is slow: nothing is lost, and nobody gives up. */
MACHINE_TEST(storage, answers_late)
{
    unsigned opened = 0;

    make_folder();
    int fd = hold();
    if (fd < 0)
        return;
    struct command command = storage(platform, "hang");
    command_add(&command, "0", NULL);
    struct child child = child_start(&command, NULL);
    child_wait_for(&child, "hanging", 60);
    sleep(2);
    cr_assert_eq(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    struct outcome outcome = child_finish(&child, 60);
    cr_expect_eq(outcome.status, 0);
    for (const char *at = outcome.out; (at = strstr(at, "open: fine\n")) != NULL; at++)
        opened++;
    cr_expect_eq(opened, 20);
    let_go(fd);
}

/* Two instances add records to one file: each is there whole. */
MACHINE_TEST(storage, appended_records_are_whole)
{
    static char line[262144];
    unsigned lines = 0;

    make_folder();
    struct command command = atoll_run(platform);
    command_add(&command, "-n", "left", "--mount", mount_words, program_path("storage"), "/data",
                "append", "a", ":", "-n", "right", "--mount", mount_words, program_path("storage"),
                "/data", "append", "b", NULL);
    run_expecting(&command, 0);
    FILE *file = fopen(inside("log"), "re");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        size_t length = strlen(line) - 1;
        char other[] = {line[0] == 'a' ? 'b' : 'a', '\0'};

        cr_assert_eq(line[length], '\n');
        cr_assert_eq(strcspn(line, other), length + 1, "line %u has both letters", lines);
        lines++;
    }
    fclose(file);
    cr_expect_eq(lines, 400);
    unlink(inside("log"));
    rmdir(folder);
}
