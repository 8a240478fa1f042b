/* Children with a time limit, their output caught, and a look round afterwards. */
#include "tests/machine/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define USUAL_LIMIT 90.0 /* seconds for one run of the command */
#define SHOWN_MAX 6000   /* bytes of an output that a failure shows */

/* TMPDIR of the children: must be empty when they have ended, and is then removed. */
static char child_folder[] = "/tmp/machine-test-XXXXXX";

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static const char *build_path(const char *folder, const char *name)
{
    const char *build = getenv("ATOLL_BUILD");
    char *path;

    if (asprintf(&path, "%s/%s%s", build ? build : "build", folder, name) < 0)
        cr_assert_fail("no memory");
    return path;
}

const char *atoll_path(void)
{
    return build_path("", "atoll");
}

const char *program_path(const char *name)
{
    return build_path("tests/programs/", name);
}

const char *app_path(const char *name)
{
    return build_path("apps/", name);
}

void command_add(struct command *command, ...)
{
    va_list words;
    const char *word;

    va_start(words, command);
    while ((word = va_arg(words, const char *))) {
        cr_assert_lt(command->count + 1, WORDS_MAX);
        command->words[command->count++] = word;
    }
    va_end(words);
}

struct command atoll_run(const char *platform)
{
    struct command command = {.count = 0};

    command_add(&command, atoll_path(), "run", "--platform", platform, NULL);
    return command;
}

struct child child_start(const struct command *command, const char *const *environment)
{
    static char path[4096], temporary[64];
    const char *minimal[] = {path, temporary, NULL};
    struct child child = {.started = now()};
    int out[2], err[2];

    snprintf(path, sizeof(path), "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    /* Whatever a killed command leaves behind becomes this process's child: it can be seen. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (access(child_folder, F_OK)) {
        memcpy(child_folder + sizeof(child_folder) - 7, "XXXXXX", 6);
        cr_assert_not_null(mkdtemp(child_folder));
    }
    snprintf(temporary, sizeof(temporary), "TMPDIR=%s", child_folder);
    cr_assert(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "pipe: %s",
              strerror(errno));
    child.process = fork();
    cr_assert(child.process >= 0, "fork: %s", strerror(errno));
    if (child.process == 0) {
        int input = open(command->input ? command->input : "/dev/null", O_RDONLY | O_CLOEXEC);

        /* A group of its own, as a shell gives it: Ctrl-C is for the group. */
        setpgid(0, 0);
        dup2(input, 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execve(command->words[0], (char *const *)command->words,
               (char *const *)(environment ? environment : minimal));
        fprintf(stderr, "%s: %s\n", command->words[0], strerror(errno));
        _exit(127);
    }
    setpgid(child.process, child.process);
    close(out[1]);
    close(err[1]);
    child.out = out[0];
    child.err = err[0];
    return child;
}

/* Reads what is there; returns false when the stream has ended. */
static bool take(int file, char **text, size_t *length)
{
    size_t capacity = 65536;
    char *larger = realloc(*text, *length + capacity + 1);
    ssize_t got;

    cr_assert_not_null(larger);
    *text = larger;
    got = read(file, *text + *length, capacity);
    if (got < 0 && errno == EINTR)
        return true;
    if (got > 0)
        *length += (size_t)got;
    (*text)[*length] = '\0';
    return got > 0;
}

/* One look at both streams, for `seconds` at most. Returns false when both have ended. */
static bool child_read(struct child *child, double seconds)
{
    struct pollfd files[2] = {{.fd = child->out, .events = POLLIN},
                              {.fd = child->err, .events = POLLIN}};
    struct outcome *outcome = &child->outcome;

    if (child->out < 0 && child->err < 0)
        return false;
    if (poll(files, 2, seconds > 0 ? (int)(seconds * 1000) + 1 : 0) <= 0)
        return true;
    if (files[0].revents && !take(child->out, &outcome->out, &outcome->out_length)) {
        close(child->out);
        child->out = -1;
    }
    if (files[1].revents && !take(child->err, &outcome->err, &outcome->err_length)) {
        close(child->err);
        child->err = -1;
    }
    return true;
}

bool has_text(const char *text, const char *part)
{
    return text && strstr(text, part);
}

/* Its beginning and its end, when it is long. */
static void show(const char *name, const char *text, size_t length)
{
    size_t half = SHOWN_MAX / 2;

    fprintf(stderr, "--- %s (%zu bytes)\n", name, length);
    if (length <= SHOWN_MAX)
        fprintf(stderr, "%s\n", text ? text : "");
    else
        fprintf(stderr, "%.*s\n[...]\n%s\n", (int)half, text, text + length - half);
}

static void show_outcome(const struct outcome *outcome)
{
    fprintf(stderr, "--- status %d%s, %.2f s\n", outcome->status,
            outcome->timed_out ? ", ended by the test's time limit" : "", outcome->seconds);
    show("standard output", outcome->out, outcome->out_length);
    show("standard error", outcome->err, outcome->err_length);
}

void child_wait_for(struct child *child, const char *text, double seconds)
{
    double end = now() + seconds;

    while (!has_text(child->outcome.out, text) && !has_text(child->outcome.err, text)) {
        double left = end - now();

        if (left > 0 && child_read(child, left))
            continue;
        show_outcome(&child->outcome);
        kill(-child->process, SIGKILL);
        cr_assert_fail("'%s' did not come within %.0f s", text, seconds);
    }
}

struct outcome child_finish(struct child *child, double seconds)
{
    struct outcome *outcome = &child->outcome;
    double end = now() + seconds;
    struct rusage usage;
    int status;
    pid_t ended;

