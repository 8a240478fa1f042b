/* How long a machine takes to boot: from the machine's start (QEMU's, or the first process's), and
 * from each kernel's first instruction, to its program's first instruction and to its first line,
 * for 1, 2, 4, 8 and 16 instances; and how much of each instance's memory is the kernel's own.
 *
 *   bench/boot ATOLL HELLO [PLATFORM] [ROUNDS] [MEMORY]
 *                                     default: pc, 9 rounds, 4M for each instance
 *
 * The sizes take turns within a round, so that a slow minute of the host falls on all of them;
 * figures are medians over the rounds. "First line" is taken here, at the reading end of the pipe;
 * everything else comes from the command's own record (atoll run --json). Ends with 1 when a run
 * fails. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZES 5
#define INSTANCES_MAX 16
#define ROUNDS_MAX 1000
#define LIMIT_MS 60000 /* for one run */

static const int sizes[SIZES] = {1, 2, 4, 8, 16};

/* What one run gave, milliseconds; and one column of the table each. */
enum figure {
    LOADER,       /* the machine's start to the loader's first instruction */
    LAUNCHED,     /* the loader's first instruction to all groups launched */
    KERNEL,       /* a kernel's first instruction to its program's: median of the instances */
    KERNEL_WORST, /* ... the slowest instance's */
    FIRST,        /* the machine's start to the first program's first instruction */
    LAST,         /* ... to the last program's */
    LINE,         /* ... to the first line read */
    LINES,        /* ... to every instance's first line read */
    TOTAL,        /* the command's start to the first line read */
    MEMORY,       /* the kernel's own, KiB: median of the instances */
    FIGURES
};

static double samples[SIZES][FIGURES][ROUNDS_MAX];
static char platform[128];

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* --- One run -------------------------------------------------------------------------------------
 */

struct run {
    double started, first_line, last_line; /* ms of now_ms */
    char *text;                            /* all output, NUL-terminated */
    size_t length, scanned;
    int greetings;
};

/* Counts the greetings in the complete lines that have come since. */
static void scan_lines(struct run *run)
{
    char *newline;

    while ((newline = memchr(run->text + run->scanned, '\n', run->length - run->scanned))) {
        *newline = '\0';
        if (strstr(run->text + run->scanned, "Hello, ")) {
            run->last_line = now_ms();
            if (run->greetings++ == 0)
                run->first_line = run->last_line;
        }
        *newline = '\n';
        run->scanned = (size_t)(newline - run->text) + 1;
    }
}

