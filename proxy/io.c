/* Serving the channels. Output is taken as long as its sink has room; a write that does not fit
 * waits here, in order for its stream, while the instance's other requests go on. */
#include "proxy/io_private.h"

#include "shm/ring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_SIZE (UINT64_C(128) << 10)
#define SHARE_MESSAGES 64 /* taken from one instance before the next has its turn */
#define SHARE_BYTES (UINT64_C(1) << 20)
/* --- Faults --------------------------------------------------------------------------------------
 */

static void drop_requests(struct io_channel *channel)
{
    while (channel->answers) {
        struct pending_answer *answer = channel->answers;

        channel->answers = answer->next;
        channel->requests--;
        free(answer);
    }
    channel->last_answer = &channel->answers;
    channel->requests -= channel->read_count;
    channel->read_count = 0;
}

/* Closes the channel for good. What had been asked for rightly is still written. */
void io_refuse(struct io_channel *channel, const char *format, ...)
{
    struct ipi_link *link = &channel->server->endpoint->links[channel->peer];
    char text[256];
    va_list values;

    if (channel->closed)
        return;
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    channel->closed = true;
    /* Tells the sender: its next send gets -EPIPE instead of waiting for a reader for ever. */
    if (link->reader_open)
        shm_ring_refuse(&link->reader);
    io_cancel_locks(channel);
    drop_requests(channel);
    channel->server->report(channel->server->context, channel->peer, text);
}

/* --- Answers -------------------------------------------------------------------------------------
 */

static int send_answer(struct io_channel *channel, const struct io_done *done, const void *bytes,
                       size_t length)
{
    const struct shm_piece pieces[] = {{done, sizeof(*done)}, {bytes, length}};

    return ipi_send(channel->server->endpoint, channel->peer, IO_DONE, pieces, length ? 2 : 1);
}

/* Sends an answer now, or as soon as the ring has room. Called for a request that counts in
 * channel->requests, which it ends. */
void io_answer(struct io_channel *channel, const struct io_done *done, const void *bytes,
               size_t length)
{
    struct pending_answer *pending;
    int error = -EAGAIN;

    if (channel->closed || channel->over || !done->tag) {
        channel->requests--;
        return;
    }
    if (!channel->answers)
        error = send_answer(channel, done, bytes, length);
    if (error != -EAGAIN) {
        channel->requests--;
        if (error)
            io_refuse(channel, "takes no answers: %s", strerror(-error));
        return;
    }
    pending = malloc(sizeof(*pending) + length);
    if (!pending) {
        channel->requests--;
        io_refuse(channel, "out of memory for an answer to it");
        return;
    }
    pending->next = NULL;
    pending->done = *done;
    pending->length = length;
    if (length)
        memcpy(pending->bytes, bytes, length);
    *channel->last_answer = pending;
    channel->last_answer = &pending->next;
}

static bool send_answers(struct io_channel *channel)
{
    bool progress = false;

    while (channel->answers) {
        struct pending_answer *pending = channel->answers;
        int error = send_answer(channel, &pending->done, pending->bytes, pending->length);

        if (error == -EAGAIN)
            break;
        if (error) {
            io_refuse(channel, "takes no answers: %s", strerror(-error));
            return true;
        }
        channel->answers = pending->next;
        if (!channel->answers)
            channel->last_answer = &channel->answers;
        channel->requests--;
        free(pending);
        progress = true;
    }
    return progress;
}

/* --- Writes --------------------------------------------------------------------------------------
 */

/* Gives the stream as much as it takes. Returns whether the request is done, and answered. */
static bool write_on(struct io_channel *channel, const struct io_write *request, uint32_t *done,
                     const uint8_t *inline_bytes)
{
    struct output_stream *stream = &channel->streams[request->fd - 1];
    const uint8_t *bytes = request->extent
                               ? shm_view_bytes(&channel->server->endpoint->view, channel->peer,
                                                request->extent, request->length)
                               : inline_bytes;
    struct io_done result = {.tag = request->tag};

    while (*done < request->length) {
        uint32_t part = request->length - *done;
        int64_t taken;

        if (!bytes) { /* was there when the request was checked; the section is gone */
            result.result = -EFAULT;
            break;
        }
        if (part > COPY_SIZE)
            part = COPY_SIZE;
        /* Copied before it is looked at: the instance may still change it. */
        memcpy(channel->server->copy, bytes + *done, part);
        taken = output_stream_write(stream, channel->server->copy, part);
        if (taken < 0) {
            result.result = taken;
            break;
        }
        *done += (uint32_t)taken;
        channel->turn -= (uint64_t)taken < channel->turn ? (uint64_t)taken : channel->turn;
        if (taken < part)
            return false;
    }
    if (!result.result)
        result.result = *done;
    io_answer(channel, &result, NULL, 0);
    return true;
}