    for (;;) {
        double left = end - now();

        if (left <= 0) {
            outcome->timed_out = true;
            kill(-child->process, SIGKILL);
            kill(child->process, SIGKILL);
            break;
        }
        /* In short pieces: an orphan may hold the pipes open when the command itself is gone. */
        if (!child_read(child, left < 0.2 ? left : 0.2))
            break;
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)child->process, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == child->process) {
            while (child_read(child, 0) && (child->out >= 0 || child->err >= 0)) {
                struct pollfd more[2] = {{.fd = child->out, .events = POLLIN},
                                         {.fd = child->err, .events = POLLIN}};
                if (poll(more, 2, 0) <= 0)
                    break;
            }
            break;
        }
    }
    do {
        ended = wait4(child->process, &status, 0, &usage);
    } while (ended < 0 && errno == EINTR);
    cr_assert_eq(ended, child->process);
    outcome->seconds = now() - child->started;
    outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    outcome->faults = usage.ru_minflt;
    if (child->out >= 0)
        close(child->out);
    if (child->err >= 0)
        close(child->err);
    if (!outcome->out)
        outcome->out = calloc(1, 1);
    if (!outcome->err)
        outcome->err = calloc(1, 1);
    return *outcome;
}

struct outcome run_command(const struct command *command, const char *const *environment)
{
    struct child child = child_start(command, environment);
    struct outcome outcome = child_finish(&child, USUAL_LIMIT);

    if (outcome.timed_out) {
        show_outcome(&outcome);
        check_nothing_left("a run that met the test's time limit");
        cr_assert_fail("the command did not end within %.0f s", USUAL_LIMIT);
    }
    check_nothing_left(command->words[0]);
    return outcome;
}

struct outcome run_expecting(const struct command *command, int status)
{
    struct outcome outcome = run_command(command, NULL);

    if (outcome.status != status) {
        show_outcome(&outcome);
        for (size_t i = 0; i < command->count; i++)
            fprintf(stderr, "%s ", command->words[i]);
        fputc('\n', stderr);
    }
    cr_assert_eq(outcome.status, status, "status %d instead of %d", outcome.status, status);
    return outcome;
}

struct outcome run_native(const char *program, const char *const *arguments,
                          const char *const *environment)
{
    struct command command = {.count = 0};
    const char *none[] = {NULL};

    command_add(&command, program, NULL);
    for (; arguments && *arguments; arguments++)
        command_add(&command, *arguments, NULL);
    return run_command(&command, environment ? environment : none);
}

