/* The memory of a job's peers: read in place, never written, and only by those of the job.
 *   job read       rank 0's heap, stack and static data are read by all others; then it has gone
 *   job changes    the mapping generation changes when it must, and only then
 *   job hostile    what another says of its memory is checked, and all of it can be read
 *   job write      SIGSEGV at the peer's memory
 *   job none       of no job
 * Each says "MODE ok". */
#include <atoll.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECES 6
#define EXTENTS_MAX 64
#define BIG ((size_t)3 << 20)
#define PAGE 4096

#define EXPECT(Condition)                                                                          \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            printf("line %d: not so: %s\n", __LINE__, #Condition);                                 \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static const char constant[20000] = "written by the compiler";
static unsigned char data[5000] = {1, 2, 3}, zeros[70000];

/* What rank 0 sends: where a piece of its memory lies. */
struct message {
    size_t length, count;
    struct atoll_extent extents[EXTENTS_MAX];
};

static unsigned char pattern(size_t piece, size_t i)
{
    return (unsigned char)(piece * 37 + i * 7 + i / 4096);
}

static int number(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : -1;
}

static const volatile uint64_t *generation;

/* The numbers of the job's peers by rank, from "1-4,7". */
static int peer_of_rank(int rank)
{
    char *at = getenv("ATOLL_JOB_PEERS");
    EXPECT(at != NULL);
    for (;;) {
        int first = (int)strtol(at, &at, 10), last = first;
        if (*at == '-')
            last = (int)strtol(at + 1, &at, 10);
        if (rank <= last - first)
            return first + rank;
        rank -= last - first + 1;
        EXPECT(*at == ',');
        at++;
    }
}

static void send_piece(struct atoll_channel *channel, const void *bytes, size_t length)
{
    static struct message message;
    message.length = length;
    message.count = 0;
    for (size_t done = 0, covered; done < length; done += covered) {
        ssize_t count =
            atoll_extents((const char *)bytes + done, length - done,
                          message.extents + message.count, EXTENTS_MAX - message.count, &covered);
        EXPECT(count > 0 && covered > 0);
        message.count += (size_t)count;
    }
    EXPECT(atoll_send(channel, &message, sizeof(message), ATOLL_FOREVER) == 0);
}

static void read_rank_zero(void)
{
    unsigned char on_stack[30000], *pieces[PIECES];
    size_t lengths[PIECES] = {sizeof(on_stack), 100000, sizeof(data), sizeof(zeros), BIG, 40};
    char answer;
    int size = number("ATOLL_JOB_SIZE");
    pieces[0] = on_stack;
    pieces[1] = malloc(lengths[1]);
    pieces[2] = data;
    pieces[3] = zeros;
    pieces[4] =
        mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pieces[5] = pieces[1] + 4070; /* across a page's end */
    for (size_t piece = 0; piece < PIECES - 1; piece++)
        for (size_t i = 0; i < lengths[piece]; i++)
            pieces[piece][i] = pattern(piece, i);
    struct atoll_port *port;
    EXPECT(atoll_port_publish("answers", &port) == 0);
    for (int rank = 1; rank < size; rank++) {
        struct atoll_channel *to, *from;
        EXPECT(atoll_channel_open((uint32_t)peer_of_rank(rank), "pieces", NULL, ATOLL_FOREVER,
                                  &to) == 0);
        for (size_t piece = 0; piece < PIECES; piece++)
            send_piece(to, pieces[piece], lengths[piece]);
        send_piece(to, constant, sizeof(constant));
        EXPECT(atoll_port_accept(port, &from, ATOLL_FOREVER) == 0);
        EXPECT(atoll_receive(from, &answer, 1, ATOLL_FOREVER) == 1);
    }
}

