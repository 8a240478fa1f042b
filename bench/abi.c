/* What system calls, memory, threads, files and computing cost on Atoll, beside Linux: `hosted`
 * beside native Linux, `pc` beside a Linux guest in the same QEMU (where a kernel for it was
 * given).
 *
 *   bench/abi ATOLL PROGRAM OPENMP FOLDER ROUNDS PLATFORM... [-- KERNEL GUEST]
 *
 * PROGRAM and OPENMP are bench/programs/abi and openmp; FOLDER is where files are measured and
 * scratch files lie; KERNEL a bzImage and GUEST the program bench/linux_guest. The two sides take
 * turns, one round each; figures are medians over the rounds. Ends with 1 when a run fails. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 100
#define NAMES_MAX 64
#define OPENMP_CORES 4
enum side { ATOLL, LINUX, SIDES };

static struct figure {
    char name[48];
    double values[SIDES][ROUNDS_MAX];
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
    if (figures[i].counts[side] < ROUNDS_MAX)
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

    for (int i = 6; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        kernel = i + 1 < argc ? argv[i + 1] : NULL;
        guest = i + 2 < argc ? argv[i + 2] : NULL;
        argc = i;
    }
    if (argc < 7 || atoi(argv[5]) < 1) {
        fprintf(stderr, "usage: bench/abi ATOLL PROGRAM OPENMP FOLDER ROUNDS PLATFORM... "
                        "[-- KERNEL GUEST]\n");
        return 2;
    }
    const char *atoll = argv[1], *program = argv[2], *openmp = argv[3], *folder = argv[4];
    int rounds = atoi(argv[5]), cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int p = 6; p < argc; p++) {
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
        }
        print_table(argv[p], pc ? "Linux guest" : "Linux", rounds);
    }
    return !good;
}
