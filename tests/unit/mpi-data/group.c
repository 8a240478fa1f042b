/* Groups against sets: a bit for each process, and the order beside it. */
#include "tests/unit/mpi-data/support.h"

#include "abi/mpi/group.h"

#define PROCESSES 24

/* A random group with its members in order. */
static MPI_Group random_group(uint64_t *seed, int members[])
{
    int size = 0, all[PROCESSES];

    for (int i = 0; i < PROCESSES; i++)
        all[i] = i;
    for (int i = 0; i < PROCESSES; i++) {
        int other = (int)random_in(seed, i, PROCESSES - 1), kept = all[i];

        all[i] = all[other];
        all[other] = kept;
        if (random_in(seed, 0, 2) > 0)
            members[size++] = all[i];
    }
    return group_handle(group_create(size, members));
}

static int index_of(const int members[], int size, int member)
{
    for (int i = 0; i < size; i++)
        if (members[i] == member)
            return i;
    return MPI_UNDEFINED;
}

static void expect(MPI_Group group, const int members[], int size)
{
    const struct group *got = group_of(group);
    int asked, rank;

    cr_assert_eq(MPI_Group_size(group, &asked), MPI_SUCCESS);
    cr_assert_eq(asked, size);
    for (int i = 0; i < size; i++)
        cr_assert_eq(got->members[i], members[i]);
    cr_assert_eq(MPI_Group_rank(group, &rank), MPI_SUCCESS);
    cr_assert_eq(rank, index_of(members, size, 7));
    cr_assert(size > 0 || group == MPI_GROUP_EMPTY);
    cr_assert_eq(MPI_Group_free(&group), MPI_SUCCESS);
}

Test(group, set_operations_and_translation)
{
    uint64_t seed = 0x1234567;

    errors_return();
    group_set_self(7);
    for (int round = 0; round < 500; round++) {
        int a[PROCESSES], b[PROCESSES], want[2 * PROCESSES], na, nb, n, result;
        MPI_Group first = random_group(&seed, a), second = random_group(&seed, b), made;

        MPI_Group_size(first, &na);
        MPI_Group_size(second, &nb);
        n = 0;
        for (int i = 0; i < na; i++)
            want[n++] = a[i];
        for (int i = 0; i < nb; i++)
            if (index_of(a, na, b[i]) == MPI_UNDEFINED)
                want[n++] = b[i];
        cr_assert_eq(MPI_Group_union(first, second, &made), MPI_SUCCESS);
        expect(made, want, n);
        n = 0;
        for (int i = 0; i < na; i++)
            if (index_of(b, nb, a[i]) != MPI_UNDEFINED)
                want[n++] = a[i];
        cr_assert_eq(MPI_Group_intersection(first, second, &made), MPI_SUCCESS);
        expect(made, want, n);
        n = 0;
        for (int i = 0; i < na; i++)
            if (index_of(b, nb, a[i]) == MPI_UNDEFINED)
                want[n++] = a[i];
        cr_assert_eq(MPI_Group_difference(first, second, &made), MPI_SUCCESS);
        expect(made, want, n);

        int ranks[PROCESSES + 1], translated[PROCESSES + 1];
        for (int i = 0; i < na; i++)
            ranks[i] = i;
        ranks[na] = MPI_PROC_NULL;
        cr_assert_eq(MPI_Group_translate_ranks(first, na + 1, ranks, second, translated),
                     MPI_SUCCESS);
        for (int i = 0; i < na; i++)
            cr_assert_eq(translated[i], index_of(b, nb, a[i]));
        cr_assert_eq(translated[na], MPI_PROC_NULL);

        cr_assert_eq(MPI_Group_compare(first, first, &result), MPI_SUCCESS);
        cr_assert_eq(result, MPI_IDENT);
        cr_assert_eq(MPI_Group_compare(first, second, &result), MPI_SUCCESS);
        bool same = na == nb;
        for (int i = 0; i < na; i++)
            same = same && index_of(b, nb, a[i]) != MPI_UNDEFINED;
        cr_assert(result == (same ? MPI_SIMILAR : MPI_UNEQUAL) || (na == 0 && nb == 0) ||
                  memcmp(a, b, sizeof(int) * (size_t)na) == 0);
        MPI_Group_free(&first);
        MPI_Group_free(&second);
    }
}

Test(group, selections_and_ranges)
{
    int ranges[2][3] = {{9, 1, -4}, {2, 4, 1}}, list[] = {9, 5, 1, 2, 3, 4};
    int twice[2][3] = {{0, 4, 2}, {4, 6, 1}}, none[1][3] = {{0, 1, 0}}, empty[1][3] = {{5, 3, 1}};
    const int rest[] = {0, 6, 7, 8}, wrong[] = {3, 12}, reversed[] = {2, 1, 0};
    int result;
    MPI_Group all, made;

    errors_return();
    group_set_self(7);
    all = group_handle(group_create(10, NULL));
    cr_assert_eq(MPI_Group_range_incl(all, 2, ranges, &made), MPI_SUCCESS);
    expect(made, list, 6);
    cr_assert_eq(MPI_Group_range_excl(all, 2, ranges, &made), MPI_SUCCESS);
    expect(made, rest, 4);
    cr_assert_eq(MPI_Group_incl(all, 6, list, &made), MPI_SUCCESS);
    expect(made, list, 6);
    cr_assert_eq(MPI_Group_excl(all, 6, list, &made), MPI_SUCCESS);
    expect(made, rest, 4);
    cr_assert_eq(MPI_Group_range_incl(all, 1, empty, &made), MPI_SUCCESS);
    cr_assert_eq(made, MPI_GROUP_EMPTY);
    cr_assert_eq(MPI_Group_range_incl(all, 2, twice, &made), MPI_ERR_RANK);
    cr_assert_eq(MPI_Group_range_incl(all, 1, none, &made), MPI_ERR_ARG);
    cr_assert_eq(MPI_Group_incl(all, 2, wrong, &made), MPI_ERR_RANK);
    cr_assert_eq(MPI_Group_incl(all, -1, wrong, &made), MPI_ERR_ARG);
    cr_assert_eq(MPI_Group_incl(MPI_GROUP_NULL, 0, wrong, &made), MPI_ERR_GROUP);
    MPI_Group_incl(all, 3, (const int[]){0, 1, 2}, &made);
    MPI_Group other;
    MPI_Group_incl(all, 3, reversed, &other);
    MPI_Group_compare(made, other, &result);
    cr_assert_eq(result, MPI_SIMILAR);
    MPI_Group_free(&made);
    MPI_Group_free(&other);
    MPI_Group_free(&all);
    cr_assert_eq(all, MPI_GROUP_NULL);
}
