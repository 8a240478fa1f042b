/* An instance's console beside a host proxy, in one process: a real lagoon, real rings, the kernel
 * code under test in one or more threads, and a proxy in a thread of its own that puts the output
 * together, answers when it likes, and can close streams or send input. */
#ifndef TESTS_UNIT_CONSOLE_MACHINE_H
#define TESTS_UNIT_CONSOLE_MACHINE_H

#include "instance/fs/console.h"
#include "instance/fs/file.h"
#include "instance/host.h"
#include "instance/kernel.h"
#include "instance/sched/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* How this proxy behaves. Set before machine_start. */
struct proxy {
    unsigned hold;     /* answers held back and given in another order, at most so many */
    bool asleep;       /* takes nothing before proxy_wake */
    const char *input; /* what standard input has */
    size_t input_length;
    size_t input_piece;        /* bytes given for one request at most */
    bool input_by_extent;      /* in the proxy's section, not inline */
    bool input_waits;          /* no answer before proxy_give_input */
    _Atomic size_t fail_after; /* bytes of a stream after which all is answered -EPIPE; 0: never */
};
extern struct proxy proxy;

/* What has come out of each stream. */
struct output {
    uint8_t *bytes;
    size_t length, capacity;
    unsigned messages, extents, tagged;
};
extern struct output outputs[3];
extern pthread_mutex_t output_mutex;

/* Bulk memory of the instance's section, in bytes. */
void machine_start(uint64_t heap, uint32_t flags);
void machine_stop(void); /* stops the proxy; checks that all bulk memory has come back */

void proxy_wake(void);
void proxy_give_input(void);
void proxy_send(uint16_t kind, const void *payload, size_t length);
extern _Atomic unsigned proxy_releases; /* IO_RELEASE messages so far */

/* Makes the calling thread one of the kernel's. */
void thread_attach(int32_t id);
/* Has waits of all threads end with -EINTR, until set back. */
extern _Atomic bool signal_waits;
/* What signal_send was told: bit n-1 is signal n. */
extern _Atomic uint64_t signals_sent;

static inline uint64_t address_of(const void *bytes)
{
    return (uint64_t)(uintptr_t)bytes;
}

#endif
