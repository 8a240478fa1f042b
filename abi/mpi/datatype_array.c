/* Datatypes of a part of an array: subarrays, and the part that one process has of an array that is
 * distributed over a grid of processes (MPI: Distributed Array Datatype Constructor). */

#include "abi/mpi/datatype_make.h"

#include "abi/mpi/errhandler.h"

#include <stdlib.h>

/* The dimension with index `step` counted from the fastest one. */
static int dimension_of(int order, int ndims, int step)
{
    return order == MPI_ORDER_C ? ndims - 1 - step : step;
}

/* Replaces a type that nobody else has by one made of it. */
static struct datatype *replace(struct datatype *old, struct datatype *made)
{
    datatype_release(old);
    return made;
}

/* The finishing of both: the data begins at `start`, and one array follows the other. */
static struct datatype *place(struct datatype *type, int64_t start, int64_t extent, int *error)
{
    const int64_t one = 1;

    if (type)
        type = replace(type, datatype_members(1, &one, &start, NULL, type, error));
    if (type)
        type = replace(type, datatype_resized(type, 0, extent, error));
    return type;
}

/* --- Subarrays
 * ------------------------------------------------------------------------------------------ */

static struct datatype *build_subarray(int ndims, struct numbers sizes, struct numbers subsizes,
                                       struct numbers starts, int order, struct datatype *old,
                                       int *error)
{
    struct datatype *type = datatype_retain(old);
    int64_t stride = old->extent, start = 0;

    for (int step = 0; type && step < ndims; step++) {
        int d = dimension_of(order, ndims, step);
        int64_t before;

        type = replace(type, datatype_regular(number_at(subsizes, d), 1, stride, type, error));
        if (__builtin_mul_overflow(number_at(starts, d), stride, &before) ||
            __builtin_add_overflow(start, before, &start) ||
            __builtin_mul_overflow(stride, number_at(sizes, d), &stride)) {
            *error = MPI_ERR_ARG;
            if (type)
                datatype_release(type);
            return NULL;
        }
    }
    return place(type, start, stride, error);
}

static int create_subarray(const char *call, bool large, int ndims, struct numbers sizes,
                           struct numbers subsizes, struct numbers starts, int order,
                           MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    struct datatype *old = datatype_of(oldtype), *type = NULL;
    struct making making;

    if (ndims < 1 || !sizes.array || !subsizes.array || !starts.array || !newtype)
        return error_raise(MPI_ERR_ARG, call, "ndims is %d, or an argument is NULL", ndims);
    if (order != MPI_ORDER_C && order != MPI_ORDER_FORTRAN)
        return error_raise(MPI_ERR_ARG, call, "order is %d", order);
    if (!old)
        return error_raise(MPI_ERR_TYPE, call, "oldtype is no datatype");
    for (int i = 0; i < ndims; i++) {
        int64_t size = number_at(sizes, i), part = number_at(subsizes, i);
        int64_t start = number_at(starts, i);

        if (size < 1 || part < 1 || part > size || start < 0 || start > size - part)
            return error_raise(MPI_ERR_ARG, call,
                               "dimension %d: %lld from %lld on is no part of %lld", i,
                               (long long)part, (long long)start, (long long)size);
    }
    making = make_begin(call, large, MPI_COMBINER_SUBARRAY, 2, 3 * (int64_t)ndims, 0, 1);
    make_note_integer(&making, ndims);
    make_note_counts(&making, ndims, sizes);
    make_note_counts(&making, ndims, subsizes);
    make_note_counts(&making, ndims, starts);
    make_note_integer(&making, order);
    make_note_type(&making, old);
    if (!making.error)
        type = build_subarray(ndims, sizes, subsizes, starts, order, old, &making.error);
    return make_finish(&making, type, newtype);
}

