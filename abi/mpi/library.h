/* What the files of libmpi.a share: the library's state and its lock, communicators, requests, and
 * waiting. Everything here is under the library's lock, which is taken by every call of the program
 * when it has asked for MPI_THREAD_MULTIPLE, and is free otherwise. */
#ifndef ABI_MPI_LIBRARY_H
#define ABI_MPI_LIBRARY_H

#include "abi/mpi/attribute.h"
#include "abi/mpi/datatype.h"
#include "abi/mpi/errhandler.h"
#include "abi/mpi/group.h"
#include "abi/mpi/handle.h"
#include "abi/mpi/info.h"
#include "abi/mpi/match.h"
#include "abi/mpi/numbers.h"
#include "abi/mpi/profile.h"
#include "abi/mpi/status.h"
#include "abi/mpi/topology.h"
#include "abi/mpi/transport.h"

#include <mpi.h>
#include <stdnoreturn.h>

#define TAG_MAX INT32_MAX

/* --- State -------------------------------------------------------------------------------------
 */

enum mpi_phase { MPI_BEFORE, MPI_RUNNING, MPI_AFTER };

struct mpi {
    _Atomic int phase; /* enum mpi_phase: of MPI_Init and MPI_Finalize */
    int sessions;      /* open ones: the library is in use while there is one, too */
    bool up;           /* the transport is open: from the first use to the program's end */
    int thread_level;  /* MPI_THREAD_... */
    bool threads;      /* MPI_THREAD_MULTIPLE: the lock is needed */
    struct lock lock;
    _Atomic uint32_t event; /* changes whenever something has happened: who sleeps looks again */
    bool sleeping;          /* one thread sleeps in the kernel for all */
    uint32_t sleepers;      /* threads that sleep on `event` */
    struct matcher matcher;
    struct request *schedules; /* collectives and the like under way, linked by `next` */
    struct comm *world, *self;
};
extern struct mpi mpi;

static inline void mpi_lock(void)
{
    if (UNLIKELY(mpi.threads))
        lock_take(&mpi.lock);
}
static inline void mpi_unlock(void)
{
    if (UNLIKELY(mpi.threads))
        lock_give(&mpi.lock);
}

/* Ends the job: prints "rank R: TEXT" and ends this rank with `code`; the others follow. */
noreturn __attribute__((format(printf, 2, 3))) void mpi_die(int code, const char *format, ...);

/* --- Communicators (comm.c) ----------------------------------------------------------------------
 */

struct slots;
struct buffer;

struct comm {
    struct object object;
    uint32_t context; /* of point to point; + 1: of collectives */
    int rank, size;   /* in the local group */
    int targets;      /* ranks that may be sent to: of the remote group, or of the local one */
    struct peer **to; /* [targets] */
    bool is_inter;
    struct group *group;
    struct group *remote; /* of an inter-communicator, else NULL */
    struct comm *local;   /* of an inter-communicator: its local group's own, else NULL */
    struct errhandler *errhandler;
    struct attributes attributes;
    struct info *info;         /* NULL: none */
    struct topology *topology; /* NULL: none */
    MPI_Comm handle;
    uint32_t sequence;   /* collectives begun: tells the tags of those under way apart */
    struct slots *slots; /* for collectives through shared memory; NULL: not made yet */
    bool slots_tried;
    struct buffer *buffer;   /* attached for buffered sends; NULL: none */
    struct session *session; /* that it comes from, or NULL; the program ends that one last */
    char name[MPI_MAX_OBJECT_NAME];
};

/* By its handle, or NULL. */
static inline struct comm *comm_of(MPI_Comm handle)
{
    if (LIKELY(handle == MPI_COMM_WORLD))
        return mpi.world;
    if (handle == MPI_COMM_SELF)
        return mpi.self;
    return (struct comm *)object_of(handle, OBJECT_COMM);
}

static inline struct errhandler *comm_errhandler(const struct comm *comm)
{
    return comm != NULL ? comm->errhandler : errhandler_default();
}
static inline MPI_Comm comm_handle(const struct comm *comm)
{
    return comm != NULL ? comm->handle : MPI_COMM_SELF;
}
/* Raises an error of a call about a communicator (NULL: one that is none). */
#define comm_error(Comm, Code, Function, ...)                                                      \
    errhandler_raise(comm_errhandler(Comm), OBJECT_COMM, comm_handle(Comm), (Code), (Function),    \
                     __VA_ARGS__)

