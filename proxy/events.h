/* The one place where the proxy waits: an epoll set of event sources, each with the function that
 * is called when its file descriptor is ready. Single-threaded. */
#ifndef PROXY_EVENTS_H
#define PROXY_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct event_source;

/* Called from events_wait with the EPOLL* bits that hold. May change or remove any source. */
typedef void (*event_ready_t)(struct event_source *source, uint32_t bits);

/* Lies inside its owner; zeroed, it is a source that is in no loop. */
struct event_source {
    event_ready_t ready;
    void *context;
    int fd;
    uint32_t bits; /* EPOLL* bits waited for; 0: not in the loop */
    struct event_loop *loop;
};

struct event_loop {
    int fd;
    struct event_source **pending; /* of the current events_wait; entries may become NULL */
    int pending_count;
};

/* Both return 0 or a negative errno value. */
int events_open(struct event_loop *loop);
void events_close(struct event_loop *loop);

/* Waits for `bits` (EPOLLIN, EPOLLOUT) of `fd` from now on. Returns 0 or a negative errno value:
 * -EPERM says that the file is always ready (a regular file, /dev/null) and cannot be waited for.
 */
int events_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t bits,
               event_ready_t ready, void *context);

/* Takes the source out of its loop; nothing happens when it is in none. Does not close the fd. */
void events_remove(struct event_source *source);

/* Waits until at least one source is ready, or `milliseconds` (-1: for ever) have passed, and calls
 * them. Returns the count of sources called, or a negative errno value (never -EINTR). */
int events_wait(struct event_loop *loop, int milliseconds);

/* A one-shot timer (timerfd) as an event source: each is armed and disarmed as often as wanted. */
struct event_timer {
    struct event_source source;
    void (*expired)(void *context);
    void *context;
    bool armed;
};

int events_timer_open(struct event_loop *loop, struct event_timer *timer,
                      void (*expired)(void *context), void *context);
void events_timer_close(struct event_timer *timer); /* a zeroed one is left alone */

/* Arms for `nanoseconds` from now (0: disarms). */
void events_timer_arm(struct event_timer *timer, uint64_t nanoseconds);

#endif
