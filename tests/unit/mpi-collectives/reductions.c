/* Reductions against a sequential model, for 1 to 16 ranks: every predefined operation with every
 * predefined type that the standard gives it, and operations of the program. The model folds the
 * contributions of all ranks, in their order, with MPI_Reduce_local, which the suite mpi-data
 * tests. */
#include "tests/unit/mpi-job/fake.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 5         /* elements of most */
#define LONG_COUNT 3000 /* beyond slots and eager messages */
#define ELEMENT_MOST 32 /* bytes */

enum group { INTEGER, FORTRAN_INTEGER, FLOATING, COMPLEX, LOGICAL, BYTES, PAIR, GROUPS };

/* MPI 5.0, section 6.9.2: which groups an operation takes, as bits. */
static const struct operation {
    MPI_Op op;
    unsigned groups;
} operations[] = {
    {MPI_MAX, 1 << INTEGER | 1 << FORTRAN_INTEGER | 1 << FLOATING},
    {MPI_MIN, 1 << INTEGER | 1 << FORTRAN_INTEGER | 1 << FLOATING},
    {MPI_SUM, 1 << INTEGER | 1 << FORTRAN_INTEGER | 1 << FLOATING | 1 << COMPLEX},
    {MPI_PROD, 1 << INTEGER | 1 << FORTRAN_INTEGER | 1 << FLOATING | 1 << COMPLEX},
    {MPI_LAND, 1 << INTEGER | 1 << LOGICAL},
    {MPI_LOR, 1 << INTEGER | 1 << LOGICAL},
    {MPI_LXOR, 1 << INTEGER | 1 << LOGICAL},
    {MPI_BAND, 1 << INTEGER | 1 << FORTRAN_INTEGER | 1 << BYTES},
    {MPI_BOR, 1 << INTEGER | 1 << FORTRAN_INTEGER | 1 << BYTES},
    {MPI_BXOR, 1 << INTEGER | 1 << FORTRAN_INTEGER | 1 << BYTES},
    {MPI_MINLOC, 1 << PAIR},
    {MPI_MAXLOC, 1 << PAIR},
};
#define OPERATIONS ((int)(sizeof(operations) / sizeof(operations[0])))

static const struct basic {
    MPI_Datatype type;
    enum group group;
} types[] = {
    {MPI_SIGNED_CHAR, INTEGER},
    {MPI_UNSIGNED_CHAR, INTEGER},
    {MPI_SHORT, INTEGER},
    {MPI_UNSIGNED_SHORT, INTEGER},
    {MPI_INT, INTEGER},
    {MPI_UNSIGNED, INTEGER},
    {MPI_LONG, INTEGER},
    {MPI_UNSIGNED_LONG, INTEGER},
    {MPI_LONG_LONG, INTEGER},
    {MPI_UNSIGNED_LONG_LONG, INTEGER},
    {MPI_INT8_T, INTEGER},
    {MPI_INT16_T, INTEGER},
    {MPI_INT32_T, INTEGER},
    {MPI_INT64_T, INTEGER},
    {MPI_UINT8_T, INTEGER},
    {MPI_UINT16_T, INTEGER},
    {MPI_UINT32_T, INTEGER},
    {MPI_UINT64_T, INTEGER},
    {MPI_AINT, INTEGER},
    {MPI_COUNT, INTEGER},
    {MPI_OFFSET, INTEGER},
    {MPI_INTEGER, FORTRAN_INTEGER},
    {MPI_INTEGER1, FORTRAN_INTEGER},
    {MPI_INTEGER2, FORTRAN_INTEGER},
    {MPI_INTEGER4, FORTRAN_INTEGER},
    {MPI_INTEGER8, FORTRAN_INTEGER},
    {MPI_FLOAT, FLOATING},
    {MPI_DOUBLE, FLOATING},
    {MPI_LONG_DOUBLE, FLOATING},
    {MPI_REAL, FLOATING},
    {MPI_DOUBLE_PRECISION, FLOATING},
    {MPI_C_FLOAT_COMPLEX, COMPLEX},
    {MPI_C_DOUBLE_COMPLEX, COMPLEX},
    {MPI_C_LONG_DOUBLE_COMPLEX, COMPLEX},
    {MPI_COMPLEX, COMPLEX},
    {MPI_DOUBLE_COMPLEX, COMPLEX},
    {MPI_C_BOOL, LOGICAL},
    {MPI_LOGICAL, LOGICAL},
    {MPI_BYTE, BYTES},
    {MPI_FLOAT_INT, PAIR},
    {MPI_DOUBLE_INT, PAIR},
    {MPI_LONG_INT, PAIR},
    {MPI_SHORT_INT, PAIR},
    {MPI_2INT, PAIR},
    {MPI_LONG_DOUBLE_INT, PAIR},
};
#define TYPES ((int)(sizeof(types) / sizeof(types[0])))