MPI_PROFILED(Type_create_subarray)
int PMPI_Type_create_subarray(int ndims, const int array_of_sizes[], const int array_of_subsizes[],
                              const int array_of_starts[], int order, MPI_Datatype oldtype,
                              MPI_Datatype *newtype)
{
    return create_subarray("MPI_Type_create_subarray", false, ndims, NUMBERS(array_of_sizes),
                           NUMBERS(array_of_subsizes), NUMBERS(array_of_starts), order, oldtype,
                           newtype);
}

MPI_PROFILED(Type_create_subarray_c)
int PMPI_Type_create_subarray_c(int ndims, const MPI_Count array_of_sizes[],
                                const MPI_Count array_of_subsizes[],
                                const MPI_Count array_of_starts[], int order, MPI_Datatype oldtype,
                                MPI_Datatype *newtype)
{
    return create_subarray("MPI_Type_create_subarray_c", true, ndims, NUMBERS(array_of_sizes),
                           NUMBERS(array_of_subsizes), NUMBERS(array_of_starts), order, oldtype,
                           newtype);
}

/* --- Distributed arrays
 * ------------------------------------------------------------------------------------ */

struct darray {
    int size, rank, ndims;
    struct numbers gsizes;
    const int *distribs, *dargs, *psizes;
    int order;
};

/* The block of a cyclic distribution that one dimension comes down to: indices block * rank, and
 * then every block * processes. 0 when the arguments cannot be. */
static int64_t darray_block(const struct darray *array, int d)
{
    int64_t gsize = number_at(array->gsizes, d), processes = array->psizes[d];
    int64_t block = array->dargs[d];

    switch (array->distribs[d]) {
    case MPI_DISTRIBUTE_NONE:
        return processes == 1 ? gsize : 0;
    case MPI_DISTRIBUTE_BLOCK:
        if (array->dargs[d] == MPI_DISTRIBUTE_DFLT_DARG)
            return gsize / processes + (gsize % processes != 0);
        /* all of it must find room */
        return block > 0 && gsize / processes + (gsize % processes != 0) <= block ? block : 0;
    case MPI_DISTRIBUTE_CYCLIC:
        if (array->dargs[d] == MPI_DISTRIBUTE_DFLT_DARG)
            return 1;
        return block > 0 ? block : 0;
    default:
        return 0;
    }
}

/* One dimension's part, of elements `stride` bytes apart: the type's own extent. */
static struct datatype *darray_dimension(const struct darray *array, int d, int64_t coordinate,
                                         struct datatype *element, int *error)
{
    int64_t gsize = number_at(array->gsizes, d), block = darray_block(array, d);
    int64_t first, step, count, *lengths, *displacements;
    struct datatype *type = NULL;

    if (__builtin_mul_overflow(block, coordinate, &first) || first >= gsize)
        first = gsize; /* nothing for this process */
    if (__builtin_mul_overflow(block, array->psizes[d], &step))
        step = gsize;
    count = (gsize - first + step - 1) / step;
    lengths = calloc((size_t)count + 1, sizeof(*lengths));
    displacements = calloc((size_t)count + 1, sizeof(*displacements));
    *error = lengths && displacements ? MPI_SUCCESS : MPI_ERR_NO_MEM;
    for (int64_t i = 0; !*error && i < count; i++) {
        int64_t at = first + i * step;

        lengths[i] = gsize - at < block ? gsize - at : block;
        if (__builtin_mul_overflow(at, element->extent, &displacements[i]))
            *error = MPI_ERR_ARG;
    }
    if (!*error)
        type = datatype_members(count, lengths, displacements, NULL, element, error);
    free(lengths);
    free(displacements);
    return type;
}

static struct datatype *build_darray(const struct darray *array, struct datatype *old, int *error)
{
    struct datatype *type = datatype_retain(old);
    int64_t extent = old->extent;

