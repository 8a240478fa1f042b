#include "abi/mpi/slots_steps.h"

#include "abi/mpi/collective.h"

#include <stdlib.h>

#define LOOKS 64 /* at one flag, before anything else is looked at */

void slots_end(struct comm *comm)
{
    if (comm->slots == NULL)
        return;
    /* By messages: who is through has nothing in its own slots that another waits for. */
    struct schedule *schedule = schedule_new(comm);
    barrier_build(schedule, comm);
    schedule_run(schedule);
}

void slots_free(struct slots *slots)
{
    if (slots == NULL)
        return;
    atoll_memory_free(slots->own);
    free(slots->scratch);
    free(slots->partial);
    free(slots);
}

char *slots_partial(struct slots *slots, size_t bytes)
{
    if (bytes > slots->partial_room) {
        free(slots->partial);
        slots->partial = malloc(bytes);
        slots->partial_room = bytes;
        if (slots->partial == NULL)
            mpi_die(MPI_ERR_NO_MEM, "no memory for a collective");
    }
    return slots->partial;
}

/* Every rank tells every other where its row is: window 0 long where there is no room. Afterwards
 * all have slots, or none has. */
static void slots_make(struct comm *comm)
{
    struct atoll_window own = {0};
    void *memory = NULL;
    comm->slots_tried = true;
    if (comm->size < 2 || comm->size > SLOTS_RANKS_MOST || comm->is_inter)
        return;
    struct schedule *schedule = schedule_new(comm);
    struct atoll_window *windows = schedule_memory(schedule, (int64_t)sizeof(own) * comm->size);
    struct slots *slots = calloc(1, sizeof(*slots) + sizeof(slots->rows[0]) * (size_t)comm->size);
    char *scratch = aligned_alloc(SHM_LINE, SLOT_BYTES + SHM_LINE);
    if (slots != NULL && scratch != NULL && atoll_memory_alloc(sizeof(struct row), &memory) == 0) {
        memset(memory, 0, sizeof(struct row));
        atoll_window_make(memory, sizeof(struct row), &own);
    }
    const struct datatype *byte = datatype_of(MPI_BYTE);
    windows[comm->rank] = own;
    struct datatype_stream out = datatype_stream(&own, sizeof(own), byte);
    for (int i = 0; i < comm->size; i++) {
        if (i == comm->rank)
            continue;
        schedule_receive(schedule, datatype_stream(&windows[i], sizeof(own), byte), i);
        schedule_send(schedule, out, i);
    }
    struct request *request = schedule_keep(schedule);
    schedule_start(request);
    ENGINE_WAIT_UNTIL(request->complete)
    bool all = true;
    for (int i = 0; i < comm->size; i++) {
        const void *row = memory;
        all = all && windows[i].length == sizeof(struct row) &&
              (i == comm->rank || atoll_window_map(&windows[i], &row) == 0);
        if (all)
            slots->rows[i] = row;
    }
    request_free(request);
    if (!all) {
        if (memory != NULL)
            atoll_memory_free(memory);
        free(scratch);
        free(slots);
        return;
    }
    slots->own = memory;
    slots->scratch = scratch;
    comm->slots = slots;
}

struct slots *slots_of(struct comm *comm)
{
    if (UNLIKELY(comm->slots == NULL && !comm->slots_tried))
        slots_make(comm);
    return comm->slots;
}

/* --- One operation -----------------------------------------------------------------------------
 */

static void wait_for(const _Atomic uint64_t *word, uint64_t least)
{
    for (unsigned looks = 0; looks < LOOKS && !transport.crowded; looks++) {
        if (atomic_load_explicit(word, memory_order_acquire) >= least)
            return;
        library_pause();
    }
    ENGINE_WAIT_UNTIL(atomic_load_explicit(word, memory_order_acquire) >= least)
}

struct slot *slot_claim(const struct comm *comm, struct slots *slots)
{
    if (UNLIKELY(slots->number - slots->safe >= SLOTS)) {
        uint64_t safe = UINT64_MAX;
        for (int i = 0; i < comm->size; i++) {
            if (i != comm->rank)
                wait_for(&slots->rows[i]->passed, slots->number + 1 - SLOTS);
            uint64_t passed = i == comm->rank ? slots->number
                                              : atomic_load_explicit(&slots->rows[i]->passed,
                                                                     memory_order_acquire);
            safe = passed < safe ? passed : safe;
        }
        slots->safe = safe;
    }
    return &slots->own->slots[slots->number % SLOTS];
}

static void wake_all(const struct comm *comm)
{
    for (int i = 0; i < comm->size; i++)
        if (i != comm->rank)
            transport_notify(comm->to[i]);
}

uint8_t *slot_data(struct slot *slot, uint64_t about)
{
    return slot_place(about) == SLOT_IN_LINE ? (uint8_t *)slot->words : slot->bytes;
}

void slot_publish(const struct comm *comm, const struct slots *slots, struct slot *slot,
                  uint64_t about)
{
    slot->about = about;
    atomic_store_explicit(&slot->flag, slots->number + 1, memory_order_release);
    wake_all(comm);
}

/* Keeps the first disagreement of the operation. */
__attribute__((cold, noinline)) static void disagree(const struct comm *comm, struct slots *slots,
                                                     int rank, uint64_t theirs, uint64_t ours)
{
    const struct slot *own = &slots->own->slots[slots->number % SLOTS];
    if (!slots->disagrees) {
        slots->disagrees = true;
        slots->other = rank;
        slots->theirs = theirs;
        slots->ours = ours;
    }
    if (atomic_load_explicit(&own->flag, memory_order_relaxed) != slots->number + 1)
        slot_publish(comm, slots, slot_claim(comm, slots), ours);
}

