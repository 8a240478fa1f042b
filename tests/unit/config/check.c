/* config_check: names, cores, memory, environment and programs of a machine as a whole. */
#include "proxy/config_build.h"
#include "tests/unit/config/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static struct machine_config machine;
static struct caught caught;

static void begin(void)
{
    config_init(&machine);
    caught_begin(&caught, NULL);
}

static void end(void)
{
    caught_end(&caught);
    free(caught.text);
    config_free(&machine);
    support_clean();
}

TestSuite(check, .init = begin, .fini = end);

/* Adds an instance of a sound program. */
static struct instance_config *add(const char *name)
{
    struct instance_config *instance = config_add_instance(&machine, (struct config_place){0});
    if (name)
        instance->name = config_copy(name, strlen(name));
    const char *program = support_program("hello");
    instance->program = config_copy(program, strlen(program));
    config_add_argument(instance, config_copy("hello", 5));
    return instance;
}

static struct instance_config *add_cores(const char *cores)
{
    struct instance_config *instance = add(NULL);
    const char *why;
    cr_assert_eq(config_parse_cores(cores, &instance->core_count, &instance->cores, &why), 0);
    instance->cores_given = instance->cores != NULL;
    return instance;
}

static void set_program(struct instance_config *instance, const char *path)
{
    free(instance->program);
    instance->program = config_copy(path, strlen(path));
}

static void expect_refused(const char *message)
{
    cr_expect_eq(config_check(&machine, &caught.report), -1);
    caught_expect_only(&caught, message);
}

static void expect_sound(void)
{
    int result = config_check(&machine, &caught.report);
    caught_end(&caught);
    cr_assert_eq(result, 0, "%s", caught.text);
}

Test(check, no_instance)
{
    expect_refused("atoll: there is no instance; at least one is needed");
}

Test(check, too_many_instances)
{
    for (int i = 0; i < 256; i++)
        config_add_instance(&machine, (struct config_place){0});
    expect_refused("there are 256 instances; platform pc takes up to 255");
}

Test(check, hosted)
{
    add("a");
    machine.platform = PLATFORM_HOSTED;
    expect_sound();
    cr_expect_eq(machine.platform, PLATFORM_HOSTED);
}

Test(check, platform_auto_is_left_open)
{
    add("a");
    expect_sound();
    cr_expect_eq(machine.platform, PLATFORM_AUTO);
    cr_expect_eq(machine.cores, 1);
}

/* --- Jobs --- */

static struct instance_config *add_job(const char *job)
{
    struct instance_config *instance = add(NULL);
    instance->job = job ? config_copy(job, strlen(job)) : NULL;
    return instance;
}

static void expect_environment(size_t index, size_t at, const char *entry)
{
    cr_assert_lt(at, machine.instances[index].environment_count);
    cr_expect_str_eq(machine.instances[index].environment[at], entry);
}

Test(check, a_jobs_programs_are_told)
{
    static const char *const jobs[] = {"a", "a", "b", NULL, "a", "a", "a", "b", "c"};
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
        config_add_environment(add_job(jobs[i]), config_copy("K=v", 3));
    expect_sound();
    expect_environment(4, 0, "K=v");
    expect_environment(4, 1, "ATOLL_JOB=a");
    expect_environment(4, 2, "ATOLL_JOB_RANK=2");
    expect_environment(4, 3, "ATOLL_JOB_SIZE=5");
    expect_environment(4, 4, "ATOLL_JOB_PEERS=1-2,5-7");
    expect_environment(7, 2, "ATOLL_JOB_RANK=1");
    expect_environment(7, 4, "ATOLL_JOB_PEERS=3,8");
    expect_environment(8, 3, "ATOLL_JOB_SIZE=1");
    expect_environment(8, 4, "ATOLL_JOB_PEERS=9");
    cr_expect_eq(machine.instances[3].environment_count, 1);
}

Test(check, bad_job)
{
    add_job("a/b");
    expect_refused("the job 'a/b' cannot be used: it holds other characters");
}

Test(check, empty_job)
{
    add_job("");
    expect_refused("the job '' cannot be used: it is empty");
}

Test(check, job_claimed_in_the_environment)
{
    config_add_environment(add("left"), config_copy("ATOLL_JOB_RANK=0", 16));
    expect_refused("instance 'left': the environment entry 'ATOLL_JOB_RANK' is set by its job");
}

/* --- Names --- */

Test(check, double_name)
{
    add("a");
    add("b");
    add("a");
    expect_refused("two instances are called 'a' (numbers 1 and 3); names must differ");
}

Test(check, bad_name)
{
    add("a/b");
    expect_refused("the name 'a/b' cannot be used: it holds other characters");
}

