/* Makes layouts, and walks them: the part of the datatype engine that touches data. */

#include "abi/mpi/layout.h"

#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Addresses are computed as numbers: with MPI_BOTTOM the base is 0 and the offset the address. */
INLINE char *at(char *base, int64_t offset)
{
    return (char *)((uintptr_t)base + (uintptr_t)offset);
}

/* --- Making
 * ---------------------------------------------------------------------------------------- */

static struct layout *node_create(enum layout_kind kind, int64_t size, int64_t count)
{
    struct layout *node = calloc(1, sizeof(*node));

    if (!node)
        return NULL;
    atomic_init(&node->references, 1);
    node->kind = kind;
    node->size = size;
    node->count = count;
    return node;
}

struct layout_reference layout_retain(struct layout_reference layout)
{
    struct layout *node = (struct layout *)(uintptr_t)layout.node;

    if (node && atomic_load_explicit(&node->references, memory_order_relaxed) != 0)
        atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
    return layout;
}

void layout_release(struct layout_reference layout)
{
    struct layout *node = (struct layout *)(uintptr_t)layout.node;

    if (!node || atomic_load_explicit(&node->references, memory_order_relaxed) == 0 ||
        atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) != 1)
        return;
    if (node->kind == LAYOUT_LOOP)
        layout_release((struct layout_reference){node->child, 0});
    for (int64_t i = 0; node->list && i < node->count; i++)
        layout_release(node->list[i]);
    free(node->before);
    free(node->offsets);
    free(node->list);
    free(node);
}

bool layout_run(int64_t size, int64_t offset, struct layout_reference *out)
{
    *out = (struct layout_reference){NULL, 0};
    if (size == 0)
        return true;
    out->node = node_create(LAYOUT_RUN, size, 1);
    out->offset = offset;
    return out->node != NULL;
}

bool layout_loop(int64_t count, int64_t stride, struct layout_reference body,
                 struct layout_reference *out)
{
    const struct layout *child = body.node;
    struct layout *node;
    int64_t span;

    *out = (struct layout_reference){NULL, 0};
    if (count == 0 || !child)
        return true;
    if (count == 1) {
        *out = layout_retain(body);
        return true;
    }
    if (child->kind == LAYOUT_RUN && stride == child->size)
        return layout_run(count * child->size, body.offset, out);
    if (child->kind == LAYOUT_LOOP && !__builtin_mul_overflow(child->count, child->stride, &span) &&
        stride == span)
        return layout_loop(count * child->count, child->stride,
                           (struct layout_reference){child->child, body.offset}, out);
    node = node_create(LAYOUT_LOOP, count * child->size, count);
    if (!node)
        return false;
    node->stride = stride;
    node->child = layout_retain(body).node;
    *out = (struct layout_reference){node, body.offset};
    return true;
}

/* What evenly spaced blocks of one length have in common, when they are that. */
static bool evenly_spaced(int64_t count, const int64_t before[], const int64_t offsets[])
{
    for (int64_t i = 1; i < count; i++) {
        int64_t stride;

        if (before[i + 1] - before[i] != before[1] ||
            __builtin_sub_overflow(offsets[i], offsets[i - 1], &stride) ||
            stride != offsets[1] - offsets[0])
            return false;
    }
    return true;
}

static int64_t common_length(int64_t count, const int64_t before[])
{
    for (int64_t i = 1; i < count; i++)
        if (before[i + 1] - before[i] != before[1])
            return 0;
    return before[1];
}

/* From merged blocks; takes both arrays over. */
static bool blocks_finish(int64_t count, int64_t *before, int64_t *offsets,
                          struct layout_reference *out)
{
    struct layout *node;
    bool done = false;

    if (count <= 1) {
        done = layout_run(count ? before[1] : 0, count ? offsets[0] : 0, out);
    } else if (evenly_spaced(count, before, offsets)) {
        struct layout_reference run;

        if (layout_run(before[1], offsets[0], &run)) {
            done = layout_loop(count, offsets[1] - offsets[0], run, out);
            layout_release(run);
        }
    } else {
        node = node_create(LAYOUT_BLOCKS, before[count], count);
        if (node) {
            node->before = before;
            node->offsets = offsets;
            node->length = common_length(count, before);
            *out = (struct layout_reference){node, 0};
            return true;
        }
    }
    free(before);
    free(offsets);
    return done;
}

