/* Datatypes (MPI: Datatypes). A datatype is made once and never changes after; what it describes
 * is kept in three forms:
 *
 *   its parts    what it was built of (datatypes, how often, where), for whatever needs the basic
 *                elements one by one: MPI_Get_elements, external32          datatype_parts.c
 *   its layout   the same flattened to as few copies as possible, for packing and unpacking at any
 *                position in the stream of bytes                            layout.h
 *   its envelope the arguments of the call that made it, for MPI_Type_get_contents
 *
 * Read: layout.h, datatype.c (life), datatype_build.c (from parts to sizes and layout),
 * datatype_create*.c (the constructors), datatype_query.c, pack.c. */
#ifndef ABI_MPI_DATATYPE_H
#define ABI_MPI_DATATYPE_H

#include "abi/mpi/attribute.h"
#include "abi/mpi/layout.h"
#include "abi/mpi/object.h"

#include <mpi.h>

/* What a basic element is: which operations it has, and how external32 writes it. */
enum basic_class {
    BASIC_NONE, /* a derived type, or a pair */
    BASIC_BYTE,
    BASIC_CHARACTER, /* no operation, but for MPI_CHAR: MPI_WCHAR, MPI_CHARACTER, MPI_PACKED */
    BASIC_SIGNED,
    BASIC_UNSIGNED,
    BASIC_FLOAT,
    BASIC_COMPLEX,
    BASIC_LOGICAL, /* C's and C++'s bool, and Fortran's LOGICAL */
    BASIC_PAIR,    /* a value and its index, for MPI_MINLOC and MPI_MAXLOC */
};

/* What Fortran calls COMPLEX(16): gcc has no other name for it. */
typedef _Complex float complex_quad __attribute__((mode(TC)));

struct datatype_parts;
struct datatype_envelope;

struct datatype {
    struct object object;
    MPI_Datatype handle;
    bool committed;
    bool predefined;
    bool contiguous;     /* any number of them is one run of bytes from the buffer's address on */
    bool has_lb, has_ub; /* MPI_Type_create_resized set them: they outlive further constructors */
    uint8_t class;       /* enum basic_class, of predefined types */
    uint8_t external;    /* bytes in external32, of basic types */
    int alignment;       /* of the most demanding basic element */
    int64_t size;        /* bytes of data in one */
    int64_t lb, extent;  /* bytes */
    int64_t true_lb, true_extent;
    int64_t elements;      /* basic ones in one of it; a pair has two */
    struct datatype *unit; /* the predefined type that all elements are of, or NULL: itself for a
                            * predefined type, and what operations on windows go by */
    struct layout_reference layout;
    struct datatype_parts *parts;       /* NULL for basic types */
    struct datatype_envelope *envelope; /* NULL for named types */
    struct attributes attributes;
    const char *standard_name; /* of a predefined type */
    char *name;                /* set by the program; NULL: none */
};

/* Predefined types by the low bits of their handle, complete before main (static data). */
#define DATATYPE_CONSTANTS 0x100
#define DATATYPE_FIRST 0x200
extern struct datatype *const datatype_predefined[DATATYPE_CONSTANTS];

/* By its handle; NULL for MPI_DATATYPE_NULL and for whatever is no datatype. */
static inline struct datatype *datatype_of(MPI_Datatype handle)
{
    uintptr_t value = (uintptr_t)handle;

    if (value - DATATYPE_FIRST < DATATYPE_CONSTANTS)
        return datatype_predefined[value - DATATYPE_FIRST];
    return (struct datatype *)object_of(handle, OBJECT_DATATYPE);
}

/* One more reference for a request or another object that goes on using the type; of a predefined
 * type nothing. datatype_release frees it with the last one. */
static inline struct datatype *datatype_retain(struct datatype *type)
{
    if (!type->predefined)
        object_retain(&type->object);
    return type;
}
void datatype_release(struct datatype *type);

/* For every function that moves data: MPI_SUCCESS, or MPI_ERR_TYPE (none, or not committed), or
 * MPI_ERR_COUNT (negative). */
static inline int datatype_check(const struct datatype *type, int64_t count)
{
    if (!type || !type->committed)
        return MPI_ERR_TYPE;
    return count < 0 ? MPI_ERR_COUNT : MPI_SUCCESS;
}

/* Bytes of data in `count` of them; of a type that is too large for it INT64_MAX. */
static inline int64_t datatype_bytes(const struct datatype *type, int64_t count)
{
    int64_t bytes;

    return __builtin_mul_overflow(type->size, count, &bytes) ? INT64_MAX : bytes;
}

