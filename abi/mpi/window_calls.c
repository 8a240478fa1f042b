/* MPI_Put, MPI_Get, MPI_Accumulate and their like: the checks of their arguments. */
#include "abi/mpi/window.h"

/* One side of a call, as it describes it. */
struct side {
    const void *buffer;
    int64_t count;
    MPI_Datatype type;
};

static int stream_checked(struct window *window, struct side side, const char *which,
                          const char *function, struct datatype_stream *stream)
{
    const struct datatype *type = datatype_of(side.type);
    int error = datatype_check(type, side.count);
    *stream = datatype_stream(side.buffer, side.count, type != NULL ? type : datatype_of(MPI_BYTE));
    if (error == MPI_ERR_COUNT)
        return window_error(window, error, function, "the %s's count is %lld, less than 0", which,
                            (long long)side.count);
    if (error != MPI_SUCCESS)
        return window_error(window, error, function, "the %s's datatype is %s", which,
                            type == NULL ? "none, or freed" : "not committed");
    return MPI_SUCCESS;
}

static int place_checked(struct window_access *access, MPI_Aint displacement, const char *function)
{
    struct window *window = access->window;
    const struct window_rank *rank = &window->ranks[access->rank];
    int64_t place, low, high;
    bool dynamic = window->flavor == MPI_WIN_FLAVOR_DYNAMIC;
    if (!dynamic && displacement < 0)
        return window_error(window, MPI_ERR_DISP, function, "the displacement is %lld",
                            (long long)displacement);
    bool far = __builtin_mul_overflow(displacement, rank->unit, &place);
    access->target.buffer = (char *)(intptr_t)place; // NOLINT(performance-no-int-to-ptr)
    if (access->target.bytes == 0)
        return MPI_SUCCESS;
    bool inside = !far && window_span(&access->target, place, &low, &high);
    if (inside && !dynamic)
        inside = low >= 0 && high <= rank->size;
    else if (inside && access->rank == window->comm->rank)
        inside = window_attached(window, (uint64_t)low, (uint64_t)(high - low));
    if (inside)
        return MPI_SUCCESS;
    return window_error(window, MPI_ERR_RMA_RANGE, function,
                        "%lld bytes at displacement %lld do not lie in rank %d's memory",
                        (long long)access->target.bytes, (long long)displacement, access->rank);
}

/* access->window NULL with MPI_SUCCESS: nothing is to be done, the target is MPI_PROC_NULL. */
static int access_checked(struct window_access *access, MPI_Win win, int rank, struct side target,
                          MPI_Aint displacement, const char *function)
{
    int error;
    struct window *window = window_checked(win, function, &error);
    access->window = NULL;
    if (window == NULL)
        return error;
    if (rank == MPI_PROC_NULL)
        return MPI_SUCCESS;
    if (rank < 0 || rank >= window->comm->size)
        return window_error(window, MPI_ERR_RANK, function,
                            "the target is rank %d; 0 to %d or MPI_PROC_NULL would be right", rank,
                            window->comm->size - 1);
    const struct window_rank *other = &window->ranks[rank];
    if (!window->fenced && !other->started && other->hold == HOLD_NONE)
        return window_error(window, MPI_ERR_RMA_SYNC, function,
                            "no epoch of access to rank %d is open", rank);
    error = stream_checked(window, target, "target", function, &access->target);
    if (error != MPI_SUCCESS)
        return error;
    access->window = window;
    access->rank = rank;
    return place_checked(access, displacement, function);
}

static int bytes_checked(const struct window_access *access, const struct datatype_stream *side,
                         const char *which, const char *function)
{
    if (side->bytes == access->target.bytes)
        return MPI_SUCCESS;
    return window_error(access->window, MPI_ERR_TYPE, function,
                        "the target has %lld bytes, the %s %lld", (long long)access->target.bytes,
                        which, (long long)side->bytes);
}

static void give(struct request *made, MPI_Request *request)
{
    if (request != NULL)
        *request = (MPI_Request)made;
}

