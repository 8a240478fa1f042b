/* Fortran's calls that are not made from functions.def: those with callbacks, attributes and
 * addresses as values, and what the others need. One member of libmpi.a, which only Fortran
 * programs link. */

#include "abi/mpi/fortran/fortran.h"

#include "abi/mpi/attribute.h"
#include "abi/mpi/errhandler.h"
#include "abi/mpi/op.h"

#include <string.h>

/* --- Places
 * ---------------------------------------------------------------------------------------- */

/* The common blocks of mpif.h, by gfortran's names and of its sizes. */
#define PLACE(name, words)                                                                         \
    extern MPI_Fint mpi_fortran_##name##_[words];                                                  \
    MPI_Fint mpi_fortran_##name##_[words] __attribute__((aligned(32)));
PLACE(bottom, 1)
PLACE(in_place, 1)
PLACE(buffer_automatic, 1)
PLACE(status_ignore, MPI_F_STATUS_SIZE)
PLACE(statuses_ignore, MPI_F_STATUS_SIZE)
PLACE(unweighted, 1)
PLACE(weights_empty, 1)
PLACE(errcodes_ignore, 1)

void *fortran_buffer(void *buffer)
{
    if (buffer == mpi_fortran_bottom_)
        return MPI_BOTTOM;
    if (buffer == mpi_fortran_in_place_)
        return MPI_IN_PLACE;
    return buffer == mpi_fortran_buffer_automatic_ ? MPI_BUFFER_AUTOMATIC : buffer;
}

MPI_Status *fortran_status(MPI_Fint *status)
{
    return status == mpi_fortran_status_ignore_ ? MPI_STATUS_IGNORE : (MPI_Status *)status;
}

MPI_Status *fortran_statuses(MPI_Fint *statuses)
{
    return statuses == mpi_fortran_statuses_ignore_ ? MPI_STATUSES_IGNORE : (MPI_Status *)statuses;
}

int *fortran_weights(int *weights)
{
    if (weights == mpi_fortran_unweighted_)
        return MPI_UNWEIGHTED;
    return weights == mpi_fortran_weights_empty_ ? MPI_WEIGHTS_EMPTY : weights;
}

/* --- Strings and handles
 * ------------------------------------------------------------------------------ */

static void *memory(size_t size)
{
    void *found = calloc(1, size);

    if (!found)
        PMPI_Abort(MPI_COMM_WORLD, MPI_ERR_NO_MEM);
    return found;
}

char *fortran_string(const char *string, size_t length)
{
    char *copy;

    while (length > 0 && string[length - 1] == ' ')
        length--;
    copy = memory(length + 1);
    memcpy(copy, string, length);
    return copy;
}

char *fortran_key(const char *string, size_t length)
{
    while (length > 0 && *string == ' ') {
        string++;
        length--;
    }
    return fortran_string(string, length);
}

void fortran_text(char *to, size_t length, const char *text)
{
    size_t used = strlen(text) < length ? strlen(text) : length;

    memcpy(to, text, used);
    memset(to + used, ' ', length - used);
}

void *fortran_handles(int count, const MPI_Fint numbers[], enum fortran_kind kind)
{
    void **handles;

    if (count <= 0)
        return NULL;
    handles = memory((size_t)count * sizeof(*handles));
    for (int i = 0; i < count; i++)
        handles[i] = kind == FORTRAN_REQUEST    ? (void *)PMPI_Request_f2c(numbers[i])
                     : kind == FORTRAN_DATATYPE ? (void *)PMPI_Type_f2c(numbers[i])
                                                : (void *)PMPI_Info_f2c(numbers[i]);
    return handles;
}

void fortran_numbers(int count, void *handles, MPI_Fint numbers[], int error)
{
    void **list = handles;

    for (int i = 0; i < count && (error == MPI_SUCCESS || error == MPI_ERR_IN_STATUS); i++)
        numbers[i] = PMPI_Request_c2f(list[i]); /* the same for all kinds of handle */
}

int fortran_targets(MPI_Fint number)
{
    MPI_Comm comm = PMPI_Comm_f2c(number);
    int inter = 0, size = 0;

    if (PMPI_Comm_test_inter(comm, &inter) == MPI_SUCCESS && inter)
        PMPI_Comm_remote_size(comm, &size);
    else
        PMPI_Comm_size(comm, &size);
    return size;
}

