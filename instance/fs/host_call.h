/* Requests to the proxy on the host's files (abi/io.h, IO_FILE): sent, waited for, their answers
 * fetched. Between host_files.c, host_mounts.c and the channel (instance/host.h). */
#ifndef INSTANCE_FS_HOST_CALL_H
#define INSTANCE_FS_HOST_CALL_H

#include "instance/fs/file.h"
#include "instance/host.h"

/* One request and its answer. Zero it, fill in `request` (no tag, extent, length or second). */
struct host_call {
    struct io_file request;
    const char *path, *second; /* or NULL */
    struct file_cursor *from;  /* IO_FILE_WRITE: `length` bytes from here */
    uint64_t length;
    bool breakable; /* IO_FILE_LOCK: a signal cancels it */

    /* The answer: inline bytes go to `to` (at most `capacity`). */
    void *to;
    size_t capacity;
    size_t answered;     /* bytes there */
    const uint8_t *bulk; /* in the proxy's section, `result` bytes, until host_call_release */

    /* host_call.c's own. */
    struct host_request host;
    struct wait_queue done_queue;
    bool done, abandoned;
    int64_t result;
    uint64_t extent;
};

/* Carries it out. Returns the result (also -EIO: the channel is closed, -ENOMEM). Sleeps; only a
 * signal that kills breaks it off (-EINTR; whether the request has been carried out is not known),
 * for the host's storage is waited for as on Linux. A breakable one is broken off by any signal:
 * the proxy is asked to give up, and says what came of it. */
int64_t host_call(struct host_call *call);
/* The current thread ends the instance: from now on its calls end with -ETIMEDOUT at `deadline`
 * (monotonic ns), and no signal breaks them off. */
void host_call_limit(uint64_t deadline);
/* Gives call->bulk back, if there is any. */
void host_call_release(struct host_call *call);

#endif
