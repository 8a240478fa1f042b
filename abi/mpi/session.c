/* Sessions: their life, their process sets, and the communicators that are made of those. */
#include "abi/mpi/session.h"

#include "abi/mpi/buffered.h"
#include "abi/mpi/check.h"
#include "abi/mpi/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct session {
    struct object object;
    struct errhandler *errhandler;
    struct buffer *buffer; /* NULL: none is attached */
    size_t thread_level;   /* index into thread_levels */
};

enum { PSET_WORLD, PSET_SELF, PSETS };
static const char *const psets[PSETS] = {"mpi://WORLD", "mpi://SELF"};

static const struct {
    int level;
    const char *name;
} thread_levels[] = {
    {MPI_THREAD_SINGLE, "MPI_THREAD_SINGLE"},
    {MPI_THREAD_FUNNELED, "MPI_THREAD_FUNNELED"},
    {MPI_THREAD_SERIALIZED, "MPI_THREAD_SERIALIZED"},
    {MPI_THREAD_MULTIPLE, "MPI_THREAD_MULTIPLE"},
};
#define THREAD_LEVELS (sizeof(thread_levels) / sizeof(thread_levels[0]))

#define session_error(Session, Code, Function, ...)                                                \
    errhandler_raise((Session)->errhandler, OBJECT_SESSION, (Session), (Code), (Function),         \
                     __VA_ARGS__)

struct buffer **session_buffer(struct session *session)
{
    return &session->buffer;
}

static struct session *session_of(MPI_Session handle, const char *function, int *error)
{
    struct session *session = object_of(handle, OBJECT_SESSION);
    *error = MPI_SUCCESS;
    if (session == NULL)
        *error =
            error_raise(MPI_ERR_SESSION, function, "the session is %s",
                        handle == MPI_SESSION_NULL ? "MPI_SESSION_NULL" : "none, or finalized");
    return session;
}

/* --- Life --------------------------------------------------------------------------------------
 */

/* Which level an info asks for by the key "thread_level"; THREAD_LEVELS for a word that names none.
 */
static size_t wanted_level(MPI_Info info)
{
    size_t level = 0;
    const char *text = info != MPI_INFO_NULL ? info_find(info_of(info), "thread_level") : NULL;
    while (text != NULL && level < THREAD_LEVELS &&
           strcasecmp(text, thread_levels[level].name) != 0)
        level++;
    return level;
}

MPI_PROFILED(Session_init)
int PMPI_Session_init(MPI_Info info, MPI_Errhandler errhandler, MPI_Session *handle)
{
    static const char function[] = "MPI_Session_init";
    struct errhandler *slot = &errhandler_fatal;
    if (errhandler_set(&slot, OBJECT_SESSION, errhandler) != MPI_SUCCESS)
        return error_raise(MPI_ERR_ERRHANDLER, function, "the error handler is none for sessions");
    struct session *session = calloc(1, sizeof(*session));
    size_t level = info_is_valid(info) ? wanted_level(info) : THREAD_LEVELS;
    int error = handle == NULL           ? MPI_ERR_ARG
                : !info_is_valid(info)   ? MPI_ERR_INFO
                : level == THREAD_LEVELS ? MPI_ERR_INFO_VALUE
                : session == NULL        ? MPI_ERR_NO_MEM
                                         : MPI_SUCCESS;
    if (error != MPI_SUCCESS) {
        free(session);
        error = errhandler_raise(slot, OBJECT_SESSION, MPI_SESSION_NULL, error, function,
                                 "the session is not made");
        errhandler_release(slot);
        return error;
    }
    object_begin(&session->object, OBJECT_SESSION);
    session->errhandler = slot;
    library_session_begin(thread_levels[level].level);
    if (info == MPI_INFO_NULL) /* nothing is asked for: what there is already */
        while (thread_levels[level].level < mpi.thread_level)
            level++;
    session->thread_level = level;
    *handle = (MPI_Session)session;
    return MPI_SUCCESS;
}

