/* Every predefined operation with every predefined type against a model that computes one element
 * at a time; operations of the program; what may not be combined. */
#include "tests/unit/mpi-data/support.h"

#include "abi/mpi/op.h"
#include "abi/mpi/op_kernels.h"

#include <complex.h>
#include <math.h>

#define COUNT 37

static const MPI_Op ops[] = {MPI_SUM,  MPI_PROD, MPI_MIN, MPI_MAX,  MPI_BAND,   MPI_BOR,
                             MPI_BXOR, MPI_LAND, MPI_LOR, MPI_LXOR, MPI_MINLOC, MPI_MAXLOC};
enum { OPS = sizeof(ops) / sizeof(ops[0]) };

/* MPI_CHAR counts, beyond the standard. */
static enum basic_class class_of(const struct datatype *type)
{
    return type->handle == MPI_CHAR ? BASIC_SIGNED : (enum basic_class)type->class;
}

/* Which operations the standard gives to a type: one letter for each group of them. */
static bool allowed(MPI_Op op, const struct datatype *type)
{
    bool arithmetic = op == MPI_SUM || op == MPI_PROD, order = op == MPI_MIN || op == MPI_MAX;
    bool bits = op == MPI_BAND || op == MPI_BOR || op == MPI_BXOR;
    bool logic = op == MPI_LAND || op == MPI_LOR || op == MPI_LXOR;
    const char *name = type->standard_name;
    bool fortran = strncmp(name, "MPI_INTEGER", 11) == 0;

    switch (class_of(type)) {
    case BASIC_SIGNED:
    case BASIC_UNSIGNED:
        return arithmetic || order || bits || (logic && !fortran);
    case BASIC_FLOAT:
        return arithmetic || order;
    case BASIC_COMPLEX:
        return arithmetic;
    case BASIC_LOGICAL:
        return logic;
    case BASIC_BYTE:
        return bits;
    case BASIC_PAIR:
        return op == MPI_MINLOC || op == MPI_MAXLOC;
    default:
        return false;
    }
}

/* One element of `size` bytes as a number of 128 bits, and back. */
static __int128 load(const void *at, int64_t size, bool is_signed)
{
    unsigned __int128 value = 0;

    memcpy(&value, at, (size_t)size);
    if (is_signed && size < 16 && (value >> (size * 8 - 1) & 1))
        value |= ~(unsigned __int128)0 << (size * 8);
    return (__int128)value;
}

static __int128 model_integer(MPI_Op op, __int128 a, __int128 b)
{
    if (op == MPI_SUM)
        return (__int128)((unsigned __int128)a + (unsigned __int128)b);
    if (op == MPI_PROD)
        return (__int128)((unsigned __int128)a * (unsigned __int128)b);
    if (op == MPI_MIN)
        return a < b ? a : b;
    if (op == MPI_MAX)
        return a > b ? a : b;
    if (op == MPI_BAND)
        return a & b;
    if (op == MPI_BOR)
        return a | b;
    if (op == MPI_BXOR)
        return a ^ b;
    if (op == MPI_LAND)
        return a && b;
    if (op == MPI_LOR)
        return a || b;
    return !a != !b;
}

static __float128 load_float(const struct datatype *type, const void *at)
{
    float f;
    double d;
    long double l;
    __float128 q;

    switch (type->size) {
    case 4:
        memcpy(&f, at, 4);
        return f;
    case 8:
        memcpy(&d, at, 8);
        return d;
    default:
        if (type->handle == MPI_REAL16) {
            memcpy(&q, at, 16);
            return q;
        }
        memcpy(&l, at, 16);
        return l;
    }
}

static void store_float(const struct datatype *type, void *at, int64_t value)
{
    float f = (float)value;
    double d = (double)value;
    long double l = value;
    __float128 q = value;

    if (type->size == 4)
        memcpy(at, &f, 4);
    else if (type->size == 8)
        memcpy(at, &d, 8);
    else if (type->handle == MPI_REAL16)
        memcpy(at, &q, 16);
    else
        memcpy(at, &l, 16);
}

static void fill(uint64_t *seed, const struct datatype *type, unsigned char *buffer)
{
    for (int i = 0; i < COUNT * type->extent; i++)
        buffer[i] = (unsigned char)random_next(seed);
    for (int i = 0; i < COUNT; i++) {
        unsigned char *at = buffer + i * type->extent;

        if (type->class == BASIC_FLOAT)
            store_float(type, at, random_in(seed, -1000, 1000));
        if (type->class == BASIC_LOGICAL) {
            memset(at, 0, (size_t)type->size);
            at[0] = (unsigned char)random_in(seed, 0, 1);
        }
        if ((class_of(type) == BASIC_SIGNED || type->class == BASIC_UNSIGNED) &&
            random_in(seed, 0, 2) == 0)
            memset(at, 0, (size_t)type->size); /* for the logical ones */
    }
}

