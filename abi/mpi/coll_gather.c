/* Collectives that move blocks without changing them: gather, scatter, allgather and alltoall, with
 * equal blocks and with a count, displacement or datatype for each. All go straight from the rank
 * that has a block to the one that wants it. */
#include "abi/mpi/collective.h"
#include "abi/mpi/direct.h"
#include "abi/mpi/slots_steps.h"

/* The blocks of a buffer, one for each rank. */
struct blocks {
    const void *buffer;
    bool same;                 /* the call is one for blocks of one length and type */
    int64_t count;             /* of each, where there is no array */
    struct numbers counts;     /* array NULL: `count` */
    struct numbers places;     /* array NULL: one after the other */
    bool bytes;                /* the places are in bytes, not in extents */
    MPI_Datatype type;         /* of each, where there is no array */
    const MPI_Datatype *types; /* NULL: `type` */
};

static int64_t block_count(const struct blocks *blocks, int i)
{
    return blocks->counts.array != NULL ? number_at(blocks->counts, i) : blocks->count;
}

static MPI_Datatype block_type(const struct blocks *blocks, int i)
{
    return blocks->types != NULL ? blocks->types[i] : blocks->type;
}

static struct datatype_stream block(const struct blocks *blocks, int i)
{
    const struct datatype *type = datatype_of(block_type(blocks, i));
    int64_t count = block_count(blocks, i);
    int64_t place = blocks->places.array != NULL ? number_at(blocks->places, i) : i * count;
    return datatype_stream(
        (const char *)blocks->buffer + (blocks->bytes ? place : place * type->extent), count, type);
}

static int check_blocks(struct comm *comm, const struct blocks *blocks, int ranks,
                        const char *function)
{
    int error = MPI_SUCCESS;
    int different = blocks->counts.array != NULL || blocks->types != NULL ? ranks : 1;
    for (int i = 0; i < different && error == MPI_SUCCESS; i++)
        error = collective_type(comm, block_type(blocks, i), block_count(blocks, i), function);
    return error;
}

/* All blocks of the communicator's own ranks, and the length of the longest; false: there are too
 * many for slots. */
static bool all_blocks(const struct comm *comm, const struct blocks *blocks,
                       struct datatype_stream streams[SLOTS_RANKS_MOST], int64_t *most)
{
    *most = 0;
    if (comm->is_inter || comm->size > SLOTS_RANKS_MOST)
        return false;
    for (int i = 0; i < comm->size; i++) {
        streams[i] = block(blocks, i);
        *most = streams[i].bytes > *most ? streams[i].bytes : *most;
    }
    return true;
}

static struct blocks equal(const void *buffer, int64_t count, MPI_Datatype type)
{
    return (struct blocks){.buffer = buffer, .same = true, .count = count, .type = type};
}

static struct blocks various(const void *buffer, struct numbers counts, struct numbers places,
                             MPI_Datatype type)
{
    return (struct blocks){.buffer = buffer, .counts = counts, .places = places, .type = type};
}

/* --- Gather and scatter ------------------------------------------------------------------------
 */

/* Short blocks of one length, which all ranks know. */
static bool rooted_at_once(struct comm *comm, bool gathers, struct datatype_stream one,
                           const struct blocks *all, int root)
{
    struct datatype_stream to[SLOTS_RANKS_MOST];
    int64_t bytes = one.bytes;
    bool is_root = comm->rank == root;
    if (is_root && !all_blocks(comm, all, to, &bytes))
        return false;
    if (gathers)
        return direct_gather(comm, one, bytes, to, root);
    struct datatype_stream own = {0};
    if (is_root)
        own = datatype_stream(all->buffer, all->count * comm->size, to[0].type);
    return direct_scatter(comm, own, one, bytes, root);
}