Test(check, empty_name)
{
    add("");
    expect_refused("the name '' cannot be used: it is empty");
}

Test(check, long_name)
{
    char name[MACHINE_NAME_MAX + 1] = {0};
    memset(name, 'x', MACHINE_NAME_MAX);
    add(name);
    expect_refused("it is longer than 63 characters");
}

Test(check, names_are_made_unique)
{
    add(NULL);
    add("hello-2");
    add(NULL);
    add(NULL);
    expect_sound();
    cr_expect_str_eq(machine.instances[0].name, "hello");
    cr_expect_str_eq(machine.instances[2].name, "hello-3");
    cr_expect_str_eq(machine.instances[3].name, "hello-4");
}

Test(check, made_names_hold_only_what_names_may)
{
    char file[90];
    memset(file, 'y', sizeof(file));
    memcpy(file, "a b", 3);
    file[80] = 0;
    set_program(add(NULL), support_program(file));
    set_program(add(NULL), support_program(file));
    expect_sound();
    const char *first = machine.instances[0].name, *second = machine.instances[1].name;
    cr_expect_null(config_name_refusal(first), "%s", first);
    cr_expect_null(config_name_refusal(second), "%s", second);
    cr_expect(!strncmp(first, "a-byy", 5));
    cr_expect_eq(strlen(second), 63);
    cr_expect_str_eq(second + 61, "-2");
}

/* --- Cores --- */

Test(check, counts_take_the_lowest_free_cores)
{
    add_cores("2");
    add_cores("0,2");
    add_cores("3");
    expect_sound();
    cr_expect_arr_eq(machine.instances[0].cores, ((uint32_t[]){1, 3}), 8);
    cr_expect_arr_eq(machine.instances[2].cores, ((uint32_t[]){4, 5, 6}), 12);
    cr_expect_eq(machine.cores, 7);
}

Test(check, lists_make_the_machine_as_large_as_needed)
{
    add_cores("5,");
    expect_sound();
    cr_expect_eq(machine.cores, 6);
}

Test(check, overlapping_cores)
{
    add_cores("0-2");
    add_cores("2-3");
    expect_refused("instance 'hello-2': core 2 already belongs to instance 'hello'; a core can");
}

Test(check, missing_core)
{
    machine.cores = 4;
    add_cores("2-5");
    expect_refused("instance 'hello': there is no core 4; on this machine 0 to 3 would be right");
}

Test(check, missing_core_of_platform)
{
    add_cores("255-256");
    expect_refused("there is no core 255; on platform pc 0 to 254 would be right");
}

Test(check, too_few_cores)
{
    machine.cores = 3;
    add_cores("2");
    add_cores("0-1");
    expect_refused("the instances need 4 cores, but the machine has 3; give the machine more");
}

Test(check, too_many_cores)
{
    add_cores("200");
    add_cores("56");
    expect_refused("the instances need 256 cores, but platform pc takes up to 255");
}

Test(check, as_many_cores_as_there_can_be)
{
    add_cores("200");
    add_cores("254,");
    add_cores("54");
    expect_sound();
    cr_expect_eq(machine.instances[2].cores[53], 253);
    cr_expect_eq(machine.cores, 255);
}

Test(check, machine_of_too_many_cores)
{
    machine.cores = 256;
    add_cores("1");
    expect_refused("a machine of 256 cores is too large: platform pc takes up to 255");
}

/* --- Memory --- */

Test(check, memory_too_small)
{
    add("a")->memory = (UINT64_C(4) << 20) - 1;
    expect_refused("instance 'a': 4194303 bytes of memory is too little; at least 4 MiB");
}

Test(check, memory_none)
{
    add("a")->memory = 0;
    expect_refused("instance 'a': 0 bytes of memory is too little");
}

Test(check, memory_is_rounded_up)
{
    add("a")->memory = UINT64_C(4) << 20;
    add("b")->memory = (UINT64_C(4) << 20) + 1;
    expect_sound();
    cr_expect_eq(machine.instances[0].memory, UINT64_C(4) << 20);
    cr_expect_eq(machine.instances[1].memory, UINT64_C(6) << 20);
}

Test(check, memory_does_not_add_up)
{
    for (int i = 0; i < 4; i++)
        add(NULL)->memory = UINT64_C(1) << 62;
    expect_refused("the instances' memory does not add up to a number of 64 bits; this host has");
}

Test(check, memory_cannot_be_rounded)
{
    add("a")->memory = UINT64_MAX;
    expect_refused("the instances' memory does not add up");
}

