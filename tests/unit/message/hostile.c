/* The kernel's side of messages against a peer that sends and writes anything: random control
 * messages of known kinds, random words in its section, states that come and go; beside a program
 * that makes and unmakes things at random. Nothing crashes, nothing hangs, nothing is read outside
 * the lagoon; and once the peer has ended and the program has closed everything, all memory of the
 * own section has come back. */
#include "instance/core.h"
#include "instance/fs/file.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/message/private.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/sched/timer.h"
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#define PEERS 4 /* the proxy, this kernel, the hostile one, the loader */
#define SELF 1
#define OTHER 2
#define KNOWN_MAX 64

/* --- What the rest of the kernel would give ------------------------------------------------------
 */

struct instance instance;
struct spinlock host_lock;
struct ipi_endpoint host_endpoint;
struct core *cores;
uint32_t core_count = 1;
enum machine_log log_level;
static struct core only_core;
_Thread_local struct core *unit_test_core = &only_core;
static struct handover handover = {.generation = 1};
static uint64_t doorbells;

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
void log_write(enum machine_log level, const char *format, ...)
{
    (void)level;
    (void)format;
}
void file_notify(void)
{
}
void host_wake(void)
{
}
uint64_t host_extent_alloc(uint64_t length)
{
    return shm_heap_alloc(host_endpoint.heap, length, SHM_LINE);
}
void host_extent_free(uint64_t extent)
{
    cr_assert_eq(shm_heap_free(host_endpoint.heap, extent), 0, "not an extent of ours");
}
uint8_t *host_extent_bytes(uint64_t extent)
{
    return (uint8_t *)instance.section + extent;
}
void platform_doorbell_ring(void *context, uint32_t peer, uint32_t core)
{
    (void)context;
    (void)core;
    doorbells += peer == OTHER;
}
uint64_t platform_monotonic_ns(void)
{
    return 1000;
}
void platform_relax(void)
{
}
void timer_set(struct timer *timer, uint64_t deadline, timer_function_t function)
{
    (void)timer;
    (void)deadline;
    (void)function;
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
    return -EINTR; /* nobody sleeps here */
}
unsigned wait_queue_wake(struct wait_queue *queue, unsigned count)
{
    (void)queue;
    (void)count;
    return 0;
}

static uint64_t frames_free = 16 << 20;
uint64_t frame_bytes_free(void)
{
    return frames_free;
}
int platform_peer_map(uintptr_t virtual, uint64_t physical, uint64_t length)
{
    (void)virtual, (void)physical, (void)length;
    return 0;
}
int space_share(uint64_t address, uint64_t length, struct space_extent *found, size_t capacity,
                size_t *count, uint64_t *covered, uint64_t *told)
{
    (void)address, (void)length, (void)found, (void)capacity, (void)count, (void)covered,
        (void)told;
    return -EFAULT;
}

/* --- The world -----------------------------------------------------------------------------------
 */

static struct test_lagoon lagoon;
static struct ipi_endpoint hostile;
static struct ipi_link own_links[PEERS], hostile_links[PEERS];
static void *heaps[PEERS];

static struct shm_heap *heap_of(const struct shm_section *section, uint32_t peer)
{
    free(heaps[peer]);
    heaps[peer] = aligned_alloc(16, (shm_heap_overhead(section->heap_size) + 15) & ~UINT64_C(15));
    return shm_heap_init(heaps[peer], section->heap_offset, section->heap_size);
}

static void other_start(uint64_t generation)
{
    struct shm_view view;
    struct shm_section *section = lagoon_start(&lagoon, OTHER, generation);
    cr_assert_eq(shm_view_open(&view, lagoon.base, lagoon.size, OTHER, NULL), 0);
    memset(hostile_links, 0, sizeof(hostile_links));
    ipi_endpoint_init(&hostile, &view, section, heap_of(section, OTHER), hostile_links,
                      platform_doorbell_ring, NULL, 0);
    atomic_store(&section->state, SHM_STATE_RUNNING);
}

