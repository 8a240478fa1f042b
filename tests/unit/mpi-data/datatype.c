/* Random nested datatypes against the model: sizes and bounds, packing in one piece and in random
 * ones, counting elements, and MPI_Type_get_contents, from which the same type is built again. */
#include "tests/unit/mpi-data/model.h"
#include "tests/unit/mpi-data/support.h"

#include "abi/mpi/datatype.h"
#include "abi/mpi/status.h"

#define ROUNDS 3000
#define MOST_ELEMENTS 300

/* Memory for `count` of a type, with every byte it may touch within it. */
struct arena {
    unsigned char *memory, *base; /* base: what MPI calls the buffer */
    int64_t size;
};

static struct arena arena_make(const int64_t *bytes, int64_t n)
{
    int64_t low = 0, high = 1;
    struct arena arena;

    for (int64_t i = 0; i < n; i++) {
        low = bytes[i] < low ? bytes[i] : low;
        high = bytes[i] + 1 > high ? bytes[i] + 1 : high;
    }
    arena.size = high - low;
    arena.memory = malloc((size_t)arena.size); /* AddressSanitizer guards both ends */
    arena.base = arena.memory - low;
    for (int64_t i = 0; i < arena.size; i++)
        arena.memory[i] = (unsigned char)(i * 7 + 3);
    return arena;
}

static void check_bounds(MPI_Datatype type, const struct model *model, uint64_t seed)
{
    struct model_bounds expected = model_bounds(model);
    MPI_Count size, lb, extent, true_lb, true_extent;
    MPI_Aint small_lb, small_extent;
    int small_size;

    cr_assert_eq(MPI_Type_size_c(type, &size), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_size(type, &small_size), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_get_extent_c(type, &lb, &extent), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_get_extent(type, &small_lb, &small_extent), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_get_true_extent_c(type, &true_lb, &true_extent), MPI_SUCCESS);
    cr_assert_eq(size, expected.size, "size, seed %lu", seed);
    cr_assert_eq(small_size, expected.size);
    cr_assert_eq(lb, expected.lb, "lb %ld, not %ld, seed %lu", lb, expected.lb, seed);
    cr_assert_eq(extent, expected.extent, "extent %ld, not %ld, seed %lu", extent, expected.extent,
                 seed);
    cr_assert(small_lb == lb && small_extent == extent);
    cr_assert_eq(true_lb, expected.true_lb, "true lb, seed %lu", seed);
    cr_assert_eq(true_extent, expected.true_extent, "true extent, seed %lu", seed);
}

/* Packs in random pieces, in random order, and compares with the list of bytes; then back. */
static void check_packing(MPI_Datatype type, const struct model *model, uint64_t *seed)
{
    int64_t count = random_in(seed, 0, 4), n, at;
    int64_t *bytes = model_bytes(model, count, &n);
    struct arena arena = arena_make(bytes, n), target;
    struct datatype_stream stream = datatype_stream(arena.base, count, datatype_of(type));
    unsigned char *packed = malloc((size_t)n + 1), *whole = malloc((size_t)n + 1);
    int64_t position = 0;

    cr_assert_eq(stream.bytes, n);
    for (at = 0; at < n;) {
        int64_t part = random_in(seed, 1, n - at);

        part = random_in(seed, 0, 1) && part > 9 ? random_in(seed, 1, 9) : part;
        datatype_pack(&stream, at, part, packed + at);
        at += part;
    }
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(packed[i], arena.base[bytes[i]], "byte %ld of %ld", i, n);
    cr_assert_eq(MPI_Pack_c(arena.base, count, type, whole, n, &position, MPI_COMM_SELF),
                 n > 0 && !datatype_of(type)->committed ? MPI_ERR_TYPE : MPI_SUCCESS);
    cr_assert_eq(position, n);
    cr_assert_arr_eq(whole, packed, (size_t)n);
    for (at = 0; at < n;) { /* and as runs */
        int64_t length;
        unsigned char *piece = (unsigned char *)datatype_piece(&stream, at, &length);

        cr_assert(length > 0 && at + length <= n);
        cr_assert_eq(piece, arena.base + bytes[at]);
        cr_assert_eq(piece + length - 1, arena.base + bytes[at + length - 1]);
        at += length;
    }

    /* the way back: nothing but those bytes changes (the last of bytes that overlap wins, so only
     * types without overlap can be compared byte by byte) */
    target = arena_make(bytes, n);
    memset(target.memory, 0xee, (size_t)target.size);
    stream.buffer = (char *)target.base;
    for (at = 0; at < n;) {
        int64_t part = random_in(seed, 1, n - at);

        datatype_unpack(&stream, at, part, packed + at);
        at += part;
    }
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(target.base[bytes[i]], arena.base[bytes[i]]);
    for (int64_t i = 0; i < n; i++)
        target.base[bytes[i]] = 0xee;
    for (int64_t i = 0; i < target.size; i++)
        cr_assert_eq(target.memory[i], 0xee, "a byte beside the type was written");

    /* from one layout to another */
    memset(target.memory, 0, (size_t)target.size);
    struct datatype_stream from = datatype_stream(arena.base, count, datatype_of(type));
    struct datatype_stream into = datatype_stream(target.base, count, datatype_of(type));
    datatype_copy(&into, &from);
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(target.base[bytes[i]], arena.base[bytes[i]]);

    free(bytes);
    free(packed);
    free(whole);
    free(arena.memory);
    free(target.memory);
}

