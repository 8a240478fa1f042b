/* The I/O that an instance asks of the host proxy, as messages of the control channel (ipi-msg/).
 *
 * Requests carry a tag that the answer repeats; any number may be under way at once. Bulk data is
 * not sent: it stays in the instance's section (which the proxy may read), and what the proxy has
 * to say in bulk stays in section 0 (which the instance may read); an extent travels instead and
 * belongs to the message's receiver until the answer, or the release, comes. */
#ifndef ABI_IO_H
#define ABI_IO_H

#include "ipi-msg/control.h"

enum io_kind {
    IO_WRITE =
        CONTROL_KIND_IO_FIRST, /* instance -> proxy: struct io_write, then inline bytes if any */
    IO_READ,                   /* instance -> proxy: struct io_read; standard input */
    IO_DONE,                   /* proxy -> instance: struct io_done, then inline bytes if any */
    IO_RELEASE,                /* instance -> proxy: struct io_release; an extent is free again */
};

/* Bytes for stream `fd` (1 or 2), in order of arrival. With inline data `extent` is 0 and the bytes
 * follow this struct in the message; otherwise they lie at `extent` of the sender's section. */
struct io_write {
    uint64_t tag;    /* 0: no answer wanted (inline data only) */
    uint64_t extent; /* offset in the instance's section, or 0 */
    uint32_t length; /* bytes, 1 or more */
    uint32_t fd;     /* 1 or 2 */
};
_Static_assert(sizeof(struct io_write) == 24, "layout of io_write");

/* At most `length` bytes of stream `fd` (0), answered as soon as there is one, or at its end with
 * 0. */
struct io_read {
    uint64_t tag;
    uint32_t length;
    uint32_t fd;
};
_Static_assert(sizeof(struct io_read) == 16, "layout of io_read");

/* The answer to the request of that tag. For IO_READ the bytes follow inline when extent is 0. */
struct io_done {
    uint64_t tag;
    int64_t result;  /* bytes written or read, or a negative errno value (-EPIPE: output closed) */
    uint64_t extent; /* offset in section 0 of the bytes read, or 0 */
};
_Static_assert(sizeof(struct io_done) == 24, "layout of io_done");

struct io_release {
    uint64_t extent; /* as io_done gave it */
};
_Static_assert(sizeof(struct io_release) == 8, "layout of io_release");

#endif
