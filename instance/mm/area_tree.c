/* The AVL tree of areas (Adelson-Velsky and Landis; Knuth, volume 3, 6.2.3), by start address, with
 * parent links. Every change recomputes the subtree's figures on the way up to the root. */
#include "instance/mm/area_tree.h"

static int height_of(const struct area *area)
{
    return area ? area->height : 0;
}

/* Computes a node's figures from its own bounds and its children's figures. */
static void refresh(struct area *area)
{
    const struct area *left = area->left, *right = area->right;
    int left_height = height_of(left), right_height = height_of(right);
    area->height = 1 + (left_height > right_height ? left_height : right_height);
    area->low = area->start;
    area->high = area->end;
    area->gap = 0;
    if (left) {
        area->low = left->low;
        area->gap = left->gap;
        if (area->start - left->high > area->gap)
            area->gap = area->start - left->high;
    }
    if (right) {
        area->high = right->high;
        if (right->gap > area->gap)
            area->gap = right->gap;
        if (right->low - area->end > area->gap)
            area->gap = right->low - area->end;
    }
}

/* Puts `new` where `old` hangs. */
static void replace_child(struct area_tree *tree, struct area *parent, const struct area *old,
                          struct area *new)
{
    if (!parent)
        tree->root = new;
    else if (parent->left == old)
        parent->left = new;
    else
        parent->right = new;
    if (new)
        new->parent = parent;
}

/* Makes the right (left) child the root of this subtree; returns it. */
static struct area *rotate_left(struct area_tree *tree, struct area *area)
{
    struct area *up = area->right;
    replace_child(tree, area->parent, area, up);
    area->right = up->left;
    if (area->right)
        area->right->parent = area;
    up->left = area;
    area->parent = up;
    refresh(area);
    refresh(up);
    return up;
}

static struct area *rotate_right(struct area_tree *tree, struct area *area)
{
    struct area *up = area->left;
    replace_child(tree, area->parent, area, up);
    area->left = up->right;
    if (area->left)
        area->left->parent = area;
    up->right = area;
    area->parent = up;
    refresh(area);
    refresh(up);
    return up;
}

/* Restores balance and figures from `area` up to the root. */
static void rebalance(struct area_tree *tree, struct area *area)
{
    for (; area; area = area->parent) {
        int balance = height_of(area->left) - height_of(area->right);
        if (balance > 1) {
            if (height_of(area->left->left) < height_of(area->left->right))
                rotate_left(tree, area->left);
            area = rotate_right(tree, area);
        } else if (balance < -1) {
            if (height_of(area->right->right) < height_of(area->right->left))
                rotate_right(tree, area->right);
            area = rotate_left(tree, area);
        } else {
            refresh(area);
        }
    }
}

void area_tree_insert(struct area_tree *tree, struct area *area)
{
    struct area *parent = NULL, **link = &tree->root;
    while (*link) {
        parent = *link;
        link = area->start < parent->start ? &parent->left : &parent->right;
    }
    area->left = area->right = NULL;
    area->parent = parent;
    *link = area;
    rebalance(tree, area);
}

void area_tree_remove(struct area_tree *tree, struct area *area)
{
    struct area *lowest_changed;
    if (area->left && area->right) {
        /* The next area takes this one's place. */
        struct area *next = area->right;
        while (next->left)
            next = next->left;
        lowest_changed = next;
        if (next->parent != area) {
            lowest_changed = next->parent;
            replace_child(tree, next->parent, next, next->right);
            next->right = area->right;
            next->right->parent = next;
        }
        next->left = area->left;
        next->left->parent = next;
        replace_child(tree, area->parent, area, next);
    } else {
        lowest_changed = area->parent;
        replace_child(tree, area->parent, area, area->left ? area->left : area->right);
    }
    rebalance(tree, lowest_changed);
}

void area_tree_resized(struct area *area)
{
    for (; area; area = area->parent)
        refresh(area);
}

struct area *area_tree_find(const struct area_tree *tree, uint64_t address)
{
    struct area *best = NULL;
    for (struct area *area = tree->root; area;) {
        if (area->end > address) {
            best = area;
            area = area->left;
        } else {
            area = area->right;
        }
    }
    return best;
}

struct area *area_tree_next(const struct area *area)
{
    if (area->right) {
        area = area->right;
        while (area->left)
            area = area->left;
        return (struct area *)area;
    }
    while (area->parent && area->parent->right == area)
        area = area->parent;
    return area->parent;
}

struct area *area_tree_previous(const struct area *area)
{
    if (area->left) {
        area = area->left;
        while (area->right)
            area = area->right;
        return (struct area *)area;
    }
    while (area->parent && area->parent->left == area)
        area = area->parent;
    return area->parent;
}

/* What is looked for. */
struct wish {
    uint64_t length, alignment, floor, ceiling;
};

/* The highest place in the free run [from, to) that meets the wish, or 0. */
static uint64_t place_in(const struct wish *wish, uint64_t from, uint64_t to)
{
    if (from < wish->floor)
        from = wish->floor;
    if (to > wish->ceiling)
        to = wish->ceiling;
    if (to < from || to - from < wish->length)
        return 0;
    uint64_t place = (to - wish->length) & ~(wish->alignment - 1);
    return place >= from ? place : 0;
}

/* The same for the gaps between the areas of a subtree. Subtrees without a wide enough gap are not
 * entered, so a wish without alignment only follows the paths to `ceiling` and to the result. */
static uint64_t place_below(const struct area *area, const struct wish *wish)
{
    uint64_t place = 0;
    if (!area || area->gap < wish->length || area->high <= wish->floor ||
        area->low >= wish->ceiling)
        return 0;
    if (area->right && area->end < wish->ceiling) {
        place = place_below(area->right, wish);
        if (!place)
            place = place_in(wish, area->end, area->right->low);
    }
    if (!place && area->left) {
        place = place_in(wish, area->left->high, area->start);
        if (!place)
            place = place_below(area->left, wish);
    }
    return place;
}

uint64_t area_tree_place(const struct area_tree *tree, uint64_t length, uint64_t alignment,
                         uint64_t floor, uint64_t ceiling)
{
    const struct wish wish = {length, alignment, floor, ceiling};
    const struct area *root = tree->root;
    if (!root)
        return place_in(&wish, floor, ceiling);
    uint64_t place = place_in(&wish, root->high, ceiling);
    if (!place)
        place = place_below(root, &wish);
    if (!place)
        place = place_in(&wish, floor, root->low);
    return place;
}