static void check_elements(MPI_Datatype type, const struct model *model, uint64_t *seed)
{
    struct model_bounds bounds = model_bounds(model);
    int64_t bytes = random_in(seed, 0, 3 * bounds.size), expected = 0, left = bytes;
    MPI_Status status = {0};
    MPI_Count elements, count;

    while (bounds.size > 0 && left > 0) {
        for (int i = 0; i < model->count && left > 0; i++) {
            if (model->entries[i].marker)
                continue;
            left -= model->entries[i].size;
            expected++;
        }
    }
    status_set(&status, 0, 0, bytes);
    cr_assert_eq(MPI_Get_elements_c(&status, type, &elements), MPI_SUCCESS);
    cr_assert_eq(elements, left < 0 ? MPI_UNDEFINED : expected);
    cr_assert_eq(MPI_Get_count_c(&status, type, &count), MPI_SUCCESS);
    if (bounds.size == 0)
        cr_assert_eq(count, 0);
    else
        cr_assert_eq(count, bytes % bounds.size ? MPI_UNDEFINED : bytes / bounds.size);
    if (left == 0 && bounds.size > 0) {
        status_set(&status, 0, 0, 0);
        cr_assert_eq(MPI_Status_set_elements_c(&status, type, expected), MPI_SUCCESS);
        cr_assert_eq(status_bytes(&status), bytes);
    }
}

/* The type built again from its envelope. */
static MPI_Datatype rebuild(MPI_Datatype type)
{
    MPI_Count ni, na, nc, nd;
    int combiner;
    MPI_Datatype made = MPI_DATATYPE_NULL;

    cr_assert_eq(MPI_Type_get_envelope_c(type, &ni, &na, &nc, &nd, &combiner), MPI_SUCCESS);
    int *i = calloc((size_t)ni + 1, sizeof(*i));
    MPI_Aint *a = calloc((size_t)na + 1, sizeof(*a));
    MPI_Count *c = calloc((size_t)nc + 1, sizeof(*c));
    MPI_Datatype *d = calloc((size_t)nd + 1, sizeof(MPI_Datatype));
    cr_assert_eq(MPI_Type_get_contents_c(type, ni, na, nc, nd, i, a, c, d), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_get_contents_c(type, ni - 1, na, nc, nd, i, a, c, d), MPI_ERR_ARG);
    bool large = nc > 0;
    switch (combiner) {
    case MPI_COMBINER_DUP:
        MPI_Type_dup(d[0], &made);
        break;
    case MPI_COMBINER_CONTIGUOUS:
        if (large)
            MPI_Type_contiguous_c(c[0], d[0], &made);
        else
            MPI_Type_contiguous(i[0], d[0], &made);
        break;
    case MPI_COMBINER_VECTOR:
        if (large)
            MPI_Type_vector_c(c[0], c[1], c[2], d[0], &made);
        else
            MPI_Type_vector(i[0], i[1], i[2], d[0], &made);
        break;
    case MPI_COMBINER_HVECTOR:
        if (large)
            MPI_Type_create_hvector_c(c[0], c[1], c[2], d[0], &made);
        else
            MPI_Type_create_hvector(i[0], i[1], a[0], d[0], &made);
        break;
    case MPI_COMBINER_INDEXED:
        if (large)
            MPI_Type_indexed_c(c[0], c + 1, c + 1 + c[0], d[0], &made);
        else
            MPI_Type_indexed(i[0], i + 1, i + 1 + i[0], d[0], &made);
        break;
    case MPI_COMBINER_HINDEXED:
        if (large)
            MPI_Type_create_hindexed_c(c[0], c + 1, c + 1 + c[0], d[0], &made);
        else
            MPI_Type_create_hindexed(i[0], i + 1, a, d[0], &made);
        break;
    case MPI_COMBINER_INDEXED_BLOCK:
        if (large)
            MPI_Type_create_indexed_block_c(c[0], c[1], c + 2, d[0], &made);
        else
            MPI_Type_create_indexed_block(i[0], i[1], i + 2, d[0], &made);
        break;
    case MPI_COMBINER_HINDEXED_BLOCK:
        if (large)
            MPI_Type_create_hindexed_block_c(c[0], c[1], c + 2, d[0], &made);
        else
            MPI_Type_create_hindexed_block(i[0], i[1], a, d[0], &made);
        break;
    case MPI_COMBINER_STRUCT:
        if (large)
            MPI_Type_create_struct_c(c[0], c + 1, c + 1 + c[0], d, &made);
        else
            MPI_Type_create_struct(i[0], i + 1, a, d, &made);
        break;
    case MPI_COMBINER_RESIZED:
        if (large)
            MPI_Type_create_resized_c(d[0], c[0], c[1], &made);
        else
            MPI_Type_create_resized(d[0], a[0], a[1], &made);
        break;
    case MPI_COMBINER_SUBARRAY:
        if (large)
            MPI_Type_create_subarray_c(i[0], c, c + i[0], c + 2 * i[0], i[1], d[0], &made);
        else
            MPI_Type_create_subarray(i[0], i + 1, i + 1 + i[0], i + 1 + 2 * i[0], i[1 + 3 * i[0]],
                                     d[0], &made);
        break;
    case MPI_COMBINER_DARRAY:
        if (large)
            MPI_Type_create_darray_c(i[0], i[1], i[2], c, i + 3, i + 3 + i[2], i + 3 + 2 * i[2],
                                     i[3 + 3 * i[2]], d[0], &made);
        else
            MPI_Type_create_darray(i[0], i[1], i[2], i + 3, i + 3 + i[2], i + 3 + 2 * i[2],
                                   i + 3 + 3 * i[2], i[3 + 4 * i[2]], d[0], &made);
        break;
    default:
        cr_assert_fail("combiner %d", combiner);
    }
    for (int n = 0; n < nd; n++)
        if (!datatype_of(d[n])->predefined)
            cr_assert_eq(MPI_Type_free(&d[n]), MPI_SUCCESS);
    free(i);
    free(a);
    free(c);
    free(d);
    return made;
}

