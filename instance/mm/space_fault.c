/* Page faults: what the page at an address is to hold, and its mapping.
 *
 * The lock is never held while a page is cleared or copied. So a fault is a plan made under the
 * lock, a frame filled without it, and the mapping under it again, for which the plan must still be
 * the same: another core may have mapped the page meanwhile, or have unmapped the area. */
#include "instance/mm/space_internal.h"

#include "instance/mm/reclaim.h"
#include "instance/platform/platform.h"
#include "instance/string.h"

#include <asm/errno.h>
#include <linux/mman.h>

/* Pages that are cleared together for one fault, where memory is plenty: on most first touches the
 * neighbours follow, and a fault costs more than clearing a page. */
#define AROUND_ORDER PLATFORM_AROUND_ORDER
/* And for an area that is being touched upwards, page behind page: at most that many, and at most
 * an eighth of what it has been touched for so far. */
#define RUN_ORDER (PLATFORM_AROUND_ORDER + 2)
#define RUN_SHARE 8
/* File pages that are mapped in place around a fault: nothing is copied. */
#define IN_PLACE_WINDOW (UINT64_C(256) << 10)
/* Accesses that a page mapped in place is not good enough for. */
#define NEEDS_FRAME (SPACE_FAULT_WRITE | SPACE_FAULT_OWN | SPACE_FAULT_FRAME)

/* A block of frames to be filled and mapped. */
struct plan {
    uint64_t start; /* program address */
    unsigned order;
    unsigned protection; /* PLATFORM_* */
    const uint8_t *from; /* copied to its begin, or NULL; the rest is zero */
    uint64_t from_length;
    struct area_file *file; /* held: `offset` of it is to be fetched instead; or NULL */
    uint64_t offset;
    bool shares;   /* the file's own page at `offset` is to be mapped, nothing copied */
    bool replaces; /* a page mapped in place, which is to become the program's own */
};

static bool is_same_plan(const struct plan *one, const struct plan *other)
{
    return one->start == other->start && one->order == other->order &&
           one->protection == other->protection && one->from == other->from &&
           one->from_length == other->from_length && one->file == other->file &&
           one->offset == other->offset && one->shares == other->shares &&
           one->replaces == other->replaces;
}

static bool is_permitted(int protection, unsigned access)
{
    if ((access & SPACE_FAULT_WRITE) && !(protection & PROT_WRITE))
        return false;
    if ((access & SPACE_FAULT_EXECUTE) && !(protection & PROT_EXEC))
        return false;
    return protection != PROT_NONE; /* on x86 what can be written or executed can be read */
}

static bool is_mapped(uint64_t page)
{
    return platform_lookup(page, NULL) != UINT64_MAX;
}

/* Is [start, +length) inside the area, filled with zeros, and nothing of it mapped yet? `from`, in
 * it, is not mapped. */
static bool is_blank(const struct area *area, uint64_t start, uint64_t length, uint64_t from)
{
    if (start < area->start || length > area->end - start)
        return false;
    if (area->source.bytes && area->offset + (start - area->start) < area->source.size)
        return false;
    if (start >= area->touched_high || start + length <= area->touched_low)
        return true;
    /* Outwards: a page that is mapped is most likely a near one. */
    uint64_t below = from, above = from + PAGE_SIZE;
    while (below > start || above < start + length) {
        if (below > start && is_mapped(below -= PAGE_SIZE))
            return false;
        if (above < start + length) {
            if (is_mapped(above))
                return false;
            above += PAGE_SIZE;
        }
    }
    return true;
}

static bool is_large_wanted(const struct area *area, uint64_t page)
{
    uint64_t total = frame_bytes_total(), available = frame_bytes_free();
    if (area->advice & ADVICE_NO_HUGE)
        return false;
    if (!(area->advice & ADVICE_HUGE)) {
        /* Stacks are touched at one end; and a program that may soon need its last pages shall not
         * lose them to the untouched rest of a large one. */
        if ((area->flags & (MAP_STACK | MAP_GROWSDOWN)) || total < SPACE_AMPLE_MEMORY ||
            available < total / 4 + LARGE_PAGE_SIZE)
            return false;
    }
    return is_blank(area, page & ~(LARGE_PAGE_SIZE - 1), LARGE_PAGE_SIZE, page);
}

/* How many zeroed pages this fault is worth: an order; and *start, where their block begins: at a
 * multiple of its size, or, where that is not all free, at `page`. */
static unsigned zero_order(const struct area *area, uint64_t page, unsigned order_limit,
                           uint64_t *start)
{
    *start = page & ~(LARGE_PAGE_SIZE - 1);
    if (order_limit >= LARGE_PAGE_ORDER && is_large_wanted(area, page))
        return LARGE_PAGE_ORDER;
    unsigned order = AROUND_ORDER;
    if (page == area->touched_high)
        while (order < RUN_ORDER &&
               PAGE_SIZE << (order + 1) <= (page - area->touched_low) / RUN_SHARE)
            order++;
    if (order > order_limit)
        order = order_limit;
    if (frame_bytes_free() < frame_bytes_total() / 4)
        order = 0;
    for (; order; order--) {
        uint64_t length = PAGE_SIZE << order;
        *start = page & ~(length - 1);
        if (is_blank(area, *start, length, page))
            return order;
        *start = page;
        if (is_blank(area, *start, length, page))
            return order;
    }
    *start = page;
    return 0;
}

