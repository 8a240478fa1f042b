/* Error classes, codes and their texts: MPI's own, and those that a program adds. */

#include "abi/mpi/errhandler.h"
#include "abi/mpi/profile.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* MPI's own, by class. */
static const struct {
    const char *name, *text;
} classes[] = {
#define CLASS(Name, Text) [MPI_##Name] = {"MPI_" #Name, Text}
    CLASS(SUCCESS, "no error"),
    CLASS(ERR_BUFFER, "invalid buffer"),
    CLASS(ERR_COUNT, "invalid count"),
    CLASS(ERR_TYPE, "invalid datatype"),
    CLASS(ERR_TAG, "invalid tag"),
    CLASS(ERR_COMM, "invalid communicator"),
    CLASS(ERR_RANK, "invalid rank"),
    CLASS(ERR_REQUEST, "invalid request"),
    CLASS(ERR_ROOT, "invalid root"),
    CLASS(ERR_GROUP, "invalid group"),
    CLASS(ERR_OP, "invalid operation, or not one for this datatype"),
    CLASS(ERR_TOPOLOGY, "invalid topology"),
    CLASS(ERR_DIMS, "invalid dimensions"),
    CLASS(ERR_ARG, "invalid argument"),
    CLASS(ERR_UNKNOWN, "unknown error"),
    CLASS(ERR_TRUNCATE, "message longer than the buffer it is received in"),
    CLASS(ERR_OTHER, "error of another kind"),
    CLASS(ERR_INTERN, "error inside the library"),
    CLASS(ERR_PENDING, "operation neither failed nor complete"),
    CLASS(ERR_IN_STATUS, "error code in the status"),
    CLASS(ERR_ACCESS, "permission denied"),
    CLASS(ERR_AMODE, "invalid mode for opening a file"),
    CLASS(ERR_ASSERT, "invalid assertion"),
    CLASS(ERR_BAD_FILE, "invalid file name"),
    CLASS(ERR_BASE, "invalid base of a window"),
    CLASS(ERR_CONVERSION, "value cannot be converted"),
    CLASS(ERR_DISP, "invalid displacement"),
    CLASS(ERR_DUP_DATAREP, "data representation defined twice"),
    CLASS(ERR_FILE_EXISTS, "file exists"),
    CLASS(ERR_FILE_IN_USE, "file is in use"),
    CLASS(ERR_FILE, "invalid file handle"),
    CLASS(ERR_INFO_KEY, "invalid key of an info"),
    CLASS(ERR_INFO_NOKEY, "no such key in the info"),
    CLASS(ERR_INFO_VALUE, "invalid value of an info"),
    CLASS(ERR_INFO, "invalid info"),
    CLASS(ERR_IO, "input or output failed"),
    CLASS(ERR_KEYVAL, "invalid keyval"),
    CLASS(ERR_LOCKTYPE, "invalid type of lock"),
    CLASS(ERR_NAME, "no such published name"),
    CLASS(ERR_NO_MEM, "out of memory"),
    CLASS(ERR_NOT_SAME, "collective argument differs between processes"),
    CLASS(ERR_NO_SPACE, "no space left"),
    CLASS(ERR_NO_SUCH_FILE, "no such file"),
    CLASS(ERR_PORT, "invalid port name"),
    CLASS(ERR_QUOTA, "quota exceeded"),
    CLASS(ERR_READ_ONLY, "read-only file or file system"),
    CLASS(ERR_RMA_ATTACH, "memory cannot be attached to the window"),
    CLASS(ERR_RMA_CONFLICT, "conflicting accesses to a window"),
    CLASS(ERR_RMA_RANGE, "target memory outside of the window"),
    CLASS(ERR_RMA_SHARED, "memory cannot be shared"),
    CLASS(ERR_RMA_SYNC, "wrong synchronization of a window"),
    CLASS(ERR_SERVICE, "no such service to unpublish"),
    CLASS(ERR_SIZE, "invalid size"),
    CLASS(ERR_SPAWN, "processes cannot be started"),
    CLASS(ERR_UNSUPPORTED_DATAREP, "unsupported data representation"),
    CLASS(ERR_UNSUPPORTED_OPERATION, "unsupported operation"),
    CLASS(ERR_WIN, "invalid window"),
    CLASS(ERR_RMA_FLAVOR, "window of the wrong flavor"),
    CLASS(ERR_PROC_ABORTED, "a process has aborted"),
    CLASS(ERR_VALUE_TOO_LARGE, "value does not fit into the argument that takes it"),
    CLASS(ERR_SESSION, "invalid session"),
    CLASS(ERR_ERRHANDLER, "invalid error handler"),
#undef CLASS
};

