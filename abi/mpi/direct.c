#include "abi/mpi/direct.h"

#include "abi/mpi/slots_steps.h"

#define CHUNK 16384 /* bytes that are combined at a time: they stay in the first-level cache */

/* Where a rank's long part lies in its memory, in its slot. */
#define SHOWN_MOST ((SLOT_BYTES - 16) / sizeof(struct atoll_extent))
struct shown {
    uint32_t own, result; /* extents of each; 0: they cannot be shown */
    uint64_t reserved;
    struct atoll_extent extents[SHOWN_MOST]; /* of `own`, then of `result` */
};
_Static_assert(sizeof(struct shown) <= SLOT_BYTES, "it fits into a slot");

/* A rank's part, for reading. */
struct part {
    const uint8_t *bytes; /* in one piece here; NULL: in the peer's memory */
    struct peer *peer;
    const struct atoll_extent *extents;
    uint32_t count;
    uint32_t index;  /* of the extent that was read last */
    uint64_t before; /* bytes before that */
};

/* --- Showing and reading parts -----------------------------------------------------------------
 */

static uint32_t show_bytes(struct shown *shown, uint32_t at, const void *bytes, uint64_t length)
{
    size_t covered = 0;
    if (bytes == NULL || at == SHOWN_MOST)
        return 0;
    ssize_t count = atoll_extents(bytes, length, &shown->extents[at], SHOWN_MOST - at, &covered);
    return count < 1 || covered != length ? 0 : (uint32_t)count;
}

/* Begins an operation with this rank's part; the longest rank's has `most` bytes. It is copied into
 * the slot if that fits there. A long one must be in one piece, and is not shown if `changes`: it
 * may be overwritten while others read. */
static void begin(const struct comm *comm, struct slots *slots, const struct datatype_stream *own,
                  uint64_t about, int64_t most, bool changes)
{
    struct slot *slot = slot_claim(comm, slots);
    if (slot_place(about) != SLOT_SHOWN) {
        datatype_pack(own, 0, own->bytes < most ? own->bytes : most, slot_data(slot, about));
    } else {
        struct shown *shown = (struct shown *)(void *)slot->bytes;
        shown->own =
            changes ? 0 : show_bytes(shown, 0, datatype_in_one_piece(own), (uint64_t)own->bytes);
    }
    slot_publish(comm, slots, slot, about);
}

static const struct shown *shown_by(const struct comm *comm, struct slots *slots, int rank,
                                    uint64_t about)
{
    return (const struct shown *)(const void *)slot_read(comm, slots, rank, about);
}

static noreturn void unsound(const struct peer *peer)
{
    mpi_die(MPI_ERR_INTERN, "rank %u shows memory for a collective that it does not have",
            peer->rank);
}

static struct part part_shown(const struct comm *comm, int rank, const struct atoll_extent *extents,
                              uint32_t first, uint32_t count)
{
    struct peer *peer = comm->to[rank];
    if (count > SHOWN_MOST || first > SHOWN_MOST - count)
        unsound(peer);
    if (peer->memory.base == NULL && atoll_peer_memory(peer->number, &peer->memory) != 0)
        unsound(peer);
    return (struct part){.peer = peer, .extents = extents + first, .count = count};
}

/* A rank's part, which is to be about that; false: it has not been shown, or is about something
 * else. This rank's own long one is not opened. */
static bool part_open(struct part *part, const struct comm *comm, struct slots *slots, int rank,
                      uint64_t about)
{
    *part = (struct part){0};
    const uint8_t *data = slot_read(comm, slots, rank, about);
    if (data == NULL)
        return false;
    if (slot_place(about) != SLOT_SHOWN) {
        part->bytes = data;
        return true;
    }
    const struct shown *shown = (const struct shown *)(const void *)data;
    bool is_own = rank == comm->rank;
    uint32_t count = SHM_READ_ONCE(shown->own);
    if (count != 0 && !is_own)
        *part = part_shown(comm, rank, shown->extents, 0, count);
    return count != 0;
}

/* Of all ranks; this one's own lies at `own` if it is long. False: one of them has not been
 * shown. */
static bool parts_open(struct part *parts, const struct comm *comm, struct slots *slots,
                       uint64_t about, const void *own)
{
    bool all = true;
    for (int i = 0; i < comm->size; i++)
        if (!part_open(&parts[i], comm, slots, i, about))
            all = false;
    if (slot_place(about) == SLOT_SHOWN)
        parts[comm->rank] = (struct part){.bytes = own};
    return all;
}

