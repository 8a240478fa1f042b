/* The life of a machine, from its checked description to the exit status. machine_run_on is its
 * table of contents; what happens in between is in machine_serve.c and machine_stop.c. */
#include "proxy/machine_private.h"

#include "proxy/clock.h"
#include "proxy/hosted.h"
#include "proxy/image.h"
#include "proxy/qemu.h"
#include "proxy/qemu_command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- What the platform reports -------------------------------------------------------------------
 */

static void platform_rang(void *context)
{
    (void)context; /* machine_run_on looks at everything after every wake-up */
}

static void platform_line(void *context, const char *source, const char *bytes, size_t length)
{
    struct machine_run *run = context;
    char prefix[32];

    if (output_sink_full(run->output.err)) {
        run->lines_dropped++;
        return;
    }
    snprintf(prefix, sizeof(prefix), "%s: ", source);
    output_line(run->output.err, prefix, bytes, length);
}

static void platform_note(void *context, const char *text)
{
    machine_say(context, "%s", text);
}

static void platform_instance_ended(void *context, uint32_t peer, const char *why, int signal)
{
    struct machine_run *run = context;

    machine_instance_gone(&run->instances[peer - 1], why, signal);
}

static void platform_ended(void *context, const char *why)
{
    struct machine_run *run = context;

    run->platform_ended = true;
    if (run->ending)
        return;
    machine_seal(run);
    for (size_t i = 0; why && i < run->count && !run->failed; i++)
        run->failed = run->results[i].fate == FATE_LOST || run->results[i].fate == FATE_SILENT;
    if (why && run->failed) {
        machine_say(run, "%s", why);
        run->status = STATUS_MACHINE_FAILED;
    }
    machine_end_platform(run);
}

static void ring_peer(void *context, uint32_t peer, uint32_t core)
{
    struct machine_run *run = context;

    (void)core; /* a peer's vector reaches the core that its kernel has chosen */
    run->platform->operations->ring(run->platform, peer);
}

/* --- Start ---------------------------------------------------------------------------------------
 */

/* The lagoon with the image in it. */
static int make_lagoon(struct machine_run *run)
{
    const struct machine_config *config = run->config;
    /* As long ago as can be: the longer the baseline, the less is left to wait for. */
    struct clock_sample since = clock_start_sample();
    struct machine_extent table;
    struct image image;
    int error;

    if (image_load(&image, config, run->options, stderr))
        return -ENOEXEC;
    error = lagoon_create(&run->lagoon, (uint32_t)config->instance_count, config->cores,
                          image_bytes(&image), config->section, stderr);
    if (!error) {
        image_write(&image, run->lagoon.base, run->lagoon.image_offset, &table);
        error =
            lagoon_publish(&run->lagoon, table.offset, table.size, clock_tsc_hz(&since), stderr);
    }
    image_free(&image);
    return error;
}

/* Did the machine table give instance `index` our standard input? */
static bool gets_input(const struct machine_run *run, size_t index)
{
    const struct machine_table *table =
        (const struct machine_table *)(run->lagoon.base + run->lagoon.header->machine_offset);
    const struct machine_instance *entries =
        (const struct machine_instance *)(run->lagoon.base + table->entries.offset);

    return entries[index].flags & MACHINE_FLAG_STDIN;
}

static void report_channel(void *context, uint32_t peer, const char *text)
{
    struct machine_run *run = context;
    const struct instance_run *instance = &run->instances[peer - 1];

    machine_say(run, "instance %s %s%s", instance->result->config->name, text,
                io_channel_is_closed(instance->channel) ? "; its channel is closed" : "");
}

/* Files that one instance may have open on the host, so that none takes another's share. */
static size_t handles_of_one(const struct machine_run *run)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 64;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max > 256 ? (limit.rlim_max - 128) / run->count : 16;
}

