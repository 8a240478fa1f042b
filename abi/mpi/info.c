/* Info objects. */

#include "abi/mpi/info.h"

#include "abi/mpi/errhandler.h"
#include "abi/mpi/handle.h"
#include "abi/mpi/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct info environment = {.object = {.kind = OBJECT_INFO, .references = 1}};

struct info *info_of(MPI_Info handle)
{
    return handle == MPI_INFO_ENV ? &environment : object_of(handle, OBJECT_INFO);
}

bool info_is_valid(MPI_Info handle)
{
    return handle == MPI_INFO_NULL || info_of(handle) != NULL;
}

struct info *info_create(void)
{
    struct info *info = calloc(1, sizeof(*info));

    if (info)
        object_begin(&info->object, OBJECT_INFO);
    return info;
}

void info_free(struct info *info)
{
    if (!info)
        return;
    for (int i = 0; i < info->count; i++) {
        free(info->entries[i].key);
        free(info->entries[i].value);
    }
    free(info->entries);
    handle_end(&info->object);
    free(info);
}

int info_put_all(struct info *info, const struct info *other)
{
    int error = MPI_SUCCESS;

    for (int i = 0; other && i < other->count && !error; i++)
        error = info_put(info, other->entries[i].key, other->entries[i].value);
    return error;
}

struct info *info_copy(const struct info *info)
{
    struct info *copy = info_create();

    if (copy && info_put_all(copy, info)) {
        info_free(copy);
        copy = NULL;
    }
    return copy;
}

static struct info_entry *entry_of(const struct info *info, const char *key)
{
    for (int i = 0; info && i < info->count; i++)
        if (strcmp(info->entries[i].key, key) == 0)
            return &info->entries[i];
    return NULL;
}

const char *info_find(const struct info *info, const char *key)
{
    const struct info_entry *entry = entry_of(info, key);

    return entry ? entry->value : NULL;
}

int info_put(struct info *info, const char *key, const char *value)
{
    struct info_entry *entry = entry_of(info, key);
    char *copy;

    if (key[0] == '\0' || strlen(key) >= MPI_MAX_INFO_KEY)
        return MPI_ERR_INFO_KEY;
    if (strlen(value) >= MPI_MAX_INFO_VAL)
        return MPI_ERR_INFO_VALUE;
    copy = strdup(value);
    if (!copy)
        return MPI_ERR_NO_MEM;
    if (entry) {
        free(entry->value);
        entry->value = copy;
        return MPI_SUCCESS;
    }
    if (info->count == info->room) {
        int room = info->room ? 2 * info->room : 8;
        struct info_entry *larger = realloc(info->entries, (size_t)room * sizeof(*larger));

        if (!larger) {
            free(copy);
            return MPI_ERR_NO_MEM;
        }
        info->entries = larger;
        info->room = room;
    }
    entry = &info->entries[info->count];
    entry->key = strdup(key);
    entry->value = copy;
    if (!entry->key) {
        free(copy);
        return MPI_ERR_NO_MEM;
    }
    info->count++;
    return MPI_SUCCESS;
}

/* The keys that the standard gives to MPI_INFO_ENV (MPI: The Info Object at startup). */
static void fill_environment(struct info *info, const char *command, int maxprocs, const char *host,
                             const char *arch, const char *wdir, const char *thread_level)
{
    char number[16];
    const char *const pairs[][2] = {
        {"command", command}, {"maxprocs", maxprocs > 0 ? number : NULL},
        {"host", host},       {"arch", arch},
        {"wdir", wdir},       {"thread_level", thread_level},
    };

    snprintf(number, sizeof(number), "%d", maxprocs);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (pairs[i][1] && info_put(info, pairs[i][0], pairs[i][1]))
            continue; /* too long for an info, or no memory: left out */
}

void info_set_environment(const char *command, int maxprocs, const char *host, const char *arch,
                          const char *wdir, const char *thread_level)
{
    fill_environment(&environment, command, maxprocs, host, arch, wdir, thread_level);
}

/* --- Calls
 * ------------------------------------------------------------------------------------------ */

/* What most calls check first: an info, and a key that one can have. */
static int check(MPI_Info handle, const char *key)
{
    if (!info_of(handle))
        return MPI_ERR_INFO;
    if (!key || key[0] == '\0' || strlen(key) >= MPI_MAX_INFO_KEY)
        return MPI_ERR_INFO_KEY;
    return MPI_SUCCESS;
}

static int give(const char *call, struct info *info, MPI_Info *handle)
{
    if (!info)
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    *handle = (MPI_Info)info;
    return MPI_SUCCESS;
}

MPI_PROFILED(Info_create)
int PMPI_Info_create(MPI_Info *info)
{
    if (!info)
        return error_raise(MPI_ERR_ARG, "MPI_Info_create", "info is NULL");
    return give("MPI_Info_create", info_create(), info);
}

MPI_PROFILED(Info_create_env)
int PMPI_Info_create_env(int argc, char *argv[], MPI_Info *info)
{
    struct info *created;

    if (!info)
        return error_raise(MPI_ERR_ARG, "MPI_Info_create_env", "info is NULL");
    created = info_copy(&environment);
    if (created && argc > 0 && argv && argv[0] && !info_find(created, "command"))
        fill_environment(created, argv[0], 0, NULL, NULL, NULL, NULL);
    return give("MPI_Info_create_env", created, info);
}

