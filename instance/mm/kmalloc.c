/* The kernel's heap. Small objects: one page of equal objects is a slab, with its header in its
 * first 64 bytes, so that kfree finds the class at the page's start. Large objects: whole pages,
 * which no slab object can be mistaken for, as those are never page-aligned; each page's mark
 * (frames.h) says where such a run begins and goes on. One lock for each size class. */
#include "instance/mm/kmalloc.h"

#include "instance/list.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/platform/platform.h"
#include "instance/spinlock.h"
#include "instance/string.h"

#define SLAB_HEADER 64
#define SLAB_MAGIC UINT32_C(0x42414c53)

/* Sizes that fill a page behind its header well; from 64 on multiples of 64, for the alignment that
 * kmalloc promises. */
static const uint16_t class_sizes[] = {16,  32,  48,  64,  128, 192,  256,
                                       320, 448, 576, 768, 960, 1344, 1984};
#define CLASSES (sizeof(class_sizes) / sizeof(class_sizes[0]))
#define SMALL_MAX 1984

enum heap_mark { MARK_NONE, MARK_SLAB, MARK_LARGE_FIRST, MARK_LARGE_NEXT };

struct slab {
    struct list link; /* in its class's list while it has a free object */
    void *free;       /* objects given back; each begins with the next one's address */
    uint32_t magic;
    uint16_t size_class;
    uint16_t used;  /* objects handed out */
    uint16_t fresh; /* objects from this index on have never been handed out */
    uint16_t capacity;
};
_Static_assert(sizeof(struct slab) <= SLAB_HEADER, "the header's room");

static struct size_class {
    _Alignas(64) struct spinlock lock;
    struct list partial; /* slabs with a free object */
} classes[CLASSES];

/* The class for a size, by (size + 15) / 16. */
static uint8_t class_by_grain[SMALL_MAX / 16 + 1];

static uint64_t physical_of(const void *pointer)
{
    return (uint64_t)((uintptr_t)pointer - platform_direct_base);
}

void kmalloc_init(void)
{
    for (size_t i = 0; i < CLASSES; i++) {
        classes[i].lock = (struct spinlock){0};
        list_init(&classes[i].partial);
    }
    for (size_t grain = 0, i = 0; grain <= SMALL_MAX / 16; grain++) {
        if (grain * 16 > class_sizes[i])
            i++;
        class_by_grain[grain] = (uint8_t)i;
    }
}

/* --- Whole pages -------------------------------------------------------------------------------
 */

static void *large_alloc(size_t size)
{
    if (size > PAGE_SIZE << FRAME_ORDER_MAX)
        return NULL;
    uint64_t pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    unsigned order = 0;
    while ((UINT64_C(1) << order) < pages)
        order++;
    uint64_t physical = frame_alloc(order, FRAME_KERNEL);
    if (physical == FRAME_NONE)
        return NULL;
    uint64_t excess = (UINT64_C(1) << order) - pages;
    if (excess)
        frame_free_run(physical + pages * PAGE_SIZE, excess * PAGE_SIZE, FRAME_KERNEL);
    /* The first page's mark comes last (and goes first, below): a kfree of the run in front counts
     * its pages up to the first that is not MARK_LARGE_NEXT. */
    for (uint64_t page = 1; page < pages; page++)
        frame_set_mark(physical + page * PAGE_SIZE, MARK_LARGE_NEXT);
    frame_set_mark(physical, MARK_LARGE_FIRST);
    return (void *)(platform_direct_base + physical);
}

static void large_free(void *pointer)
{
    uint64_t physical = physical_of(pointer);
    if (frame_mark(physical) != MARK_LARGE_FIRST)
        panic(NULL, "kfree of %p, which kmalloc did not give", pointer);
    uint64_t end = physical;
    do {
        frame_set_mark(end, MARK_NONE);
        end += PAGE_SIZE;
    } while (frame_mark(end) == MARK_LARGE_NEXT);
    frame_free_run(physical, end - physical, FRAME_KERNEL);
}

/* --- Slabs -------------------------------------------------------------------------------------
 */

static struct slab *slab_create(unsigned size_class)
{
    uint64_t physical = frame_alloc(0, FRAME_KERNEL);
    if (physical == FRAME_NONE)
        return NULL;
    frame_set_mark(physical, MARK_SLAB);
    struct slab *slab = (struct slab *)(platform_direct_base + physical);
    *slab = (struct slab){
        .magic = SLAB_MAGIC,
        .size_class = (uint16_t)size_class,
        .capacity = (uint16_t)((PAGE_SIZE - SLAB_HEADER) / class_sizes[size_class]),
    };
    list_init(&slab->link);
    return slab;
}

static void slab_destroy(struct slab *slab)
{
    slab->magic = 0;
    frame_set_mark(physical_of(slab), MARK_NONE);
    frame_free(physical_of(slab), 0, FRAME_KERNEL);
}

/* Takes an object of a slab that has one. The class's lock is held. */
static void *slab_take(struct slab *slab)
{
    void *object = slab->free;
    if (object)
        slab->free = *(void **)object;
    else
        object = (uint8_t *)slab + SLAB_HEADER + slab->fresh++ * class_sizes[slab->size_class];
    if (++slab->used == slab->capacity)
        list_remove(&slab->link);
    return object;
}

static void *small_alloc(size_t size)
{
    unsigned index = class_by_grain[(size + 15) / 16];
    struct size_class *class = &classes[index];
    uint64_t saved = spin_lock_irq(&class->lock);
    if (list_empty(&class->partial)) {
        spin_unlock_irq(&class->lock, saved);
        struct slab *slab = slab_create(index);
        if (!slab)
            return NULL;
        saved = spin_lock_irq(&class->lock);
        list_append(&class->partial, &slab->link);
    }
    void *object = slab_take(LIST_ENTRY(class->partial.next, struct slab, link));
    spin_unlock_irq(&class->lock, saved);
    return object;
}

static void small_free(void *pointer)
{
    struct slab *slab = (struct slab *)((uintptr_t)pointer & ~(uintptr_t)(PAGE_SIZE - 1));
    if (frame_mark(physical_of(slab)) != MARK_SLAB || slab->magic != SLAB_MAGIC ||
        ((uintptr_t)pointer - (uintptr_t)slab - SLAB_HEADER) % class_sizes[slab->size_class])
        panic(NULL, "kfree of %p, which kmalloc did not give", pointer);
    struct size_class *class = &classes[slab->size_class];
    uint64_t saved = spin_lock_irq(&class->lock);
    *(void **)pointer = slab->free;
    slab->free = pointer;
    if (slab->used-- == slab->capacity)
        list_append(&class->partial, &slab->link);
    /* An empty slab goes back, unless it is the class's only one with room: that one stays, so that
     * a lone kmalloc and kfree do not take and give a page each time. */
    bool spare = slab->used == 0 &&
                 (class->partial.next != &slab->link || class->partial.previous != &slab->link);
    if (spare)
        list_remove(&slab->link);
    spin_unlock_irq(&class->lock, saved);
    if (spare)
        slab_destroy(slab);
}

/* --- What the others call ----------------------------------------------------------------------
 */

void *kmalloc(size_t size)
{
    return size <= SMALL_MAX ? small_alloc(size) : large_alloc(size);
}

void *kzalloc(size_t size)
{
    void *pointer = kmalloc(size);
    if (pointer)
        memset(pointer, 0, size);
    return pointer;
}

void kfree(void *pointer)
{
    if (!pointer)
        return;
    if ((uintptr_t)pointer & (PAGE_SIZE - 1))
        small_free(pointer);
    else
        large_free(pointer);
}
