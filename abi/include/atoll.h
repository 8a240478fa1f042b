/* Messages between the programs of one Atoll machine's instances. Link with libatoll.a.
 *
 * Every instance is a peer with a number, 1 and up, and a name. A channel carries messages of any
 * size one way, from one peer to one other, whole and in order. The receiver publishes a port under
 * a name; senders open channels to it. Data passes through shared memory by plain loads and stores:
 * a call into the kernel is made only to set something up, to sleep, and to wake a sleeper.
 *
 * Results: 0 or more is success, a negative value is -errno. Common to all calls:
 *   -ENOSYS    not on Atoll (plain Linux, say): every call but atoll_strerror says so
 *   -EPIPE     the other side has closed its end, exited, crashed, was stopped or started anew;
 *              messages that it had sent whole are received first
 *   -EPROTO    the other side's memory holds what an honest peer would not write there; the channel
 *              is closed
 *   -ETIMEDOUT the time is over (with a timeout of 0: -EAGAIN)
 *   -ENOMEM    no memory, in the program or in this peer's section
 *   -EINVAL    an argument is out of range
 * Timeouts are in nanoseconds; ATOLL_FOREVER waits without limit, 0 does not wait at all. A call
 * that can sleep polls for a few microseconds first (more where that has paid off before), then
 * sleeps in the kernel. Signal handlers run meanwhile; they do not end the wait. No call waits for
 * a dead peer: -EPIPE comes at the latest when its kernel, or the host, has noticed.
 *
 * Any number of threads may use the same channel: each message goes to, or comes from, one of them.
 * "Sleeps" below says whether a call may. Those that do not return within a bounded time. */
#ifndef ATOLL_H
#define ATOLL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATOLL_FOREVER ((int64_t)-1)
#define ATOLL_ANY ((uint32_t)-1) /* any peer but this one */
#define ATOLL_NAME_MAX 64        /* bytes of a name with its NUL */

/* --- Who is there -------------------------------------------------------------------------------
 */

/* Makes the library ready. Others that need it do so themselves; it is cheap to call again.
 * 0 or -ENOSYS. Does not sleep. */
int atoll_init(void);

/* This peer's number, 1 and up, and how many peers (instances) the machine has: they are 1 to
 * atoll_peers(). Do not sleep. */
int atoll_self(void);
int atoll_peers(void);

enum atoll_state {
    ATOLL_STATE_EMPTY, /* its kernel has not started yet */
    ATOLL_STATE_BOOTING,
    ATOLL_STATE_RUNNING,
    ATOLL_STATE_EXITED,
    ATOLL_STATE_CRASHED,
    ATOLL_STATE_HUNG, /* or taken away by the host */
    ATOLL_STATE_STOPPED,
};

struct atoll_peer {
    uint32_t number;
    enum atoll_state state;
    uint32_t exit_status; /* as a shell shows it, once it has ended */
    uint64_t generation;  /* 1 for its first start; 0: it has not started */
    char name[ATOLL_NAME_MAX];
};

/* What is known of a peer, dead ones included. Does not sleep. */
int atoll_peer(uint32_t number, struct atoll_peer *peer);

/* The number of the peer of that name, or -ENOENT. Does not sleep. */
int atoll_peer_find(const char *name);

/* Waits until the peer's state is one of `states` (1 << ATOLL_STATE_... each, or'ed together) and
 * returns it; -EPIPE when it has ended in another. Sleeps. */
int atoll_peer_wait(uint32_t number, unsigned states, int64_t timeout);

/* --- Ports and channels -------------------------------------------------------------------------
 */

struct atoll_port;
struct atoll_channel;

/* Publishes a port. -EEXIST: this peer has one of that name. Does not sleep. */
int atoll_port_publish(const char *name, struct atoll_port **port);

/* Takes it back; channels that nobody has accepted are closed, those accepted live on. Does not
 * sleep. */
int atoll_port_close(struct atoll_port *port);

/* The peer that publishes the port: `peer` itself, or any (ATOLL_ANY), as soon as one does.
 * -EPIPE: that peer, or every peer, has ended. Sleeps. */
int atoll_port_find(uint32_t peer, const char *name, int64_t timeout);

