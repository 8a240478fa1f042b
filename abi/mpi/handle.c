/* Handles as integers: a table from numbers to objects that grows by chunks which never move, so
 * that reading needs no lock. Numbers of objects that ended are used again. */

#include "abi/mpi/handle.h"

#include <pthread.h>
#include <stdlib.h>

#define CHUNK 1024
#define CHUNKS 65536 /* 2^26 objects that have a number at a time */

/* An unused entry holds the next unused one, as 2 * number + 1. */
static _Atomic(_Atomic uintptr_t *) chunks[CHUNKS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int used;       /* entries that were ever in use */
static int first_free; /* a number, or 0 */

static _Atomic uintptr_t *entry_of(int number)
{
    int index = number - OBJECT_CONSTANTS;
    _Atomic uintptr_t *chunk;

    if (index < 0 || index / CHUNK >= CHUNKS)
        return NULL;
    chunk = atomic_load_explicit(&chunks[index / CHUNK], memory_order_acquire);
    return chunk ? &chunk[index % CHUNK] : NULL;
}

/* A number that nobody has, with room in the table; 0 when there is none. The lock is held. */
static int number_take(void)
{
    int number = first_free;

    if (number != 0) {
        first_free = (int)(atomic_load_explicit(entry_of(number), memory_order_relaxed) / 2);
        return number;
    }
    if (used == CHUNK * CHUNKS)
        return 0;
    if (used % CHUNK == 0) {
        _Atomic uintptr_t *chunk = calloc(CHUNK, sizeof(*chunk));

        if (!chunk)
            return 0;
        atomic_store_explicit(&chunks[used / CHUNK], chunk, memory_order_release);
    }
    return OBJECT_CONSTANTS + used++;
}

int handle_to_int(const void *handle)
{
    struct object *object = (struct object *)(uintptr_t)handle;
    int number;

    if (object_is_constant(handle))
        return (int)(uintptr_t)handle;
    number = atomic_load_explicit(&object->number, memory_order_acquire);
    if (number != 0)
        return number;
    pthread_mutex_lock(&lock);
    number = atomic_load_explicit(&object->number, memory_order_relaxed);
    if (number == 0)
        number = number_take();
    if (number != 0) {
        atomic_store_explicit(entry_of(number), (uintptr_t)handle, memory_order_release);
        atomic_store_explicit(&object->number, number, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return number;
}

void *handle_from_int(int number)
{
    _Atomic uintptr_t *entry;
    uintptr_t value;

    if (number >= 0 && number < OBJECT_CONSTANTS)
        return (void *)(uintptr_t)number;
    entry = entry_of(number);
    value = entry ? atomic_load_explicit(entry, memory_order_acquire) : 0;
    return value % 2 ? NULL : (void *)value;
}

void handle_end(struct object *object)
{
    int number = atomic_load_explicit(&object->number, memory_order_relaxed);

    object->kind = OBJECT_FREED;
    if (number == 0)
        return;
    pthread_mutex_lock(&lock);
    atomic_store_explicit(entry_of(number), 2 * (uintptr_t)first_free + 1, memory_order_release);
    first_free = number;
    pthread_mutex_unlock(&lock);
}
