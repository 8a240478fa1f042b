/* The model of datatypes, and random types built beside it. */
#include "tests/unit/mpi-data/model.h"

#include "tests/unit/mpi-data/support.h"

void model_free(struct model *model)
{
    free(model->entries);
    *model = (struct model){0};
}

static void add(struct model *model, struct model_entry entry)
{
    if (model->count == model->room) {
        model->room = model->room ? 2 * model->room : 16;
        model->entries = realloc(model->entries, (size_t)model->room * sizeof(entry));
    }
    model->entries[model->count++] = entry;
}

void model_append(struct model *model, const struct model *old, int64_t times, int64_t stride,
                  int64_t displacement)
{
    for (int64_t t = 0; t < times; t++)
        for (int i = 0; i < old->count; i++) {
            struct model_entry entry = old->entries[i];

            entry.displacement += displacement + t * stride;
            add(model, entry);
        }
}

struct model_bounds model_bounds(const struct model *model)
{
    struct model_bounds bounds = {0};
    bool data = false, lower = false, upper = false;
    int64_t low = 0, high = 0, alignment = 1, end;

    for (int i = 0; i < model->count; i++) {
        const struct model_entry *e = &model->entries[i];

        if (e->marker)
            continue;
        end = e->displacement + e->size;
        if (!data || e->displacement < bounds.true_lb)
            bounds.true_lb = e->displacement;
        if (!data || end > high)
            high = end;
        data = true;
        bounds.size += e->size;
        bounds.elements++;
        if (e->alignment > alignment)
            alignment = e->alignment;
    }
    bounds.true_extent = high - bounds.true_lb;
    low = bounds.true_lb;
    for (int i = 0; i < model->count; i++) {
        const struct model_entry *e = &model->entries[i];

        if (e->marker == 'l') {
            low = !lower || e->displacement < low ? e->displacement : low;
            lower = true;
        } else if (e->marker == 'u') {
            high = !upper || e->displacement > high ? e->displacement : high;
            upper = true;
        }
    }
    bounds.lb = low;
    bounds.extent = high - low;
    if (!upper && bounds.extent % alignment != 0)
        bounds.extent += alignment - bounds.extent % alignment;
    return bounds;
}

int64_t *model_bytes(const struct model *model, int64_t count, int64_t *bytes)
{
    struct model_bounds bounds = model_bounds(model);
    int64_t *list = malloc((size_t)(count * bounds.size + 1) * sizeof(*list)), n = 0;

    for (int64_t c = 0; c < count; c++)
        for (int i = 0; i < model->count; i++)
            for (int b = 0; b < model->entries[i].size; b++)
                list[n++] = c * bounds.extent + model->entries[i].displacement + b;
    *bytes = n;
    return list;
}

/* --- Random types
 * --------------------------------------------------------------------------------- */

static const struct {
    MPI_Datatype type;
    int size, alignment;
} basics[] = {
    {MPI_CHAR, 1, 1},  {MPI_BYTE, 1, 1},   {MPI_SHORT, 2, 2},
    {MPI_INT, 4, 4},   {MPI_DOUBLE, 8, 8}, {MPI_LONG_DOUBLE, 16, 16},
    {MPI_FLOAT, 4, 4}, {MPI_COUNT, 8, 8},  {MPI_C_DOUBLE_COMPLEX, 16, 8},
};

static MPI_Datatype random_basic(uint64_t *seed, struct model *model)
{
    size_t i = (size_t)random_in(seed, 0, sizeof(basics) / sizeof(basics[0]));

    if (i == sizeof(basics) / sizeof(basics[0])) {
        /* a pair, with a gap after its value */
        add(model, (struct model_entry){0, 2, 4, 0, MPI_SHORT});
        add(model, (struct model_entry){4, 4, 4, 0, MPI_INT});
        return MPI_SHORT_INT;
    }
    add(model, (struct model_entry){0, basics[i].size, basics[i].alignment, 0, basics[i].type});
    return basics[i].type;
}

