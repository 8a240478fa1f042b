/* A datatype's basic elements, one by one or counted, from the parts it was built of. */

#include "abi/mpi/datatype.h"

/* The block of a type's parts with number `index`. */
struct block {
    int64_t length, displacement;
    const struct datatype *element;
};

static struct block block_of(const struct datatype_parts *parts, int64_t index)
{
    if (parts->form == PARTS_REGULAR)
        return (struct block){parts->length, index * parts->stride, parts->element};
    return (struct block){parts->lengths[index], parts->displacements[index],
                          parts->types ? parts->types[index] : parts->element};
}

int64_t datatype_elements(const struct datatype *type, int64_t bytes)
{
    int64_t elements = 0;

    for (;;) {
        const struct datatype_parts *parts = type->parts;

        if (bytes == 0)
            return elements;
        if (type->size == 0)
            return MPI_UNDEFINED;
        elements += bytes / type->size * type->elements;
        bytes %= type->size;
        if (bytes == 0)
            return elements;
        if (!parts)
            return MPI_UNDEFINED;
        if (parts->form == PARTS_REGULAR) {
            type = parts->element;
            continue;
        }
        for (int64_t i = 0;; i++) { /* ends: the bytes are fewer than all blocks hold */
            struct block block = block_of(parts, i);
            int64_t size = block.length * block.element->size;

            if (bytes < size) {
                type = block.element;
                break;
            }
            bytes -= size;
            elements += block.length * block.element->elements;
        }
    }
}

int64_t datatype_bytes_of_elements(const struct datatype *type, int64_t elements)
{
    int64_t bytes = 0;

    for (;;) {
        const struct datatype_parts *parts = type->parts;

        if (elements == 0 || type->elements == 0)
            return bytes;
        bytes += elements / type->elements * type->size;
        elements %= type->elements;
        if (elements == 0 || !parts)
            return bytes;
        if (parts->form == PARTS_REGULAR) {
            type = parts->element;
            continue;
        }
        for (int64_t i = 0;; i++) {
            struct block block = block_of(parts, i);
            int64_t here = block.length * block.element->elements;

            if (elements < here) {
                type = block.element;
                break;
            }
            elements -= here;
            bytes += block.length * block.element->size;
        }
    }
}

bool datatype_walk(const struct datatype *type, int64_t count, char *buffer, datatype_visit *visit,
                   void *context)
{
    const struct datatype_parts *parts = type->parts;

    if (type->elements == 0 || count == 0)
        return true;
    if (!parts)
        return visit(context, type, buffer, count);
    for (int64_t n = 0; n < count; n++) {
        for (int64_t i = 0; i < parts->count; i++) {
            struct block block = block_of(parts, i);

            if (!datatype_walk(block.element, block.length,
                               (char *)((uintptr_t)buffer + (uintptr_t)(n * type->extent) +
                                        (uintptr_t)block.displacement),
                               visit, context))
                return false;
        }
    }
    return true;
}
