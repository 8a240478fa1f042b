/* Bulk memory of one section, in grains of a cache line.
 *
 * Two bits for each grain say all there is to know: an extent, free or not, starts here; the one
 * that starts here is in use. An extent's length is the way to the next start, so neighbours are
 * found without tags in the memory itself, and free ones are always merged.
 *
 * Free extents are also filed by size. Class c holds those of 2^c to 2^(c+1)-1 grains, and has one
 * bit for each window of 2^c grains: a free extent of class c starts in this window. There can be
 * but one, and since it is no shorter than the window it covers the window's last grain, so its
 * start is the last start at or before that grain. All classes together take two bits a grain.
 *
 * Each of these bitmaps has summaries above it (a bit for each word that is not 0), so that finding
 * the next or the previous bit takes a step for each factor of 64: O(log n) for everything, but for
 * the last resort of heap_search. All in all 4.1 bits for 512 bits of memory. */
#include "shm/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NOT_FOUND UINT64_MAX
#define ALIGNMENT_MAX (UINT64_C(2) << 20)
#define TRIES 8 /* extents of a class looked at before larger classes are */

/* `words` holds the bits, then the summaries, level above level, up to one of a single word. */
struct bitmap {
    uint64_t *words;
    uint64_t bits;
};

struct shm_heap {
    uint64_t offset; /* of grain 0 in the section */
    uint64_t grains;
    uint64_t free;     /* grains */
    uint64_t nonempty; /* bit c: class c has an extent */
    struct bitmap starts;
    uint64_t *used; /* a bit for each grain, meaningful where an extent starts */
    struct bitmap classes[];
};

/* --- Bitmaps with summaries
 * ---------------------------------------------------------------------*/

static uint64_t words_of(uint64_t bits)
{
    return bits / 64 + (bits % 64 != 0);
}

static uint64_t bitmap_words(uint64_t bits)
{
    uint64_t total = 0;
    do {
        bits = words_of(bits);
        total += bits;
    } while (bits > 1);
    return total;
}

static bool bit_test(const uint64_t *words, uint64_t bit)
{
    return words[bit / 64] >> bit % 64 & 1;
}

static void bitmap_set(const struct bitmap *map, uint64_t bit)
{
    uint64_t *words = map->words;
    for (uint64_t bits = map->bits; bits; bits = words_of(bits)) {
        uint64_t before = words[bit / 64];
        words[bit / 64] = before | UINT64_C(1) << bit % 64;
        if (before || bits <= 64)
            return;
        words += words_of(bits);
        bit /= 64;
    }
}

static void bitmap_clear(const struct bitmap *map, uint64_t bit)
{
    uint64_t *words = map->words;
    for (uint64_t bits = map->bits; bits; bits = words_of(bits)) {
        words[bit / 64] &= ~(UINT64_C(1) << bit % 64);
        if (words[bit / 64] || bits <= 64)
            return;
        words += words_of(bits);
        bit /= 64;
    }
}

/* Goes back down from bit `bit` of a summary `level` levels up, to the lowest or highest bit below
 * it. */
static uint64_t bitmap_descend(const struct bitmap *map, unsigned level, uint64_t bit, bool highest)
{
    while (level-- > 0) {
        const uint64_t *words = map->words;
        uint64_t bits = map->bits;
        for (unsigned i = 0; i < level; i++) {
            words += words_of(bits);
            bits = words_of(bits);
        }
        uint64_t word = words[bit];
        bit = bit * 64 + (uint64_t)(highest ? 63 - __builtin_clzll(word) : __builtin_ctzll(word));
    }
    return bit;
}

/* The first bit that is set from `bit` on, or NOT_FOUND. */
static uint64_t bitmap_next(const struct bitmap *map, uint64_t bit)
{
    const uint64_t *words = map->words;
    uint64_t bits = map->bits;
    for (unsigned level = 0; bit < bits; level++) {
        uint64_t word = words[bit / 64] & UINT64_MAX << bit % 64;
        if (word)
            return bitmap_descend(map, level, (bit & ~UINT64_C(63)) + __builtin_ctzll(word), false);
        words += words_of(bits);
        bits = words_of(bits);
        bit = bit / 64 + 1;
        if (bits <= 1)
            break; /* that was the topmost word */
    }
    return NOT_FOUND;
}