/* Says what fails. */
static int open_mounts(struct machine_run *run, struct instance_run *instance)
{
    const struct instance_config *config = instance->result->config;
    size_t which = 0;
    int error;

    if (!config->mount_count)
        return 0;
    if (!run->io.shares)
        run->io.shares = share_pool_open(&run->loop, NULL, NULL);
    if (!run->io.shares)
        return -ENOMEM;
    error = share_open(io_channel_share(instance->channel), config->mounts, config->mount_count,
                       &which);
    io_channel_share(instance->channel)->handles_max = handles_of_one(run);
    if (error)
        fprintf(stderr, "atoll: %s: the folder '%s' cannot be mounted: %s\n", config->name,
                config->mounts[which].host, strerror(-error));
    return error;
}

static int make_instances(struct machine_run *run)
{
    struct output_sink *err = run->output.err;
    int error;
    bool to_stderr = run->options->json && !run->options->quiet;

    for (size_t i = 0; i < run->count; i++) {
        struct instance_run *instance = &run->instances[i];
        const char *name = run->config->instances[i].name;

        instance->machine = run;
        instance->peer = (uint32_t)i + 1;
        instance->result = &run->results[i];
        instance->result->config = &run->config->instances[i];
        snprintf(instance->log_prefix, sizeof(instance->log_prefix), "%-*s * ",
                 run->output.name_width, name);
        instance->channel = io_channel_open(&run->io, instance->peer, name, gets_input(run, i),
                                            to_stderr ? err : run->output.out, err);
        if (!instance->channel)
            return -ENOMEM;
        error = open_mounts(run, instance);
        if (error)
            return error;
    }
    return 0;
}

/* Everything but the platform. Says on stderr what fails. */
static int make_machine(struct machine_run *run)
{
    int error, width = 0;

    for (size_t i = 0; i < run->count; i++)
        if (width < (int)strlen(run->config->instances[i].name))
            width = (int)strlen(run->config->instances[i].name);
    error = make_lagoon(run);
    if (error)
        return error;
    error = events_open(&run->loop);
    if (!error)
        error = machine_stop_open(run);
    if (!error)
        error = machine_hung_open(run);
    if (!error)
        error = output_open(&run->output, &run->loop, STDOUT_FILENO, STDERR_FILENO,
                            run->options->quiet, width);
    if (!error) {
        input_open(&run->input, &run->loop, STDIN_FILENO);
        run->links = calloc(run->lagoon.peers, sizeof(*run->links));
        run->instances = calloc(run->count, sizeof(*run->instances));
        run->results = calloc(run->count, sizeof(*run->results));
        if (!run->links || !run->instances || !run->results)
            error = -ENOMEM;
    }
    if (!error) {
        ipi_endpoint_init(&run->endpoint, &run->lagoon.view, run->lagoon.section, run->lagoon.heap,
                          run->links, ring_peer, run, 0);
        run->io.report = report_channel;
        run->io.context = run;
        error = io_server_open(&run->io, &run->endpoint, &run->output, &run->input);
    }
    if (!error)
        error = make_instances(run);
    if (error)
        fprintf(stderr, "atoll: cannot prepare the machine: %s\n", strerror(-error));
    return error;
}

static void free_machine(struct machine_run *run)
{
    if (run->platform)
        run->platform->operations->release(run->platform);
    io_server_stop(&run->io);
    for (size_t i = 0; run->instances && i < run->count; i++) {
        io_channel_close(run->instances[i].channel);
        free(run->instances[i].watch);
    }
    io_server_close(&run->io);
    input_close(&run->input);
    if (run->output.out)
        output_close(&run->output);
    machine_stop_close(run);
    if (run->loop.fd >= 0)
        events_close(&run->loop);
    free(run->links);
    free(run->instances);
    free(run->results);
    lagoon_close(&run->lagoon);
}

/* --- End -----------------------------------------------------------------------------------------
 */

static int decide_status(const struct machine_run *run)
{
    if (run->status)
        return run->status;
    for (size_t i = 0; i < run->count; i++) {
        int status = summary_instance_status(&run->results[i]);

        if (status)
            return status;
    }
    return 0;
}