/* The other has ended, and says so as its kernel, or the proxy for it, would. */
static void other_is_over(enum shm_state how)
{
    struct shm_section *section = (struct shm_section *)(lagoon.base + OTHER * lagoon.section_size);
    atomic_store(&section->state, how);
    atomic_fetch_add(&hostile.ports[OTHER].SHM_PORT_NEWS, 1);
    message_doorbell();
}

static void world_start(void)
{
    cores = &only_core;
    lagoon_make(&lagoon, PEERS, 256 << 10);
    for (uint32_t peer = 0; peer < PEERS; peer++)
        lagoon_start(&lagoon, peer, 1);
    instance.handover = &handover;
    instance.lagoon = lagoon.base;
    cr_assert_eq(shm_view_open(&instance.view, lagoon.base, lagoon.size, SELF, NULL), 0);
    instance.section = (struct shm_section *)(lagoon.base + SELF * lagoon.section_size);
    memset(own_links, 0, sizeof(own_links));
    ipi_endpoint_init(&host_endpoint, &instance.view, instance.section,
                      heap_of(instance.section, SELF), own_links, platform_doorbell_ring, NULL, 0);
    other_start(1);
    cr_assert_eq(message_init(), 0);
}

/* --- What the two sides do at random -------------------------------------------------------------
 */

static uint64_t known[KNOWN_MAX]; /* ids that the program has */
static size_t known_count;
static uint64_t extents[KNOWN_MAX];
static size_t extent_count;
static uint64_t tags[KNOWN_MAX]; /* of operations on counters that are under way */
static size_t tag_count;
static unsigned accepted;

static void know(uint64_t id)
{
    if (known_count < KNOWN_MAX)
        known[known_count++] = id;
    else
        cr_assert_fail("more things than the test can remember");
}

static uint64_t any_id(uint64_t *state)
{
    if (known_count != 0 && random_below(state, 4))
        return known[random_below(state, known_count)];
    return random_below(state, 4) ? 1 + random_below(state, 12) : random_bad(state, 1);
}

static void program_acts(uint64_t *state)
{
    struct atoll_call_publish publish = {.kind = 1 + (uint32_t)random_below(state, 4)};
    struct atoll_call_find find = {.kind = 1 + (uint32_t)random_below(state, 4),
                                   .peer = OTHER,
                                   .deadline = ATOLL_DEADLINE_NOW};
    struct atoll_call_channel channel = {.peer = OTHER,
                                         .cells = 16u << random_below(state, 3),
                                         .peer_generation = 1 + random_below(state, 3),
                                         .port = any_id(state),
                                         .deadline = ATOLL_DEADLINE_NOW};
    struct atoll_call_wait wait[3] = {{.id = any_id(state)}, {.id = any_id(state)}};
    struct atoll_call_counter counter = {
        .peer = OTHER, .generation = 1 + random_below(state, 3), .id = any_id(state)};
    int64_t result;
    snprintf(publish.name, sizeof(publish.name), "name-%llu",
             (unsigned long long)random_below(state, 30));
    memcpy(find.name, publish.name, sizeof(find.name));
    switch (random_below(state, 10)) {
    case 0:
        if (known_count < KNOWN_MAX / 2 && directory_publish(&publish) == 0)
            know(publish.id);
        break;
    case 1:
        result = directory_find(&find);
        cr_assert(result == 0 || result == -ENOENT || result == -EPIPE || result == -EINTR,
                  "find: %lld", (long long)result);
        break;
    case 2:
    case 3:
        if (known_count < KNOWN_MAX / 2 && channel_open(&channel) == 0)
            know(channel.id);
        break;
    case 4:
        if (known_count < KNOWN_MAX && channel_accept(any_id(state), &channel) == 0) {
            know(channel.id);
            accepted++;
        }
        break;
    case 5:
        objects_wait(wait, 2, random_below(state, 2) ? ATOLL_DEADLINE_NOW : 0);
        break;
    case 6:
        result = extent_count < KNOWN_MAX ? extent_alloc(1 + random_below(state, 5000), 64, 0) : 0;
        if (result > 0)
            extents[extent_count++] = (uint64_t)result;
        break;
    case 7:
        if (extent_count != 0)
            cr_assert_eq(extent_free(extents[--extent_count]), 0);
        cr_assert_eq(extent_free(random_bad(state, 64) | 1), -ENOENT);
        break;
    case 8:
        if (tag_count < KNOWN_MAX && counter_change(&counter) == -EINTR)
            tags[tag_count++] = counter.tag; /* it is under way: to be fetched later */
        break;
    default:
        if (known_count != 0) {
            size_t at = random_below(state, known_count);
            struct message_object *object = object_find(known[at]);
            cr_assert_not_null(object);
            if (object->kind >= OBJECT_SENDER)
                channel_close(LIST_ENTRY(object, struct message_end, object));
            else
                directory_withdraw(LIST_ENTRY(object, struct message_named, object));
            known[at] = known[--known_count];
        }
    }
}

