/* Standard input, output and error of the program: byte streams to and from the host proxy over the
 * instance's control channel. Calls may sleep (backpressure); no spinlock held. */
#ifndef INSTANCE_FS_CONSOLE_H
#define INSTANCE_FS_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

int console_init(void);

/* Writes program memory [address, +length) to stream 1 or 2. Returns the bytes taken (at least 1),
 * or -EFAULT, -EINTR, -EPIPE (the host's output is closed). In order for each stream. */
int64_t console_write(int stream, uint64_t address, size_t length);

/* Reads standard input. Bytes, 0 at its end, or -EFAULT, -EINTR. */
int64_t console_read(uint64_t address, size_t length);

/* Waits until everything written has been taken by the proxy, or `deadline` (monotonic ns). */
void console_flush(uint64_t deadline);

/* From the message doorbell: takes what the proxy sent. Interrupts off. */
void console_doorbell(void);

#endif
