/* The threads for requests on the host's files: a queue, a list of what is done, and an eventfd
 * that tells the event loop. The queue is bounded by the instances' requests (IO_REQUESTS_MAX
 * each), and so is the number of threads: there are few as long as these get on; when a request has
 * waited for a while, all of them wait for storage, and each one in the queue gets a thread. So
 * storage that hangs for one instance holds up nobody else. */
#include "proxy/share.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SHARE_THREADS 8 /* kept; there are more only while requests wait */
#define SHARE_STACK ((size_t)512 << 10)
#define SHARE_PATIENCE_NS 20000000 /* that a request waits for one of the threads there are */
#define SHARE_IDLE_NS 5000000000   /* after which a thread that is too many ends */

struct share_pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct share_job *queue, **last;
    struct share_job *done, **last_done;
    struct share_job *waiting; /* for locks, each with a thread of its own */
    bool ending, stuck, watched;
    uint64_t added, taken;  /* jobs, since the start */
    unsigned threads, busy; /* that carry jobs out, and those of them that have one */
    unsigned alive;         /* all threads but those that wait for locks */
    pthread_cond_t ended;   /* `ending` is set */
    int fd;
    struct event_source source;
    void (*ready)(void *context);
    void *context;
};

/* The lock is held. */
static void put_done(struct share_pool *pool, struct share_job *job)
{
    uint64_t one = 1;

    job->next = NULL;
    *pool->last_done = job;
    pool->last_done = &job->next;
    (void)!write(pool->fd, &one, sizeof(one));
}

/* A job that waits for a lock, and where it is kept meanwhile. */
struct wait_for_lock {
    struct share_pool *pool;
    struct share_job *job;
};

static void *wait_for_lock(void *argument)
{
    struct wait_for_lock wait = *(struct wait_for_lock *)argument;
    struct share_job *job = wait.job;
    sigset_t set;

    free(argument);
    sigemptyset(&set);
    sigaddset(&set, SHARE_LOCK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    job->result = share_lock_wait(job);
    pthread_mutex_lock(&wait.pool->lock);
    job->waits = false; /* from here on nobody sends this thread a signal */
    if (job->waiting_before)
        job->waiting_before->waiting_after = job->waiting_after;
    else
        wait.pool->waiting = job->waiting_after;
    if (job->waiting_after)
        job->waiting_after->waiting_before = job->waiting_before;
    put_done(wait.pool, job);
    pthread_cond_broadcast(&wait.pool->changed);
    pthread_mutex_unlock(&wait.pool->lock);
    return NULL;
}

/* The lock is held. Returns whether the job waits now. */
static bool start_waiting(struct share_pool *pool, struct share_job *job)
{
    struct wait_for_lock *wait = malloc(sizeof(*wait));
    sigset_t all, before;
    pthread_attr_t detached;
    int error;

    if (!wait)
        return false;
    *wait = (struct wait_for_lock){pool, job};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    job->waits = true;
    job->waiting_before = NULL;
    job->waiting_after = pool->waiting;
    error = pthread_create(&job->waiter, &detached, wait_for_lock, wait);
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        job->waits = false;
        free(wait);
        return false;
    }
    if (pool->waiting)
        pool->waiting->waiting_before = job;
    pool->waiting = job;
    return true;
}

/* The lock is held. */
static void cancel(struct share_job *job)
{
    atomic_store(&job->cancelled, true);
    if (job->waits)
        pthread_kill(job->waiter, SHARE_LOCK_SIGNAL);
}

void share_pool_cancel(struct share_pool *pool, struct share_job *job)
{
    pthread_mutex_lock(&pool->lock);
    cancel(job);
    pthread_mutex_unlock(&pool->lock);
}

/* What the job's thread does when it is through with it. The lock is held. */
static void finish(struct share_pool *pool, struct share_job *job)
{
    if (job->result == -EAGAIN && job->request.operation == IO_FILE_LOCK &&
        (job->request.flags & IO_LOCK_WAIT)) {
        if (pool->ending || atomic_load(&job->cancelled))
            job->result = -EINTR;
        else if (start_waiting(pool, job))
            return;
        else
            job->result = -ENOLCK;
    }
    put_done(pool, job);
}

/* The monotonic time so long from now. */
static struct timespec time_after(int64_t ns)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    ns += time.tv_nsec;
    time.tv_sec += ns / 1000000000;
    time.tv_nsec = ns % 1000000000;
    return time;
}

/* The current thread ends; nothing of the pool is touched after this. The lock is held. */
static void leave(struct share_pool *pool)
{
    pool->alive--;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

/* Waits for a job. False: this thread is not needed. The lock is held. */
static bool wait_for_job(struct share_pool *pool)
{
    struct timespec limit = time_after(SHARE_IDLE_NS);
    int error = 0;

    while (!pool->queue && !pool->ending && !error)
        error = pthread_cond_clockwait(&pool->changed, &pool->lock, CLOCK_MONOTONIC, &limit);
    return pool->queue || (!pool->ending && pool->threads <= SHARE_THREADS);
}

static void *work(void *argument)
{
    struct share_pool *pool = argument;

    pthread_mutex_lock(&pool->lock);
    while (wait_for_job(pool)) {
        struct share_job *job = pool->queue;

        if (!job)
            continue;
        pool->queue = job->next;
        if (!pool->queue)
            pool->last = &pool->queue;
        pool->taken++;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        share_execute(job);
        pthread_mutex_lock(&pool->lock);
        pool->busy--;
        finish(pool, job);
    }
    pool->threads--;
    leave(pool);
    return NULL;
}

/* A thread, detached, with no signal for it: they are the event loop's. The lock is held. */
static bool start_thread(struct share_pool *pool, void *(*run)(void *pool))
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, SHARE_STACK);
    error = pthread_create(&thread, &attributes, run, pool);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->alive += !error;
    return !error;
}

