/* What two and more peers do with channels; each mode checks what it receives, and says "MODE ok".
 *   messages MODE [NUMBER [BYTES]]
 * Peer 1 has the special part in those that have one. */
#include <atoll.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX 64
#define SECOND INT64_C(1000000000)

static int self, peers;
static long number = 1000;
static size_t bytes = 5000;
static struct atoll_port *port;
static struct atoll_channel *to[PEERS_MAX + 1], *from[PEERS_MAX + 1];

static void fail(const char *what, long result)
{
    printf("peer %d: %s: %ld (%s)\n", self, what, result, strerror((int)-result));
    fflush(stdout);
    _exit(1);
}
#define MUST(Call)                                                                                 \
    __extension__({                                                                                \
        long must_result = (long)(Call);                                                           \
        if (must_result < 0)                                                                       \
            fail(#Call, must_result);                                                              \
        must_result;                                                                               \
    })
#define EXPECT(Call, Value)                                                                        \
    do {                                                                                           \
        long expect_result = (long)(Call);                                                         \
        if (expect_result != (long)(Value))                                                        \
            fail(#Call, expect_result);                                                            \
    } while (0)

/* --- Messages that say who they are -------------------------------------------------------------
 */

struct head {
    uint32_t sender, receiver;
    uint64_t sequence;
    uint64_t length;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

static size_t length_of(uint32_t sender, uint32_t receiver, uint64_t sequence)
{
    uint64_t random = mix(sequence * 64 + sender * 8 + receiver + 1);
    size_t most = random % 4 == 0 ? bytes : 64; /* mostly small ones */
    return sizeof(struct head) + (random >> 8) % (most + 1);
}

static size_t message_make(unsigned char *to_bytes, uint32_t receiver, uint64_t sequence)
{
    struct head head = {(uint32_t)self, receiver, sequence, 0};
    head.length = length_of((uint32_t)self, receiver, sequence);
    memcpy(to_bytes, &head, sizeof(head));
    for (size_t i = sizeof(head); i < head.length; i++)
        to_bytes[i] = (unsigned char)(sequence + i);
    return head.length;
}

static void message_check(const unsigned char *got, size_t length, uint32_t sender,
                          uint64_t sequence)
{
    struct head head;
    memcpy(&head, got, sizeof(head));
    if (length < sizeof(head) || head.sender != sender || head.receiver != (uint32_t)self ||
        head.sequence != sequence || head.length != length ||
        length != length_of(sender, (uint32_t)self, sequence))
        fail("not the message that comes next, of", (long)sender);
    for (size_t i = sizeof(head); i < length; i++)
        if (got[i] != (unsigned char)(sequence + i))
            fail("a byte of a message is wrong", (long)i);
}

/* --- Many at once -------------------------------------------------------------------------------
 */

static void connect_to(int peer)
{
    MUST(atoll_channel_open((uint32_t)peer, "messages", NULL, 60 * SECOND, &to[peer]));
}

static void accept_from(int count)
{
    for (int i = 0; i < count; i++) {
        struct atoll_channel *channel;
        MUST(atoll_port_accept(port, &channel, 60 * SECOND));
        int peer = atoll_channel_peer(channel);
        if (peer < 1 || peer > peers || from[peer])
            fail("accepted a second time, or nobody", peer);
        from[peer] = channel;
    }
}

/* Sends `number` messages along every channel in to[] and receives as many from all in from[],
 * whichever is possible; then all senders close, and the readers see that. */
static void exchange(void)
{
    unsigned char *out = malloc(bytes + 4096), *in = malloc(bytes + 4096);
    uint64_t sent[PEERS_MAX + 1] = {0}, got[PEERS_MAX + 1] = {0};
    long left = 0;

    for (int peer = 1; peer <= peers; peer++)
        left += (to[peer] ? number : 0) + (from[peer] ? number : 0);
    while (left > 0) {
        struct atoll_wait items[2 * PEERS_MAX];
        size_t count = 0;
        int progress = 0;

        memset(items, 0, sizeof(items));
        for (int peer = 1; peer <= peers; peer++) {
            if (to[peer] && sent[peer] < (uint64_t)number) {
                size_t length = message_make(out, (uint32_t)peer, sent[peer]);
                int result = atoll_send(to[peer], out, length, 0);
                if (result == 0) {
                    sent[peer]++;
                    left--;
                    progress = 1;
                } else if (result != -EAGAIN) {
                    fail("send", result);
                }
                items[count++].channel = to[peer];
            }
            if (from[peer] && got[peer] < (uint64_t)number) {
                ssize_t length = atoll_receive(from[peer], in, bytes + 4096, 0);
                if (length >= 0) {
                    message_check(in, (size_t)length, (uint32_t)peer, got[peer]++);
                    left--;
                    progress = 1;
                } else if (length != -EAGAIN) {
                    fail("receive", length);
                }
                items[count++].channel = from[peer];
            }
        }
        if (!progress && left > 0)
            if (MUST(atoll_wait(items, count, 30 * SECOND)) == 0)
                fail("nothing for half a minute", -ETIMEDOUT);
    }
    for (int peer = 1; peer <= peers; peer++)
        if (to[peer])
            MUST(atoll_channel_close(to[peer]));
    for (int peer = 1; peer <= peers; peer++)
        if (from[peer]) {
            EXPECT(atoll_receive(from[peer], in, bytes, 30 * SECOND), -EPIPE);
            MUST(atoll_channel_close(from[peer]));
        }
    free(out);
    free(in);
}

static void mode_all(void)
{
    for (int peer = 1; peer <= peers; peer++)
        if (peer != self)
            connect_to(peer);
    accept_from(peers - 1);
    exchange();
}

static void mode_gather(void)
{
    if (self == 1)
        accept_from(peers - 1);
    else
        connect_to(1);
    exchange();
}

static void mode_scatter(void)
{
    if (self != 1)
        accept_from(1);
    for (int peer = 2; self == 1 && peer <= peers; peer++)
        connect_to(peer);
    exchange();
}

/* --- Several threads at one end -----------------------------------------------------------------
 */

#define THREADS 4
static uint64_t thread_sum;

static void *thread_sends(void *argument)
{
    long first = (long)argument;
    for (long i = first; i < number; i += THREADS) {
        uint64_t words[20] = {(uint64_t)i + 1, (uint64_t)i * 3};
        MUST(atoll_send(to[2], words, i % 5 == 0 ? sizeof(words) : 16, 30 * SECOND));
    }
    return NULL;
}

static void *thread_receives(void *argument)
{
    (void)argument;
    for (;;) {
        uint64_t words[20];
        ssize_t length = atoll_receive(from[1], words, sizeof(words), 30 * SECOND);
        if (length == -EPIPE)
            return NULL;
        if (length < 16 || words[1] != (words[0] - 1) * 3)
            fail("thread receives", length);
        __atomic_fetch_add(&thread_sum, words[0], __ATOMIC_RELAXED);
    }
}

static void mode_threads(void)
{
    pthread_t threads[THREADS];
    if (self == 1)
        connect_to(2);
    else
        accept_from(1);
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, self == 1 ? thread_sends : thread_receives,
                           (void *)i) != 0)
            fail("thread", -EAGAIN);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (self == 1)
        MUST(atoll_channel_close(to[2]));
    else if (thread_sum != (uint64_t)number * ((uint64_t)number + 1) / 2)
        fail("the sum of all messages", (long)thread_sum);
}

/* --- Deaths -------------------------------------------------------------------------------------
 */

/* Peer 2 sends `number` messages and dies in this way; peer 1 gets them all, then EPIPE. */
static void die(const char *way)
{
    if (strcmp(way, "crash") == 0)
        raise(SIGSEGV);
    if (strcmp(way, "abort") == 0)
        abort();
    printf("died\n");
    fflush(stdout);
    _exit(0);
}

static void mode_death(const char *way)
{
    unsigned char buffer[8192];
    bytes = bytes < 4000 ? bytes : 4000;
    if (self == 2) {
        connect_to(1);
        accept_from(1);
        for (long i = 0; i < number; i++) {
            size_t length = message_make(buffer, 1, (uint64_t)i);
            MUST(atoll_send(to[1], buffer, length, 30 * SECOND));
        }
        die(way);
    }
    connect_to(2);
    accept_from(1);
    for (long i = 0; i < number; i++) {
        ssize_t length = MUST(atoll_receive(from[2], buffer, sizeof(buffer), 30 * SECOND));
        message_check(buffer, (size_t)length, 2, (uint64_t)i);
    }
    EXPECT(atoll_receive(from[2], buffer, sizeof(buffer), 30 * SECOND), -EPIPE);
    /* And the other way round: it has not read anything, and never will. */
    int result;
    long count = 0;
    while ((result = atoll_send(to[2], buffer, 100, 30 * SECOND)) == 0)
        if (count++ > 100000)
            fail("sends to the dead go on", count);
    if (result != -EPIPE)
        fail("send to the dead", result);
    EXPECT(atoll_channel_open(2, "other", NULL, 30 * SECOND, &to[2]), -EPIPE);
    EXPECT(atoll_port_find(2, "other", ATOLL_FOREVER), -EPIPE);
    struct atoll_peer peer;
    MUST(atoll_peer(2, &peer));
    if (peer.state != (strcmp(way, "exit") == 0 ? ATOLL_STATE_EXITED : ATOLL_STATE_CRASHED))
        fail("state", peer.state);
    EXPECT(atoll_peer_wait(2, 1 << ATOLL_STATE_RUNNING, ATOLL_FOREVER), -EPIPE);
}

/* Peer 2 dies while peer 1 waits for it in a full ring, in a receive, at a barrier. */
static void *wait_receive(void *unused)
{
    char byte;
    (void)unused;
    EXPECT(atoll_receive(from[2], &byte, 1, ATOLL_FOREVER), -EPIPE);
    return NULL;
}

static void *wait_barrier(void *barrier)
{
    EXPECT(atoll_barrier_wait(barrier, ATOLL_FOREVER), -EPIPE);
    return NULL;
}

static void mode_sleepers(void)
{
    struct atoll_barrier *barrier;
    pthread_t threads[2];
    char block[4096] = {0};
    uint32_t pair[] = {1, 2};
    connect_to(3 - self);
    accept_from(1);
    MUST(atoll_barrier_join("pair", pair, 2, 30 * SECOND, &barrier));
    if (self == 2) {
        usleep(300000);
        die("crash");
    }
    pthread_create(&threads[0], NULL, wait_receive, NULL);
    pthread_create(&threads[1], NULL, wait_barrier, barrier);
    int result;
    while ((result = atoll_send(to[2], block, sizeof(block), ATOLL_FOREVER)) == 0)
        ;
    if (result != -EPIPE)
        fail("send to the dead", result);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

/* Peer 2 sends a marked message and then spoils the ring in its own section. */
static void mode_hostile(void)
{
    static const char mark[] = "this message is going to be spoilt, for EPROTO";
    char buffer[100];
    if (self == 1) {
        accept_from(1);
        MUST(atoll_barrier_join("spoilt", NULL, 0, 30 * SECOND, &(struct atoll_barrier *){0}));
        EXPECT(atoll_receive(from[2], buffer, sizeof(buffer), 30 * SECOND), -EPROTO);
        EXPECT(atoll_receive(from[2], buffer, sizeof(buffer), 30 * SECOND), -EPROTO);
        return;
    }
    void *memory;
    struct atoll_window window;
    connect_to(1);
    MUST(atoll_memory_alloc(64, &memory));
    MUST(atoll_window_make(memory, 64, &window));
    MUST(atoll_send(to[1], mark, sizeof(mark), 30 * SECOND));
    unsigned char *section = (unsigned char *)memory - window.offset;
    size_t at = 16;
    while (memcmp(section + at, mark, sizeof(mark)) != 0)
        at += 64;
    if (number == 1)
        memset(section + at - 2, 0xff, 2); /* flags that nobody knows */
    else
        memset(section + at - 8, 0xff, 4); /* a length that cannot be */
    MUST(atoll_barrier_join("spoilt", NULL, 0, 30 * SECOND, &(struct atoll_barrier *){0}));
    int result;
    while ((result = atoll_send(to[1], mark, sizeof(mark), 30 * SECOND)) == 0)
        ;
    if (result != -EPIPE)
        fail("send to who has refused", result);
}

/* --- Sleeping -----------------------------------------------------------------------------------
 */

/* To and fro, until peer 1 has slept `number` times: both sides sleep before each message, unless
 * the other was faster. With faults, some doorbells are lost. */
static void mode_sleep(void)
{
    struct atoll_statistics statistics = {0};
    unsigned char buffer[8192];
    uint32_t other = (uint32_t)(3 - self);
    long i;
    connect_to(3 - self);
    accept_from(1);
    MUST(atoll_channel_set_flags(from[other], ATOLL_NO_POLLING));
    bytes = 0;
    for (i = 0; (long)statistics.sleeps < number; i++) {
        size_t length = message_make(buffer, other, (uint64_t)i);
        if (self == 1)
            MUST(atoll_send(to[2], buffer, length, 30 * SECOND));
        ssize_t got = atoll_receive(from[other], buffer, sizeof(buffer), 30 * SECOND);
        if (self == 2 && got == -EPIPE)
            break;
        MUST(got);
        message_check(buffer, (size_t)got, other, (uint64_t)i);
        length = message_make(buffer, other, (uint64_t)i);
        if (self == 2)
            MUST(atoll_send(to[1], buffer, length, 30 * SECOND));
        else
            MUST(atoll_channel_statistics(from[2], &statistics));
        if (i > 20 * number)
            fail("has hardly slept", (long)statistics.sleeps);
    }
    MUST(atoll_channel_close(to[other]));
    printf("%ld messages\n", i);
}

static void mode_idle(void)
{
    char byte;
    connect_to(3 - self);
    accept_from(1);
    if (self == 1)
        sleep((unsigned)number);
    else
        EXPECT(atoll_receive(from[1], &byte, 1, ATOLL_FOREVER), 1);
    if (self == 1)
        MUST(atoll_send(to[2], "x", 1, SECOND));
}

/* --- Groups, memory, names ----------------------------------------------------------------------
 */

static void mode_barrier(void)
{
    struct atoll_barrier *barrier;
    struct atoll_counter *counter, *mine;
    uint64_t value;
    char name[32];
    MUST(atoll_barrier_join("all", NULL, 0, 60 * SECOND, &barrier));
    if (self == 1)
        MUST(atoll_counter_create("rounds", 0, &counter));
    else
        MUST(atoll_counter_find(ATOLL_ANY, "rounds", 60 * SECOND, &counter));
    snprintf(name, sizeof(name), "own-%d", self);
    MUST(atoll_counter_create(name, 7, &mine));
    for (long i = 0; i < number; i++) {
        MUST(atoll_counter_add(counter, 1, NULL));
        MUST(atoll_barrier_wait(barrier, 60 * SECOND));
        MUST(atoll_counter_read(counter, &value));
        if (value != (uint64_t)(i + 1) * (uint64_t)peers)
            fail("somebody has not come, or twice", (long)value);
        MUST(atoll_barrier_wait(barrier, 60 * SECOND));
        if (i % 8 == 7) /* somebody is late, so that the others sleep */
            usleep((useconds_t)(mix((uint64_t)(i + self)) % 2000));
    }
    if (self == 2) {
        MUST(atoll_counter_compare_exchange(counter, value, 5, &value));
        if (value != (uint64_t)number * (uint64_t)peers)
            fail("compare and exchange", (long)value);
        MUST(atoll_counter_exchange(counter, 6, &value));
        if (value != 5)
            fail("exchange", (long)value);
    }
    MUST(atoll_barrier_wait(barrier, 60 * SECOND));
}

static void mode_window(void)
{
    struct atoll_window window;
    const void *theirs;
    void *mine;
    int next = self % peers + 1;
    MUST(atoll_memory_alloc(100000, &mine));
    memset(mine, self, 100000);
    MUST(atoll_window_make(mine, 100000, &window));
    MUST(atoll_window_publish("window", &window));
    MUST(atoll_window_find((uint32_t)next, "window", 60 * SECOND, &window));
    MUST(atoll_window_map(&window, &theirs));
    for (size_t i = 0; i < 100000; i++)
        if (((const unsigned char *)theirs)[i] != next)
            fail("the window shows something else", (long)i);
    MUST(atoll_window_check(&window));
    window.length = UINT64_MAX;
    EXPECT(atoll_window_map(&window, &theirs), -EPROTO);
    window.generation++;
    EXPECT(atoll_window_map(&window, &theirs), -EPIPE);
    struct atoll_barrier *barrier;
    MUST(atoll_barrier_join("seen", NULL, 0, 60 * SECOND, &barrier));
    MUST(atoll_barrier_wait(barrier, 60 * SECOND));
    MUST(atoll_memory_free(mine));
    EXPECT(atoll_memory_free(mine), -EINVAL);
}

static void mode_place(void) /* in place, gathered, too long, next length */
{
    void *place;
    const void *data;
    char buffer[5000], parts[3][4] = {"abc", "def", "ghi"};
    struct iovec pieces[3] = {{parts[0], 3}, {parts[1], 3}, {parts[2], 3}};
    if (self == 1) {
        connect_to(2);
        for (long i = 0; i < number; i++) {
            size_t length = (size_t)i * 37 % 5000;
            MUST(atoll_reserve(to[2], length, &place, 30 * SECOND));
            memset(place, (int)i, length);
            MUST(atoll_commit(to[2], length));
        }
        MUST(atoll_reserve(to[2], 100, &place, 30 * SECOND));
        MUST(atoll_cancel(to[2]));
        MUST(atoll_sendv(to[2], pieces, 3, 30 * SECOND));
        MUST(atoll_send(to[2], buffer, 0, 30 * SECOND));
        return;
    }
    accept_from(1);
    for (long i = 0; i < number; i++) {
        ssize_t length = MUST(atoll_peek(from[1], &data, 30 * SECOND));
        if (length != i * 37 % 5000)
            fail("length", length);
        for (ssize_t k = 0; k < length; k++)
            if (((const unsigned char *)data)[k] != (unsigned char)i)
                fail("byte", k);
        MUST(atoll_release(from[1]));
    }
    EXPECT(atoll_next_length(from[1], 30 * SECOND), 9);
    EXPECT(atoll_receive(from[1], buffer, 8, 30 * SECOND), -EMSGSIZE);
    struct iovec two[2] = {{buffer, 4}, {buffer + 100, 50}};
    EXPECT(atoll_receivev(from[1], two, 2, 30 * SECOND), 9);
    if (memcmp(buffer, "abcd", 4) != 0 || memcmp(buffer + 100, "efghi", 5) != 0)
        fail("scattered", 0);
    EXPECT(atoll_receive(from[1], NULL, 0, 30 * SECOND), 0);
}

static void mode_poll(void)
{
    char buffer[64];
    if (self == 1) {
        usleep(100000);
        connect_to(2);
        for (long i = 0; i < number; i++) {
            usleep(1000);
            MUST(atoll_send(to[2], &i, sizeof(i), 30 * SECOND));
        }
        return;
    }
    struct pollfd polled = {.fd = (int)MUST(atoll_port_fd(port)), .events = POLLIN};
    if (poll(&polled, 1, 30000) != 1 || polled.revents != POLLIN)
        fail("poll of the port", polled.revents);
    accept_from(1);
    polled.fd = (int)MUST(atoll_channel_fd(from[1]));
    for (long i = 0; i < number; i++) {
        if (poll(&polled, 1, 30000) != 1 || !(polled.revents & POLLIN))
            fail("poll of the channel", polled.revents);
        long got = -1;
        EXPECT(atoll_receive(from[1], &got, sizeof(got), 0), sizeof(got));
        if (got != i)
            fail("order", got);
    }
    if (poll(&polled, 1, 30000) != 1 || !(polled.revents & POLLHUP))
        fail("poll at the end", polled.revents);
    EXPECT(atoll_receive(from[1], buffer, sizeof(buffer), 0), -EPIPE);
    /* Together with a descriptor of another kind: standard output is always writable. */
    struct atoll_wait items[2] = {{.port = port}, {.fd = 1, .events = POLLOUT}};
    EXPECT(atoll_wait(items, 2, 0), 1);
    if (items[0].ready || items[1].ready != POLLOUT)
        fail("wait for several kinds", items[1].ready);
}

/* The same with epoll, told of changes only, and with an eventfd that a thread writes. */
static int event;

static void *write_event(void *unused)
{
    uint64_t one = 1;
    (void)unused;
    for (long i = 0; i < number; i++) {
        usleep(700);
        if (write(event, &one, sizeof(one)) != sizeof(one))
            fail("write to the eventfd", i);
    }
    return NULL;
}

static void mode_epoll(void)
{
    if (self == 1) {
        connect_to(2);
        for (long i = 0; i < number; i++) {
            if (i % 3 == 0)
                usleep(1000);
            MUST(atoll_send(to[2], &i, sizeof(i), 30 * SECOND));
        }
        return;
    }
    pthread_t thread;
    int set = epoll_create1(0);
    event = eventfd(0, EFD_NONBLOCK);
    accept_from(1);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.u32 = 1}, got;
    if (epoll_ctl(set, EPOLL_CTL_ADD, (int)MUST(atoll_channel_fd(from[1])), &wanted))
        fail("epoll_ctl", -errno);
    wanted.data.u32 = 2;
    if (epoll_ctl(set, EPOLL_CTL_ADD, event, &wanted) ||
        !epoll_ctl(set, EPOLL_CTL_ADD, event, &wanted) || errno != EEXIST)
        fail("epoll_ctl", -errno);
    pthread_create(&thread, NULL, write_event, NULL);
    uint64_t events = 0;
    long next = 0;
    int over = 0;
    while (events < (uint64_t)number || !over) {
        if (epoll_wait(set, &got, 1, 30000) != 1)
            fail("epoll_wait", -errno);
        uint64_t more;
        if (got.data.u32 == 2 && read(event, &more, sizeof(more)) == sizeof(more))
            events += more;
        while (got.data.u32 == 1 && !over) {
            long value;
            ssize_t length = atoll_receive(from[1], &value, sizeof(value), 0);
            if (length == -EAGAIN)
                break;
            over = length == -EPIPE;
            if (!over && (length != sizeof(value) || value != next++))
                fail("order", value);
        }
    }
    pthread_join(thread, NULL);
    if (next != number || events != (uint64_t)number)
        fail("not all", next);
    if (epoll_ctl(set, EPOLL_CTL_DEL, event, NULL) || close(set))
        fail("epoll_ctl", -errno);
}

static void mode_names(void)
{
    struct atoll_port *late;
    struct atoll_peer peer;
    for (int i = 1; i <= peers; i++) {
        MUST(atoll_peer((uint32_t)i, &peer));
        EXPECT(atoll_peer_find(peer.name), i);
    }
    EXPECT(atoll_peer_find("nobody"), -ENOENT);
    EXPECT(atoll_port_find(ATOLL_ANY, "absent", 0), -EAGAIN);
    EXPECT(atoll_port_find(ATOLL_ANY, "absent", SECOND / 100), -ETIMEDOUT);
    EXPECT(atoll_port_publish("messages", &late), -EEXIST);
    EXPECT(atoll_channel_open((uint32_t)self, "messages", NULL, 0, &to[0]), -EINVAL);
    if (self == 1) {
        usleep(200000);
        for (int i = 0; i < 40; i++) { /* more than the first table holds */
            char name[32];
            snprintf(name, sizeof(name), "late-%d", i);
            MUST(atoll_port_publish(name, &late));
        }
    } else {
        EXPECT(atoll_port_find(ATOLL_ANY, "late-39", 30 * SECOND), 1);
    }
    struct atoll_barrier *found;
    MUST(atoll_barrier_join("found", NULL, 0, 30 * SECOND, &found));
    MUST(atoll_barrier_wait(found, 30 * SECOND));
    if (self != 1) {
        MUST(atoll_peer_wait(1, 1 << ATOLL_STATE_EXITED, 30 * SECOND));
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "all";
    if (atoll_init() == -ENOSYS) {
        printf("not on Atoll\n");
        return 0;
    }
    number = argc > 2 ? atol(argv[2]) : number;
    bytes = argc > 3 ? (size_t)atol(argv[3]) : bytes;
    self = (int)MUST(atoll_self());
    peers = (int)MUST(atoll_peers());
    MUST(atoll_port_publish("messages", &port));
    if (strcmp(mode, "all") == 0)
        mode_all();
    else if (strcmp(mode, "gather") == 0)
        mode_gather();
    else if (strcmp(mode, "scatter") == 0)
        mode_scatter();
    else if (strcmp(mode, "threads") == 0)
        mode_threads();
    else if (strcmp(mode, "exit") == 0 || strcmp(mode, "crash") == 0 || strcmp(mode, "abort") == 0)
        mode_death(mode);
    else if (strcmp(mode, "sleepers") == 0)
        mode_sleepers();
    else if (strcmp(mode, "hostile") == 0)
        mode_hostile();
    else if (strcmp(mode, "sleep") == 0)
        mode_sleep();
    else if (strcmp(mode, "faults") == 0) {
        MUST(atoll_inject(7, 5));
        mode_sleep();
    } else if (strcmp(mode, "idle") == 0)
        mode_idle();
    else if (strcmp(mode, "barrier") == 0)
        mode_barrier();
    else if (strcmp(mode, "window") == 0)
        mode_window();
    else if (strcmp(mode, "place") == 0)
        mode_place();
    else if (strcmp(mode, "poll") == 0)
        mode_poll();
    else if (strcmp(mode, "epoll") == 0)
        mode_epoll();
    else if (strcmp(mode, "names") == 0)
        mode_names();
    else
        return 2;
    printf("%s ok\n", mode);
    return 0;
}
