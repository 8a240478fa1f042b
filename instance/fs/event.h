/* Files that are nothing but readiness: eventfd's counter, timers, signals, and epoll's set of
 * other files. */
#ifndef INSTANCE_FS_EVENT_H
#define INSTANCE_FS_EVENT_H

#include "instance/fs/file.h"
#include "instance/sched/interval.h"

/* New files with one reference, the caller's; NULL: no memory. */
struct file *eventfd_file(uint64_t value, bool semaphore, uint32_t flags);
struct file *epoll_file(void);
struct file *timerfd_file(int clock, uint32_t flags);     /* clock: the program's number */
struct file *signalfd_file(uint64_t set, uint32_t flags); /* bit n-1: signal n */

bool file_is_epoll(const struct file *file);

/* The clock that a timerfd was made for; -1: it is none. */
int timerfd_clock(const struct file *file);
/* Sets a timerfd to `expiry` (monotonic ns, 0: disarms it; NULL: only asks) and then every `period`
 * ns. Tells what was left before, and the period. */
void timerfd_exchange(struct file *file, const uint64_t *expiry, uint64_t period, uint64_t *left,
                      uint64_t *former_period);

/* Other signals for a signalfd. 0, or -EINVAL: it is none. */
int signalfd_set(struct file *file, uint64_t set);

/* As struct epoll_event, which is packed on x86-64. */
struct epoll_report {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct epoll_report) == 12, "layout of struct epoll_event");

/* EPOLL_CTL_ADD, MOD and DEL of `target`, which is at `descriptor`. 0 or a negative errno value. */
int epoll_control(struct file *epoll, int operation, int descriptor, const struct file *target,
                  const struct epoll_report *event);

/* One look at all files of the set: up to `count` that have something to tell. Returns how many. */
int64_t epoll_look(struct file *epoll, struct epoll_report *events, uint64_t count);

#endif
