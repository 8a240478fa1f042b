/* The progress engine: looks at every ring, and does what its cells say; and how calls wait. */
#include "abi/mpi/library.h"

#include <asm/unistd.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CELLS_AT_ONCE 64     /* of one ring, before the next one has its turn */
#define DISCOVER_EVERY 16    /* polls in vain, between two looks for new rings */
#define CLOCK_EVERY 32       /* polls in vain, between two looks at the clock */
#define SPIN_US 200          /* polling pays while a wake-up costs some tens of microseconds */
#define YIELDS 20            /* of the core to other ranks before sleeping, where they share it */
#define SLEEP_FIRST 20000000 /* ns */
#define SLEEP_MOST 1280000000
#define SLEEP_THREADS 1000000 /* where other threads may complete what this one waits for */

struct mpi mpi;

/* --- Cells -------------------------------------------------------------------------------------
 */

static noreturn void unsound(const struct peer *peer)
{
    mpi_die(MPI_ERR_INTERN, "rank %u has left a message that no rank writes", peer->rank);
}

static void cell_arrived(struct peer *peer, const struct cell *cell, uint64_t head)
{
    struct arrival arrival = {
        .peer = peer,
        .key = {envelope_context(cell->envelope), (int)cell_source(head),
                envelope_tag(cell->envelope)},
    };
    struct cell_arena arena;
    struct cell_offer offer;
    struct atoll_extent extent;
    uint64_t used = 0;
    switch (cell_kind(head)) {
    case CELL_DATA:
        arrival.length = cell_length(head);
        arrival.data = transport_payload(peer, cell, head);
        if (arrival.data == NULL)
            unsound(peer);
        break;
    case CELL_LONG:
        memcpy(&arena, cell->payload, sizeof(arena));
        arrival.length = (int64_t)arena.length;
        arrival.data = transport_arena_bytes(peer, arena.offset, arena.length);
        used = arena.length;
        if (arrival.data == NULL)
            unsound(peer);
        break;
    default:
        memcpy(&offer, cell->payload, sizeof(offer));
        arrival.length = (int64_t)offer.length;
        arrival.sender = offer.sender;
        arrival.synchronous = offer.synchronous != 0;
        if (arrival.length < 0)
            unsound(peer);
        arrival.extent_count = offer.extents;
        if (offer.extents == 1) {
            extent = (struct atoll_extent){offer.place, offer.length};
            arrival.extents = &extent;
        } else if (offer.extents > 1) {
            used = (uint64_t)offer.extents * sizeof(extent);
            arrival.extents = (const void *)transport_arena_bytes(peer, offer.place, used);
            if (arrival.extents == NULL || offer.place % _Alignof(struct atoll_extent) != 0)
                unsound(peer);
        }
        break;
    }
    receive_arrived(&arrival);
    transport_take(peer, head, used);
}

static void cell_handle(struct peer *peer, const struct cell *cell, uint64_t head)
{
    struct cell_accept accept;
    struct cell_piece piece;
    switch (cell_kind(head)) {
    case CELL_DATA:
    case CELL_LONG:
    case CELL_OFFER:
        cell_arrived(peer, cell, head);
        return;
    case CELL_ACCEPT:
        memcpy(&accept, cell->payload, sizeof(accept));
        transport_take(peer, head, 0);
        send_accepted(peer, &accept);
        return;
    case CELL_PIECE:
        memcpy(&piece, cell->payload, sizeof(piece));
        receive_piece(peer, &piece);
        transport_take(peer, head, piece.length);
        return;
    case CELL_DONE:
        memcpy(&accept, cell->payload, sizeof(accept));
        transport_take(peer, head, 0);
        send_finished(peer, &accept);
        return;
    default:
        unsound(peer);
    }
}

bool engine_poll(void)
{
    bool moved = false;
    for (uint32_t i = 0; i < transport.incoming_count; i++) {
        struct peer *peer = transport.incoming[i];
        const struct cell *cell;
        uint64_t head;
        for (unsigned n = 0; n < CELLS_AT_ONCE && (cell = transport_peek(peer, &head)) != NULL;
             n++) {
            cell_handle(peer, cell, head);
            moved = true;
        }
    }
    if (UNLIKELY(transport.queued != 0))
        moved |= transport_flush();
    if (UNLIKELY(mpi.schedules != NULL))
        moved |= schedule_advance();
    return moved;
}

