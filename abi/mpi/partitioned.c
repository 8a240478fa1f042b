/* Partitioned communication: MPI_Psend_init, MPI_Precv_init, MPI_Pready and MPI_Parrived.
 *
 * MPI_Psend_init announces itself to the receiver: tag, number and size of its partitions, and the
 * first of as many tags of the collective context as it has partitions. Announcements meet receives
 * in the order in which both were made. From then on every partition that becomes ready is a
 * message of its own, which the receiver, whatever its own partitions are, puts where its bytes
 * belong. A partition of the next round follows that of the last one, as messages of one tag do. */
#include "abi/mpi/partitioned.h"

#include "abi/mpi/check.h"
#include "abi/mpi/collective.h"

#include <stdlib.h>

struct announcement {
    int32_t tag;
    int32_t channel;    /* of the first partition */
    int64_t partitions; /* of the sender */
    int64_t bytes;      /* of each */
};
_Static_assert(sizeof(struct announcement) <= RING_INLINE, "one cell");

struct partitioned {
    struct request *request; /* NULL: freed before its announcement came, which it still takes */
    bool sends, matched;
    struct match_key key;          /* tag: the program's */
    struct datatype_stream stream; /* all of the buffer */
    int partitions;                /* of the program */
    int64_t count;                 /* elements of each */
    int channel;
    /* The messages of a round: the sender's partitions. */
    int64_t messages, bytes;
    struct request **parts; /* [messages] NULL: not begun in this round */
    bool *placed;           /* [messages] a received one whose bytes are in the buffer */
    char *staging; /* [messages * bytes], where messages do not end between elements; or NULL */
    uint32_t left; /* messages of this round that are not over */
    struct partitioned *next;
};

/* An announcement that no receive has met. */
struct announced {
    struct match_key key;
    struct announcement what;
    struct announced *next;
};

static struct partitioned *senders;   /* all */
static struct partitioned *receivers; /* without an announcement, oldest first */
static struct announced *announced;   /* oldest first */

static noreturn void no_memory(void)
{
    mpi_die(MPI_ERR_NO_MEM, "no memory for a partitioned operation");
}

/* --- Channels ----------------------------------------------------------------------------------
 */

/* The first of `count` tags that no sender of this rank has; 0: there are none. */
static int channel_take(int64_t count)
{
    static int next = 1;
    if (count == 0)
        count = 1;
    for (int turn = 0; turn < 2; turn++) {
        for (bool moved = true; moved && next + count <= CALL_TAG_MASK;) {
            moved = false;
            for (const struct partitioned *other = senders; other != NULL; other = other->next)
                if (next < other->channel + other->messages && other->channel < next + count) {
                    next = other->channel + (int)other->messages;
                    moved = true;
                }
        }
        if (next + count <= CALL_TAG_MASK) {
            int first = next;
            next += (int)count;
            return first;
        }
        next = 1;
    }
    return 0;
}

/* --- Meeting -----------------------------------------------------------------------------------
 */

static struct match_key part_key(const struct partitioned *partitioned, int64_t i)
{
    return (struct match_key){partitioned->key.context, partitioned->key.source,
                              call_tag(TAG_PARTITIONED, partitioned->channel + (int)i)};
}

static void parts_make(struct partitioned *partitioned)
{
    size_t count = (size_t)partitioned->messages + 1;
    partitioned->parts = calloc(count, sizeof(struct request *));
    partitioned->placed = calloc(count, sizeof(bool));
    if (partitioned->parts == NULL || partitioned->placed == NULL)
        no_memory();
}

/* Where message i goes, or comes from. */
static struct datatype_stream part_stream(const struct partitioned *partitioned, int64_t i)
{
    const struct datatype_stream *all = &partitioned->stream;
    if (partitioned->staging != NULL)
        return datatype_stream(partitioned->staging + i * partitioned->bytes, partitioned->bytes,
                               datatype_of(MPI_BYTE));
    int64_t count = all->type->size != 0 ? partitioned->bytes / all->type->size : 0;
    return stream_at(all->buffer, i * count, count, all->type);
}

