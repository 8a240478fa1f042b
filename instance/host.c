/* The kernel's end of the control channel to the host proxy: the endpoint, the table of requests
 * that wait for their answer, and what the proxy may send unasked (a signal, the order to end).
 * Other parts of the kernel (fs/console.c, later the file system) send and wait through this. */
#include "instance/host.h"

#include "abi/linux/signal.h"
#include "instance/core.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "instance/syscall/syscall.h"

#include <errno.h>

#define FLUSH_RING_NS UINT64_C(1000000)

/* host_flush calls for the proxy this often, should a doorbell get lost. */
#define HOST_ASK_AGAIN_NS UINT64_C(20000000)

struct spinlock host_lock;

struct ipi_endpoint host_endpoint;
static struct list host_requests;      /* sent, not answered */
static unsigned host_output_requests;  /* of them, those with `output` */
static struct wait_queue host_waiters; /* for credits, an answer, or free bulk memory */
static uint64_t host_last_tag;
static uint64_t host_abandoned; /* requests that may still be answered */
static uint8_t *host_buffer;    /* for the message being received; ipi_message_max() bytes */
static _Atomic bool host_ordered_to_end;
static bool host_reported; /* that the channel is broken; once */

int host_init(void)
{
    struct shm_section *section = instance.section;
    struct ipi_link *links = kzalloc(instance.view.peers * sizeof(*links));
    void *overhead = kmalloc(shm_heap_overhead(section->heap_size));
    host_buffer = kmalloc(ipi_message_max());
    if (links == NULL || overhead == NULL || host_buffer == NULL)
        return -ENOMEM;

    list_init(&host_requests);
    wait_queue_init(&host_waiters);
    struct shm_heap *heap = shm_heap_init(overhead, section->heap_offset, section->heap_size);
    ipi_endpoint_init(&host_endpoint, &instance.view, section, heap, links, platform_doorbell_ring,
                      NULL, cores[0].apic_id);
    /* Armed for good: the kernel does not poll the channel, it waits for the doorbell. */
    if (ipi_arm(&host_endpoint, SHM_PEER_PROXY, SHM_PEER_PROXY))
        host_receive();
    return 0;
}

/* --- Sending ---------------------------------------------------------------------------------- */

int host_send(uint16_t kind, const struct shm_piece *pieces, size_t count)
{
    int error = ipi_send(&host_endpoint, SHM_PEER_PROXY, kind, pieces, count);
    if (error != 0 && error != -EAGAIN && !host_reported) {
        host_reported = true;
        log_error("the channel to the host proxy is closed: error %d", error);
    }
    return error;
}

void host_expect(struct host_request *request)
{
    request->tag = ++host_last_tag;
    list_append(&host_requests, &request->link);
    host_output_requests += request->output;
}

void host_cancel(struct host_request *request)
{
    list_remove(&request->link);
    host_output_requests -= request->output;
}

void host_abandon(struct host_request *request)
{
    host_cancel(request);
    host_abandoned++;
}

int host_wait(uint64_t *saved)
{
    return wait_queue_wait(&host_waiters, &host_lock, saved, 0, true);
}

int host_wait_in(struct wait_queue *queue, uint64_t *saved, uint64_t deadline)
{
    return deadline != 0 ? wait_queue_wait(queue, &host_lock, saved, deadline, false)
                         : wait_queue_wait_killable(queue, &host_lock, saved, 0);
}

int host_wait_on(uint64_t *saved, uint64_t deadline)
{
    return host_wait_in(&host_waiters, saved, deadline);
}

void host_wake(void)
{
    wait_queue_wake(&host_waiters, UINT32_MAX);
}

void host_announce_state(void)
{
    uint64_t saved = spin_lock_irq(&host_lock);
    host_send(CONTROL_STATE, NULL, 0); /* a hint: the proxy looks at the states by itself, too */
    spin_unlock_irq(&host_lock, saved);
}

/* --- Bulk memory ------------------------------------------------------------------------------ */

uint64_t host_extent_alloc(uint64_t length)
{
    return shm_heap_alloc(host_endpoint.heap, length, SHM_LINE);
}

void host_extent_free(uint64_t extent)
{
    if (shm_heap_free(host_endpoint.heap, extent) != 0)
        log_error("host: extent 0x%lx is not one of ours", extent);
}

uint8_t *host_extent_bytes(uint64_t extent)
{
    return shm_view_own(&instance.view, extent, 1);
}

