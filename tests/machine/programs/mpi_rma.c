/* One-sided communication that checks itself: `mpi_rma WHAT [COUNT]`, with any number of ranks. The
 * last line of rank 0 is "WHAT: fine" when all ranks have found everything as it must be. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size;

#define CHECK(Condition, ...)                                                                      \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            fprintf(stderr, "rank %d, line %d: ", rank, __LINE__);                                 \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            MPI_Abort(MPI_COMM_WORLD, 3);                                                          \
        }                                                                                          \
    } while (0)

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- Fences: long and short puts and gets, contiguous and not ------------------------------------
 */

static int64_t value_of(int from, int round, int at)
{
    return (int64_t)from * 1000000007 + (int64_t)round * 10007 + at;
}

static void fences(int count)
{
    static const int lengths[] = {1, 2, 100, 508, 509, 3000, 100000};
    const int most = 100000;
    int right = (rank + 1) % size, left = (rank + size - 1) % size;
    int64_t *memory, *own = malloc((size_t)most * 8), *back = malloc((size_t)most * 8);
    MPI_Win win;
    MPI_Win_allocate(2 * most * 8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Win_fence(0, win);
    for (int round = 0; round < count; round++)
        for (unsigned k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
            int length = lengths[k];
            MPI_Datatype strided;
            MPI_Type_vector(length, 1, 2, MPI_INT64_T, &strided);
            MPI_Type_commit(&strided);
            for (int i = 0; i < length; i++)
                own[i] = value_of(rank, round, i);
            if (round % 2 == 0)
                MPI_Put(own, length, MPI_INT64_T, right, 0, length, MPI_INT64_T, win);
            else
                MPI_Put(own, length, MPI_INT64_T, right, 0, 1, strided, win);
            MPI_Win_fence(0, win);
            for (int i = 0; i < length; i++)
                CHECK(memory[round % 2 == 0 ? i : 2 * i] == value_of(left, round, i),
                      "round %d, length %d, element %d", round, length, i);
            if (round % 2 == 0)
                MPI_Get(back, length, MPI_INT64_T, right, 0, length, MPI_INT64_T, win);
            else
                MPI_Get(back, length, MPI_INT64_T, right, 0, 1, strided, win);
            MPI_Win_fence(0, win);
            CHECK(memcmp(own, back, (size_t)length * 8) == 0, "got other bytes back");
            MPI_Type_free(&strided);
        }
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    MPI_Win_free(&win);
    free(own);
    free(back);
}

/* --- Halo exchange with post, start, complete, wait ----------------------------------------------
 */

static void halo(int count)
{
    enum { CELLS = 700 };
    int neighbours[2] = {(rank + size - 1) % size, (rank + 1) % size};
    int64_t *cells = calloc(CELLS + 2, 8);
    MPI_Group world, group;
    MPI_Win win;
    MPI_Win_create(cells, (CELLS + 2) * 8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    MPI_Win_get_group(win, &world);
    MPI_Group_incl(world, neighbours[0] == neighbours[1] ? 1 : 2, neighbours, &group);
    for (int round = 0; round < count; round++) {
        cells[1] = value_of(rank, round, 1);
        cells[CELLS] = value_of(rank, round, 2);
        MPI_Win_post(group, 0, win);
        MPI_Win_start(group, 0, win);
        MPI_Put(&cells[1], 1, MPI_INT64_T, neighbours[0], CELLS + 1, 1, MPI_INT64_T, win);
        MPI_Put(&cells[CELLS], 1, MPI_INT64_T, neighbours[1], 0, 1, MPI_INT64_T, win);
        MPI_Win_complete(win);
        if (round % 2 == 0) {
            MPI_Win_wait(win);
        } else {
            int flag = 0;
            while (!flag)
                MPI_Win_test(win, &flag);
        }
        CHECK(cells[0] == value_of(neighbours[0], round, 2), "left of round %d", round);
        CHECK(cells[CELLS + 1] == value_of(neighbours[1], round, 1), "right of round %d", round);
    }
    MPI_Group_free(&group);
    MPI_Group_free(&world);
    MPI_Win_free(&win);
    free(cells);
}

/* --- Locks ---------------------------------------------------------------------------------------
 */

/* Read, add, write under the exclusive lock: nothing may be lost. */
/* Rank 0 waits for the others' puts by nothing but locks of its own memory. */
static void own_locks(void)
{
    int64_t *memory, done = 0, one = 1;
    MPI_Win win;
    MPI_Win_allocate((size + 1) * 8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank != 0) {
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win);
        MPI_Put(&one, 1, MPI_INT64_T, 0, rank, 1, MPI_INT64_T, win);
        MPI_Win_unlock(0, win);
    }
    while (rank == 0 && done < size - 1) {
        done = 0;
        for (int i = 1; i < size; i++) {
            int64_t value = 0;
            MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win);
            MPI_Get(&value, 1, MPI_INT64_T, 0, i, 1, MPI_INT64_T, win);
            MPI_Win_unlock(0, win);
            done += value;
        }
    }
    MPI_Win_free(&win);
}

