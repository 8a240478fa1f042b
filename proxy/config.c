/* A machine_config's life: made piece by piece by the readers (config_yaml.c, options.c), given
 * back by config_free. And the one way in which every fault of a configuration is reported. */
#include "proxy/config.h"
#include "proxy/config_build.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *config_allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) {
        fprintf(stderr, "atoll: not enough memory for %zu times %zu bytes\n", count, size);
        exit(125);
    }
    return memory;
}

void *config_grow(void *array, size_t count, size_t size)
{
    /* Full exactly when the count is a power of two (or nothing is there): no capacity to keep. */
    if (count & (count - 1))
        return array;
    size_t room = count ? 2 * count : 1;
    void *larger = reallocarray(array, room, size);
    if (!larger) {
        fprintf(stderr, "atoll: not enough memory for %zu times %zu bytes\n", room, size);
        exit(125);
    }
    return larger;
}

char *config_copy(const char *text, size_t length)
{
    char *copy = config_allocate(length + 1, 1);
    memcpy(copy, text, length);
    return copy;
}

char *config_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        fprintf(stderr, "atoll: not enough memory for a string\n");
        exit(125);
    }
    return text;
}

void config_fault(struct config_report *report, struct config_place place, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    if (++report->faults > CONFIG_FAULTS_SHOWN) {
        if (report->faults == CONFIG_FAULTS_SHOWN + 1)
            fprintf(report->out, "%s: there are more faults; these were the first %d\n",
                    report->file ? report->file : "atoll", CONFIG_FAULTS_SHOWN);
        return;
    }
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    /* The values come from files: what they hold must not drive the user's terminal. */
    for (int i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
    if (!report->file)
        fputs("atoll: ", report->out);
    else if (place.line == 0)
        fprintf(report->out, "%s: ", report->file);
    else
        fprintf(report->out, "%s:%d:%d: ", report->file, place.line, place.column);
    fprintf(report->out, "%s\n", length < 0 ? "not enough memory to say what is wrong" : text);
    if (length >= 0)
        free(text);
}

void config_init(struct machine_config *machine)
{
    *machine = (struct machine_config){.platform = PLATFORM_AUTO};
}

struct instance_config *config_add_instance(struct machine_config *machine,
                                            struct config_place place)
{
    machine->instances =
        config_grow(machine->instances, machine->instance_count, sizeof(struct instance_config));
    struct instance_config *instance = &machine->instances[machine->instance_count++];
    *instance =
        (struct instance_config){.core_count = 1, .memory = CONFIG_MEMORY_DEFAULT, .place = place};
    /* argv and envp are NULL-terminated from the first moment. */
    instance->arguments = config_allocate(1, sizeof(char *));
    instance->environment = config_allocate(1, sizeof(char *));
    return instance;
}

char **config_grow_strings(char **array, size_t *count, char *text)
{
    if (!array)
        array = config_allocate(1, sizeof(char *));
    array = config_grow(array, *count + 1, sizeof(char *));
    array[(*count)++] = text;
    array[*count] = NULL;
    return array;
}

void config_add_argument(struct instance_config *instance, char *argument)
{
    instance->arguments =
        config_grow_strings(instance->arguments, &instance->argument_count, argument);
}

void config_add_environment(struct instance_config *instance, char *entry)
{
    instance->environment =
        config_grow_strings(instance->environment, &instance->environment_count, entry);
}

const char *config_add_mount(struct instance_config *instance, const char *text, const char *folder,
                             struct config_place place)
{
    size_t length = strlen(text), host;
    bool writable = false;
    if (length > 3 && (!strcmp(text + length - 3, ":rw") || !strcmp(text + length - 3, ":ro"))) {
        writable = text[length - 1] == 'w';
        length -= 3;
    }
    for (host = length; host && text[host - 1] != ':'; host--)
        ;
    if (host < 2)
        return "it lacks the path of a folder, or a colon";
    const char *guest = text + host;
    length -= host--;
    while (length > 1 && guest[length - 1] == '/')
        length--;
    if (!length || guest[0] != '/')
        return "the path in the instance does not begin with a slash";
    if (length == 1)
        return "the root itself cannot be a host's folder";
    char *path = config_copy(guest, length);
    bool plain = true;
    for (const char *at = path; *at; at++) /* no empty, "." or ".." component */
        if (*at == '/')
            plain &= at[1] && at[1] != '/' && strcspn(at + 1, "/") != strspn(at + 1, ".");
    if (length > 1024)
        plain = false;
    for (size_t i = 0; plain && i < instance->mount_count; i++)
        if (!strcmp(instance->mounts[i].guest, path)) {
            free(path);
            return "another folder is mounted there already";
        }
    if (!plain) {
        free(path);
        return "the path in the instance is not plain (no '.', no '..', no '//')";
    }
    instance->mounts =
        config_grow(instance->mounts, instance->mount_count, sizeof(*instance->mounts));
    instance->mounts[instance->mount_count++] = (struct mount_config){
        .host = *text == '/' || !folder ? config_copy(text, host)
                                        : config_format("%s/%.*s", folder, (int)host, text),
        .guest = path,
        .writable = writable,
        .place = place};
    return NULL;
}

void config_free(struct machine_config *machine)
{
    for (size_t i = 0; i < machine->instance_count; i++) {
        struct instance_config *instance = &machine->instances[i];
        for (size_t k = 0; k < instance->argument_count; k++)
            free(instance->arguments[k]);
        for (size_t k = 0; k < instance->environment_count; k++)
            free(instance->environment[k]);
        for (size_t k = 0; k < instance->mount_count; k++) {
            free(instance->mounts[k].host);
            free(instance->mounts[k].guest);
        }
        free(instance->mounts);
        free(instance->arguments);
        free(instance->environment);
        free(instance->name);
        free(instance->cores);
        free(instance->program);
        free(instance->job);
    }
    free(machine->instances);
    free(machine->file);
    config_init(machine);
}
