/* Neighbourhood collectives: every process sends a block to each of its neighbours and receives one
 * from each.
 *
 * On a grid the block that goes down along a dimension is the one that its receiver has for what
 * comes from above. Where both neighbours are the same process (a periodic dimension of two, or of
 * one), messages between the two are told apart by their order alone; so the receive from above is
 * begun before the one from below, as the send down is before the send up. */
#include "abi/mpi/collective.h"

#include <stdlib.h>

/* The blocks of a buffer, one for each neighbour. */
struct blocks {
    const void *buffer;
    int64_t count;             /* of each, where there is no array */
    struct numbers counts;     /* array NULL: `count` */
    struct numbers places;     /* array NULL: one after the other */
    bool all_one;              /* the same block for all (allgather) */
    bool bytes;                /* the places are in bytes, not in extents */
    MPI_Datatype type;         /* of each, where there is no array */
    const MPI_Datatype *types; /* NULL: `type` */
};

static int64_t block_count(const struct blocks *blocks, int i)
{
    return blocks->counts.array ? number_at(blocks->counts, i) : blocks->count;
}

static MPI_Datatype block_type(const struct blocks *blocks, int i)
{
    return blocks->types ? blocks->types[i] : blocks->type;
}

static struct datatype_stream block(const struct blocks *blocks, int i)
{
    const struct datatype *type = datatype_of(block_type(blocks, i));
    int64_t count = block_count(blocks, i), place = blocks->all_one ? 0 : i * count;

    if (blocks->places.array)
        place = number_at(blocks->places, i);
    if (!blocks->bytes)
        place *= type->extent;
    return datatype_stream((const char *)((uintptr_t)blocks->buffer + (uintptr_t)place), count,
                           type);
}

static int check_blocks(struct comm *comm, const struct blocks *blocks, int neighbours,
                        const char *function)
{
    int error = MPI_SUCCESS;

    if (neighbours > 0 && blocks->buffer == MPI_IN_PLACE)
        return comm_error(comm, MPI_ERR_BUFFER, function, "MPI_IN_PLACE is not for neighbours");
    if (!blocks->counts.array && !blocks->types)
        return collective_type(comm, blocks->type, blocks->count, function);
    for (int i = 0; !error && i < neighbours; i++)
        error = collective_type(comm, block_type(blocks, i), block_count(blocks, i), function);
    return error;
}

static int neighbour_make(struct schedule **made, const char *function, struct blocks out,
                          struct blocks in, MPI_Comm handle)
{
    int error;
    struct comm *comm = collective_comm(handle, function, &error);
    struct topology_neighbours neighbours;

    if (!comm)
        return error;
    error = topology_neighbours(comm->topology, comm->rank, &neighbours);
    if (error)
        return comm_error(comm, error, function, "%s",
                          comm->topology ? "no memory for the neighbours" : "no topology");
    error = check_blocks(comm, &out, neighbours.outdegree, function);
    if (!error)
        error = check_blocks(comm, &in, neighbours.indegree, function);
    if (!error) {
        bool grid = comm->topology->kind == MPI_CART;

        mpi_lock();
        *made = schedule_new(comm);
        for (int n = 0; n < neighbours.indegree; n++) {
            int i = grid ? n ^ 1 : n;

            if (neighbours.sources[i] != MPI_PROC_NULL)
                schedule_receive(*made, block(&in, i), neighbours.sources[i]);
        }
        for (int i = 0; i < neighbours.outdegree; i++)
            if (neighbours.destinations[i] != MPI_PROC_NULL)
                schedule_send(*made, block(&out, i), neighbours.destinations[i]);
    }
    free(neighbours.sources);
    return error;
}

static struct blocks equal(const void *buffer, int64_t count, MPI_Datatype type, bool all_one)
{
    return (struct blocks){.buffer = buffer, .count = count, .type = type, .all_one = all_one};
}

static struct blocks various(const void *buffer, struct numbers counts, struct numbers places,
                             MPI_Datatype type)
{
    return (struct blocks){.buffer = buffer, .counts = counts, .places = places, .type = type};
}

static struct blocks typed(const void *buffer, struct numbers counts, struct numbers places,
                           const MPI_Datatype types[])
{
    return (struct blocks){
        .buffer = buffer, .counts = counts, .places = places, .types = types, .bytes = true};
}