static void check_numbers(MPI_Op op, MPI_Datatype handle, uint64_t *seed)
{
    const struct datatype *type = datatype_of(handle);
    unsigned char *left = malloc((size_t)(COUNT * type->extent) + 1), *right, *before;
    int error;

    right = malloc((size_t)(COUNT * type->extent) + 1);
    before = malloc((size_t)(COUNT * type->extent) + 1);
    /* where elements lie must not matter: every second type is not aligned */
    unsigned char *in = left + (type->size % 2 || type->handle != MPI_INT ? 0 : 1);
    unsigned char *inout = right;

    fill(seed, type, in);
    fill(seed, type, inout);
    memcpy(before, inout, (size_t)(COUNT * type->extent));
    error = MPI_Reduce_local(in, inout, COUNT, handle, op);
    for (int i = 0; i < COUNT; i++) {
        const unsigned char *a = in + i * type->extent, *b = before + i * type->extent;
        const unsigned char *r = inout + i * type->extent;

        cr_assert_eq(error, MPI_SUCCESS);
        if (type->class == BASIC_FLOAT) {
            __float128 x = load_float(type, a), y = load_float(type, b), z = load_float(type, r);

            cr_assert(z == (op == MPI_SUM    ? x + y
                            : op == MPI_PROD ? x * y
                            : op == MPI_MIN  ? (x < y ? x : y)
                                             : (x > y ? x : y)),
                      "%s", type->standard_name);
        } else {
            bool is_signed = class_of(type) == BASIC_SIGNED;
            __int128 x = load(a, type->size, is_signed), y = load(b, type->size, is_signed);
            __int128 z = model_integer(op, x, y);

            cr_assert(memcmp(&z, r, (size_t)type->size) == 0, "%s", type->standard_name);
        }
    }
    free(left);
    free(right);
    free(before);
}

static void check_complex(MPI_Op op, MPI_Datatype handle)
{
    if (datatype_of(handle)->size == 8) {
        float complex a = 1 + 2 * I, b = 3 - I;
        cr_assert_eq(MPI_Reduce_local(&a, &b, 1, handle, op), MPI_SUCCESS);
        cr_assert(b == (op == MPI_SUM ? 4 + 1 * I : 5 + 5 * I));
    } else if (datatype_of(handle)->size == 16) {
        double complex a = 1 + 2 * I, b = 3 - I;
        cr_assert_eq(MPI_Reduce_local(&a, &b, 1, handle, op), MPI_SUCCESS);
        cr_assert(b == (op == MPI_SUM ? 4 + 1 * I : 5 + 5 * I));
    } else if (handle == MPI_COMPLEX32) {
        complex_quad a = 1 + 2 * I, b = 3 - I;
        cr_assert_eq(MPI_Reduce_local(&a, &b, 1, handle, op), MPI_SUCCESS);
        cr_assert(b == (op == MPI_SUM ? 4 + 1 * I : 5 + 5 * I));
    } else {
        long double complex a = 1 + 2 * I, b = 3 - I;
        cr_assert_eq(MPI_Reduce_local(&a, &b, 1, handle, op), MPI_SUCCESS);
        cr_assert(b == (op == MPI_SUM ? 4 + 1 * I : 5 + 5 * I));
    }
}

#define CHECK_PAIR(Handle, Value, Index)                                                           \
    do {                                                                                           \
        struct {                                                                                   \
            Value value;                                                                           \
            Index index;                                                                           \
        } a[3] = {{1, 9}, {5, 3}, {5, 2}}, b[3] = {{2, 4}, {4, 8}, {5, 6}}, c[3];                  \
        memcpy(c, b, sizeof(c));                                                                   \
        cr_assert_eq(MPI_Reduce_local(a, b, 3, Handle, MPI_MINLOC), MPI_SUCCESS);                  \
        cr_assert(b[0].value == 1 && b[0].index == 9 && b[1].value == 4 && b[1].index == 8);       \
        cr_assert(b[2].value == 5 && b[2].index == 2);                                             \
        cr_assert_eq(MPI_Reduce_local(a, c, 3, Handle, MPI_MAXLOC), MPI_SUCCESS);                  \
        cr_assert(c[0].value == 2 && c[0].index == 4 && c[1].value == 5 && c[1].index == 3);       \
        cr_assert(c[2].value == 5 && c[2].index == 2);                                             \
    } while (0)

Test(op, every_operation_on_every_type)
{
    uint64_t seed = 88172645463325252u;
    int used = 0;

    errors_return();
    for (uintptr_t value = DATATYPE_FIRST; value < DATATYPE_FIRST + DATATYPE_CONSTANTS; value++) {
        const struct datatype *type = datatype_of((MPI_Datatype)value);

        for (int o = 0; type && o < OPS; o++) {
            char a[64] = {0}, b[64] = {0};

            if (!allowed(ops[o], type)) {
                cr_assert_eq(MPI_Reduce_local(a, b, 1, type->handle, ops[o]), MPI_ERR_OP, "%s",
                             type->standard_name);
                continue;
            }
            used++;
            if (type->class == BASIC_COMPLEX)
                check_complex(ops[o], type->handle);
            else if (type->class != BASIC_PAIR)
                check_numbers(ops[o], type->handle, &seed);
        }
    }
    cr_assert_gt(used, 300);
    CHECK_PAIR(MPI_FLOAT_INT, float, int);
    CHECK_PAIR(MPI_DOUBLE_INT, double, int);
    CHECK_PAIR(MPI_LONG_INT, long, int);
    CHECK_PAIR(MPI_2INT, int, int);
    CHECK_PAIR(MPI_SHORT_INT, short, int);
    CHECK_PAIR(MPI_LONG_DOUBLE_INT, long double, int);
    CHECK_PAIR(MPI_2REAL, float, float);
    CHECK_PAIR(MPI_2DOUBLE_PRECISION, double, double);
    CHECK_PAIR(MPI_2INTEGER, int, int);
}

