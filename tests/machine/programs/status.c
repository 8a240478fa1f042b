/* Ends with the status given: by return, exit, _exit, or exit of a thread beside main's.
 *   status NUMBER [return|exit|_exit|thread|last-thread] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int status;

static void *thread_exits(void *argument)
{
    (void)argument;
    exit(status);
}

/* The last thread to leave ends the process with status 0, as on Linux. */
static void *thread_outlives_main(void *argument)
{
    (void)argument;
    usleep(20000);
    puts("main is gone");
    return NULL;
}

int main(int argc, char **argv)
{
    const char *way = argc > 2 ? argv[2] : "return";
    pthread_t thread;

    status = argc > 1 ? atoi(argv[1]) : 0;
    if (!strcmp(way, "exit"))
        exit(status);
    if (!strcmp(way, "_exit"))
        _exit(status);
    if (!strcmp(way, "thread")) {
        if (pthread_create(&thread, NULL, thread_exits, NULL))
            return 99;
        for (;;)
            pause();
    }
    if (!strcmp(way, "last-thread")) {
        if (pthread_create(&thread, NULL, thread_outlives_main, NULL))
            return 99;
        pthread_exit(NULL);
    }
    return status;
}
