/* Reading program files: real ones, and tens of thousands of damaged ones. The image always ends
 * where the heap block ends, so that AddressSanitizer sees any byte read behind it. */
#include "instance/program.h"

#include "abi/program.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LIMIT (PROGRAM_TOP - PROGRAM_STACK_SIZE)
#define IMAGE_SIZE 0x3000

/* A small program: code, then data with zeros behind it, and the stack's wishes. */
struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
};

static struct image *make_image(uint16_t type, uint64_t base)
{
    uint8_t *bytes = calloc(1, IMAGE_SIZE);
    struct image *image = (struct image *)bytes;
    memcpy(image->header.e_ident, ELFMAG, SELFMAG);
    image->header.e_ident[EI_CLASS] = ELFCLASS64;
    image->header.e_ident[EI_DATA] = ELFDATA2LSB;
    image->header.e_ident[EI_VERSION] = EV_CURRENT;
    image->header.e_type = type;
    image->header.e_machine = EM_X86_64;
    image->header.e_version = EV_CURRENT;
    image->header.e_entry = base + 0x100;
    image->header.e_phoff = offsetof(struct image, segments);
    image->header.e_phentsize = sizeof(Elf64_Phdr);
    image->header.e_phnum = 3;
    image->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                      .p_flags = PF_R | PF_X,
                                      .p_offset = 0,
                                      .p_vaddr = base,
                                      .p_filesz = 0x1800,
                                      .p_memsz = 0x1800,
                                      .p_align = 0x1000};
    image->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                      .p_flags = PF_R | PF_W,
                                      .p_offset = 0x1800,
                                      .p_vaddr = base + 0x2800,
                                      .p_filesz = 0x900,
                                      .p_memsz = 0x5000,
                                      .p_align = 0x1000};
    image->segments[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
    return image;
}

static int parse(const void *image, uint64_t size, struct program_layout *layout, const char **why)
{
    return program_parse(image, size, LIMIT, layout, why);
}

Test(program_elf, fixed_address)
{
    struct image *image = make_image(ET_EXEC, 0x400000);
    struct program_layout layout;
    const char *why;
    cr_assert_eq(parse(image, IMAGE_SIZE, &layout, &why), 0, "%s", why);
    cr_assert_eq(layout.base, 0);
    cr_assert_eq(layout.entry, 0x400100);
    cr_assert_eq(layout.headers, 0x400000 + offsetof(struct image, segments));
    cr_assert_eq(layout.header_count, 3);
    cr_assert_eq(layout.segment_count, 2);
    cr_assert_eq(layout.segments[0].protection, PROT_READ | PROT_EXEC);
    cr_assert_eq(layout.segments[1].address, 0x402800);
    cr_assert_eq(layout.segments[1].protection, PROT_READ | PROT_WRITE);
    cr_assert_eq(layout.segments[1].memory_size, 0x5000);
    cr_assert_eq(layout.end, 0x408000);
    cr_assert(!layout.executable_stack);
    kfree(layout.segments);
    free(image);
}

Test(program_elf, position_independent)
{
    struct image *image = make_image(ET_DYN, 0);
    struct program_layout layout;
    const char *why;
    cr_assert_eq(parse(image, IMAGE_SIZE, &layout, &why), 0, "%s", why);
    cr_assert_eq(layout.base, PROGRAM_PIE_BASE);
    cr_assert_eq(layout.entry, PROGRAM_PIE_BASE + 0x100);
    kfree(layout.segments);

    /* With a larger alignment the base goes down to it. */
    image->segments[1].p_align = 0x200000;
    image->segments[2].p_flags = PF_R | PF_W | PF_X;
    cr_assert_eq(parse(image, IMAGE_SIZE, &layout, &why), 0, "%s", why);
    cr_assert_eq(layout.base % 0x200000, 0);
    cr_assert_eq(layout.base, program_pie_base(0x200000));
    cr_assert(layout.executable_stack);
    kfree(layout.segments);
    free(image);
}

/* Each with what is wrong, and what must be said. */
static void refuse(struct image *image, const char *word)
{
    struct program_layout layout;
    const char *why = NULL;
    cr_assert_eq(parse(image, IMAGE_SIZE, &layout, &why), -ENOEXEC, "%s", word);
    cr_assert_not_null(why);
    cr_assert_not_null(strstr(why, word), "'%s' does not say '%s'", why, word);
    cr_assert_null(layout.segments);
    free(image);
}
#define REFUSE(change, word)                                                                       \
    do {                                                                                           \
        struct image *it = make_image(ET_EXEC, 0x400000);                                          \
        change;                                                                                    \
        refuse(it, word);                                                                          \
    } while (0)

