/* Locks on the host's files, as the instances ask for them: they are taken at the host's kernel, so
 * that they hold between instances, and against other programs of the host. flock's and those of an
 * open file belong to the handle's file there; all POSIX locks of one instance on one file belong
 * to one more open file of the proxy, since they belong together and not to a handle. */
#include "proxy/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_AGAIN_NS 100000000 /* whether a wait has been cancelled just before it began */

static struct share_lock *find_lock(const struct share *share, const struct stat *status)
{
    struct share_lock *lock = share->locks;

    while (lock && (lock->device != status->st_dev || lock->inode != status->st_ino))
        lock = lock->next;
    return lock;
}

/* The open file of the POSIX locks on the handle's file, for one call. NULL with *error set; with
 * `create` false also NULL, and no error, when there are no locks. */
static struct share_lock *take_lock(struct share *share, const struct share_handle *handle,
                                    bool create, int *error)
{
    struct share_lock *lock;
    struct stat status;

    *error = 0;
    if (fstat(handle->fd, &status)) {
        *error = -errno;
        return NULL;
    }
    pthread_mutex_lock(&share->locks_lock);
    lock = find_lock(share, &status);
    if (!lock && create && (lock = calloc(1, sizeof(*lock)))) {
        char path[64];

        /* Another open file: locks of one do not stand in their own way. For writing where that
         * may be, since the next lock may be an exclusive one through another handle. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d", handle->fd);
        lock->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (lock->fd < 0)
            lock->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (lock->fd < 0) {
            *error = -errno;
            free(lock);
            lock = NULL;
        } else {
            lock->device = status.st_dev;
            lock->inode = status.st_ino;
            lock->next = share->locks;
            share->locks = lock;
        }
    } else if (!lock && create) {
        *error = -ENOLCK;
    }
    if (lock)
        lock->users++;
    pthread_mutex_unlock(&share->locks_lock);
    return lock;
}

static void free_lock(struct share_lock *lock)
{
    close(lock->fd);
    free(lock);
}

/* The call is over. `drop`: all locks on the file are given up. */
static void put_lock(struct share *share, struct share_lock *lock, bool drop)
{
    struct share_lock **at;
    bool last;

    pthread_mutex_lock(&share->locks_lock);
    if (drop && !lock->gone) {
        for (at = &share->locks; *at != lock; at = &(*at)->next)
            ;
        *at = lock->next;
        lock->gone = true;
    }
    lock->users--;
    last = lock->gone && !lock->users;
    pthread_mutex_unlock(&share->locks_lock);
    if (last)
        free_lock(lock);
}

void share_lock_close(struct share *share)
{
    while (share->locks) {
        struct share_lock *lock = share->locks;

        share->locks = lock->next;
        free_lock(lock);
    }
}

/* One call on `fd`: as the request says, waiting or not. */
static int lock_once(int fd, const struct io_file *request, bool wait, struct flock *lock)
{
    static const int operations[] = {[F_RDLCK] = LOCK_SH, [F_WRLCK] = LOCK_EX, [F_UNLCK] = LOCK_UN};

    if ((request->flags & IO_LOCK_OWNER) == IO_LOCK_FLOCK)
        return flock(fd, operations[request->mode] | (wait ? 0 : LOCK_NB)) ? -errno : 0;
    *lock = (struct flock){.l_type = (short)request->mode,
                           .l_whence = SEEK_SET,
                           .l_start = (off_t)request->offset,
                           .l_len = (off_t)request->value};
    if (fcntl(fd,
              request->flags & IO_LOCK_GET ? F_OFD_GETLK
              : wait                       ? F_OFD_SETLKW
                                           : F_OFD_SETLK,
              lock))
        return errno == EACCES ? -EAGAIN : -errno;
    return 0;
}

static int64_t lock_and_wait(struct share_job *job, int fd, bool wait)
{
    const struct io_file *request = &job->request;
    struct flock lock;
    int error;

    do {
        if (wait && atomic_load(&job->cancelled))
            return -EINTR;
        error = lock_once(fd, request, wait, &lock);
    } while (error == -EINTR);
    if (!error && (request->flags & IO_LOCK_GET)) {
        const struct io_file_lock found = {.offset = (uint64_t)lock.l_start,
                                           .length = (uint64_t)lock.l_len,
                                           .type = (uint32_t)lock.l_type};

        memcpy(job->answer, &found, sizeof(found));
        job->answer_length = sizeof(found);
    }
    return error == -EWOULDBLOCK ? -EAGAIN : error;
}

static int64_t do_lock(struct share_job *job, bool wait)
{
    const struct io_file *request = &job->request;
    bool unlock = request->mode == F_UNLCK && !(request->flags & IO_LOCK_GET);
    struct share_lock *lock;
    int64_t result;
    int error;

    if ((request->flags & IO_LOCK_OWNER) != IO_LOCK_PROCESS)
        return lock_and_wait(job, job->handle->fd, wait);
    lock = take_lock(job->share, job->handle, !unlock, &error);
    if (!lock)
        return error; /* nothing to unlock: 0 */
    result = lock_and_wait(job, lock->fd, wait);
    put_lock(job->share, lock, unlock && !request->offset && !request->value);
    return result;
}

int64_t share_lock_try(struct share_job *job)
{
    const struct io_file *request = &job->request;

    if (request->mode > F_UNLCK || (request->flags & IO_LOCK_OWNER) == IO_LOCK_OWNER ||
        request->value > INT64_MAX ||
        ((request->flags & IO_LOCK_GET) && (request->flags & IO_LOCK_OWNER) == IO_LOCK_FLOCK))
        return -EINVAL;
    return do_lock(job, false);
}

int64_t share_lock_wait(struct share_job *job)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SHARE_LOCK_SIGNAL};
    const struct itimerspec again = {{0, LOOK_AGAIN_NS}, {0, LOOK_AGAIN_NS}};
    timer_t timer;
    int64_t result;

    /* A signal that comes between the look at job->cancelled and the call would be lost: a timer
     * sends it again. */
    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer))
        return -ENOLCK;
    timer_settime(timer, 0, &again, NULL);
    result = do_lock(job, true);
    timer_delete(timer);
    return result;
}