typedef void transfer(const struct window_access *access, const struct datatype_stream *origin,
                      struct request **request);

static int move(transfer *function_of, struct side origin, MPI_Win win, int rank,
                struct side target, MPI_Aint displacement, MPI_Request *request,
                const char *function)
{
    struct window_access access;
    struct datatype_stream stream;
    struct request *made = &request_done;
    int error = access_checked(&access, win, rank, target, displacement, function);
    if (error != MPI_SUCCESS)
        return error;
    if (access.window != NULL) {
        error = stream_checked(access.window, origin, "origin", function, &stream);
        if (error == MPI_SUCCESS)
            error = bytes_checked(&access, &stream, "origin", function);
        if (error != MPI_SUCCESS)
            return error;
        mpi_lock();
        function_of(&access, &stream, request != NULL ? &made : NULL);
        mpi_unlock();
    }
    give(made, request);
    return MPI_SUCCESS;
}

static int combine(struct side origin, const struct side *result, MPI_Win win, int rank,
                   struct side target, MPI_Aint displacement, MPI_Op handle, MPI_Request *request,
                   const char *function)
{
    struct window_access access;
    struct datatype_stream from = {0}, to = {0};
    struct request *made = &request_done;
    const struct op *op = op_of(handle);
    int error = access_checked(&access, win, rank, target, displacement, function);
    if (error != MPI_SUCCESS || access.window == NULL) {
        if (error == MPI_SUCCESS)
            give(made, request);
        return error;
    }
    if (op_check(op, access.target.type, true) != MPI_SUCCESS)
        return window_error(access.window, MPI_ERR_OP, function,
                            "the operation is none, or not predefined, or does not work on the "
                            "target's datatype");
    if (handle != MPI_NO_OP) { /* else the origin is not looked at */
        error = stream_checked(access.window, origin, "origin", function, &from);
        if (error == MPI_SUCCESS)
            error = bytes_checked(&access, &from, "origin", function);
    }
    if (error == MPI_SUCCESS && result != NULL) {
        error = stream_checked(access.window, *result, "result", function, &to);
        if (error == MPI_SUCCESS)
            error = bytes_checked(&access, &to, "result", function);
    }
    if (error != MPI_SUCCESS)
        return error;
    mpi_lock();
    window_accumulate(&access, &from, result != NULL ? &to : NULL, op,
                      request != NULL ? &made : NULL);
    mpi_unlock();
    give(made, request);
    return MPI_SUCCESS;
}

/* --- Calls -------------------------------------------------------------------------------------
 */

#define ORIGIN ((struct side){origin, origin_count, origin_type})
#define RESULT (&(struct side){result, result_count, result_type})
#define TARGET ((struct side){NULL, target_count, target_type})

#define PUT(Count)                                                                                 \
    (const void *origin, Count origin_count, MPI_Datatype origin_type, int rank,                   \
     MPI_Aint displacement, Count target_count, MPI_Datatype target_type, MPI_Win win)
#define RPUT(Count)                                                                                \
    (const void *origin, Count origin_count, MPI_Datatype origin_type, int rank,                   \
     MPI_Aint displacement, Count target_count, MPI_Datatype target_type, MPI_Win win,             \
     MPI_Request *request)
#define GET(Count)                                                                                 \
    (void *origin, Count origin_count, MPI_Datatype origin_type, int rank, MPI_Aint displacement,  \
     Count target_count, MPI_Datatype target_type, MPI_Win win)
#define RGET(Count)                                                                                \
    (void *origin, Count origin_count, MPI_Datatype origin_type, int rank, MPI_Aint displacement,  \
     Count target_count, MPI_Datatype target_type, MPI_Win win, MPI_Request *request)
#define ACCUMULATE(Count)                                                                          \
    (const void *origin, Count origin_count, MPI_Datatype origin_type, int rank,                   \
     MPI_Aint displacement, Count target_count, MPI_Datatype target_type, MPI_Op op, MPI_Win win)
