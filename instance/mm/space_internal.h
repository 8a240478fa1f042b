/* What the parts of the address space share: space.c (state, cutting and merging areas, the promise
 * account), space_place.c, space_map.c, space_protect.c, space_advise.c, space_remap.c,
 * space_brk.c, space_fault.c, space_share.c. Nobody else includes this. */
#ifndef INSTANCE_MM_SPACE_INTERNAL_H
#define INSTANCE_MM_SPACE_INTERNAL_H

#include "instance/mm/area_tree.h"
#include "instance/mm/frames.h"
#include "instance/mm/sleep_lock.h"

/* Partitions below this are poor: no 2 MiB page unless the program asks for it. */
#define SPACE_AMPLE_MEMORY (UINT64_C(64) << 20)

enum area_advice { ADVICE_HUGE = 1, ADVICE_NO_HUGE = 2 };

/* All of it is under `lock`, which is never held while one touches the program's memory, clears or
 * copies a page. It is no spinlock because unmapping waits until all cores have dropped their
 * translations: cores that spun here meanwhile would have to be waited for as well, and where there
 * are fewer host cores than cores they would even take the others' turn. */
struct space {
    struct sleep_lock lock;
    struct area_tree areas;
    uint64_t brk_start, brk; /* the break: bytes, not pages; 0: not set up yet */

    /* The promise account (README.md): the length of all counted areas, and the frames in them. */
    uint64_t promised, promised_resident; /* bytes */

    /* Grows with every change of an area or of a mapping: who let go of the lock sees by it whether
     * what was looked up still holds. */
    uint64_t changes;

    /* The mapping generation (space_share.c), which the program reads at *published. */
    uint64_t sharing;
    _Atomic uint64_t *published;

    uint64_t file_pages; /* pages of files in memory that have ever been mapped themselves */
    bool lock_future;    /* mlockall(MCL_FUTURE): new areas are filled at once */
};
extern struct space space;

static inline uint64_t page_down(uint64_t address)
{
    return address & ~(PAGE_SIZE - 1);
}
/* Wraps to 0 for the last page's addresses: callers check. */
static inline uint64_t page_up(uint64_t address)
{
    return (address + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/* --- space.c; the lock is held -----------------------------------------------------------------
 */

/* Checks that `address` is a page's and that the range, rounded up to pages, ends in the program's
 * half; sets *end (needs no lock). Returns 0, -EINVAL or -ENOMEM. */
int space_check_range(uint64_t address, uint64_t length, uint64_t *end);

/* Makes `start` and `end` borders between areas, splitting the areas that hold them. 0 or -ENOMEM;
 * then nothing has changed. */
int space_cut(uint64_t start, uint64_t end);
/* Merges equal neighbours from the area before `start` to the area at `end`. */
void space_merge(uint64_t start, uint64_t end);

/* Is there an area at each address of the range? */
bool space_is_covered(uint64_t start, uint64_t end);
/* Is there no area at any address of the range? */
bool space_is_free(uint64_t start, uint64_t end);

/* A new area, not in the tree, or NULL. */
struct area *space_area_create(uint64_t start, uint64_t end, int protection, int flags);
/* Puts an area in and its length on the account; takes it out, off the account, and frees it. */
void space_area_insert(struct area *area);
void space_area_remove(struct area *area);
/* Notes that pages at [start, +length) of the area have been mapped (frames or in place); */
void space_area_touched(struct area *area, uint64_t start, uint64_t length);
/* that so many bytes of frames have come into the area, or left it. */
void space_area_filled(struct area *area, uint64_t bytes);
void space_area_emptied(struct area *area, uint64_t bytes);
/* The frames in [start, end) of the area, in bytes. Walks the page tables where it has to. */
uint64_t space_area_resident_in(const struct area *area, uint64_t start, uint64_t end);

/* Does an area of this kind count as promised? */
bool space_counts(int protection, int flags);
/* Bytes that may still be promised: what is free, less what is promised and not there yet, less a
 * reserve for page tables and the kernel. */
uint64_t space_promisable(void);

/* Is it a shared mapping of a file? */
bool space_is_shared_file(const struct area *area);
/* Is `physical` the page at `page` of the area's source, mapped in place? */
bool space_is_in_place(const struct area *area, uint64_t page, uint64_t physical);
/* The platform's bits for PROT_*. */
unsigned space_platform_protection(int protection);
/* Gives frames of the program back; pages that were mapped in place are left alone. The context is
 * NULL, or a uint64_t to which the bytes given back are added. */
void space_release(void *context, uint64_t physical, uint64_t length);

/* --- The others, the lock is held --------------------------------------------------------------
 */

/* space_map.c: removes all areas in [start, end) and their pages. 0, or -ENOMEM: nothing changed.
 */
int space_unmap_locked(uint64_t start, uint64_t end);

/* space_share.c: what others have been told of pages in [start, end) will not hold any more. To be
 * called before it does not. */
void space_unshare(uint64_t start, uint64_t end);
/* `area` takes over what has been told of `other`, which is merged into it. */
void space_area_take_shared(struct area *area, const struct area *other);

/* space_place.c: decides where a mapping of `length` bytes goes: at the hint if that is free, or
 * else below the stack, downwards. 0: there is no room. */
uint64_t space_place(uint64_t hint, uint64_t length, int flags, bool anonymous);

/* --- Without the lock --------------------------------------------------------------------------
 */

/* space_fault.c: makes the page at `address` present for `access` and says how far the memory from
 * there on is present now (at least to the page's end). Returns as space_handle_fault. */
int space_fault_in(uint64_t address, unsigned access, uint64_t *present_end);

#endif
