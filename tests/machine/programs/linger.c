/* Stays for a while: asleep, busy, or for ever; says so first.
 *   linger sleep|busy|forever|print SECONDS [THREADS] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double limit;
static int busy;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *stay(void *argument)
{
    double end = seconds_now() + limit;
    struct timespec rest = {(time_t)limit, (long)((limit - (double)(time_t)limit) * 1e9)};

    if (!busy)
        nanosleep(&rest, NULL);
    while (busy && seconds_now() < end) {
    }
    return argument;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "sleep";
    int threads = argc > 3 ? atoi(argv[3]) : 1;
    pthread_t ids[64];

    limit = argc > 2 ? atof(argv[2]) : 1;
    busy = !strcmp(way, "busy");
    printf("here, %s\n", way);
    fflush(stdout);
    while (!strcmp(way, "forever"))
        pause();
    while (!strcmp(way, "print"))
        if (printf("still here, and this line goes on for a while: %s\n", way) < 0 ||
            fflush(stdout))
            return 7;
    for (int i = 1; i < threads && i < 64; i++)
        if (pthread_create(&ids[i], NULL, stay, NULL))
            return 1;
    stay(NULL);
    for (int i = 1; i < threads && i < 64; i++)
        pthread_join(ids[i], NULL);
    puts("gone");
    return 0;
}