MPI_PROFILED(Session_finalize)
int PMPI_Session_finalize(MPI_Session *handle)
{
    int error;
    struct session *session = session_of(*handle, "MPI_Session_finalize", &error);
    if (session == NULL)
        return error;
    mpi_lock();
    buffer_release(session->buffer);
    mpi_unlock();
    errhandler_release(session->errhandler);
    handle_end(&session->object);
    free(session);
    *handle = MPI_SESSION_NULL;
    library_session_end();
    return MPI_SUCCESS;
}

/* --- What it says of itself --------------------------------------------------------------------
 */

/* A new info with one pair. */
static int give_pair(const struct session *session, const char *key, const char *value,
                     MPI_Info *handle, const char *function)
{
    struct info *info = info_create();
    int error = info != NULL ? info_put(info, key, value) : MPI_ERR_NO_MEM;
    if (error != MPI_SUCCESS) {
        info_free(info);
        return session_error(session, error, function, "no memory for an info");
    }
    *handle = (MPI_Info)info;
    return MPI_SUCCESS;
}

MPI_PROFILED(Session_get_info)
int PMPI_Session_get_info(MPI_Session handle, MPI_Info *info)
{
    static const char function[] = "MPI_Session_get_info";
    int error;
    const struct session *session = session_of(handle, function, &error);
    return session == NULL ? error
                           : give_pair(session, "thread_level",
                                       thread_levels[session->thread_level].name, info, function);
}

MPI_PROFILED(Session_get_num_psets)
int PMPI_Session_get_num_psets(MPI_Session handle, MPI_Info info, int *count)
{
    static const char function[] = "MPI_Session_get_num_psets";
    int error;
    const struct session *session = session_of(handle, function, &error);
    if (session == NULL)
        return error;
    if (!info_is_valid(info))
        return session_error(session, MPI_ERR_INFO, function, "the info is none, or freed");
    *count = PSETS;
    return MPI_SUCCESS;
}

MPI_PROFILED(Session_get_nth_pset)
int PMPI_Session_get_nth_pset(MPI_Session handle, MPI_Info info, int n, int *length, char *name)
{
    static const char function[] = "MPI_Session_get_nth_pset";
    int error;
    const struct session *session = session_of(handle, function, &error);
    if (session == NULL)
        return error;
    if (!info_is_valid(info))
        return session_error(session, MPI_ERR_INFO, function, "the info is none, or freed");
    if (n < 0 || n >= PSETS)
        return session_error(session, MPI_ERR_ARG, function, "n is %d; 0 to %d would be right", n,
                             PSETS - 1);
    if (*length > 0)
        snprintf(name, (size_t)*length, "%s", psets[n]);
    *length = (int)strlen(psets[n]) + 1;
    return MPI_SUCCESS;
}

/* The set of a name, or PSETS and an error that has been raised. */
static int find_pset(const struct session *session, const char *name, const char *function,
                     int *error)
{
    for (int i = 0; i < PSETS; i++)
        if (strcasecmp(name, psets[i]) == 0)
            return i;
    *error = session_error(session, MPI_ERR_ARG, function,
                           "there is no process set \"%s\", only %s and %s", name,
                           psets[PSET_WORLD], psets[PSET_SELF]);
    return PSETS;
}

MPI_PROFILED(Session_get_pset_info)
int PMPI_Session_get_pset_info(MPI_Session handle, const char *name, MPI_Info *info)
{
    static const char function[] = "MPI_Session_get_pset_info";
    int error;
    char size[16];
    const struct session *session = session_of(handle, function, &error);
    if (session == NULL)
        return error;
    int pset = find_pset(session, name, function, &error);
    if (pset == PSETS)
        return error;
    snprintf(size, sizeof(size), "%d", pset == PSET_WORLD ? (int)transport.size : 1);
    return give_pair(session, "mpi_size", size, info, function);
}

