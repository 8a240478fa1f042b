/* Dies in a way that is chosen, in a function and a line that the tests know.
 *   crash segv|write-null|jump-null|abort|divide|overflow|illegal|read-only|trap|kill|thread */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

/* What the compiler must not see through. */
static volatile uintptr_t hidden_zero;
static volatile int sink;

NOINLINE static int crash_innermost(const char *way)
{
    if (!strcmp(way, "segv"))
        return *(volatile int *)(hidden_zero + 0x10); /* line_of_segv */
    if (!strcmp(way, "write-null"))
        *(volatile int *)hidden_zero = 1;
    if (!strcmp(way, "jump-null"))
        ((void (*)(void))hidden_zero)();
    if (!strcmp(way, "abort"))
        abort();
    if (!strcmp(way, "divide"))
        return (int)(100 / (int)hidden_zero); /* line_of_divide */
    if (!strcmp(way, "illegal"))
        __asm__ volatile("ud2");
    if (!strcmp(way, "trap"))
        __asm__ volatile("int3");
    if (!strcmp(way, "kill"))
        kill(getpid(), SIGTERM);
    if (!strcmp(way, "read-only"))
        *(volatile char *)(uintptr_t)way = 1;
    return 0;
}

NOINLINE static int crash_overflow(int depth)
{
    volatile char frame[4096];

    frame[0] = (char)depth;
    return depth < 0 ? frame[0] : crash_overflow(depth + 1) + frame[0];
}

NOINLINE static int crash_middle(const char *way)
{
    int result = !strcmp(way, "overflow") ? crash_overflow(1) : crash_innermost(way);

    sink = result; /* no tail call: this frame must be there to be seen */
    return result;
}

static void *crash_thread(void *way)
{
    sink = crash_middle(way);
    return NULL;
}

int main(int argc, char **argv)
{
    /* In read-only memory: "read-only" writes to its own name. */
    static const char *const ways[] = {"segv",     "write-null", "jump-null", "abort", "divide",
                                       "overflow", "illegal",    "read-only", "trap",  "kill"};
    pthread_t thread;

    printf("about to die of %s\n", argc > 1 ? argv[1] : "nothing");
    fflush(stdout);
    if (argc > 1 && !strcmp(argv[1], "thread")) {
        if (pthread_create(&thread, NULL, crash_thread, (void *)"segv"))
            return 99;
        pthread_join(thread, NULL);
    }
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
        if (!strcmp(argv[1], ways[i]))
            sink = crash_middle(ways[i]);
    puts("still alive");
    return 98;
}
