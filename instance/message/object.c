/* The things that the program knows by an id, and sleeping until one of them is ready.
 *
 * Arming: who goes to sleep puts its objects into message_armed, tells the other side to ring the
 * current core, makes a full fence and looks again for a microsecond. A doorbell looks at all armed
 * objects and wakes whoever waits for one that has become ready; that one is armed no more.
 * Doorbells cannot get lost on any platform, but nothing here counts on it: while something is
 * armed, a timer looks too, after 20 ms and then ever more rarely, so that a lost doorbell costs
 * time and no message. */
#include "instance/message/private.h"

#include "instance/arch/x86/cpu.h"
#include "instance/core.h"
#include "instance/fs/file.h"
#include "instance/kernel.h"
#include "instance/message/message.h"
#include "instance/mm/kmalloc.h"
#include "instance/sched/timer.h"
#include "instance/string.h"
#include "shm/fence.h"

#include <errno.h>

#define LOOK_FIRST_NS UINT64_C(20000000)
#define LOOK_LAST_NS UINT64_C(1280000000)
#define OBJECTS_FIRST 64 /* entries of the first table */
#define WATCHES_ON_STACK 8

struct object_slot {
    struct message_object *object; /* NULL: free */
    uint32_t used;                 /* how often, before */
};

static struct object_slot *object_table;
static uint32_t object_capacity, object_lowest_free;
static struct list message_armed;
static uint32_t message_sleepers;
static struct timer look_timer;
static bool look_timer_set;
static uint64_t look_interval;
static uint64_t message_wakes; /* threads and polls woken so far */

/* A thread that waits for an object, among others perhaps. */
struct message_watch {
    struct list link;
    struct message_object *object; /* NULL: it is gone */
    struct wait_queue *queue;      /* the thread's */
};

void objects_init(void)
{
    list_init(&message_armed);
}

/* --- The table ----------------------------------------------------------------------------------
 */

static int object_table_grow(void)
{
    uint32_t capacity = object_capacity ? 2 * object_capacity : OBJECTS_FIRST;
    struct object_slot *table = kzalloc(capacity * sizeof(*table));
    if (table == NULL)
        return -ENOMEM;
    if (object_capacity)
        memcpy(table, object_table, object_capacity * sizeof(*table));
    kfree(object_table);
    object_table = table;
    object_capacity = capacity;
    return 0;
}

int object_add(struct message_object *object, enum message_object_kind kind)
{
    uint32_t index = object_lowest_free;
    while (index < object_capacity && object_table[index].object != NULL)
        index++;
    if (index == object_capacity && object_table_grow() != 0)
        return -ENOMEM;
    object_lowest_free = index + 1;
    struct object_slot *slot = &object_table[index];
    slot->object = object;
    object->id = (uint64_t)(slot->used & INT32_MAX) << 32 | (index + 1);
    object->kind = kind;
    object->armed = object->polled = false;
    list_init(&object->armed_link);
    list_init(&object->watches);
    return 0;
}

struct message_object *object_find(uint64_t id)
{
    uint64_t index = (id & UINT32_MAX) - 1;
    struct message_object *object = index < object_capacity ? object_table[index].object : NULL;
    return object != NULL && object->id == id ? object : NULL;
}

struct message_named *object_find_named(uint64_t id, enum message_object_kind kind)
{
    struct message_object *object = object_find(id);
    return object != NULL && object->kind == kind ? LIST_ENTRY(object, struct message_named, object)
                                                  : NULL;
}

struct message_end *object_find_end(uint64_t id)
{
    struct message_object *object = object_find(id);
    return object != NULL && object->kind >= OBJECT_SENDER
               ? LIST_ENTRY(object, struct message_end, object)
               : NULL;
}

/* Wakes all who wait for it, ready or not. */
static void object_wake(struct message_object *object)
{
    message_wakes++;
    for (struct list *node = object->watches.next; node != &object->watches; node = node->next)
        wait_queue_wake(LIST_ENTRY(node, struct message_watch, link)->queue, UINT32_MAX);
    if (object->polled) {
        object->polled = false;
        file_notify();
    }
}

