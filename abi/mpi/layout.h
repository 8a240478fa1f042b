/* Layouts: where the bytes of a datatype lie, as a small tree of loops. A node describes a sequence
 * of bytes relative to a base address:
 *
 *   RUN      `size` bytes, one after the other
 *   LOOP     `count` times the child, `stride` bytes apart
 *   BLOCKS   `count` runs, each with an offset and a length
 *   LIST     `count` children, each at an offset
 *
 * The order of the bytes is that of the type map. Nodes never change once they are made, and are
 * shared between types by counted references. Every node knows the bytes below it, so that any
 * position of the stream is found by division in a LOOP and by bisection in BLOCKS and LIST: that
 * is all a packing cursor needs, and it holds no state. */
#ifndef ABI_MPI_LAYOUT_H
#define ABI_MPI_LAYOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct layout;

/* A layout and where it begins, in bytes from the base address. node NULL: no bytes at all. */
struct layout_reference {
    const struct layout *node;
    int64_t offset;
};

enum layout_kind { LAYOUT_RUN, LAYOUT_LOOP, LAYOUT_BLOCKS, LAYOUT_LIST };

struct layout {
    _Atomic int32_t references; /* 0: static, never freed */
    enum layout_kind kind;
    int64_t size; /* bytes of data below this node, more than 0 */
    int64_t count;
    int64_t stride;                /* LOOP: bytes */
    const struct layout *child;    /* LOOP: begins where the loop does (its offset is the loop's) */
    int64_t *before;               /* BLOCKS, LIST: count + 1 sums: bytes of data before each */
    int64_t *offsets;              /* BLOCKS: bytes */
    int64_t length;                /* BLOCKS: of each, when all are equally long, else 0 */
    struct layout_reference *list; /* LIST */
};

/* Makers: take their own references to what they are given, merge what can be merged (runs that
 * meet, loops of loops, evenly spaced blocks), and give a reference to the caller. False without
 * memory. `out` of no bytes has node NULL. */
bool layout_run(int64_t size, int64_t offset, struct layout_reference *out);
bool layout_loop(int64_t count, int64_t stride, struct layout_reference body,
                 struct layout_reference *out);
bool layout_list(int64_t count, const struct layout_reference list[], struct layout_reference *out);
/* `count` runs, of the lengths and at the offsets given, in bytes. */
bool layout_blocks(int64_t count, const int64_t lengths[], const int64_t offsets[],
                   struct layout_reference *out);

struct layout_reference layout_retain(struct layout_reference layout);
void layout_release(struct layout_reference layout);

/* Copies data bytes [from, to) of the layout, based at `base`, to or from the `packed` bytes. */
void layout_pack(struct layout_reference layout, const char *base, int64_t from, int64_t to,
                 char *packed);
void layout_unpack(struct layout_reference layout, char *base, int64_t from, int64_t to,
                   const char *packed);

/* The run of bytes in which data byte `position` lies: the offset of that byte from the base, and
 * how many bytes follow it there (itself counted). */
int64_t layout_find(struct layout_reference layout, int64_t position, int64_t *length);

#endif
