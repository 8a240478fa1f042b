/* Ending a run before its programs do: by a signal, a limit, a closed output, or because the
 * machine cannot go on. Three steps, each of which gives the one before a bounded time. */
#include "proxy/machine_private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void stop_further(struct machine_run *run)
{
    switch (run->stop) {
    case STOP_NOT:
    case STOP_SIGNALLED:
        run->stop = STOP_ORDERED;
        for (size_t i = 0; i < run->count; i++)
            if (!run->instances[i].over)
                io_channel_send_end(run->instances[i].channel);
        events_timer_arm(&run->stop_limit, END_GRACE_NS);
        break;
    case STOP_ORDERED:
    case STOP_FORCED:
        run->stop = STOP_FORCED;
        run->platform->operations->stop(run->platform, true);
        break;
    }
}

static bool any_seen(const struct machine_run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->instances[i].seen)
            return true;
    return false;
}

void machine_stop(struct machine_run *run, uint32_t signal, int status)
{
    if (!run->status)
        run->status = status;
    if (run->ending) {
        run->hurry = true;
        if (!run->platform_ended)
            run->platform->operations->stop(run->platform, true);
        return;
    }
    if (!any_seen(run)) { /* nobody there yet to be asked */
        run->stop = STOP_ORDERED;
        stop_further(run);
    } else if (run->stop == STOP_NOT) {
        run->stop = STOP_SIGNALLED;
        for (size_t i = 0; i < run->count; i++)
            if (!run->instances[i].over)
                io_channel_send_stop(run->instances[i].channel, signal);
        events_timer_arm(&run->stop_limit, STOP_GRACE_NS);
    } else {
        stop_further(run);
    }
}

void machine_fail(struct machine_run *run)
{
    run->failed = true;
    run->status = STATUS_MACHINE_FAILED;
    run->stop = STOP_FORCED;
    run->platform->operations->stop(run->platform, true);
}

void machine_end_platform(struct machine_run *run)
{
    if (run->ending)
        return;
    run->ending = true;
    events_timer_arm(&run->start_limit, 0);
    events_timer_arm(&run->time_limit, 0);
    events_timer_arm(&run->watch, 0);
    /* A run that was ended early does not wait for ever for somebody to read what is left. */
    events_timer_arm(&run->stop_limit, run->stop == STOP_NOT ? 0 : END_GRACE_NS);
    if (run->platform_ended)
        return;
    run->platform->operations->stop(run->platform, false);
    events_timer_arm(&run->platform_limit, PLATFORM_GRACE_NS);
}

/* A hundred vCPUs take their time on a few host cores. */
static uint64_t start_limit(const struct machine_run *run)
{
    return START_LIMIT_NS + run->config->cores * START_LIMIT_CORE_NS;
}

void machine_start_heard(struct machine_run *run)
{
    /* gdb's user may take as long as he likes. */
    events_timer_arm(&run->start_limit, run->all_seen || run->options->gdb ? 0 : start_limit(run));
}

/* --- Limits --------------------------------------------------------------------------------------
 */

static void start_limit_expired(void *context)
{
    struct machine_run *run = context;
    unsigned seconds = (unsigned)(start_limit(run) / SECOND_NS);
    bool any = false;

    if (!run->alive || !run->launched) {
        machine_say(
            run,
            "%s for %u seconds; the host may be overloaded, or the boot loader does not fit "
            "this QEMU: --verbose and --debug int,guest_errors show more",
            run->alive ? "the boot loader has started but not finished"
                       : "nothing has been heard of the machine",
            seconds);
        machine_fail(run);
        return;
    }
    for (size_t i = 0; i < run->count; i++) {
        struct instance_run *instance = &run->instances[i];

        any |= instance->seen;
        if (instance->seen || instance->over)
            continue;
        machine_say(run,
                    "instance %s has been launched on core %u but its kernel has said nothing for "
                    "%u seconds",
                    instance->result->config->name, instance->result->config->cores[0], seconds);
        instance->result->fate = FATE_SILENT;
        machine_instance_over(instance);
    }
    if (!any)
        machine_fail(run);
}

static void time_limit_expired(void *context)
{
    struct machine_run *run = context;

    machine_say(run,
                "the time limit of %g seconds has passed; still running:", run->options->timeout);
    for (size_t i = 0; i < run->count; i++) {
        struct instance_run *instance = &run->instances[i];

        if (instance->over)
            continue;
        instance->result->timed_out = true;
        machine_say(run, "  %s%s", instance->result->config->name,
                    instance->seen ? "" : " (not started yet)");
    }
    machine_stop(run, SIGTERM, STATUS_TIME_LIMIT);
}

static void stop_limit_expired(void *context)
{
    struct machine_run *run = context;

    if (run->ending)
        run->hurry = true;
    else
        stop_further(run);
}

static void platform_limit_expired(void *context)
{
    struct machine_run *run = context;

    if (!run->platform_ended)
        run->platform->operations->stop(run->platform, true);
}

static void signal_ready(struct event_source *source, uint32_t bits)
{
    struct machine_run *run = source->context;
    struct signalfd_siginfo info;

    (void)bits;
    if (read(source->fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (run->stop == STOP_NOT && !run->ending && any_seen(run) && !run->options->quiet)
        machine_say(run, "%s: the programs are asked to end; once more ends them at once",
                    strsignal((int)info.ssi_signo));
    machine_stop(run, info.ssi_signo == SIGINT ? SIGTERM : info.ssi_signo,
                 128 + (int)info.ssi_signo);
}

void machine_stop_signals(sigset_t *signals)
{
    static const int all[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before;

    sigemptyset(signals);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (sigaction(all[i], NULL, &before) || before.sa_handler != SIG_IGN)
            sigaddset(signals, all[i]);
}

int machine_stop_open(struct machine_run *run)
{
    sigset_t wanted;
    int fd, error;

    machine_stop_signals(&wanted);
    fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    error = events_add(&run->loop, &run->signals, fd, EPOLLIN, signal_ready, run);
    if (error) {
        close(fd);
        return error;
    }
    error = events_timer_open(&run->loop, &run->start_limit, start_limit_expired, run);
    if (!error)
        error = events_timer_open(&run->loop, &run->time_limit, time_limit_expired, run);
    if (!error)
        error = events_timer_open(&run->loop, &run->stop_limit, stop_limit_expired, run);
    if (!error)
        error = events_timer_open(&run->loop, &run->platform_limit, platform_limit_expired, run);
    return error;
}

void machine_stop_close(struct machine_run *run)
{
    if (run->signals.bits) {
        events_remove(&run->signals);
        close(run->signals.fd);
    }
    events_timer_close(&run->start_limit);
    events_timer_close(&run->time_limit);
    events_timer_close(&run->stop_limit);
    events_timer_close(&run->platform_limit);
    events_timer_close(&run->watch);
}
