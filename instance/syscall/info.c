/* The system calls that tell a program about itself and its machine: names, ids, limits, usage,
 * random bytes; and those that end it. One process, number 1, of user 0, in one session. */
#include "instance/syscall/calls.h"

#include "instance/fs/file.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/user.h"
#include "instance/program.h"
#include "instance/sched/thread.h"
#include "instance/spinlock.h"
#include "instance/string.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/random.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/times.h>
#include <linux/utsname.h>

#define PROCESS_ID 1
#define NS_PER_SECOND UINT64_C(1000000000)
#define CLOCK_TICKS UINT64_C(100) /* a second, as AT_CLKTCK says */

int64_t sys_uname(struct trap_frame *frame)
{
    struct new_utsname name;
    memset(&name, 0, sizeof(name));
    format_to(name.sysname, sizeof(name.sysname), "Linux");
    format_to(name.nodename, sizeof(name.nodename), "%s", instance.handover->name);
    /* The version whose calls abi/linux/calls.def lists: libraries look at the number. */
    format_to(name.release, sizeof(name.release), "6.1.0-atoll");
    format_to(name.version, sizeof(name.version), "#1 SMP Atoll instance %u",
              instance.handover->number);
    format_to(name.machine, sizeof(name.machine), "x86_64");
    format_to(name.domainname, sizeof(name.domainname), "(none)");
    return user_write(syscall_arg0(frame), &name, sizeof(name));
}

/* --- Ids -------------------------------------------------------------------------------------- */

int64_t sys_getppid(struct trap_frame *frame)
{
    (void)frame;
    return 0; /* nobody's child, as Linux tells process 1 */
}

static int64_t info_process_or_error(int32_t process, int64_t id)
{
    return process == 0 || process == PROCESS_ID ? id : -ESRCH;
}

int64_t sys_getpgid(struct trap_frame *frame)
{
    return info_process_or_error((int32_t)syscall_arg0(frame), PROCESS_ID);
}

int64_t sys_getsid(struct trap_frame *frame)
{
    return info_process_or_error((int32_t)syscall_arg0(frame), PROCESS_ID);
}

int64_t sys_getpgrp(struct trap_frame *frame)
{
    (void)frame;
    return PROCESS_ID;
}

/* All ids are 0, and there is no other user to become. */
int64_t sys_getuid(struct trap_frame *frame)
{
    (void)frame;
    return 0;
}

int64_t sys_geteuid(struct trap_frame *frame)
{
    (void)frame;
    return 0;
}

int64_t sys_getgid(struct trap_frame *frame)
{
    (void)frame;
    return 0;
}

int64_t sys_getegid(struct trap_frame *frame)
{
    (void)frame;
    return 0;
}

int64_t sys_getgroups(struct trap_frame *frame)
{
    return (int32_t)syscall_arg0(frame) < 0 ? -EINVAL : 0; /* none */
}

static int64_t info_write_three_zeros(struct trap_frame *frame)
{
    uint32_t zero = 0;
    if (user_write(syscall_arg0(frame), &zero, sizeof(zero)) != 0 ||
        user_write(syscall_arg1(frame), &zero, sizeof(zero)) != 0 ||
        user_write(syscall_arg2(frame), &zero, sizeof(zero)) != 0)
        return -EFAULT;
    return 0;
}

int64_t sys_getresuid(struct trap_frame *frame)
{
    return info_write_three_zeros(frame);
}

int64_t sys_getresgid(struct trap_frame *frame)
{
    return info_write_three_zeros(frame);
}

/* Setting ids: to 0 or (where -1 means "leave it") to nothing at all succeeds, since that is what
 * they are; anything else is refused. */
static int64_t info_set_ids(const uint64_t *ids, unsigned count, bool may_leave)
{
    for (unsigned i = 0; i < count; i++) {
        if ((uint32_t)ids[i] == UINT32_MAX && may_leave)
            continue;
        if ((uint32_t)ids[i] == UINT32_MAX)
            return -EINVAL;
        if ((uint32_t)ids[i] != 0) {
            log_warn("a change of user or group to %u is refused: an instance has user 0 alone",
                     (uint32_t)ids[i]);
            return -EPERM;
        }
    }
    return 0;
}

int64_t sys_setuid(struct trap_frame *frame)
{
    return info_set_ids((const uint64_t[]){syscall_arg0(frame)}, 1, false);
}

int64_t sys_setgid(struct trap_frame *frame)
{
    return sys_setuid(frame);
}

