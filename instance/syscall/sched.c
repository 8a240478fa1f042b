/* Scheduling as the program asks for it: yield, affinity, policies, nice values, and barriers on
 * all cores. Threads are named by their ids; 0 is the caller. */
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "instance/syscall/calls.h"
#include "instance/syscall/timespec.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>

struct sched_param_linux {
    int32_t priority;
};

/* The thread with this id, which then stays until sched_unlock; NULL: ESRCH. */
static struct thread *sched_lock(int32_t id, uint64_t *saved)
{
    *saved = spin_lock_irq(&thread_all_lock);
    return id == 0 ? thread_current() : thread_find(id);
}

static void sched_unlock(uint64_t saved)
{
    spin_unlock_irq(&thread_all_lock, saved);
}

int64_t sys_sched_yield(struct trap_frame *frame)
{
    (void)frame;
    schedule_yield();
    platform_yield(); /* also where an equal had its turn: it may wait for the same */
    return 0;
}

int64_t sys_getcpu(struct trap_frame *frame)
{
    uint32_t core = core_self()->index, node = 0;
    if (syscall_arg0(frame) != 0 && user_write(syscall_arg0(frame), &core, sizeof(core)) != 0)
        return -EFAULT;
    if (syscall_arg1(frame) != 0 && user_write(syscall_arg1(frame), &node, sizeof(node)) != 0)
        return -EFAULT;
    return 0;
}

/* --- Affinity ------------------------------------------------------------------------------------
 */

int64_t sys_sched_getaffinity(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    uint64_t size = syscall_arg1(frame) & UINT32_MAX, words = (core_count + 63) / 64, saved;
    if (size * 8 < core_count || size % sizeof(uint64_t) != 0)
        return -EINVAL;
    size_t length = words * sizeof(uint64_t);
    uint64_t *copy = kzalloc(length);
    if (copy == NULL)
        return -ENOMEM;
    struct thread *thread = sched_lock(id, &saved);
    if (thread != NULL)
        for (uint64_t word = 0; word < words; word++)
            copy[word] = __atomic_load_n(&thread->affinity.words[word], __ATOMIC_RELAXED);
    sched_unlock(saved);
    /* As many bytes as the kernel knows of; the C library clears the rest. */
    int64_t result = thread == NULL ? -ESRCH : (int64_t)length;
    if (thread != NULL && user_write(syscall_arg2(frame), copy, length) != 0)
        result = -EFAULT;
    kfree(copy);
    return result;
}

int64_t sys_sched_setaffinity(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    uint64_t size = syscall_arg1(frame) & UINT32_MAX, words = (core_count + 63) / 64, saved;
    if (size > words * sizeof(uint64_t))
        size = words * sizeof(uint64_t); /* cores beyond the last are ignored, as on Linux */
    uint64_t *copy = kzalloc(words * sizeof(uint64_t));
    if (copy == NULL)
        return -ENOMEM;
    int64_t result = user_read(copy, syscall_arg2(frame), size);
    if (result == 0) {
        struct thread *thread = sched_lock(id, &saved);
        result = thread == NULL ? -ESRCH : thread_set_affinity(thread, copy, words);
        sched_unlock(saved);
    }
    kfree(copy);
    return result;
}

/* --- Policies and priorities ---------------------------------------------------------------------
 */

static bool policy_is_known(int policy)
{
    return policy == SCHED_NORMAL || policy == SCHED_FIFO || policy == SCHED_RR ||
           policy == SCHED_BATCH || policy == SCHED_IDLE;
}

