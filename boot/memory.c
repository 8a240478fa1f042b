/* The machine's memory: what the firmware reports, what the loader keeps, what the instances get.
 * Everything below LOW_END stays the loader's: real-mode entry, launcher, its own image. */
#include "boot/loader.h"

#include <string.h>

/* hvm_start_info and its memory map: Xen's public/arch-x86/hvm/start_info.h, version 1. */
#define START_INFO_MAGIC 0x336ec578
#define MEMORY_RAM 1

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};
struct memory_entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

extern uint8_t loader_end[];

static struct memory_range *free_ranges; /* ascending; taken from the front */
static size_t free_count;
static uint64_t own_next, own_end; /* the loader's own memory, page by page */

void memory_init(uint64_t start_info)
{
    const struct start_info *info = (const struct start_info *)start_info;
    if (info->magic != START_INFO_MAGIC || info->version < 1 || !info->memory_map)
        loader_fail("no PVH start info of version 1 or later (magic %x, version %u)", info->magic,
                    info->version);
    loader.rsdp = info->rsdp;
    const struct memory_entry *map = (const struct memory_entry *)info->memory_map;

    /* The loader's own memory: behind its image, up to a quarter of the first range but no more
     * than it needs: page tables for all RAM at 2 MiB a page, slots, lists. */
    uint64_t after_image = ((uint64_t)loader_end + PAGE - 1) & ~(PAGE - 1);
    for (uint32_t i = 0; i < info->memory_map_entries; i++) {
        uint64_t end = map[i].base + map[i].size;
        if (map[i].type == MEMORY_RAM && end > loader.memory_top)
            loader.memory_top = end;
    }
    uint64_t need = (UINT64_C(1) << 20) + loader.memory_top / GIB * PAGE +
                    (uint64_t)info->memory_map_entries * sizeof(struct memory_range);
    own_next = after_image;
    own_end = (after_image + need + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);

    bool found = false;
    for (uint32_t i = 0; i < info->memory_map_entries; i++)
        if (map[i].type == MEMORY_RAM && map[i].base <= after_image &&
            map[i].base + map[i].size >= own_end)
            found = true;
    if (!found)
        loader_fail("no %lu KiB of memory behind the loader at %lx", need >> 10, after_image);

    /* The firmware may list its ranges in any order; ours ascend. */
    free_ranges = memory_own(info->memory_map_entries * sizeof *free_ranges);
    for (uint32_t i = 0; i < info->memory_map_entries; i++) {
        uint64_t base = map[i].base, end = base + map[i].size;
        if (map[i].type != MEMORY_RAM)
            continue;
        if (base < own_end)
            base = own_end;
        base = (base + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
        end &= ~(LARGE_PAGE - 1);
        if (base >= end)
            continue;
        size_t at = free_count++;
        for (; at && free_ranges[at - 1].base > base; at--)
            free_ranges[at] = free_ranges[at - 1];
        free_ranges[at] = (struct memory_range){base, end - base};
    }
}

void *memory_own(uint64_t size)
{
    size = (size + PAGE - 1) & ~(PAGE - 1);
    if (size > own_end - own_next)
        loader_fail("the loader's own memory is used up (%lu more bytes wanted)", size);
    void *memory = (void *)own_next;
    own_next += size;
    memset(memory, 0, size);
    return memory;
}

static uint64_t memory_free(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < free_count; i++)
        sum += free_ranges[i].size;
    return sum;
}

size_t memory_take(uint64_t size, const char *name, struct memory_range **ranges)
{
    if (size > memory_free())
        loader_fail("instance %s wants %lu MiB, the machine has %lu MiB left", name, size >> 20,
                    memory_free() >> 20);
    /* One range that holds it all, if there is one: the smallest, so that large ones stay whole. */
    struct memory_range *best = NULL;
    for (size_t i = 0; i < free_count; i++)
        if (free_ranges[i].size >= size && (!best || free_ranges[i].size < best->size))
            best = &free_ranges[i];
    struct memory_range *taken = memory_own(free_count * sizeof *taken);
    size_t count = 0;
    for (size_t i = 0; i < free_count && size; i++) {
        struct memory_range *range = best ? best : &free_ranges[i];
        uint64_t part = range->size < size ? range->size : size;
        if (!part)
            continue;
        taken[count++] = (struct memory_range){range->base, part};
        range->base += part;
        range->size -= part;
        size -= part;
    }
    *ranges = taken;
    return count;
}
