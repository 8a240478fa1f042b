/* Atoll's MPI beside OpenMPI's and MPICH's: the same sources (bench/mpi), compiled by each
 * library's wrapper, run in turn on the same two cores of the host.
 *
 *   bench/mpi ATOLL FOLDER ROUNDS MEASURE...       FOLDER: measure-atoll, -openmpi and -mpich
 *
 * What the host calls two cores may be two threads of one core, or far from each other, and change
 * while this runs. So the time that a cache line takes from one to the other is sampled before and
 * after each run; runs during which it changed are left out, and only runs of one class of it are
 * compared. What is printed are medians over the rounds, of the median of each run's batches
 * (BENCH_FIGURE=fastest: of its fastest tenth, for a host that is busy with other things).
 * Ends with 1 when a run fails. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#define LIBRARIES 4
#define CLASSES 3

static const char *const libraries[LIBRARIES] = {"Atoll", "OpenMPI", "no CMA", "MPICH"};
/* %d: ranks; %s: the folder of the programs. */
static const char *const commands[LIBRARIES] = {
    "'%s' mpirun --platform hosted --timeout 300 -m 512M -n %d %s '%s/measure-atoll' %s",
    "mpirun.openmpi --allow-run-as-root --bind-to %s -n %d %s '%s/measure-openmpi' %s",
    "mpirun.openmpi --allow-run-as-root --mca btl_vader_single_copy_mechanism none --bind-to %s "
    "-n %d %s '%s/measure-openmpi' %s",
    "mpirun.mpich %s -n %d %s '%s/measure-mpich' %s",
};
static const char *command_path, *folder, *figure;
static int cores[2];

/* --- Samples ------------------------------------------------------------------------------------
 */

struct sample {
    char row[32];
    size_t bytes;
    int ranks, library, floor_class;
    double value, floor; /* ns */
};
static struct sample *samples;
static size_t sample_count, sample_room;

