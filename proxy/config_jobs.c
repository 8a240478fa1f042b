/* Jobs: instances that read each other's memory. Their programs are told by environment variables
 * (abi/include/atoll.h) which job that is, and who belongs to it. */
#include "proxy/config.h"
#include "proxy/config_build.h"
#include "proxy/config_check.h"

#include <stdlib.h>
#include <string.h>

static bool is_member(const struct machine_config *machine, size_t index, const char *job)
{
    const struct instance_config *instance = &machine->instances[index];
    return instance->job && !strcmp(instance->job, job);
}

/* "1-4,7": the members' numbers. */
static char *list_peers(const struct machine_config *machine, const char *job)
{
    char *list = config_copy("", 0);
    for (size_t i = 0; i < machine->instance_count; i++) {
        size_t first = i, last;
        if (!is_member(machine, i, job))
            continue;
        while (i + 1 < machine->instance_count && is_member(machine, i + 1, job))
            i++;
        last = i;
        char *longer = first == last ? config_format("%s%s%zu", list, *list ? "," : "", first + 1)
                                     : config_format("%s%s%zu-%zu", list, *list ? "," : "",
                                                     first + 1, last + 1);
        free(list);
        list = longer;
    }
    return list;
}

/* Tells all members of the job, of which instance `first` is the first. */
static void tell_members(struct machine_config *machine, size_t first)
{
    const char *job = machine->instances[first].job;
    char *peers = list_peers(machine, job);
    size_t size = 0, rank = 0;
    for (size_t i = first; i < machine->instance_count; i++)
        size += is_member(machine, i, job);
    for (size_t i = first; i < machine->instance_count; i++) {
        struct instance_config *instance = &machine->instances[i];
        if (!is_member(machine, i, job))
            continue;
        config_add_environment(instance, config_format("ATOLL_JOB=%s", job));
        config_add_environment(instance, config_format("ATOLL_JOB_RANK=%zu", rank++));
        config_add_environment(instance, config_format("ATOLL_JOB_SIZE=%zu", size));
        config_add_environment(instance, config_format("ATOLL_JOB_PEERS=%s", peers));
    }
    free(peers);
}

/* Nobody else may say so: a program would believe it. Returns whether nobody has. */
static bool check_environment(const struct machine_config *machine, size_t index,
                              struct config_report *report)
{
    const struct instance_config *instance = &machine->instances[index];
    char label[CONFIG_LABEL_MAX];
    for (size_t i = 0; i < instance->environment_count; i++) {
        const char *entry = instance->environment[i];
        size_t length = strcspn(entry, "=");
        if (strncmp(entry, "ATOLL_JOB", 9) || (length > 9 && entry[9] != '_'))
            continue;
        config_fault(report, instance->place,
                     "%s: the environment entry '%.*s' is set by its job; 'job' would be right",
                     config_label(machine, index, label), length < 80 ? (int)length : 80, entry);
        return false;
    }
    return true;
}

void config_check_jobs(struct machine_config *machine, struct config_report *report)
{
    bool sound = true;
    for (size_t i = 0; i < machine->instance_count; i++) {
        const struct instance_config *instance = &machine->instances[i];
        const char *why = instance->job ? config_name_refusal(instance->job) : NULL;
        if (why)
            config_fault(report, instance->job_place.line ? instance->job_place : instance->place,
                         "the job '%.80s' cannot be used: %s; 1 to 63 of A-Z a-z 0-9 . _ - would "
                         "be right",
                         instance->job, why);
        sound &= check_environment(machine, i, report) && !why;
    }
    for (size_t i = 0; sound && i < machine->instance_count; i++) {
        bool first = machine->instances[i].job != NULL;
        for (size_t k = 0; first && k < i; k++)
            first = !is_member(machine, k, machine->instances[i].job);
        if (first)
            tell_members(machine, i);
    }
}
