/* What Fortran's calls need beside the C functions: strings, arrays of handles, and the places that
 * stand for MPI_BOTTOM, MPI_IN_PLACE and the like (common blocks in mpif.h, known by address). */
#ifndef ABI_MPI_FORTRAN_FORTRAN_H
#define ABI_MPI_FORTRAN_FORTRAN_H

#include "abi/mpi/profile.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* gfortran's names: small letters and an underscore. pmpi_name_ is the function, mpi_name_ its weak
 * alias. */
#define FORTRAN_PROFILED(name) MPI_ALIAS(mpi_##name##_, pmpi_##name##_)

/* mpi_f08 lets a program leave ierror out: its address is NULL then. */
#define FORTRAN_OPTIONAL(ierror)                                                                   \
    MPI_Fint ignored_;                                                                             \
    if ((ierror) == NULL)                                                                          \
    (ierror) = &ignored_

/* The longest text that a call gives back, with the closing zero. */
#define FORTRAN_TEXT MPI_MAX_LIBRARY_VERSION_STRING

/* The C argument for a buffer, a status, statuses, weights: the constant when it is one's place. */
void *fortran_buffer(void *buffer);
MPI_Status *fortran_status(MPI_Fint *status);
MPI_Status *fortran_statuses(MPI_Fint *statuses);
int *fortran_weights(int *weights);

/* A copy with a closing zero of a string that is padded with blanks; to be freed. Ends the job when
 * there is no memory. */
char *fortran_string(const char *string, size_t length);
/* The same without the blanks before it, as infos want it. */
char *fortran_key(const char *string, size_t length);
/* The other way: cut or padded. */
void fortran_text(char *to, size_t length, const char *text);

/* An array of handles from one of integers; to be freed. With count <= 0 NULL. */
enum fortran_kind { FORTRAN_REQUEST, FORTRAN_DATATYPE, FORTRAN_INFO };
void *fortran_handles(int count, const MPI_Fint numbers[], enum fortran_kind kind);
/* And back, unless the call has failed with an error other than MPI_ERR_IN_STATUS. */
void fortran_numbers(int count, void *handles, MPI_Fint numbers[], int error);

/* The ranks that an alltoall sends to; a process's neighbours that send, or that receive. */
int fortran_targets(MPI_Fint comm);
int fortran_neighbours(MPI_Fint comm, bool sources);

#endif
