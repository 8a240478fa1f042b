/* Carrying out requests on the host's files. What is sent goes inline when it is small, and through
 * the own section's bulk memory otherwise. */
#include "instance/fs/host_call.h"

#include "instance/mm/kmalloc.h"
#include "instance/sched/thread.h"
#include "instance/string.h"

#include <errno.h>

#define HOST_INLINE_MAX 2048 /* bytes that travel in the message */

/* The thread that ends the instance, and until when it waits (monotonic ns). */
static struct thread *_Atomic ending_thread;
static uint64_t ending_limit;

void host_call_limit(uint64_t deadline)
{
    ending_limit = deadline;
    atomic_store(&ending_thread, thread_current());
}

/* Until when the current thread waits for the host; 0: until it answers, or a signal kills. */
static uint64_t host_call_deadline(void)
{
    return atomic_load(&ending_thread) == thread_current() ? ending_limit : 0;
}

/* Locked, perhaps from the interrupt. */
static void host_call_done(struct host_request *request, const struct host_answer *answer)
{
    struct host_call *call =
        (struct host_call *)((char *)request - offsetof(struct host_call, host));
    call->result = answer->result;
    call->extent = answer->extent;
    call->answered = answer->length < call->capacity ? answer->length : call->capacity;
    if (call->answered != 0)
        memcpy(call->to, answer->bytes, call->answered);
    call->done = true;
    wait_queue_wake(&call->done_queue, UINT32_MAX);
}

/* Room in the section for `length` bytes, or for fewer: *length is set. Waits if there is none; 0:
 * in vain, *error is set. */
static uint64_t host_call_extent(uint64_t *length, int *error)
{
    uint64_t saved = spin_lock_irq(&host_lock), extent;
    for (;;) {
        uint64_t wanted = *length;
        while ((extent = host_extent_alloc(wanted)) == 0 && wanted > HOST_INLINE_MAX)
            wanted /= 2;
        if (extent != 0) {
            *length = wanted;
            break;
        }
        *error = host_wait_on(&saved, host_call_deadline()); /* others' requests hold it */
        if (*error != 0)
            break;
    }
    spin_unlock_irq(&host_lock, saved);
    return extent;
}

static void host_call_extent_free(uint64_t extent)
{
    if (extent == 0)
        return;
    uint64_t saved = spin_lock_irq(&host_lock);
    host_extent_free(extent);
    host_wake();
    spin_unlock_irq(&host_lock, saved);
}

/* Locked. The answer is not waited for any longer: -EINTR or -ETIMEDOUT. Bulk memory that the proxy
 * may still read stays taken. */
static void host_call_abandon(struct host_call *call, int error)
{
    host_abandon(&call->host);
    call->abandoned = true;
    call->result = error;
}

/* Locked; gives the lock up. Until the answer has come. */
static void host_call_wait(struct host_call *call, uint64_t *saved)
{
    bool breakable = call->breakable;
    while (!call->done) {
        int waited = breakable ? wait_queue_wait(&call->done_queue, &host_lock, saved, 0, true)
                               : host_wait_in(&call->done_queue, saved, host_call_deadline());
        if (call->done)
            return;
        if (waited == -ETIMEDOUT || (waited == -EINTR && !breakable)) {
            host_call_abandon(call, waited);
            return;
        }
        if (waited != -EINTR)
            continue;
        const struct io_file cancel = {.operation = IO_FILE_CANCEL, .value = call->host.tag};
        const struct shm_piece piece = {&cancel, sizeof(cancel)};
        breakable = false;
        while (!call->done && host_send(IO_FILE, &piece, 1) == -EAGAIN &&
               host_wait_on(saved, 0) == 0)
            ;
    }
}

/* Sends the request with `bytes` behind it, and waits. */
static void host_call_send(struct host_call *call, const void *bytes, size_t length)
{
    const struct shm_piece pieces[] = {{&call->request, sizeof(call->request)}, {bytes, length}};
    uint64_t saved = spin_lock_irq(&host_lock);
    call->host = (struct host_request){.done = host_call_done};
    host_expect(&call->host);
    call->request.tag = call->host.tag;
    int error, waited = 0;
    while ((error = host_send(IO_FILE, pieces, length != 0 ? 2 : 1)) == -EAGAIN && waited == 0)
        waited = host_wait_on(&saved, host_call_deadline());
    if (error != 0) {
        host_cancel(&call->host);
        call->result = waited != 0 ? waited : -EIO;
    } else {
        host_call_wait(call, &saved);
    }
    spin_unlock_irq(&host_lock, saved);
}

/* The paths, one behind the other, into `bytes`. */
static void host_call_paths(struct host_call *call, uint8_t *bytes)
{
    uint32_t second = call->request.second;
    if (bytes == NULL)
        return; /* no paths in this request */
    if (call->path != NULL)
        memcpy(bytes, call->path, second);
    if (call->second != NULL)
        memcpy(bytes + second, call->second, call->request.length - second);
}

int64_t host_call(struct host_call *call)
{
    uint64_t extent = 0, length = call->length;
    uint8_t *bytes = NULL;
    int error = 0;
    wait_queue_init(&call->done_queue);
    if (call->from == NULL) {
        call->request.second = call->path != NULL ? (uint32_t)strlen(call->path) : 0;
        length = call->request.second;
        if (call->second != NULL)
            length += strlen(call->second);
    }
    if (length > HOST_INLINE_MAX) {
        uint64_t whole = length;
        extent = host_call_extent(&length, &error);
        if (extent == 0)
            return error;
        if (call->from == NULL && length < whole) {
            host_call_extent_free(extent);
            return -ENAMETOOLONG;
        }
        bytes = host_extent_bytes(extent);
    } else if (length != 0) {
        bytes = kmalloc(length);
        if (bytes == NULL)
            return -ENOMEM;
    }
    call->request.length = (uint32_t)length;
    call->request.extent = extent;
    if (call->from != NULL)
        error = file_cursor_read(call->from, bytes, length);
    else
        host_call_paths(call, bytes);
    if (error == 0)
        host_call_send(call, bytes, extent != 0 ? 0 : length);
    else
        call->result = error;
    if (extent != 0 && !call->abandoned)
        host_call_extent_free(extent);
    else if (extent == 0)
        kfree(bytes);
    if (call->extent != 0 && call->result > 0) {
        call->bulk = host_proxy_bytes(call->extent, (uint64_t)call->result);
        if (call->bulk == NULL)
            call->result = -EIO;
    }
    return call->result;
}

void host_call_release(struct host_call *call)
{
    if (call->extent == 0)
        return;
    struct io_release release = {.extent = call->extent};
    const struct shm_piece piece = {&release, sizeof(release)};
    uint64_t saved = spin_lock_irq(&host_lock);
    while (host_send(IO_RELEASE, &piece, 1) == -EAGAIN &&
           host_wait_on(&saved, host_call_deadline()) == 0)
        ;
    spin_unlock_irq(&host_lock, saved);
    call->extent = 0;
    call->bulk = NULL;
}
