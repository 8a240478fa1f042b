/* One-sided communication against a model: random puts, gets and accumulates between all ranks,
 * which every rank carries out in a mirror of all windows too, under each kind of synchronization
 * and on memory of each kind. What one epoch writes nobody reads in it, and accumulates that meet
 * are of one operation, so that the order of what goes on at the same time makes no difference. */
#include "tests/unit/mpi-job/fake.h"

#include <stdlib.h>
#include <string.h>

#define OPERATIONS 10 /* of a rank in an epoch; the last one is long */
#define ROOM 8        /* elements for each put */
#define LONG_ROOM 3000
#define STRIPE ((OPERATIONS - 1) * ROOM + LONG_ROOM) /* of an origin, in each of two halves */
#define COUNTERS 32
#define EPOCHS 12

enum synchronization { FENCE, LOCK_ALL, LOCKS, POST_START, SYNCHRONIZATIONS };
enum memory { READABLE, SHUFFLED, PRIVATE, ALLOCATED, MEMORIES };
enum what { PUT, GET, ACCUMULATE, GET_ACCUMULATE, WHATS };

static int rank, size;
static uint64_t *mirror[JOB_RANKS_MAX];
static long elements; /* of each window */
static int unit;      /* displacement unit */
static MPI_Win window;
static MPI_Datatype every_second; /* four elements with gaps */

