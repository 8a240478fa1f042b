/* The fakes: a page table whose entries are taken away by space_forget_pages, as on the machine
 * with a lock of its own, so that a store needs its entry to be there to be written. */
#include "tests/unit/host-pages/machine.h"

#include "instance/fs/host_call.h"
#include "instance/fs/mapped.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 64

struct file machine_file;
uint64_t machine_frames_max = FRAMES;
uintptr_t platform_direct_base;
uint8_t host_bytes[MACHINE_PAGES * PAGE_SIZE];
uint64_t host_size;
_Atomic int host_write_error;
_Atomic unsigned host_writes, machine_errors;
void (*host_before_read)(void);

/* --- Frames ----------------------------------------------------------------------------------- */

static pthread_mutex_t frames_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t frames_used;
static struct {
    _Alignas(PAGE_SIZE) uint8_t bytes[PAGE_SIZE];
} frames[FRAMES];
static bool taken[FRAMES];
static _Atomic uint8_t marks[FRAMES];

static unsigned frame_number(uint64_t physical)
{
    return (unsigned)((physical - (uint64_t)(uintptr_t)frames) / sizeof(frames[0]));
}

uint64_t frame_alloc(unsigned order, enum frame_use use)
{
    uint64_t found = FRAME_NONE;
    (void)order;
    (void)use;
    pthread_mutex_lock(&frames_lock);
    for (unsigned i = 0; i < FRAMES && found == FRAME_NONE && frames_used < machine_frames_max; i++)
        if (!taken[i]) {
            taken[i] = true;
            frames_used++;
            found = (uint64_t)(uintptr_t)&frames[i];
        }
    pthread_mutex_unlock(&frames_lock);
    return found;
}

void frame_free(uint64_t physical, unsigned order, enum frame_use use)
{
    (void)order;
    (void)use;
    pthread_mutex_lock(&frames_lock);
    cr_assert(taken[frame_number(physical)]);
    taken[frame_number(physical)] = false;
    memset((void *)(uintptr_t)physical, 0xa5, PAGE_SIZE);
    frames_used--;
    pthread_mutex_unlock(&frames_lock);
}

void frame_zero(uint64_t physical, unsigned order)
{
    memset((void *)(uintptr_t)physical, 0, PAGE_SIZE << order);
}

void frame_set_mark(uint64_t physical, uint8_t mark)
{
    atomic_store(&marks[frame_number(physical)], mark);
}

uint8_t frame_mark(uint64_t physical)
{
    return atomic_load(&marks[frame_number(physical)]);
}

uint64_t frame_bytes_total(void)
{
    return 2 * FRAMES * PAGE_SIZE;
}

uint64_t frame_bytes_free(void)
{
    return FRAMES * PAGE_SIZE;
}

uint64_t space_available(void)
{
    return FRAMES * PAGE_SIZE;
}

void *kmalloc(size_t size)
{
    return malloc(size);
}

void *kzalloc(size_t size)
{
    return calloc(1, size);
}

void kfree(void *pointer)
{
    free(pointer);
}

/* --- The mapping ------------------------------------------------------------------------------ */

static pthread_rwlock_t entries_lock = PTHREAD_RWLOCK_INITIALIZER; /* read: an access under way */
static struct {
    uint64_t frame;
    bool writable;
} entries[MACHINE_PAGES];

const struct file *mapped_open_file(const struct area_file *file)
{
    (void)file;
    return &machine_file;
}

int space_forget_pages(bool (*matches)(const struct area_file *file, const void *context),
                       const void *context, uint64_t from, uint64_t to)
{
    cr_assert(matches(NULL, context));
    pthread_rwlock_wrlock(&entries_lock);
    for (uint64_t i = 0; i < MACHINE_PAGES; i++)
        if (i * PAGE_SIZE >= from && i * PAGE_SIZE < to)
            entries[i].frame = 0;
    pthread_rwlock_unlock(&entries_lock);
    return 0;
}

static int machine_fault(uint64_t page, bool write)
{
    uint64_t frame;
    int error = host_pages_share(&machine_file, page * PAGE_SIZE, true, write, &frame);
    if (error != 0)
        return error;
    pthread_rwlock_wrlock(&entries_lock);
    host_pages_share(&machine_file, page * PAGE_SIZE, false, write, &frame);
    if (frame != FRAME_NONE) {
        entries[page].writable = write || (entries[page].frame == frame && entries[page].writable);
        entries[page].frame = frame;
    }
    pthread_rwlock_unlock(&entries_lock);
    return 0;
}

