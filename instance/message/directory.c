/* Names: what this instance publishes in its section's directory, and the search for what others
 * have published. Nobody is asked: directories are read where they are. Who has to wait for a name
 * or for a peer's state says so in its own directory (`interest`), and whoever publishes or changes
 * its state rings all who have. */
#include "instance/message/message.h"
#include "instance/message/private.h"

#include "instance/kernel.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "shm/fence.h"

#include <errno.h>

#define ENTRIES_FIRST 16

static struct shm_directory *directory; /* own, in the section's heap */
static struct wait_queue directory_waiters;
static uint32_t directory_waiting;

static struct shm_entry *own_entries(void)
{
    return (struct shm_entry *)host_extent_bytes(
        atomic_load_explicit(&directory->entries_offset, memory_order_relaxed));
}

/* Locked. Moves to a table of `count` entries. */
static int directory_grow(uint64_t count)
{
    uint64_t before = atomic_load_explicit(&directory->entries, memory_order_relaxed);
    uint64_t old = atomic_load_explicit(&directory->entries_offset, memory_order_relaxed);
    uint64_t new = host_extent_alloc(count * sizeof(struct shm_entry));
    if (new == 0)
        return -ENOMEM;
    memset(host_extent_bytes(new), 0, count * sizeof(struct shm_entry));
    if (before != 0)
        memcpy(host_extent_bytes(new), host_extent_bytes(old), before * sizeof(struct shm_entry));
    /* A reader sees the old table with the old count, or the new with the new: it looks at the
     * count before and after the offset. */
    atomic_store_explicit(&directory->entries, 0, memory_order_release);
    shm_fence_release();
    atomic_store_explicit(&directory->entries_offset, new, memory_order_release);
    atomic_store_explicit(&directory->entries, count, memory_order_release);
    if (old != 0)
        host_extent_free(old);
    return 0;
}

int directory_init(void)
{
    wait_queue_init(&directory_waiters);
    uint64_t offset = host_extent_alloc(sizeof(*directory));
    if (offset == 0)
        return -ENOMEM;
    directory = (struct shm_directory *)host_extent_bytes(offset);
    memset(directory, 0, sizeof(*directory));
    int error = directory_grow(ENTRIES_FIRST);
    atomic_store_explicit(&instance.section->directory_offset, offset, memory_order_release);
    return error;
}

void directory_wake(void)
{
    if (directory_waiting != 0)
        wait_queue_wake(&directory_waiters, UINT32_MAX);
}

/* Locked. Sleeps until something may have changed; the caller has said interest and looked again.
 */
static int directory_sleep(uint64_t *saved, uint64_t deadline)
{
    if (message_deadline_passed(deadline))
        return deadline == ATOLL_DEADLINE_NOW ? -ENOENT : -ETIMEDOUT;
    int error = message_sleep(&directory_waiters, saved, deadline);
    return error == -ETIMEDOUT ? 0 : error; /* one last look */
}

/* Locked. From now on until the last who said so is done, changes ring this core. */
static void interest_begin(void)
{
    directory_waiting++;
    uint32_t before = atomic_load_explicit(&directory->interest, memory_order_relaxed);
    atomic_store_explicit(&directory->interest_core, message_doorbell_core(), memory_order_relaxed);
    atomic_store_explicit(&directory->interest, (before + 2) | 1, memory_order_relaxed);
    shm_fence();
}

static void interest_end(void)
{
    if (--directory_waiting != 0)
        return;
    uint32_t before = atomic_load_explicit(&directory->interest, memory_order_relaxed);
    atomic_store_explicit(&directory->interest, before + before % 2, memory_order_relaxed);
}

/* --- Publishing ---------------------------------------------------------------------------------
 */

/* Locked. The own entry of that name and kind, or the first free one (*free). */
static struct shm_entry *own_find(uint32_t kind, const char *name, struct shm_entry **free)
{
    uint64_t count = atomic_load_explicit(&directory->entries, memory_order_relaxed);
    struct shm_entry *entries = own_entries();
    *free = NULL;
    for (uint64_t i = 0; entries != NULL && i < count; i++) {
        bool used = atomic_load_explicit(&entries[i].id, memory_order_relaxed) != 0;
        if (used && entries[i].kind == kind && memcmp(entries[i].name, name, SHM_NAME_MAX) == 0)
            return &entries[i];
        if (!used && *free == NULL)
            *free = &entries[i];
    }
    return NULL;
}