/* Where byte `at` of the part can be read, and how many from there on. */
static const uint8_t *part_piece(struct part *part, uint64_t at, uint64_t *length)
{
    if (part->bytes != NULL) {
        *length = UINT64_MAX;
        return part->bytes + at;
    }
    if (at < part->before) {
        part->index = 0;
        part->before = 0;
    }
    for (; part->index < part->count; part->index++) {
        uint64_t offset = SHM_READ_ONCE(part->extents[part->index].offset);
        uint64_t size = SHM_READ_ONCE(part->extents[part->index].length);
        const struct atoll_peer_memory *memory = &part->peer->memory;
        if (offset > memory->size || size > memory->size - offset)
            break;
        if (at - part->before < size) {
            *length = size - (at - part->before);
            return (const uint8_t *)memory->base + offset + (at - part->before);
        }
        part->before += size;
    }
    unsound(part->peer);
}

/* Bytes [at, + the stream's length) of the part into the stream. */
static void part_read(struct part *part, uint64_t at, const struct datatype_stream *to)
{
    for (int64_t done = 0; done < to->bytes;) {
        uint64_t here;
        const uint8_t *bytes = part_piece(part, at + (uint64_t)done, &here);
        int64_t length = (uint64_t)(to->bytes - done) < here ? to->bytes - done : (int64_t)here;
        datatype_unpack(to, done, length, bytes);
        done += length;
    }
}

/* Ends an operation; nobody reads this rank's long part afterwards. */
static void end(const struct comm *comm, struct slots *slots, int64_t bytes)
{
    slots_over(comm, slots);
    if (bytes > SLOT_BYTES)
        slots_settle(comm, slots);
}

/* --- Moving ------------------------------------------------------------------------------------
 */

bool direct_bcast(struct comm *comm, struct datatype_stream stream, int root)
{
    struct slots *slots;
    struct part part;
    if (stream.bytes <= SLOT_BYTES || (slots = slots_of(comm)) == NULL)
        return false;
    const uint64_t about = slot_about(SLOT_BCAST, stream.bytes, stream.bytes);
    if (comm->rank == root)
        begin(comm, slots, &stream, about, stream.bytes, false);
    bool shown = part_open(&part, comm, slots, root, about);
    if (shown && comm->rank != root)
        part_read(&part, 0, &stream);
    slots_over(comm, slots);
    if (comm->rank == root)
        slots_settle(comm, slots);
    return shown || slots->disagrees;
}

bool direct_allgather(struct comm *comm, struct datatype_stream own,
                      const struct datatype_stream *to, int64_t most)
{
    struct slots *slots = slots_of(comm);
    struct part part;
    bool all = true;
    if (slots == NULL)
        return false;
    if (most <= SLOT_BYTES) {
        begin(comm, slots, &own, slot_about(SLOT_ALLGATHER, own.bytes, most), most, false);
    } else {
        /* Short ones beside long ones are shown, too. */
        struct slot *slot = slot_claim(comm, slots);
        struct shown *shown = (struct shown *)(void *)slot->bytes;
        shown->result = own.bytes == 0;
        shown->own = own.bytes == 0
                         ? 0
                         : show_bytes(shown, 0, datatype_in_one_piece(&own), (uint64_t)own.bytes);
        slot_publish(comm, slots, slot, slot_about(SLOT_ALLGATHER, own.bytes, most));
        for (int i = 0; i < comm->size; i++) {
            const struct shown *theirs =
                shown_by(comm, slots, i, slot_about(SLOT_ALLGATHER, to[i].bytes, most));
            if (theirs == NULL)
                all = false;
            else if (SHM_READ_ONCE(theirs->own) == 0 && SHM_READ_ONCE(theirs->result) == 0)
                all = false;
        }
    }
    for (int i = 0; all && i < comm->size; i++) {
        bool open = part_open(&part, comm, slots, i, slot_about(SLOT_ALLGATHER, to[i].bytes, most));
        if (to[i].bytes == 0 || slots->disagrees)
            continue;
        if (i == comm->rank) {
            if (to[i].buffer != own.buffer)
                datatype_copy(&to[i], &own);
        } else if (open) {
            part_read(&part, 0, &to[i]);
        }
    }
    end(comm, slots, most);
    return all || slots->disagrees;
}

bool direct_alltoall(struct comm *comm, struct datatype_stream own,
                     const struct datatype_stream *to)
{
    struct part parts[SLOTS_RANKS_MOST];
    struct slots *slots = slots_of(comm);
    if (slots == NULL || own.bytes == INT64_MAX)
        return false;
    begin(comm, slots, &own, slot_about(SLOT_ALLTOALL, own.bytes, own.bytes), own.bytes,
          own.buffer == to[0].buffer);
    const int64_t all_bytes = to[0].bytes * comm->size;
    bool all = parts_open(parts, comm, slots, slot_about(SLOT_ALLTOALL, all_bytes, all_bytes),
                          datatype_in_one_piece(&own));
    for (int i = 0; all && i < comm->size; i++)
        part_read(&parts[i], (uint64_t)(to[i].bytes * comm->rank), &to[i]);
    end(comm, slots, own.bytes);
    return all || slots->disagrees;
}

