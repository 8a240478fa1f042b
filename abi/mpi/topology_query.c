/* What communicators with a topology say of it. */

#include "abi/mpi/collective.h"

#include <string.h>

/* The communicator, which has a topology of that kind; or NULL with what was raised. */
static struct comm *comm_with(MPI_Comm handle, int kind, const char *function, int *error)
{
    struct comm *comm = collective_comm(handle, function, error);

    if (comm && (!comm->topology || comm->topology->kind != kind)) {
        *error = comm_error(comm, MPI_ERR_TOPOLOGY, function,
                            kind == MPI_CART    ? "no Cartesian topology"
                            : kind == MPI_GRAPH ? "no graph topology"
                                                : "no distributed graph topology");
        return NULL;
    }
    return comm;
}

static int argument_error(struct comm *comm, const char *function)
{
    return comm_error(comm, MPI_ERR_ARG, function, "an argument is NULL or too small");
}

static int check_rank(struct comm *comm, int rank, const char *function)
{
    if (rank >= 0 && rank < comm->size)
        return MPI_SUCCESS;
    return comm_error(comm, MPI_ERR_RANK, function, "rank is %d, not in 0..%d", rank,
                      comm->size - 1);
}

MPI_PROFILED(Topo_test)
int PMPI_Topo_test(MPI_Comm handle, int *status)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Topo_test", &error);

    if (!comm)
        return error;
    if (!status)
        return argument_error(comm, "MPI_Topo_test");
    *status = comm->topology ? comm->topology->kind : MPI_UNDEFINED;
    return MPI_SUCCESS;
}

/* --- Grids
 * ------------------------------------------------------------------------------------------- */

MPI_PROFILED(Cartdim_get)
int PMPI_Cartdim_get(MPI_Comm handle, int *ndims)
{
    int error;
    struct comm *comm = comm_with(handle, MPI_CART, "MPI_Cartdim_get", &error);

    if (!comm)
        return error;
    if (!ndims)
        return argument_error(comm, "MPI_Cartdim_get");
    *ndims = comm->topology->cart.dimensions;
    return MPI_SUCCESS;
}

MPI_PROFILED(Cart_get)
int PMPI_Cart_get(MPI_Comm handle, int maxdims, int dims[], int periods[], int coords[])
{
    int error, count;
    struct comm *comm = comm_with(handle, MPI_CART, "MPI_Cart_get", &error);
    const struct topology *topology = comm ? comm->topology : NULL;

    if (!comm)
        return error;
    count = topology->cart.dimensions;
    if (maxdims < count || (count > 0 && (!dims || !periods || !coords)))
        return argument_error(comm, "MPI_Cart_get");
    if (count == 0)
        return MPI_SUCCESS;
    memcpy(dims, topology->cart.dims, (size_t)count * sizeof(int));
    memcpy(periods, topology->cart.periods, (size_t)count * sizeof(int));
    topology_cart_coords(topology, comm->rank, coords);
    return MPI_SUCCESS;
}

MPI_PROFILED(Cart_coords)
int PMPI_Cart_coords(MPI_Comm handle, int rank, int maxdims, int coords[])
{
    int error;
    struct comm *comm = comm_with(handle, MPI_CART, "MPI_Cart_coords", &error);

    if (!comm)
        return error;
    error = check_rank(comm, rank, "MPI_Cart_coords");
    if (error)
        return error;
    if (maxdims < comm->topology->cart.dimensions ||
        (comm->topology->cart.dimensions > 0 && !coords))
        return argument_error(comm, "MPI_Cart_coords");
    topology_cart_coords(comm->topology, rank, coords);
    return MPI_SUCCESS;
}

MPI_PROFILED(Cart_rank)
int PMPI_Cart_rank(MPI_Comm handle, const int coords[], int *rank)
{
    int error, found;
    struct comm *comm = comm_with(handle, MPI_CART, "MPI_Cart_rank", &error);

    if (!comm)
        return error;
    if (!rank || (comm->topology->cart.dimensions > 0 && !coords))
        return argument_error(comm, "MPI_Cart_rank");
    found = topology_cart_rank(comm->topology, coords);
    if (found == MPI_PROC_NULL)
        return comm_error(comm, MPI_ERR_ARG, "MPI_Cart_rank",
                          "a coordinate is outside of a dimension that is not periodic");
    *rank = found;
    return MPI_SUCCESS;
}

