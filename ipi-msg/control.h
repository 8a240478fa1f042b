/* The control messages that the proxy and the instances' kernels send each other, beside the I/O of
 * abi/io.h. Every payload is copied out of the ring and checked before use. Numbers never change
 * their meaning; a receiver logs and drops a kind that it does not know. */
#ifndef IPI_MSG_CONTROL_H
#define IPI_MSG_CONTROL_H

#include <stdint.h>

enum control_kind {
    CONTROL_STOP = 1,  /* proxy -> instance: deliver a signal to the program; struct control_stop */
    CONTROL_END = 2,   /* proxy -> instance: end now, as SIGKILL would; no payload */
    CONTROL_STATE = 3, /* instance -> proxy: my section's state has changed, look; no payload */

    /* Between the kernels of two instances, for their programs. An `id` is a number that its owner
     * has given to something of its own and gives to nothing else as long as it runs. */
    CONTROL_CHANNEL_OPEN = 16,   /* sender -> reader: struct control_channel_open */
    CONTROL_CHANNEL_ACCEPT = 17, /* the answer: struct control_channel_accept */
    CONTROL_CHANNEL_REFUSE = 18, /* or this: struct control_channel_refuse */
    CONTROL_CHANNEL_CLOSE =
        19,                    /* this end uses the other's memory no more: control_channel_close */
    CONTROL_COUNTER = 20,      /* to its owner: struct control_counter */
    CONTROL_COUNTER_DONE = 21, /* the answer: struct control_counter_done */
};
#define CONTROL_KIND_IO_FIRST 64 /* kinds from here on belong to abi/io.h */

struct control_stop {
    uint32_t signal; /* Linux signal number, 1..64 */
    uint32_t reserved;
};
_Static_assert(sizeof(struct control_stop) == 8, "layout of control_stop");

struct control_channel_open {
    uint64_t sender; /* id of the sender's end */
    uint64_t port;   /* id of the reader's port, as its directory says */
    uint64_t offset; /* of the sender's struct shm_channel, in the sender's section */
};
_Static_assert(sizeof(struct control_channel_open) == 24, "layout of control_channel_open");

struct control_channel_accept {
    uint64_t sender; /* as in the message that this answers */
    uint64_t reader; /* id of the reader's end */
    uint64_t offset; /* of the reader's struct shm_channel, in the reader's section */
};
_Static_assert(sizeof(struct control_channel_accept) == 24, "layout of control_channel_accept");

struct control_channel_refuse {
    uint64_t sender;
    uint32_t error; /* an errno value: ENOENT (no such port any more), ENOMEM, EPROTO */
    uint32_t reserved;
};
_Static_assert(sizeof(struct control_channel_refuse) == 16, "layout of control_channel_refuse");

struct control_channel_close {
    uint64_t id; /* of the receiver's end */
};
_Static_assert(sizeof(struct control_channel_close) == 8, "layout of control_channel_close");

enum control_counter_operation {
    CONTROL_COUNTER_ADD,      /* + operand */
    CONTROL_COUNTER_EXCHANGE, /* = operand */
    CONTROL_COUNTER_COMPARE,  /* = operand if it is `expected` */
};
struct control_counter {
    uint64_t tag;     /* comes back in the answer */
    uint64_t counter; /* id, as its owner's directory says */
    uint32_t operation;
    uint32_t reserved;
    uint64_t operand;
    uint64_t expected;
};
_Static_assert(sizeof(struct control_counter) == 40, "layout of control_counter");

struct control_counter_done {
    uint64_t tag;
    uint64_t before; /* the counter's value before the operation */
    uint32_t error;  /* 0 or an errno value: ENOENT, EINVAL */
    uint32_t reserved;
};
_Static_assert(sizeof(struct control_counter_done) == 24, "layout of control_counter_done");

#endif
