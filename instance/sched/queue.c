/* The run queue: one list a priority and a bitmap of the lists in use, so that push and pop cost
 * the same however many threads wait. A thread remembers in which list it was put, because its
 * priority may be changed from elsewhere while it waits. */
#include "instance/sched/queue.h"

#include "instance/sched/thread.h"

void run_queue_init(struct run_queue *queue)
{
    for (unsigned word = 0; word < sizeof(queue->occupied) / sizeof(queue->occupied[0]); word++)
        queue->occupied[word] = 0;
    queue->length = 0;
    queue->movable = 0;
    for (unsigned priority = 0; priority < PRIORITIES; priority++)
        list_init(&queue->lists[priority]);
}

/* May it run on more than one core? */
static bool thread_is_movable(const struct thread *thread)
{
    unsigned found = 0;
    for (uint32_t word = 0; word < (core_count + 63) / 64 && found < 2; word++) {
        uint64_t bits = __atomic_load_n(&thread->affinity.words[word], __ATOMIC_SEQ_CST);
        if (bits != 0)
            found += (bits & (bits - 1)) != 0 ? 2 : 1;
    }
    return found >= 2;
}

static struct list *run_queue_enter(struct run_queue *queue, struct thread *thread)
{
    uint32_t priority = atomic_load(&thread->priority);
    thread->queue_priority = priority;
    thread->queue_movable = thread_is_movable(thread);
    queue->occupied[priority / 64] |= UINT64_C(1) << (priority % 64);
    queue->length++;
    queue->movable += thread->queue_movable;
    return &queue->lists[priority];
}

void run_queue_push(struct run_queue *queue, struct thread *thread)
{
    list_append(run_queue_enter(queue, thread), &thread->queue_link);
}

void run_queue_push_front(struct run_queue *queue, struct thread *thread)
{
    /* A node is appended in front of what it is given: here the first, or the sentinel itself. */
    list_append(run_queue_enter(queue, thread)->next, &thread->queue_link);
}

void run_queue_remove(struct run_queue *queue, struct thread *thread)
{
    uint32_t priority = thread->queue_priority;
    list_remove(&thread->queue_link);
    if (list_empty(&queue->lists[priority]))
        queue->occupied[priority / 64] &= ~(UINT64_C(1) << (priority % 64));
    queue->length--;
    queue->movable -= thread->queue_movable;
}

int run_queue_best(const struct run_queue *queue)
{
    for (unsigned word = 0; word < sizeof(queue->occupied) / sizeof(queue->occupied[0]); word++)
        if (queue->occupied[word] != 0)
            return (int)(word * 64) + __builtin_ctzll(queue->occupied[word]);
    return PRIORITIES;
}

struct thread *run_queue_pop(struct run_queue *queue)
{
    int best = run_queue_best(queue);
    if (best == PRIORITIES)
        return NULL;
    struct thread *thread = LIST_ENTRY(queue->lists[best].next, struct thread, queue_link);
    run_queue_remove(queue, thread);
    return thread;
}

struct thread *run_queue_steal(struct run_queue *queue, uint32_t thief)
{
    if (queue->movable == 0)
        return NULL;
    for (int word = (int)(sizeof(queue->occupied) / sizeof(queue->occupied[0])) - 1; word >= 0;
         word--) {
        for (uint64_t left = queue->occupied[word]; left != 0;) {
            unsigned bit = 63 - (unsigned)__builtin_clzll(left);
            left &= ~(UINT64_C(1) << bit);
            struct list *list = &queue->lists[(unsigned)word * 64 + bit];
            for (struct list *node = list->previous; node != list; node = node->previous) {
                struct thread *thread = LIST_ENTRY(node, struct thread, queue_link);
                if (!thread->queue_movable || !core_set_has(&thread->affinity, thief) ||
                    atomic_load_explicit(&thread->on_core, memory_order_acquire))
                    continue;
                run_queue_remove(queue, thread);
                return thread;
            }
        }
    }
    return NULL;
}

struct thread *run_queue_take_changed(struct run_queue *queue, uint32_t core)
{
    struct thread *first = NULL, **end = &first;
    for (unsigned priority = 0; priority < PRIORITIES; priority++) {
        struct list *list = &queue->lists[priority];
        for (struct list *node = list->next, *next; node != list; node = next) {
            struct thread *thread = LIST_ENTRY(node, struct thread, queue_link);
            next = node->next;
            if (atomic_load_explicit(&thread->priority, memory_order_relaxed) == priority &&
                core_set_has(&thread->affinity, core) &&
                thread->queue_movable == thread_is_movable(thread))
                continue;
            run_queue_remove(queue, thread);
            *end = thread;
            end = &thread->inbox_next;
        }
    }
    *end = NULL;
    return first;
}