void comm_retain(struct comm *comm);
void comm_release(struct comm *comm);

/* --- Requests (request.c) ------------------------------------------------------------------------
 */

enum request_kind {
    REQUEST_SEND = 1,
    REQUEST_RECEIVE,
    REQUEST_SCHEDULE,    /* a collective: schedule.c */
    REQUEST_GENERALIZED, /* the program's own */
    REQUEST_PARTITIONED, /* partitioned.c */
};

/* SEND_WHOLE: goes before it is wanted, whatever its length up to RING_PIECE. */
enum send_mode { SEND_STANDARD, SEND_SYNCHRONOUS, SEND_BUFFERED, SEND_READY, SEND_WHOLE };

struct schedule;
struct generalized;
struct partitioned;

struct request {
    struct object object;
    struct outgoing outgoing;
    struct posted posted;
    uint8_t kind;    /* enum request_kind */
    uint8_t mode;    /* enum send_mode */
    bool complete;   /* nothing more will change, and buffers are the program's */
    bool active;     /* of a persistent one: started and not yet waited for */
    bool persistent; /* MPI_X_init */
    bool immortal;   /* shared, never freed */
    bool forgotten;  /* no handle any more: freed when it is complete */
    bool waits;      /* a receive in the queue of posted ones */
    bool cancelled;
    bool startable;    /* a persistent one that is not for MPI_PROC_NULL */
    bool reports;      /* a schedule whose status is that of its receive */
    struct comm *comm; /* retained while the request lives */
    struct peer *peer; /* of a send; of a receive once matched */
    struct datatype_stream stream;
    int64_t position;  /* bytes sent or received so far */
    int64_t wanted;    /* bytes that will be */
    uint64_t id;       /* in the table that peers name requests by; 0: none */
    uint64_t other;    /* the id of the other side's request */
    void *owned;       /* freed with the request */
    uint32_t *pending; /* NULL, or what counts down when it is complete */
    /* What the status will say. */
    int source, tag, error;
    int64_t bytes;
    int64_t message; /* bytes of a message that was longer than its buffer, which has `wanted` */
    union {
        struct schedule *schedule;
        struct generalized *generalized;
        struct partitioned *partitioned;
    };
    struct buffered *buffered; /* a buffered send's part of its buffer, or NULL */
    struct request *next;
};

/* A new one, with one reference; the fields are zero. Dies without memory. */
struct request *request_new(enum request_kind kind, struct comm *comm);
void request_free(struct request *request);
/* It is complete: wakes who waits, and frees it if its handle is gone. */
void request_finish(struct request *request);
static inline struct request *request_of(MPI_Request handle)
{
    return (struct request *)object_of(handle, OBJECT_REQUEST);
}
/* Waits for a request that is complete or will be, fills the status (may be NULL), frees it. With
 * the lock. Returns its error class. */
int request_wait_free(struct request *request, MPI_Status *status);
/* The same for calls of the program: gives up the lock, and raises the error. */
int request_wait_raise(struct request *request, MPI_Status *status, const char *function);
/* The status of a complete request, which stays as it is; its error class. */
int request_report(struct request *request, MPI_Status *status);
/* The request behind a handle: 1; a null or inactive one: 0; neither: -1. */
int request_look_up(MPI_Request handle, struct request **request);
/* Are they all requests? Raises what is wrong. */
int request_check_all(int count, const MPI_Request handles[], const char *function);
/* The index of one that is complete, MPI_UNDEFINED when all are null or inactive, or -1. */
int request_find_complete(int count, const MPI_Request handles[]);
#define BAD_REQUEST(Function, Index)                                                               \
    error_raise(MPI_ERR_REQUEST, Function, "request %d is no request, or one that has been freed", \
                (int)(Index))
static inline MPI_Status *status_at(MPI_Status *statuses, int i)
{
    return statuses != MPI_STATUSES_IGNORE ? &statuses[i] : MPI_STATUS_IGNORE;
}
/* A send that was complete at once. */
extern struct request request_done;

