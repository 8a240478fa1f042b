/* Reduction operations (MPI: Global Reduction Operations), predefined and the program's own. */
#ifndef ABI_MPI_OP_H
#define ABI_MPI_OP_H

#include "abi/mpi/datatype.h"
#include "abi/mpi/object.h"

#include <mpi.h>

/* right[i] = left[i] op right[i] for `count` basic elements that lie back to back; `left` and
 * `right` do not overlap. What is `left` comes from the lower rank: order matters to operations
 * that do not commute. */
typedef void op_kernel(const void *left, void *right, int64_t count);

struct op {
    struct object object;
    MPI_Op handle;
    bool predefined;
    bool commutative;
    uint8_t index; /* of a predefined one: its row of kernels */
    /* of a program's own, one of them: */
    MPI_User_function *function;
    MPI_User_function_c *function_c;
    /* and for one made in Fortran, whose function takes all by reference and integers for handles:
     */
    void (*function_fortran)(void *in, void *inout, MPI_Fint *count, MPI_Fint *datatype);
};

/* By its handle; NULL for MPI_OP_NULL and for whatever is no operation. */
struct op *op_of(MPI_Op handle);
struct op *op_retain(struct op *op);
void op_release(struct op *op);

/* Whether a reduction may use the operation with the type: MPI_SUCCESS or MPI_ERR_OP. MPI_REPLACE
 * and MPI_NO_OP are for accumulates alone (`accumulate` true), and a user's operation is not. An
 * accumulate may use a derived type whose elements are all of one predefined type, or that has
 * none. */
int op_check(const struct op *op, const struct datatype *type, bool accumulate);

/* The loop for a predefined operation and type, for callers that use it many times; NULL for a
 * user's operation, MPI_NO_OP, and pairs of operation and type that are not allowed. */
op_kernel *op_find_kernel(const struct op *op, const struct datatype *type);

/* right = left op right, for `count` of `type` at each (MPI_Reduce_local). The pair must have
 * passed op_check. `left` is not written by the library; a user's function might. */
void op_apply(const struct op *op, const void *left, void *right, int64_t count,
              const struct datatype *type);

/* Accumulate: the packed `bytes` of elements of type->unit at `packed` are combined into the
 * target stream, from stream position `from` on; the position lies between two elements. */
void op_accumulate(const struct op *op, const struct datatype_stream *target, int64_t from,
                   int64_t bytes, const void *packed);

#endif
