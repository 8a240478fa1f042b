/* Epochs: fences, post and start and complete and wait, locks, flushes. */
#include "abi/mpi/slots.h"
#include "abi/mpi/window.h"

#include <stdatomic.h>

static void tell(struct window *window, int rank, enum window_kind kind, uint8_t op)
{
    struct window_message message = {.kind = (uint8_t)kind, .op = op};
    window_send(window, rank, &message, NULL, 0, 0);
}

static bool is_self(const struct window *window, int rank)
{
    return rank == window->comm->rank;
}

/* --- Fence -------------------------------------------------------------------------------------
 */

/* Every rank tells every other, and waits until all others have told it. */
static void tell_all(struct window *window)
{
    window->fences++;
    for (int i = 0; i < window->comm->size; i++)
        if (!is_self(window, i))
            tell(window, i, WINDOW_FENCE, 0);
    for (int i = 0; i < window->comm->size; i++) {
        const struct window_rank *rank = &window->ranks[i];
        if (!is_self(window, i))
            ENGINE_WAIT_UNTIL(rank->fences >= window->fences)
    }
}

/* What a rank is told comes behind the operations on its memory: once it has heard from all it has
 * done them. The others, who read it without its help, have to know that. */
static void fence(struct window *window)
{
    for (int i = 0; i < window->comm->size; i++) {
        const struct window_rank *rank = &window->ranks[i];
        ENGINE_WAIT_UNTIL(rank->pending == 0)
    }
    tell_all(window);
    if (!slots_barrier(window->comm))
        tell_all(window);
    for (int i = 0; i < window->comm->size; i++)
        window->ranks[i].dirty = false;
}

MPI_PROFILED(Win_fence)
int PMPI_Win_fence(int assert, MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_fence", &error);
    if (window == NULL)
        return error;
    if (window->locked_all || window->locked != 0 || window->started != NULL ||
        window->posted != NULL)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_fence",
                            "another epoch of this window is open");
    mpi_lock();
    fence(window);
    window->fenced = (assert &MPI_MODE_NOSUCCEED) == 0;
    mpi_unlock();
    return MPI_SUCCESS;
}

/* --- Post, start, complete, wait ---------------------------------------------------------------
 */

static int members_checked(struct window *window, MPI_Group handle, const char *function,
                           struct group **group)
{
    *group = group_of(handle);
    if (*group == NULL)
        return window_error(window, MPI_ERR_GROUP, function, "the group is none, or freed");
    for (int i = 0; i < (*group)->size; i++)
        if (group_rank_of(window->comm->group, (*group)->members[i]) == MPI_UNDEFINED)
            return window_error(window, MPI_ERR_GROUP, function,
                                "rank %d of the group is not one of the window", i);
    return MPI_SUCCESS;
}

static int member(const struct window *window, const struct group *group, int i)
{
    return group_rank_of(window->comm->group, group->members[i]);
}

MPI_PROFILED(Win_post)
int PMPI_Win_post(MPI_Group handle, int assert, MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_post", &error);
    struct group *group;
    (void)assert; /* promises: nothing is gained by them here */
    if (window == NULL)
        return error;
    if (window->posted != NULL)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_post",
                            "the window is posted already");
    error = members_checked(window, handle, "MPI_Win_post", &group);
    if (error != MPI_SUCCESS)
        return error;
    mpi_lock();
    window->posted = group_retain(group);
    for (int i = 0; i < group->size; i++) {
        int rank = member(window, group, i);
        if (is_self(window, rank))
            window->ranks[rank].posts++;
        else
            tell(window, rank, WINDOW_POST, 0);
    }
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_start)
int PMPI_Win_start(MPI_Group handle, int assert, MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_start", &error);
    struct group *group;
    (void)assert;
    if (window == NULL)
        return error;
    if (window->started != NULL || window->locked_all || window->locked != 0)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_start",
                            "another access epoch of this window is open");
    error = members_checked(window, handle, "MPI_Win_start", &group);
    if (error != MPI_SUCCESS)
        return error;
    mpi_lock();
    window->started = group_retain(group);
    for (int i = 0; i < group->size; i++) {
        struct window_rank *rank = &window->ranks[member(window, group, i)];
        ENGINE_WAIT_UNTIL(rank->posts != 0)
        rank->posts--;
        rank->started = true;
    }
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_complete)
int PMPI_Win_complete(MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_complete", &error);
    if (window == NULL)
        return error;
    if (window->started == NULL)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_complete",
                            "no MPI_Win_start was called");
    mpi_lock();
    struct group *group = window->started;
    for (int i = 0; i < group->size; i++) {
        int number = member(window, group, i);
        struct window_rank *rank = &window->ranks[number];
        ENGINE_WAIT_UNTIL(rank->pending == 0)
        rank->started = false;
        if (is_self(window, number))
            rank->completes++;
        else
            tell(window, number, WINDOW_COMPLETE, 0);
    }
    window->started = NULL;
    group_release(group);
    mpi_unlock();
    return MPI_SUCCESS;
}