static int machine_access(uint64_t offset, uint8_t *value, bool write)
{
    uint64_t page = offset / PAGE_SIZE;
    for (;;) {
        pthread_rwlock_rdlock(&entries_lock);
        uint8_t *frame = (uint8_t *)(uintptr_t)entries[page].frame;
        bool there = frame != NULL && (!write || entries[page].writable);
        if (there && write)
            __atomic_store_n(frame + offset % PAGE_SIZE, *value, __ATOMIC_RELAXED);
        else if (there)
            *value = __atomic_load_n(frame + offset % PAGE_SIZE, __ATOMIC_RELAXED);
        pthread_rwlock_unlock(&entries_lock);
        if (there)
            return 0;
        int error = machine_fault(page, write);
        if (error != 0)
            return error;
    }
}

int machine_store(uint64_t offset, uint8_t value)
{
    return machine_access(offset, &value, true);
}

int machine_load(uint64_t offset, uint8_t *value)
{
    return machine_access(offset, value, false);
}

/* --- The host --------------------------------------------------------------------------------- */

static pthread_mutex_t host_mutex = PTHREAD_MUTEX_INITIALIZER;

int64_t host_read_bytes(const struct file *file, void *to, uint64_t length, uint64_t offset)
{
    (void)file;
    if (host_before_read != NULL)
        host_before_read();
    pthread_mutex_lock(&host_mutex);
    uint64_t there = offset < host_size ? host_size - offset : 0;
    length = length < there ? length : there;
    memcpy(to, host_bytes + (length != 0 ? offset : 0), length);
    pthread_mutex_unlock(&host_mutex);
    return (int64_t)length;
}

int64_t host_write_bytes(const struct file *file, const void *from, uint64_t length,
                         uint64_t *offset, bool append)
{
    (void)file;
    atomic_fetch_add(&host_writes, 1);
    if (atomic_load(&host_write_error) != 0)
        return atomic_load(&host_write_error);
    pthread_mutex_lock(&host_mutex);
    if (append)
        *offset = host_size;
    cr_assert_leq(*offset + length, sizeof(host_bytes));
    memcpy(host_bytes + *offset, from, length);
    if (*offset + length > host_size)
        host_size = *offset + length;
    pthread_mutex_unlock(&host_mutex);
    return (int64_t)length;
}

int host_file_size(const struct file *file, uint64_t *size)
{
    (void)file;
    pthread_mutex_lock(&host_mutex);
    *size = host_size;
    pthread_mutex_unlock(&host_mutex);
    return 0;
}

void host_call_limit(uint64_t deadline)
{
    (void)deadline;
}

void file_put(struct file *file)
{
    cr_assert_gt(atomic_fetch_sub(&file->references, 1), 1);
}

/* --- Locks, the clock, the log ---------------------------------------------------------------- */

static pthread_rwlock_t data_lock = PTHREAD_RWLOCK_INITIALIZER; /* there is one inode */

void file_lock_init(struct file_lock *lock)
{
    (void)lock;
}

void file_lock_read(struct file_lock *lock)
{
    (void)lock;
    pthread_rwlock_rdlock(&data_lock);
}

void file_unlock_read(struct file_lock *lock)
{
    (void)lock;
    pthread_rwlock_unlock(&data_lock);
}

void file_lock_write(struct file_lock *lock)
{
    (void)lock;
    pthread_rwlock_wrlock(&data_lock);
}

bool file_lock_write_until(struct file_lock *lock, uint64_t deadline)
{
    (void)deadline;
    file_lock_write(lock);
    return true;
}

void file_unlock_write(struct file_lock *lock)
{
    file_unlock_read(lock);
}

uint64_t platform_monotonic_ns(void)
{
    return 1;
}

void platform_relax(void)
{
    sched_yield();
}

enum machine_log log_level;

void log_write(enum machine_log level, const char *format, ...)
{
    (void)format;
    if (level == MACHINE_LOG_ERROR)
        atomic_fetch_add(&machine_errors, 1);
}

void machine_set_up(uint64_t size)
{
    host_size = size;
    host_before_read = NULL;
    atomic_store(&host_write_error, 0);
    atomic_store(&host_writes, 0);
    atomic_store(&machine_errors, 0);
    machine_frames_max = FRAMES;
    memset(entries, 0, sizeof(entries));
    memset(host_bytes, 0, sizeof(host_bytes));
    for (uint64_t i = 0; i < size; i++)
        host_bytes[i] = (uint8_t)(i / PAGE_SIZE + i);
    memset(&machine_file, 0, sizeof(machine_file));
    atomic_init(&machine_file.references, 1);
    machine_file.data = host_inode_get(1, 2, true);
}

void machine_tear_down(void)
{
    host_inode_put(machine_file.data);
    cr_assert_eq(frames_used, 0);
    cr_assert_eq(atomic_load(&machine_file.references), 1);
    cr_assert_not(host_pages_pending());
    cr_assert_null(host_inode_get(1, 2, false));
}