static void part_begin(struct partitioned *partitioned, int64_t i)
{
    struct request *owner = partitioned->request;
    struct request *part =
        request_new(partitioned->sends ? REQUEST_SEND : REQUEST_RECEIVE, owner->comm);
    struct datatype_stream stream = part_stream(partitioned, i);
    struct match_key key = part_key(partitioned, i);
    datatype_retain((struct datatype *)(uintptr_t)stream.type);
    part->pending = &partitioned->left;
    partitioned->parts[i] = part;
    if (partitioned->sends)
        send_begin(part, &stream, owner->peer, SEND_STANDARD, &key);
    else
        receive_begin(part, &stream, &key);
}

static void receives_begin(struct partitioned *partitioned)
{
    partitioned->left = (uint32_t)partitioned->messages;
    for (int64_t i = 0; i < partitioned->messages; i++)
        part_begin(partitioned, i);
}

/* A receive and the announcement of its sender. */
static void meet(struct partitioned *receiver, const struct announcement *what)
{
    if (receiver->request == NULL) {
        free(receiver);
        return;
    }
    receiver->matched = true;
    receiver->channel = what->channel;
    receiver->messages = what->partitions;
    receiver->bytes = what->bytes;
    int64_t all = what->partitions * what->bytes, size = receiver->stream.type->size;
    parts_make(receiver);
    if (all != receiver->stream.bytes || (size != 0 && what->bytes % size != 0)) {
        receiver->staging = malloc((size_t)all + 1);
        if (receiver->staging == NULL)
            no_memory();
    }
    if (receiver->request->active)
        receives_begin(receiver);
}

static bool same(const struct match_key *one, const struct match_key *other)
{
    return one->context == other->context && one->source == other->source && one->tag == other->tag;
}

void partitioned_arrived(const struct arrival *arrival)
{
    struct announcement what;
    if (arrival->data == NULL || arrival->length != sizeof(what))
        mpi_die(MPI_ERR_INTERN, "rank %u has announced a send as no rank does",
                arrival->peer->rank);
    memcpy(&what, arrival->data, sizeof(what));
    int64_t all;
    if (what.channel <= 0 || what.partitions < 0 || what.bytes < 0 ||
        what.channel + what.partitions > CALL_TAG_MASK + INT64_C(1) ||
        __builtin_mul_overflow(what.partitions, what.bytes, &all))
        mpi_die(MPI_ERR_INTERN, "rank %u has announced a send as no rank does",
                arrival->peer->rank);
    struct match_key key = {arrival->key.context, arrival->key.source, what.tag};
    for (struct partitioned **at = &receivers; *at != NULL; at = &(*at)->next)
        if (same(&(*at)->key, &key)) {
            struct partitioned *receiver = *at;
            *at = receiver->next;
            meet(receiver, &what);
            return;
        }
    struct announced *waits = malloc(sizeof(*waits)), **end = &announced;
    if (waits == NULL)
        no_memory();
    while (*end != NULL)
        end = &(*end)->next;
    *waits = (struct announced){key, what, NULL};
    *end = waits;
}

/* A new receive: its announcement may be there already. */
static void receiver_enter(struct partitioned *receiver)
{
    struct partitioned **end = &receivers;
    for (struct announced **at = &announced; *at != NULL; at = &(*at)->next)
        if (same(&(*at)->key, &receiver->key)) {
            struct announced *found = *at;
            *at = found->next;
            meet(receiver, &found->what);
            free(found);
            return;
        }
    while (*end != NULL)
        end = &(*end)->next;
    *end = receiver;
}