static void read_others(void)
{
    static struct message message;
    static unsigned char bytes[BIG];
    uint32_t zero = (uint32_t)peer_of_rank(0);
    struct atoll_peer_memory memory;
    struct atoll_channel *from, *to;
    struct atoll_port *port;
    EXPECT(atoll_port_publish("pieces", &port) == 0);
    EXPECT(atoll_port_accept(port, &from, ATOLL_FOREVER) == 0);
    EXPECT(atoll_peer_memory(zero, &memory) == 0);
    for (size_t piece = 0; piece <= PIECES; piece++) {
        EXPECT(atoll_receive(from, &message, sizeof(message), ATOLL_FOREVER) == sizeof(message));
        size_t length = message.length, half = length / 2;
        EXPECT(length <= BIG);
        memset(bytes, 0xee, length);
        /* In two halves, as two who copy would. */
        EXPECT(atoll_peer_memory_read(&memory, message.extents, message.count, half, bytes + half,
                                      length - half) == 0);
        EXPECT(atoll_peer_memory_read(&memory, message.extents, message.count, 0, bytes, half) ==
               0);
        if (piece == PIECES) {
            EXPECT(length == sizeof(constant) && memcmp(bytes, constant, length) == 0);
            continue;
        }
        for (size_t i = 0; i < length; i++)
            EXPECT(bytes[i] == (piece == 5 ? pattern(1, i + 4070) : pattern(piece, i)));
    }
    EXPECT(atoll_channel_open(zero, "answers", NULL, ATOLL_FOREVER, &to) == 0);
    EXPECT(atoll_send(to, "", 1, ATOLL_FOREVER) == 0);
    if (number("ATOLL_JOB_RANK") + 1 < number("ATOLL_JOB_SIZE"))
        return;
    /* The last one outlives rank 0, whose memory stays as it was. */
    EXPECT(atoll_peer_wait(zero, 1u << ATOLL_STATE_EXITED, ATOLL_FOREVER) == ATOLL_STATE_EXITED);
    EXPECT(atoll_peer_memory_read(&memory, message.extents, message.count, 0, bytes,
                                  sizeof(constant)) == 0);
    EXPECT(atoll_peer_memory_check(&memory) == 0);
}

/* --- The mapping generation ---------------------------------------------------------------------
 */

static uint64_t before;

static void told(const void *bytes, size_t length)
{
    struct atoll_extent extents[EXTENTS_MAX];
    size_t covered;
    EXPECT(atoll_extents(bytes, length, extents, EXTENTS_MAX, &covered) > 0);
    EXPECT(covered == length);
    before = *generation;
}

