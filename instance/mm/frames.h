/* The page-frame allocator: physical memory of the partition in blocks of 2^order pages of 4 KiB,
 * buddies merged at once, large blocks kept whole as long as possible. Single frames come from a
 * cache of the core. Any context, interrupts on or off; never sleeps. */
#ifndef INSTANCE_MM_FRAMES_H
#define INSTANCE_MM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE UINT64_C(4096)
#define PAGE_SHIFT 12
#define LARGE_PAGE_SIZE UINT64_C(0x200000)
#define LARGE_PAGE_ORDER 9
#define FRAME_ORDER_MAX 18 /* 1 GiB */
#define FRAME_NONE UINT64_MAX

struct shm_counters;

struct frame_range {
    uint64_t base, size; /* physical, multiples of PAGE_SIZE */
};

enum frame_use { FRAME_KERNEL, FRAME_PROGRAM, FRAME_TABLE };

/* Takes over `count` ranges (ascending, disjoint) of which [ranges[0].base, used_end) is taken
 * (kernel's use). The bookkeeping (about one byte and a bit a page, and the cores' caches) is
 * placed in the first range that has room. `core_count` is known and core_self() works by now.
 * Returns 0 or -ENOMEM. */
int frames_init(const struct frame_range *ranges, size_t count, uint64_t used_end);

/* From now on the memory_* counters are kept in `published` (of the own section). Called once,
 * while one core runs, before or after frames_init. */
void frames_set_counters(struct shm_counters *published);

/* A block of 2^order pages, aligned to its size, not cleared: its physical address, or FRAME_NONE.
 */
uint64_t frame_alloc(unsigned order, enum frame_use use);
void frame_free(uint64_t physical, unsigned order, enum frame_use use);

/* Frees [physical, +length): any run of pages, whatever blocks it came from. */
void frame_free_run(uint64_t physical, uint64_t length, enum frame_use use);

/* Does this page belong to the partition (and not to the lagoon or a device)? */
bool frame_is_own(uint64_t physical);

/* A note of one byte that the owner of an allocated page may keep with it: 0 after frame_alloc, to
 * be 0 again before the page is freed; at most FRAME_MARK_MAX. kmalloc has it for its pages; pages
 * of files in memory have FRAME_MARK_FILE. */
#define FRAME_MARK_MAX 0x3f
#define FRAME_MARK_FILE 0x3f /* the program may map it, but it is the file's */
#define FRAME_MARK_DIRTY                                                                           \
    0x3e /* likewise, and the program has written it since it was written back */
static inline bool frame_is_file(uint8_t mark)
{
    return mark == FRAME_MARK_FILE || mark == FRAME_MARK_DIRTY;
}
void frame_set_mark(uint64_t physical, uint8_t mark);
uint8_t frame_mark(uint64_t physical); /* UINT8_MAX for a page that is free or not our own */

/* The partition held nothing but zeros where it was free in frames_init (a host's new memory file
 * does). Called once, behind frames_init, before anything else. */
void frames_expect_zeros(void);

/* Makes a block that was just allocated, and not yet written to, all zeros. Pages that hold zeros
 * because they were never in use are not touched: their first touch is the host's work. */
void frame_zero(uint64_t physical, unsigned order);

/* Clears memory in the way that is quick on the platform. `page` is aligned to, and `length` a
 * multiple of, 64 bytes. */
void frame_clear(void *page, size_t length);

struct frame_statistics {
    uint64_t total, used, peak; /* bytes */
    uint64_t kernel;       /* bytes of `used` with FRAME_KERNEL or FRAME_TABLE, image included */
    uint64_t largest_free; /* bytes of the largest free block */
};
void frame_statistics(struct frame_statistics *out);
uint64_t frame_bytes_total(void); /* of the partition */
uint64_t frame_bytes_free(void);  /* not in use; what lies in the cores' caches is free */

/* Puts what the cores' caches hold back into the buddy lists, so that it can merge. */
void frames_drain_caches(void);

#endif
