/* Process topologies (MPI: Virtual Topologies): what a communicator knows of its processes'
 * neighbours, and the lists of them that neighbourhood collectives walk. */
#ifndef ABI_MPI_TOPOLOGY_H
#define ABI_MPI_TOPOLOGY_H

#include <mpi.h>
#include <stdbool.h>

/* Belongs to one communicator, and is freed with it. `kind` says which part is in use. */
struct topology {
    int kind; /* MPI_CART, MPI_GRAPH, MPI_DIST_GRAPH */
    struct {
        int dimensions; /* may be 0: a single process */
        int *dims, *periods;
    } cart;
    struct {
        int nodes, edges;
        int *index, *edge; /* as MPI_Graph_create takes them */
    } graph;
    struct {
        int indegree, outdegree;
        bool weighted;
        int *sources, *source_weights, *destinations, *destination_weights;
    } dist;
};

void topology_free(struct topology *topology);                   /* NULL: nothing */
struct topology *topology_copy(const struct topology *topology); /* NULL without memory */

/* The neighbours of process `rank`, in the order of the neighbourhood collectives: from whom it
 * receives, to whom it sends; ranks of the communicator, MPI_PROC_NULL beyond an edge of a grid.
 * One allocation; the caller frees `sources`. */
struct topology_neighbours {
    int indegree, outdegree;
    int *sources, *destinations;
};
/* MPI_SUCCESS, MPI_ERR_NO_MEM, or MPI_ERR_TOPOLOGY when the communicator has none (NULL). */
int topology_neighbours(const struct topology *topology, int rank,
                        struct topology_neighbours *neighbours);

/* Cartesian arithmetic: rank to coordinates and back. The coordinate of a dimension that is not
 * periodic must be within it (cart_rank: MPI_PROC_NULL otherwise). */
void topology_cart_coords(const struct topology *topology, int rank, int coords[]);
int topology_cart_rank(const struct topology *topology, const int coords[]);
/* The ranks `displacement` steps down and up along a dimension. */
void topology_cart_shift(const struct topology *topology, int rank, int direction, int displacement,
                         int *source, int *destination);

#endif