static void sender_enter(struct partitioned *sender)
{
    struct request *announce = request_new(REQUEST_SEND, sender->request->comm);
    struct announcement *what = malloc(sizeof(*what));
    if (what == NULL)
        no_memory();
    *what =
        (struct announcement){sender->key.tag, sender->channel, sender->messages, sender->bytes};
    announce->owned = what;
    announce->forgotten = true;
    struct datatype_stream stream = datatype_stream(what, sizeof(*what), datatype_of(MPI_BYTE));
    struct match_key key = {sender->key.context, sender->key.source, PARTITIONED_ANNOUNCE};
    sender->next = senders;
    senders = sender;
    parts_make(sender);
    send_begin(announce, &stream, sender->request->peer, SEND_STANDARD, &key);
}

/* --- Rounds ------------------------------------------------------------------------------------
 */

/* Puts what has come for message i into the buffer, if it is not there yet. */
static void part_place(struct partitioned *partitioned, int64_t i)
{
    if (partitioned->staging == NULL || partitioned->placed[i])
        return;
    int64_t at = i * partitioned->bytes, length = partitioned->bytes;
    if (length > partitioned->stream.bytes - at)
        length = partitioned->stream.bytes - at;
    if (length > 0)
        datatype_unpack(&partitioned->stream, at, length, partitioned->staging + at);
    partitioned->placed[i] = true;
}

void partitioned_start(struct request *request)
{
    struct partitioned *partitioned = request->partitioned;
    request->complete = false;
    partitioned->left = (uint32_t)partitioned->messages;
    if (!partitioned->sends && partitioned->matched)
        receives_begin(partitioned);
    request->next = mpi.schedules;
    mpi.schedules = request;
}

bool partitioned_advance(struct request *request)
{
    struct partitioned *partitioned = request->partitioned;
    if ((!partitioned->sends && !partitioned->matched) || partitioned->left != 0)
        return false;
    for (int64_t i = 0; i < partitioned->messages; i++) {
        if (!partitioned->sends)
            part_place(partitioned, i);
        partitioned->placed[i] = false;
        if (partitioned->parts[i]->error != MPI_SUCCESS)
            request->error = partitioned->parts[i]->error;
        request_free(partitioned->parts[i]);
        partitioned->parts[i] = NULL;
    }
    request->bytes = partitioned->messages * partitioned->bytes;
    if (!partitioned->sends && request->bytes > partitioned->stream.bytes)
        request->error = MPI_ERR_TRUNCATE;
    request->complete = true;
    return true;
}

void partitioned_free(struct request *request)
{
    struct partitioned *partitioned = request->partitioned;
    if (partitioned == NULL)
        return;
    partitioned->request = NULL;
    if (!partitioned->sends && !partitioned->matched)
        return; /* freed when the announcement comes */
    for (struct partitioned **at = &senders; *at != NULL; at = &(*at)->next)
        if (*at == partitioned) {
            *at = partitioned->next;
            break;
        }
    free(partitioned->parts);
    free(partitioned->placed);
    free(partitioned->staging);
    free(partitioned);
}

/* --- Calls -------------------------------------------------------------------------------------
 */

static int check_partitions(MPI_Comm handle, int partitions, int64_t count, int64_t *all,
                            const char *function)
{
    int error;
    struct comm *comm = check_comm(handle, function, &error);
    if (comm == NULL)
        return error;
    if (partitions < 0)
        return comm_error(comm, MPI_ERR_ARG, function, "%d partitions; 0 and up would be right",
                          partitions);
    if (__builtin_mul_overflow(count, partitions, all))
        return comm_error(comm, MPI_ERR_COUNT, function, "the count is %lld, for %d partitions",
                          (long long)count, partitions);
    return MPI_SUCCESS;
}