static bool all_completed(const struct window *window)
{
    for (int i = 0; i < window->posted->size; i++)
        if (window->ranks[member(window, window->posted, i)].completes == 0)
            return false;
    return true;
}

static void exposure_over(struct window *window)
{
    for (int i = 0; i < window->posted->size; i++)
        window->ranks[member(window, window->posted, i)].completes--;
    group_release(window->posted);
    window->posted = NULL;
}

static struct window *posted_window(MPI_Win win, const char *function, int *error)
{
    struct window *window = window_checked(win, function, error);
    if (window == NULL || window->posted != NULL)
        return window;
    *error = window_error(window, MPI_ERR_RMA_SYNC, function, "no MPI_Win_post was called");
    return NULL;
}

MPI_PROFILED(Win_wait)
int PMPI_Win_wait(MPI_Win win)
{
    int error;
    struct window *window = posted_window(win, "MPI_Win_wait", &error);
    if (window == NULL)
        return error;
    mpi_lock();
    ENGINE_WAIT_UNTIL(all_completed(window))
    exposure_over(window);
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_test)
int PMPI_Win_test(MPI_Win win, int *flag)
{
    int error;
    struct window *window = posted_window(win, "MPI_Win_test", &error);
    if (window == NULL)
        return error;
    mpi_lock();
    engine_step();
    *flag = all_completed(window);
    if (*flag)
        exposure_over(window);
    mpi_unlock();
    return MPI_SUCCESS;
}

/* --- Locks -------------------------------------------------------------------------------------
 */

static void lock_begin(struct window *window, int number, enum window_hold hold)
{
    struct window_rank *rank = &window->ranks[number];
    rank->hold = (uint8_t)hold;
    if (hold == HOLD_UNCHECKED)
        return;
    rank->granted = false;
    if (is_self(window, number))
        window_lock(window, number, hold);
    else
        tell(window, number, WINDOW_LOCK, hold == HOLD_ALONE);
}

static void lock_wait_granted(const struct window *window, int number)
{
    const struct window_rank *rank = &window->ranks[number];
    if (rank->hold != HOLD_UNCHECKED)
        ENGINE_WAIT_UNTIL(rank->granted)
}

/* Asks the rank to say when it has done all; what has to be waited for is in `flushes`. */
static void flush_begin(struct window *window, int number)
{
    struct window_rank *rank = &window->ranks[number];
    ENGINE_WAIT_UNTIL(rank->pending == 0)
    if (!rank->dirty)
        return;
    rank->dirty = false;
    rank->flushes++;
    tell(window, number, WINDOW_FLUSH, 0);
}

static void unlock_begin(struct window *window, int number)
{
    struct window_rank *rank = &window->ranks[number];
    if (rank->hold == HOLD_UNCHECKED || is_self(window, number)) {
        flush_begin(window, number);
        if (rank->hold != HOLD_UNCHECKED)
            window_unlock(window, number);
    } else {
        ENGINE_WAIT_UNTIL(rank->pending == 0)
        rank->dirty = false;
        rank->flushes++;
        tell(window, number, WINDOW_UNLOCK, 0);
    }
    rank->hold = HOLD_NONE;
}

static void flush_wait(const struct window *window, int number)
{
    const struct window_rank *rank = &window->ranks[number];
    ENGINE_WAIT_UNTIL(rank->flushes == 0)
}

