/* Sleeping calls that a signal interrupts, and waiting for signals: what comes back, and what is
 * taken up again. The same lines must come out on Linux. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;
static pthread_t main_thread;

static void on_signal(int signal)
{
    (void)signal;
    handled++;
}

/* Sends a signal to main's thread a little later, when it sleeps. */
static void *send_later(void *argument)
{
    usleep(30000);
    pthread_kill(main_thread, (int)(long)argument);
    return NULL;
}

static pthread_t later(int signal)
{
    pthread_t id;

    handled = 0;
    pthread_create(&id, NULL, send_later, (void *)(long)signal);
    return id;
}

static void handle(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

    sigaction(SIGUSR1, &action, NULL);
}

static const char *outcome(int result)
{
    return result == 0 ? "0" : errno == EINTR ? "EINTR" : errno == EAGAIN ? "EAGAIN" : "other";
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

int main(void)
{
    static const int flags[] = {0, SA_RESTART};

    main_thread = pthread_self();
    for (int i = 0; i < 2; i++) {
        struct timespec long_time = {5, 0}, left = {0, 0};

        printf("%s SA_RESTART\n", i ? "with" : "without");
        handle(flags[i]);
        pthread_t id = later(SIGUSR1);
        int result = nanosleep(&long_time, &left);
        pthread_join(id, NULL);
        printf("nanosleep: %s, handled %d, left %s\n", outcome(result), (int)handled,
               left.tv_sec == 4 ? "most of it" : "something else");
        id = later(SIGUSR1);
        result = pause();
        pthread_join(id, NULL);
        printf("pause: %s, handled %d\n", outcome(result), (int)handled);

        sem_t semaphore;
        struct timespec until;
        sem_init(&semaphore, 0, 0);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        id = later(SIGUSR1);
        result = sem_timedwait(&semaphore, &until);
        pthread_join(id, NULL);
        printf("sem_timedwait: %s, handled %d\n",
               result < 0 && errno == ETIMEDOUT ? "ETIMEDOUT" : outcome(result), (int)handled);

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        id = later(SIGUSR1);
        pthread_mutex_lock(&mutex);
        result = pthread_cond_timedwait(&never, &mutex, &until);
        pthread_mutex_unlock(&mutex);
        pthread_join(id, NULL);
        printf("pthread_cond_timedwait: %s, handled %d\n",
               result == ETIMEDOUT ? "ETIMEDOUT" : "woken", (int)handled);
    }

    sigset_t set, none;
    siginfo_t info;
    struct timespec short_time = {0, 20000000};
    int number = 0;
    sigemptyset(&set);
    sigemptyset(&none);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    printf("sigtimedwait for nothing: %s\n", outcome(sigtimedwait(&set, &info, &short_time)));
    pthread_t id = later(SIGUSR1);
    int result = sigwait(&set, &number);
    pthread_join(id, NULL);
    printf("sigwait: %d, signal %d, handled %d\n", result, number, (int)handled);
    id = later(SIGUSR1);
    result = sigsuspend(&none);
    pthread_join(id, NULL);
    printf("sigsuspend: %s, handled %d\n", outcome(result), (int)handled);
    union sigval value = {.sival_int = 4711};
    sigqueue(getpid(), SIGUSR1, value);
    result = sigtimedwait(&set, &info, &short_time);
    printf("sigqueue: signal %d, value %d\n", result, info.si_value.sival_int);
    return 0;
}
