/* Keyvals and attributes. The lock is never held while a program's function runs: such a function
 * may use attributes itself. */

#include "abi/mpi/attribute.h"

#include "abi/mpi/errhandler.h"
#include "abi/mpi/profile.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The functions of a keyval, as what they are for has them. */
union copy_function {
    MPI_Comm_copy_attr_function *comm;
    MPI_Type_copy_attr_function *type;
    MPI_Win_copy_attr_function *win;
};
union delete_function {
    MPI_Comm_delete_attr_function *comm;
    MPI_Type_delete_attr_function *type;
    MPI_Win_delete_attr_function *win;
};

/* Freed when the program has freed it and no attribute refers to it any more; until then its key
 * can be used. */
struct keyval {
    enum object_kind kind;
    int key;
    int references; /* the program's, and one for each attribute */
    bool freed;     /* by the program */
    union copy_function copy;
    union delete_function delete;
    void *extra_state;
    enum attribute_language language;
};

struct attribute {
    struct keyval *keyval;
    void *value;
    void **number; /* set by Fortran: malloc'ed, holds `value`; NULL: set by C */
};

struct attribute_predefined attribute_predefined;

/* The program's keyvals, by key from KEYVAL_FIRST; NULL where one has ended. */
#define KEYVAL_FIRST 0x1000
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct keyval **keyvals;
static int keyval_count;

/* The lock is held. */
static struct keyval *keyval_of(enum object_kind kind, int key)
{
    int index = key - KEYVAL_FIRST;

    if (key < KEYVAL_FIRST || index >= keyval_count || !keyvals[index] ||
        keyvals[index]->kind != kind)
        return NULL;
    return keyvals[index];
}

/* One reference less; the lock is held. */
static void keyval_release(struct keyval *keyval)
{
    if (--keyval->references > 0)
        return;
    keyvals[keyval->key - KEYVAL_FIRST] = NULL;
    free(keyval);
}

static int keyval_create(enum object_kind kind, union copy_function copy,
                         union delete_function delete, void *extra_state,
                         enum attribute_language language, int *key)
{
    struct keyval *keyval = calloc(1, sizeof(*keyval)), **larger;
    int index = 0;

    if (!keyval)
        return MPI_ERR_NO_MEM;
    *keyval = (struct keyval){.kind = kind,
                              .references = 1,
                              .copy = copy,
                              .delete = delete,
                              .extra_state = extra_state,
                              .language = language};
    pthread_mutex_lock(&lock);
    while (index < keyval_count && keyvals[index])
        index++;
    if (index == keyval_count) {
        larger = realloc(keyvals, ((size_t)keyval_count + 1) * sizeof(struct keyval *));
        if (!larger) {
            pthread_mutex_unlock(&lock);
            free(keyval);
            return MPI_ERR_NO_MEM;
        }
        keyvals = larger;
        keyval_count++;
    }
    keyvals[index] = keyval;
    keyval->key = *key = KEYVAL_FIRST + index;
    pthread_mutex_unlock(&lock);
    return MPI_SUCCESS;
}

static int keyval_free(enum object_kind kind, int *key)
{
    struct keyval *keyval;

    if (!key)
        return MPI_ERR_ARG;
    pthread_mutex_lock(&lock);
    keyval = keyval_of(kind, *key);
    if (keyval) {
        if (!keyval->freed) {
            keyval->freed = true;
            keyval_release(keyval);
        }
        *key = MPI_KEYVAL_INVALID;
    }
    pthread_mutex_unlock(&lock);
    return keyval ? MPI_SUCCESS : MPI_ERR_KEYVAL;
}

/* --- The program's functions
 * ----------------------------------------------------------------------------- */

/* MPI_COMM_DUP_FN and the like are the value 1, the NULL functions are NULL. */
static bool is_dup(union copy_function copy)
{
    return (uintptr_t)copy.comm == 1;
}

static int call_copy(const struct keyval *keyval, void *handle, void *value, void **copied,
                     int *flag)
{
    *flag = 0;
    if (!keyval->copy.comm)
        return MPI_SUCCESS;
    if (is_dup(keyval->copy)) {
        *copied = value;
        *flag = 1;
        return MPI_SUCCESS;
    }
    switch (keyval->kind) {
    case OBJECT_COMM:
        return keyval->copy.comm(handle, keyval->key, keyval->extra_state, value, (void *)copied,
                                 flag);
    case OBJECT_DATATYPE:
        return keyval->copy.type(handle, keyval->key, keyval->extra_state, value, (void *)copied,
                                 flag);
    default:
        return keyval->copy.win(handle, keyval->key, keyval->extra_state, value, (void *)copied,
                                flag);
    }
}

