/* Datatypes by what is asked of a number: MPI_Type_create_f90_*, MPI_Type_match_size and
 * MPI_Type_get_value_index. They are predefined: the same question has the same answer, and none is
 * ever freed. */

#include "abi/mpi/datatype.h"

#include "abi/mpi/errhandler.h"
#include "abi/mpi/profile.h"

#include <pthread.h>
#include <stdlib.h>

/* Answers given so far, for the question (combiner, p, r). */
struct answer {
    struct answer *next;
    struct datatype type;
    struct datatype_envelope envelope;
    int integers[2];
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct answer *answers;

static int answer(const char *call, int combiner, int count, const int integers[],
                  MPI_Datatype basic, MPI_Datatype *newtype)
{
    struct answer *found;

    pthread_mutex_lock(&lock);
    for (found = answers; found; found = found->next)
        if (found->envelope.combiner == combiner && found->integers[0] == integers[0] &&
            (count == 1 || found->integers[1] == integers[1]))
            break;
    if (!found) {
        found = calloc(1, sizeof(*found));
        if (found) {
            found->type = *datatype_of(basic);
            object_begin(&found->type.object, OBJECT_DATATYPE);
            found->type.handle = (MPI_Datatype)&found->type;
            found->type.standard_name = NULL;
            found->type.name = NULL;
            found->type.attributes = (struct attributes){0};
            for (int i = 0; i < count; i++)
                found->integers[i] = integers[i];
            found->envelope = (struct datatype_envelope){
                .combiner = combiner, .integer_count = count, .integers = found->integers};
            found->type.envelope = &found->envelope;
            found->next = answers;
            answers = found;
        }
    }
    pthread_mutex_unlock(&lock);
    if (!found)
        return error_raise(MPI_ERR_NO_MEM, call, NULL);
    *newtype = found->type.handle;
    return MPI_SUCCESS;
}

/* The floating-point kinds of gfortran, by decimal digits and decimal exponent. */
static const struct {
    int digits, range;
    MPI_Datatype real, complex;
} kinds[] = {
    {6, 37, MPI_REAL4, MPI_COMPLEX8},
    {15, 307, MPI_REAL8, MPI_COMPLEX16},
    {18, 4931, MPI_LONG_DOUBLE, MPI_C_LONG_DOUBLE_COMPLEX},
    {33, 4931, MPI_REAL16, MPI_COMPLEX32},
};

static int create_floating(const char *call, int combiner, int p, int r, MPI_Datatype *newtype)
{
    const int integers[2] = {p, r};

    if (!newtype || (p == MPI_UNDEFINED && r == MPI_UNDEFINED))
        return error_raise(MPI_ERR_ARG, call, "p and r are both MPI_UNDEFINED, or newtype is NULL");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if ((p == MPI_UNDEFINED || p <= kinds[i].digits) &&
            (r == MPI_UNDEFINED || r <= kinds[i].range))
            return answer(call, combiner, 2, integers,
                          combiner == MPI_COMBINER_F90_REAL ? kinds[i].real : kinds[i].complex,
                          newtype);
    return error_raise(MPI_ERR_ARG, call, "no kind has %d digits and exponents to %d", p, r);
}

MPI_PROFILED(Type_create_f90_real)
int PMPI_Type_create_f90_real(int p, int r, MPI_Datatype *newtype)
{
    return create_floating("MPI_Type_create_f90_real", MPI_COMBINER_F90_REAL, p, r, newtype);
}

MPI_PROFILED(Type_create_f90_complex)
int PMPI_Type_create_f90_complex(int p, int r, MPI_Datatype *newtype)
{
    return create_floating("MPI_Type_create_f90_complex", MPI_COMBINER_F90_COMPLEX, p, r, newtype);
}

MPI_PROFILED(Type_create_f90_integer)
int PMPI_Type_create_f90_integer(int r, MPI_Datatype *newtype)
{
    static const struct {
        int range;
        MPI_Datatype type;
    } integers[] = {{2, MPI_INTEGER1},
                    {4, MPI_INTEGER2},
                    {9, MPI_INTEGER4},
                    {18, MPI_INTEGER8},
                    {38, MPI_INTEGER16}};
    const char *call = "MPI_Type_create_f90_integer";

    if (!newtype)
        return error_raise(MPI_ERR_ARG, call, "newtype is NULL");
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
        if (r <= integers[i].range)
            return answer(call, MPI_COMBINER_F90_INTEGER, 1, &r, integers[i].type, newtype);
    return error_raise(MPI_ERR_ARG, call, "no kind has %d digits", r);
}

MPI_PROFILED(Type_match_size)
int PMPI_Type_match_size(int typeclass, int size, MPI_Datatype *datatype)
{
    static const struct {
        int class, size;
        MPI_Datatype type;
    } types[] = {
        {MPI_TYPECLASS_INTEGER, 1, MPI_INTEGER1},   {MPI_TYPECLASS_INTEGER, 2, MPI_INTEGER2},
        {MPI_TYPECLASS_INTEGER, 4, MPI_INTEGER4},   {MPI_TYPECLASS_INTEGER, 8, MPI_INTEGER8},
        {MPI_TYPECLASS_INTEGER, 16, MPI_INTEGER16}, {MPI_TYPECLASS_REAL, 4, MPI_REAL4},
        {MPI_TYPECLASS_REAL, 8, MPI_REAL8},         {MPI_TYPECLASS_REAL, 16, MPI_REAL16},
        {MPI_TYPECLASS_COMPLEX, 8, MPI_COMPLEX8},   {MPI_TYPECLASS_COMPLEX, 16, MPI_COMPLEX16},
        {MPI_TYPECLASS_COMPLEX, 32, MPI_COMPLEX32},
    };

    for (size_t i = 0; datatype && i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].class == typeclass && types[i].size == size) {
            *datatype = types[i].type;
            return MPI_SUCCESS;
        }
    return error_raise(MPI_ERR_ARG, "MPI_Type_match_size", "no type of class %d has %d bytes",
                       typeclass, size);
}

MPI_PROFILED(Type_get_value_index)
int PMPI_Type_get_value_index(MPI_Datatype value_type, MPI_Datatype index_type,
                              MPI_Datatype *pair_type)
{
    const struct datatype *value = datatype_of(value_type), *index = datatype_of(index_type);

    if (!value || !index)
        return error_raise(MPI_ERR_TYPE, "MPI_Type_get_value_index", NULL);
    if (!pair_type)
        return error_raise(MPI_ERR_ARG, "MPI_Type_get_value_index", "pair_type is NULL");
    *pair_type = MPI_DATATYPE_NULL; /* what MPI says for a pair that does not exist */
    for (int i = 0; i < DATATYPE_CONSTANTS; i++) {
        const struct datatype *type = datatype_predefined[i];

        if (type && type->class == BASIC_PAIR && type->parts->types[0] == value &&
            type->parts->types[1] == index)
            *pair_type = type->handle;
    }
    return MPI_SUCCESS;
}
