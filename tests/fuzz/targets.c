/* See targets.h. */
#include "tests/fuzz/targets.h"
#include "proxy/config.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY (UINT64_C(64) << 20)

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "this does not hold: %s\n", what);
    abort();
}

/* Worked out anew from the bytes, without the code under test: may this file be loaded? */
static void check_taken(const uint8_t *bytes, size_t size)
{
    Elf64_Ehdr header;
    must(size >= sizeof(header), "a file that is taken has a header");
    memcpy(&header, bytes, sizeof(header));
    must(header.e_phoff <= size && header.e_phnum <= (size - header.e_phoff) / sizeof(Elf64_Phdr),
         "the segment table lies in the file");
    bool entry = false;
    unsigned __int128 sum = 0;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + header.e_phoff + i * sizeof(segment), sizeof(segment));
        must(segment.p_type != PT_INTERP, "no loader is asked for");
        if (segment.p_type != PT_LOAD || !segment.p_memsz)
            continue;
        unsigned __int128 behind = (unsigned __int128)segment.p_vaddr + segment.p_memsz;
        must(segment.p_filesz == 0 ||
                 (unsigned __int128)segment.p_offset + segment.p_filesz <= size,
             "a segment lies in the file");
        must(segment.p_filesz <= segment.p_memsz, "a segment is as long in memory as in the file");
        must(behind <= UINT64_C(0x7ffffffff000), "a segment ends below the program's end");
        must(header.e_type == ET_DYN || segment.p_vaddr >= 0x10000,
             "a segment lies above the program's start");
        if ((segment.p_flags & PF_X) && header.e_entry >= segment.p_vaddr &&
            header.e_entry - segment.p_vaddr < segment.p_filesz)
            entry = true;
        sum += segment.p_memsz;
    }
    must(entry, "the entry lies in an executable segment");
    must(sum <= MEMORY, "the segments fit into the memory");
}

void fuzz_elf(const uint8_t *bytes, size_t size)
{
    char buffer[256];
    memset(buffer, 'x', sizeof(buffer));
    const char *refusal = elf_refusal(bytes, size, MEMORY, buffer, sizeof(buffer));
    if (refusal)
        must(refusal == buffer && memchr(buffer, 0, sizeof(buffer)), "a refusal is a string");
    else
        check_taken(bytes, size);
}

void fuzz_yaml(const uint8_t *bytes, size_t size)
{
    static FILE *nowhere;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    must(nowhere != NULL, "/dev/null opens");
    struct config_report report = {.out = nowhere, .file = "m.yaml"};
    struct machine_config machine;
    if (config_read_yaml(&machine, (const char *)bytes, size, &report)) {
        must(report.faults > 0, "a refusal has its fault");
        must(!machine.instances && !machine.file, "a refused machine holds nothing");
        return;
    }
    must(report.faults == 0, "a machine that is taken has no fault");
    must(machine.instance_count > 0, "a machine that is taken has an instance");
    int error = config_check(&machine, &report);
    must(!error == !report.faults, "a refusal has its fault");
    config_free(&machine);
}
