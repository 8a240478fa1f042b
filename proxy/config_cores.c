/* Which instance gets which cores: the lists first, as they are written; then each count takes the
 * lowest cores that are still free, in the instances' order. */
#include "proxy/config.h"
#include "proxy/config_build.h"
#include "proxy/config_check.h"

/* For each core of the widest machine: its instance's index + 1, or 0 while it is free. */
struct core_map {
    size_t owner[CONFIG_CORES_MAX];
    uint32_t limit; /* cores that the machine has, or could have when it does not say */
};

static struct config_place cores_place(const struct instance_config *instance)
{
    return instance->cores_place.line ? instance->cores_place : instance->place;
}

/* Enters one list. Each kind of mistake is reported once for an instance, with its first core. */
static void place_list(struct machine_config *machine, size_t index, struct core_map *map,
                       struct config_report *report)
{
    struct instance_config *instance = &machine->instances[index];
    bool missing = false, overlapping = false;
    for (size_t i = 0; i < instance->core_count; i++) {
        uint32_t core = instance->cores[i];
        if (core >= map->limit) {
            if (!missing)
                config_fault(report, cores_place(instance),
                             "%s: there is no core %u; %s 0 to %u would be right",
                             config_label(machine, index, (char[CONFIG_LABEL_MAX]){0}), core,
                             machine->cores ? "on this machine" : "on platform pc", map->limit - 1);
            missing = true;
        } else if (map->owner[core]) {
            if (!overlapping)
                config_fault(
                    report, cores_place(instance),
                    "%s: core %u already belongs to %s; a core can have one instance",
                    config_label(machine, index, (char[CONFIG_LABEL_MAX]){0}), core,
                    config_label(machine, map->owner[core] - 1, (char[CONFIG_LABEL_MAX]){0}));
            overlapping = true;
        } else {
            map->owner[core] = index + 1;
        }
    }
}

/* Gives instance `index` the lowest free cores. There are enough: the sum has been checked. */
static void place_count(struct instance_config *instance, size_t index, struct core_map *map)
{
    instance->cores = config_allocate(instance->core_count, sizeof(uint32_t));
    size_t given = 0;
    for (uint32_t core = 0; core < map->limit && given < instance->core_count; core++) {
        if (map->owner[core])
            continue;
        map->owner[core] = index + 1;
        instance->cores[given++] = core;
    }
}

void config_check_cores(struct machine_config *machine, struct config_report *report)
{
    struct core_map map = {.limit = CONFIG_CORES_MAX_PC};
    size_t faults = report->faults;
    if (machine->cores > CONFIG_CORES_MAX_PC)
        config_fault(report, machine->cores_place,
                     "a machine of %u cores is too large: platform pc takes up to %u for now",
                     machine->cores, CONFIG_CORES_MAX_PC);
    else if (machine->cores)
        map.limit = machine->cores;

    uint64_t needed = 0;
    for (size_t i = 0; i < machine->instance_count; i++) {
        struct instance_config *instance = &machine->instances[i];
        if (instance->faulty & CONFIG_CORES)
            continue;
        needed += instance->core_count;
        if (instance->cores_given)
            place_list(machine, i, &map, report);
    }
    if (report->faults == faults && needed > map.limit)
        config_fault(report, machine->cores_place,
                     "the instances need %llu cores, but %s %u; give the machine more or the "
                     "instances fewer",
                     (unsigned long long)needed,
                     machine->cores ? "the machine has" : "platform pc takes up to", map.limit);
    if (report->faults != faults)
        return;

    uint32_t used = 0;
    for (size_t i = 0; i < machine->instance_count; i++) {
        struct instance_config *instance = &machine->instances[i];
        if (!instance->cores_given && !(instance->faulty & CONFIG_CORES))
            place_count(instance, i, &map);
    }
    for (uint32_t core = 0; core < CONFIG_CORES_MAX; core++)
        if (map.owner[core])
            used = core + 1;
    if (!machine->cores)
        machine->cores = used;
}
