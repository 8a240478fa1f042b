/* What every MPI object begins with. A handle is either one of the standard ABI's constants, which
 * lie in page zero, or the address of an object that a program made. The first word of an object
 * says what it is, so that a handle of another kind, or one that was freed, is noticed.
 *
 * References are counted: the program's handle is one; whatever uses the object (a request, a
 * datatype made of others) has one of its own. */
#ifndef ABI_MPI_OBJECT_H
#define ABI_MPI_OBJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind { /* arbitrary words that a wild address hardly finds */
                   OBJECT_FREED = 0,
                   OBJECT_COMM = 0x6d6d6f43,
                   OBJECT_DATATYPE = 0x65707954,
                   OBJECT_ERRHANDLER = 0x48727245,
                   OBJECT_FILE = 0x656c6946,
                   OBJECT_GROUP = 0x756f7247,
                   OBJECT_INFO = 0x6f666e49,
                   OBJECT_MESSAGE = 0x6773734d,
                   OBJECT_OP = 0x7265704f,
                   OBJECT_REQUEST = 0x71657252,
                   OBJECT_SESSION = 0x73736553,
                   OBJECT_WIN = 0x646e6957,
};

struct object {
    uint32_t kind;              /* enum object_kind */
    _Atomic int32_t references; /* of a predefined object: not counted */
    _Atomic int32_t number;     /* its integer in Fortran (handle.h), 0 while it has none */
};

/* Handles below are constants, never addresses. */
#define OBJECT_CONSTANTS 0x1000

static inline bool object_is_constant(const void *handle)
{
    return (uintptr_t)handle < OBJECT_CONSTANTS;
}

/* An object's address by its handle, or NULL when it is a constant or an object of another kind. */
static inline void *object_of(const void *handle, enum object_kind kind)
{
    struct object *object = (struct object *)(uintptr_t)handle;

    if (object_is_constant(handle) || (uintptr_t)handle % _Alignof(struct object) != 0 ||
        object->kind != (uint32_t)kind)
        return NULL;
    return object;
}

static inline void object_begin(struct object *object, enum object_kind kind)
{
    object->kind = kind;
    atomic_init(&object->references, 1);
    atomic_init(&object->number, 0);
}

static inline void object_retain(struct object *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}

/* True when this was the last reference: the caller then ends the object. */
static inline bool object_release(struct object *object)
{
    return atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1;
}

#endif
