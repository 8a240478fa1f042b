/* The constructors of datatypes but for arrays (datatype_array.c) and Fortran's parametrized types
 * (datatype_fortran.c). Each checks its arguments, notes them, and builds. */

#include "abi/mpi/datatype_make.h"

#include "abi/mpi/errhandler.h"

#include <stdlib.h>

/* What all constructors from one type take. */
static int check(const char *call, int64_t count, const struct datatype *old,
                 const MPI_Datatype *newtype)
{
    if (count < 0)
        return error_raise(MPI_ERR_COUNT, call, "count is %lld, less than 0", (long long)count);
    if (!old)
        return error_raise(MPI_ERR_TYPE, call, "oldtype is no datatype");
    if (!newtype)
        return error_raise(MPI_ERR_ARG, call, "newtype is NULL");
    return MPI_SUCCESS;
}

/* --- Regular ones
 * ------------------------------------------------------------------------------------- */

static int create_contiguous(const char *call, bool large, int64_t count, MPI_Datatype oldtype,
                             MPI_Datatype *newtype)
{
    struct datatype *old = datatype_of(oldtype);
    int error = check(call, count, old, newtype);
    struct making making;

    if (error)
        return error;
    making = make_begin(call, large, MPI_COMBINER_CONTIGUOUS, 0, 1, 0, 1);
    make_note_count(&making, count);
    make_note_type(&making, old);
    return make_finish(&making, datatype_regular(count, 1, old->extent, old, &making.error),
                       newtype);
}

MPI_PROFILED(Type_contiguous)
int PMPI_Type_contiguous(int count, MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    return create_contiguous("MPI_Type_contiguous", false, count, oldtype, newtype);
}

MPI_PROFILED(Type_contiguous_c)
int PMPI_Type_contiguous_c(MPI_Count count, MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    return create_contiguous("MPI_Type_contiguous_c", true, count, oldtype, newtype);
}

/* `in_bytes`: the stride is an address, otherwise in elements. */
static int create_vector(const char *call, bool large, bool in_bytes, int64_t count, int64_t length,
                         int64_t stride, MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    struct datatype *old = datatype_of(oldtype);
    int error = check(call, count, old, newtype);
    int64_t bytes = stride;
    struct making making;

    if (error)
        return error;
    if (length < 0)
        return error_raise(MPI_ERR_ARG, call, "blocklength is %lld, less than 0",
                           (long long)length);
    if (!in_bytes && __builtin_mul_overflow(stride, old->extent, &bytes))
        return error_raise(MPI_ERR_ARG, call, "the stride is too large");
    making =
        make_begin(call, large, in_bytes ? MPI_COMBINER_HVECTOR : MPI_COMBINER_VECTOR, 0, 3, 1, 1);
    make_note_count(&making, count);
    make_note_count(&making, length);
    if (in_bytes)
        make_note_address(&making, stride);
    else
        make_note_count(&making, stride);
    make_note_type(&making, old);
    return make_finish(&making, datatype_regular(count, length, bytes, old, &making.error),
                       newtype);
}

MPI_PROFILED(Type_vector)
int PMPI_Type_vector(int count, int blocklength, int stride, MPI_Datatype oldtype,
                     MPI_Datatype *newtype)
{
    return create_vector("MPI_Type_vector", false, false, count, blocklength, stride, oldtype,
                         newtype);
}

MPI_PROFILED(Type_vector_c)
int PMPI_Type_vector_c(MPI_Count count, MPI_Count blocklength, MPI_Count stride,
                       MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    return create_vector("MPI_Type_vector_c", true, false, count, blocklength, stride, oldtype,
                         newtype);
}

MPI_PROFILED(Type_create_hvector)
int PMPI_Type_create_hvector(int count, int blocklength, MPI_Aint stride, MPI_Datatype oldtype,
                             MPI_Datatype *newtype)
{
    return create_vector("MPI_Type_create_hvector", false, true, count, blocklength, stride,
                         oldtype, newtype);
}

MPI_PROFILED(Type_create_hvector_c)
int PMPI_Type_create_hvector_c(MPI_Count count, MPI_Count blocklength, MPI_Count stride,
                               MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    return create_vector("MPI_Type_create_hvector_c", true, true, count, blocklength, stride,
                         oldtype, newtype);
}

