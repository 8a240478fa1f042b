/* Sessions (MPI: The Sessions Model). A job has two process sets: mpi://WORLD and mpi://SELF. */
#ifndef ABI_MPI_SESSION_H
#define ABI_MPI_SESSION_H

#include "abi/mpi/library.h"

struct session;

/* Where the buffer of a session's communicators stands. */
struct buffer **session_buffer(struct session *session);

/* init.c: one user of the library more, at this MPI_THREAD_... level; and one less. */
void library_session_begin(int level);
void library_session_end(void);

#endif
