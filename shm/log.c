/* The kernel's log ring in a section: one writer, any number of readers in other address spaces,
 * who never hold it up. */
#include "shm/fence.h"
#include "shm/lagoon.h"

#include <string.h>

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void shm_log_write(struct shm_log *log, const char *bytes, size_t length)
{
    uint64_t end = atomic_load_explicit(&log->end, memory_order_relaxed);
    uint64_t size = log->size;
    if (size == 0 || length == 0)
        return;
    /* Readers must learn which old bytes are going before the first of them has gone: pairs with
     * the acquire fence of shm_log_read. */
    atomic_store_explicit(&log->writing, end + length, memory_order_relaxed);
    shm_fence_release();
    uint64_t kept = smaller(length, size); /* what came before would be overwritten at once */
    uint64_t at = (end + length - kept) & (size - 1);
    uint64_t first = smaller(kept, size - at);
    bytes += length - kept;
    memcpy(log->bytes + at, bytes, first);
    memcpy(log->bytes, bytes + first, kept - first);
    atomic_store_explicit(&log->end, end + length, memory_order_release);
}

size_t shm_log_read(const struct shm_log *log, uint64_t limit, uint64_t *position, char *out,
                    size_t capacity, uint64_t *lost)
{
    *lost = 0;
    if (limit < sizeof *log || (uintptr_t)log % SHM_LINE != 0)
        return 0;
    uint64_t size = SHM_READ_ONCE(log->size);
    if (size == 0 || (size & (size - 1)) != 0 || size > limit - sizeof *log)
        return 0;
    uint64_t end = atomic_load_explicit(&log->end, memory_order_acquire);
    if (*position > end)
        *position = 0;
    uint64_t oldest = end > size ? end - size : 0;
    uint64_t from = *position > oldest ? *position : oldest;
    uint64_t count = smaller(end - from, capacity);
    uint64_t at = from & (size - 1);
    uint64_t first = smaller(count, size - at);
    memcpy(out, log->bytes + at, first);
    memcpy(out + first, log->bytes, count - first);

    /* Drop from the front what the writer has reached, or may have, since. */
    shm_fence_acquire();
    uint64_t writing = atomic_load_explicit(&log->writing, memory_order_relaxed);
    uint64_t whole = writing > size ? writing - size : 0;
    uint64_t torn = whole > from ? smaller(whole - from, count) : 0;
    memmove(out, out + torn, count - torn);
    *lost = from + torn - *position;
    *position = from + count;
    return count - torn;
}