const uint8_t *host_proxy_bytes(uint64_t extent, uint64_t length)
{
    return shm_view_bytes(&instance.view, SHM_PEER_PROXY, extent, length);
}

/* --- Receiving -------------------------------------------------------------------------------- */

static void host_take_answer(const uint8_t *message, size_t length)
{
    struct io_done done;
    if (length < sizeof(done)) {
        log_error("host: an answer of %lu bytes is too short", (uint64_t)length);
        return;
    }
    memcpy(&done, message, sizeof(done));
    for (struct list *node = host_requests.next; node != &host_requests; node = node->next) {
        struct host_request *request = LIST_ENTRY(node, struct host_request, link);
        if (request->tag != done.tag)
            continue;
        struct host_answer answer = {.result = done.result,
                                     .extent = done.extent,
                                     .bytes = message + sizeof(done),
                                     .length = length - sizeof(done)};
        host_cancel(request);
        request->done(request, &answer);
        host_wake();
        return;
    }
    if (host_abandoned != 0)
        host_abandoned--;
    else
        log_error("host: an answer to request %lu, which nobody made", done.tag);
}

/* Locked. Returns the bit of a signal to send once the lock is free, or 0. */
static uint64_t host_take_message(uint16_t kind, const uint8_t *message, size_t length)
{
    struct control_stop stop;
    switch (kind) {
    case IO_DONE:
        host_take_answer(message, length);
        return 0;
    case CONTROL_STOP:
        if (length < sizeof(stop))
            break;
        memcpy(&stop, message, sizeof(stop));
        if (stop.signal < 1 || stop.signal > 64)
            break;
        return UINT64_C(1) << (stop.signal - 1);
    case CONTROL_END:
        atomic_store(&host_ordered_to_end, true);
        return UINT64_C(1) << (LINUX_SIGKILL - 1);
    default:
        break;
    }
    log_warn("host: message of kind %u, %lu bytes, ignored", kind, (uint64_t)length);
    return 0;
}

void host_receive(void)
{
    uint64_t signals = 0;
    uint64_t saved = spin_lock_irq(&host_lock);
    do {
        uint16_t kind;
        size_t length;
        int result;
        while ((result = ipi_receive(&host_endpoint, SHM_PEER_PROXY, &kind, host_buffer,
                                     ipi_message_max(), &length)) == 1)
            signals |= host_take_message(kind, host_buffer, length);
        if (result < 0)
            log_error("the channel from the host proxy is closed: error %d", result);
    } while (ipi_arm(&host_endpoint, SHM_PEER_PROXY, SHM_PEER_PROXY));
    host_wake(); /* this doorbell may have meant: credits */
    spin_unlock_irq(&host_lock, saved);

    /* With the lock free, since signals take others. */
    for (int signal = 1; signals != 0; signal++, signals >>= 1) {
        if (signals & 1)
            signal_send(0, signal, LINUX_SI_KERNEL);
    }
}

bool host_end_ordered(void)
{
    return atomic_load(&host_ordered_to_end);
}

/* Locked. Has the reader taken all that was sent? */
static bool host_is_drained(void)
{
    const struct ipi_link *link = &host_endpoint.links[SHM_PEER_PROXY];
    const struct shm_ring_writer *writer = &link->writer;
    if (!link->writer_open || link->error != 0)
        return true;
    return writer->reader_port != NULL &&
           atomic_load_explicit(&writer->reader_port->credit_generation, memory_order_acquire) ==
               writer->generation &&
           atomic_load_explicit(&writer->reader_port->credit, memory_order_acquire) == writer->head;
}

void host_flush(uint64_t deadline)
{
    uint64_t ask_at = 0;
    for (;;) {
        host_receive();
        uint64_t now = platform_monotonic_ns();
        uint64_t saved = spin_lock_irq(&host_lock);
        bool done = host_output_requests == 0 && host_is_drained();
        if (!done && now >= ask_at) {
            /* Credits come in quarters of a ring, or at once to a sender that waits. The proxy may
             * have gone to sleep already, so it is called for that. */
            struct ipi_link *link = &host_endpoint.links[SHM_PEER_PROXY];
            if (link->writer_open)
                shm_ring_sender_wait(&link->writer, ipi_message_max(), host_endpoint.core);
            platform_doorbell_ring(NULL, SHM_PEER_PROXY, 0);
            ask_at = now + HOST_ASK_AGAIN_NS;
        }
        spin_unlock_irq(&host_lock, saved);
        if (done || now >= deadline)
            return;
        platform_relax();
    }
}
