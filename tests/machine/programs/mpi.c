/* An MPI program that checks itself: `mpi WHAT [COUNT]`, with any number of ranks. The last line of
 * rank 0 is "WHAT: fine" when all ranks have found everything as it must be. */
#include <mpi.h>
#include <signal.h>
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

static uint8_t pattern(uint64_t seed, size_t at)
{
    return (uint8_t)((seed * UINT64_C(0x9e3779b97f4a7c15) >> 32) + at * 31);
}

static void fill(uint8_t *bytes, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern(seed, i);
}

static int is_filled(const uint8_t *bytes, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != pattern(seed, i))
            return 0;
    return 1;
}

/* --- Ping-pong and ring -------------------------------------------------------------------------
 */

static void ping_pong(int count)
{
    static const int lengths[] = {0, 1, 8, 48, 49, 1000, 16384, 16385, 100000, 3000000};
    if (size == 1) /* nobody would receive */
        return;
    uint8_t *bytes = malloc(3000000);
    for (unsigned k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
        int length = lengths[k];
        for (int i = 0; i < (length > 20000 ? count / 20 + 1 : count); i++) {
            MPI_Status status;
            int got;
            if (rank == 0) {
                fill(bytes, (size_t)length, (uint64_t)i);
                MPI_Send(bytes, length, MPI_BYTE, size - 1, 5, MPI_COMM_WORLD);
                MPI_Recv(bytes, length, MPI_BYTE, size - 1, 6, MPI_COMM_WORLD, &status);
                CHECK(is_filled(bytes, (size_t)length, (uint64_t)i), "round %d of %d bytes", i,
                      length);
            } else if (rank == size - 1) {
                MPI_Recv(bytes, length, MPI_BYTE, 0, 5, MPI_COMM_WORLD, &status);
                MPI_Get_count(&status, MPI_BYTE, &got);
                CHECK(got == length && status.MPI_SOURCE == 0 && status.MPI_TAG == 5,
                      "%d bytes from %d, tag %d", got, status.MPI_SOURCE, status.MPI_TAG);
                MPI_Ssend(bytes, length, MPI_BYTE, 0, 6, MPI_COMM_WORLD);
            }
        }
    }
    free(bytes);
}

