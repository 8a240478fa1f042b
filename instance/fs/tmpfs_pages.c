/* The tree of a file's pages, and the account of all files' memory. */
#include "instance/fs/tmpfs_pages.h"

#include "instance/mm/frames.h"
#include "instance/mm/space.h"
#include "instance/platform/platform.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#define TABLE_SHIFT 9
#define TABLE_ENTRIES (1u << TABLE_SHIFT)

static _Atomic uint64_t pages_used; /* frames of all files, tables included */

uint64_t tmpfs_pages_limit(void)
{
    return frame_bytes_total() / PAGE_SIZE / 2;
}

uint64_t tmpfs_pages_used(void)
{
    return atomic_load_explicit(&pages_used, memory_order_relaxed);
}

static uint64_t *table_at(uint64_t frame)
{
    return (uint64_t *)(platform_direct_base + frame);
}

static uint64_t frame_take(void)
{
    if (atomic_fetch_add(&pages_used, 1) >= tmpfs_pages_limit())
        goto full;
    uint64_t frame = frame_alloc(0, FRAME_PROGRAM);
    if (frame == FRAME_NONE)
        goto full;
    frame_zero(frame, 0);
    return frame;
full:
    atomic_fetch_sub(&pages_used, 1);
    return FRAME_NONE;
}

uint64_t tmpfs_frame_alloc(void)
{
    /* What the program has been promised (space.h) is not given to its files. */
    uint64_t frame = space_available() >= 4 * PAGE_SIZE ? frame_take() : FRAME_NONE;
    if (frame != FRAME_NONE)
        frame_set_mark(frame, FRAME_MARK_FILE);
    return frame;
}

void tmpfs_frame_free(uint64_t frame)
{
    frame_set_mark(frame, 0);
    frame_free(frame, 0, FRAME_PROGRAM);
    atomic_fetch_sub(&pages_used, 1);
}

static uint64_t reach(unsigned height)
{
    return height * TABLE_SHIFT >= 64 ? UINT64_MAX : UINT64_C(1) << (height * TABLE_SHIFT);
}

uint64_t tmpfs_pages_find(const struct tmpfs_pages *pages, uint64_t index)
{
    if (index >= reach(pages->height))
        return 0;
    uint64_t frame = pages->root;
    for (unsigned level = pages->height; level > 0 && frame != 0; level--)
        frame = table_at(frame)[index >> ((level - 1) * TABLE_SHIFT) & (TABLE_ENTRIES - 1)];
    return frame;
}

int tmpfs_pages_insert(struct tmpfs_pages *pages, uint64_t index, uint64_t frame)
{
    while (index >= reach(pages->height)) {
        if (pages->root != 0) {
            uint64_t table = frame_take();
            if (table == FRAME_NONE)
                return -ENOSPC;
            table_at(table)[0] = pages->root;
            pages->root = table;
        }
        pages->height++;
    }
    uint64_t *slot = &pages->root;
    for (unsigned level = pages->height; level > 0; level--) {
        if (*slot == 0) {
            uint64_t table = frame_take();
            if (table == FRAME_NONE)
                return -ENOSPC; /* an empty table stays until the file is cut */
            *slot = table;
        }
        slot = &table_at(*slot)[index >> ((level - 1) * TABLE_SHIFT) & (TABLE_ENTRIES - 1)];
    }
    *slot = frame;
    pages->count++;
    return 0;
}

/* Below `frame`, which holds pages from `base` on. Returns whether nothing is left of it. */
static bool drop_below(struct tmpfs_pages *pages, uint64_t frame, unsigned level, uint64_t base,
                       uint64_t first, uint64_t end)
{
    if (level == 0) {
        tmpfs_frame_free(frame);
        pages->count--;
        return true;
    }
    uint64_t *table = table_at(frame), each = reach(level - 1);
    bool empty = true;
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t from = base + i * each;
        if (table[i] != 0 && from < end && (from >= first || first - from < each) &&
            drop_below(pages, table[i], level - 1, from, first, end))
            table[i] = 0;
        empty &= table[i] == 0;
    }
    if (empty)
        tmpfs_frame_free(frame);
    return empty;
}

void tmpfs_pages_drop(struct tmpfs_pages *pages, uint64_t first, uint64_t end)
{
    if (pages->root == 0 || first >= end || first >= reach(pages->height))
        return;
    if (drop_below(pages, pages->root, pages->height, 0, first, end)) {
        pages->root = 0;
        pages->height = 0;
    }
}

/* Within `frame`, pages from `base` on. */
static uint64_t next_below(uint64_t frame, unsigned level, uint64_t base, uint64_t index, bool hole)
{
    if (frame == 0)
        return hole ? (index > base ? index : base) : UINT64_MAX;
    if (level == 0)
        return hole ? UINT64_MAX : base;
    uint64_t each = reach(level - 1);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t from = base + i * each;
        if (from < index && index - from >= each)
            continue;
        uint64_t found = next_below(table_at(frame)[i], level - 1, from, index, hole);
        if (found != UINT64_MAX)
            return found;
    }
    return UINT64_MAX;
}

uint64_t tmpfs_pages_next(const struct tmpfs_pages *pages, uint64_t index, bool hole)
{
    if (index >= reach(pages->height))
        return hole ? index : UINT64_MAX;
    uint64_t found = next_below(pages->root, pages->height, 0, index, hole);
    return found == UINT64_MAX && hole ? reach(pages->height) : found;
}
