/* Builds datatypes from their parts: sizes, bounds and layout. Every public constructor comes down
 * to one of the builders here. All arithmetic is checked: a type that does not fit into 64 bits is
 * refused, so that whoever uses one need not check again. */

#include "abi/mpi/datatype.h"

#include <stdlib.h>
#include <string.h>

/* --- Bounds
 * ---------------------------------------------------------------------------------------- */

/* Least and greatest bounds so far; `any` is false while there are none. */
struct range {
    bool any;
    int64_t low, high;
};

struct bounds {
    struct range marked; /* from types whose bounds were set: they alone count if there are any */
    struct range data;   /* otherwise the data itself */
    int64_t size, elements;
    int alignment;
    bool overflow;
    bool mixed; /* elements of several predefined types */
    struct datatype *unit;
};

static void range_add(struct range *range, int64_t low, int64_t high)
{
    if (!range->any || low < range->low)
        range->low = low;
    if (!range->any || high > range->high)
        range->high = high;
    range->any = true;
}

/* One copy of a type, `at` bytes from the beginning. */
static void bounds_add_one(struct bounds *bounds, int64_t at, const struct datatype *type)
{
    int64_t low, high, true_low, true_high;

    if (__builtin_add_overflow(at, type->lb, &low) ||
        __builtin_add_overflow(low, type->extent, &high) ||
        __builtin_add_overflow(at, type->true_lb, &true_low) ||
        __builtin_add_overflow(true_low, type->true_extent, &true_high)) {
        bounds->overflow = true;
        return;
    }
    if (type->has_lb)
        range_add(&bounds->marked, low, high);
    if (type->size > 0)
        range_add(&bounds->data, true_low, true_high);
}

/* A block of `length` copies, of which `times` are there in all (for size and elements). */
static void bounds_add(struct bounds *bounds, int64_t at, int64_t length, int64_t times,
                       struct datatype *type)
{
    int64_t last, size, elements;

    if (length == 0 || times == 0)
        return;
    if (__builtin_mul_overflow(length - 1, type->extent, &last) ||
        __builtin_add_overflow(at, last, &last) ||
        __builtin_mul_overflow(length, type->size, &size) ||
        __builtin_mul_overflow(size, times, &size) ||
        __builtin_add_overflow(bounds->size, size, &bounds->size) ||
        __builtin_mul_overflow(length, type->elements, &elements) ||
        __builtin_mul_overflow(elements, times, &elements) ||
        __builtin_add_overflow(bounds->elements, elements, &bounds->elements)) {
        bounds->overflow = true;
        return;
    }
    bounds_add_one(bounds, at, type);
    bounds_add_one(bounds, last, type);
    if (type->alignment > bounds->alignment)
        bounds->alignment = type->alignment;
    if (type->elements == 0)
        return;
    if (!type->unit || (bounds->unit && bounds->unit != type->unit))
        bounds->mixed = true;
    bounds->unit = type->unit;
}

/* MPI's definition of the upper bound: rounded up so that the extent is a multiple of the strictest
 * alignment, unless the program has set bounds. */
static bool bounds_finish(struct bounds *bounds, struct datatype *type)
{
    const struct range *range = bounds->marked.any ? &bounds->marked : &bounds->data;

    if (bounds->overflow)
        return false;
    type->size = bounds->size;
    type->elements = bounds->elements;
    type->alignment = bounds->alignment > 0 ? bounds->alignment : 1;
    type->unit = bounds->mixed ? NULL : bounds->unit;
    if (range->any) {
        type->lb = range->low;
        if (__builtin_sub_overflow(range->high, range->low, &type->extent))
            return false;
    }
    if (bounds->marked.any) {
        type->has_lb = type->has_ub = true;
    } else if (type->extent % type->alignment != 0 &&
               __builtin_add_overflow(
                   type->extent, type->alignment - type->extent % type->alignment, &type->extent)) {
        return false;
    }
    if (bounds->data.any) {
        type->true_lb = bounds->data.low;
        if (__builtin_sub_overflow(bounds->data.high, bounds->data.low, &type->true_extent))
            return false;
    }
    return true;
}

/* --- Types
 * -------------------------------------------------------------------------------------------- */

/* An empty type with parts for `count` members (0: none). NULL without memory. */
static struct datatype *type_begin(enum datatype_form form, int64_t members)
{
    struct datatype *type = calloc(1, sizeof(*type));
    struct datatype_parts *parts = calloc(1, sizeof(*parts));

    if (type && parts) {
        object_begin(&type->object, OBJECT_DATATYPE);
        type->handle = (MPI_Datatype)type;
        type->alignment = 1;
        type->parts = parts;
        parts->form = form;
        parts->count = members;
        if (members == 0)
            return type;
        parts->lengths = calloc((size_t)members, sizeof(*parts->lengths));
        parts->displacements = calloc((size_t)members, sizeof(*parts->displacements));
        if (parts->lengths && parts->displacements)
            return type;
        free(parts->lengths);
        free(parts->displacements);
    }
    free(parts);
    free(type);
    return NULL;
}

static struct datatype *type_end(struct datatype *type, bool built, int error, int *reason)
{
    const struct layout *node = type->layout.node;

    if (!built) {
        *reason = error;
        datatype_release(type);
        return NULL;
    }
    type->contiguous =
        node && node->kind == LAYOUT_RUN && type->layout.offset == 0 && type->extent == node->size;
    return type;
}

