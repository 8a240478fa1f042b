/* Threads from creation to death, their numbers, and the list of all. The memory of dead threads is
 * kept for the next ones, up to a limit: a kernel stack is dear to map, and dearer to unmap. */
#include "instance/sched/thread.h"

#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/sched/place.h"
#include "instance/string.h"
#include "instance/syscall/futex.h"
#include "instance/syscall/signal.h"

#include <errno.h>
#include <linux/sched.h>

#define THREAD_ID_MAX 4194304 /* as Linux's largest pid_max: fits a futex word's owner field */
#define THREAD_ID_BUCKETS 64
_Static_assert(offsetof(struct thread, id) == 56, "arch/x86/quick_call.asm reads it");
#define THREADS_KEPT 8 /* dead ones whose memory is kept, beside one for each core */

struct list thread_all = {&thread_all, &thread_all};
struct spinlock thread_all_lock;
_Atomic uint32_t thread_count;

/* Under thread_all_lock. */
static struct list thread_by_id[THREAD_ID_BUCKETS];
static int32_t thread_last_id;
static uint64_t thread_ended_ns; /* CPU time of all that have ended */
static int thread_first_status;  /* of the first thread, if it ended before others */

/* Dead threads, linked by inbox_next. */
static struct spinlock thread_dead_lock;
static struct thread *thread_dead;
static uint32_t thread_dead_count;

static size_t affinity_size(void)
{
    return (core_count + 63) / 64 * sizeof(uint64_t);
}

/* --- Memory -------------------------------------------------------------------------------------
 */

static void thread_free(struct thread *thread)
{
    if (thread->stack_top != 0)
        kernel_stack_free(thread->stack_top);
    kfree(thread->fpu);
    kfree(thread->affinity.words);
    kfree(thread);
}

static struct thread *thread_allocate(bool program)
{
    struct thread *thread = kzalloc(sizeof(*thread));
    if (thread == NULL)
        return NULL;
    thread->affinity.words = kzalloc(affinity_size());
    thread->stack_top = kernel_stack_alloc();
    if (program)
        thread->fpu = kmalloc(fpu_area_size());
    if (thread->affinity.words == NULL || thread->stack_top == 0 ||
        (program && thread->fpu == NULL)) {
        thread_free(thread);
        return NULL;
    }
    thread->stack_base = thread->stack_top - KERNEL_STACK_SIZE;
    list_init(&thread->queue_link);
    list_init(&thread->wait_link);
    list_init(&thread->all_link);
    list_init(&thread->id_link);
    return thread;
}

static struct thread *thread_dead_take(uint32_t keep)
{
    uint64_t saved = spin_lock_irq(&thread_dead_lock);
    struct thread *thread = NULL;
    if (thread_dead_count > keep) {
        thread = thread_dead;
        thread_dead = thread->inbox_next;
        thread_dead_count--;
    }
    spin_unlock_irq(&thread_dead_lock, saved);
    return thread;
}

void thread_retire(struct thread *thread)
{
    spin_lock(&thread_dead_lock);
    thread->inbox_next = thread_dead;
    thread_dead = thread;
    thread_dead_count++;
    spin_unlock(&thread_dead_lock);
}

/* A dead thread's memory as new, or NULL. */
static struct thread *thread_reuse(void)
{
    struct thread *thread = thread_dead_take(0);
    if (thread == NULL)
        return NULL;
    void *fpu = thread->fpu;
    uint64_t *words = thread->affinity.words;
    uintptr_t base = thread->stack_base, top = thread->stack_top;
    memset(thread, 0, sizeof(*thread));
    thread->fpu = fpu;
    thread->affinity.words = words;
    thread->stack_base = base;
    thread->stack_top = top;
    list_init(&thread->queue_link);
    list_init(&thread->wait_link);
    list_init(&thread->all_link);
    list_init(&thread->id_link);
    return thread;
}

/* --- Numbers ------------------------------------------------------------------------------------
 */

struct thread *thread_find(int32_t id)
{
    struct list *bucket = &thread_by_id[(uint32_t)id % THREAD_ID_BUCKETS];
    for (struct list *node = bucket->next; node != bucket; node = node->next) {
        struct thread *thread = LIST_ENTRY(node, struct thread, id_link);
        if (thread->id == id)
            return thread;
    }
    return NULL;
}

/* Enters the thread into the list of all under the next free number, so that a number is used again
 * as late as can be. */
static void thread_register(struct thread *thread)
{
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    do {
        thread_last_id = thread_last_id < THREAD_ID_MAX ? thread_last_id + 1 : 2;
    } while (thread_find(thread_last_id) != NULL);
    thread->id = thread_last_id;
    list_append(&thread_by_id[(uint32_t)thread->id % THREAD_ID_BUCKETS], &thread->id_link);
    list_append(&thread_all, &thread->all_link);
    atomic_fetch_add(&thread_count, 1);
    spin_unlock_irq(&thread_all_lock, saved);
}

/* --- Life ---------------------------------------------------------------------------------------
 */

