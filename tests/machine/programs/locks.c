/* Locks on files: flock, fcntl's of the process and of open files; what is in whose way, waiting,
 * and what ends them. Argument: a folder. The same lines must come out on Linux. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static char path[256];

static const char *outcome(int result)
{
    return result >= 0          ? "fine"
           : errno == EAGAIN    ? "EAGAIN"
           : errno == EINTR     ? "EINTR"
           : errno == EBADF     ? "EBADF"
           : errno == EINVAL    ? "EINVAL"
           : errno == EFAULT    ? "EFAULT"
           : errno == EDEADLK   ? "EDEADLK"
           : errno == EOVERFLOW ? "EOVERFLOW"
                                : strerror(errno);
}

static int open_file(int flags)
{
    int fd = open(path, flags | O_CREAT, 0644);

    if (fd < 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

static int lock(int fd, int command, int type, off_t start, off_t length)
{
    struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start};

    lock.l_len = length;
    return fcntl(fd, command, &lock);
}

static void ask(const char *what, int fd, int command, int type, off_t start, off_t length)
{
    struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start};

    lock.l_len = length;
    int result = fcntl(fd, command, &lock);
    if (result < 0)
        printf("%s: %s\n", what, outcome(result));
    else if (lock.l_type == F_UNLCK)
        printf("%s: free\n", what);
    else
        printf("%s: %s from %ld, %ld bytes\n", what, lock.l_type == F_RDLCK ? "read" : "write",
               (long)lock.l_start, (long)lock.l_len);
}

/* --- flock ------------------------------------------------------------------------------------ */

static void *unlock_later(void *argument)
{
    usleep(30000);
    flock(*(int *)argument, LOCK_UN);
    return NULL;
}

static void try_flock(void)
{
    int one = open_file(O_RDWR), two = open_file(O_RDONLY), copy = dup(one);
    pthread_t thread;

    printf("exclusive: %s\n", outcome(flock(one, LOCK_EX)));
    printf("another file: %s\n", outcome(flock(two, LOCK_EX | LOCK_NB)));
    printf("shared, another file: %s\n", outcome(flock(two, LOCK_SH | LOCK_NB)));
    printf("a copy of it: %s\n", outcome(flock(copy, LOCK_EX | LOCK_NB)));
    printf("records are apart: %s\n", outcome(lock(two, F_OFD_SETLK, F_RDLCK, 0, 0)));
    pthread_create(&thread, NULL, unlock_later, &one);
    printf("waits: %s\n", outcome(flock(two, LOCK_SH)));
    pthread_join(thread, NULL);
    printf("two shared: %s\n", outcome(flock(one, LOCK_SH | LOCK_NB)));
    printf("not exclusive: %s\n", outcome(flock(one, LOCK_EX | LOCK_NB)));
    printf("the other has it alone now: %s\n", outcome(flock(two, LOCK_EX | LOCK_NB)));
    close(two);
    printf("closed: %s\n", outcome(flock(one, LOCK_EX | LOCK_NB)));
    two = open_file(O_RDWR);
    close(one);
    printf("a copy still holds it: %s\n", outcome(flock(two, LOCK_EX | LOCK_NB)));
    close(copy);
    printf("and does not: %s\n", outcome(flock(two, LOCK_EX | LOCK_NB)));
    printf("operation: %s\n", outcome(flock(two, 7)));
    close(two);
    printf("descriptor: %s\n", outcome(flock(two, LOCK_EX)));
}

/* --- Records ---------------------------------------------------------------------------------- */

static void try_process_locks(void)
{
    int one = open_file(O_RDWR), two = open_file(O_RDWR);

    printf("write 0-99: %s\n", outcome(lock(one, F_SETLK, F_WRLCK, 0, 100)));
    printf("one's own by another file: %s\n", outcome(lock(two, F_SETLK, F_WRLCK, 50, 100)));
    ask("asked by the process", two, F_GETLK, F_WRLCK, 0, 0);
    ask("asked by a file", two, F_OFD_GETLK, F_WRLCK, 0, 0);
    printf("of a file: %s\n", outcome(lock(two, F_OFD_SETLK, F_RDLCK, 149, 1)));
    printf("behind them: %s\n", outcome(lock(two, F_OFD_SETLK, F_RDLCK, 150, 10)));
    printf("a hole: %s\n", outcome(lock(one, F_SETLK, F_UNLCK, 20, 10)));
    ask("before the hole", two, F_OFD_GETLK, F_RDLCK, 0, 30);
    ask("in the hole", two, F_OFD_GETLK, F_RDLCK, 20, 10);
    ask("behind the hole", two, F_OFD_GETLK, F_RDLCK, 25, 10);
    printf("part to read: %s\n", outcome(lock(one, F_SETLK, F_RDLCK, 40, 20)));
    printf("a file reads there: %s\n", outcome(lock(two, F_OFD_SETLK, F_RDLCK, 45, 5)));
    printf("and stands in the way: %s\n", outcome(lock(one, F_SETLK, F_WRLCK, 40, 20)));
    int three = open_file(O_RDONLY);
    close(three); /* any descriptor of the file: the process's locks are gone */
    ask("after a close", two, F_OFD_GETLK, F_WRLCK, 0, 140);
    ask("what the file has", one, F_GETLK, F_WRLCK, 0, 0);
    close(two);
    ask("nothing left", one, F_GETLK, F_WRLCK, 0, 0);
    close(one);
}

