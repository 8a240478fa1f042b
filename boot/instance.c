/* One instance, made ready to start: its partition of memory, a private copy of the kernel, its
 * first address space, and the handover record. All of it lies at the front of the partition:
 *
 *   kernel image | handover record | first stack | page tables | free ...  */
#include "boot/loader.h"

#include "abi/build_id.h"
#include "abi/launch.h"

#include "ipi-msg/doorbell.h"

#include <elf.h>
#include <string.h>

#define BOOT_STACK (4 * PAGE)
#define KERNEL_IMAGE_MAX (UINT64_C(64) << 20)

/* The kernel's ELF file: checked once, then copied for each instance. */
struct kernel_image {
    const uint8_t *file;
    const Elf64_Ehdr *header;
    const Elf64_Phdr *segments;
    uint64_t size; /* bytes of the image in memory, from HANDOVER_KERNEL_BASE */
};

static void kernel_open(struct kernel_image *kernel)
{
    uint64_t size = loader.table->kernel.size;
    kernel->file = table_bytes(loader.table->kernel);
    kernel->header = (const Elf64_Ehdr *)kernel->file;
    const Elf64_Ehdr *header = kernel->header;
    if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_machine != EM_X86_64 || header->e_phentsize != sizeof(Elf64_Phdr) ||
        header->e_phoff % 8 || header->e_phoff > size ||
        header->e_phnum > (size - header->e_phoff) / sizeof(Elf64_Phdr))
        loader_fail("the kernel file of %lu bytes is not an x86-64 ELF file", size);
    kernel->segments = (const Elf64_Phdr *)(kernel->file + header->e_phoff);
    kernel->size = 0;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *segment = &kernel->segments[i];
        if (segment->p_type != PT_LOAD || !segment->p_memsz)
            continue;
        uint64_t start = segment->p_vaddr - HANDOVER_KERNEL_BASE;
        if (segment->p_vaddr < HANDOVER_KERNEL_BASE || segment->p_vaddr % PAGE ||
            start > KERNEL_IMAGE_MAX || segment->p_memsz > KERNEL_IMAGE_MAX ||
            segment->p_filesz > segment->p_memsz || segment->p_offset > size ||
            segment->p_filesz > size - segment->p_offset)
            loader_fail("the kernel's segment %u at %lx is not sound", i, segment->p_vaddr);
        uint64_t end = (start + segment->p_memsz + PAGE - 1) & ~(PAGE - 1);
        if (end > kernel->size)
            kernel->size = end;
    }
}

static void kernel_copy(const struct kernel_image *kernel, uint64_t to)
{
    for (unsigned i = 0; i < kernel->header->e_phnum; i++) {
        const Elf64_Phdr *segment = &kernel->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        uint8_t *at = (uint8_t *)(to + segment->p_vaddr - HANDOVER_KERNEL_BASE);
        uint64_t whole = (segment->p_memsz + PAGE - 1) & ~(PAGE - 1);
        memcpy(at, kernel->file + segment->p_offset, segment->p_filesz);
        memset(at + segment->p_filesz, 0, whole - segment->p_filesz);
    }
}

static void map_kernel(struct paging *paging, const struct kernel_image *kernel, uint64_t physical)
{
    for (unsigned i = 0; i < kernel->header->e_phnum; i++) {
        const Elf64_Phdr *segment = &kernel->segments[i];
        if (segment->p_type != PT_LOAD || !segment->p_memsz)
            continue;
        uint64_t flags = segment->p_flags & PF_W ? PAGING_WRITE : 0;
        if (!(segment->p_flags & PF_X))
            flags |= PAGING_NO_EXECUTE;
        paging_map(paging, segment->p_vaddr, physical + segment->p_vaddr - HANDOVER_KERNEL_BASE,
                   (segment->p_memsz + PAGE - 1) & ~(PAGE - 1), flags);
    }
}