const uint8_t *slot_read(const struct comm *comm, struct slots *slots, int rank, uint64_t about)
{
    const struct slot *slot = &slots->rows[rank]->slots[slots->number % SLOTS];
    wait_for(&slot->flag, slots->number + 1);
    uint64_t theirs = SHM_READ_ONCE(slot->about);
    if (UNLIKELY(theirs != about)) {
        disagree(comm, slots, rank, theirs, about);
        return NULL;
    }
    return slot_place(about) == SLOT_IN_LINE ? (const uint8_t *)slot->words : slot->bytes;
}

bool slots_agree(struct comm *comm, enum slot_call call, int64_t bytes, int first, int end)
{
    struct slots *slots = slots_of(comm);
    if (slots == NULL)
        return true;
    uint64_t about = slot_about(call, bytes, INT64_MAX);
    about |= (uint64_t)SLOT_BY_MESSAGE << ABOUT_BYTES_BITS;
    slot_publish(comm, slots, slot_claim(comm, slots), about);
    for (int i = first; i < end; i++)
        if (i != comm->rank)
            slot_read(comm, slots, i, about);
    slots_over(comm, slots);
    return !slots->disagrees;
}

int slots_done(struct comm *comm, const char *function)
{
    struct slots *slots = comm->slots;
    if (!UNLIKELY(slots->disagrees))
        return MPI_SUCCESS;
    const uint64_t mask = ((uint64_t)1 << ABOUT_BYTES_BITS) - 1;
    uint64_t theirs = slots->theirs, ours = slots->ours;
    int other = slots->other;
    slots->disagrees = false;
    mpi_unlock();
    if (theirs >> (ABOUT_BYTES_BITS + 2) != ours >> (ABOUT_BYTES_BITS + 2))
        return comm_error(comm, MPI_ERR_OTHER, function,
                          "rank %d of the communicator is in another collective", other);
    return comm_error(
        comm, (theirs & mask) > (ours & mask) ? MPI_ERR_TRUNCATE : MPI_ERR_COUNT, function,
        "the counts do not agree: rank %d of the communicator has %llu bytes, this "
        "one expects %llu",
        other, (unsigned long long)(theirs & mask), (unsigned long long)(ours & mask));
}

void slots_over(const struct comm *comm, struct slots *slots)
{
    slots->number++;
    atomic_store_explicit(&slots->own->passed, slots->number, memory_order_release);
    wake_all(comm); /* who wants to write where this rank may have read */
}

void slots_settle(const struct comm *comm, const struct slots *slots)
{
    for (int i = 0; i < comm->size; i++)
        if (i != comm->rank)
            wait_for(&slots->rows[i]->passed, slots->number);
}

bool slots_barrier(struct comm *comm)
{
    struct slots *slots = slots_of(comm);
    if (slots == NULL)
        return false;
    const uint64_t about = slot_about(SLOT_BARRIER, 0, 0);
    slot_publish(comm, slots, slot_claim(comm, slots), about);
    for (int i = 0; i < comm->size; i++)
        if (i != comm->rank)
            slot_read(comm, slots, i, about);
    slots_over(comm, slots);
    return true;
}

bool slots_bcast(struct comm *comm, struct datatype_stream stream, int root)
{
    struct slots *slots;
    if (comm->is_inter || stream.bytes > SLOT_BYTES || (slots = slots_of(comm)) == NULL)
        return false;
    const uint64_t about = slot_about(SLOT_BCAST, stream.bytes, stream.bytes);
    if (comm->rank == root) {
        struct slot *slot = slot_claim(comm, slots);
        datatype_pack(&stream, 0, stream.bytes, slot_data(slot, about));
        slot_publish(comm, slots, slot, about);
    } else {
        const uint8_t *data = slot_read(comm, slots, root, about);
        if (data != NULL)
            datatype_unpack(&stream, 0, stream.bytes, data);
    }
    slots_over(comm, slots);
    return true;
}

bool slots_reduce(struct comm *comm, const void *own, void *in, int64_t count,
                  const struct datatype *type, struct op *op, int root)
{
    struct datatype_stream from = datatype_stream(own, count, type);
    struct slots *slots;
    int64_t bytes = from.bytes;
    /* Others' contributions are combined where they lie: only for types without gaps. */
    if (bytes > SLOT_BYTES || !type->contiguous || (slots = slots_of(comm)) == NULL)
        return false;
    const uint64_t about = slot_about(root < 0 ? SLOT_ALLREDUCE : SLOT_REDUCE, bytes, bytes);
    if (root < 0 || root != comm->rank) {
        struct slot *slot = slot_claim(comm, slots);
        if (bytes != 0)
            memcpy(slot_data(slot, about), own, (size_t)bytes);
        slot_publish(comm, slots, slot, about);
    }
    if (root < 0 || root == comm->rank) {
        /* right = left op right: from the last rank down, so that each is on the left in turn. */
        char *result = slots->scratch;
        for (int i = comm->size - 1; i >= 0; i--) {
            const void *part = i == comm->rank ? own : slot_read(comm, slots, i, about);
            if (bytes == 0 || UNLIKELY(slots->disagrees))
                continue;
            if (i == comm->size - 1)
                memcpy(result, part, (size_t)bytes);
            else
                op_apply(op, part, result, count, type);
        }
        if (bytes != 0 && !slots->disagrees)
            memcpy(in, result, (size_t)bytes);
    }
    slots_over(comm, slots);
    return true;
}
