/* Memory in the own section, and windows on others'. */
#include "abi/atoll/library.h"

#include <string.h>

static const struct shm_section *own_section(void)
{
    return shm_view_section(&library.view, library.info.self, NULL);
}

int atoll_memory_alloc(size_t length, void **memory)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    int64_t offset = library_call(ATOLL_CALL_ALLOC, length, SHM_LINE, 0);
    if (offset < 0)
        return (int)offset;
    *memory = shm_view_own(&library.view, (uint64_t)offset, length);
    return 0;
}

int atoll_memory_free(void *memory)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    uint64_t offset = (uint64_t)memory - (uint64_t)own_section();
    error = (int)library_call(ATOLL_CALL_FREE, offset, 0, 0);
    return error == -ENOENT ? -EINVAL : error;
}

int atoll_window_make(const void *memory, size_t length, struct atoll_window *window)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    uint64_t offset = (uint64_t)memory - (uint64_t)own_section();
    if (shm_view_own(&library.view, offset, length) == NULL)
        return -EINVAL;
    *window = (struct atoll_window){.peer = library.info.self,
                                    .generation = library.info.generation,
                                    .offset = offset,
                                    .length = length};
    return 0;
}

static int name_copy(char *to, const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;
    if (length == 0 || length >= SHM_NAME_MAX)
        return -EINVAL;
    memcpy(to, name, length);
    return 0;
}

int atoll_window_publish(const char *name, const struct atoll_window *window)
{
    struct atoll_call_publish call = {.kind = SHM_ENTRY_WINDOW};
    int error = atoll_init();
    if (error == 0)
        error = name_copy(call.name, name);
    if (error == 0 && window->peer != library.info.self)
        error = -EINVAL;
    if (error != 0)
        return error;
    call.offset = window->offset;
    call.length = window->length;
    return (int)library_call(ATOLL_CALL_PUBLISH, (uint64_t)&call, 0, 0);
}

int atoll_window_find(uint32_t peer, const char *name, int64_t timeout, struct atoll_window *window)
{
    struct atoll_call_find call = {.kind = SHM_ENTRY_WINDOW};
    int error = atoll_init();
    if (error == 0)
        error = name_copy(call.name, name);
    if (error != 0)
        return error;
    call.deadline = library_deadline(timeout);
    do {
        call.peer = peer;
        error = (int)library_call(ATOLL_CALL_FIND, (uint64_t)&call, 0, 0);
    } while (error == -EINTR);
    if (error != 0)
        return error == -ENOENT ? -EAGAIN : error;
    *window = (struct atoll_window){.peer = call.peer,
                                    .generation = call.generation,
                                    .offset = call.offset,
                                    .length = call.length};
    return 0;
}

int atoll_window_check(const struct atoll_window *window)
{
    int error = atoll_init();
    if (error != 0)
        return error;
    shm_fence_acquire();
    const struct shm_section *section = shm_view_section(&library.view, window->peer, &error);
    if (section == NULL)
        return error == -EAGAIN ? -EPIPE : -EPROTO;
    return atomic_load_explicit(&section->generation, memory_order_acquire) == window->generation
               ? 0
               : -EPIPE;
}

int atoll_window_map(const struct atoll_window *window, const void **memory)
{
    int error = atoll_window_check(window);
    if (error != 0)
        return error;
    if (window->peer > library.info.peers)
        return -EINVAL;
    *memory = shm_view_bytes(&library.view, window->peer, window->offset, window->length);
    return *memory != NULL ? 0 : -EPROTO;
}
