/* Threads that pass a turn round, each waiting for it with sched_yield:
 *
 *   turns THREADS ROUNDS */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_long turn;
static long count, rounds;

static void *body(void *argument)
{
    long mine = (long)argument;

    for (long round = 0; round < rounds; round++) {
        while (atomic_load(&turn) != mine)
            sched_yield();
        atomic_store(&turn, (mine + 1) % count);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    count = argc > 1 ? atol(argv[1]) : 2;
    rounds = argc > 2 ? atol(argv[2]) : 100;
    pthread_t *threads = calloc((size_t)count, sizeof(*threads));

    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, body, (void *)i)) {
            puts("no thread");
            return 1;
        }
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%ld threads, %ld rounds\n", count, rounds);
    free(threads);
    return 0;
}
