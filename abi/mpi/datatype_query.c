/* What a program asks of a datatype: sizes, bounds, how it was made, its name and attributes. */

#include "abi/mpi/datatype.h"
#include "abi/mpi/errhandler.h"
#include "abi/mpi/profile.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- Sizes and bounds
 * ------------------------------------------------------------------------------- */

static int check(const char *call, const struct datatype *type, const void *first,
                 const void *second)
{
    if (!type)
        return error_raise(MPI_ERR_TYPE, call, NULL);
    if (!first || !second)
        return error_raise(MPI_ERR_ARG, call, "an argument is NULL");
    return MPI_SUCCESS;
}

MPI_PROFILED(Type_size)
int PMPI_Type_size(MPI_Datatype datatype, int *size)
{
    const struct datatype *type = datatype_of(datatype);
    int error = check("MPI_Type_size", type, size, size);

    if (!error)
        *size = type->size > INT_MAX ? MPI_UNDEFINED : (int)type->size;
    return error;
}

#define TYPE_SIZE(Name)                                                                            \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(MPI_Datatype datatype, MPI_Count *size)                                        \
    {                                                                                              \
        const struct datatype *type = datatype_of(datatype);                                       \
        int error = check("MPI_" #Name, type, size, size);                                         \
                                                                                                   \
        if (!error)                                                                                \
            *size = type->size;                                                                    \
        return error;                                                                              \
    }
TYPE_SIZE(Type_size_c)
TYPE_SIZE(Type_size_x)

/* MPI_Aint and MPI_Count hold the same here. */
#define TYPE_BOUNDS(Name, Number, Lb, Extent)                                                      \
    MPI_PROFILED(Name)                                                                             \
    int PMPI_##Name(MPI_Datatype datatype, Number *lb, Number *extent)                             \
    {                                                                                              \
        const struct datatype *type = datatype_of(datatype);                                       \
        int error = check("MPI_" #Name, type, lb, extent);                                         \
                                                                                                   \
        if (!error) {                                                                              \
            *lb = type->Lb;                                                                        \
            *extent = type->Extent;                                                                \
        }                                                                                          \
        return error;                                                                              \
    }
TYPE_BOUNDS(Type_get_extent, MPI_Aint, lb, extent)
TYPE_BOUNDS(Type_get_extent_c, MPI_Count, lb, extent)
TYPE_BOUNDS(Type_get_extent_x, MPI_Count, lb, extent)
TYPE_BOUNDS(Type_get_true_extent, MPI_Aint, true_lb, true_extent)
TYPE_BOUNDS(Type_get_true_extent_c, MPI_Count, true_lb, true_extent)
TYPE_BOUNDS(Type_get_true_extent_x, MPI_Count, true_lb, true_extent)

/* --- How it was made
 * ----------------------------------------------------------------------------------- */

static const struct datatype_envelope named = {.combiner = MPI_COMBINER_NAMED};

static const struct datatype_envelope *envelope_of(const struct datatype *type)
{
    return type->envelope ? type->envelope : &named;
}

MPI_PROFILED(Type_get_envelope)
int PMPI_Type_get_envelope(MPI_Datatype datatype, int *num_integers, int *num_addresses,
                           int *num_datatypes, int *combiner)
{
    const char *call = "MPI_Type_get_envelope";
    const struct datatype *type = datatype_of(datatype);
    const struct datatype_envelope *envelope;
    int error = check(call, type, num_integers, num_addresses);

    if (!error)
        error = check(call, type, num_datatypes, combiner);
    if (error)
        return error;
    envelope = envelope_of(type);
    if (envelope->large_count > 0)
        return error_raise(MPI_ERR_TYPE, call, "made with counts: ask MPI_Type_get_envelope_c");
    if (envelope->integer_count > INT_MAX)
        return error_raise(MPI_ERR_VALUE_TOO_LARGE, call, NULL);
    *num_integers = (int)envelope->integer_count;
    *num_addresses = (int)envelope->address_count;
    *num_datatypes = (int)envelope->type_count;
    *combiner = envelope->combiner;
    return MPI_SUCCESS;
}

MPI_PROFILED(Type_get_envelope_c)
int PMPI_Type_get_envelope_c(MPI_Datatype datatype, MPI_Count *num_integers,
                             MPI_Count *num_addresses, MPI_Count *num_large_counts,
                             MPI_Count *num_datatypes, int *combiner)
{
    const char *call = "MPI_Type_get_envelope_c";
    const struct datatype *type = datatype_of(datatype);
    const struct datatype_envelope *envelope;
    int error = check(call, type, num_integers, num_addresses);

    if (!error)
        error = check(call, type, num_large_counts, combiner);
    if (!error)
        error = check(call, type, num_datatypes, combiner);
    if (error)
        return error;
    envelope = envelope_of(type);
    *num_integers = envelope->integer_count;
    *num_addresses = envelope->address_count;
    *num_large_counts = envelope->large_count;
    *num_datatypes = envelope->type_count;
    *combiner = envelope->combiner;
    return MPI_SUCCESS;
}

/* The room that a program has for the arguments. */
struct contents {
    int64_t integers, addresses, counts, types;
};

static int get_contents(const char *call, const struct datatype *type, struct contents room,
                        int integers[], MPI_Aint addresses[], MPI_Count counts[],
                        MPI_Datatype types[])
{
    const struct datatype_envelope *envelope;

    if (!type || !type->envelope)
        return error_raise(MPI_ERR_TYPE, call, "%s",
                           type ? "a named datatype has no contents" : "no datatype");
    envelope = type->envelope;
    if (room.integers < envelope->integer_count || room.addresses < envelope->address_count ||
        room.counts < envelope->large_count || room.types < envelope->type_count ||
        (envelope->integer_count > 0 && !integers) || (envelope->address_count > 0 && !addresses) ||
        (envelope->large_count > 0 && !counts) || (envelope->type_count > 0 && !types))
        return error_raise(MPI_ERR_ARG, call,
                           "it has %lld integers, %lld addresses, %lld counts and %lld datatypes",
                           (long long)envelope->integer_count, (long long)envelope->address_count,
                           (long long)envelope->large_count, (long long)envelope->type_count);
    for (int64_t i = 0; i < envelope->integer_count; i++)
        integers[i] = envelope->integers[i];
    for (int64_t i = 0; i < envelope->address_count; i++)
        addresses[i] = envelope->addresses[i];
    for (int64_t i = 0; i < envelope->large_count; i++)
        counts[i] = envelope->counts[i];
    for (int64_t i = 0; i < envelope->type_count; i++)
        types[i] = datatype_retain(envelope->types[i])->handle; /* the program frees it */
    return MPI_SUCCESS;
}

MPI_PROFILED(Type_get_contents)
int PMPI_Type_get_contents(MPI_Datatype datatype, int max_integers, int max_addresses,
                           int max_datatypes, int array_of_integers[],
                           MPI_Aint array_of_addresses[], MPI_Datatype array_of_datatypes[])
{
    return get_contents("MPI_Type_get_contents", datatype_of(datatype),
                        (struct contents){max_integers, max_addresses, 0, max_datatypes},
                        array_of_integers, array_of_addresses, NULL, array_of_datatypes);
}

MPI_PROFILED(Type_get_contents_c)
int PMPI_Type_get_contents_c(MPI_Datatype datatype, MPI_Count max_integers, MPI_Count max_addresses,
                             MPI_Count max_large_counts, MPI_Count max_datatypes,
                             int array_of_integers[], MPI_Aint array_of_addresses[],
                             MPI_Count array_of_large_counts[], MPI_Datatype array_of_datatypes[])
{
    return get_contents(
        "MPI_Type_get_contents_c", datatype_of(datatype),
        (struct contents){max_integers, max_addresses, max_large_counts, max_datatypes},
        array_of_integers, array_of_addresses, array_of_large_counts, array_of_datatypes);
}

/* --- Names
 * ---------------------------------------------------------------------------------------------- */

MPI_PROFILED(Type_set_name)
int PMPI_Type_set_name(MPI_Datatype datatype, const char *type_name)
{
    struct datatype *type = datatype_of(datatype);
    int error = check("MPI_Type_set_name", type, type_name, type_name);
    char *name;

    if (error)
        return error;
    name = strndup(type_name, MPI_MAX_OBJECT_NAME - 1);
    if (!name)
        return error_raise(MPI_ERR_NO_MEM, "MPI_Type_set_name", NULL);
    free(type->name);
    type->name = name;
    return MPI_SUCCESS;
}

MPI_PROFILED(Type_get_name)
int PMPI_Type_get_name(MPI_Datatype datatype, char *type_name, int *resultlen)
{
    const struct datatype *type = datatype_of(datatype);
    const char *name = "";
    int error;

    if (datatype == MPI_DATATYPE_NULL)
        name = "MPI_DATATYPE_NULL";
    error = check("MPI_Type_get_name", datatype == MPI_DATATYPE_NULL ? datatype_of(MPI_BYTE) : type,
                  type_name, resultlen);
    if (error)
        return error;
    if (type && type->name)
        name = type->name;
    else if (type && type->standard_name)
        name = type->standard_name;
    *resultlen = (int)strlen(name);
    memcpy(type_name, name, (size_t)*resultlen + 1);
    return MPI_SUCCESS;
}

/* --- Attributes
 * ------------------------------------------------------------------------------------------- */

int mpi_type_set_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val,
                      enum attribute_language language)
{
    struct datatype *type = datatype_of(datatype);
    int error = MPI_ERR_TYPE;

    if (type)
        error = attribute_set(OBJECT_DATATYPE, type->handle, &type->attributes, type_keyval,
                              attribute_val, language);
    return error ? error_raise(error, "MPI_Type_set_attr", NULL) : MPI_SUCCESS;
}

MPI_PROFILED(Type_set_attr)
int PMPI_Type_set_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val)
{
    return mpi_type_set_attr(datatype, type_keyval, attribute_val, ATTRIBUTE_C);
}

int mpi_type_get_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val, int *flag,
                      enum attribute_language language)
{
    const struct datatype *type = datatype_of(datatype);
    int error = check("MPI_Type_get_attr", type, attribute_val, flag);
    bool found;

    if (error)
        return error;
    error = attribute_get(OBJECT_DATATYPE, &type->attributes, type_keyval, language, attribute_val,
                          &found);
    if (error)
        return error_raise(error, "MPI_Type_get_attr", NULL);
    *flag = found;
    return MPI_SUCCESS;
}

MPI_PROFILED(Type_get_attr)
int PMPI_Type_get_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val, int *flag)
{
    return mpi_type_get_attr(datatype, type_keyval, attribute_val, flag, ATTRIBUTE_C);
}

MPI_PROFILED(Type_delete_attr)
int PMPI_Type_delete_attr(MPI_Datatype datatype, int type_keyval)
{
    struct datatype *type = datatype_of(datatype);
    int error = MPI_ERR_TYPE;

    if (type)
        error = attribute_delete(OBJECT_DATATYPE, type->handle, &type->attributes, type_keyval);
    return error ? error_raise(error, "MPI_Type_delete_attr", NULL) : MPI_SUCCESS;
}
