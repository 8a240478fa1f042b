/* What several threads of each rank do with MPI at the same time, under MPI_THREAD_MULTIPLE. One
 * header, for a program on whole machines (tests/machine/programs/mpi_threads.c) and for the unit
 * tests under ThreadSanitizer. Every function is called by all ranks; what is wrong ends the job.
 */
#ifndef TESTS_MPI_THREADS_WORK_H
#define TESTS_MPI_THREADS_WORK_H

#include <mpi.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORK_THREADS 3
#define WORK_LENGTH_MOST 30000 /* bytes: each way that messages go */

#define WORK_CHECK(Condition, ...)                                                                 \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #Condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            MPI_Abort(MPI_COMM_WORLD, 98);                                                         \
        }                                                                                          \
    } while (0)

/* One thread of a rank. */
struct work {
    int rank, size, thread, rounds;
    MPI_Comm comm; /* this thread's own, or all threads' */
    MPI_Win window;
    uint64_t seed;
    pthread_barrier_t *barrier; /* of this rank's threads */
    void *shared;               /* what the threads of this rank share */
};

static inline int work_random(struct work *work, int limit)
{
    work->seed ^= work->seed << 13;
    work->seed ^= work->seed >> 7;
    work->seed ^= work->seed << 17;
    return (int)(work->seed % (uint64_t)limit);
}

static inline unsigned char work_pattern(int from, int tag, int at)
{
    return (unsigned char)(from * 61 + tag * 7 + at);
}

static inline void work_fill(unsigned char *bytes, int length, int from, int tag)
{
    for (int i = 0; i < length; i++)
        bytes[i] = work_pattern(from, tag, i);
}

static inline void work_expect(const unsigned char *bytes, const MPI_Status *status)
{
    int length;
    MPI_Get_count(status, MPI_BYTE, &length);
    for (int i = 0; i < length; i++)
        WORK_CHECK(bytes[i] == work_pattern(status->MPI_SOURCE, status->MPI_TAG, i),
                   "byte %d of %d from rank %d, tag %d", i, length, status->MPI_SOURCE,
                   status->MPI_TAG);
}

/* Runs `function` in WORK_THREADS threads, each with a communicator of its own or all with a common
 * one.
 */
static inline void work_in_threads(void *(*function)(void *), int rounds, int own_comms,
                                   void *shared, MPI_Win window)
{
    struct work works[WORK_THREADS];
    pthread_t threads[WORK_THREADS];
    pthread_barrier_t barrier;
    MPI_Comm common;
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_dup(MPI_COMM_WORLD, &common);
    pthread_barrier_init(&barrier, NULL, WORK_THREADS);
    for (int i = 0; i < WORK_THREADS; i++) {
        works[i] = (struct work){rank,
                                 size,
                                 i,
                                 rounds,
                                 common,
                                 window,
                                 (uint64_t)(rank * WORK_THREADS + i + 1) * 0x9e3779b97f4a7c15,
                                 &barrier,
                                 shared};
        if (own_comms)
            MPI_Comm_dup(MPI_COMM_WORLD, &works[i].comm);
    }
    for (int i = 0; i < WORK_THREADS; i++)
        WORK_CHECK(pthread_create(&threads[i], NULL, function, &works[i]) == 0, "no thread");
    for (int i = 0; i < WORK_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < WORK_THREADS && own_comms; i++)
        MPI_Comm_free(&works[i].comm);
    MPI_Comm_free(&common);
}

/* --- Messages ----------------------------------------------------------------------------------
 */

/* Each thread with the same thread of its neighbours, all in one communicator, told apart by tags.
 */
static inline void *work_ring(void *argument)
{
    struct work *work = argument;
    unsigned char *out = malloc(WORK_LENGTH_MOST), *in = malloc(WORK_LENGTH_MOST);
    int before = (work->rank + work->size - 1) % work->size, after = (work->rank + 1) % work->size;
    for (int round = 0; round < work->rounds; round++) {
        int length = work_random(work, work_random(work, 2) ? 100 : WORK_LENGTH_MOST);
        int tag = round * WORK_THREADS + work->thread, flag = 0;
        MPI_Request requests[2];
        MPI_Status status;
        work_fill(out, length, work->rank, tag);
        MPI_Irecv(in, WORK_LENGTH_MOST, MPI_BYTE, round % 3 ? before : MPI_ANY_SOURCE, tag,
                  work->comm, &requests[0]);
        if (round % 2)
            MPI_Issend(out, length, MPI_BYTE, after, tag, work->comm, &requests[1]);
        else
            MPI_Isend(out, length, MPI_BYTE, after, tag, work->comm, &requests[1]);
        if (round % 4 == 0)
            while (!flag)
                MPI_Test(&requests[0], &flag, &status);
        else
            MPI_Wait(&requests[0], &status);
        work_expect(in, &status);
        MPI_Wait(&requests[1], MPI_STATUS_IGNORE);
    }
    free(out);
    free(in);
    return NULL;
}

