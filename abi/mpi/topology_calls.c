/* Communicators with a topology: making them, and what they say of it. Ranks are never reordered:
 * all cores of a machine are equally far from each other here. */

#include "abi/mpi/collective.h"
#include "abi/mpi/comm.h"

#include <stdlib.h>
#include <string.h>

/* --- Making
 * ---------------------------------------------------------------------------------------- */

/* The intra-communicator of a call, or NULL with what was raised. */
static struct comm *intra_comm(MPI_Comm handle, const char *function, int *error)
{
    struct comm *comm = collective_comm(handle, function, error);

    if (comm && comm->is_inter) {
        *error = comm_error(comm, MPI_ERR_COMM, function, "an inter-communicator");
        return NULL;
    }
    return comm;
}

/* Gives the group (its reference is taken) a communicator with the topology, which becomes its own.
 * A rank that is not in the group gets MPI_COMM_NULL. Collective over `comm`. */
static int make(struct comm *comm, struct group *group, struct topology *topology,
                const char *function, MPI_Comm *made)
{
    if (!group || !topology) {
        if (group)
            group_release(group);
        topology_free(topology);
        return comm_error(comm, MPI_ERR_NO_MEM, function, NULL);
    }
    *made = MPI_COMM_NULL;
    mpi_lock();
    if (group->rank == MPI_UNDEFINED) {
        comm->sequence++;
        group_release(group);
        topology_free(topology);
    } else {
        struct comm *created = comm_make(comm, group, NULL, 0);

        created->topology = topology;
        *made = created->handle;
    }
    mpi_unlock();
    return MPI_SUCCESS;
}

/* The processes of a grid, or -1 when it has none or too many. */
static int grid_size(int ndims, const int dims[])
{
    int64_t size = 1;

    for (int i = 0; i < ndims; i++) {
        size *= dims[i];
        if (dims[i] < 1 || size > INT32_MAX)
            return -1;
    }
    return (int)size;
}

/* What MPI_Cart_create and MPI_Cart_map check. */
static int check_grid(struct comm *comm, int ndims, const int dims[], const int periods[],
                      const void *result, const char *function)
{
    int size;

    if (ndims < 0 || (ndims > 0 && (!dims || !periods)) || !result)
        return comm_error(comm, MPI_ERR_ARG, function, "ndims is %d, or an argument is NULL",
                          ndims);
    size = grid_size(ndims, dims);
    if (size < 0)
        return comm_error(comm, MPI_ERR_DIMS, function, "a dimension is less than 1");
    if (size > comm->size)
        return comm_error(comm, MPI_ERR_ARG, function, "a grid of %d processes; there are %d", size,
                          comm->size);
    return MPI_SUCCESS;
}

MPI_PROFILED(Cart_create)
int PMPI_Cart_create(MPI_Comm comm_old, int ndims, const int dims[], const int periods[],
                     int reorder, MPI_Comm *comm_cart)
{
    const char *function = "MPI_Cart_create";
    int error, *lists[2];
    struct comm *comm = intra_comm(comm_old, function, &error);
    struct topology given = {.kind = MPI_CART};

    (void)reorder;
    if (comm)
        error = check_grid(comm, ndims, dims, periods, comm_cart, function);
    if (error)
        return error;
    lists[0] = (int *)(uintptr_t)dims;
    lists[1] = (int *)(uintptr_t)periods;
    given.cart.dimensions = ndims;
    given.cart.dims = lists[0];
    given.cart.periods = lists[1];
    return make(comm, group_create(grid_size(ndims, dims), comm->group->members),
                topology_copy(&given), function, comm_cart);
}

