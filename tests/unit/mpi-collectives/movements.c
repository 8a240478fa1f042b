/* The collectives that move data, against what the standard says of who gets what, for 1 to 16
 * ranks: lengths from nothing to beyond every border between the ways that messages go, in place
 * and not, both sides in memory with gaps and without, blocking, non-blocking with several under
 * way, and persistent. */
#include "tests/unit/mpi-job/fake.h"

#include <stdlib.h>
#include <string.h>

/* What rank `from` has for rank `to`, element by element. */
static int element(unsigned round, int from, int to, int at)
{
    return (int)((round * 977 + (unsigned)from * 131 + (unsigned)to * 17 + (unsigned)at) &
                 0x7fffffff);
}

/* A buffer of blocks of ints, in memory of one of two shapes: dense, or every second int. */
struct blocks {
    int *memory;
    int spread; /* 1 or 2 */
    MPI_Datatype type;
    long ints; /* of data */
};

static MPI_Datatype spread_type;

static struct blocks blocks_make(long ints, bool spread)
{
    struct blocks blocks = {NULL, spread ? 2 : 1, spread ? spread_type : MPI_INT, ints};
    blocks.memory = malloc(sizeof(int) * (size_t)(ints * blocks.spread + 1));
    for (long i = 0; i < ints * blocks.spread; i++)
        blocks.memory[i] = -7;
    return blocks;
}

static void *at(const struct blocks *blocks, long place)
{
    return &blocks->memory[place * blocks->spread];
}

static void put(const struct blocks *blocks, long place, int length, unsigned round, int from,
                int to)
{
    for (int i = 0; i < length; i++)
        blocks->memory[(place + i) * blocks->spread] = element(round, from, to, i);
}

static void expect(const struct blocks *blocks, long place, int length, unsigned round, int from,
                   int to, const char *what)
{
    for (int i = 0; i < length; i++) {
        int got = blocks->memory[(place + i) * blocks->spread];
        RANK_CHECK(got == element(round, from, to, i), "%s: element %d of %d from %d to %d", what,
                   i, length, from, to);
        RANK_CHECK(blocks->spread == 1 || blocks->memory[(place + i) * 2 + 1] == -7,
                   "%s wrote between the elements", what);
    }
}

/* How many elements `from` has for `to`, and where they lie: in the order of the ranks with gaps.
 */
static int length_of(unsigned round, int length, int from, int to)
{
    return (int)(((unsigned)from * 3 + (unsigned)to * 5 + round) % 4) * length / 2;
}

struct call {
    unsigned round;
    int rank, size, root, length;
    bool in_place, spread_out, spread_in;
    struct blocks out, in;
    int out_counts[JOB_RANKS_MAX], out_places[JOB_RANKS_MAX], in_counts[JOB_RANKS_MAX],
        in_places[JOB_RANKS_MAX];
    int out_bytes[JOB_RANKS_MAX], in_bytes[JOB_RANKS_MAX];
    MPI_Datatype out_types[JOB_RANKS_MAX], in_types[JOB_RANKS_MAX];
    MPI_Request request;
};

enum kind {
    BCAST,
    GATHER,
    GATHERV,
    SCATTER,
    SCATTERV,
    ALLGATHER,
    ALLGATHERV,
    ALLTOALL,
    ALLTOALLV,
    ALLTOALLW,
    KINDS
};
static const char *const names[] = {"bcast",     "gather",    "gatherv",    "scatter",
                                    "scatterv",  "allgather", "allgatherv", "alltoall",
                                    "alltoallv", "alltoallw"};

/* Who sends how much to whom; `from` and `to` are the ends of one block. */
static int block_length(const struct call *call, enum kind kind, int from, int to)
{
    switch (kind) {
    case GATHERV:
        return to == call->root ? length_of(call->round, call->length, from, 0) : 0;
    case SCATTERV:
        return from == call->root ? length_of(call->round, call->length, 0, to) : 0;
    case ALLGATHERV:
        return length_of(call->round, call->length, from, 0);
    case ALLTOALLV:
    case ALLTOALLW:
        return call->in_place ? length_of(call->round, call->length, from < to ? from : to,
                                          from < to ? to : from)
                              : length_of(call->round, call->length, from, to);
    case GATHER:
        return to == call->root ? call->length : 0;
    case SCATTER:
    case BCAST:
        return from == call->root ? call->length : 0;
    default:
        return call->length;
    }
}

/* Is what a rank sends the same for all? Then its block is the one for itself. */
static bool one_for_all(enum kind kind)
{
    return kind == BCAST || kind == GATHER || kind == GATHERV || kind == ALLGATHER ||
           kind == ALLGATHERV;
}

