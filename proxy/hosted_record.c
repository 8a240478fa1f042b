/* Fills in the handover record from the machine table in the lagoon, as the boot loader does on
 * `pc`: record | hosted record | page table's root | free. */
#include "proxy/hosted_record.h"

#include "abi/build_id.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

struct layout {
    uint32_t cores, all_cores, ranges, members, size; /* offsets in the record; its size */
    uint32_t member_count;
    uint64_t hosted, root, used; /* offsets in the partition */
};

static const struct machine_table *table_of(const struct lagoon_host *lagoon)
{
    return (const struct machine_table *)(lagoon->base + lagoon->header->machine_offset);
}

static const struct machine_instance *entries_of(const struct lagoon_host *lagoon)
{
    return (const struct machine_instance *)(lagoon->base + table_of(lagoon)->entries.offset);
}

/* How many entries the list of a job's members has; `members` may be NULL. Each member's memory is
 * one file, from its start. */
static uint32_t list_members(const struct lagoon_host *lagoon, uint32_t job,
                             struct handover_member *members)
{
    const struct machine_instance *entries = entries_of(lagoon);
    uint32_t count = 0;

    for (uint32_t i = 0; job && i < table_of(lagoon)->instances; i++) {
        if (entries[i].job != job)
            continue;
        if (members)
            members[count] = (struct handover_member){.peer = i + 1, .size = entries[i].memory};
        count++;
    }
    return count;
}

static struct layout lay_out(uint32_t cores, uint32_t instances, uint32_t members)
{
    struct layout layout;

    layout.ranges = sizeof(struct handover);
    layout.members = layout.ranges + (uint32_t)sizeof(struct handover_range);
    layout.member_count = members;
    layout.cores = layout.members + members * (uint32_t)sizeof(struct handover_member);
    layout.all_cores = layout.cores + cores * (uint32_t)sizeof(struct handover_core);
    layout.size = layout.all_cores + instances * (uint32_t)sizeof(uint32_t);
    layout.hosted = hosted_record_offset(layout.size);
    layout.root =
        (layout.hosted + sizeof(struct hosted_record) + cores * sizeof(uint32_t) + PAGE - 1) /
        PAGE * PAGE;
    layout.used = layout.root + PAGE;
    return layout;
}

static void fill_record(struct handover *record, const struct lagoon_host *lagoon,
                        const struct machine_instance *entry,
                        const struct hosted_partition *partition)
{
    static const uint8_t build_id[ATOLL_BUILD_ID_SIZE] = ATOLL_BUILD_ID_BYTES;

    record->magic = HANDOVER_MAGIC;
    record->version = HANDOVER_VERSION;
    memcpy(record->build_id, build_id, sizeof(record->build_id));
    record->flags = entry->flags;
    record->number = partition->number;
    record->instances = table_of(lagoon)->instances;
    record->generation = entry->generation;
    memcpy(record->name, entry->name, sizeof(record->name));
    memcpy(record->program_path, entry->program_path, sizeof(record->program_path));
    record->lagoon_physical = HOSTED_LAGOON_PHYSICAL;
    record->lagoon_size = lagoon->size;
    record->lagoon_version = SHM_LAYOUT_VERSION;
    record->log_level = entry->log_level;
    record->program = entry->program;
    record->arguments = entry->arguments;
    record->environment = entry->environment;
    record->argument_count = entry->argument_count;
    record->environment_count = entry->environment_count;
    record->clock = (struct handover_clock){
        .tsc_hz = lagoon->header->tsc_hz,
        .tsc_base = partition->tsc,
        .monotonic_ns = partition->monotonic_ns,
        .realtime_ns = partition->realtime_ns,
        .tsc_deadline = 1, /* there is no local APIC to ask for another */
    };
    record->tsc_loader = record->tsc_launch = partition->tsc;
    record->x2apic = 1; /* so that core numbers above 254 are taken */
    record->platform = HANDOVER_HOSTED;
}

static void fill(uint8_t *base, const struct layout *layout, const struct lagoon_host *lagoon,
                 const struct machine_instance *entry, const struct hosted_partition *partition)
{
    const struct machine_table *table = table_of(lagoon);
    const struct machine_instance *entries = entries_of(lagoon);
    const uint32_t *numbers = (const uint32_t *)(lagoon->base + entry->cores.offset);
    uint32_t count = (uint32_t)(entry->cores.size / sizeof(uint32_t));
    struct handover *record = (struct handover *)base;
    struct hosted_record *hosted = (struct hosted_record *)(base + layout->hosted);
    struct handover_range *range = (struct handover_range *)(base + layout->ranges);
    struct handover_core *cores = (struct handover_core *)(base + layout->cores);
    uint32_t *all = (uint32_t *)(base + layout->all_cores);

    fill_record(record, lagoon, entry, partition);
    record->size = layout->size;
    record->ranges = (struct handover_array){layout->ranges, 1};
    record->members = (struct handover_array){layout->members, layout->member_count};
    list_members(lagoon, entry->job, (struct handover_member *)(base + layout->members));
    record->cores = (struct handover_array){layout->cores, count};
    record->all_cores = (struct handover_array){layout->all_cores, table->instances};
    record->page_table = layout->root;
    record->used_end = layout->used;
    *range = (struct handover_range){0, entry->memory};
    hosted->magic = HOSTED_MAGIC;
    hosted->flags = partition->flags;
    hosted->cores = count;
    for (uint32_t i = 0; i < count; i++) {
        cores[i] = (struct handover_core){numbers[i], numbers[i]};
        hosted->cpus[i] = partition->cpus[numbers[i]];
    }
    for (uint32_t i = 0; i < table->instances; i++)
        all[i] = *(const uint32_t *)(lagoon->base + entries[i].cores.offset);
}

int hosted_partition_create(const struct lagoon_host *lagoon,
                            const struct hosted_partition *partition)
{
    const struct machine_table *table = table_of(lagoon);
    const struct machine_instance *entry = entries_of(lagoon) + partition->number - 1;
    struct layout layout = lay_out((uint32_t)(entry->cores.size / sizeof(uint32_t)),
                                   table->instances, list_members(lagoon, entry->job, NULL));
    uint8_t *base;
    int fd, error;

    fd = memfd_create("atoll-partition", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)entry->memory) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        goto fail;
    base = mmap(NULL, layout.used, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        goto fail;
    fill(base, &layout, lagoon, entry, partition);
    munmap(base, layout.used);
    return fd;
fail:
    error = -errno;
    close(fd);
    return error;
}
