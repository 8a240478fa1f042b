/* What goes wrong in programs: for every class of error that a call can raise, a job that makes the
 * mistake, and the line that its user reads, which names the rank, the call, and the argument with
 * its value. And how jobs end: MPI_Abort, a rank that is killed, one that leaves. */
#include "tests/unit/mpi-job/fake.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int numbers[1000];
static MPI_Datatype loose; /* not committed */
static MPI_Win window;
static void (*mistake)(void);

static void group_of(int rank_of_one, MPI_Group *made)
{
    MPI_Group world;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, 1, &rank_of_one, made);
}

/* Calls with one wrong argument, by rank 1 of two. */
#define MISTAKE(Name, ...)                                                                         \
    static void Name(void)                                                                         \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }
MISTAKE(send_count, MPI_Send(numbers, -3, MPI_INT, 0, 1, MPI_COMM_WORLD))
MISTAKE(send_type, MPI_Send(numbers, 1, MPI_DATATYPE_NULL, 0, 1, MPI_COMM_WORLD))
MISTAKE(send_loose, MPI_Send(numbers, 1, loose, 0, 1, MPI_COMM_WORLD))
MISTAKE(send_rank, MPI_Send(numbers, 1, MPI_INT, 5, 1, MPI_COMM_WORLD))
MISTAKE(send_any, MPI_Send(numbers, 1, MPI_INT, MPI_ANY_SOURCE, 1, MPI_COMM_WORLD))
MISTAKE(send_tag, MPI_Send(numbers, 1, MPI_INT, 0, -4, MPI_COMM_WORLD))
MISTAKE(send_comm, MPI_Send(numbers, 1, MPI_INT, 0, 1, MPI_COMM_NULL))
MISTAKE(isend_rank, MPI_Request request;
        MPI_Isend(numbers, 1, MPI_INT, -7, 1, MPI_COMM_WORLD, &request))
MISTAKE(ssend_tag, MPI_Ssend(numbers, 1, MPI_INT, 0, -9, MPI_COMM_WORLD))
MISTAKE(recv_rank, MPI_Recv(numbers, 1, MPI_INT, 2, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE))
MISTAKE(irecv_tag, MPI_Request request;
        MPI_Irecv(numbers, 1, MPI_INT, 0, -77, MPI_COMM_WORLD, &request))
MISTAKE(irecv_count, MPI_Request request;
        MPI_Irecv(numbers, -8, MPI_INT, 0, 1, MPI_COMM_WORLD, &request))
MISTAKE(probe_rank, MPI_Probe(9, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE))
MISTAKE(send_init_rank, MPI_Request request;
        MPI_Send_init(numbers, 1, MPI_INT, 3, 1, MPI_COMM_WORLD, &request))
MISTAKE(bsend_buffer, MPI_Bsend(numbers, 1000, MPI_INT, 0, 1, MPI_COMM_WORLD))
MISTAKE(wait_request, MPI_Request request = (MPI_Request)MPI_COMM_WORLD;
        MPI_Wait(&request, MPI_STATUS_IGNORE))
MISTAKE(waitall_count, MPI_Waitall(-2, NULL, MPI_STATUSES_IGNORE))
MISTAKE(start_request, MPI_Request request = MPI_REQUEST_NULL; MPI_Start(&request))
MISTAKE(bcast_root, MPI_Bcast(numbers, 1, MPI_INT, 6, MPI_COMM_WORLD))
MISTAKE(bcast_count, MPI_Bcast(numbers, -1, MPI_INT, 0, MPI_COMM_WORLD))
MISTAKE(reduce_op, MPI_Reduce(numbers, numbers + 10, 1, MPI_INT, MPI_OP_NULL, 0, MPI_COMM_WORLD))
MISTAKE(allreduce_op, MPI_Allreduce(numbers, numbers + 10, 1, MPI_FLOAT, MPI_BAND, MPI_COMM_WORLD))
MISTAKE(barrier_comm, MPI_Barrier(MPI_COMM_NULL))
MISTAKE(allgather_type, MPI_Allgather(numbers, 1, loose, numbers + 10, 1, MPI_INT, MPI_COMM_WORLD))
MISTAKE(split_key, MPI_Comm comm; MPI_Comm_split(MPI_COMM_WORLD, -5, 0, &comm))
MISTAKE(free_world, MPI_Comm comm = MPI_COMM_WORLD; MPI_Comm_free(&comm))
MISTAKE(group_rank, MPI_Group group; group_of(8, &group))
MISTAKE(cart_dims, MPI_Comm comm; int sides[1] = {7}; int round[1] = {0};
        MPI_Cart_create(MPI_COMM_WORLD, 1, sides, round, 0, &comm))
