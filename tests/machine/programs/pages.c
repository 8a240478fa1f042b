/* What brk, mmap, mprotect, mremap, munmap and madvise do, result by result: the same lines must
 * come out on Linux. Faults are taken by a SIGSEGV handler and jumped out of. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf back;
static volatile sig_atomic_t fault_code;
static void *volatile fault_address;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    fault_code = info->si_code;
    fault_address = info->si_addr;
    siglongjmp(back, signal);
}

/* What does touching this byte do? */
static const char *touch(volatile uint8_t *at, int write)
{
    int signal = sigsetjmp(back, 1);

    if (signal == 0) {
        if (write)
            *at = 7;
        else
            (void)*at;
        return "fine";
    }
    if (fault_address != (void *)(uintptr_t)at)
        return "a fault somewhere else";
    return signal == SIGSEGV && fault_code == SEGV_MAPERR   ? "SIGSEGV, not mapped"
           : signal == SIGSEGV && fault_code == SEGV_ACCERR ? "SIGSEGV, not allowed"
                                                            : "another signal";
}

static const char *error_name(int result)
{
    return result == 0          ? "0"
           : errno == EINVAL    ? "EINVAL"
           : errno == ENOMEM    ? "ENOMEM"
           : errno == EFAULT    ? "EFAULT"
           : errno == EEXIST    ? "EEXIST"
           : errno == EBADF     ? "EBADF"
           : errno == EACCES    ? "EACCES"
           : errno == EPERM     ? "EPERM"
           : errno == EOVERFLOW ? "EOVERFLOW"
                                : "another error";
}

static const char *map_error(void *mapped)
{
    return error_name(mapped == MAP_FAILED ? -1 : 0);
}

static void show_mappings(void)
{
    uint8_t *a = mmap(NULL, 8 * PAGE, READ_WRITE, PRIVATE, -1, 0);
    size_t sum = 0;

    for (size_t i = 0; i < 8 * PAGE; i++)
        sum += a[i];
    printf("fresh memory sums to %zu\n", sum);
    memset(a, 1, 8 * PAGE);
    printf("mprotect to read: %s\n", error_name(mprotect(a + 2 * PAGE, PAGE, PROT_READ)));
    printf("read it: %s, ", touch(a + 2 * PAGE, 0));
    printf("write it: %s, ", touch(a + 2 * PAGE, 1));
    printf("beside it: %s\n", touch(a + 3 * PAGE, 1));
    printf("mprotect to none: %s\n", error_name(mprotect(a + 2 * PAGE, PAGE, PROT_NONE)));
    printf("read it: %s\n", touch(a + 2 * PAGE, 0));
    printf("and back: %s, ", error_name(mprotect(a + 2 * PAGE, PAGE, READ_WRITE)));
    printf("still %d\n", a[2 * PAGE]);
    printf("munmap a hole: %s\n", error_name(munmap(a + 4 * PAGE, 2 * PAGE)));
    printf("in it: %s, before: %s, behind: %s\n", touch(a + 4 * PAGE, 0),
           touch(a + 4 * PAGE - 1, 0), touch(a + 6 * PAGE, 0));
    printf("mprotect over the hole: %s\n", error_name(mprotect(a, 8 * PAGE, READ_WRITE)));
    printf("munmap over the hole: %s\n", error_name(munmap(a, 8 * PAGE)));
    printf("munmap again: %s\n", error_name(munmap(a, 8 * PAGE)));
}

static void show_fixed(void)
{
    uint8_t *a = mmap(NULL, 4 * PAGE, READ_WRITE, PRIVATE, -1, 0);

    memset(a, 5, 4 * PAGE);
    uint8_t *b = mmap(a + PAGE, PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0);
    printf("MAP_FIXED over it: %s, bytes %d %d %d\n", b == a + PAGE ? "there" : "elsewhere", a[0],
           a[PAGE], a[2 * PAGE]);
    errno = 0;
    printf("MAP_FIXED_NOREPLACE over it: %s\n",
           map_error(mmap(a, PAGE, READ_WRITE, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0)));
    munmap(a, PAGE);
    b = mmap(a, PAGE, READ_WRITE, PRIVATE, -1, 0);
    printf("a hint that is free: %s\n", b == a ? "taken" : "not taken");
    munmap(a, 4 * PAGE);
}

static void show_refusals(void)
{
    printf("mmap of nothing: %s\n", map_error(mmap(NULL, 0, READ_WRITE, PRIVATE, -1, 0)));
    printf("mmap without a kind: %s\n",
           map_error(mmap(NULL, PAGE, READ_WRITE, MAP_ANONYMOUS, -1, 0)));
    printf("mmap of everything: %s\n",
           map_error(mmap(NULL, SIZE_MAX - PAGE, READ_WRITE, PRIVATE, -1, 0)));
    printf("mmap at half a page: %s\n",
           map_error(mmap((void *)0x10000800, PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0)));
    printf("mmap of a bad file: %s\n", map_error(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0)));
    printf("mprotect at half a page: %s\n", error_name(mprotect((void *)0x1234, PAGE, PROT_READ)));
    printf("mprotect of nothing there: %s\n",
           error_name(mprotect((void *)0x7000000, PAGE, PROT_READ)));
    printf("munmap at half a page: %s\n", error_name(munmap((void *)0x1234, PAGE)));
    printf("munmap of no bytes: %s\n", error_name(munmap((void *)0x10000, 0)));
    printf("mremap of nothing there: %s\n",
           map_error(mremap((void *)0x7000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE)));
}