static bool policy_is_realtime(int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* Sets policy and priority; policy -1 keeps the policy. */
static int64_t sched_set(int32_t id, int policy, uint64_t parameters)
{
    struct sched_param_linux wanted;
    if (id < 0 || parameters == 0)
        return -EINVAL;
    if (user_read(&wanted, parameters, sizeof(wanted)) != 0)
        return -EFAULT;
    uint64_t saved;
    int64_t result = 0;
    struct thread *thread = sched_lock(id, &saved);
    if (thread == NULL) {
        result = -ESRCH;
    } else {
        if (policy == -1)
            policy = thread->policy;
        else
            policy &= ~SCHED_RESET_ON_FORK; /* there is no fork; new threads inherit */
        bool realtime = policy_is_realtime(policy);
        if (!policy_is_known(policy) || wanted.priority < (realtime ? 1 : 0) ||
            wanted.priority > (realtime ? 99 : 0))
            result = -EINVAL;
        else
            thread_set_policy(thread, policy, wanted.priority, thread->nice);
    }
    sched_unlock(saved);
    return result;
}

int64_t sys_sched_setscheduler(struct trap_frame *frame)
{
    int policy = (int)syscall_arg1(frame);
    if (policy < 0)
        return -EINVAL;
    return sched_set((int32_t)syscall_arg0(frame), policy, syscall_arg2(frame));
}

int64_t sys_sched_setparam(struct trap_frame *frame)
{
    return sched_set((int32_t)syscall_arg0(frame), -1, syscall_arg1(frame));
}

int64_t sys_sched_getscheduler(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    if (id < 0)
        return -EINVAL;
    uint64_t saved;
    struct thread *thread = sched_lock(id, &saved);
    int64_t result = thread != NULL ? thread->policy : -ESRCH;
    sched_unlock(saved);
    return result;
}

int64_t sys_sched_getparam(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    if (id < 0 || syscall_arg1(frame) == 0)
        return -EINVAL;
    struct sched_param_linux now = {0};
    uint64_t saved;
    struct thread *thread = sched_lock(id, &saved);
    if (thread != NULL)
        now.priority = thread_realtime_priority(thread);
    sched_unlock(saved);
    return thread != NULL ? user_write(syscall_arg1(frame), &now, sizeof(now)) : -ESRCH;
}

int64_t sys_sched_get_priority_max(struct trap_frame *frame)
{
    int policy = (int)syscall_arg0(frame);
    if (!policy_is_known(policy))
        return -EINVAL;
    return policy_is_realtime(policy) ? 99 : 0;
}

int64_t sys_sched_get_priority_min(struct trap_frame *frame)
{
    int policy = (int)syscall_arg0(frame);
    if (!policy_is_known(policy))
        return -EINVAL;
    return policy_is_realtime(policy) ? 1 : 0;
}

int64_t sys_sched_rr_get_interval(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    if (id < 0)
        return -EINVAL;
    uint64_t saved;
    struct thread *thread = sched_lock(id, &saved);
    int policy = thread != NULL ? thread->policy : 0;
    sched_unlock(saved);
    if (thread == NULL)
        return -ESRCH;
    return timespec_write(syscall_arg1(frame), policy == SCHED_FIFO ? 0 : SCHED_SLICE_NS);
}

/* struct sched_attr as Linux 3.14 had it, and all later ones begin with. */
struct sched_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct sched_attributes) == 48, "SCHED_ATTR_SIZE_VER0");
#define SCHED_FLAGS_KNOWN 1 /* SCHED_FLAG_RESET_ON_FORK: there is no fork */

int64_t sys_sched_getattr(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    uint32_t size = (uint32_t)syscall_arg2(frame);
    struct sched_attributes now = {.size = sizeof(now)};
    if (syscall_arg1(frame) == 0 || id < 0 || size < sizeof(now) || size > 4096 ||
        syscall_arg3(frame) != 0)
        return -EINVAL;
    uint64_t saved;
    struct thread *thread = sched_lock(id, &saved);
    if (thread != NULL) {
        now.policy = (uint32_t)thread->policy;
        now.priority = (uint32_t)thread_realtime_priority(thread);
        now.nice = policy_is_realtime(thread->policy) ? 0 : thread->nice;
    }
    sched_unlock(saved);
    if (thread == NULL)
        return -ESRCH;
    int error = user_write(syscall_arg1(frame), &now, sizeof(now));
    return error != 0 ? error : user_clear(syscall_arg1(frame) + sizeof(now), size - sizeof(now));
}

