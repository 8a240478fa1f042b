/* Reads the command line of `atoll mpirun`, as users of mpirun know it, and describes the machine
 * that it stands for: an instance for each rank, of one job, with the programs' bytes alone on the
 * output, standard input to rank 0, and the end of the whole job when a rank fails. */
#include "proxy/mpirun.h"
#include "proxy/config_build.h"

#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_BASE (UINT64_C(8) << 20)   /* bytes of each rank's section, */
#define SECTION_RANK (UINT64_C(320) << 10) /* and more for each rank: its ring and its arena */
#define RANKS_MAX 65535                    /* what a message's envelope has room for */

enum option_code { OPTION_PLATFORM = 256, OPTION_SECTION, OPTION_TIMEOUT, OPTION_MOUNT };

static const char short_options[] = "+:hn:c:m:e:x:";
static const struct option long_options[] = {
    {"np", required_argument, NULL, 'n'},
    {"platform", required_argument, NULL, OPTION_PLATFORM},
    {"section", required_argument, NULL, OPTION_SECTION},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"mount", required_argument, NULL, OPTION_MOUNT},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct config_place nowhere = {0, 0};

/* What stands between two colons. */
struct part {
    size_t ranks;
    size_t cores;
    uint64_t memory; /* 0: not given */
    char **environment;
    size_t environment_count;
    char **mounts;
    size_t mount_count;
    int first, end; /* of argv: the program and its arguments */
};

static void take_count(const char *text, const char *what, size_t most, size_t *count,
                       struct config_report *report)
{
    char *end;
    unsigned long value = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (value == 0 || *end || value > most)
        config_fault(report, nowhere, "%s '%.80s' cannot be taken; 1 to %zu would be right", what,
                     text, most);
    else
        *count = value;
}

static void take_option(struct options *options, struct part *part, int code, char **words,
                        struct config_report *report)
{
    const char *value;
    switch (code) {
    case 'n':
        take_count(optarg, "-n", RANKS_MAX, &part->ranks, report);
        break;
    case 'c':
        take_count(optarg, "-c", CONFIG_CORES_MAX, &part->cores, report);
        break;
    case 'm':
        if (config_parse_size(optarg, &part->memory) || !part->memory)
            config_fault(report, nowhere, "-m '%.80s' is no size; one such as 64M would be right",
                         optarg);
        break;
    case 'x': /* NAME alone: as it is here */
    case 'e':
        value = strchr(optarg, '=') ? NULL : getenv(optarg);
        if (strchr(optarg, '='))
            part->environment = config_grow_strings(part->environment, &part->environment_count,
                                                    config_copy(optarg, strlen(optarg)));
        else if (value)
            part->environment = config_grow_strings(part->environment, &part->environment_count,
                                                    config_format("%s=%s", optarg, value));
        break;
    case OPTION_MOUNT:
        part->mounts = config_grow_strings(part->mounts, &part->mount_count,
                                           config_copy(optarg, strlen(optarg)));
        break;
    case OPTION_PLATFORM:
        options->platform_given = true;
        if (config_parse_platform(optarg, &options->platform))
            config_fault(report, nowhere,
                         "--platform '%.80s' is unknown; auto, pc or hosted would be right",
                         optarg);
        break;
    case OPTION_SECTION:
        if (config_parse_size(optarg, &options->section) || !options->section)
            config_fault(report, nowhere,
                         "--section '%.80s' is no size; one such as 64M would be right", optarg);
        break;
    case OPTION_TIMEOUT:
        options->run.timeout = strtod(optarg, NULL);
        if (!(options->run.timeout > 0 && options->run.timeout <= 1e9))
            config_fault(report, nowhere,
                         "--timeout '%.80s' cannot be taken; seconds above 0 would be right",
                         optarg);
        break;
    case 'h':
        options->help = true;
        break;
    default:
        options->garbled = true;
        config_fault(report, nowhere,
                     code == ':' ? "the option '%.80s' lacks its value; see atoll mpirun --help"
                                 : "unknown option '%.80s'; see atoll mpirun --help",
                     words[optind - 1]);
        break;
    }
}

static void read_part(struct options *options, struct part *part, int count, char **words,
                      struct config_report *report)
{
    int code;
    optind = 0; /* GNU: forget the last call's state */
    while (!options->help &&
           (code = getopt_long(count, words, short_options, long_options, NULL)) != -1)
        take_option(options, part, code, words, report);
    part->first = optind;
    part->end = count;
    if (optind >= count && !options->help && !options->garbled)
        config_fault(report, nowhere, "no program is named; see atoll mpirun --help");
}

