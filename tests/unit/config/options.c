/* The command line of `atoll run`: options, colons, and every way in which it is refused. */
#include "proxy/options.h"
#include "tests/unit/config/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct options options;
static struct caught caught;

static void end(void)
{
    caught_end(&caught);
    free(caught.text);
    options_free(&options);
    support_clean();
}

TestSuite(options, .fini = end);

/* Reads the words, which end with NULL, in a folder that has the program "hello". */
static int read_words(const char *const *words)
{
    char *argv[32] = {(char *)(uintptr_t) "run"};
    int count = 1;
    for (; words[count - 1]; count++)
        argv[count] = (char *)(uintptr_t)words[count - 1];
    support_program("hello");
    cr_assert_eq(chdir(support_folder()), 0);
    caught_begin(&caught, NULL);
    return options_read_run(&options, count, argv, &caught.report);
}
#define READ(...) read_words((const char *const[]){__VA_ARGS__, NULL})

/* A fresh report, for a second step. */
static void again(void)
{
    caught_end(&caught);
    free(caught.text);
    caught_begin(&caught, NULL);
}

static void expect_taken(int result)
{
    caught_end(&caught);
    cr_assert_eq(result, 0, "%s", caught.text);
}

#define REFUSED(test, message, ...)                                                                \
    Test(options, test)                                                                            \
    {                                                                                              \
        cr_expect_eq(READ(__VA_ARGS__), -1);                                                       \
        caught_expect_only(&caught, message);                                                      \
    }

REFUSED(unknown_long, "unknown or ambiguous option '--bogus'", "--bogus", "hello")
REFUSED(ambiguous, "unknown or ambiguous option '--q'", "--q", "hello")
REFUSED(unknown_short, "unknown option '-x'", "--json", "-x", "hello")
REFUSED(value_missing, "the option '--timeout' lacks its value", "hello", ":", "hello", ":", "-n",
        "x", "hello", ":", "-m", "64M", "hello", ":", "--timeout")
REFUSED(value_not_wanted, "the option '--json=3' takes no value", "--json=3", "hello")
REFUSED(help_with_value, "the option '--help=3' takes no value", "--help=3", "hello")
REFUSED(run_option_late, "'--json' is for the whole run", "hello", ":", "--json", "hello")
REFUSED(no_program, "the command line names no program", "--json")
REFUSED(no_program_between_colons, "a part between colons names no program", "hello", ":")
REFUSED(platform, "--platform 'xen' is unknown", "--platform", "xen", "hello")
REFUSED(quiet_and_verbose, "--quiet and --verbose contradict", "--quiet", "--verbose", "hello")
REFUSED(log, "--log 'loud' is no level; error, warn, info or debug", "--log", "loud", "hello")
REFUSED(timeout_zero, "--timeout '0' cannot be taken", "--timeout", "0", "hello")
REFUSED(timeout_negative, "--timeout '-1' cannot be taken", "--timeout", "-1", "hello")
REFUSED(timeout_infinite, "--timeout 'inf' cannot be taken", "--timeout", "inf", "hello")
REFUSED(timeout_hexadecimal, "--timeout '0x10' cannot", "--timeout", "0x10", "hello")
REFUSED(timeout_points, "--timeout '1.2.3' cannot be taken", "--timeout", "1.2.3", "hello")
REFUSED(timeout_empty, "--timeout '' cannot be taken", "--timeout", "", "hello")
REFUSED(timeout_huge, "--timeout '9999999999' cannot", "--timeout", "9999999999", "hello")
REFUSED(debug_empty, "--debug '' cannot be taken", "--debug", "", "hello")
REFUSED(debug_comma, "--debug 'int,' cannot be taken", "--debug", "int,", "hello")
REFUSED(debug_space, "--debug 'a b' cannot be taken", "--debug", "a b", "hello")
REFUSED(qemu_empty, "--qemu is empty", "--qemu", "", "hello")
REFUSED(machine_cores_list, "--cores '0-1' cannot be taken: it is a list", "--cores", "0-1",
        "hello")
REFUSED(machine_cores_word, "--cores 'x' cannot be taken: it is not a number", "--cores", "x",
        "hello")
REFUSED(machine_memory, "--memory '0' is no size", "--memory", "0", "hello")
REFUSED(cores, "-c '3-1' cannot be taken: a range goes downwards; a count", "-c", "3-1", "hello")
REFUSED(memory, "-m '3Q' is no size; one such as 64M", "-m", "3Q", "hello")
REFUSED(machine_file_with_options,
        "-n, -c, -m, -e, --mount and --job do not go with a machine file", "-n", "x", "m.yaml")
REFUSED(machine_file_with_arguments, "a machine file takes no arguments, but 'a' follows", "m.yml",
        "a")

/* One round shows the faults of the options and of the instances. */
Test(options, all_faults_at_once)
{
    cr_expect_eq(READ("--log", "loud", "-c", "x", "none"), -1);
    caught_end(&caught);
    cr_expect_eq(caught.report.faults, 3, "%s", caught.text);
    cr_expect(strstr(caught.text, "'none' does not exist"), "%s", caught.text);
}

Test(options, defaults)
{
    expect_taken(READ("hello"));
    cr_expect(!options.run.verbose && !options.run.json && !options.run.quiet && !options.run.gdb);
    cr_expect_eq(options.run.log, MACHINE_LOG_WARN);
    cr_expect_eq(options.run.timeout, 0.0);
    cr_expect_str_eq(options.run.qemu, "qemu-system-x86_64");
    cr_expect_null(options.run.qemu_debug);
    cr_expect_null(options.run.stdin_name);
    cr_expect_null(options.machine_file);
    cr_assert_eq(options.machine.instance_count, 1);
    const struct instance_config *instance = &options.machine.instances[0];
    cr_expect_null(instance->name);
    cr_expect_eq(instance->core_count, 1);
    cr_expect_eq(instance->memory, CONFIG_MEMORY_DEFAULT);
    cr_expect_str_eq(instance->program, "hello");
}

