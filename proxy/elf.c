/* Is a file a program that an instance can run? A static x86-64 Linux ELF executable, position
 * independent or not, whose segments can be laid out as they say.
 *
 * The file is a stranger's: every offset is checked here before libelf is let near it, and libelf's
 * answers are checked again. The first thing wrong is reported: what follows it means little. */
#include "proxy/config.h"
#include "proxy/config_build.h"

#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)
/* Where a program may lie (abi/handover.h has the whole map). */
#define PROGRAM_START UINT64_C(0x10000)
#define PROGRAM_END UINT64_C(0x7ffffffff000)

/* One check's state: the file, and where the verdict goes. */
struct elf_check {
    const uint8_t *image;
    uint64_t size;
    uint64_t memory;
    char *buffer;
    size_t capacity;
    Elf64_Ehdr header;
    GElf_Phdr *segments; /* all program headers, in the file's order */
    size_t count;
};

__attribute__((format(printf, 2, 3))) static const char *refuse(struct elf_check *check,
                                                                const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->buffer, check->capacity, format, arguments);
    va_end(arguments);
    return check->buffer;
}

static bool inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static const char *machine_name(unsigned machine, char number[32])
{
    switch (machine) {
    case EM_386:
        return "32-bit x86";
    case EM_AARCH64:
        return "AArch64";
    case EM_ARM:
        return "Arm";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "PowerPC";
    case EM_S390:
        return "S/390";
    default:
        snprintf(number, 32, "machine type %u", machine);
        return number;
    }
}

/* The 16 identifying bytes and the kind of file: before these hold, nothing else has a meaning. */
static const char *check_kind(struct elf_check *check)
{
    const uint8_t *image = check->image;
    char number[32];
    if (check->size == 0)
        return refuse(check, "is empty; a static x86-64 ELF executable is needed");
    if (check->size >= 2 && image[0] == '#' && image[1] == '!')
        return refuse(check, "is a script, not an ELF file; a static x86-64 executable is needed");
    if (check->size < SELFMAG || memcmp(image, ELFMAG, SELFMAG))
        return refuse(check, "is not an ELF file; a static x86-64 executable is needed");
    if (check->size < EI_NIDENT)
        return refuse(check, "is cut short: %" PRIu64 " bytes, an ELF header has %zu", check->size,
                      sizeof(Elf64_Ehdr));
    if (image[EI_CLASS] != ELFCLASS64)
        return refuse(check, "is %s ELF file; a 64-bit one is needed (no -m32, no -mx32)",
                      image[EI_CLASS] == ELFCLASS32 ? "a 32-bit" : "no 64-bit");
    if (image[EI_DATA] != ELFDATA2LSB)
        return refuse(check, "is not for x86-64: its byte order is not little-endian");
    if (check->size < sizeof(Elf64_Ehdr))
        return refuse(check, "is cut short: %" PRIu64 " bytes, an ELF header has %zu", check->size,
                      sizeof(Elf64_Ehdr));
    memcpy(&check->header, image, sizeof(check->header));
    const Elf64_Ehdr *header = &check->header;
    if (header->e_machine != EM_X86_64)
        return refuse(check, "is for %s; a program for x86-64 is needed",
                      machine_name(header->e_machine, number));
    if (image[EI_OSABI] != ELFOSABI_SYSV && image[EI_OSABI] != ELFOSABI_GNU)
        return refuse(check, "is not for Linux (its ELF OS ABI is %u; 0 or 3 would be right)",
                      image[EI_OSABI]);
    if (image[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
        return refuse(check, "has ELF version %" PRIu32 "; only version 1 exists",
                      header->e_version);
    switch (header->e_type) {
    case ET_EXEC:
    case ET_DYN:
        return NULL;
    case ET_REL:
        return refuse(check, "is an object file; link it into an executable with -static");
    case ET_CORE:
        return refuse(check, "is a core dump, not an executable");
    default:
        return refuse(check, "has ELF type %u; 2 (executable) or 3 (PIE) would be right",
                      header->e_type);
    }
}

/* The two header tables must lie in the file. libelf sizes memory by the section count before it
 * looks whether so many sections can be there, so this comes before libelf. */
static const char *check_tables(struct elf_check *check)
{
    const Elf64_Ehdr *header = &check->header;
    if (header->e_ehsize != sizeof(Elf64_Ehdr))
        return refuse(check, "has a damaged ELF header: its size says %u, %zu would be right",
                      header->e_ehsize, sizeof(Elf64_Ehdr));
    if (header->e_phnum == 0 || header->e_phoff == 0)
        return refuse(check, "has no segments to load; link it into an executable with -static");
    if (header->e_phnum == PN_XNUM)
        return refuse(check, "has more than 65534 segments, which Linux refuses too");
    if (header->e_phentsize != sizeof(Elf64_Phdr))
        return refuse(check, "has a damaged ELF header: a segment entry has %u bytes, not %zu",
                      header->e_phentsize, sizeof(Elf64_Phdr));
    if (!inside(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), check->size))
        return refuse(check,
                      "is cut short: its segment table (%u entries at 0x%" PRIx64
                      ") ends behind the file's %" PRIu64 " bytes",
                      header->e_phnum, header->e_phoff, check->size);
    if (header->e_shoff == 0) {
        if (header->e_shnum)
            return refuse(check, "has a damaged ELF header: %u sections, but no place for them",
                          header->e_shnum);
        return NULL;
    }
    if (header->e_shentsize != sizeof(Elf64_Shdr))
        return refuse(check, "has a damaged ELF header: a section entry has %u bytes, not %zu",
                      header->e_shentsize, sizeof(Elf64_Shdr));
    uint64_t sections = header->e_shnum;
    if (sections == 0) { /* then the first entry's size field is the count */
        Elf64_Shdr first;
        if (!inside(header->e_shoff, sizeof(first), check->size))
            return refuse(check,
                          "is cut short: its section table (at 0x%" PRIx64
                          ") lies behind the file's %" PRIu64 " bytes",
                          header->e_shoff, check->size);
        memcpy(&first, check->image + header->e_shoff, sizeof(first));
        sections = first.sh_size;
    }
    if (header->e_shoff > check->size ||
        sections > (check->size - header->e_shoff) / sizeof(Elf64_Shdr))
        return refuse(check,
                      "is cut short: its section table (%" PRIu64 " entries at 0x%" PRIx64
                      ") ends behind the file's %" PRIu64 " bytes",
                      sections, header->e_shoff, check->size);
    return NULL;
}

/* What the named loader is, for the message: its printable beginning. */
static void interpreter_name(const struct elf_check *check, const GElf_Phdr *segment, char name[64])
{
    size_t length = 0;
    while (length < 63 && length < segment->p_filesz) {
        uint8_t byte = check->image[segment->p_offset + length];
        if (byte < ' ' || byte > '~')
            break;
        name[length++] = (char)byte;
    }
    name[length] = 0;
}

/* Reads the program headers through libelf; each must lie in the file. */
static const char *read_segments(struct elf_check *check, Elf *elf)
{
    size_t count;
    if (elf_kind(elf) != ELF_K_ELF || elf_getphdrnum(elf, &count) || count != check->header.e_phnum)
        return refuse(check, "cannot be read as an ELF file (%s)", elf_errmsg(-1));
    check->segments = config_allocate(count, sizeof(GElf_Phdr));
    check->count = count;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr *segment = &check->segments[i];
        if (!gelf_getphdr(elf, (int)i, segment))
            return refuse(check, "cannot be read: segment %zu (%s)", i, elf_errmsg(-1));
        if (segment->p_type != PT_NULL && segment->p_filesz &&
            !inside(segment->p_offset, segment->p_filesz, check->size))
            return refuse(check,
                          "is cut short: segment %zu (0x%" PRIx64 " bytes at 0x%" PRIx64
                          ") ends behind the file's %" PRIu64 " bytes",
                          i, segment->p_filesz, segment->p_offset, check->size);
    }
    return NULL;
}

