/* The library's beginning and end, and what can be asked at any time. The first use, by MPI_Init or
 * by a session, opens the transport; it stays open until the program ends, since sessions may come
 * and go. While nobody uses the library, mpi.world is NULL. */
#include "abi/build_id.h"
#include "abi/mpi/check.h"
#include "abi/mpi/comm.h"
#include "abi/mpi/session.h"
#include "abi/mpi/slots.h"

#include <asm/unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct lock life;          /* beginning and end, one at a time */
static struct comm *world, *self; /* once the transport is open */

static struct comm *world_create(uint32_t context, int size, const int *members, MPI_Comm handle,
                                 const char *name)
{
    struct group *group = group_create(size, members);
    if (group == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a group of %d ranks", size);
    struct comm *comm = comm_create(context, group, NULL);
    comm->handle = handle;
    snprintf(comm->name, sizeof(comm->name), "%s", name);
    return comm;
}

/* Opens the transport, once. */
static void library_open(void)
{
    const char *why = NULL;
    int error = transport_open(&why);
    if (error != 0)
        mpi_die(MPI_ERR_OTHER, "MPI cannot begin: %s (%s)", why, strerror(-error));
    int rank = (int)transport.rank;
    group_set_self(rank);
    world =
        world_create(CONTEXT_WORLD, (int)transport.size, NULL, MPI_COMM_WORLD, "MPI_COMM_WORLD");
    self = world_create(CONTEXT_SELF(rank), 1, &rank, MPI_COMM_SELF, "MPI_COMM_SELF");
    attribute_predefined = (struct attribute_predefined){
        .tag_ub = TAG_MAX,
        .wtime_is_global = 1,
        .universe_size = (int)transport.size,
        .appnum = 0,
        .io = MPI_ANY_SOURCE,
        .host = MPI_PROC_NULL,
    };
    if (transport.block != NULL)
        atomic_store_explicit(&transport.block->opened, 1, memory_order_release);
    mpi.up = true;
}

/* One user more: MPI_Init, or a session. */
static void library_enter(int level)
{
    if (!mpi.up)
        library_open();
    if (transport.block != NULL)
        atomic_store_explicit(&transport.block->finalized, 0, memory_order_release);
    if (mpi.world == NULL) {
        mpi.world = world;
        mpi.self = self;
        errhandler_set_self(&world->errhandler); /* until the program sets MPI_COMM_SELF's */
    }
    if (level > mpi.thread_level) {
        mpi.thread_level = level;
        mpi.threads = level == MPI_THREAD_MULTIPLE;
    }
}

/* Have all others found this rank's block? */
static bool all_opened(void)
{
    for (uint32_t i = 0; i < transport.size; i++)
        if (!transport.peers[i].self &&
            atomic_load_explicit(&transport.peers[i].block->opened, memory_order_acquire) == 0)
            return false;
    return true;
}

/* The last user is gone: what others still want of this rank goes out, and then it may end. */
static void library_leave(void)
{
    mpi_lock();
    ENGINE_WAIT_UNTIL(transport.queued == 0 && all_opened())
    mpi_unlock();
    if (transport.block != NULL)
        atomic_store_explicit(&transport.block->finalized, 1, memory_order_release);
    errhandler_set_self(NULL);
    mpi.threads = false;
    mpi.thread_level = MPI_THREAD_SINGLE;
    mpi.world = mpi.self = NULL;
}

void library_session_begin(int level)
{
    lock_take(&life);
    library_enter(level);
    mpi.sessions++;
    lock_give(&life);
}

void library_session_end(void)
{
    lock_take(&life);
    if (--mpi.sessions == 0 && atomic_load(&mpi.phase) != MPI_RUNNING)
        library_leave();
    lock_give(&life);
}

static int thread_level(int required)
{
    return required < MPI_THREAD_SINGLE     ? MPI_THREAD_SINGLE
           : required > MPI_THREAD_MULTIPLE ? MPI_THREAD_MULTIPLE
                                            : required;
}

static int start(int required, int *provided, const char *function)
{
    lock_take(&life);
    if (atomic_load(&mpi.phase) != MPI_BEFORE)
        mpi_die(MPI_ERR_OTHER, "%s was called a second time", function);
    library_enter(thread_level(required));
    if (provided != NULL)
        *provided = mpi.thread_level;
    atomic_store(&mpi.phase, MPI_RUNNING);
    lock_give(&life);
    return MPI_SUCCESS;
}

MPI_PROFILED(Init)
int PMPI_Init(int *count, char ***words)
{
    (void)count;
    (void)words;
    return start(MPI_THREAD_SINGLE, NULL, "MPI_Init");
}

MPI_PROFILED(Init_thread)
int PMPI_Init_thread(int *count, char ***words, int required, int *provided)
{
    (void)count;
    (void)words;
    return start(required, provided, "MPI_Init_thread");
}

MPI_PROFILED(Initialized)
int PMPI_Initialized(int *flag)
{
    *flag = atomic_load(&mpi.phase) != MPI_BEFORE;
    return MPI_SUCCESS;
}

MPI_PROFILED(Finalized)
int PMPI_Finalized(int *flag)
{
    *flag = atomic_load(&mpi.phase) == MPI_AFTER;
    return MPI_SUCCESS;
}

MPI_PROFILED(Query_thread)
int PMPI_Query_thread(int *provided)
{
    check_running("MPI_Query_thread");
    *provided = mpi.thread_level;
    return MPI_SUCCESS;
}

static pid_t main_thread(void)
{
    return getpid();
}

MPI_PROFILED(Is_thread_main)
int PMPI_Is_thread_main(int *flag)
{
    check_running("MPI_Is_thread_main");
    *flag = library_system_call(__NR_gettid, 0, 0, 0, 0) == main_thread();
    return MPI_SUCCESS;
}

MPI_PROFILED(Finalize)
int PMPI_Finalize(void)
{
    check_running("MPI_Finalize");
    if (atomic_load(&mpi.phase) != MPI_RUNNING)
        mpi_die(MPI_ERR_OTHER, "MPI_Finalize was called without MPI_Init");
    /* As the standard says: first the attributes of MPI_COMM_SELF, while everything still works. */
    int error = attributes_delete(OBJECT_COMM, MPI_COMM_SELF, &mpi.self->attributes);
    if (error != MPI_SUCCESS)
        return comm_error(mpi.self, error, "MPI_Finalize", "an attribute's delete function failed");
    attributes_delete(OBJECT_COMM, MPI_COMM_WORLD, &mpi.world->attributes);
    lock_take(&life);
    atomic_store(&mpi.phase, MPI_AFTER);
    /* All ranks come here: then none needs another's slots any more. */
    PMPI_Barrier(MPI_COMM_WORLD);
    mpi_lock();
    slots_end(mpi.world);
    mpi_unlock();
    if (mpi.sessions == 0)
        library_leave();
    lock_give(&life);
    return MPI_SUCCESS;
}

MPI_PROFILED(Abort)
int PMPI_Abort(MPI_Comm comm, int code)
{
    (void)comm;
    fflush(stdout);
    fprintf(stderr, "rank %u: MPI_Abort was called with error code %d\n", transport.rank, code);
    fflush(stderr);
    _exit(code & 255 ? code & 255 : 1);
}

/* --- At any time -------------------------------------------------------------------------------
 */

MPI_PROFILED(Wtime)
double PMPI_Wtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

MPI_PROFILED(Wtick)
double PMPI_Wtick(void)
{
    return 1e-9;
}

MPI_PROFILED(Get_processor_name)
int PMPI_Get_processor_name(char *name, int *length)
{
    struct atoll_peer peer;
    if (atoll_init() == 0 && atoll_peer((uint32_t)atoll_self(), &peer) == 0 && peer.name[0] != 0)
        snprintf(name, MPI_MAX_PROCESSOR_NAME, "%s", peer.name);
    else if (gethostname(name, MPI_MAX_PROCESSOR_NAME) != 0)
        snprintf(name, MPI_MAX_PROCESSOR_NAME, "localhost");
    *length = (int)strlen(name);
    return MPI_SUCCESS;
}

MPI_PROFILED(Get_version)
int PMPI_Get_version(int *version, int *subversion)
{
    *version = MPI_VERSION;
    *subversion = MPI_SUBVERSION;
    return MPI_SUCCESS;
}

MPI_PROFILED(Abi_get_version)
int PMPI_Abi_get_version(int *version, int *subversion)
{
    *version = MPI_ABI_VERSION;
    *subversion = MPI_ABI_SUBVERSION;
    return MPI_SUCCESS;
}

MPI_PROFILED(Get_library_version)
int PMPI_Get_library_version(char *version, int *length)
{
    *length = snprintf(version, MPI_MAX_LIBRARY_VERSION_STRING, "Atoll MPI " ATOLL_VERSION);
    return MPI_SUCCESS;
}

MPI_PROFILED(Pcontrol)
int PMPI_Pcontrol(const int level, ...)
{
    (void)level;
    return MPI_SUCCESS;
}
