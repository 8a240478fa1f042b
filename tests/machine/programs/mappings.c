/* Random calls on one window of the address space: mmap, munmap, mprotect, mremap, madvise,
 * mincore, msync and accesses, from a seed. Prints a running digest of all results and of all bytes
 * read, so that the same file must print the same lines on Linux. mappings [STEPS [SEED]] Left out
 * on purpose is what depends on how Linux happens to merge areas (mremap of more than one page,
 * which also changed with Linux 6.17), what it does lazily (MADV_FREE), and shared mappings, which
 * it backs by a file of fixed length. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE ((uint64_t)4096)
#define WINDOW UINT64_C(0x200000000)
#define WINDOW_PAGES 96
#define LONGEST 12 /* pages of one call */
#define SHOW_EVERY 500

static uint64_t state = UINT64_C(88172645463325252);
static sigjmp_buf back;
static volatile int fault_code;

/* xorshift64* (Vigna 2016) */
static uint64_t below(uint64_t limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * UINT64_C(2685821657736338717) >> 20) % limit;
}

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    fault_code = info->si_code;
    siglongjmp(back, 1);
}

static int64_t of_pointer(void *result)
{
    return result == MAP_FAILED ? -errno : (int64_t)(uintptr_t)result;
}

static int64_t of_status(int result)
{
    return result ? -errno : 0;
}

static int random_protection(void)
{
    static const int protections[] = {
        PROT_NONE,
        PROT_READ,
        PROT_READ | PROT_WRITE,
        PROT_READ | PROT_WRITE,
        PROT_READ | PROT_WRITE,
        PROT_READ | PROT_EXEC,
        PROT_READ | PROT_WRITE | PROT_EXEC,
        PROT_WRITE,
        PROT_EXEC,
    };
    return protections[below(9)];
}

static int64_t try_map(void *at, uint64_t length)
{
    int flags = MAP_ANONYMOUS | (below(50) ? MAP_PRIVATE : 0);
    flags |= below(3) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    if (below(10) == 0)
        flags |= MAP_POPULATE;
    int protection = random_protection();
    return of_pointer(mmap(at, length, protection, flags, -1, 0));
}

static int64_t try_remap(void *at)
{
    uint64_t target = WINDOW + below(WINDOW_PAGES) * PAGE + (below(30) ? 0 : 7);
    uint64_t length = below(30) ? (1 + below(LONGEST)) * PAGE : 0;
    int flags = below(2) ? MREMAP_MAYMOVE | MREMAP_FIXED : 0;
    if (below(30) == 0)
        flags ^= MREMAP_MAYMOVE | 8;
    return of_pointer(mremap(at, PAGE, length, flags, (void *)target));
}

static int64_t try_advise(void *at, uint64_t length)
{
    static const int advices[] = {
        MADV_DONTNEED, MADV_DONTNEED, MADV_NORMAL, MADV_WILLNEED, MADV_RANDOM, 22, 23, 999};
    return of_status(madvise(at, length, advices[below(8)])); /* 22, 23: MADV_POPULATE_* */
}

static int64_t try_mincore(void *at, uint64_t length)
{
    static unsigned char present[LONGEST + 1];
    if (length > LONGEST * PAGE)
        length = PAGE;
    /* Which pages are there is the kernel's choice; whether the question is right is not. */
    return of_status(mincore(at, length, present));
}

static int64_t try_access(volatile uint8_t *at, int write, unsigned step)
{
    if (sigsetjmp(back, 1))
        return -1000 * fault_code;
    if (!write)
        return 2000 + *at;
    *at = (uint8_t)(step | 1);
    return 1000;
}

int main(int argc, char **argv)
{
    unsigned steps = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
    if (argc > 2)
        state = strtoull(argv[2], NULL, 0) | 1;
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);

    uint64_t digest = UINT64_C(14695981039346656037); /* FNV-1a */
    for (unsigned step = 0; step < steps; step++) {
        uint64_t address = WINDOW + below(WINDOW_PAGES) * PAGE;
        uint64_t length = (1 + below(LONGEST)) * PAGE;
        if (below(40) == 0)
            address += below(PAGE);
        if (below(8) == 0)
            length -= below(PAGE);
        if (below(60) == 0)
            length = 0;
        if (below(100) == 0)
            length = -(1 + below(100000));
        void *at = (void *)address;
        uint64_t call = below(20);
        int64_t result;
        if (call < 4)
            result = try_map(at, length);
        else if (call < 6)
            result = of_status(munmap(at, length));
        else if (call < 9)
            result = of_status(mprotect(at, length, below(50) ? random_protection() : 0x100));
        else if (call < 11)
            result = try_remap(at);
        else if (call < 13)
            result = try_advise(at, length);
        else if (call < 14)
            result = try_mincore(at, length);
        else if (call < 15)
            result = of_status(msync(at, length, (int)below(8)));
        else
            result = try_access(at, call & 1, step);
        digest = (digest ^ (uint64_t)result) * UINT64_C(1099511628211);
        if (step % SHOW_EVERY == SHOW_EVERY - 1)
            printf("%u %016lx\n", step, (unsigned long)digest);
    }
    return 0;
}
