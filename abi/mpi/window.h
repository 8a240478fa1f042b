/* Windows (MPI: One-Sided Communications): memory of each rank of a group that the others read,
 * write and combine into.
 *
 * Nobody but a rank itself can write its memory, yet all of a job may read it. So a get is a copy
 * out of the target's pages, without its help; whatever changes memory is a message that the
 * target's engine carries out in the order of arrival, while the target is in any call of MPI.
 *
 * Messages go in the window's own context with WINDOW_TAG and are handled as they arrive: each
 * begins with a struct window_message. Ring order does the rest: what a rank sends after its puts
 * and accumulates (that a fence, an epoch or a lock is over) arrives after they are done. Long data
 * and results are ordinary messages of the same context, whose tags say what they belong to.
 *
 * All here is called with the library's lock. */
#ifndef ABI_MPI_WINDOW_H
#define ABI_MPI_WINDOW_H

#include "abi/mpi/library.h"
#include "abi/mpi/op.h"

#define WINDOW_TAG INT32_MIN
#define WINDOW_MOST (INT64_C(4) << 10) /* bytes of a message, its head included */

enum window_kind {
    WINDOW_ACCUMULATE = 1, /* the data follows: combined in from stream position `from` on */
    WINDOW_PUT,            /* the data is a message with tag `tag` */
    WINDOW_GET,            /* wanted as a message with tag `tag` */
    WINDOW_FETCH,          /* the same, after what came before and before what comes after */
    WINDOW_EXCHANGE,       /* WINDOW_ACCUMULATE, and what was there before is wanted like that */
    WINDOW_COMPARE,        /* the value to compare with and the new one follow; wanted like that */
    WINDOW_TYPE,           /* bytes of a datatype follow, for messages that come after: `count` in
                              all, these are those from `from` on */
    WINDOW_FLUSH,          /* answered by WINDOW_FLUSHED */
    WINDOW_FLUSHED,
    WINDOW_FENCE,
    WINDOW_POST,
    WINDOW_COMPLETE,
    WINDOW_LOCK, /* `op`: 1: for this rank alone; answered by WINDOW_GRANTED */
    WINDOW_GRANTED,
    WINDOW_UNLOCK, /* answered by WINDOW_FLUSHED */
};

#define WINDOW_DERIVED UINT16_MAX /* the type that WINDOW_TYPE has brought */

struct window_message {
    uint8_t kind;  /* enum window_kind */
    uint8_t op;    /* low bits of the predefined operation's handle */
    uint16_t type; /* low bits of the predefined type's handle, or WINDOW_DERIVED */
    uint32_t tag;
    int64_t place; /* bytes from the window's base; of a dynamic one: the address */
    int64_t count; /* of the type */
    int64_t from;  /* bytes */
};
_Static_assert(sizeof(struct window_message) == 32, "8 or 16 bytes of data fit beside it");

enum window_hold { HOLD_NONE, HOLD_SHARED, HOLD_ALONE, HOLD_UNCHECKED };

/* What is kept of each rank of the window, in its different parts. */
struct window_rank {
    /* Its memory. */
    int64_t base, size; /* the address there; bytes */
    int64_t unit;       /* bytes */
    struct atoll_extent *extents;
    uint64_t *before;     /* [extent_count + 1] sums: bytes before each */
    int64_t extent_count; /* 0: cannot be read from here */
    /* This rank as origin of operations there. */
    uint32_t pending; /* messages under way */
    bool dirty;       /* it may have something of this rank's to do yet */
    bool sending;     /* a thread is sending several messages that belong together */
    bool started;     /* in the group of MPI_Win_start */
    uint8_t hold;     /* enum window_hold: a lock of this rank's there */
    bool granted;
    uint64_t flushes;      /* asked for, not answered */
    struct datatype *sent; /* the type that it was last told, or NULL */
    /* What it has said. */
    uint64_t fences;
    uint64_t posts, completes; /* that no call has used yet */
    /* This rank as target of its operations. */
    struct datatype *type;
    uint8_t *type_bytes;
    int64_t type_length;
    char *before_bytes; /* the result of an exchange that comes in several messages */
    uint8_t locks;      /* enum window_hold: its lock here */
    uint8_t asks;       /* enum window_hold: it waits for one */
    int asks_next;      /* rank that asked next, or -1 */
};

