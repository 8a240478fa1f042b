/* What the constructors of datatypes share: noting the arguments for MPI_Type_get_contents, and
 * handing the new type out. */
#ifndef ABI_MPI_DATATYPE_MAKE_H
#define ABI_MPI_DATATYPE_MAKE_H

#include "abi/mpi/datatype.h"
#include "abi/mpi/numbers.h"

/* One call of a constructor. Begun with the call's name and what it makes; every step after a
 * failed one does nothing, and make_finish raises the first error. */
struct making {
    const char *call;
    bool large; /* a _c function */
    int error;  /* the first one's class, or MPI_SUCCESS */
    const char *reason;
    struct datatype_envelope *envelope;
};

/* Room for `integers` that are int in both functions, `counts` that are MPI_Count in the _c one,
 * `addresses` that are MPI_Aint and there MPI_Count too, and `types`. */
struct making make_begin(const char *call, bool large, int combiner, int64_t integers,
                         int64_t counts, int64_t addresses, int64_t types);

/* The arguments in the order in which MPI_Type_get_contents gives them. */
void make_note_integer(struct making *making, int value);
void make_note_integers(struct making *making, int64_t count, const int values[]);
void make_note_count(struct making *making, int64_t value);
void make_note_counts(struct making *making, int64_t count, struct numbers values);
void make_note_address(struct making *making, int64_t value);
void make_note_addresses(struct making *making, int64_t count, struct numbers values);
void make_note_type(struct making *making, struct datatype *type);

/* Fails the call, unless it has failed before. */
void make_fail(struct making *making, int error, const char *reason);

/* Gives the type to the program with its envelope (type NULL: the call has failed, with
 * making->error), or frees both. What the call returns. */
int make_finish(struct making *making, struct datatype *type, MPI_Datatype *newtype);

/* Raises an argument's error before anything was begun. */
int make_refuse(const char *call, int error, const char *reason);

#endif
