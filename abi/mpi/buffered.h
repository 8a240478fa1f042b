/* The memory that buffered sends may use: a communicator's, its session's, or that of all others.
 */
#ifndef ABI_MPI_BUFFERED_H
#define ABI_MPI_BUFFERED_H

#include "abi/mpi/library.h"

/* What MPI_X_attach_buffer and its like do to the place where a buffer stands (NULL: none is
 * attached). Each returns an error class, with no lock held. buffer_detach waits until nothing is
 * in the buffer; buffer_flush waits, and buffer_flush_begin gives a request, for what is in it now.
 */
int buffer_attach(struct buffer **place, void *memory, int64_t size);
int buffer_detach(struct buffer **place, void *address, int64_t *size);
int buffer_flush(struct buffer **place);
int buffer_flush_begin(struct buffer **place, MPI_Request *handle);
/* The owner's reference (NULL: nothing): messages that are still in it go on. With the lock. */
void buffer_release(struct buffer *buffer);

/* The text for an error of these. */
const char *buffer_problem(int error);

#endif
