/* fork and exec with a death-bound child. The child reports a failed exec through a pipe that a
 * successful one closes. */
#include "proxy/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SMALL_STACK (256 << 10) /* bytes; also keeps the host's own mappings high */

/* What the child inherits: `descriptors` under their own numbers, or as first, first + 1, ... */
struct inheritance {
    const int *descriptors;
    size_t count;
    int first;    /* -1: under their own numbers */
    int *copies;  /* otherwise room for `count` */
    rlim_t stack; /* bytes of its stack; 0: as ours */
    bool in_path; /* the program is looked for in PATH */
    const char *program;
};

/* Gives the descriptors the numbers from `first` on: first all out of the way of those numbers. */
static int number_descriptors(const struct inheritance *what)
{
    int *copies = what->copies;

    for (size_t i = 0; i < what->count; i++) {
        copies[i] = fcntl(what->descriptors[i], F_DUPFD_CLOEXEC, what->first + (int)what->count);
        if (copies[i] < 0)
            return -1;
    }
    for (size_t i = 0; i < what->count; i++)
        if (dup2(copies[i], what->first + (int)i) < 0)
            return -1;
    return 0;
}

/* The child's side: only async-signal-safe calls. */
static void child_run(char *const argv[], const struct inheritance *what, int output, pid_t parent,
                      int report)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    static char *const no_environment[] = {NULL};
    sigset_t blocked;
    int null, error;

    /* The signal comes when the parent's thread ends; were it gone already, it never would. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(127);
    setpgid(0, 0);
    sigaction(SIGPIPE, &standard, NULL);
    sigaction(SIGXFSZ, &standard, NULL);
    sigemptyset(&blocked);
    if (what->first >= 0)
        sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);

    null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        goto fail;
    if (null != STDIN_FILENO)
        close(null);
    if (what->first < 0) {
        for (size_t i = 0; i < what->count; i++)
            if (fcntl(what->descriptors[i], F_SETFD, 0))
                goto fail;
    } else {
        int kept = fcntl(report, F_DUPFD_CLOEXEC, what->first + (int)what->count);

        if (kept < 0)
            goto fail;
        report = kept; /* its number may be one of theirs */
        if (number_descriptors(what))
            goto fail;
    }
    if (what->stack) {
        struct rlimit limit = {what->stack, what->stack};

        if (setrlimit(RLIMIT_STACK, &limit))
            goto fail;
    }
    if (what->in_path)
        execvp(what->program, argv);
    else
        execve(what->program, argv, no_environment);
fail:
    error = errno;
    if (write(report, &error, sizeof(error)) < 0)
        _exit(126);
    _exit(127);
}

static int start(struct process *process, char *const argv[], const struct inheritance *what,
                 int output)
{
    pid_t parent = getpid(), pid;
    int report[2], error = 0;
    ssize_t count;

    *process = (struct process){.pidfd = -1};
    if (pipe2(report, O_CLOEXEC))
        return -errno;
    pid = fork();
    if (pid < 0) {
        error = -errno;
        close(report[0]);
        close(report[1]);
        return error;
    }
    if (!pid)
        child_run(argv, what, output, parent, report[1]);
    close(report[1]);
    /* Cannot name another process: the child is ours and has not been waited for. */
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process->pidfd < 0)
        error = -errno;
    process->pid = pid;
    do
        count = read(report[0], &error, sizeof(error));
    while (count < 0 && errno == EINTR);
    close(report[0]);
    if (count == sizeof(error))
        error = -error;
    if (error) {
        process_signal(process, SIGKILL);
        process_reap(process);
    }
    return error;
}

int process_start(struct process *process, char *const argv[], const int *keep, size_t keep_count,
                  int output)
{
    const struct inheritance what = {
        .descriptors = keep, .count = keep_count, .first = -1, .in_path = true, .program = argv[0]};

    return start(process, argv, &what, output);
}

int process_start_numbered(struct process *process, const char *program, char *const argv[],
                           const int *descriptors, int first, size_t count, int output)
{
    const struct inheritance what = {.descriptors = descriptors,
                                     .count = count,
                                     .first = first,
                                     .copies = calloc(count + 1, sizeof(int)),
                                     .stack = SMALL_STACK,
                                     .program = program};
    int error = what.copies ? start(process, argv, &what, output) : -ENOMEM;

    free(what.copies);
    return error;
}

void process_signal(const struct process *process, int signal)
{
    if (process->pid > 0)
        kill(process->pid, signal);
}

int process_reap(struct process *process)
{
    int status = 0;

    if (process->pid > 0)
        while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
            ;
    if (process->pidfd >= 0)
        close(process->pidfd);
    *process = (struct process){.pidfd = -1};
    return status;
}

const char *process_status_text(int status, char *buffer, size_t capacity)
{
    if (WIFSIGNALED(status))
        snprintf(buffer, capacity, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(buffer, capacity, "exit status %d", WEXITSTATUS(status));
    return buffer;
}
