/* Channels' ends and ports: made, closed, and waited for. */
#include "abi/atoll/library.h"

#include <asm/unistd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_DEFAULT 64 /* 4 KiB: two rings, there and back, leave room in the first cache */
#define CELL_MAX 1024    /* bytes: longer messages are copied once less in bulk */

/* The name in a call's field; 0 or -EINVAL. */
static int name_copy(char *to, const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;
    if (length == 0 || length >= SHM_NAME_MAX)
        return -EINVAL;
    memset(to, 0, SHM_NAME_MAX);
    memcpy(to, name, length);
    return 0;
}

/* --- Ports --------------------------------------------------------------------------------------
 */

int atoll_port_publish(const char *name, struct atoll_port **port)
{
    struct atoll_call_publish call = {.kind = SHM_ENTRY_PORT};
    int error = atoll_init();
    if (error == 0)
        error = name_copy(call.name, name);
    if (error != 0)
        return error;
    struct atoll_port *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    error = (int)library_call(ATOLL_CALL_PUBLISH, (uint64_t)&call, 0, 0);
    if (error != 0) {
        free(made);
        return error;
    }
    made->id = call.id;
    made->fd = -1;
    *port = made;
    return 0;
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        library_system_call(__NR_close, (uint64_t)fd, 0, 0, 0);
}

int atoll_port_close(struct atoll_port *port)
{
    close_descriptor(port->fd);
    int error = (int)library_call(ATOLL_CALL_CLOSE, port->id, 0, 0);
    free(port);
    return error;
}

static int find(uint32_t kind, uint32_t peer, const char *name, uint64_t deadline,
                struct atoll_call_find *call)
{
    int error = atoll_init();
    *call = (struct atoll_call_find){.kind = kind, .peer = peer, .deadline = deadline};
    if (error == 0)
        error = name_copy(call->name, name);
    if (error != 0)
        return error;
    do {
        call->peer = peer;
        error = (int)library_call(ATOLL_CALL_FIND, (uint64_t)call, 0, 0);
    } while (error == -EINTR);
    return error == -ENOENT ? -EAGAIN : error;
}

int atoll_port_find(uint32_t peer, const char *name, int64_t timeout)
{
    struct atoll_call_find call;
    int error = find(SHM_ENTRY_PORT, peer, name, library_deadline(timeout), &call);
    return error != 0 ? error : (int)call.peer;
}

/* --- Making ends --------------------------------------------------------------------------------
 */

static struct atoll_channel *channel_make(const struct atoll_call_channel *call, bool sends,
                                          uint32_t flags)
{
    struct atoll_channel *channel = calloc(1, sizeof(*channel));
    uint32_t sender = sends ? library.info.self : call->peer;
    const void *cells = shm_view_bytes(&library.view, sender, call->cells_offset,
                                       call->cells * sizeof(struct shm_cell));
    const struct shm_section *section = shm_view_section(&library.view, call->peer, NULL);
    if (channel == NULL || cells == NULL || section == NULL)
        goto fail;
    channel->sends = sends;
    channel->alone = flags & ATOLL_ONE_THREAD;
    channel->sleeps = flags & ATOLL_NO_POLLING;
    channel->peer = call->peer;
    channel->peer_generation = call->peer_generation;
    channel->id = call->id;
    channel->fd = -1;
    channel->peer_section = section;
    channel->own = shm_view_own(&library.view, call->own, sizeof(*channel->own));
    channel->other =
        shm_view_bytes(&library.view, call->peer, call->other, sizeof(*channel->other));
    channel->cell_max = shm_ring_message_max(call->cells);
    if (sends) {
        channel->writer = (struct shm_ring_writer){.cells = (struct shm_cell *)(uintptr_t)cells,
                                                   .mask = call->cells - 1,
                                                   .generation = call->ring_generation,
                                                   .port = &channel->own->port,
                                                   .reader_port = &channel->other->port};
        channel->arena.used = calloc(call->cells, sizeof(*channel->arena.used));
        if (channel->arena.used == NULL)
            goto fail;
        if (channel->cell_max > CELL_MAX)
            channel->cell_max = CELL_MAX;
        arena_list(channel);
    } else {
        channel->reader = (struct shm_ring_reader){.cells = cells,
                                                   .mask = call->cells - 1,
                                                   .generation = call->ring_generation,
                                                   .port = &channel->own->port,
                                                   .sender_port = &channel->other->port,
                                                   .epoch = &section->generation,
                                                   .epoch_value = call->peer_generation};
    }
    return channel;
fail:
    free(channel);
    return NULL;
}