static bool read_output(struct run *run, int file)
{
    for (;;) {
        struct pollfd ready = {.fd = file, .events = POLLIN};
        char *larger = realloc(run->text, run->length + 65537);

        if (!larger)
            return false;
        run->text = larger;
        run->text[run->length] = '\0';
        if (now_ms() - run->started > LIMIT_MS || poll(&ready, 1, LIMIT_MS) == 0) {
            fprintf(stderr, "bench/boot: no end after %d s\n", LIMIT_MS / 1000);
            return false;
        }
        ssize_t got = read(file, run->text + run->length, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        run->length += (size_t)got;
        run->text[run->length] = '\0';
        scan_lines(run);
    }
}

static bool run_machine(struct run *run, const char *atoll, const char *hello, const char *wanted,
                        const char *memory, int instances)
{
    char names[INSTANCES_MAX][16];
    const char *words[6 + 6 * INSTANCES_MAX];
    int count = 0, ends[2], status = -1;

    words[count++] = atoll;
    words[count++] = "run";
    words[count++] = "--json";
    words[count++] = "--platform";
    words[count++] = wanted;
    for (int i = 0; i < instances; i++) {
        snprintf(names[i], sizeof(names[i]), "i%d", i + 1);
        if (i)
            words[count++] = ":";
        words[count++] = "-n";
        words[count++] = names[i];
        words[count++] = "-m";
        words[count++] = memory;
        words[count++] = hello;
    }
    words[count] = NULL;
    if (pipe2(ends, O_CLOEXEC)) {
        perror("bench/boot: pipe");
        return false;
    }
    run->started = now_ms();
    pid_t child = fork();
    if (child == 0) {
        /* With --json the programs' output goes to standard error. */
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        execv(atoll, (char *const *)words);
        fprintf(stderr, "bench/boot: %s: %s\n", atoll, strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    bool good = child > 0 && read_output(run, ends[0]);
    close(ends[0]);
    if (child > 0) {
        if (!good)
            kill(child, SIGTERM);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
    }
    if (status != 0 || run->greetings != instances) {
        fprintf(stderr, "bench/boot: %d instances: status %d, %d greetings\n", instances,
                WIFEXITED(status) ? WEXITSTATUS(status) : -1, run->greetings);
        return false;
    }
    return good;
}

/* --- What the command says of it
 * -------------------------------------------------------------------
 */

/* A number by its path of keys; ends the benchmark when it is missing. */
static double number(const cJSON *object, const char *key, const char *inner)
{
    const cJSON *item = cJSON_GetObjectItem(object, key);

    if (inner)
        item = cJSON_GetObjectItem(item, inner);
    if (!cJSON_IsNumber(item)) {
        fprintf(stderr, "bench/boot: the summary lacks %s%s%s\n", key, inner ? "." : "",
                inner ? inner : "");
        exit(1);
    }
    return cJSON_GetNumberValue(item);
}

static bool take_figures(const struct run *run, int size, int round)
{
    const char *start = run->text[0] == '{' ? run->text : strstr(run->text, "\n{");
    cJSON *json = start ? cJSON_Parse(start) : NULL;
    const cJSON *machine = cJSON_GetObjectItem(json, "machine"), *instance;
    double kernel[INSTANCES_MAX], memory[INSTANCES_MAX], worst = 0, first = 1e9, last = 0;
    int count = 0;

    if (!json) {
        fprintf(stderr, "bench/boot: no summary in the output\n");
        return false;
    }
    double qemu = number(machine, "times_ms", "machine_start");
    double loader = number(machine, "times_ms", "loader_entry");
    cJSON_ArrayForEach(instance, cJSON_GetObjectItem(json, "instances"))
    {
        double begin = number(instance, "start_from_machine_ms", NULL);

        if (count == INSTANCES_MAX)
            break;
        kernel[count] = number(instance, "start_from_kernel_ms", NULL);
        memory[count] = number(instance, "memory_kernel", NULL) / 1024;
        worst = kernel[count] > worst ? kernel[count] : worst;
        first = begin < first ? begin : first;
        last = begin > last ? begin : last;
        count++;
    }
    snprintf(platform, sizeof(platform), "%s, %s",
             cJSON_GetStringValue(cJSON_GetObjectItem(machine, "platform")),
             cJSON_GetStringValue(cJSON_GetObjectItem(machine, "accelerator")));
    double figures[FIGURES] = {
        [LOADER] = loader - qemu,
        [LAUNCHED] = number(machine, "times_ms", "launched") - loader,
        [KERNEL] = median(kernel, count),
        [KERNEL_WORST] = worst,
        [FIRST] = first,
        [LAST] = last,
        [LINE] = run->first_line - run->started - qemu,
        [LINES] = run->last_line - run->started - qemu,
        [TOTAL] = run->first_line - run->started,
        [MEMORY] = median(memory, count),
    };
    for (int i = 0; i < FIGURES; i++)
        samples[size][i][round] = figures[i];
    cJSON_Delete(json);
    return true;
}

/* --- The table -----------------------------------------------------------------------------------
 */

static void print_processor(void)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");

    while (file && fgets(line, sizeof(line), file)) {
        char *value = strchr(line, ':');

        if (strncmp(line, "model name", 10) || !value)
            continue;
        printf("%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (file)
        fclose(file);
}

static void print_table(int rounds, const char *memory)
{
    static const struct {
        enum figure figure;
        const char *heading, *unit;
    } columns[] = {
        {LOADER, "start to", "loader"},    {LAUNCHED, "loader to", "launched"},
        {KERNEL, "kernel to", "program"},  {KERNEL_WORST, "the", "slowest"},
        {FIRST, "start to", "1st prog."},  {LAST, "to last", "program"},
        {LINE, "start to", "1st line"},    {LINES, "to all", "lines"},
        {TOTAL, "command to", "1st line"}, {MEMORY, "kernel", "KiB each"},
    };
    struct utsname system;

    uname(&system);
    printf("Boot: %s; host: ", platform);
    print_processor();
    printf(", %ld cores, Linux %s\n", sysconf(_SC_NPROCESSORS_ONLN), system.release);
    printf("Medians of %d interleaved rounds, ms; %s and one core for each instance\n\n", rounds,
           memory);
    for (int line = 0; line < 2; line++) {
        printf("%-9s", line ? "" : "instances");
        for (size_t i = 0; i < FIGURES; i++)
            printf(" %10s", line ? columns[i].unit : columns[i].heading);
        putchar('\n');
    }
    for (int size = 0; size < SIZES; size++) {
        printf("%9d", sizes[size]);
        for (size_t i = 0; i < FIGURES; i++)
            printf(" %10.1f", median(samples[size][columns[i].figure], rounds));
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 3 ? argv[3] : "pc";
    int rounds = argc > 4 ? atoi(argv[4]) : 9;
    const char *memory = argc > 5 ? argv[5] : "4M";

    if (argc < 3 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench/boot ATOLL HELLO [PLATFORM] [ROUNDS] [MEMORY]\n");
        return 2;
    }
    for (int round = 0; round < rounds; round++) {
        for (int size = 0; size < SIZES; size++) {
            struct run run = {0};
            bool good = run_machine(&run, argv[1], argv[2], wanted, memory, sizes[size]) &&
                        take_figures(&run, size, round);

            free(run.text);
            if (!good)
                return 1;
        }
    }
    print_table(rounds, memory);
    return 0;
}
