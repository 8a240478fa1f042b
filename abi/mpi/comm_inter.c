/* Inter-communicators: made of two groups that do not overlap, and merged into one. */
#include "abi/mpi/collective.h"
#include "abi/mpi/comm.h"

#include <stdlib.h>

/* The leaders tell each other an array of int; `in` has room for `in_count`. */
static int leaders_exchange(struct comm *bridge, int other, int tag, const int *out, int out_count,
                            int *in, int in_count)
{
    const struct datatype *type = datatype_of(MPI_INT);
    mpi_lock();
    struct schedule *schedule = schedule_new(bridge);
    bridge->sequence--; /* only the leaders do this */
    schedule_tag(schedule, tag);
    schedule_send(schedule, datatype_stream(out, out_count, type), other);
    schedule_receive(schedule, datatype_stream(in, in_count, type), other);
    int error = schedule_run(schedule);
    mpi_unlock();
    return error;
}

MPI_PROFILED(Intercomm_create)
int PMPI_Intercomm_create(MPI_Comm local_handle, int local_leader, MPI_Comm bridge_handle,
                          int remote_leader, int tag, MPI_Comm *made)
{
    static const char function[] = "MPI_Intercomm_create";
    int error, sizes[2] = {0};
    struct comm *local = collective_comm(local_handle, function, &error), *bridge = NULL;
    if (local == NULL)
        return error;
    if (local->is_inter)
        return comm_error(local, MPI_ERR_COMM, function, "the local one is an inter-communicator");
    if (local_leader < 0 || local_leader >= local->size)
        return comm_error(local, MPI_ERR_RANK, function,
                          "the local leader is %d; 0 to %d would be right", local_leader,
                          local->size - 1);
    if (tag < 0)
        return comm_error(local, MPI_ERR_TAG, function, "the tag is %d; 0 to %d would be right",
                          tag, TAG_MAX);
    bool leads = local->rank == local_leader;
    if (leads) {
        bridge = collective_comm(bridge_handle, function, &error);
        if (bridge == NULL)
            return error;
        if (remote_leader < 0 || remote_leader >= bridge->targets)
            return comm_error(local, MPI_ERR_RANK, function,
                              "the remote leader is %d; 0 to %d would be right", remote_leader,
                              bridge->targets - 1);
        error = leaders_exchange(bridge, remote_leader, call_tag(TAG_INTER_LEADERS, tag),
                                 &local->size, 1, &sizes[0], 1);
    }
    if (error == MPI_SUCCESS)
        error = PMPI_Bcast(sizes, 1, MPI_INT, local_leader, local_handle);
    if (error != MPI_SUCCESS)
        return error;
    int *members = calloc((size_t)sizes[0] + 1, sizeof(int));
    if (members == NULL)
        return comm_error(local, MPI_ERR_NO_MEM, function, "no memory for %d ranks", sizes[0]);
    if (leads)
        error = leaders_exchange(bridge, remote_leader, call_tag(TAG_INTER_LEADERS, tag),
                                 local->group->members, local->size, members, sizes[0]);
    if (error == MPI_SUCCESS)
        error = PMPI_Bcast(members, sizes[0], MPI_INT, local_leader, local_handle);
    struct group *remote = error == MPI_SUCCESS ? group_create(sizes[0], members) : NULL;
    free(members);
    if (error != MPI_SUCCESS)
        return error;
    if (remote == NULL)
        return comm_error(local, MPI_ERR_NO_MEM, function, "no memory for %d ranks", sizes[0]);
    if (group_overlap(local->group, remote)) {
        group_release(remote);
        return comm_error(local, MPI_ERR_COMM, function, "the two groups overlap");
    }
    mpi_lock();
    /* Through MPI_COMM_WORLD's context, which both sides have. */
    *made =
        comm_make(mpi.world, group_retain(local->group), remote, call_tag(TAG_INTER_CONTEXT, tag))
            ->handle;
    mpi_unlock();
    return MPI_SUCCESS;
}

MPI_PROFILED(Intercomm_merge)
int PMPI_Intercomm_merge(MPI_Comm handle, int high, MPI_Comm *made)
{
    static const char function[] = "MPI_Intercomm_merge";
    int error, theirs = 0, ours = high != 0;
    struct comm *comm = collective_comm(handle, function, &error);
    if (comm == NULL)
        return error;
    if (!comm->is_inter)
        return comm_error(comm, MPI_ERR_COMM, function,
                          "the communicator is no inter-communicator");
    error = PMPI_Allreduce(&ours, &theirs, 1, MPI_INT, MPI_MAX, handle);
    if (error != MPI_SUCCESS)
        return error;
    bool first =
        ours != theirs ? ours < theirs : comm->group->members[0] < comm->remote->members[0];
    const struct group *low = first ? comm->group : comm->remote;
    const struct group *up = first ? comm->remote : comm->group;
    int *members = malloc(sizeof(int) * (size_t)(low->size + up->size));
    if (members == NULL)
        return comm_error(comm, MPI_ERR_NO_MEM, function, "no memory for a group");
    memcpy(members, low->members, sizeof(int) * (size_t)low->size);
    memcpy(members + low->size, up->members, sizeof(int) * (size_t)up->size);
    struct group *group = group_create(low->size + up->size, members);
    free(members);
    if (group == NULL)
        return comm_error(comm, MPI_ERR_NO_MEM, function, "no memory for a group");
    mpi_lock();
    *made = comm_make(comm, group, NULL, 0)->handle;
    mpi_unlock();
    return MPI_SUCCESS;
}
