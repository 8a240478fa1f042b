/* Symbols through elfutils' libdw, for the one file that was named: no separate debug files are
 * searched for, above all not on the network (debuginfod). */
#include "proxy/symbols.h"

#include "abi/program.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct symbols {
    Dwfl *session;
};

static int no_separate_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                            const char *file, const char *link, GElf_Word checksum, char **found)
{
    (void)module, (void)data, (void)name, (void)base, (void)file, (void)link, (void)checksum;
    (void)found;
    return -1;
}

static int no_other_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                         char **file, Elf **elf)
{
    (void)module, (void)data, (void)name, (void)base, (void)file, (void)elf;
    return -1;
}

struct symbols *symbols_open(const char *path, uint64_t base)
{
    static const Dwfl_Callbacks callbacks = {
        .find_elf = no_other_file,
        .find_debuginfo = no_separate_file,
        .section_address = dwfl_offline_section_address,
    };
    struct symbols *symbols = calloc(1, sizeof(*symbols));
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (!symbols || fd < 0)
        goto fail;
    symbols->session = dwfl_begin(&callbacks);
    if (!symbols->session)
        goto fail;
    dwfl_report_begin(symbols->session);
    /* Takes the descriptor over when it succeeds. */
    if (!dwfl_report_elf(symbols->session, "file", path, fd, base, false))
        goto fail;
    dwfl_report_end(symbols->session, NULL, NULL);
    return symbols;
fail:
    if (fd >= 0)
        close(fd);
    symbols_close(symbols);
    return NULL;
}

uint64_t symbols_program_base(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf *elf =
        fd >= 0 && elf_version(EV_CURRENT) != EV_NONE ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    size_t count = 0;
    uint64_t alignment = 0;
    GElf_Phdr segment;

    if (elf && elf_getphdrnum(elf, &count))
        count = 0;
    for (size_t i = 0; i < count; i++)
        if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_LOAD &&
            segment.p_align > alignment)
            alignment = segment.p_align;
    if (elf)
        elf_end(elf);
    if (fd >= 0)
        close(fd);
    return program_pie_base(alignment);
}

struct Dwfl *symbols_session(struct symbols *symbols)
{
    return symbols ? symbols->session : NULL;
}

void symbols_close(struct symbols *symbols)
{
    if (!symbols)
        return;
    if (symbols->session)
        dwfl_end(symbols->session);
    free(symbols);
}

/* The innermost function at `address` by DWARF, inlined ones included: it is the one that the
 * source line belongs to. */
static const char *inlined_function(Dwfl_Module *module, Dwarf_Addr address)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias), *scopes = NULL;
    int count = unit ? dwarf_getscopes(unit, address - bias, &scopes) : 0;
    const char *name = NULL;

    for (int i = 0; i < count && !name; i++) {
        int tag = dwarf_tag(&scopes[i]);

        if (tag == DW_TAG_inlined_subroutine)
            name = dwarf_diename(&scopes[i]);
        else if (tag == DW_TAG_subprogram)
            break;
    }
    if (count > 0)
        free(scopes);
    return name;
}

bool symbols_find(struct symbols *symbols, uint64_t address, bool is_return_address,
                  struct symbol *symbol)
{
    uint64_t look = is_return_address && address ? address - 1 : address;
    Dwfl_Module *module = symbols ? dwfl_addrmodule(symbols->session, look) : NULL;
    const char *name, *inlined;
    Dwfl_Line *line;
    GElf_Off offset = 0;
    GElf_Sym entry;

    memset(symbol, 0, sizeof(*symbol));
    if (!module)
        return false;
    name = dwfl_module_addrinfo(module, look, &offset, &entry, NULL, NULL, NULL);
    if (name) {
        inlined = inlined_function(module, look);
        if (inlined)
            snprintf(symbol->function, sizeof(symbol->function), "%s, inlined in %s", inlined,
                     name);
        else
            snprintf(symbol->function, sizeof(symbol->function), "%s", name);
        symbol->offset = offset + (look != address);
    }
    line = dwfl_module_getsrc(module, look);
    if (line) {
        const char *path = dwfl_lineinfo(line, NULL, &symbol->line, NULL, NULL, NULL);
        const char *slash = path ? strrchr(path, '/') : NULL;

        snprintf(symbol->file, sizeof(symbol->file), "%s", slash ? slash + 1 : path ? path : "");
        if (!path)
            symbol->line = 0;
    }
    return name || line;
}
