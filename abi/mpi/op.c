/* Operations: which there are, which types they take, and their use. */

#include "abi/mpi/op.h"

#include "abi/mpi/errhandler.h"
#include "abi/mpi/handle.h"
#include "abi/mpi/op_kernels.h"
#include "abi/mpi/profile.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- The predefined ones
 * -------------------------------------------------------------------------- */

#define OP_FIRST 0x20 /* the constants' range */
#define OP_CONSTANTS 0x20

#define PREDEFINED(Name)                                                                           \
    static struct op op_##Name = {                                                                 \
        .object = {.kind = OBJECT_OP, .references = 1},                                            \
        .handle = MPI_##Name,                                                                      \
        .predefined = true,                                                                        \
        .commutative = ROW_##Name != ROW_REPLACE && ROW_##Name != ROW_NO_OP,                       \
        .index = ROW_##Name,                                                                       \
    };
#define FOR_EACH_OP(X)                                                                             \
    X(SUM)                                                                                         \
    X(PROD)                                                                                        \
    X(MIN)                                                                                         \
    X(MAX)                                                                                         \
    X(BAND)                                                                                        \
    X(BOR) X(BXOR) X(LAND) X(LOR) X(LXOR) X(MINLOC) X(MAXLOC) X(REPLACE) X(NO_OP)
FOR_EACH_OP(PREDEFINED)

static struct op *predefined_of(uintptr_t value)
{
#define CASE(Name)                                                                                 \
    case (uintptr_t)MPI_##Name:                                                                    \
        return &op_##Name;
    switch (value) {
        FOR_EACH_OP(CASE)
    default:
        return NULL;
    }
}

struct op *op_of(MPI_Op handle)
{
    uintptr_t value = (uintptr_t)handle;

    if (value - OP_FIRST < OP_CONSTANTS)
        return predefined_of(value);
    return object_of(handle, OBJECT_OP);
}

struct op *op_retain(struct op *op)
{
    if (!op->predefined)
        object_retain(&op->object);
    return op;
}

void op_release(struct op *op)
{
    if (op->predefined || !object_release(&op->object))
        return;
    handle_end(&op->object);
    free(op);
}

/* --- Operations and types
 * ------------------------------------------------------------------------------ */

/* The column for integers of a size, or OP_COLUMNS. */
static int column_by_size(int64_t size, int of_1, int most)
{
    int column = of_1;

    for (int64_t bytes = 1; bytes < size; bytes *= 2)
        column++;
    return column <= most ? column : OP_COLUMNS;
}

static int column_of_pair(const struct datatype *type)
{
    switch ((uintptr_t)type->handle) {
    case (uintptr_t)MPI_FLOAT_INT:
        return COLUMN_FLOAT_INT;
    case (uintptr_t)MPI_DOUBLE_INT:
        return COLUMN_DOUBLE_INT;
    case (uintptr_t)MPI_LONG_INT:
        return COLUMN_LONG_INT;
    case (uintptr_t)MPI_2INT:
    case (uintptr_t)MPI_2INTEGER:
        return COLUMN_2INT;
    case (uintptr_t)MPI_SHORT_INT:
        return COLUMN_SHORT_INT;
    case (uintptr_t)MPI_LONG_DOUBLE_INT:
        return COLUMN_LONG_DOUBLE_INT;
    case (uintptr_t)MPI_2REAL:
        return COLUMN_2REAL;
    case (uintptr_t)MPI_2DOUBLE_PRECISION:
        return COLUMN_2DOUBLE_PRECISION;
    default:
        return OP_COLUMNS;
    }
}

/* Two formats have 16 bytes: the processor's own of 80 bits, and Fortran's of 128. */
static bool is_quad(const struct datatype *type)
{
    return type->unit->handle == MPI_REAL16 || type->unit->handle == MPI_COMPLEX32;
}

