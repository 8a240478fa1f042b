/* Messages between ranks: which meets which against a model, with thousands of them; and contents
 * of random datatypes, from memory of every kind. */
#include "tests/unit/mpi-job/fake.h"

#include "tests/unit/mpi-data/model.h"
#include "tests/unit/mpi-data/support.h"

/* --- Matching ----------------------------------------------------------------------------------
 *
 * Messages of one sender and receives of one receiver meet in one way only, whenever each comes:
 * every message takes the first receive that it meets and every receive the first message, and both
 * orders are the same for all. The model lets each receive take the first message; what really
 * happens is any mixture of receives that were posted before their messages came, and of messages
 * that waited. */

#define ENTRIES 3000

struct entry {
    int tag;   /* of a receive perhaps MPI_ANY_TAG */
    int meets; /* a receive's message, or -1 */
    bool any_source;
};

static struct entry sent[ENTRIES], received[ENTRIES];

static void plan(uint64_t seed, int tags, int wildcards)
{
    static bool taken[ENTRIES];
    memset(taken, 0, sizeof(taken));
    for (int i = 0; i < ENTRIES; i++) {
        sent[i].tag = (int)random_in(&seed, 0, tags - 1);
        received[i].tag =
            random_in(&seed, 0, 99) < wildcards ? MPI_ANY_TAG : (int)random_in(&seed, 0, tags - 1);
        received[i].any_source = random_in(&seed, 0, 99) < wildcards;
        received[i].meets = -1;
    }
    for (int i = 0; i < ENTRIES; i++)
        for (int j = 0; j < ENTRIES && received[i].meets < 0; j++)
            if (!taken[j] && (received[i].tag == MPI_ANY_TAG || received[i].tag == sent[j].tag)) {
                received[i].meets = j;
                taken[j] = true;
            }
}

static void send_all(uint64_t seed, int to)
{
    static MPI_Request requests[ENTRIES];
    static int numbers[ENTRIES][30];
    for (int i = 0; i < ENTRIES; i++) {
        int length = (int)random_in(&seed, 1, 30); /* in the cell, and in the arena */
        for (int j = 0; j < length; j++)
            numbers[i][j] = i;
        if (random_in(&seed, 0, 9) == 0)
            MPI_Issend(numbers[i], length, MPI_INT, to, sent[i].tag, MPI_COMM_WORLD, &requests[i]);
        else
            MPI_Isend(numbers[i], length, MPI_INT, to, sent[i].tag, MPI_COMM_WORLD, &requests[i]);
    }
    /* What no receive of the plan meets, the receiver asks for at the end. */
    MPI_Waitall(ENTRIES, requests, MPI_STATUSES_IGNORE);
}

