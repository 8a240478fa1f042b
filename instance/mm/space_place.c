/* Where mappings go. The one place that decides addresses: top-down from below the stack, as Linux
 * does, so that the heap that grows up from the program's data has the rest. */
#include "instance/mm/space_internal.h"

#include "instance/platform/platform.h"

#include <linux/mman.h>

/* Kept free for the first thread's stack below the top of the program's half. In the same 1 GiB as
 * the mappings below, so that a small program needs one page table less. */
#define STACK_ROOM (UINT64_C(128) << 20)
#define MAPPINGS_TOP ((PROGRAM_TOP & ~(LARGE_PAGE_SIZE - 1)) - STACK_ROOM)

/* MAP_32BIT: where Linux puts such mappings. */
#define LOW_FLOOR UINT64_C(0x40000000)
#define LOW_CEILING UINT64_C(0x80000000)

uint64_t space_place(uint64_t hint, uint64_t length, int flags, bool anonymous)
{
    if (length > PROGRAM_TOP - PROGRAM_FLOOR)
        return 0;
    uint64_t alignment = flags & MAP_HUGETLB ? LARGE_PAGE_SIZE : PAGE_SIZE;
    hint = page_down(hint) & ~(alignment - 1);
    if (hint >= PROGRAM_FLOOR && hint <= PROGRAM_TOP - length && space_is_free(hint, hint + length))
        return hint;

    uint64_t floor = PROGRAM_FLOOR, ceiling = MAPPINGS_TOP;
    if (flags & MAP_32BIT) {
        floor = LOW_FLOOR;
        ceiling = LOW_CEILING;
    }
    /* Large enough for 2 MiB pages: then at their border, if there is such a place. */
    uint64_t place = 0;
    if (alignment == LARGE_PAGE_SIZE ||
        (anonymous && length >= LARGE_PAGE_SIZE && !(flags & MAP_STACK) &&
         frame_bytes_total() >= SPACE_AMPLE_MEMORY))
        place = area_tree_place(&space.areas, length, LARGE_PAGE_SIZE, floor, ceiling);
    if (!place && alignment == PAGE_SIZE)
        place = area_tree_place(&space.areas, length, PAGE_SIZE, floor, ceiling);
    if (!place && !(flags & MAP_32BIT)) /* the room above, rather than none */
        place = area_tree_place(&space.areas, length, alignment, floor, PROGRAM_TOP);
    return place;
}
