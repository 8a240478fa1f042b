/* A hostile program for platform hosted: what it tries is its first argument. What must not work
 * ends the process; what is harmless says so and goes on to status 0. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where hosted instances have their kernel, direct map, peers, lagoon and doorbells (abi/hosted.h).
 */
#define KERNEL UINT64_C(0x700000000000)
#define DIRECT UINT64_C(0x720000000000)
#define PEERS UINT64_C(0x760000000000)
#define LAGOON UINT64_C(0x7a0000000000)
#define DOORBELLS UINT64_C(0x7b0000000000)

#define LARGE (2L << 20)
#define COLLAPSE 25 /* MADV_COLLAPSE, Linux 6.1 */

static long raw(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* Every number through an instruction of its own making: they are the instance's, not the host's.
 */
static int try_numbers(void)
{
    static const unsigned char code[] = {0x89, 0xf8, 0x31, 0xff, 0x31, 0xf6, 0x31,
                                         0xd2, 0x45, 0x31, 0xd2, 0x45, 0x31, 0xc0,
                                         0x45, 0x31, 0xc9, 0x0f, 0x05, 0xc3};
    unsigned char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long (*call)(long) = (long (*)(long))page;
    int unknown = 0;

    memcpy(page, code, sizeof(code)); /* mov eax, edi; all arguments 0; syscall; ret */
    for (long number = 0; number < 1200; number++) {
        switch (number) {
        case SYS_exit:
        case SYS_exit_group:
        case SYS_rt_sigreturn:
        case SYS_pause:
        case SYS_rt_sigsuspend:
        case SYS_select:
        case SYS_pselect6:
        case SYS_poll:
        case SYS_ppoll:
        case SYS_fork:
        case SYS_vfork:
        case SYS_clone:
        case SYS_close:
        case SYS_close_range:
        case SYS_brk:
        case SYS_arch_prctl:
        case SYS_munlockall:
            continue;
        }
        unknown += call(number) == -ENOSYS;
    }
    if (getpid() != 1 || raw(SYS_open, (long)"/bin/sh", 0, 0, 0, 0, 0) >= 0) {
        puts("this is the host");
        return 1;
    }
    printf("%s numbers are unknown\n", unknown > 600 ? "most" : "few");
    return unknown > 600 ? 0 : 1;
}

/* The kernel's own "syscall; ret". */
static const unsigned char *find_gadget(void)
{
    const unsigned char *at = (const unsigned char *)KERNEL;

    while (at[0] != 0x0f || at[1] != 0x05 || at[2] != 0xc3)
        at++;
    return at;
}

static long through_kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    const unsigned char *gadget = find_gadget();
    long result;

    __asm__ volatile("sub $128, %%rsp; call *%[gadget]; add $128, %%rsp"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9), [gadget] "r"(gadget)
                     : "rcx", "r11", "memory");
    return result;
}

static int try_call(const char *what, char **arguments)
{
    char text[] = "/etc/passwd";
    long result;

    printf("tries %s\n", what);
    fflush(stdout);
    if (!strcmp(what, "number"))
        result = through_kernel(strtol(arguments[0], NULL, 0), 0, 0, 0, 0, 0, 0);
    else if (!strcmp(what, "open"))
        result = through_kernel(SYS_open, (long)text, 0, 0, 0, 0, 0);
    else if (!strcmp(what, "anonymous")) /* memory beyond the partition */
        result = through_kernel(SYS_mmap, 0x20000000, 1 << 30, 3, 0x32, -1, 0);
    else if (!strcmp(what, "private"))
        result = through_kernel(SYS_mmap, 0x20000000, 1 << 20, 3, MAP_PRIVATE | MAP_FIXED, 3, 0);
    else if (!strcmp(what, "fork"))
        result = through_kernel(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
    else if (!strcmp(what, "kill")) /* the proxy, or whatever has that number */
        result = through_kernel(SYS_tgkill, 1, 1, 10, 0, 0, 0);
    else if (!strcmp(what, "upgrade")) /* others' sections, from read-only to writable */
        result = through_kernel(SYS_mprotect, (long)LAGOON, 4096, 3, 0, 0, 0);
    else if (!strcmp(what, "remap"))
        result = through_kernel(SYS_mremap, (long)LAGOON, 4096, 1 << 24, 1, 0, 0);
    else if (!strcmp(what, "write"))
        result = through_kernel(SYS_write, 3, (long)text, 4, 0, 0, 0);
    else if (!strcmp(what, "discard")) /* of the direct map only large pages may be asked for */
        result = through_kernel(SYS_madvise, (long)DIRECT, LARGE, MADV_DONTNEED, 0, 0, 0);
    else if (!strcmp(what, "collapse-much"))
        result = through_kernel(SYS_madvise, (long)DIRECT, 2 * LARGE, COLLAPSE, 0, 0, 0);
    else if (!strcmp(what, "collapse-peers")) /* and not of others' memory */
        result = through_kernel(SYS_madvise, (long)PEERS, LARGE, COLLAPSE, 0, 0, 0);
    else if (!strcmp(what, "collapse-lagoon"))
        result = through_kernel(SYS_madvise, (long)LAGOON, LARGE, COLLAPSE, 0, 0, 0);
    else if (!strcmp(what, "legacy")) {
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    } else {
        return 2;
    }
    printf("came back with %ld\n", result);
    return 0;
}

static sigjmp_buf back;

static void caught(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

/* Allowed by the filter, refused by the descriptor: the lagoon again, writable. */
static int try_lagoon(void)
{
    long result = through_kernel(SYS_mmap, 0x20000000, 1 << 20, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_FIXED, 5, 0);

    printf("a writable lagoon: %ld\n", result);
    if (result >= 0)
        return 1;
    signal(SIGSEGV, caught);
    if (!sigsetjmp(back, 1)) {
        *(volatile char *)LAGOON = 1; /* the proxy's section */
        puts("the proxy's section has been written");
        return 1;
    }
    puts("the lagoon is read-only");
    return 0;
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";

    if (!strcmp(what, "numbers"))
        return try_numbers();
    if (!strcmp(what, "lagoon"))
        return try_lagoon();
    if (!strcmp(what, "doorbells")) { /* hints: may be spoilt, with no more than noise */
        memset((void *)DOORBELLS, 0xff, 65536);
        puts("spoilt the doorbells");
        return 0;
    }
    puts("begins");
    fflush(stdout);
    if (!strcmp(what, "overwrite")) /* the whole partition through the kernel's own map of it */
        memset((void *)DIRECT, 0xa5, 16 << 20);
    else if (!strcmp(what, "jump")) { /* every instruction of the kernel, as it comes */
        long step = strtol(arguments[2], NULL, 0);

        ((void (*)(void))(KERNEL + (uint64_t)step))();
    } else {
        return try_call(what, arguments + 2);
    }
    return 0;
}