bool direct_gather(struct comm *comm, struct datatype_stream own, int64_t bytes,
                   const struct datatype_stream *to, int root)
{
    struct slots *slots;
    if (bytes > SLOT_BYTES)
        return !slots_agree(comm, SLOT_GATHER, bytes, 0, comm->rank == root ? comm->size : 0);
    if ((slots = slots_of(comm)) == NULL)
        return false;
    const uint64_t about = slot_about(SLOT_GATHER, bytes, bytes);
    if (comm->rank != root)
        begin(comm, slots, &own, about, bytes, false);
    for (int i = 0; comm->rank == root && i < comm->size; i++) {
        const uint8_t *data = i == root ? NULL : slot_read(comm, slots, i, about);
        if (data != NULL)
            datatype_unpack(&to[i], 0, bytes, data);
        else if (i == root && own.buffer != NULL)
            datatype_copy(&to[i], &own);
    }
    slots_over(comm, slots);
    return true;
}

bool direct_scatter(struct comm *comm, struct datatype_stream own, struct datatype_stream to,
                    int64_t bytes, int root)
{
    struct slots *slots;
    int64_t total = bytes * comm->size;
    if (bytes > SLOT_BYTES || total > SLOT_BYTES)
        return !slots_agree(comm, SLOT_SCATTER, bytes, root, root + 1);
    if ((slots = slots_of(comm)) == NULL)
        return false;
    struct part part;
    const uint64_t about = slot_about(SLOT_SCATTER, bytes, total);
    if (comm->rank == root)
        begin(comm, slots, &own, about, total, false);
    if (part_open(&part, comm, slots, root, about) && to.buffer != NULL)
        part_read(&part, (uint64_t)(bytes * comm->rank), &to);
    slots_over(comm, slots);
    return true;
}

/* --- Reducing ----------------------------------------------------------------------------------
 */

/* `length` bytes (at most CHUNK) of the part in one piece. The program's own operations may not be
 * given memory that cannot be written. */
static const void *part_chunk(struct part *part, uint64_t at, uint64_t length, const struct op *op,
                              void *chunk)
{
    uint64_t here;
    const uint8_t *bytes = part_piece(part, at, &here);
    if (here >= length && op->predefined)
        return bytes;
    struct datatype_stream to = datatype_stream(chunk, (int64_t)length, datatype_of(MPI_BYTE));
    part_read(part, at, &to);
    return chunk;
}

/* Combines bytes [at, + length) of the parts of ranks [0, ranks) in their order to `result`, which
 * may be where one of the parts lies. `shared`: the other ranks read it, and may still hold its
 * lines from the last time. */
static void combine(struct part *parts, int ranks, uint64_t at, uint64_t length, char *result,
                    bool shared, struct op *op, const struct datatype *type)
{
    static struct copy_ways ways;
    _Alignas(SHM_LINE) char sum[CHUNK], chunk[CHUNK];
    uint64_t step = CHUNK - CHUNK % (uint64_t)type->size;
    for (uint64_t done = 0; done < length; done += step) {
        uint64_t here = length - done < step ? length - done : step;
        int64_t count = (int64_t)here / type->size;
        memcpy(sum, part_chunk(&parts[ranks - 1], at + done, here, op, chunk), here);
        /* right = left op right: from the last rank down, so that each is on the left in turn. */
        for (int i = ranks - 2; i >= 0; i--)
            op_apply(op, part_chunk(&parts[i], at + done, here, op, chunk), sum, count, type);
        if (shared)
            copy_in(&ways, (uint8_t *)result + done, (const uint8_t *)sum, here);
        else
            memcpy(result + done, sum, here);
    }
}

static bool may_combine(const struct datatype *type)
{
    return type->contiguous && type->size > 0 && type->size <= CHUNK;
}

/* Of `count` elements, those before rank `rank`'s slice. */
static int64_t slice(const struct comm *comm, int64_t count, int rank)
{
    int64_t each = (count + comm->size - 1) / comm->size;
    each = (each + SHM_LINE - 1) & ~(int64_t)(SHM_LINE - 1);
    return each * rank < count ? each * rank : count;
}

/* Shows the own part and where this rank's slice of the result will be. */
static void begin_reduce(const struct comm *comm, struct slots *slots, const void *own,
                         uint64_t about, uint64_t bytes, const void *result, uint64_t result_bytes)
{
    struct slot *slot = slot_claim(comm, slots);
    struct shown *shown = (struct shown *)(void *)slot->bytes;
    shown->own = show_bytes(shown, 0, own, bytes);
    shown->result = result_bytes != 0 ? show_bytes(shown, shown->own, result, result_bytes) : 0;
    if (shown->result == 0 && result_bytes != 0)
        shown->own = 0;
    slot_publish(comm, slots, slot, about);
}

