/* A kernel for libatoll.a in a test's own process: both ends of each channel are this program's,
 * peer 1 sends and peer 2 receives. It arms, looks once more and sleeps exactly as the real one
 * does, so that a wake-up that gets lost is seen: nobody sleeps for ten seconds. */
#ifndef TESTS_ATOLL_FAKE_H
#define TESTS_ATOLL_FAKE_H

#include "abi/atoll/library.h"
#include "tests/unit/shm/support.h"

#define FAKE_PEERS 4 /* the proxy, two instances, the loader */
#define FAKE_SENDER 1
#define FAKE_READER 2

/* A channel with both its ends. */
struct pair {
    struct atoll_channel *sender, *reader;
    uint64_t sender_id, reader_id;
};

extern struct test_lagoon fake_lagoon;

void fake_start(uint64_t heap);
void fake_end(void); /* checks that all bulk memory has come back, but for the channels' own */
struct pair fake_open(uint32_t cells);
void fake_close(struct pair *pair);
/* The peer at the other side of this end is gone. */
void fake_break(struct atoll_channel *channel);
/* The own section of a peer. */
uint8_t *fake_section(uint32_t peer);

/* The calls about a job's memory: of none, unless a test brings its own. */
int64_t fake_extents(struct atoll_call_extents *call);
int64_t fake_memory(struct atoll_call_memory *call);

#endif