static void print_summary(struct machine_run *run)
{
    struct machine_result *result = &run->result;
    bool any_seen = false;
    char *json;

    for (size_t i = 0; i < run->count; i++)
        any_seen |= run->instances[i].seen;
    result->status = decide_status(run);
    result->platform = run->platform->operations->name;
    result->accelerator = run->platform->accelerator;
    result->kernel = run->options->kernel;
    result->cores = run->config->cores;
    result->lagoon_size = run->lagoon.size;
    result->atoll_start = clock_start_sample().monotonic_ns;
    result->machine_start = run->platform->started_ns;
    result->end = clock_monotonic_ns();
    result->instances = run->results;
    result->instance_count = run->count;

    if (run->lines_dropped)
        machine_say(run, "%llu lines of the machine's console were dropped",
                    (unsigned long long)run->lines_dropped);
    if (run->options->verbose && !run->options->quiet)
        summary_print_timeline(result, run->output.err);
    if (run->options->json) {
        json = summary_json(result);
        if (json)
            output_line(run->output.out, "", json, strlen(json));
        free(json);
    } else if (!run->options->quiet && any_seen) {
        summary_print_table(result, run->output.err);
    }
}

/* --- The run -------------------------------------------------------------------------------------
 */

static void run_loop(struct machine_run *run)
{
    bool printed = false;

    machine_start_heard(run);
    if (run->options->timeout > 0)
        events_timer_arm(&run->time_limit, (uint64_t)(run->options->timeout * 1e9) + 1);
    for (;;) {
        machine_serve(run);
        if (run->ending && !printed) {
            /* While the platform's process still ends. */
            printed = true;
            print_summary(run);
            output_flush(&run->output);
        }
        if (run->platform_ended && run->ending && (run->hurry || output_idle(&run->output)))
            return;
        if (events_wait(&run->loop, -1) < 0)
            return;
    }
}

/* The kernel gives the lowest free number to whatever is opened next: what is closed now would
 * become the lagoon, or a doorbell, that a program's output is then written to. */
static void keep_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd ? O_WRONLY : O_RDONLY);
}

int machine_run_on(const struct machine_config *machine, const struct run_options *options,
                   machine_platform_t platform)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, pipe_before, size_before;
    struct machine_run run = {.config = machine,
                              .options = options,
                              .count = machine->instance_count,
                              .loop = {.fd = -1},
                              .lagoon = {.fd = -1}};
    struct platform_host host = {.machine = machine,
                                 .options = options,
                                 .context = &run,
                                 .loop = &run.loop,
                                 .lagoon = &run.lagoon,
                                 .rang = platform_rang,
                                 .line = platform_line,
                                 .note = platform_note,
                                 .instance_ended = platform_instance_ended,
                                 .ended = platform_ended};
    sigset_t blocked, mask_before;
    int status = STATUS_MACHINE_FAILED;

    keep_standard_files();
    machine_stop_signals(&blocked);
    sigprocmask(SIG_BLOCK, &blocked, &mask_before);
    sigaction(SIGPIPE, &ignore, &pipe_before);
    sigaction(SIGXFSZ, &ignore, &size_before); /* a limit on files is an error to be told */

    if (make_machine(&run))
        goto out;
    run.platform = platform(&host);
    if (!run.platform) {
        fprintf(stderr, "atoll: out of memory\n");
        goto out;
    }
    if (!run.platform->operations->start(run.platform)) {
        run_loop(&run);
        status = decide_status(&run);
    } else {
        output_flush(&run.output); /* the reason; it has been said in a few lines */
    }
out:
    free_machine(&run);
    sigaction(SIGXFSZ, &size_before, NULL);
    sigaction(SIGPIPE, &pipe_before, NULL);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    return status;
}

void machine_choose_platform(struct machine_config *machine, const struct run_options *options)
{
    char why[160] = "";

    if (machine->platform != PLATFORM_AUTO)
        return;
    if (qemu_kvm_usable("/proc/cpuinfo", "/dev/kvm", why, sizeof(why))) {
        machine->platform = PLATFORM_PC;
        return; /* which says so itself */
    }
    machine->platform = PLATFORM_HOSTED;
    if (!options->quiet)
        fprintf(stderr, "atoll: platform hosted has been chosen (no KVM: %s)\n", why);
}

int machine_run(const struct machine_config *machine, const struct run_options *options)
{
    return machine_run_on(machine, options,
                          machine->platform == PLATFORM_HOSTED ? hosted_platform : qemu_platform);
}
