/* Patching of system call sites.
 *
 * The SYSCALL instruction itself stays: what is replaced is what stands in front of it (shape.h
 * says what that may be). Its first five bytes become a jump to a trampoline near the program,
 * which does the same instructions and enters the kernel. So whoever jumps straight to the SYSCALL,
 * or comes back to it to restart a call, still finds it.
 *
 * Instructions behind the first may be jumped to, and threads may stand in front of them. Those
 * that the jump leaves alone go on as ever; one that lies within its five bytes gets a breakpoint
 * as its first byte: the trampoline is put where the jump's distance has that byte (0xcc) at that
 * place. The breakpoint sends whoever meets it on to the same instruction in the trampoline; a site
 * at which that happens often is put back.
 *
 * Other cores may be about to execute the bytes: breakpoints come first, the others change when
 * every core has passed a barrier, the first byte last (Intel SDM 3A, 9.1.3). Signal handlers never
 * see a trampoline: patch_leave_trampoline. */
#include "instance/syscall/patch.h"

#include "instance/arch/x86/quick_call.h"
#include "instance/interrupts.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "instance/string.h"
#include "instance/syscall/shape.h"
#include "instance/syscall/syscall.h"

#include <asm/errno.h>
#include <linux/mman.h>

#define SYSCALL_SIZE 2
#define SLOT_SIZE UINT64_C(64)
#define POOL_SIZE (UINT64_C(64) << 10)
#define POOL_SLOTS (POOL_SIZE / SLOT_SIZE)
#define BREAKPOINT 0xcc
#define BREAKPOINTS_ENOUGH 32 /* met so often, a site is put back */
#define REFUSED_SITES 256     /* remembered, a power of two */

/* Where trampolines lie: POOL_SIZE bytes of the program's address space. */
struct pool {
    struct pool *next;
    uint64_t start;
    uint64_t used[POOL_SLOTS / 64]; /* one bit a slot */
};

/* A patched site. Stays for ever; `next` is set before it can be found. */
struct site {
    struct site *next;
    uint64_t start, trampoline;
    struct shape shape;
    uint8_t original[SHAPE_JUMP];
    _Atomic uint32_t breakpoints_met;
};

static _Atomic uint32_t patch_busy; /* one at a time */
static _Atomic uint64_t patch_at;   /* the site under work, or 0 */
static _Atomic(struct site *) sites;
static struct pool *pools;
static bool pool_below_refused;
static _Atomic uint64_t
    refused[REFUSED_SITES]; /* addresses of SYSCALLs not to be looked at again */

static _Atomic uint64_t *refused_slot(uint64_t at)
{
    return &refused[(at ^ at >> 8 ^ at >> 16) % REFUSED_SITES];
}

static bool load_word(uint64_t address, uint64_t *value)
{
    return !user_read(value, address, sizeof *value);
}

/* --- Trampolines --------------------------------------------------------------------------------
 */

static bool lowest_area(const struct space_area *area, void *context)
{
    *(uint64_t *)context = area->start;
    return false;
}

static struct pool *map_pool(uint64_t address)
{
    if (address < PROGRAM_FLOOR || address >= PROGRAM_TOP - POOL_SIZE)
        return NULL;
    struct pool *pool = kzalloc(sizeof *pool);
    if (!pool)
        return NULL;
    int64_t got = space_map(address, POOL_SIZE, PROT_READ | PROT_EXEC,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, NULL,
                            0, "[syscalls]");
    if (got < 0) {
        kfree(pool);
        return NULL;
    }
    *pool = (struct pool){.next = pools, .start = address};
    pools = pool;
    return pool;
}

/* Below the program, where neither its heap nor its stack will come. */
static struct pool *map_pool_below(void)
{
    uint64_t lowest = 0;
    if (pool_below_refused)
        return NULL;
    space_visit(lowest_area, &lowest);
    struct pool *pool = lowest > POOL_SIZE ? map_pool(lowest - POOL_SIZE) : NULL;
    pool_below_refused = !pool;
    return pool;
}

/* For a jump whose third byte of distance is to be a breakpoint: as far from the program as a jump
 * gets, where its heap comes last. */
static struct pool *map_pool_far(uint64_t behind_jump)
{
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t top = i < 32 ? 0x7f - i : 0x80 + (i - 32);
        uint32_t distance = top << 24 | (uint32_t)BREAKPOINT << 16;
        uint64_t window = behind_jump + (uint64_t)(int64_t)(int32_t)distance;
        struct pool *pool = map_pool((window + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1));
        if (pool)
            return pool;
    }
    return NULL;
}

static bool is_near(uint64_t from, uint64_t to)
{
    int64_t distance = (int64_t)(to - from);
    return distance == (int32_t)distance;
}