int atoll_channel_open(uint32_t peer, const char *name, const struct atoll_channel_options *options,
                       int64_t timeout, struct atoll_channel **channel)
{
    uint64_t deadline = library_deadline(timeout);
    uint32_t cells = options != NULL && options->cells != 0 ? options->cells : CELLS_DEFAULT;
    struct atoll_call_find found;
    struct atoll_call_channel call;
    int error;
    do {
        error = find(SHM_ENTRY_PORT, peer, name, deadline, &found);
        if (error != 0)
            return error;
        /* The kernel at the other end answers within its interrupt, whatever the timeout. */
        call = (struct atoll_call_channel){
            .deadline = deadline == ATOLL_DEADLINE_NOW ? library_deadline(1000000000) : deadline,
            .port = found.id,
            .peer = found.peer,
            .cells = cells,
            .peer_generation = found.generation};
        error = (int)library_call(ATOLL_CALL_OPEN, (uint64_t)&call, 0, 0);
        /* A port that was withdrawn meanwhile may appear again. */
    } while (error == -EINTR || (error == -ENOENT && !library_deadline_passed(deadline)));
    if (error != 0)
        return error == -ENOENT ? library_timed_out(timeout) : error;
    *channel = channel_make(&call, true, options != NULL ? options->flags : 0);
    if (*channel != NULL)
        return 0;
    library_call(ATOLL_CALL_CLOSE, call.id, 0, 0);
    return -ENOMEM;
}

/* Waits in the kernel for one thing. 1: ready; 0: the time is over. */
static int64_t wait_for(uint64_t id, uint64_t deadline)
{
    struct atoll_call_wait item = {.id = id};
    int64_t result;
    do
        result = library_call(ATOLL_CALL_WAIT, (uint64_t)&item, 1, deadline);
    while (result == -EINTR);
    return result;
}

int atoll_port_accept(struct atoll_port *port, struct atoll_channel **channel, int64_t timeout)
{
    uint64_t deadline = 0;
    for (bool waited = false;; waited = true) {
        struct atoll_call_channel call;
        int64_t result = library_call(ATOLL_CALL_ACCEPT, port->id, (uint64_t)&call, 0);
        if (result == 0) {
            *channel = channel_make(&call, false, 0);
            if (*channel != NULL)
                return 0;
            library_call(ATOLL_CALL_CLOSE, call.id, 0, 0);
            return -ENOMEM;
        }
        if (result != -EAGAIN || timeout == 0)
            return (int)result;
        if (!waited)
            deadline = library_deadline(timeout);
        result = wait_for(port->id, deadline);
        if (result <= 0)
            return result == 0 ? -ETIMEDOUT : (int)result;
    }
}

int atoll_channel_close(struct atoll_channel *channel)
{
    close_descriptor(channel->fd);
    if (channel->sends)
        arena_unlist(channel);
    /* With the arena: the kernel frees it once nobody reads it any more. */
    int error = (int)library_call(ATOLL_CALL_CLOSE, channel->id, 0, 0);
    free(channel->arena.used);
    free(channel->staging);
    free(channel);
    return error;
}

int atoll_channel_peer(const struct atoll_channel *channel)
{
    return (int)channel->peer;
}

int atoll_channel_set_flags(struct atoll_channel *channel, uint32_t flags)
{
    if (flags & ~(ATOLL_ONE_THREAD | ATOLL_NO_POLLING))
        return -EINVAL;
    channel->alone = flags & ATOLL_ONE_THREAD;
    channel->sleeps = flags & ATOLL_NO_POLLING;
    return 0;
}

