/* Runs a command as on a host that lacks something: "without seccomp COMMAND..." lets the call fail
 * with ENOSYS, "without files:64 COMMAND..." lowers the limit of open files, and so on. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
#define ARGUMENT(Number) (16 + 8 * (Number)) /* its low half in struct seccomp_data */
#define FAIL UINT32_C(0x00050000)
#define ALLOW UINT32_C(0x7fff0000)

static void install(struct instruction *filter, unsigned short length)
{
    struct {
        unsigned short length;
        struct instruction *instructions;
    } program = {length, filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program)) {
        perror("without");
        exit(99);
    }
}

static void fail(uint32_t number, uint32_t error)
{
    struct instruction filter[] = {{LOAD, 0, 0, 0},
                                   {EQUAL, 0, 1, number},
                                   {RETURN, 0, 0, FAIL | error},
                                   {RETURN, 0, 0, ALLOW}};

    install(filter, sizeof(filter) / sizeof(filter[0]));
}

static void forbid(uint32_t number)
{
    fail(number, ENOSYS);
}

/* Mappings of files at fixed places with their pages: as where vm.max_map_count is reached. */
static void forbid_mappings(void)
{
    struct instruction filter[] = {{LOAD, 0, 0, 0},
                                   {EQUAL, 0, 3, SYS_mmap},
                                   {LOAD, 0, 0, ARGUMENT(3)},
                                   {EQUAL, 0, 1, MAP_SHARED | MAP_FIXED | MAP_POPULATE},
                                   {RETURN, 0, 0, FAIL | ENOMEM},
                                   {RETURN, 0, 0, ALLOW}};

    install(filter, sizeof(filter) / sizeof(filter[0]));
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
    else if (!strcmp(words[1], "large-pages"))
        fail(SYS_madvise, EINVAL);
    else if (!strcmp(words[1], "commitment")) /* vm.overcommit_memory is 2, and all is promised */
        fail(SYS_ftruncate, ENOMEM);
    else if (!strcmp(words[1], "mappings"))
        forbid_mappings();
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
