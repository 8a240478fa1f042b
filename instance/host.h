/* The kernel's end of the control channel to the host proxy: sending, requests that the proxy
 * answers by tag, and the bulk memory of the own section. One lock for all of it, held for no
 * longer than it takes to copy one message.
 *
 * "Locked" functions are called with host_lock held (spin_lock_irq); none of them sleeps. */
#ifndef INSTANCE_HOST_H
#define INSTANCE_HOST_H

#include "abi/io.h"
#include "instance/list.h"
#include "instance/sched/wait.h"
#include "instance/spinlock.h"
#include "ipi-msg/endpoint.h"

extern struct spinlock host_lock;

/* The kernel's end of all control channels; locked. instance/message/ uses it for other
 * instances. */
extern struct ipi_endpoint host_endpoint;

/* The proxy's answer to a request: a copy, valid during the call. */
struct host_answer {
    int64_t result;
    uint64_t extent;      /* offset in section 0, or 0; unchecked (host_proxy_bytes checks) */
    const uint8_t *bytes; /* inline data behind the answer */
    size_t length;
};

/* Something the proxy will answer. The caller's memory, in host.c's hands until `done` is called
 * (locked; from the message interrupt or from a thread), or until host_cancel. */
struct host_request {
    struct list link;
    uint64_t tag;
    bool output; /* host_flush waits for its answer */
    void (*done)(struct host_request *request, const struct host_answer *answer);
};

/* Makes the endpoint over instance.view and instance.section. 0 or -ENOMEM. */
int host_init(void);

/* Locked. Sends one message: 0, or as ipi_send. After -EAGAIN: host_wait, then try again. */
int host_send(uint16_t kind, const struct shm_piece *pieces, size_t count);

/* Locked. Gives the request its tag and waits for the answer to it; before the message is sent. */
void host_expect(struct host_request *request);
/* Locked. Forgets it: its message could not be sent. */
void host_cancel(struct host_request *request);
/* Locked. Forgets it although it was sent: the answer, if one comes, is for nobody. */
void host_abandon(struct host_request *request);

/* Locked; gives the lock up meanwhile. Sleeps until credits or an answer have come, or a signal: 0
 * or -EINTR. */
int host_wait(uint64_t *saved);
/* The same for those who wait as for a disk: only a signal that kills ends it with -EINTR or, with
 * a `deadline` (monotonic ns; 0: none), nothing but that: -ETIMEDOUT. */
int host_wait_on(uint64_t *saved, uint64_t deadline);
/* Such a wait in a queue of the caller's own, which host_lock guards. */
int host_wait_in(struct wait_queue *queue, uint64_t *saved, uint64_t deadline);
/* Locked. An answer changed something that threads in host_wait may wait for. */
void host_wake(void);

/* Locked. An extent of the own section's heap (0: none free), and its bytes as the kernel sees
 * them. */
uint64_t host_extent_alloc(uint64_t length);
void host_extent_free(uint64_t extent);
uint8_t *host_extent_bytes(uint64_t extent);

/* Bytes in the proxy's section that an answer points to, or NULL when they do not lie there. */
const uint8_t *host_proxy_bytes(uint64_t extent, uint64_t length);

/* Tells the proxy that the own section's state has changed. Any context. */
void host_announce_state(void);

/* Takes what the proxy sent. Any context. */
void host_receive(void);

/* Waits, polling, until the proxy has taken all messages and answered all requests for output, or
 * until `deadline`. For the end of the instance: interrupts may be off. */
void host_flush(uint64_t deadline);

/* Did the proxy order the end (CONTROL_END)? kernel_end then reports SHM_STATE_STOPPED. */
bool host_end_ordered(void);

#endif
