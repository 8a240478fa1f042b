/* The first C code of an instance on `hosted`, on the host's own stack: maps partition, lagoon and
 * doorbells from the descriptors that the proxy has passed on, and calls kernel_start. */
#include "instance/platform/hosted/hosted.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/clock.h"
#include "instance/arch/x86/cpu.h"
#include "instance/arch/x86/paging.h"
#include "instance/interrupts.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/platform/hosted/call.h"
#include "instance/platform/hosted/large.h"
#include "instance/platform/platform.h"
#include "instance/string.h"
#include "shm/lagoon.h"

#include <asm/errno.h>
#include <asm/hwcap2.h>
#include <asm/signal.h>
#include <linux/auxvec.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#define STATUS_FAILED 1
#define SEEK_TO_END 2
#define RECORD_MAX (UINT64_C(1) << 20)

const struct handover *hosted_handover;
const struct hosted_record *hosted_record;
int64_t hosted_process;

/* As the host expects them in selectors; the program has them anyway. */
const uint16_t arch_program_cs = 0x33, arch_program_ss = 0x2b;

/* The first core, until its struct core is in its final place. */
static struct core early_core;
static struct core_machine first_machine;
static union signal_stack first_signal_stack;

noreturn void hosted_die(const char *what, int64_t error)
{
    char text[256];
    if (error)
        format_to(text, sizeof text, "%s (error %ld)\n", what, error < 0 ? -error : error);
    else
        format_to(text, sizeof text, "%s\n", what);
    platform_console_write(text, strlen(text));
    for (;;)
        host_call1(__NR_exit_group, STATUS_FAILED);
}

void platform_console_write(const char *text, size_t length)
{
    while (length) {
        int64_t count = host_call3(__NR_write, HOSTED_FD_CONSOLE, (uint64_t)text, length);
        if (count == -EINTR)
            continue;
        if (count <= 0)
            return;
        text += count;
        length -= (size_t)count;
    }
}

static uint64_t file_size(int file, const char *what)
{
    int64_t size = host_call3(__NR_lseek, (uint64_t)file, 0, SEEK_TO_END);
    if (size <= 0)
        hosted_die(what, size);
    return (uint64_t)size;
}

static void map_file(int file, uint64_t address, uint64_t length, uint64_t offset, bool writable,
                     const char *what)
{
    int64_t result =
        host_call6(__NR_mmap, address, length, PROT_READ | (writable ? PROT_WRITE : 0u),
                   MAP_SHARED | MAP_FIXED, (uint64_t)file, offset);
    if (result < 0)
        hosted_die(what, result);
}

/* The whole of it, readable; the own section writable as well. Then nothing is left through which
 * another's section could be written. */
static void map_lagoon(uint64_t size, uint32_t number)
{
    const struct shm_header *header = (const struct shm_header *)HOSTED_LAGOON_BASE;
    map_file(HOSTED_FD_LAGOON, HOSTED_LAGOON_BASE, size, 0, false, "cannot map the lagoon");
    uint64_t extents = header->sections_offset;
    if (number >= header->peers || extents % 8 || extents > size ||
        header->peers > (size - extents) / sizeof(struct shm_extent))
        hosted_die("the lagoon's header is not sound", 0);
    struct shm_extent own = ((const struct shm_extent *)(HOSTED_LAGOON_BASE + extents))[number];
    if (own.offset % SHM_PAGE || own.size % SHM_PAGE || own.offset > size ||
        own.size > size - own.offset)
        hosted_die("the own section is not inside the lagoon", 0);
    map_file(HOSTED_FD_LAGOON_WRITE, HOSTED_LAGOON_BASE + own.offset, own.size, own.offset, true,
             "cannot map the own section");
    host_call1(__NR_close, HOSTED_FD_LAGOON_WRITE);
}

/* The memory of the job's other members, before nothing can be mapped any more. */
static void map_peers(const struct handover *handover)
{
    const struct handover_member *members = handover_members(handover);
    uint64_t at = HOSTED_PEERS_BASE;
    int file = HOSTED_FD_COUNT;
    for (uint32_t i = 0; i < handover->members.count; i++) {
        if (members[i].peer != handover->number) {
            if (file_size(file, "there is no memory of a job's member") != members[i].size ||
                members[i].base != 0)
                hosted_die("the memory of a job's member is not of the size that is told", 0);
            map_file(file, at, members[i].size, 0, false,
                     "cannot map the memory of a job's member");
            host_call1(__NR_close, (uint64_t)file++);
        }
        at += members[i].size;
    }
}

