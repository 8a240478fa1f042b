/* Communicators: their life, and what can be asked of them. */
#include "abi/mpi/comm.h"
#include "abi/mpi/buffered.h"
#include "abi/mpi/slots.h"

#include <stdlib.h>

struct comm *comm_create(uint32_t context, struct group *group, struct group *remote)
{
    struct comm *comm = calloc(1, sizeof(*comm));
    const struct group *others = remote != NULL ? remote : group;
    struct peer **to = malloc((size_t)(others->size != 0 ? others->size : 1) * sizeof(*to));
    if (comm == NULL || to == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory for a communicator of %d ranks", group->size);
    object_begin(&comm->object, OBJECT_COMM);
    for (int i = 0; i < others->size; i++)
        to[i] = &transport.peers[others->members[i]];
    comm->context = context;
    comm->group = group;
    comm->remote = remote;
    comm->is_inter = remote != NULL;
    comm->rank = group->rank;
    comm->size = group->size;
    comm->targets = others->size;
    comm->to = to;
    comm->errhandler = errhandler_retain(&errhandler_fatal);
    comm->handle = (MPI_Comm)comm;
    return comm;
}

void comm_retain(struct comm *comm)
{
    object_retain(&comm->object);
}

void comm_release(struct comm *comm)
{
    if (!object_release(&comm->object))
        return;
    slots_free(comm->slots);
    buffer_release(comm->buffer);
    if (comm->local != NULL)
        comm_release(comm->local);
    context_release(comm->context);
    group_release(comm->group);
    if (comm->remote != NULL)
        group_release(comm->remote);
    errhandler_release(comm->errhandler);
    info_free(comm->info);
    topology_free(comm->topology);
    free(comm->to);
    handle_end(&comm->object);
    free(comm);
}
