/* The command itself: what it refuses and with which words, and that it ends cleanly however it is
 * made to end. */
#include "tests/machine/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "atoll run WORDS..." must end with `status` and say `text`, within a second: nothing starts. */
__attribute__((sentinel)) static void expect_refusal(int status, const char *text, ...)
{
    struct command command = {.count = 0};
    const char *word;
    va_list words;

    command_add(&command, atoll_path(), "run", NULL);
    va_start(words, text);
    while ((word = va_arg(words, const char *)))
        command_add(&command, word, NULL);
    va_end(words);
    struct outcome outcome = run_expecting(&command, status);
    expect_text(outcome.err, text, &outcome);
    cr_expect_eq(outcome.out_length, 0);
    cr_expect_lt(outcome.seconds, 3);
    free(outcome.out);
    free(outcome.err);
}

/* A file of the test's own, in its own folder; removed by the test. */
static char folder[] = "/tmp/machine-test-XXXXXX";

static const char *make_file(const char *name, const void *bytes, size_t length)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, bytes, length), (ssize_t)length);
    close(file);
    return path;
}

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[300];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

Test(command, refuses_programs_that_cannot_run, .init = make_folder, .fini = remove_folder)
{
    static char bytes[5000];
    const char *hello = app_path("hello");
    FILE *file = fopen(hello, "re");
    size_t length;

    cr_assert_not_null(file);
    length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    expect_refusal(2, "/no/such/program", "/no/such/program", NULL);
    expect_refusal(2, "directory", "/tmp", NULL);
    expect_refusal(2, "static", "/bin/ls", NULL);
    expect_refusal(2, "not an ELF file", make_file("text", "hello, world\n", 13), NULL);
    expect_refusal(2, "script", make_file("script", "#!/bin/sh\n", 10), NULL);
    expect_refusal(2, "empty", make_file("empty", "", 0), NULL);
    expect_refusal(2, "cut short", make_file("short", bytes, 40), NULL);
    expect_refusal(2, "cut short", make_file("shorter", bytes, length), NULL);
    bytes[18] = (char)183; /* e_machine: AArch64 */
    expect_refusal(2, "AArch64", make_file("arm", bytes, length), NULL);
    expect_refusal(2, "larger than its memory", "-m", "4M", program_path("huge"), NULL);
}

Test(command, refuses_cores_and_memory_that_do_not_add_up)
{
    const char *hello = app_path("hello");

    expect_refusal(2, "0", "-c", "0", hello, NULL);
    expect_refusal(2, "core 1 already belongs", "-c", "0-1", hello, ":", "-c", "1,", hello, NULL);
    expect_refusal(2, "cores", "--cores", "2", "-c", "2", hello, ":", hello, NULL);
    expect_refusal(2, "core", "--cores", "2", "-c", "5,", hello, NULL);
    expect_refusal(2, "-c 'many'", "-c", "many", hello, NULL);
    expect_refusal(2, "at least 4 MiB", "-m", "1M", hello, NULL);
    expect_refusal(2, "-m '12Q'", "-m", "12Q", hello, NULL);
    expect_refusal(2, "memory", "--memory", "64M", "-m", "48M", hello, ":", "-m", "48M", hello,
                   NULL);
    expect_refusal(2, "memory", "-m", "9000T", hello, NULL);
    expect_refusal(2, "two instances are called 'twin'", "-n", "twin", hello, ":", "-n", "twin",
                   hello, NULL);
}

Test(command, refuses_wrong_usage)
{
    const char *hello = app_path("hello");

    expect_refusal(2, "--help", NULL, NULL);
    expect_refusal(2, "--nonsense", "--nonsense", hello, NULL);
    expect_refusal(2, "lacks its value", "-n", NULL);
    expect_refusal(2, "program", hello, ":", NULL);
    expect_refusal(2, "--log", "--log", "loud", hello, NULL);
    expect_refusal(2, "--timeout", "--timeout", "-1", hello, NULL);
    expect_refusal(2, "hosted", "--platform", "hostile", hello, NULL);
    expect_refusal(2, "NOVALUE", "-e", "NOVALUE", hello, NULL);
}

