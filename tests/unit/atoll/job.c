/* Translations that the library keeps, against a kernel that moves everything now and then, with
 * many threads that ask; and reading by extents that lie. */
#include "tests/unit/atoll/fake.h"

#include <criterion/criterion.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define PAGES 4096
#define ADDRESS UINT64_C(0x10000000) /* of page 0: nobody touches it */

/* The program's pages: where each lies in the partition, in one generation. Changed as a whole. */
static uint64_t places[PAGES];
static pthread_rwlock_t places_lock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic uint64_t calls;

static _Atomic uint64_t *generation(void)
{
    return &((struct shm_section *)fake_section(FAKE_SENDER))->mapping_generation;
}

/* Another generation: runs of pages at places by chance. */
static void move_all(uint64_t *seed)
{
    pthread_rwlock_wrlock(&places_lock);
    atomic_fetch_add(generation(), 1);
    for (uint64_t page = 0; page < PAGES;) {
        uint64_t run = 1 + random_below(seed, random_below(seed, 3) ? 4 : 200);
        uint64_t place = random_below(seed, 1 << 20);
        for (; run && page < PAGES; run--)
            places[page++] = place++ * PAGE;
    }
    pthread_rwlock_unlock(&places_lock);
}

int64_t fake_extents(struct atoll_call_extents *call)
{
    struct atoll_call_extent *extents = (struct atoll_call_extent *)call->extents;
    uint64_t page = (call->address - ADDRESS) / PAGE, first = page;
    atomic_fetch_add(&calls, 1);
    cr_assert(call->address % PAGE == 0 && call->length % PAGE == 0 && call->length != 0);
    if (call->address < ADDRESS || page >= PAGES)
        return -EFAULT;
    pthread_rwlock_rdlock(&places_lock);
    call->generation = atomic_load(generation());
    call->count = 0;
    for (; page < PAGES && page < first + call->length / PAGE && page < first + 1000; page++) {
        struct atoll_call_extent *last = &extents[call->count - (call->count != 0)];
        if (call->count != 0 && last->offset + last->length == places[page])
            last->length += PAGE;
        else if (call->count == call->capacity)
            break;
        else
            extents[call->count++] = (struct atoll_call_extent){places[page], PAGE};
    }
    call->length = (page - first) * PAGE;
    pthread_rwlock_unlock(&places_lock);
    return 0;
}

static void begin(void)
{
    uint64_t seed = 3;
    fake_start(1 << 20);
    atomic_store(generation(), 1);
    move_all(&seed);
}

/* Nothing is moved meanwhile. */
static void expect_right(uint64_t start, uint64_t length, const struct atoll_extent *extents,
                         size_t count)
{
    uint64_t at = start, end = start + length;
    for (size_t i = 0; i < count; i++) {
        cr_assert_neq(extents[i].length, 0);
        for (uint64_t done = 0; done < extents[i].length;) {
            uint64_t place = places[(at - ADDRESS) / PAGE] + at % PAGE;
            uint64_t part = PAGE - at % PAGE;
            cr_assert_eq(extents[i].offset + done, place);
            part = part < extents[i].length - done ? part : extents[i].length - done;
            done += part;
            at += part;
        }
    }
    cr_assert_eq(at, end);
}

static void ask_once(uint64_t *seed)
{
    struct atoll_extent extents[300];
    uint64_t start = ADDRESS + random_below(seed, PAGES * PAGE - 1), covered;
    uint64_t most = ADDRESS + PAGES * PAGE - start;
    uint64_t length = 1 + random_below(seed, random_below(seed, 20) ? 20000 : most);
    length = length < most ? length : most;
    size_t capacity = 1 + random_below(seed, 300);
    pthread_rwlock_rdlock(&places_lock);
    ssize_t count = atoll_extents((const void *)start, length, extents, capacity, &covered);
    cr_assert(count > 0 && (size_t)count <= capacity);
    cr_assert(covered == length || (covered < length && (size_t)count == capacity));
    expect_right(start, covered, extents, (size_t)count);
    pthread_rwlock_unlock(&places_lock);
}

Test(job, extents_are_right_in_every_generation, .timeout = 60)
{
    uint64_t seed = 9;
    begin();
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 300; i++)
            ask_once(&seed);
        move_all(&seed);
    }
    fake_end();
}

static void *ask_often(void *argument)
{
    uint64_t seed = (uint64_t)argument;
    for (int i = 0; i < 4000; i++)
        ask_once(&seed);
    return NULL;
}

static _Atomic bool over;

static void *move_often(void *argument)
{
    uint64_t seed = (uint64_t)argument;
    while (!atomic_load(&over)) {
        move_all(&seed);
        usleep(300);
    }
    return NULL;
}

Test(job, threads_share_what_is_known, .timeout = 100)
{
    pthread_t threads[3], mover;
    begin();
    pthread_create(&mover, NULL, move_often, (void *)5);
    for (uint64_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, ask_often, (void *)(i + 11));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&over, true);
    pthread_join(mover, NULL);
    fake_end();
}

