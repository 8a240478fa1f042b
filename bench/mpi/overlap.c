/* How much of a communication's time a computation beside it hides, in percent: 100 when both
 * together take as long as the computation alone, which is made as long as the communication. */
#include "bench/mpi/measure.h"

#include <stdint.h>

#define LONGEST ((size_t)1 << 20)

static struct {
    char *out, *in;
    int bytes;
    long work; /* turns of the computation */
    void (*begin)(MPI_Request requests[2]);
} data;
static volatile uint64_t computed;

static void begin_exchange(MPI_Request requests[2])
{
    MPI_Irecv(data.in, data.bytes, MPI_BYTE, !rank, 1, MPI_COMM_WORLD, &requests[0]);
    MPI_Isend(data.out, data.bytes, MPI_BYTE, !rank, 1, MPI_COMM_WORLD, &requests[1]);
}

static void begin_allreduce(MPI_Request requests[2])
{
    MPI_Iallreduce(data.out, data.in, data.bytes, MPI_BYTE, MPI_BOR, MPI_COMM_WORLD, &requests[0]);
    requests[1] = MPI_REQUEST_NULL;
}

static void begin_alltoall(MPI_Request requests[2])
{
    MPI_Ialltoall(data.out, data.bytes / 2, MPI_BYTE, data.in, data.bytes / 2, MPI_BYTE,
                  MPI_COMM_WORLD, &requests[0]);
    requests[1] = MPI_REQUEST_NULL;
}

static void compute(long turns)
{
    uint64_t value = computed + 1;

    for (long i = 0; i < turns; i++)
        value = value * UINT64_C(6364136223846793005) + 1;
    computed = value;
}

static void compute_only(void *state, int count)
{
    (void)state;
    for (int i = 0; i < count; i++)
        compute(data.work);
}

static void communicate(void *state, int count)
{
    MPI_Request requests[2];

    (void)state;
    for (int i = 0; i < count; i++) {
        data.begin(requests);
        MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    }
}

static void communicate_and_compute(void *state, int count)
{
    MPI_Request requests[2];

    (void)state;
    for (int i = 0; i < count; i++) {
        data.begin(requests);
        compute(data.work);
        MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    }
}

static void overlap(const char *name, size_t bytes, void (*begin)(MPI_Request requests[2]))
{
    data.bytes = (int)bytes;
    data.begin = begin;
    data.work = 100000;
    double per_turn = measure_time(compute_only, NULL) / 100000;
    double alone = measure_time(communicate, NULL);
    data.work = (long)(alone / per_turn) + 1;
    double work = measure_time(compute_only, NULL);
    double both = measure_time(communicate_and_compute, NULL);
    double hidden = 100 * (1 - (both - work) / alone);
    hidden = hidden < 0 ? 0 : hidden > 100 ? 100 : hidden;
    measure_print(name, bytes, hidden, hidden);
}

void run_overlap(void)
{
    data.out = measure_memory(LONGEST);
    data.in = measure_memory(LONGEST);
    for (size_t bytes = 1024; bytes <= LONGEST; bytes *= 32) {
        overlap("overlap-exchange", bytes, begin_exchange);
        overlap("overlap-allreduce", bytes, begin_allreduce);
        overlap("overlap-alltoall", bytes, begin_alltoall);
    }
}