/* A channel as an honest kernel would open it, to a port that there may be. */
static void other_opens(uint64_t *state)
{
    uint64_t record = shm_heap_alloc(hostile.heap, sizeof(struct shm_channel), 64);
    uint64_t cells = shm_heap_alloc(hostile.heap, 16 * sizeof(struct shm_cell), 64);
    uint8_t *section = lagoon.base + OTHER * lagoon.section_size;
    struct shm_ring_writer writer;
    if (record == 0 || cells == 0)
        return;
    struct shm_channel *channel = (struct shm_channel *)(section + record);
    memset(channel, 0, sizeof(*channel));
    shm_ring_writer_create(&writer, &channel->port, section + cells, cells, 16,
                           1 + random_below(state, 1000));
    struct control_channel_open message = {1 + random_below(state, 20), any_id(state), record};
    struct shm_piece piece = {&message, sizeof(message)};
    ipi_send(&hostile, SELF, CONTROL_CHANNEL_OPEN, &piece, 1);
}

static void other_sends(uint64_t *state)
{
    if (random_below(state, 4) == 0) {
        other_opens(state);
        return;
    }
    uint64_t words[8];
    uint16_t kind = (uint16_t)(14 + random_below(state, 9));
    for (int i = 0; i < 8; i++)
        words[i] = random_below(state, 3) == 0 ? random_below(state, lagoon.section_size / 64) * 64
                                               : any_id(state);
    struct shm_piece piece = {words, random_below(state, 8) ? 40 : random_below(state, 64)};
    ipi_send(&hostile, SELF, kind, &piece, 1);
    if (random_below(state, 30) == 0) { /* reads, so that the other way does not stay full */
        uint8_t buffer[8192];
        size_t length;
        while (ipi_receive(&hostile, SELF, &kind, buffer, sizeof(buffer), &length) == 1)
            ;
    }
}

/* Also where its records and tables would be: mostly in what is in use. */
static void other_spoils(uint64_t *state)
{
    uint8_t *section = lagoon.base + OTHER * lagoon.section_size;
    uint64_t heap = ((struct shm_section *)section)->heap_offset;
    uint64_t at = random_below(state, 3) == 0 ? random_below(state, sizeof(struct shm_section))
                  : random_below(state, 2)    ? heap % lagoon.section_size
                                              : random_below(state, lagoon.section_size);
    at = (at + random_below(state, 40000)) % lagoon.section_size & ~UINT64_C(7);
    *(volatile uint64_t *)(section + at) = random_bad(state, *(uint64_t *)(section + at));
}

static void other_ends(uint64_t *state, uint64_t *generation)
{
    if (random_below(state, 2))
        other_is_over(SHM_STATE_CRASHED);
    else
        other_start(++*generation);
    message_doorbell();
}

