/* Reads the command line of `atoll run`. A colon that stands alone ends an instance; each piece
 * between colons is read with getopt_long, which stops at the program's name, so that a program's
 * own options are never taken for ours. */
#include "proxy/options.h"
#include "proxy/config_build.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option_code {
    OPTION_PLATFORM = 256,
    OPTION_VERBOSE,
    OPTION_LOG,
    OPTION_GDB,
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_TIMEOUT,
    OPTION_DEBUG,
    OPTION_QEMU,
    OPTION_CORES,
    OPTION_MEMORY,
    OPTION_SECTION,
    OPTION_KERNEL,
    OPTION_LOADER,
    OPTION_STDIN,
    OPTION_MOUNT,
    OPTION_JOB,
    OPTION_STRACE,
};

static const char short_options[] = "+:hn:c:m:e:";
static const struct option long_options[] = {
    {"platform", required_argument, NULL, OPTION_PLATFORM},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {"log", required_argument, NULL, OPTION_LOG},
    {"gdb", no_argument, NULL, OPTION_GDB},
    {"json", no_argument, NULL, OPTION_JSON},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"debug", required_argument, NULL, OPTION_DEBUG},
    {"qemu", required_argument, NULL, OPTION_QEMU},
    {"cores", required_argument, NULL, OPTION_CORES},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"section", required_argument, NULL, OPTION_SECTION},
    {"kernel", required_argument, NULL, OPTION_KERNEL},
    {"loader", required_argument, NULL, OPTION_LOADER},
    {"stdin", required_argument, NULL, OPTION_STDIN},
    {"mount", required_argument, NULL, OPTION_MOUNT},
    {"job", required_argument, NULL, OPTION_JOB},
    {"strace", optional_argument, NULL, OPTION_STRACE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* The command line has no lines to point at. */
static const struct config_place nowhere = {0, 0};

static bool is_machine_file(const char *word)
{
    size_t length = strlen(word);
    return (length > 5 && !strcmp(word + length - 5, ".yaml")) ||
           (length > 4 && !strcmp(word + length - 4, ".yml"));
}

static void take_timeout(struct options *options, const char *text, struct config_report *report)
{
    char *end = NULL;
    double seconds = 0;
    /* Digits and a point only: strtod would take "inf", signs and hexadecimal too. */
    if (*text && strspn(text, "0123456789.") == strlen(text))
        seconds = strtod(text, &end);
    if (!end || *end || !isfinite(seconds) || seconds <= 0 || seconds > 1e9)
        config_fault(report, nowhere,
                     "--timeout '%.80s' cannot be taken; seconds above 0, such as 30 or 0.5, "
                     "would be right",
                     text);
    else
        options->run.timeout = seconds;
}

static void take_log(struct options *options, const char *text, struct config_report *report)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (!strcmp(text, levels[i])) {
            options->run.log = (enum machine_log)i;
            return;
        }
    config_fault(report, nowhere,
                 "--log '%.80s' is no level; error, warn, info or debug would be right", text);
}

/* "int,cpu_reset" into words; several --debug add up. */
static void take_debug(struct options *options, const char *text, struct config_report *report)
{
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t length = strcspn(at, ",");
        if (!length || strspn(at, CONFIG_NAME_CHARACTERS ":*") < length) {
            config_fault(report, nowhere,
                         "--debug '%.80s' cannot be taken; words of QEMU's -d, such as "
                         "int,cpu_reset, would be right",
                         text);
            return;
        }
        options->run.qemu_debug = config_grow_strings(
            options->run.qemu_debug, &options->debug_count, config_copy(at, length));
    }
}

static void take_machine_cores(struct options *options, const char *text,
                               struct config_report *report)
{
    const char *why;
    size_t count;
    uint32_t *list;
    if (config_parse_cores(text, &count, &list, &why) || list)
        config_fault(report, nowhere,
                     "--cores '%.80s' cannot be taken: %s; a count such as 4 would be right", text,
                     list ? "it is a list" : why);
    else
        options->cores = (uint32_t)count;
    free(list);
}

static void take_path(const char **path, const char *option, const char *text,
                      struct config_report *report)
{
    if (*text)
        *path = text;
    else
        config_fault(report, nowhere, "%s is empty; the path of a file would be right", option);
}

