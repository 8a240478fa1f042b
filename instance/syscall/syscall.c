/* Dispatch of system calls: one table, made from abi/linux/calls.def, with the handlers of the
 * calls that are served. All others get ENOSYS and are logged once each, by number and name, so
 * that a user sees what a program would have needed. Owns the counters of calls. */
#include "instance/syscall/syscall.h"

#include "abi/atoll_calls.h"
#include "abi/linux/calls.h"
#include "instance/core.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/mm/kmalloc.h"
#include "instance/syscall/calls.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/trace.h"

#include <errno.h>

/* Calls between two looks of the proxy may be this many older than the truth, a core. */
#define SYSCALL_PUBLISH_EVERY 4096

static const syscall_handler_t syscall_handlers[LINUX_CALL_COUNT] = {
#define LINUX_CALL(number, name, handler, ...) [number] = handler,
#define LINUX_CALL_NONE(number, name, reason)
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE
};

struct syscall_refusal {
    const char *name, *reason;
};
static const struct syscall_refusal syscall_refusals[LINUX_CALL_COUNT] = {
#define LINUX_CALL(number, name, handler, ...)
#define LINUX_CALL_NONE(number, name, reason) [number] = {#name, reason},
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE
};

/* A core's own count, in a line of its own: counting must not move a cache line between cores. */
struct syscall_count {
    _Alignas(SHM_LINE) uint64_t calls;
};
static struct syscall_count *syscall_counts; /* [core_count] */
static bool syscall_traced;

/* One bit a number: already logged as not served. */
static _Atomic uint64_t syscall_logged[(LINUX_CALL_COUNT + 63) / 64];
static _Atomic bool syscall_beyond_logged; /* the same for all numbers behind the table */

int syscall_init(bool trace)
{
    if (syscall_counts == NULL)
        syscall_counts = kzalloc(core_count * sizeof(*syscall_counts));
    if (syscall_counts == NULL)
        return -ENOMEM;
    syscall_traced = trace;
    return 0;
}

bool syscall_is_traced(void)
{
    return syscall_traced;
}

uint64_t syscall_count_of(const struct core *core)
{
    return (syscall_counts != NULL
                ? __atomic_load_n(&syscall_counts[core->index].calls, __ATOMIC_RELAXED)
                : 0) +
           __atomic_load_n(&core->quick_calls, __ATOMIC_RELAXED);
}

void syscall_publish_counts(void)
{
    uint64_t sum = 0;
    if (syscall_counts == NULL)
        return;
    for (uint32_t i = 0; i < core_count; i++)
        sum += syscall_count_of(&cores[i]);
    atomic_store_explicit(&instance.section->counters.syscalls, sum, memory_order_relaxed);
}

/* A thread may move to another core between finding the count and adding to it; both cores then
 * add to one word, and at worst one call of many is not counted. */
static inline void syscall_count_call(void)
{
    uint64_t *calls = &syscall_counts[core_self()->index].calls;
    uint64_t now = ++*calls;
    if (__builtin_expect(now % SYSCALL_PUBLISH_EVERY == 0, 0))
        syscall_publish_counts();
}

static int64_t syscall_refuse(uint64_t number)
{
    atomic_fetch_add_explicit(&instance.section->counters.syscalls_unknown, 1,
                              memory_order_relaxed);
    if (number >= LINUX_CALL_COUNT || syscall_refusals[number].name == NULL) {
        if (!atomic_exchange_explicit(&syscall_beyond_logged, true, memory_order_relaxed))
            log_warn("system call %lu is none of Linux 6.1's: ENOSYS", number);
        return -ENOSYS;
    }
    uint64_t bit = UINT64_C(1) << number % 64;
    uint64_t before =
        atomic_fetch_or_explicit(&syscall_logged[number / 64], bit, memory_order_relaxed);
    if (!(before & bit))
        log_warn("system call %lu (%s) is not served: %s: ENOSYS", number,
                 syscall_refusals[number].name, syscall_refusals[number].reason);
    return -ENOSYS;
}

static inline int64_t syscall_call(struct trap_frame *frame, uint64_t number)
{
    syscall_handler_t handler = number < LINUX_CALL_COUNT ? syscall_handlers[number] : NULL;
    if (__builtin_expect(handler == NULL, 0)) {
        if (number - ATOLL_CALL_FIRST < ATOLL_CALL_COUNT)
            return message_call(frame);
        return syscall_refuse(number);
    }
    return handler(frame);
}

static __attribute__((noinline)) int64_t syscall_call_traced(struct trap_frame *frame,
                                                             uint64_t number)
{
    struct trap_frame before = *frame;
    trace_enter(&before, number);
    int64_t result = syscall_call(frame, number);
    trace_leave(&before, number, result);
    return result;
}

void syscall_dispatch(struct trap_frame *frame)
{
    uint64_t number = frame->error;
    int64_t result;

    syscall_count_call();
    do {
        result = __builtin_expect(syscall_traced, 0) ? syscall_call_traced(frame, number)
                                                     : syscall_call(frame, number);
        if (__builtin_expect(!syscall_wants_restart(result), 1)) {
            frame->rax = (uint64_t)result;
            return;
        }
        if (frame->vector != TRAP_SYSCALL) /* rt_sigreturn: RAX is the program's own */
            return;
        /* A signal that broke off the call and then went to another thread, or was ignored, leaves
         * the call to be done again. With one to take, signal_deliver decides. */
    } while (!signal_deliverable());
    frame->rax = (uint64_t)result;
    signal_note_restart();
}
