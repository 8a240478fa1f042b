#include "partition.h"

#include "abi/handover.h"
#include "instance/arch/x86/paging.h"
#include "instance/log.h"
#include "instance/mm/user.h"
#include "instance/platform/pc/pc.h"
#include "instance/sched/wait.h"

#include <platform/paging.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

uintptr_t platform_direct_base;
struct core *cores;
uint32_t core_count;
_Thread_local struct core *unit_test_core;
enum machine_log log_level;
const struct handover *pc_handover;

static struct handover record;
static uint8_t *memory;
static uint64_t memory_size, memory_file_size;
static bool shared;

/* What each core's translation cache holds. */
#define TLB_ENTRIES 1024
#define TLB_CORES 4
static struct {
    uint64_t page; /* program address; 0: empty */
    uint64_t physical;
    unsigned protection;
} tlbs[TLB_CORES][TLB_ENTRIES], *tlb;

/* --- What instance/mm/ expects of the rest of the kernel -----------------------------------------
 */

void log_write(enum machine_log level, const char *format, ...)
{
    (void)level;
    (void)format;
}

void panic(const struct trap_frame *frame, const char *format, ...)
{
    va_list arguments;
    (void)frame;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void platform_relax(void)
{
    sched_yield();
}

void platform_memory_begin(uint64_t physical, uint64_t length)
{
    cr_assert(physical >= PARTITION_PHYSICAL && length % PAGE_SIZE == 0 &&
              physical + length <= PARTITION_PHYSICAL + memory_size);
}

void user_init(void)
{
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

/* Spurious wake-ups are allowed: so nobody sleeps. */
int wait_queue_wait(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                    uint64_t deadline, bool interruptible)
{
    (void)queue;
    cr_assert(deadline == 0 && !interruptible);
    spin_unlock_irq(lock, *saved);
    sched_yield();
    *saved = spin_lock_irq(lock);
    return 0;
}

unsigned wait_queue_wake(struct wait_queue *queue, unsigned count)
{
    (void)queue;
    (void)count;
    return 0;
}

/* --- Allocations that fail when told to ----------------------------------------------------------
 */

static _Thread_local uint64_t fail_after = UINT64_MAX;
static _Thread_local bool fail_for_good, failed;

void partition_fail_after(uint64_t count, bool for_good)
{
    fail_after = count;
    fail_for_good = for_good;
    failed = false;
}

bool partition_has_failed(void)
{
    return failed;
}

static bool fails_now(void)
{
    if (failed && fail_for_good)
        return true;
    if (fail_after == UINT64_MAX || fail_after--)
        return false;
    failed = true;
    return true; /* fail_after is UINT64_MAX now */
}

uint64_t __real_frame_alloc(unsigned order, enum frame_use use);
uint64_t __wrap_frame_alloc(unsigned order, enum frame_use use);
uint64_t __wrap_frame_alloc(unsigned order, enum frame_use use)
{
    return fails_now() ? FRAME_NONE : __real_frame_alloc(order, use);
}

void *__real_kmalloc(size_t size);
void *__wrap_kmalloc(size_t size);
void *__wrap_kmalloc(size_t size)
{
    return fails_now() ? NULL : __real_kmalloc(size);
}

void *__real_kzalloc(size_t size);
void *__wrap_kzalloc(size_t size);
void *__wrap_kzalloc(size_t size)
{
    return fails_now() ? NULL : __real_kzalloc(size);
}

/* --- The partition -------------------------------------------------------------------------------
 */

void memory_create(uint64_t size, uint64_t file_size, uint32_t count)
{
    uint64_t whole = size + file_size;
    if (memory)
        munmap(memory, memory_size + memory_file_size + LARGE_PAGE_SIZE);
    memory = mmap(NULL, whole + LARGE_PAGE_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(memory != MAP_FAILED);
    uintptr_t aligned = ((uintptr_t)memory + LARGE_PAGE_SIZE - 1) & ~(LARGE_PAGE_SIZE - 1);
    platform_direct_base = aligned - PARTITION_PHYSICAL;
    memory_size = size;
    memory_file_size = file_size;
    /* What memory holds at the start is nobody's business: not zeros. */
    memset((void *)aligned, 0xa5, size < MIB ? size : MIB);
    memset(tlbs, 0, sizeof(tlbs));
    free(cores);
    cores = aligned_alloc(SHM_LINE, count * sizeof(*cores));
    cr_assert_not_null(cores);
    memset(cores, 0, count * sizeof(*cores));
    for (uint32_t i = 0; i < count; i++)
        cores[i].index = i;
    core_count = count;
    unit_test_core = &cores[0];
}

void partition_create(uint64_t size, uint64_t file_size, uint32_t count)
{
    memory_create(size, file_size, count);
    /* As the loader leaves it: the top-level table is there, in what is used already. */
    record.page_table = PARTITION_PHYSICAL;
    pc_handover = &record;
    paging_root = PARTITION_PHYSICAL;
    memset((void *)(platform_direct_base + PARTITION_PHYSICAL), 0, PAGE_SIZE);
    const struct frame_range range = {PARTITION_PHYSICAL, size};
    cr_assert_eq(frames_init(&range, 1, PARTITION_PHYSICAL + PAGE_SIZE), 0);
    kmalloc_init();
    cr_assert_eq(space_init(), 0);
}

uint8_t *partition_file(void)
{
    return (uint8_t *)(platform_direct_base + partition_file_physical());
}

uint64_t partition_file_physical(void)
{
    return PARTITION_PHYSICAL + memory_size;
}

void partition_enter_core(uint32_t index)
{
    unit_test_core = &cores[index];
}

/* --- The program's accesses ----------------------------------------------------------------------
 */

uint64_t program_faults;

void partition_share(void)
{
    shared = true;
}

void flush_range(uintptr_t virtual, uint64_t length)
{
    if (shared)
        return; /* nobody translates */
    for (unsigned core = 0; core < TLB_CORES; core++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            if (tlbs[core][i].page - virtual < length)
                tlbs[core][i].page = 0;
}

static unsigned needed(enum space_fault access)
{
    if (access == SPACE_FAULT_WRITE)
        return PLATFORM_WRITE;
    return access == SPACE_FAULT_EXECUTE ? PLATFORM_EXECUTE : PLATFORM_READ;
}

int program_access(uint64_t address, enum space_fault access, uint8_t *value)
{
    uint64_t page = address & ~(PAGE_SIZE - 1);
    unsigned slot = (unsigned)(page >> PAGE_SHIFT) % TLB_ENTRIES;
    tlb = tlbs[unit_test_core->index];
    for (unsigned tries = 0;; tries++) {
        cr_assert_lt(tries, 4u, "the fault at %lx is never resolved", (unsigned long)address);
        if (tlb[slot].page != page) {
            tlb[slot].physical = platform_lookup(page, &tlb[slot].protection);
            /* Only what is present is ever cached. */
            bool present = tlb[slot].physical != UINT64_MAX && tlb[slot].protection;
            tlb[slot].page = present ? page : 0;
        }
        if (tlb[slot].page == page && (tlb[slot].protection & needed(access)))
            break;
        tlb[slot].page = 0; /* a fault drops the entry it came from (Intel SDM 3A, 4.10.4.1) */
        program_faults++;
        int error = space_handle_fault(address, access);
        if (error)
            return error;
    }
    uint8_t *byte = (uint8_t *)(platform_direct_base + tlb[slot].physical + (address - page));
    cr_assert(tlb[slot].physical >= PARTITION_PHYSICAL &&
              tlb[slot].physical < PARTITION_PHYSICAL + memory_size + memory_file_size);
    if (access == SPACE_FAULT_WRITE)
        *byte = *value;
    else if (access == SPACE_FAULT_READ)
        *value = *byte;
    return 0;
}

/* --- Random numbers: xorshift64* (Vigna 2016) ----------------------------------------------------
 */

static _Thread_local uint64_t random_state;

uint64_t test_random(void)
{
    if (!random_state)
        random_state = UINT64_C(0x9e3779b97f4a7c15) + unit_test_core->index;
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

uint64_t test_random_below(uint64_t limit)
{
    return (test_random() >> 16) % limit;
}
