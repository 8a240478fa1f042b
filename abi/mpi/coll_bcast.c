/* MPI_Barrier and MPI_Bcast. */
#include "abi/mpi/collective.h"
#include "abi/mpi/direct.h"
#include "abi/mpi/slots.h"

static struct datatype_stream nothing(void)
{
    return datatype_stream(NULL, 0, datatype_of(MPI_BYTE));
}

/* Dissemination: in round k every rank tells the one 2^k further on. */
void barrier_build(struct schedule *schedule, struct comm *comm)
{
    for (int step = 1; step < comm->size; step *= 2) {
        schedule_send(schedule, nothing(), (comm->rank + step) % comm->size);
        schedule_receive(schedule, nothing(), (comm->rank - step + comm->size) % comm->size);
        schedule_wait(schedule);
    }
}

static int barrier_make(struct schedule **made, const char *function, bool blocking,
                        MPI_Comm handle)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);
    if (error != MPI_SUCCESS)
        return error;
    mpi_lock();
    if (blocking && slots_barrier(comm))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    if (!comm->is_inter) {
        barrier_build(schedule, comm);
        return MPI_SUCCESS;
    }
    for (int i = 0; i < comm->targets; i++) {
        schedule_receive(schedule, nothing(), i);
        schedule_send(schedule, nothing(), i);
    }
    return MPI_SUCCESS;
}

#define BARRIER(Count, ...) (MPI_Comm comm __VA_ARGS__)
#define BARRIER_CALL(Schedule, Function) barrier_make(Schedule, Function, blocking, comm)
COLLECTIVE_ONE(, Barrier, Ibarrier, BARRIER, int, BARRIER_CALL)

/* A binomial tree. */
void bcast_build(struct schedule *schedule, struct comm *comm, struct datatype_stream stream,
                 int root)
{
    int size = comm->size, relative = (comm->rank - root + size) % size, mask = 1;
    for (; mask < size; mask *= 2) {
        if (relative & mask) {
            schedule_receive(schedule, stream, (relative - mask + root) % size);
            schedule_wait(schedule);
            break;
        }
    }
    for (mask /= 2; mask > 0; mask /= 2)
        if (relative + mask < size)
            schedule_send(schedule, stream, (relative + mask + root) % size);
}

static int bcast_make(struct schedule **made, const char *function, bool blocking, void *buffer,
                      int64_t count, MPI_Datatype type, int root, MPI_Comm handle)
{
    int error;
    enum collective_role role;
    struct comm *comm = collective_comm(handle, function, &error);
    if (error == MPI_SUCCESS)
        error = collective_root(comm, root, function, &role);
    if (error == MPI_SUCCESS)
        error = collective_type(comm, type, count, function);
    if (error != MPI_SUCCESS)
        return error;
    struct datatype_stream stream = datatype_stream(buffer, count, datatype_of(type));
    mpi_lock();
    if (blocking && (slots_bcast(comm, stream, root) || direct_bcast(comm, stream, root)))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    if (!comm->is_inter)
        bcast_build(schedule, comm, stream, root);
    else if (role == ROLE_ROOT)
        for (int i = 0; i < comm->targets; i++)
            schedule_send(schedule, stream, i);
    else if (role == ROLE_OTHER)
        schedule_receive(schedule, stream, root);
    return MPI_SUCCESS;
}

#define BCAST(Count, ...)                                                                          \
    (void *buffer, Count count, MPI_Datatype type, int root, MPI_Comm comm __VA_ARGS__)
#define BCAST_CALL(Schedule, Function)                                                             \
    bcast_make(Schedule, Function, blocking, buffer, count, type, root, comm)
COLLECTIVE(Bcast, Ibcast, BCAST, BCAST_CALL)