/* Are there jobs in the queue for which no thread is free? The lock is held. */
static bool lacks_threads(const struct share_pool *pool)
{
    return pool->threads - pool->busy < pool->added - pool->taken;
}

/* Starts threads for the jobs in the queue, while there are fewer than `most`. The lock is held. */
static void start_workers(struct share_pool *pool, unsigned most)
{
    while (lacks_threads(pool) && pool->threads < most && start_thread(pool, work))
        pool->threads++;
}

/* While there are jobs for which no thread is free: looks whether one has waited for too long. */
static void *watch(void *argument)
{
    struct share_pool *pool = argument;

    pthread_mutex_lock(&pool->lock);
    while (lacks_threads(pool) && !pool->ending) {
        struct timespec limit = time_after(SHARE_PATIENCE_NS);
        uint64_t added = pool->added;

        while (!pool->ending &&
               !pthread_cond_clockwait(&pool->ended, &pool->lock, CLOCK_MONOTONIC, &limit))
            ;
        if (!pool->ending && pool->taken < added)
            start_workers(pool, UINT_MAX);
    }
    pool->watched = false;
    leave(pool);
    return NULL;
}

static void woken(struct event_source *source, uint32_t bits)
{
    struct share_pool *pool = source->context;
    uint64_t count;

    (void)bits;
    (void)!read(pool->fd, &count, sizeof(count));
    if (pool->ready)
        pool->ready(pool->context);
}

static void ignore(int signal)
{
    (void)signal;
}

struct share_pool *share_pool_open(struct event_loop *loop, void (*ready)(void *context),
                                   void *context)
{
    const struct sigaction breaks_off = {.sa_handler = ignore}; /* without SA_RESTART */
    struct share_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    sigaction(SHARE_LOCK_SIGNAL, &breaks_off, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pthread_cond_init(&pool->ended, NULL);
    pool->last = &pool->queue;
    pool->last_done = &pool->done;
    pool->ready = ready;
    pool->context = context;
    pool->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool->fd < 0 || events_add(loop, &pool->source, pool->fd, EPOLLIN, woken, pool)) {
        if (pool->fd >= 0)
            close(pool->fd);
        free(pool);
        return NULL;
    }
    return pool;
}

void share_pool_add(struct share_pool *pool, struct share_job *job)
{
    bool here;

    pthread_mutex_lock(&pool->lock);
    pool->added++;
    start_workers(pool, SHARE_THREADS);
    here = !pool->threads; /* no thread to be had: better slow than never */
    if (here) {
        pool->added--;
    } else {
        job->next = NULL;
        *pool->last = job;
        pool->last = &job->next;
        pthread_cond_signal(&pool->changed);
        if (lacks_threads(pool) && !pool->watched)
            pool->watched = start_thread(pool, watch);
    }
    pthread_mutex_unlock(&pool->lock);
    if (here) {
        share_execute(job);
        pthread_mutex_lock(&pool->lock);
        finish(pool, job);
        pthread_mutex_unlock(&pool->lock);
    }
}

struct share_job *share_pool_take(struct share_pool *pool)
{
    struct share_job *job;

    pthread_mutex_lock(&pool->lock);
    job = pool->done;
    if (job) {
        pool->done = job->next;
        if (!pool->done)
            pool->last_done = &pool->done;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

void share_pool_end(struct share_pool *pool)
{
    struct timespec limit = time_after(1000000000);

    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pool->taken = pool->added;
    for (struct share_job *job = pool->queue; job; job = job->next)
        job->result = -ECANCELED;
    if (pool->queue) {
        *pool->last_done = pool->queue;
        pool->last_done = pool->last;
        pool->queue = NULL;
        pool->last = &pool->queue;
    }
    pthread_cond_broadcast(&pool->changed);
    pthread_cond_broadcast(&pool->ended);
    for (struct share_job *job = pool->waiting; job; job = job->waiting_after)
        cancel(job);
    while ((pool->waiting || pool->alive) &&
           !pthread_cond_clockwait(&pool->changed, &pool->lock, CLOCK_MONOTONIC, &limit))
        ;
    /* Whoever is left waits for storage that does not answer. It touches nothing but its job, and
     * the lagoon through system calls alone, which fail once that is gone. */
    pool->stuck = pool->waiting || pool->alive;
    pthread_mutex_unlock(&pool->lock);
    events_remove(&pool->source);
}

void share_pool_close(struct share_pool *pool)
{
    if (!pool || pool->stuck)
        return;
    close(pool->fd);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->changed);
    pthread_cond_destroy(&pool->ended);
    free(pool);
}