/* One rank's instance. */
static void add_rank(struct options *options, const struct part *part, char **words, size_t rank,
                     bool crowded, struct config_report *report)
{
    struct instance_config *instance = config_add_instance(&options->machine, nowhere);
    free(instance->name);
    instance->name = config_format("rank%zu", rank);
    instance->core_count = part->cores;
    if (part->memory)
        instance->memory = part->memory;
    instance->job = config_format("mpi"); /* which also tells the programs of their ranks */
    if (crowded)
        config_add_environment(instance, config_format("ATOLL_MPI_CROWDED=1"));
    for (size_t i = 0; i < part->environment_count; i++)
        config_add_environment(instance,
                               config_copy(part->environment[i], strlen(part->environment[i])));
    for (size_t i = 0; i < part->mount_count; i++) {
        const char *why = config_add_mount(instance, part->mounts[i], NULL, nowhere);
        if (why)
            config_fault(report, nowhere, "--mount '%.200s' cannot be taken: %s", part->mounts[i],
                         why);
    }
    instance->program = config_copy(words[part->first], strlen(words[part->first]));
    for (int i = part->first; i < part->end; i++)
        config_add_argument(instance, config_copy(words[i], strlen(words[i])));
}

/* Does the job have more cores than this host may use? */
static bool is_crowded(size_t cores)
{
    cpu_set_t allowed;
    return !sched_getaffinity(0, sizeof(allowed), &allowed) && cores > (size_t)CPU_COUNT(&allowed);
}

static void free_strings(char **strings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(strings[i]);
    free(strings);
}

int mpirun_read(struct options *options, int count, char **argv, struct config_report *report)
{
    size_t faults = report->faults, parts = 0, ranks = 0, cores = 0, rank = 0;
    struct part *list = NULL;
    char ***words = NULL;
    *options = (struct options){
        .run = {
            .log = MACHINE_LOG_ERROR, .qemu = "qemu-system-x86_64", .quiet = true, .job = true}};
    config_init(&options->machine);
    opterr = 0;
    for (int start = 0; start < count && !options->help;) {
        int end = start + 1;
        while (end < count && strcmp(argv[end], ":"))
            end++;
        list = config_grow(list, parts, sizeof(*list));
        words = config_grow(words, parts, sizeof(*words));
        list[parts] = (struct part){.ranks = 1, .cores = 1};
        words[parts] = argv + start;
        read_part(options, &list[parts], end - start, argv + start, report);
        ranks += list[parts].ranks;
        cores += list[parts].ranks * list[parts].cores;
        parts++;
        start = end;
    }
    if (report->faults == faults && !options->help) {
        if (ranks > RANKS_MAX)
            config_fault(report, nowhere, "%zu ranks are too many; up to %d would be right", ranks,
                         RANKS_MAX);
        for (size_t i = 0; i < parts && ranks <= RANKS_MAX; i++)
            for (size_t k = 0; k < list[i].ranks; k++)
                add_rank(options, &list[i], words[i], rank++, is_crowded(cores), report);
        options->run.stdin_name = "rank0";
        if (!options->section)
            options->section = SECTION_BASE + ranks * SECTION_RANK;
    }
    for (size_t i = 0; i < parts; i++) {
        free_strings(list[i].environment, list[i].environment_count);
        free_strings(list[i].mounts, list[i].mount_count);
    }
    free(list);
    free(words);
    return report->faults == faults ? 0 : -1;
}

void mpirun_print_help(FILE *out)
{
    fputs(
        "Usage:\n"
        "  atoll mpirun [OPTION]... PROGRAM [ARG...] [ : [OPTION]... PROGRAM [ARG...] ]...\n"
        "\n"
        "Runs an MPI program, built with atoll-mpicc: each rank is an instance. Output is the\n"
        "ranks' alone, standard input goes to rank 0. When a rank fails, or calls MPI_Abort, the\n"
        "job is ended, with that rank's status.\n"
        "\n"
        "Options of a part, before its program:\n"
        "  -n N, --np N    ranks (default: 1)\n"
        "  -c CORES        cores of each rank (default: 1)\n"
        "  -m MEMORY       of each rank, such as 256M (default: 64M)\n"
        "  -e KEY=VALUE    an environment entry (-x too; -x KEY: as it is here)\n"
        "  --mount HOST:GUEST[:rw]\n"
        "                  shows the ranks the folder HOST at GUEST\n"
        "\n"
        "Options of the job:\n"
        "  --platform P    pc, hosted or auto, as in atoll run\n"
        "  --section SIZE  of each rank's shared memory (default: by the number of ranks)\n"
        "  --timeout SEC   end the job after so many seconds, with status 124\n",
        out);
}
