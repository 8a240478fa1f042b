/* The machine file: what its keys mean. The syntax is config_tree.c's; whether the values make a
 * machine together is config_check.c's. Faults do not end the reading: each value that cannot be
 * taken is marked as faulty and left out. */
#include "proxy/config.h"
#include "proxy/config_build.h"
#include "proxy/config_tree.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct config_report *report;
    struct machine_config *machine;
    struct instance_config *instance; /* the one being read, or NULL */
};

/* One key of a mapping, and who takes its value. */
struct yaml_key {
    const char *name;
    void (*take)(struct reader *reader, const struct tree_node *value);
};

static const char *kind_name(const struct tree_node *node)
{
    switch (node->kind) {
    case TREE_SEQUENCE:
        return "a list";
    case TREE_MAPPING:
        return "a mapping";
    default:
        return "a single value";
    }
}

static bool is_null(const struct tree_node *node)
{
    return node->kind == TREE_SCALAR && node->plain &&
           (!node->length || !strcmp(node->text, "~") || !strcasecmp(node->text, "null"));
}

/* Is `node` of the kind that `what` must be? Otherwise reports what would be right. */
static bool expect_kind(struct reader *reader, const struct tree_node *node, enum tree_kind kind,
                        const char *what, const char *right)
{
    if (node->kind == kind)
        return true;
    if (!node->refused)
        config_fault(reader->report, node->place, "%s is %s; %s would be right", what,
                     is_null(node) ? "empty" : kind_name(node), right);
    return false;
}

/* The text of a scalar that stands for `what`, or NULL with the fault reported. */
static const char *take_text(struct reader *reader, const struct tree_node *node, const char *what,
                             const char *right)
{
    if (node->refused)
        return NULL;
    if (is_null(node))
        config_fault(reader->report, node->place, "%s has no value; %s would be right", what,
                     right);
    else if (node->kind != TREE_SCALAR)
        config_fault(reader->report, node->place, "%s is %s; %s would be right", what,
                     kind_name(node), right);
    else if (strlen(node->text) != node->length)
        config_fault(reader->report, node->place, "%s holds a NUL byte; it must be without", what);
    else
        return node->text;
    return NULL;
}

/* "name, cores, memory" */
static char *list_keys(const struct yaml_key *keys)
{
    char *list = config_copy(keys->name, strlen(keys->name));
    for (keys++; keys->name; keys++) {
        char *longer = config_format("%s, %s", list, keys->name);
        free(list);
        list = longer;
    }
    return list;
}

/* Gives each value of a mapping to its key's function. `keys` ends with an empty entry and has at
 * most 16. Returns the keys seen, as bits in the order of `keys`. */
static unsigned take_mapping(struct reader *reader, const struct tree_node *node, const char *what,
                             const struct yaml_key *keys)
{
    const struct tree_node *first[16] = {NULL};
    unsigned seen = 0;
    if (node->refused)
        return 0;
    if (node->kind != TREE_MAPPING) {
        char *known = list_keys(keys);
        config_fault(reader->report, node->place, "%s is %s; a mapping of %s would be right", what,
                     is_null(node) ? "empty" : kind_name(node), known);
        free(known);
        return 0;
    }
    for (size_t i = 0; i + 1 < node->count; i += 2) {
        const struct tree_node *key = node->children[i], *value = node->children[i + 1];
        size_t k = 0;
        while (keys[k].name && (key->kind != TREE_SCALAR || strcmp(keys[k].name, key->text) ||
                                strlen(key->text) != key->length))
            k++;
        if (!keys[k].name && key->refused)
            continue;
        if (!keys[k].name) {
            char *known = list_keys(keys);
            config_fault(reader->report, key->place, "unknown key '%.80s' in %s; known are: %s",
                         key->kind == TREE_SCALAR ? key->text : kind_name(key), what, known);
            free(known);
        } else if (first[k]) {
            config_fault(reader->report, key->place,
                         "the key '%s' stands twice in %s, first in line %d; once would be right",
                         keys[k].name, what, first[k]->place.line);
        } else {
            first[k] = key;
            seen |= 1u << k;
            keys[k].take(reader, value);
        }
    }
    return seen;
}

/* --- machine: --------------------------------------------------------------------------------- */

static void take_platform(struct reader *reader, const struct tree_node *value)
{
    const char *text = take_text(reader, value, "platform", "auto, pc or hosted");
    reader->machine->platform_place = value->place;
    if (text && config_parse_platform(text, &reader->machine->platform))
        config_fault(reader->report, value->place,
                     "the platform '%.80s' is unknown; auto, pc or hosted would be right", text);
}

static void take_machine_cores(struct reader *reader, const struct tree_node *value)
{
    static const char right[] = "a count such as 4";
    const char *text = take_text(reader, value, "cores", right), *why;
    size_t count;
    uint32_t *list = NULL;
    reader->machine->cores_place = value->place;
    if (!text)
        return;
    if (config_parse_cores(text, &count, &list, &why) || list)
        config_fault(reader->report, value->place,
                     "the machine's cores '%.80s' cannot be taken: %s; %s would be right", text,
                     list ? "it is a list" : why, right);
    else
        reader->machine->cores = (uint32_t)count;
    free(list);
}