/* The next channel that somebody has opened to this port, for receiving. Sleeps. Deaths of peers do
 * not end the wait: others may still come. */
int atoll_port_accept(struct atoll_port *port, struct atoll_channel **channel, int64_t timeout);

struct atoll_channel_options {
    uint32_t cells; /* of the ring, 64 bytes each: a power of two, 16 to 65536; 0: 256 */
    uint32_t flags; /* ATOLL_ONE_THREAD, ATOLL_NO_POLLING */
};
#define ATOLL_ONE_THREAD 1u /* only one thread at a time uses this end: no lock is taken */
#define ATOLL_NO_POLLING 2u /* who waits at this end sleeps at once */

/* Opens a channel for sending to the port `name` of `peer` (or of any, ATOLL_ANY), waiting for it
 * to appear. The receiver need not have accepted: messages wait for it. `options` may be NULL.
 * Sleeps; -EPIPE as atoll_port_find. */
int atoll_channel_open(uint32_t peer, const char *name, const struct atoll_channel_options *options,
                       int64_t timeout, struct atoll_channel **channel);

/* Closes this end and frees it; no other thread may still use it. What was sent is still received;
 * the other side then gets -EPIPE. Does not sleep. */
int atoll_channel_close(struct atoll_channel *channel);

/* The peer at the other end. Does not sleep. */
int atoll_channel_peer(const struct atoll_channel *channel);

/* Sets the flags above, for ends that were accepted. Does not sleep. */
int atoll_channel_set_flags(struct atoll_channel *channel, uint32_t flags);

/* --- Sending and receiving ----------------------------------------------------------------------
 */

/* Sends one message of any length (0 included) up to what this peer's section has room for; never
 * loses one: waits while the receiver is behind. 0, or an error and nothing has been sent.
 * -EMSGSIZE: more than the whole section could hold. -EPIPE: the receiver is gone; what it had not
 * yet received is lost. Sleeps. */
int atoll_send(struct atoll_channel *channel, const void *data, size_t length, int64_t timeout);
int atoll_sendv(struct atoll_channel *channel, const struct iovec *pieces, int count,
                int64_t timeout);

/* Receives the next message: its length. -EMSGSIZE: it is longer than `capacity`; it stays, and
 * atoll_next_length tells how long it is. -EPIPE: no message will come any more. Sleeps. */
ssize_t atoll_receive(struct atoll_channel *channel, void *buffer, size_t capacity,
                      int64_t timeout);
ssize_t atoll_receivev(struct atoll_channel *channel, const struct iovec *pieces, int count,
                       int64_t timeout);

/* The next message's length without receiving it. Sleeps. */
ssize_t atoll_next_length(struct atoll_channel *channel, int64_t timeout);

/* Receives from whichever of the channels has a message, in turn: *index says from which (in: the
 * one that was last served, or 0). Channels that are broken are skipped; -EPIPE: all are. Sleeps.
 */
ssize_t atoll_receive_any(struct atoll_channel *const *channels, size_t count, size_t *index,
                          void *buffer, size_t capacity, int64_t timeout);

/* Builds a message where the receiver will read it. Between atoll_reserve and atoll_commit (or
 * atoll_cancel) the channel is this thread's: other threads' sends wait. `length` of atoll_commit
 * may be less than what was reserved. atoll_reserve sleeps; the others do not. */
int atoll_reserve(struct atoll_channel *channel, size_t length, void **buffer, int64_t timeout);
int atoll_commit(struct atoll_channel *channel, size_t length);
int atoll_cancel(struct atoll_channel *channel);

/* Reads a message where it lies: *data stays valid until atoll_release, which takes the message.
 * Meanwhile the channel is this thread's. The memory is the sender's: do not trust it twice.
 * atoll_release returns -EPIPE when the sender was started anew meanwhile, and what was read cannot
 * be relied on. atoll_peek sleeps; atoll_release does not. */
ssize_t atoll_peek(struct atoll_channel *channel, const void **data, int64_t timeout);
int atoll_release(struct atoll_channel *channel);

/* --- Waiting for several ------------------------------------------------------------------------
 */

/* What to wait for: a channel (a message, or room for one that did not fit; always also its end), a
 * port (a channel to accept), or a descriptor with poll's events. */