void engine_step(void)
{
    static uint32_t steps;
    if (!engine_poll() && ++steps % DISCOVER_EVERY == 0)
        transport_discover();
    /* The program polls: others need the core, and this rank's other threads the lock besides,
     * which they would find taken whenever they have their turn. */
    if ((transport.crowded || mpi.threads) && steps % CLOCK_EVERY == 0) {
        mpi_unlock();
        library_system_call(__NR_sched_yield, 0, 0, 0, 0);
        mpi_lock();
    }
}

/* --- Waiting -----------------------------------------------------------------------------------
 */

static void check_ranks(void)
{
    int failed = transport_check();
    if (failed >= 0)
        mpi_die(MPI_ERR_PROC_ABORTED, "rank %d has ended before MPI_Finalize", failed);
}

/* Another thread sleeps in the kernel already: sleeps until it has seen something. */
static void sleep_for_event(void)
{
    uint32_t event = atomic_load_explicit(&mpi.event, memory_order_relaxed);
    struct timespec limit = {0, SLEEP_FIRST};
    mpi.sleepers++;
    mpi_unlock();
    library_system_call(__NR_futex, (uint64_t)&mpi.event, FUTEX_WAIT_PRIVATE, event,
                        (uint64_t)&limit);
    mpi_lock();
    mpi.sleepers--;
}

void engine_event(void)
{
    atomic_fetch_add_explicit(&mpi.event, 1, memory_order_relaxed);
    if (mpi.sleepers != 0)
        library_system_call(__NR_futex, (uint64_t)&mpi.event, FUTEX_WAKE_PRIVATE, INT32_MAX, 0);
}

void engine_wait_over(struct waiter *waiter)
{
    waiter->armed = false;
    waiter->idle = 0;
    waiter->since = 0;
    transport_arm(false);
}

static void sleep_in_kernel(struct waiter *waiter)
{
    int64_t time = waiter->sleep != 0 ? waiter->sleep : SLEEP_FIRST;
    uint64_t began = library_ticks();
    mpi.sleeping = true;
    mpi_unlock();
    transport_sleep(mpi.threads ? SLEEP_THREADS : time);
    mpi_lock();
    mpi.sleeping = false;
    /* Nobody rang: the next time may be longer; and is everybody alive? */
    if (library_ticks() - began >= (uint64_t)time / 2000 * library.ticks_us) {
        check_ranks();
        waiter->sleep = time * 2 < SLEEP_MOST ? time * 2 : SLEEP_MOST;
    }
    engine_wait_over(waiter);
    if (mpi.threads)
        engine_event();
}

/* Has it polled long enough? Where ranks share cores, it lets the others have theirs meanwhile. */
static bool waited_enough(struct waiter *waiter)
{
    if (waiter->idle % CLOCK_EVERY != 0)
        return false;
    if (transport.size == 1 || transport.crowded) {
        if (waiter->idle / CLOCK_EVERY >= YIELDS)
            return true;
        mpi_unlock();
        library_system_call(__NR_sched_yield, 0, 0, 0, 0);
        mpi_lock();
        return false;
    }
    uint64_t now = library_ticks();
    if (waiter->since == 0)
        waiter->since = now;
    return now - waiter->since >= SPIN_US * library.ticks_us;
}

void engine_wait(struct waiter *waiter)
{
    bool discover = waiter->armed || waiter->idle % DISCOVER_EVERY == 0;
    if (engine_poll() || (discover && transport_discover())) {
        if (waiter->armed)
            engine_wait_over(waiter);
        waiter->idle = 0;
        waiter->since = 0;
        return;
    }
    waiter->idle++;
    if (UNLIKELY(mpi.threads)) {
        mpi_unlock();
        library_pause();
        mpi_lock();
    } else {
        library_pause();
    }
    if (waiter->armed) {
        if (library_ticks() - waiter->since < transport_grace())
            return;
        if (mpi.sleeping)
            sleep_for_event();
        else
            sleep_in_kernel(waiter);
    } else if (waited_enough(waiter)) {
        if (mpi.sleeping) {
            sleep_for_event();
            return;
        }
        waiter->armed = true;
        transport_arm(true);
        waiter->since = library_ticks();
    }
}

/* --- The end of the job ------------------------------------------------------------------------
 */

void mpi_die(int code, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fflush(stdout);
    fprintf(stderr, "rank %u: %s\n", transport.rank, text);
    fflush(stderr);
    _exit(code > 0 && code < 256 ? code : 1);
}
