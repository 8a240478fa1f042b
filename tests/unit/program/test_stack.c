/* The process stack, word by word. */
#include "instance/program.h"

#include "instance/mm/kmalloc.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOP UINT64_C(0x7ffffffff000)

static const uint8_t random_bytes[16] = "0123456789abcdef";

static struct program_strings strings_of(const char *bytes, uint64_t size, uint32_t count)
{
    return (struct program_strings){bytes, size, count};
}

/* The bytes that the program sees at `address`. */
static const void *at(const struct program_stack *stack, uint64_t address)
{
    cr_assert(address >= stack->pointer && address < stack->pointer + stack->size);
    return stack->bytes + (address - stack->pointer);
}

Test(program_stack, word_by_word)
{
    static const char arguments[] = "prog\0-x\0", environment[] = "A=1\0PATH=/bin\0HOME=/\0";
    const struct program_auxiliary auxiliary[] = {{AT_PAGESZ, 4096}, {AT_ENTRY, 0x401000}};
    struct program_stack_input input = {
        .arguments = strings_of(arguments, sizeof(arguments) - 1, 2),
        .environment = strings_of(environment, sizeof(environment) - 1, 3),
        .path = "/bin/prog",
        .random = random_bytes,
        .auxiliary = auxiliary,
        .auxiliary_count = 2};
    struct program_stack stack;
    cr_assert_eq(program_stack_build(&input, TOP, &stack), 0);
    cr_assert_eq(stack.pointer % 16, 0);
    cr_assert_eq(stack.pointer + stack.size, TOP);

    const uint64_t *word = at(&stack, stack.pointer);
    cr_assert_eq(*word++, 2, "argc");
    uint64_t first = *word;
    cr_assert_str_eq(at(&stack, *word++), "prog");
    cr_assert_str_eq(at(&stack, *word++), "-x");
    cr_assert_eq(*word++, 0);
    cr_assert_eq(*word, first + sizeof(arguments) - 1, "environment follows the arguments");
    cr_assert_str_eq(at(&stack, *word++), "A=1");
    cr_assert_str_eq(at(&stack, *word++), "PATH=/bin");
    cr_assert_str_eq(at(&stack, *word++), "HOME=/");
    cr_assert_eq(*word++, 0);
    cr_assert_eq(*word++, AT_PAGESZ);
    cr_assert_eq(*word++, 4096);
    cr_assert_eq(*word++, AT_ENTRY);
    cr_assert_eq(*word++, 0x401000);
    cr_assert_eq(*word++, AT_RANDOM);
    cr_assert_arr_eq(at(&stack, *word++), random_bytes, 16);
    cr_assert_eq(*word++, AT_EXECFN);
    cr_assert_str_eq(at(&stack, *word++), "/bin/prog");
    cr_assert_eq(*word++, AT_PLATFORM);
    cr_assert_str_eq(at(&stack, *word++), "x86_64");
    cr_assert_eq(*word++, AT_NULL);
    cr_assert_eq(*word++, 0);
    uint64_t zero;
    memcpy(&zero, at(&stack, TOP - 8), 8);
    cr_assert_eq(zero, 0, "the topmost word");
    kfree(stack.bytes);
}

Test(program_stack, none_at_all_and_many)
{
    struct program_stack_input input = {.path = "", .random = random_bytes};
    struct program_stack stack;
    cr_assert_eq(program_stack_build(&input, TOP, &stack), 0);
    const uint64_t *word = at(&stack, stack.pointer);
    cr_assert_eq(word[0], 0);
    cr_assert_eq(word[1], 0);
    cr_assert_eq(word[2], 0);
    kfree(stack.bytes);

    /* Alignment holds for every count and length. */
    for (uint32_t count = 1; count < 70; count++) {
        char *bytes = calloc(count, 3);
        for (uint32_t i = 0; i < count; i++)
            memcpy(bytes + i * 3, "ab", 3);
        input.arguments = strings_of(bytes, count * 3, count);
        input.environment = strings_of(bytes, count / 2 * 3, count / 2);
        cr_assert_eq(program_stack_build(&input, TOP, &stack), 0);
        cr_assert_eq(stack.pointer % 16, 0);
        word = at(&stack, stack.pointer);
        cr_assert_eq(word[0], count);
        for (uint32_t i = 0; i < count; i++)
            cr_assert_str_eq(at(&stack, word[1 + i]), "ab");
        kfree(stack.bytes);
        free(bytes);
    }
}

/* Strings that are not what the count says. Each lies at the end of its block. */
Test(program_stack, hostile_strings)
{
    static const struct {
        const char *bytes;
        uint64_t size;
        uint32_t count;
        int result;
    } cases[] = {
        {"ab\0", 3, 1, 0},           {"ab", 2, 1, -EINVAL},       {"ab\0cd", 5, 2, -EINVAL},
        {"ab\0cd\0", 6, 3, -EINVAL}, {"ab\0cd\0", 6, 1, -EINVAL}, {"", 0, 1, -EINVAL},
        {"a\0", 2, 0, -EINVAL},      {"\0\0", 2, 2, 0},           {"", 0, UINT32_MAX, -E2BIG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *bytes = malloc(cases[i].size + !cases[i].size);
        memcpy(bytes, cases[i].bytes, cases[i].size);
        struct program_stack_input input = {.arguments =
                                                strings_of(bytes, cases[i].size, cases[i].count),
                                            .path = "p",
                                            .random = random_bytes};
        struct program_stack stack;
        int result = program_stack_build(&input, TOP, &stack);
        cr_assert_eq(result, cases[i].result, "case %zu: %d", i, result);
        if (result == 0)
            kfree(stack.bytes);
        input.environment = input.arguments;
        input.arguments = strings_of(NULL, 0, 0);
        result = program_stack_build(&input, TOP, &stack);
        cr_assert_eq(result, cases[i].result, "case %zu: %d", i, result);
        if (result == 0)
            kfree(stack.bytes);
        free(bytes);
    }
}

Test(program_stack, too_large)
{
    struct program_stack stack;
    uint64_t size = PROGRAM_STACK_SIZE;
    char *bytes = malloc(size);
    memset(bytes, 'x', size);
    struct program_stack_input input = {.path = "p", .random = random_bytes};
    input.arguments = strings_of(bytes, size, 1);
    cr_assert_eq(program_stack_build(&input, TOP, &stack), -E2BIG);
    bytes[size / 2 - 1] = '\0';
    input.arguments = strings_of(bytes, size / 2, 1);
    cr_assert_eq(program_stack_build(&input, TOP, &stack), 0);
    kfree(stack.bytes);
    input.environment = input.arguments;
    cr_assert_eq(program_stack_build(&input, TOP, &stack), -E2BIG);
    input.arguments = strings_of(bytes, UINT64_MAX, 1);
    cr_assert_eq(program_stack_build(&input, TOP, &stack), -E2BIG);
    free(bytes);
}