/* The column of a predefined type, or OP_COLUMNS. */
static int column_of(const struct datatype *type)
{
    switch ((enum basic_class)type->class) {
    case BASIC_SIGNED:
        return column_by_size(type->size, COLUMN_S8, COLUMN_S128);
    case BASIC_UNSIGNED:
    case BASIC_BYTE:
        return column_by_size(type->size, COLUMN_U8, COLUMN_U64);
    case BASIC_LOGICAL:
        return column_by_size(type->size, COLUMN_L8, COLUMN_L128);
    case BASIC_FLOAT:
        if (is_quad(type))
            return COLUMN_F128;
        return type->size == 4 ? COLUMN_F32 : type->size == 8 ? COLUMN_F64 : COLUMN_F80;
    case BASIC_COMPLEX:
        if (is_quad(type))
            return COLUMN_C128;
        return type->size == 8 ? COLUMN_C32 : type->size == 16 ? COLUMN_C64 : COLUMN_C80;
    case BASIC_PAIR:
        return column_of_pair(type);
    case BASIC_CHARACTER: /* beyond the standard, as programs expect it: MPI_CHAR counts */
        return type->unit->handle == MPI_CHAR ? COLUMN_S8 : OP_COLUMNS;
    case BASIC_NONE:
        break;
    }
    return OP_COLUMNS;
}

static bool is_fortran_integer(const struct datatype *type)
{
    return type->class == BASIC_SIGNED &&
           (type->unit->handle == MPI_INTEGER ||
            (uintptr_t)type->unit->handle >= (uintptr_t)MPI_LOGICAL1);
}

op_kernel *op_find_kernel(const struct op *op, const struct datatype *type)
{
    int column;

    if (!op->predefined || !type->predefined)
        return NULL;
    /* A byte has no number in it; a Fortran INTEGER is no truth value. */
    if (type->class == BASIC_BYTE && (op->index < ROW_BAND || op->index > ROW_BXOR))
        return NULL;
    if (op->index >= ROW_LAND && op->index <= ROW_LXOR && is_fortran_integer(type))
        return NULL;
    column = column_of(type);
    return column < OP_COLUMNS ? op_kernels[op->index][column] : NULL;
}

int op_check(const struct op *op, const struct datatype *type, bool accumulate)
{
    if (!op || !type)
        return MPI_ERR_OP;
    if (!op->predefined)
        return accumulate ? MPI_ERR_OP : MPI_SUCCESS;
    if (op->index == ROW_REPLACE || op->index == ROW_NO_OP)
        return accumulate ? MPI_SUCCESS : MPI_ERR_OP;
    if (accumulate && !type->unit && type->size == 0) /* no element that would not do */
        return MPI_SUCCESS;
    if (accumulate)
        type = type->unit;
    return type && op_find_kernel(op, type) ? MPI_SUCCESS : MPI_ERR_OP;
}

/* --- Use
 * ---------------------------------------------------------------------------------------------------
 */

static void apply_user(const struct op *op, const void *left, void *right, int64_t count,
                       const struct datatype *type)
{
    char *in = (char *)(uintptr_t)left, *inout = right;
    MPI_Datatype handle = type->handle;

    if (op->function_c) {
        MPI_Count all = count;

        op->function_c(in, inout, &all, &handle);
        return;
    }
    while (count > 0) { /* a function with int counts gets as many at a time as an int can say */
        int part = count > INT_MAX ? INT_MAX : (int)count;

        if (op->function_fortran) {
            MPI_Fint number = handle_to_int(handle), length = part;

            op->function_fortran(in, inout, &length, &number);
        } else {
            int length = part;

            op->function(in, inout, &length, &handle);
        }
        count -= part;
        if (count > 0) {
            in += part * type->extent;
            inout += part * type->extent;
        }
    }
}

void op_apply(const struct op *op, const void *left, void *right, int64_t count,
              const struct datatype *type)
{
    op_kernel *kernel;

    if (count == 0)
        return;
    if (!op->predefined) {
        apply_user(op, left, right, count, type);
        return;
    }
    kernel = op_find_kernel(op, type);
    if (kernel)
        kernel(left, right, count);
}

/* One pair with a gap in it: in and out of an aligned copy. */
static void accumulate_pairs(op_kernel *kernel, const struct datatype_stream *target, int64_t from,
                             int64_t bytes, const char *packed)
{
    const struct datatype *unit = target->type->unit;
    union {
        long double align;
        char bytes[32];
    } left = {0}, right = {0}; /* at least the extent of the largest pair */
    struct datatype_stream left_stream = datatype_stream(&left, 1, unit);
    struct datatype_stream right_stream = datatype_stream(&right, 1, unit);
    char between[32];

    for (int64_t done = 0; done < bytes; done += unit->size) {
        datatype_unpack(&left_stream, 0, unit->size, packed + done);
        datatype_pack(target, from + done, unit->size, between);
        datatype_unpack(&right_stream, 0, unit->size, between);
        kernel(&left, &right, 1);
        datatype_pack(&right_stream, 0, unit->size, between);
        datatype_unpack(target, from + done, unit->size, between);
    }
}

