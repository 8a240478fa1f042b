/* The loops of the predefined operations: one for each operation and each type of number that the
 * processor knows; the many datatypes that are the same number share them. */
#ifndef ABI_MPI_OP_KERNELS_H
#define ABI_MPI_OP_KERNELS_H

#include "abi/mpi/op.h"

enum op_row {
    ROW_SUM,
    ROW_PROD,
    ROW_MIN,
    ROW_MAX,
    ROW_BAND,
    ROW_BOR,
    ROW_BXOR,
    ROW_LAND,
    ROW_LOR,
    ROW_LXOR,
    ROW_MINLOC,
    ROW_MAXLOC,
    ROW_REPLACE,
    ROW_NO_OP,
    OP_ROWS
};

enum op_column {
    COLUMN_S8,
    COLUMN_S16,
    COLUMN_S32,
    COLUMN_S64,
    COLUMN_S128,
    COLUMN_U8,
    COLUMN_U16,
    COLUMN_U32,
    COLUMN_U64,
    COLUMN_F32,
    COLUMN_F64,
    COLUMN_F80,
    COLUMN_F128,
    COLUMN_C32, /* complex, of two F32, and so on */
    COLUMN_C64,
    COLUMN_C80,
    COLUMN_C128,
    COLUMN_L8, /* truth values by their size; what is not 0 is true, and true is written as 1 */
    COLUMN_L16,
    COLUMN_L32,
    COLUMN_L64,
    COLUMN_L128,
    COLUMN_FLOAT_INT, /* pairs */
    COLUMN_DOUBLE_INT,
    COLUMN_LONG_INT,
    COLUMN_2INT,
    COLUMN_SHORT_INT,
    COLUMN_LONG_DOUBLE_INT,
    COLUMN_2REAL,
    COLUMN_2DOUBLE_PRECISION,
    OP_COLUMNS
};

/* NULL where the operation is not one for such numbers. */
extern op_kernel *const op_kernels[OP_ROWS][OP_COLUMNS];

#endif
