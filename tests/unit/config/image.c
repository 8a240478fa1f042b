/* The packed image: read back from a lagoon as the boot loader reads it. */
#include "proxy/image.h"
#include "abi/build_id.h"
#include "proxy/config_build.h"
#include "tests/unit/config/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT 8192 /* where the image lies in the test's lagoon */

static struct machine_config machine;
static struct run_options options;
static struct caught caught;
static struct image image;
static uint8_t *lagoon;

static void begin(void)
{
    config_init(&machine);
    caught_begin(&caught, NULL);
    static char kernel[160];
    snprintf(kernel, sizeof(kernel), "%s", support_program("kernel.elf"));
    options = (struct run_options){.kernel = kernel, .log = MACHINE_LOG_INFO};
}

static void end(void)
{
    image_free(&image);
    caught_end(&caught);
    free(caught.text);
    config_free(&machine);
    free(lagoon);
    support_clean();
}

TestSuite(image, .init = begin, .fini = end);

static struct instance_config *add(const char *name, const char *program)
{
    struct instance_config *instance = config_add_instance(&machine, (struct config_place){0});
    instance->name = config_copy(name, strlen(name));
    instance->program = config_copy(program, strlen(program));
    config_add_argument(instance, config_copy(program, strlen(program)));
    return instance;
}

/* Checks, loads and writes the image into a lagoon full of other bytes. */
static const struct machine_table *pack(void)
{
    struct machine_extent table;
    cr_assert_eq(config_check(&machine, &caught.report), 0);
    cr_assert_eq(image_load(&image, &machine, &options, caught.report.out), 0);
    uint64_t bytes = image_bytes(&image);
    cr_assert_eq(bytes % IMAGE_ALIGNMENT, 0);
    lagoon = aligned_alloc(4096, AT + bytes + 4096);
    memset(lagoon, 0xa5, AT + bytes + 4096);
    image_write(&image, lagoon, AT, &table);
    for (size_t i = 0; i < 4096; i++)
        cr_assert(lagoon[AT - 4096 + i] == 0xa5 && lagoon[AT + bytes + i] == 0xa5);
    cr_assert_eq(table.offset, AT);
    cr_assert_eq(table.size, sizeof(struct machine_table));
    return (const struct machine_table *)(lagoon + table.offset);
}

static const struct machine_instance *entry_of(const struct machine_table *table, size_t index)
{
    return (const struct machine_instance *)(lagoon + table->entries.offset) + index;
}

static void expect_bytes(struct machine_extent extent, const void *bytes, size_t size)
{
    cr_assert_eq(extent.size, size);
    cr_assert(extent.offset >= AT && extent.offset + size <= AT + image_bytes(&image));
    cr_expect_eq(memcmp(lagoon + extent.offset, bytes, size), 0);
}

static void expect_zeros_to_page_end(struct machine_extent extent)
{
    for (uint64_t at = extent.offset + extent.size; at % 4096; at++)
        cr_assert_eq(lagoon[at], 0);
}

Test(image, table)
{
    static const uint8_t build_id[] = ATOLL_BUILD_ID_BYTES;
    struct small_elf elf;
    machine.cores = 9;
    add("a", support_program("hello"));
    const struct machine_table *table = pack();
    cr_expect_eq(table->magic, MACHINE_MAGIC);
    cr_expect_eq(table->version, MACHINE_VERSION);
    cr_expect_eq(table->size, sizeof(*table));
    cr_expect_arr_eq(table->build_id, build_id, sizeof(build_id));
    cr_expect_eq(table->instances, 1);
    cr_expect_eq(table->cores, 9);
    cr_expect_eq(table->entries.size, sizeof(struct machine_instance));
    small_elf_make(&elf);
    cr_expect_eq(table->kernel.offset % 4096, 0);
    expect_bytes(table->kernel, &elf, sizeof(elf));
    expect_zeros_to_page_end(table->kernel);
}

Test(image, entries)
{
    struct small_elf elf;
    static const char strings[] = "-v\0\0x";
    struct instance_config *first = add("a", support_program("hello"));
    config_add_argument(first, config_copy("-v", 2));
    config_add_argument(first, config_copy("", 0));
    config_add_argument(first, config_copy("x", 1));
    first->core_count = 3;
    first->memory = UINT64_C(5) << 20;
    struct instance_config *second = add("b", support_program("hello2"));
    config_add_environment(second, config_copy("K=v", 3));
    config_add_environment(second, config_copy("L=", 2));
    const struct machine_table *table = pack();
    small_elf_make(&elf);

    const struct machine_instance *a = entry_of(table, 0), *b = entry_of(table, 1);
    cr_expect_str_eq(a->name, "a");
    cr_expect_eq(a->generation, 1);
    cr_expect_eq(a->memory, UINT64_C(6) << 20);
    cr_expect_eq(a->log_level, MACHINE_LOG_INFO);
    cr_expect_eq(a->cores.offset % sizeof(uint32_t), 0);
    expect_bytes(a->cores, (uint32_t[]){0, 1, 2}, 12);
    cr_expect_eq(a->program.offset % 4096, 0);
    expect_bytes(a->program, &elf, sizeof(elf));
    expect_zeros_to_page_end(a->program);
    cr_expect_eq(a->argument_count, 4);
    const char *argv = (const char *)lagoon + a->arguments.offset;
    cr_expect_str_eq(argv, machine.instances[0].program);
    cr_expect_eq(a->arguments.size, strlen(argv) + 1 + sizeof(strings));
    cr_expect_eq(memcmp(argv + strlen(argv) + 1, strings, sizeof(strings)), 0);
    cr_expect_eq(a->environment_count, 0);
    cr_expect_eq(a->environment.size, 0);
    cr_expect_str_eq(a->program_path, machine.instances[0].program);

    cr_expect_str_eq(b->name, "b");
    expect_bytes(b->cores, (uint32_t[]){3}, 4);
    cr_expect_eq(b->environment_count, 2);
    expect_bytes(b->environment, "K=v\0L=", 7);
    cr_expect_neq(a->program.offset, b->program.offset);
}

