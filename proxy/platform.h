/* What the proxy needs of a platform: something that starts all instances of a machine over a
 * lagoon, wakes them, and can be ended. `pc` (qemu.c) is one process for all; `hosted` is one for
 * each instance. A platform hangs its own file descriptors into the event loop and reports through
 * struct platform_host. */
#ifndef PROXY_PLATFORM_H
#define PROXY_PLATFORM_H

#include "proxy/config.h"
#include "proxy/events.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct lagoon_host;

/* The caller's side. Every call comes from events_wait or from the platform operation itself. */
struct platform_host {
    struct event_loop *loop;
    const struct lagoon_host *lagoon;
    const struct machine_config *machine;
    const struct run_options *options;
    void *context;
    /* An instance, or the boot loader, has rung the proxy's doorbell. */
    void (*rang)(void *context);
    /* A line for the user from below the instances: `source` is "machine" (the console) or "qemu".
     * `length` bytes without the newline, as untrusted as any output. */
    void (*line)(void *context, const char *source, const char *bytes, size_t length);
    /* Something that the user should know, in one line. */
    void (*note)(void *context, const char *text);
    /* The process of one instance alone is gone. Unless its section says that it had come to its
     * end, it is lost: `why` says how (NULL: it was asked for), `signal` which signal ended it, or
     * 0. */
    void (*instance_ended)(void *context, uint32_t peer, const char *why, int signal);
    /* All processes of the platform are gone and have been waited for. `why` is NULL when that had
     * been asked for, otherwise it says how they ended. May be called once. */
    void (*ended)(void *context, const char *why);
};

struct platform;

struct platform_operations {
    const char *name; /* "pc", "hosted", as in machine files */

    /* Starts the machine. Returns 0, or a negative errno value after saying in words on `note` what
     * failed and what would help; then `release` is still to be called. */
    int (*start)(struct platform *platform);

    /* Wakes peer 1..instances (peers + 1 is the boot loader). Never waits. */
    void (*ring)(struct platform *platform, uint32_t peer);

    /* Ends one instance by force, where it has a process of its own; NULL: it has not. */
    void (*kill)(struct platform *platform, uint32_t peer);

    /* Has somebody stopped the instance's process (SIGSTOP)? NULL: nobody can. */
    bool (*is_held)(struct platform *platform, uint32_t peer);

    /* The machine has shown its first sign of life: everything that belongs to it exists now. */
    void (*alive)(struct platform *platform);

    /* Asks the platform's processes to end (`forced`: SIGKILL). `ended` follows. May be called
     * again, and when nothing runs any more. */
    void (*stop)(struct platform *platform, bool forced);

    /* Ends what still runs by force, waits for it, and frees the platform. */
    void (*release)(struct platform *platform);
};

struct platform {
    const struct platform_operations *operations;
    struct platform_host host;
    const char *accelerator; /* for the summary: "kvm", "tcg", "native", "test" */
    uint64_t started_ns;     /* when the machine was started, CLOCK_MONOTONIC; 0: not yet */
    uint64_t stopped_ns;     /* when it was gone again; 0: not yet */
};

#endif
