/* Envelopes, and the end of every constructor. */

#include "abi/mpi/datatype_make.h"

#include "abi/mpi/errhandler.h"

#include <stdlib.h>

struct making make_begin(const char *call, bool large, int combiner, int64_t integers,
                         int64_t counts, int64_t addresses, int64_t types)
{
    struct making making = {call, large, MPI_SUCCESS, NULL, calloc(1, sizeof(*making.envelope))};
    struct datatype_envelope *envelope = making.envelope;

    if (!envelope) {
        make_fail(&making, MPI_ERR_NO_MEM, NULL);
        return making;
    }
    envelope->combiner = combiner;
    envelope->large = large;
    /* one more than needed: none has no size 0 */
    envelope->integers = calloc((size_t)(integers + (large ? 0 : counts)) + 1, sizeof(int));
    envelope->addresses = calloc((size_t)(large ? 0 : addresses) + 1, sizeof(MPI_Aint));
    envelope->counts = calloc((size_t)(large ? counts + addresses : 0) + 1, sizeof(MPI_Count));
    envelope->types = calloc((size_t)types + 1, sizeof(struct datatype *));
    if (!envelope->integers || !envelope->addresses || !envelope->counts || !envelope->types)
        make_fail(&making, MPI_ERR_NO_MEM, NULL);
    return making;
}

void make_fail(struct making *making, int error, const char *reason)
{
    if (making->error != MPI_SUCCESS)
        return;
    making->error = error;
    making->reason = reason;
}

void make_note_integer(struct making *making, int value)
{
    if (!making->error)
        making->envelope->integers[making->envelope->integer_count++] = value;
}

void make_note_integers(struct making *making, int64_t count, const int values[])
{
    for (int64_t i = 0; i < count; i++)
        make_note_integer(making, values[i]);
}

void make_note_count(struct making *making, int64_t value)
{
    struct datatype_envelope *envelope = making->envelope;

    if (making->error)
        return;
    if (making->large)
        envelope->counts[envelope->large_count++] = value;
    else
        envelope->integers[envelope->integer_count++] = (int)value;
}

void make_note_counts(struct making *making, int64_t count, struct numbers values)
{
    for (int64_t i = 0; i < count; i++)
        make_note_count(making, number_at(values, i));
}

void make_note_address(struct making *making, int64_t value)
{
    struct datatype_envelope *envelope = making->envelope;

    if (making->error)
        return;
    if (making->large)
        envelope->counts[envelope->large_count++] = value;
    else
        envelope->addresses[envelope->address_count++] = value;
}

void make_note_addresses(struct making *making, int64_t count, struct numbers values)
{
    for (int64_t i = 0; i < count; i++)
        make_note_address(making, number_at(values, i));
}

void make_note_type(struct making *making, struct datatype *type)
{
    if (!making->error)
        making->envelope->types[making->envelope->type_count++] = datatype_retain(type);
}

static void envelope_drop(struct datatype_envelope *envelope)
{
    for (int64_t i = 0; envelope && i < envelope->type_count; i++)
        datatype_release(envelope->types[i]);
    if (envelope) {
        free(envelope->integers);
        free(envelope->addresses);
        free(envelope->counts);
        free(envelope->types);
    }
    free(envelope);
}

int make_finish(struct making *making, struct datatype *type, MPI_Datatype *newtype)
{
    if (!type || making->error) {
        if (making->error == MPI_ERR_ARG && !making->reason)
            making->reason = "the type would be larger than 64 bits can say";
        envelope_drop(making->envelope);
        if (type)
            datatype_release(type);
        return make_refuse(making->call, making->error, making->reason);
    }
    type->envelope = making->envelope;
    *newtype = type->handle;
    return MPI_SUCCESS;
}

int make_refuse(const char *call, int error, const char *reason)
{
    return reason ? error_raise(error, call, "%s", reason) : error_raise(error, call, NULL);
}