static int take_size(struct reader *reader, const struct tree_node *value, uint64_t *bytes)
{
    static const char right[] = "a size such as 64M or 2G (K, M, G, T: powers of 1024)";
    const char *text = take_text(reader, value, "memory", right);
    if (!text)
        return -1;
    if (!config_parse_size(text, bytes))
        return 0;
    config_fault(reader->report, value->place, "the memory '%.80s' is no size; %s would be right",
                 text, right);
    return -1;
}

static void take_machine_memory(struct reader *reader, const struct tree_node *value)
{
    reader->machine->memory_place = value->place;
    if (take_size(reader, value, &reader->machine->memory))
        return;
    if (reader->machine->memory == 0)
        config_fault(reader->report, value->place,
                     "a machine of no memory cannot run; leave the key out for as much as the "
                     "instances need");
}

static void take_machine_section(struct reader *reader, const struct tree_node *value)
{
    reader->machine->section_place = value->place;
    take_size(reader, value, &reader->machine->section);
}

static void take_machine(struct reader *reader, const struct tree_node *value)
{
    static const struct yaml_key keys[] = {{"platform", take_platform},
                                           {"cores", take_machine_cores},
                                           {"memory", take_machine_memory},
                                           {"section", take_machine_section},
                                           {NULL, NULL}};
    take_mapping(reader, value, "'machine'", keys);
}

/* --- instances: ------------------------------------------------------------------------------- */

static void take_name(struct reader *reader, const struct tree_node *value)
{
    const char *text = take_text(reader, value, "name", "1 to 63 of A-Z a-z 0-9 . _ -");
    reader->instance->name_place = value->place;
    if (text)
        reader->instance->name = config_copy(text, value->length);
    else
        reader->instance->faulty |= CONFIG_NAME;
}

static void take_job(struct reader *reader, const struct tree_node *value)
{
    const char *text = take_text(reader, value, "job", "1 to 63 of A-Z a-z 0-9 . _ -");
    reader->instance->job_place = value->place;
    if (text)
        reader->instance->job = config_copy(text, value->length);
}

static void take_cores(struct reader *reader, const struct tree_node *value)
{
    static const char right[] = "a count such as 2, or a list such as \"0-1,3\"";
    struct instance_config *instance = reader->instance;
    const char *text = take_text(reader, value, "cores", right), *why = "";
    instance->cores_place = value->place;
    if (text && !config_parse_cores(text, &instance->core_count, &instance->cores, &why)) {
        instance->cores_given = instance->cores != NULL;
        return;
    }
    instance->faulty |= CONFIG_CORES;
    if (text)
        config_fault(reader->report, value->place,
                     "the cores '%.80s' cannot be taken: %s; %s would be right", text, why, right);
}

static void take_memory(struct reader *reader, const struct tree_node *value)
{
    reader->instance->memory_place = value->place;
    if (take_size(reader, value, &reader->instance->memory))
        reader->instance->faulty |= CONFIG_MEMORY;
}

static void take_program(struct reader *reader, const struct tree_node *value)
{
    const char *text = take_text(reader, value, "program", "the path of a static executable");
    reader->instance->program_place = value->place;
    if (text)
        reader->instance->program = config_copy(text, value->length);
    else
        reader->instance->faulty |= CONFIG_PROGRAM;
}

static void take_arguments(struct reader *reader, const struct tree_node *value)
{
    if (!expect_kind(reader, value, TREE_SEQUENCE, "args", "a list such as [\"-v\", \"file\"]"))
        return;
    for (size_t i = 0; i < value->count; i++) {
        const char *text = take_text(reader, value->children[i], "an argument",
                                     "a string (\"\" for an empty one)");
        if (text)
            config_add_argument(reader->instance, config_copy(text, strlen(text)));
    }
}

static int by_text(const void *left, const void *right)
{
    const struct tree_node *a = *(const struct tree_node *const *)left;
    const struct tree_node *b = *(const struct tree_node *const *)right;
    int order = strcmp(a->text, b->text);
    if (order)
        return order;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return (a->place.column > b->place.column) - (a->place.column < b->place.column);
}

/* Two entries of one key: by sorting, as a file may hold very many. */
static void check_double_keys(struct reader *reader, const struct tree_node **keys, size_t count)
{
    qsort(keys, count, sizeof(*keys), by_text);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(keys[i - 1]->text, keys[i]->text))
            continue;
        reader->instance->faulty |= CONFIG_ENVIRONMENT;
        config_fault(reader->report, keys[i]->place,
                     "the key '%.80s' stands twice in env, first in line %d; once would be right",
                     keys[i]->text, keys[i - 1]->place.line);
    }
}