static void ring(int count)
{
    int right = (rank + 1) % size, left = (rank + size - 1) % size;
    int64_t value = 0;
    for (int i = 0; i < count; i++) {
        if (rank == 0) {
            value++;
            MPI_Send(&value, 1, MPI_INT64_T, right, i, MPI_COMM_WORLD);
            MPI_Recv(&value, 1, MPI_INT64_T, left, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(&value, 1, MPI_INT64_T, left, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            value++;
            MPI_Send(&value, 1, MPI_INT64_T, right, i, MPI_COMM_WORLD);
        }
    }
    if (rank == 0)
        CHECK(value == (int64_t)count * size, "the sum is %lld", (long long)value);
}

/* --- Random traffic -----------------------------------------------------------------------------
 */

/* In each round every rank sends every other some messages, of lengths and tags that both sides
 * compute; they are received in another order, some by wildcards, some probed first. */
static void random_traffic(int count)
{
    enum { EACH = 6, MOST = 60000 };
    MPI_Request *requests = malloc(sizeof(MPI_Request) * (size_t)size * EACH);
    uint8_t **buffers = malloc(sizeof(uint8_t *) * (size_t)size * EACH);
    uint8_t *in = malloc(MOST + 1);
    for (int round = 0; round < count; round++) {
        int begun = 0;
        for (int to = 0; to < size; to++) {
            uint64_t state = (uint64_t)(round * 1000 + rank * 64 + to) * 7919 + 1;
            for (int i = 0; i < EACH; i++) {
                size_t length = random_next(&state) % (i == 0 ? MOST : i < 3 ? 2000 : 60);
                uint8_t *bytes = malloc(length + 1);
                fill(bytes, length, state);
                buffers[begun] = bytes;
                if (random_next(&state) % 4 == 0)
                    MPI_Issend(bytes, (int)length, MPI_BYTE, to, i, MPI_COMM_WORLD,
                               &requests[begun]);
                else
                    MPI_Isend(bytes, (int)length, MPI_BYTE, to, i, MPI_COMM_WORLD,
                              &requests[begun]);
                begun++;
            }
        }
        for (int k = 0; k < size * EACH; k++) {
            int from = k % size, i = EACH - 1 - k / size;
            MPI_Status status;
            int got;
            if (k % 3 == 0) {
                MPI_Message message;
                MPI_Mprobe(MPI_ANY_SOURCE, i, MPI_COMM_WORLD, &message, &status);
                MPI_Get_count(&status, MPI_BYTE, &got);
                MPI_Mrecv(in, got, MPI_BYTE, &message, &status);
            } else if (k % 3 == 1) {
                MPI_Recv(in, MOST, MPI_BYTE, MPI_ANY_SOURCE, i, MPI_COMM_WORLD, &status);
            } else {
                MPI_Request request;
                (void)from;
                MPI_Irecv(in, MOST, MPI_BYTE, MPI_ANY_SOURCE, i, MPI_COMM_WORLD, &request);
                MPI_Wait(&request, &status);
            }
            MPI_Get_count(&status, MPI_BYTE, &got);
            CHECK(status.MPI_TAG == i, "tag %d, not %d", status.MPI_TAG, i);
            uint64_t state = (uint64_t)(round * 1000 + status.MPI_SOURCE * 64 + rank) * 7919 + 1;
            size_t length = 0;
            uint64_t seed = 0;
            for (int j = 0; j <= i; j++) {
                length = random_next(&state) % (j == 0 ? MOST : j < 3 ? 2000 : 60);
                seed = state;
                random_next(&state);
            }
            CHECK((size_t)got == length && is_filled(in, length, seed),
                  "%d bytes of %zu from %d, tag %d", got, length, status.MPI_SOURCE, i);
        }
        MPI_Waitall(begun, requests, MPI_STATUSES_IGNORE);
        while (begun > 0)
            free(buffers[--begun]);
        MPI_Barrier(MPI_COMM_WORLD); /* or a wildcard would take a message of the next round */
    }
    free(requests);
    free(buffers);
    free(in);
}

/* Thousands of messages wait before they are received, and thousands of receives before they come.
 */
static void long_queues(int count)
{
    int other = rank ^ 1;
    if (other >= size)
        return;
    MPI_Request *requests = malloc(sizeof(MPI_Request) * (size_t)count * 2);
    int *values = malloc(sizeof(int) * (size_t)count);
    int *sent = malloc(sizeof(int) * (size_t)count);
    for (int i = 0; i < count; i++) {
        sent[i] = i;
        MPI_Isend(&sent[i], 1, MPI_INT, other, i, MPI_COMM_WORLD, &requests[count + i]);
    }
    for (int i = count - 1; i >= 0; i--) {
        int value = -1;
        MPI_Recv(&value, 1, MPI_INT, other, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK(value == i, "message %d says %d", i, value);
    }
    MPI_Waitall(count, requests + count, MPI_STATUSES_IGNORE);
    for (int i = 0; i < count; i++)
        MPI_Irecv(&values[i], 1, MPI_INT, i % 2 ? other : MPI_ANY_SOURCE, i, MPI_COMM_WORLD,
                  &requests[i]);
    MPI_Sendrecv(NULL, 0, MPI_INT, other, count, NULL, 0, MPI_INT, other, count, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    for (int i = count - 1; i >= 0; i--)
        MPI_Send(&i, 1, MPI_INT, other, i, MPI_COMM_WORLD);
    MPI_Waitall(count, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < count; i++)
        CHECK(values[i] == i, "receive %d got %d", i, values[i]);
    free(requests);
    free(values);
    free(sent);
}

/* --- Master and worker --------------------------------------------------------------------------
 */

static void master_and_worker(int count)
{
    enum { WORK = 1, RESULT, STOP };
    if (rank != 0) {
        for (;;) {
            MPI_Status status;
            int64_t work;
            MPI_Recv(&work, 1, MPI_INT64_T, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
            if (status.MPI_TAG == STOP)
                return;
            work = work * work;
            MPI_Send(&work, 1, MPI_INT64_T, 0, RESULT, MPI_COMM_WORLD);
        }
    }
    int64_t next = 0, sum = 0, expected = 0;
    int working = 0;
    for (int i = 1; i < size && next < count; i++, next++, working++)
        MPI_Send(&next, 1, MPI_INT64_T, i, WORK, MPI_COMM_WORLD);
    while (working > 0) {
        MPI_Status status;
        int64_t result;
        MPI_Recv(&result, 1, MPI_INT64_T, MPI_ANY_SOURCE, RESULT, MPI_COMM_WORLD, &status);
        sum += result;
        working--;
        if (next < count) {
            MPI_Send(&next, 1, MPI_INT64_T, status.MPI_SOURCE, WORK, MPI_COMM_WORLD);
            next++;
            working++;
        }
    }
    for (int i = 1; i < size; i++)
        MPI_Send(&next, 1, MPI_INT64_T, i, STOP, MPI_COMM_WORLD);
    for (int64_t i = 0; i < next; i++)
        expected += i * i;
    CHECK(sum == expected, "the sum is %lld, not %lld", (long long)sum, (long long)expected);
}

/* --- Collectives --------------------------------------------------------------------------------
 */

static int64_t part(int who, int at, int round)
{
    return (int64_t)(who + 1) * 1000003 + at * 17 + round;
}

/* left then right, as digits: does not commute. */
static void join(void *left, void *right, int *count, MPI_Datatype *type)
{
    int64_t *one = left, *other = right;
    (void)type;
    for (int i = 0; i < *count; i++, one += 2, other += 2) {
        /* (product, shift) of the affine map x -> p x + s, modulo 2^64 */
        int64_t product = (int64_t)((uint64_t)one[0] * (uint64_t)other[0]);
        int64_t shift = (int64_t)((uint64_t)one[1] * (uint64_t)other[0] + (uint64_t)other[1]);
        other[0] = product;
        other[1] = shift;
    }
}

static void collectives_of(MPI_Comm comm, int count, int round)
{
    int me, ranks;
    MPI_Comm_rank(comm, &me);
    MPI_Comm_size(comm, &ranks);
    size_t all = (size_t)ranks * (size_t)count;
    int64_t *out = malloc((all + 1) * 16), *in = malloc((all + 1) * 16);
    int *counts = malloc(sizeof(int) * (size_t)ranks),
        *places = malloc(sizeof(int) * (size_t)ranks);
    int root = round % ranks;
    for (int i = 0; i < count; i++)
        out[i] = part(me, i, round);

    memcpy(in, out, (size_t)count * 8);
    MPI_Bcast(in, count, MPI_INT64_T, root, comm);
    for (int i = 0; i < count; i++)
        CHECK(in[i] == part(root, i, round), "bcast, element %d", i);

    MPI_Allreduce(out, in, count, MPI_INT64_T, MPI_SUM, comm);
    for (int i = 0; i < count; i++) {
        int64_t sum = 0;
        for (int who = 0; who < ranks; who++)
            sum += part(who, i, round);
        CHECK(in[i] == sum, "allreduce, element %d: %lld, not %lld", i, (long long)in[i],
              (long long)sum);
    }
    MPI_Reduce(out, in, count, MPI_INT64_T, MPI_MAX, root, comm);
    for (int i = 0; me == root && i < count; i++)
        CHECK(in[i] == part(ranks - 1, i, round), "reduce, element %d", i);

    MPI_Scan(out, in, count, MPI_INT64_T, MPI_SUM, comm);
    for (int i = 0; i < count; i++) {
        int64_t sum = 0;
        for (int who = 0; who <= me; who++)
            sum += part(who, i, round);
        CHECK(in[i] == sum, "scan, element %d", i);
    }
    MPI_Exscan(out, in, count, MPI_INT64_T, MPI_SUM, comm);
    for (int i = 0; me > 0 && i < count; i++) {
        int64_t sum = 0;
        for (int who = 0; who < me; who++)
            sum += part(who, i, round);
        CHECK(in[i] == sum, "exscan, element %d", i);
    }

    MPI_Allgather(out, count, MPI_INT64_T, in, count, MPI_INT64_T, comm);
    for (size_t i = 0; i < all; i++)
        CHECK(in[i] == part((int)(i / (size_t)count), (int)(i % (size_t)count), round),
              "allgather, element %zu", i);
    memset(in, 0, all * 8);
    MPI_Gather(out, count, MPI_INT64_T, in, count, MPI_INT64_T, root, comm);
    for (size_t i = 0; me == root && i < all; i++)
        CHECK(in[i] == part((int)(i / (size_t)count), (int)(i % (size_t)count), round),
              "gather, element %zu", i);
    for (size_t i = 0; i < all; i++)
        out[i] = part(me, (int)i, round);
    MPI_Alltoall(out, count, MPI_INT64_T, in, count, MPI_INT64_T, comm);
    for (size_t i = 0; i < all; i++)
        CHECK(in[i] == part((int)(i / (size_t)count), me * count + (int)(i % (size_t)count), round),
              "alltoall, element %zu", i);
    MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, count, MPI_INT64_T, comm);
    CHECK(!memcmp(in, out, all * 8), "alltoall in place");
    for (size_t i = 0; i < all; i++)
        out[i] = part(me, (int)i, round);
    MPI_Scatter(out, count, MPI_INT64_T, in, count, MPI_INT64_T, root, comm);
    for (int i = 0; i < count; i++)
        CHECK(in[i] == part(root, me * count + i, round), "scatter, element %d", i);
    MPI_Reduce_scatter_block(out, in, count, MPI_INT64_T, MPI_SUM, comm);
    for (int i = 0; i < count; i++) {
        int64_t sum = 0;
        for (int who = 0; who < ranks; who++)
            sum += part(who, me * count + i, round);
        CHECK(in[i] == sum, "reduce_scatter_block, element %d", i);
    }

    /* Blocks of different lengths, at places with gaps. */
    int total = 0;
    for (int who = 0; who < ranks; who++) {
        counts[who] = (who + round) % (count + 1);
        places[who] = total;
        total += counts[who];
    }
    MPI_Allgatherv(out, counts[me], MPI_INT64_T, in, counts, places, MPI_INT64_T, comm);
    for (int who = 0; who < ranks; who++)
        for (int i = 0; i < counts[who]; i++)
            CHECK(in[places[who] + i] == part(who, i, round), "allgatherv, %d of %d", i, who);

    /* An operation that does not commute, as schedules too. */
    MPI_Op op;
    MPI_Datatype pair;
    MPI_Type_contiguous(2, MPI_INT64_T, &pair);
    MPI_Type_commit(&pair);
    MPI_Op_create(join, 0, &op);
    int64_t expected[2], own[2] = {2 * me + 3, me + round}, result[2];
    for (int who = 0; who < ranks; who++) {
        int64_t next[2] = {2 * who + 3, who + round};
        int one = 1;
        if (who > 0)
            join(expected, next, &one, &pair);
        memcpy(expected, next, sizeof(expected));
    }
    MPI_Allreduce(own, result, 1, pair, op, comm);
    CHECK(!memcmp(expected, result, sizeof(result)), "allreduce in order");
    MPI_Request requests[3];
    int64_t later[2] = {0};
    MPI_Ireduce(own, later, 1, pair, op, root, comm, &requests[0]);
    MPI_Ibarrier(comm, &requests[1]);
    MPI_Iallreduce(own, result, 1, pair, op, comm, &requests[2]);
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
    CHECK(me != root || !memcmp(expected, later, sizeof(later)), "ireduce in order");
    CHECK(!memcmp(expected, result, sizeof(result)), "iallreduce in order");
    MPI_Op_free(&op);
    MPI_Type_free(&pair);
    MPI_Barrier(comm);
    free(out);
    free(in);
    free(counts);
    free(places);
}

static void collectives(int count)
{
    static const int lengths[] = {1, 3, 6, 100, 1500, 9000};
    for (int round = 0; round < count; round++)
        collectives_of(MPI_COMM_WORLD, lengths[round % 6], round);
    MPI_Request request;
    int64_t in = 0, out = 0;
    MPI_Allreduce_init(&out, &in, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD, MPI_INFO_NULL, &request);
    for (int i = 0; i < count; i++) {
        out = rank + i;
        MPI_Start(&request);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        CHECK(in == (int64_t)size * (size - 1) / 2 + (int64_t)i * size, "persistent, %d", i);
    }
    MPI_Request_free(&request);
}

/* --- Communicators ------------------------------------------------------------------------------
 */

static void communicators(int count)
{
    for (int round = 0; round < count; round++) {
        MPI_Comm copy, half, inter, merged, late;
        MPI_Request request;
        MPI_Group group;
        int result, number, others;
        MPI_Comm_dup(MPI_COMM_WORLD, &copy);
        MPI_Comm_compare(copy, MPI_COMM_WORLD, &result);
        CHECK(result == MPI_CONGRUENT, "a duplicate is %d", result);
        MPI_Comm_idup(copy, &late, &request);
        collectives_of(copy, 3, round);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        collectives_of(late, 2, round);
        MPI_Comm_free(&late);
        MPI_Comm_split(copy, rank % 2, -rank, &half);
        MPI_Comm_rank(half, &number);
        MPI_Comm_size(half, &others);
        CHECK(number == others - 1 - rank / 2, "rank %d in its half", number);
        collectives_of(half, 5, round);
        if (size > 1) {
            int highest = size - 1 - (size - 1 - !(rank % 2)) % 2;
            MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, highest, 9, &inter);
            int64_t own = rank, sum, expected = 0;
            MPI_Allreduce(&own, &sum, 1, MPI_INT64_T, MPI_SUM, inter);
            for (int i = !(rank % 2); i < size; i += 2)
                expected += i;
            CHECK(sum == expected, "across: %lld, not %lld", (long long)sum, (long long)expected);
            MPI_Intercomm_merge(inter, rank % 2, &merged);
            collectives_of(merged, 4, round);
            MPI_Comm_free(&merged);
            MPI_Comm_free(&inter);
        }
        MPI_Comm_group(copy, &group);
        if (rank > 0 || size == 1) {
            MPI_Group less;
            int first = 0;
            if (size > 1)
                MPI_Group_excl(group, 1, &first, &less);
            else
                MPI_Group_incl(group, 1, &first, &less);
            MPI_Comm_create_group(copy, less, 3, &merged);
            collectives_of(merged, 3, round);
            MPI_Comm_free(&merged);
            MPI_Group_free(&less);
        }
        MPI_Group_free(&group);
        MPI_Comm_free(&half);
        MPI_Comm_free(&copy);
    }
}

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "ring";
    int rounds = count > 2 ? atoi(words[2]) : 10;
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (!strcmp(what, "pingpong"))
        ping_pong(rounds);
    else if (!strcmp(what, "ring"))
        ring(rounds);
    else if (!strcmp(what, "random"))
        random_traffic(rounds);
    else if (!strcmp(what, "queues"))
        long_queues(rounds);
    else if (!strcmp(what, "workers"))
        master_and_worker(rounds);
    else if (!strcmp(what, "collectives"))
        collectives(rounds);
    else if (!strcmp(what, "communicators"))
        communicators(rounds);
    else if (!strcmp(what, "abort") && rank == size - 1)
        MPI_Abort(MPI_COMM_WORLD, 7);
    else if (!strcmp(what, "crash") && rank == size - 1)
        raise(SIGSEGV);
    else if (!strcmp(what, "killed") && rank == size - 1)
        raise(SIGKILL);
    else if (!strcmp(what, "leave") && rank == size - 1)
        exit(0);
    else if (!strcmp(what, "wrong") && rank == size - 1)
        MPI_Send(&rounds, 1, MPI_INT, size, 1, MPI_COMM_WORLD);
    else if (!strcmp(what, "truncate") && size > 1) {
        char bytes[100] = "";
        if (rank == 0)
            MPI_Send(bytes, 100, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
        if (rank == 1)
            MPI_Recv(bytes, 10, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("%s: fine\n", what);
    MPI_Finalize();
    return 0;
}