/* A small number for element `at` of a rank: products of sixteen are exact in a float. */
static int number(int rank, int at, unsigned round)
{
    unsigned hash = ((unsigned)rank * 31 + (unsigned)at) * 2654435761u + round * 40503u;
    return (int)(hash >> 13) % 2 + 1;
}

#define FILL(Type) ((Type *)buffer)[i] = (Type)number(rank, i, round)
#define FILL_PAIR(Value)                                                                           \
    do {                                                                                           \
        struct {                                                                                   \
            Value value;                                                                           \
            int place;                                                                             \
        } *pair = (void *)((char *)buffer + i * extent);                                           \
        pair->value = (Value)number(rank, i, round);                                               \
        pair->place = rank;                                                                        \
    } while (0)

/* This rank's contribution; bytes that are no data are zero, so that all can be compared. */
static void fill(void *buffer, const struct basic *basic, int count, int rank, unsigned round)
{
    MPI_Aint low, extent;
    int bytes;
    MPI_Type_get_extent(basic->type, &low, &extent);
    MPI_Type_size(basic->type, &bytes);
    memset(buffer, 0, (size_t)(count * extent));
    for (int i = 0; i < count; i++) {
        switch (basic->group) {
        case FLOATING:
        case COMPLEX:
            if (basic->type == MPI_LONG_DOUBLE)
                FILL(long double);
            else if (basic->group == FLOATING && bytes == 4)
                FILL(float);
            else if (basic->group == FLOATING)
                FILL(double);
            else if (bytes == 8)
                FILL(_Complex float);
            else if (bytes == 16)
                FILL(_Complex double);
            else
                FILL(_Complex long double);
            break;
        case LOGICAL:
            if (bytes == 1)
                ((unsigned char *)buffer)[i] = number(rank, i, round) == 2;
            else
                ((int *)buffer)[i] = number(rank, i, round) == 2;
            break;
        case PAIR:
            if (basic->type == MPI_FLOAT_INT)
                FILL_PAIR(float);
            else if (basic->type == MPI_DOUBLE_INT)
                FILL_PAIR(double);
            else if (basic->type == MPI_LONG_INT)
                FILL_PAIR(long);
            else if (basic->type == MPI_SHORT_INT)
                FILL_PAIR(short);
            else if (basic->type == MPI_2INT)
                FILL_PAIR(int);
            else
                FILL_PAIR(long double);
            break;
        default: { /* small integers of any size look alike in their first byte */
            int value = number(rank, i, round) * (basic->group == BYTES ? 37 : 1);
            memcpy((char *)buffer + i * bytes, &value, bytes < 4 ? (size_t)bytes : 4);
        }
        }
    }
}

/* The contributions of ranks [0, last], folded. */
static void model(void *result, const struct basic *basic, MPI_Op op, int count, int last,
                  unsigned round)
{
    MPI_Aint low, extent;
    MPI_Type_get_extent(basic->type, &low, &extent);
    char *left = malloc((size_t)(count * extent) + 1);
    fill(result, basic, count, last, round);
    for (int rank = last - 1; rank >= 0; rank--) { /* right = left op right */
        fill(left, basic, count, rank, round);
        MPI_Reduce_local(left, result, count, basic->type, op);
    }
    free(left);
}

static char own[LONG_COUNT * ELEMENT_MOST], result[LONG_COUNT * ELEMENT_MOST],
    wanted[LONG_COUNT * ELEMENT_MOST];