Test(datatype, random_types_do_as_their_type_map_says, .timeout = 60)
{
    errors_return();
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t seed = round * 0x9e3779b97f4a7c15u;
        struct model model = {0};
        MPI_Datatype type = model_random(&seed, (int)random_in(&seed, 1, 4), MOST_ELEMENTS, &model);
        MPI_Datatype again;

        cr_assert_eq(MPI_Type_commit(&type), MPI_SUCCESS);
        check_bounds(type, &model, round);
        check_packing(type, &model, &seed);
        check_elements(type, &model, &seed);
        again = rebuild(type);
        cr_assert_eq(MPI_Type_commit(&again), MPI_SUCCESS);
        cr_assert_eq(MPI_Type_free(&type), MPI_SUCCESS);
        cr_assert_eq(type, MPI_DATATYPE_NULL);
        check_bounds(again, &model, round);
        check_packing(again, &model, &seed);
        cr_assert_eq(MPI_Type_free(&again), MPI_SUCCESS);
        model_free(&model);
    }
}

Test(datatype, every_predefined_type_is_whole)
{
    int found = 0;

    for (uintptr_t value = DATATYPE_FIRST; value < DATATYPE_FIRST + DATATYPE_CONSTANTS; value++) {
        MPI_Datatype type = (MPI_Datatype)value;
        const struct datatype *object = datatype_of(type);
        char name[MPI_MAX_OBJECT_NAME];
        MPI_Count ni, na, nc, nd;
        int length, combiner;

        if (!object)
            continue;
        found++;
        cr_assert_eq(object->handle, type);
        cr_assert_eq(MPI_Type_get_name(type, name, &length), MPI_SUCCESS);
        cr_assert(strncmp(name, "MPI_", 4) == 0 && (size_t)length == strlen(name));
        cr_assert_eq(MPI_Type_get_envelope_c(type, &ni, &na, &nc, &nd, &combiner), MPI_SUCCESS);
        cr_assert(combiner == MPI_COMBINER_NAMED && ni + na + nc + nd == 0);
        cr_assert_eq(object->layout.node->size, object->size);
        /* the ABI's rule for types of fixed size */
        if ((value & 0xc0) == 0xc0 && value != (uintptr_t)MPI_COMPLEX32)
            cr_assert_eq(object->size, 1 << (value >> 3 & 7), "%s", name);
        if ((value & 0xc0) == 0x40)
            cr_assert_eq(object->size, 1 << (value >> 3 & 7), "%s", name);
    }
    cr_assert_eq(found, 68);
}

