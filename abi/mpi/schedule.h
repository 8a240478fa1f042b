/* Collectives as schedules: a list of sends, receives, copies and reductions, made once by the call
 * and moved on by the progress engine. Messages begin in the order of the list and go on side by
 * side until a wait in the list; copies and reductions are done where they stand, so that whoever
 * needs what a receive brings puts a wait before. A persistent collective keeps its list.
 *
 * All are called with the lock. Ranks are those that the communicator sends to (of the remote
 * group, on an inter-communicator). Memory that runs out ends the job. */
#ifndef ABI_MPI_SCHEDULE_H
#define ABI_MPI_SCHEDULE_H

#include "abi/mpi/library.h"
#include "abi/mpi/op.h"

struct schedule *schedule_new(struct comm *comm);
void schedule_free(struct schedule *schedule);

/* Steps. Streams and operations are used until the schedule is freed: it keeps references to their
 * types and to the operation. */
void schedule_send(struct schedule *schedule, struct datatype_stream from, int rank);
void schedule_receive(struct schedule *schedule, struct datatype_stream to, int rank);
void schedule_wait(struct schedule *schedule);
void schedule_copy(struct schedule *schedule, struct datatype_stream to,
                   struct datatype_stream from);
/* right = left op right. */
void schedule_reduce(struct schedule *schedule, struct op *op, const void *left, void *right,
                     int64_t count, const struct datatype *type);
/* Calls it where it stands. */
void schedule_call(struct schedule *schedule, void (*function)(void *), void *argument);
/* Messages of the following steps carry this tag instead of the collective's own, in the same
 * context; used where the communicator's counter cannot be relied on. */
void schedule_tag(struct schedule *schedule, int tag);
/* To a rank of the job, not of the communicator. */
void schedule_send_to(struct schedule *schedule, struct datatype_stream from, int rank_in_job);
void schedule_receive_from(struct schedule *schedule, struct datatype_stream to, int rank_in_job);

/* A message of the program's own, in the key's context and with its tag; the receive's may be
 * wildcards. The status of the schedule's request is then this receive's, if it `reports`. */
void schedule_program_send(struct schedule *schedule, struct datatype_stream from,
                           struct peer *peer, const struct match_key *key);
void schedule_program_receive(struct schedule *schedule, struct datatype_stream to,
                              const struct match_key *key);

/* Memory that is freed with the schedule. */
void *schedule_memory(struct schedule *schedule, int64_t bytes);
/* Memory for `count` of `type`, whose bounds may lie anywhere: what to give as its buffer. */
char *schedule_buffer(struct schedule *schedule, const struct datatype *type, int64_t count);

/* Begins it, as the request's work; the request owns it from now on. */
struct request *schedule_begin(struct schedule *schedule);
/* A persistent one, which request_start begins. */
struct request *schedule_keep(struct schedule *schedule);
void schedule_start(struct request *request);
/* Begins it, waits for its end, frees it: its error class. */
int schedule_run(struct schedule *schedule);

#endif