MPI_PROFILED(Cart_sub)
int PMPI_Cart_sub(MPI_Comm handle, const int remain_dims[], MPI_Comm *newcomm)
{
    const char *function = "MPI_Cart_sub";
    int error, *here, *there, *members, count = 0, kept = 0;
    struct comm *comm = intra_comm(handle, function, &error);
    const struct topology *topology = comm ? comm->topology : NULL;
    struct topology *part;
    struct group *group = NULL;

    if (!comm)
        return error;
    if (!topology || topology->kind != MPI_CART)
        return comm_error(comm, MPI_ERR_TOPOLOGY, function, "no Cartesian topology");
    if (!newcomm || (!remain_dims && topology->cart.dimensions > 0))
        return comm_error(comm, MPI_ERR_ARG, function, "an argument is NULL");
    part = topology_copy(topology);
    here = calloc((size_t)topology->cart.dimensions + 1, sizeof(int));
    there = calloc((size_t)topology->cart.dimensions + 1, sizeof(int));
    members = calloc((size_t)comm->size + 1, sizeof(int));
    if (part && here && there && members) {
        topology_cart_coords(topology, comm->rank, here);
        for (int i = 0; i < topology->cart.dimensions; i++)
            if (remain_dims[i]) {
                part->cart.dims[kept] = part->cart.dims[i];
                part->cart.periods[kept++] = part->cart.periods[i];
            }
        part->cart.dimensions = kept;
        /* those whose other coordinates are this one's, in the order of their ranks */
        for (int rank = 0; rank < comm->size; rank++) {
            bool same = true;

            topology_cart_coords(topology, rank, there);
            for (int i = 0; i < topology->cart.dimensions; i++)
                same = same && (remain_dims[i] || here[i] == there[i]);
            if (same)
                members[count++] = comm->group->members[rank];
        }
        group = group_create(count, members);
    }
    free(here);
    free(there);
    free(members);
    return make(comm, group, part, function, newcomm);
}

static int check_graph(struct comm *comm, int nodes, const int index[], const int edges[],
                       const void *result, const char *function)
{
    int before = 0;

    if (nodes < 0 || (nodes > 0 && !index) || !result)
        return comm_error(comm, MPI_ERR_ARG, function, "nnodes is %d, or an argument is NULL",
                          nodes);
    if (nodes > comm->size)
        return comm_error(comm, MPI_ERR_ARG, function, "a graph of %d processes; there are %d",
                          nodes, comm->size);
    for (int i = 0; i < nodes; i++) {
        if (index[i] < before || (index[i] > 0 && !edges))
            return comm_error(comm, MPI_ERR_ARG, function, "index[%d] is %d, less than %d", i,
                              index[i], before);
        before = index[i];
    }
    for (int i = 0; i < before; i++)
        if (edges[i] < 0 || edges[i] >= nodes)
            return comm_error(comm, MPI_ERR_ARG, function, "edges[%d] is %d, not in 0..%d", i,
                              edges[i], nodes - 1);
    return MPI_SUCCESS;
}

MPI_PROFILED(Graph_create)
int PMPI_Graph_create(MPI_Comm comm_old, int nnodes, const int indx[], const int edges[],
                      int reorder, MPI_Comm *comm_graph)
{
    const char *function = "MPI_Graph_create";
    int error;
    struct comm *comm = intra_comm(comm_old, function, &error);
    struct topology given = {.kind = MPI_GRAPH};

    (void)reorder;
    if (comm)
        error = check_graph(comm, nnodes, indx, edges, comm_graph, function);
    if (error)
        return error;
    given.graph.nodes = nnodes;
    given.graph.edges = nnodes > 0 ? indx[nnodes - 1] : 0;
    given.graph.index = (int *)(uintptr_t)indx;
    given.graph.edge = (int *)(uintptr_t)edges;
    return make(comm, group_create(nnodes, comm->group->members), topology_copy(&given), function,
                comm_graph);
}

static int check_neighbours(struct comm *comm, int count, const int *ranks, const int *weights,
                            const char *function)
{
    if (count < 0 || (count > 0 && (!ranks || !weights || weights == MPI_WEIGHTS_EMPTY)))
        return comm_error(comm, MPI_ERR_ARG, function, "%d neighbours, or an array is missing",
                          count);
    for (int i = 0; i < count; i++) {
        if (ranks[i] < 0 || ranks[i] >= comm->size)
            return comm_error(comm, MPI_ERR_RANK, function, "neighbour %d is rank %d, not in 0..%d",
                              i, ranks[i], comm->size - 1);
        if (weights != MPI_UNWEIGHTED && weights[i] < 0)
            return comm_error(comm, MPI_ERR_ARG, function, "weight %d is %d", i, weights[i]);
    }
    return MPI_SUCCESS;
}

