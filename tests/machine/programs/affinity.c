/* Where threads run: on every core of the instance by choice, and nowhere else; time is shared by
 * those that want the same core. Expects CORES of them.
 *   affinity CORES */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static atomic_long turns[3];
static atomic_int stop;

static void *count_turns(void *argument)
{
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        atomic_fetch_add_explicit(&turns[(long)argument], 1, memory_order_relaxed);
    return NULL;
}

/* Three busy threads on one core: each gets its share. */
static void share_a_core(void)
{
    pthread_t ids[3];
    cpu_set_t one;
    long least, most;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    for (long i = 0; i < 3; i++) {
        pthread_create(&ids[i], NULL, count_turns, (void *)i);
        pthread_setaffinity_np(ids[i], sizeof(one), &one);
    }
    for (double end = seconds_now() + 0.6; seconds_now() < end;)
        usleep(10000);
    atomic_store(&stop, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(ids[i], NULL);
    least = most = atomic_load(&turns[0]);
    for (int i = 1; i < 3; i++) {
        long count = atomic_load(&turns[i]);

        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    fprintf(stderr, "turns: %ld to %ld\n", least, most);
    printf("three share a core: %s\n", least > 0 && most < 4 * least ? "fairly" : "unfairly");
}

int main(int argc, char **argv)
{
    int cores = argc > 1 ? atoi(argv[1]) : 1, right = 0;
    cpu_set_t all, set;

    printf("cores: %ld configured, %ld online\n", sysconf(_SC_NPROCESSORS_CONF),
           sysconf(_SC_NPROCESSORS_ONLN));
    sched_getaffinity(0, sizeof(all), &all);
    printf("may use %d\n", CPU_COUNT(&all));
    for (int core = 0; core < cores; core++) {
        CPU_ZERO(&set);
        CPU_SET(core, &set);
        if (sched_setaffinity(0, sizeof(set), &set)) {
            perror("sched_setaffinity");
            return 1;
        }
        for (int i = 0; i < 50; i++) {
            right += sched_getcpu() == core;
            sched_yield();
        }
    }
    printf("on the chosen core %d times of %d\n", right, 50 * cores);
    CPU_ZERO(&set);
    CPU_SET(cores, &set);
    printf("a core that is not there: %s\n",
           sched_setaffinity(0, sizeof(set), &set) < 0 && errno == EINVAL ? "EINVAL" : "taken");
    CPU_SET(0, &set);
    printf("one that is and one that is not: %s\n",
           sched_setaffinity(0, sizeof(set), &set) == 0 ? "taken" : "refused");
    sched_setaffinity(0, sizeof(all), &all);
    share_a_core();
    return 0;
}