static bool reads_places(enum kind kind)
{
    return kind == GATHERV || kind == SCATTERV || kind == ALLGATHERV || kind >= ALLTOALLV;
}

static void prepare(struct call *call, enum kind kind)
{
    long out = 0, in = 0, gap = reads_places(kind) ? 3 : 0;
    for (int i = 0; i < call->size; i++) {
        int own = one_for_all(kind)
                      ? (kind == GATHER || kind == GATHERV || kind == BCAST ? call->root : i)
                      : i;
        call->out_counts[i] = block_length(call, kind, call->rank, own);
        call->in_counts[i] = block_length(call, kind, i, call->rank);
        call->out_places[i] = (int)out;
        call->in_places[i] = (int)in;
        out += call->out_counts[i] + gap;
        in += call->in_counts[i] + gap;
    }
    call->out = blocks_make(out, call->spread_out);
    call->in = blocks_make(in, call->spread_in);
    for (int i = 0; i < call->size; i++) {
        call->out_types[i] = call->out.type;
        call->in_types[i] = call->in.type;
        call->out_bytes[i] = call->out_places[i] * call->out.spread * (int)sizeof(int);
        call->in_bytes[i] = call->in_places[i] * call->in.spread * (int)sizeof(int);
    }
    for (int i = 0; i < call->size; i++)
        put(&call->out, call->out_places[i], call->out_counts[i], call->round, call->rank,
            one_for_all(kind) ? 0 : i);
    if (!call->in_place)
        return;
    /* Where the buffer that is received into has the contribution already. */
    if (kind == ALLTOALL || kind == ALLTOALLV || kind == ALLTOALLW)
        for (int i = 0; i < call->size; i++)
            put(&call->in, call->in_places[i], call->in_counts[i], call->round, call->rank, i);
    else if (kind != SCATTER && kind != SCATTERV)
        put(&call->in, call->in_places[call->rank], call->in_counts[call->rank], call->round,
            call->rank, 0);
}

/* The three forms of a call: MPI_Name, MPI_Iname, MPI_Name_init. */
enum way { WAITS, BEGINS, KEEPS };
#define FORMS(Name, Iname, ...)                                                                    \
    do {                                                                                           \
        if (way == WAITS)                                                                          \
            MPI_##Name(__VA_ARGS__, MPI_COMM_WORLD);                                               \
        else if (way == BEGINS)                                                                    \
            MPI_##Iname(__VA_ARGS__, MPI_COMM_WORLD, &call->request);                              \
        else                                                                                       \
            MPI_##Name##_init(__VA_ARGS__, MPI_COMM_WORLD, MPI_INFO_NULL, &call->request);         \
    } while (0)

static void begin(struct call *call, enum kind kind, enum way way)
{
    bool is_root = call->rank == call->root;
    const struct blocks *out = &call->out, *in = &call->in;
    const void *from = call->in_place ? MPI_IN_PLACE : out->memory;
    void *to = in->memory;
    int length = call->length;
    switch (kind) {
    case BCAST:
        FORMS(Bcast, Ibcast, is_root ? out->memory : at(in, call->in_places[call->root]), length,
              is_root ? out->type : in->type, call->root);
        break;
    case GATHER:
        FORMS(Gather, Igather, is_root ? from : out->memory, length, out->type, to, length,
              in->type, call->root);
        break;
    case GATHERV:
        FORMS(Gatherv, Igatherv, is_root ? from : out->memory, call->out_counts[call->root],
              out->type, to, call->in_counts, call->in_places, in->type, call->root);
        break;
    case SCATTER:
        FORMS(Scatter, Iscatter, out->memory, length, out->type,
              is_root && call->in_place ? MPI_IN_PLACE : to, length, in->type, call->root);
        break;
    case SCATTERV:
        FORMS(Scatterv, Iscatterv, out->memory, call->out_counts, call->out_places, out->type,
              is_root && call->in_place ? MPI_IN_PLACE : at(in, call->in_places[call->root]),
              call->in_counts[call->root], in->type, call->root);
        break;
    case ALLGATHER:
        FORMS(Allgather, Iallgather, from, length, out->type, to, length, in->type);
        break;
    case ALLGATHERV:
        FORMS(Allgatherv, Iallgatherv, from, call->out_counts[0], out->type, to, call->in_counts,
              call->in_places, in->type);
        break;
    case ALLTOALL:
        FORMS(Alltoall, Ialltoall, from, length, out->type, to, length, in->type);
        break;
    case ALLTOALLV:
        FORMS(Alltoallv, Ialltoallv, from, call->out_counts, call->out_places, out->type, to,
              call->in_counts, call->in_places, in->type);
        break;
    default:
        FORMS(Alltoallw, Ialltoallw, from, call->out_counts, call->out_bytes, call->out_types, to,
              call->in_counts, call->in_bytes, call->in_types);
    }
}