MISTAKE(cart_none, int place[1] = {0}; MPI_Cart_coords(MPI_COMM_WORLD, 0, 1, place))
MISTAKE(type_vector, MPI_Datatype type; MPI_Type_vector(-6, 1, 1, MPI_INT, &type))
MISTAKE(keyval, MPI_Comm_set_attr(MPI_COMM_WORLD, 123456, numbers))
MISTAKE(info_key, MPI_Info info; MPI_Info_create(&info); MPI_Info_delete(info, "nothing"))
MISTAKE(put_rank, MPI_Put(numbers, 1, MPI_INT, 4, 0, 1, MPI_INT, window))
MISTAKE(put_place, MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window);
        MPI_Put(numbers, 1, MPI_INT, 0, 5000, 1, MPI_INT, window); MPI_Win_unlock(0, window))
MISTAKE(put_outside, MPI_Put(numbers, 1, MPI_INT, 0, 0, 1, MPI_INT, window))
MISTAKE(put_window, MPI_Put(numbers, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_WIN_NULL))
MISTAKE(lock_kind, MPI_Win_lock(99, 0, 0, window))
MISTAKE(unlock_none, MPI_Win_unlock(0, window))
MISTAKE(accumulate_op, MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window);
        MPI_Accumulate(numbers, 1, MPI_FLOAT, 0, 0, 1, MPI_FLOAT, MPI_BXOR, window))

static const struct wrong {
    void (*call)(void);
    const char *function, *class; /* as the line has them */
    const char *argument;         /* words about the argument; NULL: the class says it all */
} wrongs[] = {
    {send_count, "MPI_Send", "MPI_ERR_COUNT", "-3"},
    {send_type, "MPI_Send", "MPI_ERR_TYPE", "datatype"},
    {send_loose, "MPI_Send", "MPI_ERR_TYPE", "not committed"},
    {send_rank, "MPI_Send", "MPI_ERR_RANK", "destination is rank 5"},
    {send_any, "MPI_Send", "MPI_ERR_RANK", "destination"},
    {send_tag, "MPI_Send", "MPI_ERR_TAG", "-4"},
    {send_comm, "MPI_Send", "MPI_ERR_COMM", "MPI_COMM_NULL"},
    {isend_rank, "MPI_Isend", "MPI_ERR_RANK", "-7"},
    {ssend_tag, "MPI_Ssend", "MPI_ERR_TAG", "-9"},
    {recv_rank, "MPI_Recv", "MPI_ERR_RANK", "source is rank 2"},
    {irecv_tag, "MPI_Irecv", "MPI_ERR_TAG", "-77"},
    {irecv_count, "MPI_Irecv", "MPI_ERR_COUNT", "-8"},
    {probe_rank, "MPI_Probe", "MPI_ERR_RANK", "9"},
    {send_init_rank, "MPI_Send_init", "MPI_ERR_RANK", "3"},
    {bsend_buffer, "MPI_Bsend", "MPI_ERR_BUFFER", NULL},
    {wait_request, "MPI_Wait", "MPI_ERR_REQUEST", "request"},
    {waitall_count, "MPI_Waitall", "MPI_ERR_COUNT", "-2"},
    {start_request, "MPI_Start", "MPI_ERR_REQUEST", "request"},
    {bcast_root, "MPI_Bcast", "MPI_ERR_ROOT", "6"},
    {bcast_count, "MPI_Bcast", "MPI_ERR_COUNT", "-1"},
    {reduce_op, "MPI_Reduce", "MPI_ERR_OP", "operation"},
    {allreduce_op, "MPI_Allreduce", "MPI_ERR_OP", "MPI_FLOAT"},
    {barrier_comm, "MPI_Barrier", "MPI_ERR_COMM", "MPI_COMM_NULL"},
    {allgather_type, "MPI_Allgather", "MPI_ERR_TYPE", "not committed"},
    {split_key, "MPI_Comm_split", "MPI_ERR_ARG", "-5"},
    {free_world, "MPI_Comm_free", "MPI_ERR_COMM", "MPI_COMM_WORLD"},
    {group_rank, "MPI_Group_incl", "MPI_ERR_RANK", "8"},
    {cart_dims, "MPI_Cart_create", "MPI_ERR_", "7"},
    {cart_none, "MPI_Cart_coords", "MPI_ERR_TOPOLOGY", NULL},
    {type_vector, "MPI_Type_vector", "MPI_ERR_COUNT", "-6"},
    {keyval, "MPI_Comm_set_attr", "MPI_ERR_KEYVAL", "123456"},
    {info_key, "MPI_Info_delete", "MPI_ERR_INFO_NOKEY", "nothing"},
    {put_rank, "MPI_Put", "MPI_ERR_RANK", "4"},
    {put_place, "MPI_Put", "MPI_ERR_RMA_RANGE", "5000"},
    {put_outside, "MPI_Put", "MPI_ERR_RMA_SYNC", NULL},
    {put_window, "MPI_Put", "MPI_ERR_WIN", "window"},
    {lock_kind, "MPI_Win_lock", "MPI_ERR_LOCKTYPE", "99"},
    {unlock_none, "MPI_Win_unlock", "MPI_ERR_RMA_SYNC", NULL},
    {accumulate_op, "MPI_Accumulate", "MPI_ERR_OP", NULL},
};

