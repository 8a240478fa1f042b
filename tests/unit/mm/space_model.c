#include "space_model.h"

#include "instance/mm/space_internal.h"

struct model_page model[MODEL_PAGES];

uint8_t model_file_byte(uint64_t offset)
{
    return offset < FILE_BYTES ? (uint8_t)(offset * 31 + offset / PAGE_SIZE + 1) : 0;
}

void model_create(uint64_t size)
{
    const uint64_t room = FILE_BYTES + PAGE_SIZE;
    partition_create(size, room, 3);
    for (uint64_t i = 0; i < room; i++)
        partition_file()[i] = i < FILE_BYTES ? model_file_byte(i) : 0xdd; /* the next file */
}

struct area_source model_file(bool in_place)
{
    return (struct area_source){
        .bytes = partition_file(),
        .size = FILE_BYTES,
        .physical = in_place ? partition_file_physical() : UINT64_MAX,
    };
}

uint64_t model_address(size_t index)
{
    return index < LOW_PAGES ? LOW_START + index * PAGE_SIZE
                             : TOP_START + (index - LOW_PAGES) * PAGE_SIZE;
}

size_t model_index(uint64_t address)
{
    if (address - LOW_START < LOW_PAGES * PAGE_SIZE)
        return (address - LOW_START) / PAGE_SIZE;
    if (address - TOP_START < TOP_PAGES * PAGE_SIZE)
        return LOW_PAGES + (address - TOP_START) / PAGE_SIZE;
    return MODEL_PAGES;
}

bool model_in_window(uint64_t address, uint64_t pages)
{
    uint64_t last = address + (pages - 1) * PAGE_SIZE;
    size_t from = model_index(address), to = model_index(last);
    return from < MODEL_PAGES && to < MODEL_PAGES && to - from == pages - 1;
}

bool model_all_mapped(uint64_t address, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        size_t index = model_index(address + i * PAGE_SIZE);
        if (index == MODEL_PAGES || !model[index].mapped)
            return false;
    }
    return true;
}

bool model_any_mapped(uint64_t address, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        size_t index = model_index(address + i * PAGE_SIZE);
        if (index < MODEL_PAGES && model[index].mapped)
            return true;
    }
    return false;
}

uint64_t model_place(uint64_t pages)
{
    uint64_t run = 0;
    for (size_t index = MODEL_PAGES; index-- > LOW_PAGES;) {
        run = model[index].mapped ? 0 : run + 1;
        if (run == pages)
            return model_address(index);
    }
    return 0;
}

void model_map(uint64_t address, uint64_t pages, int protection, bool shared)
{
    for (uint64_t i = 0; i < pages; i++)
        model[model_index(address + i * PAGE_SIZE)] =
            (struct model_page){.mapped = true, .protection = protection, .shared = shared};
}

void model_unmap(uint64_t address, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        size_t index = model_index(address + i * PAGE_SIZE);
        if (index < MODEL_PAGES)
            model[index] = (struct model_page){0};
    }
}

void model_move(uint64_t from, uint64_t to, uint64_t pages)
{
    static struct model_page moved[MODEL_PAGES];
    for (uint64_t i = 0; i < pages; i++)
        moved[i] = model[model_index(from + i * PAGE_SIZE)];
    model_unmap(from, pages);
    for (uint64_t i = 0; i < pages; i++)
        model[model_index(to + i * PAGE_SIZE)] = moved[i];
}

/* Where in the page at `index` the tests read and write: anywhere, but the same for a page that is
 * moved, which the index is not. So: one place. */
#define BYTE_AT 123

int model_access(size_t index, enum space_fault access)
{
    struct model_page *page = &model[index];
    int expected = 0;
    if (!page->mapped)
        expected = -EFAULT;
    else if (page->protection == PROT_NONE ||
             (access == SPACE_FAULT_WRITE && !(page->protection & PROT_WRITE)) ||
             (access == SPACE_FAULT_EXECUTE && !(page->protection & PROT_EXEC)))
        expected = -EACCES;
    uint8_t value = (uint8_t)(test_random() >> 9);
    partition_enter_core((uint32_t)test_random_below(core_count));
    int error = program_access(model_address(index) + BYTE_AT, access, &value);
    cr_assert_eq(error, expected, "page %zu, access %d", index, (int)access);
    if (error)
        return error;
    if (access == SPACE_FAULT_WRITE) {
        page->written = true;
        page->value = value;
    } else if (access == SPACE_FAULT_READ) {
        uint8_t holds = page->file ? model_file_byte(page->offset + BYTE_AT) : 0;
        cr_assert_eq(value, page->written ? page->value : holds, "page %zu", index);
    }
    return 0;
}

void model_check_contents(void)
{
    for (size_t index = 0; index < MODEL_PAGES; index++)
        if (model[index].mapped && model[index].protection)
            model_access(index, SPACE_FAULT_READ);
}

static bool check_area(const struct space_area *area, void *context)
{
    uint64_t *pages = context;
    for (uint64_t at = area->start; at < area->end; at += PAGE_SIZE, ++*pages) {
        size_t index = model_index(at);
        cr_assert(index < MODEL_PAGES && model[index].mapped, "%lx should not be mapped",
                  (unsigned long)at);
        cr_assert_eq(area->protection, model[index].protection);
        cr_assert_eq((area->flags & MAP_TYPE) == MAP_SHARED, model[index].shared);
    }
    return true;
}

void model_check_areas(void)
{
    uint64_t found = 0, expected = 0, promised = 0, resident = 0;
    space_visit(check_area, &found);
    for (size_t index = 0; index < MODEL_PAGES; index++)
        expected += model[index].mapped;
    cr_assert_eq(found, expected);

    for (const struct area *area = area_tree_find(&space.areas, 0); area;
         area = area_tree_next(area)) {
        uint64_t in_area = 0;
        for (uint64_t page = area->start; page < area->end; page += PAGE_SIZE) {
            uint64_t physical = platform_lookup(page, NULL);
            if (physical == UINT64_MAX)
                continue;
            cr_assert(page >= area->touched_low && page < area->touched_high);
            in_area += frame_is_own(physical) ? PAGE_SIZE : 0;
        }
        cr_assert_eq(in_area, area->resident);
        promised += area->counted ? area->end - area->start : 0;
        resident += area->counted ? area->resident : 0;
    }
    cr_assert_eq(space.promised, promised);
    cr_assert_eq(space.promised_resident, resident);
}
