/* Buffered sends. A message that cannot leave at once is copied and goes when it can; the attached
 * buffer (of the communicator, or of all that have none) says how many bytes of such messages there
 * may be at a time. */
#include "abi/mpi/check.h"
#include "abi/mpi/persistent.h"

#include <stdlib.h>

/* What is attached. The copies themselves come from malloc: the program's buffer only counts. */
static struct attached {
    void *memory; /* NULL: nothing is attached */
    int64_t size; /* bytes; MPI_BUFFER_AUTOMATIC: no limit */
    int64_t used;
    uint32_t messages;
} attached;

void buffer_give(struct request *request)
{
    attached.used -= (int64_t)request->buffered;
    attached.messages--;
    request->buffered = 0;
}

int buffered_begin(const struct described *message, const char *function)
{
    int64_t bytes = message->stream.bytes, cost = bytes + MPI_BSEND_OVERHEAD;
    bool automatic = attached.memory == MPI_BUFFER_AUTOMATIC;
    if (!automatic && (attached.memory == NULL || cost > attached.size - attached.used)) {
        /* Room may have come since. */
        engine_poll();
        if (attached.memory == NULL || cost > attached.size - attached.used) {
            mpi_unlock();
            return comm_error(message->comm, MPI_ERR_BUFFER, function,
                              "the attached buffer has no room for %lld bytes and "
                              "MPI_BSEND_OVERHEAD; %lld of %lld are in use",
                              (long long)bytes, (long long)attached.used, (long long)attached.size);
        }
    }
    struct request *request = request_new(REQUEST_SEND, message->comm);
    request->owned = malloc(bytes != 0 ? (size_t)bytes : 1);
    if (request->owned == NULL) {
        request_free(request);
        mpi_unlock();
        return comm_error(message->comm, MPI_ERR_NO_MEM, function, "no memory for %lld bytes",
                          (long long)bytes);
    }
    datatype_pack(&message->stream, 0, bytes, request->owned);
    attached.used += cost;
    attached.messages++;
    request->buffered = (uint64_t)cost;
    request->forgotten = true;
    struct datatype_stream copy = datatype_stream(request->owned, bytes, datatype_of(MPI_BYTE));
    send_begin(request, &copy, message->peer, SEND_STANDARD, &message->key);
    mpi_unlock();
    return MPI_SUCCESS;
}

static int send_buffered(const void *buffer, int64_t count, MPI_Datatype type, int to, int tag,
                         MPI_Comm comm, const char *function)
{
    struct described message;
    if (!described_send(&message, buffer, count, type, to, tag, comm)) {
        int error = describe_again(&message, false, count, type, to, tag, comm, function);
        if (error != MPI_SUCCESS || message.nobody)
            return error;
    }
    mpi_lock();
    return buffered_begin(&message, function);
}

#define BSEND(Count)                                                                               \
    (const void *buffer, Count count, MPI_Datatype type, int to, int tag, MPI_Comm comm)
WITH_COUNTS(Bsend, BSEND,
            { return send_buffered(buffer, count, type, to, tag, comm, "MPI_Bsend"); })

#define IBSEND(Count)                                                                              \
    (const void *buffer, Count count, MPI_Datatype type, int to, int tag, MPI_Comm comm,           \
     MPI_Request *request)
WITH_COUNTS(Ibsend, IBSEND, {
    int error = send_buffered(buffer, count, type, to, tag, comm, "MPI_Ibsend");
    if (error == MPI_SUCCESS)
        *request = (MPI_Request)&request_done;
    return error;
})

/* --- The buffer --------------------------------------------------------------------------------
 */

static int attach(void *buffer, int64_t size)
{
    check_running("MPI_Buffer_attach");
    if (attached.memory != NULL)
        return error_raise(MPI_ERR_BUFFER, "MPI_Buffer_attach", "a buffer is attached already");
    if (size < 0)
        return error_raise(MPI_ERR_ARG, "MPI_Buffer_attach", "the size is %lld, less than 0",
                           (long long)size);
    mpi_lock();
    attached.memory = buffer;
    attached.size = size;
    mpi_unlock();
    return MPI_SUCCESS;
}

#define ATTACH(Count) (void *buffer, Count size)
WITH_COUNTS(Buffer_attach, ATTACH, { return attach(buffer, size); })

static int detach(void *address, int64_t *size)
{
    check_running("MPI_Buffer_detach");
    if (attached.memory == NULL)
        return error_raise(MPI_ERR_BUFFER, "MPI_Buffer_detach", "no buffer is attached");
    mpi_lock();
    ENGINE_WAIT_UNTIL(attached.messages == 0)
    memcpy(address, &attached.memory, sizeof(attached.memory));
    *size = attached.size;
    attached = (struct attached){0};
    mpi_unlock();
    return MPI_SUCCESS;
}

#define DETACH(Count) (void *address, Count *size)
WITH_COUNTS(Buffer_detach, DETACH, {
    int64_t bytes = 0;
    int error = detach(address, &bytes);
    if (error == MPI_SUCCESS)
        *size = bytes;
    return error;
})

MPI_PROFILED(Buffer_flush)
int PMPI_Buffer_flush(void)
{
    check_running("MPI_Buffer_flush");
    mpi_lock();
    ENGINE_WAIT_UNTIL(attached.messages == 0)
    mpi_unlock();
    return MPI_SUCCESS;
}
