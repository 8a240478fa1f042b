/* The data representation external32 (MPI: File Interoperability): big-endian, of fixed sizes, the
 * same on every machine. Elements follow one another without gaps. */
#ifndef ABI_MPI_EXTERNAL_H
#define ABI_MPI_EXTERNAL_H

#include "abi/mpi/datatype.h"

/* Bytes of `count` datatypes in external32; INT64_MAX when that is more than 64 bits can say. */
int64_t external_bytes(const struct datatype *type, int64_t count);

/* Converts `count` datatypes at `buffer` to or from the external bytes. MPI_SUCCESS, or
 * MPI_ERR_CONVERSION when a value does not fit. */
int external_pack(const struct datatype *type, int64_t count, const void *buffer, void *external);
int external_unpack(const struct datatype *type, int64_t count, void *buffer, const void *external);

#endif
