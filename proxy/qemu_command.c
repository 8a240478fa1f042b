/* The arguments for QEMU 7.2 and later. The machine is q35 with all that Atoll does not use taken
 * away, and qboot as firmware: together they bring the loader's first instruction from 101 ms after
 * QEMU's start to 29 ms. */
#include "proxy/qemu_command.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MEBIBYTE (UINT64_C(1) << 20)

struct argument_list {
    char **strings;
    size_t count;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void add(struct argument_list *list,
                                                      const char *format, ...)
{
    char **strings = realloc(list->strings, (list->count + 2) * sizeof(*strings));
    char *text = NULL;
    va_list values;

    if (!strings) {
        list->failed = true;
        return;
    }
    list->strings = strings;
    va_start(values, format);
    if (vasprintf(&text, format, values) < 0) {
        text = NULL;
        list->failed = true;
    }
    va_end(values);
    strings[list->count] = text;
    if (text)
        list->count++;
    strings[list->count] = NULL;
}

uint64_t qemu_memory(uint64_t partitions)
{
    return (partitions + MEBIBYTE - 1) / MEBIBYTE * MEBIBYTE + QEMU_LOADER_MEMORY;
}

char **qemu_command_make(const struct qemu_command *command)
{
    struct argument_list list = {0};

    add(&list, "%s", command->program);
    add(&list, "-name");
    add(&list, "atoll,debug-threads=on"); /* names the vCPU threads "CPU n/...", for pinning */
    add(&list, "-nodefaults");
    add(&list, "-no-user-config");
    add(&list, "-display");
    add(&list, "none");
    add(&list, "-no-reboot"); /* a triple fault ends QEMU instead of starting over */
    add(&list, "-M");
    add(&list, "q35,smbus=off,sata=off,usb=off,vmport=off,hpet=off,i8042=off");
    if (!command->seabios) {
        add(&list, "-bios");
        add(&list, "qboot.rom");
    }
    add(&list, "-accel");
    add(&list, command->kvm ? "kvm" : "tcg,thread=multi");
    add(&list, "-cpu");
    /* With ERMS, C libraries set memory by `rep stosb`, which TCG runs ten times slower. */
    add(&list, command->kvm ? "host" : "max,-erms");
    add(&list, "-smp");
    add(&list, "%u,sockets=1,cores=%u,threads=1", command->cores, command->cores);
    add(&list, "-m");
    add(&list, "%lluM", (unsigned long long)(command->memory / MEBIBYTE));
    add(&list, "-kernel");
    add(&list, "%s", command->loader);
    add(&list, "-chardev");
    add(&list, "socket,id=lagoon,fd=%d", command->lagoon_fd);
    add(&list, "-device");
    add(&list, "ivshmem-doorbell,chardev=lagoon,vectors=%u", command->vectors);
    add(&list, "-chardev");
    add(&list, "socket,id=console,fd=%d", command->console_fd);
    add(&list, "-serial");
    add(&list, "chardev:console");
    if (command->gdb_fd >= 0) {
        add(&list, "-chardev");
        add(&list, "socket,id=gdb,fd=%d,server=on,wait=off,nodelay=on", command->gdb_fd);
        add(&list, "-gdb");
        add(&list, "chardev:gdb");
        add(&list, "-S");
    }
    if (command->debug) {
        char *words = strdup("");

        for (char *const *word = command->debug; words && *word; word++) {
            char *longer = NULL;

            if (asprintf(&longer, "%s%s%s", words, *words ? "," : "", *word) < 0)
                longer = NULL;
            free(words);
            words = longer;
        }
        add(&list, "-d");
        add(&list, "%s", words ? words : "");
        add(&list, "-D");
        add(&list, "%s", command->debug_file);
        list.failed |= !words;
        free(words);
    }
    if (!list.failed)
        return list.strings;
    qemu_command_free(list.strings);
    return NULL;
}

void qemu_command_free(char **arguments)
{
    for (char **argument = arguments; argument && *argument; argument++)
        free(*argument);
    free(arguments);
}

/* Is one of the flags in the first "flags" line? */
static bool cpu_virtualizes(FILE *file)
{
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;

    while (!found && getline(&line, &capacity, file) > 0) {
        char *rest = NULL;

        if (strncmp(line, "flags", 5) != 0)
            continue;
        for (char *word = strtok_r(line, " \t\n:", &rest); word && !found;
             word = strtok_r(NULL, " \t\n:", &rest))
            found = !strcmp(word, "vmx") || !strcmp(word, "svm");
        break;
    }
    free(line);
    return found;
}

bool qemu_kvm_usable(const char *cpuinfo, const char *device, char *why, unsigned capacity)
{
    FILE *file = fopen(cpuinfo, "re");
    bool virtualizes = file && cpu_virtualizes(file);
    int fd, machine;

    if (file)
        fclose(file);
    if (!virtualizes) {
        snprintf(why, capacity, "the CPU offers neither vmx nor svm");
        return false;
    }
    fd = open(device, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, capacity, "%s cannot be opened: %s", device, strerror(errno));
        return false;
    }
    machine = ioctl(fd, KVM_CREATE_VM, 0);
    if (machine < 0)
        snprintf(why, capacity, "%s makes no virtual machine: %s", device, strerror(errno));
    else
        close(machine);
    close(fd);
    return machine >= 0;
}