MPI_PROFILED(Type_dup)
int PMPI_Type_dup(MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    const char *call = "MPI_Type_dup";
    struct datatype *old = datatype_of(oldtype), *type;
    int error = check(call, 0, old, newtype);
    struct making making;

    if (error)
        return error;
    making = make_begin(call, false, MPI_COMBINER_DUP, 0, 0, 0, 1);
    make_note_type(&making, old);
    type = datatype_duplicate(old, &making.error);
    if (type)
        make_fail(&making,
                  attributes_copy(OBJECT_DATATYPE, old->handle, &old->attributes, type->handle,
                                  &type->attributes),
                  "a copy function of an attribute failed");
    return make_finish(&making, type, newtype);
}

static int create_resized(const char *call, bool large, MPI_Datatype oldtype, int64_t lb,
                          int64_t extent, MPI_Datatype *newtype)
{
    struct datatype *old = datatype_of(oldtype);
    int error = check(call, 0, old, newtype);
    struct making making;

    if (error)
        return error;
    making = make_begin(call, large, MPI_COMBINER_RESIZED, 0, 0, 2, 1);
    make_note_address(&making, lb);
    make_note_address(&making, extent);
    make_note_type(&making, old);
    return make_finish(&making, datatype_resized(old, lb, extent, &making.error), newtype);
}

MPI_PROFILED(Type_create_resized)
int PMPI_Type_create_resized(MPI_Datatype oldtype, MPI_Aint lb, MPI_Aint extent,
                             MPI_Datatype *newtype)
{
    return create_resized("MPI_Type_create_resized", false, oldtype, lb, extent, newtype);
}

MPI_PROFILED(Type_create_resized_c)
int PMPI_Type_create_resized_c(MPI_Datatype oldtype, MPI_Count lb, MPI_Count extent,
                               MPI_Datatype *newtype)
{
    return create_resized("MPI_Type_create_resized_c", true, oldtype, lb, extent, newtype);
}

/* --- Blocks
 * -----------------------------------------------------------------------------------------------
 */

/* A call that lists blocks. */
struct blocks {
    int combiner;
    bool in_bytes; /* displacements are addresses, otherwise in elements */
    int64_t count;
    bool one_length; /* INDEXED_BLOCK: `length` for all */
    int64_t length;
    struct numbers lengths;
    struct numbers displacements;
    const MPI_Datatype *types; /* STRUCT, else NULL */
};

static int blocks_check(const char *call, const struct blocks *blocks)
{
    if (blocks->count > 0 &&
        ((!blocks->one_length && !blocks->lengths.array) || !blocks->displacements.array))
        return error_raise(MPI_ERR_ARG, call, "an array is NULL");
    if (blocks->one_length && blocks->length < 0)
        return error_raise(MPI_ERR_ARG, call, "blocklength is %lld, less than 0",
                           (long long)blocks->length);
    for (int64_t i = 0; !blocks->one_length && i < blocks->count; i++)
        if (number_at(blocks->lengths, i) < 0)
            return error_raise(MPI_ERR_ARG, call, "blocklength %lld is %lld, less than 0",
                               (long long)i, (long long)number_at(blocks->lengths, i));
    return MPI_SUCCESS;
}

/* The arguments in the order of the envelope. */
static void blocks_note(struct making *making, const struct blocks *blocks)
{
    make_note_count(making, blocks->count);
    if (blocks->one_length)
        make_note_count(making, blocks->length);
    else
        make_note_counts(making, blocks->count, blocks->lengths);
    if (blocks->in_bytes)
        make_note_addresses(making, blocks->count, blocks->displacements);
    else
        make_note_counts(making, blocks->count, blocks->displacements);
}

/* Builds the type from the blocks with lengths and displacements in bytes. */
static struct datatype *blocks_build(const struct blocks *blocks, struct datatype *const types[],
                                     struct datatype *old, int *error)
{
    int64_t *lengths = calloc((size_t)blocks->count + 1, sizeof(*lengths));
    int64_t *displacements = calloc((size_t)blocks->count + 1, sizeof(*displacements));
    struct datatype *type = NULL;
    bool fits = true;

    *error = lengths && displacements ? MPI_SUCCESS : MPI_ERR_NO_MEM;
    for (int64_t i = 0; !*error && i < blocks->count; i++) {
        lengths[i] = blocks->one_length ? blocks->length : number_at(blocks->lengths, i);
        displacements[i] = number_at(blocks->displacements, i);
        if (!blocks->in_bytes)
            fits =
                !__builtin_mul_overflow(displacements[i], old->extent, &displacements[i]) && fits;
    }
    if (!fits)
        *error = MPI_ERR_ARG;
    if (!*error)
        type = datatype_members(blocks->count, lengths, displacements, types, old, error);
    free(lengths);
    free(displacements);
    return type;
}

