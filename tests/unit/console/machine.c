/* See machine.h. */
#include "tests/unit/console/machine.h"

#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/sched/wait.h"
#include "instance/syscall/syscall.h"
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>

struct proxy proxy;
struct output outputs[3];
pthread_mutex_t output_mutex = PTHREAD_MUTEX_INITIALIZER;
_Atomic unsigned proxy_releases;
_Atomic bool signal_waits;
_Atomic uint64_t signals_sent;

struct instance instance;
static struct core first_core;
struct core *cores = &first_core;
uint32_t core_count = 1;
_Thread_local struct core *unit_test_core;
enum machine_log log_level = MACHINE_LOG_WARN;

static struct test_lagoon lagoon;
static struct handover handover;
static struct shm_view proxy_view;
static struct ipi_endpoint proxy_endpoint;
static struct ipi_link proxy_links[3];
static struct shm_heap *proxy_heap;
static void *proxy_overhead;
static pthread_mutex_t proxy_mutex = PTHREAD_MUTEX_INITIALIZER; /* the endpoint and heap */
static struct doorbell proxy_bell = DOORBELL_INITIALIZER;
static pthread_t proxy_thread;
static _Atomic bool proxy_stopping, proxy_sleeping, proxy_may_give;
static uint64_t heap_at_start;

/* --- The kernel around it ----------------------------------------------------------------------
 */

void *kmalloc(size_t size)
{
    void *result = NULL;
    return posix_memalign(&result, 64, size) == 0 ? result : NULL;
}

void *kzalloc(size_t size)
{
    void *result = kmalloc(size);
    return result != NULL ? memset(result, 0, size) : NULL;
}

void kfree(void *pointer)
{
    free(pointer);
}

/* Page zero is not the program's; all else is. */
int user_read(void *to, uint64_t from, size_t length)
{
    if (from < 65536 || from > PROGRAM_TOP || length > PROGRAM_TOP - from)
        return -EFAULT;
    memcpy(to, (const void *)(uintptr_t)from, length);
    return 0;
}

int user_write(uint64_t to, const void *from, size_t length)
{
    if (to < 65536 || to > PROGRAM_TOP || length > PROGRAM_TOP - to)
        return -EFAULT;
    memcpy((void *)(uintptr_t)to, from, length);
    return 0;
}

void platform_relax(void)
{
    sched_yield();
}

uint64_t platform_monotonic_ns(void)
{
    return now_ns();
}

void platform_doorbell_ring(void *context, uint32_t peer, uint32_t core)
{
    (void)context;
    (void)core;
    cr_assert_eq(peer, 0);
    doorbell_press(&proxy_bell);
}

int signal_send(int32_t thread, int signal, int code)
{
    (void)thread;
    (void)code;
    atomic_fetch_or(&signals_sent, UINT64_C(1) << (signal - 1));
    return 0;
}

void log_write(enum machine_log level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "kernel log %d: ", level);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void thread_attach(int32_t id)
{
    static _Thread_local struct core core;
    static _Thread_local struct thread thread;
    thread.id = id;
    core.current = &thread;
    unit_test_core = &core;
}

/* All waits wake at each change: callers look at their conditions again. */
static pthread_mutex_t wait_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wait_condition = PTHREAD_COND_INITIALIZER;
static uint64_t wait_changes;

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

int wait_queue_wait(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                    uint64_t deadline, bool interruptible)
{
    (void)queue;
    int result = 0;
    pthread_mutex_lock(&wait_mutex);
    uint64_t seen = wait_changes;
    pthread_mutex_unlock(&wait_mutex);
    spin_unlock_irq(lock, *saved);
    pthread_mutex_lock(&wait_mutex);
    uint64_t limit = now_ns() + UINT64_C(20000000000);
    while (wait_changes == seen && result == 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 2000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&wait_condition, &wait_mutex, &until);
        if (interruptible && atomic_load(&signal_waits))
            result = -EINTR;
        else if (deadline != 0 && now_ns() >= deadline)
            result = -ETIMEDOUT;
        cr_assert(now_ns() < limit, "a wake-up was lost");
    }
    pthread_mutex_unlock(&wait_mutex);
    *saved = spin_lock_irq(lock);
    return result;
}

/* No test kills. */
int wait_queue_wait_killable(struct wait_queue *queue, struct spinlock *lock, uint64_t *saved,
                             uint64_t deadline)
{
    return wait_queue_wait(queue, lock, saved, deadline, false);
}

