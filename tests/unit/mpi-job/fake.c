/* See fake.h. */
#include "tests/unit/mpi-job/fake.h"

#include "abi/atoll/library.h"
#include "tests/unit/shm/support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ENDS (2 * JOB_RANKS_MAX * JOB_RANKS_MAX)
#define NAMES (4 * JOB_RANKS_MAX)
#define PARTITION (UINT64_C(24) << 20) /* bytes */
#define HEAP_OF_PAIR (UINT64_C(300) << 10)
#define HEAP_MORE (UINT64_C(3) << 20)
#define LONGEST_SLEEP UINT64_C(10000000000) /* ns */

struct name {
    uint32_t peer, kind;
    uint64_t id, offset, length;
    char name[SHM_NAME_MAX];
};

/* One end of a channel; its struct shm_channel is record number `index` of the owner's section. */
struct end {
    bool used, sends, accepted;
    uint32_t owner, other;
    uint64_t port;
    struct atoll_call_channel call;
};

/* What the kernels know of each other: shared by all ranks. */
struct machine {
    pthread_mutex_t lock;
    _Atomic uint32_t published;
    _Atomic uint32_t bells[JOB_RANKS_MAX + 1];
    uint32_t name_count;
    uint64_t rings;
    struct name names[NAMES];
    struct end ends[ENDS]; /* a sender's, and the reader's behind it */
};

static struct test_lagoon lagoon;
static struct machine *machine;
static uint8_t *partitions; /* of all ranks, one after the other */
static int partitions_file;
static int ranks_now;
static uint32_t self; /* 0: in the test itself */
static uint64_t ticks_a_second;
static struct shm_heap *heap; /* of this rank's section */
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

/* Pieces that fake_memory gave out: where they are in the program and in the partition. */
struct piece {
    uint8_t *start;
    uint64_t pages, offset;
    bool backwards; /* the first page lies last */
};
static struct piece pieces[64];
static int piece_count;
static uint64_t partition_used;

