/* Every system call of abi/linux/calls.def that takes pointers, with a bad one in each place in
 * turn: what it answers has to be what Linux answers to this very program. The calls come from the
 * table; `goods` has what the other arguments are to be so that the pointer is looked at. */
#include "abi/linux/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define ARGUMENTS LINUX_CALL_ARGUMENTS

static const struct call {
    long number;
    const char *name;
    unsigned char kinds[ARGUMENTS];
} calls[] = {
#define LINUX_CALL(number, name, handler, ...) {number, #name, {LINUX_ARGUMENTS(__VA_ARGS__)}},
#define LINUX_CALL_NONE(number, name, reason)
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE
};

/* --- What is good ----------------------------------------------------------------------------- */

/* Stand for values that are only known at run time. */
enum good {
    USUAL = INT_MIN, /* by the argument's kind */
    READER,          /* of a pipe with something in it */
    WRITER,          /* of another pipe */
    FOLDER,
    EPOLL, /* with something to tell */
    TIMER_FILE,
    TIMER,
    EVENT,
    SELF,  /* the process id */
    LINK,  /* path of a symbolic link */
    NEW,   /* path of nothing */
    NONE,  /* NULL */
    NAMED, /* a name that no attribute may have */
};

/* Calls whose arguments are not the usual ones. */
static const struct {
    const char *name;
    int values[ARGUMENTS];
} goods[] = {
#define U USUAL
    {"poll", {U, 1, 0}},
    {"rt_sigaction", {SIGUSR2, U, U, 8}},
    {"rt_sigprocmask", {SIG_BLOCK, U, U, 8}},
    {"ioctl", {U, 0x541b /* FIONREAD */, U}},
    {"readv", {U, U, 1}},
    {"writev", {U, U, 1}},
    {"select", {1, NONE, NONE, NONE, U}},
    {"pselect6", {1, NONE, NONE, NONE, U, NONE}},
    {"mincore", {U, PAGE, U}},
    {"nanosleep", {U, U}},
    {"setitimer", {ITIMER_VIRTUAL, U, U}},
    {"getitimer", {ITIMER_VIRTUAL, U}},
    {"sendfile", {WRITER, U, U, 4}},
    {"readlink", {LINK, U, U}},
    {"readlinkat", {AT_FDCWD, LINK, U, U}},
    {"rename", {U, NEW}},
    {"renameat", {AT_FDCWD, U, AT_FDCWD, NEW}},
    {"renameat2", {AT_FDCWD, U, AT_FDCWD, NEW, 0}},
    {"link", {U, NEW}},
    {"linkat", {AT_FDCWD, U, AT_FDCWD, NEW, 0}},
    {"symlink", {U, NEW}},
    {"symlinkat", {U, AT_FDCWD, NEW}},
    {"mkdir", {NEW, 0700}},
    {"mkdirat", {AT_FDCWD, NEW, 0700}},
    {"rmdir", {NEW}},
    {"unlink", {NEW}},
    {"unlinkat", {AT_FDCWD, NEW, 0}},
    {"mknod", {NEW, 0600, 0}},
    {"mknodat", {AT_FDCWD, NEW, 0600, 0}},
    {"getrlimit", {RLIMIT_CORE, U}},
    {"setrlimit", {RLIMIT_CORE, U}},
    {"prlimit64", {0, RLIMIT_CORE, U, U}},
    {"getgroups", {64, U}},
    {"rt_sigpending", {U, 8}},
    {"rt_sigtimedwait", {U, U, U, 8}},
    {"rt_sigqueueinfo", {SELF, 0, U}},
    {"rt_tgsigqueueinfo", {SELF, SELF, 0, U}},
    {"rt_sigsuspend", {U, 8}},
    {"futex", {U, 128 /* WAIT, private */, 1, U, NONE, 0}},
    {"sched_getaffinity", {0, 128, U}},
    {"getdents64", {FOLDER, U, 1024}},
    {"timer_create", {CLOCK_MONOTONIC, NONE, U}},
    {"timer_settime", {TIMER, 0, U, U}},
    {"timer_gettime", {TIMER, U}},
    {"timerfd_settime", {TIMER_FILE, 0, U, U}},
    {"timerfd_gettime", {TIMER_FILE, U}},
    {"signalfd", {-1, U, 8}},
    {"signalfd4", {-1, U, 8, 0}},
    {"clock_nanosleep", {CLOCK_MONOTONIC, 0, U, U}},
    {"epoll_wait", {EPOLL, U, 1, 0}},
    {"epoll_pwait", {EPOLL, U, 1, 0, U, 8}},
    {"epoll_pwait2", {EPOLL, U, 1, U, U, 8}},
    {"epoll_ctl", {EPOLL, EPOLL_CTL_ADD, READER, U}},
    {"ppoll", {U, 1, U, U, 8}},
    {"utimensat", {AT_FDCWD, U, U, 0}},
    {"futimesat", {AT_FDCWD, U, U}},
    {"splice", {U, U, WRITER, NONE, 4, 0}},
    {"vmsplice", {WRITER, U, 1, 0}},
    {"preadv", {U, U, 1, 0}},
    {"pwritev", {U, U, 1, 0}},
    {"preadv2", {U, U, 1, 0, 0, 0}},
    {"pwritev2", {U, U, 1, 0, 0, 0}},
    {"process_vm_readv", {SELF, U, 1, U, 1, 0}},
    {"process_vm_writev", {SELF, U, 1, U, 1, 0}},
    {"copy_file_range", {U, U, EVENT, U, 4, 0}},
    {"statx", {AT_FDCWD, U, 0, 0x7ff, U}},
    {"openat2", {AT_FDCWD, U, U, 24}},
    {"sched_getattr", {0, U, 48, 0}},
    {"set_robust_list", {U, 24}},
    {"getcwd", {U, 1024}},
    {"setxattr", {U, NAMED, U, 4, 0}},
    {"lsetxattr", {U, NAMED, U, 4, 0}},
    {"fsetxattr", {U, NAMED, U, 4, 0}},
    {"getpriority", {0, 0}},
#undef U
};

