/* What the file system stands on, for tests: frames from one block of memory, one thread, program
 * memory that is the test's own. */
#include "instance/kernel.h"
#include "instance/fs/console.h"
#include "instance/fs/mapped.h"
#include "instance/fs/vfs.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "tests/unit/fs/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uintptr_t platform_direct_base;
uint64_t frames_left = TEST_FRAMES;
static uint64_t clock_ns = UINT64_C(1000000000000);

void *kmalloc(size_t size)
{
    return malloc(size ? size : 1);
}

void *kzalloc(size_t size)
{
    return calloc(1, size ? size : 1);
}

void kfree(void *pointer)
{
    free(pointer);
}

uint64_t frame_alloc(unsigned order, enum frame_use use)
{
    (void)order;
    (void)use;
    if (frames_left == 0)
        return FRAME_NONE;
    frames_left--;
    void *frame = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    memset(frame, 0xa5, PAGE_SIZE); /* not cleared: whoever needs zeros clears */
    return (uint64_t)(uintptr_t)frame;
}

void frame_free(uint64_t physical, unsigned order, enum frame_use use)
{
    (void)order;
    (void)use;
    frames_left++;
    free((void *)(uintptr_t)physical);
}

void frame_zero(uint64_t physical, unsigned order)
{
    memset((void *)(uintptr_t)physical, 0, PAGE_SIZE << order);
}

void frame_set_mark(uint64_t physical, uint8_t mark)
{
    (void)physical;
    (void)mark;
}

uint64_t frame_bytes_total(void)
{
    return 2 * TEST_FRAMES * PAGE_SIZE;
}

uint64_t frame_bytes_free(void)
{
    return frames_left * PAGE_SIZE;
}

/* Nothing is mapped here. */
int space_forget_pages(bool (*matches)(const struct area_file *file, const void *context),
                       const void *context, uint64_t from, uint64_t to)
{
    (void)matches;
    (void)context;
    (void)from;
    (void)to;
    return 0;
}

const struct file *mapped_open_file(const struct area_file *file)
{
    (void)file;
    return NULL;
}

uint64_t space_available(void)
{
    return frames_left * PAGE_SIZE;
}

/* Page 0 is nobody's. */
int user_read(void *to, uint64_t from, size_t length)
{
    if (from < PAGE_SIZE)
        return -EFAULT;
    memcpy(to, (const void *)(uintptr_t)from, length);
    return 0;
}

int user_write(uint64_t to, const void *from, size_t length)
{
    if (to < PAGE_SIZE)
        return -EFAULT;
    memcpy((void *)(uintptr_t)to, from, length);
    return 0;
}

uint64_t platform_realtime_ns(void)
{
    return clock_ns += 1000000;
}

void platform_relax(void)
{
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

int wait_queue_wait(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                    uint64_t deadline, bool interruptible)
{
    (void)queue;
    (void)lock;
    (void)saved;
    (void)deadline;
    (void)interruptible;
    abort(); /* one thread: whoever waits, waits for ever */
}

unsigned wait_queue_wake(struct wait_queue *queue, unsigned count)
{
    (void)queue;
    (void)count;
    return 0;
}

void host_mounts_find(void)
{
}

struct file *console_file(int stream)
{
    (void)stream;
    return NULL;
}

/* Trees that need a whole kernel. */
struct instance instance;

void host_mounts_init(void)
{
}

struct vfs_mount *pseudo_mount_create(const char *path)
{
    (void)path;
    return NULL;
}

size_t format_to(char *out, size_t capacity, const char *format, ...)
{
    (void)format;
    if (capacity)
        *out = '\0';
    return 0;
}

void kernel_set_up(void)
{
    struct vfs_mount *root = tmpfs_mount_create("/", 0755);
    vfs_mount_add(root, NULL);
}
