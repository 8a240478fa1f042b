/* Which job this rank belongs to, from the environment that the machine gives its programs, and the
 * blocks of its peers. */
#include "abi/mpi/transport.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW_NAME "mpi"
#define PORT_NAME "mpi"

/* A number of decimal digits at *at, which goes on behind it. False: none, or too large. */
static bool read_number(const char **at, uint32_t *value)
{
    uint64_t number = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        number = number * 10 + (uint64_t)(**at - '0');
        if (number > INT32_MAX)
            return false;
    }
    *value = (uint32_t)number;
    return *at != start;
}

static bool read_variable(const char *name, uint32_t *value)
{
    const char *text = getenv(name);
    return text != NULL && read_number(&text, value) && *text == 0;
}

/* The machine's numbers of the job's ranks: "1-4,7". */
static bool read_peers(const char *text, struct peer *peers, uint32_t count)
{
    uint32_t rank = 0;
    while (text != NULL && *text != 0) {
        uint32_t first, last;
        if (!read_number(&text, &first))
            return false;
        last = first;
        if (*text == '-') {
            text++;
            if (!read_number(&text, &last) || last < first)
                return false;
        }
        for (uint32_t number = first; number <= last; number++) {
            if (rank == count)
                return false;
            peers[rank++].number = number;
        }
        if (*text == ',')
            text++;
        else if (*text != 0)
            return false;
    }
    return rank == count;
}

static int peers_make(uint32_t size)
{
    transport.size = size;
    transport.peers = aligned_alloc(SHM_LINE, size * sizeof(*transport.peers));
    transport.incoming = calloc(size, sizeof(struct peer *));
    transport.waits = calloc((size_t)size + 1, sizeof(*transport.waits));
    if (transport.peers == NULL || transport.incoming == NULL || transport.waits == NULL)
        return -ENOMEM;
    memset(transport.peers, 0, size * sizeof(*transport.peers));
    for (uint32_t i = 0; i < size; i++) {
        transport.peers[i].rank = i;
        transport.peers[i].self = i == transport.rank;
    }
    return 0;
}

/* Finds the block of a peer; sleeps until it is there. */
static int peer_find(struct peer *peer, const char **why)
{
    struct atoll_window window;
    const void *memory;
    uint64_t length = sizeof(struct block) + transport.size * sizeof(struct lane);
    int error = atoll_window_find(peer->number, WINDOW_NAME, ATOLL_FOREVER, &window);
    *why = "a rank has ended before all have started";
    if (error == 0)
        error = atoll_window_map(&window, &memory);
    if (error != 0)
        return error;
    const struct block *block = memory;
    *why = "a rank is of another job";
    if (window.length < length || SHM_READ_ONCE(block->magic) != BLOCK_MAGIC ||
        SHM_READ_ONCE(block->rank) != peer->rank || SHM_READ_ONCE(block->size) != transport.size)
        return -EPROTO;
    peer->block = block;
    peer->generation = window.generation;
    peer->credit = &block->lanes[transport.rank].credit;
    peer->lane = &transport.block->lanes[peer->rank];
    return 0;
}

static int block_publish(void)
{
    size_t length = sizeof(struct block) + transport.size * sizeof(struct lane);
    struct atoll_window window;
    void *memory;
    int error = atoll_memory_alloc(length, &memory);
    if (error != 0)
        return error;
    memset(memory, 0, length);
    transport.block = memory;
    transport.block->magic = BLOCK_MAGIC;
    transport.block->rank = transport.rank;
    transport.block->size = transport.size;
    error = atoll_port_publish(PORT_NAME, &transport.port);
    if (error == 0)
        error = atoll_window_make(memory, length, &window);
    return error != 0 ? error : atoll_window_publish(WINDOW_NAME, &window);
}

int transport_open(const char **why)
{
    uint32_t size = 1, rank = 0;
    int error = atoll_init();
    if (error == 0 && getenv("ATOLL_JOB_SIZE") != NULL &&
        (!read_variable("ATOLL_JOB_SIZE", &size) || !read_variable("ATOLL_JOB_RANK", &rank) ||
         rank >= size)) {
        *why = "ATOLL_JOB_RANK and ATOLL_JOB_SIZE are not a rank and a number of ranks";
        return -EINVAL;
    }
    transport.rank = rank;
    *why = "no memory for the ranks' table";
    error = peers_make(size);
    if (error != 0)
        return error;
    if (size == 1)
        return 0;
    if (!read_peers(getenv("ATOLL_JOB_PEERS"), transport.peers, size) ||
        (int)transport.peers[rank].number != atoll_self()) {
        *why = "ATOLL_JOB_PEERS does not name the job's instances in the order of their ranks";
        return -EINVAL;
    }
    const char *crowded = getenv("ATOLL_MPI_CROWDED");
    transport.crowded = crowded != NULL && *crowded == '1';
    *why = "no room for the ranks' table in this instance's section";
    error = block_publish();
    for (uint32_t i = 0; i < size && error == 0; i++)
        if (i != rank)
            error = peer_find(&transport.peers[i], why);
    return error;
}

void transport_close(void)
{
    for (uint32_t i = 0; i < transport.size; i++) {
        struct peer *peer = &transport.peers[i];
        if (peer->wake != NULL)
            atoll_channel_close(peer->wake);
        if (peer->bell != NULL)
            atoll_channel_close(peer->bell);
        peer->wake = peer->bell = NULL;
        free(peer->arena_marks);
    }
    if (transport.port != NULL)
        atoll_port_close(transport.port);
    /* Rings and block stay until this program ends: others may still read what is in them. */
    free(transport.peers);
    free(transport.incoming);
    free(transport.waits);
    transport = (struct transport){.failed = -1};
}
