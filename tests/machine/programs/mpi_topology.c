/* Topologies and neighbourhood collectives, for any number of ranks: checks itself. The last line
 * of rank 0 is "topology: fine". */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size;

#define CHECK(Condition, ...)                                                                      \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            fprintf(stderr, "rank %d, line %d: ", rank, __LINE__);                                 \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            MPI_Abort(MPI_COMM_WORLD, 3);                                                          \
        }                                                                                          \
    } while (0)

static void grids(void)
{
    for (int ndims = 0; ndims <= 3; ndims++)
        for (int periodic = 0; periodic < 2; periodic++) {
            int dims[3] = {0}, periods[3] = {periodic, periodic, periodic}, coords[3], back, kind;
            int got_dims[3], got_periods[3], got_coords[3], product = 1, myself, members;
            MPI_Comm grid, line;

            if (ndims > 0)
                MPI_Dims_create(size, ndims, dims);
            for (int i = 0; i < ndims; i++) {
                product *= dims[i];
                CHECK(i == 0 || dims[i] <= dims[i - 1], "dims are not in order");
            }
            MPI_Cart_create(MPI_COMM_WORLD, ndims, dims, periods, 1, &grid);
            if (ndims == 0 && rank > 0) {
                CHECK(grid == MPI_COMM_NULL, "a single process is in it");
                continue;
            }
            CHECK(ndims == 0 || product == size, "dims make %d", product);
            MPI_Topo_test(grid, &kind);
            CHECK(kind == MPI_CART, "kind %d", kind);
            MPI_Comm_rank(grid, &myself);
            MPI_Cart_get(grid, 3, got_dims, got_periods, got_coords);
            MPI_Cart_coords(grid, myself, 3, coords);
            MPI_Cart_rank(grid, coords, &back);
            CHECK(back == myself, "rank %d became %d", myself, back);
            for (int i = 0; i < ndims; i++) {
                int below, above, keep[3] = {0}, moved[3];

                CHECK(got_dims[i] == dims[i] && got_periods[i] == periodic &&
                          got_coords[i] == coords[i],
                      "dimension %d", i);
                MPI_Cart_shift(grid, i, 1, &below, &above);
                memcpy(moved, coords, sizeof(moved));
                moved[i]++;
                if (periodic || moved[i] < dims[i]) {
                    moved[i] %= dims[i];
                    MPI_Cart_rank(grid, moved, &back);
                    CHECK(back == above, "above is %d, not %d", above, back);
                } else {
                    CHECK(above == MPI_PROC_NULL, "beyond the edge");
                }
                keep[i] = 1;
                MPI_Cart_sub(grid, keep, &line);
                MPI_Comm_size(line, &members);
                MPI_Comm_rank(line, &back);
                CHECK(members == dims[i] && back == coords[i], "a line of %d", members);
                MPI_Comm_free(&line);
            }
            MPI_Comm_free(&grid);
        }
}

/* What is sent down comes out as what came from above, also where both are one process. */
static void exchange_on_grids(void)
{
    for (int periodic = 0; periodic < 2; periodic++) {
        int dims[2] = {0, 0}, periods[2] = {periodic, periodic}, myself, all;
        int out[4], in[4] = {-1, -1, -1, -1}, gathered[4] = {-1, -1, -1, -1}, near[4];
        MPI_Comm grid;
        MPI_Request request;

        MPI_Dims_create(size, 2, dims);
        MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &grid);
        MPI_Comm_rank(grid, &myself);
        for (int d = 0; d < 2; d++)
            MPI_Cart_shift(grid, d, 1, &near[2 * d], &near[2 * d + 1]);
        for (int i = 0; i < 4; i++)
            out[i] = myself * 4 + i;
        MPI_Neighbor_alltoall(out, 1, MPI_INT, in, 1, MPI_INT, grid);
        MPI_Neighbor_allgather(&myself, 1, MPI_INT, gathered, 1, MPI_INT, grid);
        for (int i = 0; i < 4; i++) {
            int expected = near[i] == MPI_PROC_NULL ? -1 : near[i] * 4 + (i ^ 1);

            CHECK(in[i] == expected, "block %d is %d, not %d", i, in[i], expected);
            CHECK(gathered[i] == (near[i] == MPI_PROC_NULL ? -1 : near[i]), "gathered %d",
                  gathered[i]);
            in[i] = -1;
        }
        MPI_Neighbor_alltoall_init(out, 1, MPI_INT, in, 1, MPI_INT, grid, MPI_INFO_NULL, &request);
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 4; i++)
                out[i] += size * 4;
            MPI_Start(&request);
            MPI_Wait(&request, MPI_STATUS_IGNORE);
            for (int i = 0; i < 4; i++)
                CHECK(near[i] == MPI_PROC_NULL ||
                          in[i] == near[i] * 4 + (i ^ 1) + (round + 1) * size * 4,
                      "round %d, block %d is %d", round, i, in[i]);
        }
        MPI_Request_free(&request);
        MPI_Comm_size(grid, &all);
        CHECK(all == size, "a grid of %d", all);
        MPI_Comm_free(&grid);
    }
}