int64_t sys_setreuid(struct trap_frame *frame)
{
    return info_set_ids((const uint64_t[]){syscall_arg0(frame), syscall_arg1(frame)}, 2, true);
}

int64_t sys_setregid(struct trap_frame *frame)
{
    return sys_setreuid(frame);
}

int64_t sys_setresuid(struct trap_frame *frame)
{
    return info_set_ids(
        (const uint64_t[]){syscall_arg0(frame), syscall_arg1(frame), syscall_arg2(frame)}, 3, true);
}

int64_t sys_setresgid(struct trap_frame *frame)
{
    return sys_setresuid(frame);
}

int64_t sys_personality(struct trap_frame *frame)
{
    uint32_t wanted = (uint32_t)syscall_arg0(frame);
    if (wanted == UINT32_MAX || wanted == 0)
        return 0; /* PER_LINUX, without any of the flags */
    log_warn("personality 0x%x is refused", wanted);
    return -EINVAL;
}

/* --- Limits and usage ------------------------------------------------------------------------- */

static struct spinlock limits_lock;
static struct rlimit64 limits[RLIM_NLIMITS] = {
    [RLIMIT_CPU] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_FSIZE] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_DATA] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_STACK] = {PROGRAM_STACK_SIZE, PROGRAM_STACK_SIZE},
    [RLIMIT_CORE] = {0, RLIM64_INFINITY},
    [RLIMIT_RSS] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_NPROC] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_NOFILE] = {1024, FILE_DESCRIPTORS_MAX},
    [RLIMIT_MEMLOCK] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_AS] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_LOCKS] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_SIGPENDING] = {RLIM64_INFINITY, RLIM64_INFINITY},
    [RLIMIT_MSGQUEUE] = {819200, 819200},
    [RLIMIT_NICE] = {0, 0},
    [RLIMIT_RTPRIO] = {99, 99},
    [RLIMIT_RTTIME] = {RLIM64_INFINITY, RLIM64_INFINITY},
};

/* Reads and sets one limit; either pointer may be 0. */
static int64_t info_limit(uint32_t resource, uint64_t new_at, uint64_t old_at)
{
    struct rlimit64 wanted, former;
    if (resource >= RLIM_NLIMITS)
        return -EINVAL;
    if (new_at != 0) {
        if (user_read(&wanted, new_at, sizeof(wanted)) != 0)
            return -EFAULT;
        if (wanted.rlim_cur > wanted.rlim_max)
            return -EINVAL;
    }
    uint64_t saved = spin_lock_irq(&limits_lock);
    former = limits[resource];
    bool refused = false;
    if (new_at != 0) {
        /* The stack's size is fixed at start; the table's upper bound is what the kernel has. */
        refused = (resource == RLIMIT_STACK && wanted.rlim_cur > PROGRAM_STACK_SIZE) ||
                  (resource == RLIMIT_NOFILE && wanted.rlim_max > FILE_DESCRIPTORS_MAX);
        if (!refused)
            limits[resource] = wanted;
    }
    spin_unlock_irq(&limits_lock, saved);
    if (refused) {
        log_warn("limit %u of %lu is refused: more than an instance can give", resource,
                 (uint64_t)wanted.rlim_cur);
        return -EPERM;
    }
    if (new_at != 0 && resource == RLIMIT_NOFILE)
        file_set_limit(wanted.rlim_cur);
    return old_at != 0 ? user_write(old_at, &former, sizeof(former)) : 0;
}

int64_t sys_getrlimit(struct trap_frame *frame)
{
    if (syscall_arg1(frame) == 0)
        return -EFAULT;
    return info_limit((uint32_t)syscall_arg0(frame), 0, syscall_arg1(frame));
}

int64_t sys_setrlimit(struct trap_frame *frame)
{
    if (syscall_arg1(frame) == 0)
        return -EFAULT;
    return info_limit((uint32_t)syscall_arg0(frame), syscall_arg1(frame), 0);
}

int64_t sys_prlimit64(struct trap_frame *frame)
{
    int32_t process = (int32_t)syscall_arg0(frame);
    if (process != 0 && process != PROCESS_ID)
        return -ESRCH;
    return info_limit((uint32_t)syscall_arg1(frame), syscall_arg2(frame), syscall_arg3(frame));
}

int64_t sys_sysinfo(struct trap_frame *frame)
{
    struct frame_statistics memory;
    struct sysinfo out;
    frame_statistics(&memory);
    memset(&out, 0, sizeof(out));
    uint64_t start =
        atomic_load_explicit(&instance.section->times.kernel_entry, memory_order_relaxed);
    out.uptime = (int64_t)((platform_monotonic_ns() - start) / NS_PER_SECOND);
    out.totalram = memory.total;
    out.freeram = memory.total - memory.used;
    out.procs = (uint16_t)atomic_load_explicit(&thread_count, memory_order_relaxed);
    out.mem_unit = 1;
    return user_write(syscall_arg0(frame), &out, sizeof(out));
}

