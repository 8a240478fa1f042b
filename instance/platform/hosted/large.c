/* The host's large pages for the partition. A fault of the host's own for each page that is touched
 * costs more than all that this kernel does about a fault. So, when memory is first given to the
 * program, the host is asked (MADV_COLLAPSE, Linux 6.1) to put one page of 2 MiB behind the whole
 * aligned piece of the partition: it clears that at once, and neither the direct map nor the
 * program's mapping of it takes a fault of the host's again. Where the host does not do that, pages
 * come one by one.
 *
 * For each such call the host has a thread on each of its processors put away what is kept there,
 * and waits for them. Where they are free that is soon done, and all of it takes 0.1 ms; where they
 * are crowded it can take more than the pages one by one. So the call is timed, and one that took
 * very long counts as a failure. */
#include "instance/platform/hosted/large.h"

#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <stdatomic.h>

#define PATIENCE_MAX 64 /* pieces passed over after a failure, at most */
#define SLOW_NS 8000000 /* more than the pages of a piece cost one by one on a crowded host */

static struct {
    _Atomic uint64_t *_Atomic asked; /* a bit for each piece of 2 MiB; NULL: none yet */
    uint64_t pieces;                 /* whole ones in the partition */
    _Atomic uint64_t small;          /* bytes given in small blocks, up to LARGE_AFTER */
    _Atomic uint32_t passing;        /* pieces still to be passed over */
    _Atomic uint32_t patience;       /* how many after the next failure; 0: none has failed */
    _Atomic bool given;              /* the host has done it once */
    _Atomic bool refused;            /* the host cannot do it */
} large;

void large_init(uint64_t partition)
{
    atomic_store(&large.asked, NULL);
    large.pieces = partition / LARGE_PAGE_SIZE;
    atomic_store(&large.small, 0);
    atomic_store(&large.passing, 0);
    atomic_store(&large.patience, 0);
    atomic_store(&large.given, false);
    atomic_store(&large.refused, false);
}

/* The bits, made by whoever comes first; NULL: no memory. */
static _Atomic uint64_t *bits(void)
{
    _Atomic uint64_t *asked = atomic_load_explicit(&large.asked, memory_order_acquire);
    if (asked)
        return asked;
    _Atomic uint64_t *made = kzalloc((large.pieces + 63) / 64 * sizeof *made);
    if (!made || atomic_compare_exchange_strong(&large.asked, &asked, made))
        return made;
    kfree(made);
    return asked;
}

/* Is this the first time that the piece is asked for? */
static bool claim(uint64_t piece)
{
    _Atomic uint64_t *asked = bits();
    uint64_t bit = UINT64_C(1) << piece % 64;
    return asked && !(atomic_load_explicit(&asked[piece / 64], memory_order_relaxed) & bit) &&
           !(atomic_fetch_or_explicit(&asked[piece / 64], bit, memory_order_relaxed) & bit);
}

/* A failure costs as much as a success, or more: after some in a row, few are tried. */
static bool is_passed_over(void)
{
    uint32_t passing = atomic_load_explicit(&large.passing, memory_order_relaxed);
    while (passing)
        if (atomic_compare_exchange_weak_explicit(&large.passing, &passing, passing - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

static void fetch(uint64_t piece)
{
    uint64_t begin = platform_monotonic_ns();
    int64_t error = hosted_large_page(piece * LARGE_PAGE_SIZE);
    if (!error) {
        atomic_store_explicit(&large.given, true, memory_order_relaxed);
        if (platform_monotonic_ns() - begin < SLOW_NS) {
            atomic_store_explicit(&large.patience, 0, memory_order_relaxed);
            return;
        }
    }
    /* Also said of a single piece whose pages somebody else is busy with. */
    if (error == -EINVAL && !atomic_load_explicit(&large.given, memory_order_relaxed)) {
        atomic_store_explicit(&large.refused, true, memory_order_relaxed);
        return;
    }
    uint32_t patience = atomic_load_explicit(&large.patience, memory_order_relaxed) * 2 + 1;
    patience = patience < PATIENCE_MAX ? patience : PATIENCE_MAX;
    atomic_store_explicit(&large.patience, patience, memory_order_relaxed);
    atomic_store_explicit(&large.passing, patience, memory_order_relaxed);
}

void platform_memory_begin(uint64_t physical, uint64_t length)
{
    if (atomic_load_explicit(&large.refused, memory_order_relaxed))
        return;
    if (length < LARGE_PAGE_SIZE &&
        atomic_load_explicit(&large.small, memory_order_relaxed) < LARGE_AFTER) {
        atomic_fetch_add_explicit(&large.small, length, memory_order_relaxed);
        return;
    }
    uint64_t end = (physical + length + LARGE_PAGE_SIZE - 1) / LARGE_PAGE_SIZE;
    for (uint64_t piece = physical / LARGE_PAGE_SIZE; piece < end && piece < large.pieces; piece++)
        if (claim(piece) && !is_passed_over())
            fetch(piece);
}
