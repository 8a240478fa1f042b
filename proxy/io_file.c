/* Serving requests on files of the host: checked here, done by the threads of share_pool.c,
 * answered when these are through. */
#include "proxy/io_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void free_job(struct share_job *job)
{
    share_handle_put(job->handle);
    share_handle_put(job->opened);
    free(job);
}

/* Answers what needs no thread. */
static void answer_file(struct io_channel *channel, uint64_t tag, int64_t result, const void *bytes,
                        size_t length)
{
    io_answer(channel, &(struct io_done){.tag = tag, .result = result}, bytes, length);
}

/* A job for the request, whose bytes lie at `bytes`; or NULL with *error set. */
static struct share_job *make_job(struct io_channel *channel, const struct io_file *request,
                                  const uint8_t *bytes, int *error)
{
    bool data = request->operation == IO_FILE_WRITE;
    bool in_place = data && request->extent;
    struct share_job *job;

    *error = -ENOMEM;
    job = malloc(sizeof(*job) + (in_place ? 0 : (size_t)request->length + 2));
    if (!job)
        return NULL;
    memset(job, 0, sizeof(*job));
    job->channel = channel;
    job->request = *request;
    job->share = &channel->share;
    if (request->handle) {
        job->handle = share_find(&channel->share, request->handle);
        *error = -EBADF;
        if (!job->handle)
            goto fail;
    }
    if (in_place) {
        job->bytes = bytes;
        return job;
    }
    if (data) {
        memcpy(job->room, bytes, request->length);
        job->bytes = job->room;
        return job;
    }
    /* Copied before it is looked at. The second path goes behind the first one's NUL. */
    job->path = (char *)job->room;
    job->second = job->path + request->second + 1;
    memcpy(job->path, bytes, request->second);
    job->path[request->second] = '\0';
    memcpy(job->second, bytes + request->second, request->length - request->second);
    job->second[request->length - request->second] = '\0';
    *error = -EINVAL;
    if (strlen(job->path) == request->second &&
        strlen(job->second) == request->length - request->second)
        return job;
fail:
    free_job(job);
    return NULL;
}

/* Is the request one that can be carried out? 0 or a negative errno value. */
static int check_file_request(const struct io_channel *channel, const struct io_file *request)
{
    switch (request->operation) {
    case IO_FILE_READ:
    case IO_FILE_ENTRIES:
        if (!request->size || request->size > IO_FILE_BYTES_MAX || request->length)
            return -EINVAL;
        break;
    case IO_FILE_WRITE:
        if (!request->length || request->length > IO_FILE_BYTES_MAX)
            return -EINVAL;
        break;
    case IO_FILE_SYNC:
    case IO_FILE_ALLOCATE:
    case IO_FILE_LOCK:
        break;
    default:
        if (!request->handle && request->mount >= channel->share.mount_count)
            return -ENODEV;
        if (request->length > IO_FILE_PATHS_MAX || request->second > request->length)
            return -EINVAL;
        return request->offset > INT64_MAX ? -EINVAL : 0;
    }
    if (!request->handle)
        return -EBADF;
    if (request->second > request->length)
        return -EINVAL;
    return request->offset > INT64_MAX ? -EINVAL : 0;
}

static bool waits_for_lock(const struct io_file *request)
{
    return request->operation == IO_FILE_LOCK && (request->flags & IO_LOCK_WAIT);
}

static void start_job(struct io_channel *channel, struct share_job *job)
{
    const struct io_file *request = &job->request;
    size_t entry = 0;

    if ((request->operation == IO_FILE_READ || request->operation == IO_FILE_ENTRIES) &&
        request->size > sizeof(job->answer)) {
        job->extent = io_give_extent(channel, request->size, &entry);
        if (job->extent) {
            job->extent_entry = entry;
            channel->extents[entry] = EXTENT_FILLING;
            job->extent_bytes =
                shm_view_own(&channel->server->endpoint->view, job->extent, request->size);
        }
    }
    if (waits_for_lock(request))
        channel->requests--; /* so that the lock's holder is always heard */
    job->next = NULL;
    job->before = NULL;
    job->after = channel->jobs;
    if (channel->jobs)
        channel->jobs->before = job;
    channel->jobs = job;
    share_pool_add(channel->server->shares, job);
}

/* The lock with this tag, if it still waits; 0: all of them. */
static void cancel_lock(struct io_channel *channel, uint64_t tag)
{
    for (struct share_job *job = channel->jobs; job; job = job->after)
        if (job->request.operation == IO_FILE_LOCK && (!tag || job->request.tag == tag))
            share_pool_cancel(channel->server->shares, job);
}

