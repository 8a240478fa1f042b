/* The command line of `atoll run`: its options, and the instances between the colons. */
#ifndef PROXY_OPTIONS_H
#define PROXY_OPTIONS_H

#include "proxy/config.h"

/* What the command line says. options_free gives back all of it, `machine` included; the strings
 * of `run` live as long as this struct and argv. */
struct options {
    struct run_options run;
    struct machine_config machine; /* the instances; empty when machine_file is set */
    const char *machine_file;      /* MACHINE.yaml, or NULL */
    bool help;                     /* --help stood there: nothing else counts */
    bool garbled;                  /* an option was not understood, so that words may be misread */

    /* What --platform, --cores and --memory say; they come before what a machine file says. */
    bool platform_given;
    enum config_platform platform;
    uint32_t cores;   /* 0: not given */
    uint64_t memory;  /* bytes; 0: not given */
    uint64_t section; /* bytes; 0: not given */

    size_t debug_count; /* words in run.qemu_debug */
    char *kernel_path, *loader_path;
};

/* Reads argv[0..count): argv[0] is the word "run" itself. Returns 0, or -1 with every fault
 * reported (of the instances too, as config_check sees them, unless an option was not understood);
 * options_free is due in both cases. */
int options_read_run(struct options *options, int count, char **argv, struct config_report *report);

/* Puts the options that come before the machine file's values into `machine`. */
void options_apply(const struct options *options, struct machine_config *machine);

/* Do --stdin and --strace name an instance of `machine`, which config_check has passed? 0, or -1
 * with the fault reported. */
int options_check_stdin(const struct options *options, const struct machine_config *machine,
                        struct config_report *report);

/* Finds kernel and loader (`hosted` has a kernel of its own, and no loader) where --kernel and
 * --loader did not say: beside this executable, or in ../lib/atoll from there. Returns 0, or -1
 * with where it has looked. */
int options_find_parts(struct options *options, bool hosted, struct config_report *report);

void options_free(struct options *options);

void options_print_help(FILE *out);     /* atoll --help */
void options_print_run_help(FILE *out); /* atoll run --help */

#endif
