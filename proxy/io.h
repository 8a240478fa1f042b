/* The I/O server: answers what the instances ask for on their channels (abi/io.h). Everything that
 * comes from an instance is hostile until checked; a fault closes that instance's channel. */
#ifndef PROXY_IO_H
#define PROXY_IO_H

#include "abi/io.h"
#include "ipi-msg/endpoint.h"
#include "proxy/input.h"
#include "proxy/output.h"
#include "proxy/share.h"

#define IO_REQUESTS_MAX 256 /* of one instance under way; further ones stay in its ring */
#define IO_EXTENTS_MAX 16   /* of section 0 in one instance's hands */
#define IO_READ_MAX (UINT64_C(64) << 10) /* bytes read from standard input for one request */

struct io_channel;

struct io_server {
    struct ipi_endpoint *endpoint;
    struct output *output;
    struct input *input;
    uint8_t *message; /* one received message */
    size_t message_capacity;
    uint8_t *copy;             /* what is being written, out of the lagoon */
    struct share_pool *shares; /* serves the host's files; NULL: no instance is shown any */
    /* A channel has been closed for `text`, or a message was not understood. */
    void (*report)(void *context, uint32_t peer, const char *text);
    void *context;
};

/* 0 or -ENOMEM. */
int io_server_open(struct io_server *server, struct ipi_endpoint *endpoint, struct output *output,
                   struct input *input);
void io_server_close(struct io_server *server);

/* The channel of instance `peer`, whose streams go to `out` and `err`. NULL: out of memory. */
struct io_channel *io_channel_open(struct io_server *server, uint32_t peer, const char *name,
                                   bool gets_input, struct output_sink *out,
                                   struct output_sink *err);
void io_channel_close(struct io_channel *channel);

/* The folders of the host that the instance is shown; to be opened (share_open) before the first
 * call of io_channel_serve. */
struct share *io_channel_share(struct io_channel *channel);

/* Answers the requests on the host's files that are done by now. Returns whether there were any. */
bool io_server_collect(struct io_server *server);

/* Ends the threads; what they have done by then is dropped. Before the channels are closed. */
void io_server_stop(struct io_server *server);

/* Serves the channel: answers, writes, and takes a fair share of new messages. Returns whether
 * there was progress: then call again, after the others have had their turn. */
bool io_channel_serve(struct io_channel *channel);

/* Arms the channel for the next message. Returns true when there is something to serve already. A
 * channel that waits for a sink is not armed: it goes on when the sink does. */
bool io_channel_arm(struct io_channel *channel);

/* Asks the instance's kernel to give its program `signal` (CONTROL_STOP), or to end at once. Sent
 * as soon as its channel has room. */
void io_channel_send_stop(struct io_channel *channel, uint32_t signal);
void io_channel_send_end(struct io_channel *channel);

/* The instance has ended: nothing is answered or read for it from now on; what it has sent is still
 * taken, by further calls of io_channel_serve. */
void io_channel_over(struct io_channel *channel);

/* Is all written that has been taken? (Up to the sinks' buffers.) */
bool io_channel_drained(const struct io_channel *channel);

/* After the last: ends unfinished lines. */
void io_channel_end_lines(struct io_channel *channel);

/* Standard input: is somebody waiting for it; give the channel what there is. */
bool io_channel_wants_input(const struct io_channel *channel);
void io_channel_feed(struct io_channel *channel);

bool io_channel_is_closed(const struct io_channel *channel);

#endif
