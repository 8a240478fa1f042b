/* Kernel stacks: slots of five pages of virtual memory from PLATFORM_STACK_BASE on, of which the
 * lowest is never mapped. A few freed stacks stay mapped for the next thread; the slots of the rest
 * are unmapped and used again, lowest first, so that the page tables stay dense. */
#include "instance/core.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/reclaim.h"
#include "instance/platform/platform.h"
#include "instance/spinlock.h"
#include "instance/string.h"

#define STACK_ORDER 2
#define SLOT_SIZE (PAGE_SIZE + KERNEL_STACK_SIZE)
_Static_assert(KERNEL_STACK_SIZE == PAGE_SIZE << STACK_ORDER,
               "a stack is one block where possible");

#define SLOT_NONE UINT64_MAX

/* Of 64 slots each. A slot that is neither used nor kept is unmapped. */
struct slot_word {
    uint64_t used; /* bit n: a thread's */
    uint64_t kept; /* bit n: nobody's, but mapped */
};

static struct {
    struct spinlock lock;
    struct slot_word *words;
    uint64_t word_count;
    uint64_t slots; /* slots below this number have been used at some time */
    uint32_t kept_count;
} stacks;

static uintptr_t slot_base(uint64_t slot)
{
    return PLATFORM_STACK_BASE + slot * SLOT_SIZE + PAGE_SIZE; /* above the guard page */
}

/* A kept slot, now used, or SLOT_NONE. The lock is held. */
static uint64_t slot_take_kept(void)
{
    for (uint64_t i = 0; stacks.kept_count && i < stacks.word_count; i++) {
        struct slot_word *word = &stacks.words[i];
        if (word->kept) {
            unsigned bit = (unsigned)__builtin_ctzll(word->kept);
            word->kept &= ~(UINT64_C(1) << bit);
            word->used |= UINT64_C(1) << bit;
            stacks.kept_count--;
            return i * 64 + bit;
        }
    }
    return SLOT_NONE;
}

/* The lowest unmapped slot, now used, or SLOT_NONE: no memory. The lock is held. */
static uint64_t slot_take_unmapped(void)
{
    for (;;) {
        for (uint64_t i = 0; i < stacks.word_count; i++) {
            struct slot_word *word = &stacks.words[i];
            uint64_t taken = word->used | word->kept;
            if (taken == UINT64_MAX)
                continue;
            unsigned bit = (unsigned)__builtin_ctzll(~taken);
            word->used |= UINT64_C(1) << bit;
            if (i * 64 + bit >= stacks.slots)
                stacks.slots = i * 64 + bit + 1;
            return i * 64 + bit;
        }
        uint64_t count = stacks.word_count ? stacks.word_count * 2 : 2;
        struct slot_word *grown = kzalloc(count * sizeof(*grown));
        if (!grown)
            return SLOT_NONE;
        if (stacks.word_count)
            memcpy(grown, stacks.words, stacks.word_count * sizeof(*grown));
        kfree(stacks.words);
        stacks.words = grown;
        stacks.word_count = count;
    }
}

static void slot_give(uint64_t slot)
{
    uint64_t saved = spin_lock_irq(&stacks.lock);
    stacks.words[slot / 64].used &= ~(UINT64_C(1) << slot % 64);
    spin_unlock_irq(&stacks.lock, saved);
}

static void release_frames(void *context, uint64_t physical, uint64_t length)
{
    (void)context;
    frame_free_run(physical, length, FRAME_KERNEL);
}

/* Unmaps what is mapped of a used slot's stack and gives the slot back. */
static void slot_unmap(uint64_t slot)
{
    int error = platform_unmap(slot_base(slot), KERNEL_STACK_SIZE, release_frames, NULL);
    kernel_assert(error == 0); /* only the splitting of a large page can fail */
    slot_give(slot);
}

static bool stack_map(uintptr_t base)
{
    uint64_t block = frame_alloc(STACK_ORDER, FRAME_KERNEL);
    if (block != FRAME_NONE) {
        if (!platform_map(base, block, KERNEL_STACK_SIZE, PLATFORM_READ | PLATFORM_WRITE))
            return true;
        frame_free(block, STACK_ORDER, FRAME_KERNEL);
        return false;
    }
    for (uintptr_t page = base; page < base + KERNEL_STACK_SIZE; page += PAGE_SIZE) {
        uint64_t frame = frame_alloc(0, FRAME_KERNEL);
        if (frame == FRAME_NONE)
            return false;
        if (platform_map(page, frame, PAGE_SIZE, PLATFORM_READ | PLATFORM_WRITE)) {
            frame_free(frame, 0, FRAME_KERNEL);
            return false;
        }
    }
    return true;
}

uintptr_t kernel_stack_alloc(void)
{
    uint64_t saved = spin_lock_irq(&stacks.lock);
    uint64_t slot = slot_take_kept();
    bool mapped = slot != SLOT_NONE;
    if (!mapped)
        slot = slot_take_unmapped();
    spin_unlock_irq(&stacks.lock, saved);
    if (slot == SLOT_NONE)
        return 0;
    if (!mapped && !stack_map(slot_base(slot))) {
        slot_unmap(slot);
        return 0;
    }
    return slot_base(slot) + KERNEL_STACK_SIZE;
}

void kernel_stack_free(uintptr_t top)
{
    uint64_t slot = (top - KERNEL_STACK_SIZE - PLATFORM_STACK_BASE) / SLOT_SIZE;
    uint64_t saved = spin_lock_irq(&stacks.lock);
    bool keep = stacks.kept_count < core_count + 2;
    if (keep) {
        stacks.words[slot / 64].used &= ~(UINT64_C(1) << slot % 64);
        stacks.words[slot / 64].kept |= UINT64_C(1) << slot % 64;
        stacks.kept_count++;
    }
    spin_unlock_irq(&stacks.lock, saved);
    if (!keep)
        slot_unmap(slot);
}

uint64_t kernel_stack_reclaim(void)
{
    uint64_t freed = 0;
    for (;; freed += KERNEL_STACK_SIZE) {
        uint64_t saved = spin_lock_irq(&stacks.lock);
        uint64_t slot = slot_take_kept();
        spin_unlock_irq(&stacks.lock, saved);
        if (slot == SLOT_NONE)
            return freed;
        slot_unmap(slot);
    }
}

bool kernel_stack_is_guard(uintptr_t address)
{
    /* No lock: this is asked from a double fault, and `slots` only grows. */
    if (address < PLATFORM_STACK_BASE)
        return false;
    uintptr_t offset = address - PLATFORM_STACK_BASE;
    return offset / SLOT_SIZE < stacks.slots && offset % SLOT_SIZE < PAGE_SIZE;
}