static void sample_add(const struct sample *sample)
{
    if (sample_count == sample_room) {
        sample_room = sample_room ? 2 * sample_room : 1024;
        samples = realloc(samples, sample_room * sizeof(*samples));
        if (!samples) {
            fprintf(stderr, "bench/mpi: no memory\n");
            exit(1);
        }
    }
    samples[sample_count++] = *sample;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the row that `like` names, library and class: how many samples, and the median of values or
 * floors. */
static size_t median(const struct sample *like, int library, int floor_class, double *value,
                     double *floor)
{
    double *values = calloc(2 * sample_count + 1, sizeof(*values)), *floors = values + sample_count;
    size_t count = 0;

    for (size_t i = 0; values && i < sample_count; i++) {
        const struct sample *s = &samples[i];
        if (s->library == library && s->floor_class == floor_class && s->bytes == like->bytes &&
            s->ranks == like->ranks && !strcmp(s->row, like->row)) {
            values[count] = s->value;
            floors[count++] = s->floor;
        }
    }
    if (count) {
        qsort(values, count, sizeof(*values), compare_doubles);
        qsort(floors, count, sizeof(*floors), compare_doubles);
        *value = values[count / 2];
        *floor = floors[count / 2];
    }
    free(values);
    return count;
}

/* --- The floor: one cache line from core to core
 * --------------------------------------------------
 */

#define PASSES 1000
#define FLOOR_BATCHES 41

static _Alignas(64) _Atomic unsigned line;

static void pin(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* Waits for a value that the other thread stores; yields now and then, where both share a core. */
static void await(unsigned value)
{
    for (unsigned looks = 1; atomic_load_explicit(&line, memory_order_acquire) != value; looks++)
        if (looks % 100000 == 0)
            sched_yield();
}

static void *answer(void *argument)
{
    pin(cores[1]);
    for (unsigned i = 0; i < PASSES * FLOOR_BATCHES; i++) {
        await(2 * i + 1);
        atomic_store_explicit(&line, 2 * i + 2, memory_order_release);
    }
    return argument;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Starts a thread of its own, so that this one's cores stay what they are. */
static void *ask(void *argument)
{
    double times[FLOOR_BATCHES];
    pthread_t other;
    unsigned turn = 0;

    pin(cores[0]);
    atomic_store(&line, 0);
    if (pthread_create(&other, NULL, answer, NULL) != 0)
        return NULL;
    for (int batch = 0; batch < FLOOR_BATCHES; batch++) {
        double start = now();
        for (int i = 0; i < PASSES; i++, turn++) {
            atomic_store_explicit(&line, 2 * turn + 1, memory_order_release);
            await(2 * turn + 2);
        }
        times[batch] = (now() - start) / (2 * PASSES);
    }
    pthread_join(other, NULL);
    qsort(times, FLOOR_BATCHES, sizeof(*times), compare_doubles);
    *(double *)argument = times[FLOOR_BATCHES / 2];
    return argument;
}

static double measure_floor(void)
{
    pthread_t thread;
    double floor = 0;

    if (pthread_create(&thread, NULL, ask, &floor) != 0 || pthread_join(thread, NULL) != 0 ||
        floor <= 0) {
        fprintf(stderr, "bench/mpi: no threads for the floor\n");
        exit(1);
    }
    return floor;
}

/* Two threads of one core; two cores of one cache; further away, or disturbed. */
static int floor_class(double floor)
{
    return floor < 45 ? 0 : floor < 130 ? 1 : 2;
}
static const char *const class_names[CLASSES] = {"one core", "one cache", "far"};

/* --- Runs ---------------------------------------------------------------------------------------
 */

static void make_command(char *command, size_t room, int library, const char *measure, int ranks)
{
    const char *crowded =
        ranks > 2 ? "--oversubscribe --mca mpi_yield_when_idle 1" : "--use-hwthread-cpus";
    const char *bind = ranks > 2 ? "none" : "hwthread";
    int threads = !strcmp(measure, "threads");

    switch (library) {
    case 0:
        snprintf(command, room, commands[0], command_path, ranks, threads ? "-c 2" : "", folder,
                 measure);
        break;
    case 3:
        snprintf(command, room, commands[3], ranks > 2 || threads ? "" : "-bind-to hwthread", ranks,
                 "", folder, measure);
        break;
    default:
        snprintf(command, room, commands[library], threads ? "none" : bind, ranks, crowded, folder,
                 measure);
    }
}

static int run(int library, const char *measure, int ranks)
{
    char command[2048], text[512];
    size_t first = sample_count;
    double before = measure_floor();

    make_command(command, sizeof(command), library, measure, ranks);
    FILE *pipe = popen(command, "re");
    if (!pipe)
        return -1;
    while (fgets(text, sizeof(text), pipe)) {
        struct sample sample = {.ranks = ranks, .library = library};
        double fastest;
        if (sscanf(text, "%31s %zu %lf %lf", sample.row, &sample.bytes, &sample.value, &fastest) ==
            4) {
            if (!strcmp(figure, "fastest"))
                sample.value = fastest;
            sample_add(&sample);
        } else {
            fprintf(stderr, "%s", text);
        }
    }
    int status = pclose(pipe);
    if (status != 0)
        fprintf(stderr, "bench/mpi: status %d of: %s\n", status, command);
    double after = measure_floor();
    int class = floor_class((before + after) / 2);
    if (floor_class(before) != class || floor_class(after) != class)
        sample_count = first; /* the cores moved */
    for (size_t i = first; i < sample_count; i++) {
        samples[i].floor = (before + after) / 2;
        samples[i].floor_class = class;
    }
    return status;
}

/* --- The table
 * ------------------------------------------------------------------------------------
 */

static void print_value(const struct sample *row, double value)
{
    if (value <= 0)
        printf(" %10s", "-");
    else if (strstr(row->row, "bandwidth") || strstr(row->row, "bidirectional"))
        printf(" %10.0f", (double)row->bytes / value * 1e3);
    else if (strstr(row->row, "overlap"))
        printf(" %10.0f", value);
    else
        printf(" %10.1f", value);
}

static const char *unit(const struct sample *row)
{
    if (strstr(row->row, "bandwidth") || strstr(row->row, "bidirectional"))
        return "MB/s";
    return strstr(row->row, "overlap") ? "%" : "ns";
}

static void print_row(const struct sample *row)
{
    double values[LIBRARIES], floors[LIBRARIES], best = 0;
    int class = 0;
    size_t most = 0;

    for (int c = 0; c < CLASSES; c++) {
        size_t least = SIZE_MAX;
        for (int i = 0; i < LIBRARIES; i++) {
            size_t count = median(row, i, c, &values[i], &floors[i]);
            if (count < least)
                least = count;
        }
        if (least > most) {
            most = least;
            class = c;
        }
    }
    printf("%-22s %d %9zu %-4s", row->row, row->ranks, row->bytes, unit(row));
    if (most == 0) {
        printf("  no runs to compare: the cores moved; more rounds are needed\n");
        return;
    }
    for (int i = 0; i < LIBRARIES; i++) {
        median(row, i, class, &values[i], &floors[i]);
        print_value(row, values[i]);
        if (i && (best == 0 || values[i] < best))
            best = values[i];
    }
    if (strstr(row->row, "overlap"))
        printf(" %7s %7s", "", "");
    else
        printf(" %7.2f %7.2f", best / values[0],
               (values[1] < values[2] ? values[1] : values[2]) / values[0]);
    printf("  %5.0f %5.0f  %-9s %zu\n", floors[0], floors[1], class_names[class], most);
}

static void print_table(void)
{
    struct utsname host;

    uname(&host);
    printf("\nMPI on %s %s, cores %d and %d, Atoll's platform hosted. Figures are medians; one "
           "message of a latency\nis one way, of a rate or a bandwidth one of a window of 64; "
           "OpenMPI with CMA and without.\nTimes: how many times as long the fastest peer takes, "
           "and the better OpenMPI. Floor: one cache line\nfrom core to core beside Atoll's runs "
           "and OpenMPI's; runs: of each library, with that floor.\n\n",
           host.sysname, host.release, cores[0], cores[1]);
    printf("%-22s %s %9s %-4s", "measure, ranks", " ", "bytes", "");
    for (int i = 0; i < LIBRARIES; i++)
        printf(" %10s", libraries[i]);
    printf(" %7s %7s  %5s\n", "x best", "x Open", "floor");
    for (size_t i = 0; i < sample_count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = samples[k].bytes == samples[i].bytes && samples[k].ranks == samples[i].ranks &&
                   !strcmp(samples[k].row, samples[i].row);
        if (!seen)
            print_row(&samples[i]);
    }
}

/* Everything runs on the first two of the cores that this process may use. */
static int choose_cores(void)
{
    cpu_set_t allowed, chosen;
    int count = 0;

    CPU_ZERO(&chosen);
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return -errno;
    for (int i = 0; i < CPU_SETSIZE && count < 2; i++) {
        if (CPU_ISSET(i, &allowed)) {
            CPU_SET(i, &chosen);
            cores[count++] = i;
        }
    }
    if (count < 2)
        return -ENODEV;
    return sched_setaffinity(0, sizeof(chosen), &chosen) ? -errno : 0;
}

int main(int count, char **words)
{
    int failures = 0;

    if (count < 5) {
        fprintf(stderr, "usage: mpi ATOLL FOLDER ROUNDS MEASURE[:RANKS]...\n");
        return 2;
    }
    command_path = words[1];
    folder = words[2];
    figure = getenv("BENCH_FIGURE") ? getenv("BENCH_FIGURE") : "median";
    int error = choose_cores();
    if (error) {
        fprintf(stderr, "bench/mpi: two cores are needed: %s\n", strerror(-error));
        return 1;
    }
    for (int round = 0; round < atoi(words[3]); round++) {
        for (int i = 4; i < count; i++) {
            char measure[64];
            int ranks = 2;
            sscanf(words[i], "%63[^:]:%d", measure, &ranks);
            for (int k = 0; k < LIBRARIES; k++)
                failures += run((k + round) % LIBRARIES, measure, ranks) != 0;
        }
    }
    print_table();
    free(samples);
    return failures ? 1 : 0;
}
