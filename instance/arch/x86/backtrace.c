/* What the proxy needs to show how the code got where it crashed: the frame-pointer chain, and the
 * top of the program's stack, from which it unwinds code that was compiled without frame pointers.
 */
#include "instance/arch/x86/arch.h"

#include "instance/core.h"
#include "instance/host.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"

#define STACK_BYTES UINT64_C(65536) /* of the program's stack that travel with a crash */
#define STACK_PIECE UINT64_C(4096)

struct frame_link {
    uint64_t rbp, rip;
};

/* The kernel's own frames lie on this thread's kernel stack; the program's anywhere it likes. */
static bool read_link(struct frame_link *link, uintptr_t rbp)
{
    if (rbp % 8)
        return false;
    uintptr_t below = core_self()->kernel_stack_top - rbp;
    if (below >= sizeof *link && below <= KERNEL_STACK_SIZE) {
        *link = *(const struct frame_link *)rbp;
        return true;
    }
    return rbp < PROGRAM_TOP && user_read(link, rbp, sizeof *link) == 0;
}

size_t arch_backtrace(uintptr_t rip, uintptr_t rbp, uint64_t *out, size_t capacity)
{
    size_t count = 0;
    bool kernel = platform_is_kernel(rip); /* a panic may not touch the program's memory */
    out[count++] = rip;
    while (count < capacity) {
        struct frame_link link;
        if ((kernel && rbp < PROGRAM_TOP) || !read_link(&link, rbp) || !link.rip)
            break;
        out[count++] = link.rip;
        if (link.rbp <= rbp) /* callers lie higher */
            break;
        rbp = link.rbp;
    }
    return count;
}

void crash_stack(struct shm_crash *crash, uintptr_t rsp)
{
    uint64_t saved = spin_lock_irq(&host_lock);
    uint64_t length = 0, offset = host_extent_alloc(STACK_BYTES);
    spin_unlock_irq(&host_lock, saved);
    if (!offset)
        return;
    uint8_t *to = host_extent_bytes(offset);
    while (length < STACK_BYTES) {
        uint64_t part = STACK_PIECE - ((rsp + length) % STACK_PIECE);
        if (part > STACK_BYTES - length)
            part = STACK_BYTES - length;
        if (user_read(to + length, rsp + length, part))
            break;
        length += part;
    }
    crash->stack_address = rsp;
    crash->stack_offset = offset;
    crash->stack_length = length;
}
