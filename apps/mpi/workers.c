/* A master hands out tasks to whoever is free, and takes results from whoever has one: it receives
 * from any source with any tag, and the tag says which task it is the result of. The tasks are of
 * very different sizes: the longest Collatz sequence that begins in a range of numbers. Alone, the
 * master works itself. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define TASKS 60
#define RANGE 500 /* numbers of a task */
#define NO_TASK TASKS

struct result {
    int64_t start, length, steps; /* of the longest; of all sequences */
};

static struct result work(int task)
{
    struct result result = {0, 0, 0};

    for (int64_t start = (int64_t)task * RANGE + 1; start <= (int64_t)(task + 1) * RANGE; start++) {
        int64_t length = 1;
        for (int64_t at = start; at != 1; length++)
            at = at % 2 ? 3 * at + 1 : at / 2;
        result.steps += length - 1;
        if (length > result.length) {
            result.length = length;
            result.start = start;
        }
    }
    return result;
}

static void worker(void)
{
    MPI_Status status;
    int task;

    for (;;) {
        MPI_Recv(&task, 1, MPI_INT, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
        if (status.MPI_TAG == NO_TASK)
            return;
        struct result result = work(task);
        MPI_Send(&result, 3, MPI_INT64_T, 0, task, MPI_COMM_WORLD);
    }
}

static void hand_out(int worker_rank, int *next)
{
    int tag = *next < TASKS ? *next : NO_TASK;

    MPI_Send(next, 1, MPI_INT, worker_rank, tag, MPI_COMM_WORLD);
    if (tag != NO_TASK)
        ++*next;
}

static struct result master(int size)
{
    struct result all = {0, 0, 0}, results[TASKS];
    int next = 0, seen[TASKS] = {0};

    for (int i = 1; i < size; i++)
        hand_out(i, &next);
    for (int done = 0; done < TASKS; done++) {
        struct result result;
        MPI_Status status = {.MPI_SOURCE = 0, .MPI_TAG = done};
        if (size == 1) {
            result = work(done);
        } else {
            MPI_Recv(&result, 3, MPI_INT64_T, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
            hand_out(status.MPI_SOURCE, &next);
        }
        if (status.MPI_TAG < 0 || status.MPI_TAG >= TASKS || seen[status.MPI_TAG]++) {
            fprintf(stderr, "workers: task %d came a second time\n", status.MPI_TAG);
            MPI_Abort(MPI_COMM_WORLD, 1);
            break;
        }
        results[status.MPI_TAG] = result;
    }
    for (int i = 0; i < TASKS; i++) {
        all.steps += results[i].steps;
        if (results[i].length > all.length) {
            all.length = results[i].length;
            all.start = results[i].start;
        }
    }
    return all;
}

int main(int argc, char **argv)
{
    int rank, size;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0) {
        struct result all = master(size);
        printf("workers: %lld steps; from %lld on, %lld numbers\n", (long long)all.steps,
               (long long)all.start, (long long)all.length);
    } else {
        worker();
    }
    MPI_Finalize();
    return 0;
}
