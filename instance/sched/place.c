/* Where ready threads go: to an idle core if there is one, else to the core they know. Owns the set
 * of idle cores, the inboxes and the giving away of waiting threads.
 *
 * No ready thread waits beside an idle core for which it may run, and no wake-up is lost:
 * - A core that halts first enters the idle set, then looks at the others' counts of waiting
 * threads and at its inbox. A core that queues a thread first raises its count, then looks at the
 * idle set. All four are sequentially consistent, so at least one sees the other.
 * - Every thread left in an empty inbox is followed by a kick, and a kick that comes between the
 * last look and the halt ends the halt (platform_core_idle).
 * - Whoever takes a core out of the idle set, and only he, may place one thread there, so that many
 *   wake-ups at once spread over many idle cores. */
#include "instance/sched/place.h"

#include "instance/kernel.h"
#include "instance/mm/kmalloc.h"

#include <errno.h>

/* Bit n: core n is halted, or about to be, and nobody has given it a thread yet. */
static _Atomic uint64_t *idle_set;
static uint32_t idle_words;

int place_init(void)
{
    idle_words = (core_count + 63) / 64;
    idle_set = kzalloc(idle_words * sizeof(*idle_set));
    return idle_set != NULL ? 0 : -ENOMEM;
}

static bool idle_has(uint32_t core)
{
    return atomic_load_explicit(&idle_set[core / 64], memory_order_relaxed) >> (core % 64) & 1;
}

static void idle_enter(uint32_t core)
{
    atomic_fetch_or(&idle_set[core / 64], UINT64_C(1) << (core % 64));
}

/* Takes a core out of the set. Returns whether it was in it. */
static bool idle_claim(uint32_t core)
{
    uint64_t bit = UINT64_C(1) << (core % 64);
    return idle_has(core) && (atomic_fetch_and(&idle_set[core / 64], ~bit) & bit) != 0;
}

/* Claims some idle core on which `thread` may run; NULL: none. Looks from `near` upwards. */
static struct core *idle_claim_any(const struct thread *thread, uint32_t near)
{
    for (uint32_t step = 0; step <= idle_words; step++) {
        uint32_t word = (near / 64 + step) % idle_words;
        for (;;) {
            uint64_t fit = atomic_load_explicit(&idle_set[word], memory_order_relaxed) &
                           __atomic_load_n(&thread->affinity.words[word], __ATOMIC_RELAXED);
            if (step == 0) /* the rest of the first word comes last */
                fit &= ~UINT64_C(0) << (near % 64);
            if (fit == 0)
                break;
            uint32_t core = word * 64 + (uint32_t)__builtin_ctzll(fit);
            if (idle_claim(core))
                return &cores[core];
        }
    }
    return NULL;
}

static bool core_takes(const struct core *core, const struct thread *thread)
{
    return atomic_load_explicit(&core->shared.online, memory_order_relaxed) != 0 &&
           core_set_has(&thread->affinity, core->index);
}

/* --- The own queue, and what others see of it ---------------------------------------------------
 */

static void place_publish(struct core *core)
{
    atomic_store_explicit(&core->shared.runnable, core->queue.length, memory_order_relaxed);
    atomic_store_explicit(&core->shared.movable, core->queue.movable, memory_order_relaxed);
}

void place_in_queue(struct core *core, struct thread *thread, bool front)
{
    /* Before its priority and affinity are read: whoever changes them reads `core` afterwards, and
     * tells the core to look again. So one of the two sees the other. */
    if (atomic_load_explicit(&thread->core, memory_order_relaxed) != core)
        atomic_store(&thread->core, core);
    if (front)
        run_queue_push_front(&core->queue, thread);
    else
        run_queue_push(&core->queue, thread);
    place_publish(core);
}

struct thread *place_pop(struct core *core)
{
    struct thread *thread = run_queue_pop(&core->queue);
    if (thread != NULL)
        place_publish(core);
    return thread;
}

/* --- Other cores' inboxes -----------------------------------------------------------------------
 */

/* Kicks that were held, or only now would be too many. */
static void kicks_send(struct core *self)
{
    for (uint32_t kick = 0; kick < self->kicks; kick++)
        platform_core_kick(self->kick[kick]);
    self->kicks = 0;
}