static void digits(void *in, void *inout, int *count, MPI_Datatype *type)
{
    int *a = in, *b = inout;

    cr_assert_eq(*type, MPI_INT);
    for (int i = 0; i < *count; i++)
        b[i] = a[i] * 10 + b[i]; /* does not commute */
}

static void digits_large(void *in, void *inout, MPI_Count *count, MPI_Datatype *type)
{
    int all = (int)*count;

    digits(in, inout, &all, type);
}

Test(op, operations_of_the_program)
{
    int a[3] = {1, 2, 3}, b[3] = {4, 5, 6}, commute = 7;
    MPI_Op op, large;

    errors_return();
    cr_assert_eq(MPI_Op_create(digits, 0, &op), MPI_SUCCESS);
    cr_assert_eq(MPI_Op_create_c(digits_large, 1, &large), MPI_SUCCESS);
    cr_assert_eq(MPI_Reduce_local(a, b, 3, MPI_INT, op), MPI_SUCCESS);
    cr_assert(b[0] == 14 && b[1] == 25 && b[2] == 36);
    cr_assert_eq(MPI_Reduce_local(a, b, 3, MPI_INT, large), MPI_SUCCESS);
    cr_assert(b[0] == 24 && b[2] == 66);
    cr_assert_eq(MPI_Op_commutative(op, &commute), MPI_SUCCESS);
    cr_assert_eq(commute, 0);
    cr_assert_eq(MPI_Op_commutative(large, &commute), MPI_SUCCESS);
    cr_assert_eq(commute, 1);
    cr_assert_eq(MPI_Op_commutative(MPI_SUM, &commute), MPI_SUCCESS);
    cr_assert_eq(commute, 1);
    cr_assert_eq(MPI_Op_free(&op), MPI_SUCCESS);
    cr_assert_eq(op, MPI_OP_NULL);
    cr_assert_eq(MPI_Op_free(&op), MPI_ERR_OP);
    cr_assert_eq(MPI_Op_free(&large), MPI_SUCCESS);
    large = MPI_SUM;
    cr_assert_eq(MPI_Op_free(&large), MPI_ERR_OP);
    cr_assert_eq(MPI_Reduce_local(a, b, 3, MPI_INT, MPI_REPLACE), MPI_ERR_OP);
    cr_assert_eq(MPI_Reduce_local(a, a, 3, MPI_INT, MPI_SUM), MPI_ERR_BUFFER);
    cr_assert_eq(MPI_Reduce_local(a, b, -1, MPI_INT, MPI_SUM), MPI_ERR_COUNT);
}

Test(op, accumulate_into_a_derived_type)
{
    double target[8] = {0, 1, 2, 3, 4, 5, 6, 7}, packed[4] = {10, 20, 30, 40};
    struct {
        short value;
        int index;
    } pairs[2] = {{5, 1}, {6, 2}};
    char packed_pairs[12];
    MPI_Datatype type;
    struct datatype_stream stream;
    short value = 4;
    int index = 9;

    errors_return();
    MPI_Type_vector(4, 1, 2, MPI_DOUBLE, &type);
    MPI_Type_commit(&type);
    stream = datatype_stream(target, 1, datatype_of(type));
    cr_assert_eq(op_check(op_of(MPI_SUM), datatype_of(type), true), MPI_SUCCESS);
    cr_assert_eq(op_check(op_of(MPI_SUM), datatype_of(type), false), MPI_ERR_OP);
    op_accumulate(op_of(MPI_SUM), &stream, 8, 24, packed);
    cr_assert(target[0] == 0 && target[2] == 12 && target[4] == 24 && target[6] == 36);
    op_accumulate(op_of(MPI_REPLACE), &stream, 0, 16, packed);
    cr_assert(target[0] == 10 && target[2] == 20 && target[1] == 1 && target[4] == 24);
    op_accumulate(op_of(MPI_NO_OP), &stream, 0, 32, packed);
    cr_assert(target[0] == 10 && target[6] == 36);
    MPI_Type_free(&type);

    memcpy(packed_pairs, &value, 2);
    memcpy(packed_pairs + 2, &index, 4);
    value = 7;
    memcpy(packed_pairs + 6, &value, 2);
    memcpy(packed_pairs + 8, &index, 4);
    stream = datatype_stream(pairs, 2, datatype_of(MPI_SHORT_INT));
    op_accumulate(op_of(MPI_MINLOC), &stream, 0, 12, packed_pairs);
    cr_assert(pairs[0].value == 4 && pairs[0].index == 9 && pairs[1].value == 6 &&
              pairs[1].index == 2);
}
