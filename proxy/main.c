/* The `atoll` command: which subcommand, and the steps of each. Whatever is wrong with the user's
 * input is said before anything starts, and ends with status 2. */
#include "abi/build_id.h"
#include "proxy/config.h"
#include "proxy/file.h"
#include "proxy/machine.h"
#include "proxy/mpirun.h"
#include "proxy/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_USAGE 2         /* wrong usage or input */
#define STATUS_NOT_STARTED 125 /* the machine, or a part of Atoll, is not there */

#define MACHINE_FILE_MAX (UINT64_C(4) << 20) /* bytes; 255 instances with 16 KiB each */

/* Reads a machine file, but does not yet check the whole. Returns 0, or -1 with its faults said. */
static int read_machine_file(struct machine_config *machine, const char *path,
                             struct config_report *report)
{
    struct file_content content;
    char why[256];
    if (file_read(path, MACHINE_FILE_MAX, &content, why, sizeof(why))) {
        config_fault(report, (struct config_place){0}, "the machine file %s", why);
        return -1;
    }
    int error = config_read_yaml(machine, (const char *)content.bytes, content.size, report);
    file_free(&content);
    return error;
}

static int run(int count, char **words)
{
    struct options options;
    struct config_report command = {.out = stderr}, file = {.out = stderr};
    struct machine_config *machine = &options.machine;
    int status = STATUS_USAGE;
    if (options_read_run(&options, count, words, &command))
        goto out;
    if (options.help) {
        options_print_run_help(stdout);
        status = 0;
        goto out;
    }
    file.file = options.machine_file;
    if (options.machine_file && read_machine_file(machine, options.machine_file, &file))
        goto out;
    options_apply(&options, machine);
    if (config_check(machine, &file) || options_check_stdin(&options, machine, &command))
        goto out;
    status = STATUS_NOT_STARTED;
    machine_choose_platform(machine, &options.run);
    if (options_find_parts(&options, machine->platform == PLATFORM_HOSTED, &command))
        goto out;
    status = machine_run(machine, &options.run);
out:
    options_free(&options);
    return status;
}

static int mpirun(int count, char **words)
{
    struct options options;
    struct config_report command = {.out = stderr};
    struct machine_config *machine = &options.machine;
    int status = STATUS_USAGE;
    if (mpirun_read(&options, count, words, &command))
        goto out;
    if (options.help) {
        mpirun_print_help(stdout);
        status = 0;
        goto out;
    }
    options_apply(&options, machine);
    if (config_check(machine, &command))
        goto out;
    status = STATUS_NOT_STARTED;
    machine_choose_platform(machine, &options.run);
    if (options_find_parts(&options, machine->platform == PLATFORM_HOSTED, &command))
        goto out;
    status = machine_run(machine, &options.run);
out:
    options_free(&options);
    return status;
}

static int check(int count, char **words)
{
    if (count == 2 && (!strcmp(words[1], "--help") || !strcmp(words[1], "-h"))) {
        puts("Usage: atoll check MACHINE.yaml\n"
             "Says whether the machine file is sound (status 0), or each fault with its line and\n"
             "column (status 2). Nothing is started.");
        return 0;
    }
    if (count != 2 || (words[1][0] == '-' && words[1][1])) {
        fprintf(stderr, "atoll: check takes one machine file; see atoll check --help\n");
        return STATUS_USAGE;
    }
    const char *path = words[1];
    struct config_report report = {.out = stderr, .file = path};
    struct machine_config machine;
    if (read_machine_file(&machine, path, &report))
        return STATUS_USAGE;
    int status = STATUS_USAGE;
    if (!config_check(&machine, &report)) {
        uint64_t memory = 0;
        for (size_t i = 0; i < machine.instance_count; i++)
            memory += machine.instances[i].memory;
        printf("%s: %zu instance%s on %u core%s, %llu MiB: sound\n", path, machine.instance_count,
               machine.instance_count == 1 ? "" : "s", machine.cores, machine.cores == 1 ? "" : "s",
               (unsigned long long)(memory >> 20));
        status = 0;
    }
    config_free(&machine);
    return status;
}

static int command(int count, char **words)
{
    if (count < 2) {
        options_print_help(stderr);
        return STATUS_USAGE;
    }
    const char *word = words[1];
    if (!strcmp(word, "run"))
        return run(count - 1, words + 1);
    if (!strcmp(word, "mpirun"))
        return mpirun(count - 1, words + 1);
    if (!strcmp(word, "check"))
        return check(count - 1, words + 1);
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
        options_print_help(stdout);
        return 0;
    }
    if (!strcmp(word, "--version")) {
        puts("atoll " ATOLL_VERSION);
        return 0;
    }
    fprintf(stderr,
            "atoll: '%s' is no command; run, mpirun, check, --help or --version would be right\n",
            word);
    return STATUS_USAGE;
}

int main(int count, char **words)
{
    int status = command(count, words);
    /* A help text or a verdict that nobody could read is no success. machine_run has looked after
     * its own output. */
    if (fflush(stdout) && status == 0) {
        perror("atoll: standard output");
        return STATUS_NOT_STARTED;
    }
    return status;
}