static void expect(const struct basic *basic, int count, const char *what, int op, int size)
{
    MPI_Aint low, extent;
    MPI_Type_get_extent(basic->type, &low, &extent);
    for (int i = 0; i < count; i++) {
        /* x87's numbers have ten bytes, and what lies behind them is anything. */
        const char *a = result + i * extent, *b = wanted + i * extent;
        bool same = memcmp(a, b, 10 < extent ? 10 : (size_t)extent) == 0;
        if (basic->type == MPI_C_LONG_DOUBLE_COMPLEX)
            same = same && memcmp(a + 16, b + 16, 10) == 0;
        else if (basic->type == MPI_LONG_DOUBLE_INT)
            same = same && memcmp(a + 16, b + 16, sizeof(int)) == 0;
        else if (basic->type != MPI_LONG_DOUBLE)
            same = memcmp(a, b, (size_t)extent) == 0;
        RANK_CHECK(same, "%s of %d ranks, operation %d, type %d, element %d of %d", what, size, op,
                   (int)(basic - types), i, count);
    }
}

enum form { ALLREDUCE, REDUCE, SCAN, EXSCAN, SCATTER_BLOCK, SCATTER, IALLREDUCE, FORMS };
static const char *const form_names[] = {
    "MPI_Allreduce",      "MPI_Reduce",    "MPI_Scan", "MPI_Exscan", "MPI_Reduce_scatter_block",
    "MPI_Reduce_scatter", "MPI_Iallreduce"};

