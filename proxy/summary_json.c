/* The summary for programs: one JSON object. Times are milliseconds, sizes bytes; what is not known
 * is null. Members are only ever added. */
#include "proxy/crash.h"
#include "proxy/summary.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

static void add_milliseconds(cJSON *object, const char *name, uint64_t from, uint64_t until)
{
    if (from && until >= from)
        cJSON_AddNumberToObject(object, name, (double)(until - from) / 1e6);
    else
        cJSON_AddNullToObject(object, name);
}

static void add_number(cJSON *object, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(object, name, (double)value);
}

/* Addresses do not fit a JSON number. */
static void add_address(cJSON *object, const char *name, uint64_t address)
{
    char text[32];

    snprintf(text, sizeof(text), "0x%" PRIx64, address);
    cJSON_AddStringToObject(object, name, text);
}

static void add_crash(cJSON *object, const struct machine_result *machine,
                      const struct instance_result *result)
{
    struct crash_frame frames[SHM_CRASH_FRAMES];
    const struct shm_crash *crash = &result->crash;
    cJSON *record = cJSON_AddObjectToObject(object, "crash"), *list;
    size_t count = crash_frames(crash, machine->kernel, result->config->program, frames);

    add_number(record, "signal", crash->signal);
    cJSON_AddStringToObject(record, "message", crash->message);
    if (crash->vector != UINT32_MAX)
        add_number(record, "vector", crash->vector);
    add_address(record, "error", crash->error);
    add_address(record, "address", crash->address);
    add_number(record, "core", crash->core);
    add_number(record, "thread", crash->thread);
    list = cJSON_AddArrayToObject(record, "backtrace");
    for (size_t i = 0; list && i < count; i++) {
        cJSON *frame = cJSON_CreateObject();

        add_address(frame, "address", frames[i].address);
        if (frames[i].function[0]) {
            cJSON_AddStringToObject(frame, "function", frames[i].function);
            add_number(frame, "offset", frames[i].offset);
        }
        if (frames[i].file[0]) {
            cJSON_AddStringToObject(frame, "file", frames[i].file);
            add_number(frame, "line", (uint64_t)frames[i].line);
        }
        cJSON_AddItemToArray(list, frame);
    }
}

static const char *fate_word(enum instance_fate fate)
{
    switch (fate) {
    case FATE_EXITED:
        return "exited";
    case FATE_CRASHED:
        return "crashed";
    case FATE_HUNG:
        return "hung";
    case FATE_STOPPED:
        return "stopped";
    case FATE_KILLED:
        return "killed";
    case FATE_LOST:
        return "lost";
    case FATE_SILENT:
        return "not-started";
    case FATE_UNKNOWN:
        break;
    }
    return "running";
}

static cJSON *instance_json(const struct machine_result *machine, size_t index)
{
    const struct instance_result *result = &machine->instances[index];
    const struct instance_record *record = &result->record;
    cJSON *object = cJSON_CreateObject(), *cores, *times, *counters;
    uint64_t start = machine->atoll_start;
    char text[600];

    cJSON_AddStringToObject(object, "name", result->config->name);
    add_number(object, "number", index + 1);
    cJSON_AddStringToObject(object, "program", result->config->program);
    cores = cJSON_AddArrayToObject(object, "cores");
    for (size_t i = 0; i < result->config->core_count; i++)
        cJSON_AddItemToArray(cores, cJSON_CreateNumber(result->config->cores[i]));
    add_number(object, "memory", result->config->memory);
    add_number(object, "memory_peak", record->memory_peak);
    add_number(object, "memory_kernel", record->memory_kernel);
    cJSON_AddStringToObject(object, "state", fate_word(result->fate));
    add_number(object, "status", (uint64_t)summary_instance_status(result));
    cJSON_AddStringToObject(object, "cause", summary_fate_text(result, text, sizeof(text)));
    cJSON_AddBoolToObject(object, "timed_out", result->timed_out);
    add_milliseconds(object, "start_ms", start, record->program_start);
    add_milliseconds(object, "start_from_machine_ms", machine->machine_start,
                     record->program_start);
    add_milliseconds(object, "start_from_kernel_ms", record->kernel_entry, record->program_start);
    add_milliseconds(object, "run_ms", record->program_start,
                     record->program_end ? record->program_end : machine->end);

    times = cJSON_AddObjectToObject(object, "times_ms");
    add_milliseconds(times, "kernel_entry", start, record->kernel_entry);
    add_milliseconds(times, "memory_ready", start, record->memory_ready);
    add_milliseconds(times, "cores_ready", start, record->cores_ready);
    add_milliseconds(times, "program_start", start, record->program_start);
    add_milliseconds(times, "program_end", start, record->program_end);

    counters = cJSON_AddObjectToObject(object, "counters");
    add_number(counters, "memory_total", record->memory_total);
    add_number(counters, "memory_used", record->memory_used);
    add_number(counters, "interrupts", record->interrupts);
    add_number(counters, "timer_interrupts", record->timer_interrupts);
    add_number(counters, "doorbells_rung", record->doorbells_rung);
    add_number(counters, "doorbells_taken", record->doorbells_taken);
    add_number(counters, "syscalls", record->syscalls);
    add_number(counters, "syscalls_unknown", record->syscalls_unknown);
    add_number(counters, "page_faults", record->page_faults);
    add_number(counters, "context_switches", record->context_switches);
    add_number(counters, "steals", record->steals);
    if (result->fate == FATE_CRASHED)
        add_crash(object, machine, result);
    return object;
}

char *summary_json(const struct machine_result *result)
{
    cJSON *root = cJSON_CreateObject(), *machine, *times, *instances;
    char *text;

    if (!root)
        return NULL;
    add_number(root, "version", 1);
    add_number(root, "status", (uint64_t)result->status);
    machine = cJSON_AddObjectToObject(root, "machine");
    cJSON_AddStringToObject(machine, "platform", result->platform);
    cJSON_AddStringToObject(machine, "accelerator", result->accelerator);
    add_number(machine, "cores", result->cores);
    add_number(machine, "lagoon", result->lagoon_size);
    times = cJSON_AddObjectToObject(machine, "times_ms");
    add_milliseconds(times, "machine_start", result->atoll_start, result->machine_start);
    add_milliseconds(times, "loader_entry", result->atoll_start, result->loader_entry);
    add_milliseconds(times, "launched", result->atoll_start, result->launched);
    add_milliseconds(times, "end", result->atoll_start, result->end);
    instances = cJSON_AddArrayToObject(root, "instances");
    for (size_t i = 0; instances && i < result->instance_count; i++)
        cJSON_AddItemToArray(instances, instance_json(result, i));
    text = cJSON_Print(root);
    cJSON_Delete(root);
    return text;
}
