#include "abi/mpi/schedule.h"

#include "abi/mpi/partitioned.h"

#include <stdlib.h>

enum step_kind { STEP_SEND, STEP_RECEIVE, STEP_WAIT, STEP_COPY, STEP_REDUCE, STEP_CALL };

struct step {
    enum step_kind kind;
    struct datatype_stream stream, from; /* from: of a copy */
    struct peer *peer;
    uint32_t context;
    int source, tag;
    struct op *op;
    const void *left;
    void *right;
    int64_t count;
    const struct datatype *type;
    void (*function)(void *);
    void *argument;
};

struct memory {
    struct memory *next;
    _Alignas(SHM_LINE) char bytes[];
};

struct schedule {
    struct comm *comm;
    int tag;
    struct step *steps;
    size_t count, room, next; /* next: to be begun */
    struct request **under_way;
    size_t under_way_count;
    struct memory *memory;
    struct request *request;
};

static noreturn void no_memory(void)
{
    mpi_die(MPI_ERR_NO_MEM, "no memory for a collective");
}

/* --- Making ------------------------------------------------------------------------------------
 */

struct schedule *schedule_new(struct comm *comm)
{
    struct schedule *schedule = calloc(1, sizeof(*schedule));
    if (schedule == NULL)
        no_memory();
    comm_retain(comm);
    schedule->comm = comm;
    schedule->tag = (int)(comm->sequence++ & INT32_MAX);
    return schedule;
}

static void type_retain(const struct datatype *type)
{
    datatype_retain((struct datatype *)(uintptr_t)type);
}

static void type_release(const struct datatype *type)
{
    if (type != NULL)
        datatype_release((struct datatype *)(uintptr_t)type);
}

void schedule_free(struct schedule *schedule)
{
    for (size_t i = 0; i < schedule->count; i++) {
        struct step *step = &schedule->steps[i];
        type_release(step->stream.type);
        type_release(step->from.type);
        type_release(step->type);
        if (step->op != NULL)
            op_release(step->op);
    }
    while (schedule->memory != NULL) {
        struct memory *memory = schedule->memory;
        schedule->memory = memory->next;
        free(memory);
    }
    comm_release(schedule->comm);
    free(schedule->steps);
    free(schedule->under_way);
    free(schedule);
}

static struct step *add(struct schedule *schedule, enum step_kind kind)
{
    if (schedule->count == schedule->room) {
        size_t room = schedule->room != 0 ? 2 * schedule->room : 16;
        struct step *steps = realloc(schedule->steps, room * sizeof(*steps));
        struct request **under_way = realloc(schedule->under_way, room * sizeof(struct request *));
        if (under_way != NULL)
            schedule->under_way = under_way;
        if (steps == NULL || under_way == NULL)
            no_memory();
        schedule->steps = steps;
        schedule->room = room;
    }
    struct step *step = &schedule->steps[schedule->count++];
    *step =
        (struct step){.kind = kind, .context = schedule->comm->context + 1, .tag = schedule->tag};
    return step;
}

void schedule_send(struct schedule *schedule, struct datatype_stream from, int rank)
{
    struct step *step = add(schedule, STEP_SEND);
    step->stream = from;
    step->peer = schedule->comm->to[rank];
    step->source = schedule->comm->rank;
    type_retain(from.type);
}

void schedule_receive(struct schedule *schedule, struct datatype_stream to, int rank)
{
    struct step *step = add(schedule, STEP_RECEIVE);
    step->stream = to;
    step->source = rank;
    type_retain(to.type);
}

void schedule_send_to(struct schedule *schedule, struct datatype_stream from, int rank_in_job)
{
    struct step *step = add(schedule, STEP_SEND);
    step->stream = from;
    step->peer = &transport.peers[rank_in_job];
    step->source = (int)transport.rank;
    type_retain(from.type);
}

void schedule_receive_from(struct schedule *schedule, struct datatype_stream to, int rank_in_job)
{
    schedule_receive(schedule, to, rank_in_job);
}

void schedule_program_send(struct schedule *schedule, struct datatype_stream from,
                           struct peer *peer, const struct match_key *key)
{
    struct step *step = add(schedule, STEP_SEND);
    step->stream = from;
    step->peer = peer;
    step->context = key->context;
    step->source = key->source;
    step->tag = key->tag;
    type_retain(from.type);
}

void schedule_program_receive(struct schedule *schedule, struct datatype_stream to,
                              const struct match_key *key)
{
    struct step *step = add(schedule, STEP_RECEIVE);
    step->stream = to;
    step->context = key->context;
    step->source = key->source;
    step->tag = key->tag;
    type_retain(to.type);
}

void schedule_tag(struct schedule *schedule, int tag)
{
    schedule->tag = tag;
}

void schedule_wait(struct schedule *schedule)
{
    add(schedule, STEP_WAIT);
}

void schedule_copy(struct schedule *schedule, struct datatype_stream to,
                   struct datatype_stream from)
{
    struct step *step = add(schedule, STEP_COPY);
    step->stream = to;
    step->from = from;
    type_retain(to.type);
    type_retain(from.type);
}

