/* The tool interface (MPI: The MPI Tool Information Interface): what a tool can read of the library
 * while a program runs. There are a few variables in one category, no enumerations and no events.
 */
#include "abi/mpi/tool.h"
#include "abi/mpi/library.h"
#include "abi/mpi/ring.h"

#include <stdlib.h>
#include <string.h>

static _Atomic int users;

int tool_users(void)
{
    return users;
}

static uint64_t read_posted(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < MATCH_CLASSES; i++)
        sum += mpi.matcher.posted[i];
    return sum;
}

static uint64_t read_unexpected(void)
{
    return mpi.matcher.waiting;
}

/* What the rings have carried: modulo 2^32 for each pair of ranks. */
static uint64_t read_sent(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < transport.size; i++)
        sum += transport.peers[i].head;
    return sum;
}

static uint64_t read_received(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < transport.size; i++)
        sum += transport.peers[i].tail;
    return sum;
}

static uint64_t read_queued(void)
{
    return transport.queued;
}

static uint64_t read_inline(void)
{
    return RING_INLINE;
}

static uint64_t read_eager(void)
{
    return EAGER_MAX;
}

static uint64_t read_ring(void)
{
    return RING_CELLS;
}

struct variable {
    const char *name, *description;
    int class; /* of a performance variable */
    uint64_t (*read)(void);
};
static const struct variable performance[] = {
    {"posted_receives", "receives that wait for their message", MPI_T_PVAR_CLASS_LEVEL,
     read_posted},
    {"unexpected_messages", "messages that wait for their receive", MPI_T_PVAR_CLASS_LEVEL,
     read_unexpected},
    {"cells_sent", "cells sent to other ranks: one for a short message, some for a longer one",
     MPI_T_PVAR_CLASS_COUNTER, read_sent},
    {"cells_received", "cells received from other ranks", MPI_T_PVAR_CLASS_COUNTER, read_received},
    {"blocked_peers", "ranks whose ring is full, so that messages to them wait",
     MPI_T_PVAR_CLASS_LEVEL, read_queued},
};
static const struct variable control[] = {
    {"cell_payload", "bytes of a message that travel in one cache line with its envelope", 0,
     read_inline},
    {"eager_limit", "bytes of a message up to which it is sent before it is wanted", 0, read_eager},
    {"ring_cells", "cells of the ring from one rank to another", 0, read_ring},
};
enum {
    PVARS = sizeof(performance) / sizeof(performance[0]),
    CVARS = sizeof(control) / sizeof(control[0])
};

struct MPI_T_cvar_handle_t {
    const struct variable *variable;
};
struct MPI_T_pvar_handle_t {
    const struct variable *variable;
    struct MPI_T_pvar_session_t *session;
    struct MPI_T_pvar_handle_t *next;
};
struct MPI_T_pvar_session_t {
    struct MPI_T_pvar_handle_t *handles;
};

#define NEED_INIT                                                                                  \
    if (users == 0)                                                                                \
    return MPI_T_ERR_NOT_INITIALIZED
#define NEED(Condition, Error)                                                                     \
    if (!(Condition))                                                                              \
    return (Error)

/* A string as the interface gives it: as much as there is room for; the length with the zero. */
static void give_text(const char *text, char *to, int *room)
{
    int length = (int)strlen(text) + 1;

    if (room && to && *room > 0) {
        int part = *room < length ? *room : length;

        memcpy(to, text, (size_t)part);
        to[part - 1] = '\0';
    }
    if (room)
        *room = length;
}

static void give(int *to, int value)
{
    if (to)
        *to = value;
}

static int find(const struct variable variables[], int count, const char *name, int *index)
{
    NEED(name && index, MPI_T_ERR_INVALID);
    for (int i = 0; i < count; i++)
        if (strcmp(variables[i].name, name) == 0) {
            *index = i;
            return MPI_SUCCESS;
        }
    return MPI_T_ERR_INVALID_NAME;
}

/* --- Start and end
 * ------------------------------------------------------------------------------------ */

MPI_PROFILED(T_init_thread)
int PMPI_T_init_thread(int required, int *provided)
{
    (void)required;
    NEED(provided, MPI_T_ERR_INVALID);
    users++;
    *provided = MPI_THREAD_MULTIPLE;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_finalize)
int PMPI_T_finalize(void)
{
    NEED_INIT;
    users--;
    return MPI_SUCCESS;
}

/* --- Control variables: constants
 * ---------------------------------------------------------------------- */