static void locks(int count)
{
    int64_t *memory, value, one = 1, before;
    MPI_Win win;
    MPI_Win_allocate(64, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < count; i++)
        for (int target = 0; target < size; target++) {
            MPI_Win_lock(MPI_LOCK_EXCLUSIVE, target, 0, win);
            MPI_Get(&value, 1, MPI_INT64_T, target, 0, 1, MPI_INT64_T, win);
            MPI_Win_flush(target, win);
            value++;
            MPI_Put(&value, 1, MPI_INT64_T, target, 0, 1, MPI_INT64_T, win);
            MPI_Win_unlock(target, win);
            MPI_Win_lock(MPI_LOCK_SHARED, target, 0, win);
            MPI_Fetch_and_op(&one, &before, MPI_INT64_T, target, 1, MPI_SUM, win);
            MPI_Win_flush(target, win);
            CHECK(before >= 0 && before < (int64_t)count * size, "%lld before", (long long)before);
            MPI_Win_unlock(target, win);
        }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);
    CHECK(memory[0] == (int64_t)count * size && memory[1] == (int64_t)count * size, "%lld and %lld",
          (long long)memory[0], (long long)memory[1]);
    MPI_Win_unlock(rank, win);
    MPI_Win_free(&win);
    own_locks();
}

/* --- Accumulates against what they must come to --------------------------------------------------
 */

static void accumulates(int count)
{
    enum { LENGTH = 3000 };
    int64_t *memory, *own = malloc(LENGTH * 8), *before = malloc(LENGTH * 8), swapped = -1;
    MPI_Win win;
    MPI_Request request;
    MPI_Win_allocate((LENGTH + 2) * 8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    for (int i = 0; i < LENGTH; i++)
        own[i] = i + rank;
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, win);
    for (int round = 0; round < count; round++)
        for (int target = 0; target < size; target++) {
            MPI_Accumulate(own, LENGTH, MPI_INT64_T, target, 0, LENGTH, MPI_INT64_T, MPI_SUM, win);
            MPI_Rget_accumulate(own, LENGTH, MPI_INT64_T, before, LENGTH, MPI_INT64_T, target, 0,
                                LENGTH, MPI_INT64_T, MPI_SUM, win, &request);
            MPI_Wait(&request, MPI_STATUS_IGNORE);
            for (int i = 0; i < LENGTH; i++)
                CHECK(before[i] >= own[i] * (2 * round + 1), "element %d is %lld", i,
                      (long long)before[i]);
            for (;;) { /* a counter by compare and swap */
                int64_t old, new;
                MPI_Fetch_and_op(NULL, &old, MPI_INT64_T, target, LENGTH, MPI_NO_OP, win);
                MPI_Win_flush(target, win);
                new = old + 1;
                MPI_Compare_and_swap(&new, &old, &swapped, MPI_INT64_T, target, LENGTH, win);
                MPI_Win_flush(target, win);
                if (swapped == old)
                    break;
            }
        }
    MPI_Win_unlock_all(win);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < LENGTH; i++) {
        int64_t sum = ((int64_t)i * size + (int64_t)size * (size - 1) / 2) * 2 * count;
        CHECK(memory[i] == sum, "element %d is %lld, not %lld", i, (long long)memory[i],
              (long long)sum);
    }
    CHECK(memory[LENGTH] == (int64_t)count * size, "the counter is %lld",
          (long long)memory[LENGTH]);
    MPI_Win_free(&win);
    free(own);
    free(before);
}

