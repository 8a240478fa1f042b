/* Times as the program passes them, as deadlines of the kernel: monotonic ns, never 0 (which stands
 * for "none" in thread_wait), and the far future instead of an overflow. */
#ifndef INSTANCE_SYSCALL_TIMESPEC_H
#define INSTANCE_SYSCALL_TIMESPEC_H

#include <stdint.h>

#define TIME_FOREVER ((uint64_t)INT64_MAX) /* ns; some 292 years */

/* Reads a struct timespec of the program. 0, -EFAULT, or -EINVAL for what is no time. */
int timespec_read(uint64_t address, uint64_t *nanoseconds);
int timespec_write(uint64_t address, uint64_t nanoseconds); /* 0 or -EFAULT */

uint64_t deadline_after(uint64_t nanoseconds); /* from now */
uint64_t deadline_from_monotonic(uint64_t monotonic);
uint64_t deadline_from_realtime(uint64_t realtime);

#endif
