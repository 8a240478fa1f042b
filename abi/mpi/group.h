/* Groups (MPI: Group Management): an ordered set of processes. A process is known by its rank in
 * the job (MPI_COMM_WORLD), which is what the members are. A group never changes after it is made.
 */
#ifndef ABI_MPI_GROUP_H
#define ABI_MPI_GROUP_H

#include "abi/mpi/object.h"

#include <mpi.h>

struct session;

struct group {
    struct object object;
    /* The session it comes from, or NULL. The program ends its session last: no reference is held.
     */
    struct session *session;
    int size;      /* members */
    int rank;      /* this process's, or MPI_UNDEFINED */
    int members[]; /* by rank in the group: the rank in the job, 0.. */
};

/* Which process of the job this is: the rank of groups follows from it. Called once, at
 * initialisation, before any group is made. */
void group_set_self(int rank_in_job);

/* By its handle (MPI_GROUP_EMPTY too); NULL when it is none. */
struct group *group_of(MPI_Group handle);
MPI_Group group_handle(struct group *group);

/* A group of `size` members, copied; NULL without memory. With members NULL: 0, 1, 2, ... */
struct group *group_create(int size, const int members[]);
struct group *group_retain(struct group *group);
void group_release(struct group *group);

/* The rank of a process of the job in a group, or MPI_UNDEFINED. Takes time proportional to size.
 */
int group_rank_of(const struct group *group, int rank_in_job);
/* Is a process in both? Takes time proportional to the product of the sizes. */
bool group_overlap(const struct group *one, const struct group *other);
/* For every member of `from` its rank in `to`, or MPI_UNDEFINED, in time linear in both sizes.
 * Returns MPI_SUCCESS or MPI_ERR_NO_MEM. */
int group_translate(const struct group *from, const struct group *to, int ranks[]);
/* MPI_IDENT, MPI_SIMILAR or MPI_UNEQUAL; MPI_UNDEFINED without memory. */
int group_compare(const struct group *first, const struct group *second);

#endif
