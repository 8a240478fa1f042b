/* The summary for people. */
#include "proxy/summary.h"

#include "proxy/crash.h"
#include "proxy/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_LOST 125

/* The instance's clock was set by a question and its answer, and may be ahead of ours a little, and
 * drift by as much as the host's clock is being steered: that is rounded to now. */
#define CLOCK_AHEAD_NS UINT64_C(20000000)
#define CLOCK_DRIFT 1000 /* one part in so many */

static uint64_t take_time(const _Atomic uint64_t *time, uint64_t earliest, uint64_t latest)
{
    uint64_t value = atomic_load_explicit(time, memory_order_relaxed);

    if (value < earliest || value > latest + CLOCK_AHEAD_NS + (latest - earliest) / CLOCK_DRIFT)
        return 0;
    return value < latest ? value : latest;
}

static uint64_t take(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void summary_take_record(struct instance_record *record, const struct shm_section *section,
                         uint64_t earliest, uint64_t latest)
{
    const struct shm_times *times = &section->times;
    const struct shm_counters *counters = &section->counters;

    *record = (struct instance_record){
        .kernel_entry = take_time(&times->kernel_entry, earliest, latest),
        .memory_ready = take_time(&times->memory_ready, earliest, latest),
        .cores_ready = take_time(&times->cores_ready, earliest, latest),
        .program_start = take_time(&times->program_start, earliest, latest),
        .program_end = take_time(&times->program_end, earliest, latest),
        .memory_peak = take(&counters->memory_peak),
        .memory_used = take(&counters->memory_used),
        .memory_kernel = take(&counters->memory_kernel),
        .memory_total = take(&counters->memory_total),
        .interrupts = take(&counters->interrupts),
        .timer_interrupts = take(&counters->timer_interrupts),
        .doorbells_rung = take(&counters->doorbells_rung),
        .doorbells_taken = take(&counters->doorbells_taken),
        .syscalls = take(&counters->syscalls),
        .syscalls_unknown = take(&counters->syscalls_unknown),
        .page_faults = take(&counters->page_faults),
        .context_switches = take(&counters->context_switches),
        .steals = take(&counters->steals),
    };
}

int summary_instance_status(const struct instance_result *result)
{
    switch (result->fate) {
    case FATE_EXITED:
    case FATE_STOPPED:
        return (int)(result->exit_status & 0xff);
    case FATE_CRASHED:
        if (result->crash.signal > 0 && result->crash.signal < 128)
            return 128 + (int)result->crash.signal;
        return result->exit_status & 0xff ? (int)(result->exit_status & 0xff) : STATUS_LOST;
    case FATE_KILLED:
        return 137; /* 128 + SIGKILL */
    case FATE_LOST:
        return result->signal ? 128 + result->signal : STATUS_LOST;
    case FATE_HUNG:
    case FATE_UNKNOWN:
    case FATE_SILENT:
        break;
    }
    return STATUS_LOST;
}

const char *summary_fate_text(const struct instance_result *result, char *buffer, size_t capacity)
{
    unsigned status = result->exit_status & 0xff;
    const char *signal = status > 128 ? crash_signal_name(status - 128) : NULL;

    switch (result->fate) {
    case FATE_EXITED:
        if (signal)
            snprintf(buffer, capacity, "exit %u (SIG%s)", status, signal);
        else
            snprintf(buffer, capacity, "exit %u", status);
        break;
    case FATE_STOPPED:
        snprintf(buffer, capacity, "stopped, exit %u", status);
        break;
    case FATE_CRASHED:
        snprintf(buffer, capacity, "crashed: %s", result->cause);
        break;
    case FATE_HUNG:
        snprintf(buffer, capacity, "hung: %s", result->cause);
        break;
    case FATE_KILLED:
        snprintf(buffer, capacity, "killed");
        break;
    case FATE_LOST:
        snprintf(buffer, capacity, "lost: %s",
                 result->cause[0] ? result->cause : "the machine ended under it");
        break;
    case FATE_SILENT:
        snprintf(buffer, capacity, "did not start");
        break;
    case FATE_UNKNOWN:
        snprintf(buffer, capacity, "still running");
        break;
    }
    if (result->timed_out) {
        size_t length = strlen(buffer);

        snprintf(buffer + length, capacity - length, ", at the time limit");
    }
    return buffer;
}

/* --- Table ---------------------------------------------------------------------------------------
 */

static void size_text(uint64_t bytes, char *buffer, size_t capacity)
{
    if (!bytes)
        snprintf(buffer, capacity, "-");
    else if (bytes >= UINT64_C(10) << 30)
        snprintf(buffer, capacity, "%.1f GiB", (double)bytes / (double)(1 << 30));
    else
        snprintf(buffer, capacity, "%.1f MiB", (double)bytes / (double)(1 << 20));
}

static void duration_text(uint64_t from, uint64_t until, char *buffer, size_t capacity)
{
    double milliseconds = (double)(until - from) / 1e6;

    if (!from || until < from)
        snprintf(buffer, capacity, "-");
    else if (milliseconds >= 10000)
        snprintf(buffer, capacity, "%.2f s", milliseconds / 1e3);
    else
        snprintf(buffer, capacity, "%.1f ms", milliseconds);
}

/* "0-2,5" */
static void cores_text(const struct instance_config *config, char *buffer, size_t capacity)
{
    size_t length = 0;

    buffer[0] = '\0';
    for (size_t i = 0; i < config->core_count && length + 24 < capacity;) {
        size_t last = i;

        while (last + 1 < config->core_count && config->cores[last + 1] == config->cores[last] + 1)
            last++;
        length += (size_t)snprintf(buffer + length, capacity - length, "%s%u", i ? "," : "",
                                   config->cores[i]);
        if (last > i)
            length += (size_t)snprintf(buffer + length, capacity - length, "%s%u",
                                       last > i + 1 ? "-" : ",", config->cores[last]);
        i = last + 1;
    }
}

#define COLUMNS 7
#define COLUMN_WIDTH 600

struct table_row {
    char cells[COLUMNS][COLUMN_WIDTH];
};

static void fill_row(struct table_row *row, const struct machine_result *machine,
                     const struct instance_result *result)
{
    const struct instance_record *record = &result->record;
    uint64_t end = record->program_end ? record->program_end : machine->end;

    snprintf(row->cells[0], COLUMN_WIDTH, "%s", result->config->name);
    cores_text(result->config, row->cells[1], COLUMN_WIDTH);
    size_text(result->config->memory, row->cells[2], COLUMN_WIDTH);
    size_text(record->memory_peak, row->cells[3], COLUMN_WIDTH);
    if (record->program_start)
        duration_text(machine->atoll_start, record->program_start, row->cells[4], COLUMN_WIDTH);
    else
        snprintf(row->cells[4], COLUMN_WIDTH, "-");
    duration_text(record->program_start, end, row->cells[5], COLUMN_WIDTH);
    summary_fate_text(result, row->cells[6], COLUMN_WIDTH);
}

void summary_print_table(const struct machine_result *result, struct output_sink *sink)
{
    static const struct table_row heading = {
        {"NAME", "CORES", "MEMORY", "PEAK", "STARTED", "RAN", "STATUS"}};
    static const bool left[COLUMNS] = {true, true, false, false, false, false, true};
    struct table_row *rows = calloc(result->instance_count + 1, sizeof(*rows));
    int widths[COLUMNS] = {0};

    if (!rows)
        return;
    rows[0] = heading;
    for (size_t i = 0; i < result->instance_count; i++)
        fill_row(&rows[i + 1], result, &result->instances[i]);
    for (size_t i = 0; i <= result->instance_count; i++)
        for (int j = 0; j < COLUMNS; j++)
            if (widths[j] < (int)strlen(rows[i].cells[j]))
                widths[j] = (int)strlen(rows[i].cells[j]);
    widths[COLUMNS - 1] = 0; /* nothing follows: no padding */
    output_line(sink, "", "", 0);
    for (size_t i = 0; i <= result->instance_count; i++) {
        char line[COLUMNS * COLUMN_WIDTH];
        int length = 0;

        for (int j = 0; j < COLUMNS; j++)
            length +=
                snprintf(line + length, sizeof(line) - (size_t)length, left[j] ? "%s%-*s" : "%s%*s",
                         j ? "  " : "", widths[j], rows[i].cells[j]);
        output_line(sink, "", line, (size_t)length);
    }
    free(rows);
}

/* --- Timeline ------------------------------------------------------------------------------------
 */

static void timeline_row(struct output_sink *sink, const struct machine_result *result,
                         const char *name, int width, const char *what, uint64_t when,
                         uint64_t *before)
{
    if (!when)
        return;
    output_print(sink, "%-*s  %-26s %9.2f  %+9.2f", width, name, what,
                 (double)(when - result->atoll_start) / 1e6,
                 ((double)when - (double)*before) / 1e6);
    *before = when;
}

void summary_print_timeline(const struct machine_result *result, struct output_sink *sink)
{
    int width = (int)strlen("machine");
    uint64_t before = result->atoll_start;

    for (size_t i = 0; i < result->instance_count; i++)
        if (width < (int)strlen(result->instances[i].config->name))
            width = (int)strlen(result->instances[i].config->name);
    output_line(sink, "", "", 0);
    output_print(sink, "%-*s  %-26s %9s  %9s", width, "BOOT", "", "at ms", "after ms");
    timeline_row(sink, result, "machine", width, "machine started", result->machine_start, &before);
    timeline_row(sink, result, "machine", width, "boot loader entered", result->loader_entry,
                 &before);
    timeline_row(sink, result, "machine", width, "all groups launched", result->launched, &before);
    for (size_t i = 0; i < result->instance_count; i++) {
        const struct instance_record *record = &result->instances[i].record;
        const char *name = result->instances[i].config->name;
        uint64_t last = result->loader_entry ? result->loader_entry : result->atoll_start;

        timeline_row(sink, result, name, width, "kernel entered", record->kernel_entry, &last);
        timeline_row(sink, result, name, width, "memory ready", record->memory_ready, &last);
        timeline_row(sink, result, name, width, "cores ready", record->cores_ready, &last);
        timeline_row(sink, result, name, width, "program started", record->program_start, &last);
        timeline_row(sink, result, name, width, "program ended", record->program_end, &last);
    }
}
