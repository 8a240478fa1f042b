/* Attributes (MPI: Caching): a keyval names a pair of functions, and every communicator, datatype
 * and window can hold a pointer for each keyval of its kind. Predefined attributes are not held
 * here but answered by attribute_predefined_*. Any thread may call. */
#ifndef ABI_MPI_ATTRIBUTE_H
#define ABI_MPI_ATTRIBUTE_H

#include "abi/mpi/object.h"

#include <mpi.h>

struct attribute;

/* An object's attributes; all zero is none. */
struct attributes {
    struct attribute *entries; /* in the order in which they were set */
    int count, room;
};

/* For the dup of an object: calls the copy functions, and sets in `to` what they want. Returns
 * MPI_SUCCESS, MPI_ERR_NO_MEM, or what a copy function returned (then `to` is empty again).
 * `kind` is OBJECT_COMM, OBJECT_DATATYPE or OBJECT_WIN, `from_handle` the old object. */
int attributes_copy(enum object_kind kind, void *from_handle, const struct attributes *from,
                    void *to_handle, struct attributes *to);

/* For the end of an object: calls the delete functions, last set first, and forgets the attributes.
 * Returns MPI_SUCCESS or what a delete function returned; that attribute and those before it stay.
 */
int attributes_delete(enum object_kind kind, void *handle, struct attributes *attributes);

/* For MPI_X_set_attr, get_attr, delete_attr and the keyvals. `keyval` was made for this kind, else
 * MPI_ERR_KEYVAL. attribute_get: *found is false when the object has none. */
int attribute_set(enum object_kind kind, void *handle, struct attributes *attributes, int keyval,
                  void *value);
int attribute_get(enum object_kind kind, const struct attributes *attributes, int keyval,
                  void **value, bool *found);
int attribute_delete(enum object_kind kind, void *handle, struct attributes *attributes,
                     int keyval);

/* The predefined attributes of communicators: set once at initialisation. */
struct attribute_predefined {
    int tag_ub, wtime_is_global, universe_size, appnum, io, host;
};
extern struct attribute_predefined attribute_predefined;
/* The address of a predefined attribute's value, or NULL when the key is no such one (or, for
 * MPI_APPNUM and MPI_UNIVERSE_SIZE, when its value is MPI_UNDEFINED: then *is_key is still true).
 */
void *attribute_predefined_comm(int keyval, bool *is_key);

#endif