static uint64_t random_of(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

/* Where an origin's operation number `number` may put, in the half of this epoch. */
static long stripe_of(int origin, int half, int number)
{
    return COUNTERS + ((long)half * size + origin) * STRIPE + (long)number * ROOM;
}

struct operation {
    enum what what;
    int target, origin, number;
    long place, length;
    bool gaps; /* at the target: four elements, every second one */
    uint64_t seed;
    uint64_t *buffer; /* the origin's: what goes there or what comes */
};

static uint64_t value(const struct operation *operation, long at)
{
    uint64_t seed = operation->seed + (uint64_t)at * 77 + 1;
    return random_of(&seed);
}

/* One that can be done in any order, for each counter in each epoch. */
static MPI_Op op_of(int epoch, long counter)
{
    static const MPI_Op ops[] = {MPI_SUM, MPI_BXOR, MPI_MAX, MPI_BOR, MPI_PROD, MPI_MIN, MPI_BAND};
    return ops[(epoch * 5 + counter / 4) % 7];
}

static uint64_t combine(MPI_Op op, uint64_t left, uint64_t right)
{
    return op == MPI_SUM    ? left + right
           : op == MPI_BXOR ? left ^ right
           : op == MPI_MAX  ? (left > right ? left : right)
           : op == MPI_MIN  ? (left < right ? left : right)
           : op == MPI_BOR  ? (left | right)
           : op == MPI_PROD ? left * right
                            : (left & right);
}

static struct operation plan(int epoch, int origin, int number)
{
    uint64_t seed = (uint64_t)(epoch * 10007 + origin * 131 + number * 7 + size + 1) *
                    UINT64_C(0x9e3779b97f4a7c15);
    struct operation operation = {.origin = origin, .number = number};
    bool is_long = number == OPERATIONS - 1;
    operation.what = (enum what)(random_of(&seed) % (is_long ? 2 : WHATS));
    operation.target = (int)(random_of(&seed) % (uint64_t)size);
    operation.gaps = !is_long && random_of(&seed) % 2;
    operation.length = is_long ? (long)(random_of(&seed) % LONG_ROOM) + 1 : 4;
    operation.seed = random_of(&seed);
    if (operation.what == PUT)
        operation.place = stripe_of(origin, epoch % 2, number);
    else if (operation.what == GET) /* of anybody's, in the half that rests */
        operation.place =
            stripe_of((int)(random_of(&seed) % (uint64_t)size), (epoch + 1) % 2, number);
    else
        operation.place = (long)(random_of(&seed) % (COUNTERS / 4)) * 4;
    if (operation.what >= ACCUMULATE)
        operation.gaps = false;
    return operation;
}

static long place_of(const struct operation *operation, long at)
{
    return operation->place + at * (operation->gaps ? 2 : 1);
}

static void model(const struct operation *operation, int epoch)
{
    uint64_t *at = mirror[operation->target];
    for (long i = 0; i < operation->length; i++) {
        if (operation->what == PUT)
            at[place_of(operation, i)] = value(operation, i);
        else if (operation->what != GET)
            at[operation->place + i] = combine(op_of(epoch, operation->place), value(operation, i),
                                               at[operation->place + i]);
    }
}

static void issue(struct operation *operation, int epoch, uint64_t *spare, uint64_t *results)
{
    int length = (int)operation->length, target_count = operation->gaps ? 1 : length;
    MPI_Datatype type = operation->gaps ? every_second : MPI_UINT64_T;
    MPI_Aint place = operation->place * (8 / unit);
    operation->buffer = spare;
    for (long i = 0; i < length; i++)
        spare[i] = operation->what == GET ? 0 : value(operation, i);
    switch (operation->what) {
    case PUT:
        MPI_Put(spare, length, MPI_UINT64_T, operation->target, place, target_count, type, window);
        break;
    case GET:
        MPI_Get(spare, length, MPI_UINT64_T, operation->target, place, target_count, type, window);
        break;
    case ACCUMULATE:
        MPI_Accumulate(spare, length, MPI_UINT64_T, operation->target, place, length, MPI_UINT64_T,
                       op_of(epoch, operation->place), window);
        break;
    default:
        MPI_Get_accumulate(spare, length, MPI_UINT64_T, results, length, MPI_UINT64_T,
                           operation->target, place, length, MPI_UINT64_T,
                           op_of(epoch, operation->place), window);
    }
}

static void epoch_begin(enum synchronization kind, MPI_Group all)
{
    if (kind == FENCE)
        MPI_Win_fence(0, window);
    if (kind == POST_START) {
        MPI_Win_post(all, 0, window);
        MPI_Win_start(all, 0, window);
    }
}

static void epoch_end(enum synchronization kind, int epoch)
{
    if (kind == FENCE)
        MPI_Win_fence(0, window);
    if (kind == LOCK_ALL && epoch % 2) {
        MPI_Win_flush_all(window);
    } else if (kind == LOCK_ALL) {
        for (int i = 0; i < size; i++)
            MPI_Win_flush(i, window);
    }
    if (kind == POST_START) {
        MPI_Win_complete(window);
        MPI_Win_wait(window);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (kind == LOCK_ALL)
        MPI_Win_sync(window);
}

static void epoch_run(enum synchronization kind, int epoch, uint64_t *spare, MPI_Group all)
{
    struct operation own[OPERATIONS];
    uint64_t results[OPERATIONS][4];
    epoch_begin(kind, all);
    for (int number = 0; number < OPERATIONS; number++) {
        own[number] = plan(epoch, rank, number);
        int target = own[number].target;
        if (kind == LOCKS)
            MPI_Win_lock(number % 3 ? MPI_LOCK_SHARED : MPI_LOCK_EXCLUSIVE, target, 0, window);
        issue(&own[number], epoch, spare + (long)number * ROOM, results[number]);
        if (kind == LOCKS)
            MPI_Win_unlock(target, window);
    }
    epoch_end(kind, epoch);
    for (int number = 0; number < OPERATIONS; number++)
        for (long i = 0; own[number].what == GET && i < own[number].length; i++)
            RANK_CHECK(own[number].buffer[i] ==
                           mirror[own[number].target][place_of(&own[number], i)],
                       "epoch %d, element %ld of %ld gotten from rank %d", epoch, i,
                       own[number].length, own[number].target);
    for (int origin = 0; origin < size; origin++)
        for (int number = 0; number < OPERATIONS; number++) {
            struct operation operation = plan(epoch, origin, number);
            model(&operation, epoch);
        }
}

static void *window_make(enum memory memory, bool by_bytes)
{
    MPI_Aint bytes = elements * 8;
    void *base = NULL;
    unit = by_bytes ? 1 : 8;
    if (memory == ALLOCATED) {
        MPI_Win_allocate(bytes, unit, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &window);
    } else {
        base = memory == PRIVATE ? malloc((size_t)bytes) : fake_memory((size_t)bytes);
        if (memory == SHUFFLED) /* every second piece is */
            base = fake_memory((size_t)bytes);
        MPI_Win_create(base, bytes, unit, MPI_INFO_NULL, MPI_COMM_WORLD, &window);
    }
    return base;
}

static void against_the_model(enum synchronization kind, enum memory memory, uint64_t *spare)
{
    uint64_t *base = window_make(memory, kind % 2 != 0);
    MPI_Group all;
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    for (int i = 0; i < size; i++)
        for (long j = 0; j < elements; j++)
            mirror[i][j] = (uint64_t)i * 1000003 + (uint64_t)j;
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, window);
    memcpy(base, mirror[rank], (size_t)elements * 8);
    MPI_Win_unlock(rank, window);
    MPI_Barrier(MPI_COMM_WORLD);
    if (kind == LOCK_ALL)
        MPI_Win_lock_all(0, window);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        epoch_run(kind, epoch, spare, all);
        if (kind == LOCKS)
            MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, window);
        for (long i = 0; i < elements; i++)
            RANK_CHECK(base[i] == mirror[rank][i], "epoch %d of kind %d, memory %d, element %ld",
                       epoch, kind, memory, i);
        if (kind == LOCKS)
            MPI_Win_unlock(rank, window);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    if (kind == LOCK_ALL)
        MPI_Win_unlock_all(window);
    if (kind == FENCE)
        MPI_Win_fence(MPI_MODE_NOSUCCEED, window);
    MPI_Group_free(&all);
    MPI_Win_free(&window);
    if (memory == PRIVATE)
        free(base);
}