/* Can a jump of `shape` at `start` lead to `address`? */
static bool is_fit(const struct shape *shape, uint64_t start, uint64_t address)
{
    uint64_t behind = start + SHAPE_JUMP;
    uint32_t distance = (uint32_t)(address - behind);
    for (uint32_t byte = 1; byte < SHAPE_JUMP; byte++)
        if ((shape->breakpoints >> byte & 1) && (uint8_t)(distance >> (byte - 1) * 8) != BREAKPOINT)
            return false;
    return is_near(behind, address) && is_near(address + SLOT_SIZE, start + SHAPE_WINDOW);
}

static uint64_t take_slot(struct pool *pool, const struct shape *shape, uint64_t start)
{
    for (uint64_t slot = 0; slot < POOL_SLOTS; slot++) {
        uint64_t address = pool->start + slot * SLOT_SIZE, bit = UINT64_C(1) << slot % 64;
        if ((pool->used[slot / 64] & bit) || !is_fit(shape, start, address))
            continue;
        pool->used[slot / 64] |= bit;
        return address;
    }
    return 0;
}

static uint64_t trampoline_alloc(const struct shape *shape, uint64_t start)
{
    for (struct pool *pool = pools; pool; pool = pool->next) {
        uint64_t address = take_slot(pool, shape, start);
        if (address)
            return address;
    }
    struct pool *pool =
        shape->breakpoints >> 3 ? map_pool_far(start + SHAPE_JUMP) : map_pool_below();
    return pool ? take_slot(pool, shape, start) : 0;
}

/* Where the program's page of `address` can be written, once it is the program's own; or NULL. */
static uint8_t *own_bytes(uint64_t address)
{
    if (space_populate(address & ~(PAGE_SIZE - 1), PAGE_SIZE, SPACE_FAULT_OWN))
        return NULL;
    uint64_t physical = platform_lookup(address, NULL);
    if (physical == UINT64_MAX || !frame_is_own(physical))
        return NULL;
    return (uint8_t *)(platform_direct_base + physical);
}

/* The site's own instructions, whose bytes are `moved`; lea rcx, [behind the SYSCALL]; jmp entry.
 * Returns its address, or 0. */
static uint64_t write_trampoline(const struct shape *shape, uint64_t start, const uint8_t *moved,
                                 uintptr_t entry)
{
    uint64_t address = trampoline_alloc(shape, start);
    uint8_t *bytes = address ? own_bytes(address) : NULL, code[SLOT_SIZE];
    if (!bytes)
        return 0;
    memset(code, BREAKPOINT, sizeof code);
    memcpy(code, moved, shape->length);
    uint32_t at = shape->length;
    static const uint8_t load[] = {0x48, 0x8d, 0x0d}, jump[] = {0xff, 0x25, 0, 0, 0, 0};
    memcpy(code + at, load, sizeof load);
    at += sizeof load;
    uint64_t behind = start + shape->length + SYSCALL_SIZE;
    uint32_t distance = (uint32_t)(behind - (address + at + sizeof distance));
    memcpy(code + at, &distance, sizeof distance);
    at += sizeof distance;
    memcpy(code + at, jump, sizeof jump);
    at += sizeof jump;
    memcpy(code + at, &entry, sizeof entry);
    _Static_assert(SHAPE_MAX + 3 + 4 + 6 + 8 <= SLOT_SIZE, "a trampoline fits in its slot");
    memcpy(bytes, code, sizeof code);
    return address;
}

/* --- The site -----------------------------------------------------------------------------------
 */

/* Puts `code` in place of the site's first bytes, which `bytes` reaches. */
static void rewrite(const struct site *site, uint8_t *bytes, const uint8_t code[SHAPE_JUMP])
{
    uint32_t marked = site->shape.breakpoints | 1;
    atomic_store(&patch_at, site->start);
    for (uint32_t i = 0; i < SHAPE_JUMP; i++)
        if (marked >> i & 1)
            __atomic_store_n(bytes + i, BREAKPOINT, __ATOMIC_SEQ_CST);
    core_barrier_all();
    for (uint32_t i = 0; i < SHAPE_JUMP; i++)
        if (!(marked >> i & 1))
            __atomic_store_n(bytes + i, code[i], __ATOMIC_SEQ_CST);
    core_barrier_all();
    for (uint32_t i = 0; i < SHAPE_JUMP; i++)
        if (marked >> i & 1)
            __atomic_store_n(bytes + i, code[i], __ATOMIC_SEQ_CST);
    /* Who still meets a breakpoint after this finds that it is gone, and tries again. */
    atomic_store(&patch_at, 0);
}

static void jump_to_trampoline(const struct site *site, uint8_t code[SHAPE_JUMP])
{
    uint32_t distance = (uint32_t)(site->trampoline - (site->start + SHAPE_JUMP));
    code[0] = 0xe9;
    memcpy(code + 1, &distance, sizeof distance);
}