/* Weights as topology_copy takes them: NULL for none. */
static int *weights_of(const int *weights)
{
    if (weights == MPI_UNWEIGHTED || weights == MPI_WEIGHTS_EMPTY)
        return NULL;
    return (int *)(uintptr_t)weights;
}

MPI_PROFILED(Dist_graph_create_adjacent)
int PMPI_Dist_graph_create_adjacent(MPI_Comm comm_old, int indegree, const int sources[],
                                    const int sourceweights[], int outdegree,
                                    const int destinations[], const int destweights[],
                                    MPI_Info info, int reorder, MPI_Comm *comm_dist_graph)
{
    const char *function = "MPI_Dist_graph_create_adjacent";
    int error;
    struct comm *comm = intra_comm(comm_old, function, &error);
    struct topology given = {.kind = MPI_DIST_GRAPH};

    (void)reorder;
    if (comm)
        error = check_neighbours(comm, indegree, sources, sourceweights, function);
    if (!error)
        error = check_neighbours(comm, outdegree, destinations, destweights, function);
    if (!error && !info_is_valid(info))
        error = comm_error(comm, MPI_ERR_INFO, function, NULL);
    if (!error &&
        (!comm_dist_graph || (sourceweights == MPI_UNWEIGHTED) != (destweights == MPI_UNWEIGHTED)))
        error = comm_error(comm, MPI_ERR_ARG, function,
                           "one list has weights, the other not; or an argument is NULL");
    if (error)
        return error;
    given.dist.indegree = indegree;
    given.dist.outdegree = outdegree;
    given.dist.weighted = sourceweights != MPI_UNWEIGHTED;
    given.dist.sources = (int *)(uintptr_t)sources;
    given.dist.destinations = (int *)(uintptr_t)destinations;
    given.dist.source_weights = weights_of(sourceweights);
    given.dist.destination_weights = weights_of(destweights);
    return make(comm, group_retain(comm->group), topology_copy(&given), function, comm_dist_graph);
}

/* One end of an edge, told to the process it belongs to. */
struct edge_end {
    int is_source; /* the other end is where this process receives from */
    int other, weight;
};

/* Sorts the edges that this rank knows by the process that must hear of them; both of an edge's
 * ends do. counts[] are ends for each rank. */
static struct edge_end *edges_by_rank(const struct comm *comm, int n, const int sources[],
                                      const int degrees[], const int destinations[],
                                      const int *weights, int counts[])
{
    int64_t total = 0;
    int *next = calloc((size_t)comm->size + 1, sizeof(int)), edge = 0;
    struct edge_end *ends;

    for (int i = 0; i < n; i++)
        total += degrees[i];
    ends = calloc(2 * (size_t)total + 1, sizeof(*ends));
    if (!next || !ends) {
        free(next);
        free(ends);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < degrees[i]; j++, edge++) {
            counts[sources[i]]++;
            counts[destinations[edge]]++;
        }
    for (int i = 1; i < comm->size; i++)
        next[i] = next[i - 1] + counts[i - 1];
    edge = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < degrees[i]; j++, edge++) {
            int weight = weights ? weights[edge] : 0;

            ends[next[sources[i]]++] = (struct edge_end){0, destinations[edge], weight};
            ends[next[destinations[edge]]++] = (struct edge_end){1, sources[i], weight};
        }
    free(next);
    return ends;
}

