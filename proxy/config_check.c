/* Checks a machine as a whole, whoever described it, and fills in what was left open. Every value
 * is looked at whatever the others are, so that the user sees all faults at once. */
#include "proxy/config_check.h"
#include "proxy/config.h"
#include "proxy/config_build.h"
#include "proxy/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

const char *config_label(const struct machine_config *machine, size_t index, char *buffer)
{
    const char *name = machine->instances[index].name;
    if (name)
        snprintf(buffer, CONFIG_LABEL_MAX, "instance '%.63s'", name);
    else
        snprintf(buffer, CONFIG_LABEL_MAX, "instance %zu", index + 1);
    return buffer;
}

static struct config_place place_or(struct config_place place, struct config_place otherwise)
{
    return place.line ? place : otherwise;
}

/* --- Names ------------------------------------------------------------------------------------ */

static bool name_taken(const struct machine_config *machine, const char *name)
{
    for (size_t i = 0; i < machine->instance_count; i++)
        if (machine->instances[i].name && !strcmp(machine->instances[i].name, name))
            return true;
    return false;
}

/* A name from the program's file name: what a name may not hold becomes '-', and a number makes it
 * the only one of its kind. */
static char *name_from_program(const struct machine_config *machine, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *base = slash ? slash + 1 : program;
    char name[MACHINE_NAME_MAX];
    snprintf(name, sizeof(name), "%s", *base ? base : "program");
    for (char *at = name; *at; at++)
        if (!strchr(CONFIG_NAME_CHARACTERS, *at))
            *at = '-';
    char candidate[MACHINE_NAME_MAX];
    memcpy(candidate, name, sizeof(candidate));
    for (size_t number = 2; name_taken(machine, candidate); number++) {
        char suffix[24];
        int length = snprintf(suffix, sizeof(suffix), "-%zu", number);
        snprintf(candidate, sizeof(candidate), "%.*s%s", MACHINE_NAME_MAX - 1 - length, name,
                 suffix);
    }
    return config_copy(candidate, strlen(candidate));
}

static void check_names(struct machine_config *machine, struct config_report *report)
{
    for (size_t i = 0; i < machine->instance_count; i++) {
        const struct instance_config *instance = &machine->instances[i];
        if (!instance->name)
            continue;
        struct config_place place = place_or(instance->name_place, instance->place);
        const char *why = config_name_refusal(instance->name);
        if (why)
            config_fault(report, place,
                         "the name '%.80s' cannot be used: %s; 1 to 63 of A-Z a-z 0-9 . _ - would "
                         "be right",
                         instance->name, why);
        for (size_t k = 0; k < i; k++) {
            const struct instance_config *other = &machine->instances[k];
            if (!other->name || strcmp(other->name, instance->name))
                continue;
            config_fault(report, place,
                         "two instances are called '%.80s' (numbers %zu and %zu); names must "
                         "differ",
                         instance->name, k + 1, i + 1);
            break;
        }
    }
    for (size_t i = 0; i < machine->instance_count; i++) {
        struct instance_config *instance = &machine->instances[i];
        if (!instance->name && instance->program && !(instance->faulty & CONFIG_NAME))
            instance->name = name_from_program(machine, instance->program);
    }
}

/* --- Environment and arguments ---------------------------------------------------------------- */