void kicks_hold(void)
{
    core_self()->kicks_held = true;
}

void kicks_release(void)
{
    struct core *self = core_self();
    self->kicks_held = false;
    kicks_send(self);
}

static void place_kick(struct core *core)
{
    struct core *self = core_self();
    if (!self->kicks_held) {
        platform_core_kick(core);
        return;
    }
    if (self->kicks == CORE_KICKS)
        kicks_send(self);
    self->kick[self->kicks++] = core;
}

static void inbox_push(struct core *core, struct thread *thread)
{
    struct thread *head = atomic_load_explicit(&core->shared.inbox, memory_order_relaxed);
    do {
        thread->inbox_next = head;
    } while (!atomic_compare_exchange_weak(&core->shared.inbox, &head, thread));
    /* The one who found it empty kicks for all that follow. Interrupts are off, so it is soon. */
    if (head == NULL)
        place_kick(core);
}

/* Into the own queue, or on to another core if its affinity was changed on the way. */
static void place_accept(struct core *core, struct thread *thread)
{
    if (atomic_load_explicit(&thread->core, memory_order_relaxed) != core)
        atomic_store(&thread->core, core); /* before its affinity is read, see place_in_queue */
    /* The current thread is on this core as long as its registers are: schedule() sends it on. */
    if (core_takes(core, thread) || thread == core->current)
        place_in_queue(core, thread, false);
    else
        place_thread(thread);
}

void place_take_inbox(struct core *core)
{
    struct thread *newest = NULL, *oldest = NULL;
    if (atomic_load_explicit(&core->shared.inbox, memory_order_relaxed) != NULL)
        newest = atomic_exchange(&core->shared.inbox, NULL);
    while (newest != NULL) { /* last in, first out: turn it round */
        struct thread *next = newest->inbox_next;
        newest->inbox_next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct thread *next = oldest->inbox_next;
        place_accept(core, oldest);
        oldest = next;
    }
    if (atomic_load_explicit(&core->shared.changed, memory_order_relaxed) != 0 &&
        atomic_exchange(&core->shared.changed, 0) != 0) {
        struct thread *changed = run_queue_take_changed(&core->queue, core->index);
        place_publish(core);
        while (changed != NULL) {
            struct thread *next = changed->inbox_next;
            place_accept(core, changed);
            changed = next;
        }
    }
}

/* --- Choosing a core ----------------------------------------------------------------------------
 */

/* How many threads wait on a core, as far as others can see: what is in its inbox counts as one. */
static uint32_t core_backlog(const struct core *core)
{
    return atomic_load_explicit(&core->shared.runnable, memory_order_relaxed) +
           (atomic_load_explicit(&core->shared.inbox, memory_order_relaxed) != NULL);
}

/* The core for a thread that found none idle. The one it ran on last, for its cache is there; but a
 * new thread, and one more urgent than ordinary ones, goes where it waits least: to a core that
 * runs something less urgent, else to the shortest queue. */
static struct core *place_among_busy(const struct thread *thread, struct core *last)
{
    uint32_t priority = atomic_load_explicit(&thread->priority, memory_order_relaxed);
    bool fits = core_takes(last, thread);
    bool new = atomic_load_explicit(&thread->cpu_clock, memory_order_relaxed) == 0;
    if (fits && priority >= PRIORITY_NORMAL && !new)
        return last;
    if (fits && atomic_load_explicit(&last->shared.priority, memory_order_relaxed) > priority)
        return last;
    struct core *best = fits ? last : NULL;
    uint32_t best_urgency = 0, best_length = UINT32_MAX;
    if (fits) {
        best_urgency = atomic_load_explicit(&last->shared.priority, memory_order_relaxed);
        best_length = core_backlog(last);
    }
    for (uint32_t index = 0; index < core_count; index++) {
        struct core *core = &cores[index];
        if (core == last || !core_takes(core, thread))
            continue;
        uint32_t urgency = atomic_load_explicit(&core->shared.priority, memory_order_relaxed);
        uint32_t length = core_backlog(core);
        bool sooner = urgency > priority && urgency > best_urgency;
        bool shorter = best_urgency <= priority && length < best_length;
        if (best == NULL || sooner || shorter) {
            best = core;
            best_urgency = urgency;
            best_length = length;
        }
    }
    return best;
}

