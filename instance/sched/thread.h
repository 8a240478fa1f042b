/* A thread of the program, or a core's idle thread: its life, its state and its switch.
 * State changes are made under thread->lock; `running` threads belong to their core. */
#ifndef INSTANCE_SCHED_THREAD_H
#define INSTANCE_SCHED_THREAD_H

#include "instance/arch/x86/frame.h"
#include "instance/core.h"
#include "instance/list.h"
#include "instance/sched/timer.h"
#include "instance/syscall/signal_state.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define THREAD_ON_CLOCK (UINT64_C(1) << 63) /* see thread.cpu_clock */
#define THREAD_NAME_MAX 16                  /* as Linux's PR_SET_NAME */

enum thread_state {
    THREAD_RUNNING, /* on a core */
    THREAD_READY,   /* in a run queue or an inbox */
    THREAD_WAITING, /* until thread_wake or its timer */
    THREAD_DEAD,    /* gone; the next thread on that core hands its memory on */
};

/* Cores on which a thread may run; sized for all cores of the instance at thread creation. */
struct core_set {
    uint64_t *words; /* (core_count + 63) / 64 of them; bit n: core n */
};

struct thread {
    uintptr_t switch_rsp; /* context_switch's, while not running */
    uintptr_t stack_base; /* lowest address of the kernel stack */
    uintptr_t stack_top;
    void *fpu;             /* XSAVE area, 64-byte aligned; NULL for idle threads */
    struct core *fpu_core; /* core whose registers still hold this thread's vector state, if it is
                              also that core's fpu_owner */
    uint64_t fs_base;
    struct trap_frame *frame; /* the program's registers, at the top of the kernel stack */

    int32_t id; /* Linux thread id; the first thread's is the process id, 1 */
    char name[THREAD_NAME_MAX];
    struct spinlock lock;
    _Atomic(enum thread_state) state;
    bool wait_open;       /* prepared to wait, or waiting: whoever clears it has ended the wait */
    bool interruptible;   /* a signal may end the present wait */
    bool killable;        /* one that kills may */
    int wait_result;      /* 0, -ETIMEDOUT or -EINTR: how the wait ended */
    _Atomic bool on_core; /* its registers are (still) a core's: no other core may run it */
    bool moving;          /* leaves its core to run on another; its core's */
    _Atomic(struct core *) core; /* where it runs or ran last, or in whose queue it is */
    _Atomic uint32_t priority;   /* 0..PRIORITIES-1 */
    _Atomic int policy;          /* SCHED_OTHER ... as Linux numbers them */
    int nice;
    struct core_set affinity;

    struct list queue_link;    /* in a run queue */
    uint32_t queue_priority;   /* there: in which list; */
    bool queue_movable;        /* and whether it counts as movable */
    struct thread *inbox_next; /* in a core's inbox */
    struct list wait_link;     /* in a wait queue or futex bucket */
    struct list all_link;      /* in thread_all */
    struct list id_link;       /* among those of like id */
    struct timer timer;        /* of the present wait */

    struct signal_state signals;
    uint64_t clear_child_tid;   /* program address, or 0 */
    uint64_t robust_list;       /* program address of struct robust_list_head, or 0 */
    _Atomic uint64_t cpu_clock; /* ns on a core, all in all; with THREAD_ON_CLOCK set it is running,
                                   and the rest is the monotonic ns at which that sum was 0 */
};

/* All threads of the program, and how many; under thread_all_lock. */
extern struct list thread_all;
extern struct spinlock thread_all_lock;
extern _Atomic uint32_t thread_count;

/* Makes the bookkeeping: queues and idle threads for all of cores[0..core_count), each core's
 * current = its idle thread, the futex table. Before any other core is started. 0 or -ENOMEM. */
int threads_init(void);

/* Called on each core as it comes up, before schedule_idle_loop: from now on it is given threads.
 */
void sched_core_online(struct core *core);

/* A new thread that will enter the program with the registers in *frame; not yet runnable.
 * Inherits priority, affinity and signal mask from `parent` (NULL for the first). NULL: no memory.
 */
struct thread *thread_create(const struct trap_frame *frame, uint64_t fs_base,
                             struct thread *parent);

