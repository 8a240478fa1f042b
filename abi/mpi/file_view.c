/* Views of files: from positions in the stream of a view's data to offsets in the file and back. */
#include "abi/mpi/external.h"
#include "abi/mpi/file.h"

#include <stdlib.h>
#include <strings.h>

/* --- File types in external32 --------------------------------------------------------------------
 */

/* A distance in multiples of one extent, in multiples of the other. False: it is no multiple. */
static bool scale(int64_t *distance, int64_t from, int64_t to)
{
    if (from == 0 || *distance % from != 0)
        return *distance == 0;
    return !__builtin_mul_overflow(*distance / from, to, distance);
}

static struct datatype *external_type(struct datatype *type, int *error);

/* The same blocks of another element. */
static struct datatype *external_blocks(const struct datatype_parts *parts, struct datatype *with,
                                        int *error)
{
    int64_t from = parts->element->extent, to = with->extent, stride = parts->stride;
    if (parts->form == PARTS_REGULAR) {
        *error = MPI_ERR_UNSUPPORTED_DATAREP;
        return scale(&stride, from, to)
                   ? datatype_regular(parts->count, parts->length, stride, with, error)
                   : NULL;
    }
    int64_t *displacements = malloc(sizeof(int64_t) * (size_t)(parts->count + 1));
    struct datatype *made = NULL;
    *error = MPI_ERR_NO_MEM;
    if (displacements == NULL)
        return NULL;
    int64_t i = 0;
    for (; i < parts->count; i++) {
        displacements[i] = parts->displacements[i];
        if (!scale(&displacements[i], from, to))
            break;
    }
    if (i < parts->count)
        *error = MPI_ERR_UNSUPPORTED_DATAREP;
    else
        made = datatype_members(parts->count, parts->lengths, displacements, NULL, with, error);
    free(displacements);
    return made;
}

/* A type whose layout is the one that `type` has in external32, referenced. Only types whose
 * elements are all of one size can be made larger or smaller: they are the portable ones. */
static struct datatype *external_type(struct datatype *type, int *error)
{
    const struct datatype_parts *parts = type->parts;
    if (external_bytes(type, 1) == type->size)
        return datatype_retain(type);
    if (parts == NULL)
        return datatype_regular(1, type->external, type->external, datatype_of(MPI_BYTE), error);
    *error = MPI_ERR_UNSUPPORTED_DATAREP;
    if (parts->element == NULL)
        return NULL;
    struct datatype *element = external_type(parts->element, error);
    if (element == NULL)
        return NULL;
    struct datatype *made = external_blocks(parts, element, error);
    if (made != NULL && (type->has_lb || type->has_ub)) {
        int64_t lb = type->lb, extent = type->extent;
        struct datatype *natural = made;
        *error = MPI_ERR_UNSUPPORTED_DATAREP;
        made = scale(&lb, parts->element->extent, element->extent) &&
                       scale(&extent, parts->element->extent, element->extent)
                   ? datatype_resized(natural, lb, extent, error)
                   : NULL;
        datatype_release(natural);
    }
    datatype_release(element);
    return made;
}

/* --- Setting -------------------------------------------------------------------------------------
 */

/* As the standard asks for: displacements from 0 on that never decrease, also from one file type
 * to the next. */
static bool is_monotonous(const struct datatype *type)
{
    int64_t end = 0, length;
    if (type->size == 0 || type->contiguous)
        return true;
    for (int64_t at = 0; at < type->size; at += length) {
        int64_t offset = layout_find(type->layout, at, &length);
        if (offset < end)
            return false;
        end = offset + length;
    }
    return type->extent + layout_find(type->layout, 0, &length) >= end;
}

int file_view_set(struct file_view *view, int64_t displacement, struct datatype *etype,
                  struct datatype *filetype, const char *representation, const char **why)
{
    struct file_view made = {.displacement = displacement, .etype = etype, .filetype = filetype};
    int error = MPI_ERR_UNSUPPORTED_DATAREP;
    made.external = strcasecmp(representation, "external32") == 0;
    *why = "the data representation is none of native, internal and external32";
    if (!made.external && strcasecmp(representation, "native") != 0 &&
        strcasecmp(representation, "internal") != 0)
        return error;
    strcpy(made.name, made.external              ? "external32"
                      : representation[0] == 'n' ? "native"
                      : representation[0] == 'N' ? "native"
                                                 : "internal");
    *why = "the datatypes have no such layout in external32, or memory is short";
    made.layout = made.external ? external_type(filetype, &error) : datatype_retain(filetype);
    if (made.layout == NULL)
        return error;
    made.unit = made.external ? external_bytes(etype, 1) : etype->size;
    *why = made.unit <= 0 ? "the etype has no bytes"
           : made.layout->size % made.unit != 0
               ? "the file type is not made of etypes: its size is no multiple"
           : !is_monotonous(made.layout) ? "the file type's displacements decrease or are negative"
                                         : NULL;
    if (*why != NULL) {
        datatype_release(made.layout);
        return MPI_ERR_ARG;
    }
    datatype_retain(etype);
    datatype_retain(filetype);
    file_view_end(view);
    *view = made;
    return MPI_SUCCESS;
}

void file_view_end(struct file_view *view)
{
    if (view->etype == NULL)
        return;
    datatype_release(view->etype);
    datatype_release(view->filetype);
    datatype_release(view->layout);
    view->etype = NULL;
}

/* --- Finding -------------------------------------------------------------------------------------
 */

int64_t file_view_find(const struct file_view *view, int64_t position, int64_t *length)
{
    const struct datatype *type = view->layout;
    if (type->contiguous) {
        *length = INT64_MAX - view->displacement - position;
        return view->displacement + position;
    }
    int64_t tile = position / type->size;
    return view->displacement + tile * type->extent +
           layout_find(type->layout, position % type->size, length);
}

int64_t file_view_position(const struct file_view *view, int64_t offset)
{
    const struct datatype *type = view->layout;
    int64_t from = offset - view->displacement, length;
    if (from <= 0 || type->size == 0)
        return 0;
    if (type->contiguous)
        return from;
    /* Bisection: the offsets rise with the positions. */
    int64_t low = 0, high = (from / (type->extent > 0 ? type->extent : 1) + 1) * type->size;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t at = file_view_find(view, middle, &length);
        if (at + length <= offset)
            low = middle + (length < high - middle ? length : high - middle);
        else if (at < offset)
            return middle + (offset - at);
        else
            high = middle;
    }
    return low;
}

int64_t file_view_bytes(const struct file_view *view, const struct datatype *type, int64_t count)
{
    return view->external ? external_bytes(type, count) : datatype_bytes(type, count);
}
