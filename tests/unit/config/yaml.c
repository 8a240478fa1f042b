/* Machine files: what each key means, and every way in which one is refused, with its place. */
#include "tests/unit/config/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(yaml, .fini = support_clean);

/* Reads and checks `text` as a machine file in the test's folder, where `program: hello` is sound.
 */
static int read_text(struct caught *caught, struct machine_config *machine, const char *text,
                     size_t length)
{
    static char file[128];
    snprintf(file, sizeof(file), "%s/m.yaml", support_folder());
    support_program("hello");
    caught_begin(caught, file);
    /* Exactly as long as it is: nothing may count on a NUL behind it. */
    char *exact = malloc(length ? length : 1);
    memcpy(exact, text, length);
    int result = config_read_yaml(machine, exact, length, &caught->report);
    free(exact);
    if (result == 0 && config_check(machine, &caught->report)) {
        config_free(machine);
        result = -1;
    }
    return result;
}

static void expect_refused(const char *text, size_t length, const char *place, const char *message)
{
    struct caught caught;
    struct machine_config machine;
    char start[192];
    cr_expect_eq(read_text(&caught, &machine, text, length), -1);
    cr_expect(!machine.instances && !machine.file, "something is left to free");
    caught_end(&caught);
    snprintf(start, sizeof(start), "%s:%s: ", caught.report.file, place);
    cr_expect(!strncmp(caught.text, start, strlen(start)), "\"%s\" expected before:\n%s", place,
              caught.text);
    caught_expect_only(&caught, message);
}

/* One test: `text`, as a string constant, is refused at `place` ("LINE:COLUMN") with `message`. */
#define REFUSED(test, text, place, message)                                                        \
    Test(yaml, test)                                                                               \
    {                                                                                              \
        expect_refused(text, sizeof(text) - 1, place, message);                                    \
    }

/* An instance with one more entry, in line 1 from column 31 on. */
#define WITH(entry) "instances: [{program: hello,  " entry "}]"
#define MACHINE(entries) "machine: {" entries "}\ninstances: [{program: hello}]"

REFUSED(empty, "", "1:1", "the file is empty")
REFUSED(comment_only, "# nothing\n", "1:1", "the file is empty")
REFUSED(list, "[]", "1:1", "the machine file is a list; a mapping of machine, instances")
REFUSED(scalar, "x", "1:1", "the machine file is a single value")
REFUSED(null_file, "~", "1:1", "the machine file is empty")
REFUSED(instances_missing, "machine: {cores: 2}", "1:1", "the key 'instances' is missing")
REFUSED(instances_empty, "instances: []", "1:12", "the list of instances is empty")
REFUSED(instances_null, "instances:\n", "1:11", "instances is empty")
REFUSED(instances_mapping, "instances: {a: b}", "1:12", "instances is a mapping; a list")
REFUSED(instance_scalar, "instances: [hello]", "1:13", "an instance is a single value; a mapping")
REFUSED(instance_null, "instances:\n  -\n  - {program: hello}", "2:4", "an instance is empty")
REFUSED(unknown_top, "more: 1\ninstances: [{program: hello}]", "1:1",
        "unknown key 'more' in the machine file; known are: machine, instances")
REFUSED(unknown_in_machine, MACHINE("core: 1"), "1:11",
        "unknown key 'core' in 'machine'; known are: platform, cores, memory")
REFUSED(unknown_in_instance, WITH("user: me"), "1:31",
        "unknown key 'user' in an instance; known are: name, cores, memory, program, args, env")
REFUSED(job_list, WITH("job: [a]"), "1:36", "job is a list; 1 to 63 of")
REFUSED(job_null, WITH("job: "), "1:36", "job has no value; 1 to 63 of")
REFUSED(job_of_other_characters, WITH("job: a b"), "1:36", "the job 'a b' cannot be used")
REFUSED(unknown_key_is_list, WITH("[a]: me"), "1:31", "unknown key 'a list' in an instance")
REFUSED(unknown_key_with_nul, WITH("\"name\\0\": me"), "1:31", "unknown key 'name' in an instance")
REFUSED(double_top, "instances: [{program: hello}]\ninstances: []", "2:1",
        "the key 'instances' stands twice in the machine file, first in line 1")
