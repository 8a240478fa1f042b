/* Standard input, output and error of the program: byte streams to and from the host proxy over the
 * instance's control channel. Calls may sleep (backpressure); no spinlock held. */
#ifndef INSTANCE_FS_CONSOLE_H
#define INSTANCE_FS_CONSOLE_H

#include "instance/fs/file.h"

#include <stddef.h>
#include <stdint.h>

/* Opens the channel to the proxy (host_init) and the three streams. 0 or -ENOMEM. */
int console_init(void);

/* A new open file of stream 0, 1 or 2, with one reference, the caller's. NULL: no memory. */
struct file *console_file(int stream);

/* Writes program memory [address, +length) to stream 1 or 2. Returns the bytes taken (at least 1),
 * or -EFAULT, -ERESTARTSYS (a signal came first), -EPIPE (the host's output is closed). In order
 * for each stream; one call's bytes are not mixed with another's. */
int64_t console_write(int stream, uint64_t address, size_t length);
int64_t console_write_vectors(int stream, const struct file_vector *vectors, size_t count);

/* Reads standard input. Bytes, 0 at its end, or -EFAULT, -ERESTARTSYS. */
int64_t console_read(uint64_t address, size_t length);
int64_t console_read_vectors(const struct file_vector *vectors, size_t count, bool nonblocking);

/* Waits until everything written has been taken by the proxy, or `deadline` (monotonic ns). */
void console_flush(uint64_t deadline);

/* From the message doorbell: takes what the proxy sent. Interrupts off. */
void console_doorbell(void);

#endif