/* Everybody's edges go to the ranks that they touch. Returns what came here, *count of them. */
static struct edge_end *exchange_edges(struct comm *comm, const struct edge_end *out,
                                       const int out_counts[], int *count, int *error)
{
    size_t size = (size_t)comm->size;
    int *numbers = calloc(5 * size, sizeof(int));
    int *in_counts, *ints_out, *places_out, *ints_in, *places_in;
    struct edge_end *in = NULL;

    *error = MPI_ERR_NO_MEM;
    *count = 0;
    if (!numbers)
        return NULL;
    in_counts = numbers;
    ints_out = numbers + size;
    places_out = numbers + 2 * size;
    ints_in = numbers + 3 * size;
    places_in = numbers + 4 * size;
    *error = PMPI_Alltoall(out_counts, 1, MPI_INT, in_counts, 1, MPI_INT, comm->handle);
    for (size_t i = 0; i < size; i++) {
        ints_out[i] = 3 * out_counts[i];
        ints_in[i] = 3 * in_counts[i];
        if (i > 0) {
            places_out[i] = places_out[i - 1] + ints_out[i - 1];
            places_in[i] = places_in[i - 1] + ints_in[i - 1];
        }
        *count += in_counts[i];
    }
    in = calloc((size_t)*count + 1, sizeof(*in));
    if (!*error && !in)
        *error = MPI_ERR_NO_MEM;
    if (!*error)
        *error = PMPI_Alltoallv(out, ints_out, places_out, MPI_INT, in, ints_in, places_in, MPI_INT,
                                comm->handle);
    free(numbers);
    return in;
}

static struct topology *topology_of_edges(const struct edge_end ends[], int count, bool weighted)
{
    struct topology given = {.kind = MPI_DIST_GRAPH}, *topology;
    int in = 0, out = 0;

    given.dist.weighted = weighted;
    for (int i = 0; i < count; i++)
        if (ends[i].is_source)
            given.dist.indegree++;
        else
            given.dist.outdegree++;
    topology = topology_copy(&given);
    for (int i = 0; topology && i < count; i++) {
        if (ends[i].is_source) {
            topology->dist.sources[in] = ends[i].other;
            topology->dist.source_weights[in++] = ends[i].weight;
        } else {
            topology->dist.destinations[out] = ends[i].other;
            topology->dist.destination_weights[out++] = ends[i].weight;
        }
    }
    return topology;
}

MPI_PROFILED(Dist_graph_create)
int PMPI_Dist_graph_create(MPI_Comm comm_old, int n, const int sources[], const int degrees[],
                           const int destinations[], const int weights[], MPI_Info info,
                           int reorder, MPI_Comm *comm_dist_graph)
{
    const char *function = "MPI_Dist_graph_create";
    int error, count = 0, *counts;
    int64_t total = 0;
    struct comm *comm = intra_comm(comm_old, function, &error);
    struct edge_end *out = NULL, *in = NULL;
    struct topology *topology = NULL;

    (void)reorder;
    if (!comm)
        return error;
    if (n < 0 || (n > 0 && (!sources || !degrees)) || !comm_dist_graph)
        return comm_error(comm, MPI_ERR_ARG, function, "n is %d, or an argument is NULL", n);
    if (!info_is_valid(info))
        return comm_error(comm, MPI_ERR_INFO, function, NULL);
    for (int i = 0; i < n; i++) {
        if (degrees[i] < 0)
            return comm_error(comm, MPI_ERR_ARG, function, "degrees[%d] is %d", i, degrees[i]);
        total += degrees[i];
    }
    if (total > INT32_MAX / 6)
        return comm_error(comm, MPI_ERR_ARG, function, "too many edges");
    error = check_neighbours(comm, n, sources, MPI_UNWEIGHTED, function);
    if (!error)
        error = check_neighbours(comm, (int)total, destinations, weights, function);
    if (error)
        return error;
    counts = calloc((size_t)comm->size + 1, sizeof(int));
    if (counts)
        out = edges_by_rank(comm, n, sources, degrees, destinations, weights_of(weights), counts);
    if (out)
        in = exchange_edges(comm, out, counts, &count, &error);
    if (in && !error)
        topology = topology_of_edges(in, count, weights != MPI_UNWEIGHTED);
    free(counts);
    free(out);
    free(in);
    if (error)
        return comm_error(comm, error, function, NULL);
    return make(comm, group_retain(comm->group), topology, function, comm_dist_graph);
}
