/* handover_check: a sound record passes, each single fault is found, and random mutations are
 * either found or harmless, without a step outside the record. */
#include "abi/handover.h"
#include "abi/build_id.h"
#include "abi/launch.h"
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>

#define RANGES 2
#define CORES 3
#define INSTANCES 4
#define MEMBERS 4
#define PHYSICAL UINT64_C(0x10123000)

struct sample {
    struct handover record;
    struct handover_range ranges[RANGES];
    struct handover_member members[MEMBERS];
    struct handover_core cores[CORES];
    uint32_t all_cores[INSTANCES];
};

static void sample_make(struct sample *sample)
{
    static const uint8_t build_id[20] = ATOLL_BUILD_ID_BYTES;
    memset(sample, 0, sizeof *sample);
    struct handover *record = &sample->record;
    record->magic = HANDOVER_MAGIC;
    record->version = HANDOVER_VERSION;
    record->size = sizeof *sample;
    memcpy(record->build_id, build_id, sizeof build_id);
    record->flags = MACHINE_FLAG_STRACE;
    record->physical = PHYSICAL;
    record->number = 2;
    record->instances = INSTANCES;
    record->generation = 1;
    strcpy(record->name, "worker");
    strcpy(record->program_path, "/bin/worker");
    record->ranges = (struct handover_array){offsetof(struct sample, ranges), RANGES};
    record->members = (struct handover_array){offsetof(struct sample, members), MEMBERS};
    sample->members[0] = (struct handover_member){1, 0, 0x30000000, 0x200000};
    sample->members[1] = (struct handover_member){2, 0, 0x10000000, 0x400000};
    sample->members[2] = (struct handover_member){2, 0, 0x20000000, 0x200000};
    sample->members[3] = (struct handover_member){4, 0, 0x10400000, 0x800000};
    record->cores = (struct handover_array){offsetof(struct sample, cores), CORES};
    record->all_cores = (struct handover_array){offsetof(struct sample, all_cores), INSTANCES};
    sample->ranges[0] = (struct handover_range){0x10000000, 0x400000};
    sample->ranges[1] = (struct handover_range){0x20000000, 0x200000};
    for (uint32_t i = 0; i < CORES; i++)
        sample->cores[i] = (struct handover_core){4 + i, 4 + i};
    for (uint32_t i = 0; i < INSTANCES; i++)
        sample->all_cores[i] = i + 1 == record->number ? 4 : 20 + i;
    record->used_end = 0x10200000;
    record->kernel_physical = 0x10000000;
    record->kernel_size = 0x100000;
    record->page_table = 0x10180000;
    record->lagoon_physical = UINT64_C(0x380000000000);
    record->lagoon_size = 64 << 20;
    record->lagoon_version = SHM_LAYOUT_VERSION;
    record->log_level = MACHINE_LOG_INFO;
    record->program = (struct machine_extent){0x10000, 900000};
    record->arguments = (struct machine_extent){0x200000, 30};
    record->environment = (struct machine_extent){0x200100, 0};
    record->argument_count = 3;
    record->clock = (struct handover_clock){.tsc_hz = 2450000000, .apic_timer_hz = 1000000000};
    record->ivshmem = 1;
}

Test(handover, a_sound_record_passes)
{
    struct sample sample;
    sample_make(&sample);
    cr_assert_null(handover_check(&sample.record, sizeof sample, PHYSICAL), "%s",
                   handover_check(&sample.record, sizeof sample, PHYSICAL));
    cr_assert_null(handover_check(&sample.record, UINT64_MAX, 0));
    sample.record.members = (struct handover_array){0, 0}; /* of no job */
    sample.record.clock.tsc_deadline = 1;
    sample.record.clock.apic_timer_hz = 0;
    sample.record.x2apic = 1;
    sample.cores[1].apic_id = LAUNCH_SLOTS - 1;
    cr_assert_null(handover_check(&sample.record, sizeof sample, 0));
}

