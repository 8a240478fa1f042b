/* Making and freeing windows: every rank learns where the others' memory lies. */
#include "abi/mpi/collective.h"
#include "abi/mpi/comm.h"
#include "abi/mpi/slots.h"
#include "abi/mpi/window.h"

#include <stdlib.h>

#define EXTENTS_STEP 256

/* What a rank says of its part. */
struct told {
    int64_t base, size, unit, extents;
};

/* Where this rank's memory lies for its peers: a malloc'ed list; *count 0: they cannot read it. */
static struct atoll_extent *own_extents(const struct window *window, int64_t *count)
{
    struct atoll_extent *list = NULL;
    size_t size = (size_t)window->size, done = 0;
    *count = 0;
    if (transport.size == 1 || window->flavor == MPI_WIN_FLAVOR_DYNAMIC)
        return NULL;
    while (done < size) {
        size_t covered = 0;
        struct atoll_extent *more = realloc(list, ((size_t)*count + EXTENTS_STEP) * sizeof(*list));
        ssize_t found = more == NULL ? -ENOMEM
                                     : atoll_extents(window->base + done, size - done,
                                                     more + *count, EXTENTS_STEP, &covered);
        list = more != NULL ? more : list;
        if (found < 1 || covered == 0) {
            *count = 0;
            break;
        }
        *count += found;
        done += covered;
    }
    return list;
}

/* Notes a rank's extents, if they are sound and its memory is mapped here. */
static void note_extents(struct window *window, int number, const struct atoll_extent *extents,
                         int64_t count)
{
    struct window_rank *rank = &window->ranks[number];
    struct peer *peer = window->comm->to[number];
    uint64_t sum = 0;
    if (count == 0 || peer->self)
        return;
    if (peer->memory.base == NULL && atoll_peer_memory(peer->number, &peer->memory) != 0)
        return;
    rank->extents = malloc((size_t)count * sizeof(*extents));
    rank->before = malloc(((size_t)count + 1) * sizeof(*rank->before));
    if (rank->extents == NULL || rank->before == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a window of %d ranks", window->comm->size);
    for (int64_t i = 0; i < count; i++) {
        if (extents[i].offset > peer->memory.size ||
            extents[i].length > peer->memory.size - extents[i].offset)
            return;
        rank->extents[i] = extents[i];
        rank->before[i] = sum;
        sum += extents[i].length;
    }
    rank->before[count] = sum;
    if (sum >= (uint64_t)rank->size)
        rank->extent_count = count;
}

/* All ranks tell all. Who has heard from the others knows too that they know of the window. */
static void exchange(struct window *window)
{
    int size = window->comm->size;
    MPI_Comm comm = window->comm->handle;
    struct told own = {(int64_t)(intptr_t)window->base, window->size, window->unit, 0};
    struct atoll_extent *extents = own_extents(window, &own.extents);
    struct told *all = calloc((size_t)size, sizeof(*all));
    MPI_Count *counts = calloc((size_t)size, sizeof(*counts));
    MPI_Aint *places = calloc((size_t)size, sizeof(*places));
    int64_t total = 0;
    if (all == NULL || counts == NULL || places == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a window of %d ranks", size);
    PMPI_Allgather(&own, 4, MPI_INT64_T, all, 4, MPI_INT64_T, comm);
    for (int i = 0; i < size; i++) {
        window->ranks[i].base = all[i].base;
        window->ranks[i].size = all[i].size;
        window->ranks[i].unit = all[i].unit;
        places[i] = 2 * total;
        counts[i] = 2 * all[i].extents;
        total += all[i].extents;
    }
    if (total != 0) {
        struct atoll_extent *lists = malloc((size_t)total * sizeof(*lists));
        if (lists == NULL)
            mpi_die(MPI_ERR_NO_MEM, "no memory for a window of %d ranks", size);
        PMPI_Allgatherv_c(extents, 2 * own.extents, MPI_INT64_T, lists, counts, places, MPI_INT64_T,
                          comm);
        for (int i = 0; i < size; i++)
            note_extents(window, i, lists + places[i] / 2, all[i].extents);
        free(lists);
    }
    free(all);
    free(counts);
    free(places);
    free(extents);
}

struct making {
    const char *function;
    struct comm *comm;
    MPI_Info info;
    int flavor;
    void *base, *owned;
    int64_t size, unit;
};

static int check(const struct making *making)
{
    struct comm *comm = making->comm;
    if (comm->is_inter)
        return comm_error(comm, MPI_ERR_COMM, making->function,
                          "the communicator is an inter-communicator");
    if (making->size < 0)
        return comm_error(comm, MPI_ERR_SIZE, making->function, "the size is %lld, less than 0",
                          (long long)making->size);
    if (making->unit <= 0 || making->unit > INT32_MAX)
        return comm_error(comm, MPI_ERR_DISP, making->function,
                          "the displacement unit is %lld; 1 to %d would be right",
                          (long long)making->unit, INT32_MAX);
    if (!info_is_valid(making->info))
        return comm_error(comm, MPI_ERR_INFO, making->function, "the info is none, or freed");
    return MPI_SUCCESS;
}

/* The hints that the standard names, at their defaults, and what the program has said. NULL without
 * memory. */
static struct info *hints(const struct info *said)
{
    static const char *const defaults[][2] = {
        {"no_locks", "false"},
        {"accumulate_ordering", "rar,raw,war,waw"},
        {"accumulate_ops", "same_op_no_op"},
        {"same_size", "false"},
        {"same_disp_unit", "false"},
    };
    struct info *info = info_create();
    int error = MPI_SUCCESS;
    for (size_t i = 0; info != NULL && i < sizeof(defaults) / sizeof(defaults[0]); i++)
        error |= info_put(info, defaults[i][0], defaults[i][1]);
    if (info != NULL && (error != MPI_SUCCESS || info_put_all(info, said) != MPI_SUCCESS)) {
        info_free(info);
        info = NULL;
    }
    return info;
}

static int make(const struct making *making, MPI_Win *win)
{
    struct info *info = hints(info_of(making->info));
    mpi_lock();
    struct comm *comm = comm_make(making->comm, group_retain(making->comm->group), NULL, 0);
    struct window *window = window_new(comm, making->flavor);
    if (window == NULL || info == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a window of %d ranks", comm->size);
    mpi_unlock();
    window->info = info;
    window->base = making->base;
    window->owned = making->owned;
    window->size = making->size;
    window->unit = (int)making->unit;
    exchange(window);
    *win = window->handle;
    return MPI_SUCCESS;
}

static int create(const char *function, void *base, int64_t size, int64_t unit, MPI_Info info,
                  MPI_Comm handle, MPI_Win *win)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);
    if (comm == NULL)
        return error;
    struct making making = {function, comm, info, MPI_WIN_FLAVOR_CREATE, base, NULL, size, unit};
    error = check(&making);
    if (error == MPI_SUCCESS && size != 0 && base == NULL)
        error = comm_error(comm, MPI_ERR_BASE, function, "the base is NULL");
    return error != MPI_SUCCESS ? error : make(&making, win);
}

static int allocate(const char *function, int flavor, int64_t size, int64_t unit, MPI_Info info,
                    MPI_Comm handle, void *base, MPI_Win *win)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);
    if (comm == NULL)
        return error;
    struct making making = {function, comm, info, flavor, NULL, NULL, size, unit};
    error = check(&making);
    if (error != MPI_SUCCESS)
        return error;
    if (flavor == MPI_WIN_FLAVOR_SHARED && comm->size > 1)
        return comm_error(comm, MPI_ERR_RMA_SHARED, function,
                          "a rank's memory is written by that rank alone: there is none that "
                          "several could share");
    /* Whole pages: then it lies in few pieces. */
    if (posix_memalign(&making.owned, size >= 4096 ? 4096 : 64, size != 0 ? (size_t)size : 1) != 0)
        mpi_die(MPI_ERR_NO_MEM, "%s: no memory for a window of %lld bytes", function,
                (long long)size);
    memset(making.owned, 0, (size_t)size);
    making.base = making.owned;
    memcpy(base, &making.owned, sizeof(making.owned));
    return make(&making, win);
}

