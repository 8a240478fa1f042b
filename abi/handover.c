/* The check of a handover record, by the instance that is given it, before it trusts any of it.
 * The record is private to the two by then: it does not change while it is looked at. */
#include "abi/handover.h"

#include "abi/build_id.h"
#include "abi/launch.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PAGE 4096
#define RECORD_MAX (UINT32_C(1) << 20)
#define FLAGS_KNOWN                                                                                \
    (MACHINE_FLAG_STRACE | MACHINE_FLAG_STDIN | MACHINE_FLAG_TTY | MACHINE_FLAG_MOUNTS)
/* What fits into the windows of the address map. */
#define PHYSICAL_MAX (HANDOVER_LAGOON_BASE - HANDOVER_DIRECT_BASE)
#define LAGOON_MAX (HANDOVER_PEERS_BASE - HANDOVER_LAGOON_BASE)
#define PEERS_MAX (HANDOVER_DEVICE_BASE - HANDOVER_PEERS_BASE)
#define KERNEL_MAX (LAUNCH_VIRTUAL - HANDOVER_KERNEL_BASE)
/* Ticks a second that a time-stamp counter may have: 100 MHz to 100 GHz. */
#define TSC_HZ_MIN UINT64_C(100000000)
#define TSC_HZ_MAX UINT64_C(100000000000)

/* Does [offset, offset + length) lie in [0, size)? */
static bool lies_inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static bool ends(const char *text, size_t room)
{
    for (size_t i = 0; i < room; i++)
        if (text[i] == 0)
            return true;
    return false;
}

static bool array_is_inside(const struct handover *record, struct handover_array array,
                            size_t element, size_t alignment)
{
    return array.offset >= sizeof *record && array.offset % alignment == 0 && array.count > 0 &&
           lies_inside(array.offset, (uint64_t)array.count * element, record->size);
}

static const void *array_at(const struct handover *record, struct handover_array array)
{
    return (const uint8_t *)record + array.offset;
}

static const char *check_identity(const struct handover *record)
{
    static const uint8_t build_id[ATOLL_BUILD_ID_SIZE] = ATOLL_BUILD_ID_BYTES;
    if (memcmp(record->build_id, build_id, sizeof build_id) != 0)
        return "the boot loader and the kernel are not of one build";
    if (record->flags & ~(uint32_t)FLAGS_KNOWN || record->platform > HANDOVER_HOSTED ||
        record->clock.reserved != 0)
        return "a flag that this kernel does not know is set";
    if (record->instances == 0 || record->number == 0 || record->number > record->instances)
        return "the instance's number is not 1 to the number of instances";
    if (record->generation == 0)
        return "the generation is 0";
    if (record->name[0] == 0 || !ends(record->name, sizeof record->name))
        return "the instance's name is empty or does not end";
    if (!ends(record->program_path, sizeof record->program_path))
        return "the program's path does not end";
    if (record->log_level > MACHINE_LOG_DEBUG)
        return "the log level is none of the known";
    return NULL;
}

static const char *check_cores(const struct handover *record)
{
    uint64_t seen[LAUNCH_SLOTS / 64] = {0};
    const struct handover_core *cores = array_at(record, record->cores);
    const uint32_t *first = array_at(record, record->all_cores);

    if (record->x2apic > 1)
        return "x2apic is neither 0 nor 1";
    for (uint32_t i = 0; i < record->cores.count; i++) {
        uint32_t id = cores[i].apic_id;
        if (id >= LAUNCH_SLOTS)
            return "a core's APIC id is beyond the launcher's table";
        if (!record->x2apic && id >= 255)
            return "a core's APIC id needs the x2APIC mode, which is off";
        if (seen[id / 64] >> id % 64 & 1)
            return "two cores have the same APIC id";
        seen[id / 64] |= UINT64_C(1) << id % 64;
    }
    if (record->all_cores.count != record->instances)
        return "there is not one first core for each instance";
    for (uint32_t i = 0; i < record->all_cores.count; i++) {
        bool own = i + 1 == record->number;
        if (first[i] >= LAUNCH_SLOTS)
            return "the APIC id of an instance's first core is beyond the launcher's table";
        if (own ? first[i] != cores[0].apic_id : seen[first[i] / 64] >> first[i] % 64 & 1)
            return "the first cores of the instances contradict this instance's cores";
    }
    return NULL;
}

static const char *check_ranges(const struct handover *record)
{
    const struct handover_range *ranges = array_at(record, record->ranges);
    uint64_t end = 0;
    for (uint32_t i = 0; i < record->ranges.count; i++) {
        struct handover_range range = ranges[i];
        if (range.base % PAGE || range.size % PAGE || range.size == 0 ||
            !lies_inside(range.base, range.size, PHYSICAL_MAX))
            return "a memory range is empty, not page aligned, or beyond the address map";
        if (range.base < end)
            return "memory ranges overlap or are not in order";
        end = range.base + range.size;
        if (range.base < record->lagoon_physical + record->lagoon_size &&
            end > record->lagoon_physical)
            return "a memory range overlaps the lagoon";
    }
    return NULL;
}