/* The lagoon is read-only but for the instance's own section. */
static void map_lagoon(struct paging *paging, uint32_t section)
{
    const struct shm_extent *own = &loader.view.extents[section];
    uint64_t end = own->offset + own->size;
    paging_map(paging, HANDOVER_LAGOON_BASE, loader.lagoon, own->offset, PAGING_NO_EXECUTE);
    paging_map(paging, HANDOVER_LAGOON_BASE + own->offset, loader.lagoon + own->offset, own->size,
               PAGING_WRITE | PAGING_NO_EXECUTE);
    paging_map(paging, HANDOVER_LAGOON_BASE + end, loader.lagoon + end, loader.lagoon_size - end,
               PAGING_NO_EXECUTE);
}

static void map_devices(struct paging *paging)
{
    uint64_t flags = PAGING_WRITE | PAGING_NO_EXECUTE | PAGING_UNCACHED;
    if (!loader.x2apic)
        paging_map(paging, HANDOVER_DEVICE_APIC, 0xfee00000, PAGE, flags);
    paging_map(paging, HANDOVER_DEVICE_IVSHMEM, loader.ivshmem_registers, PAGE, flags);
    paging_map(paging, LAUNCH_VIRTUAL, LAUNCH_PHYSICAL, PAGE, 0);
    paging_map(paging, LAUNCH_VIRTUAL + LAUNCH_TABLE_OFFSET, LAUNCH_PHYSICAL + LAUNCH_TABLE_OFFSET,
               LAUNCH_SLOTS * sizeof(struct launch_slot), PAGING_WRITE | PAGING_NO_EXECUTE);
}

static uint32_t first_apic_id(const struct machine_instance *entry)
{
    return loader.apic_ids[*(const uint32_t *)table_bytes(entry->cores)];
}

/* The memory of each instance: all of it is shared out before the first is made ready, since the
 * members of a job are told where the others' is. */
struct partition {
    struct memory_range *ranges;
    size_t count;
};
static struct partition *partitions;

void instance_take_memory(void)
{
    partitions = memory_own(loader.table->instances * sizeof *partitions);
    for (uint32_t i = 0; i < loader.table->instances; i++)
        partitions[i].count =
            memory_take(loader.entries[i].memory, loader.entries[i].name, &partitions[i].ranges);
}

/* How many entries the list of a job's members has; `members` may be NULL. */
static uint32_t list_members(uint32_t job, struct handover_member *members)
{
    uint32_t count = 0;
    for (uint32_t i = 0; job != 0 && i < loader.table->instances; i++)
        for (size_t j = 0; loader.entries[i].job == job && j < partitions[i].count; j++) {
            if (members)
                members[count] = (struct handover_member){.peer = i + 1,
                                                          .base = partitions[i].ranges[j].base,
                                                          .size = partitions[i].ranges[j].size};
            count++;
        }
    return count;
}

/* Bytes of the record with its arrays, in the order in which they follow it. */
static uint64_t record_size(uint64_t cores, uint64_t ranges, uint64_t members)
{
    return sizeof(struct handover) + cores * sizeof(struct handover_core) +
           ranges * sizeof(struct handover_range) + members * sizeof(struct handover_member) +
           loader.table->instances * sizeof(uint32_t);
}

static void fill_arrays(struct handover *record, const struct machine_instance *entry,
                        const struct partition *partition)
{
    const struct memory_range *ranges = partition->ranges;
    size_t range_count = partition->count;
    const uint32_t *numbers = table_bytes(entry->cores);
    uint32_t core_count = (uint32_t)(entry->cores.size / sizeof(uint32_t));
    uint32_t at = sizeof *record;

    record->ranges = (struct handover_array){at, (uint32_t)range_count};
    struct handover_range *range = (struct handover_range *)((uint8_t *)record + at);
    for (size_t i = 0; i < range_count; i++)
        range[i] = (struct handover_range){ranges[i].base, ranges[i].size};
    at += (uint32_t)(range_count * sizeof *range);

    struct handover_member *members = (struct handover_member *)((uint8_t *)record + at);
    record->members = (struct handover_array){at, list_members(entry->job, members)};
    at += record->members.count * (uint32_t)sizeof *members;

    record->cores = (struct handover_array){at, core_count};
    struct handover_core *core = (struct handover_core *)((uint8_t *)record + at);
    for (uint32_t i = 0; i < core_count; i++)
        core[i] = (struct handover_core){loader.apic_ids[numbers[i]], numbers[i]};
    at += core_count * (uint32_t)sizeof *core;

    record->all_cores = (struct handover_array){at, loader.table->instances};
    uint32_t *all = (uint32_t *)((uint8_t *)record + at);
    for (uint32_t i = 0; i < loader.table->instances; i++)
        all[i] = first_apic_id(&loader.entries[i]);
}