int threads_init(void)
{
    for (unsigned bucket = 0; bucket < THREAD_ID_BUCKETS; bucket++)
        list_init(&thread_by_id[bucket]);
    int error = place_init();
    if (error == 0)
        error = futex_init();
    if (error != 0)
        return error;
    for (uint32_t index = 0; index < core_count; index++) {
        struct core *core = &cores[index];
        struct thread *idle = thread_allocate(false);
        if (idle == NULL)
            return -ENOMEM; /* the instance cannot start; nothing is worth giving back */
        memcpy(idle->name, "idle", sizeof("idle"));
        idle->affinity.words[index / 64] = UINT64_C(1) << (index % 64);
        idle->priority = PRIORITIES - 1;
        idle->core = core;
        idle->on_core = true;
        idle->state = THREAD_RUNNING;
        run_queue_init(&core->queue);
        timer_queue_init(&core->timers);
        core->idle_thread = idle;
        core->current = idle;
        core->kernel_stack_top = idle->stack_top;
        atomic_store_explicit(&core->shared.priority, PRIORITIES, memory_order_relaxed);
    }
    return 0;
}

void sched_core_online(struct core *core)
{
    atomic_store(&core->shared.online, 1);
}

struct thread *thread_create(const struct trap_frame *frame, uint64_t fs_base,
                             struct thread *parent)
{
    struct thread *thread = thread_reuse();
    if (thread == NULL)
        thread = thread_allocate(true);
    if (thread == NULL)
        return NULL;

    fpu_init_area(thread->fpu);
    if (parent != NULL && parent == thread_current())
        fpu_save(thread->fpu); /* rounding modes and the like are inherited */
    thread->fs_base = fs_base;
    thread->frame = (struct trap_frame *)(thread->stack_top - sizeof(struct trap_frame));
    *thread->frame = *frame;
    thread->switch_rsp = context_prepare((uintptr_t)thread->frame, schedule_enter_program, thread);
    thread->state = THREAD_WAITING; /* in no open wait, so that only thread_start makes it ready */
    thread->core = core_self();

    if (parent != NULL) {
        uint64_t saved = spin_lock_irq(&parent->lock); /* others may change these */
        memcpy(thread->name, parent->name, sizeof(thread->name));
        memcpy(thread->affinity.words, parent->affinity.words, affinity_size());
        thread->priority = parent->priority;
        thread->policy = parent->policy;
        thread->nice = parent->nice;
        thread->signals.blocked = parent->signals.blocked;
        spin_unlock_irq(&parent->lock, saved);
    } else {
        memset(thread->affinity.words, 0, affinity_size());
        for (uint32_t core = 0; core < core_count; core++)
            thread->affinity.words[core / 64] |= UINT64_C(1) << (core % 64);
        thread->priority = PRIORITY_NORMAL;
        thread->policy = SCHED_NORMAL;
    }
    thread_register(thread);
    return thread;
}

void thread_start(struct thread *thread)
{
    uint64_t saved = spin_lock_irq(&thread->lock);
    atomic_store_explicit(&thread->state, THREAD_READY, memory_order_relaxed);
    spin_unlock(&thread->lock);
    place_thread(thread);
    interrupts_restore(saved);
}

void thread_exit(int status)
{
    struct thread *thread = thread_current();
    futex_thread_exit(thread);
    for (struct thread *dead; (dead = thread_dead_take(THREADS_KEPT + core_count)) != NULL;)
        thread_free(dead);

    interrupts_disable(); /* for good: the next thread has its own state of it */
    spin_lock(&thread_all_lock);
    list_remove(&thread->all_link);
    list_remove(&thread->id_link);
    thread_ended_ns += thread_cpu_time(thread);
    if (thread->id == 1)
        thread_first_status = status;
    bool last = atomic_fetch_sub(&thread_count, 1) == 1;
    signal_state_release(&thread->signals); /* nobody finds the thread any more to send it one */
    /* One for the process, which this thread was to take, has to find another. */
    if (signal_pending_set() != 0)
        for (struct list *node = thread_all.next; node != &thread_all; node = node->next)
            thread_interrupt(LIST_ENTRY(node, struct thread, all_link));
    spin_unlock(&thread_all_lock);
    if (last) {
        interrupts_enable();             /* the end flushes output and waits for the proxy */
        kernel_end(thread_first_status); /* as Linux: a process ends with its first thread's */
    }
    atomic_store_explicit(&thread->state, THREAD_DEAD, memory_order_relaxed);
    schedule();
    panic(NULL, "thread %d ran on after its end", thread->id);
}

/* --- CPU time -----------------------------------------------------------------------------------
 */

uint64_t thread_cpu_time(const struct thread *thread)
{
    uint64_t clock = atomic_load_explicit(&thread->cpu_clock, memory_order_relaxed);
    if ((clock & THREAD_ON_CLOCK) == 0)
        return clock;
    uint64_t now = platform_monotonic_ns(), start = clock & ~THREAD_ON_CLOCK;
    return now > start ? now - start : 0;
}

uint64_t thread_cpu_time_all(void)
{
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    uint64_t sum = thread_ended_ns;
    for (struct list *node = thread_all.next; node != &thread_all; node = node->next)
        sum += thread_cpu_time(LIST_ENTRY(node, struct thread, all_link));
    spin_unlock_irq(&thread_all_lock, saved);
    return sum;
}