/* Blocks as they come, merged where one begins where the last has ended. */
struct blocks {
    int64_t count;
    int64_t *before, *offsets;
};

static void blocks_add(struct blocks *blocks, int64_t length, int64_t offset)
{
    int64_t count = blocks->count;

    if (length == 0)
        return;
    if (count > 0 &&
        blocks->offsets[count - 1] + blocks->before[count] - blocks->before[count - 1] == offset) {
        blocks->before[count] += length;
        return;
    }
    blocks->offsets[count] = offset;
    blocks->before[count + 1] = blocks->before[count] + length;
    blocks->count++;
}

static bool blocks_begin(struct blocks *blocks, int64_t most)
{
    blocks->count = 0;
    blocks->before = calloc((size_t)most + 1, sizeof(int64_t));
    blocks->offsets = calloc((size_t)most + 1, sizeof(int64_t));
    if (blocks->before && blocks->offsets)
        return true;
    free(blocks->before);
    free(blocks->offsets);
    return false;
}

bool layout_blocks(int64_t count, const int64_t lengths[], const int64_t offsets[],
                   struct layout_reference *out)
{
    struct blocks blocks;

    *out = (struct layout_reference){NULL, 0};
    if (!blocks_begin(&blocks, count))
        return false;
    for (int64_t i = 0; i < count; i++)
        blocks_add(&blocks, lengths[i], offsets[i]);
    return blocks_finish(blocks.count, blocks.before, blocks.offsets, out);
}

/* How many runs a layout would be as blocks, or 0 when it is a loop: those stay loops. */
static int64_t runs_of(const struct layout *node)
{
    if (node->kind == LAYOUT_RUN)
        return 1;
    return node->kind == LAYOUT_BLOCKS ? node->count : 0;
}

static bool list_as_blocks(int64_t runs, int64_t count, const struct layout_reference list[],
                           struct layout_reference *out)
{
    struct blocks blocks;

    if (!blocks_begin(&blocks, runs))
        return false;
    for (int64_t i = 0; i < count; i++) {
        const struct layout *node = list[i].node;

        if (!node)
            continue;
        if (node->kind == LAYOUT_RUN)
            blocks_add(&blocks, node->size, list[i].offset);
        else
            for (int64_t j = 0; j < node->count; j++)
                blocks_add(&blocks, node->before[j + 1] - node->before[j],
                           list[i].offset + node->offsets[j]);
    }
    return blocks_finish(blocks.count, blocks.before, blocks.offsets, out);
}

bool layout_list(int64_t count, const struct layout_reference list[], struct layout_reference *out)
{
    struct layout_reference last = {NULL, 0};
    struct layout *node;
    int64_t used = 0, runs = 0, size = 0;
    bool only_runs = true;

    *out = (struct layout_reference){NULL, 0};
    for (int64_t i = 0; i < count; i++) {
        int64_t here;

        if (!list[i].node)
            continue;
        here = runs_of(list[i].node);
        only_runs = only_runs && here > 0;
        runs += here;
        size += list[i].node->size;
        last = list[i];
        used++;
    }
    if (used <= 1) {
        *out = layout_retain(last);
        return true;
    }
    if (only_runs)
        return list_as_blocks(runs, count, list, out);
    node = node_create(LAYOUT_LIST, size, used);
    if (!node)
        return false;
    node->list = calloc((size_t)used, sizeof(*node->list));
    node->before = calloc((size_t)used + 1, sizeof(*node->before));
    if (!node->list || !node->before) {
        free(node->list);
        free(node->before);
        free(node);
        return false;
    }
    used = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!list[i].node)
            continue;
        node->list[used] = layout_retain(list[i]);
        node->before[used + 1] = node->before[used] + list[i].node->size;
        used++;
    }
    *out = (struct layout_reference){node, 0};
    return true;
}

/* --- Copying
 * --------------------------------------------------------------------------------------- */