/* Every rank sends rank % 3 + 1 messages to the next ranks; made in three ways. */
static int degree(int of)
{
    return of % 3 + 1 < size ? of % 3 + 1 : size;
}

static void check_graph(MPI_Comm graph, int weighted)
{
    int indegree, outdegree, has_weights, count = 0;
    int *sources, *destinations, *source_weights, *weights, *out, *in, *counts, *places;
    MPI_Aint *bytes_out, *bytes_in;
    MPI_Datatype *types;
    MPI_Request request;

    MPI_Dist_graph_neighbors_count(graph, &indegree, &outdegree, &has_weights);
    for (int r = 0; r < size; r++)
        count += (rank - r + size) % size < degree(r);
    CHECK(outdegree == degree(rank) && indegree == count && has_weights == weighted,
          "degrees %d and %d, weights %d", indegree, outdegree, has_weights);
    sources = calloc((size_t)indegree + 1, sizeof(int));
    destinations = calloc((size_t)outdegree + 1, sizeof(int));
    source_weights = calloc((size_t)indegree + 1, sizeof(int));
    weights = calloc((size_t)outdegree + 1, sizeof(int));
    MPI_Dist_graph_neighbors(graph, indegree, sources, source_weights, outdegree, destinations,
                             weights);
    for (int i = 0; weighted && i < outdegree; i++)
        CHECK(weights[i] == rank * 100 + destinations[i], "weight %d", weights[i]);
    for (int i = 0; weighted && i < indegree; i++)
        CHECK(source_weights[i] == sources[i] * 100 + rank, "weight %d", source_weights[i]);

    /* a block of one number more for each later destination's rank */
    int most = size + 1;
    out = calloc((size_t)(outdegree * most), sizeof(int));
    in = calloc((size_t)(indegree * most), sizeof(int));
    counts = calloc((size_t)(indegree + outdegree) + 1, sizeof(int));
    places = calloc((size_t)(indegree + outdegree) + 1, sizeof(int));
    bytes_out = calloc((size_t)outdegree + 1, sizeof(MPI_Aint));
    bytes_in = calloc((size_t)indegree + 1, sizeof(MPI_Aint));
    types = calloc((size_t)(indegree + outdegree) + 1, sizeof(MPI_Datatype));
    for (int i = 0; i < outdegree; i++) {
        counts[i] = destinations[i] + 1;
        places[i] = i * most;
        bytes_out[i] = (MPI_Aint)sizeof(int) * i * most;
        types[i] = MPI_INT;
        for (int j = 0; j < counts[i]; j++)
            out[i * most + j] = rank * 1000 + destinations[i] * 10 + j % 10;
    }
    for (int i = 0; i < indegree; i++) {
        counts[outdegree + i] = rank + 1;
        places[outdegree + i] = i * most;
        bytes_in[i] = (MPI_Aint)sizeof(int) * i * most;
        types[outdegree + i] = MPI_INT;
    }
    for (int way = 0; way < 3; way++) {
        memset(in, 0, (size_t)(indegree * most) * sizeof(int));
        if (way == 0) {
            MPI_Neighbor_alltoallv(out, counts, places, MPI_INT, in, counts + outdegree,
                                   places + outdegree, MPI_INT, graph);
        } else if (way == 1) {
            MPI_Ineighbor_alltoallv(out, counts, places, MPI_INT, in, counts + outdegree,
                                    places + outdegree, MPI_INT, graph, &request);
            MPI_Wait(&request, MPI_STATUS_IGNORE);
        } else {
            MPI_Neighbor_alltoallw(out, counts, bytes_out, types, in, counts + outdegree, bytes_in,
                                   types + outdegree, graph);
        }
        for (int i = 0; i < indegree; i++)
            for (int j = 0; j < rank + 1; j++)
                CHECK(in[i * most + j] == sources[i] * 1000 + rank * 10 + j % 10, "from %d: %d",
                      sources[i], in[i * most + j]);
    }
    free(sources);
    free(destinations);
    free(source_weights);
    free(weights);
    free(out);
    free(in);
    free(counts);
    free(places);
    free(bytes_out);
    free(bytes_in);
    free(types);
}

