/* Very many threads at once, far more than cores: all meet, all sleep, all leave.
 *   crowd THREADS */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t barrier;
static atomic_long sum;

static void *body(void *argument)
{
    volatile char room[2000];

    room[0] = room[1999] = 1;
    pthread_barrier_wait(&barrier);
    usleep((useconds_t)(((long)argument * 7919) % 20000));
    atomic_fetch_add(&sum, (long)argument + room[0] - room[1999]);
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 100;
    pthread_t *ids = calloc((size_t)count, sizeof(*ids));
    pthread_attr_t attributes;

    pthread_barrier_init(&barrier, NULL, (unsigned)count);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    for (int i = 0; i < count; i++) {
        if (pthread_create(&ids[i], &attributes, body, (void *)(long)i)) {
            printf("thread %d could not be made\n", i);
            return 1;
        }
    }
    for (int i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
    printf("%d threads, sum %ld\n", count, atomic_load(&sum));
    free(ids);
    return 0;
}