static int enter(const struct described *message, bool sends, int partitions, int64_t count,
                 int tag, MPI_Request *handle, const char *function)
{
    mpi_lock();
    struct request *request = request_new(REQUEST_PARTITIONED, message->comm);
    request->persistent = request->complete = true;
    request->partitioned = NULL;
    request->source = MPI_PROC_NULL;
    request->tag = MPI_ANY_TAG;
    request->reports = !sends;
    *handle = (MPI_Request)request;
    if (message->nobody) {
        mpi_unlock();
        return MPI_SUCCESS;
    }
    int channel = sends ? channel_take(partitions) : 0;
    if (sends && channel == 0) {
        request_free(request);
        mpi_unlock();
        return comm_error(message->comm, MPI_ERR_NO_MEM, function,
                          "more than %d partitions are in use", CALL_TAG_MASK);
    }
    struct partitioned *partitioned = calloc(1, sizeof(*partitioned));
    if (partitioned == NULL)
        no_memory();
    datatype_retain((struct datatype *)(uintptr_t)message->stream.type);
    request->stream = message->stream;
    request->peer = message->peer;
    request->startable = true;
    request->source = message->key.source;
    request->tag = tag;
    request->partitioned = partitioned;
    *partitioned = (struct partitioned){
        .request = request,
        .sends = sends,
        .key = {message->key.context + 1, message->key.source, tag},
        .stream = message->stream,
        .partitions = partitions,
        .count = count,
        .channel = channel,
        .messages = partitions,
        .bytes = count * message->stream.type->size,
    };
    if (sends)
        sender_enter(partitioned);
    else
        receiver_enter(partitioned);
    mpi_unlock();
    return MPI_SUCCESS;
}

static int psend_init(const void *buffer, int partitions, int64_t count, MPI_Datatype type, int to,
                      int tag, MPI_Comm comm, MPI_Request *handle)
{
    static const char function[] = "MPI_Psend_init";
    struct described message;
    int64_t all;
    int error = check_partitions(comm, partitions, count, &all, function);
    if (error != MPI_SUCCESS)
        return error;
    if (!described_send(&message, buffer, all, type, to, tag, comm)) {
        error = describe_again(&message, false, all, type, to, tag, comm, function);
        if (error != MPI_SUCCESS)
            return error;
    }
    return enter(&message, true, partitions, count, tag, handle, function);
}

static int precv_init(void *buffer, int partitions, int64_t count, MPI_Datatype type, int from,
                      int tag, MPI_Comm comm, MPI_Request *handle)
{
    static const char function[] = "MPI_Precv_init";
    struct described message;
    int64_t all;
    int error = check_partitions(comm, partitions, count, &all, function);
    if (error != MPI_SUCCESS)
        return error;
    /* As of a send: wildcards are not for partitioned receives. */
    if (!described_send(&message, buffer, all, type, from, tag, comm)) {
        error = describe_again(&message, false, all, type, from, tag, comm, function);
        if (error != MPI_SUCCESS)
            return error;
    }
    message.key.source = from;
    return enter(&message, false, partitions, count, tag, handle, function);
}

#define PSEND_INIT(Count)                                                                          \
    (const void *buffer, int partitions, Count count, MPI_Datatype type, int to, int tag,          \
     MPI_Comm comm, MPI_Info info, MPI_Request *request)
WITH_COUNTS(Psend_init, PSEND_INIT, {
    (void)info;
    return psend_init(buffer, partitions, count, type, to, tag, comm, request);
})
#define PRECV_INIT(Count)                                                                          \
    (void *buffer, int partitions, Count count, MPI_Datatype type, int from, int tag,              \
     MPI_Comm comm, MPI_Info info, MPI_Request *request)
WITH_COUNTS(Precv_init, PRECV_INIT, {
    (void)info;
    return precv_init(buffer, partitions, count, type, from, tag, comm, request);
})

/* With the lock, which it gives up on errors. */
static int ready(struct request *request, int partition, const char *function)
{
    struct partitioned *partitioned = request->partitioned;
    if (partitioned == NULL) /* MPI_PROC_NULL */
        return MPI_SUCCESS;
    struct comm *comm = request->comm;
    if (!partitioned->sends || !request->active) {
        mpi_unlock();
        return comm_error(comm, MPI_ERR_REQUEST, function,
                          "the request is %s; a partitioned send that is active would be right",
                          partitioned->sends ? "not active" : "a receive");
    }
    if (partition < 0 || partition >= partitioned->partitions ||
        partitioned->parts[partition] != NULL) {
        mpi_unlock();
        return comm_error(comm, MPI_ERR_ARG, function,
                          "partition %d is ready already, or not in 0 to %d", partition,
                          partitioned->partitions - 1);
    }
    part_begin(partitioned, partition);
    return MPI_SUCCESS;
}

