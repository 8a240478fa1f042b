/* The table of calls against Linux's own list, and the dispatch made from it. */
#include "tests/unit/syscall/kernel.h"

#include "abi/linux/calls.h"

#include <asm/unistd_64.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

TestSuite(table, .init = kernel_set_up);

/* Every line has Linux's number for its name. */
#define LINUX_CALL(number, name, handler, ...)                                                     \
    _Static_assert(__NR_##name == number, "number of " #name);
#define LINUX_CALL_NONE(number, name, reason)                                                      \
    _Static_assert(__NR_##name == number, "number of " #name);
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE

struct line {
    unsigned number;
    const char *name, *reason;
};
static const struct line lines[] = {
#define LINUX_CALL(number, name, handler, ...) {number, #name, NULL},
#define LINUX_CALL_NONE(number, name, reason) {number, #name, reason},
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

Test(table, lines_ascend_and_name_a_reason)
{
    for (size_t i = 0; i < LINES; i++) {
        cr_assert_lt(lines[i].number, LINUX_CALL_COUNT);
        if (i > 0)
            cr_assert_lt(lines[i - 1].number, lines[i].number, "%s", lines[i].name);
        if (lines[i].reason != NULL)
            cr_assert_gt(strlen(lines[i].reason), 5, "%s", lines[i].name);
    }
}

Test(table, no_call_of_linux_is_missing)
{
    FILE *header = fopen("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "r");
    if (header == NULL)
        header = fopen("/usr/include/asm/unistd_64.h", "r");
    cr_assert_not_null(header);
    char text[256], name[128];
    unsigned number, found = 0;
    while (fgets(text, sizeof(text), header) != NULL) {
        if (sscanf(text, "#define __NR_%127s %u", name, &number) != 2 || number >= LINUX_CALL_COUNT)
            continue;
        found++;
        bool listed = false;
        for (size_t i = 0; i < LINES; i++)
            listed = listed || (lines[i].number == number && strcmp(lines[i].name, name) == 0);
        cr_assert(listed, "%s (%u) has no line", name, number);
    }
    fclose(header);
    cr_assert_eq(found, LINES);
}

Test(table, dispatch_reaches_the_handler)
{
    /* The stand-ins of calls that are not linked here return their number. */
    cr_assert_eq(call(__NR_getppid, 0, 0, 0, 0), __NR_getppid);
    cr_assert_eq(call(__NR_mmap, 0, 0, 0, 0), __NR_mmap);
}

Test(table, unserved_calls_are_logged_once_by_name)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < LINES; i++) {
            if (lines[i].reason != NULL)
                cr_assert_eq(call(lines[i].number, 0, 0, 0, 0), -ENOSYS, "%s", lines[i].name);
        }
        cr_assert_eq(call(100000, 0, 0, 0, 0), -ENOSYS);
        cr_assert_eq(call(UINT64_MAX, 0, 0, 0, 0), -ENOSYS);
        cr_assert_eq(call(400, 0, 0, 0, 0), -ENOSYS); /* a hole in Linux's list */
    }
    cr_assert_not_null(strstr(log_kept, "system call 57 (fork) is not served"));
    size_t newlines = 0, unserved = 0;
    for (const char *at = log_kept; *at != '\0'; at++)
        newlines += *at == '\n';
    for (size_t i = 0; i < LINES; i++)
        unserved += lines[i].reason != NULL;
    cr_assert_eq(newlines, unserved + 1);
    cr_assert_eq(instance.section->counters.syscalls_unknown, 3 * (unserved + 3));
}

Test(table, calls_are_counted)
{
    for (int i = 0; i < 10000; i++)
        call(__NR_getppid, 0, 0, 0, 0);
    syscall_publish_counts();
    cr_assert_eq(instance.section->counters.syscalls, 10000);
}

Test(table, strace_decodes)
{
    syscall_init(true);
    strcpy((char *)memory + 100, "hello\n");
    call(__NR_write, 1, memory_at(100), 6, 0);
    call(__NR_openat, (uint64_t)-100, memory_at(100), 02000100, 0644);
    call(__NR_mmap, 0, 4096, 3, 0x22);
    call(__NR_futex, memory_at(200), 0x89, 1, 0);
    call(__NR_tgkill, 1, 1, LINUX_SIGUSR1, 0);
    call(__NR_fork, 1, 2, 3, 4);
    call(__NR_write, 1, 16, 6, 0); /* not readable: the address is shown */
    call(__NR_getppid, 0, 0, 0, 0);
    call(__NR_openat, (uint64_t)-100, memory_at(100), 02000000, 0644);
    call(__NR_lseek, 3, (uint64_t)-5, 2, 0);
    call(__NR_clone, 0x3d0f00, 0, 0, 0);
    const struct linux_sigaction action = {HANDLER, LINUX_SA_RESTART | LINUX_SA_RESTORER, RESTORER,
                                           LINUX_SIGNAL_BIT(LINUX_SIGINT)};
    memcpy(memory + 512, &action, sizeof(action));
    call(__NR_rt_sigaction, LINUX_SIGUSR1, memory_at(512), 0, 8);
    call(__NR_rt_sigprocmask, 2, 0, memory_at(600), 8);
    call(__NR_rt_sigprocmask, 9, memory_at(600), 0, 8);
    const uint64_t vectors[4] = {memory_at(100), 5, memory_at(100), 2};
    memcpy(memory + 640, vectors, sizeof(vectors));
    call(__NR_writev, 1, memory_at(640), 2, 0);
    const uint64_t limit[2] = {8192 * 1024, UINT64_MAX};
    memcpy(memory + 700, limit, sizeof(limit));
    call(__NR_setrlimit, 7, memory_at(700), 0, 0);
    call(__NR_futex, 0, 0x81, 1, 99);
    call(__NR_futex, 0, 0, 1, memory_at(700));
    const int32_t entry[2] = {3, 1};
    memcpy(memory + 720, entry, sizeof(entry));
    call(__NR_poll, memory_at(720), 1, 100, 0);
    static const char *const wanted[] = {
        "openat(AT_FDCWD, \"hello\\n\", O_RDONLY|O_CLOEXEC) = ",
        "lseek(3, -5, SEEK_END) = ",
        "clone(CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|"
        "CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID, NULL, NULL, NULL, ",
        "rt_sigaction(SIGUSR1, {sa_handler=0x401500, sa_mask=[INT], "
        "sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x401230}, NULL, 8) = 0\n",
        "rt_sigprocmask(SIG_SETMASK, NULL, [], 8) = 0\n",
        "rt_sigprocmask(9, [], NULL, 8) = -1 EINVAL (Invalid argument)\n",
        "writev(1, [{iov_base=\"hello\", iov_len=5}, {iov_base=\"he\", iov_len=2}], 2) = ",
        "setrlimit(RLIMIT_NOFILE, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = ",
        "futex(NULL, FUTEX_WAKE_PRIVATE, 1) = ",
        "FUTEX_WAIT, 1, {tv_sec=8388608, tv_nsec=-1}) = ",
        "poll([{fd=3, events=POLLIN}], 1, 100) = ",
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        cr_assert_not_null(strstr(log_kept, wanted[i]), "%s\nnot in\n%s", wanted[i], log_kept);
    cr_assert_not_null(strstr(log_kept, "strace: write(1, \"hello\\n\", 6) = 1\n"));
    cr_assert_not_null(strstr(
        log_kept, "openat(AT_FDCWD, \"hello\\n\", O_RDONLY|O_CREAT|O_CLOEXEC, 0644) = 257\n"));
    cr_assert_not_null(
        strstr(log_kept, "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, "));
    cr_assert_not_null(strstr(log_kept, "FUTEX_WAIT_BITSET_PRIVATE, 1, "));
    cr_assert_not_null(strstr(log_kept, "tgkill(1, 1, SIGUSR1) = 0\n"));
    cr_assert_not_null(strstr(
        log_kept, "fork(0x1, 0x2, 0x3, 0x4, 0x0, 0x0) = -1 ENOSYS (Function not implemented)\n"));
    cr_assert_not_null(strstr(log_kept, "write(1, 0x10, 6) = 1\n"));
    cr_assert_not_null(strstr(log_kept, "getppid() = 110\n"));
}

Test(table, errors_are_libc_s)
{
    static const struct {
        int number;
        const char *name, *text;
    } errors[] = {
#define LINUX_ERROR(number, name, text) {number, #name, text},
#include "abi/linux/errors.def"
#undef LINUX_ERROR
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        cr_assert_str_eq(errors[i].name, strerrorname_np(errors[i].number));
        cr_assert_str_eq(errors[i].text, strerror(errors[i].number));
    }
    cr_assert_gt(sizeof(errors) / sizeof(errors[0]), 120);
}

Test(table, strace_survives_any_arguments)
{
    syscall_init(true);
    for (int i = 0; i < 20000; i++) {
        struct trap_frame frame = call_frame(random_word() % LINUX_CALL_COUNT);
        switch (frame.error) {
        case __NR_rt_sigreturn: /* may end the instance, */
        case __NR_pause:        /* or wait for ever */
        case __NR_rt_sigsuspend:
        case __NR_rt_sigtimedwait:
            continue;
        }
        uint64_t *arguments[] = {&frame.rdi, &frame.rsi, &frame.rdx,
                                 &frame.r10, &frame.r8,  &frame.r9};
        for (int k = 0; k < 6; k++)
            *arguments[k] =
                random_word() % 3 == 0 ? random_word() : memory_at(random_word() % MEMORY_SIZE);
        /* Whatever the arguments do, no line is too long and nothing else is touched. */
        threads[0].signals.blocked = UINT64_MAX;
        syscall_dispatch(&frame);
    }
}