int atoll_channel_statistics(const struct atoll_channel *channel,
                             struct atoll_statistics *statistics)
{
    *statistics = channel->statistics;
    return 0;
}

/* --- Waiting ------------------------------------------------------------------------------------
 */

int channel_break(struct atoll_channel *channel, int error)
{
    /* What looks unsound after a peer's end may be the beginning of its next life. */
    if (error == -EPROTO && atomic_load_explicit(&channel->peer_section->generation,
                                                 memory_order_acquire) != channel->peer_generation)
        error = -EPIPE;
    channel->error = error;
    if (error == -EPROTO && !channel->sends)
        library_call(ATOLL_CALL_RING, channel->id, 0, 0); /* the sender gets EPIPE */
    return error;
}

bool channel_is_over(const struct atoll_channel *channel)
{
    return atomic_load_explicit(&channel->own->broken, memory_order_acquire) != 0 ||
           atomic_load_explicit(&channel->other->closed, memory_order_acquire) != 0;
}

bool channel_looks_ready(const struct atoll_channel *channel)
{
    uint64_t position = atomic_load_explicit(&channel->own->position, memory_order_relaxed);
    if (atomic_load_explicit(&channel->own->broken, memory_order_relaxed) != 0)
        return true;
    if (channel->sends) {
        const struct shm_port *other = &channel->other->port;
        uint64_t credit = atomic_load_explicit(&other->credit, memory_order_acquire);
        return (int64_t)(credit - position) >= 0;
    }
    uint64_t mask = channel->reader.mask;
    const struct shm_cell *head = &channel->reader.cells[position & mask];
    uint64_t sequence = atomic_load_explicit(&head->sequence, memory_order_acquire);
    return sequence != (position > mask ? position - mask : 0);
}

/* A reader returns credits by the quarter of a ring. One that reads no more for now may have read
 * some cells since, and only those let the sender go on. Not looked at before the sender would
 * sleep: the reader writes to that line with each message. */
static int take_what_is_read(struct atoll_channel *channel)
{
    return shm_ring_advance(&channel->writer,
                            shm_channel_read(channel->other, channel->writer.generation));
}

int channel_wait(struct atoll_channel *channel, uint64_t deadline)
{
    if (deadline == ATOLL_DEADLINE_NOW) {
        uint64_t before = channel->writer.credit;
        int error = channel->sends ? take_what_is_read(channel) : 0;
        if (error != 0)
            return channel_break(channel, error);
        return channel->sends && channel->writer.credit != before ? 0 : -EAGAIN;
    }
    channel->statistics.full++;
    if (!channel->sends && shm_ring_return(&channel->reader))
        library_call(ATOLL_CALL_RING, channel->id, 0, 0);
    channel_unlock(channel);
    uint64_t start = library_ticks(), limit = channel->sleeps ? 0 : spin_ticks(&channel->spin);
    bool ready;
    while (!(ready = channel_looks_ready(channel)) && library_ticks() - start < limit)
        library_pause();
    int64_t result = ready ? 1 : wait_for(channel->id, deadline);
    spin_learn(&channel->spin, library_ticks() - start);
    channel_lock(channel);
    channel->statistics.sleeps += !ready;
    if (result <= 0)
        return result == 0 ? -ETIMEDOUT : (int)result;
    if (ready || !channel->sends)
        return 0;
    int error = take_what_is_read(channel);
    return error != 0 ? channel_break(channel, error) : 0;
}

static int make_descriptor(int *fd, uint64_t id)
{
    if (*fd < 0) {
        int64_t made = library_call(ATOLL_CALL_FILE, id, 0, 0);
        if (made < 0)
            return (int)made;
        *fd = (int)made;
    }
    return *fd;
}

int atoll_channel_fd(struct atoll_channel *channel)
{
    channel_lock(channel);
    int fd = make_descriptor(&channel->fd, channel->id);
    channel_unlock(channel);
    return fd;
}