/* Two names of one file, and one name twice: its bytes are there once. */
Test(image, one_file_is_stored_once)
{
    char program[160], link_path[160], other[160];
    snprintf(program, sizeof(program), "%s", support_program("hello"));
    snprintf(link_path, sizeof(link_path), "%s/link", support_folder());
    snprintf(other, sizeof(other), "%s", support_program("other"));
    cr_assert_eq(symlink(program, link_path), 0);
    add("a", program);
    add("b", link_path);
    add("c", program);
    add("d", other);
    const struct machine_table *table = pack();
    uint64_t offset = entry_of(table, 0)->program.offset;
    cr_expect_eq(entry_of(table, 1)->program.offset, offset);
    cr_expect_eq(entry_of(table, 2)->program.offset, offset);
    cr_expect_neq(entry_of(table, 3)->program.offset, offset);
    cr_expect_str_eq(entry_of(table, 1)->program_path, program, "links are followed");
    cr_expect_eq(image_bytes(&image), 4096 + 3 * 8192);
}

Test(image, many_instances)
{
    const char *program = support_program("hello");
    for (int i = 0; i < 255; i++) {
        char name[16];
        snprintf(name, sizeof(name), "i%d", i);
        add(name, program)->memory = UINT64_C(4) << 20;
    }
    const struct machine_table *table = pack();
    cr_expect_eq(table->instances, 255);
    for (uint32_t i = 0; i < 255; i++) {
        expect_bytes(entry_of(table, i)->cores, &i, sizeof(i));
        cr_expect_eq(entry_of(table, i)->program.offset, entry_of(table, 0)->program.offset);
    }
}

Test(image, standard_input_goes_to_one)
{
    const char *program = support_program("hello");
    add("a", program);
    add("b", program);
    options.stdin_name = "b";
    const struct machine_table *table = pack();
    cr_expect_eq(entry_of(table, 0)->flags & MACHINE_FLAG_STDIN, 0);
    cr_expect_eq(entry_of(table, 1)->flags & MACHINE_FLAG_STDIN, MACHINE_FLAG_STDIN);
}

Test(image, standard_input_goes_to_the_only_one)
{
    add("a", support_program("hello"));
    cr_expect_eq(entry_of(pack(), 0)->flags & MACHINE_FLAG_STDIN, MACHINE_FLAG_STDIN);
}

Test(image, standard_input_goes_to_none_of_several)
{
    const char *program = support_program("hello");
    add("a", program);
    add("b", program);
    const struct machine_table *table = pack();
    cr_expect_eq((entry_of(table, 0)->flags | entry_of(table, 1)->flags) & MACHINE_FLAG_STDIN, 0);
}

/* Writes a second time, elsewhere: nothing of the first place is left in the offsets. */
Test(image, written_twice)
{
    add("a", support_program("hello"));
    const struct machine_table *first = pack();
    uint64_t kernel = first->kernel.offset;
    uint8_t *other = aligned_alloc(4096, image_bytes(&image));
    struct machine_extent table;
    image_write(&image, other, 0, &table);
    const struct machine_table *second = (const struct machine_table *)other;
    cr_expect_eq(table.offset, 0);
    cr_expect_eq(second->kernel.offset, kernel - AT);
    free(other);
}

static void expect_load_fails(const char *message)
{
    cr_expect_eq(image_load(&image, &machine, &options, caught.report.out), -1);
    cr_expect_eq(image_bytes(&image), 0);
    caught_end(&caught);
    cr_expect(strstr(caught.text, message), "%s expected in: %s", message, caught.text);
}

Test(image, kernel_missing)
{
    add("a", support_program("hello"));
    cr_assert_eq(config_check(&machine, &caught.report), 0);
    options.kernel = "/nowhere/kernel";
    expect_load_fails("atoll: the kernel '/nowhere/kernel' does not exist");
}

Test(image, kernel_is_something_else)
{
    add("a", support_program("hello"));
    cr_assert_eq(config_check(&machine, &caught.report), 0);
    options.kernel = support_write("text", "hello", 5);
    expect_load_fails("is not an x86-64 ELF executable; atoll-kernel.elf would be right");
}

Test(image, program_gone_meanwhile)
{
    const char *program = support_program("hello");
    add("a", program);
    cr_assert_eq(config_check(&machine, &caught.report), 0);
    cr_assert_eq(unlink(program), 0);
    expect_load_fails("hello' does not exist");
}

Test(image, program_changed_meanwhile)
{
    add("a", support_program("hello"));
    cr_assert_eq(config_check(&machine, &caught.report), 0);
    support_write("hello", "#!/bin/sh", 9);
    expect_load_fails("has been changed meanwhile: it now is a script");
}
