/* epoll, as events.h describes it. A source that is removed while its turn in the current batch is
 * still to come is struck out of the batch, so that no callback runs for an owner that is gone. */
#include "proxy/events.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_BATCH 64 /* handled for each epoll_wait; more simply come with the next */

int events_open(struct event_loop *loop)
{
    memset(loop, 0, sizeof(*loop));
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->fd < 0 ? -errno : 0;
}

void events_close(struct event_loop *loop)
{
    if (loop->fd >= 0)
        close(loop->fd);
    loop->fd = -1;
}

int events_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t bits,
               event_ready_t ready, void *context)
{
    struct epoll_event event = {.events = bits, .data.ptr = source};

    if (epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event))
        return -errno;
    *source = (struct event_source){
        .ready = ready, .context = context, .fd = fd, .bits = bits, .loop = loop};
    return 0;
}

void events_remove(struct event_source *source)
{
    struct event_loop *loop = source->loop;

    if (!source->bits)
        return;
    epoll_ctl(loop->fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->bits = 0;
    for (int i = 0; i < loop->pending_count; i++)
        if (loop->pending[i] == source)
            loop->pending[i] = NULL;
}

int events_wait(struct event_loop *loop, int milliseconds)
{
    struct epoll_event events[EVENTS_BATCH];
    struct event_source *pending[EVENTS_BATCH];
    int count = epoll_wait(loop->fd, events, EVENTS_BATCH, milliseconds), called = 0;

    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++)
        pending[i] = events[i].data.ptr;
    loop->pending = pending;
    loop->pending_count = count;
    for (int i = 0; i < count; i++) {
        if (!pending[i])
            continue;
        pending[i]->ready(pending[i], events[i].events);
        called++;
    }
    loop->pending = NULL;
    loop->pending_count = 0;
    return called;
}

static void timer_ready(struct event_source *source, uint32_t bits)
{
    struct event_timer *timer = source->context;
    uint64_t expirations;

    (void)bits;
    /* Re-armed or disarmed since epoll saw it: then there is nothing to read, and no expiry. */
    if (read(source->fd, &expirations, sizeof(expirations)) != sizeof(expirations) || !timer->armed)
        return;
    timer->armed = false;
    timer->expired(timer->context);
}

int events_timer_open(struct event_loop *loop, struct event_timer *timer,
                      void (*expired)(void *context), void *context)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), error;

    memset(timer, 0, sizeof(*timer));
    if (fd < 0)
        return -errno;
    timer->expired = expired;
    timer->context = context;
    error = events_add(loop, &timer->source, fd, EPOLLIN, timer_ready, timer);
    if (error)
        close(fd);
    return error;
}

void events_timer_close(struct event_timer *timer)
{
    if (!timer->source.bits)
        return;
    events_remove(&timer->source);
    close(timer->source.fd);
}

void events_timer_arm(struct event_timer *timer, uint64_t nanoseconds)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000),
                                           .tv_nsec = (long)(nanoseconds % 1000000000)}};

    timer->armed = nanoseconds != 0;
    timerfd_settime(timer->source.fd, 0, &when, NULL);
}
