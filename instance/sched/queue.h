/* A core's run queue: threads that are ready, by priority, equals in turn. Only its own core calls
 * these; other cores leave threads in the core's inbox. No lock. */
#ifndef INSTANCE_SCHED_QUEUE_H
#define INSTANCE_SCHED_QUEUE_H

#include "instance/list.h"

#include <stdint.h>

struct thread;

/* Priority 0 is the most urgent. SCHED_FIFO and SCHED_RR 99..1 map to 0..98, nice -20..19 of
 * SCHED_OTHER to 99..138, SCHED_BATCH and SCHED_IDLE to 139. */
#define PRIORITIES 140
#define PRIORITY_NORMAL 119

struct run_queue {
    uint64_t occupied[(PRIORITIES + 63) / 64]; /* bit p: lists[p] is not empty */
    uint32_t length;
    uint32_t movable; /* of them, those that may run on another core too */
    struct list lists[PRIORITIES];
};

void run_queue_init(struct run_queue *queue);
void run_queue_push(struct run_queue *queue, struct thread *thread);       /* behind its equals */
void run_queue_push_front(struct run_queue *queue, struct thread *thread); /* before its equals */
struct thread *run_queue_pop(struct run_queue *queue); /* most urgent, or NULL */
int run_queue_best(const struct run_queue *queue);     /* its most urgent priority, or PRIORITIES */
void run_queue_remove(struct run_queue *queue, struct thread *thread); /* which is in it */

/* A thread that may run on core `thief` (affinity), taken from the back of the least urgent list
 * that has one, or NULL. Passes over a thread that has not yet left the registers of its core. */
struct thread *run_queue_steal(struct run_queue *queue, uint32_t thief);

/* Takes out the threads whose priority or affinity changed since they were pushed, linked through
 * thread->inbox_next in their order; the caller places them anew. `core` is the queue's. */
struct thread *run_queue_take_changed(struct run_queue *queue, uint32_t core);

#endif
