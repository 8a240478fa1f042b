/* The table of file descriptors: grows as needed, guarded by one short lock; an open file lives as
 * long as a descriptor or a call in progress refers to it. */
#include "instance/fs/file.h"

#include "instance/fs/console.h"
#include "instance/fs/file_locks.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/sched/wait.h"
#include "instance/spinlock.h"
#include "instance/string.h"

#include <errno.h>

struct file_slot {
    struct file *file; /* NULL: free */
    bool close_on_exec;
};

static struct spinlock file_lock;
static struct file_slot *file_slots;
static int file_capacity;
static uint64_t file_serials; /* given so far */
static int file_end;          /* one more than the highest descriptor in use */
static int file_lowest_free;
static uint64_t file_limit = FILE_DESCRIPTORS_MAX;

/* --- Waiting until a file becomes ready (poll) --------------------------------------------------
 */

/* One queue for all files: few threads poll, and they look again in no time. */
static struct spinlock file_poll_lock;
static struct wait_queue file_poll_queue;
static uint64_t file_poll_count;

void file_notify(void)
{
    uint64_t saved = spin_lock_irq(&file_poll_lock);
    file_poll_count++;
    wait_queue_wake(&file_poll_queue, UINT32_MAX);
    spin_unlock_irq(&file_poll_lock, saved);
}

uint64_t file_notifications(void)
{
    uint64_t saved = spin_lock_irq(&file_poll_lock);
    uint64_t count = file_poll_count;
    spin_unlock_irq(&file_poll_lock, saved);
    return count;
}

int file_wait(uint64_t seen, uint64_t deadline)
{
    int result = 0;
    uint64_t saved = spin_lock_irq(&file_poll_lock);
    while (file_poll_count == seen && result == 0)
        result = wait_queue_wait(&file_poll_queue, &file_poll_lock, &saved, deadline, true);
    spin_unlock_irq(&file_poll_lock, saved);
    return result;
}

/* --- The table ----------------------------------------------------------------------------------
 */

int file_table_init(void)
{
    wait_queue_init(&file_poll_queue);
    for (int stream = 0; stream < 3; stream++) {
        struct file *file = console_file(stream);
        if (file == NULL)
            return -ENOMEM;
        int result = file_install_at(file, stream, false);
        if (result < 0) {
            file_put(file);
            return result;
        }
    }
    return 0;
}

struct file *file_get(int descriptor)
{
    uint64_t saved = spin_lock_irq(&file_lock);
    struct file *file = NULL;
    if (descriptor >= 0 && descriptor < file_end)
        file = file_slots[descriptor].file;
    if (file != NULL)
        atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    spin_unlock_irq(&file_lock, saved);
    return file;
}

void file_put(struct file *file)
{
    if (atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) != 1)
        return;
    file_locks_release(file);
    if (file->operations->release != NULL)
        file->operations->release(file);
    kfree(file);
}

/* Room for descriptors [0, count). Called and returns with the lock held, which it gives up to
 * allocate. Returns 0 or -ENOMEM. */
static int file_table_grow(int count, uint64_t *saved)
{
    while (file_capacity < count) {
        int capacity = file_capacity == 0 ? 64 : file_capacity;
        while (capacity < count)
            capacity *= 2;
        spin_unlock_irq(&file_lock, *saved);
        struct file_slot *slots = kzalloc((size_t)capacity * sizeof(*slots));
        *saved = spin_lock_irq(&file_lock);
        if (slots == NULL)
            return -ENOMEM;
        if (capacity <= file_capacity) { /* another thread was faster */
            kfree(slots);
            continue;
        }
        struct file_slot *old = file_slots;
        if (old != NULL)
            memcpy(slots, old, (size_t)file_capacity * sizeof(*slots));
        file_slots = slots;
        file_capacity = capacity;
        kfree(old);
    }
    return 0;
}

static void file_slot_fill(int descriptor, struct file *file, bool close_on_exec)
{
    if (file->serial == 0)
        file->serial = ++file_serials;
    file_slots[descriptor] = (struct file_slot){file, close_on_exec};
    if (descriptor >= file_end)
        file_end = descriptor + 1;
}

int file_install(struct file *file, int lowest, bool close_on_exec)
{
    uint64_t saved = spin_lock_irq(&file_lock);
    int result = -EINVAL;
    if (lowest < 0 || (uint64_t)lowest >= file_limit)
        goto out;
    for (;;) {
        int descriptor = lowest > file_lowest_free ? lowest : file_lowest_free;
        while (descriptor < file_end && file_slots[descriptor].file != NULL)
            descriptor++;
        result = -EMFILE;
        if ((uint64_t)descriptor >= file_limit)
            goto out;
        if (descriptor < file_capacity) {
            file_slot_fill(descriptor, file, close_on_exec);
            if (lowest <= file_lowest_free)
                file_lowest_free = descriptor + 1;
            result = descriptor;
            goto out;
        }
        result = file_table_grow(descriptor + 1, &saved);
        if (result != 0)
            goto out;
    }
out:
    spin_unlock_irq(&file_lock, saved);
    return result;
}

int file_install_at(struct file *file, int descriptor, bool close_on_exec)
{
    struct file *former = NULL;
    uint64_t saved = spin_lock_irq(&file_lock);
    int result = -EBADF;
    if (descriptor >= 0 && (uint64_t)descriptor < file_limit) {
        result = file_table_grow(descriptor + 1, &saved);
        if (result == 0) {
            former = file_slots[descriptor].file;
            file_slot_fill(descriptor, file, close_on_exec);
            result = descriptor;
        }
    }
    spin_unlock_irq(&file_lock, saved);
    if (former != NULL) {
        file_locks_descriptor_closed(former);
        file_put(former);
    }
    return result;
}

