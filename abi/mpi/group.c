/* Groups: made from others by set operations, compared, translated. Members are looked up in a
 * table by their rank in the job, so that every operation takes time linear in the sizes. */

#include "abi/mpi/group.h"

#include "abi/mpi/errhandler.h"
#include "abi/mpi/handle.h"
#include "abi/mpi/profile.h"

#include <stdlib.h>
#include <string.h>

static int self; /* this process's rank in the job */

static struct group empty = {
    .object = {.kind = OBJECT_GROUP, .references = 1},
    .size = 0,
    .rank = MPI_UNDEFINED,
};

void group_set_self(int rank_in_job)
{
    self = rank_in_job;
}

struct group *group_of(MPI_Group handle)
{
    return handle == MPI_GROUP_EMPTY ? &empty : object_of(handle, OBJECT_GROUP);
}

MPI_Group group_handle(struct group *group)
{
    return group == &empty ? MPI_GROUP_EMPTY : (MPI_Group)group;
}

struct group *group_create(int size, const int members[])
{
    struct group *group;

    if (size == 0)
        return &empty;
    group = calloc(1, sizeof(*group) + (size_t)size * sizeof(group->members[0]));
    if (!group)
        return NULL;
    object_begin(&group->object, OBJECT_GROUP);
    group->size = size;
    for (int i = 0; i < size; i++)
        group->members[i] = members ? members[i] : i;
    group->rank = group_rank_of(group, self);
    return group;
}

struct group *group_retain(struct group *group)
{
    if (group != &empty)
        object_retain(&group->object);
    return group;
}

void group_release(struct group *group)
{
    if (group == &empty || !object_release(&group->object))
        return;
    handle_end(&group->object);
    free(group);
}

int group_rank_of(const struct group *group, int rank_in_job)
{
    for (int i = 0; i < group->size; i++)
        if (group->members[i] == rank_in_job)
            return i;
    return MPI_UNDEFINED;
}

bool group_overlap(const struct group *one, const struct group *other)
{
    for (int i = 0; i < one->size; i++)
        if (group_rank_of(other, one->members[i]) != MPI_UNDEFINED)
            return true;
    return false;
}

/* --- Tables
 * ------------------------------------------------------------------------------------------ */

/* By rank in the job: the rank in a group plus one, or 0. */
struct table {
    int *ranks;
    int length;
};

static bool table_create(const struct group *group, struct table *table)
{
    table->length = 0;
    for (int i = 0; i < group->size; i++)
        if (group->members[i] >= table->length)
            table->length = group->members[i] + 1;
    table->ranks = calloc((size_t)table->length + 1, sizeof(int));
    if (!table->ranks)
        return false;
    for (int i = 0; i < group->size; i++)
        table->ranks[group->members[i]] = i + 1;
    return true;
}

/* The rank in the group, or MPI_UNDEFINED. */
static int table_find(const struct table *table, int rank_in_job)
{
    if (rank_in_job >= table->length || table->ranks[rank_in_job] == 0)
        return MPI_UNDEFINED;
    return table->ranks[rank_in_job] - 1;
}

int group_translate(const struct group *from, const struct group *to, int ranks[])
{
    struct table table;

    if (!table_create(to, &table))
        return MPI_ERR_NO_MEM;
    for (int i = 0; i < from->size; i++)
        ranks[i] = table_find(&table, from->members[i]);
    free(table.ranks);
    return MPI_SUCCESS;
}

int group_compare(const struct group *first, const struct group *second)
{
    struct table table;
    int result = MPI_SIMILAR;

    if (first->size != second->size)
        return MPI_UNEQUAL;
    if (memcmp(first->members, second->members, (size_t)first->size * sizeof(int)) == 0)
        return MPI_IDENT;
    if (!table_create(second, &table))
        return MPI_UNDEFINED;
    for (int i = 0; i < first->size && result == MPI_SIMILAR; i++)
        if (table_find(&table, first->members[i]) == MPI_UNDEFINED)
            result = MPI_UNEQUAL;
    free(table.ranks);
    return result;
}

/* --- Calls
 * --------------------------------------------------------------------------------------------- */

/* Hands a new group out, made from members of `from`, or raises that there is no memory for it. */
static int give(const char *call, const struct group *from, int size, const int members[],
                MPI_Group *handle)
{
    struct group *group = group_create(size, members);

    if (!group)
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    if (size != 0)
        group->session = from->session;
    *handle = group_handle(group);
    return MPI_SUCCESS;
}

MPI_PROFILED(Group_size)
int PMPI_Group_size(MPI_Group group, int *size)
{
    const struct group *asked = group_of(group);

    if (!asked)
        return error_raise(MPI_ERR_GROUP, "MPI_Group_size", NULL);
    if (!size)
        return error_raise(MPI_ERR_ARG, "MPI_Group_size", "size is NULL");
    *size = asked->size;
    return MPI_SUCCESS;
}