MPI_PROFILED(Cart_shift)
int PMPI_Cart_shift(MPI_Comm handle, int direction, int disp, int *rank_source, int *rank_dest)
{
    int error;
    struct comm *comm = comm_with(handle, MPI_CART, "MPI_Cart_shift", &error);

    if (!comm)
        return error;
    if (direction < 0 || direction >= comm->topology->cart.dimensions)
        return comm_error(comm, MPI_ERR_DIMS, "MPI_Cart_shift", "direction is %d, not in 0..%d",
                          direction, comm->topology->cart.dimensions - 1);
    if (!rank_source || !rank_dest)
        return argument_error(comm, "MPI_Cart_shift");
    topology_cart_shift(comm->topology, comm->rank, direction, disp, rank_source, rank_dest);
    return MPI_SUCCESS;
}

/* Where a rank would stand in a grid or graph of `size`: where it stands now. */
static int map(struct comm *comm, int64_t size, int *newrank, const char *function)
{
    if (!newrank)
        return argument_error(comm, function);
    if (size > comm->size)
        return comm_error(comm, MPI_ERR_ARG, function, "%lld processes; there are %d",
                          (long long)size, comm->size);
    *newrank = comm->rank < size ? comm->rank : MPI_UNDEFINED;
    return MPI_SUCCESS;
}

MPI_PROFILED(Cart_map)
int PMPI_Cart_map(MPI_Comm handle, int ndims, const int dims[], const int periods[], int *newrank)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Cart_map", &error);
    int64_t size = 1;

    (void)periods;
    if (!comm)
        return error;
    if (ndims < 0 || (ndims > 0 && !dims))
        return argument_error(comm, "MPI_Cart_map");
    for (int i = 0; i < ndims && size <= comm->size; i++) {
        if (dims[i] < 1)
            return comm_error(comm, MPI_ERR_DIMS, "MPI_Cart_map", "dims[%d] is %d", i, dims[i]);
        size *= dims[i];
    }
    return map(comm, size, newrank, "MPI_Cart_map");
}

/* --- Graphs
 * -------------------------------------------------------------------------------------------- */

MPI_PROFILED(Graph_map)
int PMPI_Graph_map(MPI_Comm handle, int nnodes, const int indx[], const int edges[], int *newrank)
{
    int error;
    struct comm *comm = collective_comm(handle, "MPI_Graph_map", &error);

    if (!comm)
        return error;
    if (nnodes < 1 || !indx || !edges)
        return argument_error(comm, "MPI_Graph_map");
    return map(comm, nnodes, newrank, "MPI_Graph_map");
}

MPI_PROFILED(Graphdims_get)
int PMPI_Graphdims_get(MPI_Comm handle, int *nnodes, int *nedges)
{
    int error;
    struct comm *comm = comm_with(handle, MPI_GRAPH, "MPI_Graphdims_get", &error);

    if (!comm)
        return error;
    if (!nnodes || !nedges)
        return argument_error(comm, "MPI_Graphdims_get");
    *nnodes = comm->topology->graph.nodes;
    *nedges = comm->topology->graph.edges;
    return MPI_SUCCESS;
}

/* As much of an array as there is room for. */
static void copy_some(int to[], const int from[], int room, int count)
{
    int part = room < count ? room : count;

    if (part > 0)
        memcpy(to, from, (size_t)part * sizeof(int));
}

MPI_PROFILED(Graph_get)
int PMPI_Graph_get(MPI_Comm handle, int maxindex, int maxedges, int indx[], int edges[])
{
    int error;
    struct comm *comm = comm_with(handle, MPI_GRAPH, "MPI_Graph_get", &error);

    if (!comm)
        return error;
    if ((maxindex > 0 && !indx) || (maxedges > 0 && !edges))
        return argument_error(comm, "MPI_Graph_get");
    copy_some(indx, comm->topology->graph.index, maxindex, comm->topology->graph.nodes);
    copy_some(edges, comm->topology->graph.edge, maxedges, comm->topology->graph.edges);
    return MPI_SUCCESS;
}

