/* What messages between instances cost, beside the floor measured in the same run: two bare threads
 * that pass one cache line, and one memcpy, in an instance of the same machine.
 *
 *   bench/messages ATOLL PROGRAM PLATFORM... [ROUNDS]      default: 5 rounds
 *
 * Floor and figures take turns within each round; what is printed are medians over the rounds.
 * Ends with 1 when a run fails. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define SAMPLES_MAX 2000
#define ROUNDS_MAX 100

static struct sample {
    char name[32];
    size_t bytes;
    double value;
} samples[SAMPLES_MAX];
static int sample_count;
static const char *command_path, *program;
static int rounds = 5;

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of a measurement, or 0 where there is none. */
static double median(const char *name, size_t bytes)
{
    double values[ROUNDS_MAX] = {0};
    int count = 0;

    for (int i = 0; i < sample_count && count < ROUNDS_MAX; i++)
        if (samples[i].bytes == bytes && !strcmp(samples[i].name, name))
            values[count++] = samples[i].value;
    qsort(values, (size_t)count, sizeof(*values), compare_doubles);
    return count ? values[count / 2] : 0;
}

/* Runs a machine and takes its lines "INSTANCE | NAME BYTES VALUE". */
static int run(const char *command)
{
    char text[512];
    FILE *pipe = popen(command, "re");

    if (!pipe)
        return -1;
    while (fgets(text, sizeof(text), pipe)) {
        struct sample *sample = &samples[sample_count];
        const char *line = strstr(text, "| ");

        if (line && sample_count < SAMPLES_MAX &&
            sscanf(line + 2, "%31s %zu %lf", sample->name, &sample->bytes, &sample->value) == 3)
            sample_count++;
        else
            fprintf(stderr, "%s", text);
    }
    return pclose(pipe);
}

static int run_pair(const char *platform)
{
    char command[2048];

    snprintf(command, sizeof(command),
             "'%s' run --platform %s --section 128M --timeout 300 -n a -m 128M '%s' pair %d : "
             "-n b -m 128M '%s' pair %d : -n floor -c 2 -m 128M '%s' pair %d 2>/dev/null",
             command_path, platform, program, rounds, program, rounds, program, rounds);
    return run(command);
}

static int run_all(const char *platform, int count)
{
    char command[4096];
    size_t at = (size_t)snprintf(command, sizeof(command), "'%s' run --platform %s --timeout 300",
                                 command_path, platform);

    for (int i = 0; i < count; i++)
        at += (size_t)snprintf(command + at, sizeof(command) - at, " %s -m 16M '%s' all %d",
                               i ? ":" : "", program, rounds);
    snprintf(command + at, sizeof(command) - at, " 2>/dev/null");
    return run(command);
}

static void print_size(size_t bytes)
{
    if (bytes >= 1 << 20)
        printf("  %4zu MiB", bytes >> 20);
    else if (bytes >= 1024)
        printf("  %4zu KiB", bytes >> 10);
    else
        printf("  %4zu B  ", bytes);
}

/* A message costs at least one cache line's way and, where it is longer than that, its copies. */
static void print_latencies(void)
{
    static const size_t sizes[] = {8, 64, 512, 4096, 65536, 1 << 20};
    double line = median("line", 8);

    printf(
        "\none way, ns; the floor is one cache line passed (%.0f ns) and, from 512 B, one memcpy\n",
        line);
    printf("     size      floor     polled   ratio   sleeping reader   ratio\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        double base = line + (sizes[i] >= 512 ? median("memcpy", sizes[i]) : 0);
        double polled = median("latency", sizes[i]), sleeping = median("sleeping", sizes[i]);

        print_size(sizes[i]);
        printf(" %9.0f  %9.0f  %6.1f         %9.0f  %6.1f\n", base, polled, polled / base, sleeping,
               sleeping / base);
    }
    printf("  8 B with ATOLL_ONE_THREAD at both ends: %.0f ns, ratio %.1f\n", median("alone", 8),
           median("alone", 8) / line);
    printf("  a bare queue, whose line is another each time (64 of them): %.0f ns; 8 B polled to "
           "that: ratio %.1f\n",
           median("slots", 8), median("latency", 8) / median("slots", 8));
}

static void print_streams(void)
{
    static const size_t sizes[] = {4096, 65536, 1 << 20, 16 << 20};
    double line = median("line", 8), rate = median("rate", 8);

    printf("\nstream of 8 B messages: %.2f million/s (one each %.0f ns; one line passed: %.2f "
           "million/s, ratio %.1f)\n",
           1e3 / rate, rate, 1e3 / line, line / rate);
    printf("\nbandwidth, MB/s; the floor is one memcpy. In place nothing is copied at all\n");
    printf("     size      floor     copied   ratio    in place   ratio\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        double base = (double)sizes[i] / median("memcpy", sizes[i]) * 1e3;
        double copied = (double)sizes[i] / median("copied", sizes[i]) * 1e3;
        double place = (double)sizes[i] / median("in-place", sizes[i]) * 1e3;

        print_size(sizes[i]);
        printf(" %9.0f  %9.0f  %6.2f  %10.0f  %6.1f\n", base, copied, copied / base, place,
               place / base);
    }
}

static void print_all(void)
{
    double line = median("line", 8);

    printf("\nall to all, 8 B messages of all instances together\n");
    for (size_t count = 2; count <= 8; count *= 2) {
        double ns = median("all-to-all", count);

        printf("  %zu instances  %7.2f million/s  (%.0f ns each; one line passed: %.0f ns, ratio "
               "%.1f)\n",
               count, 1e3 / ns, ns, line, ns / line);
    }
}

int main(int argc, char **argv)
{
    struct utsname host;
    int failed = 0;

    if (argc < 4) {
        fprintf(stderr, "usage: messages ATOLL PROGRAM PLATFORM... [ROUNDS]\n");
        return 2;
    }
    command_path = argv[1];
    program = argv[2];
    if (isdigit((unsigned char)argv[argc - 1][0]))
        rounds = atoi(argv[--argc]);
    uname(&host);
    for (int i = 3; i < argc; i++) {
        sample_count = 0;
        failed |= run_pair(argv[i]);
        for (int count = 2; count <= 8; count *= 2)
            failed |= run_all(argv[i], count);
        printf("messages on platform %s, host %s %s; medians of %d rounds\n", argv[i], host.sysname,
               host.release, rounds);
        print_latencies();
        print_streams();
        print_all();
    }
    return failed != 0;
}