/* Calls that cannot be made with just anything, and why. */
static const struct {
    const char *name, *why;
} left_out[] = {
    {"clone", "makes threads, on Linux processes"},
    {"clone3", "the same; its struct is tried below"},
    {"rseq", "the C library has registered its own"},
    {"set_tid_address", "takes any pointer"},
};

static uint8_t *scratch;   /* two good pages */
static uint8_t *read_only; /* zeros */
static uint8_t *hole;      /* an address with nothing there, behind a good page */
static int reader, writer, folder, epoll, timer_file, event, plain;
static int timer;
static char name_good[] = "pointers-file", name_link[] = "pointers-link", name_new[] = "pointers-x";

static long good_by_kind(unsigned kind, unsigned index)
{
    uint8_t *room = scratch + index * 512; /* each argument its own, all zero */

    switch (kind) {
    case LINUX_ARGUMENT_FD:
        return plain;
    case LINUX_ARGUMENT_PATH:
    case LINUX_ARGUMENT_STRING:
        return (long)name_good;
    case LINUX_ARGUMENT_VECTOR:
        *(struct iovec *)room = (struct iovec){scratch + PAGE, 4};
        return (long)room;
    case LINUX_ARGUMENT_ADDRESS:
        return (long)scratch;
    case LINUX_ARGUMENT_SIZE:
        return 8;
    default:
        return linux_argument_is_pointer(kind) ? (long)room : 0;
    }
}

static long good(const struct call *call, unsigned index)
{
    int value = USUAL;

    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++)
        if (!strcmp(goods[i].name, call->name))
            value = goods[i].values[index];
    switch (value) {
    case USUAL:
        if (call->kinds[index] == LINUX_ARGUMENT_FD && index + 1 < ARGUMENTS &&
            call->kinds[index + 1] == LINUX_ARGUMENT_PATH)
            return AT_FDCWD;
        return good_by_kind(call->kinds[index], index);
    case READER:
        return reader;
    case WRITER:
        return writer;
    case FOLDER:
        return folder;
    case EPOLL:
        return epoll;
    case TIMER_FILE:
        return timer_file;
    case TIMER:
        return timer;
    case EVENT:
        return event;
    case SELF:
        return getpid();
    case LINK:
        return (long)name_link;
    case NEW:
        return (long)name_new;
    case NONE:
        return 0;
    case NAMED:
        return (long)"nothing";
    default:
        return value;
    }
}

/* --- What is bad ------------------------------------------------------------------------------ */

enum bad { BAD_NULL, BAD_LOW, BAD_HOLE, BAD_EDGE, BAD_KERNEL, BAD_FORM, BAD_READ_ONLY, BAD_INSIDE };
static const char *const bad_names[] = {"NULL",   "low",  "hole",      "edge",
                                        "kernel", "form", "read-only", "inside"};
#define BADS (sizeof(bad_names) / sizeof(bad_names[0]))

static long bad(enum bad kind, unsigned index)
{
    uint8_t *room = scratch + index * 512;

    switch (kind) {
    case BAD_NULL:
        return 0;
    case BAD_LOW:
        return 8;
    case BAD_HOLE:
        return (long)hole;
    case BAD_EDGE:
        return (long)(hole - 1);
    case BAD_KERNEL:
        return (long)0xffff800000001000;
    case BAD_FORM:
        return 0x4141414141414141;
    case BAD_READ_ONLY:
        return (long)read_only;
    case BAD_INSIDE: /* a good array of bad pieces */
        *(struct iovec *)room = (struct iovec){hole, 4};
        return (long)room;
    }
    return 0;
}

