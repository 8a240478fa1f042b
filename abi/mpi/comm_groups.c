/* Communicators made of groups alone, as sessions need: MPI_Comm_create_from_group and
 * MPI_Intercomm_create_from_groups. Their messages go in MPI_COMM_WORLD's context, named by the
 * program's string: calls that are under way at a time, from several threads, have different ones.
 */
#include "abi/mpi/check.h"
#include "abi/mpi/comm.h"

#include <stdlib.h>

/* What the caller wants of the new communicator. */
struct wanted {
    struct group *group;
    int tag; /* of the string */
    struct info *info;
    struct errhandler *errhandler;
};

static int tag_of(const char *text, const char *more)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int part = 0; part < 2; part++)
        for (const char *at = part == 0 ? text : more; *at != 0; at++)
            hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    return (int)((hash ^ hash >> 28) & CALL_TAG_MASK);
}

/* An error of a call without a communicator yet goes to the handler that it brings. */
#define raise_through(Wanted, Code, ...)                                                           \
    errhandler_raise((Wanted)->errhandler, OBJECT_COMM, MPI_COMM_NULL, (Code), __VA_ARGS__)

static void wanted_end(struct wanted *wanted)
{
    info_free(wanted->info);
    errhandler_release(wanted->errhandler);
}

/* Checks what both calls take. On success the caller ends *wanted. */
static int wanted_begin(struct wanted *wanted, MPI_Group group, const char *text, MPI_Info info,
                        MPI_Errhandler errhandler, const char *function)
{
    check_running(function);
    *wanted = (struct wanted){.errhandler = &errhandler_fatal};
    if (errhandler_set(&wanted->errhandler, OBJECT_COMM, errhandler) != MPI_SUCCESS)
        return error_raise(MPI_ERR_ERRHANDLER, function,
                           "the error handler is none for communicators");
    wanted->group = group_of(group);
    int error = MPI_SUCCESS;
    if (wanted->group == NULL)
        error = raise_through(wanted, MPI_ERR_GROUP, function, "the group is none, or freed");
    else if (text == NULL || strlen(text) >= MPI_MAX_STRINGTAG_LEN)
        error =
            raise_through(wanted, MPI_ERR_ARG, function,
                          "the tag is no string of up to %d characters", MPI_MAX_STRINGTAG_LEN - 1);
    else if (!info_is_valid(info))
        error = raise_through(wanted, MPI_ERR_INFO, function, "the info is none, or freed");
    else if ((wanted->info = info_copy(info_of(info))) == NULL)
        error = raise_through(wanted, MPI_ERR_NO_MEM, function, "no memory for an info");
    if (error != MPI_SUCCESS)
        wanted_end(wanted);
    return error;
}

/* Made by all ranks of the group (and of `remote`); takes the reference to `remote`. */
static struct comm *make(struct wanted *wanted, struct group *remote, int tag)
{
    mpi_lock();
    struct comm *comm = comm_make(mpi.world, group_retain(wanted->group), remote, tag);
    mpi_unlock();
    errhandler_release(comm->errhandler);
    comm->errhandler = wanted->errhandler;
    comm->info = wanted->info;
    comm->session = wanted->group->session;
    return comm;
}

MPI_PROFILED(Comm_create_from_group)
int PMPI_Comm_create_from_group(MPI_Group group, const char *text, MPI_Info info,
                                MPI_Errhandler errhandler, MPI_Comm *made)
{
    static const char function[] = "MPI_Comm_create_from_group";
    struct wanted wanted;
    int error = wanted_begin(&wanted, group, text, info, errhandler, function);
    if (error != MPI_SUCCESS)
        return error;
    *made = MPI_COMM_NULL;
    if (wanted.group->size == 0) {
        wanted_end(&wanted);
        return MPI_SUCCESS;
    }
    if (wanted.group->rank == MPI_UNDEFINED) {
        error = raise_through(&wanted, MPI_ERR_GROUP, function, "this rank is not in the group");
        wanted_end(&wanted);
        return error;
    }
    *made = make(&wanted, NULL, call_tag(TAG_FROM_GROUP, tag_of(text, "")))->handle;
    return MPI_SUCCESS;
}

/* The remote group, which the leader knows, on all ranks of the local one, through a communicator
 * that lives no longer than this. *error is MPI_SUCCESS or has been raised. */
static struct group *share_remote(const struct wanted *wanted, int leader,
                                  const struct group *remote, const char *text, int *error)
{
    int count = remote != NULL ? remote->size : 0;
    mpi_lock();
    MPI_Comm local = comm_make(mpi.world, group_retain(wanted->group), NULL,
                               call_tag(TAG_FROM_GROUP, tag_of(text, "local")))
                         ->handle;
    mpi_unlock();
    *error = PMPI_Bcast(&count, 1, MPI_INT, leader, local);
    int *members = calloc((size_t)count + 1, sizeof(int));
    if (members == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a group of %d ranks", count);
    if (remote != NULL)
        memcpy(members, remote->members, sizeof(int) * (size_t)count);
    if (*error == MPI_SUCCESS)
        *error = PMPI_Bcast(members, count, MPI_INT, leader, local);
    struct group *shared = group_create(count, members);
    if (shared == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a group of %d ranks", count);
    free(members);
    PMPI_Comm_free(&local);
    return shared;
}

MPI_PROFILED(Intercomm_create_from_groups)
int PMPI_Intercomm_create_from_groups(MPI_Group local_group, int local_leader,
                                      MPI_Group remote_group, int remote_leader, const char *text,
                                      MPI_Info info, MPI_Errhandler errhandler, MPI_Comm *made)
{
    static const char function[] = "MPI_Intercomm_create_from_groups";
    struct wanted wanted;
    int error = wanted_begin(&wanted, local_group, text, info, errhandler, function);
    if (error != MPI_SUCCESS)
        return error;
    const struct group *local = wanted.group, *remote = NULL;
    bool leads = local->rank == local_leader;
    *made = MPI_COMM_NULL;
    if (local->rank == MPI_UNDEFINED)
        error = raise_through(&wanted, MPI_ERR_GROUP, function, "this rank is not in the group");
    else if (local_leader < 0 || local_leader >= local->size)
        error = raise_through(&wanted, MPI_ERR_RANK, function,
                              "the local leader is %d; 0 to %d would be right", local_leader,
                              local->size - 1);
    else if (leads && (remote = group_of(remote_group)) == NULL)
        error = raise_through(&wanted, MPI_ERR_GROUP, function, "the remote group is none");
    else if (leads && (remote_leader < 0 || remote_leader >= remote->size))
        error = raise_through(&wanted, MPI_ERR_RANK, function,
                              "the remote leader is %d; 0 to %d would be right", remote_leader,
                              remote->size - 1);
    if (error != MPI_SUCCESS) {
        wanted_end(&wanted);
        return error;
    }
    struct group *shared = share_remote(&wanted, local_leader, remote, text, &error);
    if (error == MPI_SUCCESS && group_overlap(local, shared))
        error = raise_through(&wanted, MPI_ERR_GROUP, function, "the two groups overlap");
    if (error != MPI_SUCCESS) {
        group_release(shared);
        wanted_end(&wanted);
        return error;
    }
    *made = make(&wanted, shared, call_tag(TAG_FROM_GROUPS, tag_of(text, "")))->handle;
    return MPI_SUCCESS;
}