static void receive_left(int from)
{
    static bool got[ENTRIES];
    int numbers[30];
    memset(got, 0, sizeof(got));
    for (int i = 0; i < ENTRIES; i++)
        if (received[i].meets >= 0)
            got[received[i].meets] = true;
    for (int i = 0; i < ENTRIES; i++) {
        if (got[i])
            continue;
        MPI_Recv(numbers, 30, MPI_INT, from, sent[i].tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        RANK_CHECK(numbers[0] == i, "%d is left, not %d", numbers[0], i);
    }
}

static void receive_all(uint64_t seed, int from)
{
    static MPI_Request requests[ENTRIES];
    static int numbers[ENTRIES][30];
    for (int i = 0; i < ENTRIES; i++) {
        MPI_Irecv(numbers[i], 30, MPI_INT, received[i].any_source ? MPI_ANY_SOURCE : from,
                  received[i].tag, MPI_COMM_WORLD, &requests[i]);
        if (random_in(&seed, 0, 300) == 0) /* let messages come before receives, and after */
            usleep((useconds_t)random_in(&seed, 1, 1500));
    }
    for (int i = ENTRIES - 1; i >= 0; i--) {
        MPI_Status status;
        int flag;
        if (received[i].meets < 0) {
            MPI_Cancel(&requests[i]);
            MPI_Wait(&requests[i], &status);
            MPI_Test_cancelled(&status, &flag);
            RANK_CHECK(flag, "receive %d has met a message", i);
            continue;
        }
        MPI_Wait(&requests[i], &status);
        RANK_CHECK(numbers[i][0] == received[i].meets, "receive %d has met %d, not %d", i,
                   numbers[i][0], received[i].meets);
        RANK_CHECK(status.MPI_TAG == sent[received[i].meets].tag && status.MPI_SOURCE == from);
    }
    receive_left(from);
}

static void matching_of(uint64_t seed, int rank, int tags, int wildcards)
{
    plan(seed, tags, wildcards);
    if (rank == 0)
        send_all(seed, 1);
    else
        receive_all(seed, 0);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void matching(int rank, int size)
{
    (void)size;
    matching_of(11, rank, 4, 30);
    matching_of(12, rank, 500, 5);
    matching_of(13, rank, 50, 0);
    matching_of(14, rank, 2, 90);
}

Test(messages, meet_their_receives, .timeout = 60)
{
    job_run(2, MPI_THREAD_SINGLE, 50, matching);
}

/* From many at once: of each sender's messages with one tag, the first goes to the first receive
 * that meets it. */
#define FROM_EACH 400

static void many_to_one(int rank, int size)
{
    static int numbers[JOB_RANKS_MAX * FROM_EACH][2];
    static MPI_Request requests[JOB_RANKS_MAX * FROM_EACH];
    int total = (size - 1) * FROM_EACH, last[JOB_RANKS_MAX] = {0};
    if (rank != 0) {
        for (int i = 1; i <= FROM_EACH; i++) {
            int message[2] = {rank, i};
            MPI_Send(message, 2, MPI_INT, 0, 5, MPI_COMM_WORLD);
        }
        return;
    }
    for (int i = 0; i < total; i++)
        MPI_Irecv(numbers[i], 2, MPI_INT, MPI_ANY_SOURCE, i % 2 ? 5 : MPI_ANY_TAG, MPI_COMM_WORLD,
                  &requests[i]);
    MPI_Waitall(total, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < total; i++) {
        int from = numbers[i][0];
        RANK_CHECK(from > 0 && from < size && numbers[i][1] == last[from] + 1,
                   "message %d of rank %d after %d", numbers[i][1], from, last[from]);
        last[from]++;
    }
}

Test(messages, of_each_sender_stay_in_order, .timeout = 60)
{
    job_run(8, MPI_THREAD_SINGLE, 50, many_to_one);
}

/* --- Contents ----------------------------------------------------------------------------------
 */

#define MESSAGES 60 /* of a round */
#define ELEMENTS_MOST 400
#define ROOM_MOST 400000 /* bytes that a buffer spans */
#define BYTES_MOST 60000 /* of a message, about */
#define AREA (8 << 20)

/* One end of a message: the same type and count at both, from the same seed. The byte at place p of
 * the buffer is to be pattern(seed, p) where the type has data, and untouched elsewhere. */
struct shaped {
    MPI_Datatype type;
    bool derived;
    int count;
    int64_t *places, bytes; /* of the data, from the buffer's address on */
    int64_t low, room;      /* what the buffer spans */
    uint8_t *memory, *owned;
    MPI_Request request;
};

static uint8_t pattern(uint64_t seed, int64_t at)
{
    return (uint8_t)((seed ^ (uint64_t)at * UINT64_C(0x9e3779b97f4a7c15)) >> 29);
}

static void shaped_make(struct shaped *shaped, uint64_t seed, uint8_t *shared)
{
    struct model model = {0};
    int depth = (int)random_in(&seed, 0, 3);
    shaped->derived = depth != 0;
    shaped->type = model_random(&seed, depth, ELEMENTS_MOST, &model);
    if (shaped->derived)
        MPI_Type_commit(&shaped->type);
    struct model_bounds bounds = model_bounds(&model);
    int64_t most = bounds.size > 0 ? BYTES_MOST / bounds.size + 1 : 10;
    shaped->count = (int)random_in(&seed, 0, random_in(&seed, 0, 1) ? 3 : most);
    if (shaped->count * (bounds.extent < 0 ? -bounds.extent : bounds.extent) > ROOM_MOST / 2)
        shaped->count = 1;
    shaped->places = model_bytes(&model, shaped->count, &shaped->bytes);
    int64_t high = 0;
    shaped->low = 0;
    for (int64_t i = 0; i < shaped->bytes; i++) {
        shaped->low = shaped->places[i] < shaped->low ? shaped->places[i] : shaped->low;
        high = shaped->places[i] >= high ? shaped->places[i] + 1 : high;
    }
    shaped->room = high - shaped->low;
    shaped->owned =
        shared == NULL || shaped->room > ROOM_MOST ? malloc((size_t)shaped->room + 1) : NULL;
    shaped->memory = shaped->owned != NULL ? shaped->owned : shared;
    memset(shaped->memory, 0xee, (size_t)shaped->room);
    model_free(&model);
}

static void shaped_fill(const struct shaped *shaped, uint64_t seed)
{
    for (int64_t i = 0; i < shaped->bytes; i++)
        shaped->memory[shaped->places[i] - shaped->low] = pattern(seed, shaped->places[i]);
}

static void shaped_check(const struct shaped *shaped, uint64_t seed, int number)
{
    uint8_t *wanted = malloc((size_t)shaped->room + 1);
    memset(wanted, 0xee, (size_t)shaped->room);
    for (int64_t i = 0; i < shaped->bytes; i++)
        wanted[shaped->places[i] - shaped->low] = pattern(seed, shaped->places[i]);
    for (int64_t i = 0; i < shaped->room; i++)
        RANK_CHECK(shaped->memory[i] == wanted[i], "message %d, byte %ld of %ld is %x, not %x",
                   number, (long)i, (long)shaped->room, shaped->memory[i], wanted[i]);
    free(wanted);
}

static void shaped_free(struct shaped *shaped)
{
    if (shaped->derived)
        MPI_Type_free(&shaped->type);
    free(shaped->places);
    free(shaped->owned);
}

static void shaped_send(struct shaped *shaped, int to, int tag, int mode)
{
    const uint8_t *buffer = shaped->memory - shaped->low;
    if (mode == 0)
        MPI_Issend(buffer, shaped->count, shaped->type, to, tag, MPI_COMM_WORLD, &shaped->request);
    else
        MPI_Isend(buffer, shaped->count, shaped->type, to, tag, MPI_COMM_WORLD, &shaped->request);
}

/* A round's plan is the same at all ranks; each does its part of it. Buffers lie by turns where the
 * others can read them and where they cannot. */
static void traffic_round(uint64_t *seed, int first_tag, int rank, int size, uint8_t *area)
{
    struct shaped out[MESSAGES], in[MESSAGES];
    int from[MESSAGES], to[MESSAGES], mode[MESSAGES];
    uint64_t own[MESSAGES];
    uint8_t *at = area;
    for (int i = 0; i < MESSAGES; i++) {
        own[i] = random_next(seed) | 1;
        from[i] = (int)random_in(seed, 0, size - 1);
        to[i] = (int)random_in(seed, 0, size - 1);
        mode[i] = (int)random_in(seed, 0, 7);
    }
    for (int i = 0; i < MESSAGES; i++) {
        bool shared = mode[i] & 4 && at + 2 * ROOM_MOST <= area + AREA;
        if (rank == to[i]) {
            shaped_make(&in[i], own[i], shared ? at : NULL);
            at += shared ? (in[i].room + 63) & ~INT64_C(63) : 0;
            MPI_Irecv(in[i].memory - in[i].low, in[i].count, in[i].type,
                      mode[i] & 1 ? from[i] : MPI_ANY_SOURCE, first_tag + i, MPI_COMM_WORLD,
                      &in[i].request);
        }
        if (rank == from[i]) {
            shaped_make(&out[i], own[i], shared ? at : NULL);
            at += shared ? (out[i].room + 63) & ~INT64_C(63) : 0;
            shaped_fill(&out[i], own[i]);
            shaped_send(&out[i], to[i], first_tag + i, mode[i] & 3);
        }
    }
    for (int i = 0; i < MESSAGES; i++) {
        MPI_Status status;
        MPI_Count got;
        if (rank == to[i]) {
            MPI_Wait(&in[i].request, &status);
            MPI_Get_elements_x(&status, MPI_BYTE, &got);
            RANK_CHECK(got == in[i].bytes && status.MPI_SOURCE == from[i]);
            shaped_check(&in[i], own[i], i);
            shaped_free(&in[i]);
        }
        if (rank == from[i]) {
            MPI_Wait(&out[i].request, MPI_STATUS_IGNORE);
            shaped_free(&out[i]);
        }
    }
}

static void traffic(int rank, int size)
{
    uint64_t seed = 77 + (uint64_t)size;
    uint8_t *plain = fake_memory(AREA), *shuffled = fake_memory(AREA);
    for (int round = 0; round < 8; round++)
        traffic_round(&seed, round * MESSAGES, rank, size, round % 2 ? plain : shuffled);
}

/* All send first and receive then: what is not longer than the library says does not wait. What is
 * synchronous does, however short. */
static void send_first(int rank, int size)
{
    static const int lengths[] = {1, 48, 49, 512, 513, 1000, 4096, 16383, 16384};
    char *readable = fake_memory(16384), *in = malloc(16384);
    char *ways[] = {readable, malloc(16384)};
    int flag;
    MPI_Request request;
    for (int i = 0; i < 18; i++) {
        int length = lengths[i / 2], to = (rank + 1) % size, from = (rank + size - 1) % size;
        memset(ways[i % 2], rank + i, (size_t)length);
        for (int j = 0; j < 20; j++)
            MPI_Send(ways[i % 2], length, MPI_BYTE, to, i, MPI_COMM_WORLD);
        memset(ways[i % 2], 99, (size_t)length);
        MPI_Issend(ways[i % 2], length, MPI_BYTE, to, 100 + i, MPI_COMM_WORLD, &request);
        for (int j = 0; j < 20; j++) {
            MPI_Recv(in, 16384, MPI_BYTE, from, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            RANK_CHECK(in[0] == from + i && in[length - 1] == from + i, "length %d", length);
            MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
            RANK_CHECK(!flag);
        }
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Recv(in, 16384, MPI_BYTE, from, 100 + i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        RANK_CHECK(in[0] == 99 && in[length - 1] == 99);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
    }
    free(ways[1]);
    free(in);
}

Test(messages, sent_before_any_is_received, .timeout = 60)
{
    job_run(3, MPI_THREAD_SINGLE, 50, send_first);
}

Test(messages, of_random_types_between_2, .timeout = 60)
{
    job_run(2, MPI_THREAD_SINGLE, 50, traffic);
}

Test(messages, of_random_types_between_5, .timeout = 60)
{
    job_run(5, MPI_THREAD_SINGLE, 50, traffic);
}

Test(messages, of_random_types_to_oneself, .timeout = 60)
{
    job_run(1, MPI_THREAD_SINGLE, 50, traffic);
}