static int rank_checked(struct window *window, int rank, const char *function)
{
    if (rank != MPI_PROC_NULL && (rank < 0 || rank >= window->comm->size))
        return window_error(window, MPI_ERR_RANK, function,
                            "the target is rank %d; 0 to %d or MPI_PROC_NULL would be right", rank,
                            window->comm->size - 1);
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_lock)
int PMPI_Win_lock(int type, int rank, int assert, MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_lock", &error);
    if (window == NULL)
        return error;
    error = rank_checked(window, rank, "MPI_Win_lock");
    if (error != MPI_SUCCESS || rank == MPI_PROC_NULL)
        return error;
    if (type != MPI_LOCK_SHARED && type != MPI_LOCK_EXCLUSIVE)
        return window_error(window, MPI_ERR_LOCKTYPE, "MPI_Win_lock", "the type is %d", type);
    if (window->locked_all || window->started != NULL || window->ranks[rank].hold != HOLD_NONE)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_lock",
                            "another access epoch to rank %d is open", rank);
    mpi_lock();
    /* A program may wait for others' operations in a loop of locks of its own memory. Those who
     * asked before come first. */
    engine_step();
    window->locked++;
    lock_begin(window, rank,
               (assert &MPI_MODE_NOCHECK) != 0 ? HOLD_UNCHECKED
               : type == MPI_LOCK_EXCLUSIVE    ? HOLD_ALONE
                                               : HOLD_SHARED);
    lock_wait_granted(window, rank);
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_unlock)
int PMPI_Win_unlock(int rank, MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_unlock", &error);
    if (window == NULL)
        return error;
    error = rank_checked(window, rank, "MPI_Win_unlock");
    if (error != MPI_SUCCESS || rank == MPI_PROC_NULL)
        return error;
    if (window->locked_all || window->ranks[rank].hold == HOLD_NONE)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_unlock", "rank %d is not locked",
                            rank);
    mpi_lock();
    unlock_begin(window, rank);
    flush_wait(window, rank);
    window->locked--;
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_lock_all)
int PMPI_Win_lock_all(int assert, MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_lock_all", &error);
    if (window == NULL)
        return error;
    if (window->locked_all || window->locked != 0 || window->started != NULL)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_lock_all",
                            "another access epoch of this window is open");
    mpi_lock();
    engine_step();
    window->locked_all = true;
    for (int i = 0; i < window->comm->size; i++)
        lock_begin(window, i, (assert &MPI_MODE_NOCHECK) != 0 ? HOLD_UNCHECKED : HOLD_SHARED);
    for (int i = 0; i < window->comm->size; i++)
        lock_wait_granted(window, i);
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_unlock_all)
int PMPI_Win_unlock_all(MPI_Win win)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_unlock_all", &error);
    if (window == NULL)
        return error;
    if (!window->locked_all)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_unlock_all",
                            "no MPI_Win_lock_all was called");
    mpi_lock();
    for (int i = 0; i < window->comm->size; i++)
        unlock_begin(window, i);
    for (int i = 0; i < window->comm->size; i++)
        flush_wait(window, i);
    window->locked_all = false;
    mpi_unlock();
    return MPI_SUCCESS;
}

/* --- Flush -------------------------------------------------------------------------------------
 */

/* Of the ranks [first, end) that are locked. */
static void flush(struct window *window, int first, int end, bool locally)
{
    mpi_lock();
    for (int i = first; i < end; i++) {
        struct window_rank *rank = &window->ranks[i];
        if (locally)
            ENGINE_WAIT_UNTIL(rank->pending == 0)
        else
            flush_begin(window, i);
    }
    for (int i = first; i < end; i++)
        flush_wait(window, i);
    engine_step(); /* a program may wait for others' operations in a loop of flushes */
    mpi_unlock();
}

static int flush_one(MPI_Win win, int rank, bool locally, const char *function)
{
    int error;
    struct window *window = window_checked(win, function, &error);
    if (window == NULL)
        return error;
    error = rank_checked(window, rank, function);
    if (error != MPI_SUCCESS || rank == MPI_PROC_NULL)
        return error;
    if (window->ranks[rank].hold == HOLD_NONE)
        return window_error(window, MPI_ERR_RMA_SYNC, function, "rank %d is not locked", rank);
    flush(window, rank, rank + 1, locally);
    return MPI_SUCCESS;
}

static int flush_all(MPI_Win win, bool locally, const char *function)
{
    int error;
    struct window *window = window_checked(win, function, &error);
    if (window == NULL)
        return error;
    if (!window->locked_all && window->locked == 0)
        return window_error(window, MPI_ERR_RMA_SYNC, function, "no rank is locked");
    flush(window, 0, window->comm->size, locally);
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_flush)
int PMPI_Win_flush(int rank, MPI_Win win)
{
    return flush_one(win, rank, false, "MPI_Win_flush");
}
MPI_PROFILED(Win_flush_local)
int PMPI_Win_flush_local(int rank, MPI_Win win)
{
    return flush_one(win, rank, true, "MPI_Win_flush_local");
}
MPI_PROFILED(Win_flush_all)
int PMPI_Win_flush_all(MPI_Win win)
{
    return flush_all(win, false, "MPI_Win_flush_all");
}
MPI_PROFILED(Win_flush_local_all)
int PMPI_Win_flush_local_all(MPI_Win win)
{
    return flush_all(win, true, "MPI_Win_flush_local_all");
}

/* Also lets others' operations happen: a program may wait for them in a loop of this. */
MPI_PROFILED(Win_sync)
int PMPI_Win_sync(MPI_Win win)
{
    int error;
    const struct window *window = window_checked(win, "MPI_Win_sync", &error);
    if (window == NULL)
        return error;
    atomic_thread_fence(memory_order_seq_cst);
    mpi_lock();
    engine_step();
    mpi_unlock();
    return MPI_SUCCESS;
}
