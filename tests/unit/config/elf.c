/* elf_refusal: every refusal, by breaking a sound file in one place, and what is taken. */
#include "tests/unit/config/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY (UINT64_C(64) << 20)

/* Checks `size` bytes in memory of exactly that size, so that the sanitizer sees every overrun. */
static const char *refusal_of(const void *bytes, size_t size, uint64_t memory)
{
    static char buffer[256];
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    const char *refusal = elf_refusal(exact, size, memory, buffer, sizeof(buffer));
    cr_expect_eq(memcmp(exact, bytes, size), 0, "the file was written to");
    free(exact);
    return refusal;
}

static void expect_refused(const void *bytes, size_t size, uint64_t memory, const char *text)
{
    const char *refusal = refusal_of(bytes, size, memory);
    cr_assert_not_null(refusal, "taken, but \"%s\" expected", text);
    cr_expect(strstr(refusal, text), "\"%s\" expected in \"%s\"", text, refusal);
}

/* One test: a sound file in `elf`, broken by `change`, is refused with `message`. */
#define REFUSED(test, message, change)                                                             \
    Test(elf, test)                                                                                \
    {                                                                                              \
        struct small_elf elf;                                                                      \
        size_t size = sizeof(elf);                                                                 \
        uint64_t memory = MEMORY;                                                                  \
        small_elf_make(&elf);                                                                      \
        change;                                                                                    \
        expect_refused(&elf, size, memory, message);                                               \
    }

static void set_dynamic(struct small_elf *elf, int64_t tag)
{
    elf->dynamic[0].d_tag = tag;
    elf->segments[2] = (Elf64_Phdr){.p_type = PT_DYNAMIC,
                                    .p_offset = offsetof(struct small_elf, dynamic),
                                    .p_filesz = sizeof(elf->dynamic),
                                    .p_memsz = sizeof(elf->dynamic)};
}

static void set_interpreter(struct small_elf *elf, const char *name)
{
    strcpy(elf->text, name);
    elf->segments[2] = (Elf64_Phdr){.p_type = PT_INTERP,
                                    .p_offset = offsetof(struct small_elf, text),
                                    .p_filesz = strlen(name) + 1};
}

static void set_sections(struct small_elf *elf, uint64_t offset, uint16_t count, uint64_t first)
{
    elf->header.e_shoff = offset;
    elf->header.e_shnum = count;
    elf->section.sh_size = first;
}
#define SECTION_OFFSET offsetof(struct small_elf, section)

REFUSED(empty, "is empty", size = 0)
REFUSED(script, "is a script", memcpy(&elf, "#!/bin/sh\n", 10))
REFUSED(not_elf, "is not an ELF file", memcpy(&elf, "\177ELL", 4))
REFUSED(three_bytes, "is not an ELF file", size = 3)
REFUSED(cut_in_identity, "is cut short: 15 bytes", size = 15)
REFUSED(cut_in_header, "is cut short: 63 bytes", size = 63)
REFUSED(class_32, "is a 32-bit ELF file", elf.header.e_ident[EI_CLASS] = ELFCLASS32)
REFUSED(class_unknown, "is no 64-bit ELF file", elf.header.e_ident[EI_CLASS] = 7)
REFUSED(big_endian, "byte order", elf.header.e_ident[EI_DATA] = ELFDATA2MSB)
REFUSED(aarch64, "is for AArch64", elf.header.e_machine = EM_AARCH64)
REFUSED(other_machine, "is for machine type 4711", elf.header.e_machine = 4711)
REFUSED(freebsd, "is not for Linux", elf.header.e_ident[EI_OSABI] = ELFOSABI_FREEBSD)
REFUSED(version, "has ELF version 3", elf.header.e_version = 3)
REFUSED(object_file, "is an object file", elf.header.e_type = ET_REL)
REFUSED(core_dump, "is a core dump", elf.header.e_type = ET_CORE)
REFUSED(unknown_type, "has ELF type 99", elf.header.e_type = 99)
REFUSED(header_size, "its size says 12", elf.header.e_ehsize = 12)
REFUSED(no_segments, "has no segments", elf.header.e_phnum = 0)
REFUSED(no_segment_offset, "has no segments", elf.header.e_phoff = 0)
REFUSED(too_many_segments, "more than 65534", elf.header.e_phnum = PN_XNUM)
REFUSED(segment_entry_size, "a segment entry has 55", elf.header.e_phentsize = 55)
REFUSED(segment_table_outside, "its segment table", elf.header.e_phoff = UINT64_MAX - 8)
REFUSED(segment_table_cut, "its segment table", elf.header.e_phnum = 200)
REFUSED(sections_without_place, "3 sections, but no place", elf.header.e_shnum = 3)
REFUSED(section_entry_size, "a section entry has 1", {
    set_sections(&elf, SECTION_OFFSET, 1, 0);
    elf.header.e_shentsize = 1;
})
REFUSED(section_table_outside, "its section table", set_sections(&elf, UINT64_MAX - 8, 1, 0))
REFUSED(section_table_cut, "its section table (1000", set_sections(&elf, 0x1000, 1000, 0))
REFUSED(section_zero_outside, "its section table", set_sections(&elf, sizeof(elf) - 8, 0, 0))
REFUSED(section_count_huge, "its section table",
        set_sections(&elf, SECTION_OFFSET, 0, UINT64_MAX / 2))