int64_t sys_sched_setattr(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    uint64_t at = syscall_arg1(frame), saved;
    struct sched_attributes wanted;
    if (at == 0 || id < 0 || syscall_arg2(frame) != 0)
        return -EINVAL;
    if (user_read(&wanted, at, sizeof(wanted)) != 0)
        return -EFAULT;
    if (wanted.size != 0 && wanted.size < sizeof(wanted)) {
        const uint32_t size = sizeof(wanted);
        return user_write(at, &size, sizeof(size)) != 0 ? -EFAULT : -E2BIG;
    }
    bool realtime = policy_is_realtime((int)wanted.policy);
    if (!policy_is_known((int)wanted.policy) || (wanted.flags & ~(uint64_t)SCHED_FLAGS_KNOWN) ||
        wanted.priority < (realtime ? 1 : 0) || wanted.priority > (realtime ? 99 : 0))
        return -EINVAL;
    int nice = wanted.nice < -20 ? -20 : wanted.nice > 19 ? 19 : wanted.nice;
    struct thread *thread = sched_lock(id, &saved);
    if (thread != NULL)
        thread_set_policy(thread, (int)wanted.policy, (int)wanted.priority,
                          realtime ? thread->nice : nice);
    sched_unlock(saved);
    return thread != NULL ? 0 : -ESRCH;
}

/* --- Nice values. The process, its group and its user are all one -------------------------------
 */

static bool priority_which_is_ok(int which, int32_t who)
{
    return which == PRIO_PROCESS || (which == PRIO_PGRP && (who == 0 || who == 1)) ||
           (which == PRIO_USER && who == 0);
}

int64_t sys_getpriority(struct trap_frame *frame)
{
    int which = (int)syscall_arg0(frame);
    int32_t who = (int32_t)syscall_arg1(frame);
    if (which < PRIO_PROCESS || which > PRIO_USER)
        return -EINVAL;
    if (!priority_which_is_ok(which, who))
        return -ESRCH;
    uint64_t saved;
    struct thread *found = sched_lock(which == PRIO_PROCESS ? who : 0, &saved);
    int64_t best = -ESRCH; /* as 20 - nice, so that it is never negative */
    if (which == PRIO_PROCESS) {
        if (found != NULL)
            best = 20 - found->nice;
    } else {
        for (struct list *node = thread_all.next; node != &thread_all; node = node->next) {
            int64_t value = 20 - LIST_ENTRY(node, struct thread, all_link)->nice;
            if (value > best)
                best = value;
        }
    }
    sched_unlock(saved);
    return best;
}

static void priority_set(struct thread *thread, int nice)
{
    thread_set_policy(thread, thread->policy, thread_realtime_priority(thread), nice);
}

int64_t sys_setpriority(struct trap_frame *frame)
{
    int which = (int)syscall_arg0(frame), nice = (int)syscall_arg2(frame);
    int32_t who = (int32_t)syscall_arg1(frame);
    if (which < PRIO_PROCESS || which > PRIO_USER)
        return -EINVAL;
    if (!priority_which_is_ok(which, who))
        return -ESRCH;
    nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
    uint64_t saved;
    struct thread *found = sched_lock(which == PRIO_PROCESS ? who : 0, &saved);
    if (which != PRIO_PROCESS) {
        for (struct list *node = thread_all.next; node != &thread_all; node = node->next)
            priority_set(LIST_ENTRY(node, struct thread, all_link), nice);
    } else if (found != NULL) {
        priority_set(found, nice);
    }
    sched_unlock(saved);
    return found != NULL ? 0 : -ESRCH;
}

/* --- membarrier ----------------------------------------------------------------------------------
 */

#define MEMBARRIER_SERVED                                                                          \
    (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |                                     \
     MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |                 \
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |      \
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)

int64_t sys_membarrier(struct trap_frame *frame)
{
    static _Atomic unsigned registered; /* MEMBARRIER_CMD_REGISTER_* that were called */
    unsigned command = (unsigned)syscall_arg0(frame);
    if ((unsigned)syscall_arg1(frame) != 0)
        return -EINVAL;
    switch (command) {
    case MEMBARRIER_CMD_QUERY:
        return MEMBARRIER_SERVED;
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
        atomic_fetch_or(&registered, command);
        return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
        if ((atomic_load(&registered) & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0)
            return -EPERM;
        core_barrier_all();
        return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
        if ((atomic_load(&registered) & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) == 0)
            return -EPERM;
        core_barrier_all();
        return 0;
    case MEMBARRIER_CMD_GLOBAL:
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        core_barrier_all();
        return 0;
    default:
        return -EINVAL;
    }
}