static void fill_record(struct handover *record, uint32_t index,
                        const struct machine_instance *entry)
{
    static const uint8_t build_id[20] = ATOLL_BUILD_ID_BYTES;
    record->magic = HANDOVER_MAGIC;
    record->version = HANDOVER_VERSION;
    memcpy(record->build_id, build_id, sizeof build_id);
    record->flags = entry->flags;
    record->physical = (uint64_t)record;
    record->number = index + 1;
    record->instances = loader.table->instances;
    record->generation = entry->generation;
    memcpy(record->name, entry->name, sizeof record->name);
    memcpy(record->program_path, entry->program_path, sizeof record->program_path);
    record->lagoon_physical = loader.lagoon;
    record->lagoon_size = loader.lagoon_size;
    record->lagoon_version = SHM_LAYOUT_VERSION;
    record->log_level = entry->log_level;
    record->program = entry->program;
    record->arguments = entry->arguments;
    record->environment = entry->environment;
    record->argument_count = entry->argument_count;
    record->environment_count = entry->environment_count;
    record->clock = loader.clock;
    record->tsc_loader = loader.tsc_entry;
    record->tsc_launch = __builtin_ia32_rdtsc();
    record->x2apic = loader.x2apic;
    record->ivshmem_peer = 0;
    record->ivshmem = 1;
}

void instance_prepare(uint32_t index, struct prepared *prepared)
{
    static struct kernel_image kernel;
    if (!kernel.file)
        kernel_open(&kernel);
    const struct machine_instance *entry = &loader.entries[index];
    const struct partition *partition = &partitions[index];
    const struct memory_range *ranges = partition->ranges;

    uint64_t image = ranges[0].base;
    uint64_t record_at = image + kernel.size;
    uint64_t record_bytes = record_size(entry->cores.size / sizeof(uint32_t), partition->count,
                                        list_members(entry->job, NULL));
    uint64_t stack_at = (record_at + record_bytes + PAGE - 1) & ~(PAGE - 1);
    struct paging paging = {
        .next = stack_at + BOOT_STACK, .end = image + ranges[0].size, .name = entry->name};
    if (paging.next > paging.end)
        loader_fail("instance %s: %lu KiB of memory do not hold its kernel", entry->name,
                    ranges[0].size >> 10);
    kernel_copy(&kernel, image);

    paging_create(&paging);
    map_kernel(&paging, &kernel, image);
    for (size_t i = 0; i < partition->count; i++)
        paging_map(&paging, HANDOVER_DIRECT_BASE + ranges[i].base, ranges[i].base, ranges[i].size,
                   PAGING_WRITE | PAGING_NO_EXECUTE);
    map_lagoon(&paging, index + 1);
    map_devices(&paging);

    struct handover *record = (struct handover *)record_at;
    memset(record, 0, stack_at + BOOT_STACK - record_at);
    record->size = (uint32_t)record_bytes;
    fill_arrays(record, entry, partition);
    fill_record(record, index, entry);
    record->kernel_physical = image;
    record->kernel_size = kernel.size;
    record->page_table = paging.root;
    record->used_end = paging.next;

    const uint32_t *numbers = table_bytes(entry->cores);
    *prepared = (struct prepared){
        .page_table = paging.root,
        .stack = HANDOVER_DIRECT_BASE + stack_at + BOOT_STACK,
        .entry = kernel.header->e_entry,
        .argument = HANDOVER_DIRECT_BASE + record_at,
        .apic_id = first_apic_id(entry),
        .machine_core = numbers[0],
        .name = entry->name,
    };
    pci_set_vector(index + 1, first_apic_id(entry), DOORBELL_VECTOR_MESSAGE);
}
