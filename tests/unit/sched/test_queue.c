/* The run queue against a model that is one array in order of arrival. */
#include "machine.h"

#include "instance/sched/queue.h"

#include <criterion/criterion.h>

#define THREADS 64

static uint64_t random_state = 88172645463325252u;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % limit;
}

static struct thread threads[THREADS];
static uint64_t affinities[THREADS];

static void make_threads(uint32_t cores_here)
{
    core_count = cores_here;
    for (int index = 0; index < THREADS; index++) {
        list_init(&threads[index].queue_link);
        affinities[index] = UINT64_MAX;
        threads[index].affinity.words = &affinities[index];
    }
}

/* What the queue should hold: the first is to be popped first among its priority. */
struct model {
    struct thread *order[THREADS];
    int length;
};

static int model_best(const struct model *model)
{
    int best = -1;
    for (int at = 0; at < model->length; at++)
        if (best < 0 || model->order[at]->queue_priority < model->order[best]->queue_priority)
            best = at;
    return best;
}

static int model_steal(const struct model *model, uint32_t thief)
{
    int found = -1;
    for (int at = 0; at < model->length; at++) {
        struct thread *thread = model->order[at];
        uint64_t mask = *thread->affinity.words;
        if ((mask >> thief & 1) == 0 || (mask & (mask - 1)) == 0 || thread->on_core)
            continue;
        if (found < 0 || thread->queue_priority >= model->order[found]->queue_priority)
            found = at;
    }
    return found;
}

static void model_take(struct model *model, int at)
{
    for (; at + 1 < model->length; at++)
        model->order[at] = model->order[at + 1];
    model->length--;
}

Test(queue, follows_a_model)
{
    static struct run_queue queue;
    struct model model = {.length = 0};
    bool in[THREADS] = {false};
    make_threads(8);
    run_queue_init(&queue);

    for (int round = 0; round < 200000; round++) {
        int pick = (int)random_below(THREADS);
        struct thread *thread = &threads[pick];
        int at, best = model_best(&model);
        cr_assert_eq(run_queue_best(&queue),
                     best < 0 ? PRIORITIES : (int)model.order[best]->queue_priority);
        switch (random_below(6)) {
        case 0:
        case 1:
        case 2:
            if (in[pick])
                break;
            /* Few priorities, so that there are equals; and the ends of the bitmap's words. */
            thread->priority = (uint32_t[]){0, 63, 64, 119, 127, 128, 139}[random_below(7)];
            *thread->affinity.words =
                random_below(3) == 0 ? UINT64_C(1) << random_below(8) : random_below(256) | 1;
            thread->on_core = random_below(16) == 0;
            in[pick] = true;
            if (random_below(4) == 0) {
                run_queue_push_front(&queue, thread);
                for (int move = model.length++; move > 0; move--)
                    model.order[move] = model.order[move - 1];
                model.order[0] = thread;
            } else {
                run_queue_push(&queue, thread);
                model.order[model.length++] = thread;
            }
            break;
        case 3:
            thread = run_queue_pop(&queue);
            cr_assert_eq(thread, best < 0 ? NULL : model.order[best]);
            if (thread != NULL) {
                model_take(&model, best);
                in[thread - threads] = false;
            }
            break;
        case 4: {
            uint32_t thief = random_below(8);
            at = model_steal(&model, thief);
            thread = run_queue_steal(&queue, thief);
            cr_assert_eq(thread, at < 0 ? NULL : model.order[at]);
            if (thread != NULL) {
                model_take(&model, at);
                in[thread - threads] = false;
            }
            break;
        }
        default:
            if (!in[pick])
                break;
            for (at = 0; model.order[at] != thread; at++)
                ;
            model_take(&model, at);
            run_queue_remove(&queue, thread);
            in[pick] = false;
        }
        uint32_t movable = 0;
        for (at = 0; at < model.length; at++)
            movable +=
                (*model.order[at]->affinity.words & (*model.order[at]->affinity.words - 1)) != 0;
        cr_assert_eq(queue.length, (uint32_t)model.length);
        cr_assert_eq(queue.movable, movable);
    }
}

Test(queue, changed_threads_come_out_in_order)
{
    static struct run_queue queue;
    make_threads(4);
    run_queue_init(&queue);
    for (int index = 0; index < 6; index++) {
        threads[index].priority = PRIORITY_NORMAL;
        *threads[index].affinity.words = 0xf;
        run_queue_push(&queue, &threads[index]);
    }
    threads[1].priority = 100;           /* more urgent now */
    *threads[3].affinity.words = 1 << 2; /* no longer here */
    *threads[4].affinity.words = 1 << 0; /* here only: no longer movable */

    struct thread *changed = run_queue_take_changed(&queue, 0);
    cr_assert_eq(changed, &threads[1]);
    cr_assert_eq(changed->inbox_next, &threads[3]);
    cr_assert_eq(changed->inbox_next->inbox_next, &threads[4]);
    cr_assert_null(changed->inbox_next->inbox_next->inbox_next);
    cr_assert_eq(queue.length, 3);
    cr_assert_eq(queue.movable, 3);
    cr_assert_null(run_queue_take_changed(&queue, 0));
}

Test(queue, many_cores)
{
    static struct run_queue queue;
    static uint64_t words[4];
    make_threads(200);
    run_queue_init(&queue);
    threads[0].affinity.words = words;
    threads[0].priority = PRIORITY_NORMAL;
    words[3] = UINT64_C(1) << (199 % 64);
    run_queue_push(&queue, &threads[0]);
    cr_assert_eq(queue.movable, 0, "one core is not movable");
    cr_assert_null(run_queue_steal(&queue, 199));
    run_queue_remove(&queue, &threads[0]);
    words[0] = 1;
    run_queue_push(&queue, &threads[0]);
    cr_assert_eq(queue.movable, 1, "two cores in two words are");
    cr_assert_null(run_queue_steal(&queue, 198));
    cr_assert_eq(run_queue_steal(&queue, 199), &threads[0]);
    cr_assert_eq(queue.length, 0);
}