static void show_remap(void)
{
    uint8_t *a = mmap(NULL, 4 * PAGE, READ_WRITE, PRIVATE, -1, 0);

    for (size_t i = 0; i < 4; i++)
        a[i * PAGE] = (uint8_t)(i + 1);
    printf("mremap smaller: %s, ", mremap(a, 4 * PAGE, 2 * PAGE, 0) == a ? "in place" : "moved");
    printf("cut off: %s\n", touch(a + 2 * PAGE, 0));
    /* Something right behind it, so that it has to move. */
    mmap(a + 2 * PAGE, PAGE, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
    printf("mremap larger, may not move: %s\n", map_error(mremap(a, 2 * PAGE, 3 * PAGE, 0)));
    uint8_t *b = mremap(a, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    printf("mremap larger, may move: %s, bytes %d %d %d, old place: %s\n",
           b == MAP_FAILED ? "failed"
           : b == a        ? "in place"
                           : "moved",
           b[0], b[PAGE], b[63 * PAGE], touch(a, 0));
    uint8_t *c = mmap(NULL, 64 * PAGE, PROT_READ, PRIVATE, -1, 0);
    uint8_t *d = mremap(b, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, c);
    printf("mremap onto another: %s, bytes %d %d, ", d == c ? "there" : "elsewhere", d[0], d[PAGE]);
    printf("writable: %s\n", touch(d + 2, 1));
    munmap(d, 64 * PAGE);
}

static void show_advice(void)
{
    uint8_t *a = mmap(NULL, 4 * PAGE, READ_WRITE, PRIVATE, -1, 0);

    memset(a, 9, 4 * PAGE);
    printf("madvise DONTNEED: %s, ", error_name(madvise(a + PAGE, 2 * PAGE, MADV_DONTNEED)));
    printf("bytes %d %d %d\n", a[0], a[PAGE], a[3 * PAGE]);
    printf("madvise nonsense: %s\n", error_name(madvise(a, PAGE, 12345)));
    printf("madvise at half a page: %s\n", error_name(madvise(a + 8, PAGE, MADV_DONTNEED)));
    munmap(a, 4 * PAGE);
}

/* The call itself: musl's sbrk refuses to move. Returns where the break is afterwards. */
static uint8_t *move_break(uint8_t *to)
{
    return (uint8_t *)syscall(SYS_brk, to);
}

static void show_break(void)
{
    uint8_t *start = move_break(NULL), *end = start + 10 * PAGE + 100;

    printf("brk up: %s\n", move_break(end) == end ? "there" : "elsewhere");
    memset(start, 3, 10 * PAGE + 100);
    printf("brk down: %s\n", move_break(end - 9 * PAGE) == end - 9 * PAGE ? "there" : "elsewhere");
    printf("above it: %s\n", touch(end - 6 * PAGE, 1));
    printf("brk up again: %s, ", move_break(end) == end ? "there" : "elsewhere");
    printf("what comes back holds %d\n", start[5 * PAGE]);
    printf("brk to nonsense leaves it: %s\n", move_break((uint8_t *)1) == end ? "yes" : "no");
}

static void show_wild_pointers(void)
{
    /* Through syscall(): the compiler would see that these cannot work. */
    printf("write from nowhere: %s\n", error_name((int)syscall(SYS_write, 1, 16, 4)));
    printf("write from the kernel's half: %s\n",
           error_name((int)syscall(SYS_write, 1, UINT64_C(0xffff800000001000), 4)));
    printf("read to nowhere: %s\n", error_name((int)syscall(SYS_getrandom, 16, 8, 0)));
    printf("the null page: %s\n", touch((uint8_t *)8, 0));
}

static void show_execute(void)
{
    static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    uint8_t *a = mmap(NULL, PAGE, READ_WRITE, PRIVATE, -1, 0);

    memcpy(a, code, sizeof(code));
    mprotect(a, PAGE, PROT_READ | PROT_EXEC);
    printf("made code: %d\n", ((int (*)(void))(uintptr_t)a)());
    mprotect(a, PAGE, PROT_READ);
    int signal = sigsetjmp(back, 1);
    if (signal == 0)
        printf("called as data: %d\n", ((int (*)(void))(uintptr_t)a)());
    else
        printf("called as data: signal %d, code %d\n", signal, (int)fault_code);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    show_mappings();
    show_fixed();
    show_refusals();
    show_remap();
    show_advice();
    show_break();
    show_wild_pointers();
    show_execute();
    return 0;
}