/* --- A dynamic window ----------------------------------------------------------------------------
 */

static void dynamic(int count)
{
    enum { LENGTH = 2000 };
    int64_t *memory = calloc(LENGTH, 8), *own = malloc(LENGTH * 8), *back = malloc(LENGTH * 8);
    MPI_Aint address, *all = malloc((size_t)size * sizeof(*all));
    int right = (rank + 1) % size;
    MPI_Win win;
    MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    MPI_Win_attach(win, memory, LENGTH * 8);
    MPI_Get_address(memory, &address);
    MPI_Allgather(&address, 1, MPI_AINT, all, 1, MPI_AINT, MPI_COMM_WORLD);
    for (int round = 0; round < count; round++) {
        for (int i = 0; i < LENGTH; i++)
            own[i] = value_of(rank, round, i);
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, right, 0, win);
        MPI_Put(own, LENGTH, MPI_INT64_T, right, all[right], LENGTH, MPI_INT64_T, win);
        MPI_Win_flush(right, win);
        MPI_Get(back, LENGTH, MPI_INT64_T, right, all[right], LENGTH, MPI_INT64_T, win);
        MPI_Win_unlock(right, win);
        CHECK(memcmp(own, back, LENGTH * 8) == 0, "round %d", round);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_detach(win, memory);
    MPI_Win_free(&win);
    free(memory);
    free(own);
    free(back);
    free(all);
}

/* --- Pi, with counters at rank 0 -----------------------------------------------------------------
 */

static void pi(int count)
{
    int64_t *counters, hits = 0, points = 0, next, share = 1000;
    uint64_t state = UINT64_C(88172645463325252) + (uint64_t)rank * 7919;
    MPI_Win win;
    MPI_Win_allocate(rank == 0 ? 24 : 0, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &counters, &win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, win);
    for (;;) { /* shares of the work are fetched as they are wanted */
        MPI_Fetch_and_op(&share, &next, MPI_INT64_T, 0, 0, MPI_SUM, win);
        MPI_Win_flush(0, win);
        if (next >= (int64_t)count * share)
            break;
        for (int64_t i = 0; i < share; i++) {
            double x = (double)(random_next(&state) >> 11) / 9007199254740992.0;
            double y = (double)(random_next(&state) >> 11) / 9007199254740992.0;
            hits += x * x + y * y < 1;
            points++;
        }
    }
    MPI_Accumulate(&points, 1, MPI_INT64_T, 0, 1, 1, MPI_INT64_T, MPI_SUM, win);
    MPI_Accumulate(&hits, 1, MPI_INT64_T, 0, 2, 1, MPI_INT64_T, MPI_SUM, win);
    MPI_Win_unlock_all(win);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        double value = 4.0 * (double)counters[2] / (double)counters[1];
        CHECK(counters[1] == (int64_t)count * share, "%lld points", (long long)counters[1]);
        CHECK(value > 3.0 && value < 3.3, "pi is %f", value);
    }
    MPI_Win_free(&win);
}

/* --- Wrong calls ---------------------------------------------------------------------------------
 */

static int class_of(int code)
{
    int class;
    MPI_Error_class(code, &class);
    return class;
}

static void hint(MPI_Win win, const char *key, const char *wanted)
{
    char value[MPI_MAX_INFO_VAL] = "";
    int flag, length = sizeof(value);
    MPI_Info info;
    MPI_Win_get_info(win, &info);
    MPI_Info_get_string(info, key, &length, value, &flag);
    CHECK(flag && strcmp(value, wanted) == 0, "the hint %s is \"%s\"", key, value);
    MPI_Info_free(&info);
}