static void all_of(const struct basic *basic, MPI_Op op, int count, char *to, const char *from,
                   bool waits)
{
    MPI_Request request;
    if (waits) {
        MPI_Allreduce(from, to, count, basic->type, op, MPI_COMM_WORLD);
        return;
    }
    MPI_Iallreduce(from, to, count, basic->type, op, MPI_COMM_WORLD, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
}

/* One reduction of `count` elements (of one for each rank, where the result is spread). */
static void reduce(enum form form, const struct basic *basic, int number_of_op, MPI_Op op,
                   int count, int rank, int size, unsigned round)
{
    MPI_Aint low, extent;
    int counts[JOB_RANKS_MAX], root = (int)(round % (unsigned)size), got = count, place = 0;
    bool in_place = round % 3 == 0;
    const void *from = in_place ? MPI_IN_PLACE : own;
    MPI_Type_get_extent(basic->type, &low, &extent);
    if (form == SCATTER_BLOCK || form == SCATTER) {
        count = 0;
        for (int i = 0; i < size; i++) {
            counts[i] = form == SCATTER ? (i + (int)round) % 3 : 2;
            place += i < rank ? counts[i] : 0;
            count += counts[i];
        }
        got = counts[rank];
    }
    fill(own, basic, count, rank, round);
    memcpy(result, own, (size_t)(count * extent)); /* the input of MPI_IN_PLACE */
    switch (form) {
    case REDUCE:
        MPI_Reduce(in_place && rank == root ? MPI_IN_PLACE : own, result, count, basic->type, op,
                   root, MPI_COMM_WORLD);
        break;
    case SCAN:
        MPI_Scan(from, result, count, basic->type, op, MPI_COMM_WORLD);
        break;
    case EXSCAN:
        MPI_Exscan(from, result, count, basic->type, op, MPI_COMM_WORLD);
        break;
    case SCATTER_BLOCK:
        MPI_Reduce_scatter_block(from, result, got, basic->type, op, MPI_COMM_WORLD);
        break;
    case SCATTER:
        MPI_Reduce_scatter(from, result, counts, basic->type, op, MPI_COMM_WORLD);
        break;
    default:
        all_of(basic, op, count, result, from, form == ALLREDUCE);
    }
    if ((form == REDUCE && rank != root) || (form == EXSCAN && rank == 0))
        return;
    model(wanted, basic, op, count,
          form == SCAN     ? rank
          : form == EXSCAN ? rank - 1
                           : size - 1,
          round);
    memmove(wanted, wanted + place * extent, (size_t)(got * extent));
    expect(basic, got, form_names[form], number_of_op, size);
}

/* Every operation with every type that it takes, once as MPI_Allreduce and once in another form. */
static void predefined(int rank, int size)
{
    unsigned round = 0;
    for (int i = 0; i < OPERATIONS; i++)
        for (int j = 0; j < TYPES; j++) {
            if (!(operations[i].groups >> types[j].group & 1))
                continue;
            round++;
            reduce(ALLREDUCE, &types[j], i, operations[i].op, COUNT, rank, size, round);
            reduce(round % FORMS, &types[j], i, operations[i].op, COUNT, rank, size, round + 1000);
        }
}

/* Long ones, in every form. */
static void long_ones(int rank, int size)
{
    for (int form = 0; form < FORMS; form++)
        for (unsigned round = 1; round <= 3; round++) {
            reduce(form, &types[13], 2, MPI_SUM, round == 1 ? LONG_COUNT : (int)round * 300, rank,
                   size, round);
            reduce(form, &types[27], 2, MPI_SUM, round == 1 ? 600 : 0, rank, size, round);
        }
}

#define REDUCTION_TEST(Ranks)                                                                      \
    Test(reductions, predefined_of_##Ranks, .timeout = 60)                                         \
    {                                                                                              \
        job_run(Ranks, MPI_THREAD_SINGLE, 50, predefined);                                         \
    }                                                                                              \
    Test(reductions, long_of_##Ranks, .timeout = 60)                                               \
    {                                                                                              \
        job_run(Ranks, MPI_THREAD_SINGLE, 50, long_ones);                                          \
    }
REDUCTION_TEST(1)
REDUCTION_TEST(2)
REDUCTION_TEST(3)
REDUCTION_TEST(4)
REDUCTION_TEST(5)
REDUCTION_TEST(6)
REDUCTION_TEST(7)
REDUCTION_TEST(8)
REDUCTION_TEST(9)
REDUCTION_TEST(10)
REDUCTION_TEST(11)
REDUCTION_TEST(12)
REDUCTION_TEST(13)
REDUCTION_TEST(14)
REDUCTION_TEST(15)
REDUCTION_TEST(16)

/* --- Operations of the program -----------------------------------------------------------------
 */

/* Affine maps x -> ax + b modulo 2^32, composed: associative, and the order matters. */
struct map {
    uint32_t a, b;
};

static void compose(void *in, void *inout, int *count, MPI_Datatype *type)
{
    const struct map *left = in;
    struct map *right = inout;
    (void)type;
    for (int i = 0; i < *count; i++)
        right[i] = (struct map){left[i].a * right[i].a, left[i].a * right[i].b + left[i].b};
}

static struct map map_of(int rank, int at)
{
    return (struct map){(uint32_t)(rank * 2 + 3 + at), (uint32_t)(rank * 1000 + at + 1)};
}

static struct map map_model(int last, int at)
{
    struct map all = map_of(last, at);
    for (int rank = last - 1; rank >= 0; rank--) {
        struct map left = map_of(rank, at);
        all = (struct map){left.a * all.a, left.a * all.b + left.b};
    }
    return all;
}

static void order_of(int rank, int size, int count, MPI_Datatype type, MPI_Op op)
{
    struct map *mine = malloc(sizeof(*mine) * (size_t)count),
               *all = malloc(sizeof(*all) * (size_t)count);
    int root = count % size;
    for (int i = 0; i < count; i++)
        mine[i] = map_of(rank, i);
    for (int form = 0; form < 4; form++) {
        int last = form < 2 ? size - 1 : form == 2 ? rank : rank - 1;
        if (form == 0)
            MPI_Allreduce(mine, all, count, type, op, MPI_COMM_WORLD);
        else if (form == 1)
            MPI_Reduce(mine, all, count, type, op, root, MPI_COMM_WORLD);
        else if (form == 2)
            MPI_Scan(mine, all, count, type, op, MPI_COMM_WORLD);
        else
            MPI_Exscan(mine, all, count, type, op, MPI_COMM_WORLD);
        for (int i = 0; i < count && last >= 0 && (form != 1 || rank == root); i++) {
            struct map right = map_model(last, i);
            RANK_CHECK(all[i].a == right.a && all[i].b == right.b, "form %d, element %d of %d",
                       form, i, count);
        }
    }
    free(mine);
    free(all);
}

static void own_operation(int rank, int size)
{
    MPI_Datatype type;
    MPI_Op op;
    MPI_Type_contiguous(2, MPI_UINT32_T, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(compose, 0, &op);
    for (int count = 1; count <= 4000; count = count * 5 + 1)
        order_of(rank, size, count, type, op);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}

Test(reductions, own_operation_keeps_the_order, .timeout = 60)
{
    static const int sizes[] = {1, 2, 3, 4, 6, 9, 16};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        job_run(sizes[i], MPI_THREAD_SINGLE, 50, own_operation);
}