static void take_environment(struct reader *reader, const struct tree_node *value)
{
    if (!expect_kind(reader, value, TREE_MAPPING, "env", "a mapping such as {KEY: value}"))
        return;
    const struct tree_node **keys = config_allocate(value->count / 2, sizeof(*keys));
    size_t count = 0;
    for (size_t i = 0; i + 1 < value->count; i += 2) {
        const struct tree_node *key = value->children[i];
        const char *name = take_text(reader, key, "a key of env", "a variable's name");
        const char *text = take_text(reader, value->children[i + 1], "a value of env",
                                     "a string (\"\" for an empty one)");
        if (name && (!*name || strchr(name, '='))) {
            config_fault(reader->report, key->place,
                         "'%.80s' cannot be a variable's name; one without '=', and not empty, "
                         "would be right",
                         name);
            name = NULL;
        }
        if (name)
            keys[count++] = key;
        if (name && text)
            config_add_environment(reader->instance, config_format("%s=%s", name, text));
    }
    check_double_keys(reader, keys, count);
    free(keys);
}

static void take_mounts(struct reader *reader, const struct tree_node *value)
{
    static const char right[] = "HOST:GUEST, or HOST:GUEST:rw";
    const char *slash = reader->report->file ? strrchr(reader->report->file, '/') : NULL;
    char *folder =
        slash ? config_format("%.*s", (int)(slash - reader->report->file), reader->report->file)
              : NULL;
    if (expect_kind(reader, value, TREE_SEQUENCE, "mounts", "a list such as [\"data:/data:rw\"]"))
        for (size_t i = 0; i < value->count; i++) {
            const struct tree_node *node = value->children[i];
            const char *text = take_text(reader, node, "a mount", right);
            const char *why = text
                                  ? config_add_mount(reader->instance, text,
                                                     folder && *folder ? folder : NULL, node->place)
                                  : NULL;
            if (why)
                config_fault(reader->report, node->place,
                             "the mount '%.200s' cannot be taken: %s; %s would be right", text, why,
                             right);
        }
    free(folder);
}

/* The path that a program's name means: relative to the machine file's folder. */
static char *program_path(const struct config_report *report, const char *program)
{
    const char *slash = report->file ? strrchr(report->file, '/') : NULL;
    if (!slash || *program == '/' || !*program)
        return config_copy(program, strlen(program));
    return config_format("%.*s/%s", (int)(slash - report->file), report->file, program);
}

static void take_instance(struct reader *reader, const struct tree_node *node)
{
    static const struct yaml_key keys[] = {
        {"name", take_name},       {"cores", take_cores},    {"memory", take_memory},
        {"program", take_program}, {"args", take_arguments}, {"env", take_environment},
        {"mounts", take_mounts},   {"job", take_job},        {NULL, NULL}};
    struct instance_config *instance = config_add_instance(reader->machine, node->place);
    reader->instance = instance;
    /* argv[0] is the program as it is written in the file; args follow it. */
    config_add_argument(instance, config_copy("", 0));
    if (node->kind != TREE_MAPPING)
        instance->faulty |= CONFIG_PROGRAM;
    take_mapping(reader, node, "an instance", keys);
    if (instance->program) {
        free(instance->arguments[0]);
        instance->arguments[0] = instance->program;
        instance->program = program_path(reader->report, instance->program);
    }
    reader->instance = NULL;
}

static void take_instances(struct reader *reader, const struct tree_node *value)
{
    if (!expect_kind(reader, value, TREE_SEQUENCE, "instances",
                     "a list of instances, each with a program,")) {
        reader->machine->faulty |= CONFIG_INSTANCES;
        return;
    }
    for (size_t i = 0; i < value->count; i++)
        take_instance(reader, value->children[i]);
    if (value->count == 0) {
        config_fault(reader->report, value->place,
                     "the list of instances is empty; at least one is needed");
        reader->machine->faulty |= CONFIG_INSTANCES;
    }
}

/* ---------------------------------------------------------------------------------------------- */

int config_read_yaml(struct machine_config *machine, const char *text, size_t length,
                     struct config_report *report)
{
    static const struct yaml_key keys[] = {
        {"machine", take_machine}, {"instances", take_instances}, {NULL, NULL}};
    struct reader reader = {.report = report, .machine = machine};
    struct tree tree;
    size_t faults = report->faults;
    config_init(machine);
    if (tree_read(&tree, text, length, report))
        return -1;
    if (!tree.root)
        config_fault(report, (struct config_place){1, 1},
                     "the file is empty; a machine file has the key 'instances' with a list");
    else if (!(take_mapping(&reader, tree.root, "the machine file", keys) & 2) &&
             tree.root->kind == TREE_MAPPING)
        config_fault(report, tree.root->place,
                     "the key 'instances' is missing; it holds the list of what to run");
    tree_free(&tree);
    if (report->faults == faults) {
        if (report->file)
            machine->file = config_copy(report->file, strlen(report->file));
        return 0;
    }
    if (machine->instance_count)
        config_check(machine, report); /* the rest of the faults, for one report of all */
    config_free(machine);
    return -1;
}
