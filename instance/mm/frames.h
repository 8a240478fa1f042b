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

struct frame_range {
    uint64_t base, size; /* physical, multiples of PAGE_SIZE */
};

enum frame_use { FRAME_KERNEL, FRAME_PROGRAM, FRAME_TABLE };

/* Takes over `count` ranges of which [ranges[0].base, used_end) is taken (kernel's use). The
 * bookkeeping (about one byte a page) is placed in the first range that has room. Returns 0 or
 * -ENOMEM. `core_count` is known by now. */
int frames_init(const struct frame_range *ranges, size_t count, uint64_t used_end);

/* A block of 2^order pages, aligned to its size, not cleared: its physical address, or FRAME_NONE.
 */
uint64_t frame_alloc(unsigned order, enum frame_use use);
void frame_free(uint64_t physical, unsigned order, enum frame_use use);

/* Frees [physical, +length): any run of pages, whatever blocks it came from. */
void frame_free_run(uint64_t physical, uint64_t length, enum frame_use use);

/* Clears memory with plain moves (no string instruction: shared costs say why). */
void frame_clear(void *page, size_t length);

struct frame_statistics {
    uint64_t total, used, peak; /* bytes */
    uint64_t kernel;       /* bytes of `used` with FRAME_KERNEL or FRAME_TABLE, image included */
    uint64_t largest_free; /* bytes of the largest free block */
};
void frame_statistics(struct frame_statistics *out);

#endif
