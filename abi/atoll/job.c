/* The memory of a job's peers, and where the own memory lies for them.
 *
 * Translations are kept in a table that all threads share: an entry for each block of 64 KiB of
 * addresses, chosen by the block's number. An entry is written rarely and read often, so readers
 * take no lock: a sequence, odd while the entry is being written, tells them whether what they have
 * read is of one piece. What is in the table holds for one mapping generation of the section. */
#include "abi/atoll/library.h"

#include <string.h>

#define PAGE UINT64_C(4096)
#define BLOCK_SHIFT 16
#define ENTRIES 512 /* 32 MiB of addresses without a clash */
#define CALL_MAX 64 /* extents asked for at a time */

_Static_assert(sizeof(struct atoll_extent) == sizeof(struct atoll_call_extent) &&
                   offsetof(struct atoll_extent, length) ==
                       offsetof(struct atoll_call_extent, length),
               "the kernel's extents are the program's");

/* [start, end) of the program lies at `offset` on in the partition. */
struct translation {
    _Alignas(SHM_LINE) _Atomic uint32_t sequence;
    _Atomic uint64_t generation; /* 0: empty */
    _Atomic uint64_t start, end, offset;
};
static struct translation table[ENTRIES];

static struct translation *entry_of(uint64_t address)
{
    return &table[(address >> BLOCK_SHIFT) % ENTRIES];
}

static _Atomic uint64_t *generation_word(void)
{
    struct shm_section *section = shm_view_own(&library.view, 0, sizeof(struct shm_section));
    return &section->mapping_generation;
}

/* How many bytes from `address` on the table knows, and where they lie; 0: none. */
static uint64_t look_up(uint64_t address, uint64_t generation, uint64_t *offset)
{
    struct translation *entry = entry_of(address);
    uint32_t sequence = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    uint64_t of = atomic_load_explicit(&entry->generation, memory_order_relaxed);
    uint64_t start = atomic_load_explicit(&entry->start, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&entry->end, memory_order_relaxed);
    uint64_t at = atomic_load_explicit(&entry->offset, memory_order_relaxed);
    shm_fence_acquire();
    if (sequence % 2 != 0 || of != generation || address < start || address >= end ||
        atomic_load_explicit(&entry->sequence, memory_order_relaxed) != sequence)
        return 0;
    *offset = at + (address - start);
    return end - address;
}

