/* Bulk memory of one section: hands out extents of the section's heap to its owner.
 * The bookkeeping is the owner's private memory, never the lagoon's, so nothing that another peer
 * may read or that a stray write may hit can mislead it. No lock: callers serialise. */
#ifndef SHM_HEAP_H
#define SHM_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define SHM_HEAP_GRAIN 64 /* extents start at, and are rounded up to, multiples of a cache line */

struct shm_heap;

/* Bytes of private memory that shm_heap_init needs to manage `size` bytes. */
size_t shm_heap_overhead(uint64_t size);

/* Manages [offset, offset + size) of a section (multiples of SHM_HEAP_GRAIN, offset not 0) with its
 * bookkeeping in `memory` (shm_heap_overhead(size) bytes, 16-byte aligned, the caller's to free).
 */
struct shm_heap *shm_heap_init(void *memory, uint64_t offset, uint64_t size);

/* An extent of at least `length` bytes (1 or more) aligned to `alignment` (a power of two, 64 to
 * 2 MiB): its offset in the section, or 0 when none is free (offset 0 is never part of a heap). */
uint64_t shm_heap_alloc(struct shm_heap *heap, uint64_t length, uint64_t alignment);

/* Gives back what shm_heap_alloc returned. Returns 0, or -EINVAL when it is not such an offset. */
int shm_heap_free(struct shm_heap *heap, uint64_t offset);

uint64_t
shm_heap_available(const struct shm_heap *heap); /* free bytes in all, fragments included */

#endif
