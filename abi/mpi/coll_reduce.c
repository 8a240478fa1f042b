/* Collectives that reduce. Operations that do not commute see the ranks in order: every partial
 * result is of neighbouring ranks, and the lower ones stand on the left. */
#include "abi/mpi/collective.h"
#include "abi/mpi/direct.h"
#include "abi/mpi/slots.h"

/* Reduces the group's contributions to rank 0 of the tree: a binomial tree over ranks relative to
 * `root` (0 unless the operation commutes). Every rank's contribution is at `own`, which is not
 * changed; the result is at the returned place, at the root. */
static void *tree_reduce(struct schedule *schedule, struct comm *comm, const void *own,
                         int64_t count, const struct datatype *type, struct op *op, int root)
{
    int size = comm->size, relative = (comm->rank - root + size) % size;
    void *result = schedule_buffer(schedule, type, count);
    schedule_copy(schedule, datatype_stream(result, count, type),
                  datatype_stream(own, count, type));
    for (int mask = 1; mask < size; mask *= 2) {
        if (relative & mask) {
            schedule_send(schedule, datatype_stream(result, count, type),
                          (relative - mask + root) % size);
            break;
        }
        if (relative + mask >= size)
            continue;
        void *other = schedule_buffer(schedule, type, count);
        schedule_receive(schedule, datatype_stream(other, count, type),
                         (relative + mask + root) % size);
        schedule_wait(schedule);
        schedule_reduce(schedule, op, result, other, count, type);
        result = other;
    }
    return result;
}

/* Contributions of all ranks that the communicator sends to, this rank's `own` in its place
 * unless it is an inter-communicator: received side by side, as a wait for one would also wait for
 * this rank's own sends, and then combined in the ranks' order. */
static void *star_reduce(struct schedule *schedule, struct comm *comm, const void *own,
                         int64_t count, const struct datatype *type, struct op *op)
{
    char **parts = schedule_memory(schedule, (int64_t)sizeof(char *) * comm->targets);
    for (int i = 0; i < comm->targets; i++) {
        parts[i] = schedule_buffer(schedule, type, count);
        struct datatype_stream to = datatype_stream(parts[i], count, type);
        if (!comm->is_inter && i == comm->rank)
            schedule_copy(schedule, to, datatype_stream(own, count, type));
        else
            schedule_receive(schedule, to, i);
    }
    schedule_wait(schedule);
    for (int i = 1; i < comm->targets; i++)
        schedule_reduce(schedule, op, parts[i - 1], parts[i], count, type);
    return parts[comm->targets - 1];
}

/* The checks that all have in common. */
static struct comm *reduce_check(MPI_Comm handle, int64_t count, MPI_Datatype type, MPI_Op op,
                                 const char *function, struct op **found, int *error)
{
    struct comm *comm = collective_comm(handle, function, error);
    if (*error == MPI_SUCCESS)
        *error = collective_type(comm, type, count, function);
    if (*error == MPI_SUCCESS)
        *error = collective_op(comm, op, type, function, found);
    return comm;
}

static int no_place(struct comm *comm, const char *function)
{
    return comm_error(comm, MPI_ERR_BUFFER, function,
                      "MPI_IN_PLACE does not go with an inter-communicator");
}

/* --- Reduce ------------------------------------------------------------------------------------
 */

static int reduce_make(struct schedule **made, const char *function, bool blocking, const void *out,
                       void *in, int64_t count, MPI_Datatype handle_type, MPI_Op handle_op,
                       int root, MPI_Comm handle)
{
    int error;
    struct op *op;
    enum collective_role role;
    struct comm *comm = reduce_check(handle, count, handle_type, handle_op, function, &op, &error);
    if (error == MPI_SUCCESS)
        error = collective_root(comm, root, function, &role);
    if (error != MPI_SUCCESS)
        return error;
    if (out == MPI_IN_PLACE && role != ROLE_ROOT)
        return comm_error(comm, MPI_ERR_BUFFER, function, "MPI_IN_PLACE is for the root alone");
    const struct datatype *type = datatype_of(handle_type);
    const void *part = out == MPI_IN_PLACE ? in : out;
    mpi_lock();
    if (blocking && (slots_reduce(comm, part, in, count, type, op, root) ||
                     direct_reduce(comm, part, in, count, type, op, root)))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    struct datatype_stream to = datatype_stream(in, count, type);
    if (comm->is_inter) {
        if (role == ROLE_ROOT)
            schedule_copy(
                schedule, to,
                datatype_stream(star_reduce(schedule, comm, NULL, count, type, op), count, type));
        else if (role == ROLE_OTHER)
            schedule_send(schedule, datatype_stream(out, count, type), root);
        return MPI_SUCCESS;
    }
    const void *own = out == MPI_IN_PLACE ? in : out;
    int top = op->commutative ? root : 0;
    void *result = tree_reduce(schedule, comm, own, count, type, op, top);
    struct datatype_stream reduced = datatype_stream(result, count, type);
    if (top != root && comm->rank == top)
        schedule_send(schedule, reduced, root);
    if (top != root && role == ROLE_ROOT)
        schedule_receive(schedule, to, top);
    if (top == root && role == ROLE_ROOT)
        schedule_copy(schedule, to, reduced);
    return MPI_SUCCESS;
}

