/* The vDSO in the program's address space: a copy of the image, with the clock's figures. */
#include "instance/program.h"

#include "instance/arch/x86/clock.h"
#include "instance/core.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/space.h"
#include "instance/platform/platform.h"
#include "instance/string.h"
#include "instance/vdso/vdso.h"

#include <errno.h>
#include <linux/mman.h>

_Static_assert(offsetof(struct core, index) == 56, "vdso.c's getcpu reads it");

extern const uint8_t vdso_image[], vdso_image_end[]; /* arch/x86/vdso_image.asm */

/* Fills in the clock's figures if they stand in this page. */
static bool fill_clock(uint8_t *page, uint64_t length)
{
    struct vdso_clock clock = {.magic = 0};
    for (uint64_t at = 0; at + sizeof(clock) <= length; at += sizeof(uint64_t)) {
        memcpy(&clock, page + at, sizeof(clock));
        if (clock.magic != VDSO_CLOCK_MAGIC)
            continue;
        clock_describe(&clock);
        memcpy(page + at, &clock, sizeof(clock));
        return true;
    }
    return false;
}

int program_map_vdso(uint64_t *address)
{
    uint64_t size = (uint64_t)(vdso_image_end - vdso_image);
    uint64_t length = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    int64_t start =
        space_map(0, length, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0, "[vdso]");
    if (start < 0)
        return (int)start;
    int error = space_populate((uint64_t)start, length, SPACE_FAULT_OWN);
    bool filled = false;
    for (uint64_t at = 0; at < size && error == 0; at += PAGE_SIZE) {
        uint64_t part = size - at < PAGE_SIZE ? size - at : PAGE_SIZE;
        uint64_t physical = platform_lookup((uint64_t)start + at, NULL);
        if (physical == UINT64_MAX || !frame_is_own(physical))
            return -ENOMEM;
        uint8_t *page = (uint8_t *)(platform_direct_base + physical);
        memcpy(page, vdso_image + at, part);
        filled |= fill_clock(page, part);
    }
    if (error == 0 && !filled) {
        log_error("program: the vDSO's image has no place for the clock");
        error = -EINVAL;
    }
    *address = (uint64_t)start;
    return error;
}