REFUSED(double_in_machine, MACHINE("cores: 2, cores: 3"), "1:21",
        "the key 'cores' stands twice in 'machine', first in line 1; once would be right")
REFUSED(double_in_instance, WITH("memory: 4M, memory: 4M"), "1:43",
        "the key 'memory' stands twice in an instance")
REFUSED(machine_null, "machine:\ninstances: [{program: hello}]", "1:9", "'machine' is empty")
REFUSED(machine_list, "machine: []\ninstances: [{program: hello}]", "1:10", "'machine' is a list")
REFUSED(platform_unknown, MACHINE("platform: xen"), "1:21",
        "the platform 'xen' is unknown; auto, pc or hosted would be right")
REFUSED(platform_list, MACHINE("platform: [pc]"), "1:21", "platform is a list")
REFUSED(machine_cores_word, MACHINE("cores: many"), "1:18", "it is not a number")
REFUSED(machine_cores_list, MACHINE("cores: 0-3"), "1:18", "it is a list; a count such as 4")
REFUSED(machine_cores_zero, MACHINE("cores: 0"), "1:18", "cannot be taken")
REFUSED(machine_cores_null, MACHINE("cores: "), "1:18", "cores has no value")
REFUSED(machine_memory_word, MACHINE("memory: lots"), "1:19", "the memory 'lots' is no size")
REFUSED(machine_memory_zero, MACHINE("memory: 0"), "1:19", "a machine of no memory cannot run")
REFUSED(name_null, WITH("name: "), "1:37", "name has no value")
REFUSED(name_list, WITH("name: []"), "1:37", "name is a list")
REFUSED(cores_word, WITH("cores: two"), "1:38",
        "the cores 'two' cannot be taken: it is not a number; a count such as 2, or a list")
REFUSED(cores_sequence, WITH("cores: [0, 1]"), "1:38", "cores is a list; a count such as 2, or")
REFUSED(cores_double, WITH("cores: \"0-1,1\""), "1:38", "a core is named twice")
REFUSED(memory_word, WITH("memory: 64X"), "1:39",
        "the memory '64X' is no size; a size such as 64M or 2G")
REFUSED(memory_mapping, WITH("memory: {}"), "1:39", "memory is a mapping")
REFUSED(program_missing, "instances: [{name: a}]", "1:13", "instance 'a' has no program")
REFUSED(program_null, "instances: [{program: }]", "1:23", "program has no value")
REFUSED(program_empty, "instances: [{program: ''}]", "1:23", "has no program")
REFUSED(program_nul, "instances: [{program: \"hello\\0\"}]", "1:23", "program holds a NUL byte")
REFUSED(program_absent, "instances: [{program: none}]", "1:23", "/none' does not exist")
REFUSED(args_scalar, WITH("args: x"), "1:37", "args is a single value; a list such as")
REFUSED(args_null, WITH("args: "), "1:37", "args is empty; a list such as")
REFUSED(argument_null, WITH("args: [a, ~]"), "1:41", "an argument has no value; a string (\"\" for")
REFUSED(argument_list, WITH("args: [[]]"), "1:38", "an argument is a list")
REFUSED(argument_nul, WITH("args: [\"\\0\"]"), "1:38", "an argument holds a NUL byte")
REFUSED(env_list, WITH("env: [A]"), "1:36", "env is a list; a mapping such as {KEY: value}")
REFUSED(env_key_equals, WITH("env: {\"A=B\": c}"), "1:37", "'A=B' cannot be a variable's name")
REFUSED(env_key_empty, WITH("env: {\"\": c}"), "1:37", "'' cannot be a variable's name")
REFUSED(env_key_list, WITH("env: {[]: c}"), "1:37", "a key of env is a list")
REFUSED(env_value_null, WITH("env: {A: }"), "1:40", "a value of env has no value")
REFUSED(env_value_list, WITH("env: {A: [b]}"), "1:40", "a value of env is a list")
REFUSED(env_double, WITH("env: {A: b, C: d, A: b}"), "1:49",
        "the key 'A' stands twice in env, first in line 1; once would be right")