/* Takes an option of the run as a whole. Returns false when it is none. */
static bool take_run_option(struct options *options, int code, const char *text,
                            struct config_report *report)
{
    switch (code) {
    case OPTION_PLATFORM:
        options->platform_given = true;
        if (config_parse_platform(text, &options->platform))
            config_fault(report, nowhere,
                         "--platform '%.80s' is unknown; auto, pc or hosted would be right", text);
        return true;
    case OPTION_VERBOSE:
        options->run.verbose = true;
        return true;
    case OPTION_LOG:
        take_log(options, text, report);
        return true;
    case OPTION_GDB:
        options->run.gdb = true;
        return true;
    case OPTION_JSON:
        options->run.json = true;
        return true;
    case OPTION_QUIET:
        options->run.quiet = true;
        return true;
    case OPTION_TIMEOUT:
        take_timeout(options, text, report);
        return true;
    case OPTION_DEBUG:
        take_debug(options, text, report);
        return true;
    case OPTION_QEMU:
        take_path(&options->run.qemu, "--qemu", text, report);
        return true;
    case OPTION_CORES:
        take_machine_cores(options, text, report);
        return true;
    case OPTION_MEMORY:
        if (config_parse_size(text, &options->memory) || !options->memory)
            config_fault(report, nowhere,
                         "--memory '%.80s' is no size; one such as 512M or 2G would be right",
                         text);
        return true;
    case OPTION_SECTION:
        if (config_parse_size(text, &options->section) || !options->section)
            config_fault(report, nowhere,
                         "--section '%.80s' is no size; one such as 16M or 1G would be right",
                         text);
        return true;
    case OPTION_KERNEL:
        take_path(&options->run.kernel, "--kernel", text, report);
        return true;
    case OPTION_LOADER:
        take_path(&options->run.loader, "--loader", text, report);
        return true;
    case OPTION_STDIN:
        options->run.stdin_name = text;
        return true;
    case OPTION_STRACE:
        options->run.strace = true;
        options->run.strace_name = text; /* NULL: all of them */
        return true;
    default:
        return false;
    }
}

static void take_instance_option(struct instance_config *instance, int code, const char *text,
                                 struct config_report *report)
{
    const char *why = NULL;
    switch (code) {
    case OPTION_MOUNT:
        why = config_add_mount(instance, text, NULL, nowhere);
        if (why)
            config_fault(report, nowhere,
                         "--mount '%.200s' cannot be taken: %s; HOST:GUEST, or HOST:GUEST:rw, "
                         "would be right",
                         text, why);
        return;
    case OPTION_JOB:
        free(instance->job);
        instance->job = config_copy(text, strlen(text));
        return;
    case 'n':
        free(instance->name);
        instance->name = config_copy(text, strlen(text));
        return;
    case 'c':
        free(instance->cores);
        instance->cores = NULL;
        if (config_parse_cores(text, &instance->core_count, &instance->cores, &why)) {
            instance->faulty |= CONFIG_CORES;
            config_fault(report, nowhere,
                         "-c '%.80s' cannot be taken: %s; a count such as 2, or a list such as "
                         "0-1,3, would be right",
                         text, why);
        }
        instance->cores_given = instance->cores != NULL;
        return;
    case 'm':
        if (config_parse_size(text, &instance->memory)) {
            instance->faulty |= CONFIG_MEMORY;
            config_fault(report, nowhere,
                         "-m '%.80s' is no size; one such as 64M or 2G (K, M, G, T: powers of "
                         "1024) would be right",
                         text);
        }
        return;
    default:
        config_add_environment(instance, config_copy(text, strlen(text)));
        return;
    }
}

/* What getopt_long could not take, in words. `words` is what it was given. */
static void report_getopt(int code, char **words, struct config_report *report)
{
    const char *word = words[optind - 1];
    if (code == ':')
        config_fault(report, nowhere, "the option '%.80s' lacks its value; see atoll run --help",
                     word);
    else if (optopt == 0)
        config_fault(report, nowhere, "unknown or ambiguous option '%.80s'; see atoll run --help",
                     word);
    else if (optopt >= 256 || !strncmp(word, "--help=", strlen("--help=")))
        config_fault(report, nowhere, "the option '%.80s' takes no value", word);
    else /* a letter; `word` may still be the one before a cluster of letters */
        config_fault(report, nowhere, "unknown option '-%c'; see atoll run --help", optopt);
}

/* An argument of colons alone, two or more, stands for one colon fewer. */
static char *unescape(const char *word)
{
    size_t length = strlen(word);
    if (length > 1 && strspn(word, ":") == length)
        word++;
    return config_copy(word, strlen(word));
}