int64_t sys_getrusage(struct trap_frame *frame)
{
    struct rusage out;
    struct frame_statistics memory;
    uint64_t used;
    memset(&out, 0, sizeof(out));
    switch ((int)syscall_arg0(frame)) {
    case RUSAGE_SELF:
        used = thread_cpu_time_all();
        break;
    case RUSAGE_THREAD:
        used = thread_cpu_time(thread_current());
        break;
    case RUSAGE_CHILDREN:
        used = 0;
        break;
    default:
        return -EINVAL;
    }
    /* Kernel and program are one: all of the time is the program's. */
    out.ru_utime.tv_sec = (int64_t)(used / NS_PER_SECOND);
    out.ru_utime.tv_usec = (int64_t)(used % NS_PER_SECOND / 1000);
    if ((int)syscall_arg0(frame) != RUSAGE_CHILDREN) {
        frame_statistics(&memory);
        out.ru_maxrss = (int64_t)((memory.peak - memory.kernel) / 1024);
        out.ru_minflt = (int64_t)atomic_load_explicit(&instance.section->counters.page_faults,
                                                      memory_order_relaxed);
    }
    return user_write(syscall_arg1(frame), &out, sizeof(out));
}

int64_t sys_times(struct trap_frame *frame)
{
    if (syscall_arg0(frame) != 0) {
        struct tms out;
        memset(&out, 0, sizeof(out));
        out.tms_utime = (int64_t)(thread_cpu_time_all() / (NS_PER_SECOND / CLOCK_TICKS));
        if (user_write(syscall_arg0(frame), &out, sizeof(out)) != 0)
            return -EFAULT;
    }
    return (int64_t)(platform_monotonic_ns() / (NS_PER_SECOND / CLOCK_TICKS));
}

/* --- Random bytes, thread-local storage ------------------------------------------------------- */

int64_t sys_getrandom(struct trap_frame *frame)
{
    uint8_t bytes[256];
    uint64_t to = syscall_arg0(frame), length = syscall_arg1(frame), done = 0;
    if (syscall_arg2(frame) & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    if (length > INT32_MAX)
        length = INT32_MAX;
    while (done < length) {
        uint64_t piece = length - done < sizeof(bytes) ? length - done : sizeof(bytes);
        if (!platform_random(bytes, piece)) {
            static _Atomic bool logged;
            if (!atomic_exchange(&logged, true))
                log_error("getrandom: this CPU has no source of random bytes (RDRAND): ENOSYS");
            return -ENOSYS;
        }
        if (user_write(to + done, bytes, piece) != 0) {
            /* As on Linux: what fits before the page that is not there. */
            uint64_t page_left = 4096 - ((to + done) & 4095);
            if (page_left < piece && user_write(to + done, bytes, page_left) == 0)
                done += page_left;
            return done != 0 ? (int64_t)done : -EFAULT;
        }
        done += piece;
        if (done < length && signal_deliverable())
            break; /* a long fill may be broken off between pieces, as Linux does */
    }
    return (int64_t)done;
}

int64_t sys_arch_prctl(struct trap_frame *frame)
{
    uint64_t argument = syscall_arg1(frame), zero = 0;
    struct thread *thread = thread_current();
    switch ((int)syscall_arg0(frame)) {
    case ARCH_SET_FS: {
        if (argument >= PROGRAM_TOP)
            return -EPERM;
        uint64_t saved = interrupts_disable();
        thread->fs_base = argument;
        arch_set_fs_base(argument);
        interrupts_restore(saved);
        return 0;
    }
    case ARCH_GET_FS: {
        /* From the register: the program may have set it with WRFSBASE. */
        uint64_t base = arch_get_fs_base();
        return user_write(argument, &base, sizeof(base));
    }
    case ARCH_GET_GS:
        return user_write(argument, &zero, sizeof(zero));
    case ARCH_SET_GS:
        if (argument == 0)
            return 0;
        log_warn("arch_prctl(ARCH_SET_GS) is refused: GS is the kernel's");
        return -EPERM;
    default:
        return -EINVAL;
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

int64_t sys_exit_group(struct trap_frame *frame)
{
    kernel_end((int)(syscall_arg0(frame) & 0xff));
}