/* One run: out of memory to the packed bytes, or back. Short ones without a call. */
INLINE void copy_run(char *memory, char *packed, int64_t length, bool out)
{
    char *to = out ? packed : memory;
    const char *from = out ? memory : packed;

    switch (length) {
    case 1:
        *to = *from;
        break;
    case 2:
        memcpy(to, from, 2);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    case 12:
        memcpy(to, from, 12);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    case 24:
        memcpy(to, from, 24);
        break;
    default:
        memcpy(to, from, (size_t)length);
        break;
    }
}

INLINE void copy_strided(char *memory, int64_t stride, char *packed, int64_t length, int64_t count,
                         bool out)
{
    for (int64_t i = 0; i < count; i++)
        copy_run(at(memory, i * stride), packed + i * length, length, out);
}

/* Equal runs at equal distances: a loop of its own for each usual length of an element. */
INLINE void copy_loop(char *memory, int64_t stride, char *packed, int64_t length, int64_t count,
                      bool out)
{
    switch (length) {
    case 1:
        copy_strided(memory, stride, packed, 1, count, out);
        break;
    case 2:
        copy_strided(memory, stride, packed, 2, count, out);
        break;
    case 4:
        copy_strided(memory, stride, packed, 4, count, out);
        break;
    case 8:
        copy_strided(memory, stride, packed, 8, count, out);
        break;
    case 12:
        copy_strided(memory, stride, packed, 12, count, out);
        break;
    case 16:
        copy_strided(memory, stride, packed, 16, count, out);
        break;
    case 24:
        copy_strided(memory, stride, packed, 24, count, out);
        break;
    case 32:
        copy_strided(memory, stride, packed, 32, count, out);
        break;
    default:
        for (int64_t i = 0; i < count; i++)
            memcpy(out ? packed + i * length : at(memory, i * stride),
                   out ? at(memory, i * stride) : packed + i * length, (size_t)length);
        break;
    }
}