static void finish(struct call *call, enum kind kind)
{
    bool is_root = call->rank == call->root;
    for (int i = 0; i < call->size; i++) {
        bool nothing = (kind == BCAST && is_root) ||
                       (kind == SCATTER && is_root && call->in_place) ||
                       (kind == SCATTERV && is_root && call->in_place);
        long place = call->in_places[i];
        if (!nothing)
            expect(&call->in, place, call->in_counts[i], call->round, i,
                   one_for_all(kind) ? 0 : call->rank, names[kind]);
    }
    free(call->out.memory);
    free(call->in.memory);
}

static struct call plan(unsigned number, int length, int rank, int size)
{
    unsigned hash = number * 2654435761u >> 8;
    return (struct call){.round = number,
                         .rank = rank,
                         .size = size,
                         .root = (int)(hash % (unsigned)size),
                         .length = length,
                         .in_place = hash >> 8 & 1,
                         .spread_out = hash >> 9 & 1,
                         .spread_in = hash >> 10 & 1,
                         .request = MPI_REQUEST_NULL};
}

#define AT_ONCE 4

static void movements(int rank, int size)
{
    static const int lengths[] = {0, 1, 9, 60, 500, 1100, 5000};
    unsigned number = 0;
    MPI_Type_create_resized(MPI_INT, 0, 2 * sizeof(int), &spread_type);
    MPI_Type_commit(&spread_type);
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            int length = lengths[i];
            if (length * size > 20000 || (size > 8 && i % 2 != (size_t)kind % 2))
                continue; /* it has to be over in time */
            struct call calls[AT_ONCE];
            for (int j = 0; j < 3; j++) {
                struct call call = plan(++number, length, rank, size);
                prepare(&call, kind);
                begin(&call, kind, WAITS);
                finish(&call, kind);
            }
            for (int j = 0; j < AT_ONCE; j++) {
                calls[j] = plan(++number, length, rank, size);
                prepare(&calls[j], kind);
                begin(&calls[j], kind, BEGINS);
            }
            for (int j = AT_ONCE - 1; j >= 0; j--) {
                MPI_Wait(&calls[j].request, MPI_STATUS_IGNORE);
                finish(&calls[j], kind);
            }
            struct call kept = plan(++number, length, rank, size);
            kept.in_place = false;
            prepare(&kept, kind);
            begin(&kept, kind, KEEPS);
            for (int j = 0; j < 2; j++) {
                MPI_Start(&kept.request);
                MPI_Wait(&kept.request, MPI_STATUS_IGNORE);
            }
            MPI_Request_free(&kept.request);
            finish(&kept, kind);
        }
    MPI_Type_free(&spread_type);
}

#define MOVEMENT_TEST(Ranks)                                                                       \
    Test(movements, of_##Ranks, .timeout = 60)                                                     \
    {                                                                                              \
        job_run(Ranks, MPI_THREAD_SINGLE, 50, movements);                                          \
    }
MOVEMENT_TEST(1)
MOVEMENT_TEST(2)
MOVEMENT_TEST(3)
MOVEMENT_TEST(4)
MOVEMENT_TEST(5)
MOVEMENT_TEST(6)
MOVEMENT_TEST(7)
MOVEMENT_TEST(8)
MOVEMENT_TEST(9)
MOVEMENT_TEST(10)
MOVEMENT_TEST(11)
MOVEMENT_TEST(12)
MOVEMENT_TEST(13)
MOVEMENT_TEST(14)
MOVEMENT_TEST(15)
MOVEMENT_TEST(16)

/* One rank is as far ahead as it can be: nothing that others have not read yet may be overwritten.
 */
#define AHEAD 300

static void ahead(int rank, int size)
{
    for (int root = 0; root < size; root++) {
        for (int i = 0; i < AHEAD; i++) {
            int numbers[400], length = i % 2 ? 4 : 400;
            if (rank != root && i % 40 == rank)
                usleep(300);
            for (int j = 0; j < length; j++)
                numbers[j] = rank == root ? i * 1000 + j : -1;
            MPI_Bcast(numbers, length, MPI_INT, root, MPI_COMM_WORLD);
            for (int j = 0; j < length; j++)
                RANK_CHECK(numbers[j] == i * 1000 + j, "%d in round %d", numbers[j], i);
        }
    }
}

Test(movements, with_a_root_far_ahead, .timeout = 60)
{
    job_run(2, MPI_THREAD_SINGLE, 50, ahead);
    job_run(5, MPI_THREAD_SINGLE, 50, ahead);
}