int atoll_port_fd(struct atoll_port *port)
{
    return make_descriptor(&port->fd, port->id);
}

/* Are there descriptors among them? Then poll has to wait. */
static int wait_poll(struct atoll_wait *items, size_t count, int64_t timeout)
{
    struct pollfd *polled = calloc(count, sizeof(*polled));
    if (polled == NULL)
        return -ENOMEM;
    int result = 0;
    for (size_t i = 0; i < count && result >= 0; i++) {
        struct atoll_wait *item = &items[i];
        bool sends = item->channel != NULL && item->channel->sends;
        int fd = item->channel != NULL ? atoll_channel_fd(item->channel)
                 : item->port != NULL  ? atoll_port_fd(item->port)
                                       : item->fd;
        bool native = item->channel == NULL && item->port == NULL;
        polled[i] = (struct pollfd){fd, native ? item->events : sends ? POLLOUT : POLLIN, 0};
        if (fd < 0 && !native)
            result = fd;
    }
    if (result >= 0) {
        uint64_t deadline = library_deadline(timeout);
        do {
            int64_t milliseconds = timeout < 0 ? -1 : (timeout + 999999) / 1000000;
            if (milliseconds > INT32_MAX)
                milliseconds = INT32_MAX;
            result = (int)library_system_call(__NR_poll, (uint64_t)polled, count,
                                              (uint64_t)milliseconds, 0);
        } while (result == -EINTR && !library_deadline_passed(deadline));
    }
    for (size_t i = 0; i < count; i++)
        items[i].ready = result > 0 ? polled[i].revents : 0;
    free(polled);
    return result == -EINTR ? 0 : result;
}

static int64_t look_at_items(struct atoll_wait *items, size_t count)
{
    int64_t ready = 0;
    for (size_t i = 0; i < count; i++) {
        items[i].ready = items[i].channel != NULL && channel_looks_ready(items[i].channel);
        ready += items[i].ready;
    }
    return ready;
}

int atoll_wait(struct atoll_wait *items, size_t count, int64_t timeout)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    if (count == 0 || count > INT32_MAX)
        return -EINVAL;
    bool descriptors = false, channels = false;
    for (size_t i = 0; i < count; i++) {
        struct atoll_channel *channel = items[i].channel;
        descriptors |= channel == NULL && items[i].port == NULL;
        channels |= channel != NULL;
        if (channel != NULL && !channel->sends) { /* credits, before anything sleeps */
            channel_lock(channel);
            if (shm_ring_return(&channel->reader))
                library_call(ATOLL_CALL_RING, channel->id, 0, 0);
            channel_unlock(channel);
        }
    }
    if (descriptors)
        return wait_poll(items, count, timeout);

    static struct spin spin;
    uint64_t start = library_ticks(), limit = channels && timeout != 0 ? spin_ticks(&spin) : 0;
    int64_t ready;
    while ((ready = look_at_items(items, count)) == 0 && library_ticks() - start < limit)
        library_pause();
    if (ready != 0) {
        if (limit != 0)
            spin_learn(&spin, library_ticks() - start);
        return (int)ready;
    }

    struct atoll_call_wait small[16], *calls = small;
    if (count > 16 && (calls = malloc(count * sizeof(*calls))) == NULL)
        return -ENOMEM;
    uint64_t deadline = library_deadline(timeout);
    do {
        for (size_t i = 0; i < count; i++)
            calls[i] = (struct atoll_call_wait){
                .id = items[i].channel != NULL ? items[i].channel->id : items[i].port->id};
        ready = library_call(ATOLL_CALL_WAIT, (uint64_t)calls, count, deadline);
    } while (ready == -EINTR);
    if (limit != 0)
        spin_learn(&spin, library_ticks() - start);
    for (size_t i = 0; ready >= 0 && i < count; i++)
        items[i].ready = calls[i].ready != 0;
    if (calls != small)
        free(calls);
    return (int)ready;
}

int atoll_inject(uint32_t lose, uint32_t extra)
{
    return (int)library_call(ATOLL_CALL_INJECT, lose, extra, 0);
}