REFUSED(segment_outside, "segment 1 (0x800 bytes at 0x1001000)",
        elf.segments[1].p_offset = 0x1001000)
REFUSED(segment_wraps, "segment 1 (0xfffffffffffff001 bytes",
        elf.segments[1].p_filesz = UINT64_C(0xfffffffffffff001))
REFUSED(file_cut, "is cut short: segment 1", size = sizeof(elf) - 1)
REFUSED(interpreter, "it asks for /lib/ld.so", set_interpreter(&elf, "/lib/ld.so"))
REFUSED(interpreter_unprintable, "it asks for /lib)", set_interpreter(&elf, "/lib\033[31m"))
REFUSED(interpreter_nameless, "it asks for a loader", set_interpreter(&elf, ""))
REFUSED(needed, "needs shared libraries", set_dynamic(&elf, DT_NEEDED))
REFUSED(larger_in_file, "segment 1 has 0x800 bytes in the file but 0x7ff",
        elf.segments[1].p_memsz = 0x7ff)
REFUSED(below_range, "wants segment 0 at 0xf000", {
    elf.segments[0].p_vaddr = 0xf000;
    elf.header.e_entry = 0xf200;
})
REFUSED(above_range, "a program may lie from 0x10000 to 0x7ffffffff000",
        elf.segments[1].p_vaddr = UINT64_C(0x7fffffffe000))
REFUSED(address_wraps, "wants segment 1", elf.segments[1].p_vaddr = UINT64_C(0xfffffffffffff000))
REFUSED(memory_wraps, "wants segment 1", elf.segments[1].p_memsz = UINT64_MAX)
REFUSED(independent_too_wide, "wants segment 1", {
    elf.header.e_type = ET_DYN;
    elf.segments[1].p_vaddr = UINT64_C(0x7fffffff0000);
})
REFUSED(different_within_page, "lie differently within a page", elf.segments[1].p_vaddr += 8)
REFUSED(nothing_to_load, "has no segments to load",
        elf.segments[0].p_type = elf.segments[1].p_type = PT_NOTE)
REFUSED(entry_zero, "has no entry", elf.header.e_entry = 0)
REFUSED(entry_in_data, "0x401100 lies in no executable segment", elf.header.e_entry = 0x401100)
REFUSED(entry_behind_file, "has no entry", {
    elf.segments[0].p_filesz = 0x100;
    elf.header.e_entry = 0x400180;
})
REFUSED(overlap, "its segments at 0x400000 (0x1001 bytes) and 0x401000 overlap",
        elf.segments[0].p_memsz = 0x1001)
REFUSED(overlap_unsorted, "overlap", {
    Elf64_Phdr text = elf.segments[0];
    text.p_memsz = 0x1001;
    elf.segments[0] = elf.segments[1];
    elf.segments[1] = text;
})
REFUSED(larger_than_memory, "it needs 65 MiB, the instance has 64 MiB; 70 MiB or more would be",
        elf.segments[1].p_memsz = UINT64_C(65) * 1024 * 1024 - 0x1000)

#define TAKEN(test, change)                                                                        \
    Test(elf, test)                                                                                \
    {                                                                                              \
        struct small_elf elf;                                                                      \
        small_elf_make(&elf);                                                                      \
        change;                                                                                    \
        const char *refusal = refusal_of(&elf, sizeof(elf), MEMORY);                               \
        cr_expect_null(refusal, "refused: %s", refusal);                                           \
    }

TAKEN(takes_sound_file, (void)0)
TAKEN(takes_independent, {
    elf.header.e_type = ET_DYN;
    elf.segments[0].p_vaddr = 0;
    elf.segments[1].p_vaddr = 0x1000;
    elf.header.e_entry = 0x200;
    set_dynamic(&elf, DT_FLAGS_1);
})
TAKEN(takes_unsorted, {
    Elf64_Phdr text = elf.segments[0];
    elf.segments[0] = elf.segments[1];
    elf.segments[1] = text;
})
TAKEN(takes_gnu_abi, elf.header.e_ident[EI_OSABI] = ELFOSABI_GNU)
TAKEN(takes_sections, set_sections(&elf, SECTION_OFFSET, 1, 0))
TAKEN(takes_first_and_last_address, {
    elf.segments[0].p_vaddr = 0x10000;
    elf.header.e_entry = 0x10000;
    elf.segments[1].p_vaddr = UINT64_C(0x7ffffffff000) - 0x2000;
})

/* The needed library is behind the end mark, where no loader looks. */
TAKEN(takes_needed_behind_end, {
    set_dynamic(&elf, DT_NULL);
    elf.dynamic[1].d_tag = DT_NEEDED;
})

/* A message longer than the room for it is cut, and ends. */
Test(elf, short_buffer)
{
    char buffer[8];
    const char *refusal = elf_refusal("#!", 2, MEMORY, buffer, sizeof(buffer));
    cr_assert_eq(refusal, buffer);
    cr_expect_str_eq(buffer, "is a sc");
}