void op_accumulate(const struct op *op, const struct datatype_stream *target, int64_t from,
                   int64_t bytes, const void *packed)
{
    const struct datatype *unit = target->type->unit;
    const char *data = packed;
    op_kernel *kernel;

    if (bytes == 0 || op->index == ROW_NO_OP)
        return;
    if (op->index == ROW_REPLACE) {
        datatype_unpack(target, from, bytes, packed);
        return;
    }
    kernel = op_find_kernel(op, unit);
    if (unit->class == BASIC_PAIR) {
        accumulate_pairs(kernel, target, from, bytes, packed);
        return;
    }
    while (bytes > 0) {
        int64_t length;
        char *piece = datatype_piece(target, from, &length);

        if (length > bytes)
            length = bytes;
        kernel(data, piece, length / unit->size);
        data += length;
        from += length;
        bytes -= length;
    }
}

/* --- Calls
 * ----------------------------------------------------------------------------------------------------
 */

static int op_create(const char *call, MPI_User_function *function, MPI_User_function_c *function_c,
                     int commute, MPI_Op *op)
{
    struct op *created;

    if ((!function && !function_c) || !op)
        return error_raise(MPI_ERR_ARG, call, "the function or the handle is NULL");
    created = calloc(1, sizeof(*created));
    if (!created)
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    object_begin(&created->object, OBJECT_OP);
    created->handle = (MPI_Op)created;
    created->commutative = commute != 0;
    created->function = function;
    created->function_c = function_c;
    *op = created->handle;
    return MPI_SUCCESS;
}

MPI_PROFILED(Op_create)
int PMPI_Op_create(MPI_User_function *user_fn, int commute, MPI_Op *op)
{
    return op_create("MPI_Op_create", user_fn, NULL, commute, op);
}

MPI_PROFILED(Op_create_c)
int PMPI_Op_create_c(MPI_User_function_c *user_fn, int commute, MPI_Op *op)
{
    return op_create("MPI_Op_create_c", NULL, user_fn, commute, op);
}

MPI_PROFILED(Op_free)
int PMPI_Op_free(MPI_Op *op)
{
    struct op *freed = op ? op_of(*op) : NULL;

    if (!freed || freed->predefined)
        return error_raise(MPI_ERR_OP, "MPI_Op_free", "%s",
                           freed ? "a predefined operation cannot be freed" : "no operation");
    op_release(freed);
    *op = MPI_OP_NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(Op_commutative)
int PMPI_Op_commutative(MPI_Op op, int *commute)
{
    const struct op *asked = op_of(op);

    if (!asked)
        return error_raise(MPI_ERR_OP, "MPI_Op_commutative", NULL);
    if (!commute)
        return error_raise(MPI_ERR_ARG, "MPI_Op_commutative", "commute is NULL");
    *commute = asked->commutative;
    return MPI_SUCCESS;
}

static int reduce_local(const char *call, const void *inbuf, void *inoutbuf, MPI_Count count,
                        MPI_Datatype datatype, MPI_Op op)
{
    const struct datatype *type = datatype_of(datatype);
    const struct op *used = op_of(op);
    int error = datatype_check(type, count);

    if (error == MPI_ERR_COUNT)
        return error_raise(error, call, "count is %lld, less than 0", (long long)count);
    if (error)
        return error_raise(error, call, "%s", type ? "the datatype is not committed" : "none");
    if (op_check(used, type, false))
        return error_raise(MPI_ERR_OP, call, "datatype %s",
                           type->standard_name ? type->standard_name : "made by the program");
    if (count > 0 && (inbuf == MPI_IN_PLACE || inoutbuf == MPI_IN_PLACE || inbuf == inoutbuf))
        return error_raise(MPI_ERR_BUFFER, call, "the buffers must be two different ones");
    op_apply(used, inbuf, inoutbuf, count, type);
    return MPI_SUCCESS;
}

MPI_PROFILED(Reduce_local)
int PMPI_Reduce_local(const void *inbuf, void *inoutbuf, int count, MPI_Datatype datatype,
                      MPI_Op op)
{
    return reduce_local("MPI_Reduce_local", inbuf, inoutbuf, count, datatype, op);
}

MPI_PROFILED(Reduce_local_c)
int PMPI_Reduce_local_c(const void *inbuf, void *inoutbuf, MPI_Count count, MPI_Datatype datatype,
                        MPI_Op op)
{
    return reduce_local("MPI_Reduce_local_c", inbuf, inoutbuf, count, datatype, op);
}