struct atoll_wait {
    struct atoll_channel *channel; /* one of these two, or */
    struct atoll_port *port;
    int fd; /* where both are NULL */
    short events;
    short ready; /* out: not 0: ready; of a descriptor: poll's revents */
};

/* Waits until at least one is ready; how many are, or 0 when the time is over. Sleeps. The end of a
 * peer makes its channels ready. */
int atoll_wait(struct atoll_wait *items, size_t count, int64_t timeout);

/* A descriptor for poll and epoll: readable when atoll_receive (or atoll_port_accept) would not
 * wait, writable when a send that got -EAGAIN would succeed now; POLLHUP at its end. Level
 * triggered. Closed with the channel or port. Do not sleep. */
int atoll_channel_fd(struct atoll_channel *channel);
int atoll_port_fd(struct atoll_port *port);

/* --- Memory that others can read ----------------------------------------------------------------
 */

/* Memory in this peer's section: written by this program, readable by all peers. Aligned to 64
 * bytes. A system call cannot take its address: copy first. Do not sleep. */
int atoll_memory_alloc(size_t length, void **memory);
int atoll_memory_free(void *memory);

/* A piece of a section, as it can be sent in a message. */
struct atoll_window {
    uint32_t peer;
    uint32_t reserved;
    uint64_t generation; /* of that peer: a restarted one's window is another */
    uint64_t offset;
    uint64_t length;
};

/* Describes [memory, +length), which must lie in memory of atoll_memory_alloc. Does not sleep. */
int atoll_window_make(const void *memory, size_t length, struct atoll_window *window);
/* Publishes it under a name; atoll_window_find finds it at `peer` or any. The first does not
 * sleep, the second does. */
int atoll_window_publish(const char *name, const struct atoll_window *window);
int atoll_window_find(uint32_t peer, const char *name, int64_t timeout,
                      struct atoll_window *window);
/* Where it is readable here. Its owner may change it at any time. -EPIPE: of a former generation.
 * After reading, atoll_window_check says whether the owner is still the same (0, or -EPIPE); a dead
 * owner's memory stays readable until it is started anew. Do not sleep. */
int atoll_window_map(const struct atoll_window *window, const void **memory);
int atoll_window_check(const struct atoll_window *window);

/* --- The memory of a job's peers ----------------------------------------------------------------
 *
 * Instances of the same job (`job: NAME` in the machine file, --job NAME) can read all of each
 * other's memory: a large message is then one copy, from the sender's own pages to the receiver's
 * buffer. A program is told of its job by environment variables: ATOLL_JOB (its name),
 * ATOLL_JOB_RANK (0 to size - 1, in the order of the instances), ATOLL_JOB_SIZE, ATOLL_JOB_PEERS
 * (the numbers of the peers in the order of their ranks, as in "1-4,7").
 *
 * The sender finds out where its message lies (atoll_extents), sends the extents to the receiver by
 * any channel, and leaves the memory alone until the receiver has answered that it has read it. */

/* A piece of an instance's memory: bytes from its start. Pieces that come from another instance
 * need no trust: reading checks them. */
struct atoll_extent {
    uint64_t offset;
    uint64_t length;
};

/* Where [address, +length) of this program lies: up to `capacity` extents (their count is
 * returned), which describe *covered bytes from `address` on: all of it, or as much as they can;
 * ask for the rest then. Any memory of the program will do (heap, stack, static data); it is made
 * present. Looking up what was looked up before takes some nanoseconds and no call. -EACCES: this
 * instance is of no job; -EFAULT: nothing readable is mapped at `address`; -ENOMEM. Does not sleep,
 * but for what a page fault takes. */
ssize_t atoll_extents(const void *address, size_t length, struct atoll_extent *extents,
                      size_t capacity, size_t *covered);

/* The mapping generation: a word that only the kernel changes, before extents that it has told of
 * do not hold any more (munmap, mremap, MADV_DONTNEED, PROT_NONE, a smaller break, a mapping over
 * them). For programs that keep extents themselves: load it (acquire) before asking for them, and
 * use them as long as it is the same. NULL: not on Atoll, or of no job. Does not sleep. */
