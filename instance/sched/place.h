/* Between the files of the scheduler: which core a ready thread goes to, and how it gets there. All
 * of it with interrupts off, on the calling core. */
#ifndef INSTANCE_SCHED_PLACE_H
#define INSTANCE_SCHED_PLACE_H

#include "instance/sched/thread.h"

int place_init(void); /* the set of idle cores; 0 or -ENOMEM */

/* Hands a thread that is READY, and in no queue, to the best core. It may run, and even be gone,
 * before this returns. */
void place_thread(struct thread *thread);

/* Puts a READY thread into this core's own queue. */
void place_in_queue(struct core *core, struct thread *thread, bool front);
struct thread *place_pop(struct core *core); /* the most urgent thread of the queue, or NULL */

/* Moves what other cores left in the inbox into the queue, and sorts anew what was changed. */
void place_take_inbox(struct core *core);

/* Gives waiting threads to the core that asked for one, and to every other idle core. Called when
 * this core has chosen what it runs itself. */
void place_share(struct core *core);

/* This core is about to halt: it says so to all, and asks the core with most waiting threads for
 * one. Returns false when work has come in meanwhile. */
bool place_enter_idle(struct core *core);
void place_leave_idle(struct core *core);

/* schedule.c: another thread may be more urgent than, or equal to, the one that runs. */
void schedule_look_again(struct core *core);
void schedule_enter_program(void *thread); /* where a new thread starts */
/* barrier.c: this core has just been interrupted, or leaves the idle state. */
void barrier_answer(struct core *core);
/* thread.c: a dead thread that no core uses any more. */
void thread_retire(struct thread *thread);

#endif
