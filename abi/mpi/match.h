/* Which message meets which receive: two hashed queues, of receives that wait for a message and of
 * messages that wait for a receive. Both find the first in order in a time that does not grow with
 * their length, wildcards or not.
 *
 * A receive names context, source and tag, the latter two perhaps as wildcards: that makes four
 * classes. A posted receive stands in one bin, by its class and what it names; a message that
 * arrives looks into one bin of each class that is in use, and takes the oldest. A message that
 * waits stands in four bins, one for each class, so that a receive looks into one.
 *
 * Nothing is allocated here. Called with the library's lock. */
#ifndef ABI_MPI_MATCH_H
#define ABI_MPI_MATCH_H

#include "abi/mpi/ring.h"

#define MATCH_BINS 1024u
#define MATCH_ANY_SOURCE (-1)
#define MATCH_ANY_TAG (-2)

enum match_class { MATCH_EXACT, MATCH_TAG_ANY, MATCH_SOURCE_ANY, MATCH_ALL, MATCH_CLASSES };

/* What a receive names, or a message carries. Tags of messages are 0 and up. */
struct match_key {
    uint32_t context;
    int source; /* in the communicator, or MATCH_ANY_SOURCE */
    int tag;    /* or MATCH_ANY_TAG */
};

struct match_link {
    struct match_link *next, *previous; /* next NULL: not linked */
};
struct match_bin {
    struct match_link *first, *last;
};

/* A receive that waits. */
struct posted {
    struct match_link link;
    struct match_key key;
    uint64_t stamp; /* in the order in which they were posted */
};

/* A message that waits: the links of its four classes. */
struct waiting {
    struct match_link links[MATCH_CLASSES];
    struct match_key key;
    bool queued;
};

struct matcher {
    uint32_t posted[MATCH_CLASSES]; /* how many wait in each class */
    uint32_t waiting;
    uint32_t all; /* that are in either queue */
    uint64_t stamp;
    struct match_bin posted_bins[MATCH_CLASSES][MATCH_BINS];
    struct match_bin waiting_bins[MATCH_CLASSES][MATCH_BINS];
};

void match_post(struct matcher *matcher, struct posted *receive);
void match_unpost(struct matcher *matcher, struct posted *receive);
/* The oldest posted receive that the message meets, taken out; or NULL. */
struct posted *match_message(struct matcher *matcher, const struct match_key *key);

void match_hold(struct matcher *matcher, struct waiting *message);
void match_unhold(struct matcher *matcher, struct waiting *message);
/* The oldest waiting message that the receive meets, which stays; or NULL. */
struct waiting *match_receive(const struct matcher *matcher, const struct match_key *key);

#endif