void schedule_reduce(struct schedule *schedule, struct op *op, const void *left, void *right,
                     int64_t count, const struct datatype *type)
{
    struct step *step = add(schedule, STEP_REDUCE);
    step->op = op_retain(op);
    step->left = left;
    step->right = right;
    step->count = count;
    step->type = type;
    type_retain(type);
}

void schedule_call(struct schedule *schedule, void (*function)(void *), void *argument)
{
    struct step *step = add(schedule, STEP_CALL);
    step->function = function;
    step->argument = argument;
}

void *schedule_memory(struct schedule *schedule, int64_t bytes)
{
    struct memory *memory = NULL;
    if (bytes < INT64_MAX - (int64_t)sizeof(*memory))
        memory = aligned_alloc(SHM_LINE, (sizeof(*memory) + (size_t)bytes + SHM_LINE - 1) /
                                             SHM_LINE * SHM_LINE);
    if (memory == NULL)
        no_memory();
    memory->next = schedule->memory;
    schedule->memory = memory;
    return memory->bytes;
}

char *schedule_buffer(struct schedule *schedule, const struct datatype *type, int64_t count)
{
    int64_t bytes = count > 0 ? type->true_extent : 0, more;
    int64_t stride = type->extent < 0 ? -type->extent : type->extent;
    if (count > 1 && (__builtin_mul_overflow(stride, count - 1, &more) ||
                      __builtin_add_overflow(bytes, more, &bytes)))
        no_memory();
    char *memory = schedule_memory(schedule, bytes);
    memory -= type->true_lb;
    return type->extent < 0 && count > 1 ? memory + stride * (count - 1) : memory;
}

/* --- Running -----------------------------------------------------------------------------------
 */

static void begin_message(struct schedule *schedule, const struct step *step)
{
    bool sends = step->kind == STEP_SEND;
    struct request *request = request_new(sends ? REQUEST_SEND : REQUEST_RECEIVE, schedule->comm);
    struct match_key key = {step->context, step->source, step->tag};
    type_retain(step->stream.type);
    schedule->under_way[schedule->under_way_count++] = request;
    if (sends)
        send_begin(request, &step->stream, step->peer, SEND_STANDARD, &key);
    else
        receive_begin(request, &step->stream, &key);
}

/* Are all messages under way over? Frees those that are. */
static bool settled(struct schedule *schedule)
{
    size_t left = 0;
    for (size_t i = 0; i < schedule->under_way_count; i++) {
        struct request *request = schedule->under_way[i];
        if (!request->complete) {
            schedule->under_way[left++] = request;
            continue;
        }
        if (request->error != MPI_SUCCESS && schedule->request->error == MPI_SUCCESS)
            schedule->request->error = request->error;
        if (schedule->request->reports && request->kind == REQUEST_RECEIVE) {
            schedule->request->source = request->source;
            schedule->request->tag = request->tag;
            schedule->request->bytes = request->bytes;
        }
        request_free(request);
    }
    schedule->under_way_count = left;
    return left == 0;
}

/* Goes as far as it can. True: something was done. */
static bool advance(struct schedule *schedule)
{
    size_t before = schedule->next;
    for (; schedule->next < schedule->count; schedule->next++) {
        const struct step *step = &schedule->steps[schedule->next];
        switch (step->kind) {
        case STEP_SEND:
        case STEP_RECEIVE:
            begin_message(schedule, step);
            break;
        case STEP_WAIT:
            if (!settled(schedule))
                return schedule->next != before;
            break;
        case STEP_COPY:
            datatype_copy(&step->stream, &step->from);
            break;
        case STEP_REDUCE:
            op_apply(step->op, step->left, step->right, step->count, step->type);
            break;
        case STEP_CALL:
            step->function(step->argument);
            break;
        }
    }
    if (settled(schedule)) {
        schedule->request->complete = true;
        return true;
    }
    return schedule->next != before;
}

bool schedule_advance(void)
{
    static bool advancing;
    bool moved = false;
    if (advancing) /* a user's operation has called MPI */
        return false;
    advancing = true;
    for (struct request **at = &mpi.schedules; *at != NULL;) {
        struct request *request = *at;
        moved |= request->kind == REQUEST_PARTITIONED ? partitioned_advance(request)
                                                      : advance(request->schedule);
        if (request->complete) {
            *at = request->next;
            request_finish(request);
        } else {
            at = &request->next;
        }
    }
    advancing = false;
    return moved;
}

void schedule_start(struct request *request)
{
    struct schedule *schedule = request->schedule;
    schedule->next = 0;
    request->complete = false;
    request->error = MPI_SUCCESS;
    advance(schedule);
    if (request->complete) {
        request_finish(request);
        return;
    }
    request->next = mpi.schedules;
    mpi.schedules = request;
}

struct request *schedule_keep(struct schedule *schedule)
{
    struct request *request = request_new(REQUEST_SCHEDULE, schedule->comm);
    request->schedule = schedule;
    schedule->request = request;
    request->complete = true;
    return request;
}

struct request *schedule_begin(struct schedule *schedule)
{
    struct request *request = schedule_keep(schedule);
    schedule_start(request);
    return request;
}

int schedule_run(struct schedule *schedule)
{
    return request_wait_free(schedule_begin(schedule), NULL);
}