#define MAKERS(Suffix, Unit)                                                                       \
    MPI_PROFILED(Win_create##Suffix)                                                               \
    int PMPI_Win_create##Suffix(void *base, MPI_Aint size, Unit unit, MPI_Info info,               \
                                MPI_Comm comm, MPI_Win *win)                                       \
    {                                                                                              \
        return create("MPI_Win_create" #Suffix, base, size, unit, info, comm, win);                \
    }                                                                                              \
    MPI_PROFILED(Win_allocate##Suffix)                                                             \
    int PMPI_Win_allocate##Suffix(MPI_Aint size, Unit unit, MPI_Info info, MPI_Comm comm,          \
                                  void *base, MPI_Win *win)                                        \
    {                                                                                              \
        return allocate("MPI_Win_allocate" #Suffix, MPI_WIN_FLAVOR_ALLOCATE, size, unit, info,     \
                        comm, base, win);                                                          \
    }                                                                                              \
    MPI_PROFILED(Win_allocate_shared##Suffix)                                                      \
    int PMPI_Win_allocate_shared##Suffix(MPI_Aint size, Unit unit, MPI_Info info, MPI_Comm comm,   \
                                         void *base, MPI_Win *win)                                 \
    {                                                                                              \
        return allocate("MPI_Win_allocate_shared" #Suffix, MPI_WIN_FLAVOR_SHARED, size, unit,      \
                        info, comm, base, win);                                                    \
    }
MAKERS(, int)
MAKERS(_c, MPI_Aint)

MPI_PROFILED(Win_create_dynamic)
int PMPI_Win_create_dynamic(MPI_Info info, MPI_Comm handle, MPI_Win *win)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Win_create_dynamic", &error);
    if (comm == NULL)
        return error;
    struct making making = {
        "MPI_Win_create_dynamic", comm, info, MPI_WIN_FLAVOR_DYNAMIC, NULL, NULL, 0, 1};
    error = check(&making);
    return error != MPI_SUCCESS ? error : make(&making, win);
}

