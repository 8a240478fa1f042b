/* Generalized requests: the program's own operations as requests. */
#ifndef ABI_MPI_GENERALIZED_H
#define ABI_MPI_GENERALIZED_H

#include "abi/mpi/library.h"

/* For the calls that complete, free and cancel requests: call the program's functions. */
int generalized_query(struct request *request, MPI_Status *status);
void generalized_free(struct request *request);
int generalized_cancel(struct request *request);

#endif