/* Maps the file's pages around `page`, which is not mapped, in place; sets *present_end. */
static int map_in_place(struct area *area, uint64_t page, uint64_t *present_end)
{
    uint64_t low = page & ~(IN_PLACE_WINDOW - 1), high = low + IN_PLACE_WINDOW;
    uint64_t source_end = area->start + page_down(area->source.size - area->offset);
    if (low < area->start)
        low = area->start;
    if (high > area->end)
        high = area->end;
    if (high > source_end)
        high = source_end;
    uint64_t start = page, end = page + PAGE_SIZE;
    while (start > low && !is_mapped(start - PAGE_SIZE))
        start -= PAGE_SIZE;
    while (end < high && !is_mapped(end))
        end += PAGE_SIZE;
    unsigned protection = space_platform_protection(area->protection) & ~(unsigned)PLATFORM_WRITE;
    uint64_t physical = area->source.physical + area->offset + (start - area->start);
    int error = platform_map(start, physical, end - start, protection);
    if (error)
        return error;
    space_area_touched(area, start, end - start);
    space.changes++;
    *present_end = end;
    return 0;
}

/* What is to be done about `page`; the lock is held. 1: carry out *plan; 0: it is present now up to
 * *present_end; or an error of space_handle_fault. */
static int examine(uint64_t page, unsigned access, unsigned order_limit, struct plan *plan,
                   uint64_t *present_end)
{
    struct area *area = area_tree_find(&space.areas, page);
    if (!area || area->start > page)
        return -EFAULT;
    if (!is_permitted(area->protection, access))
        return -EACCES;

    const struct area_source *source = &area->source;
    uint64_t offset = area->offset + (page - area->start);
    bool from_source = source->bytes && offset < source->size;
    *plan = (struct plan){.start = page, .protection = space_platform_protection(area->protection)};
    *present_end = page + PAGE_SIZE;

    bool shared = space_is_shared_file(area);
    bool tracked = shared && source->file->tracks_writes;
    if (shared && (access & SPACE_FAULT_OWN))
        return -EACCES; /* it would be the file that is written */
    if (tracked && !(access & SPACE_FAULT_WRITE))
        plan->protection &= ~(unsigned)PLATFORM_WRITE;
    unsigned present;
    uint64_t physical = platform_lookup(page, &present);
    if (physical != UINT64_MAX && tracked) {
        /* A page that may be written already stays so; the first write is the file's to know. */
        if (present == plan->protection ||
            (!(access & SPACE_FAULT_WRITE) &&
             (present & ~(unsigned)PLATFORM_WRITE) == plan->protection))
            return 0;
        if (!(access & SPACE_FAULT_WRITE))
            return platform_protect(page, PAGE_SIZE, plan->protection);
    } else if (physical != UINT64_MAX) {
        bool in_place = space_is_in_place(area, page, physical);
        if (!in_place || !(access & NEEDS_FRAME)) {
            /* Another core was faster, or mprotect left the opening to us (space_protect.c). */
            unsigned wanted = plan->protection & ~(in_place ? (unsigned)PLATFORM_WRITE : 0u);
            return present == wanted ? 0 : platform_protect(page, PAGE_SIZE, wanted);
        }
        plan->replaces = true;
    } else if (from_source && !(access & NEEDS_FRAME) && source->physical != UINT64_MAX &&
               !((source->physical + offset) & (PAGE_SIZE - 1)) &&
               source->size - offset >= PAGE_SIZE) {
        return map_in_place(area, page, present_end);
    }

    if (from_source && source->file) {
        plan->file = source->file;
        plan->offset = offset;
        plan->shares = shared && source->file->share_page;
    } else if (from_source) {
        uint64_t left = source->size - offset;
        plan->from = source->bytes + offset;
        plan->from_length = left < PAGE_SIZE ? left : PAGE_SIZE;
    } else {
        plan->order = zero_order(area, page, order_limit, &plan->start);
        *present_end = plan->start + (PAGE_SIZE << plan->order);
    }
    return 1;
}

/* 0 or the file's error. */
static int fill(const struct plan *plan, uint64_t physical)
{
    uint8_t *bytes = (uint8_t *)(platform_direct_base + physical);
    if (plan->file)
        return plan->file->read_page(plan->file, plan->offset, bytes);
    if (!plan->from) {
        platform_memory_begin(physical, PAGE_SIZE << plan->order);
        frame_zero(physical, plan->order);
        return 0;
    }
    memcpy(bytes, plan->from, plan->from_length);
    memset(bytes + plan->from_length, 0, PAGE_SIZE - plan->from_length);
    return 0;
}