MPI_PROFILED(Win_free)
int PMPI_Win_free(MPI_Win *win)
{
    int error;
    struct window *window = window_checked(*win, "MPI_Win_free", &error);
    if (window == NULL)
        return error;
    if (window->locked_all || window->locked != 0 || window->started != NULL ||
        window->posted != NULL)
        return window_error(window, MPI_ERR_RMA_SYNC, "MPI_Win_free",
                            "an epoch of this window is open");
    error = attributes_delete(OBJECT_WIN, *win, &window->attributes);
    if (error != MPI_SUCCESS)
        return window_error(window, error, "MPI_Win_free", "an attribute's function failed");
    PMPI_Barrier(window->comm->handle);
    mpi_lock();
    slots_end(window->comm);
    window_free(window);
    mpi_unlock();
    *win = MPI_WIN_NULL;
    return MPI_SUCCESS;
}

/* --- Dynamic windows ---------------------------------------------------------------------------
 */

static struct window *dynamic_window(MPI_Win win, const char *function, int *error)
{
    struct window *window = window_checked(win, function, error);
    if (window == NULL || window->flavor == MPI_WIN_FLAVOR_DYNAMIC)
        return window;
    *error = window_error(window, MPI_ERR_RMA_FLAVOR, function, "the window is not dynamic");
    return NULL;
}

MPI_PROFILED(Win_attach)
int PMPI_Win_attach(MPI_Win win, void *base, MPI_Aint size)
{
    int error;
    struct window *window = dynamic_window(win, "MPI_Win_attach", &error);
    if (window == NULL)
        return error;
    uint64_t address = (uint64_t)(uintptr_t)base;
    if (size < 0 || address + (uint64_t)size < address)
        return window_error(window, MPI_ERR_SIZE, "MPI_Win_attach", "the size is %lld",
                            (long long)size);
    mpi_lock();
    for (const struct window_region *at = window->regions; at != NULL; at = at->next)
        if (at->base < address + (uint64_t)size && address < at->base + at->size)
            error = MPI_ERR_RMA_ATTACH;
    struct window_region *region = error == MPI_SUCCESS ? malloc(sizeof(*region)) : NULL;
    if (region != NULL) {
        *region = (struct window_region){window->regions, address, (uint64_t)size};
        window->regions = region;
    }
    mpi_unlock();
    if (region != NULL)
        return MPI_SUCCESS;
    return window_error(window, error != MPI_SUCCESS ? error : MPI_ERR_NO_MEM, "MPI_Win_attach",
                        "%s",
                        error != MPI_SUCCESS ? "some of it is attached already" : "no memory");
}

MPI_PROFILED(Win_detach)
int PMPI_Win_detach(MPI_Win win, const void *base)
{
    int error;
    struct window *window = dynamic_window(win, "MPI_Win_detach", &error);
    if (window == NULL)
        return error;
    mpi_lock();
    struct window_region **at = &window->regions;
    while (*at != NULL && (*at)->base != (uint64_t)(uintptr_t)base)
        at = &(*at)->next;
    struct window_region *region = *at;
    if (region != NULL)
        *at = region->next;
    mpi_unlock();
    if (region == NULL)
        return window_error(window, MPI_ERR_BASE, "MPI_Win_detach", "nothing is attached there");
    free(region);
    return MPI_SUCCESS;
}

/* --- Shared ------------------------------------------------------------------------------------
 */

static int shared_query(const char *function, MPI_Win win, int rank, MPI_Aint *size, int64_t *unit,
                        void *base)
{
    int error;
    struct window *window = window_checked(win, function, &error);
    if (window == NULL)
        return error;
    if (window->flavor != MPI_WIN_FLAVOR_SHARED)
        return window_error(window, MPI_ERR_RMA_FLAVOR, function,
                            "the window was not made by MPI_Win_allocate_shared");
    if (rank != MPI_PROC_NULL && rank != 0)
        return window_error(window, MPI_ERR_RANK, function, "the rank is %d", rank);
    *size = window->size;
    *unit = window->unit;
    memcpy(base, &window->base, sizeof(window->base));
    return MPI_SUCCESS;
}

#define SHARED_QUERY(Suffix, Unit)                                                                 \
    MPI_PROFILED(Win_shared_query##Suffix)                                                         \
    int PMPI_Win_shared_query##Suffix(MPI_Win win, int rank, MPI_Aint *size, Unit *unit,           \
                                      void *base)                                                  \
    {                                                                                              \
        int64_t found = 1;                                                                         \
        int error = shared_query("MPI_Win_shared_query" #Suffix, win, rank, size, &found, base);   \
        if (error == MPI_SUCCESS)                                                                  \
            *unit = (Unit)found;                                                                   \
        return error;                                                                              \
    }
SHARED_QUERY(, int)
SHARED_QUERY(_c, MPI_Aint)