bool direct_reduce(struct comm *comm, const void *own, void *in, int64_t count,
                   const struct datatype *type, struct op *op, int root)
{
    struct part parts[SLOTS_RANKS_MOST], results[SLOTS_RANKS_MOST];
    struct slots *slots;
    int64_t bytes = datatype_bytes(type, count), size = type->size;
    bool wanted = root < 0 || root == comm->rank;
    enum slot_call call = root < 0 ? SLOT_ALLREDUCE : SLOT_REDUCE;
    if (bytes <= SLOT_BYTES || !type->contiguous)
        return false;
    if (!may_combine(type)) /* of other lengths, they go through slots */
        return !slots_agree(comm, call, bytes, 0, wanted ? comm->size : 0);
    if ((slots = slots_of(comm)) == NULL)
        return false;
    const uint64_t about = slot_about(call, bytes, bytes);
    int64_t first = slice(comm, count, comm->rank) * size;
    int64_t length = slice(comm, count, comm->rank + 1) * size - first;
    char *result = wanted ? (char *)in + first : slots_partial(slots, (size_t)length);
    begin_reduce(comm, slots, own, about, (uint64_t)bytes, result, (uint64_t)length);
    bool all = parts_open(parts, comm, slots, about, own);
    for (int i = 0; all && i < comm->size; i++) {
        const struct shown *shown = i == comm->rank ? NULL : shown_by(comm, slots, i, about);
        if (shown != NULL && wanted && slice(comm, count, i) != slice(comm, count, i + 1))
            results[i] = part_shown(comm, i, shown->extents, SHM_READ_ONCE(shown->own),
                                    SHM_READ_ONCE(shown->result));
    }
    if (all && length != 0)
        combine(parts, comm->size, (uint64_t)first, (uint64_t)length, result, true, op, type);
    slots_over(comm, slots);
    if (!all)
        return slots->disagrees;
    /* The others' slices, once they say that those are done; the extents lie in the former slot,
     * which is not used again for so long. */
    const uint64_t reduced = slot_about(SLOT_REDUCED, bytes, 0);
    slot_publish(comm, slots, slot_claim(comm, slots), reduced);
    for (int i = 0; i < comm->size; i++) {
        int64_t from = slice(comm, count, i) * size, to = slice(comm, count, i + 1) * size;
        if (i == comm->rank)
            continue;
        bool ready = slot_read(comm, slots, i, reduced) != NULL;
        struct datatype_stream place =
            datatype_stream((char *)in + from, to - from, datatype_of(MPI_BYTE));
        if (wanted && to != from && ready)
            part_read(&results[i], 0, &place);
    }
    end(comm, slots, bytes);
    return true;
}

bool direct_reduce_scatter(struct comm *comm, const void *own, void *in, int64_t total,
                           int64_t before, int64_t count, const struct datatype *type,
                           struct op *op)
{
    struct part parts[SLOTS_RANKS_MOST];
    struct datatype_stream stream = datatype_stream(own, total, type);
    struct slots *slots;
    if (!may_combine(type) || stream.bytes == INT64_MAX || (slots = slots_of(comm)) == NULL)
        return false;
    const uint64_t about = slot_about(SLOT_REDUCE_SCATTER, stream.bytes, stream.bytes);
    begin(comm, slots, &stream, about, stream.bytes, own == in);
    bool all = parts_open(parts, comm, slots, about, own);
    if (all)
        combine(parts, comm->size, (uint64_t)(before * type->size), (uint64_t)(count * type->size),
                in, false, op, type);
    end(comm, slots, stream.bytes);
    return all || slots->disagrees;
}

bool direct_scan(struct comm *comm, const void *own, void *in, int64_t count,
                 const struct datatype *type, struct op *op, bool exclusive)
{
    struct part parts[SLOTS_RANKS_MOST];
    struct datatype_stream stream = datatype_stream(own, count, type);
    struct slots *slots;
    if (!may_combine(type) || stream.bytes == INT64_MAX || (slots = slots_of(comm)) == NULL)
        return false;
    const uint64_t about = slot_about(SLOT_SCAN, stream.bytes, stream.bytes);
    begin(comm, slots, &stream, about, stream.bytes, own == in);
    int ranks = exclusive ? comm->rank : comm->rank + 1;
    bool all = true;
    if (stream.bytes > SLOT_BYTES)
        all = parts_open(parts, comm, slots, about, own);
    for (int i = 0; stream.bytes <= SLOT_BYTES && i < ranks; i++)
        all = part_open(&parts[i], comm, slots, i, about) && all;
    if (all && ranks != 0)
        combine(parts, ranks, 0, (uint64_t)stream.bytes, in, false, op, type);
    end(comm, slots, stream.bytes);
    return all || slots->disagrees;
}