static void all_kinds(int own, int all)
{
    rank = own;
    size = all;
    elements = COUNTERS + 2L * size * STRIPE;
    MPI_Type_vector(4, 1, 2, MPI_UINT64_T, &every_second);
    MPI_Type_commit(&every_second);
    for (int i = 0; i < size; i++)
        mirror[i] = malloc((size_t)elements * 8);
    uint64_t *readable = fake_memory(STRIPE * 8), *private = malloc(STRIPE * 8);
    for (int kind = 0; kind < SYNCHRONIZATIONS; kind++)
        for (int memory = 0; memory < MEMORIES; memory++)
            if (size <= 4 || memory == kind) /* it has to be over in time */
                against_the_model(kind, memory, (kind + memory) % 2 ? readable : private);
    free(private);
    for (int i = 0; i < size; i++)
        free(mirror[i]);
    MPI_Type_free(&every_second);
}

#define WINDOW_TEST(Ranks)                                                                         \
    Test(windows, of_##Ranks, .timeout = 60)                                                       \
    {                                                                                              \
        job_run(Ranks, MPI_THREAD_SINGLE, 50, all_kinds);                                          \
    }
WINDOW_TEST(1)
WINDOW_TEST(2)
WINDOW_TEST(3)
WINDOW_TEST(4)
WINDOW_TEST(6)
WINDOW_TEST(9)
WINDOW_TEST(16)

/* --- What is atomic ----------------------------------------------------------------------------
 */

#define TICKETS 120 /* of each rank */

/* Everybody takes tickets by MPI_Fetch_and_op, adds by MPI_Compare_and_swap, and adds pairs: none
 * is lost, none is given out twice, pairs stay equal. */
static void atomics(int own, int all)
{
    int64_t *base, one = 1, ticket, mine[TICKETS], *everybody = NULL, before, pair[2] = {3, 3};
    rank = own;
    size = all;
    MPI_Win_allocate(4 * 8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &window);
    memset(base, 0, 4 * 8);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, window);
    int target = size / 2;
    for (int i = 0; i < TICKETS; i++) {
        MPI_Fetch_and_op(&one, &ticket, MPI_INT64_T, target, 0, MPI_SUM, window);
        MPI_Win_flush(target, window);
        mine[i] = ticket;
        int64_t expected = ticket, next;
        do {
            next = expected + 1;
            before = expected;
            MPI_Compare_and_swap(&next, &before, &ticket, MPI_INT64_T, target, 1, window);
            MPI_Win_flush(target, window);
            before = expected;
            expected = ticket;
        } while (ticket != before);
        int64_t seen[2];
        MPI_Get_accumulate(pair, 2, MPI_INT64_T, seen, 2, MPI_INT64_T, target, 2, 2, MPI_INT64_T,
                           MPI_SUM, window);
        MPI_Win_flush(target, window);
        RANK_CHECK(seen[0] == seen[1] && seen[0] % 3 == 0, "a pair of %ld and %ld", (long)seen[0],
                   (long)seen[1]);
    }
    MPI_Win_unlock_all(window);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == target) {
        int64_t wanted = (int64_t)size * TICKETS;
        RANK_CHECK(base[0] == wanted && base[1] == wanted && base[2] == 3 * wanted &&
                       base[3] == 3 * wanted,
                   "%ld, %ld, %ld, %ld", (long)base[0], (long)base[1], (long)base[2],
                   (long)base[3]);
        everybody = malloc(sizeof(int64_t) * TICKETS * (size_t)size);
    }
    MPI_Gather(mine, TICKETS, MPI_INT64_T, everybody, TICKETS, MPI_INT64_T, target, MPI_COMM_WORLD);
    if (rank == target) {
        char *given = calloc(TICKETS, (size_t)size);
        for (int i = 0; i < TICKETS * size; i++) {
            RANK_CHECK(everybody[i] >= 0 && everybody[i] < TICKETS * size && !given[everybody[i]],
                       "ticket %ld twice", (long)everybody[i]);
            given[everybody[i]] = 1;
        }
        free(given);
        free(everybody);
    }
    MPI_Win_free(&window);
}

Test(windows, are_atomic, .timeout = 60)
{
    static const int sizes[] = {1, 2, 4, 7};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        job_run(sizes[i], MPI_THREAD_SINGLE, 50, atomics);
}
