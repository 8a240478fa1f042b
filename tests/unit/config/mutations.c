/* Tens of thousands of damaged ELF and YAML files, under the sanitizers. The targets, and what must
 * hold for each input, are those of the fuzzers (tests/fuzz/). The seed is fixed: a failure comes
 * again, and its number tells which input it was. */
#include "tests/fuzz/targets.h"
#include "tests/unit/config/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define INPUTS 20000
#define SIZE_MAX_YAML 2048

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t random_below(uint32_t limit) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % limit;
}

/* The file in memory of exactly its size, so that reading one byte too many is seen. */
static void give(void (*target)(const uint8_t *, size_t), const void *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    target(exact, size);
    free(exact);
}

/* --- ELF --- */

/* Numbers at which checks of ranges break. */
static uint64_t telling_number(void)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       7,
                                       8,
                                       63,
                                       64,
                                       0x1000,
                                       0x17ff,
                                       0x1800,
                                       0x1801,
                                       0x400000,
                                       UINT32_MAX,
                                       INT32_MAX,
                                       INT64_MAX,
                                       UINT64_MAX,
                                       0x10000,
                                       UINT64_MAX - 63,
                                       UINT64_C(0x7ffffffff000),
                                       UINT64_MAX - 4095};
    return numbers[random_below(sizeof(numbers) / sizeof(numbers[0]))];
}

static size_t damage_elf(struct small_elf *elf)
{
    uint8_t *bytes = (uint8_t *)elf;
    size_t head = offsetof(struct small_elf, rest);
    for (uint32_t changes = 1 + random_below(4); changes; changes--) {
        uint64_t number = telling_number();
        uint32_t width = 1u << random_below(4);
        uint32_t at = random_below((uint32_t)(head - width)) / width * width;
        switch (random_below(4)) {
        case 0:
            bytes[at] = (uint8_t)random_below(256);
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1u << random_below(8));
            break;
        default:
            memcpy(bytes + at, &number, width);
            break;
        }
    }
    return random_below(8) ? sizeof(*elf) : random_below(sizeof(*elf) + 1);
}

Test(mutations, elf, .timeout = 60)
{
    for (int i = 0; i < INPUTS; i++) {
        struct small_elf elf;
        small_elf_make(&elf);
        elf.segments[2] = (Elf64_Phdr){.p_type = i % 2 ? PT_DYNAMIC : PT_INTERP,
                                       .p_offset = offsetof(struct small_elf, dynamic),
                                       .p_filesz = sizeof(elf.dynamic)};
        if (i % 3 == 0)
            elf.segments[2].p_type = PT_NULL;
        elf.header.e_shoff = i % 5 ? offsetof(struct small_elf, section) : 0;
        elf.header.e_shnum = i % 5 && i % 7;
        if (i % 11 == 0)
            elf.header.e_type = ET_DYN;
        give(fuzz_elf, &elf, damage_elf(&elf));
    }
}

Test(mutations, elf_cut_everywhere, .timeout = 60)
{
    struct small_elf elf;
    small_elf_make(&elf);
    elf.header.e_shoff = offsetof(struct small_elf, section);
    elf.header.e_shnum = 1;
    for (size_t size = 0; size <= sizeof(elf); size++)
        give(fuzz_elf, &elf, size);
}

Test(mutations, random_bytes, .timeout = 60)
{
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[512];
        size_t size = random_below(sizeof(bytes) + 1);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)random_below(256);
        give(fuzz_yaml, bytes, size);
        if (size >= 4)
            memcpy(bytes, ELFMAG, SELFMAG);
        give(fuzz_elf, bytes, size);
    }
}

/* --- YAML --- */

static const char *const machine_files[] = {
    "machine: {platform: auto, cores: 4, memory: 1G}\n"
    "instances:\n"
    "  - {name: left, cores: 2, memory: 64M, program: hello, args: [a, \"b c\", 3], env: {K: v}}\n"
    "  - name: right\n"
    "    cores: \"0-0,3\"\n"
    "    program: ./hello\n",
    "instances:\n- program: /bin/true\n  env:\n    A: 1\n    B: 2\n  args:\n  - x\n  - 'y z'\n",
    "# all at once\ninstances: [{program: |\n  text\n  more\n}, &a {name: >-\n  folded\n}, *a, "
    "!!map {}]"
    "\n---\nx: 1\n...\n",
    "%YAML 1.1\n---\n? instances\n: - ? program\n    : hello\n",
};

static const char *const pieces[] = {
    "instances:",
    "machine:",
    "cores: ",
    "memory: ",
    "program: ",
    "args: ",
    "env: ",
    "name: ",
    "- ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ": ",
    "&a ",
    "*a ",
    "!!str ",
    "\"\\0\"",
    "'",
    "\"",
    "#",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    "? ",
    "~",
    "0-3",
    "3-0",
    "4M",
    "99999999999999999999",
    "\xef\xbb\xbf",
    "\xff",
    "\xff\xfe",
    "\t",
    "\r\n",
    "%TAG ! x\n",
};

static size_t damage_yaml(char *text, size_t size)
{
    for (uint32_t changes = 1 + random_below(5); changes; changes--) {
        size_t at = size ? random_below((uint32_t)size) : 0;
        const char *piece = pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))];
        size_t length = strlen(piece);
        size_t span = random_below(40);
        switch (random_below(5)) {
        case 0: /* another byte */
            text[at] = (char)random_below(256);
            break;
        case 1: /* something left out */
            span = span < size - at ? span : size - at;
            memmove(text + at, text + at + span, size - at - span);
            size -= span;
            break;
        case 2: /* something twice */
            span = span < size - at ? span : size - at;
            if (size + span > SIZE_MAX_YAML)
                break;
            memmove(text + at + span, text + at, size - at);
            size += span;
            break;
        case 3: /* cut */
            if (random_below(4) == 0)
                size = at;
            break;
        default: /* a piece more */
            if (size + length > SIZE_MAX_YAML)
                break;
            memmove(text + at + length, text + at, size - at);
            memcpy(text + at, piece, length);
            size += length;
            break;
        }
    }
    return size;
}

Test(mutations, yaml, .timeout = 60)
{
    for (int i = 0; i < INPUTS; i++) {
        const char *file = machine_files[i % (sizeof(machine_files) / sizeof(machine_files[0]))];
        char text[SIZE_MAX_YAML + 1];
        size_t size = strlen(file);
        memcpy(text, file, size);
        give(fuzz_yaml, text, damage_yaml(text, size));
    }
}

Test(mutations, yaml_cut_everywhere, .timeout = 60)
{
    for (size_t i = 0; i < sizeof(machine_files) / sizeof(machine_files[0]); i++)
        for (size_t size = 0; size <= strlen(machine_files[i]); size++)
            give(fuzz_yaml, machine_files[i], size);
}