/* Other members' memory must not be this instance's, and its own must be all of it. */
static const char *check_members(const struct handover *record)
{
    const struct handover_range *ranges = array_at(record, record->ranges);
    const struct handover_member *members = handover_members(record);
    uint64_t sum = 0;
    uint32_t own = 0, before = 0;
    for (uint32_t i = 0; i < record->members.count; i++) {
        const struct handover_member *member = &members[i];
        if (member->peer < before || member->peer == 0 || member->peer > record->instances ||
            member->reserved != 0)
            return "the members of the job are not instances in ascending order";
        before = member->peer;
        if ((member->base | member->size) % HANDOVER_MEMBER_ALIGNMENT || member->size == 0 ||
            !lies_inside(member->base, member->size, PHYSICAL_MAX) ||
            member->size > PEERS_MAX - sum)
            return "the memory of a member of the job is empty, not aligned, or too much";
        sum += member->size;
        if (member->peer == record->number) {
            if (own >= record->ranges.count || ranges[own].base != member->base ||
                ranges[own].size != member->size)
                return "the own memory is not what the job's members are told";
            own++;
            continue;
        }
        for (uint32_t j = 0; record->platform == HANDOVER_PC && j < record->ranges.count; j++)
            if (member->base < ranges[j].base + ranges[j].size &&
                ranges[j].base < member->base + member->size)
                return "the memory of a member of the job is this instance's";
    }
    if (record->members.count != 0 && own != record->ranges.count)
        return "the own memory is not what the job's members are told";
    return NULL;
}

/* What the loader has put at the partition's start. */
static const char *check_used(const struct handover *record, uint64_t physical)
{
    const struct handover_range *first = array_at(record, record->ranges);
    uint64_t base = first->base;
    if (record->used_end < base || record->used_end > base + first->size || record->used_end % PAGE)
        return "the end of used memory does not lie in the first range, or is not page aligned";
    uint64_t used = record->used_end - base;
    if (physical != 0 && record->physical != physical)
        return "the record does not lie where it says";
    if (record->physical < base || !lies_inside(record->physical - base, record->size, used))
        return "the record lies outside the used memory";
    if (record->platform == HANDOVER_HOSTED) {
        if (record->kernel_physical != 0 || record->kernel_size != 0)
            return "a kernel's image in the partition is not for this platform";
    } else if (record->kernel_physical % PAGE || record->kernel_size % PAGE ||
               record->kernel_size == 0 || record->kernel_size > KERNEL_MAX ||
               record->kernel_physical < base ||
               !lies_inside(record->kernel_physical - base, record->kernel_size, used))
        return "the kernel's image is empty, not page aligned, or outside the used memory";
    if (record->page_table % PAGE || record->page_table < base ||
        !lies_inside(record->page_table - base, PAGE, used))
        return "the page table is not page aligned or outside the used memory";
    return NULL;
}

static const char *check_lagoon(const struct handover *record)
{
    uint64_t size = record->lagoon_size;
    if (record->lagoon_version != SHM_LAYOUT_VERSION)
        return "the lagoon has another layout version";
    if (record->lagoon_physical % PAGE || size < PAGE || size % PAGE || size > LAGOON_MAX ||
        record->lagoon_physical > UINT64_MAX - size)
        return "the lagoon is too small, too large, or not page aligned";
    if (record->program.size == 0 || record->program.offset % PAGE ||
        !lies_inside(record->program.offset, record->program.size, size))
        return "the program is empty, not page aligned, or outside the lagoon";
    if (!lies_inside(record->arguments.offset, record->arguments.size, size) ||
        record->argument_count > record->arguments.size)
        return "the arguments lie outside the lagoon, or are more than their bytes";
    if (!lies_inside(record->environment.offset, record->environment.size, size) ||
        record->environment_count > record->environment.size)
        return "the environment lies outside the lagoon, or is more than its bytes";
    if (record->ivshmem > 1)
        return "ivshmem is neither 0 nor 1";
    return NULL;
}

static const char *check_clock(const struct handover_clock *clock)
{
    if (clock->tsc_hz < TSC_HZ_MIN || clock->tsc_hz > TSC_HZ_MAX)
        return "the time-stamp counter's rate is not between 100 MHz and 100 GHz";
    if (clock->tsc_deadline > 1)
        return "tsc_deadline is neither 0 nor 1";
    if (!clock->tsc_deadline && clock->apic_timer_hz == 0)
        return "the local APIC's timer has no rate";
    return NULL;
}

const char *handover_check(const struct handover *record, uint64_t available, uint64_t physical)
{
    const char *fault;
    if (!record || (uintptr_t)record % _Alignof(struct handover))
        return "there is no record, or it is not aligned";
    if (available < sizeof *record)
        return "the record is cut off";
    if (record->magic != HANDOVER_MAGIC)
        return "no handover record here (magic number)";
    if (record->version != HANDOVER_VERSION)
        return "the record has another version";
    if (record->size < sizeof *record || record->size > RECORD_MAX || record->size > available)
        return "the record's size is not sound";
    if (!array_is_inside(record, record->cores, sizeof(struct handover_core),
                         _Alignof(struct handover_core)) ||
        !array_is_inside(record, record->ranges, sizeof(struct handover_range),
                         _Alignof(struct handover_range)) ||
        !array_is_inside(record, record->all_cores, sizeof(uint32_t), _Alignof(uint32_t)))
        return "the lists of cores or ranges are empty or lie outside the record";
    if (record->members.count != 0 &&
        !array_is_inside(record, record->members, sizeof(struct handover_member),
                         _Alignof(struct handover_member)))
        return "the list of the job's members lies outside the record";
    if ((fault = check_identity(record)) || (fault = check_lagoon(record)) ||
        (fault = check_cores(record)) || (fault = check_ranges(record)) ||
        (fault = check_members(record)) || (fault = check_used(record, physical)) ||
        (fault = check_clock(&record->clock)))
        return fault;
    return NULL;
}
