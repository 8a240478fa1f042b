/* Topologies as such: their memory, neighbours, and the arithmetic of grids. Nothing here
 * communicates. */

#include "abi/mpi/topology.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void topology_free(struct topology *topology)
{
    if (!topology)
        return;
    free(topology->cart.dims);
    free(topology->cart.periods);
    free(topology->graph.index);
    free(topology->graph.edge);
    free(topology->dist.sources);
    free(topology->dist.source_weights);
    free(topology->dist.destinations);
    free(topology->dist.destination_weights);
    free(topology);
}

/* A copy of an array, of NULL or without elements one that may be freed. False without memory. */
static bool copy_array(int **to, const int *from, int count)
{
    *to = calloc((size_t)count + 1, sizeof(int));
    if (*to && from)
        memcpy(*to, from, (size_t)count * sizeof(int));
    return *to != NULL;
}

struct topology *topology_copy(const struct topology *topology)
{
    struct topology *copy = calloc(1, sizeof(*copy));
    bool whole;

    if (!copy)
        return NULL;
    copy->kind = topology->kind;
    copy->cart.dimensions = topology->cart.dimensions;
    copy->graph.nodes = topology->graph.nodes;
    copy->graph.edges = topology->graph.edges;
    copy->dist.indegree = topology->dist.indegree;
    copy->dist.outdegree = topology->dist.outdegree;
    copy->dist.weighted = topology->dist.weighted;
    switch (topology->kind) {
    case MPI_CART:
        whole = copy_array(&copy->cart.dims, topology->cart.dims, copy->cart.dimensions) &&
                copy_array(&copy->cart.periods, topology->cart.periods, copy->cart.dimensions);
        break;
    case MPI_GRAPH:
        whole = copy_array(&copy->graph.index, topology->graph.index, copy->graph.nodes) &&
                copy_array(&copy->graph.edge, topology->graph.edge, copy->graph.edges);
        break;
    default:
        whole = copy_array(&copy->dist.sources, topology->dist.sources, copy->dist.indegree) &&
                copy_array(&copy->dist.source_weights, topology->dist.source_weights,
                           copy->dist.indegree) &&
                copy_array(&copy->dist.destinations, topology->dist.destinations,
                           copy->dist.outdegree) &&
                copy_array(&copy->dist.destination_weights, topology->dist.destination_weights,
                           copy->dist.outdegree);
        break;
    }
    if (whole)
        return copy;
    topology_free(copy);
    return NULL;
}

/* --- Grids: the last coordinate changes fastest
 * ----------------------------------------------------- */

void topology_cart_coords(const struct topology *topology, int rank, int coords[])
{
    for (int i = topology->cart.dimensions - 1; i >= 0; i--) {
        coords[i] = rank % topology->cart.dims[i];
        rank /= topology->cart.dims[i];
    }
}

int topology_cart_rank(const struct topology *topology, const int coords[])
{
    int rank = 0;

    for (int i = 0; i < topology->cart.dimensions; i++) {
        int size = topology->cart.dims[i], at = coords[i];

        if (at < 0 || at >= size) {
            if (!topology->cart.periods[i])
                return MPI_PROC_NULL;
            at %= size;
            if (at < 0)
                at += size;
        }
        rank = rank * size + at;
    }
    return rank;
}

/* The rank `steps` away from `rank` along a dimension. */
static int step(const struct topology *topology, int rank, int direction, int64_t steps)
{
    int size = topology->cart.dims[direction];
    int64_t below = 1, here, there;

    for (int i = direction + 1; i < topology->cart.dimensions; i++)
        below *= topology->cart.dims[i];
    here = rank / below % size;
    there = here + steps;
    if (there < 0 || there >= size) {
        if (!topology->cart.periods[direction])
            return MPI_PROC_NULL;
        there %= size;
        if (there < 0)
            there += size;
    }
    return (int)(rank + (there - here) * below);
}

void topology_cart_shift(const struct topology *topology, int rank, int direction, int displacement,
                         int *source, int *destination)
{
    *source = step(topology, rank, direction, -(int64_t)displacement);
    *destination = step(topology, rank, direction, displacement);
}

/* --- Neighbours
 * ---------------------------------------------------------------------------------------- */

/* Room for both lists in one allocation. */
static int neighbours_begin(struct topology_neighbours *neighbours, int indegree, int outdegree)
{
    neighbours->indegree = indegree;
    neighbours->outdegree = outdegree;
    neighbours->sources = calloc((size_t)indegree + (size_t)outdegree + 1, sizeof(int));
    if (!neighbours->sources)
        return MPI_ERR_NO_MEM;
    neighbours->destinations = neighbours->sources + indegree;
    return MPI_SUCCESS;
}

int topology_neighbours(const struct topology *topology, int rank,
                        struct topology_neighbours *neighbours)
{
    int first, count, error;

    *neighbours = (struct topology_neighbours){0};
    if (!topology)
        return MPI_ERR_TOPOLOGY;
    switch (topology->kind) {
    case MPI_CART:
        count = 2 * topology->cart.dimensions;
        error = neighbours_begin(neighbours, count, count);
        for (int i = 0; !error && i < topology->cart.dimensions; i++)
            topology_cart_shift(topology, rank, i, 1, &neighbours->sources[2 * i],
                                &neighbours->sources[2 * i + 1]);
        if (!error)
            memcpy(neighbours->destinations, neighbours->sources, (size_t)count * sizeof(int));
        return error;
    case MPI_GRAPH:
        first = rank > 0 ? topology->graph.index[rank - 1] : 0;
        count = topology->graph.index[rank] - first;
        error = neighbours_begin(neighbours, count, count);
        if (!error) {
            memcpy(neighbours->sources, topology->graph.edge + first, (size_t)count * sizeof(int));
            memcpy(neighbours->destinations, neighbours->sources, (size_t)count * sizeof(int));
        }
        return error;
    default:
        error = neighbours_begin(neighbours, topology->dist.indegree, topology->dist.outdegree);
        if (!error) {
            memcpy(neighbours->sources, topology->dist.sources,
                   (size_t)neighbours->indegree * sizeof(int));
            memcpy(neighbours->destinations, topology->dist.destinations,
                   (size_t)neighbours->outdegree * sizeof(int));
        }
        return error;
    }
}
