/* The areas of an address space by address: an AVL tree in which every node also knows the extent
 * of its subtree and the widest gap in it, so that room for a new area is found in logarithmic
 * time. No lock, no allocation: the areas are the nodes. */
#ifndef INSTANCE_MM_AREA_TREE_H
#define INSTANCE_MM_AREA_TREE_H

#include "instance/mm/space.h"

/* A run of pages of equal kind. */
struct area {
    uint64_t start, end; /* program addresses, multiples of PAGE_SIZE, start < end */
    int protection;      /* PROT_* */
    int flags;           /* MAP_*: type and kind, as space_map keeps them */
    uint8_t advice;      /* enum area_advice */
    bool counted;        /* its length is part of space.promised */
    uint64_t offset;     /* of `start` in the source */
    struct area_source source;
    const char *name;

    /* Pages of the partition's memory in it, in bytes, and where they lie: outside [touched_low,
     * touched_high) no page has ever been mapped. touched_low >= touched_high: none at all. */
    uint64_t resident;
    uint64_t touched_low, touched_high;

    /* Pages whose place in the partition others have been told lie in [shared_low, shared_high), if
     * that was since the last change of space.sharing. */
    uint64_t shared_low, shared_high, sharing;

    /* The tree's own. */
    struct area *left, *right, *parent;
    int height;
    uint64_t low, high; /* of the subtree: lowest start, highest end */
    uint64_t gap;       /* widest gap between two neighbours in the subtree, bytes */
};

struct area_tree {
    struct area *root;
};

/* Puts in an area that overlaps no other; takes one out. */
void area_tree_insert(struct area_tree *tree, struct area *area);
void area_tree_remove(struct area_tree *tree, struct area *area);

/* To be called after `start` or `end` of an area in the tree has changed (its order has not). */
void area_tree_resized(struct area *area);

/* The lowest area that ends above `address`: the one that holds it, or the next one. NULL: none. */
struct area *area_tree_find(const struct area_tree *tree, uint64_t address);

struct area *area_tree_next(const struct area *area);
struct area *area_tree_previous(const struct area *area);

/* The highest address at which [address, +length) is free, inside [floor, ceiling), and a multiple
 * of `alignment` (a power of two); or 0. `length` is not 0, `floor` is not 0. */
uint64_t area_tree_place(const struct area_tree *tree, uint64_t length, uint64_t alignment,
                         uint64_t floor, uint64_t ceiling);

#endif