    for (int step = 0; type && step < array->ndims; step++) {
        int d = dimension_of(array->order, array->ndims, step);
        int64_t coordinate = array->rank;

        /* the grid of processes is in C's order whatever the array is in */
        for (int later = array->ndims - 1; later > d; later--)
            coordinate /= array->psizes[later];
        coordinate %= array->psizes[d];
        type = replace(type, darray_dimension(array, d, coordinate, type, error));
        if (__builtin_mul_overflow(extent, number_at(array->gsizes, d), &extent)) {
            *error = MPI_ERR_ARG;
            if (type)
                datatype_release(type);
            return NULL;
        }
        if (type)
            type = replace(type, datatype_resized(type, 0, extent, error));
    }
    return type;
}

static int create_darray(const char *call, bool large, const struct darray *array,
                         MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    struct datatype *old = datatype_of(oldtype), *type = NULL;
    int64_t processes = 1;
    struct making making;

    if (array->size < 1 || array->rank < 0 || array->rank >= array->size || array->ndims < 1)
        return error_raise(MPI_ERR_ARG, call, "size %d, rank %d, ndims %d", array->size,
                           array->rank, array->ndims);
    if (!array->gsizes.array || !array->distribs || !array->dargs || !array->psizes || !newtype)
        return error_raise(MPI_ERR_ARG, call, "an argument is NULL");
    if (array->order != MPI_ORDER_C && array->order != MPI_ORDER_FORTRAN)
        return error_raise(MPI_ERR_ARG, call, "order is %d", array->order);
    if (!old)
        return error_raise(MPI_ERR_TYPE, call, "oldtype is no datatype");
    for (int i = 0; i < array->ndims; i++) {
        if (number_at(array->gsizes, i) < 1 || array->psizes[i] < 1 || darray_block(array, i) == 0)
            return error_raise(MPI_ERR_ARG, call,
                               "dimension %d: %lld elements over %d processes, distribution %d "
                               "with argument %d",
                               i, (long long)number_at(array->gsizes, i), array->psizes[i],
                               array->distribs[i], array->dargs[i]);
        if (processes <= array->size)
            processes *= array->psizes[i];
    }
    if (processes != array->size)
        return error_raise(MPI_ERR_ARG, call, "the grid is not one of %d processes", array->size);
    making = make_begin(call, large, MPI_COMBINER_DARRAY, 4 + 3 * (int64_t)array->ndims,
                        array->ndims, 0, 1);
    make_note_integer(&making, array->size);
    make_note_integer(&making, array->rank);
    make_note_integer(&making, array->ndims);
    make_note_counts(&making, array->ndims, array->gsizes);
    make_note_integers(&making, array->ndims, array->distribs);
    make_note_integers(&making, array->ndims, array->dargs);
    make_note_integers(&making, array->ndims, array->psizes);
    make_note_integer(&making, array->order);
    make_note_type(&making, old);
    if (!making.error)
        type = build_darray(array, old, &making.error);
    return make_finish(&making, type, newtype);
}

MPI_PROFILED(Type_create_darray)
int PMPI_Type_create_darray(int size, int rank, int ndims, const int array_of_gsizes[],
                            const int array_of_distribs[], const int array_of_dargs[],
                            const int array_of_psizes[], int order, MPI_Datatype oldtype,
                            MPI_Datatype *newtype)
{
    struct darray array = {size,
                           rank,
                           ndims,
                           NUMBERS(array_of_gsizes),
                           array_of_distribs,
                           array_of_dargs,
                           array_of_psizes,
                           order};

    return create_darray("MPI_Type_create_darray", false, &array, oldtype, newtype);
}

MPI_PROFILED(Type_create_darray_c)
int PMPI_Type_create_darray_c(int size, int rank, int ndims, const MPI_Count array_of_gsizes[],
                              const int array_of_distribs[], const int array_of_dargs[],
                              const int array_of_psizes[], int order, MPI_Datatype oldtype,
                              MPI_Datatype *newtype)
{
    struct darray array = {size,
                           rank,
                           ndims,
                           NUMBERS(array_of_gsizes),
                           array_of_distribs,
                           array_of_dargs,
                           array_of_psizes,
                           order};

    return create_darray("MPI_Type_create_darray_c", true, &array, oldtype, newtype);
}