#define REDUCE(Count, ...)                                                                         \
    (const void *out, void *in, Count count, MPI_Datatype type, MPI_Op op, int root,               \
     MPI_Comm comm __VA_ARGS__)
#define REDUCE_CALL(Schedule, Function)                                                            \
    reduce_make(Schedule, Function, blocking, out, in, count, type, op, root, comm)
COLLECTIVE(Reduce, Ireduce, REDUCE, REDUCE_CALL)

/* --- Allreduce ---------------------------------------------------------------------------------
 */

/* Sends this rank's contribution to all remote ranks and combines theirs. */
static void inter_exchange(struct schedule *schedule, struct comm *comm, const void *out, void *in,
                           int64_t count, const struct datatype *type, struct op *op)
{
    for (int i = 0; i < comm->targets; i++)
        schedule_send(schedule, datatype_stream(out, count, type), i);
    void *result = star_reduce(schedule, comm, NULL, count, type, op);
    schedule_copy(schedule, datatype_stream(in, count, type), datatype_stream(result, count, type));
}

/* Recursive doubling, for a power of two of ranks: in each round neighbouring blocks of ranks
 * combine what they have. The result ends up at `in`. */
static void doubling(struct schedule *schedule, struct comm *comm, const void *own, void *in,
                     int64_t count, const struct datatype *type, struct op *op)
{
    char *have = schedule_buffer(schedule, type, count);
    schedule_copy(schedule, datatype_stream(have, count, type), datatype_stream(own, count, type));
    for (int mask = 1; mask < comm->size; mask *= 2) {
        int partner = comm->rank ^ mask;
        char *other = schedule_buffer(schedule, type, count);
        schedule_send(schedule, datatype_stream(have, count, type), partner);
        schedule_receive(schedule, datatype_stream(other, count, type), partner);
        schedule_wait(schedule);
        if (partner < comm->rank) {
            schedule_reduce(schedule, op, other, have, count, type);
        } else {
            schedule_reduce(schedule, op, have, other, count, type);
            have = other;
        }
    }
    schedule_copy(schedule, datatype_stream(in, count, type), datatype_stream(have, count, type));
}

static int allreduce_make(struct schedule **made, const char *function, bool blocking,
                          const void *out, void *in, int64_t count, MPI_Datatype handle_type,
                          MPI_Op handle_op, MPI_Comm handle)
{
    int error;
    struct op *op;
    struct comm *comm = reduce_check(handle, count, handle_type, handle_op, function, &op, &error);
    if (error == MPI_SUCCESS && comm->is_inter && out == MPI_IN_PLACE)
        error = no_place(comm, function);
    if (error != MPI_SUCCESS)
        return error;
    const struct datatype *type = datatype_of(handle_type);
    const void *own = out == MPI_IN_PLACE ? in : out;
    mpi_lock();
    if (blocking && (slots_reduce(comm, own, in, count, type, op, -1) ||
                     direct_reduce(comm, own, in, count, type, op, -1)))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    if (comm->is_inter) {
        inter_exchange(schedule, comm, out, in, count, type, op);
    } else if ((comm->size & (comm->size - 1)) == 0) {
        doubling(schedule, comm, own, in, count, type, op);
    } else {
        void *result = tree_reduce(schedule, comm, own, count, type, op, 0);
        if (comm->rank == 0)
            schedule_copy(schedule, datatype_stream(in, count, type),
                          datatype_stream(result, count, type));
        schedule_wait(schedule);
        bcast_build(schedule, comm, datatype_stream(in, count, type), 0);
    }
    return MPI_SUCCESS;
}

#define ALLREDUCE(Count, ...)                                                                      \
    (const void *out, void *in, Count count, MPI_Datatype type, MPI_Op op,                         \
     MPI_Comm comm __VA_ARGS__)
#define ALLREDUCE_CALL(Schedule, Function)                                                         \
    allreduce_make(Schedule, Function, blocking, out, in, count, type, op, comm)
COLLECTIVE(Allreduce, Iallreduce, ALLREDUCE, ALLREDUCE_CALL)

/* --- Reduce-scatter ----------------------------------------------------------------------------
 */

