/* One process for each instance, on this host's own kernel. Each inherits its partition, the
 * lagoon, the doorbells and a pipe for its first words, under fixed numbers (abi/hosted.h), and
 * dies with the proxy (PDEATHSIG). The processes are watched one by one: one that is killed or
 * stopped is said to be so, the others run on. */
#include "proxy/hosted.h"

#include "abi/hosted.h"
#include "abi/program.h"
#include "proxy/clock.h"
#include "proxy/hosted_record.h"
#include "proxy/lagoon_host.h"
#include "proxy/lines.h"
#include "proxy/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST_CPUS_MAX 8192 /* bits in an affinity mask; Linux's own limit */

struct hosted;

struct hosted_instance {
    struct hosted *hosted;
    uint32_t number;
    struct process process;
    struct event_source ended, console;
    int console_fd; /* our end; -1: closed */
    struct lines lines;
    bool stopped;  /* by a signal, as far as is known */
    int memory;    /* of a job's member, its memory read-only until all have started; -1: none */
    int partition; /* its memory, until it has started; -1: none */
};

struct hosted {
    struct platform platform;
    struct hosted_instance *instances;
    size_t count, running;
    int doorbell, doorbells, lagoon; /* descriptors; -1: none */
    _Atomic uint32_t *words;         /* HOSTED_DOORBELL_BYTES */
    uint32_t *cpus;                  /* of each machine core */
    uint32_t flags;
    struct event_source rung, children;
    sigset_t mask_before;
    bool masked, stopping, over;
};

static struct hosted *hosted_of(struct platform *platform)
{
    return (struct hosted *)platform;
}