static void object_disarm(struct message_object *object)
{
    if (!object->armed)
        return;
    object->armed = false;
    list_remove(&object->armed_link);
    if (object->kind == OBJECT_READER) {
        shm_port_disarm(&LIST_ENTRY(object, struct message_end, object)->own->port);
    } else if (object->kind == OBJECT_SENDER) {
        shm_port_disarm_sender(&LIST_ENTRY(object, struct message_end, object)->own->port);
    } else if (object->kind == OBJECT_GATE) {
        struct message_named *named = LIST_ENTRY(object, struct message_named, object);
        struct shm_gate *gate = (struct shm_gate *)host_extent_bytes(named->offset);
        uint32_t before = atomic_load_explicit(&gate->armed, memory_order_relaxed);
        atomic_store_explicit(&gate->armed, before + before % 2, memory_order_relaxed);
    }
}

void object_remove(struct message_object *object)
{
    uint64_t index = (object->id & UINT32_MAX) - 1;
    object_disarm(object);
    object_wake(object);
    while (!list_empty(&object->watches)) {
        struct message_watch *watch = LIST_ENTRY(object->watches.next, struct message_watch, link);
        list_remove(&watch->link);
        watch->object = NULL;
    }
    object_table[index].object = NULL;
    object_table[index].used++;
    if (index < object_lowest_free)
        object_lowest_free = (uint32_t)index;
}

/* --- Ready? -------------------------------------------------------------------------------------
 */

enum message_readiness object_ready(const struct message_object *object)
{
    switch (object->kind) {
    case OBJECT_PORT:
        return list_empty(&LIST_ENTRY(object, struct message_named, object)->accepted) ? NOT_READY
                                                                                       : READY;
    case OBJECT_GATE:
        return gate_ready(LIST_ENTRY(object, struct message_named, object));
    case OBJECT_SENDER:
    case OBJECT_READER:
        return channel_ready(LIST_ENTRY(object, struct message_end, object));
    default:
        return READY_BROKEN; /* nothing that one could wait for */
    }
}

uint32_t message_doorbell_core(void)
{
    return core_self()->apic_id;
}

static void look_again(struct timer *timer)
{
    (void)timer;
    uint64_t saved = spin_lock_irq(&host_lock), before = message_wakes;
    look_timer_set = false;
    spin_unlock_irq(&host_lock, saved);
    message_look_at_all();
    saved = spin_lock_irq(&host_lock);
    if (message_wakes != before) /* a doorbell has been lost indeed */
        look_interval = LOOK_FIRST_NS;
    else if (look_interval < LOOK_LAST_NS)
        look_interval *= 2;
    if ((message_sleepers != 0 || !list_empty(&message_armed)) && !look_timer_set) {
        look_timer_set = true;
        timer_set(&look_timer, platform_monotonic_ns() + look_interval, look_again);
    }
    spin_unlock_irq(&host_lock, saved);
}

/* Sets the timer that makes up for lost doorbells, if it is not set. */
static void look_later(void)
{
    if (look_timer_set)
        return;
    look_timer_set = true;
    look_interval = LOOK_FIRST_NS;
    timer_set(&look_timer, platform_monotonic_ns() + look_interval, look_again);
}

void object_arm(struct message_object *object)
{
    uint32_t core = message_doorbell_core();
    if (object->kind == OBJECT_READER) {
        shm_port_arm(&LIST_ENTRY(object, struct message_end, object)->own->port, core);
    } else if (object->kind == OBJECT_SENDER) {
        shm_port_arm_sender(&LIST_ENTRY(object, struct message_end, object)->own->port, core);
    } else if (object->kind == OBJECT_GATE) {
        struct message_named *named = LIST_ENTRY(object, struct message_named, object);
        struct shm_gate *gate = (struct shm_gate *)host_extent_bytes(named->offset);
        uint32_t before = atomic_load_explicit(&gate->armed, memory_order_relaxed);
        atomic_store_explicit(&gate->core, core, memory_order_relaxed);
        atomic_store_explicit(&gate->armed, (before + 2) | 1, memory_order_relaxed);
    }
    if (!object->armed) {
        object->armed = true;
        list_append(&message_armed, &object->armed_link);
    }
    look_later();
}