MPI_PROFILED(Group_from_session_pset)
int PMPI_Group_from_session_pset(MPI_Session handle, const char *name, MPI_Group *made)
{
    static const char function[] = "MPI_Group_from_session_pset";
    int error, rank = (int)transport.rank;
    struct session *session = session_of(handle, function, &error);
    if (session == NULL)
        return error;
    int pset = find_pset(session, name, function, &error);
    if (pset == PSETS)
        return error;
    struct group *group =
        pset == PSET_WORLD ? group_create((int)transport.size, NULL) : group_create(1, &rank);
    if (group == NULL)
        return session_error(session, MPI_ERR_NO_MEM, function, "no memory for a group");
    group->session = session;
    *made = group_handle(group);
    return MPI_SUCCESS;
}

/* --- Error handler -----------------------------------------------------------------------------
 */

MPI_PROFILED(Session_set_errhandler)
int PMPI_Session_set_errhandler(MPI_Session handle, MPI_Errhandler errhandler)
{
    int error;
    struct session *session = session_of(handle, "MPI_Session_set_errhandler", &error);
    if (session == NULL)
        return error;
    error = errhandler_set(&session->errhandler, OBJECT_SESSION, errhandler);
    return error == MPI_SUCCESS ? error
                                : session_error(session, error, "MPI_Session_set_errhandler",
                                                "the error handler is none for sessions");
}

MPI_PROFILED(Session_get_errhandler)
int PMPI_Session_get_errhandler(MPI_Session handle, MPI_Errhandler *errhandler)
{
    int error;
    struct session *session = session_of(handle, "MPI_Session_get_errhandler", &error);
    if (session != NULL)
        *errhandler = errhandler_get(&session->errhandler);
    return error;
}

MPI_PROFILED(Session_call_errhandler)
int PMPI_Session_call_errhandler(MPI_Session handle, int code)
{
    int error;
    struct session *session = session_of(handle, "MPI_Session_call_errhandler", &error);
    if (session != NULL)
        session_error(session, code, "MPI_Session_call_errhandler", NULL);
    return error;
}

/* --- Buffers for buffered sends ------------------------------------------------------------------
 */

static int outcome(const struct session *session, int error, const char *function)
{
    return error == MPI_SUCCESS
               ? error
               : session_error(session, error, function, "%s", buffer_problem(error));
}

#define ATTACH(Count) (MPI_Session handle, void *buffer, Count size)
WITH_COUNTS(Session_attach_buffer, ATTACH, {
    static const char function[] = "MPI_Session_attach_buffer";
    int error;
    struct session *session = session_of(handle, function, &error);
    return session == NULL
               ? error
               : outcome(session, buffer_attach(&session->buffer, buffer, size), function);
})
#define DETACH(Count) (MPI_Session handle, void *address, Count *size)
WITH_COUNTS(Session_detach_buffer, DETACH, {
    static const char function[] = "MPI_Session_detach_buffer";
    int error;
    int64_t bytes = 0;
    struct session *session = session_of(handle, function, &error);
    if (session == NULL)
        return error;
    error = buffer_detach(&session->buffer, address, &bytes);
    if (error == MPI_SUCCESS)
        *size = bytes;
    return outcome(session, error, function);
})

MPI_PROFILED(Session_flush_buffer)
int PMPI_Session_flush_buffer(MPI_Session handle)
{
    static const char function[] = "MPI_Session_flush_buffer";
    int error;
    struct session *session = session_of(handle, function, &error);
    return session == NULL ? error : outcome(session, buffer_flush(&session->buffer), function);
}

MPI_PROFILED(Session_iflush_buffer)
int PMPI_Session_iflush_buffer(MPI_Session handle, MPI_Request *request)
{
    static const char function[] = "MPI_Session_iflush_buffer";
    int error;
    struct session *session = session_of(handle, function, &error);
    return session == NULL
               ? error
               : outcome(session, buffer_flush_begin(&session->buffer, request), function);
}