static void run(uint64_t seed, bool spoils)
{
    uint64_t state = seed, generation = 1;
    known_count = extent_count = tag_count = 0;
    world_start();
    uint64_t before = shm_heap_available(host_endpoint.heap);
    for (int step = 0; step < 400; step++) {
        switch (random_below(&state, 16)) {
        case 0:
            if (random_below(&state, 20) == 0)
                other_ends(&state, &generation);
            else if (spoils)
                other_spoils(&state);
            break;
        case 1:
        case 2:
            message_doorbell();
            break;
        case 3:
        case 4:
        case 5:
        case 6:
        case 7:
        case 8:
            other_sends(&state);
            break;
        default:
            program_acts(&state);
        }
    }
    /* The end of both: everything comes back, but the control ring and a grown directory. */
    other_start(++generation);
    other_is_over(SHM_STATE_EXITED);
    while (known_count != 0) {
        struct message_object *object = object_find(known[--known_count]);
        cr_assert_not_null(object);
        if (object->kind >= OBJECT_SENDER)
            channel_close(LIST_ENTRY(object, struct message_end, object));
        else
            directory_withdraw(LIST_ENTRY(object, struct message_named, object));
    }
    while (extent_count != 0)
        cr_assert_eq(extent_free(extents[--extent_count]), 0);
    while (tag_count != 0) {
        struct atoll_call_counter counter = {.tag = tags[--tag_count]};
        int64_t result = counter_change(&counter);
        cr_assert(result == 0 || result == -EPIPE || result == -ENOENT || result == -EINVAL, "%lld",
                  (long long)result);
    }
    uint64_t grown = (16 + 32) * sizeof(struct shm_entry) + IPI_RING_CELLS * 64;
    uint64_t after = shm_heap_available(host_endpoint.heap);
    cr_assert(after <= before && before - after <= grown, "%llu bytes are lost (seed %llu)",
              (unsigned long long)(before - after), (unsigned long long)seed);
    free(lagoon.base);
    kfree(message_peers);
}

Test(hostile, any_message_at_any_time, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        run(seed, false);
    cr_expect_gt(accepted, 100); /* it is not all refused */
}

Test(hostile, any_message_and_any_word, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        run(seed * 7919, true);
}

/* --- A peer that wants all the memory ------------------------------------------------------------
 */

static uint64_t publish_port(void)
{
    struct atoll_call_publish publish = {.kind = SHM_ENTRY_PORT, .name = "port"};
    cr_assert_eq(directory_publish(&publish), 0);
    return publish.id;
}

/* The other opens one and the same channel again and again, and takes the answers or not. Returns
 * how many of those it has taken are yes. */
static unsigned open_often(uint64_t port, unsigned times, bool reads)
{
    uint64_t record = shm_heap_alloc(hostile.heap, sizeof(struct shm_channel), 64);
    uint64_t cells = shm_heap_alloc(hostile.heap, 16 * sizeof(struct shm_cell), 64);
    uint8_t *section = lagoon.base + OTHER * lagoon.section_size;
    struct shm_ring_writer writer;
    struct shm_channel *channel = (struct shm_channel *)(section + record);
    unsigned yes = 0;
    memset(channel, 0, sizeof(*channel));
    shm_ring_writer_create(&writer, &channel->port, section + cells, cells, 16, 77);
    for (unsigned i = 0; i < times; i++) {
        struct control_channel_open message = {1 + i, port, record};
        struct shm_piece piece = {&message, sizeof(message)};
        uint8_t buffer[8192];
        uint16_t kind;
        size_t length;
        while (ipi_send(&hostile, SELF, CONTROL_CHANNEL_OPEN, &piece, 1) == -EAGAIN)
            message_doorbell();
        message_doorbell();
        while (reads && ipi_receive(&hostile, SELF, &kind, buffer, sizeof(buffer), &length) == 1)
            yes += kind == CONTROL_CHANNEL_ACCEPT;
    }
    return yes;
}