/* --- Moving data (pack.c)
 * --------------------------------------------------------------------------- */

/* A message as a stream of bytes: `count` of `type` at `buffer`, in the order of the type map.
 * Any part of it, from any position, may be packed or unpacked at any time, so that a pipeline
 * cuts it where it likes. Not changed by packing. */
struct datatype_stream {
    char *buffer;
    const struct datatype *type;
    int64_t count;
    int64_t bytes; /* of the whole stream */
};

static inline struct datatype_stream datatype_stream(const void *buffer, int64_t count,
                                                     const struct datatype *type)
{
    return (struct datatype_stream){(char *)(uintptr_t)buffer, type, count,
                                    datatype_bytes(type, count)};
}

/* Copies bytes [from, from + length) of the stream out to `packed`, or in from there. The range
 * must lie within the stream. */
void datatype_pack(const struct datatype_stream *stream, int64_t from, int64_t length,
                   void *packed);
void datatype_unpack(const struct datatype_stream *stream, int64_t from, int64_t length,
                     const void *packed);

/* When the bytes of a stream lie in one piece: its first byte; otherwise NULL (also for a stream
 * of no bytes). */
char *datatype_in_one_piece(const struct datatype_stream *stream);

/* The longest piece of the stream that lies together, from position `from` on: its address, and in
 * *length how many bytes, at least 1. For copies straight between two layouts. `from` < bytes. */
char *datatype_piece(const struct datatype_stream *stream, int64_t from, int64_t *length);

/* From one typed buffer to another within a process's reach (messages to oneself, and those read
 * from a peer's pages): bytes [0, least of both lengths). No byte may lie in both. */
void datatype_copy(const struct datatype_stream *to, const struct datatype_stream *from);

/* --- Elements (datatype_parts.c)
 * ---------------------------------------------------------------------- */

/* Basic elements in the first `bytes` of a stream of such types: MPI_UNDEFINED when the bytes end
 * within an element. */
int64_t datatype_elements(const struct datatype *type, int64_t bytes);
/* Bytes of the first `elements` basic elements. */
int64_t datatype_bytes_of_elements(const struct datatype *type, int64_t elements);

/* Calls `visit` for each run of equal basic elements in the order of the type map: the type, where
 * they begin, how many lie there back to back. Stops when it returns false, and returns that. */
typedef bool datatype_visit(void *context, const struct datatype *basic, char *address,
                            int64_t count);
bool datatype_walk(const struct datatype *type, int64_t count, char *buffer, datatype_visit *visit,
                   void *context);

/* --- Building (datatype_build.c), for the constructors
 * -------------------------------------------------- */

/* New types, not committed, with one reference, or NULL with the reason in *error: MPI_ERR_NO_MEM,
 * or MPI_ERR_ARG when an extent does not fit into 64 bits. No count may be negative.
 *   regular: `count` blocks of `length` elements, the blocks `stride` bytes apart
 *   members: `count` blocks, at displacements in bytes
 *   resized: the same data with other bounds */
struct datatype *datatype_regular(int64_t count, int64_t length, int64_t stride,
                                  struct datatype *element, int *error);
/* types NULL: all members are of `element` */
struct datatype *datatype_members(int64_t count, const int64_t lengths[],
                                  const int64_t displacements[], struct datatype *const types[],
                                  struct datatype *element, int *error);
struct datatype *datatype_resized(struct datatype *element, int64_t lb, int64_t extent, int *error);
struct datatype *datatype_duplicate(struct datatype *element, int *error);

/* --- The pieces of a datatype that only its own files read
 * ------------------------------------------------ */

enum datatype_form { PARTS_REGULAR, PARTS_MEMBERS };

struct datatype_parts {
    enum datatype_form form;
    int64_t count;
    int64_t length, stride;   /* regular: elements of a block, bytes between blocks' beginnings */
    int64_t *lengths;         /* members */
    int64_t *displacements;   /* members, bytes */
    struct datatype *element; /* regular, and members that are all of one type; each referenced */
    struct datatype **types;  /* members of several types, else NULL */
};

struct datatype_envelope {
    int combiner;
    bool large; /* made by a _c function: its numbers are counts */
    int64_t integer_count, address_count, large_count, type_count;
    int *integers;
    MPI_Aint *addresses;
    MPI_Count *counts;
    struct datatype **types; /* each referenced */
};

#endif
