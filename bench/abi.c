/* What system calls, memory, threads, files and computing cost on Atoll, beside Linux: `hosted`
 * beside native Linux, `pc` beside a Linux guest in the same QEMU (where a kernel for it was
 * given).
 *
 *   bench/abi ATOLL PROGRAM OPENMP COMPUTE FOLDER ROUNDS PLATFORM... [-- KERNEL GUEST]
 *
 * PROGRAM, OPENMP and COMPUTE are bench/programs/abi, openmp and compute; FOLDER is where files are
 * measured and scratch files lie; KERNEL a bzImage and GUEST the program bench/linux_guest. The two
 * sides take turns, one round each, and for computing COMPUTE_TURNS times as often, on one CPU;
 * figures are medians. Ends with 1 when a run fails. */
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 100
#define COMPUTE_TURNS 5    /* in a round */
#define COMPUTE_TIME "300" /* ms for each figure */
#define VALUES_MAX (ROUNDS_MAX * COMPUTE_TURNS)
#define NAMES_MAX 64
#define OPENMP_CORES 4
enum side { ATOLL, LINUX, SIDES };

static struct figure {
    char name[48];
    double values[SIDES][VALUES_MAX];
    int counts[SIDES];
} figures[NAMES_MAX];
static int figure_count;

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(struct figure *figure, enum side side)
{
    int count = figure->counts[side];

    if (!count)
        return 0;
    qsort(figure->values[side], (size_t)count, sizeof(double), compare_doubles);
    return figure->values[side][count / 2];
}

static void keep(enum side side, const char *name, double value)
{
    int i = 0;

    while (i < figure_count && strcmp(figures[i].name, name) != 0)
        i++;
    if (i == NAMES_MAX)
        return;
    if (i == figure_count)
        snprintf(figures[figure_count++].name, sizeof(figures[i].name), "%s", name);
    if (figures[i].counts[side] < VALUES_MAX)
        figures[i].values[side][figures[i].counts[side]++] = value;
}

/* Runs a command and takes its lines "NAME VALUE". */
__attribute__((format(printf, 2, 3))) static bool run(enum side side, const char *format, ...)
{
    char command[4096], text[512], name[48];
    double value;
    va_list values;

    va_start(values, format);
    vsnprintf(command, sizeof(command), format, values);
    va_end(values);
    FILE *pipe = popen(command, "re");
    if (!pipe)
        return false;
    while (fgets(text, sizeof(text), pipe)) {
        if (sscanf(text, "%47s %lf", name, &value) == 2 && name[0] != '#' && name[0] != '[')
            keep(side, name, value);
        else if (strcmp(text, "# done\n") != 0)
            fprintf(stderr, "%s", text);
    }
    if (pclose(pipe) == 0)
        return true;
    fprintf(stderr, "bench/abi: failed: %s\n", command);
    return false;
}

/* The last CPU that there is, for this process and what it starts; or all of them again. */
static void bind_cpu(const cpu_set_t *all, bool one)
{
    cpu_set_t set = *all;

    if (one) {
        int last = CPU_SETSIZE - 1;

        while (last > 0 && !CPU_ISSET(last, all))
            last--;
        CPU_ZERO(&set);
        CPU_SET(last, &set);
    }
    sched_setaffinity(0, sizeof(set), &set);
}

/* Computing: short turns on the same CPU, so that what the host does meanwhile falls on both. */
static bool run_computing(const char *atoll, const char *platform, const char *compute,
                          const char *folder, const char *kernel, const char *guest)
{
    bool pc = !strcmp(platform, "pc"), good = true;
    cpu_set_t all;

    sched_getaffinity(0, sizeof(all), &all);
    bind_cpu(&all, true);
    for (int i = 0; i < COMPUTE_TURNS; i++) {
        good &= run(ATOLL, "'%s' run --quiet --platform %s --timeout 300 -m 64M '%s' " COMPUTE_TIME,
                    atoll, platform, compute);
        if (!pc)
            good &= run(LINUX, "'%s' " COMPUTE_TIME, compute);
        else if (guest)
            good &=
                run(LINUX, "'%s' '%s' '%s' 1 '%s' " COMPUTE_TIME, guest, kernel, compute, folder);
    }
    bind_cpu(&all, false);
    return good;
}

static double value_of(const char *name, enum side side)
{
    for (int i = 0; i < figure_count; i++)
        if (!strcmp(figures[i].name, name))
            return median(&figures[i], side);
    return 0;
}

static void print_table(const char *platform, const char *beside, int rounds)
{
    struct utsname host;
    double floor = value_of("four-calls", ATOLL), getppid = value_of("getppid", ATOLL);

    uname(&host);
    printf("\nplatform %s, host %s %s; medians of %d rounds, ns\n", platform, host.sysname,
           host.release, rounds);
    printf("%-22s %14s %14s %8s\n", "", "Atoll", beside, "ratio");
    for (int i = 0; i < figure_count; i++) {
        double atoll = median(&figures[i], ATOLL), linux_value = median(&figures[i], LINUX);

        printf("%-22s %14.1f", figures[i].name, atoll);
        if (linux_value != 0)
            printf(" %14.1f %8.3f", linux_value, atoll / linux_value);
        putchar('\n');
    }
    if (floor > 0)
        printf("a patched getppid costs %.2f times four function calls\n", getppid / floor);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *kernel = NULL, *guest = NULL;
    bool good = true;

    for (int i = 7; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        kernel = i + 1 < argc ? argv[i + 1] : NULL;
        guest = i + 2 < argc ? argv[i + 2] : NULL;
        argc = i;
    }
    if (argc < 8 || atoi(argv[6]) < 1 || atoi(argv[6]) > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench/abi ATOLL PROGRAM OPENMP COMPUTE FOLDER ROUNDS PLATFORM... "
                        "[-- KERNEL GUEST]\n");
        return 2;
    }
    const char *atoll = argv[1], *program = argv[2], *openmp = argv[3], *compute = argv[4],
               *folder = argv[5];
    int rounds = atoi(argv[6]), cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int p = 7; p < argc; p++) {
        bool pc = !strcmp(argv[p], "pc");

        figure_count = 0;
        memset(figures, 0, sizeof(figures));
        for (int round = 0; round < rounds; round++) {
            /* On hosted no more than the host has: a spinning runtime believes in its cores. */
            int threads = pc || cpus > OPENMP_CORES ? OPENMP_CORES : cpus;
            good &= run(ATOLL,
                        "'%s' run --quiet --platform %s --timeout 300 -m 256M -c 2 --mount "
                        "'%s:/mounted:rw' '%s' 1 /mounted",
                        atoll, argv[p], folder, program);
            good &= run(ATOLL, "'%s' run --quiet --platform %s --timeout 300 -m 256M -c %d '%s' 1",
                        atoll, argv[p], threads, openmp);
            if (!pc) {
                good &= run(LINUX, "'%s' 1 '%s'", program, folder);
                good &= run(LINUX, "OMP_NUM_THREADS=%d '%s' 1", threads, openmp);
            } else if (guest) {
                good &= run(LINUX, "'%s' '%s' '%s' 2 '%s' 1", guest, kernel, program, folder);
                good &=
                    run(LINUX, "'%s' '%s' '%s' %d '%s' 1", guest, kernel, openmp, threads, folder);
            }
            good &= run_computing(atoll, argv[p], compute, folder, kernel, guest);
        }
        print_table(argv[p], pc ? "Linux guest" : "Linux", rounds);
    }
    return !good;
}