#define RACCUMULATE(Count)                                                                         \
    (const void *origin, Count origin_count, MPI_Datatype origin_type, int rank,                   \
     MPI_Aint displacement, Count target_count, MPI_Datatype target_type, MPI_Op op, MPI_Win win,  \
     MPI_Request *request)
#define EXCHANGE(Count)                                                                            \
    (const void *origin, Count origin_count, MPI_Datatype origin_type, void *result,               \
     Count result_count, MPI_Datatype result_type, int rank, MPI_Aint displacement,                \
     Count target_count, MPI_Datatype target_type, MPI_Op op, MPI_Win win)
#define REXCHANGE(Count)                                                                           \
    (const void *origin, Count origin_count, MPI_Datatype origin_type, void *result,               \
     Count result_count, MPI_Datatype result_type, int rank, MPI_Aint displacement,                \
     Count target_count, MPI_Datatype target_type, MPI_Op op, MPI_Win win, MPI_Request *request)

WITH_COUNTS(Put, PUT,
            { return move(window_put, ORIGIN, win, rank, TARGET, displacement, NULL, "MPI_Put"); })
WITH_COUNTS(Rput, RPUT, {
    return move(window_put, ORIGIN, win, rank, TARGET, displacement, request, "MPI_Rput");
})
WITH_COUNTS(Get, GET,
            { return move(window_get, ORIGIN, win, rank, TARGET, displacement, NULL, "MPI_Get"); })
WITH_COUNTS(Rget, RGET, {
    return move(window_get, ORIGIN, win, rank, TARGET, displacement, request, "MPI_Rget");
})
WITH_COUNTS(Accumulate, ACCUMULATE, {
    return combine(ORIGIN, NULL, win, rank, TARGET, displacement, op, NULL, "MPI_Accumulate");
})
WITH_COUNTS(Raccumulate, RACCUMULATE, {
    return combine(ORIGIN, NULL, win, rank, TARGET, displacement, op, request, "MPI_Raccumulate");
})
WITH_COUNTS(Get_accumulate, EXCHANGE, {
    return combine(ORIGIN, RESULT, win, rank, TARGET, displacement, op, NULL, "MPI_Get_accumulate");
})
WITH_COUNTS(Rget_accumulate, REXCHANGE, {
    return combine(ORIGIN, RESULT, win, rank, TARGET, displacement, op, request,
                   "MPI_Rget_accumulate");
})

MPI_PROFILED(Fetch_and_op)
int PMPI_Fetch_and_op(const void *origin, void *result, MPI_Datatype type, int rank,
                      MPI_Aint displacement, MPI_Op op, MPI_Win win)
{
    struct side from = {origin, 1, type}, to = {result, 1, type};
    return combine(from, &to, win, rank, from, displacement, op, NULL, "MPI_Fetch_and_op");
}

static bool can_be_compared(const struct datatype *type)
{
    return type->predefined && type->contiguous &&
           (type->class == BASIC_SIGNED || type->class == BASIC_UNSIGNED ||
            type->class == BASIC_LOGICAL || type->class == BASIC_BYTE);
}

MPI_PROFILED(Compare_and_swap)
int PMPI_Compare_and_swap(const void *origin, const void *compare, void *result, MPI_Datatype type,
                          int rank, MPI_Aint displacement, MPI_Win win)
{
    struct window_access access;
    struct side target = {NULL, 1, type};
    int error = access_checked(&access, win, rank, target, displacement, "MPI_Compare_and_swap");
    if (error != MPI_SUCCESS || access.window == NULL)
        return error;
    if (!can_be_compared(access.target.type))
        return window_error(access.window, MPI_ERR_TYPE, "MPI_Compare_and_swap",
                            "the datatype is no integer, logical or byte");
    mpi_lock();
    window_compare(&access, origin, compare, result);
    mpi_unlock();
    return MPI_SUCCESS;
}