MPI_PROFILED(Group_rank)
int PMPI_Group_rank(MPI_Group group, int *rank)
{
    const struct group *asked = group_of(group);

    if (!asked)
        return error_raise(MPI_ERR_GROUP, "MPI_Group_rank", NULL);
    if (!rank)
        return error_raise(MPI_ERR_ARG, "MPI_Group_rank", "rank is NULL");
    *rank = asked->rank;
    return MPI_SUCCESS;
}

MPI_PROFILED(Group_free)
int PMPI_Group_free(MPI_Group *group)
{
    struct group *freed = group ? group_of(*group) : NULL;

    if (!freed)
        return error_raise(MPI_ERR_GROUP, "MPI_Group_free", NULL);
    group_release(freed);
    *group = MPI_GROUP_NULL;
    return MPI_SUCCESS;
}

MPI_PROFILED(Group_compare)
int PMPI_Group_compare(MPI_Group group1, MPI_Group group2, int *result)
{
    const struct group *first = group_of(group1), *second = group_of(group2);
    int compared;

    if (!first || !second)
        return error_raise(MPI_ERR_GROUP, "MPI_Group_compare", NULL);
    if (!result)
        return error_raise(MPI_ERR_ARG, "MPI_Group_compare", "result is NULL");
    compared = group_compare(first, second);
    if (compared == MPI_UNDEFINED)
        return error_raise(MPI_ERR_NO_MEM, "MPI_Group_compare", NULL);
    *result = compared;
    return MPI_SUCCESS;
}

MPI_PROFILED(Group_translate_ranks)
int PMPI_Group_translate_ranks(MPI_Group group1, int n, const int ranks1[], MPI_Group group2,
                               int ranks2[])
{
    const struct group *from = group_of(group1), *to = group_of(group2);
    const char *call = "MPI_Group_translate_ranks";
    struct table table;

    if (!from || !to)
        return error_raise(MPI_ERR_GROUP, call, NULL);
    if (n < 0 || (n > 0 && (!ranks1 || !ranks2)))
        return error_raise(MPI_ERR_ARG, call, "n is %d, or an array is NULL", n);
    for (int i = 0; i < n; i++)
        if (ranks1[i] != MPI_PROC_NULL && (ranks1[i] < 0 || ranks1[i] >= from->size))
            return error_raise(MPI_ERR_RANK, call, "ranks1[%d] is %d, not in 0..%d", i, ranks1[i],
                               from->size - 1);
    if (!table_create(to, &table))
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    for (int i = 0; i < n; i++)
        ranks2[i] = ranks1[i] == MPI_PROC_NULL ? MPI_PROC_NULL
                                               : table_find(&table, from->members[ranks1[i]]);
    free(table.ranks);
    return MPI_SUCCESS;
}

enum set_operation { SET_UNION, SET_INTERSECTION, SET_DIFFERENCE };

/* The members of the first that the operation keeps, in their order, then for a union those of the
 * second that are not in the first. */
static int combine(const char *call, enum set_operation operation, MPI_Group group1,
                   MPI_Group group2, MPI_Group *newgroup)
{
    const struct group *first = group_of(group1), *second = group_of(group2);
    struct table in_first = {0}, in_second = {0};
    int *members, size = 0, error = MPI_ERR_NO_MEM;

    if (!first || !second)
        return error_raise(MPI_ERR_GROUP, call, NULL);
    if (!newgroup)
        return error_raise(MPI_ERR_ARG, call, "newgroup is NULL");
    members = calloc((size_t)first->size + (size_t)second->size + 1, sizeof(int));
    if (members && table_create(first, &in_first) && table_create(second, &in_second)) {
        for (int i = 0; i < first->size; i++) {
            bool in_both = table_find(&in_second, first->members[i]) != MPI_UNDEFINED;

            if (operation == SET_UNION || in_both == (operation == SET_INTERSECTION))
                members[size++] = first->members[i];
        }
        for (int i = 0; operation == SET_UNION && i < second->size; i++)
            if (table_find(&in_first, second->members[i]) == MPI_UNDEFINED)
                members[size++] = second->members[i];
        error = MPI_SUCCESS;
    }
    error = error ? error_raise(error, call, NULL) : give(call, first, size, members, newgroup);
    free(in_first.ranks);
    free(in_second.ranks);
    free(members);
    return error;
}

MPI_PROFILED(Group_union)
int PMPI_Group_union(MPI_Group group1, MPI_Group group2, MPI_Group *newgroup)
{
    return combine("MPI_Group_union", SET_UNION, group1, group2, newgroup);
}

MPI_PROFILED(Group_intersection)
int PMPI_Group_intersection(MPI_Group group1, MPI_Group group2, MPI_Group *newgroup)
{
    return combine("MPI_Group_intersection", SET_INTERSECTION, group1, group2, newgroup);
}

MPI_PROFILED(Group_difference)
int PMPI_Group_difference(MPI_Group group1, MPI_Group group2, MPI_Group *newgroup)
{
    return combine("MPI_Group_difference", SET_DIFFERENCE, group1, group2, newgroup);
}