static const char *const tool_texts[] = {
#define TOOL(Name, Text) [MPI_T_ERR_##Name - MPI_T_ERR_CANNOT_INIT] = Text
    TOOL(CANNOT_INIT, "tool interface cannot be initialized"),
    TOOL(NOT_ACCESSIBLE, "not accessible"),
    TOOL(NOT_INITIALIZED, "tool interface is not initialized"),
    TOOL(NOT_SUPPORTED, "not supported"),
    TOOL(MEMORY, "out of memory"),
    TOOL(INVALID, "invalid use"),
    TOOL(INVALID_INDEX, "invalid index"),
    TOOL(INVALID_ITEM, "invalid item"),
    TOOL(INVALID_SESSION, "invalid session"),
    TOOL(INVALID_HANDLE, "invalid handle"),
    TOOL(INVALID_NAME, "invalid name"),
    TOOL(OUT_OF_HANDLES, "no more handles"),
    TOOL(OUT_OF_SESSIONS, "no more sessions"),
    TOOL(CVAR_SET_NOT_NOW, "control variable cannot be set now"),
    TOOL(CVAR_SET_NEVER, "control variable cannot be set"),
    TOOL(PVAR_NO_WRITE, "performance variable cannot be written"),
    TOOL(PVAR_NO_STARTSTOP, "performance variable cannot be started or stopped"),
    TOOL(PVAR_NO_ATOMIC, "performance variable cannot be read and reset at once"),
#undef TOOL
};

/* What a program added, numbered from MPI_ERR_LASTCODE + 1. A class is a code whose class it is
 * itself. What was removed stays as a gap, and is not used again. */
struct added {
    bool present;
    int class;
    char *text; /* NULL: none yet, reads as "" */
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct added *added;
static int added_count;
static int last_used = MPI_ERR_LASTCODE;

/* The entry of a code that a program added, or NULL. The lock is held. */
static struct added *added_of(int code)
{
    int index = code - MPI_ERR_LASTCODE - 1;

