/* Info objects (MPI: The Info Object): keys and values, strings both, in the order in which they
 * were set. */
#ifndef ABI_MPI_INFO_H
#define ABI_MPI_INFO_H

#include "abi/mpi/object.h"

#include <mpi.h>

struct info_entry {
    char *key;   /* at most MPI_MAX_INFO_KEY - 1 characters */
    char *value; /* at most MPI_MAX_INFO_VAL - 1 */
};

struct info {
    struct object object;
    int count, room;
    struct info_entry *entries;
};

/* By its handle; NULL for MPI_INFO_NULL and for what is no info. MPI_INFO_ENV is the one that
 * info_set_environment filled. */
struct info *info_of(MPI_Info handle);
/* True for MPI_INFO_NULL and for every info: what may be passed where hints are taken. */
bool info_is_valid(MPI_Info handle);

struct info *info_create(void); /* NULL without memory */
/* A copy, of NULL an empty one; NULL without memory. */
struct info *info_copy(const struct info *info);
void info_free(struct info *info); /* NULL: nothing */

/* The value, or NULL. */
const char *info_find(const struct info *info, const char *key);
/* MPI_SUCCESS, MPI_ERR_INFO_KEY, MPI_ERR_INFO_VALUE (too long) or MPI_ERR_NO_MEM. */
int info_put(struct info *info, const char *key, const char *value);
/* Puts all of `other` (NULL: nothing): MPI_SUCCESS, or MPI_ERR_NO_MEM with some of them put. */
int info_put_all(struct info *info, const struct info *other);

/* What MPI_INFO_ENV says; called at initialisation. Values may be NULL: left out. */
void info_set_environment(const char *command, int maxprocs, const char *host, const char *arch,
                          const char *wdir, const char *thread_level);

#endif