/* Ends behind its NUL in zeroes, so that names compare as a whole; false: too long, or empty. */
static bool name_settle(char *name)
{
    size_t length = 0;
    while (length < SHM_NAME_MAX && name[length] != '\0')
        length++;
    if (length == 0 || length == SHM_NAME_MAX)
        return false;
    memset(name + length, 0, SHM_NAME_MAX - length);
    return true;
}

/* Locked. The lines that a gate or a counter takes. */
static int named_make(struct message_named *named, struct atoll_call_publish *call)
{
    list_init(&named->accepted);
    named->offset = call->offset;
    if (call->kind != SHM_ENTRY_GATE && call->kind != SHM_ENTRY_COUNTER)
        return 0;
    named->offset = host_extent_alloc(sizeof(struct shm_gate));
    if (named->offset == 0)
        return -ENOMEM;
    named->owned = true;
    call->offset = named->offset;
    call->length = sizeof(struct shm_gate);
    memset(host_extent_bytes(named->offset), 0, sizeof(struct shm_gate));
    return 0;
}

static void named_free(struct message_named *named)
{
    if (named->owned)
        host_extent_free(named->offset);
    kfree(named->member);
    kfree(named);
}

int64_t directory_publish(struct atoll_call_publish *call)
{
    if (call->kind < SHM_ENTRY_PORT || call->kind > SHM_ENTRY_WINDOW || !name_settle(call->name) ||
        (call->kind == SHM_ENTRY_WINDOW &&
         shm_view_own(&instance.view, call->offset, call->length) == NULL))
        return -EINVAL;
    struct message_named *named = kzalloc(sizeof(*named));
    if (named == NULL)
        return -ENOMEM;
    uint64_t saved = spin_lock_irq(&host_lock);
    struct shm_entry *entry;
    int64_t result = own_find(call->kind, call->name, &entry) ? -EEXIST : 0;
    if (result == 0 && entry == NULL) {
        uint64_t count = atomic_load_explicit(&directory->entries, memory_order_relaxed);
        result = directory_grow(count != 0 ? 2 * count : ENTRIES_FIRST);
        own_find(call->kind, call->name, &entry);
    }
    if (result == 0 && entry == NULL)
        result = -ENOMEM;
    if (result == 0)
        result = named_make(named, call);
    if (result == 0)
        result = object_add(&named->object, (enum message_object_kind)call->kind);
    if (result != 0) {
        named_free(named);
        spin_unlock_irq(&host_lock, saved);
        return result;
    }
    call->id = named->object.id;
    entry->kind = call->kind;
    entry->offset = call->offset;
    entry->length = call->length;
    memcpy(entry->name, call->name, SHM_NAME_MAX);
    atomic_store_explicit(&entry->id, call->id, memory_order_release);
    directory_wake();
    spin_unlock_irq(&host_lock, saved);
    message_announce_running(); /* rings all who wait for a name */
    return 0;
}

void directory_withdraw(struct message_named *named)
{
    uint64_t count = atomic_load_explicit(&directory->entries, memory_order_relaxed);
    struct shm_entry *entries = own_entries();
    for (uint64_t i = 0; i < count; i++)
        if (atomic_load_explicit(&entries[i].id, memory_order_relaxed) == named->object.id)
            atomic_store_explicit(&entries[i].id, 0, memory_order_release);
    shm_fence_release();
    while (!list_empty(&named->accepted)) {
        struct message_end *end = LIST_ENTRY(named->accepted.next, struct message_end, accepted);
        list_remove(&end->accepted);
        channel_close(end);
    }
    object_remove(&named->object);
    named_free(named);
}

/* --- Searching ----------------------------------------------------------------------------------
 */

/* Copies an entry, if it stays the same meanwhile. */
static bool entry_copy(const struct shm_entry *from, struct shm_entry *to)
{
    uint64_t id = atomic_load_explicit(&from->id, memory_order_acquire);
    if (id == 0)
        return false;
    to->kind = SHM_READ_ONCE(from->kind);
    to->offset = SHM_READ_ONCE(from->offset);
    to->length = SHM_READ_ONCE(from->length);
    memcpy(to->name, from->name, SHM_NAME_MAX);
    shm_fence_acquire();
    atomic_store_explicit(&to->id, id, memory_order_relaxed);
    return atomic_load_explicit(&from->id, memory_order_relaxed) == id;
}