static void make_mistake(int rank, int size)
{
    (void)size;
    MPI_Type_contiguous(2, MPI_INT, &loose);
    MPI_Win_create(numbers, sizeof(numbers), sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &window);
    MPI_Win_set_errhandler(window, MPI_ERRORS_ARE_FATAL);
    if (rank == 1)
        mistake();
    else
        MPI_Recv(numbers, 1, MPI_INT, 1, 12345, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    RANK_CHECK(false, "nothing was raised");
}

/* The line of rank 1: "rank 1: FUNCTION: CLASS, ... ARGUMENT ...". */
static void expect_line(const struct job_outcome *outcome, const char *function, const char *class,
                        const char *argument)
{
    char begin[200], line[1024] = "";
    snprintf(begin, sizeof(begin), "rank 1: %s: %s", function, class);
    const char *at = strstr(outcome->text, begin);
    cr_expect_not_null(at, "%s is missing in:\n%s", begin, outcome->text);
    if (at == NULL)
        return;
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
    cr_expect(argument == NULL || strstr(line + strlen(begin), argument) != NULL,
              "%s is missing in: %s", argument, line);
}

Test(errors, name_rank_call_and_argument, .timeout = 60)
{
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        mistake = wrongs[i].call;
        struct job_outcome outcome = job_fail(2, 20, make_mistake);
        expect_line(&outcome, wrongs[i].function, wrongs[i].class, wrongs[i].argument);
        for (int rank = 0; rank < 2; rank++)
            cr_expect(outcome.status[rank] > 0 && outcome.status[rank] < 99,
                      "%s: rank %d has ended with status %d: %s", wrongs[i].function, rank,
                      outcome.status[rank], outcome.text);
    }
}

/* --- Truncation --------------------------------------------------------------------------------
 */

static int long_by; /* ints of the message; the buffer has ten */

