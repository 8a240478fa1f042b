/* One QEMU process as the machine. It inherits the lagoon and its doorbells through an ivshmem
 * handshake on a socket pair, its serial port is a socket pair too, and what it says itself comes
 * through a pipe: no file and no listening socket exists. It dies with the proxy (PDEATHSIG). */
#include "proxy/qemu.h"

#include "proxy/clock.h"
#include "proxy/ivshmem.h"
#include "proxy/lagoon_host.h"
#include "proxy/lines.h"
#include "proxy/process.h"
#include "proxy/qemu_command.h"
#include "proxy/qemu_debug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_CPUS_MAX 8192 /* bits in an affinity mask; Linux's own limit */

struct qemu {
    struct platform platform;
    struct qemu_command command;
    struct ivshmem_server ivshmem;
    struct process process;
    struct event_source doorbell, ended, console, errors;
    int console_fd, errors_fd; /* our ends; -1: closed */
    struct lines console_lines, error_lines;
    char *debug_file;
    bool alive, stopping, firmware_missing;
    bool spoke; /* QEMU has said something itself */
};

static struct qemu *qemu_of(struct platform *platform)
{
    return (struct qemu *)platform;
}

__attribute__((format(printf, 2, 3))) static void note(struct qemu *qemu, const char *format, ...)
{
    char text[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    qemu->platform.host.note(qemu->platform.host.context, text);
}

/* --- What comes from the machine -----------------------------------------------------------------
 */

static void console_line(void *context, const char *line, size_t length)
{
    struct qemu *qemu = context;

    qemu->platform.host.line(qemu->platform.host.context, "machine", line, length);
}

static void error_line(void *context, const char *line, size_t length)
{
    static const char firmware[] = "could not load PC BIOS", farewell[] = "terminating on signal";
    struct qemu *qemu = context;

    if (qemu->stopping && memmem(line, length, farewell, strlen(farewell)))
        return; /* QEMU's word for what we asked of it */
    if (!qemu->alive && !qemu->command.seabios &&
        memmem(line, length, firmware, strlen(firmware))) {
        qemu->firmware_missing = true;
        return;
    }
    qemu->spoke = true;
    qemu->platform.host.line(qemu->platform.host.context, "qemu", line, length);
}

/* Reads what is there; at its end, closes. Returns whether something was read. */
static bool take_stream(struct event_source *source, int *fd, struct lines *lines,
                        lines_take_t take, struct qemu *qemu)
{
    char bytes[4096];
    ssize_t count;

    if (*fd < 0)
        return false;
    count = read(*fd, bytes, sizeof(bytes));
    if (count > 0) {
        lines_add(lines, bytes, (size_t)count, take, qemu);
        return true;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    lines_end(lines, take, qemu);
    events_remove(source);
    close(*fd);
    *fd = -1;
    return false;
}

static void console_ready(struct event_source *source, uint32_t bits)
{
    struct qemu *qemu = source->context;

    (void)bits;
    take_stream(source, &qemu->console_fd, &qemu->console_lines, console_line, qemu);
}

static void errors_ready(struct event_source *source, uint32_t bits)
{
    struct qemu *qemu = source->context;

    (void)bits;
    take_stream(source, &qemu->errors_fd, &qemu->error_lines, error_line, qemu);
}

static void doorbell_ready(struct event_source *source, uint32_t bits)
{
    struct qemu *qemu = source->context;

    (void)bits;
    if (ivshmem_take(&qemu->ivshmem))
        qemu->platform.host.rang(qemu->platform.host.context);
}

/* --- Start ---------------------------------------------------------------------------------------
 */

/* Closes all that belongs to one QEMU process. */
static void close_descriptors(struct qemu *qemu)
{
    events_remove(&qemu->doorbell);
    events_remove(&qemu->ended);
    events_remove(&qemu->console);
    events_remove(&qemu->errors);
    if (qemu->console_fd >= 0)
        close(qemu->console_fd);
    if (qemu->errors_fd >= 0)
        close(qemu->errors_fd);
    qemu->console_fd = qemu->errors_fd = -1;
    ivshmem_close(&qemu->ivshmem);
}

static void say_start_failed(struct qemu *qemu, int error)
{
    const char *program = qemu->command.program;

    if (error == -ENOENT)
        note(qemu,
             "cannot start QEMU: there is no program %s; install the package "
             "qemu-system-x86, or name another QEMU with --qemu",
             program);
    else
        note(qemu, "cannot start QEMU: %s: %s", program, strerror(-error));
}

static void process_ended(struct event_source *source, uint32_t bits);

/* Makes the descriptors and starts QEMU with them. */
static int launch(struct qemu *qemu)
{
    struct event_loop *loop = qemu->platform.host.loop;
    int console[2] = {-1, -1}, errors[2] = {-1, -1}, keep[3], error;
    size_t keep_count = 2;
    char **arguments = NULL;

    error = ivshmem_open(&qemu->ivshmem, qemu->platform.host.lagoon->fd, qemu->command.vectors,
                         &qemu->command.lagoon_fd);
    if (error) {
        note(qemu, "cannot make the machine's doorbells (%u event descriptors): %s",
             qemu->command.vectors, strerror(-error));
        return error;
    }
    error = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) || pipe2(errors, O_CLOEXEC)
                ? -errno
                : 0;
    qemu->console_fd = console[0];
    qemu->errors_fd = errors[0];
    qemu->command.console_fd = console[1];
    if (error) {
        note(qemu, "cannot make the machine's console: %s", strerror(-error));
        goto out;
    }
    fcntl(console[0], F_SETFL, O_NONBLOCK);
    fcntl(errors[0], F_SETFL, O_NONBLOCK);

    arguments = qemu_command_make(&qemu->command);
    if (!arguments) {
        error = -ENOMEM;
        note(qemu, "out of memory");
        goto out;
    }
    keep[0] = qemu->command.lagoon_fd;
    keep[1] = console[1];
    if (qemu->command.gdb_fd >= 0)
        keep[keep_count++] = qemu->command.gdb_fd;
    qemu->platform.started_ns = clock_monotonic_ns();
    error = process_start(&qemu->process, arguments, keep, keep_count, errors[1]);
    if (error) {
        say_start_failed(qemu, error);
        goto out;
    }
    error =
        events_add(loop, &qemu->doorbell, qemu->ivshmem.doorbell, EPOLLIN, doorbell_ready, qemu);
    if (!error)
        error = events_add(loop, &qemu->console, console[0], EPOLLIN, console_ready, qemu);
    if (!error)
        error = events_add(loop, &qemu->errors, errors[0], EPOLLIN, errors_ready, qemu);
    if (!error)
        error = events_add(loop, &qemu->ended, qemu->process.pidfd, EPOLLIN, process_ended, qemu);
    if (error)
        note(qemu, "cannot watch QEMU: %s", strerror(-error));
out:
    qemu_command_free(arguments);
    close(qemu->command.lagoon_fd);
    if (console[1] >= 0)
        close(console[1]);
    if (errors[1] >= 0)
        close(errors[1]);
    if (error)
        close_descriptors(qemu);
    return error;
}

static void process_ended(struct event_source *source, uint32_t bits)
{
    struct qemu *qemu = source->context;
    char status_text[64], why[256];
    int status;

    (void)bits;
    while (take_stream(&qemu->errors, &qemu->errors_fd, &qemu->error_lines, error_line, qemu))
        ;
    while (take_stream(&qemu->console, &qemu->console_fd, &qemu->console_lines, console_line, qemu))
        ;
    lines_end(&qemu->error_lines, error_line, qemu);
    lines_end(&qemu->console_lines, console_line, qemu);
    events_remove(&qemu->ended); /* before its descriptor is closed */
    status = process_reap(&qemu->process);
    close_descriptors(qemu);

    if (qemu->firmware_missing && !qemu->stopping) {
        qemu->firmware_missing = false;
        qemu->command.seabios = true;
        note(qemu, "this QEMU has no firmware qboot.rom (package qemu-system-data): using SeaBIOS "
                   "instead, which takes some 70 ms longer to start");
        if (!launch(qemu))
            return;
    }
    qemu->platform.stopped_ns = clock_monotonic_ns();
    process_status_text(status, status_text, sizeof(status_text));
    snprintf(why, sizeof(why), "QEMU ended by itself: %s%s", status_text,
             status == 0 && qemu->alive && !qemu->spoke
                 ? " (the machine was reset: a triple fault, most likely)"
                 : "");
    qemu->platform.host.ended(qemu->platform.host.context, qemu->stopping ? NULL : why);
}

static int start(struct platform *platform)
{
    struct qemu *qemu = qemu_of(platform);
    const struct platform_host *host = &platform->host;
    char why[160] = "";
    int error;

    if (host->machine->cores > QEMU_CORES_MAX) {
        note(qemu, "the machine has %u cores; QEMU takes at most %u", host->machine->cores,
             QEMU_CORES_MAX);
        return -EINVAL;
    }
    if (access(host->options->loader, R_OK)) {
        error = -errno;
        note(qemu, "cannot read the boot loader %s: %s; `make` builds it", host->options->loader,
             strerror(errno));
        return error;
    }
    qemu->command.kvm = qemu_kvm_usable("/proc/cpuinfo", "/dev/kvm", why, sizeof(why));
    platform->accelerator = qemu->command.kvm ? "kvm" : "tcg";
    if (host->options->qemu_debug && host->options->qemu_debug[0]) {
        qemu->debug_file = qemu_debug_file();
        if (!qemu->debug_file) {
            error = -errno;
            note(qemu, "cannot make a file for QEMU's debug output: %s", strerror(errno));
            return error;
        }
        qemu->command.debug_file = qemu->debug_file;
        qemu->command.debug = host->options->qemu_debug;
        note(qemu, "QEMU's debug output goes to %s", qemu->debug_file);
    }
    if (host->options->gdb) {
        unsigned port = 0;

        qemu->command.gdb_fd = qemu_debug_listen(&port);
        if (qemu->command.gdb_fd < 0) {
            error = -errno;
            note(qemu, "cannot open a port for gdb: %s", strerror(errno));
            return error;
        }
        qemu_debug_explain(host, port);
    }
    error = launch(qemu);
    if (!error && !host->options->quiet) {
        if (qemu->command.kvm)
            note(qemu, "running on QEMU with KVM");
        else
            note(qemu, "running on QEMU with TCG (no KVM: %s)", why);
    }
    return error;
}

/* --- Running -------------------------------------------------------------------------------------
 */

static void ring(struct platform *platform, uint32_t peer)
{
    struct qemu *qemu = qemu_of(platform);
    uint32_t instances = (uint32_t)platform->host.machine->instance_count;

    ivshmem_ring(&qemu->ivshmem, peer > instances ? 0 : peer);
}

/* The number of a thread named "CPU n/...", or -1. */
static long vcpu_number(const char *task_folder, const char *task)
{
    char path[96], name[32];
    long number = -1;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%.16s/comm", task_folder, task);
    file = fopen(path, "re");
    if (!file)
        return -1;
    if (fgets(name, sizeof(name), file) && !strncmp(name, "CPU ", 4)) {
        char *end;

        number = strtol(name + 4, &end, 10);
        if (end == name + 4 || *end != '/')
            number = -1;
    }
    fclose(file);
    return number;
}

/* Binds vCPU n to the n-th of `allowed`. */
static void pin_vcpus(const struct qemu *qemu, const cpu_set_t *allowed)
{
    const size_t size = CPU_ALLOC_SIZE(HOST_CPUS_MAX);
    cpu_set_t *one = CPU_ALLOC(HOST_CPUS_MAX);
    const struct dirent *entry;
    char folder[48];
    DIR *tasks;

    snprintf(folder, sizeof(folder), "/proc/%d/task", (int)qemu->process.pid);
    tasks = opendir(folder);
    while (one && tasks && (entry = readdir(tasks))) {
        long number = vcpu_number(folder, entry->d_name), host = 0;

        if (number < 0)
            continue;
        for (long left = number; host < HOST_CPUS_MAX; host++)
            if (CPU_ISSET_S((size_t)host, size, allowed) && left-- == 0)
                break;
        CPU_ZERO_S(size, one);
        CPU_SET_S((size_t)host, size, one);
        /* A wish: a thread that cannot be bound runs where the scheduler puts it. */
        if (host < HOST_CPUS_MAX)
            (void)sched_setaffinity((pid_t)strtol(entry->d_name, NULL, 10), size, one);
    }
    if (tasks)
        closedir(tasks);
    CPU_FREE(one);
}

static void alive(struct platform *platform)
{
    struct qemu *qemu = qemu_of(platform);
    const size_t size = CPU_ALLOC_SIZE(HOST_CPUS_MAX);
    cpu_set_t *allowed = CPU_ALLOC(HOST_CPUS_MAX);

    qemu->alive = true;
    if (allowed && !sched_getaffinity(0, size, allowed) &&
        (uint32_t)CPU_COUNT_S(size, allowed) >= qemu->command.cores)
        pin_vcpus(qemu, allowed);
    CPU_FREE(allowed);
}

/* --- End -----------------------------------------------------------------------------------------
 */

static void stop(struct platform *platform, bool forced)
{
    struct qemu *qemu = qemu_of(platform);

    qemu->stopping = true;
    process_signal(&qemu->process, forced ? SIGKILL : SIGTERM);
}

static void release(struct platform *platform)
{
    struct qemu *qemu = qemu_of(platform);

    if (qemu->process.pid > 0) {
        process_signal(&qemu->process, SIGKILL);
        events_remove(&qemu->ended);
        process_reap(&qemu->process);
    }
    close_descriptors(qemu);
    if (qemu->command.gdb_fd >= 0)
        close(qemu->command.gdb_fd);
    free(qemu->debug_file);
    free(qemu);
}

struct platform *qemu_platform(const struct platform_host *host)
{
    static const struct platform_operations operations = {
        .name = "pc",
        .start = start,
        .ring = ring,
        .alive = alive,
        .stop = stop,
        .release = release,
    };
    struct qemu *qemu = calloc(1, sizeof(*qemu));
    uint64_t partitions = 0;

    if (!qemu)
        return NULL;
    for (size_t i = 0; i < host->machine->instance_count; i++)
        partitions += host->machine->instances[i].memory;
    if (partitions < host->machine->memory)
        partitions = host->machine->memory;
    qemu->platform.operations = &operations;
    qemu->platform.host = *host;
    qemu->process.pidfd = -1;
    qemu->console_fd = qemu->errors_fd = -1;
    qemu->command = (struct qemu_command){
        .program = host->options->qemu,
        .cores = host->machine->cores,
        .memory = qemu_memory(partitions),
        .vectors = (uint32_t)host->machine->instance_count + 1,
        .loader = host->options->loader,
        .gdb_fd = -1,
    };
    return &qemu->platform;
}