/* A program that needs a loader or libraries would have to find them, and there is no one to look.
 */
static const char *check_static(struct elf_check *check, Elf *elf)
{
    for (size_t i = 0; i < check->count; i++) {
        const GElf_Phdr *segment = &check->segments[i];
        if (segment->p_type == PT_INTERP) {
            char name[64];
            interpreter_name(check, segment, name);
            return refuse(check,
                          "is dynamically linked (it asks for %s); link it with -static or "
                          "-static-pie",
                          name[0] ? name : "a loader");
        }
    }
    for (size_t i = 0; i < check->count; i++) {
        const GElf_Phdr *segment = &check->segments[i];
        if (segment->p_type != PT_DYNAMIC || segment->p_filesz == 0)
            continue;
        Elf_Data *data =
            elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz, ELF_T_DYN);
        if (!data)
            return refuse(check, "has an unreadable dynamic section (%s)", elf_errmsg(-1));
        size_t entries = data->d_size / sizeof(Elf64_Dyn);
        GElf_Dyn entry;
        for (size_t k = 0; k < entries && k < INT32_MAX; k++) {
            if (!gelf_getdyn(data, (int)k, &entry) || entry.d_tag == DT_NULL)
                break;
            if (entry.d_tag == DT_NEEDED)
                return refuse(check, "is dynamically linked (it needs shared libraries); link it "
                                     "with -static or -static-pie");
        }
    }
    return NULL;
}

static int by_address(const void *left, const void *right)
{
    const GElf_Phdr *a = left, *b = right;
    return a->p_vaddr < b->p_vaddr ? -1 : a->p_vaddr > b->p_vaddr;
}

/* The loaded segments, one by one: sizes, places, and the entry. *needed: the
 * bytes of memory that they take once every page is touched. */
