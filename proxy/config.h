/* A machine as the user described it, on the command line or in a machine file: checked in full
 * before anything starts. Owned by whoever parsed it; config_free gives all of it back. */
#ifndef PROXY_CONFIG_H
#define PROXY_CONFIG_H

#include "abi/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_MEMORY_MIN (UINT64_C(4) << 20)      /* bytes of an instance's partition */
#define CONFIG_MEMORY_DEFAULT (UINT64_C(64) << 20) /* bytes, where none is given */
#define CONFIG_MEMORY_STEP (UINT64_C(2) << 20)     /* sizes are rounded up to a multiple of it */
#define CONFIG_CORES_MAX 1023                      /* APIC ids the launcher has slots for */
#define CONFIG_CORES_MAX_PC 255                    /* platform pc for now: APIC ids 0..254 */

enum config_platform { PLATFORM_AUTO, PLATFORM_PC, PLATFORM_HOSTED };

/* Where a value stands, for messages: a line of the machine file (from 1), or 0 on the command
 * line. */
struct config_place {
    int line, column;
};

/* Values that a parser has already refused: config_check does not look at them again, so that one
 * mistake makes one message while every other value is still checked. */
enum config_part {
    CONFIG_NAME = 1 << 0,
    CONFIG_CORES = 1 << 1,
    CONFIG_MEMORY = 1 << 2,
    CONFIG_PROGRAM = 1 << 3,
    CONFIG_ENVIRONMENT = 1 << 4,
    CONFIG_INSTANCES = 1 << 5, /* of a machine: its list of instances */
};

/* A folder of the host that an instance is shown. */
struct mount_config {
    char *host;  /* path on the host */
    char *guest; /* absolute path in the instance, without "." or ".." or a slash at its end */
    bool writable;
    struct config_place place;
};

struct instance_config {
    char *name;        /* given, or made from the program's file name; unique */
    uint32_t *cores;   /* machine core numbers, ascending; given, or assigned in order */
    size_t core_count; /* 1 or more */
    bool cores_given;  /* as a list, rather than as a count */
    uint64_t memory;   /* bytes, a multiple of 2 MiB */
    char *program;     /* path on the host */
    char **arguments;  /* argv, NULL-terminated; [0] is the program as the user wrote it */
    size_t argument_count;
    char **environment; /* KEY=VALUE, NULL-terminated */
    size_t environment_count;
    struct mount_config *mounts;
    size_t mount_count;
    char *job;       /* instances of one name read each other's memory; NULL: of none */
    unsigned faulty; /* enum config_part; 0 in a machine that config_check has passed */
    struct config_place place, cores_place, memory_place, program_place, name_place, job_place;
};

struct machine_config {
    char *file; /* the machine file's path, or NULL */
    enum config_platform platform;
    uint32_t cores;   /* of the machine; given, or the least that the instances need */
    uint64_t memory;  /* bytes for all the instances together, or 0: what they need */
    uint64_t section; /* bytes of each instance's section of the lagoon, or 0: the usual */
    struct instance_config *instances;
    size_t instance_count;
    unsigned faulty; /* enum config_part; 0 in a machine that config_check has passed */
    struct config_place platform_place, cores_place, memory_place, section_place;
};

/* How to run it: the options of `atoll run` that are not the machine's. */
struct run_options {
    bool verbose, json, quiet, gdb;
    enum machine_log log; /* MACHINE_LOG_WARN unless --log says otherwise */
    double timeout;       /* seconds, or 0: none */
    const char *qemu;     /* the QEMU to use, "qemu-system-x86_64" unless --qemu says otherwise */
    char **qemu_debug;    /* --debug: words for QEMU's -d, NULL-terminated; or NULL: none */
    const char *loader, *kernel; /* paths of the loader's and kernel's ELF files */
    bool strace;                 /* --strace: all instances' system calls are logged, */
    const char *strace_name;     /* or those of this one alone */
    bool job;                    /* the first instance that fails ends the run, with its status */
    const char *stdin_name; /* the instance that gets standard input; NULL: a machine's only one */
};

/* Faults found, each already printed as "FILE:LINE:COLUMN: what is wrong; what would be right" or
 * "atoll: ..." without a file. Control characters are shown as '?': the text may be a stranger's.
 */
#define CONFIG_FAULTS_SHOWN 1000 /* the rest is counted; nobody reads a million lines */
struct config_report {
    FILE *out;
    const char *file; /* NULL: the command line */
    size_t faults;
};
__attribute__((format(printf, 3, 4))) void
config_fault(struct config_report *report, struct config_place place, const char *format, ...);

/* Reads a machine file (YAML). `text` need not be NUL-terminated. Returns 0, or -1 with the faults
 * reported; then *machine holds nothing that needs freeing. When there are faults, the rest has
 * been put through config_check as well, so that all of the file's faults are reported at once. */
int config_read_yaml(struct machine_config *machine, const char *text, size_t length,
                     struct config_report *report);

/* Checks what can only be seen as a whole, and fills in what was left open: names, cores, memory,
 * the programs' ELF files, what a job's programs are told. Once for a machine. Returns 0 or -1 with
 * the faults reported. */
int config_check(struct machine_config *machine, struct config_report *report);

void config_free(struct machine_config *machine);

/* "64M", "2G", "4194304": bytes; K, M, G, T are powers of 1024. Returns 0 or -1. */
int config_parse_size(const char *text, uint64_t *bytes);
/* "3" (a count, *list = NULL) or "0-1,3" (a list, ascending, no doubles). Returns 0 or -1 with *why
 * set to a constant string. */
int config_parse_cores(const char *text, size_t *count, uint32_t **list, const char **why);

/* Is `image` an ELF file that an instance of `memory` bytes can run? Returns NULL, or what is wrong
 * and what would be right, in words, in `buffer` (256 bytes are enough). Never reads outside
 * [image, +size), nor writes there; nobody else may change it meanwhile. */
const char *elf_refusal(const void *image, size_t size, uint64_t memory, char *buffer,
                        size_t capacity);

#endif