/* Maps the filled block, whose plan holds; the lock is held. 0 or -ENOMEM. */
static int install(const struct plan *plan, uint64_t physical)
{
    uint64_t length = PAGE_SIZE << plan->order;
    struct area *area = area_tree_find(&space.areas, plan->start);
    if (plan->replaces) {
        /* Other cores must not go on reading the file's page once this one can write its copy. Its
         * place has been told to nobody (space_share.c): the mapping generation stays. */
        int error = platform_unmap(plan->start, length, space_release, NULL);
        if (error)
            return error;
    }
    space.changes++;
    int error = platform_map(plan->start, physical, length, plan->protection);
    if (error)
        return error;
    space_area_touched(area, plan->start, length);
    space_area_filled(area, length);
    return 0;
}

/* A fault's result when the file says so. */
static int file_error(int error)
{
    return error == -ENOMEM || error == -EINTR ? error : -ENXIO;
}

/* Maps the file's own page. Returns as try_fault. */
static int share(const struct plan *plan, unsigned access, uint64_t changes, uint64_t *present_end)
{
    struct plan again;
    uint64_t physical;
    bool write = access & SPACE_FAULT_WRITE;
    int result = plan->file->share_page(plan->file, plan->offset, true, write, &physical);
    if (result)
        return file_error(result);
    sleep_lock_take(&space.lock);
    result = 1;
    if (space.changes != changes) {
        result = examine(plan->start, access, 0, &again, present_end);
        if (result == 1 && !is_same_plan(plan, &again)) {
            sleep_lock_release(&space.lock);
            return 1;
        }
    }
    /* Looked up under the lock: who takes the page from the file has it forgotten here after that,
     * and frees it last. */
    if (result == 1)
        result = plan->file->share_page(plan->file, plan->offset, false, write, &physical);
    else if (result == 0) {
        sleep_lock_release(&space.lock);
        return 0;
    }
    if (!result && physical == FRAME_NONE)
        result = 1; /* taken away meanwhile: once more */
    else if (!result && is_mapped(plan->start))
        result = platform_protect(plan->start, PAGE_SIZE, plan->protection); /* read before */
    else if (!result)
        result = platform_map(plan->start, physical, PAGE_SIZE, plan->protection);
    if (!result) {
        space.changes++;
        space.file_pages++;
        space_area_touched(area_tree_find(&space.areas, plan->start), plan->start, PAGE_SIZE);
    }
    sleep_lock_release(&space.lock);
    return result;
}

/* One try. Returns 1: try again, things have changed; otherwise as space_handle_fault. */
static int try_fault(uint64_t page, unsigned access, unsigned *order_limit, uint64_t *present_end)
{
    struct plan plan, again;
    sleep_lock_take(&space.lock);
    uint64_t changes = space.changes;
    int result = examine(page, access, *order_limit, &plan, present_end);
    if (result == 1 && plan.file)
        atomic_fetch_add(&plan.file->references, 1);
    sleep_lock_release(&space.lock);
    if (result <= 0)
        return result;

    if (plan.shares && plan.file) {
        result = share(&plan, access, changes, present_end);
        area_file_put(plan.file);
        return result;
    }
    uint64_t frame = frame_alloc(plan.order, FRAME_PROGRAM);
    if (frame == FRAME_NONE) {
        area_file_put(plan.file);
        if (!plan.order)
            return -ENOMEM;
        *order_limit = plan.order - 1;
        return 1;
    }
    int filled = fill(&plan, frame);
    area_file_put(plan.file); /* compared below, not used */
    if (filled) {
        frame_free(frame, plan.order, FRAME_PROGRAM);
        return file_error(filled);
    }

    sleep_lock_take(&space.lock);
    if (space.changes != changes) {
        result = examine(page, access, *order_limit, &again, present_end);
        if (result == 1 && !is_same_plan(&plan, &again))
            result = 2;
    }
    int error = result == 1 ? install(&plan, frame) : 0;
    sleep_lock_release(&space.lock);
    if (result == 1 && !error)
        return 0;
    frame_free(frame, plan.order, FRAME_PROGRAM);
    if (error)
        return error;
    return result == 2 ? 1 : result;
}

int space_fault_in(uint64_t address, unsigned access, uint64_t *present_end)
{
    unsigned order_limit = LARGE_PAGE_ORDER;
    for (;;) {
        /* Ends: each further turn either follows a change by another core, or asks for less. */
        int result = try_fault(page_down(address), access, &order_limit, present_end);
        if (result == -ENOMEM && kernel_stack_reclaim())
            continue;
        if (result <= 0)
            return result;
    }
}

int space_handle_fault(uint64_t address, enum space_fault access)
{
    uint64_t present_end;
    return space_fault_in(address, access, &present_end);
}

int space_populate(uint64_t address, uint64_t length, enum space_fault access)
{
    if (address > PROGRAM_TOP || length > PROGRAM_TOP - address)
        return -EFAULT;
    uint64_t end = address + length;
    for (uint64_t at = address; at < end;) {
        int error = space_fault_in(at, access, &at);
        if (error)
            return error;
    }
    return 0;
}
