/* Error handlers, and the raising of errors: a line on standard error and the job's end, a return,
 * or the program's own function. */

#include "abi/mpi/errhandler.h"

#include "abi/mpi/handle.h"
#include "abi/mpi/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PREDEFINED(Name, Action, Handle)                                                           \
    struct errhandler Name = {                                                                     \
        .object = {.kind = OBJECT_ERRHANDLER, .references = 1},                                    \
        .action = (Action),                                                                        \
        .handle = (Handle),                                                                        \
    }
PREDEFINED(errhandler_fatal, ERRHANDLER_FATAL, MPI_ERRORS_ARE_FATAL);
PREDEFINED(errhandler_abort, ERRHANDLER_ABORT, MPI_ERRORS_ABORT);
PREDEFINED(errhandler_return, ERRHANDLER_RETURN, MPI_ERRORS_RETURN);

/* Where MPI_COMM_SELF's handler stands. */
static struct errhandler *const *_Atomic self_slot;

void errhandler_set_self(struct errhandler *const *slot)
{
    atomic_store_explicit(&self_slot, slot, memory_order_release);
}

struct errhandler *errhandler_of(MPI_Errhandler handle)
{
    if (handle == MPI_ERRORS_ARE_FATAL)
        return &errhandler_fatal;
    if (handle == MPI_ERRORS_RETURN)
        return &errhandler_return;
    if (handle == MPI_ERRORS_ABORT)
        return &errhandler_abort;
    return object_of(handle, OBJECT_ERRHANDLER);
}

struct errhandler *errhandler_retain(struct errhandler *errhandler)
{
    if (errhandler->action == ERRHANDLER_CALL)
        object_retain(&errhandler->object);
    return errhandler;
}

void errhandler_release(struct errhandler *errhandler)
{
    if (errhandler->action != ERRHANDLER_CALL || !object_release(&errhandler->object))
        return;
    handle_end(&errhandler->object);
    free(errhandler);
}

/* --- Raising
 * ---------------------------------------------------------------------------------------- */

/* The line that a user reads: rank, call, class, what is wrong. In one write, so that ranks do not
 * mix. */
__attribute__((format(printf, 3, 0))) static void report(int code, const char *function,
                                                         const char *format, va_list arguments)
{
    char line[1024];
    int rank = -1, initialized = 0, finalized = 0;
    const char *name = error_class_name(code), *text = error_text(code);
    int length = 0, room = (int)sizeof(line) - 1; /* for the newline */

    PMPI_Initialized(&initialized);
    PMPI_Finalized(&finalized);
    if (initialized && !finalized && PMPI_Comm_rank(MPI_COMM_WORLD, &rank) == MPI_SUCCESS)
        length = snprintf(line, (size_t)room, "rank %d: ", rank);
    length += snprintf(line + length, (size_t)(room - length), "%s: %s%s%s", function,
                       name ? name : "", name ? ", " : "", text ? text : "unknown error code");
    if (format && length < room) {
        length += snprintf(line + length, (size_t)(room - length), ": ");
        if (length < room)
            length += vsnprintf(line + length, (size_t)(room - length), format, arguments);
    }
    if (length >= room)
        length = room - 1;
    line[length++] = '\n';
    fflush(stdout);
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* nobody listens: the exit status says the rest */
}

/* The program's function, by the kind of object that it takes the address of. */
static void call(const struct errhandler *errhandler, const void *object, int *code)
{
    void *handle = (void *)(uintptr_t)object;

    if (errhandler->function_fortran) {
        MPI_Fint number = handle_to_int(handle);

        errhandler->function_fortran(&number, code);
        return;
    }
    switch (errhandler->about) {
    case OBJECT_COMM: {
        MPI_Comm comm = handle;
        errhandler->function.comm(&comm, code);
        break;
    }
    case OBJECT_WIN: {
        MPI_Win win = handle;
        errhandler->function.win(&win, code);
        break;
    }
    case OBJECT_FILE: {
        MPI_File file = handle;
        errhandler->function.file(&file, code);
        break;
    }
    case OBJECT_SESSION: {
        MPI_Session session = handle;
        errhandler->function.session(&session, code);
        break;
    }
    default:
        break;
    }
}

