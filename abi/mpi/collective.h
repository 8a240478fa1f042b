/* What the files of collectives share: the forms of a collective call, and the checks of its
 * arguments. Each collective has one function that checks the arguments and makes the schedule; it
 * returns an error class, raised already, or MPI_SUCCESS with the lock held. */
#ifndef ABI_MPI_COLLECTIVE_H
#define ABI_MPI_COLLECTIVE_H

#include "abi/mpi/check.h"
#include "abi/mpi/schedule.h"

/* The three ends of such a call: with the lock, which they give up. */
int collective_wait(struct schedule *schedule, const char *function);
int collective_begin(struct schedule *schedule, MPI_Request *handle);
int collective_keep(struct schedule *schedule, MPI_Request *handle);

/* Parameters(Count, ...) is the parenthesised list of parameters with the variable ones at its end;
 * Call(schedule, function) calls what makes the schedule. Where it sees `blocking`, it may also do
 * all of the work at once, and make none. */
#define COLLECTIVE_FORM(Name, Text, Blocking, Parameters, Count, Call, End, ...)                   \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name Parameters(Count, __VA_ARGS__)                                                 \
    {                                                                                              \
        const bool blocking = Blocking;                                                            \
        struct schedule *schedule_ = NULL;                                                         \
        (void)blocking;                                                                            \
        int error_ = Call(&schedule_, Text);                                                       \
        return error_ != MPI_SUCCESS ? error_ : End;                                               \
    }
#define COLLECTIVE_ONE(Suffix, Name, Iname, Parameters, Count, Call)                               \
    COLLECTIVE_FORM(Name##Suffix, "MPI_" #Name, true, Parameters, Count, Call,                     \
                    collective_wait(schedule_, "MPI_" #Name), )                                    \
    COLLECTIVE_FORM(Iname##Suffix, "MPI_" #Iname, false, Parameters, Count, Call,                  \
                    collective_begin(schedule_, request), , MPI_Request *request)                  \
    COLLECTIVE_FORM(Name##_init##Suffix, "MPI_" #Name "_init", false, Parameters, Count, Call,     \
                    ((void)info, collective_keep(schedule_, request)), , MPI_Info info,            \
                    MPI_Request *request)
#define COLLECTIVE(Name, Iname, Parameters, Call)                                                  \
    COLLECTIVE_ONE(, Name, Iname, Parameters, int, Call)                                           \
    COLLECTIVE_ONE(_c, Name, Iname, Parameters, MPI_Count, Call)

/* Checks; each raises what is wrong. NULL communicator: none. */
struct comm *collective_comm(MPI_Comm handle, const char *function, int *error);
int collective_type(struct comm *comm, MPI_Datatype type, int64_t count, const char *function);
/* Of the ranks of a rooted collective: is this one the root, one of the root's group that only
 * watches (inter-communicators), or one that works with it? */
enum collective_role { ROLE_ROOT, ROLE_OTHER, ROLE_NONE };
int collective_root(struct comm *comm, int root, const char *function, enum collective_role *role);
int collective_op(struct comm *comm, MPI_Op op, MPI_Datatype type, const char *function,
                  struct op **found);

/* A stream that begins `at` elements of `type` into the buffer. */
static inline struct datatype_stream stream_at(const void *buffer, int64_t at, int64_t count,
                                               const struct datatype *type)
{
    return datatype_stream((const char *)buffer + at * type->extent, count, type);
}

/* Builders for other files: a barrier, and a broadcast, among the communicator's own ranks. */
void barrier_build(struct schedule *schedule, struct comm *comm);
void bcast_build(struct schedule *schedule, struct comm *comm, struct datatype_stream stream,
                 int root);

#endif