/* The arguments of one random constructor, large enough for all of them. */
#define MOST 6
struct arguments {
    int count, lengths[MOST], displacements[MOST];
    MPI_Aint addresses[MOST];
    MPI_Count large_lengths[MOST], large_displacements[MOST], large_addresses[MOST];
    bool large;
};

static struct arguments random_arguments(uint64_t *seed)
{
    struct arguments a = {.count = (int)random_in(seed, 0, MOST)};
    int at = (int)random_in(seed, -3, 3);
    int style = (int)random_in(seed, 0, 2); /* any, in order, evenly spaced */

    a.large = random_in(seed, 0, 1);
    for (int i = 0; i < MOST; i++) {
        a.lengths[i] = style == 2 && i > 0 ? a.lengths[0] : (int)random_in(seed, 0, 3);
        a.displacements[i] = style == 0 ? (int)random_in(seed, -10, 10) : at;
        a.addresses[i] = style == 0 ? random_in(seed, -100, 100) : at * 8;
        at += style == 2 ? 4 : a.lengths[i] + (int)random_in(seed, 0, 1);
        a.large_lengths[i] = a.lengths[i];
        a.large_displacements[i] = a.displacements[i];
        a.large_addresses[i] = a.addresses[i];
    }
    return a;
}

static void check_made(int error)
{
    cr_assert_eq(error, MPI_SUCCESS, "a constructor failed with %d", error);
}

static MPI_Datatype make_vector(uint64_t *seed, MPI_Datatype old, const struct model *inner,
                                struct model *model)
{
    int64_t extent = model_bounds(inner).extent;
    int count = (int)random_in(seed, 0, 4), length = (int)random_in(seed, 0, 3);
    int stride = (int)random_in(seed, -4, 6);
    bool bytes = random_in(seed, 0, 1), large = random_in(seed, 0, 1);
    int64_t step = bytes ? stride * 5 : stride * extent;
    MPI_Datatype type;

    for (int i = 0; i < count; i++)
        model_append(model, inner, length, extent, i * step);
    if (bytes)
        check_made(large ? MPI_Type_create_hvector_c(count, length, step, old, &type)
                         : MPI_Type_create_hvector(count, length, step, old, &type));
    else
        check_made(large ? MPI_Type_vector_c(count, length, stride, old, &type)
                         : MPI_Type_vector(count, length, stride, old, &type));
    return type;
}

static MPI_Datatype make_listed(uint64_t *seed, MPI_Datatype old, const struct model *inner,
                                struct model *model)
{
    int64_t extent = model_bounds(inner).extent;
    struct arguments a = random_arguments(seed);
    int kind = (int)random_in(seed, 0, 3);
    MPI_Datatype type;

    for (int i = 0; i < a.count; i++)
        model_append(model, inner, kind < 2 ? a.lengths[i] : 2, extent,
                     kind % 2 ? a.addresses[i] : a.displacements[i] * extent);
    switch (kind) {
    case 0:
        check_made(a.large ? MPI_Type_indexed_c(a.count, a.large_lengths, a.large_displacements,
                                                old, &type)
                           : MPI_Type_indexed(a.count, a.lengths, a.displacements, old, &type));
        break;
    case 1:
        check_made(a.large ? MPI_Type_create_hindexed_c(a.count, a.large_lengths, a.large_addresses,
                                                        old, &type)
                           : MPI_Type_create_hindexed(a.count, a.lengths, a.addresses, old, &type));
        break;
    case 2:
        check_made(
            a.large ? MPI_Type_create_indexed_block_c(a.count, 2, a.large_displacements, old, &type)
                    : MPI_Type_create_indexed_block(a.count, 2, a.displacements, old, &type));
        break;
    default:
        check_made(a.large
                       ? MPI_Type_create_hindexed_block_c(a.count, 2, a.large_addresses, old, &type)
                       : MPI_Type_create_hindexed_block(a.count, 2, a.addresses, old, &type));
        break;
    }
    return type;
}