/* `before`: what stands in front of the SYSCALL at `at`. */
static bool patch(uint64_t at, const struct shape *shape, const uint8_t before[SHAPE_WINDOW],
                  uintptr_t entry)
{
    uint64_t start = at - shape->length;
    const uint8_t *moved = before + SHAPE_WINDOW - shape->length;
    unsigned protection;
    if ((start & (PAGE_SIZE - 1)) + SHAPE_JUMP > PAGE_SIZE ||
        platform_lookup(start, &protection) == UINT64_MAX ||
        (protection & PLATFORM_WRITE)) /* code that the program may change itself is left to it */
        return false;
    uint8_t *bytes = own_bytes(start), code[SHAPE_JUMP];
    if (!bytes || memcmp(bytes, moved, SHAPE_JUMP) != 0)
        return false;
    struct site *site = kzalloc(sizeof *site);
    if (!site)
        return false;
    uint64_t trampoline = write_trampoline(shape, start, moved, entry);
    if (!trampoline) {
        kfree(site);
        return false;
    }
    site->start = start;
    site->trampoline = trampoline;
    site->shape = *shape;
    memcpy(site->original, moved, SHAPE_JUMP);
    site->next = atomic_load_explicit(&sites, memory_order_relaxed);
    atomic_store_explicit(&sites, site, memory_order_release);
    jump_to_trampoline(site, code);
    rewrite(site, bytes, code);
    return true;
}

/* The quick way for a number that the moved instructions always load, else `entry`. */
static uintptr_t entry_for(const struct shape *shape, uint64_t number, uintptr_t entry)
{
    uintptr_t quick = shape->number_is_constant && !syscall_is_traced() ? quick_call(number) : 0;
    return quick ? quick : entry;
}

void patch_site(const struct trap_frame *frame, uintptr_t entry)
{
    uint64_t at = frame->rip - SYSCALL_SIZE;
    uint8_t before[SHAPE_WINDOW];
    struct shape shape;
    if (atomic_load_explicit(refused_slot(at), memory_order_relaxed) == at)
        return;
    if (atomic_exchange(&patch_busy, 1))
        return; /* another core is at it: next time */
    /* Where it has been tried once it is not tried again, whether it worked or not. */
    atomic_store_explicit(refused_slot(at), at, memory_order_relaxed);
    if (at >= PROGRAM_FLOOR + sizeof before &&
        !user_read(before, at - sizeof before, sizeof before) &&
        shape_recognise(before, frame, load_word, &shape))
        patch(at, &shape, before, entry_for(&shape, frame->error, entry));
    atomic_store(&patch_busy, 0);
}

static void put_back(struct site *site)
{
    uint8_t code[SHAPE_JUMP], *bytes;
    if (atomic_exchange(&patch_busy, 1))
        return;
    jump_to_trampoline(site, code);
    bytes = own_bytes(site->start);
    if (bytes && !memcmp(bytes, code, sizeof code))
        rewrite(site, bytes, site->original);
    atomic_store(&patch_busy, 0);
}

/* A breakpoint was executed that is not there any more. The next try takes what is there, on a CPU;
 * QEMU (7.2) can keep what it has translated while another core was writing the byte. Writing it
 * once more, as it is, makes it translate anew. */
static void refresh(uint64_t at, uint8_t now)
{
    uint64_t physical = platform_lookup(at, NULL);
    if (physical != UINT64_MAX && frame_is_own(physical))
        __atomic_compare_exchange_n((uint8_t *)(platform_direct_base + physical), &now, now, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Interrupts on. */
static bool is_patched(struct trap_frame *frame, uint64_t at, struct site *site)
{
    uint8_t now[SHAPE_JUMP], code[SHAPE_JUMP];
    if (user_read(now, site->start, sizeof now))
        return false;
    if (now[at - site->start] != BREAKPOINT) {
        refresh(at, now[at - site->start]);
        frame->rip = at;
        return true;
    }
    jump_to_trampoline(site, code);
    if (memcmp(now, code, sizeof now) != 0)
        return false; /* the program's own breakpoint, in other code at that address */
    frame->rip = site->trampoline + (at - site->start);
    if (atomic_fetch_add(&site->breakpoints_met, 1) >= BREAKPOINTS_ENOUGH)
        put_back(site);
    return true;
}

bool patch_is_breakpoint(struct trap_frame *frame)
{
    uint64_t at = frame->rip - 1, busy = atomic_load(&patch_at);
    if (busy && at - busy < SHAPE_JUMP) {
        frame->rip = at;
        return true;
    }
    struct site *site = atomic_load_explicit(&sites, memory_order_acquire);
    while (site && at - site->start >= SHAPE_JUMP)
        site = site->next;
    if (!site)
        return false;
    interrupts_enable();
    bool mine = is_patched(frame, at, site);
    interrupts_disable();
    return mine;
}

void patch_leave_trampoline(struct trap_frame *frame)
{
    struct site *site = atomic_load_explicit(&sites, memory_order_acquire);
    while (site && frame->rip - site->trampoline >= SLOT_SIZE)
        site = site->next;
    if (!site)
        return;
    /* Behind the moved instructions only RCX changes, as the SYSCALL changes it. */
    uint64_t done = frame->rip - site->trampoline;
    frame->rip = site->start + (done < site->shape.length ? done : site->shape.length);
}
