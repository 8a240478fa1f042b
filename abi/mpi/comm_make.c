/* MPI_Comm_dup, split, create and free. */
#include "abi/mpi/collective.h"
#include "abi/mpi/comm.h"
#include "abi/mpi/slots.h"

#include <stdlib.h>

/* --- Dup ---------------------------------------------------------------------------------------
 */

/* A duplicate, whose context has still to come, and for an inter-communicator its local one's too.
 */
struct duplicate {
    struct comm *made;
    uint32_t context, local;
};

/* Which of the two groups of an inter-communicator gives out the context. */
static bool leads(const struct comm *comm)
{
    return comm->group->members[0] < comm->remote->members[0];
}

static void duplicate_ready(void *argument)
{
    struct duplicate *duplicate = argument;
    duplicate->made->context = duplicate->context;
    if (duplicate->made->local != NULL)
        duplicate->made->local->context = duplicate->local;
}

/* Builds the schedule that makes it; it is usable when the schedule is over. */
static int duplicate_make(struct schedule **made, const char *function, MPI_Comm handle,
                          bool with_info, MPI_Info info, MPI_Comm *result)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);
    if (comm == NULL)
        return error;
    if (with_info && !info_is_valid(info))
        return comm_error(comm, MPI_ERR_INFO, function, "the info is none, or freed");
    mpi_lock();
    struct comm *copy = comm_create(0, group_retain(comm->group),
                                    comm->is_inter ? group_retain(comm->remote) : NULL);
    if (comm->is_inter)
        copy->local = comm_create(0, group_retain(comm->group), NULL);
    errhandler_release(copy->errhandler);
    copy->errhandler = errhandler_retain(comm->errhandler);
    copy->session = comm->session;
    copy->topology = comm->topology != NULL ? topology_copy(comm->topology) : NULL;
    mpi_unlock();
    error =
        attributes_copy(OBJECT_COMM, handle, &comm->attributes, copy->handle, &copy->attributes);
    if (error != MPI_SUCCESS) {
        mpi_lock();
        comm_release(copy);
        mpi_unlock();
        *result = MPI_COMM_NULL; /* as programs expect it, though the standard asks for nothing */
        return comm_error(comm, error, function, "an attribute's copy function failed");
    }
    copy->info = info_copy(with_info ? info_of(info) : comm->info);
    *result = copy->handle;
    mpi_lock();
    struct schedule *schedule = *made = schedule_new(comm);
    struct duplicate *duplicate = schedule_memory(schedule, sizeof(*duplicate));
    *duplicate = (struct duplicate){.made = copy};
    if (!comm->is_inter) {
        context_build(schedule, comm->group, NULL, &duplicate->context);
    } else {
        context_build(schedule, leads(comm) ? comm->group : comm->remote,
                      leads(comm) ? comm->remote : comm->group, &duplicate->context);
        context_build(schedule, comm->group, NULL, &duplicate->local);
    }
    schedule_call(schedule, duplicate_ready, duplicate);
    return MPI_SUCCESS;
}

static int duplicate_wait(MPI_Comm comm, bool with_info, MPI_Info info, MPI_Comm *made,
                          const char *function)
{
    struct schedule *schedule;
    int error = duplicate_make(&schedule, function, comm, with_info, info, made);
    return error != MPI_SUCCESS ? error : collective_wait(schedule, function);
}

MPI_PROFILED(Comm_dup)
int PMPI_Comm_dup(MPI_Comm comm, MPI_Comm *made)
{
    return duplicate_wait(comm, false, MPI_INFO_NULL, made, "MPI_Comm_dup");
}

MPI_PROFILED(Comm_dup_with_info)
int PMPI_Comm_dup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *made)
{
    return duplicate_wait(comm, true, info, made, "MPI_Comm_dup_with_info");
}

MPI_PROFILED(Comm_idup)
int PMPI_Comm_idup(MPI_Comm comm, MPI_Comm *made, MPI_Request *request)
{
    struct schedule *schedule;
    int error = duplicate_make(&schedule, "MPI_Comm_idup", comm, false, MPI_INFO_NULL, made);
    return error != MPI_SUCCESS ? error : collective_begin(schedule, request);
}

MPI_PROFILED(Comm_idup_with_info)
int PMPI_Comm_idup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *made, MPI_Request *request)
{
    struct schedule *schedule;
    int error = duplicate_make(&schedule, "MPI_Comm_idup_with_info", comm, true, info, made);
    return error != MPI_SUCCESS ? error : collective_begin(schedule, request);
}

/* --- From groups --------------------------------------------------------------------------------
 */

struct comm *comm_make(struct comm *via, struct group *group, struct group *remote, int tag)
{
    uint32_t context = 0, local = 0;
    struct schedule *schedule = schedule_new(via);
    if (tag < 0) {
        via->sequence--; /* not a collective of all its ranks */
        schedule_tag(schedule, tag);
    }
    bool first = remote == NULL || group->members[0] < remote->members[0];
    context_build(schedule, first ? group : remote, first ? remote : group, &context);
    if (remote != NULL)
        context_build(schedule, group, NULL, &local);
    schedule_run(schedule);
    struct comm *comm = comm_create(context, group, remote);
    if (remote != NULL)
        comm->local = comm_create(local, group_retain(group), NULL);
    errhandler_release(comm->errhandler);
    comm->errhandler = errhandler_retain(via->errhandler);
    comm->session = via->session;
    return comm;
}