int fortran_neighbours(MPI_Fint number, bool sources)
{
    MPI_Comm comm = PMPI_Comm_f2c(number);
    int kind = MPI_UNDEFINED, count = 0, others = 0, weighted, rank;

    if (PMPI_Topo_test(comm, &kind) != MPI_SUCCESS)
        return 0;
    if (kind == MPI_CART && PMPI_Cartdim_get(comm, &count) == MPI_SUCCESS)
        return 2 * count;
    if (kind == MPI_GRAPH && PMPI_Comm_rank(comm, &rank) == MPI_SUCCESS)
        PMPI_Graph_neighbors_count(comm, rank, &count);
    if (kind == MPI_DIST_GRAPH)
        PMPI_Dist_graph_neighbors_count(comm, &count, &others, &weighted);
    return kind == MPI_DIST_GRAPH && !sources ? others : count;
}

/* --- Start, addresses, memory
 * ----------------------------------------------------------------------------- */

/* Each function, with a prototype for the compiler's sake. */
#define CALL(name, ...)                                                                            \
    void pmpi_##name##_(__VA_ARGS__);                                                              \
    FORTRAN_PROFILED(name)                                                                         \
    void pmpi_##name##_(__VA_ARGS__)

CALL(init, MPI_Fint *ierror)
{
    FORTRAN_OPTIONAL(ierror);
    *ierror = MPI_Init(NULL, NULL);
}

CALL(init_thread, MPI_Fint *required, MPI_Fint *provided, MPI_Fint *ierror)
{
    FORTRAN_OPTIONAL(ierror);
    *ierror = MPI_Init_thread(NULL, NULL, *required, provided);
}

CALL(get_address, void *location, MPI_Aint *address, MPI_Fint *ierror)
{
    FORTRAN_OPTIONAL(ierror);
    *ierror = MPI_Get_address(fortran_buffer(location), address);
}

CALL(buffer_attach, void *buffer, MPI_Fint *size, MPI_Fint *ierror)
{
    FORTRAN_OPTIONAL(ierror);
    *ierror = MPI_Buffer_attach(fortran_buffer(buffer), *size);
}

CALL(buffer_detach, MPI_Aint *buffer_addr, MPI_Fint *size, MPI_Fint *ierror)
{
    FORTRAN_OPTIONAL(ierror);
    void *buffer;

    *ierror = MPI_Buffer_detach(&buffer, size); /* the address means nothing in Fortran */
    (void)buffer_addr;
}

/* A value that is not there leaves the text as it was. */
CALL(info_get, MPI_Fint *info, const char *key, MPI_Fint *valuelen, char *value, MPI_Fint *flag,
     MPI_Fint *ierror, size_t key_length, size_t value_length)
{
    char text[FORTRAN_TEXT], *name = fortran_key(key, key_length);
    int found = 0, length = *valuelen < FORTRAN_TEXT - 1 ? *valuelen : FORTRAN_TEXT - 1;
    FORTRAN_OPTIONAL(ierror);

    *ierror = MPI_Info_get(PMPI_Info_f2c(*info), name, length, text, &found);
    if (found)
        fortran_text(value, value_length, text);
    *flag = found;
    free(name);
}

/* Lengths are without C's closing zero here. */
CALL(info_get_string, MPI_Fint *info, const char *key, MPI_Fint *buflen, char *value,
     MPI_Fint *flag, MPI_Fint *ierror, size_t key_length, size_t value_length)
{
    char text[FORTRAN_TEXT], *name = fortran_key(key, key_length);
    int found = 0, length = 0;
    FORTRAN_OPTIONAL(ierror);

    if (*buflen > 0)
        length = *buflen < FORTRAN_TEXT ? *buflen + 1 : FORTRAN_TEXT;
    *ierror = MPI_Info_get_string(PMPI_Info_f2c(*info), name, &length, text, &found);
    if (found && *buflen > 0)
        fortran_text(value, value_length, text);
    if (found)
        *buflen = length - 1;
    *flag = found;
    free(name);
}

CALL(pcontrol, MPI_Fint *level)
{
    MPI_Pcontrol(*level);
}

#define VALUE(result, name, parameters, value)                                                     \
    result pmpi_##name##_ parameters;                                                              \
    FORTRAN_PROFILED(name)                                                                         \
    result pmpi_##name##_ parameters                                                               \
    {                                                                                              \
        return value;                                                                              \
    }