MPI_PROFILED(T_cvar_get_num)
int PMPI_T_cvar_get_num(int *num_cvar)
{
    NEED_INIT;
    NEED(num_cvar, MPI_T_ERR_INVALID);
    *num_cvar = CVARS;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_cvar_get_info)
int PMPI_T_cvar_get_info(int cvar_index, char *name, int *name_len, int *verbosity,
                         MPI_Datatype *datatype, MPI_T_enum *enumtype, char *desc, int *desc_len,
                         int *bind, int *scope)
{
    NEED_INIT;
    NEED(cvar_index >= 0 && cvar_index < CVARS, MPI_T_ERR_INVALID_INDEX);
    give_text(control[cvar_index].name, name, name_len);
    give_text(control[cvar_index].description, desc, desc_len);
    give(verbosity, MPI_T_VERBOSITY_TUNER_DETAIL);
    give(bind, MPI_T_BIND_NO_OBJECT);
    give(scope, MPI_T_SCOPE_CONSTANT);
    if (datatype)
        *datatype = MPI_UNSIGNED_LONG_LONG;
    if (enumtype)
        *enumtype = MPI_T_ENUM_NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_cvar_get_index)
int PMPI_T_cvar_get_index(const char *name, int *cvar_index)
{
    NEED_INIT;
    return find(control, CVARS, name, cvar_index);
}

MPI_PROFILED(T_cvar_handle_alloc)
int PMPI_T_cvar_handle_alloc(int cvar_index, void *obj_handle, MPI_T_cvar_handle *handle,
                             int *count)
{
    (void)obj_handle;
    NEED_INIT;
    NEED(cvar_index >= 0 && cvar_index < CVARS, MPI_T_ERR_INVALID_INDEX);
    NEED(handle && count, MPI_T_ERR_INVALID);
    *handle = calloc(1, sizeof(**handle));
    NEED(*handle, MPI_T_ERR_OUT_OF_HANDLES);
    (*handle)->variable = &control[cvar_index];
    *count = 1;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_cvar_handle_free)
int PMPI_T_cvar_handle_free(MPI_T_cvar_handle *handle)
{
    NEED_INIT;
    NEED(handle && *handle, MPI_T_ERR_INVALID_HANDLE);
    free(*handle);
    *handle = MPI_T_CVAR_HANDLE_NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_cvar_read)
int PMPI_T_cvar_read(MPI_T_cvar_handle handle, void *buf)
{
    NEED_INIT;
    NEED(handle, MPI_T_ERR_INVALID_HANDLE);
    NEED(buf, MPI_T_ERR_INVALID);
    *(unsigned long long *)buf = handle->variable->read();
    return MPI_SUCCESS;
}

MPI_PROFILED(T_cvar_write)
int PMPI_T_cvar_write(MPI_T_cvar_handle handle, const void *buf)
{
    (void)buf;
    NEED_INIT;
    NEED(handle, MPI_T_ERR_INVALID_HANDLE);
    return MPI_T_ERR_CVAR_SET_NEVER;
}

/* --- Performance variables: read as they are
 * ------------------------------------------------------------- */

MPI_PROFILED(T_pvar_get_num)
int PMPI_T_pvar_get_num(int *num_pvar)
{
    NEED_INIT;
    NEED(num_pvar, MPI_T_ERR_INVALID);
    *num_pvar = PVARS;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_pvar_get_info)
int PMPI_T_pvar_get_info(int pvar_index, char *name, int *name_len, int *verbosity, int *var_class,
                         MPI_Datatype *datatype, MPI_T_enum *enumtype, char *desc, int *desc_len,
                         int *bind, int *readonly, int *continuous, int *atomic)
{
    NEED_INIT;
    NEED(pvar_index >= 0 && pvar_index < PVARS, MPI_T_ERR_INVALID_INDEX);
    give_text(performance[pvar_index].name, name, name_len);
    give_text(performance[pvar_index].description, desc, desc_len);
    give(verbosity, MPI_T_VERBOSITY_USER_BASIC);
    give(var_class, performance[pvar_index].class);
    give(bind, MPI_T_BIND_NO_OBJECT);
    give(readonly, 1);
    give(continuous, 1);
    give(atomic, 0);
    if (datatype)
        *datatype = MPI_UNSIGNED_LONG_LONG;
    if (enumtype)
        *enumtype = MPI_T_ENUM_NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_pvar_get_index)
