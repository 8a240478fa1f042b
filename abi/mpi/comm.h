/* Making communicators; used by the calls that do and by initialisation. */
#ifndef ABI_MPI_COMM_H
#define ABI_MPI_COMM_H

#include "abi/mpi/schedule.h"

/* A communicator of a group, without attributes, info or name; takes the references to the groups.
 * `remote` NULL: no inter-communicator. Dies without memory. With the lock. */
struct comm *comm_create(uint32_t context, struct group *group, struct group *remote);

/* Makes a communicator of `group` (this rank in it) and `remote` (or NULL), called by all of them.
 * Their messages go in the collective context of `via`: with the tag of its next collective (`tag`
 * 0), or with call_tag's where not all of its ranks take part. Takes the references. With the lock.
 */
struct comm *comm_make(struct comm *via, struct group *group, struct group *remote, int tag);

/* Context ids. A new one is given out by the leader of its ranks, and holds the leader's rank in
 * the job (16 bits) and a number that it does not use otherwise (15 bits): nobody else can give out
 * the same, and nothing has to be agreed upon. The lowest bit is set for collectives. */
#define CONTEXT_WORLD 0u
#define CONTEXT_SELF(Rank) ((uint32_t)(Rank) << 16 | 2u)
/* A new one of this rank's. Dies when 32766 are in use. */
uint32_t context_new(void);
void context_release(uint32_t context);

/* Kinds of negative tags in collective contexts, for calls that only some of the ranks take part
 * in: they are named by a tag of the program's. */
enum call_tag {
    TAG_CREATE_GROUP,
    TAG_INTER_LEADERS,
    TAG_INTER_CONTEXT,
    TAG_FROM_GROUP,  /* by a string: its hash */
    TAG_FROM_GROUPS, /* the same, between two groups */
    TAG_PARTITIONED, /* partitioned.c: not the program's tag */
};
#define CALL_TAG_MASK 0xfffffff
static inline int call_tag(enum call_tag kind, int tag)
{
    return (int)(UINT32_C(0x80000000) | (uint32_t)kind << 28 | ((uint32_t)tag & CALL_TAG_MASK));
}

/* Adds to the schedule: the first of the group gives out a context for `group` (and `other`, if not
 * NULL), and all get it at *context. The first is the leader. */
void context_build(struct schedule *schedule, const struct group *group, const struct group *other,
                   uint32_t *context);

#endif