/* All threads send to any, and take whatever is there by matched probes: each message is taken
 * once. */
static inline void *work_probes(void *argument)
{
    struct work *work = argument;
    int *taken = work->shared; /* by this rank's threads together */
    int own = work->size * work->rounds, wanted = own * WORK_THREADS;
    unsigned char *out = malloc(WORK_LENGTH_MOST), *in = malloc(WORK_LENGTH_MOST);
    MPI_Request sending = MPI_REQUEST_NULL;
    for (int sent = 0; sent < own || __atomic_load_n(taken, __ATOMIC_RELAXED) < wanted;) {
        MPI_Message message;
        MPI_Status status;
        int flag;
        MPI_Test(&sending, &flag, MPI_STATUS_IGNORE);
        if (flag && sent < own) {
            int length = work_random(work, work_random(work, 2) ? 100 : WORK_LENGTH_MOST);
            work_fill(out, length, work->rank, sent);
            MPI_Isend(out, length, MPI_BYTE, sent % work->size, sent, work->comm, &sending);
            sent++;
        }
        MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, work->comm, &flag, &message, &status);
        if (!flag)
            continue;
        MPI_Mrecv(in, WORK_LENGTH_MOST, MPI_BYTE, &message, &status);
        work_expect(in, &status);
        __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
    }
    MPI_Wait(&sending, MPI_STATUS_IGNORE);
    free(out);
    free(in);
    return NULL;
}

/* Between the threads of one rank: one begins, another one completes. */
struct work_handed {
    MPI_Request requests[WORK_THREADS];
    unsigned char in[WORK_THREADS][4000];
};

static inline void *work_hand_over(void *argument)
{
    struct work *work = argument;
    struct work_handed *handed = work->shared;
    unsigned char out[4000];
    int next = (work->thread + 1) % WORK_THREADS;
    for (int round = 0; round < work->rounds; round++) {
        int tag = round * WORK_THREADS + work->thread, to = (work->rank + 1) % work->size;
        MPI_Status status;
        MPI_Irecv(handed->in[work->thread], 4000, MPI_BYTE, MPI_ANY_SOURCE, tag, work->comm,
                  &handed->requests[work->thread]);
        work_fill(out, 4000, work->rank, tag);
        pthread_barrier_wait(work->barrier);
        if (work->thread % 2) {
            MPI_Send(out, 4000, MPI_BYTE, to, tag, work->comm);
            MPI_Wait(&handed->requests[next], &status);
        } else {
            MPI_Request sending;
            MPI_Isend(out, 4000, MPI_BYTE, to, tag, work->comm, &sending);
            MPI_Wait(&handed->requests[next], &status);
            MPI_Wait(&sending, MPI_STATUS_IGNORE);
        }
        work_expect(handed->in[next], &status);
        pthread_barrier_wait(work->barrier);
    }
    return NULL;
}

/* --- Collectives -------------------------------------------------------------------------------
 */

/* Each thread in a communicator of its own, and in copies that it makes and frees meanwhile. */
static inline void *work_collectives(void *argument)
{
    struct work *work = argument;
    int size = work->size, *all = malloc(sizeof(int) * (size_t)size * 2),
        *long_one = malloc(sizeof(int) * 3000);
    for (int round = 0; round < work->rounds; round++) {
        int own = work->rank + round, sum, wanted = size * (size - 1) / 2 + size * round;
        MPI_Request request;
        MPI_Comm copy;
        MPI_Allreduce(&own, &sum, 1, MPI_INT, MPI_SUM, work->comm);
        WORK_CHECK(sum == wanted, "a sum of %d, not %d", sum, wanted);
        MPI_Iallgather(&own, 1, MPI_INT, all, 1, MPI_INT, work->comm, &request);
        MPI_Barrier(work->comm);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        for (int i = 0; i < size; i++)
            WORK_CHECK(all[i] == i + round, "%d of rank %d in round %d", all[i], i, round);
        for (int i = 0; i < 3000; i++)
            long_one[i] = work->rank == round % size ? i + round : -1;
        MPI_Bcast(long_one, 3000, MPI_INT, round % size, work->comm);
        WORK_CHECK(long_one[2999] == 2999 + round && long_one[0] == round, "a broadcast");
        if (round % 8 == 0) {
            MPI_Comm_dup(work->comm, &copy);
            MPI_Exscan(&own, &sum, 1, MPI_INT, MPI_MAX, copy);
            WORK_CHECK(work->rank == 0 || sum == own - 1, "a scan");
            MPI_Comm_free(&copy);
        } else if (round % 8 == 4) {
            MPI_Comm_split(work->comm, work->rank % 2, -work->rank, &copy);
            MPI_Allreduce(&work->thread, &sum, 1, MPI_INT, MPI_SUM, copy);
            WORK_CHECK(sum == work->thread * ((size + !(work->rank % 2)) / 2), "a half");
            MPI_Comm_free(&copy);
        }
    }
    free(all);
    free(long_one);
    return NULL;
}

