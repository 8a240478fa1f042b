/* Handles as integers, for Fortran and for MPI_X_toint: a constant is its own value; an object gets
 * a number the first time it is asked for, and keeps it until it ends. Any thread may call. */
#ifndef ABI_MPI_HANDLE_H
#define ABI_MPI_HANDLE_H

#include "abi/mpi/object.h"

/* The integer of a handle; 0 when there is no memory for it. */
int handle_to_int(const void *handle);

/* The handle of an integer; NULL for one that stands for nothing. */
void *handle_from_int(int number);

/* An object ends: gives its number back, and marks it so that old handles are noticed. Whoever
 * frees an object calls it just before. */
void handle_end(struct object *object);

#endif