__attribute__((format(printf, 2, 3))) static void note(struct hosted *hosted, const char *format,
                                                       ...)
{
    char text[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    hosted->platform.host.note(hosted->platform.host.context, text);
}

static const char *name_of(const struct hosted_instance *instance)
{
    return instance->hosted->platform.host.machine->instances[instance->number - 1].name;
}

/* --- What comes from the instances ---------------------------------------------------------------
 */

static void console_line(void *context, const char *line, size_t length)
{
    struct hosted_instance *instance = context;
    const struct platform_host *host = &instance->hosted->platform.host;

    host->line(host->context, name_of(instance), line, length);
}

static bool take_console(struct hosted_instance *instance)
{
    char bytes[4096];
    ssize_t count;

    if (instance->console_fd < 0)
        return false;
    count = read(instance->console_fd, bytes, sizeof(bytes));
    if (count > 0) {
        lines_add(&instance->lines, bytes, (size_t)count, console_line, instance);
        return true;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    lines_end(&instance->lines, console_line, instance);
    events_remove(&instance->console);
    close(instance->console_fd);
    instance->console_fd = -1;
    return false;
}

static void console_ready(struct event_source *source, uint32_t bits)
{
    (void)bits;
    take_console(source->context);
}

static void signal_instance(struct hosted_instance *instance, int signal)
{
    /* By its pidfd: the number may be another process's by now. */
    if (instance->process.pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, instance->process.pidfd, signal, NULL, 0);
}

/* Peers that rang a core which was not asleep: its process gets a signal. */
static void relay_doorbells(struct hosted *hosted)
{
    const struct machine_config *machine = hosted->platform.host.machine;

    for (size_t i = 0; i < hosted->count; i++) {
        bool rung = false;

        for (size_t j = 0; j < machine->instances[i].core_count; j++) {
            _Atomic uint32_t *word = hosted->words + machine->instances[i].cores[j] *
                                                         (HOSTED_DOORBELL_STRIDE / sizeof(*word));

            if (atomic_load_explicit(word, memory_order_acquire) & HOSTED_BELL_RELAY) {
                atomic_fetch_and(word, ~(uint32_t)(HOSTED_BELL_RELAY | HOSTED_BELL_RUNG));
                rung = true;
            }
        }
        if (rung)
            signal_instance(&hosted->instances[i], HOSTED_SIGNAL_MESSAGE);
    }
}

static void doorbell_ready(struct event_source *source, uint32_t bits)
{
    struct hosted *hosted = source->context;
    uint64_t count;

    (void)bits;
    if (read(hosted->doorbell, &count, sizeof(count)) != sizeof(count))
        return;
    relay_doorbells(hosted);
    hosted->platform.host.rang(hosted->platform.host.context);
}

/* --- Ends and stops ------------------------------------------------------------------------------
 */

static void process_ended(struct event_source *source, uint32_t bits)
{
    struct hosted_instance *instance = source->context;
    struct hosted *hosted = instance->hosted;
    const struct platform_host *host = &hosted->platform.host;
    char status_text[64], why[192];
    int status;

    (void)bits;
    while (take_console(instance))
        ;
    events_remove(&instance->ended); /* before its descriptor is closed */
    status = process_reap(&instance->process);
    process_status_text(status, status_text, sizeof(status_text));
    snprintf(why, sizeof(why), "its process ended by itself: %s%s", status_text,
             WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
                 ? " (it called the host in a way that the sandbox forbids)"
                 : "");
    hosted->running--;
    if (!hosted->running) {
        hosted->over = true;
        hosted->platform.stopped_ns = clock_monotonic_ns();
    }
    if (host->instance_ended)
        host->instance_ended(host->context, instance->number, hosted->stopping ? NULL : why,
                             WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    if (hosted->over)
        host->ended(host->context, NULL);
}

/* A child has been stopped, or goes on. Ends are the pidfds'. */
static void children_changed(struct event_source *source, uint32_t bits)
{
    struct hosted *hosted = source->context;
    struct signalfd_siginfo ignored;

    (void)bits;
    while (read(source->fd, &ignored, sizeof(ignored)) == sizeof(ignored))
        ;
    for (size_t i = 0; i < hosted->count; i++) {
        struct hosted_instance *instance = &hosted->instances[i];
        siginfo_t info = {.si_pid = 0};

        if (instance->process.pid <= 0 ||
            waitid(P_PID, (id_t)instance->process.pid, &info, WSTOPPED | WCONTINUED | WNOHANG) ||
            !info.si_pid)
            continue;
        if (info.si_code == CLD_STOPPED && !instance->stopped) {
            instance->stopped = true;
            if (!hosted->platform.host.options->gdb)
                note(hosted, "instance %s has been stopped by SIG%s; kill -CONT %d lets it go on",
                     name_of(instance), sigabbrev_np(info.si_status), (int)instance->process.pid);
        } else if (info.si_code == CLD_CONTINUED && instance->stopped) {
            instance->stopped = false;
            if (!hosted->platform.host.options->gdb)
                note(hosted, "instance %s goes on", name_of(instance));
        }
    }
}

/* --- Start ---------------------------------------------------------------------------------------
 */

/* Which host CPU each machine core is bound to: the n-th of those that this process may use, where
 * there are enough. */
static int choose_cpus(struct hosted *hosted)
{
    const size_t size = CPU_ALLOC_SIZE(HOST_CPUS_MAX);
    uint32_t cores = hosted->platform.host.machine->cores, core = 0;
    cpu_set_t *allowed = CPU_ALLOC(HOST_CPUS_MAX);

    hosted->cpus = calloc(cores, sizeof(*hosted->cpus));
    if (!hosted->cpus || !allowed) {
        CPU_FREE(allowed);
        return -ENOMEM;
    }
    memset(hosted->cpus, 0xff, cores * sizeof(*hosted->cpus)); /* HOSTED_CPU_ANY */
    if (sched_getaffinity(0, size, allowed) || (uint32_t)CPU_COUNT_S(size, allowed) < cores)
        hosted->flags |= HOSTED_FLAG_CROWDED;
    else
        for (uint32_t cpu = 0; core < cores && cpu < HOST_CPUS_MAX; cpu++)
            if (CPU_ISSET_S(cpu, size, allowed))
                hosted->cpus[core++] = cpu;
    CPU_FREE(allowed);
    return 0;
}

/* A read-only descriptor of the lagoon: whoever has only this cannot write it, whatever it does. */
static int open_read_only(int fd)
{
    char path[48];
    int result;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    result = open(path, O_RDONLY | O_CLOEXEC);
    return result < 0 ? -errno : result;
}

static const char *descriptor_advice(int error, const char *otherwise)
{
    if (error == -EMFILE || error == -ENFILE)
        return "; the limit of open files (ulimit -n) is too low: three for each instance, two "
               "more "
               "for each of a job, and some thirty more are needed";
    return otherwise;
}

static int make_shared(struct hosted *hosted)
{
    sigset_t children;
    int error, fd;

    hosted->lagoon = open_read_only(hosted->platform.host.lagoon->fd);
    if (hosted->lagoon < 0) {
        note(hosted, "cannot open the lagoon read-only: %s%s", strerror(-hosted->lagoon),
             descriptor_advice(hosted->lagoon,
                               "; platform hosted needs /proc for that, --platform pc does not"));
        return hosted->lagoon;
    }
    hosted->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hosted->doorbells = memfd_create("atoll-doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (hosted->doorbell < 0 || hosted->doorbells < 0 ||
        ftruncate(hosted->doorbells, HOSTED_DOORBELL_BYTES) ||
        fcntl(hosted->doorbells, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        error = -errno;
        note(hosted, "cannot make the machine's doorbells: %s%s", strerror(-error),
             descriptor_advice(error, ""));
        return error;
    }
    hosted->words =
        mmap(NULL, HOSTED_DOORBELL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, hosted->doorbells, 0);
    if (hosted->words == MAP_FAILED) {
        hosted->words = NULL;
        return -errno;
    }
    error = events_add(hosted->platform.host.loop, &hosted->rung, hosted->doorbell, EPOLLIN,
                       doorbell_ready, hosted);
    if (error)
        return error;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &children, &hosted->mask_before))
        return -errno;
    hosted->masked = true;
    fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    error = events_add(hosted->platform.host.loop, &hosted->children, fd, EPOLLIN, children_changed,
                       hosted);
    if (error)
        close(fd);
    return error;
}

static int start_failed(struct hosted *hosted, const struct hosted_instance *instance,
                        const char *what, int error)
{
    note(hosted, "cannot start instance %s: %s: %s%s", name_of(instance), what, strerror(-error),
         descriptor_advice(
             error, error == -EAGAIN ? "; the limit of processes (ulimit -u) may be reached"
                    : error == -ENOSYS
                        ? "; this host lacks or forbids a call that starts and watches processes "
                          "(prctl; pidfd_open, Linux 5.3)"
                    : error == -ENOMEM ? "; with vm.overcommit_memory at 2 the host counts all of "
                                         "an instance's memory (-m) from the start"
                                       : ""));
    return error;
}

/* Makes the instance's memory; in a job, also the descriptor through which the others read it. */
static int make_memory(struct hosted *hosted, struct hosted_instance *instance,
                       const struct hosted_partition *wanted)
{
    struct hosted_partition partition = *wanted;

    partition.number = instance->number;
    instance->partition = hosted_partition_create(hosted->platform.host.lagoon, &partition);
    if (instance->partition < 0)
        return start_failed(hosted, instance, "its memory", instance->partition);
    if (!hosted->platform.host.machine->instances[instance->number - 1].job)
        return 0;
    instance->memory = open_read_only(instance->partition);
    if (instance->memory < 0)
        return start_failed(hosted, instance, "its memory for its job", instance->memory);
    return 0;
}

/* The descriptors of the other members' memory, as abi/hosted.h says. Returns their count. */
static size_t add_members(const struct hosted_instance *instance, int *descriptors)
{
    const struct hosted *hosted = instance->hosted;
    const struct instance_config *instances = hosted->platform.host.machine->instances;
    const char *job = instances[instance->number - 1].job;
    size_t count = 0;

    for (size_t i = 0; job && i < hosted->count; i++)
        if (i + 1 != instance->number && instances[i].job && !strcmp(instances[i].job, job))
            descriptors[count++] = hosted->instances[i].memory;
    return count;
}

static void close_memory(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

static int start_instance(struct hosted *hosted, struct hosted_instance *instance)
{
    struct event_loop *loop = hosted->platform.host.loop;
    const char *kernel = hosted->platform.host.options->kernel;
    char title[MACHINE_NAME_MAX + 8];
    char *arguments[] = {title, NULL};
    enum { FIXED = HOSTED_FD_COUNT - HOSTED_FD_PARTITION };
    int *descriptors = calloc(FIXED + hosted->count, sizeof(*descriptors));
    int console[2], error;

    if (!descriptors)
        return start_failed(hosted, instance, "its descriptors", -ENOMEM);
    if (pipe2(console, O_CLOEXEC)) {
        error = -errno;
        free(descriptors);
        return start_failed(hosted, instance, "a pipe", error);
    }
    fcntl(console[0], F_SETFL, O_NONBLOCK);
    instance->console_fd = console[0];
    descriptors[0] = instance->partition; /* HOSTED_FD_PARTITION */
    descriptors[HOSTED_FD_LAGOON_WRITE - HOSTED_FD_PARTITION] = hosted->platform.host.lagoon->fd;
    descriptors[HOSTED_FD_LAGOON - HOSTED_FD_PARTITION] = hosted->lagoon;
    descriptors[HOSTED_FD_PROXY - HOSTED_FD_PARTITION] = hosted->doorbell;
    descriptors[HOSTED_FD_DOORBELLS - HOSTED_FD_PARTITION] = hosted->doorbells;
    snprintf(title, sizeof(title), "atoll:%s", name_of(instance));
    error = process_start_numbered(&instance->process, kernel, arguments, descriptors,
                                   HOSTED_FD_PARTITION,
                                   FIXED + add_members(instance, descriptors + FIXED), console[1]);
    free(descriptors);
    close(console[1]);
    close_memory(&instance->partition);
    if (error)
        return start_failed(hosted, instance, kernel, error);
    hosted->running++;
    error = events_add(loop, &instance->console, console[0], EPOLLIN, console_ready, instance);
    if (!error)
        error = events_add(loop, &instance->ended, instance->process.pidfd, EPOLLIN, process_ended,
                           instance);
    return error ? start_failed(hosted, instance, "watching it", error) : 0;
}

/* The loader's section, in whose name the proxy says when the machine was started. */
static struct shm_boot *make_boot_section(struct hosted *hosted)
{
    const struct lagoon_host *lagoon = hosted->platform.host.lagoon;
    const struct shm_extent *extent = &lagoon->extents[lagoon->peers - 1];
    struct shm_section *section = shm_section_create(lagoon->base + extent->offset, extent->size, 0,
                                                     lagoon->peers - 1, lagoon->peers, 0, 4096, 1);

    return section ? (struct shm_boot *)(section + 1) : NULL;
}

static bool is_position_independent(const char *path)
{
    Elf64_Ehdr header = {.e_type = ET_NONE};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (read(fd, &header, sizeof(header)) != sizeof(header))
        header.e_type = ET_NONE;
    close(fd);
    return header.e_type == ET_DYN;
}

/* The stop that the instance waits in is not to be passed on; the other signals are its interrupts.
 * The program's pages are the lagoon's, read-only: breakpoints there have to be the CPU's. */
static void explain_gdb(struct hosted *hosted)
{
    for (size_t i = 0; i < hosted->count; i++) {
        const char *program = hosted->platform.host.machine->instances[i].program;
        char offset[32] = "";

        if (is_position_independent(program))
            snprintf(offset, sizeof(offset), " -o 0x%" PRIx64, PROGRAM_PIE_BASE);
        note(hosted,
             "instance %s waits for gdb: gdb -p %d -ex 'add-symbol-file %s%s' -ex 'handle SIGSTOP "
             "nostop noprint nopass' -ex 'handle SIGSEGV SIGSYS SIGUSR1 SIGUSR2 SIGALRM nostop "
             "noprint pass' "
             "(then: hbreak main, continue)",
             name_of(&hosted->instances[i]), (int)hosted->instances[i].process.pid, program,
             offset);
    }
}

/* The memory of a job's members is there before the first of them starts: each is told of all. */
static int start_instances(struct hosted *hosted, const struct hosted_partition *partition)
{
    int error = 0;

    for (size_t i = 0; i < hosted->count && !error; i++)
        if (hosted->platform.host.machine->instances[i].job)
            error = make_memory(hosted, &hosted->instances[i], partition);
    for (size_t i = 0; i < hosted->count && !error; i++) {
        struct hosted_instance *instance = &hosted->instances[i];

        if (instance->partition < 0)
            error = make_memory(hosted, instance, partition);
        if (!error)
            error = start_instance(hosted, instance);
    }
    for (size_t i = 0; i < hosted->count; i++) {
        close_memory(&hosted->instances[i].partition);
        close_memory(&hosted->instances[i].memory);
    }
    return error;
}

static int start(struct platform *platform)
{
    struct hosted *hosted = hosted_of(platform);
    const struct platform_host *host = &platform->host;
    struct shm_boot *boot = make_boot_section(hosted);
    struct hosted_partition partition = {.number = 0};
    struct clock_sample clock = clock_sample();
    int error;

    if (!boot)
        return -EINVAL;
    platform->accelerator = "native";
    if (!host->options->quiet)
        note(hosted, "running as %zu sandboxed process%s on this host", hosted->count,
             hosted->count == 1 ? "" : "es");
    error = choose_cpus(hosted);
    if (!error)
        error = make_shared(hosted);
    if (error)
        return error;
    if (host->options->gdb)
        hosted->flags |= HOSTED_FLAG_DEBUGGER;
    partition.flags = hosted->flags;
    partition.cpus = hosted->cpus;
    partition.tsc = clock.tsc;
    partition.monotonic_ns = clock.monotonic_ns;
    /* What has passed since the sample has passed on both clocks. */
    partition.realtime_ns = clock_realtime_ns() - (clock_monotonic_ns() - clock.monotonic_ns);
    platform->started_ns = clock_monotonic_ns();
    atomic_store(&boot->entry_ns, platform->started_ns);
    error = start_instances(hosted, &partition);
    atomic_store(&boot->launched_ns, clock_monotonic_ns());
    if (!error && host->options->gdb)
        explain_gdb(hosted);
    return error;
}

/* --- Running and end -----------------------------------------------------------------------------
 */

static void ring(struct platform *platform, uint32_t peer)
{
    struct hosted *hosted = hosted_of(platform);

    if (peer >= 1 && peer <= hosted->count)
        signal_instance(&hosted->instances[peer - 1], HOSTED_SIGNAL_MESSAGE);
}

static void kill_one(struct platform *platform, uint32_t peer)
{
    signal_instance(&hosted_of(platform)->instances[peer - 1], SIGKILL);
}

static bool is_held(struct platform *platform, uint32_t peer)
{
    return hosted_of(platform)->instances[peer - 1].stopped;
}

static void alive(struct platform *platform)
{
    (void)platform; /* the instances bind their threads themselves */
}

static void stop(struct platform *platform, bool forced)
{
    struct hosted *hosted = hosted_of(platform);

    hosted->stopping = true;
    /* Without force: who has ended its program ends its process by itself. */
    for (size_t i = 0; forced && i < hosted->count; i++)
        signal_instance(&hosted->instances[i], SIGKILL);
    if (!hosted->running && !hosted->over) {
        hosted->over = true;
        platform->host.ended(platform->host.context, NULL);
    }
}

static void release(struct platform *platform)
{
    struct hosted *hosted = hosted_of(platform);

    for (size_t i = 0; i < hosted->count; i++) {
        struct hosted_instance *instance = &hosted->instances[i];

        signal_instance(instance, SIGKILL);
        events_remove(&instance->ended);
        process_reap(&instance->process);
        events_remove(&instance->console);
        if (instance->console_fd >= 0)
            close(instance->console_fd);
    }
    events_remove(&hosted->rung);
    if (hosted->children.bits) {
        events_remove(&hosted->children);
        close(hosted->children.fd);
    }
    if (hosted->masked)
        sigprocmask(SIG_SETMASK, &hosted->mask_before, NULL);
    if (hosted->words)
        munmap(hosted->words, HOSTED_DOORBELL_BYTES);
    if (hosted->doorbell >= 0)
        close(hosted->doorbell);
    if (hosted->doorbells >= 0)
        close(hosted->doorbells);
    if (hosted->lagoon >= 0)
        close(hosted->lagoon);
    free(hosted->cpus);
    free(hosted->instances);
    free(hosted);
}

struct platform *hosted_platform(const struct platform_host *host)
{
    static const struct platform_operations operations = {
        .name = "hosted",
        .start = start,
        .ring = ring,
        .kill = kill_one,
        .is_held = is_held,
        .alive = alive,
        .stop = stop,
        .release = release,
    };
    struct hosted *hosted = calloc(1, sizeof(*hosted));

    if (!hosted)
        return NULL;
    hosted->count = host->machine->instance_count;
    hosted->instances = calloc(hosted->count, sizeof(*hosted->instances));
    if (!hosted->instances) {
        free(hosted);
        return NULL;
    }
    for (size_t i = 0; i < hosted->count; i++)
        hosted->instances[i] = (struct hosted_instance){.hosted = hosted,
                                                        .number = (uint32_t)i + 1,
                                                        .process = {.pidfd = -1},
                                                        .console_fd = -1,
                                                        .partition = -1,
                                                        .memory = -1};
    hosted->platform.operations = &operations;
    hosted->platform.host = *host;
    hosted->doorbell = hosted->doorbells = hosted->lagoon = -1;
    return &hosted->platform;
}