Test(quota, ends_that_a_peer_opens)
{
    world_start();
    uint64_t port = publish_port();
    uint64_t before = shm_heap_available(host_endpoint.heap);
    unsigned yes = open_often(port, 5000, true);
    uint64_t taken = before - shm_heap_available(host_endpoint.heap);
    cr_expect_gt(yes, 20);
    cr_expect_eq(message_peers[OTHER].kept.section, yes * sizeof(struct shm_channel));
    cr_expect_leq(message_peers[OTHER].kept.section, before / 16);
    cr_expect_leq(taken, before / 16 + IPI_RING_CELLS * 64);
    /* What the program takes and closes, and the peer as well, is the peer's to have again. */
    struct atoll_call_channel channel;
    cr_assert_eq(channel_accept(port, &channel), 0);
    struct message_end *end = object_find_end(channel.id);
    channel_close(end);
    struct control_channel_close message = {channel.id};
    struct shm_piece piece = {&message, sizeof(message)};
    cr_assert_eq(ipi_send(&hostile, SELF, CONTROL_CHANNEL_CLOSE, &piece, 1), 0);
    message_doorbell();
    cr_expect_eq(open_often(port, 10, true), 1);
    /* All of it when the peer has gone. */
    other_is_over(SHM_STATE_EXITED);
    while (channel_accept(port, &channel) == 0)
        channel_close(object_find_end(channel.id));
    cr_expect_eq(message_peers[OTHER].kept.section, 0);
    cr_expect_eq(message_peers[OTHER].kept.kernel, 0);
}

Test(quota, kernel_memory_is_short)
{
    world_start();
    frames_free = 64 * 10 * sizeof(struct message_end);
    cr_expect_eq(open_often(publish_port(), 100, true), 10);
}

Test(quota, answers_that_a_peer_does_not_take)
{
    world_start();
    uint64_t port = publish_port();
    open_often(port + 1, 100000, false); /* all are refused, and nobody hears */
    cr_expect_gt(message_peers[OTHER].kept.kernel, 10000);
    cr_expect_leq(message_peers[OTHER].kept.kernel, frames_free / 64);
    other_is_over(SHM_STATE_CRASHED);
    cr_expect_eq(message_peers[OTHER].kept.kernel, 0);
}

/* The other never says that it is done with the channels that this one has given up. */
Test(quota, closed_channels_that_a_peer_does_not_let_go)
{
    world_start();
    uint64_t before = shm_heap_available(host_endpoint.heap);
    struct atoll_call_channel call = {.peer = OTHER,
                                      .cells = 64,
                                      .peer_generation = 1,
                                      .port = 1,
                                      .deadline = ATOLL_DEADLINE_NOW};
    int64_t result;
    unsigned count = 0;
    while ((result = channel_open(&call)) == -ETIMEDOUT && count < 10000)
        count++;
    cr_expect_eq(result, -ENOMEM);
    cr_expect_gt(count, 10);
    cr_expect_geq(shm_heap_available(host_endpoint.heap), before / 5);
    other_is_over(SHM_STATE_EXITED);
    cr_expect_eq(message_peers[OTHER].lingering, 0);
}

/* --- Who is rung looks at those who have news ----------------------------------------------------
 */

Test(news, nothing_is_missed_and_nothing_looked_at_for_nothing)
{
    world_start();
    uint64_t port = publish_port();
    struct shm_section *section = (struct shm_section *)(lagoon.base + OTHER * lagoon.section_size);
    message_doorbell();
    uint64_t seen = message_peers[OTHER].seen;
    cr_expect_eq(open_often(port, 1, true), 1); /* found by its news */
    cr_expect_gt(message_peers[OTHER].seen, seen);

    /* An end without news is seen by the timer alone. */
    atomic_store(&section->state, SHM_STATE_CRASHED);
    message_doorbell();
    cr_expect_not(message_peers[OTHER].over);
    message_look_at_all();
    cr_expect(message_peers[OTHER].over);

    /* The proxy's verdict makes all look. */
    world_start();
    message_doorbell();
    struct shm_header *header = (struct shm_header *)lagoon.base;
    section = (struct shm_section *)(lagoon.base + OTHER * lagoon.section_size);
    atomic_store(&section->state, SHM_STATE_CRASHED);
    atomic_fetch_add(&header->verdicts_given, 1);
    message_doorbell();
    cr_expect(message_peers[OTHER].over);

    /* So does one of whom nothing sound is known. */
    world_start();
    message_doorbell();
    message_peers[OTHER].news = NULL;
    section = (struct shm_section *)(lagoon.base + OTHER * lagoon.section_size);
    atomic_store(&section->state, SHM_STATE_CRASHED);
    message_doorbell();
    cr_expect(message_peers[OTHER].over);
}