/* Does `peer` publish it? Fills in what the call asks for. */
static bool peer_find(uint32_t peer, struct atoll_call_find *call)
{
    const struct shm_section *section = shm_view_section(&instance.view, peer, NULL);
    if (section == NULL)
        return false;
    uint64_t generation = atomic_load_explicit(&section->generation, memory_order_acquire);
    uint64_t at = atomic_load_explicit(&section->directory_offset, memory_order_acquire);
    const struct shm_directory *other =
        at == 0 || at % SHM_LINE != 0 ? NULL
                                      : shm_view_bytes(&instance.view, peer, at, sizeof(*other));
    if (other == NULL)
        return false;
    uint64_t count = atomic_load_explicit(&other->entries, memory_order_acquire);
    uint64_t offset = atomic_load_explicit(&other->entries_offset, memory_order_acquire);
    if (atomic_load_explicit(&other->entries, memory_order_relaxed) != count ||
        offset % SHM_LINE != 0 ||
        count > SHM_READ_ONCE(instance.view.extents[peer].size) / sizeof(struct shm_entry))
        return false; /* it is growing, and will ring */
    const struct shm_entry *entries =
        shm_view_bytes(&instance.view, peer, offset, count * sizeof(*entries));
    for (uint64_t i = 0; entries != NULL && i < count; i++) {
        struct shm_entry entry;
        if (!entry_copy(&entries[i], &entry) || entry.kind != call->kind ||
            memcmp(entry.name, call->name, SHM_NAME_MAX) != 0 ||
            atomic_load_explicit(&other->entries_offset, memory_order_acquire) != offset ||
            shm_view_bytes(&instance.view, peer, entry.offset, entry.length) == NULL)
            continue;
        call->peer = peer;
        call->generation = generation;
        call->id = atomic_load_explicit(&entry.id, memory_order_relaxed);
        call->offset = entry.offset;
        call->length = entry.length;
        return atomic_load_explicit(&section->generation, memory_order_acquire) == generation;
    }
    return false;
}

static bool state_ended(enum shm_state state)
{
    return state >= SHM_STATE_EXITED && state <= SHM_STATE_STOPPED;
}

/* Locked. 0: found; -EAGAIN: not yet; -EPIPE: nobody is left who could publish it. */
static int find_once(struct atoll_call_find *call, uint32_t wanted)
{
    bool anybody = false;
    for (uint32_t peer = 1; peer <= message_peer_count; peer++) {
        if (wanted != ATOLL_PEER_ANY ? peer != wanted : peer == message_self)
            continue;
        if (state_ended(peer_state(peer)))
            continue;
        anybody = true;
        if (peer_find(peer, call))
            return 0;
    }
    return anybody ? -EAGAIN : -EPIPE;
}

int64_t directory_find(struct atoll_call_find *call)
{
    uint32_t wanted = call->peer;
    if (!name_settle(call->name) ||
        (wanted != ATOLL_PEER_ANY && (wanted == 0 || wanted > message_peer_count)))
        return -EINVAL;
    uint64_t saved = spin_lock_irq(&host_lock);
    int result = find_once(call, wanted);
    if (result == -EAGAIN) {
        int error = 0;
        interest_begin();
        while ((result = find_once(call, wanted)) == -EAGAIN && error == 0)
            error = directory_sleep(&saved, call->deadline);
        interest_end();
        result = result == -EAGAIN ? error : result;
    }
    spin_unlock_irq(&host_lock, saved);
    return result;
}

int64_t directory_peer_wait(uint32_t peer, uint64_t states, uint64_t deadline)
{
    if (peer == 0 || peer > message_peer_count)
        return -EINVAL;
    uint64_t saved = spin_lock_irq(&host_lock);
    int error = 0;
    enum shm_state state;
    interest_begin();
    for (;;) {
        state = peer_state(peer);
        if (states >> state & 1)
            break;
        if (state_ended(state))
            error = -EPIPE;
        if (error != 0)
            break;
        error = directory_sleep(&saved, deadline);
        if (error == -ENOENT)
            error = -ETIMEDOUT;
    }
    interest_end();
    spin_unlock_irq(&host_lock, saved);
    return error != 0 ? error : (int64_t)state;
}