void io_cancel_locks(struct io_channel *channel)
{
    cancel_lock(channel, 0);
}

void io_take_file(struct io_channel *channel, const uint8_t *message, size_t length)
{
    struct io_file request;
    struct share_job *job;
    int error;

    if (length < sizeof(request)) {
        io_refuse(channel, "sent a file request of %zu bytes", length);
        return;
    }
    memcpy(&request, message, sizeof(request));
    message += sizeof(request);
    length -= sizeof(request);
    if (request.operation >= IO_FILE_OPERATIONS ||
        (!request.tag && request.operation != IO_FILE_CLOSE &&
         request.operation != IO_FILE_CANCEL)) {
        io_refuse(channel, "sent a file request of operation %u, tag %" PRIu64, request.operation,
                  request.tag);
        return;
    }
    if (request.extent) {
        message = shm_view_bytes(&channel->server->endpoint->view, channel->peer, request.extent,
                                 request.length);
        if (length || !message) {
            io_refuse(channel,
                      "sent a file request with %u bytes at offset 0x%" PRIx64
                      " of its section, which is not inside it",
                      request.length, request.extent);
            return;
        }
    } else if (request.length != length) {
        io_refuse(channel, "sent %zu bytes with a file request of %u", length, request.length);
        return;
    }

    if (request.operation == IO_FILE_CANCEL) {
        cancel_lock(channel, request.value);
        return;
    }
    channel->requests++;
    if (request.operation == IO_FILE_MOUNT) {
        const struct share *share = &channel->share;

        if (request.mount >= share->mount_count)
            answer_file(channel, request.tag, -ENOENT, NULL, 0);
        else
            answer_file(
                channel, request.tag, share->mounts[request.mount].writable ? IO_MOUNT_WRITABLE : 0,
                share->mounts[request.mount].guest, strlen(share->mounts[request.mount].guest));
        return;
    }
    if (request.operation == IO_FILE_CLOSE) {
        answer_file(channel, request.tag, share_drop(&channel->share, request.handle), NULL, 0);
        return;
    }
    error = channel->server->shares ? check_file_request(channel, &request) : -ENODEV;
    job = error ? NULL : make_job(channel, &request, message, &error);
    if (job)
        start_job(channel, job);
    else
        answer_file(channel, request.tag, error, NULL, 0);
}

/* Answers a job that is done, and forgets it. */
static void finish_job(struct io_channel *channel, struct share_job *job)
{
    struct io_done done = {.tag = job->request.tag, .result = job->result};
    channel->requests += waits_for_lock(&job->request);
    const void *bytes = job->answer;
    size_t length = job->result < 0 ? 0 : job->answer_length;

    if (job->before)
        job->before->after = job->after;
    else
        channel->jobs = job->after;
    if (job->after)
        job->after->before = job->before;
    if (job->opened && !channel->over && !channel->closed) {
        struct io_file_opened opened;

        memcpy(&opened, job->answer, sizeof(opened));
        opened.handle = share_add(&channel->share, job->opened);
        memcpy(job->answer, &opened, sizeof(opened));
        if (opened.handle) {
            job->opened = NULL;
        } else {
            done.result = -EMFILE;
            length = 0;
        }
    }
    if (job->extent) {
        bool keep = done.result > SHARE_INLINE_MAX && !channel->over && !channel->closed;

        channel->extents[job->extent_entry] = keep ? job->extent : 0;
        if (keep) {
            done.extent = job->extent;
        } else {
            if (done.result > 0 && done.result <= SHARE_INLINE_MAX) {
                length = (size_t)done.result;
                memcpy(job->answer, job->extent_bytes, length);
            }
            shm_heap_free(channel->server->endpoint->heap, job->extent);
        }
    }
    io_answer(channel, &done, bytes, length);
    free_job(job);
}

bool io_server_collect(struct io_server *server)
{
    struct share_job *job;
    bool progress = false;

    while (server->shares && (job = share_pool_take(server->shares))) {
        finish_job(job->channel, job);
        progress = true;
    }
    return progress;
}

void io_server_stop(struct io_server *server)
{
    struct share_job *job;

    if (!server->shares)
        return;
    share_pool_end(server->shares);
    while ((job = share_pool_take(server->shares)))
        finish_job(job->channel, job);
}

struct share *io_channel_share(struct io_channel *channel)
{
    return &channel->share;
}
