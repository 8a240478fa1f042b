/* A datatype as the standard defines it: the list of all its basic elements with displacements, and
 * the markers of bounds that were set. Built beside the real one, by the plainest code there is. */
#ifndef TESTS_UNIT_MPI_DATA_MODEL_H
#define TESTS_UNIT_MPI_DATA_MODEL_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

struct model_entry {
    int64_t displacement; /* bytes */
    int size, alignment;  /* of a basic element; size 0: a marker */
    int marker;           /* 'l' lower bound, 'u' upper bound, 0 data */
    MPI_Datatype basic;
};

struct model {
    int count, room;
    struct model_entry *entries;
};

struct model_bounds {
    int64_t size, elements, lb, extent, true_lb, true_extent;
};

void model_free(struct model *model);
/* `times` copies of `old`, each `stride` bytes after the other, the first at `displacement`. */
void model_append(struct model *model, const struct model *old, int64_t times, int64_t stride,
                  int64_t displacement);
struct model_bounds model_bounds(const struct model *model);

/* A random datatype with its model, of at most `most` elements; to be freed by the caller. Depth 0:
 * a predefined one (not to be freed). *kind is the combiner. */
MPI_Datatype model_random(uint64_t *seed, int depth, int most, struct model *model);

/* The displacements of all data bytes of `count` of them, in order; *bytes how many. */
int64_t *model_bytes(const struct model *model, int64_t count, int64_t *bytes);

#endif
