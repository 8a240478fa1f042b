/* Ends while its other threads are at everything that threads can be at: computing, sleeping,
 * waiting for a lock, printing, and being born. Status 9. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *compute(void *argument)
{
    for (volatile unsigned long i = 0;; i++) {
    }
    return argument;
}

static void *sleep_long(void *argument)
{
    for (;;)
        sleep(1000);
    return argument;
}

static void *wait_long(void *argument)
{
    pthread_mutex_lock(&held);
    return argument;
}

static void *print_long(void *argument)
{
    for (;;)
        if (write(2, "printing\n", 9) < 0)
            break;
    return argument;
}

static void *nothing(void *argument)
{
    return argument;
}

static void *give_birth(void *argument)
{
    for (;;) {
        pthread_t id;

        if (pthread_create(&id, NULL, nothing, NULL) == 0)
            pthread_join(id, NULL);
    }
    return argument;
}

int main(void)
{
    static void *(*const bodies[])(void *) = {compute,    compute,    sleep_long, wait_long,
                                              print_long, give_birth, give_birth};
    pthread_t id;

    pthread_mutex_lock(&held);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        if (pthread_create(&id, NULL, bodies[i], NULL))
            return 1;
    usleep(100000);
    puts("leaving");
    fflush(stdout);
    exit(9);
}
