/* fork and exec with a death-bound child. The child reports a failed exec through a pipe that a
 * successful one closes. */
#include "proxy/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's side: only async-signal-safe calls. */
static void child_run(char *const argv[], const int *keep, size_t keep_count, int output,
                      pid_t parent, int report)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null, error;

    /* The signal comes when the parent's thread ends; were it gone already, it never would. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(127);
    setpgid(0, 0);
    sigaction(SIGPIPE, &standard, NULL);
    sigaction(SIGXFSZ, &standard, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        goto fail;
    if (null != STDIN_FILENO)
        close(null);
    for (size_t i = 0; i < keep_count; i++)
        if (fcntl(keep[i], F_SETFD, 0))
            goto fail;
    execvp(argv[0], argv);
fail:
    error = errno;
    if (write(report, &error, sizeof(error)) < 0)
        _exit(126);
    _exit(127);
}

int process_start(struct process *process, char *const argv[], const int *keep, size_t keep_count,
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
        child_run(argv, keep, keep_count, output, parent, report[1]);
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