/* Reads the words between two colons: words[1..count), words[0] is what stands before. */
static void read_instance(struct options *options, int count, char **words, bool first, bool only,
                          struct config_report *report)
{
    struct instance_config *instance = config_add_instance(&options->machine, nowhere);
    bool own_options = false, value_missing = false;
    int code;
    optind = 0; /* GNU: forget the last call's state */
    while ((code = getopt_long(count, words, short_options, long_options, NULL)) != -1) {
        if (code == 'h') {
            options->help = true;
            return;
        }
        if (code == '?' || code == ':') {
            options->garbled = true;
            value_missing = code == ':';
            report_getopt(code, words, report);
        } else if (code >= 256 && code != OPTION_MOUNT && code != OPTION_JOB && !first) {
            config_fault(report, nowhere,
                         "'%.80s' is for the whole run; it belongs before the first program",
                         words[optind - 1]);
        } else if (!take_run_option(options, code, optarg, report)) {
            own_options = true;
            take_instance_option(instance, code, optarg, report);
        }
    }
    if (optind >= count) {
        instance->faulty |= CONFIG_PROGRAM;
        if (!value_missing) /* otherwise the program may have been taken for the value */
            config_fault(report, nowhere, "%s names no program; see atoll run --help",
                         only ? "the command line" : "a part between colons");
        return;
    }
    const char *program = words[optind];
    if (only && is_machine_file(program)) {
        options->machine_file = program;
        if (own_options)
            config_fault(
                report, nowhere,
                "-n, -c, -m, -e, --mount and --job do not go with a machine file; write them "
                "into '%.200s'",
                program);
        if (optind + 1 < count)
            config_fault(report, nowhere,
                         "a machine file takes no arguments, but '%.80s' follows '%.200s'",
                         words[optind + 1], program);
        return;
    }
    instance->program = unescape(program);
    for (int i = optind; i < count; i++)
        config_add_argument(instance, unescape(words[i]));
}

int options_read_run(struct options *options, int count, char **argv, struct config_report *report)
{
    size_t faults = report->faults;
    *options = (struct options){.run = {.log = MACHINE_LOG_WARN, .qemu = "qemu-system-x86_64"}};
    config_init(&options->machine);
    opterr = 0; /* the messages are report_getopt's */
    for (int start = 0; start < count && !options->help;) {
        int end = start + 1;
        while (end < count && strcmp(argv[end], ":"))
            end++;
        read_instance(options, end - start, argv + start, start == 0, start == 0 && end == count,
                      report);
        start = end;
    }
    if (options->help)
        return 0;
    if (options->run.quiet && options->run.verbose)
        config_fault(report, nowhere,
                     "--quiet and --verbose contradict each other; one of them would be right");
    if (options->machine_file)
        config_free(&options->machine);
    if (report->faults == faults)
        return 0;
    if (!options->machine_file && !options->garbled) {
        options_apply(options, &options->machine);
        config_check(&options->machine, report); /* the rest of the faults, all in one go */
    }
    return -1;
}

void options_apply(const struct options *options, struct machine_config *machine)
{
    if (options->platform_given)
        machine->platform = options->platform;
    if (options->cores)
        machine->cores = options->cores;
    if (options->memory)
        machine->memory = options->memory;
    if (options->section)
        machine->section = options->section;
}

int options_check_stdin(const struct options *options, const struct machine_config *machine,
                        struct config_report *report)
{
    const struct {
        const char *option, *name;
    } names[] = {{"--stdin ", options->run.stdin_name}, {"--strace=", options->run.strace_name}};
    int result = 0;
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
        bool found = !names[k].name;
        for (size_t i = 0; i < machine->instance_count && !found; i++)
            found = !strcmp(machine->instances[i].name, names[k].name);
        if (found)
            continue;
        config_fault(report, nowhere,
                     "%s'%.80s' names no instance; the name of one, such as '%s', would be right",
                     names[k].option, names[k].name, machine->instances[0].name);
        result = -1;
    }
    return result;
}

/* The path of `name` beside this executable or in ../lib/atoll, or NULL with the fault reported. */
static char *find_part(const char *name, struct config_report *report)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0) {
        config_fault(report, nowhere, "%s cannot be looked for: /proc is not there", name);
        return NULL;
    }
    self[length] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    char *beside = config_format("%s/%s", self, name);
    if (!access(beside, R_OK))
        return beside;
    char *installed = config_format("%s/../lib/atoll/%s", self, name);
    if (!access(installed, R_OK)) {
        free(beside);
        return installed;
    }
    config_fault(report, nowhere,
                 "%s is missing: it is neither at '%.200s' nor at '%.200s'; build or install it",
                 name, beside, installed);
    free(beside);
    free(installed);
    return NULL;
}

int options_find_parts(struct options *options, bool hosted, struct config_report *report)
{
    if (!options->run.kernel)
        options->run.kernel = options->kernel_path =
            find_part(hosted ? "atoll-kernel-hosted.elf" : "atoll-kernel.elf", report);
    if (hosted)
        return options->run.kernel ? 0 : -1;
    if (!options->run.loader)
        options->run.loader = options->loader_path = find_part("atoll-loader.elf", report);
    return options->run.kernel && options->run.loader ? 0 : -1;
}

void options_free(struct options *options)
{
    config_free(&options->machine);
    for (size_t i = 0; i < options->debug_count; i++)
        free(options->run.qemu_debug[i]);
    free(options->run.qemu_debug);
    free(options->kernel_path);
    free(options->loader_path);
    *options = (struct options){0};
}