static const char *outcome(long result)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {{EFAULT, "EFAULT"},   {EINVAL, "EINVAL"},   {ENOENT, "ENOENT"},
                 {EBADF, "EBADF"},     {EINTR, "EINTR"},     {EAGAIN, "EAGAIN"},
                 {EEXIST, "EEXIST"},   {ENOTDIR, "ENOTDIR"}, {EPERM, "EPERM"},
                 {ENOTTY, "ENOTTY"},   {ENOSYS, "ENOSYS"},   {EOPNOTSUPP, "EOPNOTSUPP"},
                 {ENODATA, "ENODATA"}, {ENOMEM, "ENOMEM"},   {ESPIPE, "ESPIPE"},
                 {E2BIG, "E2BIG"},     {ERANGE, "ERANGE"},   {ESRCH, "ESRCH"}};

    if (result >= 0)
        return "fine";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].error == errno)
            return names[i].name;
    return strerror(errno);
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* Makes one call; one that waits is broken off. */
static long make_call(const struct call *call, const long *values)
{
    static const struct itimerval soon = {{0, 20000}, {0, 20000}}, never;

    setitimer(ITIMER_REAL, &soon, NULL);
    long result =
        syscall(call->number, values[0], values[1], values[2], values[3], values[4], values[5]);
    int error = errno;
    setitimer(ITIMER_REAL, &never, NULL);
    errno = error;
    return result;
}

/* Between calls: files and pipes as they were. */
static void refresh(void)
{
    char bytes[64];

    memset(scratch, 0, (size_t)2 * PAGE);
    memset(hole - PAGE, 'x', PAGE);
    lseek(plain, 0, SEEK_SET);
    lseek(folder, 0, SEEK_SET);
    while (read(reader, bytes, sizeof(bytes)) > 0)
        ;
    (void)!write(writer, "something", 9);
    epoll_ctl(epoll, EPOLL_CTL_DEL, reader, NULL);
}

static bool is_left_out(const struct call *call)
{
    for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
        if (!strcmp(left_out[i].name, call->name))
            return true;
    return false;
}

/* Returns whether a bad pointer there was ever answered with EFAULT. */
static bool try_argument(const struct call *call, unsigned index)
{
    bool faulted = false;

    printf("%s %u:", call->name, index);
    for (unsigned k = 0; k < BADS; k++) {
        long values[ARGUMENTS];

        if (k == BAD_INSIDE && call->kinds[index] != LINUX_ARGUMENT_VECTOR)
            continue;
        refresh();
        for (unsigned i = 0; i < ARGUMENTS; i++)
            values[i] = good(call, i);
        values[index] = bad(k, index);
        const char *name = outcome(make_call(call, values));
        faulted |= !strcmp(name, "EFAULT");
        printf(" %s %s", bad_names[k], name);
    }
    puts("");
    return faulted;
}

static void prepare(void)
{
    int pipes[2], others[2];
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    struct sigaction action = {.sa_handler = on_alarm};
    struct epoll_event told = {.events = EPOLLIN};

    sigaction(SIGALRM, &action, NULL);
    scratch = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    hole = scratch + 3 * PAGE;
    munmap(hole, PAGE);
    memset(hole - PAGE, 'x', PAGE);
    plain = open(name_good, O_RDWR | O_CREAT, 0644);
    (void)!write(plain, "0123456789abcdef", 16);
    (void)!symlink(name_good, name_link);
    (void)!pipe2(pipes, O_NONBLOCK);
    (void)!pipe2(others, O_NONBLOCK);
    reader = pipes[0];
    writer = pipes[1];
    folder = open(".", O_RDONLY | O_DIRECTORY);
    epoll = epoll_create1(0);
    event = open("pointers-other", O_RDWR | O_CREAT, 0644);
    int ready = eventfd(1, 0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, ready, &told);
    timer_file = timerfd_create(CLOCK_MONOTONIC, 0);
    syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &timer);
}

int main(int argc, char **argv)
{
    unsigned tried = 0, never = 0;

    if (argc < 2 || chdir(argv[1]) != 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    prepare();
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        for (unsigned k = 0; k < ARGUMENTS && calls[i].kinds[k] && !is_left_out(&calls[i]); k++) {
            if (!linux_argument_is_pointer(calls[i].kinds[k]))
                continue;
            tried++;
            if (!try_argument(&calls[i], k)) {
                never++;
                printf("%s %u: no fault\n", calls[i].name, k);
            }
        }
    }
    printf("clone3: %s %s\n", outcome(syscall(SYS_clone3, NULL, 88)),
           outcome(syscall(SYS_clone3, hole, 88)));
    printf("%u pointers, %u never faulted\n", tried, never);
    unlink(name_good);
    unlink(name_link);
    unlink("pointers-other");
    return 0;
}