const volatile uint64_t *atoll_mapping_generation(void);

/* Another peer's memory. It may change at any time; a dead peer's stays as it was until that is
 * started anew. */
struct atoll_peer_memory {
    const void *base; /* readable, never writable */
    uint64_t size;    /* bytes */
    uint64_t generation;
    uint32_t peer;
};

/* Where the peer's memory is readable here. -EACCES: it is not of this instance's job. -EAGAIN: it
 * has not started yet. -ENOMEM. Does not sleep. */
int atoll_peer_memory(uint32_t peer, struct atoll_peer_memory *memory);

/* 0, or -EPIPE: the peer has been started anew since. Does not sleep. */
int atoll_peer_memory_check(const struct atoll_peer_memory *memory);

/* Copies `length` bytes of what the extents describe, one after the other, from the `skip`-th byte
 * on. Extents may lie in memory that their sender can change. 0; -EPROTO: they do not lie in that
 * peer's memory, or are too short; -EPIPE as above (in both cases the buffer's content is
 * undefined). Does not sleep. */
int atoll_peer_memory_read(const struct atoll_peer_memory *memory,
                           const struct atoll_extent *extents, size_t count, uint64_t skip,
                           void *buffer, size_t length);

/* --- Barriers and counters ----------------------------------------------------------------------
 */

struct atoll_barrier;

/* Joins the barrier `name` of the given peers (this one among them), or of all (peers NULL), and
 * waits until all have joined. -EPIPE: one of them has ended. Sleeps. */
int atoll_barrier_join(const char *name, const uint32_t *peers, size_t count, int64_t timeout,
                       struct atoll_barrier **barrier);
/* Waits until all have come. After -ETIMEDOUT (or -EAGAIN) the arrival stands, and the next call
 * goes on waiting for the same one. -EPIPE: a member has ended before it came. One thread of each
 * peer at a time. Sleeps. */
int atoll_barrier_wait(struct atoll_barrier *barrier, int64_t timeout);
int atoll_barrier_close(struct atoll_barrier *barrier); /* does not sleep */

struct atoll_counter;

/* Makes a counter of 64 bits that all peers can change, in this peer's section; or finds one. The
 * first does not sleep, the second does; -EPIPE as atoll_port_find. */
int atoll_counter_create(const char *name, uint64_t value, struct atoll_counter **counter);
int atoll_counter_find(uint32_t peer, const char *name, int64_t timeout,
                       struct atoll_counter **counter);
/* Its value now: one load. -EPIPE: its owner has ended or begun anew. Does not sleep. */
int atoll_counter_read(const struct atoll_counter *counter, uint64_t *value);
/* Atomic operations; *before (may be NULL) is the value before. At the owner they are one
 * instruction; elsewhere its kernel does them, however busy its program is, and the call sleeps
 * until that has answered. -EPIPE: its owner has ended; whether the operation was done is then
 * unknown. */
int atoll_counter_add(struct atoll_counter *counter, int64_t operand, uint64_t *before);
int atoll_counter_exchange(struct atoll_counter *counter, uint64_t value, uint64_t *before);
int atoll_counter_compare_exchange(struct atoll_counter *counter, uint64_t expected, uint64_t value,
                                   uint64_t *before);
int atoll_counter_close(struct atoll_counter *counter); /* does not sleep */

/* --- Statistics ---------------------------------------------------------------------------------
 */

struct atoll_statistics {
    uint64_t messages; /* sent, or received */
    uint64_t bytes;
    uint64_t bulk;      /* of the messages, those that did not travel through the ring itself */
    uint64_t doorbells; /* rung */
    uint64_t full;      /* sends that found no room, or receives that found nothing */
    uint64_t sleeps;    /* of them, those that slept; the others had to poll only */
};
/* Since the channel was opened or accepted. Does not sleep. */
int atoll_channel_statistics(const struct atoll_channel *channel,
                             struct atoll_statistics *statistics);

/* For tests: of the doorbells that this peer rings, one in `lose` gets lost and one in `extra` is
 * rung twice; 0: none. Does not sleep. */
int atoll_inject(uint32_t lose, uint32_t extra);

#ifdef __cplusplus
}
#endif

#endif
