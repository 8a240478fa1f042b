/* The area tree: order, balance and figures after random changes, and placement against a scan. */
#include "partition.h"

#include "instance/mm/area_tree.h"

#include <stdlib.h>

#define UNIVERSE 600 /* pages */
#define BASE UINT64_C(0x10000)

static uint64_t page_address(uint64_t page)
{
    return BASE + page * PAGE_SIZE;
}

/* Checks the subtree and returns its number of areas; previous_end walks along in order. */
static unsigned check(const struct area *area, const struct area *parent, uint64_t *previous_end)
{
    if (!area)
        return 0;
    cr_assert_eq(area->parent, parent);
    unsigned count = check(area->left, area, previous_end);
    cr_assert_geq(area->start, *previous_end);
    *previous_end = area->end;
    count += check(area->right, area, previous_end);
    int left = area->left ? area->left->height : 0, right = area->right ? area->right->height : 0;
    cr_assert(left - right <= 1 && right - left <= 1);
    cr_assert_eq(area->height, 1 + (left > right ? left : right));
    uint64_t gap = 0;
    cr_assert_eq(area->low, area->left ? area->left->low : area->start);
    cr_assert_eq(area->high, area->right ? area->right->high : area->end);
    if (area->left) {
        gap = area->left->gap;
        if (area->start - area->left->high > gap)
            gap = area->start - area->left->high;
    }
    if (area->right) {
        gap = area->right->gap > gap ? area->right->gap : gap;
        if (area->right->low - area->end > gap)
            gap = area->right->low - area->end;
    }
    cr_assert_eq(area->gap, gap);
    return count + 1;
}

static bool is_run_free(struct area *const *owner, uint64_t page, uint64_t count)
{
    for (uint64_t i = page; i < page + count; i++)
        if (i >= UNIVERSE || owner[i])
            return false;
    return true;
}

static void check_placement(const struct area_tree *tree, struct area *const *owner)
{
    uint64_t length = 1 + test_random_below(30), alignment = UINT64_C(1) << test_random_below(5);
    uint64_t floor = test_random_below(UNIVERSE), ceiling = test_random_below(UNIVERSE + 1);
    uint64_t expected = 0;
    for (uint64_t page = ceiling >= length ? ceiling - length + 1 : 0; page-- > floor;)
        if (!(page_address(page) % (alignment * PAGE_SIZE)) && is_run_free(owner, page, length)) {
            expected = page_address(page);
            break;
        }
    uint64_t place = area_tree_place(tree, length * PAGE_SIZE, alignment * PAGE_SIZE,
                                     page_address(floor), page_address(ceiling));
    cr_assert_eq(place, expected);
}

static void check_search(const struct area_tree *tree, struct area *const *owner)
{
    uint64_t page = test_random_below(UNIVERSE), found = page;
    while (found < UNIVERSE && !owner[found])
        found++;
    struct area *area = area_tree_find(tree, page_address(page) + test_random_below(PAGE_SIZE));
    cr_assert_eq(area, found < UNIVERSE ? owner[found] : NULL);
    if (!area)
        return;
    for (found = (area->end - BASE) / PAGE_SIZE; found < UNIVERSE && !owner[found];)
        found++;
    struct area *next = area_tree_next(area);
    cr_assert_eq(next, found < UNIVERSE ? owner[found] : NULL);
    if (next)
        cr_assert_eq(area_tree_previous(next), area);
}

Test(area_tree, random_against_an_array)
{
    struct area_tree tree = {NULL};
    static struct area *owner[UNIVERSE];
    memory_create(4 * MIB, 0, 1);
    unsigned count = 0;
    for (unsigned step = 0; step < SINGLE_STEPS(20000); step++) {
        uint64_t page = test_random_below(UNIVERSE), length = 1 + test_random_below(6);
        struct area *area = owner[page];
        if (!area && is_run_free(owner, page, length)) {
            area = calloc(1, sizeof(*area));
            area->start = page_address(page);
            area->end = page_address(page + length);
            area_tree_insert(&tree, area);
            for (uint64_t i = page; i < page + length; i++)
                owner[i] = area;
            count++;
        } else if (area && test_random_below(3) == 0 && area->end - area->start > PAGE_SIZE) {
            owner[(area->end - BASE) / PAGE_SIZE - 1] = NULL;
            area->end -= PAGE_SIZE;
            area_tree_resized(area);
        } else if (area && test_random_below(count > 100 ? 1 : 3) == 0) {
            area_tree_remove(&tree, area);
            for (uint64_t at = area->start; at < area->end; at += PAGE_SIZE)
                owner[(at - BASE) / PAGE_SIZE] = NULL;
            free(area);
            count--;
        }
        if (step % 16 == 0) {
            uint64_t previous_end = 0;
            cr_assert_eq(check(tree.root, NULL, &previous_end), count);
        }
        check_placement(&tree, owner);
        check_search(&tree, owner);
    }
    while (tree.root) {
        struct area *area = tree.root;
        area_tree_remove(&tree, area);
        free(area);
    }
}
