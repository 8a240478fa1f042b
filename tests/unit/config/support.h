/* For the tests of the command's front: small ELF files, files in a folder of the test's own, and
 * reports caught as text. */
#ifndef TESTS_UNIT_CONFIG_SUPPORT_H
#define TESTS_UNIT_CONFIG_SUPPORT_H

#include "proxy/config.h"

#include <elf.h>

/* A sound static executable of two segments, small enough to break in every way. */
struct small_elf {
    Elf64_Ehdr header;
    Elf64_Phdr segments[4]; /* text, data; two spare ones of type PT_NULL */
    Elf64_Dyn dynamic[2];   /* where a PT_DYNAMIC may point to */
    Elf64_Shdr section;     /* where a section table may be */
    char text[256];
    uint8_t rest[0x1800 - 256 - sizeof(Elf64_Ehdr) - 4 * sizeof(Elf64_Phdr) -
                 2 * sizeof(Elf64_Dyn) - sizeof(Elf64_Shdr)];
};
void small_elf_make(struct small_elf *elf);

/* The folder of this test, made when first asked for; support_clean removes it with all in it. */
const char *support_folder(void);
/* Writes FOLDER/name and returns that path (valid until the test's end). */
const char *support_write(const char *name, const void *bytes, size_t size);
/* A sound program at FOLDER/name. */
const char *support_program(const char *name);
void support_clean(void);

/* A report that is caught. */
struct caught {
    struct config_report report;
    char *text; /* after caught_end */
    size_t size;
};
void caught_begin(struct caught *caught, const char *file);
void caught_end(struct caught *caught);

/* `text` is in the report, and it is the only fault. */
void caught_expect_only(struct caught *caught, const char *text);

#endif