static bool continue_writes(struct io_channel *channel, struct write_queue *queue)
{
    bool progress = false;

    while (queue->first) {
        struct pending_write *pending = queue->first;
        uint32_t before = pending->done;
        bool done = write_on(channel, &pending->request, &pending->done, pending->inline_bytes);

        progress |= done || pending->done != before;
        if (!done)
            break;
        queue->first = pending->next;
        if (!queue->first)
            queue->last = &queue->first;
        free(pending);
    }
    return progress;
}

static void take_write(struct io_channel *channel, const uint8_t *message, size_t length)
{
    struct write_queue *queue;
    struct pending_write *pending;
    struct io_write request;
    uint32_t done = 0;

    if (length < sizeof(request)) {
        io_refuse(channel, "sent a write request of %zu bytes", length);
        return;
    }
    memcpy(&request, message, sizeof(request));
    message += sizeof(request);
    length -= sizeof(request);
    if (request.fd < 1 || request.fd > 2 || !request.length) {
        io_refuse(channel, "asked to write %u bytes to file %u", request.length, request.fd);
        return;
    }
    if (!request.extent && request.length != length) {
        io_refuse(channel, "sent %zu bytes with a write of %u", length, request.length);
        return;
    }
    if (request.extent && (!request.tag || length ||
                           !shm_view_bytes(&channel->server->endpoint->view, channel->peer,
                                           request.extent, request.length))) {
        io_refuse(channel, "asked to write %u bytes at offset 0x%" PRIx64 " of its section%s",
                  request.length, request.extent,
                  request.tag ? ", which is not inside it" : " without wanting an answer");
        return;
    }

    queue = &channel->writes[request.fd - 1];
    channel->requests++;
    if (!queue->first && write_on(channel, &request, &done, message))
        return;
    pending = malloc(sizeof(*pending) + length);
    if (!pending) {
        channel->requests--;
        io_refuse(channel, "out of memory for its output");
        return;
    }
    pending->next = NULL;
    pending->request = request;
    pending->done = done;
    if (length)
        memcpy(pending->inline_bytes, message, length);
    *queue->last = pending;
    queue->last = &pending->next;
}

/* --- Reads ---------------------------------------------------------------------------------------
 */

static void take_read(struct io_channel *channel, const uint8_t *message, size_t length)
{
    struct io_read request;

    if (length != sizeof(request)) {
        io_refuse(channel, "sent a read request of %zu bytes", length);
        return;
    }
    memcpy(&request, message, sizeof(request));
    if (request.fd != 0) {
        io_refuse(channel, "asked to read file %u", request.fd);
        return;
    }
    channel->requests++;
    if (!channel->gets_input || !request.length) {
        io_answer(channel, &(struct io_done){.tag = request.tag}, NULL, 0);
        return;
    }
    /* A prompt without a newline has to be seen by who is to answer it. */
    if (channel->server->input->terminal) {
        output_stream_show(&channel->streams[0]);
        output_stream_show(&channel->streams[1]);
    }
    channel->reads[(channel->first_read + channel->read_count++) % IO_REQUESTS_MAX] =
        (struct pending_read){.tag = request.tag, .length = request.length};
}

static void take_release(struct io_channel *channel, const uint8_t *message, size_t length)
{
    struct io_release request;

    if (length != sizeof(request)) {
        io_refuse(channel, "sent a release of %zu bytes", length);
        return;
    }
    memcpy(&request, message, sizeof(request));
    for (size_t i = 0; request.extent > EXTENT_FILLING && i < IO_EXTENTS_MAX; i++) {
        if (channel->extents[i] != request.extent)
            continue;
        channel->extents[i] = 0;
        shm_heap_free(channel->server->endpoint->heap, request.extent);
        return;
    }
    io_refuse(channel, "released offset 0x%" PRIx64 ", which it had not been given",
              request.extent);
}