Test(options, every_run_option)
{
    expect_taken(READ("--platform", "pc", "--verbose", "--log=debug", "--gdb", "--json",
                      "--timeout", ".5", "--debug", "int,cpu_reset", "--debug", "exec", "--qemu",
                      "q", "--cores", "4", "--memory", "1G", "--kernel", "k", "--loader", "l",
                      "--stdin", "hello", "hello"));
    cr_expect(options.run.verbose && options.run.json && options.run.gdb);
    cr_expect_eq(options.run.log, MACHINE_LOG_DEBUG);
    cr_expect_eq(options.run.timeout, 0.5);
    cr_expect_str_eq(options.run.qemu_debug[0], "int");
    cr_expect_str_eq(options.run.qemu_debug[1], "cpu_reset");
    cr_expect_str_eq(options.run.qemu_debug[2], "exec");
    cr_expect_null(options.run.qemu_debug[3]);
    cr_expect_str_eq(options.run.qemu, "q");
    cr_expect_str_eq(options.run.kernel, "k");
    cr_expect_str_eq(options.run.loader, "l");
    cr_expect_str_eq(options.run.stdin_name, "hello");
    options_apply(&options, &options.machine);
    cr_expect_eq(options.machine.platform, PLATFORM_PC);
    cr_expect_eq(options.machine.cores, 4);
    cr_expect_eq(options.machine.memory, UINT64_C(1) << 30);
}

Test(options, instances_between_colons)
{
    expect_taken(READ("--quiet", "-n", "left", "-c", "0-1,3", "hello", "-v", "--json", "::", "a:b",
                      ":", "-m", "5M", "-e", "A=b", "-e", "C=", "hello", ":::"));
    cr_assert_eq(options.machine.instance_count, 2);
    const struct instance_config *left = &options.machine.instances[0];
    const struct instance_config *right = &options.machine.instances[1];
    cr_expect_str_eq(left->name, "left");
    cr_expect(left->cores_given && left->core_count == 3);
    static const char *const arguments[] = {"hello", "-v", "--json", ":", "a:b"};
    cr_assert_eq(left->argument_count, 5);
    for (size_t i = 0; i < 5; i++)
        cr_expect_str_eq(left->arguments[i], arguments[i]);
    cr_expect(options.run.quiet && !options.run.json, "a program's options are not ours");
    cr_expect_eq(right->memory, UINT64_C(5) << 20);
    cr_assert_eq(right->environment_count, 2);
    cr_expect_str_eq(right->environment[0], "A=b");
    cr_expect_str_eq(right->environment[1], "C=");
    cr_assert_eq(right->argument_count, 2);
    cr_expect_str_eq(right->arguments[1], "::");
}

Test(options, jobs)
{
    expect_taken(
        READ("--job", "x", "hello", ":", "--job", "y", "--job", "x", "hello", ":", "hello"));
    cr_assert_eq(options.machine.instance_count, 3);
    cr_expect_str_eq(options.machine.instances[0].job, "x");
    cr_expect_str_eq(options.machine.instances[1].job, "x");
    cr_expect_null(options.machine.instances[2].job);
}

Test(options, machine_file)
{
    expect_taken(READ("--cores", "3", "dir/m.yaml"));
    cr_expect_str_eq(options.machine_file, "dir/m.yaml");
    cr_expect_eq(options.machine.instance_count, 0);
}

Test(options, machine_file_short_ending)
{
    expect_taken(READ("m.yml"));
    cr_expect_str_eq(options.machine_file, "m.yml");
}

/* ".yaml" names no machine, and beside other instances such a name is a program's. */
Test(options, machine_file_only_alone)
{
    expect_taken(READ("hello", ":", "m.yaml"));
    cr_expect_null(options.machine_file);
    cr_expect_eq(options.machine.instance_count, 2);
}

Test(options, help)
{
    expect_taken(READ("--json", "--help", "--nonsense"));
    cr_expect(options.help);
}

Test(options, standard_input)
{
    expect_taken(READ("--stdin", "other", "hello"));
    again();
    cr_assert_eq(config_check(&options.machine, &caught.report), 0);
    cr_expect_eq(options_check_stdin(&options, &options.machine, &caught.report), -1);
    caught_expect_only(&caught,
                       "--stdin 'other' names no instance; the name of one, such as 'hello'");
    again();
    options.run.stdin_name = "hello";
    cr_expect_eq(options_check_stdin(&options, &options.machine, &caught.report), 0);
}

/* The test program has no kernel beside it; the message says where it was looked for. */
Test(options, parts_missing)
{
    expect_taken(READ("--loader", "l", "hello"));
    again();
    cr_expect_eq(options_find_parts(&options, false, &caught.report), -1);
    caught_expect_only(&caught, "atoll-kernel.elf is missing: it is neither at '/");
    again();
    options.run.kernel = "k";
    cr_expect_eq(options_find_parts(&options, false, &caught.report), 0);
}

Test(options, help_texts)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    options_print_help(out);
    options_print_run_help(out);
    fclose(out);
    static const char *const words[] = {"--platform", "--verbose", "--log",    "--gdb",   "--json",
                                        "--quiet",    "--timeout", "--debug",  "--qemu",  "--cores",
                                        "--memory",   "--kernel",  "--loader", "--stdin", "-n NAME",
                                        "-c CORES",   "-m MEMORY", "-e KEY",   "'::'",    "124"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        cr_expect(strstr(text, words[i]), "the help says nothing on %s", words[i]);
    free(text);
}