int PMPI_T_pvar_get_index(const char *name, int var_class, int *pvar_index)
{
    int error, index;

    NEED_INIT;
    NEED(pvar_index, MPI_T_ERR_INVALID);
    error = find(performance, PVARS, name, &index);
    if (error)
        return error;
    NEED(performance[index].class == var_class, MPI_T_ERR_INVALID_NAME);
    *pvar_index = index;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_pvar_session_create)
int PMPI_T_pvar_session_create(MPI_T_pvar_session *session)
{
    NEED_INIT;
    NEED(session, MPI_T_ERR_INVALID);
    *session = calloc(1, sizeof(**session));
    return *session ? MPI_SUCCESS : MPI_T_ERR_OUT_OF_SESSIONS;
}

MPI_PROFILED(T_pvar_session_free)
int PMPI_T_pvar_session_free(MPI_T_pvar_session *session)
{
    NEED_INIT;
    NEED(session && *session, MPI_T_ERR_INVALID_SESSION);
    while ((*session)->handles) {
        struct MPI_T_pvar_handle_t *handle = (*session)->handles;

        (*session)->handles = handle->next;
        free(handle);
    }
    free(*session);
    *session = MPI_T_PVAR_SESSION_NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_pvar_handle_alloc)
int PMPI_T_pvar_handle_alloc(MPI_T_pvar_session session, int pvar_index, void *obj_handle,
                             MPI_T_pvar_handle *handle, int *count)
{
    (void)obj_handle;
    NEED_INIT;
    NEED(session, MPI_T_ERR_INVALID_SESSION);
    NEED(pvar_index >= 0 && pvar_index < PVARS, MPI_T_ERR_INVALID_INDEX);
    NEED(handle && count, MPI_T_ERR_INVALID);
    *handle = calloc(1, sizeof(**handle));
    NEED(*handle, MPI_T_ERR_OUT_OF_HANDLES);
    **handle = (struct MPI_T_pvar_handle_t){&performance[pvar_index], session, session->handles};
    session->handles = *handle;
    *count = 1;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_pvar_handle_free)
int PMPI_T_pvar_handle_free(MPI_T_pvar_session session, MPI_T_pvar_handle *handle)
{
    struct MPI_T_pvar_handle_t **place;

    NEED_INIT;
    NEED(session, MPI_T_ERR_INVALID_SESSION);
    NEED(handle && *handle && *handle != MPI_T_PVAR_ALL_HANDLES, MPI_T_ERR_INVALID_HANDLE);
    for (place = &session->handles; *place; place = &(*place)->next)
        if (*place == *handle) {
            *place = (*handle)->next;
            free(*handle);
            *handle = MPI_T_PVAR_HANDLE_NULL;
            return MPI_SUCCESS;
        }
    return MPI_T_ERR_INVALID_HANDLE;
}

/* What the calls on a handle check. */
static int check(MPI_T_pvar_session session, MPI_T_pvar_handle handle, bool all_too)
{
    NEED_INIT;
    NEED(session, MPI_T_ERR_INVALID_SESSION);
    if (handle == MPI_T_PVAR_ALL_HANDLES)
        return all_too ? MPI_SUCCESS : MPI_T_ERR_INVALID_HANDLE;
    NEED(handle && handle->session == session, MPI_T_ERR_INVALID_HANDLE);
    return MPI_SUCCESS;
}

MPI_PROFILED(T_pvar_read)
int PMPI_T_pvar_read(MPI_T_pvar_session session, MPI_T_pvar_handle handle, void *buf)
{
    int error = check(session, handle, false);

    if (error)
        return error;
    NEED(buf, MPI_T_ERR_INVALID);
    mpi_lock();
    *(unsigned long long *)buf = handle->variable->read();
    mpi_unlock();
    return MPI_SUCCESS;
}

/* All run from the start to the end, and none can be set: for one handle that is an error, for all
 * handles there is nothing to do. */
#define REFUSED(Name, Error)                                                                       \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(MPI_T_pvar_session session, MPI_T_pvar_handle handle)                          \
    {                                                                                              \
        int error = check(session, handle, true);                                                  \
                                                                                                   \
        if (error || handle == MPI_T_PVAR_ALL_HANDLES)                                             \
            return error;                                                                          \
        return Error;                                                                              \
    }
REFUSED(T_pvar_start, MPI_T_ERR_PVAR_NO_STARTSTOP)
REFUSED(T_pvar_stop, MPI_T_ERR_PVAR_NO_STARTSTOP)
REFUSED(T_pvar_reset, MPI_T_ERR_PVAR_NO_WRITE)