static void entry_write(struct translation *entry, uint64_t generation, uint64_t start,
                        uint64_t end, uint64_t offset)
{
    uint32_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
    if (sequence % 2 != 0 ||
        !atomic_compare_exchange_strong_explicit(&entry->sequence, &sequence, sequence + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return; /* another thread is at it: what it writes is as good */
    shm_fence_release();
    atomic_store_explicit(&entry->generation, generation, memory_order_relaxed);
    atomic_store_explicit(&entry->start, start, memory_order_relaxed);
    atomic_store_explicit(&entry->end, end, memory_order_relaxed);
    atomic_store_explicit(&entry->offset, offset, memory_order_relaxed);
    atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

/* Puts [start, +length) into the entries of all blocks that it touches, or of as many as there are.
 */
static void remember(uint64_t generation, uint64_t start, uint64_t length, uint64_t offset)
{
    uint64_t end = start + length, at = start;
    for (int i = 0; i < ENTRIES && at < end; i++) {
        entry_write(entry_of(at), generation, start, end, offset);
        at = ((at >> BLOCK_SHIFT) + 1) << BLOCK_SHIFT;
    }
}

/* Appends to the extents, or to the last of them. False: there is no room. */
static bool append(struct atoll_extent *extents, size_t capacity, size_t *count, uint64_t offset,
                   uint64_t length)
{
    struct atoll_extent *last = *count != 0 ? &extents[*count - 1] : NULL;
    if (last != NULL && last->offset + last->length == offset) {
        last->length += length;
        return true;
    }
    if (*count == capacity)
        return false;
    extents[(*count)++] = (struct atoll_extent){offset, length};
    return true;
}

/* Asks the kernel for what is at [at, end), remembers it and appends it. Returns how far that went,
 * *error why no further; *full: for lack of room. */
static uint64_t ask(uint64_t at, uint64_t end, struct atoll_extent *extents, size_t capacity,
                    size_t *count, int *error, bool *full)
{
    struct atoll_call_extent found[CALL_MAX];
    uint64_t first = at & ~(PAGE - 1), last = (end + PAGE - 1) & ~(PAGE - 1);
    struct atoll_call_extents call = {
        .address = first, .length = last - first, .extents = (uint64_t)found, .capacity = CALL_MAX};
    *error = (int)library_call(ATOLL_CALL_EXTENTS, (uint64_t)&call, 0, 0);
    if (*error != 0)
        return at;
    for (uint32_t i = 0; i < call.count && at < end && !*full; i++) {
        remember(call.generation, first, found[i].length, found[i].offset);
        uint64_t skip = at - first, length = found[i].length - skip;
        if (length > end - at)
            length = end - at;
        *full = !append(extents, capacity, count, found[i].offset + skip, length);
        at += *full ? 0 : length;
        first += found[i].length;
    }
    return at;
}

ssize_t atoll_extents(const void *address, size_t length, struct atoll_extent *extents,
                      size_t capacity, size_t *covered)
{
    uint64_t start = (uint64_t)address, at = start, end;
    size_t count = 0;
    int error = atoll_init();
    if (UNLIKELY(error != 0))
        return error;
    if (UNLIKELY(length == 0 || capacity == 0 || __builtin_add_overflow(start, length, &end) ||
                 end > UINT64_MAX - PAGE))
        return -EINVAL;
    bool full = false;
    while (at < end && !full && error == 0) {
        /* The generation first: what the table holds of it cannot be older. */
        uint64_t generation = atomic_load_explicit(generation_word(), memory_order_acquire);
        uint64_t offset, known = look_up(at, generation, &offset);
        if (LIKELY(known != 0)) {
            known = known < end - at ? known : end - at;
            full = !append(extents, capacity, &count, offset, known);
            at += full ? 0 : known;
        } else {
            at = ask(at, end, extents, capacity, &count, &error, &full);
        }
    }
    *covered = at - start;
    return at > start ? (ssize_t)count : error;
}

const volatile uint64_t *atoll_mapping_generation(void)
{
    struct atoll_extent extent;
    size_t covered = 0;
    /* Of a job? Then there are extents, of this variable for one. */
    if (atoll_extents(&covered, 1, &extent, 1, &covered) < 0)
        return NULL;
    return (const volatile uint64_t *)generation_word();
}

/* --- Peers -------------------------------------------------------------------------------------
 */

int atoll_peer_memory(uint32_t peer, struct atoll_peer_memory *memory)
{
    struct atoll_call_memory call = {.peer = peer};
    int error = atoll_init();
    if (error == 0)
        error = (int)library_call(ATOLL_CALL_MEMORY, (uint64_t)&call, 0, 0);
    if (error != 0)
        return error;
    const struct shm_section *section = shm_view_section(&library.view, peer, &error);
    if (section == NULL)
        return error;
    *memory = (struct atoll_peer_memory){
        .base = (const void *)call.address,
        .size = call.size,
        .generation = atomic_load_explicit(&section->generation, memory_order_acquire),
        .peer = peer};
    return 0;
}

int atoll_peer_memory_check(const struct atoll_peer_memory *memory)
{
    /* As for a window: the peer's generation is all that counts. */
    const struct atoll_window window = {.peer = memory->peer, .generation = memory->generation};
    return atoll_window_check(&window);
}

int atoll_peer_memory_read(const struct atoll_peer_memory *memory,
                           const struct atoll_extent *extents, size_t count, uint64_t skip,
                           void *buffer, size_t length)
{
    uint8_t *to = buffer;
    for (size_t i = 0; i < count && length != 0; i++) {
        /* Loaded once: what is checked is what is used. */
        uint64_t offset = SHM_READ_ONCE(extents[i].offset), size = SHM_READ_ONCE(extents[i].length);
        if (offset > memory->size || size > memory->size - offset)
            return -EPROTO;
        if (skip >= size) {
            skip -= size;
            continue;
        }
        size_t part = size - skip < length ? size - skip : length;
        memcpy(to, (const uint8_t *)memory->base + offset + skip, part);
        to += part;
        length -= part;
        skip = 0;
    }
    return length != 0 ? -EPROTO : atoll_peer_memory_check(memory);
}
