/* Attributes (MPI: Caching): a keyval names a pair of functions, and every communicator, datatype
 * and window can hold a pointer for each keyval of its kind. Predefined attributes are not held
 * here but answered by attribute_predefined_*. Any thread may call. */
#ifndef ABI_MPI_ATTRIBUTE_H
#define ABI_MPI_ATTRIBUTE_H

#include "abi/mpi/object.h"

#include <mpi.h>

struct attribute;

/* Whose call it is, or whose functions a keyval has. */
enum attribute_language { ATTRIBUTE_C, ATTRIBUTE_FORTRAN };

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
 * MPI_ERR_KEYVAL. attribute_get: *found is false when the object has none. What Fortran sets is a
 * number: Fortran gets it as it is, C its address, which is good as long as the attribute is there.
 * What C sets is an address for both. */
int attribute_set(enum object_kind kind, void *handle, struct attributes *attributes, int keyval,
                  void *value, enum attribute_language language);
int attribute_get(enum object_kind kind, const struct attributes *attributes, int keyval,
                  enum attribute_language language, void **value, bool *found);
int attribute_delete(enum object_kind kind, void *handle, struct attributes *attributes,
                     int keyval);

/* The calls by these names, for programs in C and in Fortran. */
#define ATTRIBUTE_CALLS(name, Handle, Copy, Delete)                                                \
    int mpi_##name##_create_keyval(Copy *copy, Delete *delete, int *keyval, void *extra_state,     \
                                   enum attribute_language language);                              \
    int mpi_##name##_set_attr(Handle handle, int keyval, void *value,                              \
                              enum attribute_language language);                                   \
    int mpi_##name##_get_attr(Handle handle, int keyval, void *value, int *flag,                   \
                              enum attribute_language language);
ATTRIBUTE_CALLS(comm, MPI_Comm, MPI_Comm_copy_attr_function, MPI_Comm_delete_attr_function)
ATTRIBUTE_CALLS(type, MPI_Datatype, MPI_Type_copy_attr_function, MPI_Type_delete_attr_function)
ATTRIBUTE_CALLS(win, MPI_Win, MPI_Win_copy_attr_function, MPI_Win_delete_attr_function)

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