/* Room for `length` bytes of input in section 0, noted as the instance's; 0 when there is none. */
uint64_t io_give_extent(struct io_channel *channel, uint64_t length, size_t *entry)
{
    for (size_t i = 0; i < IO_EXTENTS_MAX; i++) {
        if (channel->extents[i])
            continue;
        channel->extents[i] = shm_heap_alloc(channel->server->endpoint->heap, length, SHM_LINE);
        *entry = i;
        return channel->extents[i];
    }
    return 0;
}

bool io_channel_wants_input(const struct io_channel *channel)
{
    return channel->read_count > 0;
}

void io_channel_feed(struct io_channel *channel)
{
    struct io_server *server = channel->server;
    struct ipi_endpoint *endpoint = server->endpoint;
    const size_t inline_max = ipi_message_max() - sizeof(struct io_done);
    struct pending_read *request = &channel->reads[channel->first_read];
    struct io_done done = {.tag = request->tag};
    uint64_t length = request->length < IO_READ_MAX ? request->length : IO_READ_MAX;
    uint8_t *bytes = server->copy;
    size_t entry = 0;

    if (!channel->read_count)
        return;
    if (length > inline_max) {
        done.extent = io_give_extent(channel, length, &entry);
        if (!done.extent)
            length = inline_max;
    }
    done.result = input_read(server->input, server->copy, length);
    if (done.extent && (done.result <= 0 || (uint64_t)done.result <= inline_max)) {
        shm_heap_free(endpoint->heap, done.extent);
        channel->extents[entry] = 0;
        done.extent = 0;
    }
    if (done.result == -EAGAIN)
        return;
    if (done.result > 0 && server->input->terminal && bytes[done.result - 1] == '\n')
        output_line_entered(server->output);
    channel->first_read = (channel->first_read + 1) % IO_REQUESTS_MAX;
    channel->read_count--;
    if (done.extent) /* ours to write: section 0 is the proxy's own */
        memcpy(shm_view_own(&endpoint->view, done.extent, (uint64_t)done.result), bytes,
               (size_t)done.result);
    io_answer(channel, &done, bytes, done.extent || done.result <= 0 ? 0 : (size_t)done.result);
}

/* --- The channel ---------------------------------------------------------------------------------
 */

static void send_orders(struct io_channel *channel)
{
    struct ipi_endpoint *endpoint = channel->server->endpoint;
    int error = 0;

    if (channel->stop_signal) {
        const struct control_stop order = {.signal = channel->stop_signal};
        const struct shm_piece piece = {&order, sizeof(order)};

        error = ipi_send(endpoint, channel->peer, CONTROL_STOP, &piece, 1);
        if (error != -EAGAIN)
            channel->stop_signal = 0;
    }
    if (channel->end_wanted && error != -EAGAIN) {
        error = ipi_send(endpoint, channel->peer, CONTROL_END, NULL, 0);
        if (error != -EAGAIN)
            channel->end_wanted = false;
    }
}

static void take_message(struct io_channel *channel, uint16_t kind, const uint8_t *message,
                         size_t length)
{
    char text[96];

    switch (kind) {
    case IO_WRITE:
        take_write(channel, message, length);
        break;
    case IO_READ:
        take_read(channel, message, length);
        break;
    case IO_RELEASE:
        take_release(channel, message, length);
        break;
    case IO_FILE:
        io_take_file(channel, message, length);
        break;
    case CONTROL_STATE: /* the states are looked at after every doorbell */
        break;
    default:
        if (channel->unknown_reported)
            break;
        channel->unknown_reported = true;
        snprintf(text, sizeof(text), "sent a message of unknown kind %u, which is ignored", kind);
        channel->server->report(channel->server->context, channel->peer, text);
    }
}