static void map_all(void)
{
    uint64_t partition = file_size(HOSTED_FD_PARTITION, "there is no partition");
    uint64_t lagoon = file_size(HOSTED_FD_LAGOON, "there is no lagoon");
    if (partition > HOSTED_PARTITION_MAX || lagoon > HOSTED_DOORBELL_BASE - HOSTED_LAGOON_BASE)
        hosted_die("partition or lagoon do not fit into the address map", 0);
    map_file(HOSTED_FD_PARTITION, HOSTED_DIRECT_BASE, partition, 0, true,
             "cannot map the partition: an address space limit (ulimit -v), or vm.overcommit");
    host_call3(__NR_madvise, HOSTED_DIRECT_BASE, partition, MADV_HUGEPAGE); /* a wish */
    large_init(partition);
    const struct handover *handover = (const struct handover *)HOSTED_DIRECT_BASE;
    const char *fault =
        handover_check(handover, partition < RECORD_MAX ? partition : RECORD_MAX, 0);
    if (fault)
        hosted_die(fault, 0);
    if (handover->platform != HANDOVER_HOSTED || handover->lagoon_size != lagoon ||
        handover->lagoon_physical != HOSTED_LAGOON_PHYSICAL)
        hosted_die("the handover record is for another platform or lagoon", 0);
    hosted_handover = handover;
    hosted_record =
        (const struct hosted_record *)(HOSTED_DIRECT_BASE + hosted_record_offset(handover->size));
    if (hosted_record->magic != HOSTED_MAGIC || hosted_record->cores != handover->cores.count)
        hosted_die("the record behind the handover is not sound", 0);
    map_lagoon(lagoon, handover->number);
    map_peers(handover);
    map_file(HOSTED_FD_DOORBELLS, HOSTED_DOORBELL_BASE, HOSTED_DOORBELL_BYTES, 0, true,
             "cannot map the doorbells");
    host_call1(__NR_close, HOSTED_FD_DOORBELLS);
}

/* What the host says of its CPU behind arguments and environment. */
static void check_host(const uint64_t *stack)
{
    const uint64_t *at = stack + 1 + stack[0] + 1; /* arguments and their NULL */
    while (*at++)
        ;
    uint64_t features = 0;
    for (; at[0] != AT_NULL; at += 2)
        if (at[0] == AT_HWCAP2)
            features = at[1];
    if (!(features & HWCAP2_FSGSBASE))
        hosted_die(
            "this host does not let programs use WRGSBASE (Linux 5.9 or later, and a CPU with "
            "FSGSBASE, would be right); --platform pc works without",
            0);
}

static uint64_t enabled_state(void)
{
    uint32_t leaf[4], low, high;
    cpu_cpuid(1, 0, leaf);
    if (!(leaf[2] >> 27 & 1)) /* OSXSAVE */
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void set_core(struct core *core)
{
    first_machine.signal_stack->core = core;
    core->machine = &first_machine;
    __asm__ volatile("wrgsbase %0" ::"r"(core));
}

noreturn void hosted_start(const uint64_t *stack, uint64_t tsc)
{
    check_host(stack);
    early_core.self = &early_core;
    early_core.interrupts_off = 1;
    first_machine.signal_stack = &first_signal_stack;
    set_core(&early_core);
    map_all();
    early_core.machine_core = ((const struct handover_core *)((const uint8_t *)hosted_handover +
                                                              hosted_handover->cores.offset))[0]
                                  .machine_core;
    hosted_process = host_call1(__NR_getpid, 0);
    char name[16]; /* as ps and top show it */
    format_to(name, sizeof name, "atoll:%s", hosted_handover->name);
    host_call2(__NR_prctl, PR_SET_NAME, (uint64_t)name);
    clock_init(&hosted_handover->clock);
    paging_root = hosted_handover->page_table;
    fpu_init(enabled_state(), true);

    const char *what;
    int64_t error = hosted_core_init(&early_core, &what);
    if (!error) {
        what = "signal handlers";
        error = hosted_signals_init();
    }
    if (error)
        hosted_die(what, error);
    if (hosted_record->flags & HOSTED_FLAG_DEBUGGER)
        host_call2(__NR_kill, (uint64_t)hosted_process, SIGSTOP);
    kernel_start(hosted_handover, (uint8_t *)HOSTED_LAGOON_BASE, clock_tsc_to_monotonic(tsc));
}

void platform_first_core(struct core *core)
{
    core->interrupts_off = 1;
    set_core(core);
}

int platform_first_core_stacks(void)
{
    return 0; /* the kernel image has it */
}

bool platform_random(void *buffer, size_t length)
{
    uint8_t *out = buffer;
    while (length) {
        size_t part = length < 256 ? length : 256; /* never cut short by a signal */
        int64_t count = host_call3(__NR_getrandom, (uint64_t)out, part, 0);
        if (count <= 0)
            return cpu_random(out, length);
        out += count;
        length -= (size_t)count;
    }
    return true;
}