/* The core for a thread that is ready now. */
static struct core *place_choose(struct core *self, const struct thread *thread)
{
    struct core *last = atomic_load_explicit(&thread->core, memory_order_relaxed);
    /* Its registers are still being saved there: only that core may queue it, and does so after. */
    if (atomic_load_explicit(&thread->on_core, memory_order_acquire))
        return last;
    /* Its cache, and perhaps its vector registers, are still there. */
    if (core_takes(last, thread) && idle_claim(last->index))
        return last;
    /* This core has nothing else to do (a wake-up from an interrupt, or during the start). */
    if (self->current == self->idle_thread && self->queue.length == 0 && core_takes(self, thread))
        return self;
    struct core *idle = idle_claim_any(thread, last->index);
    if (idle != NULL)
        return idle;
    struct core *busy = place_among_busy(thread, last);
    /* No core that is up is in its set: sched_setaffinity refuses that, and cores stay up. */
    return busy != NULL ? busy : last;
}

void place_thread(struct thread *thread)
{
    struct core *self = core_self();
    struct core *core = place_choose(self, thread);
    if (core != self) {
        inbox_push(core, thread);
        return;
    }
    place_in_queue(self, thread, false);
    if (self->current == self->idle_thread)
        return; /* the idle loop looks at the queue before it halts */
    schedule_look_again(self);
    place_share(self);
}

/* --- Giving waiting threads away ----------------------------------------------------------------
 */

/* Gives the idle core `thief` a thread, if there is one that may run there. */
static void place_give(struct core *core, struct core *thief)
{
    struct thread *thread = run_queue_steal(&core->queue, thief->index);
    if (thread == NULL)
        return;
    if (!idle_claim(thief->index)) { /* somebody else was faster */
        run_queue_push(&core->queue, thread);
        place_publish(core);
        return;
    }
    place_publish(core);
    if (instance.section != NULL)
        atomic_fetch_add_explicit(&instance.section->counters.steals, 1, memory_order_relaxed);
    inbox_push(thief, thread);
}

void place_share(struct core *core)
{
    struct core *thief = NULL;
    if (atomic_load_explicit(&core->shared.steal_request, memory_order_relaxed) != NULL)
        thief = atomic_exchange(&core->shared.steal_request, NULL);
    if (core->queue.movable == 0)
        return;
    /* The count once more, now sequentially consistent, then the set: see the head. */
    atomic_store(&core->shared.movable, core->queue.movable);
    if (thief != NULL)
        place_give(core, thief);
    for (uint32_t word = 0; word < idle_words && core->queue.movable != 0; word++) {
        uint64_t idle = atomic_load(&idle_set[word]);
        for (; idle != 0 && core->queue.movable != 0; idle &= idle - 1) {
            struct core *other = &cores[word * 64 + (uint32_t)__builtin_ctzll(idle)];
            if (other != core)
                place_give(core, other);
        }
    }
}

/* --- Going idle ---------------------------------------------------------------------------------
 */

/* Asks the core with most waiting threads that may move. If it has been asked already, that is as
 * good: it looks at the whole idle set after it has taken the request. */
static void place_ask_for_work(struct core *core)
{
    struct core *longest = NULL;
    uint32_t most = 0;
    for (uint32_t step = 1; step < core_count; step++) {
        struct core *other = &cores[(core->index + step) % core_count];
        uint32_t movable = atomic_load(&other->shared.movable);
        if (movable > most) {
            most = movable;
            longest = other;
        }
    }
    struct core *nobody = NULL;
    if (longest != NULL &&
        atomic_compare_exchange_strong(&longest->shared.steal_request, &nobody, core))
        platform_core_kick(longest);
}

bool place_enter_idle(struct core *core)
{
    atomic_store(&core->shared.idle, 1);
    idle_enter(core->index);
    if (atomic_load(&core->shared.inbox) != NULL)
        return false;
    place_ask_for_work(core);
    return atomic_load(&core->shared.inbox) == NULL;
}

void place_leave_idle(struct core *core)
{
    idle_claim(core->index);
    atomic_store(&core->shared.idle, 0);
}