/* Names for peers. */
uint64_t request_name(struct request *request);
struct request *request_named(uint64_t id);

/* --- Progress (engine.c) -------------------------------------------------------------------------
 */

/* Moves everything on that can be moved; true if something was. */
bool engine_poll(void);

/* For calls that look without waiting. */
void engine_step(void);
/* Something has happened that another thread may wait for. */
void engine_event(void);

struct waiter {
    uint32_t idle;
    bool armed;     /* this rank has said that it will sleep */
    uint64_t since; /* ticks: of the first look at the clock, or of arming; 0: not yet */
    int64_t sleep;  /* ns; 0: the first time */
};
/* One step of waiting: polls; after long enough in vain, says that it is about to sleep, and after
 * some more steps, between which the caller looks at its condition again, sleeps. With the lock,
 * which is given up meanwhile. Dies when a rank has ended before its time. */
void engine_wait(struct waiter *waiter);
void engine_wait_over(struct waiter *waiter);
#define ENGINE_WAIT_UNTIL(Condition)                                                               \
    {                                                                                              \
        struct waiter waiter_ = {0};                                                               \
        while (!(Condition))                                                                       \
            engine_wait(&waiter_);                                                                 \
        if (UNLIKELY(waiter_.armed))                                                               \
            engine_wait_over(&waiter_);                                                            \
    }

/* --- Point to point inside the library (send.c, receive.c)
 * ------------------------------------------
 */

/* What has come from a peer. */
struct arrival {
    struct peer *peer;
    struct match_key key;
    int64_t length;   /* bytes */
    const void *data; /* NULL: an offer */
    uint64_t sender;  /* offer: its request */
    /* Offer: where the bytes lie in the sender's memory; none: they have to be sent. */
    const struct atoll_extent *extents;
    size_t extent_count;
    bool synchronous;     /* offer: it may not be taken before it is wanted */
    struct request *self; /* offer: of this rank's own send */
};

/* Messages up to this many bytes are sent before they are wanted. Where the receiver can read
 * longer ones from the sender's pages, that takes less time from about here on. */
#define EAGER_MAX INT64_C(512)
/* Messages up to this many bytes do not wait for their receive, unless they are synchronous. One
 * that is longer than EAGER_MAX may wait until the receiver's rank is in some call of MPI: it then
 * takes the bytes, whether they are wanted yet or not. Programs whose ranks all send first and then
 * receive rely on that, with messages of this length at most. */
#define UNMATCHED_MAX INT64_C(16384)

/* Begins a send or receive of a stream; the request is new, with kind and comm. The context tells
 * point to point and collectives apart. */
void send_begin(struct request *request, const struct datatype_stream *stream, struct peer *peer,
                enum send_mode mode, const struct match_key *key);
void receive_begin(struct request *request, const struct datatype_stream *stream,
                   const struct match_key *key);
/* A message, new or held, meets this receive. */
void receive_deliver(struct request *request, const struct arrival *arrival);
/* Takes a receive back that has met no message yet; false: it has. */
bool receive_cancel(struct request *request);

/* Messages that came before their receives. */
struct message;
struct message *receive_find(const struct match_key *key); /* the first, which stays; or NULL */
const struct arrival *message_arrival(const struct message *message);
void message_take(struct message *message); /* out of the queue, for a matched probe */
void message_deliver(struct message *message, struct request *request); /* frees it */
/* The communicator that a matched probe was called with. */
void message_set_comm(struct message *message, struct comm *comm);
struct comm *message_comm(const struct message *message);

/* For the engine. */
void receive_arrived(const struct arrival *arrival);
void receive_piece(struct peer *peer, const struct cell_piece *piece);
void send_accepted(struct peer *peer, const struct cell_accept *accept);
void send_finished(struct peer *peer, const struct cell_accept *accept);

/* Moves collectives on (schedule.c). */
bool schedule_advance(void);
/* A message for a window's engine (window_target.c): even context, negative tag. */
void window_arrived(const struct arrival *arrival);
/* A buffered send is over (buffered.c). */
void buffer_give(struct request *request);

#endif