/* `one` is what every rank but a watching one has, `all` the root's blocks. */
static int rooted_make(struct schedule **made, const char *function, bool blocking, bool gathers,
                       const void *one_buffer, int64_t one_count, MPI_Datatype one_type,
                       const struct blocks *all, int root, MPI_Comm handle)
{
    int error;
    enum collective_role role;
    struct comm *comm = collective_comm(handle, function, &error);
    if (error == MPI_SUCCESS)
        error = collective_root(comm, root, function, &role);
    if (error != MPI_SUCCESS)
        return error;
    bool is_root = role == ROLE_ROOT;
    bool has_one = role == ROLE_OTHER || (is_root && !comm->is_inter && one_buffer != MPI_IN_PLACE);
    if (one_buffer == MPI_IN_PLACE && !is_root)
        return comm_error(comm, MPI_ERR_BUFFER, function, "MPI_IN_PLACE is for the root alone");
    if (is_root)
        error = check_blocks(comm, all, comm->targets, function);
    if (error == MPI_SUCCESS && has_one)
        error = collective_type(comm, one_type, one_count, function);
    if (error != MPI_SUCCESS)
        return error;
    struct datatype_stream one = {0};
    if (has_one)
        one = datatype_stream(one_buffer, one_count, datatype_of(one_type));
    mpi_lock();
    if (blocking && all->same && rooted_at_once(comm, gathers, one, all, root))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    if (role == ROLE_OTHER) {
        if (gathers)
            schedule_send(schedule, one, root);
        else
            schedule_receive(schedule, one, root);
    }
    for (int i = 0; is_root && i < comm->targets; i++) {
        struct datatype_stream stream = block(all, i);
        if (comm->is_inter || i != comm->rank) {
            if (gathers)
                schedule_receive(schedule, stream, i);
            else
                schedule_send(schedule, stream, i);
        } else if (has_one) {
            schedule_copy(schedule, gathers ? stream : one, gathers ? one : stream);
        }
    }
    return MPI_SUCCESS;
}

#define GATHER(Count, ...)                                                                         \
    (const void *out, Count out_count, MPI_Datatype out_type, void *in, Count in_count,            \
     MPI_Datatype in_type, int root, MPI_Comm comm __VA_ARGS__)
static int gather_make(struct schedule **made, const char *function, bool blocking, const void *out,
                       int64_t out_count, MPI_Datatype out_type, struct blocks all, int root,
                       MPI_Comm comm)
{
    return rooted_make(made, function, blocking, true, out, out_count, out_type, &all, root, comm);
}
#define GATHER_CALL(Schedule, Function)                                                            \
    gather_make(Schedule, Function, blocking, out, out_count, out_type,                            \
                equal(in, in_count, in_type), root, comm)
COLLECTIVE(Gather, Igather, GATHER, GATHER_CALL)

#define GATHERV(Count, Place, ...)                                                                 \
    (const void *out, Count out_count, MPI_Datatype out_type, void *in, const Count in_counts[],   \
     const Place places[], MPI_Datatype in_type, int root, MPI_Comm comm __VA_ARGS__)
#define GATHERV_INT(Count, ...) GATHERV(int, int, __VA_ARGS__)
#define GATHERV_LARGE(Count, ...) GATHERV(MPI_Count, MPI_Aint, __VA_ARGS__)
#define GATHERV_CALL(Schedule, Function)                                                           \
    gather_make(Schedule, Function, blocking, out, out_count, out_type,                            \
                various(in, NUMBERS(in_counts), NUMBERS(places), in_type), root, comm)
COLLECTIVE_ONE(, Gatherv, Igatherv, GATHERV_INT, int, GATHERV_CALL)
COLLECTIVE_ONE(_c, Gatherv, Igatherv, GATHERV_LARGE, MPI_Count, GATHERV_CALL)

static int scatter_make(struct schedule **made, const char *function, bool blocking,
                        struct blocks all, void *in, int64_t in_count, MPI_Datatype in_type,
                        int root, MPI_Comm comm)
{
    return rooted_make(made, function, blocking, false, in, in_count, in_type, &all, root, comm);
}
#define SCATTER(Count, ...)                                                                        \
    (const void *out, Count out_count, MPI_Datatype out_type, void *in, Count in_count,            \
     MPI_Datatype in_type, int root, MPI_Comm comm __VA_ARGS__)
#define SCATTER_CALL(Schedule, Function)                                                           \
    scatter_make(Schedule, Function, blocking, equal(out, out_count, out_type), in, in_count,      \
                 in_type, root, comm)
COLLECTIVE(Scatter, Iscatter, SCATTER, SCATTER_CALL)

#define SCATTERV(Count, Place, ...)                                                                \
    (const void *out, const Count out_counts[], const Place places[], MPI_Datatype out_type,       \
     void *in, Count in_count, MPI_Datatype in_type, int root, MPI_Comm comm __VA_ARGS__)
#define SCATTERV_INT(Count, ...) SCATTERV(int, int, __VA_ARGS__)
#define SCATTERV_LARGE(Count, ...) SCATTERV(MPI_Count, MPI_Aint, __VA_ARGS__)
#define SCATTERV_CALL(Schedule, Function)                                                          \
    scatter_make(Schedule, Function, blocking,                                                     \
                 various(out, NUMBERS(out_counts), NUMBERS(places), out_type), in, in_count,       \
                 in_type, root, comm)