static MPI_Datatype make_struct(uint64_t *seed, int depth, int most, struct model *model)
{
    struct arguments a = random_arguments(seed);
    MPI_Datatype types[MOST], type;
    int depths[MOST];

    for (int i = 0; i < a.count; i++) {
        struct model inner = {0};

        depths[i] = (int)random_in(seed, 0, depth - 1);
        types[i] = model_random(seed, depths[i], most / MOST, &inner);
        model_append(model, &inner, a.lengths[i], model_bounds(&inner).extent, a.addresses[i]);
        model_free(&inner);
    }
    check_made(a.large ? MPI_Type_create_struct_c(a.count, a.large_lengths, a.large_addresses,
                                                  types, &type)
                       : MPI_Type_create_struct(a.count, a.lengths, a.addresses, types, &type));
    for (int i = 0; i < a.count; i++)
        if (depths[i] > 0)
            MPI_Type_free(&types[i]);
    return type;
}

/* The bounds of an array: whatever the element has set is gone. */
static void set_bounds(struct model *model, int64_t lb, int64_t extent)
{
    int kept = 0;

    for (int i = 0; i < model->count; i++)
        if (!model->entries[i].marker)
            model->entries[kept++] = model->entries[i];
    model->count = kept;
    add(model, (struct model_entry){lb, 0, 1, 'l', MPI_DATATYPE_NULL});
    add(model, (struct model_entry){lb + extent, 0, 1, 'u', MPI_DATATYPE_NULL});
}

static MPI_Datatype make_subarray(uint64_t *seed, MPI_Datatype old, const struct model *inner,
                                  struct model *model)
{
    int64_t extent = model_bounds(inner).extent, total = 1;
    int n = (int)random_in(seed, 1, 3), sizes[3], parts[3], starts[3];
    MPI_Count large_sizes[3], large_parts[3], large_starts[3];
    bool c_order = random_in(seed, 0, 1);
    int order = c_order ? MPI_ORDER_C : MPI_ORDER_FORTRAN;
    MPI_Datatype type;

    for (int i = 0; i < n; i++) {
        large_sizes[i] = sizes[i] = (int)random_in(seed, 1, 4);
        large_parts[i] = parts[i] = (int)random_in(seed, 1, sizes[i]);
        large_starts[i] = starts[i] = (int)random_in(seed, 0, sizes[i] - parts[i]);
        total *= sizes[i];
    }
    /* all elements of the whole array in memory order: those within the part */
    for (int64_t at = 0; at < total; at++) {
        int64_t rest = at;
        bool within = true;

        for (int step = 0; step < n; step++) {
            int d = c_order ? n - 1 - step : step;
            int64_t index = rest % sizes[d];

            rest /= sizes[d];
            within = within && index >= starts[d] && index < starts[d] + parts[d];
        }
        if (within)
            model_append(model, inner, 1, 0, at * extent);
    }
    set_bounds(model, 0, total * extent);
    check_made(random_in(seed, 0, 1)
                   ? MPI_Type_create_subarray_c(n, large_sizes, large_parts, large_starts, order,
                                                old, &type)
                   : MPI_Type_create_subarray(n, sizes, parts, starts, order, old, &type));
    return type;
}

/* Whether a process has index `index` of a dimension. */
static bool owns(int index, int gsize, int distribution, int darg, int processes, int coordinate)
{
    int block = darg;

    if (distribution == MPI_DISTRIBUTE_NONE)
        return true;
    if (darg == MPI_DISTRIBUTE_DFLT_DARG)
        block = distribution == MPI_DISTRIBUTE_BLOCK ? (gsize + processes - 1) / processes : 1;
    return index / block % processes == coordinate;
}

static MPI_Datatype make_darray(uint64_t *seed, MPI_Datatype old, const struct model *inner,
                                struct model *model)
{
    int64_t extent = model_bounds(inner).extent, total = 1;
    int n = (int)random_in(seed, 1, 3), gsizes[3], distribs[3], dargs[3], psizes[3];
    int coordinates[3], size = 1, rank, rest;
    MPI_Count large_gsizes[3];
    bool c_order = random_in(seed, 0, 1);
    int order = c_order ? MPI_ORDER_C : MPI_ORDER_FORTRAN;
    MPI_Datatype type;