static int create_blocks(const char *call, bool large, const struct blocks *blocks,
                         MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    struct datatype *old = datatype_of(oldtype), *type = NULL;
    int error = check(call, blocks->count, old, newtype);
    struct making making;

    if (!error)
        error = blocks_check(call, blocks);
    if (error)
        return error;
    making = make_begin(call, large, blocks->combiner, 0, 2 + 2 * blocks->count, blocks->count, 1);
    blocks_note(&making, blocks);
    make_note_type(&making, old);
    if (!making.error)
        type = blocks_build(blocks, NULL, old, &making.error);
    return make_finish(&making, type, newtype);
}

#define LISTED(Combiner, Bytes, Count, Lengths, Displacements)                                     \
    &(struct blocks)                                                                               \
    {                                                                                              \
        .combiner = MPI_COMBINER_##Combiner, .in_bytes = (Bytes), .count = (Count),                \
        .lengths = NUMBERS(Lengths), .displacements = NUMBERS(Displacements)                       \
    }
#define EQUAL(Combiner, Bytes, Count, Length, Displacements)                                       \
    &(struct blocks)                                                                               \
    {                                                                                              \
        .combiner = MPI_COMBINER_##Combiner, .in_bytes = (Bytes), .count = (Count),                \
        .one_length = true, .length = (Length), .displacements = NUMBERS(Displacements)            \
    }

MPI_PROFILED(Type_indexed)
int PMPI_Type_indexed(int count, const int array_of_blocklengths[],
                      const int array_of_displacements[], MPI_Datatype oldtype,
                      MPI_Datatype *newtype)
{
    return create_blocks(
        "MPI_Type_indexed", false,
        LISTED(INDEXED, false, count, array_of_blocklengths, array_of_displacements), oldtype,
        newtype);
}

MPI_PROFILED(Type_indexed_c)
int PMPI_Type_indexed_c(MPI_Count count, const MPI_Count array_of_blocklengths[],
                        const MPI_Count array_of_displacements[], MPI_Datatype oldtype,
                        MPI_Datatype *newtype)
{
    return create_blocks(
        "MPI_Type_indexed_c", true,
        LISTED(INDEXED, false, count, array_of_blocklengths, array_of_displacements), oldtype,
        newtype);
}

MPI_PROFILED(Type_create_hindexed)
int PMPI_Type_create_hindexed(int count, const int array_of_blocklengths[],
                              const MPI_Aint array_of_displacements[], MPI_Datatype oldtype,
                              MPI_Datatype *newtype)
{
    return create_blocks(
        "MPI_Type_create_hindexed", false,
        LISTED(HINDEXED, true, count, array_of_blocklengths, array_of_displacements), oldtype,
        newtype);
}

MPI_PROFILED(Type_create_hindexed_c)
int PMPI_Type_create_hindexed_c(MPI_Count count, const MPI_Count array_of_blocklengths[],
                                const MPI_Count array_of_displacements[], MPI_Datatype oldtype,
                                MPI_Datatype *newtype)
{
    return create_blocks(
        "MPI_Type_create_hindexed_c", true,
        LISTED(HINDEXED, true, count, array_of_blocklengths, array_of_displacements), oldtype,
        newtype);
}

MPI_PROFILED(Type_create_indexed_block)
int PMPI_Type_create_indexed_block(int count, int blocklength, const int array_of_displacements[],
                                   MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    return create_blocks("MPI_Type_create_indexed_block", false,
                         EQUAL(INDEXED_BLOCK, false, count, blocklength, array_of_displacements),
                         oldtype, newtype);
}

MPI_PROFILED(Type_create_indexed_block_c)
int PMPI_Type_create_indexed_block_c(MPI_Count count, MPI_Count blocklength,
                                     const MPI_Count array_of_displacements[], MPI_Datatype oldtype,
                                     MPI_Datatype *newtype)
{
    return create_blocks("MPI_Type_create_indexed_block_c", true,
                         EQUAL(INDEXED_BLOCK, false, count, blocklength, array_of_displacements),
                         oldtype, newtype);
}

