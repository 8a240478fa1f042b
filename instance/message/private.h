/* What the files of instance/message/ share. "Locked" functions are called with host_lock held. */
#ifndef INSTANCE_MESSAGE_PRIVATE_H
#define INSTANCE_MESSAGE_PRIVATE_H

#include "abi/atoll_calls.h"
#include "instance/host.h"
#include "instance/list.h"
#include "instance/sched/wait.h"
#include "ipi-msg/control.h"
#include "shm/ring.h"

enum message_object_kind {
    OBJECT_PORT = SHM_ENTRY_PORT,
    OBJECT_GATE = SHM_ENTRY_GATE,
    OBJECT_COUNTER = SHM_ENTRY_COUNTER,
    OBJECT_WINDOW = SHM_ENTRY_WINDOW,
    OBJECT_SENDER,
    OBJECT_READER,
};

/* Anything that the program has made and knows by an id. */
struct message_object {
    uint64_t id; /* index in the table, from 1; above bit 32 how often that was used before */
    enum message_object_kind kind;
    bool armed;             /* in message_armed: a doorbell looks whether it is ready */
    bool polled;            /* then poll is to look again */
    struct list armed_link; /* */
    struct list watches;    /* threads that wait for it */
};

/* A name in the own directory: ports, gates, counters and windows begin with it. */
struct message_named {
    struct message_object object;
    uint64_t offset;      /* of what it names in the own section; 0: nothing */
    bool owned;           /* that is to be freed with it */
    struct list accepted; /* port: readers' ends that the program has not taken yet */
    /* Gate: */
    uint32_t members;
    struct message_member {
        uint32_t peer;
        uint64_t generation;
        const struct shm_gate *gate;
    } * member;
};

/* Memory of this instance, in bytes. */
struct message_kept {
    uint64_t section; /* of the section's heap */
    uint64_t kernel;  /* of the partition */
};

enum message_end_state {
    END_OPENING, /* sender: the reader's kernel has not answered yet */
    END_OPEN,
};

struct message_end {
    struct message_object object;
    enum message_end_state state;
    uint32_t peer;
    uint64_t peer_generation;
    uint64_t peer_id;    /* of the other end */
    uint64_t own_offset; /* of the own struct shm_channel */
    struct shm_channel *own;
    uint64_t other_offset; /* of the other's */
    const struct shm_channel *other;
    const struct shm_cell *cells;
    uint64_t cells_offset;
    uint64_t mask;
    uint64_t ring_generation;
    bool closed;               /* the program uses it no more */
    bool other_closed;         /* the other end uses the own memory no more, or is gone */
    int error;                 /* OPENING: why it was refused */
    struct wait_queue *opener; /* who waits for the answer */
    struct list accepted;      /* in message_named.accepted */
    struct list peer_link;     /* in message_peers[peer].ends */
    struct list extents;       /* struct message_extent.end_link */
    struct message_kept kept;  /* that the peer is charged for */
    uint64_t lingers;          /* in message_peer.lingering for it */
};

/* What another instance is to this one. */
struct message_peer {
    const struct shm_section *section; /* of `generation` */
    uint64_t generation;               /* 0: none seen yet */
    bool over;                         /* it has ended, or its link is broken */
    struct list ends;                  /* with that generation */
    const _Atomic uint64_t *news;      /* of that generation; NULL: none is sound */
    uint64_t seen;                     /* of them */
    struct list outbox;                /* messages that did not fit into the ring */
    struct message_kept kept;          /* because it asked; see quota.c */
    uint64_t lingering; /* bytes of the section in senders' ends that are closed here only */
};
extern struct message_peer *message_peers; /* [message_peer_count + 1], from 1 */
extern uint32_t message_peer_count;        /* instances */
extern uint32_t message_self;

/* --- object.c -----------------------------------------------------------------------------------
 */

void objects_init(void);
/* Locked. Gives the object its id. 0 or -ENOMEM. */
int object_add(struct message_object *object, enum message_object_kind kind);
/* Locked. Takes it out; whoever waits for it wakes up. The memory is the caller's. */
void object_remove(struct message_object *object);
/* Locked. NULL: no such thing. */
struct message_object *object_find(uint64_t id);
struct message_named *object_find_named(uint64_t id, enum message_object_kind kind);
struct message_end *object_find_end(uint64_t id);

enum message_readiness { NOT_READY = 0, READY = 1, READY_BROKEN = 2 };
/* Locked. */
enum message_readiness object_ready(const struct message_object *object);
/* Locked. The next doorbell looks at it; the other side is told to ring. */
void object_arm(struct message_object *object);
/* Locked. As object_ready, after arming and before sleeping: looks for as long as a message that
 * its sender was storing meanwhile may take to be seen (shm_ring_reader_armed_lately). */