unsigned wait_queue_wake(struct wait_queue *queue, unsigned count)
{
    (void)queue;
    (void)count;
    pthread_mutex_lock(&wait_mutex);
    wait_changes++;
    pthread_cond_broadcast(&wait_condition);
    pthread_mutex_unlock(&wait_mutex);
    return 1;
}

/* --- The proxy ---------------------------------------------------------------------------------
 */

/* The instance's doorbell: its message interrupt, on this thread. */
static _Thread_local bool proxy_must_interrupt;

static void instance_bell(void *context, uint32_t peer, uint32_t core)
{
    (void)context;
    (void)core;
    cr_assert_eq(peer, 1);
    proxy_must_interrupt = true;
}

void proxy_send(uint16_t kind, const void *payload, size_t length)
{
    struct shm_piece piece = {payload, length};
    int error;
    pthread_mutex_lock(&proxy_mutex);
    while ((error = ipi_send(&proxy_endpoint, 1, kind, &piece, 1)) == -EAGAIN) {
        pthread_mutex_unlock(&proxy_mutex);
        console_doorbell();
        pthread_mutex_lock(&proxy_mutex);
    }
    pthread_mutex_unlock(&proxy_mutex);
    cr_assert_eq(error, 0);
    if (proxy_must_interrupt) {
        proxy_must_interrupt = false;
        console_doorbell();
    }
}

static void output_append(struct output *output, const void *bytes, size_t length)
{
    pthread_mutex_lock(&output_mutex);
    if (output->length + length > output->capacity) {
        output->capacity = (output->length + length) * 2;
        output->bytes = realloc(output->bytes, output->capacity);
    }
    memcpy(output->bytes + output->length, bytes, length);
    output->length += length;
    pthread_mutex_unlock(&output_mutex);
}

#define HELD_MAX 64
static struct io_done held[HELD_MAX];
static unsigned held_count;

static void give_answers(unsigned keep)
{
    static uint64_t seed = 5;
    while (held_count > keep) {
        unsigned at = (unsigned)random_below(&seed, held_count);
        struct io_done done = held[at];
        held[at] = held[--held_count];
        proxy_send(IO_DONE, &done, sizeof(done));
    }
}

static void take_write(const uint8_t *message, size_t length)
{
    struct io_write header;
    cr_assert(length >= sizeof(header));
    memcpy(&header, message, sizeof(header));
    cr_assert(header.fd == 1 || header.fd == 2);
    cr_assert(header.length > 0);
    struct output *output = &outputs[header.fd];
    output->messages++;
    const void *bytes = message + sizeof(header);
    if (header.extent != 0) {
        cr_assert(header.tag != 0);
        cr_assert_eq(length, sizeof(header));
        output->extents++;
        bytes = shm_view_bytes(&proxy_view, 1, header.extent, header.length);
        cr_assert(bytes != NULL);
    } else {
        cr_assert_eq(length, sizeof(header) + header.length);
    }
    size_t fail_after = atomic_load(&proxy.fail_after);
    bool fails = fail_after != 0 && output->length >= fail_after;
    if (!fails)
        output_append(output, bytes, header.length);
    if (header.tag != 0) {
        output->tagged++;
        held[held_count++] =
            (struct io_done){.tag = header.tag, .result = fails ? -EPIPE : (int64_t)header.length};
        cr_assert(held_count < HELD_MAX);
    }
}

/* The one request for input that may be under way. */
static struct io_read wanted;

static void answer_read(void)
{
    uint8_t message[sizeof(struct io_done) + 2048];
    struct io_done done = {.tag = wanted.tag};
    size_t count = proxy.input_length;
    if (count > proxy.input_piece)
        count = proxy.input_piece;
    if (count > wanted.length)
        count = wanted.length;
    size_t length = sizeof(done);
    if (count > 0 && proxy.input_by_extent) {
        pthread_mutex_lock(&proxy_mutex);
        done.extent = shm_heap_alloc(proxy_heap, count, SHM_LINE);
        pthread_mutex_unlock(&proxy_mutex);
        cr_assert(done.extent != 0);
        memcpy(shm_view_own(&proxy_view, done.extent, count), proxy.input, count);
    } else {
        if (count > 2048)
            count = 2048;
        if (count > 0)
            memcpy(message + sizeof(done), proxy.input, count);
        length += count;
    }
    done.result = (int64_t)count;
    memcpy(message, &done, sizeof(done));
    proxy.input += count;
    proxy.input_length -= count;
    wanted.tag = 0;
    proxy_send(IO_DONE, message, length);
}