MPI_PROFILED(Type_create_hindexed_block)
int PMPI_Type_create_hindexed_block(int count, int blocklength,
                                    const MPI_Aint array_of_displacements[], MPI_Datatype oldtype,
                                    MPI_Datatype *newtype)
{
    return create_blocks("MPI_Type_create_hindexed_block", false,
                         EQUAL(HINDEXED_BLOCK, true, count, blocklength, array_of_displacements),
                         oldtype, newtype);
}

MPI_PROFILED(Type_create_hindexed_block_c)
int PMPI_Type_create_hindexed_block_c(MPI_Count count, MPI_Count blocklength,
                                      const MPI_Count array_of_displacements[],
                                      MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    return create_blocks("MPI_Type_create_hindexed_block_c", true,
                         EQUAL(HINDEXED_BLOCK, true, count, blocklength, array_of_displacements),
                         oldtype, newtype);
}

static int create_struct(const char *call, bool large, const struct blocks *blocks,
                         MPI_Datatype *newtype)
{
    struct datatype **types, *type = NULL;
    int error = check(call, blocks->count, datatype_of(MPI_BYTE), newtype);
    struct making making;

    if (!error && blocks->count > 0 && !blocks->types)
        error = error_raise(MPI_ERR_ARG, call, "an array is NULL");
    if (!error)
        error = blocks_check(call, blocks);
    for (int64_t i = 0; !error && i < blocks->count; i++)
        if (!datatype_of(blocks->types[i]))
            error = error_raise(MPI_ERR_TYPE, call, "type %lld is no datatype", (long long)i);
    if (error)
        return error;
    making = make_begin(call, large, MPI_COMBINER_STRUCT, 0, 1 + blocks->count, blocks->count,
                        blocks->count);
    blocks_note(&making, blocks);
    types = calloc((size_t)blocks->count + 1, sizeof(*types));
    if (!types)
        make_fail(&making, MPI_ERR_NO_MEM, NULL);
    for (int64_t i = 0; types && i < blocks->count; i++) {
        types[i] = datatype_of(blocks->types[i]);
        make_note_type(&making, types[i]);
    }
    if (!making.error)
        type = blocks_build(blocks, types, NULL, &making.error);
    free(types);
    return make_finish(&making, type, newtype);
}

MPI_PROFILED(Type_create_struct)
int PMPI_Type_create_struct(int count, const int array_of_blocklengths[],
                            const MPI_Aint array_of_displacements[],
                            const MPI_Datatype array_of_types[], MPI_Datatype *newtype)
{
    struct blocks *blocks =
        LISTED(STRUCT, true, count, array_of_blocklengths, array_of_displacements);

    blocks->types = array_of_types;
    return create_struct("MPI_Type_create_struct", false, blocks, newtype);
}

MPI_PROFILED(Type_create_struct_c)
int PMPI_Type_create_struct_c(MPI_Count count, const MPI_Count array_of_blocklengths[],
                              const MPI_Count array_of_displacements[],
                              const MPI_Datatype array_of_types[], MPI_Datatype *newtype)
{
    struct blocks *blocks =
        LISTED(STRUCT, true, count, array_of_blocklengths, array_of_displacements);

    blocks->types = array_of_types;
    return create_struct("MPI_Type_create_struct_c", true, blocks, newtype);
}

/* --- Commit and free
 * ------------------------------------------------------------------------------------------ */

MPI_PROFILED(Type_commit)
int PMPI_Type_commit(MPI_Datatype *datatype)
{
    struct datatype *type = datatype ? datatype_of(*datatype) : NULL;

    if (!type)
        return error_raise(MPI_ERR_TYPE, "MPI_Type_commit", NULL);
    type->committed = true;
    return MPI_SUCCESS;
}

MPI_PROFILED(Type_free)
int PMPI_Type_free(MPI_Datatype *datatype)
{
    struct datatype *type = datatype ? datatype_of(*datatype) : NULL;
    int error;

    if (!type || type->predefined)
        return error_raise(MPI_ERR_TYPE, "MPI_Type_free", "%s",
                           type ? "a predefined datatype cannot be freed" : "no datatype");
    error = attributes_delete(OBJECT_DATATYPE, type->handle, &type->attributes);
    if (error)
        return error_raise(error, "MPI_Type_free", "a delete function of an attribute failed");
    datatype_release(type);
    *datatype = MPI_DATATYPE_NULL;
    return MPI_SUCCESS;
}
