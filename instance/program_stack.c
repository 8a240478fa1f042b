/* The process stack: what a program finds at its stack pointer when it starts (x86-64 psABI 3.4.1),
 * in the order in which Linux has it:
 *
 *   top       8 bytes of zero
 *             the program's path
 *             environment strings
 *             argument strings
 *             "x86_64"; 16 random bytes, aligned to 16
 *             auxiliary vector, ended by AT_NULL
 *             envp[], NULL
 *             argv[], NULL
 *   pointer   argc */
#include "instance/program.h"

#include "instance/mm/kmalloc.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/auxvec.h>

#define STACK_SHARE_MAX (PROGRAM_STACK_SIZE / 4 * 3)
static const char stack_platform[] = "x86_64";

/* Writes the addresses of the strings, which have been copied to `bytes` and belong at `address`,
 * and a NULL, to *words. Returns 0 or -EINVAL. */
static int stack_point_to(const struct program_strings *strings, const char *bytes,
                          uint64_t address, uint64_t **words)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < strings->count; i++) {
        const char *end = at < strings->size ? memchr(bytes + at, 0, strings->size - at) : NULL;
        if (end == NULL)
            return -EINVAL;
        *(*words)++ = address + at;
        at = (uint64_t)(end - bytes) + 1;
    }
    *(*words)++ = 0;
    return at == strings->size ? 0 : -EINVAL;
}

static void stack_auxiliary(uint64_t **words, uint64_t type, uint64_t value)
{
    *(*words)++ = type;
    *(*words)++ = value;
}

int program_stack_build(const struct program_stack_input *input, uint64_t top,
                        struct program_stack *out)
{
    const struct program_strings *arguments = &input->arguments, *environment = &input->environment;
    uint64_t path_size = strlen(input->path) + 1;
    if (arguments->size > STACK_SHARE_MAX || environment->size > STACK_SHARE_MAX ||
        arguments->count > STACK_SHARE_MAX / 8 || environment->count > STACK_SHARE_MAX / 8)
        return -E2BIG;

    /* Addresses first, from the top down. */
    uint64_t path_at = top - 8 - path_size;
    uint64_t environment_at = path_at - environment->size;
    uint64_t arguments_at = environment_at - arguments->size;
    uint64_t platform_at = arguments_at - sizeof(stack_platform);
    uint64_t random_at = (platform_at & ~UINT64_C(15)) - 16;
    uint64_t words = 1 + (arguments->count + UINT64_C(1)) + (environment->count + UINT64_C(1)) +
                     2 * (input->auxiliary_count + 4);
    uint64_t pointer = (random_at - words * sizeof(uint64_t)) & ~UINT64_C(15);
    uint64_t size = top - pointer;
    if (size > STACK_SHARE_MAX)
        return -E2BIG;

    uint8_t *bytes = kzalloc(size);
    if (bytes == NULL)
        return -ENOMEM;
#define STACK_PLACE(address) (bytes + ((address)-pointer))
    memcpy(STACK_PLACE(path_at), input->path, path_size - 1);
    if (environment->size != 0)
        memcpy(STACK_PLACE(environment_at), environment->bytes, environment->size);
    if (arguments->size != 0)
        memcpy(STACK_PLACE(arguments_at), arguments->bytes, arguments->size);
    memcpy(STACK_PLACE(platform_at), stack_platform, sizeof(stack_platform));
    memcpy(STACK_PLACE(random_at), input->random, 16);

    uint64_t *word = (uint64_t *)bytes;
    *word++ = arguments->count;
    if (stack_point_to(arguments, (const char *)STACK_PLACE(arguments_at), arguments_at, &word) !=
            0 ||
        stack_point_to(environment, (const char *)STACK_PLACE(environment_at), environment_at,
                       &word) != 0) {
        kfree(bytes);
        return -EINVAL;
    }
    for (size_t i = 0; i < input->auxiliary_count; i++)
        stack_auxiliary(&word, input->auxiliary[i].type, input->auxiliary[i].value);
    stack_auxiliary(&word, AT_RANDOM, random_at);
    stack_auxiliary(&word, AT_EXECFN, path_at);
    stack_auxiliary(&word, AT_PLATFORM, platform_at);
    stack_auxiliary(&word, AT_NULL, 0);
#undef STACK_PLACE

    *out = (struct program_stack){.bytes = bytes, .size = size, .pointer = pointer};
    return 0;
}