/* A machine file's faults come with their line. */
Test(command, refuses_machine_files, .init = make_folder, .fini = remove_folder)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "empty"},
        {"instances: []\n", ":1:"},
        {"machine: {cores: 2}\n", "instances"},
        {"instances:\n  - program: /no/such\n", "/no/such"},
        {"instances:\n  - program: hello\n    colour: red\n", ":3:"},
        {"instances:\n  - program: hello\n    cores: 1\n    cores: 2\n", ":4:"},
        {"instances:\n  - program: [1, 2]\n", ":2:"},
        {"instances:\n  - program: hello\n    memory: lots\n", ":3:"},
        {"instances:\n\t- program: hello\n", ":2:"},
        {"instances:\n  - &a {program: hello}\n  - *a\n", ":2:"},
        {"machine: {cores: 1}\ninstances:\n  - {program: hello, cores: 4}\n", ":1:"},
    };
    char hello[300];

    snprintf(hello, sizeof(hello), "cp '%s' '%s/hello'", app_path("hello"), folder);
    cr_assert_eq(system(hello), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = make_file("machine.yaml", cases[i].text, strlen(cases[i].text));
        struct command check = {.count = 0};

        expect_refusal(2, cases[i].fault, path, NULL);
        command_add(&check, atoll_path(), "check", path, NULL);
        struct outcome outcome = run_expecting(&check, 2);
        expect_text(outcome.err, cases[i].fault, &outcome);
        expect_text(outcome.err, "machine.yaml", &outcome);
    }
    static const char sound[] = "instances:\n  - {program: hello, cores: 2, env: {A: b}}\n";
    struct command check = {.count = 0};
    command_add(&check, atoll_path(), "check", make_file("sound.yaml", sound, strlen(sound)), NULL);
    run_expecting(&check, 0);
}

/* make run: the demo's own file, whose paths lead to build/. */
MACHINE_TEST(command, runs_the_demo)
{
    struct command check = {.count = 0}, command = atoll_run(platform);

    if (getenv("ATOLL_BUILD") && strcmp(getenv("ATOLL_BUILD"), "build"))
        cr_skip("the demo's programs are looked for in build/");
    command_add(&check, atoll_path(), "check", "apps/demo.yaml", NULL);
    run_expecting(&check, 0);
    command_add(&command, "apps/demo.yaml", NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.out, "picture | ", &outcome);
    expect_text(outcome.out, "78498 primes below 1000000", &outcome);
    expect_text(outcome.out, "pi is about 3.14", &outcome);
    expect_text(outcome.err, "STATUS", &outcome);
    cr_expect_not(has_text(outcome.err, "warn"), "the demo warns: %s", outcome.err);
}

Test(command, help_and_version)
{
    static const char *const words[] = {"--help", "--version"};

    for (size_t i = 0; i < 2; i++) {
        struct command command = {.count = 0};

        command_add(&command, atoll_path(), words[i], NULL);
        struct outcome outcome = run_expecting(&command, 0);
        cr_expect_gt(outcome.out_length, 5);
    }
}

PC_TEST(command, a_qemu_that_is_missing_or_useless)
{
    expect_refusal(125, "/no/such/qemu", "--platform", platform, "--qemu", "/no/such/qemu",
                   app_path("hello"), NULL);
    expect_refusal(125, "QEMU ended by itself", "--platform", platform, "--qemu", "/bin/false",
                   app_path("hello"), NULL);
}

