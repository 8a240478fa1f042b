/* One peer is killed by force, from outside, while others deal with it in every way and with each
 * other: four peers, of which the first is to be killed once all have said "ready". */
#include <atoll.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES 100
#define ROUNDS 20000

#define EXPECT(Condition)                                                                          \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            printf("line %d: not so: %s\n", __LINE__, #Condition);                                 \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static struct atoll_port *port;
static struct atoll_channel *to, *from;

static void ready(void)
{
    puts("ready");
    fflush(stdout);
}

static void pair_with(uint32_t peer)
{
    EXPECT(atoll_channel_open(peer, "port", NULL, ATOLL_FOREVER, &to) == 0);
    EXPECT(atoll_port_accept(port, &from, ATOLL_FOREVER) == 0);
}

/* To be killed: what it has sent whole is still received. */
static void victim(void)
{
    pair_with(2);
    for (int i = 0; i < MESSAGES; i++)
        EXPECT(atoll_send(to, &i, sizeof(i), ATOLL_FOREVER) == 0);
    ready();
    for (;;)
        pause();
}

static void *fill(void *nothing)
{
    static const char block[4096];
    int result;
    while ((result = atoll_send(to, block, sizeof(block), ATOLL_FOREVER)) == 0)
        ;
    EXPECT(result == -EPIPE); /* asleep, since nobody receives */
    return nothing;
}

static void *find(void *nothing)
{
    struct atoll_channel *channel;
    EXPECT(atoll_channel_open(1, "a port that never is", NULL, ATOLL_FOREVER, &channel) == -EPIPE);
    return nothing;
}

static void *wait_for_exit(void *nothing)
{
    EXPECT(atoll_peer_wait(1, 1u << ATOLL_STATE_EXITED, ATOLL_FOREVER) == -EPIPE);
    return nothing;
}

static void *meet(void *nothing)
{
    struct atoll_barrier *barrier;
    EXPECT(atoll_barrier_join("all", (uint32_t[]){1, 2}, 2, ATOLL_FOREVER, &barrier) == -EPIPE);
    return nothing;
}

static void partner(void)
{
    static void *(*const ways[])(void *) = {fill, find, wait_for_exit, meet};
    pthread_t threads[sizeof(ways) / sizeof(*ways)];
    struct atoll_peer peer;
    int number;
    pair_with(1);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        EXPECT(pthread_create(&threads[i], NULL, ways[i], NULL) == 0);
    for (int i = 0; i < MESSAGES / 2; i++)
        EXPECT(atoll_receive(from, &number, sizeof(number), ATOLL_FOREVER) == sizeof(number));
    usleep(300000); /* all are asleep */
    ready();
    EXPECT(atoll_peer_wait(1, 1u << ATOLL_STATE_HUNG, ATOLL_FOREVER) == ATOLL_STATE_HUNG);
    for (int i = MESSAGES / 2; i < MESSAGES; i++)
        EXPECT(atoll_receive(from, &number, sizeof(number), ATOLL_FOREVER) == sizeof(number) &&
               number == i);
    EXPECT(atoll_receive(from, &number, sizeof(number), ATOLL_FOREVER) == -EPIPE);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        EXPECT(pthread_join(threads[i], NULL) == 0);
    EXPECT(atoll_peer(1, &peer) == 0 && peer.state == ATOLL_STATE_HUNG && peer.generation == 1);
    EXPECT(atoll_channel_open(1, "port", NULL, ATOLL_FOREVER, &to) == -EPIPE);
}

/* Two who have nothing to do with it: their messages go on all the while. */
static void stranger(uint32_t other)
{
    int got, after = 0;
    struct atoll_peer peer;
    pair_with(other);
    ready();
    for (int i = 0; after < ROUNDS; i++) {
        EXPECT(atoll_send(to, &i, sizeof(i), ATOLL_FOREVER) == 0);
        EXPECT(atoll_receive(from, &got, sizeof(got), ATOLL_FOREVER) == sizeof(got) && got == i);
        EXPECT(atoll_peer(1, &peer) == 0);
        after += peer.state == ATOLL_STATE_HUNG;
        /* Both go on for as long. */
        EXPECT(atoll_send(to, &after, sizeof(after), ATOLL_FOREVER) == 0);
        EXPECT(atoll_receive(from, &got, sizeof(got), ATOLL_FOREVER) == sizeof(got));
        after = got < after ? got : after;
    }
}

int main(void)
{
    if (atoll_init() == -ENOSYS) {
        puts("not on Atoll");
        return 0;
    }
    int self = atoll_self();
    EXPECT(atoll_port_publish("port", &port) == 0);
    if (self == 1)
        victim();
    else if (self == 2)
        partner();
    else
        stranger((uint32_t)(7 - self));
    puts("unharmed");
    return 0;
}
