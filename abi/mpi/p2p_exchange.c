/* MPI_Isendrecv and MPI_Isendrecv_replace: a send and a receive under one request, as a schedule of
 * the two. */
#include "abi/mpi/check.h"
#include "abi/mpi/schedule.h"

/* Begins both. With `keep` the sent bytes are copied first: the buffer is the receive's too. */
static int exchange_begin(struct described *out, struct described *in, bool keep,
                          MPI_Request *handle)
{
    mpi_lock();
    struct schedule *schedule = schedule_new(in->comm);
    in->comm->sequence--; /* not a collective */
    if (keep && !out->nobody) {
        void *packed = schedule_memory(schedule, out->stream.bytes);
        datatype_pack(&out->stream, 0, out->stream.bytes, packed);
        out->stream = datatype_stream(packed, out->stream.bytes, datatype_of(MPI_BYTE));
    }
    if (!in->nobody)
        schedule_program_receive(schedule, in->stream, &in->key);
    if (!out->nobody)
        schedule_program_send(schedule, out->stream, out->peer, &out->key);
    struct request *request = schedule_keep(schedule);
    request->reports = true;
    request->source = MPI_PROC_NULL;
    request->tag = MPI_ANY_TAG;
    schedule_start(request);
    *handle = (MPI_Request)request;
    mpi_unlock();
    return MPI_SUCCESS;
}

static int begin(const void *out_buffer, int64_t out_count, MPI_Datatype out_type, int to,
                 int out_tag, void *in_buffer, int64_t in_count, MPI_Datatype in_type, int from,
                 int in_tag, MPI_Comm comm, bool keep, MPI_Request *handle, const char *function)
{
    struct described out, in;
    if (!described_send(&out, out_buffer, out_count, out_type, to, out_tag, comm)) {
        int error = describe_again(&out, false, out_count, out_type, to, out_tag, comm, function);
        if (error != MPI_SUCCESS)
            return error;
    }
    if (!described_receive(&in, in_buffer, in_count, in_type, from, in_tag, comm)) {
        int error = describe_again(&in, true, in_count, in_type, from, in_tag, comm, function);
        if (error != MPI_SUCCESS)
            return error;
    }
    return exchange_begin(&out, &in, keep, handle);
}

#define ISENDRECV(Count)                                                                           \
    (const void *out, Count out_count, MPI_Datatype out_type, int to, int out_tag, void *in,       \
     Count in_count, MPI_Datatype in_type, int from, int in_tag, MPI_Comm comm,                    \
     MPI_Request *request)
WITH_COUNTS(Isendrecv, ISENDRECV, {
    return begin(out, out_count, out_type, to, out_tag, in, in_count, in_type, from, in_tag, comm,
                 false, request, "MPI_Isendrecv");
})

#define ISENDRECV_REPLACE(Count)                                                                   \
    (void *buffer, Count count, MPI_Datatype type, int to, int out_tag, int from, int in_tag,      \
     MPI_Comm comm, MPI_Request *request)
WITH_COUNTS(Isendrecv_replace, ISENDRECV_REPLACE, {
    return begin(buffer, count, type, to, out_tag, buffer, count, type, from, in_tag, comm, true,
                 request, "MPI_Isendrecv_replace");
})