VALUE(double, wtime, (void), MPI_Wtime())
VALUE(double, wtick, (void), MPI_Wtick())
VALUE(MPI_Aint, aint_add, (const MPI_Aint *base, const MPI_Aint *disp), MPI_Aint_add(*base, *disp))
VALUE(MPI_Aint, aint_diff, (const MPI_Aint *one, const MPI_Aint *other),
      MPI_Aint_diff(*one, *other))

/* --- Callbacks
 * ------------------------------------------------------------------------------------------------
 */

typedef void op_function_fortran(void *in, void *inout, MPI_Fint *count, MPI_Fint *datatype);

/* Never called: the Fortran function is. */
static void no_function(void *in, void *inout, int *count, MPI_Datatype *datatype)
{
    (void)in;
    (void)inout;
    (void)count;
    (void)datatype;
}

CALL(op_create, op_function_fortran *function, MPI_Fint *commute, MPI_Fint *op, MPI_Fint *ierror)
{
    FORTRAN_OPTIONAL(ierror);
    MPI_Op made = MPI_OP_NULL;

    *ierror = MPI_Op_create(no_function, *commute, &made);
    if (*ierror == MPI_SUCCESS)
        ((struct op *)made)->function_fortran = function;
    *op = PMPI_Op_c2f(made);
}

#define ERRHANDLER(name, Name)                                                                     \
    static void never_##name(MPI_##Name *object, int *code, ...)                                   \
    {                                                                                              \
        (void)object;                                                                              \
        (void)code;                                                                                \
    }                                                                                              \
    CALL(name##_create_errhandler, void (*function)(MPI_Fint *, MPI_Fint *), MPI_Fint *errhandler, \
         MPI_Fint *ierror)                                                                         \
    {                                                                                              \
        FORTRAN_OPTIONAL(ierror);                                                                  \
        MPI_Errhandler made = MPI_ERRHANDLER_NULL;                                                 \
                                                                                                   \
        *ierror = MPI_##Name##_create_errhandler(never_##name, &made);                             \
        if (*ierror == MPI_SUCCESS)                                                                \
            ((struct errhandler *)made)->function_fortran = function;                              \
        *errhandler = PMPI_Errhandler_c2f(made);                                                   \
    }
ERRHANDLER(comm, Comm)
ERRHANDLER(win, Win)
ERRHANDLER(file, File)
ERRHANDLER(session, Session)

/* A keyval's functions in Fortran. It is the extra state of the C functions, and lives for ever: an
 * attribute may outlive its keyval. */
typedef void copy_fortran(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *extra_state, MPI_Aint *in,
                          MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierror);
typedef void delete_fortran(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *value,
                            MPI_Aint *extra_state, MPI_Fint *ierror);
struct keyval_functions {
    copy_fortran *copy;
    delete_fortran *delete;
    MPI_Aint extra_state;
};

static int call_copy(MPI_Fint object, int keyval, void *extra_state, void *in, void *out, int *flag)
{
    struct keyval_functions *functions = extra_state;
    MPI_Aint value = (MPI_Aint)in, copied = 0;
    MPI_Fint error = MPI_SUCCESS, wanted = 0;

    functions->copy(&object, &keyval, &functions->extra_state, &value, &copied, &wanted, &error);
    *(MPI_Aint *)out = copied;
    *flag = wanted != 0;
    return error;
}

static int call_delete(MPI_Fint object, int keyval, void *value, void *extra_state)
{
    struct keyval_functions *functions = extra_state;
    MPI_Aint deleted = (MPI_Aint)value;
    MPI_Fint error = MPI_SUCCESS;

    functions->delete (&object, &keyval, &deleted, &functions->extra_state, &error);
    return error;
}

/* Attributes of one kind of object. Predefined ones are values in Fortran, addresses in C:
 * `predefined` says how to read one. */