static void graphs(void)
{
    int n = degree(rank), *next = calloc((size_t)size * 3 + 1, sizeof(int));
    int *weights = calloc((size_t)size * 3 + 1, sizeof(int)), in = 0, kind;
    int *before = calloc((size_t)size + 1, sizeof(int)), *in_weights;
    MPI_Comm graph, copy;

    in_weights = calloc((size_t)size + 1, sizeof(int));
    for (int i = 0; i < n; i++) {
        next[i] = (rank + i) % size;
        weights[i] = rank * 100 + next[i];
    }
    for (int r = 0; r < size; r++)
        if ((rank - r + size) % size < degree(r)) {
            in_weights[in] = r * 100 + rank;
            before[in++] = r;
        }
    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, in, before, in_weights, n, next, weights,
                                   MPI_INFO_NULL, 0, &graph);
    MPI_Topo_test(graph, &kind);
    CHECK(kind == MPI_DIST_GRAPH, "kind %d", kind);
    check_graph(graph, 1);
    MPI_Comm_dup(graph, &copy);
    check_graph(copy, 1);
    MPI_Comm_free(&copy);
    MPI_Comm_free(&graph);
    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, in, before, MPI_UNWEIGHTED, n, next,
                                   MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &graph);
    check_graph(graph, 0);
    MPI_Comm_free(&graph);

    /* every rank tells of the next rank's edges */
    int other = (rank + 1) % size, degrees[1] = {degree(other)};
    for (int i = 0; i < degrees[0]; i++) {
        next[i] = (other + i) % size;
        weights[i] = other * 100 + next[i];
    }
    MPI_Dist_graph_create(MPI_COMM_WORLD, 1, &other, degrees, next, weights, MPI_INFO_NULL, 0,
                          &graph);
    check_graph(graph, 1);
    MPI_Comm_free(&graph);

    /* the old kind of graph: a ring */
    int index[64], edges[128], count, neighbours[2];
    for (int r = 0; r < size; r++) {
        index[r] = 2 * (r + 1);
        edges[2 * r] = (r + size - 1) % size;
        edges[2 * r + 1] = (r + 1) % size;
    }
    MPI_Graph_create(MPI_COMM_WORLD, size, index, edges, 0, &graph);
    MPI_Graph_neighbors_count(graph, rank, &count);
    MPI_Graph_neighbors(graph, rank, 2, neighbours);
    CHECK(count == 2 && neighbours[1] == (rank + 1) % size, "%d neighbours", count);
    int gathered[2] = {-1, -1};
    MPI_Neighbor_allgather(&rank, 1, MPI_INT, gathered, 1, MPI_INT, graph);
    CHECK(gathered[0] == neighbours[0] && gathered[1] == neighbours[1], "%d and %d", gathered[0],
          gathered[1]);
    MPI_Comm_free(&graph);
    free(next);
    free(weights);
    free(before);
    free(in_weights);
}

static void wrong_arguments(void)
{
    int dims[2] = {size + 1, 1}, periods[2] = {0, 0}, value, open[2] = {0, size + 1};
    MPI_Comm made = MPI_COMM_NULL;

    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    CHECK(MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &made) == MPI_ERR_ARG, "too large");
    dims[0] = 0;
    CHECK(MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &made) == MPI_ERR_DIMS, "no size");
    CHECK(MPI_Cart_create(MPI_COMM_NULL, 2, dims, periods, 0, &made) == MPI_ERR_COMM, "no comm");
    CHECK(MPI_Cartdim_get(MPI_COMM_WORLD, &value) == MPI_ERR_TOPOLOGY, "no topology");
    CHECK(MPI_Neighbor_allgather(&value, 1, MPI_INT, dims, 1, MPI_INT, MPI_COMM_WORLD) ==
              MPI_ERR_TOPOLOGY,
          "no neighbours");
    CHECK(MPI_Dims_create(size, 2, open) == MPI_ERR_DIMS, "no divisor");
    CHECK(made == MPI_COMM_NULL, "something was made");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    grids();
    exchange_on_grids();
    graphs();
    wrong_arguments();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("topology: fine\n");
    MPI_Finalize();
    return 0;
}