MPI_PROFILED(Info_dup)
int PMPI_Info_dup(MPI_Info info, MPI_Info *newinfo)
{
    if (!info_of(info))
        return error_raise(MPI_ERR_INFO, "MPI_Info_dup", NULL);
    if (!newinfo)
        return error_raise(MPI_ERR_ARG, "MPI_Info_dup", "newinfo is NULL");
    return give("MPI_Info_dup", info_copy(info_of(info)), newinfo);
}

MPI_PROFILED(Info_free)
int PMPI_Info_free(MPI_Info *info)
{
    struct info *freed = info ? info_of(*info) : NULL;

    if (!freed || freed == &environment)
        return error_raise(MPI_ERR_INFO, "MPI_Info_free", "%s",
                           freed ? "MPI_INFO_ENV cannot be freed" : "no info");
    info_free(freed);
    *info = MPI_INFO_NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(Info_set)
int PMPI_Info_set(MPI_Info info, const char *key, const char *value)
{
    int error = check(info, key);

    if (!error && !value)
        error = MPI_ERR_INFO_VALUE;
    if (!error && info == MPI_INFO_ENV)
        error = MPI_ERR_INFO;
    if (!error)
        error = info_put(info_of(info), key, value);
    return error ? error_raise(error, "MPI_Info_set", NULL) : MPI_SUCCESS;
}

MPI_PROFILED(Info_delete)
int PMPI_Info_delete(MPI_Info info, const char *key)
{
    struct info *changed = info_of(info);
    struct info_entry *entry;
    int error = check(info, key);

    if (!error && changed == &environment)
        error = MPI_ERR_INFO;
    entry = error ? NULL : entry_of(changed, key);
    if (!error && !entry)
        error = MPI_ERR_INFO_NOKEY;
    if (error == MPI_ERR_INFO_NOKEY)
        return error_raise(error, "MPI_Info_delete", "\"%s\"", key);
    if (error)
        return error_raise(error, "MPI_Info_delete", NULL);
    free(entry->key);
    free(entry->value);
    changed->count--;
    memmove(entry, entry + 1, (size_t)(&changed->entries[changed->count] - entry) * sizeof(*entry));
    return MPI_SUCCESS;
}

MPI_PROFILED(Info_get_nkeys)
int PMPI_Info_get_nkeys(MPI_Info info, int *nkeys)
{
    if (!info_of(info))
        return error_raise(MPI_ERR_INFO, "MPI_Info_get_nkeys", NULL);
    if (!nkeys)
        return error_raise(MPI_ERR_ARG, "MPI_Info_get_nkeys", "nkeys is NULL");
    *nkeys = info_of(info)->count;
    return MPI_SUCCESS;
}

MPI_PROFILED(Info_get_nthkey)
int PMPI_Info_get_nthkey(MPI_Info info, int n, char *key)
{
    const struct info *asked = info_of(info);

    if (!asked)
        return error_raise(MPI_ERR_INFO, "MPI_Info_get_nthkey", NULL);
    if (n < 0 || n >= asked->count || !key)
        return error_raise(MPI_ERR_ARG, "MPI_Info_get_nthkey", "n is %d, not in 0..%d", n,
                           asked->count - 1);
    memcpy(key, asked->entries[n].key, strlen(asked->entries[n].key) + 1);
    return MPI_SUCCESS;
}

/* Copies at most `room` bytes of a string, with the closing zero. */
static void copy_string(char *to, size_t room, const char *from)
{
    size_t length = strlen(from);

    if (room == 0)
        return;
    if (length >= room)
        length = room - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

MPI_PROFILED(Info_get_string)
int PMPI_Info_get_string(MPI_Info info, const char *key, int *buflen, char *value, int *flag)
{
    int error = check(info, key);
    const char *found;

    if (!error && (!buflen || *buflen < 0 || !flag || (*buflen > 0 && !value)))
        error = MPI_ERR_ARG;
    if (error)
        return error_raise(error, "MPI_Info_get_string", NULL);
    found = info_find(info_of(info), key);
    *flag = found != NULL;
    if (!found)
        return MPI_SUCCESS;
    copy_string(value, (size_t)*buflen, found);
    *buflen = (int)strlen(found) + 1;
    return MPI_SUCCESS;
}

MPI_PROFILED(Info_get)
int PMPI_Info_get(MPI_Info info, const char *key, int valuelen, char *value, int *flag)
{
    int error = check(info, key);
    const char *found;

    if (!error && (valuelen < 0 || !value || !flag))
        error = MPI_ERR_ARG;
    if (error)
        return error_raise(error, "MPI_Info_get", NULL);
    found = info_find(info_of(info), key);
    *flag = found != NULL;
    if (found)
        copy_string(value, (size_t)valuelen + 1, found);
    return MPI_SUCCESS;
}

MPI_PROFILED(Info_get_valuelen)
int PMPI_Info_get_valuelen(MPI_Info info, const char *key, int *valuelen, int *flag)
{
    int error = check(info, key);
    const char *found;

    if (!error && (!valuelen || !flag))
        error = MPI_ERR_ARG;
    if (error)
        return error_raise(error, "MPI_Info_get_valuelen", NULL);
    found = info_find(info_of(info), key);
    *flag = found != NULL;
    if (found)
        *valuelen = (int)strlen(found);
    return MPI_SUCCESS;
}
