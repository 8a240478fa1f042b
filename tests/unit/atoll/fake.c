/* See fake.h. */
#include "tests/unit/atoll/fake.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ENDS_MAX 64

struct fake_end_record {
    bool used, sends;
    struct atoll_call_channel call;
    struct shm_channel *own;
    const struct shm_channel *other;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    uint64_t pressed;
};

struct test_lagoon fake_lagoon;
static struct fake_end_record ends[ENDS_MAX];
static struct shm_heap *heaps[FAKE_PEERS];
static void *heap_memory[FAKE_PEERS];
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t rings;
static uint64_t opened; /* index of the reader's end to accept */

uint8_t *fake_section(uint32_t peer)
{
    return fake_lagoon.base + peer * fake_lagoon.section_size;
}

void fake_start(uint64_t heap)
{
    lagoon_make(&fake_lagoon, FAKE_PEERS, heap);
    for (uint32_t peer = 0; peer < FAKE_PEERS; peer++) {
        const struct shm_section *section = lagoon_start(&fake_lagoon, peer, 1);
        heap_memory[peer] =
            aligned_alloc(16, (shm_heap_overhead(section->heap_size) + 15) & ~UINT64_C(15));
        heaps[peer] = shm_heap_init(heap_memory[peer], section->heap_offset, section->heap_size);
    }
    for (int i = 0; i < ENDS_MAX; i++)
        ends[i].mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER,
        ends[i].condition = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    cr_assert_eq(atoll_init(), 0);
    /* The library learns only once where it is; the next test's lagoon is another. */
    cr_assert_eq(
        shm_view_open(&library.view, fake_lagoon.base, fake_lagoon.size, FAKE_SENDER, NULL), 0);
}

void fake_end(void)
{
    for (uint32_t peer = 0; peer < FAKE_PEERS; peer++)
        free(heap_memory[peer]);
    free(fake_lagoon.base);
}

static uint64_t fake_alloc(uint32_t peer, uint64_t length)
{
    pthread_mutex_lock(&heap_lock);
    uint64_t offset = shm_heap_alloc(heaps[peer], length, 64);
    pthread_mutex_unlock(&heap_lock);
    return offset;
}

static int fake_open_call(struct atoll_call_channel *call)
{
    uint64_t bytes = call->cells * sizeof(struct shm_cell);
    uint64_t cells = fake_alloc(FAKE_SENDER, bytes);
    uint64_t records[2] = {fake_alloc(FAKE_SENDER, sizeof(struct shm_channel)),
                           fake_alloc(FAKE_READER, sizeof(struct shm_channel))};
    uint64_t at = 0;
    struct shm_ring_writer writer;
    struct shm_ring_reader reader;
    while (ends[at].used)
        at += 2;
    cr_assert(cells && records[0] && records[1] && at + 1 < ENDS_MAX);
    struct shm_channel *own[2];
    for (int i = 0; i < 2; i++) {
        own[i] = (struct shm_channel *)(fake_section(FAKE_SENDER + (uint32_t)i) + records[i]);
        memset(own[i], 0, sizeof(*own[i]));
    }
    shm_ring_writer_create(&writer, &own[0]->port, fake_section(FAKE_SENDER) + cells, cells,
                           call->cells, ++rings);
    cr_assert_eq(shm_ring_reader_open(&reader, &own[1]->port, &own[0]->port,
                                      fake_section(FAKE_SENDER), fake_lagoon.section_size),
                 0);
    for (uint64_t i = 0; i < 2; i++) {
        struct fake_end_record *end = &ends[at + i];
        end->used = true;
        end->sends = i == 0;
        end->own = own[i];
        end->other = own[1 - i];
        end->call = *call;
        end->call.id = at + i + 1;
        end->call.peer = i == 0 ? FAKE_READER : FAKE_SENDER;
        end->call.peer_generation = 1;
        end->call.own = records[i];
        end->call.other = records[1 - i];
        end->call.cells_offset = cells;
        end->call.ring_generation = rings;
    }
    opened = at + 1;
    *call = ends[at].call;
    return 0;
}

static bool end_ready(const struct fake_end_record *end)
{
    uint64_t position = atomic_load(&end->own->position), mask = end->call.cells - 1;
    if (atomic_load(&end->own->broken) || atomic_load(&end->other->closed))
        return true;
    if (end->sends)
        return (int64_t)(atomic_load(&end->other->port.credit) - position) >= 0 ||
               shm_channel_read(end->other, end->call.ring_generation) >= position ||
               atomic_load(&end->other->port.refused) == end->call.ring_generation;
    const struct shm_cell *cells =
        (const struct shm_cell *)(fake_section(FAKE_SENDER) + end->call.cells_offset);
    return atomic_load(&cells[position & mask].sequence) != (position > mask ? position - mask : 0);
}

/* Wakes all who sleep at an end. */
static void end_wake(struct fake_end_record *end)
{
    pthread_mutex_lock(&end->mutex);
    end->pressed++;
    pthread_cond_broadcast(&end->condition);
    pthread_mutex_unlock(&end->mutex);
}

