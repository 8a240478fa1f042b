/* external32: every element's bytes turned around, and those converted that have another size or
 * format there. */

#include "abi/mpi/external.h"

#include "abi/mpi/errhandler.h"

#include <string.h>

/* --- Sizes
 * -------------------------------------------------------------------------------------------- */

/* The external bytes of one datatype, added up over its parts. */
static int64_t one_bytes(const struct datatype *type)
{
    const struct datatype_parts *parts = type->parts;
    int64_t sum = 0;

    if (!parts)
        return type->external;
    if (type->unit && !type->unit->parts) { /* all of one kind */
        if (__builtin_mul_overflow(type->elements, (int64_t)type->unit->external, &sum))
            return INT64_MAX;
        return sum;
    }
    for (int64_t i = 0; i < parts->count; i++) {
        bool regular = parts->form == PARTS_REGULAR;
        int64_t length = regular ? parts->length : parts->lengths[i];
        int64_t here;

        if (length == 0)
            continue;
        here = one_bytes(parts->types ? parts->types[i] : parts->element);
        if (here == INT64_MAX || __builtin_mul_overflow(here, length, &here) ||
            (regular && __builtin_mul_overflow(here, parts->count, &here)) ||
            __builtin_add_overflow(sum, here, &sum))
            return INT64_MAX;
        if (regular)
            break; /* all its blocks are alike */
    }
    return sum;
}

int64_t external_bytes(const struct datatype *type, int64_t count)
{
    int64_t one = one_bytes(type), all;

    return one == INT64_MAX || __builtin_mul_overflow(one, count, &all) ? INT64_MAX : all;
}

/* --- Elements
 * -------------------------------------------------------------------------------------------- */

static void reverse(unsigned char *to, const unsigned char *from, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        to[i] = from[size - 1 - i];
}

/* Where a conversion stands. */
struct conversion {
    unsigned char *external;
    bool out; /* to external32 */
};

/* An integer whose external form is shorter: it must come out as it was. */
static bool convert_short(struct conversion *conversion, const struct datatype *basic,
                          unsigned char *native)
{
    int64_t size = basic->size, external = basic->external;
    unsigned char fill;

    if (conversion->out) {
        fill = basic->class == BASIC_SIGNED && (native[external - 1] & 0x80) ? 0xff : 0;
        for (int64_t i = external; i < size; i++)
            if (native[i] != fill)
                return false;
        reverse(conversion->external, native, external);
        return true;
    }
    reverse(native, conversion->external, external);
    fill = basic->class == BASIC_SIGNED && (native[external - 1] & 0x80) ? 0xff : 0;
    memset(native + external, fill, (size_t)(size - external));
    return true;
}

/* The processor's 80 bits as IEEE's 128. */
static void convert_long_double(struct conversion *conversion, unsigned char *native)
{
    long double own;
    __float128 wide;
    unsigned char bytes[sizeof(wide)];

    if (conversion->out) {
        memcpy(&own, native, sizeof(own));
        wide = own;
        memcpy(bytes, &wide, sizeof(bytes));
        reverse(conversion->external, bytes, sizeof(bytes));
        return;
    }
    reverse(bytes, conversion->external, sizeof(bytes));
    memcpy(&wide, bytes, sizeof(wide));
    own = (long double)wide;
    memcpy(native, &own, sizeof(own));
}

static bool is_long_double(const struct datatype *basic)
{
    MPI_Datatype handle = basic->unit->handle;

    return handle == MPI_LONG_DOUBLE || handle == MPI_C_LONG_DOUBLE_COMPLEX ||
           handle == MPI_CXX_LONG_DOUBLE_COMPLEX;
}

static bool convert_run(void *context, const struct datatype *basic, char *address, int64_t count)
{
    struct conversion *conversion = context;
    unsigned char *native = (unsigned char *)address;
    /* a complex number is two real ones */
    int64_t parts = basic->class == BASIC_COMPLEX ? 2 : 1;
    int64_t size = basic->size / parts, external = basic->external / parts;

    for (int64_t i = 0; i < count * parts; i++) {
        if (is_long_double(basic))
            convert_long_double(conversion, native);
        else if (external < size) {
            if (!convert_short(conversion, basic, native))
                return false;
        } else if (conversion->out) {
            reverse(conversion->external, native, size);
        } else {
            reverse(native, conversion->external, size);
        }
        native += size;
        conversion->external += external;
    }
    return true;
}

int external_pack(const struct datatype *type, int64_t count, const void *buffer, void *external)
{
    struct conversion conversion = {external, true};

    return datatype_walk(type, count, (char *)(uintptr_t)buffer, convert_run, &conversion)
               ? MPI_SUCCESS
               : MPI_ERR_CONVERSION;
}

int external_unpack(const struct datatype *type, int64_t count, void *buffer, const void *external)
{
    struct conversion conversion = {(unsigned char *)(uintptr_t)external, false};

    return datatype_walk(type, count, buffer, convert_run, &conversion) ? MPI_SUCCESS
                                                                        : MPI_ERR_CONVERSION;
}