static struct group *checked_group(struct comm *comm, MPI_Group handle, const char *function,
                                   int *error)
{
    struct group *group = group_of(handle);
    *error = MPI_SUCCESS;
    if (group == NULL) {
        *error = comm_error(comm, MPI_ERR_GROUP, function, "the group is none, or freed");
        return NULL;
    }
    for (int i = 0; i < group->size; i++)
        if (group_rank_of(comm->group, group->members[i]) == MPI_UNDEFINED) {
            *error = comm_error(comm, MPI_ERR_GROUP, function,
                                "rank %d of the group is not in the communicator", i);
            return NULL;
        }
    return group;
}

/* Of an inter-communicator: both sides' groups, which each side tells the other. */
static int create_inter(struct comm *comm, struct group *group, MPI_Comm *made)
{
    int size = group->size, others;
    int error = PMPI_Allreduce(&size, &others, 1, MPI_INT, MPI_MAX, comm->handle);
    if (error != MPI_SUCCESS)
        return error;
    int *out = malloc(sizeof(int) * (size_t)(size + 1)),
        *in = malloc(sizeof(int) * (size_t)(others + 1));
    struct group *remote = NULL;
    if (out != NULL && in != NULL) {
        memcpy(out, group->members, sizeof(int) * (size_t)size);
        /* The first of each side tells all of the other. */
        int root = comm->rank == 0 ? MPI_ROOT : MPI_PROC_NULL;
        bool leader = comm->group->members[0] < comm->remote->members[0];
        for (int turn = 0; turn < 2 && error == MPI_SUCCESS; turn++)
            error = leader == (turn == 0) ? PMPI_Bcast(out, size, MPI_INT, root, comm->handle)
                                          : PMPI_Bcast(in, others, MPI_INT, 0, comm->handle);
        remote = group_create(others, in);
    }
    free(out);
    free(in);
    if (error != MPI_SUCCESS)
        return error;
    if (remote == NULL)
        return comm_error(comm, MPI_ERR_NO_MEM, "MPI_Comm_create", "no memory for a group");
    mpi_lock();
    if (group->rank == MPI_UNDEFINED || others == 0 || size == 0) {
        group_release(remote);
        comm->sequence++; /* as those do that make one */
        *made = MPI_COMM_NULL;
    } else {
        *made = comm_make(comm, group_retain(group), remote, 0)->handle;
    }
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_create)
int PMPI_Comm_create(MPI_Comm handle, MPI_Group group_handle_given, MPI_Comm *made)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_create", &error);
    if (comm == NULL)
        return error;
    struct group *group = checked_group(comm, group_handle_given, "MPI_Comm_create", &error);
    if (group == NULL)
        return error;
    if (comm->is_inter)
        return create_inter(comm, group, made);
    mpi_lock();
    *made = MPI_COMM_NULL;
    if (group->rank != MPI_UNDEFINED)
        *made = comm_make(comm, group_retain(group), NULL, 0)->handle;
    else
        comm->sequence++;
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_create_group)
int PMPI_Comm_create_group(MPI_Comm handle, MPI_Group group_handle_given, int tag, MPI_Comm *made)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_create_group", &error);
    if (comm == NULL)
        return error;
    struct group *group = checked_group(comm, group_handle_given, "MPI_Comm_create_group", &error);
    if (group == NULL)
        return error;
    if (tag < 0)
        return comm_error(comm, MPI_ERR_TAG, "MPI_Comm_create_group",
                          "the tag is %d; 0 to %d would be right", tag, TAG_MAX);
    *made = MPI_COMM_NULL;
    if (group->rank == MPI_UNDEFINED)
        return MPI_SUCCESS;
    mpi_lock();
    *made = comm_make(comm, group_retain(group), NULL, call_tag(TAG_CREATE_GROUP, tag))->handle;
    mpi_unlock();
    return MPI_SUCCESS;
}

/* --- Split -------------------------------------------------------------------------------------
 */

struct choice {
    int color, key, rank;
};

static int compare_choices(const void *left, const void *right)
{
    const struct choice *one = left, *other = right;
    if (one->key != other->key)
        return one->key < other->key ? -1 : 1;
    return one->rank < other->rank ? -1 : one->rank > other->rank;
}

/* The group of those who chose `color`, in the order of their keys; NULL without memory. */
static struct group *chosen(struct choice *choices, int count, int color, const struct group *from)
{
    int size = 0;
    int *members = malloc(sizeof(int) * (size_t)(count + 1));
    if (members == NULL)
        return NULL;
    for (int i = 0; i < count; i++)
        choices[i].rank = i;
    qsort(choices, (size_t)count, sizeof(*choices), compare_choices);
    for (int i = 0; i < count; i++)
        if (choices[i].color == color)
            members[size++] = from->members[choices[i].rank];
    struct group *group = group_create(size, members);
    free(members);
    return group;
}