static int by_key(const void *left, const void *right)
{
    const char *a = *(char *const *)left, *b = *(char *const *)right;
    size_t a_length = strcspn(a, "="), b_length = strcspn(b, "=");
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static void check_environment(const struct machine_config *machine, size_t index,
                              struct config_report *report)
{
    const struct instance_config *instance = &machine->instances[index];
    char label[CONFIG_LABEL_MAX];
    if (instance->faulty & CONFIG_ENVIRONMENT)
        return;
    config_label(machine, index, label);
    size_t count = instance->environment_count;
    for (size_t i = 0; i < count; i++)
        if (instance->environment[i][0] == '=' || !strchr(instance->environment[i], '='))
            config_fault(report, instance->place,
                         "%s: the environment entry '%.80s' is not KEY=VALUE", label,
                         instance->environment[i]);
    char **sorted = config_allocate(count, sizeof(char *));
    for (size_t i = 0; i < count; i++)
        sorted[i] = instance->environment[i];
    qsort(sorted, count, sizeof(char *), by_key);
    for (size_t i = 1; i < count; i++) {
        int shown = (int)strcspn(sorted[i], "=");
        if (!by_key(&sorted[i - 1], &sorted[i]))
            config_fault(report, instance->place,
                         "%s: the environment has the key '%.*s' twice; once would be right", label,
                         shown < 80 ? shown : 80, sorted[i]);
    }
    free(sorted);
}

/* Arguments and environment lie on the program's stack, in the instance's own memory. */
static void check_strings_fit(const struct machine_config *machine, size_t index,
                              struct config_report *report)
{
    const struct instance_config *instance = &machine->instances[index];
    uint64_t bytes = 0;
    for (size_t i = 0; i < instance->argument_count; i++)
        bytes += strlen(instance->arguments[i]) + 1 + sizeof(char *);
    for (size_t i = 0; i < instance->environment_count; i++)
        bytes += strlen(instance->environment[i]) + 1 + sizeof(char *);
    char size[32], label[CONFIG_LABEL_MAX];
    if (!(instance->faulty & CONFIG_MEMORY) && bytes > instance->memory / 4)
        config_fault(report, instance->place,
                     "%s: arguments and environment take %s; they may take a quarter of the "
                     "instance's memory",
                     config_label(machine, index, label), config_show_size(bytes, size));
}

/* --- Memory ----------------------------------------------------------------------------------- */

static uint64_t host_memory(void)
{
    struct sysinfo host;
    if (sysinfo(&host))
        return UINT64_MAX; /* unknown: nothing can be refused for it */
    return (uint64_t)host.totalram * host.mem_unit;
}

/* Checks one instance's memory, rounds it up, and adds it to *sum. */
static void check_instance_memory(struct machine_config *machine, size_t index, uint64_t *sum,
                                  bool *overflow, struct config_report *report)
{
    struct instance_config *instance = &machine->instances[index];
    char label[CONFIG_LABEL_MAX], size[32];
    if (instance->faulty & CONFIG_MEMORY)
        return;
    if (instance->memory < CONFIG_MEMORY_MIN) {
        config_fault(report, place_or(instance->memory_place, instance->place),
                     "%s: %s of memory is too little; at least 4 MiB is needed",
                     config_label(machine, index, label), config_show_size(instance->memory, size));
        instance->faulty |= CONFIG_MEMORY;
        return;
    }
    uint64_t rounded;
    if (__builtin_add_overflow(instance->memory, CONFIG_MEMORY_STEP - 1, &rounded)) {
        *overflow = true;
        return;
    }
    instance->memory = rounded / CONFIG_MEMORY_STEP * CONFIG_MEMORY_STEP;
    if (__builtin_add_overflow(*sum, instance->memory, sum))
        *overflow = true;
}

static void check_memory(struct machine_config *machine, struct config_report *report)
{
    uint64_t sum = 0, host = host_memory();
    bool overflow = false;
    char need[32], have[32];
    for (size_t i = 0; i < machine->instance_count; i++)
        check_instance_memory(machine, i, &sum, &overflow, report);
    config_show_size(host, have);
    if (overflow) {
        config_fault(report, machine->memory_place,
                     "the instances' memory does not add up to a number of 64 bits; this host has "
                     "%s",
                     have);
        return;
    }
    if (machine->instance_count && machine->section > host / machine->instance_count)
        config_fault(report, machine->section_place,
                     "sections of %s for each instance are more than this host has: %s",
                     config_show_size(machine->section, need), have);
    if (machine->memory > host)
        config_fault(report, machine->memory_place,
                     "a machine of %s is larger than this host, which has %s",
                     config_show_size(machine->memory, need), have);
    if (sum > host)
        config_fault(report, machine->memory_place,
                     "the instances need %s of memory together, but this host has %s",
                     config_show_size(sum, need), have);
    else if (machine->memory && sum > machine->memory)
        config_fault(report, machine->memory_place,
                     "the instances need %s of memory together, but the machine has %s",
                     config_show_size(sum, need), config_show_size(machine->memory, have));
}

/* --- Programs --------------------------------------------------------------------------------- */

/* Checks the program of instance `index`, and with it of all later ones that name the same path, so
 * that a file is read once however many run it. */
static void check_program(struct machine_config *machine, size_t index, bool *done,
                          struct config_report *report)
{
    const char *program = machine->instances[index].program;
    struct file_content content;
    char why[256], label[CONFIG_LABEL_MAX];
    bool readable = !file_read(program, host_memory(), &content, why, sizeof(why));
    for (size_t i = index; i < machine->instance_count; i++) {
        struct instance_config *instance = &machine->instances[i];
        if (done[i] || !instance->program || strcmp(instance->program, program))
            continue;
        done[i] = true;
        /* A faulty memory size is no ground to call the program too large. */
        uint64_t memory = instance->faulty & CONFIG_MEMORY ? UINT64_MAX : instance->memory;
        const char *refusal = why;
        if (readable)
            refusal = elf_refusal(content.bytes, content.size, memory, why, sizeof(why));
        if (refusal)
            config_fault(report, place_or(instance->program_place, instance->place),
                         "%s: the program '%.200s' %s", config_label(machine, i, label), program,
                         refusal);
    }
    if (readable)
        file_free(&content);
}

static void check_programs(struct machine_config *machine, struct config_report *report)
{
    bool *done = config_allocate(machine->instance_count, sizeof(bool));
    for (size_t i = 0; i < machine->instance_count; i++) {
        const struct instance_config *instance = &machine->instances[i];
        char label[CONFIG_LABEL_MAX];
        if (done[i] || (instance->faulty & CONFIG_PROGRAM))
            continue;
        if (!instance->program || !*instance->program)
            config_fault(report, place_or(instance->program_place, instance->place),
                         "%s has no program; name a static x86-64 ELF executable",
                         config_label(machine, i, label));
        else
            check_program(machine, i, done, report);
    }
    free(done);
}

/* ---------------------------------------------------------------------------------------------- */

int config_check(struct machine_config *machine, struct config_report *report)
{
    size_t faults = report->faults;
    if (machine->instance_count == 0) {
        if (machine->faulty & CONFIG_INSTANCES)
            return -1;
        config_fault(report, (struct config_place){0},
                     "there is no instance; at least one is needed");
        return -1;
    }
    if (machine->instance_count > CONFIG_CORES_MAX_PC) {
        /* Each needs a core of its own, so there is no use in looking closer. */
        config_fault(report, machine->instances[CONFIG_CORES_MAX_PC].place,
                     "there are %zu instances; platform pc takes up to %u for now",
                     machine->instance_count, CONFIG_CORES_MAX_PC);
        return -1;
    }
    check_names(machine, report);
    config_check_jobs(machine, report);
    check_memory(machine, report);
    config_check_cores(machine, report);
    for (size_t i = 0; i < machine->instance_count; i++) {
        check_environment(machine, i, report);
        check_strings_fit(machine, i, report);
    }
    check_programs(machine, report);
    return report->faults == faults ? 0 : -1;
}