int file_close(int descriptor)
{
    struct file *file = NULL;
    uint64_t saved = spin_lock_irq(&file_lock);
    if (descriptor >= 0 && descriptor < file_end) {
        file = file_slots[descriptor].file;
        file_slots[descriptor] = (struct file_slot){NULL, false};
        if (file != NULL && descriptor < file_lowest_free)
            file_lowest_free = descriptor;
        while (file_end > 0 && file_slots[file_end - 1].file == NULL)
            file_end--;
    }
    spin_unlock_irq(&file_lock, saved);
    if (file == NULL)
        return -EBADF;
    file_locks_descriptor_closed(file);
    file_put(file);
    return 0;
}

int file_close_on_exec(int descriptor)
{
    int result = -EBADF;
    uint64_t saved = spin_lock_irq(&file_lock);
    if (descriptor >= 0 && descriptor < file_end && file_slots[descriptor].file != NULL)
        result = file_slots[descriptor].close_on_exec;
    spin_unlock_irq(&file_lock, saved);
    return result;
}

int file_set_close_on_exec(int descriptor, bool set)
{
    int result = -EBADF;
    uint64_t saved = spin_lock_irq(&file_lock);
    if (descriptor >= 0 && descriptor < file_end && file_slots[descriptor].file != NULL) {
        file_slots[descriptor].close_on_exec = set;
        result = 0;
    }
    spin_unlock_irq(&file_lock, saved);
    return result;
}

int file_descriptor_end(void)
{
    uint64_t saved = spin_lock_irq(&file_lock);
    int end = file_end;
    spin_unlock_irq(&file_lock, saved);
    return end;
}

void file_set_limit(uint64_t limit)
{
    uint64_t saved = spin_lock_irq(&file_lock);
    file_limit = limit < FILE_DESCRIPTORS_MAX ? limit : FILE_DESCRIPTORS_MAX;
    spin_unlock_irq(&file_lock, saved);
}

/* --- Walking through vectors of program memory -------------------------------------------------
 */

#define FILE_BYTES_MAX UINT64_C(0x7ffff000)
#define PROGRAM_PAGE UINT64_C(4096)

uint64_t file_cursor_left(const struct file_cursor *cursor)
{
    uint64_t left = 0;
    for (size_t i = 0; i < cursor->count; i++) {
        uint64_t length = cursor->vectors[i].length - (i == 0 ? cursor->done : 0);
        if (length >= FILE_BYTES_MAX - left)
            return FILE_BYTES_MAX;
        left += length;
    }
    return left;
}

static int file_cursor_copy(struct file_cursor *cursor, uint8_t *to, const uint8_t *from,
                            uint64_t length)
{
    struct file_cursor at = *cursor;
    while (length != 0) {
        uint64_t room = at.vectors->length - at.done;
        uint64_t piece = room < length ? room : length;
        uint64_t address = at.vectors->address + at.done;
        if (to != NULL) {
            if (at.kernel)
                memcpy(to, (const void *)address, piece);
            else if (user_read(to, address, piece) != 0)
                return -EFAULT;
            to += piece;
        } else {
            if (at.kernel)
                memcpy((void *)address, from, piece);
            else if (user_write(address, from, piece) != 0)
                return -EFAULT;
            from += piece;
        }
        length -= piece;
        at.done += piece;
        while (at.count != 0 && at.done == at.vectors->length) {
            at.vectors++;
            at.count--;
            at.done = 0;
        }
    }
    *cursor = at;
    return 0;
}

int file_cursor_read(struct file_cursor *cursor, void *to, uint64_t length)
{
    return file_cursor_copy(cursor, to, NULL, length);
}

int file_cursor_write(struct file_cursor *cursor, const void *from, uint64_t length)
{
    return file_cursor_copy(cursor, NULL, from, length);
}

/* What the whole could not do, page by page. */
static int64_t file_cursor_most(struct file_cursor *cursor, uint8_t *to, const uint8_t *from,
                                uint64_t length)
{
    uint64_t done = 0;
    if (file_cursor_copy(cursor, to, from, length) == 0)
        return (int64_t)length;
    while (done < length) {
        uint64_t left = cursor->vectors->length - cursor->done;
        uint64_t piece =
            PROGRAM_PAGE - ((cursor->vectors->address + cursor->done) & (PROGRAM_PAGE - 1));
        if (piece > left)
            piece = left;
        if (piece > length - done)
            piece = length - done;
        if (file_cursor_copy(cursor, to != NULL ? to + done : NULL,
                             from != NULL ? from + done : NULL, piece) != 0)
            break;
        done += piece;
    }
    return done != 0 ? (int64_t)done : -EFAULT;
}

int64_t file_cursor_read_most(struct file_cursor *cursor, void *to, uint64_t length)
{
    return file_cursor_most(cursor, to, NULL, length);
}

int64_t file_cursor_write_most(struct file_cursor *cursor, const void *from, uint64_t length)
{
    return file_cursor_most(cursor, NULL, from, length);
}

void file_cursor_skip(struct file_cursor *cursor, uint64_t length)
{
    while (length != 0) {
        uint64_t room = cursor->vectors->length - cursor->done;
        uint64_t piece = room < length ? room : length;
        length -= piece;
        cursor->done += piece;
        while (cursor->count != 0 && cursor->done == cursor->vectors->length) {
            cursor->vectors++;
            cursor->count--;
            cursor->done = 0;
        }
    }
}