enum message_readiness object_settle(const struct message_object *object)
{
    enum message_readiness ready = object_ready(object);
    for (int looks = 1; ready == NOT_READY && looks < SHM_SETTLE_LOOKS; looks++) {
        cpu_pause();
        ready = object_ready(object);
    }
    return ready;
}

void object_look(struct message_object *object)
{
    if (!object->armed || object_ready(object) == NOT_READY)
        return;
    object_disarm(object);
    object_wake(object);
}

void objects_look(void)
{
    for (struct list *node = message_armed.next, *next; node != &message_armed; node = next) {
        next = node->next;
        object_look(LIST_ENTRY(node, struct message_object, armed_link));
    }
}

/* --- Sleeping -----------------------------------------------------------------------------------
 */

bool message_deadline_passed(uint64_t deadline)
{
    return deadline != 0 && (deadline == ATOLL_DEADLINE_NOW || platform_monotonic_ns() >= deadline);
}

int message_sleep(struct wait_queue *queue, uint64_t *saved, uint64_t deadline)
{
    look_later();
    message_sleepers++;
    int result = wait_queue_wait(queue, &host_lock, saved, deadline, true);
    message_sleepers--;
    return result;
}

/* How many are ready; each item says. */
static int64_t items_ready(struct atoll_call_wait *items, uint64_t count,
                           const struct message_watch *watches)
{
    int64_t ready = 0;
    for (uint64_t i = 0; i < count; i++) {
        items[i].ready = watches[i].object ? object_ready(watches[i].object) : READY_BROKEN;
        ready += items[i].ready != NOT_READY;
    }
    return ready;
}

/* As items_ready, with the patience of object_settle. */
static int64_t items_settle(struct atoll_call_wait *items, uint64_t count,
                            const struct message_watch *watches)
{
    int64_t ready = items_ready(items, count, watches);
    for (int looks = 1; ready == 0 && looks < SHM_SETTLE_LOOKS; looks++) {
        cpu_pause();
        ready = items_ready(items, count, watches);
    }
    return ready;
}

int64_t objects_wait(struct atoll_call_wait *items, uint64_t count, uint64_t deadline)
{
    struct message_watch small[WATCHES_ON_STACK], *watches = small;
    struct wait_queue queue;
    if (count > WATCHES_ON_STACK && (watches = kmalloc(count * sizeof(*watches))) == NULL)
        return -ENOMEM;
    wait_queue_init(&queue);
    uint64_t saved = spin_lock_irq(&host_lock);
    for (uint64_t i = 0; i < count; i++) {
        watches[i] = (struct message_watch){.object = object_find(items[i].id), .queue = &queue};
        list_init(&watches[i].link);
        if (watches[i].object != NULL)
            list_append(&watches[i].object->watches, &watches[i].link);
    }
    int error = 0;
    int64_t ready = items_ready(items, count, watches);
    while (ready == 0 && error == 0 && !message_deadline_passed(deadline)) {
        for (uint64_t i = 0; i < count; i++)
            if (watches[i].object != NULL)
                object_arm(watches[i].object);
        shm_fence();
        ready = items_settle(items, count, watches);
        if (ready != 0)
            break;
        error = message_sleep(&queue, &saved, deadline);
        ready = items_ready(items, count, watches);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct message_object *object = watches[i].object;
        list_remove(&watches[i].link);
        if (object != NULL && list_empty(&object->watches) && !object->polled)
            object_disarm(object);
    }
    spin_unlock_irq(&host_lock, saved);
    if (watches != small)
        kfree(watches);
    return ready == 0 && error == -EINTR ? -EINTR : ready;
}
