/* Patching of system call sites.
 *
 * The SYSCALL instruction itself stays: what is replaced is the instruction in front of it, which
 * is long enough for a jump and is done anew in a trampoline near the program. So whoever jumps
 * straight to the SYSCALL, or comes back to it to restart a call, still finds it, and no thread can
 * stand in the middle of what is replaced. Shapes:
 *
 *   b8 number, 0f 05          mov eax, number; syscall          most of glibc, musl and Go
 *   48 c7 c0 number, 0f 05    mov rax, number; syscall
 *   4c 8b 4c 24 08, 0f 05     mov r9, [rsp + 8]; syscall        glibc's syscall()
 *
 * Other cores may be about to execute the bytes: the first one becomes a breakpoint before the
 * others change, and every core has passed a barrier in between (Intel SDM 3A, 9.1.3). */
#include "instance/syscall/patch.h"

#include "instance/interrupts.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "instance/string.h"

#include <asm/errno.h>
#include <linux/mman.h>

#define SITE_MAX 7 /* bytes of the replaced instruction */
#define SYSCALL_SIZE 2
#define JUMP_SIZE 5
#define TRAMPOLINE_SIZE 32
#define TRAMPOLINES_BYTES (UINT64_C(256) << 10)
#define BREAKPOINT 0xcc

static _Atomic uint32_t patch_busy;            /* one at a time */
static _Atomic uint64_t patch_at;              /* the site under work, or 0 */
static uint64_t trampolines, trampolines_used; /* where they lie; bytes in use */
static bool trampolines_refused;

struct site {
    uint64_t start;  /* of the instruction in front of SYSCALL */
    uint32_t length; /* of it */
    uint8_t bytes[SITE_MAX];
};

/* Is it a shape that can be patched? `before` are the 8 bytes in front of the SYSCALL at `at`. */
static bool recognise(struct site *site, uint64_t at, const uint8_t before[8], uint64_t rax)
{
    static const uint8_t load_sixth[] = {0x4c, 0x8b, 0x4c, 0x24, 0x08};
    uint32_t number;
    memcpy(&number, before + 4, sizeof number);
    bool loads_number = number == rax;
    site->length = 0;
    if (!memcmp(before + 3, load_sixth, sizeof load_sixth))
        site->length = sizeof load_sixth;
    else if (loads_number && before[1] == 0x48 && before[2] == 0xc7 && before[3] == 0xc0)
        site->length = 7;
    else if (loads_number && before[3] == 0xb8 && (before[2] & 0xf0) != 0x40)
        site->length = 5; /* with that prefix it would be another register, or 64 bits */
    if (!site->length)
        return false;
    site->start = at - site->length;
    memcpy(site->bytes, before + 8 - site->length, site->length);
    return true;
}

/* --- Trampolines --------------------------------------------------------------------------------
 */

static bool lowest_area(const struct space_area *area, void *context)
{
    *(uint64_t *)context = area->start;
    return false;
}

/* Reserves the trampolines below the program, where neither its heap nor its stack will come. */
static bool make_trampolines(void)
{
    uint64_t lowest = 0;
    if (trampolines || trampolines_refused)
        return trampolines;
    trampolines_refused = true;
    space_visit(lowest_area, &lowest);
    if (lowest < PROGRAM_FLOOR + TRAMPOLINES_BYTES)
        return false;
    int64_t address =
        space_map(lowest - TRAMPOLINES_BYTES, TRAMPOLINES_BYTES, PROT_READ | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NULL, 0, "[syscalls]");
    if (address < 0)
        return false;
    trampolines = (uint64_t)address;
    return true;
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

static bool is_near(uint64_t from, uint64_t to)
{
    int64_t distance = (int64_t)(to - from);
    return distance == (int32_t)distance;
}

/* The site's own instruction; lea rcx, [behind the SYSCALL]; jmp entry. Returns its address, or 0.
 */
static uint64_t write_trampoline(const struct site *site, uintptr_t entry)
{
    if (!make_trampolines() || trampolines_used + TRAMPOLINE_SIZE > TRAMPOLINES_BYTES)
        return 0;
    uint64_t address = trampolines + trampolines_used;
    uint64_t behind = site->start + site->length + SYSCALL_SIZE;
    if (!is_near(address, behind) || !is_near(site->start, address))
        return 0;
    uint8_t *bytes = own_bytes(address), code[TRAMPOLINE_SIZE];
    if (!bytes)
        return 0;
    memset(code, BREAKPOINT, sizeof code);
    memcpy(code, site->bytes, site->length);
    uint32_t at = site->length;
    static const uint8_t load[] = {0x48, 0x8d, 0x0d}, jump[] = {0xff, 0x25, 0, 0, 0, 0};
    memcpy(code + at, load, sizeof load);
    at += sizeof load;
    uint32_t distance = (uint32_t)(behind - (address + at + sizeof distance));
    memcpy(code + at, &distance, sizeof distance);
    at += sizeof distance;
    memcpy(code + at, jump, sizeof jump);
    at += sizeof jump;
    memcpy(code + at, &entry, sizeof entry);
    memcpy(bytes, code, sizeof code);
    trampolines_used += TRAMPOLINE_SIZE;
    return address;
}

/* --- The site -----------------------------------------------------------------------------------
 */

static void write_jump(const struct site *site, uint8_t *bytes, uint64_t to)
{
    uint8_t code[SITE_MAX] = {0xe9, 0, 0, 0, 0, 0x66, 0x90}; /* jmp; a two-byte nop */
    uint32_t distance = (uint32_t)(to - (site->start + JUMP_SIZE));
    memcpy(code + 1, &distance, sizeof distance);
    atomic_store(&patch_at, site->start);
    __atomic_store_n(bytes, BREAKPOINT, __ATOMIC_SEQ_CST);
    core_barrier_all(true);
    memcpy(bytes + 1, code + 1, site->length - 1);
    core_barrier_all(true);
    __atomic_store_n(bytes, code[0], __ATOMIC_SEQ_CST);
    core_barrier_all(true);
    atomic_store(&patch_at, 0);
}

static void patch(const struct site *site, uintptr_t entry)
{
    unsigned protection;
    if ((site->start & (PAGE_SIZE - 1)) + site->length > PAGE_SIZE ||
        platform_lookup(site->start, &protection) == UINT64_MAX ||
        (protection & PLATFORM_WRITE)) /* code that the program may change itself is left to it */
        return;
    uint8_t *bytes = own_bytes(site->start);
    if (!bytes || memcmp(bytes, site->bytes, site->length) != 0)
        return;
    uint64_t trampoline = write_trampoline(site, entry);
    if (trampoline)
        write_jump(site, bytes, trampoline);
}

void patch_site(const struct trap_frame *frame, uintptr_t entry)
{
    uint64_t at = frame->rip - SYSCALL_SIZE;
    uint8_t before[8];
    struct site site;
    if (at < PROGRAM_FLOOR + sizeof before ||
        user_read(before, at - sizeof before, sizeof before) ||
        !recognise(&site, at, before, frame->error))
        return;
    if (atomic_exchange(&patch_busy, 1))
        return; /* another core is at it: next time */
    patch(&site, entry);
    atomic_store(&patch_busy, 0);
}

bool patch_is_breakpoint(struct trap_frame *frame)
{
    uint64_t at = frame->rip - 1;
    uint8_t now;
    if (atomic_load(&patch_at) != at) {
        /* Done meanwhile? Then there is no breakpoint any more. */
        if (!trampolines_used || user_read(&now, at, 1) || now != 0xe9)
            return false;
    }
    frame->rip = at;
    return true;
}
