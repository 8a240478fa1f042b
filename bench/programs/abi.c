/* What system calls, memory and threads cost: one line "NAME NANOSECONDS" for each measurement and
 * round. The same file runs on Atoll and on Linux.
 *
 *   abi ROUNDS [FOLDER]     FOLDER: where "mounted" files are measured (default: not at all)
 *
 * It can be the first process of a Linux guest (guest.h). */
#include "bench/programs/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LARGE (2UL << 20)
#define MEBIBYTE (1UL << 20)

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void print(const char *name, double nanoseconds, double count)
{
    printf("%s %.2f\n", name, nanoseconds / count);
    fflush(stdout);
}

static void fail(const char *what)
{
    printf("# %s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(1);
}

/* Runs `statement` often enough to take some milliseconds, in parts, of which the quickest counts:
 * what else happens on the host only ever adds. */
#define MEASURE(name, statement)                                                                   \
    do {                                                                                           \
        double best = 1e30, count = 16;                                                            \
        for (int part = 0; part < 8;) {                                                            \
            double begin = now();                                                                  \
            for (long i = 0; i < (long)count; i++) {                                               \
                statement;                                                                         \
            }                                                                                      \
            double took = now() - begin;                                                           \
            if (took < 1e6) {                                                                      \
                count *= 2;                                                                        \
                continue;                                                                          \
            }                                                                                      \
            best = took / count < best ? took / count : best;                                      \
            part++;                                                                                \
        }                                                                                          \
        print(name, best, 1);                                                                      \
    } while (0)

/* --- Calls ---------------------------------------------------------------------------------------
 */

static __attribute__((noinline)) long function(long value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

/* A site of the usual shape. */
static inline long call_plain(void)
{
    long result;

    __asm__ volatile("mov $110, %%eax\n\tsyscall" : "=a"(result)::"rcx", "r11", "memory");
    return result;
}

/* One that no kernel can patch: what stands in front of the SYSCALL is no move. */
static inline long call_unpatched(void)
{
    long result = SYS_getppid;

    __asm__ volatile("nop\n\tsyscall" : "+a"(result)::"rcx", "r11", "memory");
    return result;
}

static void measure_calls(void)
{
    struct timespec time;

    MEASURE("four-calls", function(1); function(2); function(3); function(4));
    MEASURE("getppid", call_plain());
    MEASURE("getppid-unpatched", call_unpatched());
    MEASURE("getpgid", syscall(SYS_getpgid, 0));
    MEASURE("clock-vdso", clock_gettime(CLOCK_MONOTONIC, &time));
    MEASURE("clock-call", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time));
    MEASURE("sched-yield", sched_yield());
}

/* --- Threads -------------------------------------------------------------------------------------
 */

static _Atomic uint32_t turn;
#define PASSES 2000

static void pass(uint32_t mine)
{
    for (int i = 0; i < PASSES; i++) {
        while (turn != mine)
            syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, 1 - mine, NULL, NULL, 0);
        turn = 1 - mine;
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void *other_side(void *unused)
{
    pass(1);
    return unused;
}

static void *nothing(void *unused)
{
    return unused;
}

static void bind_to(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void measure_threads(void)
{
    pthread_t thread;
    cpu_set_t all;

    sched_getaffinity(0, sizeof(all), &all);
    bind_to(0); /* both on one core: what the kernels take, without their cores' wake-ups */
    double begin = now();
    if (pthread_create(&thread, NULL, other_side, NULL))
        fail("pthread_create");
    pass(0);
    pthread_join(thread, NULL);
    print("futex-pass", now() - begin, 2 * PASSES);
    MEASURE("thread", pthread_create(&thread, NULL, nothing, NULL); pthread_join(thread, NULL));
    sched_setaffinity(0, sizeof(all), &all);
}

/* --- Memory --------------------------------------------------------------------------------------
 */

static uint8_t *map(size_t length)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        fail("mmap");
    return memory;
}

static double touch(uint8_t *memory, size_t length, size_t step)
{
    double begin = now();

    for (size_t at = 0; at < length; at += step)
        ((volatile uint8_t *)memory)[at] = 1;
    return now() - begin;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

#define PIECES 16

/* First touches of PIECES times 2 MiB of fresh memory, aligned to that: the quarter of the pieces
 * that is quickest, at its slow end. */
static double touch_fresh(int advice)
{
    uint8_t *memory = map((PIECES + 1) * LARGE);
    uint8_t *aligned = (uint8_t *)(((uintptr_t)memory + LARGE - 1) & ~(LARGE - 1));
    double took[PIECES];

    madvise(aligned, PIECES * LARGE, advice);
    for (size_t i = 0; i < PIECES; i++)
        took[i] = touch(aligned + i * LARGE, LARGE, 4096);
    munmap(memory, (PIECES + 1) * LARGE);
    qsort(took, PIECES, sizeof(*took), compare);
    return took[PIECES / 4];
}

static void measure_memory(void)
{
    print("touch-4K", touch_fresh(MADV_NOHUGEPAGE), (double)(LARGE / 4096));
    print("touch-2M", touch_fresh(MADV_HUGEPAGE), 1);
    MEASURE("mmap-munmap", uint8_t *one = map(65536); munmap(one, 65536));
    MEASURE("mmap-touch-munmap", uint8_t *one = map(65536); touch(one, 65536, 4096);
            munmap(one, 65536));
}

/* --- Files ---------------------------------------------------------------------------------------
 */

static void measure_file(const char *kind, const char *folder)
{
    static const struct {
        const char *name;
        size_t size;
    } sizes[] = {{"1B", 1}, {"4K", 4096}, {"1M", MEBIBYTE}};
    static uint8_t buffer[MEBIBYTE];
    char path[256], name[64];

    snprintf(path, sizeof(path), "%s/atoll-bench-%d", folder, (int)getpid());
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0)
        fail(path);
    memset(buffer, 1, sizeof(buffer));
    for (size_t i = 0; i < 3; i++) {
        size_t size = sizes[i].size;

        snprintf(name, sizeof(name), "write-%s-%s", kind, sizes[i].name);
        MEASURE(name, if (pwrite(file, buffer, size, 0) != (ssize_t)size) fail("write"));
        snprintf(name, sizeof(name), "read-%s-%s", kind, sizes[i].name);
        MEASURE(name, if (pread(file, buffer, size, 0) != (ssize_t)size) fail("read"));
    }
    close(file);
    unlink(path);
}

/* ------------------------------------------------------------------------------------------------
 */

int main(int argc, char **argv)
{
    bool guest = guest_begin(argv[0]);
    int rounds = argc > 1 ? atoi(argv[1]) : 1;

    for (int round = 0; round < rounds; round++) {
        measure_calls();
        measure_threads();
        measure_memory();
        measure_file("tmp", "/tmp");
        if (!guest && argc > 2)
            measure_file("mounted", argv[2]);
    }
    if (guest)
        guest_end();
    return 0;
}