static char *map(void *at, size_t length)
{
    char *bytes = mmap(at, length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
    EXPECT(bytes != MAP_FAILED);
    return bytes;
}

static void *touch_stack(void *nothing)
{
    return nothing;
}

static void changes(void)
{
    struct atoll_extent extent, again;
    size_t covered;
    char *bytes = map(NULL, 64 * PAGE), *other = map(NULL, 64 * PAGE);
    generation = atoll_mapping_generation();
    EXPECT(generation != NULL && *generation != 0);

    told(bytes, 16 * PAGE);
    memset(other, 1, 64 * PAGE);
    EXPECT(munmap(other, 64 * PAGE) == 0);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, touch_stack, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    free(malloc(1 << 20));
    EXPECT(mprotect(bytes, 16 * PAGE, PROT_READ) == 0);
    EXPECT(mprotect(bytes, 16 * PAGE, PROT_READ | PROT_WRITE) == 0);
    EXPECT(*generation == before);

    EXPECT(munmap(bytes + 15 * PAGE, PAGE) == 0 && *generation > before);
    EXPECT(atoll_extents(bytes + 15 * PAGE, 1, &extent, 1, &covered) == -EFAULT);
    EXPECT(atoll_extents(bytes + 14 * PAGE, 2 * PAGE, &extent, 1, &covered) == 1 &&
           covered == PAGE);
    told(bytes, 8 * PAGE);
    map(bytes + PAGE, PAGE);
    EXPECT(*generation > before);
    told(bytes, 8 * PAGE);
    EXPECT(madvise(bytes, PAGE, MADV_DONTNEED) == 0 && *generation > before);
    told(bytes, 8 * PAGE);
    EXPECT(mprotect(bytes, PAGE, PROT_NONE) == 0 && *generation > before);
    EXPECT(atoll_extents(bytes, 1, &extent, 1, &covered) == -EFAULT);
    EXPECT(mprotect(bytes, PAGE, PROT_READ | PROT_WRITE) == 0);
    told(bytes, 8 * PAGE);
    /* The page stays the same, wherever it goes. */
    EXPECT(atoll_extents(bytes, PAGE, &extent, 1, &covered) == 1);
    char *moved =
        mremap(bytes, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map(NULL, 8 * PAGE));
    EXPECT(moved != MAP_FAILED && *generation > before);
    EXPECT(atoll_extents(moved, PAGE, &again, 1, &covered) == 1);
    EXPECT(extent.offset == again.offset && extent.length == PAGE);
    EXPECT(atoll_extents(bytes, PAGE, &again, 1, &covered) == -EFAULT);

    /* musl's sbrk moves nothing. */
    uintptr_t end = (uintptr_t)syscall(SYS_brk, 0) / PAGE * PAGE + PAGE;
    EXPECT(syscall(SYS_brk, end + 4 * PAGE) == (long)(end + 4 * PAGE));
    told((void *)end, 4 * PAGE);
    EXPECT(syscall(SYS_brk, end) == (long)end && *generation > before);
}

/* --- Hostile values ------------------------------------------------------------------------------
 */

static void hostile(void)
{
    static unsigned char bytes[1 << 16];
    struct atoll_peer_memory memory;
    uint32_t other = (uint32_t)peer_of_rank(1 - number("ATOLL_JOB_RANK"));
    int error;
    while ((error = atoll_peer_memory(other, &memory)) == -EAGAIN)
        usleep(1000);
    EXPECT(error == 0);
    const struct atoll_extent bad[] = {{memory.size, 1}, {memory.size - 1, 2},
                                       {UINT64_MAX, 1},  {UINT64_MAX - 1, UINT64_MAX},
                                       {1, UINT64_MAX},  {0, memory.size + 1}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        EXPECT(atoll_peer_memory_read(&memory, &bad[i], 1, 0, bytes, 1) == -EPROTO);
        EXPECT(atoll_peer_memory_read(&memory, &bad[i], 1, UINT64_MAX, bytes, 1) == -EPROTO);
    }
    const struct atoll_extent all = {0, memory.size};
    EXPECT(atoll_peer_memory_read(&memory, &all, 1, memory.size - 1, bytes, 2) == -EPROTO);
    EXPECT(atoll_peer_memory_read(&memory, &all, 0, 0, bytes, 1) == -EPROTO);
    for (uint64_t at = 0; at < memory.size; at += sizeof(bytes)) /* holes, kernel and all */
        EXPECT(atoll_peer_memory_read(&memory, &all, 1, at, bytes, sizeof(bytes)) == 0);
    EXPECT(atoll_peer_memory((uint32_t)atoll_self(), &memory) == -EINVAL);
    EXPECT(atoll_peer_memory(0, &memory) == -EINVAL);
    EXPECT(atoll_peer_memory((uint32_t)atoll_peers() + 1, &memory) == -EINVAL);
    /* Not at its end before the other has looked. */
    struct atoll_barrier *barrier;
    uint32_t members[2] = {(uint32_t)peer_of_rank(0), (uint32_t)peer_of_rank(1)};
    EXPECT(atoll_barrier_join("end", members, 2, ATOLL_FOREVER, &barrier) == 0);
    EXPECT(atoll_barrier_wait(barrier, ATOLL_FOREVER) == 0);
}

static sigjmp_buf back;
static void *volatile fault_at;

static void caught(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    fault_at = info->si_addr;
    siglongjmp(back, 1);
}

static void write_others(void)
{
    struct atoll_peer_memory memory;
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    uint32_t other = (uint32_t)peer_of_rank(1 - number("ATOLL_JOB_RANK"));
    int error;
    EXPECT(sigaction(SIGSEGV, &action, NULL) == 0);
    while ((error = atoll_peer_memory(other, &memory)) == -EAGAIN)
        usleep(1000);
    EXPECT(error == 0);
    char *end = (char *)(uintptr_t)memory.base + memory.size - 8;
    if (sigsetjmp(back, 1) == 0) {
        *(volatile char *)end = 1;
        EXPECT(!"the write has been done");
    }
    EXPECT(fault_at == end);
    /* Behind the last member's memory is nothing. */
    if (number("ATOLL_JOB_RANK") == 0 && sigsetjmp(back, 1) == 0) {
        (void)*(volatile char *)(end + 8);
        EXPECT(!"there is something");
    }
}

static void none(void)
{
    struct atoll_peer_memory memory;
    struct atoll_extent extent;
    size_t covered;
    EXPECT(getenv("ATOLL_JOB") == NULL && atoll_mapping_generation() == NULL);
    EXPECT(atoll_extents(&extent, 1, &extent, 1, &covered) == -EACCES);
    for (int peer = 1; peer <= atoll_peers(); peer++)
        if (peer != atoll_self())
            EXPECT(atoll_peer_memory((uint32_t)peer, &memory) == -EACCES);
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    struct atoll_extent extent;
    size_t covered;
    if (atoll_init() == -ENOSYS) {
        EXPECT(atoll_extents(&extent, 1, &extent, 1, &covered) == -ENOSYS);
        EXPECT(atoll_mapping_generation() == NULL);
        puts("not on Atoll");
        return 0;
    }
    if (!strcmp(mode, "read"))
        number("ATOLL_JOB_RANK") == 0 ? read_rank_zero() : read_others();
    else if (!strcmp(mode, "changes"))
        changes();
    else if (!strcmp(mode, "hostile"))
        hostile();
    else if (!strcmp(mode, "write"))
        write_others();
    else if (!strcmp(mode, "none"))
        none();
    else
        return 2;
    printf("%s ok\n", mode);
    return 0;
}
