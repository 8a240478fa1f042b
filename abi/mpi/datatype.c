/* The predefined datatypes, and the life of the others: the end of one that nobody refers to any
 * more. */

#include "abi/mpi/datatype.h"

#include "abi/mpi/handle.h"

#include <stdlib.h>
#include <wchar.h>

/* A predefined type's layout: one run for each size there is. */
#define RUN(Size)                                                                                  \
    static const struct layout run_##Size = {.kind = LAYOUT_RUN, .size = (Size), .count = 1}
RUN(1);
RUN(2);
RUN(4);
RUN(8);
RUN(16);
RUN(32);
#define RUN_OF(Size)                                                                               \
    ((Size) == 1    ? &run_1                                                                       \
     : (Size) == 2  ? &run_2                                                                       \
     : (Size) == 4  ? &run_4                                                                       \
     : (Size) == 8  ? &run_8                                                                       \
     : (Size) == 16 ? &run_16                                                                      \
                    : &run_32)

/* The C type behind each, by its name. */
#define BASIC(Name, Low, Type, Class, External) typedef Type c_##Name;
#define PAIR(Name, Low, Value, Index)                                                              \
    typedef struct {                                                                               \
        c_##Value value;                                                                           \
        c_##Index index;                                                                           \
    } c_##Name;
#include "abi/mpi/basic.def"

#define HANDLE(Low) ((MPI_Datatype)(uintptr_t)(DATATYPE_FIRST + (Low)))
#define OBJECT_INIT                                                                                \
    {                                                                                              \
        .kind = OBJECT_DATATYPE, .references = 1                                                   \
    }

#define BASIC(Name, Low, Type, Class, External)                                                    \
    static struct datatype type_##Name = {                                                         \
        .object = OBJECT_INIT,                                                                     \
        .handle = HANDLE(Low),                                                                     \
        .committed = true,                                                                         \
        .predefined = true,                                                                        \
        .contiguous = true,                                                                        \
        .class = BASIC_##Class,                                                                    \
        .external = (External),                                                                    \
        .alignment = _Alignof(Type),                                                               \
        .size = sizeof(Type),                                                                      \
        .extent = sizeof(Type),                                                                    \
        .true_extent = sizeof(Type),                                                               \
        .elements = 1,                                                                             \
        .unit = &type_##Name,                                                                      \
        .layout = {RUN_OF(sizeof(Type)), 0},                                                       \
        .standard_name = "MPI_" #Name,                                                             \
    };
/* A pair is a struct in C, with a gap where one member ends before the other may begin. */
#define PAIR(Name, Low, Value, Index)                                                              \
    enum { pair_size_##Name = sizeof(c_##Value) + sizeof(c_##Index) };                             \
    static int64_t lengths_##Name[] = {1, 1};                                                      \
    static int64_t offsets_##Name[] = {0, offsetof(c_##Name, index)};                              \
    static int64_t before_##Name[] = {0, sizeof(c_##Value), pair_size_##Name};                     \
    static struct datatype *types_##Name[] = {&type_##Value, &type_##Index};                       \
    static const struct layout layout_##Name = {                                                   \
        .kind = pair_size_##Name == sizeof(c_##Name) ? LAYOUT_RUN : LAYOUT_BLOCKS,                 \
        .size = pair_size_##Name,                                                                  \
        .count = pair_size_##Name == sizeof(c_##Name) ? 1 : 2,                                     \
        .before = before_##Name,                                                                   \
        .offsets = offsets_##Name,                                                                 \
    };                                                                                             \
    static struct datatype_parts parts_##Name = {                                                  \
        .form = PARTS_MEMBERS,                                                                     \
        .count = 2,                                                                                \
        .lengths = lengths_##Name,                                                                 \
        .displacements = offsets_##Name,                                                           \
        .types = types_##Name,                                                                     \
    };                                                                                             \
    static struct datatype type_##Name = {                                                         \
        .object = OBJECT_INIT,                                                                     \
        .handle = HANDLE(Low),                                                                     \
        .committed = true,                                                                         \
        .predefined = true,                                                                        \
        .contiguous = pair_size_##Name == sizeof(c_##Name),                                        \
        .class = BASIC_PAIR,                                                                       \
        .alignment = _Alignof(c_##Name),                                                           \
        .size = pair_size_##Name,                                                                  \
        .extent = sizeof(c_##Name),                                                                \
        .true_extent = offsetof(c_##Name, index) + sizeof(c_##Index),                              \
        .elements = 2,                                                                             \
        .unit = &type_##Name,                                                                      \
        .layout = {&layout_##Name, 0},                                                             \
        .parts = &parts_##Name,                                                                    \
        .standard_name = "MPI_" #Name,                                                             \
    };
#include "abi/mpi/basic.def"

struct datatype *const datatype_predefined[DATATYPE_CONSTANTS] = {
#define BASIC(Name, Low, Type, Class, External) [Low] = &type_##Name,
#define PAIR(Name, Low, Value, Index) [Low] = &type_##Name,
#include "abi/mpi/basic.def"
};

static void parts_free(struct datatype_parts *parts)
{
    if (!parts)
        return;
    if (parts->element)
        datatype_release(parts->element);
    for (int64_t i = 0; parts->types && i < parts->count; i++)
        if (parts->types[i])
            datatype_release(parts->types[i]);
    free(parts->types);
    free(parts->lengths);
    free(parts->displacements);
    free(parts);
}

static void envelope_free(struct datatype_envelope *envelope)
{
    if (!envelope)
        return;
    for (int64_t i = 0; envelope->types && i < envelope->type_count; i++)
        if (envelope->types[i])
            datatype_release(envelope->types[i]);
    free(envelope->integers);
    free(envelope->addresses);
    free(envelope->counts);
    free(envelope->types);
    free(envelope);
}

void datatype_release(struct datatype *type)
{
    if (type->predefined || !object_release(&type->object))
        return;
    parts_free(type->parts);
    envelope_free(type->envelope);
    layout_release(type->layout);
    free(type->attributes.entries);
    free(type->name);
    handle_end(&type->object);
    free(type);
}