/* A list of ranks that grows; each rank may stand in it once. */
struct selection {
    const struct group *group;
    int *ranks; /* in the order in which they were selected */
    bool *taken;
    int count;
};

static bool selection_begin(struct selection *selection, const struct group *group)
{
    selection->group = group;
    selection->count = 0;
    selection->ranks = calloc((size_t)group->size + 1, sizeof(int));
    selection->taken = calloc((size_t)group->size + 1, sizeof(bool));
    return selection->ranks && selection->taken;
}

static bool selection_add(struct selection *selection, int rank)
{
    if (rank < 0 || rank >= selection->group->size || selection->taken[rank])
        return false;
    selection->taken[rank] = true;
    selection->ranks[selection->count++] = rank;
    return true;
}

/* The selected members in the selection's order, or all others in the group's order. */
static int selection_give(const char *call, struct selection *selection, bool include,
                          MPI_Group *newgroup)
{
    const struct group *group = selection->group;
    int size = 0;

    if (include) {
        size = selection->count;
        for (int i = 0; i < size; i++)
            selection->ranks[i] = group->members[selection->ranks[i]];
    } else {
        for (int i = 0; i < group->size; i++)
            if (!selection->taken[i])
                selection->ranks[size++] = group->members[i];
    }
    return give(call, group, size, selection->ranks, newgroup);
}

static void selection_end(const struct selection *selection)
{
    free(selection->ranks);
    free(selection->taken);
}

static int select_ranks(const char *call, bool include, MPI_Group handle, int n, const int ranks[],
                        MPI_Group *newgroup)
{
    const struct group *group = group_of(handle);
    struct selection selection;
    int error = MPI_SUCCESS;

    if (!group)
        return error_raise(MPI_ERR_GROUP, call, NULL);
    if (n < 0 || (n > 0 && !ranks) || !newgroup)
        return error_raise(MPI_ERR_ARG, call, "n is %d, or an argument is NULL", n);
    if (!selection_begin(&selection, group))
        error = error_raise(MPI_ERR_NO_MEM, call, NULL);
    for (int i = 0; !error && i < n; i++)
        if (!selection_add(&selection, ranks[i]))
            error = error_raise(MPI_ERR_RANK, call, "ranks[%d] is %d, not in 0..%d or there twice",
                                i, ranks[i], group->size - 1);
    if (!error)
        error = selection_give(call, &selection, include, newgroup);
    selection_end(&selection);
    return error;
}

MPI_PROFILED(Group_incl)
int PMPI_Group_incl(MPI_Group group, int n, const int ranks[], MPI_Group *newgroup)
{
    return select_ranks("MPI_Group_incl", true, group, n, ranks, newgroup);
}

MPI_PROFILED(Group_excl)
int PMPI_Group_excl(MPI_Group group, int n, const int ranks[], MPI_Group *newgroup)
{
    return select_ranks("MPI_Group_excl", false, group, n, ranks, newgroup);
}

/* Adds first, first + stride, ... up to last. */
static bool select_range(struct selection *selection, const int range[3])
{
    int64_t first = range[0], last = range[1], stride = range[2];

    if (stride == 0)
        return false;
    for (int64_t rank = first; stride > 0 ? rank <= last : rank >= last; rank += stride)
        if (!selection_add(selection, (int)rank))
            return false;
    return true;
}

static int select_ranges(const char *call, bool include, MPI_Group handle, int n, int ranges[][3],
                         MPI_Group *newgroup)
{
    const struct group *group = group_of(handle);
    struct selection selection;
    int error = MPI_SUCCESS;

    if (!group)
        return error_raise(MPI_ERR_GROUP, call, NULL);
    if (n < 0 || (n > 0 && !ranges) || !newgroup)
        return error_raise(MPI_ERR_ARG, call, "n is %d, or an argument is NULL", n);
    if (!selection_begin(&selection, group))
        error = error_raise(MPI_ERR_NO_MEM, call, NULL);
    for (int i = 0; !error && i < n; i++)
        if (!select_range(&selection, ranges[i]))
            error = error_raise(ranges[i][2] == 0 ? MPI_ERR_ARG : MPI_ERR_RANK, call,
                                "ranges[%d] is {%d, %d, %d}: a rank is not in 0..%d or there "
                                "twice, or the stride is 0",
                                i, ranges[i][0], ranges[i][1], ranges[i][2], group->size - 1);
    if (!error)
        error = selection_give(call, &selection, include, newgroup);
    selection_end(&selection);
    return error;
}

MPI_PROFILED(Group_range_incl)
int PMPI_Group_range_incl(MPI_Group group, int n, int ranges[][3], MPI_Group *newgroup)
{
    return select_ranges("MPI_Group_range_incl", true, group, n, ranges, newgroup);
}

MPI_PROFILED(Group_range_excl)
int PMPI_Group_range_excl(MPI_Group group, int n, int ranges[][3], MPI_Group *newgroup)
{
    return select_ranges("MPI_Group_range_excl", false, group, n, ranges, newgroup);
}
