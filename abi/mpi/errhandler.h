/* Errors and who hears of them (MPI: Error Handling).
 *
 * Inside the library a function returns an error class (MPI_SUCCESS is 0). Where a call of the
 * program ends, the error is raised once, through the error handler of the communicator, window,
 * file or session that the call was about, or of MPI_COMM_SELF when there is none. What the handler
 * lets come back is what the call returns:
 *
 *     return error_raise(MPI_ERR_COUNT, "MPI_Type_contiguous", "count is %d, less than 0", count);
 */
#ifndef ABI_MPI_ERRHANDLER_H
#define ABI_MPI_ERRHANDLER_H

#include "abi/mpi/object.h"

#include <mpi.h>

enum errhandler_action { ERRHANDLER_FATAL, ERRHANDLER_ABORT, ERRHANDLER_RETURN, ERRHANDLER_CALL };

struct errhandler {
    struct object object;
    enum errhandler_action action;
    enum object_kind about; /* ERRHANDLER_CALL: the kind of object it is for */
    union {
        MPI_Comm_errhandler_function *comm;
        MPI_Win_errhandler_function *win;
        MPI_File_errhandler_function *file;
        MPI_Session_errhandler_function *session;
    } function;
    /* One made in Fortran: called instead, with the object's integer. */
    void (*function_fortran)(MPI_Fint *object, MPI_Fint *error_code);
    MPI_Errhandler handle;
};

/* The predefined ones; retaining and releasing them does nothing. */
extern struct errhandler errhandler_fatal, errhandler_abort, errhandler_return;

/* By its handle; NULL when it is none. */
struct errhandler *errhandler_of(MPI_Errhandler handle);
struct errhandler *errhandler_retain(struct errhandler *errhandler);
void errhandler_release(struct errhandler *errhandler);

/* Raises an error through a handler. `object` is the handle that the error is about (an MPI_Comm,
 * MPI_Win, MPI_File or MPI_Session, as `about` says); `function` the name of the call; the text
 * says which argument is wrong, with its value and what would be right (NULL: nothing beyond the
 * class's own text). Returns `code` when the handler returns; with a fatal handler it does not
 * return. */
__attribute__((format(printf, 6, 7))) int
errhandler_raise(struct errhandler *errhandler, enum object_kind about, const void *object,
                 int code, const char *function, const char *format, ...);

/* The same for calls that are about no such object: through the handler of MPI_COMM_SELF, or, while
 * the program has set none for that, of MPI_COMM_WORLD, as it was before MPI-4. */
__attribute__((format(printf, 3, 4))) int error_raise(int code, const char *function,
                                                      const char *format, ...);

/* That handler. */
struct errhandler *errhandler_default(void);

/* Tells where the handler for such calls stands from now on, NULL when there is none (before
 * MPI_Init and after MPI_Finalize errors are fatal). */
void errhandler_set_self(struct errhandler *const *slot);

/* MPI_X_set_errhandler and MPI_X_get_errhandler for the place in an object where its handler
 * stands. */
int errhandler_set(struct errhandler **slot, enum object_kind about, MPI_Errhandler handle);
MPI_Errhandler errhandler_get(struct errhandler *const *slot);

/* --- Classes and codes (errors.c)
 * ----------------------------------------------------------------- */

/* The name of a class, such as "MPI_ERR_RANK", or NULL. */
const char *error_class_name(int error_class);
/* Its text; of codes that a program added too. NULL for what is no error code. */
const char *error_text(int code);
/* The greatest code in use: the attribute MPI_LASTUSEDCODE points here. */
int *error_last_used(void);

#endif