    for (int i = 0; i < n; i++) {
        large_gsizes[i] = gsizes[i] = (int)random_in(seed, 1, 5);
        distribs[i] = (int)random_in(seed, MPI_DISTRIBUTE_NONE, MPI_DISTRIBUTE_CYCLIC);
        psizes[i] = distribs[i] == MPI_DISTRIBUTE_NONE ? 1 : (int)random_in(seed, 1, 3);
        dargs[i] = MPI_DISTRIBUTE_DFLT_DARG;
        if (random_in(seed, 0, 1))
            dargs[i] = distribs[i] == MPI_DISTRIBUTE_BLOCK
                           ? (gsizes[i] + psizes[i] - 1) / psizes[i] + (int)random_in(seed, 0, 1)
                           : (int)random_in(seed, 1, 3);
        size *= psizes[i];
        total *= gsizes[i];
    }
    rank = rest = (int)random_in(seed, 0, size - 1);
    for (int i = n - 1; i >= 0; i--) {
        coordinates[i] = rest % psizes[i];
        rest /= psizes[i];
    }
    for (int64_t at = 0; at < total; at++) {
        int64_t left = at;
        bool within = true;

        for (int step = 0; step < n; step++) {
            int d = c_order ? n - 1 - step : step;

            within = within && owns((int)(left % gsizes[d]), gsizes[d], distribs[d], dargs[d],
                                    psizes[d], coordinates[d]);
            left /= gsizes[d];
        }
        if (within)
            model_append(model, inner, 1, 0, at * extent);
    }
    set_bounds(model, 0, total * extent);
    check_made(random_in(seed, 0, 1)
                   ? MPI_Type_create_darray_c(size, rank, n, large_gsizes, distribs, dargs, psizes,
                                              order, old, &type)
                   : MPI_Type_create_darray(size, rank, n, gsizes, distribs, dargs, psizes, order,
                                            old, &type));
    return type;
}

static MPI_Datatype make_from(uint64_t *seed, MPI_Datatype old, const struct model *inner,
                              struct model *model)
{
    int64_t extent = model_bounds(inner).extent, lb, count;
    MPI_Datatype type;

    switch (random_in(seed, 0, 7)) {
    case 0:
        count = random_in(seed, 0, 5);
        model_append(model, inner, count, extent, 0);
        check_made(random_in(seed, 0, 1) ? MPI_Type_contiguous_c(count, old, &type)
                                         : MPI_Type_contiguous((int)count, old, &type));
        return type;
    case 1:
        model_append(model, inner, 1, 0, 0);
        lb = random_in(seed, -20, 20);
        extent = random_in(seed, -10, 60);
        set_bounds(model, lb, extent);
        check_made(random_in(seed, 0, 1) ? MPI_Type_create_resized_c(old, lb, extent, &type)
                                         : MPI_Type_create_resized(old, lb, extent, &type));
        return type;
    case 2:
        model_append(model, inner, 1, 0, 0);
        check_made(MPI_Type_dup(old, &type));
        return type;
    case 3:
    case 4:
        return make_vector(seed, old, inner, model);
    case 5:
        return make_subarray(seed, old, inner, model);
    case 6:
        return make_darray(seed, old, inner, model);
    default:
        return make_listed(seed, old, inner, model);
    }
}

MPI_Datatype model_random(uint64_t *seed, int depth, int most, struct model *model)
{
    for (;;) {
        struct model inner = {0};
        MPI_Datatype old, type;
        int old_depth;

        if (depth == 0)
            return random_basic(seed, model);
        if (random_in(seed, 0, 3) == 0) {
            type = make_struct(seed, depth, most, model);
        } else {
            old_depth = (int)random_in(seed, 0, depth - 1);
            old = model_random(seed, old_depth, most, &inner);
            type = make_from(seed, old, &inner, model);
            if (old_depth > 0) /* the new one holds it */
                MPI_Type_free(&old);
            model_free(&inner);
        }
        if (model->count <= most)
            return type;
        MPI_Type_free(&type);
        model_free(model);
    }
}
