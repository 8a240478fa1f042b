/* Folders of the host that instances are shown, and the threads that serve requests on them
 * (abi/io.h, IO_FILE): slow storage never holds up the event loop. Requests come checked for their
 * form (io.c); what they may reach is decided here. A path is resolved by the host's kernel below
 * the mount's folder (openat2, RESOLVE_IN_ROOT), and its last name is never followed. */
#ifndef PROXY_SHARE_H
#define PROXY_SHARE_H

#include "abi/io.h"
#include "proxy/config.h"
#include "proxy/events.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define SHARE_INLINE_MAX 2048 /* bytes of an answer beside its struct io_done */

/* An open file of the host. The table and each request under way hold it. */
struct share_handle {
    _Atomic unsigned references;
    int fd;
    bool writable;
    pthread_mutex_t position; /* of a folder's entries */
};

/* The POSIX locks of an instance on one file: the host sees them as those of an open file of their
 * own. */
struct share_lock {
    struct share_lock *next;
    uint64_t device, inode;
    int fd;
    unsigned users; /* calls on it under way */
    bool gone;      /* taken out of the list: the last user closes it */
};

struct share_mount {
    char *guest;
    int fd; /* of the folder, O_PATH */
    bool writable;
};

/* What one instance may reach. Made and changed by the event loop's thread alone; its mounts are
 * constant while there are requests. */
struct share {
    struct share_mount *mounts;
    size_t mount_count;
    struct share_handle **handles; /* NULL: free */
    size_t handle_count, handles_open;
    size_t handles_max;
    pthread_mutex_t locks_lock; /* of `locks`, which the threads change */
    struct share_lock *locks;
};

/* A request under way. */
struct share_job {
    struct share_job *next;
    void *channel;                    /* who asked (io.c), */
    struct share_job *before, *after; /* and its list there */
    struct io_file request;
    struct share *share;         /* its mounts */
    struct share_handle *handle; /* held; NULL: the request has none */
    struct share_handle *opened; /* IO_FILE_OPEN: made, one reference */
    const uint8_t *bytes;        /* what is to be written, in the lagoon or behind the job */
    uint8_t *extent_bytes;       /* where what is read goes; NULL: `answer` */
    uint64_t extent, extent_entry;
    int64_t result;
    /* A lock that waits: with the pool's own thread, in its list (share_pool.c). */
    struct share_job *waiting_before, *waiting_after;
    bool waits;
    pthread_t waiter;
    atomic_bool cancelled;
    size_t answer_length;
    uint8_t answer[SHARE_INLINE_MAX];
    char *path, *second; /* NUL-terminated, behind the job */
    uint8_t room[];
};

struct share_pool;

/* The threads begin with the first job. `ready` is called in the event loop when jobs are done. */
struct share_pool *share_pool_open(struct event_loop *loop, void (*ready)(void *context),
                                   void *context);
/* Ends the threads, and waits for a second at most; one that the host's storage keeps is left
 * behind. Jobs that were not begun count as done, with -ECANCELED. */
void share_pool_end(struct share_pool *pool);
void share_pool_close(struct share_pool *pool); /* after share_pool_end; NULL is fine */
void share_pool_add(struct share_pool *pool, struct share_job *job);
struct share_job *share_pool_take(struct share_pool *pool); /* one that is done, or NULL */
/* A lock that waits is to give up; it is done soon, with -EINTR unless it has the lock. */
void share_pool_cancel(struct share_pool *pool, struct share_job *job);

/* Opens the folders of an instance. 0, or a negative errno value with *which set. */
int share_open(struct share *share, const struct mount_config *mounts, size_t count, size_t *which);
void share_close(struct share *share);

/* The open file of a number, held; NULL: there is none. */
struct share_handle *share_find(const struct share *share, uint64_t number);
/* Gives an open file a number, taking its reference. 0: no memory, or too many. */
uint64_t share_add(struct share *share, struct share_handle *handle);
int share_drop(struct share *share, uint64_t number); /* 0 or -EBADF */
void share_handle_put(struct share_handle *handle);

/* Carries out job->request: fills in result, answer, opened. Any thread. */
void share_execute(struct share_job *job);

/* --- share_lock.c: IO_FILE_LOCK ----------------------------------------------------------------
 */

/* Tries the lock, without waiting: -EAGAIN. */
int64_t share_lock_try(struct share_job *job);
/* Waits for it; from a thread of the job's own, to which SHARE_LOCK_SIGNAL is sent after
 * job->cancelled has been set. */
int64_t share_lock_wait(struct share_job *job);
void share_lock_close(struct share *share); /* with the share */

#define SHARE_LOCK_SIGNAL SIGURG /* breaks off a wait; ignored by whoever else gets it */

#endif