#define FAULT(Change)                                                                              \
    do {                                                                                           \
        struct sample sample;                                                                      \
        sample_make(&sample);                                                                      \
        struct handover *r = &sample.record;                                                       \
        Change;                                                                                    \
        (void)r;                                                                                   \
        cr_expect_not_null(handover_check(&sample.record, sizeof sample, PHYSICAL), "%s",          \
                           #Change);                                                               \
    } while (0)

Test(handover, each_single_fault_is_found)
{
    FAULT(r->magic++);
    FAULT(r->version++);
    FAULT(r->size = sizeof *r - 1);
    FAULT(r->size = sizeof sample + 1);
    FAULT(r->size = UINT32_MAX);
    FAULT(r->build_id[8] ^= 1);
    FAULT(r->flags |= 1u << 31);
    FAULT(r->physical += 4096);
    FAULT(r->number = 0);
    FAULT(r->number = INSTANCES + 1);
    FAULT(r->number = 3);
    FAULT(r->instances = 0);
    FAULT(r->instances = INSTANCES + 1);
    FAULT(r->generation = 0);
    FAULT(r->name[0] = 0);
    FAULT(memset(r->name, 'a', sizeof r->name));
    FAULT(memset(r->program_path, 'a', sizeof r->program_path));
    FAULT(r->cores.count = 0);
    FAULT(r->cores.count = UINT32_MAX);
    FAULT(r->cores.offset = UINT32_MAX);
    FAULT(r->cores.offset = 0);
    FAULT(r->cores.offset += 1);
    FAULT(r->ranges.count = 0);
    FAULT(r->ranges.count = 1000);
    FAULT(r->ranges.offset += 4);
    FAULT(r->all_cores.count = INSTANCES - 1);
    FAULT(r->all_cores.offset = sizeof sample - 4);
    FAULT(sample.cores[1].apic_id = 4);
    FAULT(sample.cores[1].apic_id = 255);
    FAULT(r->x2apic = 1; sample.cores[1].apic_id = LAUNCH_SLOTS);
    FAULT(r->x2apic = 2);
    FAULT(sample.all_cores[1] = 5);
    FAULT(sample.all_cores[0] = 5);
    FAULT(sample.all_cores[0] = LAUNCH_SLOTS);
    FAULT(sample.ranges[0].base += 8);
    FAULT(sample.ranges[0].size = 0);
    FAULT(sample.ranges[1].size = 4095);
    FAULT(sample.ranges[1].base = sample.ranges[0].base + 0x3ff000);
    FAULT(sample.ranges[1].base = 0);
    FAULT(sample.ranges[1].base = UINT64_MAX - 4095);
    FAULT(sample.ranges[1].base = UINT64_C(1) << 46);
    FAULT(r->members.count = UINT32_MAX);
    FAULT(r->members.count = MEMBERS - 2);
    FAULT(r->members.offset += 4);
    FAULT(r->members.offset = 0);
    FAULT(sample.members[0].peer = 0);
    FAULT(sample.members[0].peer = 3);
    FAULT(sample.members[0].reserved = 1);
    FAULT(sample.members[0].size = 0);
    FAULT(sample.members[0].size += 4096);
    FAULT(sample.members[0].base += 4096);
    FAULT(sample.members[0].base = 0x20000000);
    FAULT(sample.members[0].base = 0x0fe00000; sample.members[0].size = 0x400000);
    FAULT(sample.members[0].base = 0; sample.members[0].size = UINT64_C(1) << 44);
    FAULT(sample.members[0].base = UINT64_C(1) << 46);
    FAULT(sample.members[1].base += 0x200000);
    FAULT(sample.members[1].size = 0x200000);
    FAULT(sample.members[2].peer = 4);
    FAULT(sample.members[3].peer = INSTANCES + 1);
    FAULT(sample.members[3].size = UINT64_MAX & ~UINT64_C(0x1fffff));
    FAULT(r->used_end = sample.ranges[0].base - 4096);
    FAULT(r->used_end = sample.ranges[0].base + sample.ranges[0].size + 4096);
    FAULT(r->used_end += 1);
    FAULT(r->used_end = PHYSICAL & ~UINT64_C(4095));
    FAULT(r->kernel_physical += 1);
    FAULT(r->kernel_physical = 0x20000000);
    FAULT(r->kernel_size = 0);
    FAULT(r->kernel_size = 0x201000);
    FAULT(r->kernel_size = UINT64_MAX & ~UINT64_C(4095));
    FAULT(r->page_table = 0);
    FAULT(r->page_table = r->used_end);
    FAULT(r->page_table += 8);
    FAULT(r->lagoon_physical += 1);
    FAULT(r->lagoon_physical = UINT64_MAX & ~UINT64_C(4095));
    FAULT(r->lagoon_physical = sample.ranges[1].base);
    FAULT(r->lagoon_size = 0);
    FAULT(r->lagoon_size += 1);
    FAULT(r->lagoon_size = UINT64_C(1) << 45);
    FAULT(r->lagoon_version++);
    FAULT(r->log_level = MACHINE_LOG_DEBUG + 1);
    FAULT(r->program.offset += 1);
    FAULT(r->program.size = 0);
    FAULT(r->program.size = UINT64_MAX);
    FAULT(r->arguments.offset = UINT64_MAX);
    FAULT(r->arguments.size = r->lagoon_size);
    FAULT(r->argument_count = 31);
    FAULT(r->environment.offset = r->lagoon_size + 1);
    FAULT(r->environment_count = 1);
    FAULT(r->clock.tsc_hz = 0);
    FAULT(r->clock.tsc_hz = UINT64_MAX);
    FAULT(r->clock.apic_timer_hz = 0);
    FAULT(r->clock.tsc_deadline = 2);
    FAULT(r->clock.reserved = 1);
    FAULT(r->ivshmem = 2);
    FAULT(r->platform = 2);
    FAULT(r->platform = HANDOVER_HOSTED); /* with a kernel in the partition */
}

Test(handover, a_record_that_is_cut_off_is_refused)
{
    struct sample sample;
    sample_make(&sample);
    for (uint64_t length = 0; length < sizeof sample; length++) {
        uint8_t *cut = aligned_alloc(16, (length + 15) & ~UINT64_C(15));
        memcpy(cut, &sample, length);
        cr_assert_not_null(handover_check((struct handover *)cut, length, PHYSICAL));
        free(cut);
    }
    cr_assert_not_null(handover_check(NULL, sizeof sample, 0));
    cr_assert_not_null(
        handover_check((struct handover *)((uint8_t *)&sample + 1), sizeof sample, 0));
}

/* What a record that has passed is used for must then be harmless. */
static void expect_harmless(const struct handover *record)
{
    const uint8_t *bytes = (const uint8_t *)record;
    const struct handover_core *cores = (const void *)(bytes + record->cores.offset);
    const struct handover_range *ranges = (const void *)(bytes + record->ranges.offset);
    const uint32_t *all = (const void *)(bytes + record->all_cores.offset);
    uint64_t end = 0;
    cr_assert(record->cores.count >= 1 && record->cores.count <= LAUNCH_SLOTS);
    for (uint32_t i = 0; i < record->cores.count; i++)
        cr_assert_lt(cores[i].apic_id, LAUNCH_SLOTS);
    for (uint32_t i = 0; i < record->instances; i++)
        cr_assert_lt(all[i], LAUNCH_SLOTS);
    for (uint32_t i = 0; i < record->ranges.count; i++) {
        cr_assert_geq(ranges[i].base, end);
        end = ranges[i].base + ranges[i].size;
        cr_assert(end > ranges[i].base && end <= UINT64_C(1) << 46);
    }
    const struct handover_member *members = handover_members(record);
    uint64_t window = 0;
    for (uint32_t i = 0; i < record->members.count; i++) {
        cr_assert(members[i].peer >= 1 && members[i].peer <= record->instances);
        cr_assert(members[i].size % HANDOVER_MEMBER_ALIGNMENT == 0 && members[i].size > 0);
        cr_assert_leq(members[i].size, UINT64_C(1) << 43);
        window += members[i].size;
    }
    cr_assert_leq(window, UINT64_C(1) << 43);
    cr_assert_lt(strlen(record->name), sizeof record->name);
    cr_assert_lt(strlen(record->program_path), sizeof record->program_path);
    cr_assert_leq(record->program.offset + record->program.size, record->lagoon_size);
    cr_assert_leq(record->used_end, ranges[0].base + ranges[0].size);
}

Test(handover, random_mutations_are_found_or_harmless, .timeout = 20)
{
    uint64_t seed = 5, end = now_ns() + 1000000000, found = 0, passed = 0;
    struct sample *sample = aligned_alloc(8, (sizeof *sample + 7) & ~7ul);
    while (now_ns() < end) {
        sample_make(sample);
        for (uint64_t changes = 1 + random_below(&seed, 3); changes; changes--) {
            uint64_t width = random_below(&seed, 3), value;
            uint8_t *at = (uint8_t *)sample + random_below(&seed, sizeof *sample / 8) * 8 +
                          (width == 1 ? 4 : 0);
            if (random_below(&seed, 3) == 0) { /* the arrays' places, which all depends on */
                at = (uint8_t *)&sample->record.cores + random_below(&seed, 6) * 4;
                width = 1;
            }
            memcpy(&value, at, 4);
            value = random_bad(&seed, value);
            memcpy(at, &value, width == 1 ? 4 : width == 2 ? 1 : 8);
        }
        const char *fault = handover_check(&sample->record, sizeof *sample, PHYSICAL);
        if (fault) {
            cr_assert_gt(strlen(fault), 0);
            found++;
        } else {
            expect_harmless(&sample->record);
            passed++;
        }
    }
    cr_assert_gt(found, 1000);
    cr_assert_gt(passed, 100);
    free(sample);
}