/* Hints have values before the program gives them any, and keep them while it sets others. */
static void hints(MPI_Win win)
{
    MPI_Info info;
    MPI_Info_create(&info);
    MPI_Info_set(info, "accumulate_ops", "same_op");
    MPI_Win_set_info(win, info);
    MPI_Info_free(&info);
    hint(win, "accumulate_ops", "same_op");
    hint(win, "accumulate_ordering", "rar,raw,war,waw");
    hint(win, "no_locks", "false");
    hint(win, "same_size", "false");
    hint(win, "same_disp_unit", "false");
}

/* An accumulate of a datatype without elements does nothing, and is right. */
static void no_elements(MPI_Win win)
{
    MPI_Datatype none;
    MPI_Type_contiguous(0, MPI_INT, &none);
    MPI_Type_commit(&none);
    MPI_Win_fence(0, win);
    CHECK(MPI_Accumulate(NULL, 2, none, 0, 0, 1, none, MPI_SUM, win) == MPI_SUCCESS, "no elements");
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    MPI_Type_free(&none);
}

static void wrong(int count)
{
    int64_t *memory, value = 0, *unit;
    int flag, *number;
    MPI_Win win, shared;
    (void)count;
    MPI_Win_allocate(80, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
    CHECK(class_of(MPI_Put(&value, 1, MPI_INT64_T, 0, 0, 1, MPI_INT64_T, win)) == MPI_ERR_RMA_SYNC,
          "a put outside of an epoch");
    CHECK(class_of(MPI_Win_unlock(0, win)) == MPI_ERR_RMA_SYNC, "an unlock without a lock");
    CHECK(class_of(MPI_Win_wait(win)) == MPI_ERR_RMA_SYNC, "a wait without a post");
    CHECK(class_of(MPI_Win_complete(win)) == MPI_ERR_RMA_SYNC, "a complete without a start");
    CHECK(class_of(MPI_Win_attach(win, &value, 8)) == MPI_ERR_RMA_FLAVOR, "an attach");
    MPI_Win_fence(0, win);
    CHECK(class_of(MPI_Put(&value, 1, MPI_INT64_T, size, 0, 1, MPI_INT64_T, win)) == MPI_ERR_RANK,
          "a rank that is none");
    CHECK(class_of(MPI_Put(&value, 1, MPI_INT64_T, 0, 10, 1, MPI_INT64_T, win)) ==
              MPI_ERR_RMA_RANGE,
          "behind the end");
    CHECK(class_of(MPI_Get(&value, 1, MPI_INT64_T, 0, -1, 1, MPI_INT64_T, win)) == MPI_ERR_DISP,
          "before the beginning");
    CHECK(MPI_Put(&value, 1, MPI_INT64_T, MPI_PROC_NULL, 0, 1, MPI_INT64_T, win) == MPI_SUCCESS,
          "to nobody");
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    MPI_Win_get_attr(win, MPI_WIN_SIZE, &unit, &flag);
    CHECK(flag && *unit == 80, "the size");
    MPI_Win_get_attr(win, MPI_WIN_DISP_UNIT, &number, &flag);
    CHECK(flag && *number == 8, "the unit");
    hints(win);
    no_elements(win);
    MPI_Win_free(&win);
    CHECK(win == MPI_WIN_NULL, "the handle");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int error = MPI_Win_allocate_shared(8, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &shared);
    CHECK(class_of(error) == (size > 1 ? MPI_ERR_RMA_SHARED : MPI_SUCCESS), "a shared window");
    if (error == MPI_SUCCESS)
        MPI_Win_free(&shared);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*function)(int count);
    } tests[] = {
        {"fences", fences},   {"halo", halo}, {"locks", locks}, {"accumulates", accumulates},
        {"dynamic", dynamic}, {"pi", pi},     {"wrong", wrong}};
    const char *what = argc > 1 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 10, known = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        if (strcmp(tests[i].name, what) == 0) {
            known = 1;
            tests[i].function(count);
        }
    CHECK(known, "there is no test '%s'", what);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("%s: fine\n", what);
    MPI_Finalize();
    return 0;
}