static int64_t fake_wait(struct atoll_call_wait *item, uint64_t count, uint64_t deadline)
{
    cr_assert_eq(count, 1);
    struct fake_end_record *end = &ends[item->id - 1];
    int error = 0;
    pthread_mutex_lock(&end->mutex);
    while (error == 0) {
        uint64_t before = end->pressed;
        if (end->sends)
            shm_port_arm_sender(&end->own->port, 0);
        else
            shm_port_arm(&end->own->port, 0);
        shm_fence();
        for (int looks = 0; !end_ready(end) && looks < SHM_SETTLE_LOOKS; looks++)
            library_pause();
        if (end_ready(end))
            break;
        uint64_t now = now_ns(), until = now + UINT64_C(10000000000);
        until = deadline != 0 && deadline < until ? deadline : until;
        struct timespec wall;
        clock_gettime(CLOCK_REALTIME, &wall);
        uint64_t at = (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec +
                      (until > now ? until - now : 0);
        wall = (struct timespec){(time_t)(at / 1000000000), (long)(at % 1000000000)};
        while (end->pressed == before && error == 0)
            error = pthread_cond_timedwait(&end->condition, &end->mutex, &wall);
    }
    /* Another thread may have taken meanwhile what this one was woken for: only the time that has
     * run out makes a 0. */
    bool ready = error == 0 || end_ready(end);
    pthread_mutex_unlock(&end->mutex);
    if (!ready && deadline == 0) {
        fprintf(stderr, "a wake-up has been lost\n");
        abort();
    }
    if (!ready)
        return 0;
    item->ready = 1;
    return 1;
}

__attribute__((weak)) int64_t fake_extents(struct atoll_call_extents *call)
{
    (void)call;
    return -EACCES;
}

__attribute__((weak)) int64_t fake_memory(struct atoll_call_memory *call)
{
    (void)call;
    return -EACCES;
}

int64_t library_call(enum atoll_call call, uint64_t first, uint64_t second, uint64_t third)
{
    struct atoll_call_info *info = (struct atoll_call_info *)first;
    struct atoll_call_find *find = (struct atoll_call_find *)first;
    int64_t result;
    switch (call) {
    case ATOLL_CALL_INFO:
        if (fake_lagoon.base == NULL)
            return -ENOSYS;
        *info = (struct atoll_call_info){.version = ATOLL_CALL_VERSION,
                                         .self = FAKE_SENDER,
                                         .peers = FAKE_PEERS - 2,
                                         .cores = 2,
                                         .generation = 1,
                                         .lagoon = (uint64_t)fake_lagoon.base,
                                         .lagoon_size = fake_lagoon.size,
                                         .tsc_hz = 2000000000};
        return 0;
    case ATOLL_CALL_ALLOC:
        result = (int64_t)fake_alloc(FAKE_SENDER, first);
        return result ? result : -ENOMEM;
    case ATOLL_CALL_FREE:
        pthread_mutex_lock(&heap_lock);
        result = shm_heap_free(heaps[FAKE_SENDER], first);
        pthread_mutex_unlock(&heap_lock);
        return result;
    case ATOLL_CALL_FIND:
        find->peer = FAKE_READER;
        find->generation = 1;
        find->id = 1;
        return 0;
    case ATOLL_CALL_OPEN:
        return fake_open_call((struct atoll_call_channel *)first);
    case ATOLL_CALL_ACCEPT:
        *(struct atoll_call_channel *)second = ends[opened].call;
        return 0;
    case ATOLL_CALL_CLOSE:
        atomic_store(&ends[first - 1].own->closed, 1);
        end_wake(&ends[(first - 1) ^ 1]);
        return 0;
    case ATOLL_CALL_WAIT:
        return fake_wait((struct atoll_call_wait *)first, second, third);
    case ATOLL_CALL_RING:
        end_wake(&ends[(first - 1) ^ 1]);
        return 0;
    case ATOLL_CALL_EXTENTS:
        return fake_extents((struct atoll_call_extents *)first);
    case ATOLL_CALL_MEMORY:
        return fake_memory((struct atoll_call_memory *)first);
    default:
        return -ENOSYS;
    }
}

struct pair fake_open(uint32_t cells)
{
    struct atoll_channel_options options = {.cells = cells};
    struct pair pair;
    struct atoll_port port = {.id = 1};
    cr_assert_eq(atoll_channel_open(ATOLL_ANY, "port", &options, 0, &pair.sender), 0);
    /* The other end is made as peer 2 would make it. */
    library.info.self = library.view.self = FAKE_READER;
    cr_assert_eq(atoll_port_accept(&port, &pair.reader, 0), 0);
    library.info.self = library.view.self = FAKE_SENDER;
    pair.sender_id = pair.sender->id;
    pair.reader_id = pair.reader->id;
    return pair;
}

void fake_close(struct pair *pair)
{
    if (pair->sender)
        cr_expect_eq(atoll_channel_close(pair->sender), 0);
    if (pair->reader)
        cr_expect_eq(atoll_channel_close(pair->reader), 0);
    pair->sender = pair->reader = NULL;
    ends[pair->sender_id - 1].used = ends[pair->reader_id - 1].used = false;
}

void fake_break(struct atoll_channel *channel)
{
    atomic_store(&channel->own->broken, EPIPE);
    end_wake(&ends[channel->id - 1]);
}