/* Where the host refuses memory or descriptors: told, and nothing left behind. */
MACHINE_TEST(command, a_lagoon_that_cannot_be_made)
{
    static const struct {
        const char *limit, *fault;
    } cases[] = {{"ulimit -f 100", "lagoon"}, {"ulimit -n 12", "Too many open files"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct command command = {.count = 0};
        char script[64];

        snprintf(script, sizeof(script), "%s; exec \"$@\"", cases[i].limit);
        command_add(&command, "/bin/sh", "-c", script, "sh", atoll_path(), "run", "--platform",
                    platform, app_path("hello"), NULL);
        struct outcome outcome = run_expecting(&command, 125);
        expect_text(outcome.err, cases[i].fault, &outcome);
    }
}

MACHINE_TEST(command, machine_file_runs)
{
    char path[256], text[2000];
    struct command command = atoll_run(platform);
    size_t length;

    make_folder();
    char *hello = realpath(app_path("hello"), NULL);
    char *arguments = realpath(program_path("arguments-musl"), NULL);
    cr_assert(hello && arguments);
    snprintf(text, sizeof(text),
             "machine:\n  platform: %s\n  cores: 3\n  memory: 256M\n"
             "instances:\n  - name: greeter\n    cores: \"2,\"\n    memory: 8M\n"
             "    program: %s\n    args: [YAML]\n"
             "  - program: %s\n    cores: \"0-1\"\n    args: [\"a b\", '']\n"
             "    env: {KEY: value, OTHER: \"1\"}\n",
             platform, hello, arguments);
    snprintf(path, sizeof(path), "%s", make_file("machine.yaml", text, strlen(text)));
    command_add(&command, path, NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(output_of(&outcome, "greeter", &length), "Hello, YAML!\n", &outcome);
    char *shown = output_of(&outcome, "arguments-musl", &length);
    expect_text(shown, "argv[1] <a b>\nargv[2] <>\n", &outcome);
    expect_text(shown, "env <KEY=value>\nenv <OTHER=1>\n", &outcome);
    remove_folder();
}

/* Time limit: 124, at about the time, with what was printed until then. */
MACHINE_TEST(command, time_limit)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--timeout", "2", program_path("linger"), "forever", ":", NULL);
    command_add(&command, program_path("linger"), "busy", "1000", NULL);
    struct outcome outcome = run_expecting(&command, 124);
    expect_text(outcome.out, "here, forever", &outcome);
    cr_expect(outcome.seconds > 1.9 && outcome.seconds < 10, "after %.1f s", outcome.seconds);
}

/* Starts a machine that would run for ever, and returns once its program runs. */
static struct child start_forever(const char *platform)
{
    struct command command = atoll_run(platform);

    command_add(&command, program_path("linger"), "forever", ":", NULL);
    command_add(&command, program_path("linger"), "busy", "1000", NULL);
    struct child child = child_start(&command, NULL);
    child_wait_for(&child, "here, forever", 60);
    child_wait_for(&child, "here, busy", 60);
    return child;
}

MACHINE_TEST(command, control_c)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < 3; i++) {
        struct child child = start_forever(platform);

        /* As a terminal does: to the whole group, QEMU included if it were in it. */
        kill(-child.process, signals[i]);
        struct outcome outcome = child_finish(&child, 20);
        cr_expect_not(outcome.timed_out, "signal %d did not end it", signals[i]);
        cr_expect_eq(outcome.status, 128 + signals[i], "status %d", outcome.status);
        check_nothing_left("Ctrl-C");
    }
}

MACHINE_TEST(command, killed_itself)
{
    struct child child = start_forever(platform);

    kill(child.process, SIGKILL);
    struct outcome outcome = child_finish(&child, 20);
    cr_expect_eq(outcome.status, 137);
    check_nothing_left("kill -9 of atoll");
}

PC_TEST(command, qemu_dies)
{
    struct child child = start_forever(platform);
    int qemu = find_descendant("qemu-system");

    cr_assert_neq(qemu, 0, "no QEMU found below the command");
    kill(qemu, SIGKILL);
    struct outcome outcome = child_finish(&child, 20);
    cr_expect_not(outcome.timed_out, "it waited for a dead QEMU");
    cr_expect_neq(outcome.status, 0);
    expect_text(outcome.err, "QEMU", &outcome);
    check_nothing_left("kill -9 of QEMU");
}

/* --gdb waits before the first instruction (of the machine, or of the kernel) and says how to
 * attach.
 */
MACHINE_TEST(command, waits_for_gdb)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--gdb", app_path("hello"), NULL);
    struct child child = child_start(&command, NULL);
    child_wait_for(&child, strcmp(platform, "pc") ? "gdb -p " : "target remote", 30);
    kill(child.process, SIGINT);
    struct outcome outcome = child_finish(&child, 20);
    cr_expect_not(outcome.timed_out);
    cr_expect_not(has_text(outcome.out, "Hello"), "it did not wait");
    check_nothing_left("--gdb");
}

/* What it runs on is said, once. */
MACHINE_TEST(command, names_the_platform_once)
{
    const char *words =
        strcmp(platform, "pc") ? "sandboxed process on this host" : "running on QEMU";
    struct command command = atoll_run(platform);

    command_add(&command, app_path("hello"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    const char *line = strstr(outcome.err, words);
    if (!line) {
        expect_text(outcome.err, words, &outcome);
        return;
    }
    cr_expect_null(strstr(line + 1, words), "said twice: %s", outcome.err);
    if (!strcmp(platform, "pc"))
        cr_expect(strstr(line, "with TCG") || strstr(line, "with KVM"), "%s", line);
}