struct later {
    int fd;
    off_t start, length;
};

static void *release_later(void *argument)
{
    struct later *later = argument;

    usleep(30000);
    lock(later->fd, F_OFD_SETLK, F_UNLCK, later->start, later->length);
    return NULL;
}

static volatile sig_atomic_t handled;
static pthread_t main_thread;

static void on_signal(int signal)
{
    (void)signal;
    handled++;
}

static void *signal_later(void *argument)
{
    usleep(30000);
    pthread_kill(main_thread, SIGUSR1);
    return argument;
}

static void try_file_locks(void)
{
    int one = open_file(O_RDWR), two = open_file(O_RDWR), read_only = open_file(O_RDONLY);
    struct later later = {one, 0, 0};
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t thread;

    printf("one file's: %s\n", outcome(lock(one, F_OFD_SETLK, F_WRLCK, 10, 10)));
    printf("again: %s\n", outcome(lock(one, F_OFD_SETLK, F_WRLCK, 15, 10)));
    ask("they are one", two, F_OFD_GETLK, F_RDLCK, 0, 0);
    printf("the other's: %s\n", outcome(lock(two, F_OFD_SETLK, F_RDLCK, 24, 1)));
    printf("the process's: %s\n", outcome(lock(two, F_SETLK, F_RDLCK, 24, 1)));
    printf("beside it: %s\n", outcome(lock(two, F_OFD_SETLK, F_WRLCK, 25, 0)));
    pthread_create(&thread, NULL, release_later, &later);
    printf("waits: %s\n", outcome(lock(two, F_OFD_SETLKW, F_WRLCK, 0, 0)));
    pthread_join(thread, NULL);
    ask("has it all", one, F_OFD_GETLK, F_WRLCK, 0, 0);

    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, signal_later, NULL);
    printf("a signal: %s\n", outcome(lock(one, F_OFD_SETLKW, F_RDLCK, 0, 1)));
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, signal_later, NULL);
    printf("a signal, for the process: %s\n", outcome(lock(one, F_SETLKW, F_RDLCK, 0, 1)));
    pthread_join(thread, NULL);
    flock(two, LOCK_EX);
    pthread_create(&thread, NULL, signal_later, NULL);
    printf("a signal, flock: %s\n", outcome(flock(one, LOCK_SH)));
    pthread_join(thread, NULL);
    printf("handled %d\n", (int)handled);
    close(two);
    ask("closed", one, F_OFD_GETLK, F_WRLCK, 0, 0);

    printf("write, read only: %s\n", outcome(lock(read_only, F_SETLK, F_WRLCK, 0, 1)));
    printf("type: %s\n", outcome(lock(one, F_SETLK, 9, 0, 1)));
    printf("before the start: %s\n", outcome(lock(one, F_SETLK, F_RDLCK, 5, -6)));
    printf("bytes before: %s\n", outcome(lock(one, F_SETLK, F_WRLCK, 6, -6)));
    ask("they are", read_only, F_OFD_GETLK, F_RDLCK, 0, 0);
    printf("too far: %s\n", outcome(lock(one, F_SETLK, F_RDLCK, 100, 0x7fffffffffffffff)));
    close(one);
    close(read_only);
}

/* Two of these in two instances: one holds the locks until it is ended, the other finds them held,
 * and waits. */
static int meet(const char *part)
{
    int fd = open_file(O_RDWR), copy = open_file(O_RDWR);
    bool waits = !strcmp(part, "wait");

    printf("process: %s\n", outcome(lock(fd, F_SETLK, F_WRLCK, 0, 10)));
    printf("flock: %s\n", outcome(flock(fd, LOCK_EX | LOCK_NB)));
    ask("asked", copy, F_OFD_GETLK, F_WRLCK, 0, 0);
    if (!waits)
        pause();
    printf("waited: %s\n", outcome(lock(fd, F_SETLKW, F_WRLCK, 5, 10)));
    printf("waited: %s\n", outcome(flock(copy, LOCK_EX)));
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    main_thread = pthread_self();
    snprintf(path, sizeof(path), "%s/locked", argc > 1 ? argv[1] : "/tmp");
    if (argc > 2)
        return meet(argv[2]);
    try_flock();
    try_process_locks();
    try_file_locks();
    unlink(path);
    return 0;
}
