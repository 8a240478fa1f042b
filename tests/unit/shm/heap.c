/* The heap against a plain model: a byte for each grain that is taken. */
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>

#define G SHM_HEAP_GRAIN

struct model {
    struct shm_heap *heap;
    void *memory;
    uint64_t offset, size;
    uint8_t *taken;
    uint64_t available;
};

struct extent {
    uint64_t offset, length;
};

static void model_make(struct model *model, uint64_t offset, uint64_t size)
{
    /* Exactly as much as it says: AddressSanitizer guards the end. */
    model->memory = aligned_alloc(16, (shm_heap_overhead(size) + 15) & ~UINT64_C(15));
    model->heap = shm_heap_init(model->memory, offset, size);
    cr_assert_not_null(model->heap);
    model->offset = offset;
    model->size = model->available = size;
    model->taken = calloc(size / G + 1, 1);
}

static void model_free(struct model *model)
{
    free(model->memory);
    free(model->taken);
}

/* Does the model have a place for it? */
static bool model_fits(const struct model *model, uint64_t length, uint64_t alignment)
{
    uint64_t run = 0, need = (length + G - 1) / G;
    bool counting = false;
    for (uint64_t i = 0; i < model->size / G; i++) {
        if (model->taken[i]) {
            counting = false;
            continue;
        }
        if (!counting && (model->offset + i * G) % alignment == 0) {
            counting = true;
            run = 0;
        }
        if (counting && ++run == need)
            return true;
    }
    return false;
}

static struct extent model_alloc(struct model *model, uint64_t length, uint64_t alignment)
{
    uint64_t offset = shm_heap_alloc(model->heap, length, alignment);
    uint64_t grains = (length + G - 1) / G;
    if (offset == 0) {
        cr_assert(!model_fits(model, length, alignment), "%lu bytes at %lu were to be had", length,
                  alignment);
        return (struct extent){0, 0};
    }
    cr_assert_eq(offset % alignment, 0);
    cr_assert(offset >= model->offset && offset + length <= model->offset + model->size);
    for (uint64_t i = 0; i < grains; i++) {
        cr_assert(!model->taken[(offset - model->offset) / G + i], "given away twice");
        model->taken[(offset - model->offset) / G + i] = 1;
    }
    model->available -= grains * G;
    cr_assert_eq(shm_heap_available(model->heap), model->available);
    return (struct extent){offset, length};
}

static void model_release(struct model *model, struct extent extent)
{
    uint64_t grains = (extent.length + G - 1) / G;
    cr_assert_eq(shm_heap_free(model->heap, extent.offset), 0);
    memset(model->taken + (extent.offset - model->offset) / G, 0, grains);
    model->available += grains * G;
    cr_assert_eq(shm_heap_available(model->heap), model->available);
    cr_assert_eq(shm_heap_free(model->heap, extent.offset), -EINVAL, "freed twice");
}

static void random_run(uint64_t seed, uint64_t offset, uint64_t size, uint64_t length_max,
                       int steps)
{
    struct model model;
    struct extent *held = malloc((size / G + 1) * sizeof *held);
    uint64_t count = 0;
    model_make(&model, offset, size);
    for (int i = 0; i < steps; i++) {
        /* Phases of growth and of shrinking, so that it is full at times and empty at others. */
        bool grow = random_below(&seed, 8) < (i / 200 % 2 ? 3 : 6);
        if (grow) {
            uint64_t length = 1 + random_below(&seed, 1 + random_below(&seed, length_max));
            uint64_t alignment =
                random_below(&seed, 4) ? G : (uint64_t)G << random_below(&seed, 10);
            struct extent extent = model_alloc(&model, length, alignment);
            if (extent.offset)
                held[count++] = extent;
        } else if (count) {
            uint64_t which = random_below(&seed, count);
            model_release(&model, held[which]);
            held[which] = held[--count];
        }
    }
    while (count)
        model_release(&model, held[--count]);
    cr_assert_eq(shm_heap_available(model.heap), size);
    if (size)
        cr_assert_eq(shm_heap_alloc(model.heap, size, G), offset, "not merged into one again");
    free(held);
    model_free(&model);
}

Test(heap, random_use_agrees_with_the_model, .timeout = 30)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        random_run(seed, 4096, 64 << 10, 4096, 2000);
        random_run(seed + 100, 4096 + 64 * seed, 64 * (seed * 331 % 1000), 640, 1000);
        random_run(seed + 200, 12288, 1 << 20, 64 << 10, 800);
    }
}