    if (code <= MPI_ERR_LASTCODE || index >= added_count || !added[index].present)
        return NULL;
    return &added[index];
}

static bool is_own_class(int code)
{
    return code >= 0 && code < (int)(sizeof(classes) / sizeof(classes[0]));
}

static const char *own_text(int code)
{
    int tool = code - MPI_T_ERR_CANNOT_INIT;

    if (is_own_class(code))
        return classes[code].text;
    if (tool >= 0 && tool < (int)(sizeof(tool_texts) / sizeof(tool_texts[0])))
        return tool_texts[tool];
    return NULL;
}

const char *error_class_name(int error_class)
{
    return is_own_class(error_class) ? classes[error_class].name : NULL;
}

const char *error_text(int code)
{
    const char *text = own_text(code);
    struct added *entry;

    if (text)
        return text;
    pthread_mutex_lock(&lock);
    entry = added_of(code);
    if (entry)
        text = entry->text ? entry->text : "";
    pthread_mutex_unlock(&lock);
    return text;
}

int *error_last_used(void)
{
    return &last_used;
}

static int added_create(int class, int *code)
{
    struct added *larger;
    int error = MPI_ERR_NO_MEM;

    pthread_mutex_lock(&lock);
    larger = realloc(added, ((size_t)added_count + 1) * sizeof(*added));
    if (larger) {
        added = larger;
        *code = MPI_ERR_LASTCODE + 1 + added_count;
        added[added_count++] = (struct added){true, class < 0 ? *code : class, NULL};
        last_used = *code;
        error = MPI_SUCCESS;
    }
    pthread_mutex_unlock(&lock);
    return error;
}

MPI_PROFILED(Add_error_class)
int PMPI_Add_error_class(int *errorclass)
{
    int error = errorclass ? added_create(-1, errorclass) : MPI_ERR_ARG;

    return error ? error_raise(error, "MPI_Add_error_class", NULL) : MPI_SUCCESS;
}

MPI_PROFILED(Add_error_code)
int PMPI_Add_error_code(int errorclass, int *errorcode)
{
    bool valid = is_own_class(errorclass);
    int error;

    if (!valid) {
        const struct added *entry;

        pthread_mutex_lock(&lock);
        entry = added_of(errorclass);
        valid = entry && entry->class == errorclass;
        pthread_mutex_unlock(&lock);
    }
    if (!valid || !errorcode)
        return error_raise(MPI_ERR_ARG, "MPI_Add_error_code", "%d is no error class", errorclass);
    error = added_create(errorclass, errorcode);
    return error ? error_raise(error, "MPI_Add_error_code", NULL) : MPI_SUCCESS;
}

MPI_PROFILED(Add_error_string)
int PMPI_Add_error_string(int errorcode, const char *string)
{
    struct added *entry;
    char *text;

    if (!string || strlen(string) >= MPI_MAX_ERROR_STRING)
        return error_raise(MPI_ERR_ARG, "MPI_Add_error_string",
                           "the string is missing or longer "
                           "than %d characters",
                           MPI_MAX_ERROR_STRING - 1);
    text = strdup(string);
    if (!text)
        return error_raise(MPI_ERR_NO_MEM, "MPI_Add_error_string", NULL);
    pthread_mutex_lock(&lock);
    entry = added_of(errorcode);
    if (entry) {
        char *old = entry->text;

        entry->text = text;
        text = old;
    }
    pthread_mutex_unlock(&lock);
    free(text);
    if (!entry)
        return error_raise(MPI_ERR_ARG, "MPI_Add_error_string",
                           "%d is no code that MPI_Add_error_code gave", errorcode);
    return MPI_SUCCESS;
}

/* Takes away what was added: a class, a code, or the string of either. */
static int added_remove(int code, bool want_class, bool string_only)
{
    struct added *entry;
    char *text = NULL;
    int error = MPI_ERR_ARG;

    pthread_mutex_lock(&lock);
    entry = added_of(code);
    if (entry && (string_only ? entry->text != NULL : (entry->class == code) == want_class)) {
        bool used = false; /* a class that codes still belong to, a code that has a string */

        for (int i = 0; !string_only && i < added_count; i++)
            used = used || (added[i].present && added[i].class == code && &added[i] != entry);
        if (!used && (string_only || !entry->text)) {
            text = entry->text;
            entry->text = NULL;
            entry->present = string_only;
            error = MPI_SUCCESS;
        }
    }
    for (int i = added_count; !string_only && i > 0 && !added[i - 1].present; i--)
        last_used = MPI_ERR_LASTCODE + i - 1;
    pthread_mutex_unlock(&lock);
    free(text);
    return error;
}

MPI_PROFILED(Remove_error_class)
int PMPI_Remove_error_class(int errorclass)
{
    if (added_remove(errorclass, true, false))
        return error_raise(MPI_ERR_ARG, "MPI_Remove_error_class",
                           "%d is no class that was added, or is still in use", errorclass);
    return MPI_SUCCESS;
}

MPI_PROFILED(Remove_error_code)
int PMPI_Remove_error_code(int errorcode)
{
    if (added_remove(errorcode, false, false))
        return error_raise(MPI_ERR_ARG, "MPI_Remove_error_code",
                           "%d is no code that was added, or is still in use", errorcode);
    return MPI_SUCCESS;
}

MPI_PROFILED(Remove_error_string)
int PMPI_Remove_error_string(int errorcode)
{
    if (added_remove(errorcode, false, true))
        return error_raise(MPI_ERR_ARG, "MPI_Remove_error_string",
                           "%d has no string that was added", errorcode);
    return MPI_SUCCESS;
}

MPI_PROFILED(Error_class)
int PMPI_Error_class(int errorcode, int *errorclass)
{
    const struct added *entry;
    int class = own_text(errorcode) ? errorcode : -1;

    if (class < 0) {
        pthread_mutex_lock(&lock);
        entry = added_of(errorcode);
        if (entry)
            class = entry->class;
        pthread_mutex_unlock(&lock);
    }
    if (class < 0 || !errorclass)
        return error_raise(MPI_ERR_ARG, "MPI_Error_class", "%d is no error code", errorcode);
    *errorclass = class;
    return MPI_SUCCESS;
}

MPI_PROFILED(Error_string)
int PMPI_Error_string(int errorcode, char *string, int *resultlen)
{
    const char *text = error_text(errorcode), *name = error_class_name(errorcode);
    size_t length;

    if (!text || !string || !resultlen)
        return error_raise(MPI_ERR_ARG, "MPI_Error_string", "%d is no error code", errorcode);
    length = name ? strlen(name) + 2 : 0;
    if (name) {
        memcpy(string, name, length - 2);
        memcpy(string + length - 2, ": ", 2);
    }
    memcpy(string + length, text, strlen(text) + 1);
    *resultlen = (int)(length + strlen(text));
    return MPI_SUCCESS;
}