REFUSED(anchor, WITH("name: &x a"), "1:37", "anchors are not taken in a machine file (&x)")
REFUSED(tag, WITH("name: !!str a"), "1:37", "tags are not taken in a machine file")
REFUSED(alias, WITH("args: [a]") "\nmachine: {platform: *x}", "2:21",
        "aliases are not taken in a machine file (*x); write the value out")
REFUSED(alias_mapping, "machine: *x\ninstances: [{program: hello}]", "1:10", "aliases are not")
REFUSED(alias_instances, "instances: *x", "1:12", "aliases are not taken")
REFUSED(alias_instance, "instances: [*x]", "1:13", "aliases are not taken")
REFUSED(alias_args, WITH("args: *x"), "1:37", "aliases are not taken")
REFUSED(alias_env, WITH("env: *x"), "1:36", "aliases are not taken")
REFUSED(alias_key, WITH("*x : 1"), "1:31", "aliases are not taken")
REFUSED(second_document, WITH("cores: 1") "\n---\nx: 1", "2:1", "a second document begins here")
REFUSED(syntax, "instances: [\n  {program: hello", "3:1", "this is not YAML: did not find")
REFUSED(tab, "instances:\n\t- {}", "2:1", "this is not YAML")
REFUSED(not_utf8, "instances:\n - \xff", "2:4", "this is not YAML: invalid leading UTF-8 octet")

/* A name that would drive the terminal is shown without its control characters. */
REFUSED(control_characters, "\"\\e[2J\": 1\ninstances: [{program: hello}]", "1:1",
        "unknown key '?[2J' in the machine file")

Test(yaml, everything_is_read)
{
    static const char text[] = "machine: {platform: pc, cores: 4, memory: 1G}\n"
                               "instances:\n"
                               "  - name: left\n"
                               "    cores: \"0-0,3\"\n"
                               "    memory: 5M\n"
                               "    program: hello\n"
                               "    args: [a, \"b c\", 3, true, \"\"]\n"
                               "    env: {K: v, N: 5, E: \"\"}\n"
                               "  - {program: ./hello, cores: 2}\n";
    struct caught caught;
    struct machine_config machine;
    int result = read_text(&caught, &machine, text, strlen(text));
    caught_end(&caught);
    cr_assert_eq(result, 0, "%s", caught.text);
    cr_expect_eq(machine.platform, PLATFORM_PC);
    cr_expect_eq(machine.cores, 4);
    cr_expect_eq(machine.memory, UINT64_C(1) << 30);
    cr_expect_str_eq(machine.file, caught.report.file);
    cr_assert_eq(machine.instance_count, 2);

    const struct instance_config *left = &machine.instances[0], *right = &machine.instances[1];
    char path[160];
    snprintf(path, sizeof(path), "%s/hello", support_folder());
    cr_expect_str_eq(left->name, "left");
    cr_expect(left->cores_given);
    cr_assert_eq(left->core_count, 2);
    cr_expect_arr_eq(left->cores, ((uint32_t[]){0, 3}), 8);
    cr_expect_eq(left->memory, UINT64_C(6) << 20, "rounded up to 2 MiB");
    cr_expect_str_eq(left->program, path);
    cr_assert_eq(left->argument_count, 6);
    static const char *const arguments[] = {"hello", "a", "b c", "3", "true", ""};
    for (size_t i = 0; i < 6; i++)
        cr_expect_str_eq(left->arguments[i], arguments[i]);
    cr_expect_null(left->arguments[6]);
    cr_assert_eq(left->environment_count, 3);
    static const char *const environment[] = {"K=v", "N=5", "E="};
    for (size_t i = 0; i < 3; i++)
        cr_expect_str_eq(left->environment[i], environment[i]);
    cr_expect_null(left->environment[3]);
    cr_expect_eq(left->place.line, 3);
    cr_expect_eq(left->cores_place.line, 4);
    cr_expect_eq(left->cores_place.column, 12);

    cr_expect_str_eq(right->name, "hello");
    cr_expect_arr_eq(right->cores, ((uint32_t[]){1, 2}), 8);
    cr_expect_eq(right->memory, CONFIG_MEMORY_DEFAULT);
    cr_expect_str_eq(right->arguments[0], "./hello");
    config_free(&machine);
    free(caught.text);
}