Test(job, what_is_known_costs_no_call)
{
    struct atoll_extent extents[300];
    size_t covered;
    begin();
    for (uint64_t page = 0; page < PAGES; page++)
        places[page] = page * PAGE + (64 << 20);
    const void *buffer = (const void *)(ADDRESS + 12345);
    cr_assert_eq(atoll_extents(buffer, 3 << 20, extents, 300, &covered), 1);
    uint64_t before = atomic_load(&calls);
    for (uint64_t at = 0; at < 3 << 20; at += 1000) {
        cr_assert_eq(atoll_extents((const char *)buffer + at, (3 << 20) - at, extents, 1, &covered),
                     1);
        cr_assert_eq(covered, (3 << 20) - at);
        cr_assert_eq(extents[0].offset, 12345 + at + (64 << 20));
    }
    cr_expect_eq(atomic_load(&calls), before);
    atomic_fetch_add(generation(), 1);
    cr_assert_eq(atoll_extents(buffer, 1, extents, 1, &covered), 1);
    cr_expect_eq(atomic_load(&calls), before + 1);
    fake_end();
}

Test(job, faults_and_bad_arguments)
{
    struct atoll_extent extents[4];
    size_t covered = 0;
    const char *end = (const char *)(ADDRESS + PAGES * PAGE);
    begin();
    cr_expect_eq(atoll_extents(end, 1, extents, 4, &covered), -EFAULT);
    cr_expect_eq(atoll_extents(end - 10, 11, extents, 4, &covered), 1);
    cr_expect_eq(covered, 10);
    cr_expect_eq(atoll_extents(end - 10, 0, extents, 4, &covered), -EINVAL);
    cr_expect_eq(atoll_extents(end - 10, 1, extents, 0, &covered), -EINVAL);
    cr_expect_eq(atoll_extents((const void *)UINT64_MAX, 1, extents, 4, &covered), -EINVAL);
    cr_expect_eq(atoll_extents((const void *)(UINT64_MAX - 5000), 4000, extents, 4, &covered),
                 -EINVAL);
    fake_end();
}

/* --- Reading -------------------------------------------------------------------------------------
 */

#define SIZE 100000

Test(job, reading_never_leaves_the_peers_memory, .timeout = 60)
{
    uint64_t seed = 21, sound = 0, refused = 0;
    begin();
    uint8_t *bytes = malloc(SIZE), *buffer = malloc(SIZE); /* of just that size: ASan watches */
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    const struct atoll_peer_memory memory = {
        .base = bytes, .size = SIZE, .generation = 1, .peer = FAKE_READER};
    for (int round = 0; round < 100000; round++) {
        struct atoll_extent extents[5];
        size_t count = random_below(&seed, 6);
        bool bad = false;
        uint64_t total = 0;
        for (size_t i = 0; i < count; i++) {
            uint64_t offset = random_below(&seed, SIZE + 1);
            uint64_t length = random_below(&seed, random_below(&seed, 2) ? 100 : SIZE - offset + 1);
            length = length < SIZE - offset ? length : SIZE - offset;
            if (random_below(&seed, 40) == 0)
                offset = random_bad(&seed, offset);
            if (random_below(&seed, 40) == 0)
                length = random_bad(&seed, length);
            bad |= offset > SIZE || length > SIZE - offset;
            total += bad ? 0 : length;
            extents[i] = (struct atoll_extent){offset, length};
        }
        uint64_t skip = random_below(&seed, random_below(&seed, 4) ? 200 : SIZE);
        size_t length = random_below(&seed, random_below(&seed, 4) ? 300 : SIZE);
        int result = atoll_peer_memory_read(&memory, extents, count, skip, buffer, length);
        if (result != 0) {
            cr_assert_eq(result, -EPROTO);
            cr_assert(bad || total < skip + length);
            refused++;
            continue;
        }
        sound++;
        cr_assert(bad || length == 0 || total >= skip + length);
        uint64_t at = 0;
        for (size_t i = 0; i < count && at < length; i++)
            for (uint64_t k = 0; k < extents[i].length && at < length; k++)
                if (skip)
                    skip--;
                else
                    cr_assert_eq(buffer[at++], bytes[extents[i].offset + k]);
        cr_assert_eq(at, length);
    }
    cr_expect_gt(sound, 10000);
    cr_expect_gt(refused, 10000);
    free(buffer);
    free(bytes);
    fake_end();
}

int64_t fake_memory(struct atoll_call_memory *call)
{
    call->address = (uint64_t)fake_lagoon.base;
    call->size = 4096;
    return call->peer == FAKE_READER ? 0 : -EACCES;
}

Test(job, a_peer_that_begins_anew_is_noticed)
{
    struct atoll_peer_memory memory;
    const struct atoll_extent extent = {0, 100};
    uint8_t buffer[100];
    begin();
    cr_expect_eq(atoll_peer_memory(FAKE_SENDER, &memory), -EACCES);
    cr_assert_eq(atoll_peer_memory(FAKE_READER, &memory), 0);
    cr_expect_eq(memory.generation, 1);
    cr_expect_eq(atoll_peer_memory_read(&memory, &extent, 1, 0, buffer, 100), 0);
    cr_expect_eq(atoll_peer_memory_check(&memory), 0);
    lagoon_start(&fake_lagoon, FAKE_READER, 2);
    cr_expect_eq(atoll_peer_memory_check(&memory), -EPIPE);
    cr_expect_eq(atoll_peer_memory_read(&memory, &extent, 1, 0, buffer, 100), -EPIPE);
    cr_assert_eq(atoll_peer_memory(FAKE_READER, &memory), 0);
    cr_expect_eq(memory.generation, 2);
    fake_end();
}