MPI_PROFILED(T_pvar_write)
int PMPI_T_pvar_write(MPI_T_pvar_session session, MPI_T_pvar_handle handle, const void *buf)
{
    int error = check(session, handle, false);

    (void)buf;
    return error ? error : MPI_T_ERR_PVAR_NO_WRITE;
}

MPI_PROFILED(T_pvar_readreset)
int PMPI_T_pvar_readreset(MPI_T_pvar_session session, MPI_T_pvar_handle handle, void *buf)
{
    int error = check(session, handle, false);

    (void)buf;
    return error ? error : MPI_T_ERR_PVAR_NO_ATOMIC;
}

/* --- Categories: one
 * ------------------------------------------------------------------------------------------ */

MPI_PROFILED(T_category_get_num)
int PMPI_T_category_get_num(int *num_cat)
{
    NEED_INIT;
    NEED(num_cat, MPI_T_ERR_INVALID);
    *num_cat = 1;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_category_get_info)
int PMPI_T_category_get_info(int cat_index, char *name, int *name_len, char *desc, int *desc_len,
                             int *num_cvars, int *num_pvars, int *num_categories)
{
    NEED_INIT;
    NEED(cat_index == 0, MPI_T_ERR_INVALID_INDEX);
    give_text("messages", name, name_len);
    give_text("how messages are matched and carried", desc, desc_len);
    give(num_cvars, CVARS);
    give(num_pvars, PVARS);
    give(num_categories, 0);
    return MPI_SUCCESS;
}

MPI_PROFILED(T_category_get_index)
int PMPI_T_category_get_index(const char *name, int *cat_index)
{
    NEED_INIT;
    NEED(name && cat_index, MPI_T_ERR_INVALID);
    NEED(strcmp(name, "messages") == 0, MPI_T_ERR_INVALID_NAME);
    *cat_index = 0;
    return MPI_SUCCESS;
}

#define CATEGORY_LIST(Name, Count)                                                                 \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(int cat_index, int len, int indices[])                                         \
    {                                                                                              \
        NEED_INIT;                                                                                 \
        NEED(cat_index == 0, MPI_T_ERR_INVALID_INDEX);                                             \
        NEED(len <= 0 || indices, MPI_T_ERR_INVALID);                                              \
        for (int i = 0; i < len && i < (Count); i++)                                               \
            indices[i] = i;                                                                        \
        return MPI_SUCCESS;                                                                        \
    }
CATEGORY_LIST(T_category_get_cvars, CVARS)
CATEGORY_LIST(T_category_get_pvars, PVARS)
CATEGORY_LIST(T_category_get_categories, 0)
CATEGORY_LIST(T_category_get_events, 0)

/* Nothing is ever added. */
MPI_PROFILED(T_category_changed)
int PMPI_T_category_changed(int *update_number)
{
    NEED_INIT;
    NEED(update_number, MPI_T_ERR_INVALID);
    *update_number = 1;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_category_get_num_events)
int PMPI_T_category_get_num_events(int cat_index, int *num_events)
{
    NEED_INIT;
    NEED(cat_index == 0, MPI_T_ERR_INVALID_INDEX);
    NEED(num_events, MPI_T_ERR_INVALID);
    *num_events = 0;
    return MPI_SUCCESS;
}

/* --- Enumerations, events and their sources: none
 * ---------------------------------------------------------------- */

MPI_PROFILED(T_enum_get_info)
int PMPI_T_enum_get_info(MPI_T_enum enumtype, int *num, char *name, int *name_len)
{
    (void)enumtype;
    (void)num;
    (void)name;
    (void)name_len;
    NEED_INIT;
    return MPI_T_ERR_INVALID_HANDLE;
}

MPI_PROFILED(T_enum_get_item)
int PMPI_T_enum_get_item(MPI_T_enum enumtype, int indx, int *value, char *name, int *name_len)
{
    (void)enumtype;
    (void)indx;
    (void)value;
    (void)name;
    (void)name_len;
    NEED_INIT;
    return MPI_T_ERR_INVALID_HANDLE;
}

MPI_PROFILED(T_event_get_num)
int PMPI_T_event_get_num(int *num_events)
{
    NEED_INIT;
    NEED(num_events, MPI_T_ERR_INVALID);
    *num_events = 0;
    return MPI_SUCCESS;
}

MPI_PROFILED(T_source_get_num)
int PMPI_T_source_get_num(int *num_sources)
{
    NEED_INIT;
    NEED(num_sources, MPI_T_ERR_INVALID);
    *num_sources = 0;
    return MPI_SUCCESS;
}