/* The entry of `before` that holds byte `position`: before[i] <= position < before[i + 1]. */
static int64_t entry_of(const struct layout *node, int64_t position)
{
    int64_t low = 0, high = node->count;

    if (position == 0)
        return 0; /* no entry is empty */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if (node->before[middle] <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int64_t least(int64_t first, int64_t second)
{
    return first < second ? first : second;
}

INLINE void copy_equal(const int64_t offsets[], int64_t count, char *memory, char *packed,
                       int64_t length, bool out)
{
    for (int64_t i = 0; i < count; i++)
        copy_run(at(memory, offsets[i]), packed + i * length, length, out);
}

/* Whole blocks, from number `first` on. */
INLINE void copy_blocks(const struct layout *node, int64_t first, int64_t last, char *memory,
                        char *packed, bool out)
{
    const int64_t *offsets = node->offsets + first, *before = node->before + first;
    int64_t count = last - first;

    switch (node->length) {
    case 4:
        copy_equal(offsets, count, memory, packed, 4, out);
        break;
    case 8:
        copy_equal(offsets, count, memory, packed, 8, out);
        break;
    case 16:
        copy_equal(offsets, count, memory, packed, 16, out);
        break;
    default:
        for (int64_t i = 0; i < count; i++) {
            int64_t length = before[i + 1] - before[i];

            copy_run(at(memory, offsets[i]), packed, length, out);
            packed += length;
        }
        break;
    }
}

INLINE void walk_blocks(const struct layout *node, char *memory, int64_t from, int64_t to,
                        char *packed, bool out)
{
    int64_t first = entry_of(node, from), last = first, skip = from - node->before[first];

    if (skip > 0) { /* the rest of one that is begun */
        int64_t length = least(node->before[first + 1], to) - from;

        copy_run(at(memory, node->offsets[first] + skip), packed, length, out);
        packed += length;
        from += length;
        first++;
    }
    if (from == to)
        return;
    last = to == node->size ? node->count : entry_of(node, to);
    copy_blocks(node, first, last, memory, packed, out);
    packed += node->before[last] - from;
    if (node->before[last] < to)
        copy_run(at(memory, node->offsets[last]), packed, to - node->before[last], out);
}

static void walk_out(const struct layout *node, char *memory, int64_t from, int64_t to,
                     char *packed);
static void walk_in(const struct layout *node, char *memory, int64_t from, int64_t to,
                    char *packed);

INLINE void walk_any(const struct layout *node, char *memory, int64_t from, int64_t to,
                     char *packed, bool out)
{
    if (out)
        walk_out(node, memory, from, to, packed);
    else
        walk_in(node, memory, from, to, packed);
}

INLINE void walk_loop(const struct layout *node, char *memory, int64_t from, int64_t to,
                      char *packed, bool out)
{
    const struct layout *child = node->child;
    int64_t index = from / child->size, skip = from % child->size;

    memory = at(memory, index * node->stride);
    if (skip > 0) { /* the rest of one that is begun */
        int64_t end = least(child->size, skip + (to - from));

        walk_any(child, memory, skip, end, packed, out);
        packed += end - skip;
        from += end - skip;
        memory = at(memory, node->stride);
    }
    if (from < to) {
        int64_t whole = (to - from) / child->size, rest = (to - from) % child->size;

        if (child->kind == LAYOUT_RUN) {
            copy_loop(memory, node->stride, packed, child->size, whole, out);
        } else if (child->kind == LAYOUT_BLOCKS) {
            for (int64_t i = 0; i < whole; i++)
                copy_blocks(child, 0, child->count, at(memory, i * node->stride),
                            packed + i * child->size, out);
        } else {
            for (int64_t i = 0; i < whole; i++)
                walk_any(child, at(memory, i * node->stride), 0, child->size,
                         packed + i * child->size, out);
        }
        if (rest > 0)
            walk_any(child, at(memory, whole * node->stride), 0, rest, packed + whole * child->size,
                     out);
    }
}

INLINE void walk_list(const struct layout *node, char *memory, int64_t from, int64_t to,
                      char *packed, bool out)
{
    for (int64_t i = entry_of(node, from); from < to; i++) {
        int64_t skip = from - node->before[i];
        int64_t length = least(node->before[i + 1], to) - from;

        walk_any(node->list[i].node, at(memory, node->list[i].offset), skip, skip + length, packed,
                 out);
        packed += length;
        from += length;
    }
}

INLINE void walk(const struct layout *node, char *memory, int64_t from, int64_t to, char *packed,
                 bool out)
{
    switch (node->kind) {
    case LAYOUT_RUN:
        copy_run(at(memory, from), packed, to - from, out);
        break;
    case LAYOUT_LOOP:
        walk_loop(node, memory, from, to, packed, out);
        break;
    case LAYOUT_BLOCKS:
        walk_blocks(node, memory, from, to, packed, out);
        break;
    case LAYOUT_LIST:
        walk_list(node, memory, from, to, packed, out);
        break;
    }
}

static void walk_out(const struct layout *node, char *memory, int64_t from, int64_t to,
                     char *packed)
{
    walk(node, memory, from, to, packed, true);
}

static void walk_in(const struct layout *node, char *memory, int64_t from, int64_t to, char *packed)
{
    walk(node, memory, from, to, packed, false);
}

void layout_pack(struct layout_reference layout, const char *base, int64_t from, int64_t to,
                 char *packed)
{
    if (from < to)
        walk_out(layout.node, at((char *)(uintptr_t)base, layout.offset), from, to, packed);
}

void layout_unpack(struct layout_reference layout, char *base, int64_t from, int64_t to,
                   const char *packed)
{
    if (from < to)
        walk_in(layout.node, at(base, layout.offset), from, to, (char *)(uintptr_t)packed);
}

int64_t layout_find(struct layout_reference layout, int64_t position, int64_t *length)
{
    const struct layout *node = layout.node;
    int64_t offset = layout.offset;

    for (;;) {
        int64_t entry;

        switch (node->kind) {
        case LAYOUT_RUN:
            *length = node->size - position;
            return offset + position;
        case LAYOUT_LOOP:
            offset += position / node->child->size * node->stride;
            position %= node->child->size;
            node = node->child;
            break;
        case LAYOUT_BLOCKS:
            entry = entry_of(node, position);
            *length = node->before[entry + 1] - position;
            return offset + node->offsets[entry] + position - node->before[entry];
        case LAYOUT_LIST:
            entry = entry_of(node, position);
            position -= node->before[entry];
            offset += node->list[entry].offset;
            node = node->list[entry].node;
            break;
        }
    }
}