static void truncate_one(int rank, int size)
{
    (void)size;
    int *many = calloc(100000, sizeof(int));
    if (rank == 0)
        MPI_Send(many, long_by, MPI_INT, 1, 3, MPI_COMM_WORLD);
    else
        MPI_Recv(numbers, 10, MPI_INT, 0, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Barrier(MPI_COMM_WORLD);
    RANK_CHECK(rank != 1, "nothing was raised");
}

Test(errors, truncation_is_named, .timeout = 60)
{
    for (long_by = 11; long_by < 100000; long_by *= 9) { /* each way that messages go */
        char bytes[32];
        struct job_outcome outcome = job_fail(2, 20, truncate_one);
        snprintf(bytes, sizeof(bytes), "%d", long_by * 4);
        expect_line(&outcome, "MPI_Recv", "MPI_ERR_TRUNCATE", bytes);
    }
}

/* With MPI_ERRORS_RETURN all goes on: the class comes back, the status says it, nothing is written
 * behind the buffer, and the next message arrives. */
static void truncate_and_go_on(int rank, int size)
{
    (void)size;
    int *many = calloc(100000, sizeof(int)), class, last = 0;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    for (int length = 11; length < 100000; length *= 9) {
        MPI_Request requests[2];
        MPI_Status statuses[2];
        if (rank == 0) {
            many[0] = length;
            MPI_Send(many, length, MPI_INT, 1, 3, MPI_COMM_WORLD);
            MPI_Send(&length, 1, MPI_INT, 1, 4, MPI_COMM_WORLD);
            continue;
        }
        numbers[10] = -5;
        MPI_Irecv(numbers, 10, MPI_INT, 0, 3, MPI_COMM_WORLD, &requests[0]);
        MPI_Irecv(&last, 1, MPI_INT, 0, 4, MPI_COMM_WORLD, &requests[1]);
        int error = MPI_Waitall(2, requests, statuses);
        RANK_CHECK(error == MPI_ERR_IN_STATUS);
        MPI_Error_class(statuses[0].MPI_ERROR, &class);
        RANK_CHECK(class == MPI_ERR_TRUNCATE && statuses[1].MPI_ERROR == MPI_SUCCESS);
        RANK_CHECK(last == length && numbers[0] == length && numbers[10] == -5);
    }
    free(many);
}

Test(errors, after_truncation_all_goes_on, .timeout = 60)
{
    job_run(2, MPI_THREAD_SINGLE, 20, truncate_and_go_on);
}

/* --- Collectives whose counts disagree ---------------------------------------------------------
 */

static int *parts, *results; /* that other ranks can read, or not */
static int root, class_of_last;

#define DISAGREEING(Name, ...)                                                                     \
    static int Name(int count)                                                                     \
    {                                                                                              \
        return __VA_ARGS__;                                                                        \
    }
DISAGREEING(bcast, MPI_Bcast(parts, count, MPI_INT, root, MPI_COMM_WORLD))
DISAGREEING(reduce, MPI_Reduce(parts, results, count, MPI_INT, MPI_SUM, root, MPI_COMM_WORLD))
DISAGREEING(allreduce, MPI_Allreduce(parts, results, count, MPI_INT, MPI_SUM, MPI_COMM_WORLD))
DISAGREEING(scan, MPI_Scan(parts, results, count, MPI_INT, MPI_SUM, MPI_COMM_WORLD))
DISAGREEING(reduce_scatter,
            MPI_Reduce_scatter_block(parts, results, count, MPI_INT, MPI_SUM, MPI_COMM_WORLD))
DISAGREEING(allgather,
            MPI_Allgather(parts, count, MPI_INT, results, count, MPI_INT, MPI_COMM_WORLD))
DISAGREEING(alltoall, MPI_Alltoall(parts, count, MPI_INT, results, count, MPI_INT, MPI_COMM_WORLD))
DISAGREEING(gather,
            MPI_Gather(parts, count, MPI_INT, results, count, MPI_INT, root, MPI_COMM_WORLD))
DISAGREEING(scatter,
            MPI_Scatter(parts, count, MPI_INT, results, count, MPI_INT, root, MPI_COMM_WORLD))

static const struct disagreeing {
    int (*call)(int count);
    const char *function;
    bool by_message; /* when it is long: who has failed is missing there */
} disagreeings[] = {
    {bcast, "MPI_Bcast", false},
    {reduce, "MPI_Reduce", false},
    {allreduce, "MPI_Allreduce", false},
    {scan, "MPI_Scan", false},
    {reduce_scatter, "MPI_Reduce_scatter_block", false},
    {allgather, "MPI_Allgather", false},
    {alltoall, "MPI_Alltoall", false},
    {gather, "MPI_Gather", true},
    {scatter, "MPI_Scatter", true},
};
static const struct disagreeing *disagreeing;

/* In a line of the processor, behind it in the slot, and in the ranks' memory. */
static const int lengths[] = {0, 5, 10, 500, 12500, 13000};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))
static int count_of_odd, count_of_rest;