/* Waits up to a second for all descendants to end; kills those that do not. Returns how many. */
static int reap_orphans(void)
{
    double end = now() + 1;
    int left = 0;

    for (;;) {
        pid_t ended = waitpid(-1, NULL, WNOHANG);

        if (ended < 0)
            return left;
        if (ended > 0)
            continue;
        if (now() > end) {
            int orphan;

            while ((orphan = find_descendant(NULL))) {
                left++;
                kill(orphan, SIGKILL);
                waitpid(orphan, NULL, 0);
            }
            return left;
        }
        usleep(5000);
    }
}

/* How many entries a folder has; those whose names begin with `prefix`. */
static int count_files(const char *path, const char *prefix)
{
    DIR *entries = opendir(path);
    struct dirent *entry;
    int count = 0;

    while (entries && (entry = readdir(entries)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
            !strncmp(entry->d_name, prefix, strlen(prefix)))
            count++;
    if (entries)
        closedir(entries);
    return count;
}

void check_nothing_left(const char *after)
{
    int processes = reap_orphans();

    cr_expect_eq(processes, 0, "%d processes left behind after %s", processes, after);
    cr_expect_eq(count_files(child_folder, ""), 0, "files left behind in TMPDIR after %s", after);
    cr_expect_eq(count_files("/dev/shm", "atoll"), 0, "shared memory left behind after %s", after);
    rmdir(child_folder);
}

/* The fields of /proc/PID/stat that matter: name and parent. */
static bool read_stat(const char *process, char name[64], int *parent)
{
    char path[300], text[512];
    size_t length;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/stat", process);
    file = fopen(path, "re");
    if (!file)
        return false;
    length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close - open > 60)
        return false;
    memcpy(name, open + 1, (size_t)(close - open - 1));
    name[close - open - 1] = '\0';
    return sscanf(close + 1, " %*c %d", parent) == 1;
}

static bool is_descendant(const char *process)
{
    char name[64], number[16];
    int parent;

    for (const char *at = process; read_stat(at, name, &parent) && parent > 1; at = number) {
        if (parent == getpid())
            return true;
        snprintf(number, sizeof(number), "%d", parent);
    }
    return false;
}

int find_descendant(const char *name)
{
    DIR *entries = opendir("/proc");
    struct dirent *entry;
    int found = 0;

    cr_assert_not_null(entries);
    while (!found && (entry = readdir(entries))) {
        char this_name[64];
        int parent;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            !read_stat(entry->d_name, this_name, &parent))
            continue;
        if (name && strncmp(this_name, name, strlen(name)))
            continue;
        if (is_descendant(entry->d_name))
            found = atoi(entry->d_name);
    }
    closedir(entries);
    return found;
}

char *output_of(const struct outcome *outcome, const char *instance, size_t *length)
{
    char *result = malloc(outcome->out_length + 1), *to = result;
    const char *at = outcome->out, *end = outcome->out + outcome->out_length;
    size_t name_length = strlen(instance);

    cr_assert_not_null(result);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        const char *text = at + name_length;

        if ((size_t)(next - at) > name_length && !memcmp(at, instance, name_length)) {
            while (text < next && *text == ' ')
                text++;
            if (next - text >= 2 && text[0] == '|' && text > at + name_length) {
                text += 2; /* "| " */
                memcpy(to, text, (size_t)(next - text));
                to += next - text;
            }
        }
        at = next;
    }
    *to = '\0';
    *length = (size_t)(to - result);
    return result;
}

void expect_text(const char *text, const char *part, const struct outcome *outcome)
{
    if (has_text(text, part))
        return;
    show_outcome(outcome);
    cr_expect(false, "'%s' is missing", part);
}

void expect_bytes(const char *what, const char *got, size_t got_length, const char *want,
                  size_t want_length)
{
    size_t shorter = got_length < want_length ? got_length : want_length, at = 0;

    if (got_length == want_length && !memcmp(got, want, want_length))
        return;
    while (at < shorter && got[at] == want[at])
        at++;
    size_t from = at > 200 ? at - 200 : 0;
    fprintf(stderr, "--- got\n%.*s\n--- wanted\n%.*s\n---\n",
            (int)(got_length - from < 600 ? got_length - from : 600), got + from,
            (int)(want_length - from < 600 ? want_length - from : 600), want + from);
    cr_expect(false, "%s: %zu bytes, wanted %zu; they differ from byte %zu on", what, got_length,
              want_length, at);
}