static void lock(void)
{
    if (pthread_mutex_lock(&machine->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&machine->lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&machine->lock);
}

static struct shm_section *section_of(uint32_t peer)
{
    return (struct shm_section *)(lagoon.base + peer * lagoon.section_size);
}

static uint64_t record_offset(uint32_t peer, uint64_t index)
{
    return section_of(peer)->heap_offset + index * sizeof(struct shm_channel);
}

static struct shm_channel *record(uint32_t peer, uint64_t index)
{
    return (struct shm_channel *)(lagoon.base + peer * lagoon.section_size +
                                  record_offset(peer, index));
}

/* --- Sleeping ----------------------------------------------------------------------------------
 */

static void futex_sleep(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
    struct timespec time = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
}

static void futex_ring(_Atomic uint32_t *word)
{
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static uint64_t time_left(uint64_t deadline)
{
    uint64_t now = now_ns();
    if (deadline == 0)
        return LONGEST_SLEEP;
    return deadline <= now ? 0 : deadline - now;
}

/* --- Calls -------------------------------------------------------------------------------------
 */

static int64_t call_info(struct atoll_call_info *info)
{
    if (self == 0)
        return -ENOSYS;
    *info = (struct atoll_call_info){.version = ATOLL_CALL_VERSION,
                                     .self = self,
                                     .peers = (uint32_t)ranks_now,
                                     .cores = 2,
                                     .generation = 1,
                                     .lagoon = (uint64_t)lagoon.base,
                                     .lagoon_size = lagoon.size,
                                     .tsc_hz = ticks_a_second};
    return 0;
}

static int64_t heap_alloc(uint64_t length, uint64_t alignment)
{
    pthread_mutex_lock(&heap_lock);
    uint64_t offset = shm_heap_alloc(heap, length, alignment < 64 ? 64 : alignment);
    pthread_mutex_unlock(&heap_lock);
    return offset != 0 ? (int64_t)offset : -ENOMEM;
}

static int64_t heap_free(uint64_t offset)
{
    pthread_mutex_lock(&heap_lock);
    int result = shm_heap_free(heap, offset);
    pthread_mutex_unlock(&heap_lock);
    return result;
}

static int64_t call_publish(struct atoll_call_publish *call)
{
    int64_t result = -ENOMEM;
    lock();
    if (machine->name_count < NAMES) {
        struct name *name = &machine->names[machine->name_count++];
        *name =
            (struct name){self, call->kind, machine->name_count, call->offset, call->length, ""};
        memcpy(name->name, call->name, SHM_NAME_MAX);
        call->id = name->id;
        result = 0;
    }
    unlock();
    futex_ring(&machine->published);
    return result;
}

static bool name_find(struct atoll_call_find *call)
{
    bool found = false;
    lock();
    for (uint32_t i = 0; i < machine->name_count && !found; i++) {
        const struct name *name = &machine->names[i];
        found = name->kind == call->kind && strcmp(name->name, call->name) == 0 &&
                (name->peer == call->peer || (call->peer == ATOLL_PEER_ANY && name->peer != self));
        if (found) {
            call->peer = name->peer;
            call->generation = 1;
            call->id = name->id;
            call->offset = name->offset;
            call->length = name->length;
        }
    }
    unlock();
    return found;
}

static int64_t call_find(struct atoll_call_find *call)
{
    for (;;) {
        uint32_t before = atomic_load(&machine->published);
        if (name_find(call))
            return 0;
        if (call->peer != ATOLL_PEER_ANY &&
            atomic_load(&section_of(call->peer)->state) > SHM_STATE_RUNNING)
            return -EPIPE;
        uint64_t left = time_left(call->deadline);
        if (left == 0)
            return call->deadline == ATOLL_DEADLINE_NOW ? -ENOENT : -ETIMEDOUT;
        futex_sleep(&machine->published, before, left);
    }
}

/* Both ends at once, though the reader's is not accepted yet. */
static int64_t call_open(struct atoll_call_channel *call)
{
    uint64_t bytes = call->cells * sizeof(struct shm_cell), at = 0;
    int64_t cells = heap_alloc(bytes, 64);
    struct shm_ring_writer writer;
    struct shm_ring_reader reader;
    if (cells < 0)
        return cells;
    lock();
    while (at < ENDS && machine->ends[at].used)
        at += 2;
    if (at == ENDS) {
        unlock();
        heap_free((uint64_t)cells);
        return -ENOMEM;
    }
    uint32_t peers[2] = {self, call->peer};
    for (uint64_t i = 0; i < 2; i++) {
        struct end *end = &machine->ends[at + i];
        memset(record(peers[i], at + i), 0, sizeof(struct shm_channel));
        *end = (struct end){true, i == 0, i == 0, peers[i], peers[1 - i], call->port, *call};
        end->call.id = 1000 + at + i;
        end->call.peer = peers[1 - i];
        end->call.peer_generation = 1;
        end->call.own = record_offset(peers[i], at + i);
        end->call.other = record_offset(peers[1 - i], at + 1 - i);
        end->call.cells_offset = (uint64_t)cells;
        end->call.ring_generation = machine->rings + 1;
    }
    machine->rings++;
    uint8_t *own = lagoon.base + self * lagoon.section_size;
    shm_ring_writer_create(&writer, &record(self, at)->port, own + cells, (uint64_t)cells,
                           call->cells, machine->rings);
    int error = shm_ring_reader_open(&reader, &record(call->peer, at + 1)->port,
                                     &record(self, at)->port, own, lagoon.section_size);
    *call = machine->ends[at].call;
    unlock();
    futex_ring(&machine->bells[call->peer]);
    return error;
}

static struct end *end_waiting(uint64_t port)
{
    for (struct end *end = machine->ends; end < machine->ends + ENDS; end++)
        if (end->used && !end->accepted && end->owner == self && end->port == port)
            return end;
    return NULL;
}

static int64_t call_accept(uint64_t port, struct atoll_call_channel *call)
{
    lock();
    struct end *end = end_waiting(port);
    if (end != NULL) {
        end->accepted = true;
        *call = end->call;
    }
    unlock();
    return end != NULL ? 0 : -EAGAIN;
}

static int64_t call_close(uint64_t id)
{
    if (id < 1000) /* a port or a window */
        return 0;
    struct end *end = &machine->ends[id - 1000];
    if (id - 1000 >= ENDS || !end->used || end->owner != self)
        return -ENOENT;
    atomic_store(&record(self, id - 1000)->closed, 1);
    futex_ring(&machine->bells[end->other]);
    return 0;
}

static bool end_ready(uint64_t index)
{
    const struct end *end = &machine->ends[index];
    struct shm_channel *own = record(end->owner, index), *other = record(end->other, index ^ 1);
    uint64_t position = atomic_load(&own->position), mask = end->call.cells - 1;
    if (atomic_load(&own->broken) || atomic_load(&other->closed))
        return true;
    if (end->sends)
        return (int64_t)(atomic_load(&other->port.credit) - position) >= 0;
    const struct shm_cell *cells =
        (const struct shm_cell *)(lagoon.base + end->other * lagoon.section_size +
                                  end->call.cells_offset);
    return atomic_load(&cells[position & mask].sequence) != (position > mask ? position - mask : 0);
}

static int64_t items_ready(struct atoll_call_wait *items, uint64_t count)
{
    int64_t ready = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (items[i].id < 1000) {
            lock();
            items[i].ready = end_waiting(items[i].id) != NULL;
            unlock();
        } else {
            items[i].ready = end_ready(items[i].id - 1000);
        }
        ready += items[i].ready;
    }
    return ready;
}

static int64_t call_wait(struct atoll_call_wait *items, uint64_t count, uint64_t deadline)
{
    for (;;) {
        uint32_t before = atomic_load(&machine->bells[self]);
        for (uint64_t i = 0; i < count; i++) {
            struct shm_port *port =
                items[i].id < 1000 ? NULL : &record(self, items[i].id - 1000)->port;
            if (port != NULL && machine->ends[items[i].id - 1000].sends)
                shm_port_arm_sender(port, 0);
            else if (port != NULL)
                shm_port_arm(port, 0);
        }
        shm_fence();
        int64_t ready = 0;
        for (int looks = 0; ready == 0 && looks < SHM_SETTLE_LOOKS; looks++)
            ready = items_ready(items, count);
        uint64_t left = time_left(deadline);
        if (ready != 0 || left == 0)
            return ready;
        futex_sleep(&machine->bells[self], before, left);
    }
}

static int64_t call_extents(struct atoll_call_extents *call)
{
    struct atoll_call_extent *extents = (struct atoll_call_extent *)call->extents;
    for (const struct piece *piece = pieces; piece < pieces + piece_count; piece++) {
        uint64_t page = (call->address - (uint64_t)piece->start) / SHM_PAGE;
        uint64_t pages = call->length / SHM_PAGE, done = 0;
        if (call->address < (uint64_t)piece->start || page >= piece->pages)
            continue;
        call->count = 0;
        call->generation = 1;
        for (; done < pages && page < piece->pages && call->count < call->capacity;
             done++, page++) {
            uint64_t place = piece->backwards ? piece->pages - 1 - page : page;
            extents[call->count++] =
                (struct atoll_call_extent){piece->offset + place * SHM_PAGE, SHM_PAGE};
        }
        call->length = done * SHM_PAGE;
        return 0;
    }
    return -EFAULT;
}

static int64_t call_memory(struct atoll_call_memory *call)
{
    if (call->peer == 0 || call->peer > (uint32_t)ranks_now || call->peer == self)
        return -EINVAL;
    call->address = (uint64_t)(partitions + (call->peer - 1) * PARTITION);
    call->size = PARTITION;
    return 0;
}

int64_t library_call(enum atoll_call call, uint64_t first, uint64_t second, uint64_t third)
{
    switch (call) {
    case ATOLL_CALL_INFO:
        return call_info((struct atoll_call_info *)first);
    case ATOLL_CALL_ALLOC:
        return heap_alloc(first, second);
    case ATOLL_CALL_FREE:
        return heap_free(first);
    case ATOLL_CALL_PUBLISH:
        return call_publish((struct atoll_call_publish *)first);
    case ATOLL_CALL_FIND:
        return call_find((struct atoll_call_find *)first);
    case ATOLL_CALL_OPEN:
        return call_open((struct atoll_call_channel *)first);
    case ATOLL_CALL_ACCEPT:
        return call_accept(first, (struct atoll_call_channel *)second);
    case ATOLL_CALL_CLOSE:
        return call_close(first);
    case ATOLL_CALL_WAIT:
        return call_wait((struct atoll_call_wait *)first, second, third);
    case ATOLL_CALL_RING:
        futex_ring(&machine->bells[machine->ends[first - 1000].other]);
        return 0;
    case ATOLL_CALL_PEER_WAIT: /* only ever asked, never waited for */
        return (int64_t)atomic_load(&section_of((uint32_t)first)->state);
    case ATOLL_CALL_MEMORY:
        return call_memory((struct atoll_call_memory *)first);
    case ATOLL_CALL_EXTENTS:
        return call_extents((struct atoll_call_extents *)first);
    default:
        return -ENOSYS;
    }
}

void *fake_memory(size_t bytes)
{
    struct piece *piece = &pieces[piece_count];
    piece->pages = (bytes + SHM_PAGE - 1) / SHM_PAGE;
    piece->offset = partition_used;
    piece->backwards = piece_count % 2 != 0;
    RANK_CHECK(partition_used + piece->pages * SHM_PAGE <= PARTITION && piece_count < 63);
    uint64_t file = (self - 1) * PARTITION + piece->offset;
    piece->start =
        mmap(NULL, piece->pages * SHM_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (uint64_t page = 0; page < piece->pages; page++) {
        uint64_t place = piece->backwards ? piece->pages - 1 - page : page;
        void *at = mmap(piece->start + page * SHM_PAGE, SHM_PAGE, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_FIXED, partitions_file, (off_t)(file + place * SHM_PAGE));
        RANK_CHECK(at != MAP_FAILED);
    }
    partition_used += piece->pages * SHM_PAGE;
    piece_count++;
    return piece->start;
}

/* --- Jobs --------------------------------------------------------------------------------------
 */

static void *shared_memory(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    return memory;
}

static uint64_t measure_ticks(void)
{
    uint64_t start = now_ns(), ticks = library_ticks();
    while (now_ns() - start < 5000000)
        library_pause();
    return (library_ticks() - ticks) * UINT64_C(1000000000) / (now_ns() - start);
}

static void machine_make(int ranks)
{
    pthread_mutexattr_t attributes;
    ranks_now = ranks;
    lagoon_plan(&lagoon, (uint32_t)ranks + 2, (uint64_t)ranks * HEAP_OF_PAIR + HEAP_MORE);
    lagoon_lay_out(&lagoon, shared_memory(lagoon.size));
    for (uint32_t peer = 0; peer < lagoon.peers; peer++)
        lagoon_start(&lagoon, peer, 1);
    for (uint32_t peer = 1; peer <= (uint32_t)ranks; peer++) {
        atomic_store(&section_of(peer)->state, SHM_STATE_RUNNING);
        atomic_store(&section_of(peer)->mapping_generation, 1);
    }
    machine = shared_memory(sizeof(*machine));
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&machine->lock, &attributes);
    partitions_file = memfd_create("partitions", MFD_CLOEXEC);
    cr_assert(partitions_file >= 0 &&
              ftruncate(partitions_file, (off_t)((uint64_t)ranks * PARTITION)) == 0);
    partitions = mmap(NULL, (uint64_t)ranks * PARTITION, PROT_READ, MAP_SHARED, partitions_file, 0);
    cr_assert_neq(partitions, MAP_FAILED);
    ticks_a_second = measure_ticks();
}

static void machine_free(int ranks)
{
    munmap(lagoon.base, lagoon.size);
    munmap(machine, sizeof(*machine));
    munmap(partitions, (uint64_t)ranks * PARTITION);
    close(partitions_file);
}

#ifndef __SANITIZE_THREAD__
int __lsan_do_recoverable_leak_check(void);
#endif

static void rank_run(int rank, int level, int seconds, job_body *body)
{
    char text[16];
    int provided;
    self = (uint32_t)rank + 1;
    alarm((unsigned)seconds);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    uint64_t first = section_of(self)->heap_offset + ENDS * sizeof(struct shm_channel);
    uint64_t size = section_of(self)->heap_size - ENDS * sizeof(struct shm_channel);
    void *overhead = aligned_alloc(16, (shm_heap_overhead(size) + 15) & ~UINT64_C(15));
    heap = shm_heap_init(overhead, first, size);
    snprintf(text, sizeof(text), "%d", ranks_now);
    setenv("ATOLL_JOB_SIZE", text, 1);
    snprintf(text, sizeof(text), "%d", rank);
    setenv("ATOLL_JOB_RANK", text, 1);
    snprintf(text, sizeof(text), "1-%d", ranks_now);
    setenv("ATOLL_JOB_PEERS", text, 1);
    setenv("ATOLL_MPI_CROWDED", ranks_now > 2 ? "1" : "0", 1);
    MPI_Init_thread(NULL, NULL, level, &provided);
    body(rank, ranks_now);
    MPI_Finalize();
    free(overhead);
#ifdef __SANITIZE_THREAD__
    exit(0); /* its report makes another status of it */
#else
    fflush(NULL);
    _exit(__lsan_do_recoverable_leak_check() != 0);
#endif
}

void rank_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: rank %u: %s:%s\n", file, line, self - 1, condition, text);
    fflush(stderr);
    _exit(99);
}

