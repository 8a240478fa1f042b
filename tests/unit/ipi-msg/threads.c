/* Three peers, a thread for each, all talking to all and asleep whenever there is nothing to do:
 * all messages arrive in order, and nobody sleeps for ever. */
#include "tests/unit/ipi-msg/world.h"

#define TALKERS 3

static struct world world;

struct talker {
    uint32_t self;
    uint64_t seed, until;
    uint64_t sent[TALKERS], received[TALKERS];
    bool ended[TALKERS]; /* the other has said that it sends no more */
    bool done[TALKERS];  /* this one has told it so */
    uint64_t sleeps;
    const char *fault;
};

#define END_BIT (UINT64_C(1) << 63)

/* Receives all there is. Returns whether anything was. */
static bool take(struct talker *me)
{
    bool any = false;
    for (uint32_t from = 0; from < TALKERS; from++) {
        uint64_t number;
        int result;
        while ((result = world_receive(&world, me->self, from, &number)) == 1) {
            any = true;
            if ((number & ~END_BIT) != me->received[from]++)
                me->fault = "out of order";
            if (number & END_BIT)
                me->ended[from] = true;
        }
        if (result < 0)
            me->fault = "link closed";
    }
    return any;
}

/* Sends bursts until its time is over, then the end. Returns whether a channel was full. */
static bool give(struct talker *me)
{
    bool full = false;
    for (uint32_t to = 0; to < TALKERS; to++) {
        if (to == me->self || me->done[to])
            continue;
        bool last = now_ns() >= me->until;
        for (uint64_t burst = last ? 1 : random_below(&me->seed, 400); burst; burst--) {
            uint8_t data[600] = {0};
            uint64_t number = me->sent[to] | (last ? END_BIT : 0);
            memcpy(data, &number, sizeof number);
            struct shm_piece piece = {data, 8 + random_below(&me->seed, 592)};
            int error = ipi_send(&world.peers[me->self].endpoint, to, 7, &piece, 1);
            if (error == -EAGAIN) {
                full = true;
                break;
            }
            if (error) {
                me->fault = "send failed";
                return false;
            }
            me->sent[to]++;
            me->done[to] = last;
        }
    }
    return full;
}

static bool all_done(const struct talker *me)
{
    for (uint32_t other = 0; other < TALKERS; other++)
        if (other != me->self && !(me->ended[other] && me->done[other]))
            return false;
    return true;
}

static void *run_talker(void *argument)
{
    struct talker *me = argument;
    struct ipi_endpoint *endpoint = &world.peers[me->self].endpoint;
    while (!all_done(me) && !me->fault) {
        bool full = give(me);
        bool any = take(me);
        bool sending = false;
        for (uint32_t to = 0; to < TALKERS; to++)
            sending |= to != me->self && !me->done[to];
        /* Sleeps when full channels or nothing but the others keep it. */
        if (any || (sending && !full) || all_done(me))
            continue;
        if (ipi_arm(endpoint, 0, WORLD_PEERS - 1))
            continue;
        me->sleeps++;
        if (!doorbell_wait(&world.peers[me->self].bell))
            me->fault = "not woken";
        ipi_disarm(endpoint, 0, WORLD_PEERS - 1);
    }
    return NULL;
}

Test(threads, three_peers_talk_and_sleep, .timeout = 60)
{
    struct talker talkers[TALKERS];
    pthread_t threads[TALKERS];
    world_make(&world, 256 << 10);
    for (uint32_t peer = 0; peer < WORLD_PEERS; peer++)
        world_start(&world, peer, 1);
    for (uint32_t i = 0; i < TALKERS; i++) {
        talkers[i] = (struct talker){.self = i, .seed = i + 1, .until = now_ns() + 1000000000};
        pthread_create(&threads[i], NULL, run_talker, &talkers[i]);
    }
    for (uint32_t i = 0; i < TALKERS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < TALKERS; i++) {
        cr_assert_null(talkers[i].fault, "%s", talkers[i].fault);
        for (uint32_t k = 0; k < TALKERS; k++)
            cr_assert_eq(talkers[i].received[k], talkers[k].sent[i]);
        cr_assert_gt(talkers[i].sleeps, 0);
    }
    world_end(&world);
}