#define EQUAL(Count, ...)                                                                          \
    (const void *out, Count out_count, MPI_Datatype out_type, void *in, Count in_count,            \
     MPI_Datatype in_type, MPI_Comm comm __VA_ARGS__)
#define ALLGATHER_CALL(Schedule, Function)                                                         \
    neighbour_make(Schedule, Function, equal(out, out_count, out_type, true),                      \
                   equal(in, in_count, in_type, false), comm)
COLLECTIVE(Neighbor_allgather, Ineighbor_allgather, EQUAL, ALLGATHER_CALL)

#define ALLTOALL_CALL(Schedule, Function)                                                          \
    neighbour_make(Schedule, Function, equal(out, out_count, out_type, false),                     \
                   equal(in, in_count, in_type, false), comm)
COLLECTIVE(Neighbor_alltoall, Ineighbor_alltoall, EQUAL, ALLTOALL_CALL)

#define ALLGATHERV(Count, Place, ...)                                                              \
    (const void *out, Count out_count, MPI_Datatype out_type, void *in, const Count in_counts[],   \
     const Place places[], MPI_Datatype in_type, MPI_Comm comm __VA_ARGS__)
#define ALLGATHERV_INT(Count, ...) ALLGATHERV(int, int, __VA_ARGS__)
#define ALLGATHERV_LARGE(Count, ...) ALLGATHERV(MPI_Count, MPI_Aint, __VA_ARGS__)
#define ALLGATHERV_CALL(Schedule, Function)                                                        \
    neighbour_make(Schedule, Function, equal(out, out_count, out_type, true),                      \
                   various(in, NUMBERS(in_counts), NUMBERS(places), in_type), comm)
COLLECTIVE_ONE(, Neighbor_allgatherv, Ineighbor_allgatherv, ALLGATHERV_INT, int, ALLGATHERV_CALL)
COLLECTIVE_ONE(_c, Neighbor_allgatherv, Ineighbor_allgatherv, ALLGATHERV_LARGE, MPI_Count,
               ALLGATHERV_CALL)

#define ALLTOALLV(Count, Place, ...)                                                               \
    (const void *out, const Count out_counts[], const Place out_places[], MPI_Datatype out_type,   \
     void *in, const Count in_counts[], const Place in_places[], MPI_Datatype in_type,             \
     MPI_Comm comm __VA_ARGS__)
#define ALLTOALLV_INT(Count, ...) ALLTOALLV(int, int, __VA_ARGS__)
#define ALLTOALLV_LARGE(Count, ...) ALLTOALLV(MPI_Count, MPI_Aint, __VA_ARGS__)
#define ALLTOALLV_CALL(Schedule, Function)                                                         \
    neighbour_make(Schedule, Function,                                                             \
                   various(out, NUMBERS(out_counts), NUMBERS(out_places), out_type),               \
                   various(in, NUMBERS(in_counts), NUMBERS(in_places), in_type), comm)
COLLECTIVE_ONE(, Neighbor_alltoallv, Ineighbor_alltoallv, ALLTOALLV_INT, int, ALLTOALLV_CALL)
COLLECTIVE_ONE(_c, Neighbor_alltoallv, Ineighbor_alltoallv, ALLTOALLV_LARGE, MPI_Count,
               ALLTOALLV_CALL)

#define ALLTOALLW(Count, ...)                                                                      \
    (const void *out, const Count out_counts[], const MPI_Aint out_places[],                       \
     const MPI_Datatype out_types[], void *in, const Count in_counts[],                            \
     const MPI_Aint in_places[], const MPI_Datatype in_types[], MPI_Comm comm __VA_ARGS__)
#define ALLTOALLW_CALL(Schedule, Function)                                                         \
    neighbour_make(Schedule, Function,                                                             \
                   typed(out, NUMBERS(out_counts), NUMBERS(out_places), out_types),                \
                   typed(in, NUMBERS(in_counts), NUMBERS(in_places), in_types), comm)
COLLECTIVE(Neighbor_alltoallw, Ineighbor_alltoallw, ALLTOALLW, ALLTOALLW_CALL)
