/* The sandbox: what is left of the host to this process once its program may run, kernel and
 * program alike. No descriptor but the four that are needed, no new privileges, no memory beyond
 * the partition, and a filter that kills the process for any call that this platform does not make.
 *
 * Calls from outside of the kernel's text are the program's: they are not done but reported
 * (SIGSYS), and become the instance's own system calls. Code that jumps into the kernel's text, or
 * has changed the kernel's data, meets the rest of the filter, which looks at the arguments. */
#include "instance/platform/hosted/hosted.h"

#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/platform/hosted/call.h"
#include "instance/platform/platform.h"

#include <asm/errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/seccomp.h>
#include <stddef.h>

#define SLACK (UINT64_C(64) << 20) /* bytes of address space: the image, stacks, the host's own */

/* --- The filter ----------------------------------------------------------------------------------
 * Each call's part ends in ALLOW or KILL; a condition that fails jumps to the KILL behind it, which
 * is why conditions count the instructions that follow in their part. */

#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define LOW(argument)                                                                              \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument]))
#define HIGH(argument)                                                                             \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument]) + 4)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define TRAP BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ABOVE(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, value, yes, no)
#define NOT_BELOW(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, yes, no)
#define AND(value) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, value)
/* The accumulator holds the call's number: not this one, so skip its part of `length`. */
#define CALL(number, length) EQUAL(number, 0, length)
#define ALLOWED(number) CALL(number, 1), ALLOW

#define TOP_HIGH(address) ((uint32_t)((address) >> 32))

static int64_t install_filter(void)
{
    extern const char kernel_text_end[];
    uint64_t text_end = (uint64_t)kernel_text_end;
    struct sock_filter filter[] = {
        /* A call by another convention (INT 0x80) is never the kernel's. */
        FIELD(arch),
        EQUAL(AUDIT_ARCH_X86_64, 1, 0),
        TRAP,
        /* The kernel's text lies at the start of its 4 GiB. */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        EQUAL(TOP_HIGH(HOSTED_KERNEL_BASE), 0, 2),
        FIELD(instruction_pointer),
        ABOVE((uint32_t)text_end, 0, 1),
        TRAP,
        FIELD(nr),

        CALL(__NR_futex, 5),
        LOW(1),
        EQUAL(FUTEX_WAIT, 1, 0),
        EQUAL(FUTEX_WAKE, 0, 1),
        ALLOW,
        KILL,

        ALLOWED(__NR_rt_sigreturn),
        ALLOWED(__NR_timer_settime),
        ALLOWED(__NR_sched_yield),
        ALLOWED(__NR_restart_syscall), /* the host's own, after a stop */
        ALLOWED(__NR_getrandom),
        ALLOWED(__NR_exit),
        ALLOWED(__NR_exit_group),

        /* Pages of the partition or of the read-only lagoon, below the direct map. */
        CALL(__NR_mmap, 12),
        HIGH(0),
        NOT_BELOW(TOP_HIGH(HOSTED_DIRECT_BASE), 9, 0),
        HIGH(1),
        NOT_BELOW(TOP_HIGH(HOSTED_PARTITION_MAX), 7, 0),
        LOW(3),
        AND(~(uint32_t)MAP_POPULATE),
        EQUAL(MAP_SHARED | MAP_FIXED, 0, 4),
        LOW(4),
        EQUAL(HOSTED_FD_PARTITION, 1, 0),
        EQUAL(HOSTED_FD_LAGOON, 0, 1),
        ALLOW,
        KILL,

        CALL(__NR_munmap, 6),
        HIGH(0),
        NOT_BELOW(TOP_HIGH(HOSTED_DIRECT_BASE), 3, 0),
        HIGH(1),
        NOT_BELOW(TOP_HIGH(HOSTED_KERNEL_BASE), 1, 0),
        ALLOW,
        KILL,

        /* Of the program's pages. */
        CALL(__NR_mprotect, 6),
        HIGH(0),
        NOT_BELOW(TOP_HIGH(HOSTED_KERNEL_BASE), 3, 0),
        HIGH(1),
        NOT_BELOW(TOP_HIGH(HOSTED_KERNEL_BASE), 1, 0),
        ALLOW,
        KILL,

        /* Large pages for the direct map. */
        CALL(__NR_madvise, 11),
        HIGH(0),
        NOT_BELOW(TOP_HIGH(HOSTED_DIRECT_BASE), 0, 8),
        NOT_BELOW(TOP_HIGH(HOSTED_PEERS_BASE), 7, 0),
        HIGH(1),
        EQUAL(0, 0, 5),
        LOW(1),
        EQUAL(LARGE_PAGE_SIZE, 0, 3),
        LOW(2),
        EQUAL(MADV_COLLAPSE, 0, 1),
        ALLOW,
        KILL,

        /* The proxy's doorbell; a line for the user. */
        CALL(__NR_write, 9),
        LOW(0),
        EQUAL(HOSTED_FD_CONSOLE, 5, 0),
        EQUAL(HOSTED_FD_PROXY, 0, 5),
        LOW(2),
        EQUAL(sizeof(uint64_t), 0, 3),
        HIGH(2),
        EQUAL(0, 0, 1),
        ALLOW,
        KILL,

        /* Another core of this instance. */
        CALL(__NR_tgkill, 6),
        LOW(0),
        EQUAL((uint32_t)hosted_process, 0, 3),
        LOW(2),
        EQUAL(HOSTED_SIGNAL_LOOK, 0, 1),
        ALLOW,
        KILL,

        KILL,
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    return host_call3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
                      (uint64_t)&program);
}