static int split(struct comm *comm, int color, int key, MPI_Comm *made, const char *function)
{
    struct choice own = {color, key, 0};
    int count = comm->size, others = comm->is_inter ? comm->targets : 0;
    struct choice *choices = calloc((size_t)(count + others), sizeof(*choices));
    if (choices == NULL)
        return comm_error(comm, MPI_ERR_NO_MEM, function, "no memory for %d ranks", count);
    MPI_Comm local = comm->is_inter ? comm->local->handle : comm->handle;
    int error = PMPI_Allgather(&own, 3, MPI_INT, choices, 3, MPI_INT, local);
    if (error == MPI_SUCCESS && comm->is_inter)
        error = PMPI_Allgather(&own, 3, MPI_INT, choices + count, 3, MPI_INT, comm->handle);
    if (error != MPI_SUCCESS) {
        free(choices);
        return error;
    }
    struct group *group = NULL, *remote = NULL;
    if (color != MPI_UNDEFINED) {
        group = chosen(choices, count, color, comm->group);
        if (comm->is_inter)
            remote = chosen(choices + count, others, color, comm->remote);
        if (group == NULL || (comm->is_inter && remote == NULL))
            mpi_die(MPI_ERR_NO_MEM, "no memory for a group of %d ranks", count);
    }
    free(choices);
    mpi_lock();
    *made = MPI_COMM_NULL;
    if (group == NULL || (comm->is_inter && remote->size == 0)) {
        comm->sequence++;
        if (group != NULL) {
            group_release(group);
            group_release(remote);
        }
    } else {
        *made = comm_make(comm, group, remote, 0)->handle;
    }
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_split)
int PMPI_Comm_split(MPI_Comm handle, int color, int key, MPI_Comm *made)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_split", &error);
    if (comm == NULL)
        return error;
    if (color < 0 && color != MPI_UNDEFINED)
        return comm_error(comm, MPI_ERR_ARG, "MPI_Comm_split",
                          "the color is %d; 0 and up or MPI_UNDEFINED would be right", color);
    return split(comm, color, key, made, "MPI_Comm_split");
}

MPI_PROFILED(Comm_split_type)
int PMPI_Comm_split_type(MPI_Comm handle, int type, int key, MPI_Info info, MPI_Comm *made)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Comm_split_type", &error);
    if (comm == NULL)
        return error;
    if (!info_is_valid(info))
        return comm_error(comm, MPI_ERR_INFO, "MPI_Comm_split_type", "the info is none, or freed");
    switch (type) {
    case MPI_COMM_TYPE_SHARED:
        /* Nobody but a rank writes its memory: each is alone, and can share a window with itself.
         */
        return split(comm, (int)transport.rank, key, made, "MPI_Comm_split_type");
    case MPI_UNDEFINED:
    case MPI_COMM_TYPE_HW_GUIDED: /* there is no part of the hardware that could be named */
    case MPI_COMM_TYPE_HW_UNGUIDED:
    case MPI_COMM_TYPE_RESOURCE_GUIDED:
        return split(comm, MPI_UNDEFINED, key, made, "MPI_Comm_split_type");
    default:
        return comm_error(comm, MPI_ERR_ARG, "MPI_Comm_split_type",
                          "the type is %d; MPI_COMM_TYPE_SHARED would be right", type);
    }
}

/* --- The end -----------------------------------------------------------------------------------
 */

static int end(MPI_Comm *handle, const char *function)
{
    int error;
    struct comm *comm = collective_comm(*handle, function, &error);
    if (comm == NULL)
        return error;
    if (comm == mpi.world || comm == mpi.self)
        return comm_error(comm, MPI_ERR_COMM, function, "%s cannot be freed", comm->name);
    error = attributes_delete(OBJECT_COMM, comm->handle, &comm->attributes);
    if (error != MPI_SUCCESS)
        return comm_error(comm, error, function, "an attribute's delete function failed");
    *handle = MPI_COMM_NULL;
    mpi_lock();
    slots_end(comm);
    comm_release(comm);
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Comm_free)
int PMPI_Comm_free(MPI_Comm *handle)
{
    return end(handle, "MPI_Comm_free");
}

MPI_PROFILED(Comm_disconnect)
int PMPI_Comm_disconnect(MPI_Comm *handle)
{
    int error;
    struct comm *comm = collective_comm(*handle, "MPI_Comm_disconnect", &error);
    if (comm == NULL)
        return error;
    /* What is under way is over when no request holds the communicator any more. */
    error = PMPI_Barrier(*handle);
    mpi_lock();
    ENGINE_WAIT_UNTIL(atomic_load(&comm->object.references) == 1)
    mpi_unlock();
    return error != MPI_SUCCESS ? error : end(handle, "MPI_Comm_disconnect");
}