/* Every rank sends each other rank that one's block, and combines what it gets for its own. */
static int reduce_scatter_make(struct schedule **made, const char *function, bool blocking,
                               const void *out, void *in, struct numbers counts, int64_t count,
                               MPI_Datatype handle_type, MPI_Op handle_op, MPI_Comm handle)
{
    int error;
    struct op *op;
    int64_t before = 0, total = 0, place = 0;
    struct comm *comm = reduce_check(handle, count, handle_type, handle_op, function, &op, &error);
    if (error == MPI_SUCCESS && comm->is_inter && out == MPI_IN_PLACE)
        error = no_place(comm, function);
    if (error != MPI_SUCCESS)
        return error;
    const struct datatype *type = datatype_of(handle_type);
    for (int i = 0; i < comm->size; i++) {
        int64_t length = counts.array != NULL ? number_at(counts, i) : count;
        error = collective_type(comm, handle_type, length, function);
        if (error != MPI_SUCCESS)
            return error;
        before += i < comm->rank ? length : 0;
        total += length;
    }
    int64_t own = counts.array != NULL ? number_at(counts, comm->rank) : count;
    mpi_lock();
    if (blocking && direct_reduce_scatter(comm, out == MPI_IN_PLACE ? in : out, in, total, before,
                                          own, type, op))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    struct datatype_stream to = datatype_stream(in, own, type);
    if (comm->is_inter) {
        /* The remote group cuts our total by its own counts: all of it goes to each rank there. */
        for (int i = 0; i < comm->targets; i++)
            schedule_send(schedule, datatype_stream(out, total, type), i);
        char *all = star_reduce(schedule, comm, NULL, total, type, op);
        schedule_copy(schedule, to, stream_at(all, before, own, type));
        return MPI_SUCCESS;
    }
    const char *from = out == MPI_IN_PLACE ? in : out;
    if (out == MPI_IN_PLACE) {
        char *copy = schedule_buffer(schedule, type, total);
        schedule_copy(schedule, datatype_stream(copy, total, type),
                      datatype_stream(in, total, type));
        from = copy;
    }
    for (int i = 0; i < comm->size; i++) {
        int64_t length = counts.array != NULL ? number_at(counts, i) : count;
        if (i != comm->rank)
            schedule_send(schedule, stream_at(from, place, length, type), i);
        place += length;
    }
    void *result = star_reduce(schedule, comm, from + before * type->extent, own, type, op);
    schedule_copy(schedule, to, datatype_stream(result, own, type));
    return MPI_SUCCESS;
}

#define REDUCE_SCATTER(Count, ...)                                                                 \
    (const void *out, void *in, const Count counts[], MPI_Datatype type, MPI_Op op,                \
     MPI_Comm comm __VA_ARGS__)
#define REDUCE_SCATTER_CALL(Schedule, Function)                                                    \
    reduce_scatter_make(Schedule, Function, blocking, out, in, NUMBERS(counts), 0, type, op, comm)
COLLECTIVE(Reduce_scatter, Ireduce_scatter, REDUCE_SCATTER, REDUCE_SCATTER_CALL)

#define REDUCE_SCATTER_BLOCK_CALL(Schedule, Function)                                              \
    reduce_scatter_make(Schedule, Function, blocking, out, in, (struct numbers){0}, count, type,   \
                        op, comm)
COLLECTIVE(Reduce_scatter_block, Ireduce_scatter_block, ALLREDUCE, REDUCE_SCATTER_BLOCK_CALL)

/* --- Scan --------------------------------------------------------------------------------------
 */

/* In a chain: each rank adds its own to what those before it have. */
static int scan_make(struct schedule **made, const char *function, bool blocking, bool exclusive,
                     const void *out, void *in, int64_t count, MPI_Datatype handle_type,
                     MPI_Op handle_op, MPI_Comm handle)
{
    int error;
    struct op *op;
    struct comm *comm = reduce_check(handle, count, handle_type, handle_op, function, &op, &error);
    if (error == MPI_SUCCESS && comm->is_inter)
        error = comm_error(comm, MPI_ERR_COMM, function, "it is an inter-communicator");
    if (error != MPI_SUCCESS)
        return error;
    const struct datatype *type = datatype_of(handle_type);
    mpi_lock();
    if (blocking &&
        direct_scan(comm, out == MPI_IN_PLACE ? in : out, in, count, type, op, exclusive))
        return slots_done(comm, function);
    struct schedule *schedule = *made = schedule_new(comm);
    char *sum = schedule_buffer(schedule, type, count);
    struct datatype_stream total = datatype_stream(sum, count, type);
    struct datatype_stream to = datatype_stream(in, count, type);
    schedule_copy(schedule, total, datatype_stream(out == MPI_IN_PLACE ? in : out, count, type));
    if (comm->rank > 0) {
        char *before = schedule_buffer(schedule, type, count);
        schedule_receive(schedule, datatype_stream(before, count, type), comm->rank - 1);
        schedule_wait(schedule);
        if (exclusive)
            schedule_copy(schedule, to, datatype_stream(before, count, type));
        schedule_reduce(schedule, op, before, sum, count, type);
    }
    if (comm->rank + 1 < comm->size)
        schedule_send(schedule, total, comm->rank + 1);
    if (!exclusive)
        schedule_copy(schedule, to, total);
    return MPI_SUCCESS;
}

#define SCAN_CALL(Schedule, Function)                                                              \
    scan_make(Schedule, Function, blocking, false, out, in, count, type, op, comm)
COLLECTIVE(Scan, Iscan, ALLREDUCE, SCAN_CALL)
#define EXSCAN_CALL(Schedule, Function)                                                            \
    scan_make(Schedule, Function, blocking, true, out, in, count, type, op, comm)
COLLECTIVE(Exscan, Iexscan, ALLREDUCE, EXSCAN_CALL)
