/* System calls that do not exist or are not served: an error, not a death. And a few that must
 * work, with the same answer as Linux's where there is one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *outcome(long result)
{
    return result >= 0       ? "fine"
           : errno == ENOSYS ? "ENOSYS"
           : errno == EBADF  ? "EBADF"
           : errno == EINVAL ? "EINVAL"
           : errno == ENOTTY ? "ENOTTY"
           : errno == EFAULT ? "EFAULT"
           : errno == ENOENT ? "ENOENT"
                             : "another error";
}

static int unknown(void)
{
    /* Twice each: the log must name them once. */
    for (int i = 0; i < 2; i++) {
        printf("call 9999: %s\n", outcome(syscall(9999)));
        printf("call -1: %s\n", outcome(syscall(-1)));
        printf("perf_event_open: %s\n", outcome(syscall(SYS_perf_event_open, 0, 0, 0, 0, 0)));
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct utsname system;
    unsigned char a[32] = {0}, b[32] = {0};
    struct rlimit limit;
    struct iovec pieces[3] = {{(void *)"one ", 4}, {NULL, 0}, {(void *)"two\n", 4}};
    char byte;

    if (argc > 1 && !strcmp(argv[1], "unknown"))
        return unknown();
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("uname %s, %s\n", uname(&system) == 0 ? system.sysname : "failed", system.machine);
    printf("getrandom %zd and %zd bytes, ", getrandom(a, sizeof(a), 0),
           getrandom(b, sizeof(b), GRND_NONBLOCK));
    puts(memcmp(a, b, sizeof(a)) ? "different" : "the same");
    printf("stack limit: %s\n", outcome(getrlimit(RLIMIT_STACK, &limit)));
    printf("empty piece: %zd\n", writev(1, pieces, 3));
    printf("write nothing: %zd\n", write(1, "x", 0));
    printf("write to 77: %s\n", outcome(write(77, "x", 1)));
    printf("writev of -1 pieces: %s\n", outcome(writev(1, pieces, argc - 2)));
    printf("close 77: %s\n", outcome(close(77)));
    printf("open what is not there: %s\n", outcome(open("/no/such/file", O_RDONLY)));
    printf("read the end: %zd\n", read(0, &byte, 1));
    printf("standard output is a terminal: %s\n", isatty(1) ? "yes" : "no");
    printf("process id is thread id: %s\n", getpid() == syscall(SYS_gettid) ? "yes" : "no");
    printf("close and write: %s, %s\n", outcome(close(1)), outcome(write(1, "x", 1)));
    fprintf(stderr, "to the end\n");
    return 0;
}