/* The partitions first, first + 1, ..., or those of a list. */
static int ready_several(MPI_Request handle, int first, int count, const int list[],
                         const char *function)
{
    int error = MPI_SUCCESS;
    mpi_lock();
    struct request *request = request_of(handle);
    if (request == NULL || request->kind != REQUEST_PARTITIONED) {
        mpi_unlock();
        return error_raise(MPI_ERR_REQUEST, function, "the request is no partitioned one");
    }
    for (int i = 0; i < count && error == MPI_SUCCESS; i++)
        error = ready(request, list != NULL ? list[i] : first + i, function);
    if (error == MPI_SUCCESS)
        mpi_unlock();
    return error;
}

MPI_PROFILED(Pready)
int PMPI_Pready(int partition, MPI_Request request)
{
    return ready_several(request, partition, 1, NULL, "MPI_Pready");
}

MPI_PROFILED(Pready_range)
int PMPI_Pready_range(int low, int high, MPI_Request request)
{
    if (high < low)
        return error_raise(MPI_ERR_ARG, "MPI_Pready_range", "the range is %d to %d", low, high);
    return ready_several(request, low, high - low + 1, NULL, "MPI_Pready_range");
}

MPI_PROFILED(Pready_list)
int PMPI_Pready_list(int length, const int partitions[], MPI_Request request)
{
    if (length < 0 || (length > 0 && partitions == NULL))
        return error_raise(MPI_ERR_ARG, "MPI_Pready_list", "the list has %d entries", length);
    return ready_several(request, 0, length, partitions, "MPI_Pready_list");
}

/* Have all messages come that bring bytes of this partition of the receiver? */
static bool arrived(struct partitioned *partitioned, int partition)
{
    if (!partitioned->matched)
        return false;
    int64_t length = partitioned->count * partitioned->stream.type->size;
    if (length == 0 || partitioned->bytes == 0)
        return true;
    int64_t first = partition * length / partitioned->bytes;
    int64_t last = ((partition + 1) * length - 1) / partitioned->bytes;
    for (int64_t i = first; i <= last && i < partitioned->messages; i++) {
        if (!partitioned->parts[i]->complete)
            return false;
        part_place(partitioned, i);
    }
    return true;
}

MPI_PROFILED(Parrived)
int PMPI_Parrived(MPI_Request handle, int partition, int *flag)
{
    static const char function[] = "MPI_Parrived";
    *flag = 1;
    if (handle == MPI_REQUEST_NULL)
        return MPI_SUCCESS;
    mpi_lock();
    struct request *request = request_of(handle);
    bool receives = request != NULL && request->kind == REQUEST_PARTITIONED &&
                    (request->partitioned == NULL || !request->partitioned->sends);
    if (!receives) {
        mpi_unlock();
        return error_raise(MPI_ERR_REQUEST, function, "the request is no partitioned receive");
    }
    struct partitioned *partitioned = request->partitioned;
    struct comm *comm = request->comm;
    if (partitioned != NULL && (partition < 0 || partition >= partitioned->partitions)) {
        int partitions = partitioned->partitions;
        mpi_unlock();
        return comm_error(comm, MPI_ERR_ARG, function,
                          "the partition is %d; 0 to %d would be right", partition, partitions - 1);
    }
    if (partitioned != NULL && request->active && !request->complete) {
        engine_step();
        *flag = request->complete || arrived(partitioned, partition);
    }
    mpi_unlock();
    return MPI_SUCCESS;
}