static int call_delete(const struct keyval *keyval, void *handle, void *value)
{
    if (!keyval->delete.comm)
        return MPI_SUCCESS;
    switch (keyval->kind) {
    case OBJECT_COMM:
        return keyval->delete.comm(handle, keyval->key, value, keyval->extra_state);
    case OBJECT_DATATYPE:
        return keyval->delete.type(handle, keyval->key, value, keyval->extra_state);
    default:
        return keyval->delete.win(handle, keyval->key, value, keyval->extra_state);
    }
}

/* --- An object's attributes
 * --------------------------------------------------------------------------------- */

static struct attribute *attribute_of(const struct attributes *attributes,
                                      const struct keyval *keyval)
{
    for (int i = 0; i < attributes->count; i++)
        if (attributes->entries[i].keyval == keyval)
            return &attributes->entries[i];
    return NULL;
}

/* What a call or function of the language is given for the attribute. */
static void *value_for(const struct attribute *attribute, enum attribute_language language)
{
    return attribute->number && language == ATTRIBUTE_C ? attribute->number : attribute->value;
}

/* Adds or changes one; the lock is held. */
static int attribute_put(struct attributes *attributes, struct keyval *keyval, void *value,
                         enum attribute_language language)
{
    struct attribute *entry = attribute_of(attributes, keyval);
    void **number = NULL;

    if (language == ATTRIBUTE_FORTRAN) {
        number = malloc(sizeof(*number));
        if (!number)
            return MPI_ERR_NO_MEM;
        *number = value;
    }
    if (entry) {
        free(entry->number);
        entry->value = value;
        entry->number = number;
        return MPI_SUCCESS;
    }
    if (attributes->count == attributes->room) {
        int room = attributes->room ? 2 * attributes->room : 4;
        struct attribute *larger = realloc(attributes->entries, (size_t)room * sizeof(*larger));

        if (!larger) {
            free(number);
            return MPI_ERR_NO_MEM;
        }
        attributes->entries = larger;
        attributes->room = room;
    }
    keyval->references++;
    attributes->entries[attributes->count++] = (struct attribute){keyval, value, number};
    return MPI_SUCCESS;
}

/* Takes one out; the lock is held. */
static void attribute_drop(struct attributes *attributes, struct attribute *entry)
{
    struct keyval *keyval = entry->keyval;

    free(entry->number);
    attributes->count--;
    memmove(entry, entry + 1,
            (size_t)(&attributes->entries[attributes->count] - entry) * sizeof(*entry));
    if (attributes->count == 0) {
        free(attributes->entries);
        *attributes = (struct attributes){0};
    }
    keyval_release(keyval);
}

/* Calls the delete function for the value that the object has under this key, if it has one, and
 * takes it out if `drops`, unless that fails. The lock is held, and given up meanwhile: the key
 * stays. */
static int attribute_remove(void *handle, struct attributes *attributes, struct keyval *keyval,
                            bool drops)
{
    const struct attribute *entry = attribute_of(attributes, keyval);
    void *value = entry ? value_for(entry, keyval->language) : NULL;
    struct attribute *now;
    int error;

    if (!entry)
        return MPI_SUCCESS;
    keyval->references++;
    pthread_mutex_unlock(&lock);
    error = call_delete(keyval, handle, value);
    pthread_mutex_lock(&lock);
    now = attribute_of(attributes, keyval); /* the function may have changed others */
    if (!error && drops && now)
        attribute_drop(attributes, now);
    keyval_release(keyval);
    return error;
}

int attributes_delete(enum object_kind kind, void *handle, struct attributes *attributes)
{
    int error = MPI_SUCCESS;

    (void)kind;
    pthread_mutex_lock(&lock);
    while (!error && attributes->count > 0)
        error = attribute_remove(handle, attributes,
                                 attributes->entries[attributes->count - 1].keyval, true);
    pthread_mutex_unlock(&lock);
    return error;
}

int attributes_copy(enum object_kind kind, void *from_handle, const struct attributes *from,
                    void *to_handle, struct attributes *to)
{
    int error = MPI_SUCCESS;

    pthread_mutex_lock(&lock);
    for (int i = 0; i < from->count && !error; i++) {
        struct attribute entry = from->entries[i];
        /* C's function makes an attribute of C; Fortran's, and the one that only copies, one of the
         * language that has set the old one. */
        bool function_of_c = entry.keyval->language == ATTRIBUTE_C && !is_dup(entry.keyval->copy);
        bool number = entry.number && !function_of_c;
        void *value = value_for(&entry, function_of_c ? ATTRIBUTE_C : ATTRIBUTE_FORTRAN);
        void *copied = NULL;
        int flag;

        entry.keyval->references++;
        pthread_mutex_unlock(&lock);
        error = call_copy(entry.keyval, from_handle, value, &copied, &flag);
        pthread_mutex_lock(&lock);
        if (!error && flag)
            error =
                attribute_put(to, entry.keyval, copied, number ? ATTRIBUTE_FORTRAN : ATTRIBUTE_C);
        keyval_release(entry.keyval);
    }
    pthread_mutex_unlock(&lock);
    if (error)
        attributes_delete(kind, to_handle, to); /* the first error is the one to tell */
    return error;
}

