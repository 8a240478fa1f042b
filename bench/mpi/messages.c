/* Point to point: latency, bandwidth in one direction and in both, small messages of several pairs.
 */
#include "bench/mpi/measure.h"

#define WINDOW 64
#define LONGEST ((size_t)16 << 20)

static const size_t sizes[] = {1,     8,     64,     512,     1024,    4096,   8192,
                               16384, 65536, 262144, 1 << 20, 4 << 20, LONGEST};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct exchange {
    char *out, *in;
    int bytes, partner;
    int sends; /* this rank is the one that begins */
};

static struct exchange exchange_new(size_t bytes)
{
    int half = size / 2;

    return (struct exchange){.out = measure_memory(bytes),
                             .in = measure_memory(bytes),
                             .partner = rank < half ? rank + half : rank - half,
                             .sends = rank < half};
}

static void ping_pong(void *state, int count)
{
    struct exchange *e = state;

    for (int i = 0; i < count; i++) {
        if (e->sends)
            MPI_Send(e->out, e->bytes, MPI_BYTE, e->partner, 1, MPI_COMM_WORLD);
        MPI_Recv(e->in, e->bytes, MPI_BYTE, e->partner, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (!e->sends)
            MPI_Send(e->out, e->bytes, MPI_BYTE, e->partner, 1, MPI_COMM_WORLD);
    }
}

/* A window of messages, and the word that they have arrived. */
static void stream(void *state, int count)
{
    struct exchange *e = state;
    MPI_Request requests[WINDOW];
    char word = 0;

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < WINDOW; k++) {
            if (e->sends)
                MPI_Isend(e->out, e->bytes, MPI_BYTE, e->partner, 2, MPI_COMM_WORLD, &requests[k]);
            else
                MPI_Irecv(e->in, e->bytes, MPI_BYTE, e->partner, 2, MPI_COMM_WORLD, &requests[k]);
        }
        MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE);
        if (e->sends)
            MPI_Recv(&word, 1, MPI_BYTE, e->partner, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        else
            MPI_Send(&word, 1, MPI_BYTE, e->partner, 3, MPI_COMM_WORLD);
    }
}

static void stream_both(void *state, int count)
{
    struct exchange *e = state;
    MPI_Request requests[2 * WINDOW];

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < WINDOW; k++)
            MPI_Irecv(e->in, e->bytes, MPI_BYTE, e->partner, 2, MPI_COMM_WORLD, &requests[k]);
        for (int k = 0; k < WINDOW; k++)
            MPI_Isend(e->out, e->bytes, MPI_BYTE, e->partner, 2, MPI_COMM_WORLD,
                      &requests[WINDOW + k]);
        MPI_Waitall(2 * WINDOW, requests, MPI_STATUSES_IGNORE);
    }
}

void run_latency(void)
{
    struct exchange e = exchange_new(LONGEST);

    for (size_t i = 0; i < SIZES; i++) {
        e.bytes = (int)sizes[i];
        measure("latency", sizes[i], 2, ping_pong, &e);
    }
}

void run_bandwidth(void)
{
    struct exchange e = exchange_new(LONGEST);

    for (size_t i = 0; i < SIZES; i++) {
        e.bytes = (int)sizes[i];
        measure("bandwidth", sizes[i], WINDOW, stream, &e);
    }
}

void run_bidirectional(void)
{
    struct exchange e = exchange_new(LONGEST);

    for (size_t i = 0; i < SIZES; i++) {
        e.bytes = (int)sizes[i];
        measure("bidirectional", sizes[i], 2 * WINDOW, stream_both, &e);
    }
}

/* All pairs at once; a figure is one message of all of them. */
void run_pairs(void)
{
    struct exchange e = exchange_new(4096);

    e.bytes = 8;
    measure("pairs-latency", 8, 2, ping_pong, &e);
    for (int bytes = 8; bytes <= 4096; bytes *= 8) {
        e.bytes = bytes;
        measure("pairs-rate", (size_t)bytes, WINDOW * (size / 2), stream, &e);
    }
}