/* A block of copies as a layout. */
static bool block_layout(const struct datatype *element, int64_t length, int64_t at,
                         struct layout_reference *out)
{
    struct layout_reference body = element->layout;

    body.offset += at;
    return layout_loop(length, element->extent, body, out);
}

struct datatype *datatype_regular(int64_t count, int64_t length, int64_t stride,
                                  struct datatype *element, int *error)
{
    struct datatype *type = type_begin(PARTS_REGULAR, 0);
    struct bounds bounds = {0};
    struct layout_reference block;
    int64_t last;
    bool built;

    if (!type) {
        *error = MPI_ERR_NO_MEM;
        return NULL;
    }
    type->parts->count = count;
    type->parts->length = length;
    type->parts->stride = stride;
    type->parts->element = datatype_retain(element);
    if (count > 0) {
        bounds_add(&bounds, 0, length, count, element);
        if (__builtin_mul_overflow(count - 1, stride, &last))
            bounds.overflow = true;
        else if (length > 0) {
            int64_t end;

            if (__builtin_mul_overflow(length - 1, element->extent, &end) ||
                __builtin_add_overflow(last, end, &end)) {
                bounds.overflow = true;
            } else {
                bounds_add_one(&bounds, last, element);
                bounds_add_one(&bounds, end, element);
            }
        }
    }
    if (!bounds_finish(&bounds, type))
        return type_end(type, false, MPI_ERR_ARG, error);
    built = block_layout(element, length, 0, &block);
    if (built) {
        built = layout_loop(count, stride, block, &type->layout);
        layout_release(block);
    }
    return type_end(type, built, MPI_ERR_NO_MEM, error);
}

/* When every member is of types that lie in one piece: straight to blocks. */
static bool members_as_blocks(struct datatype *type, struct datatype *element)
{
    const struct datatype_parts *parts = type->parts;
    int64_t *bytes = calloc((size_t)parts->count, sizeof(*bytes));
    bool built;

    if (!bytes)
        return false;
    for (int64_t i = 0; i < parts->count; i++)
        bytes[i] = parts->lengths[i] * (parts->types ? parts->types[i] : element)->size;
    built = layout_blocks(parts->count, bytes, parts->displacements, &type->layout);
    free(bytes);
    return built;
}

static bool members_as_list(struct datatype *type, struct datatype *element)
{
    const struct datatype_parts *parts = type->parts;
    struct layout_reference *list = calloc((size_t)parts->count, sizeof(*list));
    bool built = list != NULL;

    for (int64_t i = 0; built && i < parts->count; i++)
        built = block_layout(parts->types ? parts->types[i] : element, parts->lengths[i],
                             parts->displacements[i], &list[i]);
    if (built)
        built = layout_list(parts->count, list, &type->layout);
    for (int64_t i = 0; list && i < parts->count; i++)
        layout_release(list[i]);
    free(list);
    return built;
}

struct datatype *datatype_members(int64_t count, const int64_t lengths[],
                                  const int64_t displacements[], struct datatype *const types[],
                                  struct datatype *element, int *error)
{
    struct datatype *type = type_begin(PARTS_MEMBERS, count);
    struct bounds bounds = {0};
    bool contiguous = true;

    if (!type) {
        *error = MPI_ERR_NO_MEM;
        return NULL;
    }
    if (types && count > 0) {
        type->parts->types = calloc((size_t)count, sizeof(*type->parts->types));
        if (!type->parts->types)
            return type_end(type, false, MPI_ERR_NO_MEM, error);
    } else if (element) {
        type->parts->element = datatype_retain(element);
    }
    for (int64_t i = 0; i < count; i++) {
        struct datatype *member = types ? types[i] : element;

        type->parts->lengths[i] = lengths[i];
        type->parts->displacements[i] = displacements[i];
        if (types)
            type->parts->types[i] = datatype_retain(member);
        contiguous = contiguous && (member->contiguous || lengths[i] == 0);
        bounds_add(&bounds, displacements[i], lengths[i], 1, member);
    }
    if (!bounds_finish(&bounds, type))
        return type_end(type, false, MPI_ERR_ARG, error);
    if (count == 0)
        return type_end(type, true, 0, error);
    return type_end(type,
                    contiguous ? members_as_blocks(type, element) : members_as_list(type, element),
                    MPI_ERR_NO_MEM, error);
}

struct datatype *datatype_resized(struct datatype *element, int64_t lb, int64_t extent, int *error)
{
    struct datatype *type = datatype_regular(1, 1, 0, element, error);
    int64_t end;

    if (!type)
        return NULL;
    if (__builtin_add_overflow(lb, extent, &end))
        return type_end(type, false, MPI_ERR_ARG, error);
    type->lb = lb;
    type->extent = extent;
    type->has_lb = type->has_ub = true;
    return type_end(type, true, 0, error);
}

struct datatype *datatype_duplicate(struct datatype *element, int *error)
{
    struct datatype *type = datatype_regular(1, 1, 0, element, error);

    if (!type)
        return NULL;
    type->lb = element->lb; /* also those of a type without elements */
    type->extent = element->extent;
    type->true_lb = element->true_lb;
    type->true_extent = element->true_extent;
    type->has_lb = element->has_lb;
    type->has_ub = element->has_ub;
    type->committed = element->committed;
    return type_end(type, true, 0, error);
}