/* --- Windows -----------------------------------------------------------------------------------
 */

/* Three counters in each rank's memory: all threads of all ranks add to them. */
static inline void *work_window(void *argument)
{
    struct work *work = argument;
    const int64_t one = 1;
    for (int round = 0; round < work->rounds; round++) {
        int target = (work->rank + round) % work->size;
        int64_t before[2];
        MPI_Fetch_and_op(&one, &before[0], MPI_INT64_T, target, 0, MPI_SUM, work->window);
        MPI_Accumulate(&one, 1, MPI_INT64_T, target, 1, 1, MPI_INT64_T, MPI_SUM, work->window);
        MPI_Get(&before[1], 1, MPI_INT64_T, target, 3, 1, MPI_INT64_T, work->window);
        MPI_Win_flush(target, work->window);
        WORK_CHECK(before[0] >= 0 && before[1] == 12345, "%lld", (long long)before[1]);
    }
    return NULL;
}

static inline void work_windows(int rounds)
{
    int64_t *counters;
    MPI_Win window;
    int size;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Win_allocate(4 * sizeof(int64_t), sizeof(int64_t), MPI_INFO_NULL, MPI_COMM_WORLD, &counters,
                     &window);
    memset(counters, 0, 3 * sizeof(int64_t));
    counters[3] = 12345;
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, window);
    work_in_threads(work_window, rounds * size, 0, NULL, window);
    MPI_Win_unlock_all(window);
    MPI_Barrier(MPI_COMM_WORLD);
    int64_t wanted = (int64_t)rounds * size * WORK_THREADS;
    WORK_CHECK(counters[0] == wanted && counters[1] == wanted, "%lld and %lld, not %lld",
               (long long)counters[0], (long long)counters[1], (long long)wanted);
    MPI_Win_free(&window);
}

/* --- Objects -----------------------------------------------------------------------------------
 */

/* Datatypes, groups, infos, attributes and errors, and messages with them. */
static inline void *work_objects(void *argument)
{
    struct work *work = argument;
    int key, numbers[40];
    for (int round = 0; round < work->rounds; round++) {
        MPI_Datatype type;
        MPI_Group group, half;
        MPI_Info info;
        MPI_Request request;
        int size, flag, tag = round * WORK_THREADS + work->thread;
        void *value;
        char text[20];
        MPI_Type_vector(10, 2, 4, MPI_INT, &type);
        MPI_Type_commit(&type);
        for (int i = 0; i < 40; i++)
            numbers[i] = tag + i;
        MPI_Isend(numbers, 1, type, work->rank, tag, work->comm, &request);
        MPI_Type_free(&type);
        int got[20];
        MPI_Recv(got, 20, MPI_INT, work->rank, tag, work->comm, MPI_STATUS_IGNORE);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        for (int i = 0; i < 20; i++)
            WORK_CHECK(got[i] == tag + i / 2 * 4 + i % 2, "%d at %d", got[i], i);
        MPI_Comm_group(work->comm, &group);
        MPI_Group_incl(group, 1, &work->rank, &half);
        MPI_Group_size(half, &size);
        WORK_CHECK(size == 1, "a group of %d", size);
        MPI_Group_free(&half);
        MPI_Group_free(&group);
        MPI_Info_create(&info);
        MPI_Info_set(info, "key", "value");
        MPI_Info_get(info, "key", 19, text, &flag);
        WORK_CHECK(flag && strcmp(text, "value") == 0, "an info");
        MPI_Info_free(&info);
        MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &key, NULL);
        MPI_Comm_set_attr(work->comm, key, numbers);
        MPI_Comm_get_attr(work->comm, key, &value, &flag);
        WORK_CHECK(flag && value == numbers, "an attribute");
        MPI_Comm_delete_attr(work->comm, key);
        MPI_Comm_free_keyval(&key);
    }
    return NULL;
}

/* --- All of it ---------------------------------------------------------------------------------
 */

static inline void work_run(const char *what, int rounds)
{
    static struct work_handed handed;
    int taken = 0;
    if (!strcmp(what, "ring"))
        work_in_threads(work_ring, rounds, 0, NULL, MPI_WIN_NULL);
    else if (!strcmp(what, "probes"))
        work_in_threads(work_probes, rounds, 0, &taken, MPI_WIN_NULL);
    else if (!strcmp(what, "handover"))
        work_in_threads(work_hand_over, rounds, 0, &handed, MPI_WIN_NULL);
    else if (!strcmp(what, "collectives"))
        work_in_threads(work_collectives, rounds, 1, NULL, MPI_WIN_NULL);
    else if (!strcmp(what, "windows"))
        work_windows(rounds);
    else if (!strcmp(what, "objects"))
        work_in_threads(work_objects, rounds, 0, NULL, MPI_WIN_NULL);
    else
        WORK_CHECK(0, "no %s", what);
}

#endif