static const char *check_each_load(struct elf_check *check, uint64_t *needed)
{
    bool independent = check->header.e_type == ET_DYN; /* may be moved up as a whole */
    uint64_t lowest = independent ? 0 : PROGRAM_START;
    uint64_t highest = independent ? PROGRAM_END - PROGRAM_START : PROGRAM_END;
    bool loads = false, entry_found = false;
    *needed = 0;
    for (size_t i = 0; i < check->count; i++) {
        const GElf_Phdr *segment = &check->segments[i];
        if (segment->p_type != PT_LOAD || segment->p_memsz == 0)
            continue;
        loads = true;
        if (segment->p_filesz > segment->p_memsz)
            return refuse(check,
                          "is damaged: segment %zu has 0x%" PRIx64
                          " bytes in the file but 0x%" PRIx64 " in memory",
                          i, segment->p_filesz, segment->p_memsz);
        if (segment->p_vaddr < lowest || !inside(segment->p_vaddr, segment->p_memsz, highest))
            return refuse(check,
                          "wants segment %zu at 0x%" PRIx64 " (0x%" PRIx64
                          " bytes); a program may lie from 0x%" PRIx64 " to 0x%" PRIx64,
                          i, segment->p_vaddr, segment->p_memsz, lowest, highest);
        /* Pages are mapped from the file, as on Linux, so both must agree within a page. */
        if (segment->p_filesz && (segment->p_vaddr - segment->p_offset) % PAGE)
            return refuse(check,
                          "cannot be mapped: segment %zu at 0x%" PRIx64
                          " and its file offset 0x%" PRIx64 " lie differently within a page",
                          i, segment->p_vaddr, segment->p_offset);
        uint64_t first = segment->p_vaddr / PAGE;
        uint64_t behind = (segment->p_vaddr + segment->p_memsz + PAGE - 1) / PAGE;
        *needed += (behind - first) * PAGE; /* at most 65534 times 2^47: it cannot overflow */
        uint64_t into = check->header.e_entry - segment->p_vaddr;
        if ((segment->p_flags & PF_X) && check->header.e_entry >= segment->p_vaddr &&
            into < segment->p_filesz)
            entry_found = true;
    }
    if (!loads)
        return refuse(check, "has no segments to load; link it into an executable with -static");
    if (!entry_found)
        return refuse(check,
                      "has no entry to start at: 0x%" PRIx64
                      " lies in no executable segment (is it a library?)",
                      check->header.e_entry);
    return NULL;
}

static const char *check_loads(struct elf_check *check)
{
    uint64_t needed;
    const char *refusal = check_each_load(check, &needed);
    if (refusal)
        return refusal;
    /* Sorted from here on; the file's order is no longer needed. */
    qsort(check->segments, check->count, sizeof(GElf_Phdr), by_address);
    const GElf_Phdr *before = NULL;
    for (size_t i = 0; i < check->count; i++) {
        const GElf_Phdr *segment = &check->segments[i];
        if (segment->p_type != PT_LOAD || segment->p_memsz == 0)
            continue;
        if (before && segment->p_vaddr - before->p_vaddr < before->p_memsz)
            return refuse(check,
                          "is damaged: its segments at 0x%" PRIx64 " (0x%" PRIx64
                          " bytes) and 0x%" PRIx64 " overlap",
                          before->p_vaddr, before->p_memsz, segment->p_vaddr);
        before = segment;
    }
    if (needed > check->memory) {
        char need[32], have[32], enough[32];
        uint64_t more = (needed + 2 * CONFIG_MEMORY_STEP - 1) / CONFIG_MEMORY_STEP;
        return refuse(check,
                      "is larger than its memory: it needs %s, the instance has %s; %s or more "
                      "would be right",
                      config_show_size(needed, need), config_show_size(check->memory, have),
                      config_show_size((more + 1) * CONFIG_MEMORY_STEP, enough));
    }
    return NULL;
}

const char *elf_refusal(const void *image, size_t size, uint64_t memory, char *buffer,
                        size_t capacity)
{
    struct elf_check check = {
        .image = image, .size = size, .memory = memory, .buffer = buffer, .capacity = capacity};
    const char *refusal = check_kind(&check);
    if (!refusal)
        refusal = check_tables(&check);
    if (refusal)
        return refusal;
    if (elf_version(EV_CURRENT) == EV_NONE)
        return refuse(&check, "cannot be checked: libelf is too old");
    /* libelf only reads what elf_memory was given, though its type does not say so. */
    Elf *elf = elf_memory((char *)(uintptr_t)image, size);
    if (!elf)
        return refuse(&check, "cannot be read as an ELF file (%s)", elf_errmsg(-1));
    refusal = read_segments(&check, elf);
    if (!refusal)
        refusal = check_static(&check, elf);
    if (!refusal)
        refusal = check_loads(&check);
    free(check.segments);
    elf_end(elf);
    return refusal;
}