Test(datatype, shared_layouts_are_merged)
{
    MPI_Datatype row, matrix, column;

    errors_return();
    /* a matrix of rows that follow one another is one run of bytes */
    MPI_Type_contiguous(10, MPI_DOUBLE, &row);
    MPI_Type_vector(5, 1, 1, row, &matrix);
    cr_assert(datatype_of(matrix)->contiguous);
    /* a column is a loop over elements, also when it is given as a list */
    const int at[4] = {0, 10, 20, 30};
    MPI_Type_create_indexed_block(4, 1, at, MPI_DOUBLE, &column);
    cr_assert_eq(datatype_of(column)->layout.node->kind, LAYOUT_LOOP);
    MPI_Type_free(&row);
    MPI_Type_free(&matrix);
    MPI_Type_free(&column);
}

Test(datatype, fortran_types_by_precision)
{
    MPI_Datatype first, second, integer;
    int ni, na, nd, combiner, size, numbers[2];

    errors_return();
    cr_assert_eq(MPI_Type_create_f90_real(15, MPI_UNDEFINED, &first), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_create_f90_real(15, MPI_UNDEFINED, &second), MPI_SUCCESS);
    cr_assert_eq(first, second);
    cr_assert_eq(MPI_Type_size(first, &size), MPI_SUCCESS);
    cr_assert_eq(size, 8);
    cr_assert_eq(MPI_Type_get_envelope(first, &ni, &na, &nd, &combiner), MPI_SUCCESS);
    cr_assert(combiner == MPI_COMBINER_F90_REAL && ni == 2 && na == 0 && nd == 0);
    cr_assert_eq(MPI_Type_get_contents(first, 2, 0, 0, numbers, NULL, NULL), MPI_SUCCESS);
    cr_assert(numbers[0] == 15 && numbers[1] == MPI_UNDEFINED);
    cr_assert_eq(MPI_Type_free(&second), MPI_ERR_TYPE);
    cr_assert_eq(MPI_Type_create_f90_integer(9, &integer), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_size(integer, &size), MPI_SUCCESS);
    cr_assert_eq(size, 4);
    cr_assert_eq(MPI_Type_create_f90_integer(39, &integer), MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_create_f90_real(34, 1, &first), MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_match_size(MPI_TYPECLASS_REAL, 8, &first), MPI_SUCCESS);
    cr_assert_eq(first, MPI_REAL8);
    cr_assert_eq(MPI_Type_match_size(MPI_TYPECLASS_REAL, 3, &first), MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_get_value_index(MPI_DOUBLE, MPI_INT, &first), MPI_SUCCESS);
    cr_assert_eq(first, MPI_DOUBLE_INT);
    cr_assert_eq(MPI_Type_get_value_index(MPI_INT, MPI_DOUBLE, &first), MPI_SUCCESS);
    cr_assert_eq(first, MPI_DATATYPE_NULL);
}

Test(datatype, external32_is_big_endian_and_comes_back)
{
    struct {
        int i;
        double d;
        long double l;
        long n;
        char c[3];
    } in = {0x01020304, 1.5, -2.25L, -5, "abc"}, out = {0};
    const int lengths[] = {1, 1, 1, 1, 3};
    const MPI_Aint at[] = {(char *)&in.i - (char *)&in, (char *)&in.d - (char *)&in,
                           (char *)&in.l - (char *)&in, (char *)&in.n - (char *)&in,
                           (char *)&in.c - (char *)&in};
    const MPI_Datatype types[] = {MPI_INT, MPI_DOUBLE, MPI_LONG_DOUBLE, MPI_LONG, MPI_CHAR};
    unsigned char bytes[64];
    MPI_Datatype type;
    MPI_Aint size, position = 0;

    errors_return();
    MPI_Type_create_struct(5, lengths, at, types, &type);
    MPI_Type_commit(&type);
    cr_assert_eq(MPI_Pack_external_size("external32", 1, type, &size), MPI_SUCCESS);
    cr_assert_eq(size, 4 + 8 + 16 + 4 + 3);
    cr_assert_eq(MPI_Pack_external("external32", &in, 1, type, bytes, sizeof bytes, &position),
                 MPI_SUCCESS);
    cr_assert_eq(position, size);
    cr_assert_arr_eq(bytes, "\1\2\3\4\x3f\xf8\0\0\0\0\0\0\xc0\x00\x20\0", 16);
    cr_assert_arr_eq(bytes + 28,
                     "\xff\xff\xff\xfb"
                     "abc",
                     7);
    position = 0;
    cr_assert_eq(MPI_Unpack_external("external32", bytes, size, &position, &out, 1, type),
                 MPI_SUCCESS);
    cr_assert(out.i == in.i && out.d == in.d && out.l == in.l && out.n == in.n &&
              memcmp(out.c, in.c, 3) == 0);
    in.n = 1L << 40;
    position = 0;
    cr_assert_eq(MPI_Pack_external("external32", &in, 1, type, bytes, sizeof bytes, &position),
                 MPI_ERR_CONVERSION);
    cr_assert_eq(MPI_Pack_external_size("native", 1, type, &size), MPI_ERR_ARG);
    MPI_Type_free(&type);
}