Test(heap, every_small_size_can_be_filled_and_emptied)
{
    for (uint64_t grains = 0; grains <= 300; grains++) {
        struct model model;
        model_make(&model, 64, grains * G);
        for (uint64_t i = 0; i < grains; i++)
            cr_assert_neq(model_alloc(&model, 1, G).offset, 0);
        cr_assert_eq(shm_heap_alloc(model.heap, 1, G), 0);
        /* Every other one first: nothing to merge with, then everything. */
        for (uint64_t i = 0; i < grains; i += 2)
            model_release(&model, (struct extent){64 + i * G, 1});
        cr_assert_eq(shm_heap_alloc(model.heap, G + 1, G), 0);
        for (uint64_t i = 1; i < grains; i += 2)
            model_release(&model, (struct extent){64 + i * G, 1});
        if (grains)
            cr_assert_eq(shm_heap_alloc(model.heap, grains * G, G), 64);
        model_free(&model);
    }
}

Test(heap, alignment_up_to_two_mebibytes)
{
    struct model model;
    const uint64_t large = 2 << 20;
    model_make(&model, 4096 * 3, 9 << 20);
    struct extent first = model_alloc(&model, 100, G);
    struct extent extents[4];
    for (int i = 0; i < 4; i++) {
        extents[i] = model_alloc(&model, i == 3 ? 64 : large, large);
        cr_assert_neq(extents[i].offset, 0);
    }
    cr_assert_eq(model_alloc(&model, 64, large).offset, 0);
    for (int i = 0; i < 4; i++)
        model_release(&model, extents[i]);
    model_release(&model, first);
    cr_assert_eq(shm_heap_alloc(model.heap, 9 << 20, G), 4096 * 3);
    model_free(&model);
}

Test(heap, what_is_not_sound_is_refused)
{
    struct model model;
    model_make(&model, 4096, 64 << 10);
    cr_expect_eq(shm_heap_alloc(model.heap, 0, 64), 0);
    cr_expect_eq(shm_heap_alloc(model.heap, 1, 32), 0);
    cr_expect_eq(shm_heap_alloc(model.heap, 1, 96), 0);
    cr_expect_eq(shm_heap_alloc(model.heap, 1, 4 << 20), 0);
    cr_expect_eq(shm_heap_alloc(model.heap, (64 << 10) + 1, 64), 0);
    cr_expect_eq(shm_heap_alloc(model.heap, UINT64_MAX, 64), 0);
    uint64_t offset = shm_heap_alloc(model.heap, 256, 64);
    cr_expect_eq(shm_heap_free(model.heap, 0), -EINVAL);
    cr_expect_eq(shm_heap_free(model.heap, offset + 64), -EINVAL);
    cr_expect_eq(shm_heap_free(model.heap, offset + 1), -EINVAL);
    cr_expect_eq(shm_heap_free(model.heap, offset - 64), -EINVAL);
    cr_expect_eq(shm_heap_free(model.heap, 4096 + (64 << 10)), -EINVAL);
    cr_expect_eq(shm_heap_free(model.heap, UINT64_MAX - 63), -EINVAL);
    cr_expect_eq(shm_heap_free(model.heap, offset), 0);
    cr_expect_null(shm_heap_init(model.memory, 0, 64));
    cr_expect_null(shm_heap_init(model.memory, 64, 63));
    cr_expect_null(shm_heap_init(model.memory, 32, 64));
    cr_expect_null(shm_heap_init(model.memory, UINT64_MAX - 63, 128));
    model_free(&model);
}

Test(heap, bookkeeping_stays_below_a_sixty_fourth)
{
    for (uint64_t size = 64 << 10; size <= UINT64_C(1) << 40; size += size / 3 & ~UINT64_C(63))
        cr_assert_leq(shm_heap_overhead(size), size / 64, "of %lu bytes", size);
}

Test(heap, a_large_heap_is_quick, .timeout = 20)
{
    const uint64_t size = UINT64_C(1) << 30;
    void *memory = aligned_alloc(16, (shm_heap_overhead(size) + 15) & ~UINT64_C(15));
    struct shm_heap *heap = shm_heap_init(memory, 4096, size);
    enum { HELD = 4096 };
    static uint64_t held[HELD];
    uint64_t seed = 3, begin = now_ns();
    for (int i = 0; i < 200000; i++) {
        uint64_t which = random_below(&seed, HELD);
        if (held[which])
            cr_assert_eq(shm_heap_free(heap, held[which]), 0);
        held[which] = shm_heap_alloc(heap, 1 + random_below(&seed, 100000), G);
        cr_assert_neq(held[which], 0);
    }
    for (int i = 0; i < HELD; i++)
        if (held[i])
            cr_assert_eq(shm_heap_free(heap, held[i]), 0);
    cr_assert_eq(shm_heap_alloc(heap, size, G), 4096);
    cr_assert_lt(now_ns() - begin, UINT64_C(10000000000), "10 s for 200,000 extents");
    free(memory);
}
