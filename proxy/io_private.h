/* What the I/O server's two files share: io.c (channels, streams) and io_file.c (files of the
 * host). */
#ifndef PROXY_IO_PRIVATE_H
#define PROXY_IO_PRIVATE_H

#include "proxy/io.h"

#define EXTENT_FILLING 1 /* a thread still writes to it; no extent has this offset */

/* A write that waits for its sink. */
struct pending_write {
    struct pending_write *next;
    struct io_write request;
    uint32_t done;          /* bytes taken by the stream */
    uint8_t inline_bytes[]; /* where the request has no extent */
};

struct write_queue {
    struct pending_write *first, **last;
};

/* An answer that waits for room in the instance's ring. */
struct pending_answer {
    struct pending_answer *next;
    struct io_done done;
    size_t length;
    uint8_t bytes[];
};

struct pending_read {
    uint64_t tag;
    uint32_t length;
};

struct io_channel {
    struct io_server *server;
    uint32_t peer;
    bool gets_input, closed, over, unknown_reported;
    bool blocked; /* requests are left in the ring until some of ours are done */
    struct output_stream streams[2];
    struct write_queue writes[2];
    struct pending_answer *answers, **last_answer;
    struct pending_read reads[IO_REQUESTS_MAX];
    size_t first_read, read_count;
    size_t requests;                  /* pending writes, reads and answers */
    uint64_t extents[IO_EXTENTS_MAX]; /* in the instance's hands; 0: free entry; EXTENT_FILLING */
    struct share share;               /* folders of the host, */
    struct share_job *jobs;           /* and the requests on them under way */
    uint32_t stop_signal;             /* to be sent; 0: none */
    bool end_wanted;
    uint64_t turn; /* bytes still to take in this turn */
};

/* Closes the channel for good, for the reason given. What had been asked for rightly is still
 * written. */
__attribute__((format(printf, 2, 3))) void io_refuse(struct io_channel *channel, const char *format,
                                                     ...);

/* Sends an answer now, or as soon as the ring has room. Ends a request that counts in
 * channel->requests. */
void io_answer(struct io_channel *channel, const struct io_done *done, const void *bytes,
               size_t length);

/* Room for `length` bytes in section 0, noted as the instance's in extents[*entry]; 0: there is
 * none. */
uint64_t io_give_extent(struct io_channel *channel, uint64_t length, size_t *entry);

/* A file request (IO_FILE) as it came. */
void io_take_file(struct io_channel *channel, const uint8_t *message, size_t length);

/* Nobody waits for the channel's locks any more. */
void io_cancel_locks(struct io_channel *channel);

#endif
