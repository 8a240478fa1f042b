/* Are the cores of an instance really there at once? A thread for each, bound to none: each spins
 * until all have arrived, which never happens if two of them share a core and nobody is preempted,
 * then notes its core; in every round all cores must be different.
 *   together THREADS [ROUNDS] */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64

static int threads, rounds;
static atomic_int arrived[1000], left[1000];
static int core_of[1000][THREADS_MAX];

static void *meet(void *argument)
{
    int self = (int)(long)argument;

    for (int round = 0; round < rounds; round++) {
        /* All are inside this loop at once, each on the core it says. */
        atomic_fetch_add(&arrived[round], 1);
        while (atomic_load(&arrived[round]) < threads)
            __builtin_ia32_pause();
        core_of[round][self] = sched_getcpu();
        atomic_fetch_add(&left[round], 1);
        while (atomic_load(&left[round]) < threads)
            __builtin_ia32_pause();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t ids[THREADS_MAX];
    int apart = 0;

    threads = argc > 1 ? atoi(argv[1]) : 2;
    rounds = argc > 2 ? atoi(argv[2]) : 20;
    if (threads < 1 || threads > THREADS_MAX || rounds < 1 || rounds > 1000)
        return 2;
    for (int i = 1; i < threads; i++)
        if (pthread_create(&ids[i], NULL, meet, (void *)(long)i))
            return 3;
    meet(NULL);
    for (int i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    for (int round = 0; round < rounds; round++) {
        int different = 1;

        for (int i = 0; i < threads; i++)
            for (int k = 0; k < i; k++)
                different &= core_of[round][i] != core_of[round][k];
        apart += different;
    }
    printf("%d threads met %d times; ", threads, rounds);
    /* A thread may be moved between its two steps now and then. */
    printf("%s\n", apart * 10 >= rounds * 9 ? "each on its own core" : "sharing cores");
    return 0;
}
