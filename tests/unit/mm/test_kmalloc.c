/* The kernel's heap and its stacks against models of what is handed out. */
#include "partition.h"

#include "abi/handover.h"
#include "instance/mm/reclaim.h"

#include <pthread.h>
#include <stdlib.h>

struct object {
    uint8_t *bytes;
    size_t size;
    uint8_t value;
};

static size_t random_size(void)
{
    switch (test_random_below(8)) {
    case 0:
        return test_random_below(3 * 65536);
    case 1:
        return test_random_below(8192);
    default:
        return test_random_below(700);
    }
}

static void check_filled(const struct object *object)
{
    /* All bytes are the first one, if that is right and each is like its neighbour. */
    size_t size = object->size;
    cr_assert(!size || (object->bytes[0] == object->value &&
                        !memcmp(object->bytes, object->bytes + 1, size - 1)),
              "an object of %zu bytes was overwritten", size);
}

static void churn(unsigned steps, struct object *objects, size_t limit)
{
    size_t count = 0;
    for (unsigned step = 0; step < steps; step++) {
        if (count < limit && test_random_below(100) < 55) {
            struct object object = {.size = random_size(), .value = (uint8_t)test_random()};
            object.bytes = kmalloc(object.size);
            if (!object.bytes)
                continue;
            cr_assert_eq((uintptr_t)object.bytes % (object.size >= 64 ? 64 : 16), 0u);
            memset(object.bytes, object.value, object.size);
            objects[count++] = object;
        } else if (count) {
            size_t chosen = test_random_below(count);
            check_filled(&objects[chosen]);
            kfree(objects[chosen].bytes);
            objects[chosen] = objects[--count];
        }
    }
    while (count--) {
        check_filled(&objects[count]);
        kfree(objects[count].bytes);
    }
}

Test(kmalloc, random_against_a_model)
{
    static struct object objects[2000];
    partition_create(32 * MIB, 0, 1);
    struct frame_statistics start, now;
    frame_statistics(&start);
    churn(SINGLE_STEPS(40000), objects, 2000);
    frame_statistics(&now);
    /* Each size class may keep one empty page. */
    cr_assert_leq(now.used, start.used + 14 * PAGE_SIZE);
    cr_assert_eq(now.kernel - start.kernel, now.used - start.used);
}

Test(kmalloc, exhaustion_is_null)
{
    partition_create(4 * MIB, 0, 1);
    for (size_t size = 1; size <= 20000; size = size * 3 + 1) {
        void *list = NULL, *object;
        size_t needed = size < sizeof(void *) ? sizeof(void *) : size, count = 0;
        while ((object = kmalloc(needed))) {
            *(void **)object = list;
            list = object;
            count++;
        }
        cr_assert_gt(count * ((needed + 15) & ~(size_t)15), 2 * MIB);
        while (list) {
            object = *(void **)list;
            kfree(list);
            list = object;
        }
    }
    cr_assert_null(kmalloc(SIZE_MAX));
    cr_assert_null(kmalloc(SIZE_MAX - PAGE_SIZE));
    cr_assert_null(kmalloc(UINT64_C(2) << 30));
    kfree(NULL);
}

Test(kmalloc, foreign_pointer_is_noticed, .signal = SIGABRT)
{
    partition_create(4 * MIB, 0, 1);
    uint8_t *object = kmalloc(100);
    kfree(object + 16);
}

Test(kmalloc, freed_large_twice_is_noticed, .signal = SIGABRT)
{
    partition_create(4 * MIB, 0, 1);
    uint8_t *object = kmalloc(10000);
    kfree(object);
    kfree(object);
}

Test(kmalloc, cleared)
{
    partition_create(4 * MIB, 0, 1);
    for (size_t size = 1; size < 10000; size += 97) {
        uint8_t *object = kzalloc(size);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(object[i], 0);
        memset(object, 0xee, size);
        kfree(object);
    }
}

static void *churning_core(void *argument)
{
    partition_enter_core((uint32_t)(uintptr_t)argument);
    struct object *objects = malloc(100 * sizeof(*objects));
    churn(1500, objects, 100);
    free(objects);
    return NULL;
}

Test(kmalloc, concurrent)
{
    partition_create(32 * MIB, 0, 3);
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, churning_core, (void *)i), 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct frame_statistics now;
    frame_statistics(&now);
    cr_assert_lt(now.used, MIB);
}

/* --- Kernel stacks
 * -------------------------------------------------------------------------------- */

static bool is_mapped(uintptr_t address)
{
    unsigned protection;
    return platform_lookup(address, &protection) != UINT64_MAX &&
           protection == (PLATFORM_READ | PLATFORM_WRITE);
}

Test(kernel_stack, guarded_and_reused)
{
    partition_create(16 * MIB, 0, 2);
    static uintptr_t tops[200];
    uint64_t used_after_first_round = 0;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 200; i++) {
            tops[i] = kernel_stack_alloc();
            cr_assert_neq(tops[i], 0u);
            for (uintptr_t page = tops[i] - KERNEL_STACK_SIZE; page < tops[i]; page += PAGE_SIZE) {
                cr_assert(is_mapped(page));
                cr_assert_not(kernel_stack_is_guard(page));
            }
            uintptr_t guard = tops[i] - KERNEL_STACK_SIZE - 1;
            cr_assert_not(is_mapped(guard & ~(PAGE_SIZE - 1)));
            cr_assert(kernel_stack_is_guard(guard));
            /* Slots are used again, not used up. */
            cr_assert_lt(tops[i], HANDOVER_STACK_BASE + 210 * (KERNEL_STACK_SIZE + PAGE_SIZE));
            for (unsigned j = 0; round == 0 && j < i; j++)
                cr_assert_neq(tops[i], tops[j]);
        }
        for (unsigned i = 0; i < 200; i++)
            kernel_stack_free(tops[(i * 77) % 200]);
        struct frame_statistics now;
        frame_statistics(&now);
        if (!round)
            used_after_first_round = now.used;
        cr_assert_eq(now.used, used_after_first_round);
    }
    struct frame_statistics before, after;
    frame_statistics(&before);
    uint64_t freed = kernel_stack_reclaim();
    frame_statistics(&after);
    cr_assert_eq(freed, 4u * KERNEL_STACK_SIZE); /* cores + 2 were kept */
    cr_assert_eq(before.used - after.used, freed);
}

Test(kernel_stack, no_memory)
{
    partition_create(4 * MIB, 0, 1);
    uintptr_t last = 0, top;
    unsigned count = 0;
    while ((top = kernel_stack_alloc())) {
        last = top;
        count++;
    }
    cr_assert_gt(count, 200u);
    cr_assert_lt(frame_bytes_free(), KERNEL_STACK_SIZE + 4 * PAGE_SIZE);
    kernel_stack_free(last);
    cr_assert_eq(kernel_stack_alloc(), last);
}

Test(kernel_stack, each_failing_allocation_leaves_nothing)
{
    partition_create(16 * MIB, 0, 1);
    uintptr_t top = kernel_stack_alloc();
    kernel_stack_free(top);
    kernel_stack_reclaim();
    struct frame_statistics before, after;
    frame_statistics(&before);
    for (uint64_t n = 0;; n++) {
        partition_fail_after(n, false);
        top = kernel_stack_alloc();
        bool failed = partition_has_failed();
        partition_fail_after(UINT64_MAX, false);
        if (top)
            kernel_stack_free(top);
        kernel_stack_reclaim();
        frame_statistics(&after);
        cr_assert_eq(after.used, before.used, "leak after failure %lu", (unsigned long)n);
        if (!failed)
            break;
    }
}
