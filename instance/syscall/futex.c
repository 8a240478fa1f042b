/* Futexes. Waiters hang in a hash table by address; the word is looked at and the waiter hung in
 * (or woken) under its bucket's lock, which is what makes "look, then sleep" one step. The word is
 * read without bringing its page in, since a lock is held; if that fails, the lock is given up, the
 * page touched, and all begins again. A waiter is a variable on the stack of the thread that waits.
 * Whoever unhangs it wakes the thread before giving up the bucket's lock, and the thread takes that
 * lock before it returns: so neither is ever gone too early. Two buckets are locked in the order of
 * their addresses. */
#include "instance/syscall/futex.h"

#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/sched/thread.h"
#include "instance/syscall/calls.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/timespec.h"

#include <errno.h>
#include <linux/futex.h>

#define FUTEX_BUCKETS_PER_CORE 64

struct futex_bucket {
    _Alignas(SHM_LINE) struct spinlock lock;
    struct list waiters; /* futex_waiter.link: the more urgent first, equals in order of arrival */
};

struct futex_waiter {
    struct list link;
    struct thread *thread;
    uint64_t address;
    uint32_t bitset;
    uint32_t urgency;                      /* real-time priorities go first, all others are equal */
    _Atomic(struct futex_bucket *) bucket; /* where it hangs; NULL: somebody woke it */
};

static struct futex_bucket *futex_buckets;
static unsigned futex_shift; /* the hash's top bits are the bucket's number */

int futex_init(void)
{
    unsigned bits = 6;
    while ((UINT64_C(1) << bits) < (uint64_t)core_count * FUTEX_BUCKETS_PER_CORE)
        bits++;
    size_t count = (size_t)1 << bits;
    futex_buckets = kzalloc(count * sizeof(*futex_buckets));
    if (futex_buckets == NULL)
        return -ENOMEM;
    for (size_t bucket = 0; bucket < count; bucket++)
        list_init(&futex_buckets[bucket].waiters);
    futex_shift = 64 - bits;
    return 0;
}