COLLECTIVE_ONE(, Scatterv, Iscatterv, SCATTERV_INT, int, SCATTERV_CALL)
COLLECTIVE_ONE(_c, Scatterv, Iscatterv, SCATTERV_LARGE, MPI_Count, SCATTERV_CALL)

/* --- Allgather ---------------------------------------------------------------------------------
 */

static int allgather_make(struct schedule **made, const char *function, bool blocking,
                          const void *out, int64_t out_count, MPI_Datatype out_type,
                          struct blocks all, MPI_Comm handle)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);
    if (error == MPI_SUCCESS)
        error = check_blocks(comm, &all, comm->targets, function);
    if (error == MPI_SUCCESS && out != MPI_IN_PLACE)
        error = collective_type(comm, out_type, out_count, function);
    if (error == MPI_SUCCESS && out == MPI_IN_PLACE && comm->is_inter)
        error = comm_error(comm, MPI_ERR_BUFFER, function,
                           "MPI_IN_PLACE does not go with an inter-communicator");
    if (error != MPI_SUCCESS)
        return error;
    struct datatype_stream own = out == MPI_IN_PLACE
                                     ? block(&all, comm->rank)
                                     : datatype_stream(out, out_count, datatype_of(out_type));
    struct datatype_stream blocks[SLOTS_RANKS_MOST];
    int64_t most;
    mpi_lock();
    if (blocking && all_blocks(comm, &all, blocks, &most) &&
        direct_allgather(comm, own, blocks, most))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    for (int step = 0; step < comm->targets; step++) {
        int to = (comm->rank + step) % comm->targets;
        int from = (comm->rank % comm->targets - step + comm->targets) % comm->targets;
        if (!comm->is_inter && step == 0) {
            if (out != MPI_IN_PLACE)
                schedule_copy(schedule, block(&all, comm->rank), own);
            continue;
        }
        schedule_receive(schedule, block(&all, from), from);
        schedule_send(schedule, own, to);
    }
    return MPI_SUCCESS;
}

#define ALLGATHER(Count, ...)                                                                      \
    (const void *out, Count out_count, MPI_Datatype out_type, void *in, Count in_count,            \
     MPI_Datatype in_type, MPI_Comm comm __VA_ARGS__)
#define ALLGATHER_CALL(Schedule, Function)                                                         \
    allgather_make(Schedule, Function, blocking, out, out_count, out_type,                         \
                   equal(in, in_count, in_type), comm)
COLLECTIVE(Allgather, Iallgather, ALLGATHER, ALLGATHER_CALL)

#define ALLGATHERV(Count, Place, ...)                                                              \
    (const void *out, Count out_count, MPI_Datatype out_type, void *in, const Count in_counts[],   \
     const Place places[], MPI_Datatype in_type, MPI_Comm comm __VA_ARGS__)
#define ALLGATHERV_INT(Count, ...) ALLGATHERV(int, int, __VA_ARGS__)
#define ALLGATHERV_LARGE(Count, ...) ALLGATHERV(MPI_Count, MPI_Aint, __VA_ARGS__)
#define ALLGATHERV_CALL(Schedule, Function)                                                        \
    allgather_make(Schedule, Function, blocking, out, out_count, out_type,                         \
                   various(in, NUMBERS(in_counts), NUMBERS(places), in_type), comm)
COLLECTIVE_ONE(, Allgatherv, Iallgatherv, ALLGATHERV_INT, int, ALLGATHERV_CALL)
COLLECTIVE_ONE(_c, Allgatherv, Iallgatherv, ALLGATHERV_LARGE, MPI_Count, ALLGATHERV_CALL)

/* --- Alltoall ----------------------------------------------------------------------------------
 */

/* What is to be sent from a buffer that is received into: a copy of it. */
static struct datatype_stream set_aside(struct schedule *schedule, struct datatype_stream stream)
{
    struct datatype_stream copy = datatype_stream(schedule_memory(schedule, stream.bytes),
                                                  stream.bytes, datatype_of(MPI_BYTE));
    schedule_copy(schedule, copy, stream);
    return copy;
}

