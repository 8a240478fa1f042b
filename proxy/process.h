/* Starting a child process that cannot outlive the proxy, and hearing of its end. */
#ifndef PROXY_PROCESS_H
#define PROXY_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid; /* 0: none */
    int pidfd; /* readable once it has ended */
};

/* Runs `argv` (looked up in PATH) with the descriptors `keep[0..keep_count)` inherited under their
 * own numbers, standard input from /dev/null and standard output and error to `output`. The child
 * leads its own process group (a Ctrl-C of the terminal does not reach it), starts with no signal
 * blocked, and is killed when this process dies. Returns 0, or the negative errno value with which
 * making or executing it failed (-ENOENT: no such program); then no child is left. */
int process_start(struct process *process, char *const argv[], const int *keep, size_t keep_count,
                  int output);

/* Likewise, for the program at this path, without environment, with a small stack, and with `count`
 * descriptors (at most 16) inherited under the numbers `first`, `first` + 1, ... It starts with all
 * signals blocked, so that none comes before it has its handlers. */
int process_start_numbered(struct process *process, const char *program, char *const argv[],
                           const int *descriptors, int first, size_t count, int output);

/* Sends a signal, if it still runs. */
void process_signal(const struct process *process, int signal);

/* Waits for the end, takes the status (as waitpid gives it), and forgets the process. To be called
 * when the pidfd is readable, or after SIGKILL: otherwise it blocks. */
int process_reap(struct process *process);

/* The status in words, "exit status 1" or "killed by signal 9 (Killed)", in `buffer`. */
const char *process_status_text(int status, char *buffer, size_t capacity);

#endif