static struct futex_bucket *futex_bucket_of(uint64_t address)
{
    /* Fibonacci hashing: multiplies by 2^64 / golden ratio. Words lie at multiples of 4. */
    return &futex_buckets[(address >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> futex_shift];
}

/* Who is woken comes for the bucket's lock at once: let him not come before it is free. */
static uint64_t futex_lock(struct futex_bucket *bucket)
{
    uint64_t saved = spin_lock_irq(&bucket->lock);
    kicks_hold();
    return saved;
}

static void futex_unlock(struct futex_bucket *bucket, uint64_t saved)
{
    spin_unlock(&bucket->lock);
    kicks_release();
    interrupts_restore(saved);
}

static uint64_t futex_lock_two(struct futex_bucket *one, struct futex_bucket *other)
{
    uint64_t saved = futex_lock(one < other ? one : other);
    if (one != other)
        spin_lock(one < other ? &other->lock : &one->lock);
    return saved;
}

static void futex_unlock_two(struct futex_bucket *one, struct futex_bucket *other, uint64_t saved)
{
    if (one != other)
        spin_unlock(&other->lock);
    futex_unlock(one, saved);
}

static int futex_check(uint64_t address)
{
    if (address % sizeof(uint32_t) != 0)
        return -EINVAL;
    return address < PROGRAM_TOP ? 0 : -EFAULT; /* mapped or not is no matter for a wake-up */
}

/* Touches the word's page. 0: try again. */
static int futex_bring_in(uint64_t address, enum space_fault access)
{
    return space_populate(address, sizeof(uint32_t), access) == 0 ? 0 : -EFAULT;
}

/* --- Hanging in and taking out, under the bucket's lock -----------------------------------------
 */

static void futex_hang(struct futex_bucket *bucket, struct futex_waiter *waiter)
{
    struct list *before = &bucket->waiters;
    /* From the back: without real-time threads the place is the end, found at once. */
    while (before->previous != &bucket->waiters &&
           LIST_ENTRY(before->previous, struct futex_waiter, link)->urgency > waiter->urgency)
        before = before->previous;
    list_append(before, &waiter->link);
    atomic_store_explicit(&waiter->bucket, bucket, memory_order_release);
}

static void futex_wake_waiter(struct futex_waiter *waiter)
{
    list_remove(&waiter->link);
    atomic_store_explicit(&waiter->bucket, NULL, memory_order_release);
    /* If its time has run out just now, it finds itself woken all the same, as on Linux. */
    thread_wake(waiter->thread, 0);
}

static int futex_wake_locked(struct futex_bucket *bucket, uint64_t address, int count,
                             uint32_t bitset)
{
    int woken = 0;
    for (struct list *node = bucket->waiters.next, *next; node != &bucket->waiters; node = next) {
        struct futex_waiter *waiter = LIST_ENTRY(node, struct futex_waiter, link);
        next = node->next;
        if (waiter->address != address || (waiter->bitset & bitset) == 0)
            continue;
        futex_wake_waiter(waiter);
        if (++woken >= count)
            break;
    }
    return woken;
}

/* Takes the waiter out if it still hangs somewhere. Returns whether it had been woken before. */
static bool futex_unhang(struct futex_waiter *waiter)
{
    for (;;) {
        struct futex_bucket *bucket = atomic_load_explicit(&waiter->bucket, memory_order_acquire);
        if (bucket == NULL) {
            /* Its waker may still be inside thread_wake: wait until it has given up its lock. */
            bucket = futex_bucket_of(waiter->address);
            uint64_t saved = spin_lock_irq(&bucket->lock);
            spin_unlock_irq(&bucket->lock, saved);
            return true;
        }
        uint64_t saved = spin_lock_irq(&bucket->lock);
        bool here = atomic_load_explicit(&waiter->bucket, memory_order_relaxed) == bucket;
        if (here) /* else it was woken or requeued meanwhile */
            list_remove(&waiter->link);
        spin_unlock_irq(&bucket->lock, saved);
        if (here)
            return false;
    }
}

/* --- The operations -----------------------------------------------------------------------------
 */

int futex_wait(uint64_t address, uint32_t expected, uint32_t bitset, uint64_t deadline)
{
    int error = futex_check(address);
    if (error != 0)
        return error;
    if (bitset == 0)
        return -EINVAL;
    struct thread *thread = thread_current();
    uint32_t priority = atomic_load_explicit(&thread->priority, memory_order_relaxed);
    struct futex_waiter waiter = {
        .thread = thread,
        .address = address,
        .bitset = bitset,
        .urgency = priority < 99 ? priority : 99,
    };
    struct futex_bucket *bucket = futex_bucket_of(address);
    for (;;) {
        uint32_t value;
        uint64_t saved = spin_lock_irq(&bucket->lock);
        error = user_read_u32_nofault(&value, address);
        if (error == 0 && value == expected) {
            thread_prepare_wait(true);
            futex_hang(bucket, &waiter);
        }
        spin_unlock_irq(&bucket->lock, saved);
        if (error == 0 && value != expected)
            return -EAGAIN;
        if (error == 0)
            break;
        error = futex_bring_in(address, SPACE_FAULT_READ);
        if (error != 0)
            return error;
    }
    int result = thread_wait(deadline);
    if (result == 0)
        return 0; /* unhung by its waker, who is done with it */
    return futex_unhang(&waiter) ? 0 : result;
}

int futex_wake(uint64_t address, int count, uint32_t bitset)
{
    int error = futex_check(address);
    if (error != 0)
        return error;
    if (bitset == 0)
        return -EINVAL;
    struct futex_bucket *bucket = futex_bucket_of(address);
    uint64_t saved = futex_lock(bucket);
    int woken = futex_wake_locked(bucket, address, count, bitset);
    futex_unlock(bucket, saved);
    return woken;
}

/* FUTEX_REQUEUE, and with `expected` FUTEX_CMP_REQUEUE: wakes `wake` waiters of `from` and hangs up
 * to `move` more on `to`. Returns how many both together. */
static int futex_requeue(uint64_t from, uint64_t to, int wake, int move, const uint32_t *expected)
{
    if (wake < 0 || move < 0)
        return -EINVAL;
    int error = futex_check(from);
    if (error == 0)
        error = futex_check(to);
    if (error != 0)
        return error;
    struct futex_bucket *source = futex_bucket_of(from), *target = futex_bucket_of(to);
    uint64_t saved;
    for (;;) {
        saved = futex_lock_two(source, target);
        uint32_t value;
        if (expected == NULL)
            break;
        error = user_read_u32_nofault(&value, from);
        if (error == 0 && value == *expected)
            break;
        futex_unlock_two(source, target, saved);
        if (error == 0)
            return -EAGAIN;
        error = futex_bring_in(from, SPACE_FAULT_READ);
        if (error != 0)
            return error;
    }
    int count = 0;
    /* In one list, moved waiters are hung in behind the end that is fixed here. */
    struct list *end = source->waiters.previous, *next;
    bool more = end != &source->waiters;
    for (struct list *node = source->waiters.next; more && count - wake < move; node = next) {
        struct futex_waiter *waiter = LIST_ENTRY(node, struct futex_waiter, link);
        next = node->next;
        more = node != end;
        if (waiter->address != from)
            continue;
        if (++count <= wake) {
            futex_wake_waiter(waiter);
        } else if (from != to) {
            list_remove(&waiter->link);
            waiter->address = to;
            futex_hang(target, waiter);
        }
    }
    futex_unlock_two(source, target, saved);
    return count;
}

int futex_exchange(uint64_t address, uint32_t *expected, uint32_t desired)
{
    for (;;) {
        uint32_t seen;
        if (user_cmpxchg_u32_nofault(address, *expected, desired, &seen) == 0) {
            *expected = seen;
            return 0;
        }
        int error = futex_bring_in(address, SPACE_FAULT_WRITE);
        if (error != 0)
            return error;
    }
}

/* FUTEX_WAKE_OP's operation, encoded as <linux/futex.h> says: does it on the word at `address`, no
 * page brought in. Returns whether the old value compares true, -EFAULT or -ENOSYS. */
static int futex_operate(uint64_t address, uint32_t encoded)
{
    unsigned operation = encoded >> 28 & 7, comparison = encoded >> 24 & 15;
    int32_t operand = (int32_t)(encoded << 8) >> 20, compared = (int32_t)(encoded << 20) >> 20;
    if ((encoded >> 28 & FUTEX_OP_OPARG_SHIFT) != 0)
        operand = (int32_t)(UINT32_C(1) << (operand & 31));
    uint32_t old, seen, new;
    int error = user_read_u32_nofault(&old, address);
    if (error != 0)
        return error;
    for (;;) {
        switch (operation) {
        case FUTEX_OP_SET:
            new = (uint32_t)operand;
            break;
        case FUTEX_OP_ADD:
            new = old + (uint32_t)operand;
            break;
        case FUTEX_OP_OR:
            new = old | (uint32_t)operand;
            break;
        case FUTEX_OP_ANDN:
            new = old & ~(uint32_t)operand;
            break;
        case FUTEX_OP_XOR:
            new = old ^ (uint32_t)operand;
            break;
        default:
            return -ENOSYS;
        }
        error = user_cmpxchg_u32_nofault(address, old, new, &seen);
        if (error != 0)
            return error;
        if (seen == old)
            break;
        old = seen; /* another core was faster; it made progress, so this ends */
    }
    int32_t value = (int32_t)old;
    switch (comparison) {
    case FUTEX_OP_CMP_EQ:
        return value == compared;
    case FUTEX_OP_CMP_NE:
        return value != compared;
    case FUTEX_OP_CMP_LT:
        return value < compared;
    case FUTEX_OP_CMP_GE:
        return value >= compared;
    case FUTEX_OP_CMP_LE:
        return value <= compared;
    case FUTEX_OP_CMP_GT:
        return value > compared;
    default:
        return -ENOSYS;
    }
}

static int futex_wake_operate(uint64_t one, uint64_t other, int wake_one, int wake_other,
                              uint32_t encoded)
{
    int error = futex_check(one);
    if (error == 0)
        error = futex_check(other);
    if (error != 0)
        return error;
    struct futex_bucket *first = futex_bucket_of(one), *second = futex_bucket_of(other);
    uint64_t saved;
    int holds;
    for (;;) {
        saved = futex_lock_two(first, second);
        holds = futex_operate(other, encoded);
        if (holds >= 0)
            break;
        futex_unlock_two(first, second, saved);
        if (holds != -EFAULT)
            return holds;
        error = futex_bring_in(other, SPACE_FAULT_WRITE);
        if (error != 0)
            return error;
    }
    int woken = futex_wake_locked(first, one, wake_one, FUTEX_BITSET_MATCH_ANY);
    if (holds)
        woken += futex_wake_locked(second, other, wake_other, FUTEX_BITSET_MATCH_ANY);
    futex_unlock_two(first, second, saved);
    return woken;
}

/* --- The system call ----------------------------------------------------------------------------
 */

static int64_t futex_call_wait(struct trap_frame *frame, unsigned command, bool realtime)
{
    uint64_t address = syscall_arg0(frame), timeout = syscall_arg3(frame), deadline = 0;
    uint32_t expected = (uint32_t)syscall_arg2(frame);
    uint32_t bitset = FUTEX_BITSET_MATCH_ANY;
    if (command == FUTEX_WAIT_BITSET)
        bitset = (uint32_t)syscall_arg5(frame);
    if (timeout != 0) {
        uint64_t nanoseconds;
        int error = timespec_read(timeout, &nanoseconds);
        if (error != 0)
            return error;
        if (command == FUTEX_WAIT)
            deadline = deadline_after(nanoseconds);
        else
            deadline = realtime ? deadline_from_realtime(nanoseconds)
                                : deadline_from_monotonic(nanoseconds);
    }
    int64_t result;
    do {
        result = futex_wait(address, expected, bitset, deadline);
    } while (result == -EINTR && !signal_deliverable()); /* another thread took it */
    if (result != -EINTR)
        return result;
    /* As Linux: done again after a handler with SA_RESTART if there is no timeout; with one only if
     * no handler ran, which for a relative one would begin the time anew. */
    if (timeout == 0)
        return -ERESTARTSYS;
    return command == FUTEX_WAIT ? -EINTR : -ERESTARTNOHAND;
}

/* Linux finds the key of a futex that is not private in the word's page, which so has to be there.
 */
static int futex_check_shared(int operation, uint64_t address)
{
    int error = futex_check(address);
    uint32_t ignored;
    if (error == 0 && ((unsigned)operation & FUTEX_PRIVATE_FLAG) == 0)
        error = user_read(&ignored, address, sizeof(ignored));
    return error;
}

int64_t sys_futex(struct trap_frame *frame)
{
    uint64_t address = syscall_arg0(frame), other = syscall_arg4(frame);
    int operation = (int)syscall_arg1(frame), count = (int)syscall_arg2(frame);
    int second_count = (int)syscall_arg3(frame); /* in place of the timeout */
    uint32_t value = (uint32_t)syscall_arg5(frame);
    unsigned command = (unsigned)operation & FUTEX_CMD_MASK;
    bool realtime = ((unsigned)operation & FUTEX_CLOCK_REALTIME) != 0;

    if (realtime && command != FUTEX_WAIT_BITSET)
        return -ENOSYS;
    int error = 0;
    if (command == FUTEX_WAKE || command == FUTEX_WAKE_BITSET || command == FUTEX_REQUEUE ||
        command == FUTEX_CMP_REQUEUE || command == FUTEX_WAKE_OP)
        error = futex_check_shared(operation, address);
    if (error == 0 && (command == FUTEX_REQUEUE || command == FUTEX_CMP_REQUEUE))
        error = futex_check_shared(operation, other);
    if (error != 0)
        return error;
    switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        return futex_call_wait(frame, command, realtime);
    case FUTEX_WAKE:
        return futex_wake(address, count, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return futex_wake(address, count, value);
    case FUTEX_REQUEUE:
        return futex_requeue(address, other, count, second_count, NULL);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(address, other, count, second_count, &value);
    case FUTEX_WAKE_OP:
        return futex_wake_operate(address, other, count, second_count, value);
    default: {
        static _Atomic bool logged;
        if (!atomic_exchange(&logged, true))
            log_warn("futex operation %u is not served (priority inheritance and the like): ENOSYS",
                     command);
        return -ENOSYS;
    }
    }
}