/* The last bit that is set up to and including `bit`, or NOT_FOUND. */
static uint64_t bitmap_previous(const struct bitmap *map, uint64_t bit)
{
    const uint64_t *words = map->words;
    uint64_t bits = map->bits;
    for (unsigned level = 0;; level++) {
        uint64_t word = words[bit / 64] & UINT64_MAX >> (63 - bit % 64);
        if (word)
            return bitmap_descend(map, level, (bit | 63) - __builtin_clzll(word), true);
        words += words_of(bits);
        bits = words_of(bits);
        bit /= 64;
        if (bit-- == 0)
            return NOT_FOUND;
    }
}

/* --- Extents
 * --------------------------------------------------------------------------------------*/

static unsigned floor_log2(uint64_t value)
{
    return 63 - (unsigned)__builtin_clzll(value);
}

static unsigned class_count(uint64_t grains)
{
    return grains ? floor_log2(grains) + 1 : 0;
}

static uint64_t class_windows(uint64_t grains, unsigned class)
{
    return ((grains - 1) >> class) + 1;
}

/* Where the extent at `start` ends, in grains. */
static uint64_t extent_end(const struct shm_heap *heap, uint64_t start)
{
    uint64_t next = bitmap_next(&heap->starts, start + 1);
    return next == NOT_FOUND ? heap->grains : next;
}

static void extent_file(struct shm_heap *heap, uint64_t start, uint64_t end)
{
    unsigned class = floor_log2(end - start);
    bitmap_set(&heap->classes[class], start >> class);
    heap->nonempty |= UINT64_C(1) << class;
}

static void extent_unfile(struct shm_heap *heap, uint64_t start, uint64_t end)
{
    unsigned class = floor_log2(end - start);
    const struct bitmap *map = &heap->classes[class];
    bitmap_clear(map, start >> class);
    if (bitmap_next(map, 0) == NOT_FOUND)
        heap->nonempty &= ~(UINT64_C(1) << class);
}

/* Start of the free extent that class `class` has in `window`. */
static uint64_t window_extent(const struct shm_heap *heap, unsigned class, uint64_t window)
{
    uint64_t last = ((window + 1) << class) - 1;
    return bitmap_previous(&heap->starts, last < heap->grains ? last : heap->grains - 1);
}

/* The first grain in the extent at `start` where `grains` fit at `alignment` grains, or NOT_FOUND.
 */
static uint64_t extent_fit(const struct shm_heap *heap, uint64_t start, uint64_t grains,
                           uint64_t alignment)
{
    uint64_t first = heap->offset / SHM_HEAP_GRAIN + start;
    uint64_t skip = (alignment - first % alignment) % alignment;
    uint64_t length = extent_end(heap, start) - start;
    return skip <= length && grains <= length - skip ? start + skip : NOT_FOUND;
}

/* --- Allocation
 * -----------------------------------------------------------------------------------*/

/* Looks at up to `tries` extents of class `class`. Returns the fit and sets *extent, or NOT_FOUND.
 */
static uint64_t class_search(const struct shm_heap *heap, unsigned class, uint64_t tries,
                             uint64_t grains, uint64_t alignment, uint64_t *extent)
{
    uint64_t window = 0;
    for (uint64_t i = 0; i < tries; i++, window++) {
        window = bitmap_next(&heap->classes[class], window);
        if (window == NOT_FOUND)
            break;
        *extent = window_extent(heap, class, window);
        uint64_t fit = extent_fit(heap, *extent, grains, alignment);
        if (fit != NOT_FOUND)
            return fit;
    }
    return NOT_FOUND;
}

/* Smallest class first. In a class where every extent is long enough, wherever it starts, the first
 * try succeeds. Only when no class has a fit among its first few is every extent looked at that
 * could be one: what is free, but badly split, shall still be found. */
static uint64_t heap_search(const struct shm_heap *heap, uint64_t grains, uint64_t alignment,
                            uint64_t *extent)
{
    uint64_t could = heap->nonempty & UINT64_MAX << floor_log2(grains);
    for (uint64_t tries = TRIES;; tries = UINT64_MAX) {
        for (uint64_t classes = could; classes; classes &= classes - 1) {
            unsigned class = (unsigned)__builtin_ctzll(classes);
            uint64_t fit = class_search(heap, class, tries, grains, alignment, extent);
            if (fit != NOT_FOUND)
                return fit;
        }
        if (tries == UINT64_MAX)
            return NOT_FOUND;
    }
}

