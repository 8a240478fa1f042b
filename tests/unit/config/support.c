/* See support.h. */
#include "tests/unit/config/support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

void small_elf_make(struct small_elf *elf)
{
    memset(elf, 0, sizeof(*elf));
    memcpy(elf->header.e_ident, ELFMAG, SELFMAG);
    elf->header.e_ident[EI_CLASS] = ELFCLASS64;
    elf->header.e_ident[EI_DATA] = ELFDATA2LSB;
    elf->header.e_ident[EI_VERSION] = EV_CURRENT;
    elf->header.e_type = ET_EXEC;
    elf->header.e_machine = EM_X86_64;
    elf->header.e_version = EV_CURRENT;
    elf->header.e_entry = 0x400200;
    elf->header.e_ehsize = sizeof(Elf64_Ehdr);
    elf->header.e_phoff = offsetof(struct small_elf, segments);
    elf->header.e_phentsize = sizeof(Elf64_Phdr);
    elf->header.e_phnum = 4;
    elf->header.e_shentsize = sizeof(Elf64_Shdr);
    elf->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_flags = PF_R | PF_X,
                                    .p_offset = 0,
                                    .p_vaddr = 0x400000,
                                    .p_filesz = 0x1000,
                                    .p_memsz = 0x1000,
                                    .p_align = 0x1000};
    elf->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_flags = PF_R | PF_W,
                                    .p_offset = 0x1000,
                                    .p_vaddr = 0x401000,
                                    .p_filesz = 0x800,
                                    .p_memsz = 0x2000,
                                    .p_align = 0x1000};
}

const char *support_folder(void)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/atoll-test-XXXXXX");
        cr_assert_not_null(mkdtemp(folder));
    }
    return folder;
}

const char *support_write(const char *name, const void *bytes, size_t size)
{
    static char path[4][128]; /* a few may be in use at once */
    static unsigned turn;
    char *result = path[turn++ % 4];
    snprintf(result, sizeof(path[0]), "%s/%s", support_folder(), name);
    FILE *file = fopen(result, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
    return result;
}

const char *support_program(const char *name)
{
    struct small_elf elf;
    small_elf_make(&elf);
    return support_write(name, &elf, sizeof(elf));
}

void support_clean(void)
{
    if (!folder[0])
        return;
    DIR *open = opendir(folder);
    struct dirent *entry;
    while (open && (entry = readdir(open)))
        unlinkat(dirfd(open), entry->d_name, 0); /* "." and ".." refuse */
    if (open)
        closedir(open);
    rmdir(folder);
    folder[0] = 0;
}

void caught_begin(struct caught *caught, const char *file)
{
    *caught = (struct caught){.report = {.file = file}};
    caught->report.out = open_memstream(&caught->text, &caught->size);
    cr_assert_not_null(caught->report.out);
}

void caught_end(struct caught *caught)
{
    if (caught->report.out)
        fclose(caught->report.out);
    caught->report.out = NULL;
}

void caught_expect_only(struct caught *caught, const char *text)
{
    caught_end(caught);
    cr_expect(strstr(caught->text, text), "expected \"%s\" in:\n%s", text, caught->text);
    cr_expect_eq(caught->report.faults, 1, "one fault expected, not %zu:\n%s",
                 caught->report.faults, caught->text);
    free(caught->text);
    caught->text = NULL;
}