int attribute_set(enum object_kind kind, void *handle, struct attributes *attributes, int keyval,
                  void *value, enum attribute_language language)
{
    struct keyval *found;
    int error = MPI_ERR_KEYVAL;

    pthread_mutex_lock(&lock);
    found = keyval_of(kind, keyval);
    if (found) {
        found->references++;
        error = attribute_remove(handle, attributes, found, false);
        if (!error)
            error = attribute_put(attributes, found, value, language);
        keyval_release(found);
    }
    pthread_mutex_unlock(&lock);
    return error;
}

int attribute_get(enum object_kind kind, const struct attributes *attributes, int keyval,
                  enum attribute_language language, void **value, bool *found)
{
    const struct keyval *asked;
    const struct attribute *entry;

    pthread_mutex_lock(&lock);
    asked = keyval_of(kind, keyval);
    entry = asked ? attribute_of(attributes, asked) : NULL;
    *found = entry != NULL;
    if (entry)
        *value = value_for(entry, language);
    pthread_mutex_unlock(&lock);
    return asked ? MPI_SUCCESS : MPI_ERR_KEYVAL;
}

int attribute_delete(enum object_kind kind, void *handle, struct attributes *attributes, int keyval)
{
    struct keyval *found;
    int error = MPI_ERR_KEYVAL;

    pthread_mutex_lock(&lock);
    found = keyval_of(kind, keyval);
    if (found && attribute_of(attributes, found))
        error = attribute_remove(handle, attributes, found, true);
    pthread_mutex_unlock(&lock);
    return error;
}

void *attribute_predefined_comm(int keyval, bool *is_key)
{
    int *value;

    *is_key = true;
    switch (keyval) {
    case MPI_TAG_UB:
        return &attribute_predefined.tag_ub;
    case MPI_WTIME_IS_GLOBAL:
        return &attribute_predefined.wtime_is_global;
    case MPI_IO:
        return &attribute_predefined.io;
    case MPI_HOST:
        return &attribute_predefined.host;
    case MPI_LASTUSEDCODE:
        return error_last_used();
    case MPI_UNIVERSE_SIZE:
        value = &attribute_predefined.universe_size;
        return *value == MPI_UNDEFINED ? NULL : value;
    case MPI_APPNUM:
        value = &attribute_predefined.appnum;
        return *value == MPI_UNDEFINED ? NULL : value;
    default:
        *is_key = false;
        return NULL;
    }
}

/* --- Calls
 * ------------------------------------------------------------------------------------------------------
 */

#define KEYVALS(Name, Kind, Member, Copy, Delete)                                                  \
    int mpi_##Member##_create_keyval(Copy *copy, Delete *delete, int *keyval, void *extra_state,   \
                                     enum attribute_language language)                             \
    {                                                                                              \
        union copy_function copies = {.Member = copy};                                             \
        union delete_function deletes = {.Member = delete};                                        \
        int error = MPI_ERR_ARG;                                                                   \
                                                                                                   \
        if (keyval)                                                                                \
            error = keyval_create(Kind, copies, deletes, extra_state, language, keyval);           \
        return error ? error_raise(error, "MPI_" #Name "_create_keyval", NULL) : MPI_SUCCESS;      \
    }                                                                                              \
    MPI_PROFILED(Name##_create_keyval)                                                             \
    int PMPI_##Name##_create_keyval(Copy *copy, Delete *delete, int *keyval, void *extra_state)    \
    {                                                                                              \
        return mpi_##Member##_create_keyval(copy, delete, keyval, extra_state, ATTRIBUTE_C);       \
    }                                                                                              \
    MPI_PROFILED(Name##_free_keyval)                                                               \
    int PMPI_##Name##_free_keyval(int *keyval)                                                     \
    {                                                                                              \
        int error = keyval_free(Kind, keyval);                                                     \
                                                                                                   \
        return error ? error_raise(error, "MPI_" #Name "_free_keyval", NULL) : MPI_SUCCESS;        \
    }

KEYVALS(Comm, OBJECT_COMM, comm, MPI_Comm_copy_attr_function, MPI_Comm_delete_attr_function)
KEYVALS(Type, OBJECT_DATATYPE, type, MPI_Type_copy_attr_function, MPI_Type_delete_attr_function)
KEYVALS(Win, OBJECT_WIN, win, MPI_Win_copy_attr_function, MPI_Win_delete_attr_function)

MPI_PROFILED(Keyval_create)
int PMPI_Keyval_create(MPI_Copy_function *copy_fn, MPI_Delete_function *delete_fn, int *keyval,
                       void *extra_state)
{
    return PMPI_Comm_create_keyval(copy_fn, delete_fn, keyval, extra_state);
}

MPI_PROFILED(Keyval_free)
int PMPI_Keyval_free(int *keyval)
{
    return PMPI_Comm_free_keyval(keyval);
}