#define ATTRIBUTES(name, Name, Handle, predefined)                                                 \
    static int copy_##name(Handle object, int keyval, void *extra, void *in, void *out, int *flag) \
    {                                                                                              \
        return call_copy(PMPI_##Name##_c2f(object), keyval, extra, in, out, flag);                 \
    }                                                                                              \
    static int delete_##name(Handle object, int keyval, void *value, void *extra)                  \
    {                                                                                              \
        return call_delete(PMPI_##Name##_c2f(object), keyval, value, extra);                       \
    }                                                                                              \
    CALL(name##_create_keyval, copy_fortran *copy, delete_fortran *delete, MPI_Fint *keyval,       \
         MPI_Aint *extra_state, MPI_Fint *ierror)                                                  \
    {                                                                                              \
        FORTRAN_OPTIONAL(ierror);                                                                  \
        struct keyval_functions *functions = memory(sizeof(*functions));                           \
                                                                                                   \
        *functions = (struct keyval_functions){copy, delete, *extra_state};                        \
        *ierror = mpi_##name##_create_keyval(copy_##name, delete_##name, keyval, functions,        \
                                             ATTRIBUTE_FORTRAN);                                   \
    }                                                                                              \
    CALL(name##_set_attr, MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *value, MPI_Fint *ierror)   \
    {                                                                                              \
        FORTRAN_OPTIONAL(ierror);                                                                  \
        *ierror = mpi_##name##_set_attr(PMPI_##Name##_f2c(*object), *keyval, (void *)*value,       \
                                        ATTRIBUTE_FORTRAN);                                        \
    }                                                                                              \
    CALL(name##_get_attr, MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *value, MPI_Fint *found,    \
         MPI_Fint *ierror)                                                                         \
    {                                                                                              \
        FORTRAN_OPTIONAL(ierror);                                                                  \
        void *address = NULL;                                                                      \
        int flag = 0;                                                                              \
                                                                                                   \
        *ierror = mpi_##name##_get_attr(PMPI_##Name##_f2c(*object), *keyval, &address, &flag,      \
                                        ATTRIBUTE_FORTRAN);                                        \
        *found = flag != 0;                                                                        \
        if (*ierror == MPI_SUCCESS && flag)                                                        \
            *value = predefined(*keyval, address);                                                 \
    }

static MPI_Aint comm_value(int keyval, const void *address)
{
    return keyval >= MPI_TAG_UB && keyval <= MPI_LASTUSEDCODE ? *(const int *)address
                                                              : (MPI_Aint)address;
}

static MPI_Aint type_value(int keyval, const void *address)
{
    (void)keyval;
    return (MPI_Aint)address;
}

static MPI_Aint win_value(int keyval, const void *address)
{
    if (keyval == MPI_WIN_SIZE)
        return *(const MPI_Aint *)address;
    return keyval == MPI_WIN_DISP_UNIT || keyval == MPI_WIN_CREATE_FLAVOR || keyval == MPI_WIN_MODEL
               ? *(const int *)address
               : (MPI_Aint)address;
}

ATTRIBUTES(comm, Comm, MPI_Comm, comm_value)
ATTRIBUTES(type, Type, MPI_Datatype, type_value)
ATTRIBUTES(win, Win, MPI_Win, win_value)

/* MPI_COMM_DUP_FN and the like are functions here. */
#define PREDEFINED_FUNCTIONS(name)                                                                 \
    void mpi_##name##dup_fn_(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *extra_state,            \
                             MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierror);       \
    void mpi_##name##dup_fn_(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *extra_state,            \
                             MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierror)        \
    {                                                                                              \
        (void)object;                                                                              \
        (void)keyval;                                                                              \
        (void)extra_state;                                                                         \
        *out = *in;                                                                                \
        *flag = 1;                                                                                 \
        *ierror = MPI_SUCCESS;                                                                     \
    }                                                                                              \
    void mpi_##name##null_copy_fn_(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *extra_state,      \
                                   MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierror); \
    void mpi_##name##null_copy_fn_(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *extra_state,      \
                                   MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierror)  \
    {                                                                                              \
        (void)object;                                                                              \
        (void)keyval;                                                                              \
        (void)extra_state;                                                                         \
        (void)in;                                                                                  \
        (void)out;                                                                                 \
        *flag = 0;                                                                                 \
        *ierror = MPI_SUCCESS;                                                                     \
    }                                                                                              \
    void mpi_##name##null_delete_fn_(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *value,          \
                                     MPI_Aint *extra_state, MPI_Fint *ierror);                     \
    void mpi_##name##null_delete_fn_(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *value,          \
                                     MPI_Aint *extra_state, MPI_Fint *ierror)                      \
    {                                                                                              \
        (void)object;                                                                              \
        (void)keyval;                                                                              \
        (void)value;                                                                               \
        (void)extra_state;                                                                         \
        *ierror = MPI_SUCCESS;                                                                     \
    }
PREDEFINED_FUNCTIONS(comm_)
PREDEFINED_FUNCTIONS(type_)
PREDEFINED_FUNCTIONS(win_)
PREDEFINED_FUNCTIONS()
