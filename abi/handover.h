/* The handover record: what the boot loader gives to the instance that it starts.
 * Versioned, position-independent, and checked in full by the receiver (handover_check) before it
 * trusts any of it. Offsets count from the record's start. Physical addresses are the machine's. */
#ifndef ABI_HANDOVER_H
#define ABI_HANDOVER_H

#include "abi/machine.h"

#define HANDOVER_MAGIC UINT64_C(0x31444e484c4f5441) /* "ATOLHND1" in memory order */
#define HANDOVER_VERSION 2

/* The instance's virtual address map on platform `pc`, as the loader builds it:
 *
 *   0000_0000_0001_0000 - 0000_7fff_ffff_f000   the program
 *   ffff_8000_0000_0000 +  physical address     direct map of the partition (read, write)
 *   ffff_c000_0000_0000 +                       the lagoon (read; own section also write)
 *   ffff_c800_0000_0000 +                       memory of the job's peers (read; made by the
 * kernel) ffff_d000_0000_0000 +                       device registers (uncached): see
 * HANDOVER_DEVICE_* ffff_e000_0000_0000 +                       kernel stacks with guard pages
 * (made by the kernel) ffff_ffff_8000_0000 +                       the kernel's image (text rx,
 * rodata r, data rw) ffff_ffff_ffe0_0000 +                       the launcher (abi/launch.h) */
#define HANDOVER_DIRECT_BASE UINT64_C(0xffff800000000000)
#define HANDOVER_LAGOON_BASE UINT64_C(0xffffc00000000000)
#define HANDOVER_PEERS_BASE UINT64_C(0xffffc80000000000)
#define HANDOVER_DEVICE_BASE UINT64_C(0xffffd00000000000)
#define HANDOVER_STACK_BASE UINT64_C(0xffffe00000000000)
#define HANDOVER_KERNEL_BASE UINT64_C(0xffffffff80000000)
#define HANDOVER_DEVICE_APIC (HANDOVER_DEVICE_BASE + 0x0000)    /* local APIC, one page */
#define HANDOVER_DEVICE_IVSHMEM (HANDOVER_DEVICE_BASE + 0x1000) /* ivshmem BAR 0, one page */

struct handover_range { /* physical memory of the partition */
    uint64_t base;      /* multiple of 4096 */
    uint64_t size;      /* bytes, multiple of 4096 */
};

/* A piece of the memory of a member of this instance's job, this instance included: all members may
 * read it. A member's pieces, put one after the other, are what offsets in its memory count in. */
struct handover_member {
    uint32_t peer; /* ascending */
    uint32_t reserved;
    uint64_t base; /* as in struct handover_range: physical; hosted: offset in that peer's file */
    uint64_t size; /* both are multiples of HANDOVER_MEMBER_ALIGNMENT */
};
#define HANDOVER_MEMBER_ALIGNMENT (UINT64_C(2) << 20)

struct handover_core {
    uint32_t apic_id;
    uint32_t machine_core; /* number in MADT order, for messages */
};

struct handover_array {
    uint32_t offset; /* from the record's start */
    uint32_t count;  /* entries */
};

/* How to turn ticks of the time-stamp counter into the host's clocks:
 * monotonic_ns + (tsc - tsc_base) * 1e9 / tsc_hz. */
struct handover_clock {
    uint64_t tsc_hz;
    uint64_t tsc_base;
    uint64_t monotonic_ns;  /* host CLOCK_MONOTONIC at tsc_base */
    uint64_t realtime_ns;   /* host CLOCK_REALTIME at tsc_base */
    uint64_t apic_timer_hz; /* local APIC timer, divider 1; approximate: early wake-ups re-arm */
    uint32_t tsc_deadline;  /* 1: the local APIC has the TSC-deadline mode */
    uint32_t reserved;
};

struct handover {
    uint64_t magic;   /* HANDOVER_MAGIC */
    uint32_t version; /* HANDOVER_VERSION */
    uint32_t size;    /* bytes of the whole record, arrays included; at most 1 MiB */
    uint8_t build_id[20];
    uint32_t flags;    /* enum machine_flag */
    uint64_t physical; /* of this record */

    uint32_t number;    /* the instance: 1..instances, and its lagoon section */
    uint32_t instances; /* on this machine */
    uint64_t generation;
    char name[MACHINE_NAME_MAX];
    char program_path[256];

    struct handover_array cores;  /* struct handover_core[]; [0] is the core that runs first */
    struct handover_array ranges; /* struct handover_range[]: the partition, ascending, disjoint */
    struct handover_array
        all_cores;                 /* uint32_t[]: for each instance the APIC id of its first core */
    struct handover_array members; /* struct handover_member[]; none: the instance has no job */
    uint64_t used_end; /* physical: [ranges[0].base, used_end) holds kernel, tables, this record */

    uint64_t kernel_physical; /* where HANDOVER_KERNEL_BASE is mapped to */
    uint64_t kernel_size;
    uint64_t page_table; /* physical: the level-4 table */

    uint64_t lagoon_physical;
    uint64_t lagoon_size;
    uint32_t lagoon_version; /* SHM_LAYOUT_VERSION */
    uint32_t log_level;      /* enum machine_log */

    struct machine_extent program; /* offsets in the lagoon, as in the machine table */
    struct machine_extent arguments;
    struct machine_extent environment;
    uint32_t argument_count;
    uint32_t environment_count;

    struct handover_clock clock;
    uint64_t tsc_loader; /* TSC at the loader's first instruction */
    uint64_t tsc_launch; /* TSC when this instance was started */

    uint32_t x2apic; /* 1: the local APIC is in x2APIC mode (MSRs); 0: memory at DEVICE_APIC */
    uint32_t ivshmem_peer; /* the proxy's ivshmem id: peer << 16 | vector rings it */
    uint32_t ivshmem;      /* 1: HANDOVER_DEVICE_IVSHMEM is mapped */
    uint32_t platform;     /* enum handover_platform */
};

enum handover_platform {
    HANDOVER_PC,
    HANDOVER_HOSTED, /* no kernel in the partition: kernel_physical and kernel_size are 0 */
};

_Static_assert(sizeof(struct handover) == 608, "layout of the handover record");

static inline const struct handover_member *handover_members(const struct handover *record)
{
    return (const struct handover_member *)((const uint8_t *)record + record->members.offset);
}

/* Checks a record of which `available` bytes can be read. Returns NULL when it is sound, otherwise
 * what is wrong, in words. `physical` is where it is known to lie, or 0 to skip that check. */
const char *handover_check(const struct handover *record, uint64_t available, uint64_t physical);

#endif
