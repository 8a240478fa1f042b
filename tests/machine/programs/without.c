/* Runs a command as on a host that lacks something: "without seccomp COMMAND..." lets the call fail
 * with ENOSYS, "without files:64 COMMAND..." lowers the limit of open files, and so on. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/filter.h and linux/seccomp.h, which musl does not come with. */
struct instruction {
    uint16_t code;
    uint8_t yes, no;
    uint32_t value;
};
#define LOAD 0x20
#define EQUAL 0x15
#define RETURN 0x06
#define FAIL UINT32_C(0x00050000)
#define ALLOW UINT32_C(0x7fff0000)

static void forbid(uint32_t number)
{
    struct instruction filter[] = {{LOAD, 0, 0, 0},
                                   {EQUAL, 0, 1, number},
                                   {RETURN, 0, 0, FAIL | ENOSYS},
                                   {RETURN, 0, 0, ALLOW}};
    struct {
        unsigned short length;
        struct instruction *instructions;
    } program = {4, filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program)) {
        perror("without");
        exit(99);
    }
}

static void lower(int what, const char *value)
{
    struct rlimit limit = {strtoul(value, NULL, 10), strtoul(value, NULL, 10)};

    if (setrlimit(what, &limit)) {
        perror("without");
        exit(99);
    }
}

int main(int count, char **words)
{
    if (count < 3)
        return 99;
    if (!strcmp(words[1], "seccomp"))
        forbid(SYS_seccomp);
    else if (!strcmp(words[1], "timers"))
        forbid(SYS_timer_create);
    else if (!strcmp(words[1], "memory-files"))
        forbid(SYS_memfd_create);
    else if (!strcmp(words[1], "process-handles"))
        forbid(SYS_pidfd_open);
    else if (!strcmp(words[1], "closing"))
        forbid(SYS_close_range);
    else if (!strcmp(words[1], "traps"))
        forbid(SYS_prctl);
    else if (!strncmp(words[1], "locked:", 7))
        lower(RLIMIT_MEMLOCK, words[1] + 7);
    else if (!strncmp(words[1], "size:", 5))
        lower(RLIMIT_FSIZE, words[1] + 5);
    else if (!strncmp(words[1], "files:", 6))
        lower(RLIMIT_NOFILE, words[1] + 6);
    else if (!strncmp(words[1], "space:", 6))
        lower(RLIMIT_AS, words[1] + 6);
    else
        return 99;
    execv(words[2], words + 2);
    perror("without");
    return 99;
}