uint64_t shm_heap_alloc(struct shm_heap *heap, uint64_t length, uint64_t alignment)
{
    if (length == 0 || length > heap->grains * SHM_HEAP_GRAIN || alignment < SHM_HEAP_GRAIN ||
        alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
        return 0;
    uint64_t grains = (length + SHM_HEAP_GRAIN - 1) / SHM_HEAP_GRAIN;
    uint64_t extent;
    uint64_t start = heap_search(heap, grains, alignment / SHM_HEAP_GRAIN, &extent);
    if (start == NOT_FOUND)
        return 0;

    uint64_t end = extent_end(heap, extent);
    extent_unfile(heap, extent, end);
    if (start > extent) {
        bitmap_set(&heap->starts, start);
        extent_file(heap, extent, start);
    }
    if (start + grains < end) {
        bitmap_set(&heap->starts, start + grains);
        extent_file(heap, start + grains, end);
    }
    heap->used[start / 64] |= UINT64_C(1) << start % 64;
    heap->free -= grains;
    return heap->offset + start * SHM_HEAP_GRAIN;
}

int shm_heap_free(struct shm_heap *heap, uint64_t offset)
{
    uint64_t start = (offset - heap->offset) / SHM_HEAP_GRAIN;
    if (offset < heap->offset || offset % SHM_HEAP_GRAIN || start >= heap->grains ||
        !bit_test(heap->starts.words, start) || !bit_test(heap->used, start))
        return -EINVAL;
    uint64_t end = extent_end(heap, start);
    heap->free += end - start;
    heap->used[start / 64] &= ~(UINT64_C(1) << start % 64);

    if (end < heap->grains && !bit_test(heap->used, end)) {
        uint64_t next_end = extent_end(heap, end);
        extent_unfile(heap, end, next_end);
        bitmap_clear(&heap->starts, end);
        end = next_end;
    }
    if (start > 0) {
        uint64_t previous = bitmap_previous(&heap->starts, start - 1);
        if (!bit_test(heap->used, previous)) {
            extent_unfile(heap, previous, start);
            bitmap_clear(&heap->starts, start);
            start = previous;
        }
    }
    extent_file(heap, start, end);
    return 0;
}

uint64_t shm_heap_available(const struct shm_heap *heap)
{
    return heap->free * SHM_HEAP_GRAIN;
}

/* --- Making one
 * -------------------------------------------------------------------------------------*/

size_t shm_heap_overhead(uint64_t size)
{
    uint64_t grains = size / SHM_HEAP_GRAIN;
    unsigned classes = class_count(grains);
    uint64_t words = bitmap_words(grains) + words_of(grains);
    for (unsigned i = 0; i < classes; i++)
        words += bitmap_words(class_windows(grains, i));
    return sizeof(struct shm_heap) + classes * sizeof(struct bitmap) + words * sizeof(uint64_t);
}

static uint64_t *take_bitmap(struct bitmap *map, uint64_t *words, uint64_t bits)
{
    *map = (struct bitmap){.words = words, .bits = bits};
    return words + bitmap_words(bits);
}

struct shm_heap *shm_heap_init(void *memory, uint64_t offset, uint64_t size)
{
    struct shm_heap *heap = memory;
    if (offset == 0 || offset % SHM_HEAP_GRAIN || size % SHM_HEAP_GRAIN ||
        size > UINT64_MAX - offset)
        return NULL;
    memset(heap, 0, shm_heap_overhead(size));
    heap->offset = offset;
    heap->grains = heap->free = size / SHM_HEAP_GRAIN;
    unsigned classes = class_count(heap->grains);
    uint64_t *words = (uint64_t *)&heap->classes[classes];
    words = take_bitmap(&heap->starts, words, heap->grains);
    heap->used = words;
    words += words_of(heap->grains);
    for (unsigned i = 0; i < classes; i++)
        words = take_bitmap(&heap->classes[i], words, class_windows(heap->grains, i));
    if (heap->grains) {
        bitmap_set(&heap->starts, 0);
        extent_file(heap, 0, heap->grains);
    }
    return heap;
}
