/* Threads as the program makes them: clone and clone3, and what a thread says and asks of itself.
 * One process: what would make another is refused. */
#include "instance/sched/thread.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/user.h"
#include "instance/string.h"
#include "instance/syscall/calls.h"

#include <errno.h>
#include <linux/prctl.h>
#include <linux/sched.h>

/* What a thread of the same process is made of. */
#define CLONE_NEEDED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
/* No difference between having and not having these, in one process that nobody traces. */
#define CLONE_HARMLESS                                                                             \
    (CLONE_SYSVSEM | CLONE_DETACHED | CLONE_PTRACE | CLONE_UNTRACED | CLONE_PARENT | CLONE_IO)
#define CLONE_SERVED                                                                               \
    (CLONE_NEEDED | CLONE_HARMLESS | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |     \
     CLONE_CHILD_CLEARTID)

struct clone_request {
    uint64_t flags;
    uint64_t stack; /* the new stack pointer, or 0: the parent's */
    uint64_t tls, parent_tid, child_tid;
};

static int64_t clone_refuse(uint64_t flags)
{
    static _Atomic bool logged;
    if (!atomic_exchange(&logged, true))
        log_warn("clone with flags 0x%lx would make a process: a unikernel has one process, ENOSYS",
                 (unsigned long)flags);
    return -ENOSYS;
}

static int64_t clone_thread(const struct trap_frame *frame, const struct clone_request *request)
{
    uint64_t flags = request->flags;
    /* As Linux checks them. */
    if ((flags & CLONE_THREAD) != 0 && (flags & CLONE_SIGHAND) == 0)
        return -EINVAL;
    if ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_VM) == 0)
        return -EINVAL;
    if ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_CLEAR_SIGHAND) != 0)
        return -EINVAL;
    if ((flags & CLONE_NEEDED) != CLONE_NEEDED)
        return clone_refuse(flags);
    if ((flags & ~(uint64_t)CLONE_SERVED) != 0)
        return -EINVAL; /* namespaces, a pidfd, a cgroup: not for threads on Linux either */

    struct trap_frame child_frame = *frame;
    child_frame.rax = 0;
    if (request->stack != 0)
        child_frame.rsp = request->stack;
    uint64_t tls = (flags & CLONE_SETTLS) != 0 ? request->tls : arch_get_fs_base();
    if ((flags & CLONE_SETTLS) != 0 && !user_range_ok(tls, 0))
        return -EPERM;
    struct thread *thread = thread_create(&child_frame, tls, thread_current());
    if (thread == NULL)
        return -ENOMEM;
    int32_t id = thread->id;
    if ((flags & CLONE_CHILD_CLEARTID) != 0)
        thread->clear_child_tid = request->child_tid;
    /* As Linux, which goes on if the program gave an address that cannot be written. */
    if ((flags & CLONE_PARENT_SETTID) != 0)
        (void)user_write(request->parent_tid, &id, sizeof(id));
    if ((flags & CLONE_CHILD_SETTID) != 0)
        (void)user_write(request->child_tid, &id, sizeof(id));
    thread_start(thread);
    return id;
}

int64_t sys_clone(struct trap_frame *frame)
{
    struct clone_request request = {
        .flags = syscall_arg0(frame) & UINT32_MAX & ~(uint64_t)CSIGNAL,
        .stack = syscall_arg1(frame),
        .parent_tid = syscall_arg2(frame),
        .child_tid = syscall_arg3(frame),
        .tls = syscall_arg4(frame),
    };
    return clone_thread(frame, &request);
}

int64_t sys_clone3(struct trap_frame *frame)
{
    uint64_t address = syscall_arg0(frame), size = syscall_arg1(frame);
    struct clone_args arguments = {0};

    /* A longer struct comes from a program that knows more than this kernel: fine if it asks for
     * nothing of it. */
    if (size > 4096)
        return -E2BIG;
    if (size < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    for (uint64_t offset = sizeof(arguments); offset < size;) {
        uint8_t tail[64];
        size_t part = size - offset < sizeof(tail) ? size - offset : sizeof(tail);
        if (user_read(tail, address + offset, part) != 0)
            return -EFAULT;
        for (size_t byte = 0; byte < part; byte++)
            if (tail[byte] != 0)
                return -E2BIG;
        offset += part;
    }
    if (user_read(&arguments, address, size < sizeof(arguments) ? size : sizeof(arguments)) != 0)
        return -EFAULT;

    if ((arguments.set_tid == 0) != (arguments.set_tid_size == 0))
        return -EINVAL;
    if (arguments.exit_signal > CSIGNAL ||
        (arguments.flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) != 0)
        return -EINVAL;
    if ((arguments.flags & (CLONE_THREAD | CLONE_PARENT)) != 0 && arguments.exit_signal != 0)
        return -EINVAL;
    if ((arguments.stack == 0) != (arguments.stack_size == 0) ||
        (arguments.stack != 0 && !user_range_ok(arguments.stack, arguments.stack_size)))
        return -EINVAL;
    if (arguments.set_tid_size != 0) {
        log_info("clone3 with set_tid is not served: EPERM");
        return -EPERM;
    }
    struct clone_request request = {
        .flags = arguments.flags,
        .stack = arguments.stack + arguments.stack_size,
        .tls = arguments.tls,
        .parent_tid = arguments.parent_tid,
        .child_tid = arguments.child_tid,
    };
    return clone_thread(frame, &request);
}

int64_t sys_exit(struct trap_frame *frame)
{
    thread_exit((int)(syscall_arg0(frame) & 0xff));
}

int64_t sys_set_tid_address(struct trap_frame *frame)
{
    struct thread *thread = thread_current();
    thread->clear_child_tid = syscall_arg0(frame);
    return thread->id;
}

int64_t sys_gettid(struct trap_frame *frame)
{
    (void)frame;
    return thread_current()->id;
}

int64_t sys_getpid(struct trap_frame *frame)
{
    (void)frame;
    return 1;
}

/* Restartable sequences came with Linux 4.18. C libraries take ENOSYS, an older kernel's answer,
 * and use other means; to accept would mean to watch every preemption for the program's sequences.
 */
int64_t sys_rseq(struct trap_frame *frame)
{
    (void)frame;
    return -ENOSYS;
}

int64_t sys_prctl(struct trap_frame *frame)
{
    struct thread *thread = thread_current();
    int option = (int)syscall_arg0(frame);
    uint64_t argument = syscall_arg1(frame);
    char name[THREAD_NAME_MAX] = {0};

    switch (option) {
    case PR_SET_NAME: {
        int64_t length = user_read_string(name, argument, sizeof(name));
        if (length == -EFAULT)
            return -EFAULT;
        if (length == -ENAMETOOLONG && user_read(name, argument, sizeof(name) - 1) != 0)
            return -EFAULT; /* a longer one is cut, as on Linux */
        name[sizeof(name) - 1] = '\0';
        memcpy(thread->name, name, sizeof(name));
        return 0;
    }
    case PR_GET_NAME:
        return user_write(argument, thread->name, sizeof(thread->name));
    default:
        log_debug("prctl %d is not served: EINVAL", option);
        return -EINVAL; /* as a kernel without that option */
    }
}
