/* What poll, select and epoll share: how long to wait, and with which signals blocked. */
#ifndef INSTANCE_SYSCALL_POLL_H
#define INSTANCE_SYSCALL_POLL_H

#include <stdbool.h>
#include <stdint.h>

/* How long to wait. */
struct poll_time {
    bool wait;         /* false: look once */
    uint64_t deadline; /* monotonic ns; 0: none */
};

/* Reads a struct timespec (`unit` 1) or timeval (`unit` 1000, its second word in microseconds); 0:
 * no limit. Returns 0, -EFAULT or -EINVAL. */
int poll_read_time(uint64_t at, int64_t unit, struct poll_time *time);

/* Swaps the signal mask for the time of a wait, as ppoll and pselect6 do. `set_at` 0: leaves it. */
int poll_mask_begin(uint64_t set_at, uint64_t set_size, uint64_t *before);
void poll_mask_end(uint64_t set_at, uint64_t before, int64_t result);

#endif