Test(yaml, all_faults_at_once)
{
    static const char text[] = "machine: {platform: xen}\n"
                               "instances:\n"
                               "  - {program: hello, cores: x, memory: 1M}\n"
                               "  - {program: none, name: a b}\n"
                               "  - {program: hello, what: 1}\n";
    static const char *const faults[] = {
        ":1:21: the platform 'xen'", ":3:29: the cores 'x'", ":5:22: unknown key 'what'",
        ":4:27: the name 'a b'",     ":3:40: instance ",     ":4:15: instance 'a b': the program"};
    struct caught caught;
    struct machine_config machine;
    cr_assert_eq(read_text(&caught, &machine, text, strlen(text)), -1);
    caught_end(&caught);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        cr_expect(strstr(caught.text, faults[i]), "%s expected in:\n%s", faults[i], caught.text);
    cr_expect_eq(caught.report.faults, 6, "%s", caught.text);
    free(caught.text);
}

/* However deep, and however many: neither recursion nor quadratic time. */
static void expect_survives(const char *unit, size_t count, const char *before)
{
    struct caught caught;
    struct machine_config machine;
    size_t length = strlen(unit), start = strlen(before);
    char *text = malloc(start + count * length);
    memcpy(text, before, start);
    for (size_t i = 0; i < count; i++)
        memcpy(text + start + i * length, unit, length);
    cr_expect_eq(read_text(&caught, &machine, text, start + count * length), -1);
    caught_end(&caught);
    cr_expect(caught.report.faults > 0);
    free(caught.text);
    free(text);
}

Test(yaml, deep_flow, .timeout = 20)
{
    expect_survives("[", 4000000, "instances: ");
}

Test(yaml, deep_block, .timeout = 20)
{
    expect_survives("- ", 2000000, "");
}

Test(yaml, many_tag_directives, .timeout = 20)
{
    expect_survives("%TAG !a! b\n", 300000, "");
}

/* A thousand levels are read, and then said to be wrong for what they are. */
Test(yaml, deepest)
{
    char text[2100] = "instances: ";
    size_t start = strlen(text), levels = 999; /* the mapping is the first */
    memset(text + start, '[', levels);
    memset(text + start + levels, ']', levels);
    expect_refused(text, start + 2 * levels, "1:13", "an instance is a list; a mapping of name");
}

Test(yaml, utf_16)
{
    static const char text[] = "\xff\xfei\0n\0";
    struct caught caught;
    struct machine_config machine;
    cr_expect_eq(read_text(&caught, &machine, text, sizeof(text) - 1), -1);
    caught_expect_only(&caught, "this is not YAML");
}

/* Counted to the last, shown as long as someone may read it. */
Test(yaml, more_faults_than_shown)
{
    struct caught caught;
    struct machine_config machine;
    char *text = NULL;
    size_t size = 0, lines = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < 3000; i++)
        fprintf(out, "key%d: 1\n", i);
    fclose(out);
    cr_expect_eq(read_text(&caught, &machine, text, size), -1);
    caught_end(&caught);
    for (const char *at = caught.text; *at; at++)
        lines += *at == '\n';
    cr_expect_eq(lines, CONFIG_FAULTS_SHOWN + 1);
    cr_expect_eq(caught.report.faults, 3001);
    cr_expect(strstr(caught.text, "there are more faults; these were the first 1000"));
    free(caught.text);
    free(text);
}

Test(yaml, many_instances, .timeout = 20)
{
    expect_survives("- {program: x}\n", 20000, "instances:\n");
}

Test(yaml, many_env_doubles, .timeout = 20)
{
    expect_survives("  A: b\n", 20000, "instances:\n- program: x\n  env:\n   Z: z\n");
}