static void take_message(uint16_t kind, const uint8_t *message, size_t length)
{
    struct io_release release;
    switch (kind) {
    case IO_WRITE:
        take_write(message, length);
        break;
    case IO_READ:
        cr_assert_eq(length, sizeof(wanted));
        cr_assert_eq(wanted.tag, 0, "one request at a time");
        memcpy(&wanted, message, sizeof(wanted));
        break;
    case IO_RELEASE:
        cr_assert_eq(length, sizeof(release));
        memcpy(&release, message, sizeof(release));
        pthread_mutex_lock(&proxy_mutex);
        cr_assert_eq(shm_heap_free(proxy_heap, release.extent), 0);
        pthread_mutex_unlock(&proxy_mutex);
        atomic_fetch_add(&proxy_releases, 1);
        break;
    default:
        break;
    }
}

static void *proxy_main(void *unused)
{
    uint8_t *message = malloc(ipi_message_max());
    (void)unused;
    thread_attach(100);
    while (!atomic_load(&proxy_stopping)) {
        uint16_t kind;
        size_t length;
        int result = 0;
        if (!atomic_load(&proxy_sleeping)) {
            pthread_mutex_lock(&proxy_mutex);
            result = ipi_receive(&proxy_endpoint, 1, &kind, message, ipi_message_max(), &length);
            pthread_mutex_unlock(&proxy_mutex);
            cr_assert(result >= 0, "the kernel's ring is broken: %d", result);
        }
        if (proxy_must_interrupt) { /* credits */
            proxy_must_interrupt = false;
            console_doorbell();
        }
        if (result == 1) {
            take_message(kind, message, length);
            give_answers(proxy.hold);
            continue;
        }
        give_answers(0);
        if (wanted.tag != 0 && (!proxy.input_waits || atomic_load(&proxy_may_give)))
            answer_read();
        pthread_mutex_lock(&proxy_mutex);
        bool pending = !atomic_load(&proxy_sleeping) && ipi_arm(&proxy_endpoint, 1, 1);
        pthread_mutex_unlock(&proxy_mutex);
        if (!pending && !atomic_load(&proxy_stopping))
            cr_assert(doorbell_wait(&proxy_bell), "nothing happens any more");
    }
    free(message);
    return NULL;
}

void proxy_wake(void)
{
    atomic_store(&proxy_sleeping, false);
    doorbell_press(&proxy_bell);
}

void proxy_give_input(void)
{
    atomic_store(&proxy_may_give, true);
    doorbell_press(&proxy_bell);
}

/* --- Start and stop ----------------------------------------------------------------------------
 */

static uint64_t heap_available(void)
{
    /* One allocation of the whole heap succeeds only if nothing is in use. */
    uint64_t size = instance.section->heap_size;
    while (size > 0) {
        uint64_t extent = host_extent_alloc(size);
        if (extent != 0) {
            host_extent_free(extent);
            return size;
        }
        size -= SHM_LINE;
    }
    return 0;
}

void machine_start(uint64_t heap, uint32_t flags)
{
    thread_attach(1);
    lagoon_make(&lagoon, 3, heap);
    struct shm_section *section0 = lagoon_start(&lagoon, 0, 1);
    instance.section = lagoon_start(&lagoon, 1, 1);
    handover.flags = flags;
    instance.handover = &handover;
    instance.lagoon = lagoon.base;
    cr_assert_eq(shm_view_open(&instance.view, lagoon.base, lagoon.size, 1, NULL), 0);
    cr_assert_eq(shm_view_open(&proxy_view, lagoon.base, lagoon.size, 0, NULL), 0);
    proxy_overhead = kmalloc(shm_heap_overhead(section0->heap_size));
    proxy_heap = shm_heap_init(proxy_overhead, section0->heap_offset, section0->heap_size);
    ipi_endpoint_init(&proxy_endpoint, &proxy_view, section0, proxy_heap, proxy_links,
                      instance_bell, NULL, 0);
    atomic_store(&proxy_sleeping, proxy.asleep);
    cr_assert_eq(console_init(), 0);
    host_announce_state(); /* makes the ring */
    heap_at_start = heap_available();
    pthread_create(&proxy_thread, NULL, proxy_main, NULL);
}

void machine_stop(void)
{
    console_flush(now_ns() + UINT64_C(10000000000));
    atomic_store(&proxy_stopping, true);
    doorbell_press(&proxy_bell);
    pthread_join(proxy_thread, NULL);
    cr_assert_eq(heap_available(), heap_at_start, "bulk memory is lost");
}