static int alltoall_make(struct schedule **made, const char *function, bool blocking,
                         struct blocks out, struct blocks in, MPI_Comm handle)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);
    bool in_place = out.buffer == MPI_IN_PLACE;
    if (error == MPI_SUCCESS)
        error = check_blocks(comm, &in, comm->targets, function);
    if (error == MPI_SUCCESS && !in_place)
        error = check_blocks(comm, &out, comm->targets, function);
    if (error == MPI_SUCCESS && in_place && comm->is_inter)
        error = comm_error(comm, MPI_ERR_BUFFER, function,
                           "MPI_IN_PLACE does not go with an inter-communicator");
    if (error != MPI_SUCCESS)
        return error;
    struct datatype_stream blocks[SLOTS_RANKS_MOST];
    int64_t most;
    mpi_lock();
    if (blocking && in.same && all_blocks(comm, &in, blocks, &most)) {
        const struct blocks *from = in_place ? &in : &out;
        if (direct_alltoall(
                comm,
                datatype_stream(from->buffer, from->count * comm->size, datatype_of(from->type)),
                blocks))
            return slots_done(comm, function);
    }
    struct schedule *schedule = *made = schedule_new(comm);
    int ranks = comm->targets, self = comm->rank % ranks;
    for (int step = 0; step < ranks; step++) {
        int to = (self + step) % ranks;
        if (in_place && step != 0)
            schedule_send(schedule, set_aside(schedule, block(&in, to)), to);
        else if (comm->is_inter || step != 0)
            schedule_send(schedule, block(&out, to), to);
        else if (!in_place)
            schedule_copy(schedule, block(&in, to), block(&out, to));
    }
    for (int step = comm->is_inter ? 0 : 1; step < ranks; step++) {
        int from = (self - step + ranks) % ranks;
        schedule_receive(schedule, block(&in, from), from);
    }
    return MPI_SUCCESS;
}

#define ALLTOALL_CALL(Schedule, Function)                                                          \
    alltoall_make(Schedule, Function, blocking, equal(out, out_count, out_type),                   \
                  equal(in, in_count, in_type), comm)
COLLECTIVE(Alltoall, Ialltoall, ALLGATHER, ALLTOALL_CALL)

#define ALLTOALLV(Count, Place, ...)                                                               \
    (const void *out, const Count out_counts[], const Place out_places[], MPI_Datatype out_type,   \
     void *in, const Count in_counts[], const Place in_places[], MPI_Datatype in_type,             \
     MPI_Comm comm __VA_ARGS__)
#define ALLTOALLV_INT(Count, ...) ALLTOALLV(int, int, __VA_ARGS__)
#define ALLTOALLV_LARGE(Count, ...) ALLTOALLV(MPI_Count, MPI_Aint, __VA_ARGS__)
#define ALLTOALLV_CALL(Schedule, Function)                                                         \
    alltoall_make(Schedule, Function, blocking,                                                    \
                  various(out, NUMBERS(out_counts), NUMBERS(out_places), out_type),                \
                  various(in, NUMBERS(in_counts), NUMBERS(in_places), in_type), comm)
COLLECTIVE_ONE(, Alltoallv, Ialltoallv, ALLTOALLV_INT, int, ALLTOALLV_CALL)
COLLECTIVE_ONE(_c, Alltoallv, Ialltoallv, ALLTOALLV_LARGE, MPI_Count, ALLTOALLV_CALL)

static struct blocks typed(const void *buffer, struct numbers counts, struct numbers places,
                           const MPI_Datatype *types)
{
    return (struct blocks){
        .buffer = buffer, .counts = counts, .places = places, .bytes = true, .types = types};
}

#define ALLTOALLW(Count, Place, ...)                                                               \
    (const void *out, const Count out_counts[], const Place out_places[],                          \
     const MPI_Datatype out_types[], void *in, const Count in_counts[], const Place in_places[],   \
     const MPI_Datatype in_types[], MPI_Comm comm __VA_ARGS__)
#define ALLTOALLW_INT(Count, ...) ALLTOALLW(int, int, __VA_ARGS__)
#define ALLTOALLW_LARGE(Count, ...) ALLTOALLW(MPI_Count, MPI_Aint, __VA_ARGS__)
#define ALLTOALLW_CALL(Schedule, Function)                                                         \
    alltoall_make(Schedule, Function, blocking,                                                    \
                  typed(out, NUMBERS(out_counts), NUMBERS(out_places), out_types),                 \
                  typed(in, NUMBERS(in_counts), NUMBERS(in_places), in_types), comm)
COLLECTIVE_ONE(, Alltoallw, Ialltoallw, ALLTOALLW_INT, int, ALLTOALLW_CALL)
COLLECTIVE_ONE(_c, Alltoallw, Ialltoallw, ALLTOALLW_LARGE, MPI_Count, ALLTOALLW_CALL)