void thread_start(struct thread *thread); /* makes a created thread ready, on the best core */

/* Ends the current thread (exit): clears clear_child_tid and wakes its futex, walks the robust
 * list, frees what it has; when it is the last one the instance ends with `status`. */
noreturn void thread_exit(int status);

/* --- Waiting: prepare, look at the condition, then wait. A wake in between is not lost.
 * ----------- */

void thread_prepare_wait(bool interruptible);
/* Gives the core away until thread_wake, `deadline` (monotonic ns; 0: none), or, if interruptible,
 * a signal. Returns 0, -ETIMEDOUT or -EINTR. Interrupts on, no spinlock held. */
int thread_wait(uint64_t deadline);
void thread_cancel_wait(void); /* the condition held after all */
/* Ends the wait of `thread` with `result` if it is waiting or about to; any context. Returns
 * whether this call did it. */
bool thread_wake(struct thread *thread, int result);
/* Wake-ups between these two do not interrupt other cores before the second. For whoever wakes
 * under a lock that the woken threads will want at once: a kick takes long. Interrupts off
 * throughout, no nesting. */
void kicks_hold(void);
void kicks_release(void);
/* A signal for `thread` has become pending: ends an interruptible wait with -EINTR, or kicks the
 * core that runs the thread so that it looks soon. Any context; the caller makes sure that the
 * thread stays (it is the current one, or thread_all_lock is held). */
void thread_interrupt(struct thread *thread);

/* --- Scheduling
 * ------------------------------------------------------------------------------------ */

/* Gives the core to the most urgent ready thread, if another is. Interrupts off; returns on
 * whichever core the thread continues. */
void schedule(void);
void schedule_yield(void); /* sched_yield: behind one's equals */
/* Called last on the way back to the program, interrupts off: takes the inbox, answers steal
 * requests, switches if need_resched. Time passes when it switches: look for signals once more
 * after it. */
void schedule_before_return(void);
/* From the kick interrupt: others left work here. */
void schedule_kicked(void);
noreturn void schedule_idle_loop(void); /* what idle threads, and a core that comes up, run */
/* Threads' core set changed (sched_setaffinity): moves it where it may run. */
int thread_set_affinity(struct thread *thread, const uint64_t *words, size_t count);
struct thread *thread_find(int32_t id); /* under thread_all_lock */
/* Policy (SCHED_*), real-time priority (1..99 for FIFO and RR, else 0) and nice value, all checked
 * by the caller; from any thread. Takes effect at once wherever the thread is. */
void thread_set_policy(struct thread *thread, int policy, int realtime, int nice);
int thread_realtime_priority(const struct thread *thread); /* 1..99, or 0 */
uint64_t thread_cpu_time(const struct thread *thread);     /* ns on a core so far */
uint64_t thread_cpu_time_all(void); /* ns, of all threads that are or were; takes the lock */
/* Returns once every core of the instance has done a full memory barrier and an instruction that
 * serialises its fetching, or will before it runs a thread. Interrupts on, no spinlock held. */
void core_barrier_all(void);

#define SCHED_SLICE_NS UINT64_C(4000000) /* turn of a thread among its equals */

static inline bool core_set_has(const struct core_set *set, uint32_t core)
{
    return __atomic_load_n(&set->words[core / 64], __ATOMIC_SEQ_CST) >> (core % 64) & 1;
}

/* --- The platform's and arch's side of a switch
 * ---------------------------------------------------- */

/* Saves callee-saved registers on this stack, stores RSP at *save, continues at `load` (arch). */
void context_switch(uintptr_t *save, uintptr_t load);
/* Lays out a fresh kernel stack so that the first context_switch to it calls entry(argument). */
uintptr_t context_prepare(uintptr_t stack_top, void (*entry)(void *), void *argument);
/* Returns to the program with the registers in *frame, which lies at the top of the kernel stack;
 * the whole way, with schedule_before_return and signals. */
noreturn void context_enter_program(struct trap_frame *frame);
size_t fpu_area_size(void); /* bytes of an XSAVE area on this CPU */
void fpu_init_area(void *area);
void fpu_save(void *area);
void fpu_restore(const void *area);
void arch_set_fs_base(uint64_t base);
uint64_t arch_get_fs_base(void);

#endif