__attribute__((format(printf, 5, 0))) static int
raise_through(struct errhandler *errhandler, const void *object, int code, const char *function,
              const char *format, va_list arguments)
{
    int class = code, passed = code;

    if (code == MPI_SUCCESS)
        return MPI_SUCCESS;
    switch (errhandler->action) {
    case ERRHANDLER_RETURN:
        return code;
    case ERRHANDLER_CALL:
        call(errhandler, object, &passed);
        return code;
    case ERRHANDLER_FATAL:
    case ERRHANDLER_ABORT:
        break;
    }
    report(code, function, format, arguments);
    if (!error_class_name(code))
        class = MPI_ERR_OTHER;
    PMPI_Abort(MPI_COMM_WORLD, class);
    exit(class); /* before MPI_Init there is no job to abort */
}

int errhandler_raise(struct errhandler *errhandler, enum object_kind about, const void *object,
                     int code, const char *function, const char *format, ...)
{
    va_list arguments;

    (void)about;
    va_start(arguments, format);
    code = raise_through(errhandler, object, code, function, format, arguments);
    va_end(arguments);
    return code;
}

struct errhandler *errhandler_default(void)
{
    struct errhandler *const *slot = atomic_load_explicit(&self_slot, memory_order_acquire);

    return slot ? *slot : &errhandler_fatal;
}

int error_raise(int code, const char *function, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    code = raise_through(errhandler_default(), MPI_COMM_SELF, code, function, format, arguments);
    va_end(arguments);
    return code;
}

/* --- The program's handlers
 * --------------------------------------------------------------------------- */

int errhandler_set(struct errhandler **slot, enum object_kind about, MPI_Errhandler handle)
{
    struct errhandler *errhandler = errhandler_of(handle), *old = *slot;

    if (!errhandler || (errhandler->action == ERRHANDLER_CALL && errhandler->about != about))
        return MPI_ERR_ERRHANDLER;
    *slot = errhandler_retain(errhandler);
    errhandler_release(old);
    return MPI_SUCCESS;
}

MPI_Errhandler errhandler_get(struct errhandler *const *slot)
{
    return errhandler_retain(*slot)->handle;
}

static struct errhandler *errhandler_create(enum object_kind about)
{
    struct errhandler *errhandler = calloc(1, sizeof(*errhandler));

    if (!errhandler)
        return NULL;
    object_begin(&errhandler->object, OBJECT_ERRHANDLER);
    errhandler->action = ERRHANDLER_CALL;
    errhandler->about = about;
    errhandler->handle = (MPI_Errhandler)errhandler;
    return errhandler;
}

#define CREATE(Name, About, Member, Function)                                                      \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(Function *function, MPI_Errhandler *errhandler)                                \
    {                                                                                              \
        struct errhandler *created;                                                                \
                                                                                                   \
        if (!function || !errhandler)                                                              \
            return error_raise(MPI_ERR_ARG, "MPI_" #Name, "the function or the handle is NULL");   \
        created = errhandler_create(About);                                                        \
        if (!created)                                                                              \
            return error_raise(MPI_ERR_NO_MEM, "MPI_" #Name, NULL);                                \
        created->function.Member = function;                                                       \
        *errhandler = created->handle;                                                             \
        return MPI_SUCCESS;                                                                        \
    }

CREATE(Comm_create_errhandler, OBJECT_COMM, comm, MPI_Comm_errhandler_function)
CREATE(Win_create_errhandler, OBJECT_WIN, win, MPI_Win_errhandler_function)
CREATE(File_create_errhandler, OBJECT_FILE, file, MPI_File_errhandler_function)
CREATE(Session_create_errhandler, OBJECT_SESSION, session, MPI_Session_errhandler_function)

MPI_PROFILED(Errhandler_free)
int PMPI_Errhandler_free(MPI_Errhandler *errhandler)
{
    struct errhandler *freed = errhandler ? errhandler_of(*errhandler) : NULL;

    if (!freed)
        return error_raise(MPI_ERR_ERRHANDLER, "MPI_Errhandler_free", NULL);
    errhandler_release(freed); /* a predefined one: MPI_X_get_errhandler may have given it */
    *errhandler = MPI_ERRHANDLER_NULL;
    return MPI_SUCCESS;
}