bool io_channel_serve(struct io_channel *channel)
{
    struct io_server *server = channel->server;
    bool progress = false;

    channel->turn = SHARE_BYTES;
    if (!channel->closed && !channel->over) {
        send_orders(channel);
        progress |= send_answers(channel);
    }
    progress |= continue_writes(channel, &channel->writes[0]);
    progress |= continue_writes(channel, &channel->writes[1]);

    for (int taken = 0; !channel->closed && channel->requests < IO_REQUESTS_MAX && channel->turn &&
                        taken < SHARE_MESSAGES;
         taken++) {
        uint16_t kind;
        size_t length;
        int result = ipi_receive(server->endpoint, channel->peer, &kind, server->message,
                                 server->message_capacity, &length);

        if (result == 0)
            break;
        progress = true;
        if (result < 0) {
            io_refuse(channel, "its message ring is not sound: %s", strerror(-result));
            break;
        }
        take_message(channel, kind, server->message, length);
    }
    channel->blocked = channel->requests >= IO_REQUESTS_MAX;
    return progress;
}

bool io_channel_arm(struct io_channel *channel)
{
    if (channel->closed || channel->blocked)
        return false;
    return ipi_arm(channel->server->endpoint, channel->peer, channel->peer);
}

void io_channel_send_stop(struct io_channel *channel, uint32_t signal)
{
    channel->stop_signal = signal;
    send_orders(channel);
}

void io_channel_send_end(struct io_channel *channel)
{
    channel->end_wanted = true;
    send_orders(channel);
}

void io_channel_over(struct io_channel *channel)
{
    if (channel->over)
        return;
    channel->over = true;
    io_cancel_locks(channel);
    drop_requests(channel);
    for (size_t i = 0; i < IO_EXTENTS_MAX; i++) {
        if (channel->extents[i] == EXTENT_FILLING)
            continue; /* its job gives it back */
        if (channel->extents[i])
            shm_heap_free(channel->server->endpoint->heap, channel->extents[i]);
        channel->extents[i] = 0;
    }
}

bool io_channel_drained(const struct io_channel *channel)
{
    return !channel->writes[0].first && !channel->writes[1].first;
}

void io_channel_end_lines(struct io_channel *channel)
{
    output_stream_end(&channel->streams[0]);
    output_stream_end(&channel->streams[1]);
}

bool io_channel_is_closed(const struct io_channel *channel)
{
    return channel->closed;
}

struct io_channel *io_channel_open(struct io_server *server, uint32_t peer, const char *name,
                                   bool gets_input, struct output_sink *out,
                                   struct output_sink *err)
{
    struct io_channel *channel = calloc(1, sizeof(*channel));

    if (!channel)
        return NULL;
    channel->server = server;
    channel->peer = peer;
    channel->gets_input = gets_input;
    channel->last_answer = &channel->answers;
    channel->writes[0].last = &channel->writes[0].first;
    channel->writes[1].last = &channel->writes[1].first;
    if (output_stream_open(server->output, &channel->streams[0], out, name, peer - 1) ||
        output_stream_open(server->output, &channel->streams[1], err, name, peer - 1)) {
        io_channel_close(channel);
        return NULL;
    }
    return channel;
}

void io_channel_close(struct io_channel *channel)
{
    if (!channel)
        return;
    drop_requests(channel);
    for (int i = 0; i < 2; i++) {
        while (channel->writes[i].first) {
            struct pending_write *pending = channel->writes[i].first;

            channel->writes[i].first = pending->next;
            free(pending);
        }
        output_stream_close(&channel->streams[i]);
    }
    if (channel->jobs)
        return; /* a thread that waits for the host's storage still looks at the mounts */
    share_close(&channel->share);
    free(channel);
}

int io_server_open(struct io_server *server, struct ipi_endpoint *endpoint, struct output *output,
                   struct input *input)
{
    server->endpoint = endpoint;
    server->output = output;
    server->input = input;
    server->shares = NULL;
    server->message_capacity = ipi_message_max();
    server->message = malloc(server->message_capacity);
    server->copy = malloc(COPY_SIZE);
    if (server->message && server->copy)
        return 0;
    io_server_close(server);
    return -ENOMEM;
}

void io_server_close(struct io_server *server)
{
    share_pool_close(server->shares);
    free(server->message);
    free(server->copy);
    server->shares = NULL;
    server->message = server->copy = NULL;
}
