/* The end of a thread as other threads see it through futexes: robust mutexes that it still holds
 * are marked FUTEX_OWNER_DIED, and pthread_join is told. The list is the program's and may be
 * anything: every step is checked, and there is a limit to the number of steps. */
#include "instance/mm/user.h"
#include "instance/sched/thread.h"
#include "instance/syscall/calls.h"
#include "instance/syscall/futex.h"

#include <errno.h>
#include <linux/futex.h>

/* The low bit of a list pointer marks a priority-inheriting futex. */
#define ROBUST_PI UINT64_C(1)

/* As Linux's handle_futex_death. Returns false where the walk has to end. */
static bool robust_release(struct thread *thread, uint64_t address, bool inherits, bool pending)
{
    uint32_t value;
    if (address % sizeof(value) != 0 || user_read(&value, address, sizeof(value)) != 0)
        return false;
    for (;;) {
        /* It died between unlocking and waking: the wake-up is made up for. */
        if (pending && !inherits && value == 0) {
            futex_wake(address, 1, FUTEX_BITSET_MATCH_ANY);
            return true;
        }
        if ((value & FUTEX_TID_MASK) != (uint32_t)thread->id)
            return true;
        uint32_t seen = value;
        if (futex_exchange(address, &seen, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) != 0)
            return false;
        if (seen == value)
            break;
        value = seen;
    }
    if (!inherits && (value & FUTEX_WAITERS) != 0)
        futex_wake(address, 1, FUTEX_BITSET_MATCH_ANY);
    return true;
}

static void robust_walk(struct thread *thread)
{
    struct {
        uint64_t first;
        int64_t offset; /* from an entry to its futex word */
        uint64_t pending;
    } head;
    _Static_assert(sizeof(head) == sizeof(struct robust_list_head), "the program's layout");

    if (user_read(&head, thread->robust_list, sizeof(head)) != 0)
        return;
    uint64_t entry = head.first, pending = head.pending & ~ROBUST_PI;
    for (unsigned left = ROBUST_LIST_LIMIT; left != 0; left--) {
        uint64_t address = entry & ~ROBUST_PI, next;
        if (address == thread->robust_list)
            break;
        /* Read before the word is released: another thread may free the entry at once. */
        bool read = user_read(&next, address, sizeof(next)) == 0;
        if (address != pending && !robust_release(thread, address + (uint64_t)head.offset,
                                                  (entry & ROBUST_PI) != 0, false))
            return;
        if (!read)
            return;
        entry = next;
    }
    if (pending != 0)
        robust_release(thread, pending + (uint64_t)head.offset, (head.pending & ROBUST_PI) != 0,
                       true);
}

void futex_thread_exit(struct thread *thread)
{
    if (thread->robust_list != 0)
        robust_walk(thread);
    uint32_t zero = 0;
    if (thread->clear_child_tid != 0 &&
        user_write(thread->clear_child_tid, &zero, sizeof(zero)) == 0)
        futex_wake(thread->clear_child_tid, 1, FUTEX_BITSET_MATCH_ANY);
}

int64_t sys_set_robust_list(struct trap_frame *frame)
{
    if (syscall_arg1(frame) != sizeof(struct robust_list_head))
        return -EINVAL;
    thread_current()->robust_list = syscall_arg0(frame);
    return 0;
}

int64_t sys_get_robust_list(struct trap_frame *frame)
{
    int32_t id = (int32_t)syscall_arg0(frame);
    uint64_t size = sizeof(struct robust_list_head), list = 0;
    if (id == 0) {
        list = thread_current()->robust_list;
    } else {
        uint64_t saved = spin_lock_irq(&thread_all_lock);
        struct thread *thread = thread_find(id);
        if (thread != NULL)
            list = thread->robust_list;
        spin_unlock_irq(&thread_all_lock, saved);
        if (thread == NULL)
            return -ESRCH;
    }
    if (user_write(syscall_arg2(frame), &size, sizeof(size)) != 0)
        return -EFAULT;
    return user_write(syscall_arg1(frame), &list, sizeof(list));
}