struct window_region {
    struct window_region *next;
    uint64_t base, size;
};

struct window {
    struct object object;
    MPI_Win handle;
    struct comm *comm; /* its own */
    struct window_rank *ranks;
    int flavor, model; /* MPI_WIN_... */
    char *base;
    MPI_Aint size;
    int unit;
    void *owned;                   /* freed with the window */
    struct window_region *regions; /* attached to a dynamic one */
    struct errhandler *errhandler;
    struct attributes attributes;
    struct info *info;
    char name[MPI_MAX_OBJECT_NAME];
    uint32_t tag; /* of the next long data or result */
    /* Epochs. */
    bool fenced;           /* MPI_Win_fence has begun one */
    bool locked_all;       /* MPI_Win_lock_all */
    int locked;            /* targets that this rank has locked one by one */
    uint64_t fences;       /* this rank's own */
    struct group *started; /* MPI_Win_start's, or NULL */
    struct group *posted;  /* MPI_Win_post's, or NULL */
    /* Locks of this rank's memory. */
    int shared;                /* held */
    bool alone;                /* held */
    int asks_first, asks_last; /* ranks that wait, or -1 */
    struct window *next;       /* of the same bin */
};

static inline struct window *window_of(MPI_Win handle)
{
    return (struct window *)object_of(handle, OBJECT_WIN);
}

#define window_error(Window, Code, Function, ...)                                                  \
    errhandler_raise((Window)->errhandler, OBJECT_WIN, (Window)->handle, (Code), (Function),       \
                     __VA_ARGS__)

/* The window, or NULL with the error raised. Without the lock. */
struct window *window_checked(MPI_Win handle, const char *function, int *error);

/* --- window.c: life, and the messages' way out --------------------------------------------------
 */

/* Of a communicator's own, from now on known to messages. NULL without memory. */
struct window *window_new(struct comm *comm, int flavor);
void window_free(struct window *window);
struct window *window_find(uint32_t context);

/* Sends a message to another rank of the window: the head, then bytes [from, from + length) of
 * `data` (may be NULL). Together at most WINDOW_MOST. */
void window_send(struct window *window, int rank, const struct window_message *message,
                 const struct datatype_stream *data, int64_t from, int64_t length);
/* The tag of the next long data, or of the next result: those of the two are never the same, for
 * the data of one rank and its results for the other meet in the same pair. */
uint32_t window_data_tag(struct window *window);
uint32_t window_result_tag(struct window *window);

/* --- window_type.c: datatypes as bytes ----------------------------------------------------------
 */

/* A datatype as bytes that another rank understands; malloc'ed, dies without memory. */
uint8_t *window_type_write(const struct datatype *type, int64_t *length);
/* NULL: the bytes are none. The caller has a reference, and the type is committed. */
struct datatype *window_type_read(const uint8_t *bytes, int64_t length);

/* --- window_target.c: what other ranks want ------------------------------------------------------
 */

/* Asks for a lock of this rank's memory for `rank` (itself too), which is answered by `granted` of
 * that rank, or a message; and gives it back. */
void window_lock(struct window *window, int rank, enum window_hold hold);
void window_unlock(struct window *window, int rank);

/* --- window_origin.c: operations
 * ------------------------------------------------------------------ */

/* Does [address, + length) lie in memory attached to a dynamic window? */
bool window_attached(const struct window *window, uint64_t address, uint64_t length);

/* The bytes [*low, *high) that a stream of at least one byte lies in, when its buffer is `place`.
 * False: they are too far away for 64 bits. */
bool window_span(const struct datatype_stream *stream, int64_t place, int64_t *low, int64_t *high);

struct window_access {
    struct window *window;
    int rank;
    struct datatype_stream target; /* buffer: bytes from the window's base, or an address */
};

void window_put(const struct window_access *access, const struct datatype_stream *origin,
                struct request **request);
void window_get(const struct window_access *access, const struct datatype_stream *origin,
                struct request **request);
/* `result` NULL: not wanted. `request` NULL: not wanted; otherwise *request may be
 * &request_done. */
void window_accumulate(const struct window_access *access, const struct datatype_stream *origin,
                       const struct datatype_stream *result, const struct op *op,
                       struct request **request);
void window_compare(const struct window_access *access, const void *origin, const void *compare,
                    void *result);

#endif