/* A node's part of the list of edges. */
static int edges_of(const struct topology *topology, int rank, const int **first)
{
    int begin = rank > 0 ? topology->graph.index[rank - 1] : 0;

    *first = topology->graph.edge + begin;
    return topology->graph.index[rank] - begin;
}

MPI_PROFILED(Graph_neighbors_count)
int PMPI_Graph_neighbors_count(MPI_Comm handle, int rank, int *nneighbors)
{
    int error;
    struct comm *comm = comm_with(handle, MPI_GRAPH, "MPI_Graph_neighbors_count", &error);
    const int *first;

    if (!comm)
        return error;
    error = check_rank(comm, rank, "MPI_Graph_neighbors_count");
    if (error)
        return error;
    if (!nneighbors)
        return argument_error(comm, "MPI_Graph_neighbors_count");
    *nneighbors = edges_of(comm->topology, rank, &first);
    return MPI_SUCCESS;
}

MPI_PROFILED(Graph_neighbors)
int PMPI_Graph_neighbors(MPI_Comm handle, int rank, int maxneighbors, int neighbors[])
{
    int error, count;
    struct comm *comm = comm_with(handle, MPI_GRAPH, "MPI_Graph_neighbors", &error);
    const int *first;

    if (!comm)
        return error;
    error = check_rank(comm, rank, "MPI_Graph_neighbors");
    if (error)
        return error;
    if (maxneighbors > 0 && !neighbors)
        return argument_error(comm, "MPI_Graph_neighbors");
    count = edges_of(comm->topology, rank, &first);
    copy_some(neighbors, first, maxneighbors, count);
    return MPI_SUCCESS;
}

MPI_PROFILED(Dist_graph_neighbors_count)
int PMPI_Dist_graph_neighbors_count(MPI_Comm handle, int *indegree, int *outdegree, int *weighted)
{
    int error;
    struct comm *comm = comm_with(handle, MPI_DIST_GRAPH, "MPI_Dist_graph_neighbors_count", &error);

    if (!comm)
        return error;
    if (!indegree || !outdegree || !weighted)
        return argument_error(comm, "MPI_Dist_graph_neighbors_count");
    *indegree = comm->topology->dist.indegree;
    *outdegree = comm->topology->dist.outdegree;
    *weighted = comm->topology->dist.weighted;
    return MPI_SUCCESS;
}

MPI_PROFILED(Dist_graph_neighbors)
int PMPI_Dist_graph_neighbors(MPI_Comm handle, int maxindegree, int sources[], int sourceweights[],
                              int maxoutdegree, int destinations[], int destweights[])
{
    int error;
    struct comm *comm = comm_with(handle, MPI_DIST_GRAPH, "MPI_Dist_graph_neighbors", &error);
    const struct topology *topology = comm ? comm->topology : NULL;

    if (!comm)
        return error;
    if (maxindegree < 0 || maxoutdegree < 0 || (maxindegree > 0 && !sources) ||
        (maxoutdegree > 0 && !destinations))
        return argument_error(comm, "MPI_Dist_graph_neighbors");
    copy_some(sources, topology->dist.sources, maxindegree, topology->dist.indegree);
    copy_some(destinations, topology->dist.destinations, maxoutdegree, topology->dist.outdegree);
    if (!topology->dist.weighted)
        return MPI_SUCCESS;
    if (sourceweights != MPI_UNWEIGHTED && sourceweights != MPI_WEIGHTS_EMPTY)
        copy_some(sourceweights, topology->dist.source_weights, maxindegree,
                  topology->dist.indegree);
    if (destweights != MPI_UNWEIGHTED && destweights != MPI_WEIGHTS_EMPTY)
        copy_some(destweights, topology->dist.destination_weights, maxoutdegree,
                  topology->dist.outdegree);
    return MPI_SUCCESS;
}