/* --- Limits --------------------------------------------------------------------------------------
 */

/* To `value`, or what it is already where that is lower. */
static int64_t limit(uint32_t what, uint64_t value)
{
    uint64_t before[2] = {0, 0}; /* struct rlimit */
    int64_t error = host_call4(__NR_prlimit64, 0, what, 0, (uint64_t)before);
    if (error)
        return error;
    if (before[1] < value)
        value = before[1];
    uint64_t both[2] = {value, value};
    return host_call4(__NR_prlimit64, 0, what, (uint64_t)both, 0);
}

/* Pages of the partition can be mapped once for the kernel and once for the program, for a moment
 * twice (mremap); the lagoon once and its program in place; the memory of a job's members once.
 * Nothing else is ever mapped. */
static int64_t set_limits(void)
{
    int64_t size = host_call3(__NR_lseek, HOSTED_FD_PARTITION, 0, 1);
    if (size < 0)
        return size;
    uint64_t partition = 0;
    const struct handover_range *ranges =
        (const struct handover_range *)((const uint8_t *)hosted_handover +
                                        hosted_handover->ranges.offset);
    for (uint32_t i = 0; i < hosted_handover->ranges.count; i++)
        partition = ranges[i].base + ranges[i].size;
    uint64_t peers = 0;
    for (uint32_t i = 0; i < hosted_handover->members.count; i++)
        peers += handover_members(hosted_handover)[i].size;
    int64_t error =
        limit(RLIMIT_AS, 3 * partition + 2 * hosted_handover->lagoon_size + peers + SLACK);
    if (!error)
        error = limit(RLIMIT_DATA, 0);
    if (!error)
        error = limit(RLIMIT_CORE, 0);
    if (!error)
        error = limit(RLIMIT_NOFILE, 0);
    return error;
}

void hosted_sandbox_close(void)
{
    bool debugger = hosted_record->flags & HOSTED_FLAG_DEBUGGER;
    host_call1(__NR_close, 0);
    host_call1(__NR_close, 1);
    int64_t error = host_call3(__NR_close_range, HOSTED_FD_COUNT, ~0u, 0);
    const char *what = "close_range (Linux 5.9)";
    if (!error) {
        what = "limits";
        error = set_limits();
    }
    if (!error && !debugger) {
        what = "PR_SET_DUMPABLE";
        error = host_call6(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    }
    if (!error) {
        what = "PR_SET_NO_NEW_PRIVS";
        error = host_call6(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
    }
    if (!error) {
        what = "seccomp filters (CONFIG_SECCOMP_FILTER)";
        error = install_filter();
    }
    if (error)
        panic(
            NULL,
            "this host cannot sandbox the instance: %s: error %ld; --platform pc needs none of it",
            what, error < 0 ? -error : error);
}