static void disagree(int rank, int size)
{
    parts = calloc((size_t)size * 13000, sizeof(int));
    results = calloc((size_t)size * 13000, sizeof(int));
    disagreeing->call(rank == 1 ? count_of_odd : count_of_rest);
    MPI_Recv(numbers, 1, MPI_INT, (rank + 1) % size, 12345, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* Whoever notices ends the job, so that nobody hangs. */
Test(errors, disagreeing_counts_end_the_job, .timeout = 60)
{
    static const int pairs[][2] = {{10, 5}, {5, 500}, {5, 12500}, {12500, 5}, {13000, 12500}};
    for (size_t i = 0; i < sizeof(disagreeings) / sizeof(disagreeings[0]); i++) {
        disagreeing = &disagreeings[i];
        for (size_t k = 0; k < sizeof(pairs) / sizeof(pairs[0]); k++) {
            char text[64];
            count_of_odd = pairs[k][0];
            count_of_rest = pairs[k][1];
            root = (int)k % 2;
            struct job_outcome outcome = job_fail(3, 20, disagree);
            snprintf(text, sizeof(text), ": %s: MPI_ERR_", disagreeing->function);
            cr_expect(strstr(outcome.text, text) != NULL &&
                          strstr(outcome.text, "the counts do not agree") != NULL,
                      "%s of %d and %d: %s", disagreeing->function, count_of_odd, count_of_rest,
                      outcome.text);
            for (int rank = 0; rank < 3; rank++)
                cr_expect(outcome.status[rank] > 0 && outcome.status[rank] < 99,
                          "%s of %d and %d: rank %d has ended with status %d",
                          disagreeing->function, count_of_odd, count_of_rest, rank,
                          outcome.status[rank]);
        }
    }
}

/* With MPI_ERRORS_RETURN all go on, and the next collectives are right. */
static void disagree_and_go_on(int rank, int size)
{
    parts = fake_memory((size_t)size * 13000 * sizeof(int));
    results = fake_memory((size_t)size * 13000 * sizeof(int));
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    for (size_t i = 0; i < sizeof(disagreeings) / sizeof(disagreeings[0]); i++) {
        for (size_t k = 0; k < LENGTHS * LENGTHS; k++) {
            int odd = lengths[k / LENGTHS], rest = lengths[k % LENGTHS], failed, sum = 0;
            if (odd == rest || (disagreeings[i].by_message && (odd > 300 || rest > 300)))
                continue;
            root = (int)k % 2;
            int error = disagreeings[i].call(rank == 1 ? odd : rest);
            MPI_Error_class(error, &class_of_last);
            RANK_CHECK(class_of_last == MPI_SUCCESS || class_of_last == MPI_ERR_TRUNCATE ||
                       class_of_last == MPI_ERR_COUNT);
            if (disagreeings[i].call == bcast && rank != root && (rank == 1 || root == 1)) {
                int sent = root == 1 ? odd : rest, expected = root == 1 ? rest : odd;
                RANK_CHECK(class_of_last == (sent > expected ? MPI_ERR_TRUNCATE : MPI_ERR_COUNT));
            }
            failed = error != MPI_SUCCESS;
            RANK_CHECK(MPI_Allreduce(&failed, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD) ==
                       MPI_SUCCESS);
            RANK_CHECK(sum > 0, "%s of %d and %d: nobody has noticed", disagreeings[i].function,
                       odd, rest);
        }
    }
}

Test(errors, after_disagreeing_counts_all_goes_on, .timeout = 60)
{
    job_run(3, MPI_THREAD_SINGLE, 40, disagree_and_go_on);
}

/* --- How jobs end ------------------------------------------------------------------------------
 */

static void abort_job(int rank, int size)
{
    if (rank == size - 1)
        MPI_Abort(MPI_COMM_WORLD, 42);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void die(int rank, int size)
{
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == size - 1)
        raise(SIGKILL);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void leave(int rank, int size)
{
    if (rank == size - 1)
        _exit(0);
    MPI_Recv(numbers, 1, MPI_INT, MPI_ANY_SOURCE, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void expect_end(job_body *body, int last_status, const char *text)
{
    struct job_outcome outcome = job_fail(4, 20, body);
    cr_expect_eq(outcome.status[3], last_status, "status %d", outcome.status[3]);
    cr_expect_not_null(strstr(outcome.text, text), "%s is missing in:\n%s", text, outcome.text);
    for (int rank = 0; rank < 3; rank++)
        cr_expect(outcome.status[rank] > 0 && outcome.status[rank] < 99,
                  "rank %d has ended with status %d", rank, outcome.status[rank]);
}

Test(errors, jobs_end_with_their_ranks, .timeout = 60)
{
    expect_end(abort_job, 42, "rank 3: MPI_Abort was called with error code 42\n");
    expect_end(die, 128 + SIGKILL, "rank 3 has ended before MPI_Finalize\n");
    expect_end(leave, 0, "rank 3 has ended before MPI_Finalize\n");
}