/* What a rank's end means for the others. */
static void rank_ended(uint32_t peer, int status)
{
    struct shm_section *section = section_of(peer);
    atomic_store(&section->exit_status, (uint32_t)status);
    atomic_store(&section->state, status < 128 ? SHM_STATE_EXITED : SHM_STATE_CRASHED);
    lock();
    for (uint64_t i = 0; i < ENDS; i++)
        if (machine->ends[i].used && machine->ends[i].other == peer)
            atomic_store(&record(machine->ends[i].owner, i)->broken, EPIPE);
    unlock();
    for (int i = 1; i <= ranks_now; i++)
        futex_ring(&machine->bells[i]);
    futex_ring(&machine->published);
}

static void read_text(int from, struct job_outcome *outcome, size_t *length)
{
    char dropped[1024];
    struct pollfd file = {from, POLLIN, 0};
    while (poll(&file, 1, 0) == 1) {
        bool full = *length == sizeof(outcome->text) - 1;
        ssize_t got = read(from, full ? dropped : outcome->text + *length,
                           full ? sizeof(dropped) : sizeof(outcome->text) - 1 - *length);
        if (got <= 0)
            return;
        *length += full ? 0 : (size_t)got;
    }
}

static struct job_outcome run(int ranks, int level, int seconds, job_body *body)
{
    static struct job_outcome outcome;
    pid_t processes[JOB_RANKS_MAX];
    size_t length = 0;
    int pipes[2], left = ranks;
    memset(&outcome, 0, sizeof(outcome));
    cr_assert(ranks >= 1 && ranks <= JOB_RANKS_MAX);
    cr_assert_eq(pipe(pipes), 0);
    machine_make(ranks);
    fflush(NULL);
    for (int rank = 0; rank < ranks; rank++) {
        processes[rank] = fork();
        cr_assert_geq(processes[rank], 0);
        if (processes[rank] == 0) {
            dup2(pipes[1], 2);
            rank_run(rank, level, seconds, body);
        }
    }
    close(pipes[1]);
    while (left > 0) {
        struct pollfd file = {pipes[0], POLLIN, 0};
        int status;
        poll(&file, 1, 1);
        read_text(pipes[0], &outcome, &length);
        for (int rank = 0; rank < ranks; rank++) {
            if (processes[rank] == 0 || waitpid(processes[rank], &status, WNOHANG) <= 0)
                continue;
            processes[rank] = 0;
            left--;
            outcome.status[rank] = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            rank_ended((uint32_t)rank + 1, outcome.status[rank]);
        }
    }
    read_text(pipes[0], &outcome, &length);
    close(pipes[0]);
    machine_free(ranks);
    return outcome;
}

void job_run(int ranks, int level, int seconds, job_body *body)
{
    struct job_outcome outcome = run(ranks, level, seconds, body);
    for (int rank = 0; rank < ranks; rank++)
        cr_assert_eq(outcome.status[rank], 0, "rank %d of %d has ended with status %d%s:\n%s", rank,
                     ranks, outcome.status[rank],
                     outcome.status[rank] == 128 + SIGALRM ? ", its time limit" : "", outcome.text);
}

struct job_outcome job_fail(int ranks, int seconds, job_body *body)
{
    return run(ranks, MPI_THREAD_SINGLE, seconds, body);
}
