/* Files that are nothing but readiness: eventfd's counter, and epoll's set of other files. */
#ifndef INSTANCE_FS_EVENT_H
#define INSTANCE_FS_EVENT_H

#include "instance/fs/file.h"

/* New files with one reference, the caller's; NULL: no memory. */
struct file *eventfd_file(uint64_t value, bool semaphore, uint32_t flags);
struct file *epoll_file(void);

bool file_is_epoll(const struct file *file);

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