Test(check, more_than_the_host_has)
{
    struct sysinfo host;
    char have[32], message[128];
    cr_assert_eq(sysinfo(&host), 0);
    uint64_t bytes = (uint64_t)host.totalram * host.mem_unit;
    add("a")->memory = bytes / 2 + (UINT64_C(1) << 30);
    add("b")->memory = bytes / 2;
    snprintf(message, sizeof(message), "of memory together, but this host has %s",
             config_show_size(bytes, have));
    expect_refused(message);
}

Test(check, machine_larger_than_the_host)
{
    machine.memory = UINT64_C(1) << 50;
    add("a");
    expect_refused("a machine of 1024 TiB is larger than this host, which has");
}

Test(check, more_than_the_machine_has)
{
    machine.memory = UINT64_C(100) << 20;
    add("a");
    add("b");
    expect_refused("the instances need 128 MiB of memory together, but the machine has 100 MiB");
}

/* --- Environment and arguments --- */

Test(check, environment_without_equals)
{
    config_add_environment(add("a"), config_copy("KEY", 3));
    expect_refused("instance 'a': the environment entry 'KEY' is not KEY=VALUE");
}

Test(check, environment_without_key)
{
    config_add_environment(add("a"), config_copy("=x", 2));
    expect_refused("the environment entry '=x' is not KEY=VALUE");
}

Test(check, environment_double)
{
    struct instance_config *instance = add("a");
    config_add_environment(instance, config_copy("AB=1", 4));
    config_add_environment(instance, config_copy("A=1", 3));
    config_add_environment(instance, config_copy("AB=2", 4));
    expect_refused("instance 'a': the environment has the key 'AB' twice; once would be right");
}

Test(check, arguments_too_long)
{
    struct instance_config *instance = add("a");
    size_t length = 17 << 20;
    char *argument = malloc(length + 1);
    memset(argument, 'x', length);
    argument[length] = 0;
    config_add_argument(instance, argument);
    expect_refused("they may take a quarter of the instance's memory");
}

/* --- Programs --- */

Test(check, program_missing)
{
    set_program(add("a"), "/nowhere/at/all");
    expect_refused("instance 'a': the program '/nowhere/at/all' does not exist");
}

Test(check, program_not_given)
{
    struct instance_config *instance = add("a");
    free(instance->program);
    instance->program = NULL;
    expect_refused("instance 'a' has no program; name a static x86-64 ELF executable");
}

Test(check, program_is_folder)
{
    set_program(add("a"), "/tmp");
    expect_refused("the program '/tmp' is a directory, not a regular file");
}

Test(check, program_is_device)
{
    set_program(add("a"), "/dev/zero");
    expect_refused("the program '/dev/zero' is a device, not a regular file");
}

Test(check, program_is_pipe, .timeout = 10)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/pipe", support_folder());
    cr_assert_eq(mkfifo(path, 0600), 0);
    set_program(add("a"), path);
    expect_refused("is a pipe, not a regular file");
}

Test(check, program_unreadable)
{
    if (geteuid() == 0 && seteuid(65534))
        cr_skip_test("root may read everything, and cannot become another user here");
    const char *path = support_program("secret");
    cr_assert_eq(chmod(path, 0), 0);
    set_program(add("a"), path);
    expect_refused("secret' may not be read (permission denied)");
    /* The leak checker at the end looks into this process, which a changed user forbids. */
    cr_expect(!seteuid(getuid()) && !prctl(PR_SET_DUMPABLE, 1));
}

Test(check, program_not_elf)
{
    set_program(add("a"), support_write("text", "hello", 5));
    expect_refused("text' is not an ELF file; a static x86-64 executable is needed");
}

Test(check, program_larger_than_the_host)
{
    const char *path = support_write("huge", "", 0);
    if (truncate(path, INT64_C(1) << 43))
        cr_skip_test("this file system has no files of 8 TiB");
    set_program(add("a"), path);
    expect_refused("has 8796093022208 bytes; at most");
}

/* One file, two sizes of memory: each instance is judged by its own. */
Test(check, program_larger_than_one_memory)
{
    struct small_elf elf;
    small_elf_make(&elf);
    elf.segments[1].p_memsz = 5 << 20;
    const char *path = support_write("large", &elf, sizeof(elf));
    set_program(add("a"), path);
    set_program(add("b"), path);
    machine.instances[1].memory = UINT64_C(4) << 20;
    expect_refused("instance 'b': the program");
}

/* A value that a parser has refused is not reported a second time. */
Test(check, faulty_parts_are_left_alone)
{
    struct instance_config *instance = add("a");
    instance->faulty = CONFIG_MEMORY | CONFIG_CORES | CONFIG_PROGRAM | CONFIG_ENVIRONMENT;
    instance->memory = 0;
    instance->core_count = 1000;
    free(instance->program);
    instance->program = NULL;
    config_add_environment(instance, config_copy("KEY", 3));
    expect_sound();
}