Test(program_elf, refusals)
{
    REFUSE(it->header.e_ident[0] = 'X', "not an ELF");
    REFUSE(it->header.e_machine = EM_AARCH64, "x86-64");
    REFUSE(it->header.e_ident[EI_CLASS] = ELFCLASS32, "x86-64");
    REFUSE(it->header.e_type = ET_REL, "executable");
    REFUSE(it->header.e_version = 7, "version");
    REFUSE(it->header.e_phentsize = 32, "headers");
    REFUSE(it->header.e_phnum = 0, "headers");
    REFUSE(it->header.e_phnum = 2000, "headers");
    REFUSE(it->header.e_phoff = IMAGE_SIZE - 100, "outside the file");
    REFUSE(it->header.e_phoff = UINT64_MAX - 8, "outside the file");
    REFUSE(it->segments[2].p_type = PT_INTERP, "static");
    REFUSE(it->segments[0].p_filesz = 0x2000, "larger in the file");
    REFUSE(it->segments[1].p_offset = 0x2800, "outside the file");
    REFUSE(it->segments[1].p_offset = UINT64_MAX - 0x7ff, "outside the file");
    REFUSE(it->segments[1].p_vaddr += 1, "do not agree");
    REFUSE(it->segments[1].p_align = 3, "power of two");
    REFUSE(it->segments[1].p_memsz = UINT64_MAX, "outside the program's");
    REFUSE(it->segments[1].p_memsz = LIMIT, "outside the program's");
    REFUSE(it->segments[1].p_vaddr = 0x400800, "overlap");
    REFUSE(it->segments[0].p_vaddr = 0, "lowest");
    REFUSE(it->header.e_entry = 0x402900, "entry");
    REFUSE(it->header.e_entry = UINT64_MAX, "entry");
    REFUSE((it->segments[0].p_type = PT_NULL, it->segments[1].p_type = PT_NULL), "nothing");
    REFUSE((it->header.e_type = ET_DYN, it->segments[0].p_align = UINT64_C(1) << 63), "place");
}

static uint64_t state = UINT64_C(88172645463325252);
static uint64_t random_word(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* What every accepted layout must be, whatever the file was. */
static void check_layout(const struct program_layout *layout, uint64_t size)
{
    uint64_t end = PROGRAM_FLOOR;
    bool entry = false;
    cr_assert_gt(layout->segment_count, 0);
    for (size_t i = 0; i < layout->segment_count; i++) {
        const struct program_segment *at = &layout->segments[i];
        cr_assert_geq(at->address, end);
        cr_assert_leq(at->memory_size, LIMIT - at->address);
        cr_assert_gt(at->memory_size, 0);
        cr_assert_leq(at->file_size, at->memory_size);
        cr_assert(at->offset <= size && at->file_size <= size - at->offset);
        if (at->file_size != 0)
            cr_assert_eq((at->address - at->offset) % PAGE_SIZE, 0);
        end = at->address + at->memory_size;
        entry = entry || (layout->entry >= at->address && layout->entry < end &&
                          (at->protection & PROT_EXEC));
    }
    cr_assert(entry);
    cr_assert_geq(layout->end, end);
    cr_assert_leq(layout->end, LIMIT);
}

/* Headers whose fields are near the interesting values, in files of any length. */
Test(program_elf, damaged_files)
{
    unsigned accepted = 0;
    for (int i = 0; i < 60000; i++) {
        struct image *whole = make_image(i % 2 ? ET_EXEC : ET_DYN, i % 2 ? 0x400000 : 0);
        static const uint64_t values[] = {0,          1,          0x1000,         0x7ff,
                                          0x1800,     IMAGE_SIZE, LIMIT,          PROGRAM_FLOOR,
                                          UINT64_MAX, INT64_MAX,  UINT64_MAX - 7, 0x400000};
        for (unsigned k = random_word() % 4; k > 0; k--) {
            uint64_t at = random_word() % sizeof(*whole);
            if (random_word() % 2) {
                ((uint8_t *)whole)[at] = (uint8_t)random_word();
            } else {
                at = at / 8 * 8;
                uint64_t value = values[random_word() % (sizeof(values) / sizeof(values[0]))] +
                                 random_word() % 3 - 1;
                memcpy((uint8_t *)whole + at, &value, sizeof(value));
            }
        }
        uint64_t size = random_word() % 8 ? IMAGE_SIZE : random_word() % IMAGE_SIZE;
        uint8_t *image = malloc(size + !size);
        memcpy(image, whole, size);
        free(whole);

        struct program_layout layout;
        const char *why;
        int result = parse(image, size, &layout, &why);
        if (result == 0) {
            accepted++;
            check_layout(&layout, size);
            kfree(layout.segments);
        } else {
            cr_assert_eq(result, -ENOEXEC);
            cr_assert_not_null(why);
        }
        free(image);
    }
    cr_assert_gt(accepted, 5000, "the damage leaves some whole");
}

Test(program_elf, every_truncation)
{
    struct image *whole = make_image(ET_EXEC, 0x400000);
    for (uint64_t size = 0; size < sizeof(*whole) + 64; size++) {
        uint8_t *image = malloc(size + !size);
        memcpy(image, whole, size);
        struct program_layout layout;
        const char *why;
        cr_assert_eq(parse(image, size, &layout, &why), -ENOEXEC);
        free(image);
    }
    free(whole);
}
