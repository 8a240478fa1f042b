/* A machine while it runs: shared by machine.c (its life), machine_serve.c (what to do after each
 * wake-up) and machine_stop.c (ending it early). Nobody else. */
#ifndef PROXY_MACHINE_PRIVATE_H
#define PROXY_MACHINE_PRIVATE_H

#include "ipi-msg/endpoint.h"
#include "proxy/events.h"
#include "proxy/input.h"
#include "proxy/io.h"
#include "proxy/lagoon_host.h"
#include "proxy/lines.h"
#include "proxy/machine.h"
#include "proxy/output.h"
#include "proxy/platform.h"
#include "proxy/summary.h"

#include <signal.h>

#define SECOND_NS UINT64_C(1000000000)
#define START_LIMIT_NS (30 * SECOND_NS)   /* between two signs of life while the machine starts, */
#define START_LIMIT_CORE_NS SECOND_NS     /* and more for each of its cores */
#define STOP_GRACE_NS (2 * SECOND_NS)     /* for programs to end on a signal */
#define END_GRACE_NS (1 * SECOND_NS)      /* for kernels to end on order */
#define PLATFORM_GRACE_NS (SECOND_NS / 2) /* for QEMU to end on SIGTERM */

#define STATUS_MACHINE_FAILED 125
#define STATUS_TIME_LIMIT 124
#define STATUS_OUTPUT_FAILED 1

struct instance_run {
    struct machine_run *machine;
    uint32_t peer;
    struct io_channel *channel;
    struct instance_result *result;
    bool seen; /* its kernel has made its section */
    bool over; /* ended, its output taken, its result final */
    uint64_t log_position;
    struct lines log_lines;
    char log_prefix[MACHINE_NAME_MAX + 8];
    struct core_watch *watch; /* machine_hung.c's; [cores], or NULL: nothing seen yet */
};

/* How far the machine has been ended early. */
enum stop_stage {
    STOP_NOT,
    STOP_SIGNALLED, /* programs have been sent a signal */
    STOP_ORDERED,   /* kernels have been ordered to end */
    STOP_FORCED,    /* the platform is being ended under them */
};

struct machine_run {
    const struct machine_config *config;
    const struct run_options *options;
    struct event_loop loop;
    struct lagoon_host lagoon;
    struct output output;
    struct input input;
    struct ipi_link *links;
    struct ipi_endpoint endpoint;
    struct io_server io;
    struct platform *platform;
    struct instance_run *instances;
    struct instance_result *results;
    size_t count;
    struct machine_result result;

    struct event_source signals;
    struct event_timer start_limit, time_limit, stop_limit, platform_limit, watch;

    uint64_t clock_answered; /* the loader's last request */
    bool alive;              /* the boot loader has been heard */
    bool launched;           /* it has started all groups */
    bool all_seen;           /* and all kernels have been heard */
    bool failed;             /* the machine could not be started, or died */
    bool ending;             /* all instances are over: the platform is being ended */
    bool platform_ended;
    bool output_failed;
    bool hurry; /* a signal after the end: leave the output behind */
    enum stop_stage stop;
    int status;             /* decided early (a signal, a limit); 0: by the instances */
    uint64_t lines_dropped; /* of the console, because nobody reads standard error */
};

/* --- machine.c -----------------------------------------------------------------------------------
 */

/* machine_run on a given platform (tests bring their own). */
typedef struct platform *(*machine_platform_t)(const struct platform_host *host);
int machine_run_on(const struct machine_config *machine, const struct run_options *options,
                   machine_platform_t platform);

/* --- machine_serve.c ---------------------------------------------------------------------------
 */

/* Does all there is to do: clock, boot loader, messages, states, logs, ends; then arms all
 * channels.
 */
void machine_serve(struct machine_run *run);

/* The platform has ended: takes what the instances have left behind, then their fate is sealed. */
void machine_seal(struct machine_run *run);

/* Prints "atoll: ..." to standard error. */
__attribute__((format(printf, 2, 3))) void machine_say(struct machine_run *run, const char *format,
                                                       ...);

/* The instance has come to its end, as result->fate says. */
void machine_instance_over(struct instance_run *instance);

/* Its process is gone: takes what it has left, and if that is no end, it is lost (or, with `why`
 * NULL, killed by us). `signal` ended the process, or 0. */
void machine_instance_gone(struct instance_run *instance, const char *why, int signal);

/* --- machine_hung.c ----------------------------------------------------------------------------
 */

/* Looks at all cores from now on, once a second, and ends instances that hang. 0 or a negative
 * errno value. */
int machine_hung_open(struct machine_run *run);

/* --- machine_stop.c ----------------------------------------------------------------------------
 */

/* The signals that end a run: INT, TERM and HUP, except those that whoever started the command
 * wants ignored (nohup). They are to be blocked, from before the run until after it. */
void machine_stop_signals(sigset_t *signals);

/* Listens to them, and makes all timers. 0 or a negative errno value. */
int machine_stop_open(struct machine_run *run);
void machine_stop_close(struct machine_run *run);

/* Ends the run early with `status`: gives the programs `signal`, later orders the kernels to end,
 * at last ends the platform. Called again, it goes one step further at once. */
void machine_stop(struct machine_run *run, uint32_t signal, int status);

/* The machine cannot go on: ends the platform at once. */
void machine_fail(struct machine_run *run);

/* All instances are over: ends the platform in peace. */
void machine_end_platform(struct machine_run *run);

/* A sign of life while the machine starts: its limit begins anew, or is lifted. */
void machine_start_heard(struct machine_run *run);

#endif