enum message_readiness object_settle(const struct message_object *object);
/* Locked. It may have become ready: wakes who waits if it has. */
void object_look(struct message_object *object);
/* Locked. The same for all that are armed. */
void objects_look(void);
/* Sleeps until one of them is ready; see ATOLL_CALL_WAIT. */
int64_t objects_wait(struct atoll_call_wait *items, uint64_t count, uint64_t deadline);

/* Locked. As wait_queue_wait with host_lock, interruptible; doorbells that got lost are made up
 * for. */
int message_sleep(struct wait_queue *queue, uint64_t *saved, uint64_t deadline);
/* Locked. Has the time of a deadline come? */
bool message_deadline_passed(uint64_t deadline);

/* What this instance publishes as the place for doorbells: the current core's. */
uint32_t message_doorbell_core(void);

/* --- link.c --------------------------------------------------------------------------------------
 */

int links_init(void);
/* Locked. Takes what other instances' kernels have sent, and sees who has ended: those that say
 * that they have news, or all. */
void links_receive(bool all);
/* As message_doorbell, when doorbells or news may have been lost: looks at everything. */
void message_look_at_all(void);
/* Locked. Sends, now or when there is room. 0, -ENOMEM, or -EPIPE: the peer is gone. */
int link_send(uint32_t peer, uint16_t kind, const void *message, size_t length);
/* Locked. Likewise, in answer to a message of the peer: -ENOMEM also when it takes no answers. */
int link_answer(uint32_t peer, uint16_t kind, const void *message, size_t length);
/* Locked. Is that generation of the peer there, as far as can be seen? */
bool peer_is_there(uint32_t peer, uint64_t generation);
/* Locked. The peer's state, SHM_STATE_HUNG where the proxy says that it is over. */
enum shm_state peer_state(uint32_t peer);

/* --- channel.c -----------------------------------------------------------------------------------
 */

int64_t channel_open(struct atoll_call_channel *call);
int64_t channel_accept(uint64_t port, struct atoll_call_channel *call);
/* Locked. */
void channel_close(struct message_end *end);
enum message_readiness channel_ready(const struct message_end *end);
void channel_take_open(uint32_t peer, const struct control_channel_open *message);
void channel_take_accept(uint32_t peer, const struct control_channel_accept *message);
void channel_take_refuse(uint32_t peer, const struct control_channel_refuse *message);
void channel_take_close(uint32_t peer, const struct control_channel_close *message);
/* Locked. The peer that these ends are with is gone. */
void channels_peer_over(struct message_peer *peer);
/* Locked. Rings the other end. */
void channel_ring(const struct message_end *end);

/* Bulk memory for the program. */
int64_t extent_alloc(uint64_t length, uint64_t alignment, uint64_t end);
int64_t extent_free(uint64_t offset);
/* Locked. All of an end's. */
void extents_free(struct message_end *end);
void extents_init(void);

/* --- quota.c -------------------------------------------------------------------------------------
 */

/* Locked. May the peer make this instance keep so much more? */
bool quota_allows(uint32_t peer, struct message_kept more);
/* Locked. Does it let go of what has been closed, so that one may open more channels to it? */
bool quota_lets_open(uint32_t peer);
/* Locked. It does make it keep that; and no more. */
void quota_charge(uint32_t peer, struct message_kept kept);
void quota_release(uint32_t peer, struct message_kept kept);

/* --- directory.c ---------------------------------------------------------------------------------
 */

int directory_init(void);
int64_t directory_publish(struct atoll_call_publish *call);
/* Locked. Takes the name back and frees the object. */
void directory_withdraw(struct message_named *named);
int64_t directory_find(struct atoll_call_find *call);
int64_t directory_peer_wait(uint32_t peer, uint64_t states, uint64_t deadline);
/* Locked. Peers or names have changed, perhaps. */
void directory_wake(void);

/* --- group.c -------------------------------------------------------------------------------------
 */

int64_t gate_join(uint64_t id, struct atoll_call_member *members, uint64_t count);
enum message_readiness gate_ready(const struct message_named *gate); /* locked */
void gate_ring(const struct message_named *gate);                    /* locked */
int64_t counter_change(struct atoll_call_counter *call);
void counter_take_request(uint32_t peer, const struct control_counter *message);
void counter_take_answer(uint32_t peer, const struct control_counter_done *message);
void counters_peer_over(uint32_t peer);
void counters_init(void);

/* --- job.c ---------------------------------------------------------------------------------------
 */

int64_t job_memory(struct atoll_call_memory *call);
#define JOB_EXTENTS_MAX 64 /* of one call */
/* As the call says; `extents` holds JOB_EXTENTS_MAX. May sleep. */
int64_t job_extents(struct atoll_call_extents *call, struct atoll_call_extent *extents);

/* --- file.c --------------------------------------------------------------------------------------
 */

int64_t message_file_open(uint64_t id);

#endif
