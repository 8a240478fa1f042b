/* Threads and what they meet at: creation and joining, mutexes, condition variables, barriers,
 * semaphores, read-write locks, thread-local memory, cancellation, detached threads, once. Prints
 * the same lines on Linux. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 6

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter;
static _Thread_local long own = 17;

static void run(const char *name, void *(*body)(void *), int count)
{
    pthread_t ids[WORKERS];
    intptr_t sum = 0;

    for (int i = 0; i < count; i++) {
        if (pthread_create(&ids[i], NULL, body, (void *)(intptr_t)i)) {
            perror("pthread_create");
            exit(1);
        }
    }
    for (int i = 0; i < count; i++) {
        void *result;

        pthread_join(ids[i], &result);
        sum += (intptr_t)result;
    }
    printf("%s: %ld\n", name, (long)sum);
}

static void *body_lock(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

/* Each waits for its turn: a chain of wake-ups through one condition variable. */
static void *body_turns(void *argument)
{
    intptr_t self = (intptr_t)argument;

    for (int round = 0; round < 20; round++) {
        pthread_mutex_lock(&mutex);
        while (counter % WORKERS != self)
            pthread_cond_wait(&changed, &mutex);
        counter++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return (void *)1;
}

static pthread_barrier_t barrier;
static void *body_barrier(void *argument)
{
    intptr_t serial = 0;

    (void)argument;
    for (int round = 0; round < 20; round++)
        serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    return (void *)serial;
}

static sem_t items, room;
static atomic_long consumed;
static void *body_semaphore(void *argument)
{
    intptr_t self = (intptr_t)argument;

    for (int i = 0; i < 100; i++) {
        if (self % 2) {
            sem_wait(&room);
            sem_post(&items);
        } else {
            sem_wait(&items);
            atomic_fetch_add(&consumed, 1);
            sem_post(&room);
        }
    }
    return NULL;
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long pair[2];
static void *body_rwlock(void *argument)
{
    intptr_t self = (intptr_t)argument, torn = 0;

    for (int i = 0; i < 200; i++) {
        if (self == 0) {
            pthread_rwlock_wrlock(&rwlock);
            pair[0]++;
            pair[1]++;
        } else {
            pthread_rwlock_rdlock(&rwlock);
            torn += pair[0] != pair[1];
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return (void *)torn;
}

static void *body_local(void *argument)
{
    own += (intptr_t)argument;
    usleep(1000);
    return (void *)own;
}

static void *body_canceled(void *argument)
{
    (void)argument;
    for (;;)
        pause();
    return NULL;
}

static atomic_int detached_done;
static void *body_detached(void *argument)
{
    (void)argument;
    atomic_fetch_add(&detached_done, 1);
    return NULL;
}

/* Vector registers are each thread's own, whoever runs in between. */
static void *body_vectors(void *argument)
{
    double seed = (double)(intptr_t)argument + 1, x = seed;
    intptr_t wrong = 0;

    for (int i = 0; i < 200; i++) {
        double before[8], after[8];

        for (int k = 0; k < 8; k++)
            before[k] = seed * 1000 + k + i;
        __asm__ volatile("movupd (%0), %%xmm8\n\tmovupd 16(%0), %%xmm9\n\t"
                         "movupd 32(%0), %%xmm10\n\tmovupd 48(%0), %%xmm11\n\t"
                         "mov $24, %%eax\n\tsyscall\n\t" /* sched_yield */
                         "movupd %%xmm8, (%1)\n\tmovupd %%xmm9, 16(%1)\n\t"
                         "movupd %%xmm10, 32(%1)\n\tmovupd %%xmm11, 48(%1)"
                         :
                         : "r"(before), "r"(after)
                         : "rax", "rcx", "r11", "memory", "xmm8", "xmm9", "xmm10", "xmm11");
        for (int k = 0; k < 8; k++)
            wrong += before[k] != after[k];
        x = x * 1.0000001 + seed;
    }
    return (void *)(wrong + (x < seed));
}

static void test_timed(void)
{
    struct timespec until;
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&held);
    printf("timed wait: %s\n",
           pthread_cond_timedwait(&changed, &held, &until) == ETIMEDOUT ? "ETIMEDOUT" : "woken");
    pthread_mutex_unlock(&held);
    sem_t never;
    sem_init(&never, 0, 0);
    printf("timed semaphore: %s\n",
           sem_timedwait(&never, &until) < 0 && errno == ETIMEDOUT ? "ETIMEDOUT" : "woken");
}

static void test_many(void)
{
    for (int i = 0; i < 150; i++) {
        pthread_t id;

        if (pthread_create(&id, NULL, body_detached, NULL)) {
            printf("thread %d of 150 could not be made\n", i);
            return;
        }
        if (i % 3)
            pthread_join(id, NULL);
        else
            pthread_detach(id);
    }
    while (atomic_load(&detached_done) < 150)
        usleep(1000);
    puts("150 threads, one after the other");
}

int main(void)
{
    run("mutex", body_lock, WORKERS);
    printf("counter %ld\n", counter);
    counter = 0;
    run("turns", body_turns, WORKERS);
    printf("turns taken %ld\n", counter);
    pthread_barrier_init(&barrier, NULL, WORKERS);
    run("barrier", body_barrier, WORKERS);
    sem_init(&items, 0, 0);
    sem_init(&room, 0, 3);
    run("semaphores", body_semaphore, WORKERS);
    printf("consumed %ld\n", atomic_load(&consumed));
    run("read-write lock", body_rwlock, WORKERS);
    run("thread-local", body_local, WORKERS);
    run("vector registers", body_vectors, WORKERS);

    pthread_t canceled;
    void *result;
    pthread_create(&canceled, NULL, body_canceled, NULL);
    usleep(2000);
    printf("cancel: %d, ", pthread_cancel(canceled));
    pthread_join(canceled, &result);
    puts(result == PTHREAD_CANCELED ? "canceled" : "not canceled");
    test_timed();
    test_many();
    return 0;
}
