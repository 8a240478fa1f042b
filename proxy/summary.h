/* What came of a run: collected while it runs, shown at its end as a table or as JSON. */
#ifndef PROXY_SUMMARY_H
#define PROXY_SUMMARY_H

#include "proxy/config.h"
#include "shm/lagoon.h"

#include <stdbool.h>
#include <stdint.h>

struct output_sink;

enum instance_fate {
    FATE_UNKNOWN, /* still runs, as far as anyone knows */
    FATE_EXITED,  /* by itself */
    FATE_CRASHED,
    FATE_HUNG,    /* a core of its kernel does not answer any more */
    FATE_STOPPED, /* on our order */
    FATE_KILLED,  /* it did not end on our order, the machine was ended under it */
    FATE_LOST,    /* the machine ended by itself under it */
    FATE_SILENT,  /* it never started */
};

/* An instance's own account, copied once; times are CLOCK_MONOTONIC ns, 0 where unknown. */
struct instance_record {
    uint64_t kernel_entry, memory_ready, cores_ready, program_start, program_end;
    uint64_t memory_peak, memory_used, memory_kernel, memory_total;
    uint64_t interrupts, timer_interrupts, doorbells_rung, doorbells_taken;
    uint64_t syscalls, syscalls_unknown, page_faults, context_switches, steals;
};

struct instance_result {
    const struct instance_config *config;
    enum instance_fate fate;
    uint32_t exit_status; /* 0..255, for FATE_EXITED, CRASHED and STOPPED */
    int signal;           /* for FATE_LOST: what ended its own process, or 0 */
    bool timed_out;       /* still ran at the time limit */
    struct instance_record record;
    struct shm_crash crash; /* for FATE_CRASHED */
    char cause[512];        /* for FATE_CRASHED, HUNG and LOST, in words; may be empty */
};

struct machine_result {
    int status; /* of atoll run */
    const char *platform, *accelerator, *kernel;
    uint32_t cores;
    uint64_t lagoon_size;
    /* CLOCK_MONOTONIC ns; 0 where it has not happened. */
    uint64_t atoll_start, machine_start, loader_entry, launched, end;
    const struct instance_result *instances;
    size_t instance_count;
};

/* Copies an instance's times and counters; a time far outside [earliest, latest] counts as
 * unknown. */
void summary_take_record(struct instance_record *record, const struct shm_section *section,
                         uint64_t earliest, uint64_t latest);

/* The status that one instance adds to the run's: its own, 128 + signal, or 125 when lost. */
int summary_instance_status(const struct instance_result *result);

/* "exit 0", "crashed: SIGSEGV at 0x0 in main (hello.c:12)", in `buffer`. */
const char *summary_fate_text(const struct instance_result *result, char *buffer, size_t capacity);

void summary_print_table(const struct machine_result *result, struct output_sink *sink);
void summary_print_timeline(const struct machine_result *result, struct output_sink *sink);

/* The JSON document, to free; NULL when memory has run out. */
char *summary_json(const struct machine_result *result);

#endif
