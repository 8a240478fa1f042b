/* What the proxy does after each wake-up. Everything is looked at each time: a doorbell says only
 * that something has happened, and one pass over all instances costs less than a system call. */
#include "proxy/machine_private.h"

#include "proxy/clock.h"
#include "proxy/crash.h"
#include "proxy/unwind.h"
#include "shm/fence.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_CHUNK 4096

void machine_say(struct machine_run *run, const char *format, ...)
{
    char text[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    output_line(run->output.err, "atoll: ", text, strlen(text));
}

/* --- The boot loader -----------------------------------------------------------------------------
 */

/* The fields first, then the sequence that says that they are there. */
static void answer_clock(struct machine_run *run, const struct shm_boot *boot)
{
    struct shm_clock *clock = &run->lagoon.header->clock;
    uint64_t request = atomic_load_explicit(&boot->clock_request, memory_order_acquire);

    if (!request || request == run->clock_answered)
        return;
    clock->realtime_ns = clock_realtime_ns();
    clock->monotonic_ns = clock_monotonic_ns();
    atomic_store_explicit(&clock->sequence, request, memory_order_release);
    run->clock_answered = request;
    run->platform->operations->ring(run->platform, run->lagoon.peers - 1);
}

static void look_at_loader(struct machine_run *run)
{
    const struct shm_boot *boot = lagoon_boot(&run->lagoon);
    uint64_t now;

    if (!boot || run->failed)
        return;
    answer_clock(run, boot);
    if (!run->alive) {
        run->alive = true;
        run->platform->operations->alive(run->platform);
        machine_start_heard(run);
    }
    if (atomic_load_explicit(&boot->failed, memory_order_acquire)) {
        char message[sizeof(boot->message)];

        memcpy(message, boot->message, sizeof(message));
        message[sizeof(message) - 1] = '\0';
        lines_clean(message, strlen(message));
        machine_say(run, "the machine could not be started: %s",
                    message[0] ? message : "the boot loader does not say why");
        machine_fail(run);
        return;
    }
    if (run->launched)
        return;
    now = clock_monotonic_ns();
    run->result.loader_entry = atomic_load_explicit(&boot->entry_ns, memory_order_relaxed);
    run->result.launched = atomic_load_explicit(&boot->launched_ns, memory_order_acquire);
    if (run->result.loader_entry < run->platform->started_ns || run->result.loader_entry > now)
        run->result.loader_entry = 0;
    if (run->result.launched) {
        run->launched = true;
        if (run->result.launched < run->result.loader_entry || run->result.launched > now)
            run->result.launched = 0;
        machine_start_heard(run);
    }
}

/* --- The kernels' logs ---------------------------------------------------------------------------
 */

/* "<level> seconds core:thread text", shown with the level in words. */
static void log_line(void *context, const char *line, size_t length)
{
    static const char *const words[] = {"error ", "warn ", "info ", "debug "};
    struct instance_run *instance = context;
    struct output_sink *sink = instance->machine->output.err;
    const char *word = "";
    char *text = NULL;
    int count;

    if (length >= 4 && line[0] == '<' && line[1] >= '0' && line[1] <= '3' && line[2] == '>') {
        word = words[line[1] - '0'];
        line += 4;
        length -= 4;
    }
    count = asprintf(&text, "%s%.*s", word, (int)length, line);
    if (count < 0)
        return;
    output_line(sink, instance->log_prefix, text, (size_t)count);
    free(text);
}

static bool read_log(struct instance_run *instance, const struct shm_section *section)
{
    struct machine_run *run = instance->machine;
    const struct shm_log *log;
    uint64_t lost = 0, limit, offset;
    char bytes[LOG_CHUNK];
    size_t count;

    if (output_sink_full(run->output.err))
        return false;
    offset = SHM_READ_ONCE(section->log_offset);
    log = shm_view_bytes(&run->lagoon.view, instance->peer, offset, sizeof(*log));
    if (!log)
        return false;
    limit = run->lagoon.extents[instance->peer].size - offset;
    count = shm_log_read(log, limit, &instance->log_position, bytes, sizeof(bytes), &lost);
    if (run->options->quiet)
        return count > 0;
    if (lost) {
        lines_end(&instance->log_lines, log_line, instance);
        output_print(run->output.err, "%s(%" PRIu64 " bytes of the log were overwritten unread)",
                     instance->log_prefix, lost);
    }
    lines_add(&instance->log_lines, bytes, count, log_line, instance);
    return count > 0;
}

/* --- The instances -------------------------------------------------------------------------------
 */

/* Says to all others that this generation of the instance is over, whether it could say so itself
 * or not, and wakes them. */
static void give_verdict(struct machine_run *run, uint32_t peer, const struct shm_section *section)
{
    uint64_t generation = atomic_load_explicit(&section->generation, memory_order_acquire);

    atomic_store_explicit(&run->lagoon.verdicts[peer].generation, generation, memory_order_release);
    atomic_fetch_add_explicit(&run->lagoon.header->verdicts_given, 1, memory_order_release);
    if (run->platform_ended)
        return;
    for (size_t i = 0; i < run->count; i++)
        if (run->instances[i].seen && !run->instances[i].over && run->instances[i].peer != peer)
            run->platform->operations->ring(run->platform, run->instances[i].peer);
}

/* One that fails takes the others of its job with it. */
static void end_job(struct instance_run *instance)
{
    struct machine_run *run = instance->machine;
    int status = summary_instance_status(instance->result);

    if (!run->options->job || status == 0 || run->stop != STOP_NOT)
        return;
    if (instance->result->fate == FATE_EXITED)
        machine_say(run, "%s has ended with status %d: the job is ended",
                    instance->result->config->name, status);
    else
        machine_say(run, "%s has died: the job is ended", instance->result->config->name);
    machine_stop(run, SIGKILL, status);
}

void machine_instance_over(struct instance_run *instance)
{
    struct machine_run *run = instance->machine;
    struct instance_result *result = instance->result;
    const struct shm_section *section = shm_view_section(&run->lagoon.view, instance->peer, NULL);
    const char *kernel = run->options->kernel, *program = result->config->program;
    char text[600], prefix[MACHINE_NAME_MAX + 24];

    io_channel_over(instance->channel);
    io_channel_end_lines(instance->channel);
    if (section) {
        give_verdict(run, instance->peer, section);
        while (read_log(instance, section))
            ;
        lines_end(&instance->log_lines, log_line, instance);
        summary_take_record(&result->record, section, run->platform->started_ns,
                            clock_monotonic_ns());
        result->exit_status = atomic_load_explicit(&section->exit_status, memory_order_relaxed);
        if (result->fate == FATE_CRASHED) {
            crash_copy(&result->crash, &section->crash);
            unwind_crash(&result->crash, &run->lagoon.view, instance->peer, program);
            crash_cause(&result->crash, kernel, program, result->cause, sizeof(result->cause));
            if (run->options->quiet) {
                machine_say(run, "%s %s", result->config->name,
                            summary_fate_text(result, text, sizeof(text)));
            } else {
                snprintf(prefix, sizeof(prefix), "%s", instance->log_prefix);
                crash_report(&result->crash, kernel, program, prefix, run->output.err);
            }
        }
    }
    instance->over = true;
    end_job(instance);
}

/* What the instance's section says of its end, if it has ended. */
static enum instance_fate fate_of(uint32_t state)
{
    switch (state) {
    case SHM_STATE_EXITED:
        return FATE_EXITED;
    case SHM_STATE_CRASHED:
    case SHM_STATE_HUNG:
        return FATE_CRASHED;
    case SHM_STATE_STOPPED:
        return FATE_STOPPED;
    default:
        return FATE_UNKNOWN;
    }
}

static bool serve_instance(struct instance_run *instance)
{
    struct machine_run *run = instance->machine;
    enum instance_fate fate = FATE_UNKNOWN;
    bool progress;
    int error;
    const struct shm_section *section = shm_view_section(&run->lagoon.view, instance->peer, &error);

    if (!section && error == -EAGAIN) /* not made yet */
        return false;
    if (!section) {
        instance->result->fate = FATE_LOST;
        snprintf(instance->result->cause, sizeof(instance->result->cause),
                 "its section of the lagoon is not sound");
        machine_instance_over(instance);
        return true;
    }
    instance->seen = true;
    /* The state first: what an instance sent before it ended is then found below. */
    fate = fate_of(atomic_load_explicit(&section->state, memory_order_acquire));
    progress = io_channel_serve(instance->channel);
    progress |= read_log(instance, section);
    if (fate != FATE_UNKNOWN && !progress && io_channel_drained(instance->channel)) {
        instance->result->fate = fate;
        machine_instance_over(instance);
        progress = true;
    }
    return progress;
}

static bool feed_input(struct machine_run *run)
{
    struct instance_run *first = NULL;
    bool progress = false;

    for (size_t i = 0; i < run->count && !first; i++)
        if (!run->instances[i].over && io_channel_wants_input(run->instances[i].channel))
            first = &run->instances[i];
    input_want(&run->input, first != NULL);
    if (first && run->input.ready) {
        io_channel_feed(first->channel);
        progress = true;
    }
    return progress;
}

/* Arms every channel that can be served. Returns whether one of them has something already. */
static bool arm(struct machine_run *run)
{
    bool pending = false;

    for (size_t i = 0; i < run->count; i++)
        if (!run->instances[i].over)
            pending |= io_channel_arm(run->instances[i].channel);
    return pending;
}

/* A closed standard output ends the run as it would end a pipeline of ordinary programs. */
static void look_at_output(struct machine_run *run)
{
    const struct output_sink *out =
        run->options->json && !run->options->quiet ? run->output.err : run->output.out;

    if (!out->error || run->output_failed)
        return;
    run->output_failed = true;
    if (out->error == EPIPE) {
        machine_stop(run, SIGPIPE, 128 + SIGPIPE);
        return;
    }
    machine_say(run, "cannot write the programs' output: %s", strerror(out->error));
    machine_stop(run, SIGPIPE, STATUS_OUTPUT_FAILED);
}

void machine_serve(struct machine_run *run)
{
    bool progress, all_over = true, all_seen = true;

    if (run->ending) {
        output_flush(&run->output);
        return;
    }
    do {
        progress = false;
        if (!run->platform_ended)
            look_at_loader(run);
        progress |= io_server_collect(&run->io);
        for (size_t i = 0; i < run->count; i++)
            if (!run->instances[i].over)
                progress |= serve_instance(&run->instances[i]);
        progress |= feed_input(run);
        /* Room that this makes is for writes that wait: nothing else would come back to them. */
        progress |= output_flush(&run->output);
        look_at_output(run);
        if (!progress)
            progress = arm(run);
    } while (progress);

    for (size_t i = 0; i < run->count; i++) {
        all_over &= run->instances[i].over;
        all_seen &= run->instances[i].seen || run->instances[i].over;
    }
    if (all_seen && !run->all_seen) {
        run->all_seen = true;
        machine_start_heard(run);
    }
    if (all_over)
        machine_end_platform(run);
}

void machine_instance_gone(struct instance_run *instance, const char *why, int signal)
{
    struct machine_run *run = instance->machine;
    struct instance_result *result = instance->result;
    const struct shm_section *section = shm_view_section(&run->lagoon.view, instance->peer, NULL);

    if (instance->over || (section && fate_of(atomic_load_explicit(
                                          &section->state, memory_order_acquire)) != FATE_UNKNOWN))
        return;
    if (section)
        serve_instance(instance); /* what it sent before */
    if (instance->over)
        return;
    result->fate = !why ? FATE_KILLED : section ? FATE_LOST : FATE_SILENT;
    machine_instance_over(instance);
    if (!why)
        return;
    result->signal = signal;
    snprintf(result->cause, sizeof(result->cause), "%s", why);
    machine_say(run, "instance %s is lost: %s", result->config->name, why);
}

void machine_seal(struct machine_run *run)
{
    machine_serve(run);
    for (size_t i = 0; i < run->count; i++) {
        struct instance_run *instance = &run->instances[i];

        if (instance->over)
            continue;
        if (!instance->seen)
            instance->result->fate = FATE_SILENT;
        else
            instance->result->fate = run->stop == STOP_FORCED ? FATE_KILLED : FATE_LOST;
        /* What its sink would not take is lost: nobody could say when it would. */
        machine_instance_over(instance);
    }
}
